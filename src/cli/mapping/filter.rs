//! Which mappings are listed.

use clap::Args;

use super::hands::Hands;
use crate::cli::connection::no_deadline;
use crate::cli::explain::Whom;
use crate::event::Subject;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::Mapping;
use crate::policy::fit::Answer;

/// What to look for, as it was given. All Studios are looked through.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(super) struct Filter {
    /// Only those of a user, by user name
    #[arg(long, value_name = "NAME", group = "one")]
    user: Option<String>,
    /// Only those of a user, by id
    #[arg(long, value_name = "ID", group = "one")]
    user_id: Option<String>,
    /// Only those of a group, by display name
    #[arg(long, value_name = "NAME", group = "one")]
    group: Option<String>,
    /// Only those of a group, by id
    #[arg(long, value_name = "ID", group = "one")]
    group_id: Option<String>,
    /// Only mappings with this session policy, by alias or ARN
    #[arg(long, value_name = "ALIAS|ARN")]
    session_policy: Option<String>,
}

/// The same, looked up.
#[derive(Debug, Default)]
pub(super) struct Known {
    whom: Option<Subject>,
    session_policy: Option<String>,
}

impl Filter {
    /// Looks up whom a name means, if there is an identity store to ask.
    pub(super) async fn known(self, hands: &Hands) -> Result<Known, String> {
        let policy = self.session_policy.as_deref();
        let policy = policy.map(|name| hands.session_policy(name)).transpose()?;
        let whom = Whom {
            user: self.user,
            user_id: self.user_id,
            group: self.group,
            group_id: self.group_id,
        };
        let whom = match whom.given()? {
            Some(Subject::Name(kind, name)) => Some(match bearer(hands, kind, &name).await? {
                Some(id) => Subject::Id(Identity { kind, id }),
                // Who is gone can still be mapped, under the name they had.
                None => Subject::Name(kind, name),
            }),
            given => given,
        };
        Ok(Known {
            whom,
            session_policy: policy,
        })
    }
}

async fn bearer(hands: &Hands, kind: IdentityType, name: &str) -> Result<Option<Id>, String> {
    let store = hands.engine.store();
    if store.id().is_empty() {
        return Ok(None);
    }
    hands.store_answers.clone()?;
    let found = match kind {
        IdentityType::User => store.user_id(name, no_deadline()).await,
        IdentityType::Group => store.group_id(name, no_deadline()).await,
    };
    Ok(match found.map_err(|error| error.to_string())? {
        Answer::Is(id) => Some(id),
        Answer::Gone | Answer::Unread { .. } => None,
    })
}

impl Known {
    pub(super) fn takes(&self, identity: &Identity, mapping: &Mapping) -> bool {
        let is_it = match &self.whom {
            None => true,
            Some(Subject::Id(id)) => id == identity,
            Some(Subject::Name(kind, name)) => {
                let made_under = mapping.name.as_deref().unwrap_or_default();
                identity.kind == *kind && made_under.to_lowercase() == name.to_lowercase()
            }
        };
        let policy = self.session_policy.as_ref();
        is_it && policy.is_none_or(|policy| *policy == mapping.session_policy)
    }
}

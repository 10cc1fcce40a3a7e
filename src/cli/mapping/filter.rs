//! Which mappings are listed.

use clap::Args;

use super::hands::Hands;
use crate::cli::connection::no_deadline;
use crate::cli::explain::Whom;
use crate::event::Subject;
use crate::identity::{Identity, IdentityType};
use crate::plan::Mapping;
use crate::policy::fit::Answer;
use crate::visible;

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
    /// What to know of the name, if nobody is called so.
    pub(super) nobody: Option<String>,
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
        let mut nobody = None;
        let whom = match whom.given()? {
            Some(Subject::Name(kind, name)) => Some(match bearer(hands, kind, &name).await? {
                Answer::Is(identity) => Subject::Id(identity),
                // Who is gone can still be mapped, under the name they had.
                other => {
                    nobody = Some(nobody_called(hands, kind, &name, &other));
                    Subject::Name(kind, name)
                }
            }),
            given => given,
        };
        Ok(Known {
            whom,
            nobody,
            session_policy: policy,
        })
    }
}

/// What to know of a name for which no mapping was found: it may be misspelt.
fn nobody_called(
    hands: &Hands,
    kind: IdentityType,
    name: &str,
    answer: &Answer<Identity>,
) -> String {
    let (kind, name) = (kind.to_string().to_lowercase(), visible::quoted(name));
    let store = hands.engine.store_id();
    let directory = match answer {
        _ if store.is_empty() => format!(
            "whether there is a {kind} called {name} is not known without --identity-store-id"
        ),
        Answer::Unread { .. } => {
            format!("whether there is a {kind} called {name} in {store} could not be read")
        }
        Answer::Is(_) | Answer::Gone => format!("there is no {kind} called {name} in {store}"),
    };
    format!("{directory}, and no mapping here was made under that name")
}

async fn bearer(hands: &Hands, kind: IdentityType, name: &str) -> Result<Answer<Identity>, String> {
    let store = hands.engine.store();
    if store.id().is_empty() {
        return Ok(Answer::Gone);
    }
    hands.store_answers.clone()?;
    let found = store.called(kind, name, no_deadline()).await;
    found.map_err(|error| error.to_string())
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

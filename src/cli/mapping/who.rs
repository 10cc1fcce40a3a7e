//! Whose mapping it is, and what to call them: the name that a mapping was made under
//! may be somebody else's by now.

use std::collections::BTreeMap;

use super::super::connection::no_deadline;
use super::super::progress::watched;
use super::hands::Hands;
use crate::event::Subject;
use crate::identity::Identity;
use crate::plan::Mapping;
use crate::policy::fit::Answer;
use crate::visible;

/// Whose mapping it is.
pub(super) struct Who {
    pub(super) identity: Identity,
    /// What they are called now, if that is known.
    pub(super) name: Option<String>,
}

impl Who {
    /// What people call them; their id, if nobody knows.
    pub(super) fn name(&self) -> String {
        let name = self.name.as_deref().map(visible::name);
        name.unwrap_or_else(|| self.identity.to_string())
    }

    /// The same, with the name that their mapping was made under beside it, if that is
    /// another.
    pub(super) fn mapped(&self, mapping: &Mapping) -> String {
        called(&self.name(), mapping.name.as_deref())
    }
}

/// What somebody is called, with the name that their mapping was made under beside it,
/// if that is another.
pub(super) fn called(name: &str, made_under: Option<&str>) -> String {
    let other = made_under.map(visible::name);
    match other.filter(|other| other.to_lowercase() != name.to_lowercase()) {
        Some(other) => format!("{name} (mapped as {other})"),
        None => name.to_owned(),
    }
}

impl Hands {
    /// Who was given, by id, and what they are called.
    pub(super) async fn who(&self, subject: Subject) -> Result<Who, String> {
        let store = self.engine.store();
        let (kind, name) = match subject {
            Subject::Id(identity) => {
                let name = self.names([&identity]).await.remove(&identity);
                return Ok(Who { identity, name });
            }
            Subject::Name(kind, name) => (kind, name),
        };
        let found = store.called(kind, &name, no_deadline()).await;
        let kind = kind.to_string().to_lowercase();
        match found.map_err(|error| error.to_string())? {
            Answer::Is(identity) => Ok(Who {
                identity,
                name: Some(name),
            }),
            Answer::Gone => Err(format!(
                "there is no {kind} called {} in {}",
                visible::quoted(&name),
                store.id()
            )),
            Answer::Unread { .. } => Err(format!(
                "whether there is a {kind} called {} in {} could not be read",
                visible::quoted(&name),
                store.id()
            )),
        }
    }

    /// What these are called now, where there is an identity store that says it.
    pub(super) async fn names<'i>(
        &self,
        identities: impl IntoIterator<Item = &'i Identity>,
    ) -> BTreeMap<Identity, String> {
        if self.engine.store_id().is_empty() || self.store_answers.is_err() {
            return BTreeMap::new();
        }
        let whose = identities.into_iter().cloned().collect();
        let names = self.engine.names(&whose, no_deadline());
        watched(&self.engine, "looking up names", names).await
    }
}

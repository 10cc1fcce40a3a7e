//! What a call by hand needs: a Studio by alias or id, an identity by name or id,
//! and the services.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::super::connection::{Account, no_deadline};
use super::super::explain::Whom;
use super::super::output::remark;
use super::super::progress::watched;
use super::super::stop::finished;
use super::super::table;
use super::super::whereabouts::{self, EMR};
use super::super::words::{Words, time};
use super::Place;
use super::rows::Row;
use super::who::Who;
use crate::event::Subject;
use crate::identity::Identity;
use crate::plan::{Action, Change, Mapping, Mappings};
use crate::policy::document::{Document, Studio};
use crate::policy::{Selector, read, resolve};
use crate::studio::{Described, Made, Refusal};
use crate::sync::{Engine, Foretold, Shield};
use crate::visible;

/// The services, and the words of a table, if there is one.
pub(super) struct Hands {
    pub(super) engine: Engine,
    document: Document,
    pub(super) words: Words,
    has_table: bool,
    /// Whether the identity store answers: who needs it looks here first.
    pub(super) store_answers: Result<(), String>,
    /// Whether the Studio was given by an id that the table does not have.
    is_beyond_table: bool,
    /// Where it works, in a line.
    pub(super) place: String,
}

impl Place {
    pub(super) fn document(&self) -> Result<Document, String> {
        let Some(path) = &self.table else {
            return Ok(Document::default());
        };
        let (_, document) = table::load(path)?;
        Ok(document)
    }

    /// Connects, and says which of the Studios is meant.
    pub(super) async fn reach(
        &self,
        studio: &str,
        whom: Option<&Subject>,
    ) -> Result<(Hands, usize), String> {
        let mut document = self.document()?;
        let known = document.studios.contains_key(studio)
            || document.studios.values().any(|known| known.id == studio);
        if !known && resolve::is_studio_id(studio) {
            let bare = Studio::with_id(studio);
            document.studios.insert(studio.to_owned(), bare);
        } else if !known && self.table.is_none() {
            return Err(format!(
                "--studio: {} is not a Studio's id (es-…); for aliases, give --table",
                visible::quoted(studio)
            ));
        }
        let mut hands = self.hands(document, whom).await?;
        hands.is_beyond_table = !known && self.table.is_some();
        let found = hands.engine.table().studio_called(studio);
        let studio = found.map_err(|why| format!("--studio: {why}"))?;
        Ok((hands, studio))
    }

    /// Connects, and says which of the Studios is meant, and who.
    pub(super) async fn find(
        &self,
        studio: &str,
        whom: &Whom,
    ) -> Result<(Hands, usize, Who), String> {
        let subject = whom.subject()?;
        let (hands, studio) = self.reach(studio, Some(&subject)).await?;
        let who = hands.who(subject).await?;
        Ok((hands, studio, who))
    }

    /// Connects. The identity store is needed only for names.
    pub(super) async fn hands(
        &self,
        document: Document,
        whom: Option<&Subject>,
    ) -> Result<Hands, String> {
        let store = match whom {
            Some(Subject::Name(..)) => self.account.store_id()?,
            Some(Subject::Id(_)) | None => self.account.store_if_given()?.unwrap_or_default(),
        };
        let table = read::resolved(&document).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            problems.join("; ")
        })?;
        let place = self.account.place(Some(&table)).await?;
        let store_answers = self.account.knock_at_both().await?;
        let engine = self.account.engine(store, table).await?;
        if let Some(Subject::Name(..)) = whom {
            store_answers.clone()?;
        }
        // Also who can go without one is told that the one they named is none.
        if !engine.store_id().is_empty() && store_answers.is_ok() {
            self.account.is_there(&engine).await?;
        }
        Ok(Hands {
            place,
            engine,
            store_answers,
            words: Words::of(&document),
            document,
            has_table: self.table.is_some(),
            is_beyond_table: false,
        })
    }
}

impl Hands {
    /// The session policy that was given, by its ARN.
    pub(super) fn session_policy(&self, name: &str) -> Result<String, String> {
        resolve::session_policy(&self.document, name).map_err(|why| match self.has_table {
            true => format!("--session-policy: {why}"),
            false => format!(
                "--session-policy: {} is not the ARN of an IAM policy; for aliases, give \
                 --table",
                visible::quoted(name)
            ),
        })
    }

    /// The mapping that an identity has.
    pub(super) async fn mapping(
        &self,
        studio: usize,
        identity: &Identity,
    ) -> Result<Option<Mapping>, String> {
        match self
            .engine
            .studio(studio)
            .mapping(identity, no_deadline())
            .await
        {
            // What is gone from the directory can still have its mapping: the
            // list knows.
            Err(Refusal::InvalidIdentity(_)) => Ok(self.mappings(studio).await?.remove(identity)),
            read => read.map_err(|why| self.failed(studio, &why)),
        }
    }

    pub(super) async fn mappings(&self, studio: usize) -> Result<Mappings, String> {
        let read = self.engine.studio(studio).mappings(no_deadline());
        let read = watched(&self.engine, "reading", read).await;
        read.map_err(|why| self.failed(studio, &why))
    }

    /// Refuses where a mapping is not as it was when it was shown: somebody else
    /// changes it too.
    pub(super) async fn is_still(
        &self,
        studio: usize,
        identity: &Identity,
        name: &str,
        has: &Mapping,
    ) -> Result<(), String> {
        let now = self.mapping(studio, identity).await?;
        let now = now.map(|mapping| mapping.session_policy);
        if now.as_ref() == Some(&has.session_policy) {
            return Ok(());
        }
        let now = match now {
            Some(policy) => format!("has {} now", self.words.policy(&policy)),
            None => "is not there any more".to_owned(),
        };
        Err(format!(
            "somebody else has changed the mapping of {name} in {} meanwhile: it had {}, and {now}; \
             nothing was changed. Look again: mapping get",
            self.studio(studio),
            self.words.policy(&has.session_policy)
        ))
    }

    /// Makes one call that changes a mapping. What Ctrl-C finds begun is finished; it
    /// says only how the process ends.
    pub(super) async fn make(
        &self,
        studio: usize,
        change: &Change,
    ) -> Result<(Made, ExitCode), String> {
        let making = self.engine.studio(studio).make(change, no_deadline());
        let (made, code) = finished(making).await;
        let refused = made.as_ref().err().map(Refusal::to_string);
        let (action, identity) = (change.action.name(), change.identity.to_string());
        let studio_id = &self.engine.table().studios[studio].id;
        tracing::info!(action, identity, studio_id, refused, "by hand");
        let made = made.map_err(|why| self.failed(studio, &why))?;
        Ok((made, code))
    }

    fn failed(&self, studio: usize, why: &Refusal) -> String {
        let why = match self.has_table {
            true => why.to_string(),
            false => why.without_a_table(),
        };
        format!("{}: {why}", self.studio(studio))
    }

    /// A Studio's alias, as people read it.
    pub(super) fn studio(&self, studio: usize) -> String {
        visible::name(&self.engine.table().studios[studio].alias)
    }

    /// What becomes of a mapping that is about to be changed; nothing to say
    /// without a table.
    pub(super) async fn foretold(
        &self,
        studio: usize,
        identity: &Identity,
        has: Option<&Mapping>,
        session_policy: Option<&String>,
    ) -> Result<Option<Foretold>, String> {
        if !self.has_table {
            return Ok(None);
        }
        if self.engine.store_id().is_empty() {
            return Err(
                "what the table says of whom is not known without the identity store: give \
                 --identity-store-id, or no --table"
                    .to_owned(),
            );
        }
        if let Err(silent) = &self.store_answers {
            if has.is_some() && !self.engine.table().protect.is_empty() {
                return Err(format!("what the table protects is not known: {silent}"));
            }
            let what = "what the next full pass makes of it is not known";
            remark("!", &format!("{what}: {silent}"));
            return Ok(None);
        }
        let supposed = session_policy.map(|policy| Mapping {
            session_policy: policy.clone(),
            ..has.cloned().unwrap_or_default()
        });
        let foretelling = self
            .engine
            .foretell(studio, identity, has, &supposed, no_deadline());
        let foretold = watched(&self.engine, "reading", foretelling).await;
        Ok(Some(foretold))
    }

    /// Refuses what the table protects, or may protect.
    pub(super) fn may_change(
        &self,
        studio: usize,
        name: &str,
        then: Option<&Foretold>,
        even_protected: bool,
    ) -> Result<(), String> {
        let shield = then.and_then(|then| then.shield.as_ref());
        let Some(shield) = shield.filter(|_| !even_protected) else {
            return Ok(());
        };
        let why = match shield {
            Shield::Entry(place) => {
                let select = &self.engine.table().protect[*place].select;
                let whom = match select {
                    Selector::User(user) => format!("user {}", visible::quoted(user)),
                    other => other.to_string(),
                };
                format!("is protected by protect[{place}] ({whom})")
            }
            Shield::Unread(why) => format!("may be protected: {why}"),
        };
        Err(format!(
            "{name} {why}; nothing was changed in {}. To do it all the same: --even-protected",
            self.studio(studio)
        ))
    }

    /// Says what the next full pass will make of a mapping changed by hand.
    pub(super) fn tell(&self, then: Option<&Foretold>, name: &str) {
        let Some(then) = then else {
            return;
        };
        if self.is_beyond_table {
            let why = "the Studio is not in the table: no full pass of it looks there";
            remark("note:", why);
            return;
        }
        let wanted = then.wanted.as_ref();
        let wanted = wanted.map(|rule| {
            let policy = self.words.policy(&rule.session_policy);
            format!("{policy}, by rules[{}]", rule.rule)
        });
        let wanted = wanted.unwrap_or_default();
        let what = match then.change {
            Some(Action::Create) => format!("maps {name} again: {wanted}"),
            Some(Action::Update) => format!("makes of it {wanted}"),
            Some(Action::Delete) => "deletes it: no rule wants it".to_owned(),
            None => format!("leaves it so: {name} {}", then.verdict),
        };
        remark("note:", &format!("the next full pass {what}"));
        for problem in &then.problems {
            remark("!", problem);
        }
    }

    /// A mapping of somebody who is called so now, if that is known.
    pub(super) fn row(
        &self,
        studio: usize,
        identity: &Identity,
        mapping: &Mapping,
        present_name: Option<String>,
    ) -> Row {
        let table = self.engine.table();
        Row {
            studio: table.studios[studio].alias.clone(),
            studio_id: table.studios[studio].id.clone(),
            identity_type: identity.kind,
            identity_id: identity.id.clone(),
            identity_name: mapping.name.clone(),
            session_policy: mapping.session_policy.clone(),
            owned: self
                .has_table
                .then(|| !self.is_beyond_table && table.owns(studio, &mapping.session_policy)),
            created: mapping.created.map(time),
            modified: mapping.modified.map(time),
            present_name,
        }
    }
}

/// Every Studio of the account that may have mappings, under its own id.
pub(super) async fn all_studios(account: &Account) -> Result<BTreeMap<String, Studio>, String> {
    whereabouts::knock(EMR, &account.sdk().await?).await?;
    let entry = |Described { id, .. }| {
        let bare = Studio::with_id(&id);
        (id, bare)
    };
    Ok(account.studios().await?.into_iter().map(entry).collect())
}

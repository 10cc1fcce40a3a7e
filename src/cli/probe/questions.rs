//! What is asked, in which order, and what follows from the answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Subjects;
use super::asked::{Calls, Said, Stopped};
use super::shown::Secrets;
use crate::cli::connection::no_deadline;
use crate::identity::{Id, IdentityType};
use crate::policy::fit::Answer;
use crate::studio::Listed;

const CREATE: &str = "CreateStudioSessionMapping";
const UPDATE: &str = "UpdateStudioSessionMapping";
const GET: &str = "GetStudioSessionMapping";
const DELETE: &str = "DeleteStudioSessionMapping";
const LIST: &str = "ListStudioSessionMappings";

/// In no directory, and no Studio.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const NOBODYS_NAME: &str = "emr-studio-sync-probe";
const NO_STUDIO: &str = "es-00000000000000000000000000";

/// The questions to the service, and what they have settled until now.
pub(super) struct Questions<'s> {
    pub(super) subjects: &'s Subjects,
    listed: &'s Listed,
    pub(super) calls: Calls,
    /// The session policies of the mappings that may be ours, and that were not
    /// deleted since: of the user, and of the group.
    pub(super) given: BTreeMap<IdentityType, BTreeSet<String>>,
    /// The emulator's switches that agree, by name; texts by `texts.NAME`.
    pub(super) settled: BTreeMap<&'static str, Value>,
    /// What was seen besides, in words.
    pub(super) seen: Vec<String>,
}

impl<'s> Questions<'s> {
    pub(super) fn new(subjects: &'s Subjects, listed: &'s Listed, calls: Calls) -> Questions<'s> {
        Questions {
            subjects,
            listed,
            calls,
            given: BTreeMap::new(),
            settled: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    pub(super) async fn ask_all(&mut self) -> Result<(), Stopped> {
        self.ask_for_none().await?;
        self.ask_wrongly().await?;
        self.ask_the_directory().await;
        if self.ask_for_one().await? {
            self.ask_for_both().await?;
            self.take_away().await?;
            self.ask_by_name().await?;
        }
        Ok(())
    }

    /// A call's members, about the user by id.
    fn by_id(&self) -> Value {
        json!({
            "StudioId": self.subjects.studio,
            "IdentityType": "USER",
            "IdentityId": self.subjects.user.id,
        })
    }

    /// The same by a name.
    fn by_name(&self, name: &str) -> Value {
        json!({
            "StudioId": self.subjects.studio,
            "IdentityType": "USER",
            "IdentityName": name,
        })
    }

    fn with_policy(&self, mut input: Value) -> Value {
        input["SessionPolicyArn"] = json!(self.subjects.session_policy);
        input
    }

    /// Asks for a mapping. Unless that is refused, what is there may be ours.
    async fn create(&mut self, about: &'static str, input: Value) -> Result<Said, Stopped> {
        let policy = input["SessionPolicyArn"].as_str().map(str::to_owned);
        let kind = kind_in(&input);
        let said = self.calls.ask(CREATE, about, input).await?;
        if !matches!(said, Said::Refused(_)) {
            self.given.entry(kind).or_default().extend(policy);
        }
        Ok(said)
    }

    /// Deletes a mapping of ours. Once that is done, what is there is another's.
    async fn delete(&mut self, about: &'static str, input: Value) -> Result<(), Stopped> {
        let kind = kind_in(&input);
        if let Said::Is(_) = self.calls.ask(DELETE, about, input).await? {
            self.given.remove(&kind);
        }
        Ok(())
    }

    /// A refusal whose words nobody has published: they are a switch.
    fn settle_text(&mut self, switch: &'static str, said: &Said) {
        if let Some(text) = said.refusal() {
            let text = Secrets::of(self.subjects).without(text);
            self.settled.insert(switch, json!(text));
        }
    }

    /// A refusal whose words others have published.
    fn expect(&mut self, words: &str, said: &Said) {
        let agrees = |text: &str| text.to_lowercase().contains(&words.to_lowercase());
        match said {
            Said::Refused(text) if agrees(text) => {}
            Said::Failed(_) => {}
            Said::Refused(_) | Said::Is(_) => {
                let what = self.calls.made.last();
                let what = what.map(|asked| format!("{}, {}", asked.call, asked.about));
                let what = what.unwrap_or_default();
                self.seen
                    .push(format!("not as published ({words:?}): {what}"));
            }
        }
    }

    async fn ask_for_none(&mut self) -> Result<(), Stopped> {
        let mapped = |kind: IdentityType| {
            let ids = self.listed.mappings.keys().map(|identity| identity.kind);
            ids.chain(self.listed.nobodys.iter().copied())
                .any(|one| one == kind)
        };
        let kinds = [IdentityType::Group, IdentityType::User];
        if let Some(kind) = kinds.into_iter().find(|kind| !mapped(*kind)) {
            let input = json!({ "StudioId": self.subjects.studio, "IdentityType": kind });
            let about = "the mappings of a kind of which there are none";
            if let Said::Is(answer) = self.calls.ask(LIST, about, input).await? {
                let is_bare = answer.get("SessionMappings").is_none();
                self.settled.insert("bare_empty_lists", json!(is_bare));
                self.settled.insert("identity_center_enabled", json!(true));
            }
        }
        let input = json!({ "StudioId": self.subjects.studio, "Marker": "probe" });
        let said = self.calls.ask(LIST, "with a marker that is none", input);
        let said = said.await?;
        self.settle_text("texts.bad_marker", &said);
        Ok(())
    }

    /// What is refused: nothing of it changes anything. What would change a mapping
    /// is asked of nobody: the user may be mapped by somebody else at any moment.
    async fn ask_wrongly(&mut self) -> Result<(), Stopped> {
        let about = "somebody who is not mapped";
        let said = self.calls.ask(GET, about, self.by_id()).await?;
        self.expect("Studio session mapping does not exist", &said);

        let invalid = "IdentityId is invalid";
        let mut nobody = self.by_id();
        nobody["IdentityId"] = json!(NOBODY);
        let about = "an IdentityId that nobody has";
        // What it says to that, nobody has published.
        self.calls.ask(DELETE, about, nobody.clone()).await?;
        let input = self.with_policy(nobody.clone());
        let said = self.calls.ask(UPDATE, about, input).await?;
        self.expect(invalid, &said);
        let said = self.calls.ask(GET, about, nobody).await?;
        self.expect(invalid, &said);
        let mut input = self.by_id();
        input["IdentityId"] = json!(NOBODYS_NAME);
        let about = "an IdentityId that is none";
        let said = self.calls.ask(GET, about, input).await?;
        self.expect(invalid, &said);

        let mut input = self.by_id();
        input["StudioId"] = json!(NO_STUDIO);
        let said = self.calls.ask(GET, "a Studio that is not there", input);
        let said = said.await?;
        self.expect("Studio does not exist", &said);

        let input = self.by_name(NOBODYS_NAME);
        let said = self
            .calls
            .ask(GET, "an IdentityName that nobody bears", input);
        let said = said.await?;
        self.settle_text("texts.unknown_name", &said);

        let mut both = self.by_id();
        both["IdentityName"] = json!(self.subjects.user_name);
        let said = self.calls.ask(GET, "by IdentityId and IdentityName", both);
        let both = said.await?;
        let neither = json!({ "StudioId": self.subjects.studio, "IdentityType": "USER" });
        let said = self.calls.ask(GET, "by neither of them", neither).await?;
        match both.refusal() == said.refusal() {
            true => self.settle_text("texts.id_or_name", &both),
            false => self.seen.push(
                "IdentityId and IdentityName are refused in other words than neither of them"
                    .to_owned(),
            ),
        }

        let mut input = self.by_id();
        input["SessionPolicyArn"] = json!("no-arn");
        let about = "with a session policy that is no ARN";
        let said = self.create(about, input).await?;
        self.settle_text("texts.bad_policy", &said);
        if let Said::Is(_) = said {
            self.seen
                .push("a session policy that is no ARN is taken".to_owned());
            let about = "the mapping with a session policy that is no ARN";
            self.delete(about, self.by_id()).await?;
        }
        Ok(())
    }

    /// The Identity Store, whose calls change nothing.
    async fn ask_the_directory(&mut self) {
        let store = self.subjects.engine.store();
        if let Some(nobody) = Id::parse(NOBODY) {
            let switch = "moto_unknown_group_is_empty";
            match store.members(&nobody, no_deadline()).await {
                Ok(Answer::Gone) => drop(self.settled.insert(switch, json!(false))),
                Ok(Answer::Is(_)) => drop(self.settled.insert(switch, json!(true))),
                Ok(Answer::Unread { .. }) | Err(_) => {}
            }
        }
        let Some(other) = in_another_case(&self.subjects.user_name) else {
            return;
        };
        let found = store.user_id(&other, no_deadline()).await;
        let ignores = match found {
            Ok(Answer::Is(id)) => id == self.subjects.user.id,
            Ok(Answer::Gone) => false,
            Ok(Answer::Unread { .. }) | Err(_) => return,
        };
        self.settled.insert("names_ignore_case", json!(ignores));
    }

    /// Maps the user, and asks in every way. Returns whether there is a mapping.
    async fn ask_for_one(&mut self) -> Result<bool, Stopped> {
        let input = self.with_policy(self.by_id());
        let said = self.create("by IdentityId", input.clone()).await?;
        if !matches!(said, Said::Is(_)) {
            self.seen
                .push("the user could not be mapped, so nothing was asked of a mapping".to_owned());
            return Ok(false);
        }
        let said = self.create("once more", input.clone()).await?;
        self.expect("Studio session mapping already exists", &said);
        self.look_for_the_row("mapped by IdentityId").await?;
        self.calls.ask(GET, "by IdentityId", self.by_id()).await?;
        let name = self.by_name(&self.subjects.user_name);
        self.calls.ask(GET, "by IdentityName", name).await?;
        if let Some(other) = in_another_case(&self.subjects.user_name) {
            let about = "by IdentityName in another case";
            let said = self.calls.ask(GET, about, self.by_name(&other)).await?;
            let ignores = match said {
                Said::Is(_) => Some(true),
                Said::Refused(_) => Some(false),
                Said::Failed(_) => None,
            };
            let in_store = self.settled.get("names_ignore_case").cloned();
            let both = ignores.zip(in_store);
            if both.is_some_and(|(ignores, in_store)| in_store != json!(ignores)) {
                self.seen.push(
                    "GetUserId and EMR's IdentityName differ in whether they ignore case"
                        .to_owned(),
                );
                self.settled.remove("names_ignore_case");
            }
        }
        self.calls.ask(UPDATE, "by IdentityId", input).await?;
        Ok(true)
    }

    /// Looks at how the one mapping is listed.
    async fn look_for_the_row(&mut self, about: &'static str) -> Result<(), Stopped> {
        let Subjects {
            studio,
            user,
            user_name,
            ..
        } = self.subjects;
        let input = json!({ "StudioId": studio, "IdentityType": "USER" });
        let Said::Is(answer) = self.calls.ask(LIST, about, input).await? else {
            return Ok(());
        };
        let rows = answer["SessionMappings"].as_array();
        let mut rows = rows.into_iter().flatten();
        let is_known = |row: &Value| {
            let id = row["IdentityId"].as_str().and_then(Id::from_service);
            id.map(|id| id == user.id)
        };
        // Of those without an id, ours has our policy.
        let ours = rows.find(|row| {
            let policy = &row["SessionPolicyArn"];
            is_known(row).unwrap_or(*policy == json!(self.subjects.session_policy))
        });
        self.seen.push(match ours {
            None => format!("{about}: no row on the first page"),
            Some(row) => {
                let id = match row["IdentityId"].is_string() {
                    true => "with",
                    false => "without",
                };
                let name = match row["IdentityName"].as_str() {
                    Some(name) if name == user_name => "under the user's name",
                    Some(_) => "under another name",
                    None => "without a name",
                };
                format!("{about}: the row comes {id} IdentityId, {name}")
            }
        });
        Ok(())
    }

    /// Maps a group of the user's beside.
    async fn ask_for_both(&mut self) -> Result<(), Stopped> {
        let Some((group, _)) = &self.subjects.group else {
            return Ok(());
        };
        let group = json!({
            "StudioId": self.subjects.studio,
            "IdentityType": "GROUP",
            "IdentityId": group.id,
        });
        let input = self.with_policy(group.clone());
        let about = "a group of the user who is mapped";
        let said = self.create(about, input).await?;
        let switch = "user_and_group_mapping";
        match said {
            Said::Is(_) => {
                self.settled.insert(switch, json!(true));
                self.delete("that group", group).await?;
            }
            Said::Refused(_) => {
                self.settled.insert(switch, json!(false));
                self.settle_text("texts.user_and_group", &said);
            }
            Said::Failed(_) => {}
        }
        Ok(())
    }

    async fn take_away(&mut self) -> Result<(), Stopped> {
        self.delete("by IdentityId", self.by_id()).await
    }

    /// The same by name, as Terraform maps people.
    async fn ask_by_name(&mut self) -> Result<(), Stopped> {
        let name = self.by_name(&self.subjects.user_name);
        let input = self.with_policy(name.clone());
        let said = self.create("by IdentityName", input).await?;
        if let Said::Is(_) = said {
            self.look_for_the_row("mapped by IdentityName").await?;
            self.delete("by IdentityName", name).await?;
        }
        Ok(())
    }
}

/// Whose mapping a call is about: there is but one user, and one group.
fn kind_in(input: &Value) -> IdentityType {
    match input["IdentityType"].as_str() {
        Some("GROUP") => IdentityType::Group,
        _ => IdentityType::User,
    }
}

/// A name whose letters are large where they were small; none without letters.
pub(super) fn in_another_case(name: &str) -> Option<String> {
    let other = |letter: char| match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    };
    let other: String = name.chars().map(other).collect();
    (other != name).then_some(other)
}

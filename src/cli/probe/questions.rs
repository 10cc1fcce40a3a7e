//! What is asked, in which order, and what follows from the answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Subjects;
use super::asked::{Calls, Said, Stopped};
use super::shown::Secrets;
use crate::cli::connection::no_deadline;
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::fit::Answer;
use crate::studio::Listed;

const CREATE: &str = "CreateStudioSessionMapping";
pub(super) const UPDATE: &str = "UpdateStudioSessionMapping";
pub(super) const GET: &str = "GetStudioSessionMapping";
pub(super) const DELETE: &str = "DeleteStudioSessionMapping";
const LIST: &str = "ListStudioSessionMappings";

/// In no directory, and no Studio.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
const NOBODYS_NAME: &str = "emr-studio-sync-probe";
const NO_STUDIO: &str = "es-00000000000000000000000000";

/// What calls the name that EMR takes.
const NAME: &str = "IdentityName";

pub(super) const NOT_MAPPED: &str = "Studio session mapping does not exist";

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
    /// Which calls ignore the case of a name, of those that were asked; none: not
    /// known.
    cases: Vec<(&'static str, Option<bool>)>,
    /// The user's name in the directory, from when somebody was asked to change it.
    pub(super) name_before: Option<String>,
    /// The name that it was changed to.
    pub(super) new_name: Option<String>,
    /// What is typed while it waits for that.
    pub(super) typed: Option<UnboundedReceiver<String>>,
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
            cases: Vec::new(),
            name_before: None,
            new_name: None,
            typed: None,
        }
    }

    /// `rename`: whether somebody is there who renames the user.
    pub(super) async fn ask_all(&mut self, rename: bool) -> Result<(), Stopped> {
        self.ask_for_none().await?;
        self.ask_wrongly().await?;
        self.ask_the_directory().await?;
        if self.ask_for_one().await? {
            self.ask_for_both().await?;
            self.delete("by IdentityId", self.by_id()).await?;
            self.ask_by_name().await?;
            if rename {
                self.ask_after_a_rename().await?;
            }
        }
        self.settle_case();
        Ok(())
    }

    pub(super) fn secrets(&self) -> Secrets {
        Secrets::of(self.subjects, self.new_name.as_deref())
    }

    /// A call's members, about the user by id.
    pub(super) fn by_id(&self) -> Value {
        json!({
            "StudioId": self.subjects.studio,
            "IdentityType": "USER",
            "IdentityId": self.subjects.user.id,
        })
    }

    /// The same by a name.
    pub(super) fn by_name(&self, name: &str) -> Value {
        json!({
            "StudioId": self.subjects.studio,
            "IdentityType": "USER",
            "IdentityName": name,
        })
    }

    pub(super) fn with_policy(&self, mut input: Value) -> Value {
        input["SessionPolicyArn"] = json!(self.subjects.session_policy);
        input
    }

    /// Asks for a mapping. Unless that is refused, what is there may be ours.
    pub(super) async fn create(
        &mut self,
        about: &'static str,
        input: Value,
    ) -> Result<Said, Stopped> {
        let policy = input["SessionPolicyArn"].as_str().map(str::to_owned);
        let kind = kind_in(&input);
        let said = self.calls.ask(CREATE, about, input).await?;
        if !matches!(said, Said::Refused(_)) {
            self.given.entry(kind).or_default().extend(policy);
        }
        Ok(said)
    }

    /// Deletes a mapping of ours. Once that is done, what is there is another's.
    pub(super) async fn delete(
        &mut self,
        about: &'static str,
        input: Value,
    ) -> Result<Said, Stopped> {
        let kind = kind_in(&input);
        let said = self.calls.ask(DELETE, about, input).await?;
        if let Said::Is(_) = said {
            self.given.remove(&kind);
        }
        Ok(said)
    }

    /// A refusal whose words nobody has published: they are a switch.
    fn settle_text(&mut self, switch: &'static str, said: &Said) {
        if let Some(text) = said.refusal() {
            let text = self.secrets().without(text);
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
        self.expect(NOT_MAPPED, &said);

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
    async fn ask_the_directory(&mut self) -> Result<(), Stopped> {
        let store = self.subjects.engine.store();
        if let Some(nobody) = Id::parse(NOBODY) {
            let switch = "moto_unknown_group_is_empty";
            match store.members(&nobody, no_deadline()).await {
                Ok(Answer::Gone) => drop(self.settled.insert(switch, json!(false))),
                Ok(Answer::Is(_)) => drop(self.settled.insert(switch, json!(true))),
                Ok(Answer::Unread { .. }) | Err(_) => {}
            }
        }
        for (identity, name) in self.subjects.all() {
            let Some(other) = in_another_case(name) else {
                continue;
            };
            let (call, attribute, member, about) = match identity.kind {
                IdentityType::User => (
                    "GetUserId",
                    "userName",
                    "UserId",
                    "the user's name in another case",
                ),
                IdentityType::Group => (
                    "GetGroupId",
                    "displayName",
                    "GroupId",
                    "the group's name in another case",
                ),
            };
            let unique = json!({ "AttributePath": attribute, "AttributeValue": other });
            let input = json!({
                "IdentityStoreId": store.id(),
                "AlternateIdentifier": { "UniqueAttribute": unique },
            });
            let ignores = match self.calls.ask(call, about, input).await? {
                Said::Is(answer) => Some(is_id(&answer[member], &identity.id)),
                Said::Refused(_) => Some(false),
                Said::Failed(_) => None,
            };
            self.cases.push((call, ignores));
        }
        Ok(())
    }

    /// Gets a mapping by name, and by the name in another case.
    async fn get_by_name(
        &mut self,
        identity: &Identity,
        name: &str,
        about: [&'static str; 2],
        what: &'static str,
    ) -> Result<(), Stopped> {
        let mut input = self.by_name(name);
        input["IdentityType"] = json!(identity.kind);
        let exact = self.calls.ask(GET, about[0], input.clone()).await?;
        if let Some(other) = in_another_case(name) {
            input["IdentityName"] = json!(other);
            let said = self.calls.ask(GET, about[1], input).await?;
            self.cases
                .push((what, ignores_case(&exact, &said, &identity.id)));
        }
        Ok(())
    }

    /// One switch is for all calls: they have to agree.
    fn settle_case(&mut self) {
        let those = |which: bool| {
            let some = self.cases.iter().filter(|(_, one)| *one == Some(which));
            some.map(|(what, _)| *what).collect::<Vec<_>>()
        };
        let (ignore, mind) = (those(true), those(false));
        let is_whole = self.cases.iter().all(|(_, known)| known.is_some());
        let asked_emr = self.cases.iter().any(|(what, _)| what.contains(NAME));
        if !ignore.is_empty() && !mind.is_empty() {
            self.seen.push(format!(
                "the case of names is ignored by {}, and not by {}",
                ignore.join(" and "),
                mind.join(" and ")
            ));
        } else if is_whole && asked_emr {
            let ignores = !ignore.is_empty();
            self.settled.insert("names_ignore_case", json!(ignores));
        }
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
        let Subjects {
            user, user_name, ..
        } = self.subjects;
        let about = ["by IdentityName", "by IdentityName in another case"];
        self.get_by_name(user, user_name, about, "EMR's IdentityName of a user")
            .await?;
        self.calls.ask(UPDATE, "by IdentityId", input).await?;
        Ok(true)
    }

    /// Looks at how the one mapping is listed. Returns the list, if there is one.
    pub(super) async fn look_for_the_row(
        &mut self,
        about: &'static str,
    ) -> Result<Option<Value>, Stopped> {
        let input = json!({ "StudioId": self.subjects.studio, "IdentityType": "USER" });
        let Said::Is(answer) = self.calls.ask(LIST, about, input).await? else {
            return Ok(None);
        };
        let new_name = self.new_name.as_deref();
        self.seen.push(match self.our_row(&answer) {
            None => format!("{about}: no row on the first page"),
            Some(row) => {
                let id = match row["IdentityId"].is_string() {
                    true => "with",
                    false => "without",
                };
                let name = match row["IdentityName"].as_str() {
                    name @ Some(_) if name == new_name => "under the new name",
                    Some(name) if name == self.subjects.user_name => "under the user's name",
                    Some(_) => "under another name",
                    None => "without a name",
                };
                format!("{about}: the row comes {id} IdentityId, {name}")
            }
        });
        Ok(Some(answer))
    }

    /// The row of a list that is ours. Of those without an id, it is one that has our
    /// policy.
    pub(super) fn our_row<'a>(&self, answer: &'a Value) -> Option<&'a Value> {
        let rows = answer["SessionMappings"].as_array();
        rows.into_iter().flatten().find(|row| {
            let id = row["IdentityId"].as_str().and_then(Id::from_service);
            match id {
                Some(id) => id == self.subjects.user.id,
                None => self.has_our_policy(row),
            }
        })
    }

    pub(super) fn has_our_policy(&self, mapping: &Value) -> bool {
        mapping["SessionPolicyArn"] == json!(self.subjects.session_policy)
    }

    /// Maps a group of the user's beside.
    async fn ask_for_both(&mut self) -> Result<(), Stopped> {
        let Some((identity, name)) = &self.subjects.group else {
            return Ok(());
        };
        let group = json!({
            "StudioId": self.subjects.studio,
            "IdentityType": "GROUP",
            "IdentityId": identity.id,
        });
        let input = self.with_policy(group.clone());
        let about = "a group of the user who is mapped";
        let said = self.create(about, input).await?;
        let about = [
            "that group by IdentityName",
            "that group by IdentityName in another case",
        ];
        self.get_by_name(identity, name, about, "EMR's IdentityName of a group")
            .await?;
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

/// Whether an id in an answer is this one.
pub(super) fn is_id(answer: &Value, id: &Id) -> bool {
    answer.as_str().and_then(Id::from_service).as_ref() == Some(id)
}

/// Whether a mapping that was got is this identity's.
pub(super) fn is_of(answer: &Value, id: &Id) -> bool {
    is_id(&answer["SessionMapping"]["IdentityId"], id)
}

/// What follows from two answers, to the name as it is and in another case.
fn ignores_case(exact: &Said, other: &Said, id: &Id) -> Option<bool> {
    match (exact, other) {
        (Said::Is(_), Said::Is(answer)) => Some(is_of(answer, id)),
        (Said::Is(_), Said::Refused(_)) => Some(false),
        // Whose name it is was found, and only a mapping was not.
        (Said::Refused(words), Said::Refused(_)) if words.contains(NOT_MAPPED) => {
            Some(exact.refusal() == other.refusal())
        }
        _ => None,
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

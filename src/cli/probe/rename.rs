//! What a rename does to a mapping. Names are the directory's, or of whatever feeds
//! it: a person changes one, and changes it back; this asks for that, and looks on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::Instant;

use super::LATE;
use super::asked::{Said, Stopped};
use super::questions::{DELETE, GET, NOT_MAPPED, Questions, UPDATE, is_id, is_of};
use crate::aws::CallError;
use crate::policy::fit::Answer;
use crate::visible;

/// So long somebody has for a rename: an identity provider may bring names at its leisure.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// How often the directory is looked at meanwhile, and for how long it may not answer.
const LOOK: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

impl Questions<'_> {
    /// Maps the user once more, has them renamed, and asks in every way.
    pub(super) async fn ask_after_a_rename(&mut self) -> Result<(), Stopped> {
        // What cannot be seen is not asked for.
        match self.name_now().await {
            Ok(Some(name)) => self.name_before = Some(name),
            Ok(None) => return Ok(()),
            Err(why) => {
                tell(&format!(
                    "nobody is renamed, for it could not be seen: {why}"
                ));
                return Ok(());
            }
        }
        let input = self.with_policy(self.by_id());
        let about = "by IdentityId, for the rename";
        let said = self.create(about, input.clone()).await?;
        if !matches!(said, Said::Is(_)) {
            self.name_before = None;
            return Ok(());
        }
        let (old, Some(new)) = self.see_a_rename().await? else {
            return Ok(());
        };
        // EMR may hear of it after the directory's own answers.
        tokio::time::sleep(LATE).await;

        let about = "mapped by IdentityId, then renamed";
        let list = self.look_for_the_row(about).await?.unwrap_or_default();
        let row = self.our_row(&list);
        let name = row.and_then(|row| row["IdentityName"].as_str());
        self.settle_name("lists_follow_renames", name, [&old, &new]);
        let about = "by IdentityId, after the rename";
        let one = self.calls.ask(GET, about, self.by_id()).await?;
        let mapping = match &one {
            Said::Is(answer) => Some(&answer["SessionMapping"]),
            Said::Refused(_) | Said::Failed(_) => None,
        };
        let name = mapping.and_then(|mapping| mapping["IdentityName"].as_str());
        self.settle_name("gets_follow_renames", name, [&old, &new]);
        self.expect_done(&one);
        let about = "by the old IdentityName";
        let by_old = self.calls.ask(GET, about, self.by_name(&old)).await?;
        let about = "by the new IdentityName";
        let by_new = self.calls.ask(GET, about, self.by_name(&new)).await?;
        let found = [self.finds(&by_old), self.finds(&by_new)];
        self.settle_found(found);

        // A while has passed: what is there may be somebody else's by now.
        let listed = row.filter(|row| row["IdentityId"].is_string());
        if !mapping
            .or(listed)
            .is_some_and(|one| self.has_our_policy(one))
        {
            self.seen.push(
                "after the rename the mapping is not there, or not as it was made, so nothing \
                 more was asked of it"
                    .to_owned(),
            );
            return Ok(());
        }
        let about = "by IdentityId, after the rename";
        let said = self.calls.ask(UPDATE, about, input.clone()).await?;
        self.expect_done(&said);
        if !self.is_nobody_elses(&old, &list, &by_old).await {
            self.seen.push(
                "somebody else bears the old name, or may, so nothing was deleted by it".to_owned(),
            );
        } else if !self.delete_by_old_name(&old, found[0], input).await? {
            return Ok(());
        }
        let about = "by IdentityId, after the rename";
        let said = self.delete(about, self.by_id()).await?;
        self.expect_done(&said);
        Ok(())
    }

    /// Deletes by the name of before. Returns whether there is a mapping afterwards.
    async fn delete_by_old_name(
        &mut self,
        old: &str,
        is_found: Option<bool>,
        input: Value,
    ) -> Result<bool, Stopped> {
        let about = "by the old IdentityName";
        let said = self.calls.ask(DELETE, about, self.by_name(old)).await?;
        let is_done = matches!(said, Said::Is(_));
        if is_found.is_some_and(|found| found != is_done) && !matches!(said, Said::Failed(_)) {
            self.seen.push(
                "Get and Delete differ in whether they find a mapping by the old name".to_owned(),
            );
            self.settled.remove("found_after_rename");
        }
        if !is_done {
            return Ok(true);
        }
        let about = "by IdentityId, deleted by the old IdentityName";
        match self.calls.ask(GET, about, self.by_id()).await? {
            Said::Is(_) => {
                self.seen.push(
                    "Delete by the old name is answered as done, and the mapping stays".to_owned(),
                );
                return Ok(true);
            }
            Said::Refused(words) if words.contains(NOT_MAPPED) => {
                self.given.remove(&self.subjects.user.kind);
            }
            Said::Refused(_) | Said::Failed(_) => {}
        }
        let about = "by IdentityId, somebody who was renamed";
        let said = self.create(about, input).await?;
        self.expect_done(&said);
        Ok(matches!(said, Said::Is(_)))
    }

    /// Whether a deletion by the name of before can be of nobody else's mapping: nobody
    /// bears it, and nobody is listed under it.
    async fn is_nobody_elses(&self, old: &str, list: &Value, by_old: &Said) -> bool {
        let user = &self.subjects.user.id;
        let is_found = match by_old {
            Said::Is(answer) => !is_of(answer, user),
            Said::Refused(_) => false,
            Said::Failed(_) => true,
        };
        let rows = list["SessionMappings"].as_array();
        let is_old = |row: &&Value| {
            let name = row["IdentityName"].as_str();
            name.is_some_and(|name| is_alike(name, old)) && !is_id(&row["IdentityId"], user)
        };
        let is_listed = rows.is_none_or(|rows| rows.iter().any(|row| is_old(&row)));
        if is_found || is_listed || !list["Marker"].is_null() {
            return false;
        }
        let store = self.subjects.engine.store();
        match store.user_id(old, Instant::now() + SOON).await {
            Ok(Answer::Gone) => true,
            Ok(Answer::Is(id)) => id == *user,
            Ok(Answer::Unread { .. }) | Err(_) => false,
        }
    }

    /// Which of two names an answer shows.
    fn settle_name(&mut self, switch: &'static str, shown: Option<&str>, [old, new]: [&str; 2]) {
        match shown {
            Some(name) if name == new => self.settled.insert(switch, json!(true)),
            Some(name) if name == old => self.settled.insert(switch, json!(false)),
            _ => None,
        };
    }

    /// Whether the mapping is found.
    fn finds(&self, said: &Said) -> Option<bool> {
        match said {
            Said::Is(answer) => Some(is_of(answer, &self.subjects.user.id)),
            Said::Refused(_) => Some(false),
            Said::Failed(_) => None,
        }
    }

    fn settle_found(&mut self, found: [Option<bool>; 2]) {
        let [Some(by_old), Some(by_new)] = found else {
            return;
        };
        let found = match (by_old, by_new) {
            (true, true) => "either",
            (true, false) => "old",
            (false, true) => "new",
            (false, false) => {
                self.seen
                    .push("after the rename it is found by neither name".to_owned());
                return;
            }
        };
        self.settled.insert("found_after_rename", json!(found));
    }

    /// What is by id, and so has nothing to do with names.
    fn expect_done(&mut self, said: &Said) {
        if let (Said::Refused(_), Some(asked)) = (said, self.calls.made.last()) {
            self.seen.push(format!(
                "a rename is in its way: {}, {}",
                asked.call, asked.about
            ));
        }
    }

    /// Has the user renamed. Returns the name of before, and the new one, unless it was
    /// waited for in vain.
    async fn see_a_rename(&mut self) -> Result<(String, Option<String>), Stopped> {
        let old = self.name_before.clone().unwrap_or_default();
        tell(&format!(
            "\nNow rename {} in the directory, or wherever its names come from, to anything \
             that differs in more than case. This waits until it shows; \"skip\" goes on without.",
            visible::name(&old)
        ));
        let new = self.watch(|name| !is_alike(name, &old)).await?;
        self.new_name.clone_from(&new);
        if new.is_none() {
            tell("going on without a rename");
        }
        Ok((old, new))
    }

    /// Has the user named as before, if they are not.
    pub(super) async fn see_the_name_back(&mut self) -> Result<(), Stopped> {
        let (Some(old), Some(new)) = (self.name_before.clone(), &self.new_name) else {
            return Ok(());
        };
        tell(&format!(
            "\nNow rename {} back to {}. This waits until it shows; \"skip\" leaves it to you.",
            visible::name(new),
            visible::name(&old)
        ));
        if self.watch(|name| name == old).await?.is_some() {
            tell(&format!("{} is called so again", visible::name(&old)));
        }
        Ok(())
    }

    /// What is left to whoever renamed the user, or may have.
    pub(super) async fn left_to_rename(&self) -> Option<String> {
        let old = self.name_before.as_ref()?;
        let shown = visible::name(old);
        match self.name_now().await {
            Ok(Some(now)) if now == *old => None,
            Ok(Some(now)) => Some(format!(
                "{shown} is called {} in the directory: it is left to you to rename them back",
                visible::name(&now)
            )),
            Ok(None) => Some(format!(
                "{shown} is not in the directory any more, or has no name there"
            )),
            Err(why) => Some(format!(
                "it is not known what the directory calls {shown} now ({why}): if they were \
                 renamed, it is left to you to rename them back"
            )),
        }
    }

    /// What the directory calls the user.
    async fn name_now(&self) -> Result<Option<String>, CallError> {
        let user = &self.subjects.user.id;
        let store = self.subjects.engine.store();
        let answer = store.describe_user(user, Instant::now() + SOON).await?;
        Ok(match answer {
            Answer::Is(user) => user.name,
            Answer::Gone | Answer::Unread { .. } => None,
        })
    }

    /// Looks at the user's name until it is what is waited for, or nobody waits any
    /// longer.
    async fn watch(&mut self, is_it: impl Fn(&str) -> bool) -> Result<Option<String>, Stopped> {
        let mut typed = self.typed.take().unwrap_or_else(typed);
        let until = Instant::now() + PATIENCE;
        let mut is_told = false;
        let seen = loop {
            let look = async {
                tokio::time::sleep(LOOK).await;
                self.name_now().await
            };
            tokio::select! {
                biased;
                stopped = self.calls.stopped() => return Err(stopped),
                () = tokio::time::sleep_until(until) => {
                    tell("it does not show after twenty minutes");
                    break None;
                }
                line = typed.recv() => match line.as_deref().map(str::trim) {
                    None => {
                        tell("standard input has ended, so nobody can say that they are at it");
                        break None;
                    }
                    Some("skip") => break None,
                    Some(_) => tell("it does not show yet; \"skip\" goes on without"),
                },
                name = look => match name {
                    Ok(Some(name)) if is_it(&name) => break Some(name),
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        tell("the user is not in the directory any more, or has no name there");
                        break None;
                    }
                    Err(why) if why.is_transient() => {
                        if !is_told {
                            tell(&format!("it cannot be seen for now: {why}"));
                        }
                        is_told = true;
                    }
                    Err(why) => {
                        tell(&format!("it cannot be seen: {why}"));
                        break None;
                    }
                },
            }
        };
        self.typed = Some(typed);
        Ok(seen)
    }
}

/// Whether two names differ at most in case.
fn is_alike(name: &str, other: &str) -> bool {
    name.to_lowercase() == other.to_lowercase()
}

fn tell(text: &str) {
    anstream::eprintln!("{}", visible::text(text));
}

/// What is typed, line by line. Nothing keeps the thread from waiting for more; it ends
/// with the process.
fn typed() -> UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let typed = std::io::stdin().lines().map_while(Result::ok);
        for line in typed {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

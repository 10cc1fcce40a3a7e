//! Judges every write, in the world it is made in.

use std::collections::BTreeSet;
use std::time::Duration;

use emr_studio_sync::emulator::{AfterIdentityGone, Call, IdentityType, LogLine, Outcome, World};
use serde_json::Value;

use super::moment::{Key, Moment, Span};
use super::play::Failure;
use super::table::{Rule, Table, Who};

/// For so long a process may go by a list of mappings, in milliseconds.
const REMEMBERED_MS: i64 = 5 * 60_000;

/// What an invocation is for, as far as it matters for what may be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// It only looks.
    pub(super) writes_nothing: bool,
    /// The deletions that it approves, if it approves any; of no set that was ever
    /// held, it approves none.
    pub(super) approves: Option<BTreeSet<Key>>,
    pub(super) lies: Lies,
}

/// What answers lie about during an invocation, as far as nobody can notice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lies {
    pub(super) of_status: bool,
    pub(super) of_names: bool,
    pub(super) of_lists: bool,
    /// Or the directory cannot be read, or not all of it.
    pub(super) of_directory: bool,
    /// Or the log of earlier deletions cannot be read.
    pub(super) of_log: bool,
}

#[derive(Debug)]
pub(super) struct Judge {
    table: Table,
    now_ms: fn() -> i64,
    order: Order,
    began_ms: i64,
    span: Span,
    /// The deletions of this process that count, oldest first.
    deletions: Vec<Deletion>,
    /// Mappings that somebody else made, and when.
    others: Vec<(Key, i64)>,
    lists_lied_ms: Option<i64>,
    /// So many of the deletions were made before this process.
    earlier: usize,
    /// Whose mapping the invocation tried to make or change, in vain for a reason
    /// that passes.
    in_vain: BTreeSet<Key>,
    /// What was seen of this invocation, for who reads of a failure.
    pub(super) seen: Vec<String>,
    /// What was wrong.
    pub(super) wrong: Vec<String>,
}

#[derive(Debug)]
struct Deletion {
    key: Key,
    at_ms: i64,
    /// Made in the invocation that goes on now.
    now: bool,
    /// Nobody was told that it was made.
    lost: bool,
}

impl Judge {
    pub(super) fn new(table: Table, now_ms: fn() -> i64) -> Judge {
        Judge {
            table,
            now_ms,
            order: Order::default(),
            began_ms: 0,
            span: Span::default(),
            deletions: Vec::new(),
            others: Vec::new(),
            lists_lied_ms: None,
            earlier: 0,
            in_vain: BTreeSet::new(),
            seen: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// A new process remembers nothing but what the log tells.
    pub(super) fn forget(&mut self, log: &[LogLine]) {
        self.lists_lied_ms = None;
        self.in_vain.clear();
        let logged = log
            .iter()
            .filter_map(|line| Some((line.at_ms, deletion_in(line)?)));
        let logged = logged.map(|(at_ms, key)| Deletion {
            key,
            at_ms,
            now: false,
            lost: false,
        });
        self.deletions = logged.collect();
        self.earlier = self.deletions.len();
    }

    /// An invocation begins.
    pub(super) fn begin(&mut self, world: &World, order: Order) {
        self.began_ms = (self.now_ms)();
        self.span = Span::from(Moment::of(world));
        self.span.status_lied = order.lies.of_status;
        self.span.names_lied = order.lies.of_names;
        if order.lies.of_lists {
            self.lists_lied_ms = Some(self.began_ms);
        }
        if order.lies.of_log {
            // Then the process goes by its own.
            self.deletions.drain(..std::mem::take(&mut self.earlier));
        }
        self.in_vain.clear();
        self.seen.clear();
        self.order = order;
    }

    /// It has ended, and nothing of it is under way. Of which deletions its answer
    /// was lost, the calls tell.
    pub(super) fn end(&mut self, calls: &[Call]) {
        for deletion in self.deletions.iter_mut().filter(|one| one.now) {
            let (studio, _, id) = &deletion.key;
            let is_it = |call: &&Call| {
                call.operation == "DeleteStudioSessionMapping"
                    && call.input["StudioId"] == studio.as_str()
                    && call.input["IdentityId"] == id.as_str()
            };
            deletion.lost = !calls.iter().filter(is_it).any(|call| call.outcome.is_ok());
            deletion.now = false;
        }
        let now_ms = (self.now_ms)();
        if self.order.lies.of_lists {
            self.lists_lied_ms = Some(now_ms);
        }
        for call in calls.iter().filter(|call| call.is_write()) {
            let key = key_of(&call.input);
            match passes(&call.outcome) {
                true => self.in_vain.insert(key),
                false => self.in_vain.remove(&key),
            };
        }
    }

    /// What the last invocation left to be done again.
    pub(super) fn left(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.in_vain)
    }

    /// What the world is now, before the next call or a rival's act.
    pub(super) fn look(&mut self, world: &World) {
        self.span.then(Moment::of(world));
    }

    /// A rival has acted.
    pub(super) fn rival(&mut self, world: &World, what: String) {
        let now = Moment::of(world);
        let made = now.mappings.keys();
        let new = |key: &&Key| !self.span.latest().mappings.contains_key(*key);
        let at_ms = (self.now_ms)();
        let made = made.filter(new).map(|key| (key.clone(), at_ms));
        self.others.extend(made);
        self.seen.push(format!("a rival: {what}"));
        self.span.then(now);
    }

    /// A call is about to take effect.
    pub(super) fn call(&mut self, world: &World, operation: &str, input: &Value) {
        let line = format!("{operation} {input}");
        self.seen.push(line);
        let verb = operation.strip_suffix("StudioSessionMapping");
        let Some(verb @ ("Create" | "Update" | "Delete")) = verb else {
            return;
        };
        if self.order.writes_nothing {
            self.complain("something is written where nothing may be");
        }
        let key = key_of(input);
        let kind = key.1;
        let policy = input["SessionPolicyArn"].as_str().unwrap_or_default();
        let moment = self.span.latest().clone();
        let is_there = moment.has(kind, &key.2);
        let is_known = is_there && is_learned(world, kind, &key.2);
        let is_mapped = moment.mappings.contains_key(&key);
        match verb {
            "Create" if is_known && !is_mapped => self.creation(&key, policy, &moment),
            "Update" if is_known && is_mapped => self.update(&key, policy),
            "Delete" if is_mapped => {
                let goes = world.settings.delete_after_identity_gone == AfterIdentityGone::Allow;
                if is_known || (goes && !is_there) {
                    self.deletion(&key);
                }
            }
            // It will be refused, and nothing comes of it.
            _ => {}
        }
    }

    pub(super) fn failure(&self, what: &str) -> Failure {
        Failure {
            what: what.to_owned(),
            seen: self.seen.clone(),
        }
    }

    fn complain(&mut self, what: &str) {
        let last = self.seen.last().cloned().unwrap_or_default();
        self.wrong.push(format!("{what}: {last}"));
    }

    fn creation(&mut self, key: &Key, policy: &str, moment: &Moment) {
        let (studio, kind, id) = key;
        if !self.is_given(key, policy) {
            self.complain("a creation that the first fitting rule never wanted");
        }
        let Some(studio) = self.table.studio(studio).cloned() else {
            return self.complain("a creation in a Studio that the table does not name");
        };
        let of_kind = |other: &&Key| other.0 == studio.id && other.1 == *kind;
        let mapped = moment.mappings.keys().filter(of_kind);
        let now_ms = (self.now_ms)();
        let since_ms = self.began_ms.min(now_ms) - REMEMBERED_MS;
        let others: BTreeSet<&Key> = self
            .others
            .iter()
            .filter(|(_, at_ms)| *at_ms >= since_ms)
            .map(|(key, _)| key)
            .collect();
        let counted = mapped.filter(|key| !others.contains(key)).count();
        // Who is told that fewer are mapped than there are, cannot know.
        let lied = self.lists_lied_ms.is_some_and(|at_ms| at_ms >= since_ms);
        // Who was mapped when it was read, and was unmapped by somebody else, takes
        // no room that was not theirs.
        let had_room = self.span.ever(|moment| moment.mappings.contains_key(key));
        if counted + 1 > studio.limit(*kind) && !lied && !had_room {
            self.complain(&format!("a creation beyond the Studio's limit ({id})"));
        }
        // Somebody gone and mapped again: then a deletion that nobody was told of
        // had been made for sure.
        for deletion in self.deletions.iter_mut().filter(|one| one.key == *key) {
            deletion.lost = false;
        }
    }

    fn update(&mut self, key: &Key, policy: &str) {
        if !self.is_given(key, policy) {
            self.complain("an update to what the first fitting rule never gave");
        }
        let has = |moment: &Moment| {
            moment
                .mappings
                .get(key)
                .is_some_and(|(now, _)| now == policy)
        };
        if self.span.always(has) {
            self.complain("an update that changes nothing");
        }
        self.change(key);
    }

    fn deletion(&mut self, key: &Key) {
        let (studio, kind, id) = key;
        let (table, span) = (&self.table, &self.span);
        let surely = |rule: &Rule| span.surely(table, rule, *kind, id);
        let is_wanted = table.rules_of(studio).any(|(_, rule)| surely(rule));
        if is_wanted {
            self.complain("a deletion of what a rule wanted all the time");
        }
        self.change(key);
        match &self.order.approves {
            Some(approved) if approved.is_empty() => {
                return self.complain("a deletion by an approval of nothing that was held");
            }
            Some(approved) if approved.contains(key) => return,
            _ => {}
        }
        let at_ms = (self.now_ms)();
        // However often it was tried, it is one.
        let own = self.deletions.split_off(self.earlier);
        let others = own.into_iter().filter(|one| !(one.lost && one.key == *key));
        self.deletions.extend(others);
        self.deletions.push(Deletion {
            key: key.clone(),
            at_ms,
            now: true,
            lost: false,
        });
        let since_ms = at_ms - self.table.window_ms;
        let here = || self.deletions.iter().filter(|one| one.key.0 == *studio);
        let all = here().filter(|one| one.at_ms > since_ms).count();
        let now = here().filter(|one| one.now).count();
        let owned = self.span.most(|moment| moment.owned(&self.table, studio));
        if all > self.table.may_go(owned) {
            self.complain(&format!("more deletions than may go ({all} of {owned})"));
        }
        if now >= 3 && now >= owned && self.table.most_percent != 100 {
            self.complain(&format!("all that there is goes at once ({owned})"));
        }
    }

    /// What holds for a deletion and for a change of policy.
    fn change(&mut self, key: &Key) {
        let (studio, kind, id) = key;
        let table = &self.table;
        let owned = |moment: &Moment| {
            let mapping = moment.mappings.get(key);
            mapping.is_some_and(|(policy, _)| table.owns(studio, policy))
        };
        let nowhere = |who: &Who| self.span.always(|moment| who.leads_nowhere(moment));
        // Where a row cannot be looked up, only those wait whom it may be about: that
        // its group is not there, nobody knows.
        let unread = self.order.lies.of_directory;
        let holds = |rule: &Rule| {
            rule.who.is_one_group() && nowhere(&rule.who) && (!unread || rule.may_fit(*kind, id))
        };
        let of_rules = table.hold && table.rules_of(studio).any(|(_, rule)| holds(rule));
        let mut protect = table.protect.iter();
        let of_protect = protect.any(|entry| {
            entry.needs_its_group() && nowhere(&entry.who) && (!unread || entry.may_be_about(*kind))
        });
        let mut protect = table.protect.iter();
        let of_somebody = *kind == IdentityType::User
            && self.span.always(|moment| moment.has(*kind, id))
            && protect.any(|entry| matches!(entry.who, Who::User(_)) && nowhere(&entry.who));
        let complaints = [
            (
                !self.span.ever(owned),
                "a mapping is touched that never was the table's",
            ),
            (
                self.span.protected(table, key),
                "a protected mapping is touched",
            ),
            (
                of_rules,
                "a mapping is touched while a rule names a group that is not there",
            ),
            (
                of_protect,
                "a mapping is touched while protect names a group that is not there",
            ),
            (
                of_somebody,
                "a user's mapping is touched while protect names a user who is not there",
            ),
        ];
        for (_, what) in complaints.into_iter().filter(|(is_so, _)| *is_so) {
            self.complain(what);
        }
    }

    /// Whether the first rule that fits may have been one that gives this policy.
    fn is_given(&self, key: &Key, policy: &str) -> bool {
        let (studio, kind, id) = key;
        let (table, span) = (&self.table, &self.span);
        for (_, rule) in table.rules_of(studio) {
            if rule.policy == policy {
                if span.perhaps(table, rule, *kind, id) {
                    return true;
                }
                continue;
            }
            let missing = table.hold
                && rule.who.is_one_group()
                && rule.may_fit(*kind, id)
                && span.always(|moment| rule.who.leads_nowhere(moment));
            if missing || span.surely(table, rule, *kind, id) {
                return false;
            }
        }
        false
    }
}

/// Whose mapping a call is about.
fn key_of(input: &Value) -> Key {
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let kind = match input["IdentityType"] == "GROUP" {
        true => IdentityType::Group,
        false => IdentityType::User,
    };
    (text("StudioId"), kind, text("IdentityId"))
}

/// Whether a call failed, for a reason that surely passes.
fn passes(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answered { status, code } => {
            *status >= 500 || code.as_deref() == Some("ThrottlingException")
        }
        Outcome::Dropped => true,
        Outcome::Pending => false,
    }
}

/// Whether EMR has learned by now that somebody is in the directory.
fn is_learned(world: &World, kind: IdentityType, id: &str) -> bool {
    let created = match kind {
        IdentityType::User => world.users.get(id).map(|user| user.created),
        IdentityType::Group => world.groups.get(id).map(|group| group.created),
    };
    let late = Duration::from_millis(world.settings.emr_learns_late_ms);
    created.is_some_and(|created| created.elapsed() >= late)
}

/// The deletion that a line of the log tells of, if it was made and counts.
fn deletion_in(line: &LogLine) -> Option<Key> {
    let record: Value = serde_json::from_str(&line.message).ok()?;
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    let counts = record["message"] == "change"
        && record["action"] == "delete"
        && record["outcome"] == "done"
        && record["approved"] != true;
    let kind = match record["identity_type"] == "GROUP" {
        true => IdentityType::Group,
        false => IdentityType::User,
    };
    let key = (text("studio_id")?, kind, text("identity_id")?);
    counts.then_some(key)
}

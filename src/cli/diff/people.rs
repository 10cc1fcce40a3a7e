//! What two tables mean for people: both are played against an exported directory,
//! the new one where the old one has left off.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::unknown::Unknown;
use crate::cli::output::csv;
use crate::cli::reconcile::is_sound;
use crate::cli::simulate::{alone, engine, far_away};
use crate::cli::words::{Words, paint};
use crate::config::Mode;
use crate::emulator::{self, Emulator, Seed, World};
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::document::Document;
use crate::policy::fit::Answer;
use crate::policy::{Selector, Table};
use crate::sync::{Access, Look, Task};
use crate::visible;

/// What changes for whom.
pub(super) struct People {
    pub(super) changes: Vec<Change>,
    /// About whom the directory says nothing: for them it is not known what changes.
    pub(super) unknown: Vec<Unknown>,
    pub(super) problems: Vec<String>,
    /// How many are let in as before.
    stay: usize,
}

/// What changes for one person in one Studio; or for a group that is mapped as such
/// and has no members in the directory.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// `gains`, `loses`, `changes`.
    change: &'static str,
    studio: String,
    studio_id: String,
    identity_type: IdentityType,
    identity_id: Id,
    identity_name: String,
    before: Vec<Way>,
    after: Vec<Way>,
}

/// How somebody gets in.
#[derive(Clone, Debug, Serialize)]
struct Way {
    /// Its ARN, and what the table calls it.
    session_policy: String,
    session_policy_alias: String,
    /// `USER`: their own mapping; `GROUP`: that of a group they are in.
    mapping: IdentityType,
    /// The rule that wants the mapping; none of somebody's own.
    rule: Option<usize>,
    /// The group that is mapped, or through which the rule fits.
    via_group: Option<Id>,
    via_group_name: Option<String>,
}

/// By Studio and identity; for each session policy the way that has it.
type Ways = BTreeMap<(String, Identity), BTreeMap<String, Way>>;

impl People {
    pub(super) async fn read(
        path: &Path,
        old: (Table, Document),
        new: (Table, Document),
    ) -> Result<People, String> {
        let Seed {
            mut world,
            selected,
            ..
        } = World::from_toml(&crate::cli::read(path)?)
            .map_err(|problem| format!("{}: {problem}", path.display()))?;
        if world.users.is_empty() && world.groups.is_empty() && world.studios.is_empty() {
            return Err(format!(
                "{}: there is nobody in it, and no Studio: is it what `export` has written?",
                path.display()
            ));
        }
        let mut people = People {
            changes: Vec::new(),
            unknown: Vec::new(),
            problems: Vec::new(),
            stay: 0,
        };
        let mut called: BTreeMap<String, String> = BTreeMap::new();
        for studio in old.0.studios.iter().chain(&new.0.studios) {
            called.insert(studio.id.clone(), studio.alias.clone());
        }
        for (which, table) in [("old", &old.0), ("new", &new.0)] {
            for studio in &table.studios {
                if !world.studios.contains_key(&studio.id) {
                    world.add_studio(&studio.id)?;
                    people.unknown.push(Unknown::of_studio(which, studio));
                    people.problems.push(format!(
                        "the directory was exported without the Studio {}: it is taken for one \
                         without mappings",
                        studio.alias
                    ));
                }
            }
        }
        let exported = world.clone();
        let tables = [old.0.clone(), new.0.clone()];
        let (world, before, gone) = people.settle(world, old, "old", &called).await?;
        let (_, after, gone_then) = people.settle(world, new, "new", &called).await?;
        let [old, new] = &tables;
        let directory = (selected.as_ref(), &exported);
        people.tell_unknown(("old", old), new, directory, &gone);
        people.tell_unknown(("new", new), old, directory, &gone_then);
        people.join_problems();
        people.compare(&before, &after, &called, &exported);
        Ok(people)
    }

    /// Makes a world as a table wants it, and says who gets in then.
    async fn settle(
        &mut self,
        mut world: World,
        (mut table, document): (Table, Document),
        which: &'static str,
        called: &BTreeMap<String, String>,
    ) -> Result<(World, Ways, BTreeSet<Selector>), String> {
        alone(&mut world, &mut table);
        // What a deletion guard would hold is what a reviewer wants to see.
        table.deletions.max_percent = 100;
        for (id, alias) in called {
            if table.studios.iter().all(|studio| studio.id != *id) {
                self.problems.push(format!(
                    "the {which} table has no Studio {alias}: its mappings stay as they are"
                ));
            }
        }
        let emulator = Emulator::in_process(world);
        let engine = engine(&emulator, table).await;
        let task = Task {
            look: Look::everything(None, far_away()),
            approve: None,
            agreed: None,
            mode: Mode::Apply,
        };
        let pass = engine.pass(&task).await;
        if !is_sound(&pass) {
            self.unknown.push(Unknown::of_all(which));
        }
        let told = pass.report.problems.iter();
        self.problems
            .extend(told.map(|problem| format!("{which} table: {problem}")));
        let (table, now_ms) = (engine.table(), engine.now_ms());
        let read = engine.store().select(table, now_ms, far_away()).await;
        let selected = read.directory.selected.into_iter();
        let gone = selected.filter(|(_, answer)| *answer == Answer::Gone);
        let gone = gone.map(|(selector, _)| selector).collect();
        let survey = engine.access(None, far_away()).await;
        let studios = &engine.table().studios;
        let rows = survey.rows.into_iter();
        let wanted: BTreeMap<(String, Identity), Access> = rows
            .map(|row| ((studios[row.studio].id.clone(), row.identity.clone()), row))
            .collect();
        let world = emulator.world().clone();
        let ways = ways(&world, &wanted, &Words::of(&document));
        Ok((world, ways, gone))
    }

    fn compare(
        &mut self,
        before: &Ways,
        after: &Ways,
        called: &BTreeMap<String, String>,
        world: &World,
    ) {
        let all: BTreeSet<&(String, Identity)> = before.keys().chain(after.keys()).collect();
        for key in all {
            let none = BTreeMap::new();
            let (was, is) = (before.get(key), after.get(key));
            let policies = |ways: Option<&BTreeMap<String, Way>>| -> BTreeSet<String> {
                ways.unwrap_or(&none).keys().cloned().collect()
            };
            let change = match (was, is) {
                _ if policies(was) == policies(is) => {
                    self.stay += 1;
                    continue;
                }
                (None, _) => "gains",
                (_, None) => "loses",
                (Some(_), Some(_)) => "changes",
            };
            let (studio_id, identity) = key;
            let ways = |ways: Option<&BTreeMap<String, Way>>| -> Vec<Way> {
                ways.unwrap_or(&none).values().cloned().collect()
            };
            self.changes.push(Change {
                change,
                studio: called.get(studio_id).unwrap_or(studio_id).clone(),
                studio_id: studio_id.clone(),
                identity_type: identity.kind,
                identity_id: identity.id.clone(),
                identity_name: name(world, identity),
                before: ways(was),
                after: ways(is),
            });
        }
        let order = |change: &Change| (change.studio.clone(), change.identity_name.clone());
        self.changes.sort_by_cached_key(order);
    }

    /// As people read it.
    pub(super) fn tell(&self) -> String {
        let mut text = String::new();
        let who = |change: &Change| match change.identity_type {
            IdentityType::User => visible::name(&change.identity_name),
            IdentityType::Group => format!("group {}", visible::name(&change.identity_name)),
        };
        let width = |of: &dyn Fn(&Change) -> String| {
            let widths = self.changes.iter().map(|change| of(change).chars().count());
            widths.max().unwrap_or_default()
        };
        let (of_who, of_what) = (width(&who), width(&Change::policies));
        let mut studio = None;
        for change in &self.changes {
            if studio != Some(&change.studio_id) {
                studio = Some(&change.studio_id);
                let title = format!("{} ({})", visible::name(&change.studio), change.studio_id);
                let _ = writeln!(text, "{}", paint(Style::new().bold(), &title));
            }
            let (sign, color) = match change.change {
                "gains" => ("+", AnsiColor::Green),
                "loses" => ("-", AnsiColor::Red),
                _ => ("~", AnsiColor::Yellow),
            };
            let line = format!(
                "{sign} {:<of_who$}  {:<of_what$}  ({})",
                who(change),
                change.policies(),
                change.why()
            );
            let _ = writeln!(text, "  {}", paint(color.on_default(), &line));
        }
        let count = |what| {
            let changes = self.changes.iter();
            changes.filter(|change| change.change == what).count()
        };
        let counts = ["gains", "loses", "changes"].map(|what| (count(what), what));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(count, what)| match count {
                1 => format!("1 {what}"),
                _ => format!("{count} {}", what.trim_end_matches('s')),
            })
            .collect();
        for problem in &self.problems {
            let line = format!("! {}", visible::line(problem));
            let _ = writeln!(text, "{}", paint(AnsiColor::Yellow.on_default(), &line));
        }
        let stays = self.stays();
        let _ = match (self.unknown.is_empty(), counts.is_empty()) {
            (true, true) => writeln!(text, "Nothing changes for anybody: {stays}."),
            (true, false) => writeln!(text, "{}; {stays}.", counts.join(", ")),
            (false, true) => writeln!(
                text,
                "For some it is not known. For the others nothing changes: {stays}."
            ),
            (false, false) => writeln!(
                text,
                "For some it is not known. Of the others {}; {stays}.",
                counts.join(", ")
            ),
        };
        text
    }

    fn stays(&self) -> String {
        match self.stay {
            1 => "1 as before".to_owned(),
            count => format!("{count} as before"),
        }
    }

    /// A line for each change, and one for whatever is not known.
    pub(super) fn csv(&self) -> Result<String, String> {
        let columns = [
            "change",
            "studio",
            "studio_id",
            "identity_type",
            "identity_id",
            "identity_name",
            "before",
            "after",
            "rule",
            "via_group_name",
        ];
        let aliases = |ways: &[Way]| -> String {
            let aliases = ways.iter().map(|way| way.session_policy_alias.as_str());
            aliases.collect::<Vec<_>>().join(" ")
        };
        let rows = self.changes.iter().map(|change| {
            let way = change.after.first();
            (
                change.change,
                Some(&change.studio),
                Some(&change.studio_id),
                Some(change.identity_type),
                Some(&change.identity_id),
                Some(&change.identity_name),
                aliases(&change.before),
                aliases(&change.after),
                way.and_then(|way| way.rule),
                way.and_then(|way| way.via_group_name.as_deref()),
            )
        });
        let unknown = self.unknown.iter().map(|unknown| {
            (
                "unknown",
                unknown.studio.as_ref(),
                unknown.studio_id.as_ref(),
                unknown.identity_type,
                unknown.identity_id.as_ref(),
                unknown.identity_name.as_ref(),
                String::new(),
                String::new(),
                unknown.rule,
                None,
            )
        });
        csv(&columns, &rows.chain(unknown).collect::<Vec<_>>())
    }
}

impl Change {
    /// `engineer -> analyst`
    fn policies(&self) -> String {
        let aliases = |ways: &[Way]| -> String {
            let aliases = ways
                .iter()
                .map(|way| visible::name(&way.session_policy_alias));
            aliases.collect::<Vec<_>>().join(" and ")
        };
        let (before, after) = (aliases(&self.before), aliases(&self.after));
        match (before.is_empty(), after.is_empty()) {
            (false, false) => format!("{before} -> {after}"),
            _ => before + &after,
        }
    }

    /// By which rule somebody has what they have then.
    fn why(&self) -> String {
        let why = |way: &Way| {
            let rule = match way.rule {
                Some(rule) => format!("rules[{rule}]"),
                None => "somebody's own".to_owned(),
            };
            match (&way.via_group_name, way.mapping) {
                (None, _) => rule,
                (Some(group), IdentityType::User) => {
                    format!("{rule}, through {}", visible::name(group))
                }
                (Some(group), IdentityType::Group) => {
                    format!("{rule}, as a member of {}", visible::name(group))
                }
            }
        };
        match self.after.is_empty() {
            true => "no rule wants it".to_owned(),
            false => self.after.iter().map(why).collect::<Vec<_>>().join("; "),
        }
    }
}

/// Everybody who gets in, and how: a group's members by the group's mapping.
fn ways(world: &World, wanted: &BTreeMap<(String, Identity), Access>, words: &Words) -> Ways {
    let mut members: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for membership in world.memberships.values() {
        let of_group = members.entry(&membership.group).or_default();
        of_group.push(&membership.user);
    }
    let mut ways = Ways::new();
    for ((studio, kind, id), mapping) in &world.mappings {
        let Some(id) = Id::from_service(id) else {
            continue;
        };
        let users = match kind {
            emulator::IdentityType::User => None,
            emulator::IdentityType::Group => Some(members.get(id.as_str())),
        };
        let (identity, mapped) = match users {
            None => (Identity::user(id), IdentityType::User),
            Some(_) => (Identity::group(id), IdentityType::Group),
        };
        let row = wanted.get(&(studio.clone(), identity.clone()));
        let via_group = match mapped {
            IdentityType::User => row.and_then(|row| row.via_group.clone()),
            IdentityType::Group => Some(identity.id.clone()),
        };
        let policy = &mapping.session_policy_arn;
        let way = Way {
            session_policy: policy.clone(),
            session_policy_alias: words.alias(policy).to_owned(),
            mapping: mapped,
            rule: row.and_then(|row| row.rule),
            via_group_name: via_group
                .clone()
                .map(|group| name(world, &Identity::group(group))),
            via_group,
        };
        let mut add = |identity: Identity, way: Way| {
            let of_it = ways.entry((studio.clone(), identity)).or_default();
            of_it.entry(way.session_policy.clone()).or_insert(way);
        };
        match users {
            Some(Some(users)) => {
                let users = users.iter().filter_map(|user| Id::from_service(user));
                users.for_each(|user| add(Identity::user(user), way.clone()));
            }
            // Nobody is in it yet.
            Some(None) => add(
                identity,
                Way {
                    via_group: None,
                    via_group_name: None,
                    ..way
                },
            ),
            None => add(identity, way),
        }
    }
    ways
}

/// What an identity is called; its id, if it is gone.
fn name(world: &World, identity: &Identity) -> String {
    let kind = match identity.kind {
        IdentityType::User => emulator::IdentityType::User,
        IdentityType::Group => emulator::IdentityType::Group,
    };
    let id = identity.id.as_str();
    let mut mapped = world.mappings.iter();
    let made_under = || {
        let mapping = mapped.find(|((_, of, one), _)| *of == kind && one == id)?;
        let name = mapping.1.identity_name.as_str();
        (!name.is_empty()).then_some(name)
    };
    let name = world.identity_name(kind, id).or_else(made_under);
    name.unwrap_or(id).to_owned()
}

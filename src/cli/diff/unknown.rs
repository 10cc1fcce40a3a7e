//! About whom an exported directory says nothing: what changes for them is not known.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use super::people::People;
use crate::cli::selected::Entry;
use crate::cli::words::whom;
use crate::emulator::{Selected, World};
use crate::identity::{Id, IdentityType};
use crate::policy::{Selector, Studio, Table};

/// Whom a table is about, and the directory does not know; of a Studio that it does
/// not know, everybody.
#[derive(Debug, Default, Serialize)]
pub(super) struct Unknown {
    /// `old` or `new`.
    pub(super) table: &'static str,
    /// `rules[2]`, `protect[0]`; none if it is all of the table.
    pub(super) place: Option<String>,
    pub(super) studio: Option<String>,
    pub(super) studio_id: Option<String>,
    pub(super) rule: Option<usize>,
    pub(super) identity_type: Option<IdentityType>,
    pub(super) identity_id: Option<Id>,
    /// A name, or a pattern of groups' names.
    pub(super) identity_name: Option<String>,
}

impl Unknown {
    /// A pass by this table has failed.
    pub(super) fn of_all(table: &'static str) -> Unknown {
        Unknown {
            table,
            ..Unknown::default()
        }
    }

    /// This Studio's mappings.
    pub(super) fn of_studio(table: &'static str, studio: &Studio) -> Unknown {
        Unknown {
            studio: Some(studio.alias.clone()),
            studio_id: Some(studio.id.clone()),
            ..Unknown::of_all(table)
        }
    }
}

impl People {
    /// Names whom a table is about, and the directory does not know: what it was
    /// exported without asking for; and of one that was written by hand, what it has
    /// not, unless the other table says the same of it.
    pub(super) fn tell_unknown(
        &mut self,
        (which, table): (&'static str, &Table),
        other: &Table,
        (exported, world): (Option<&Selected>, &World),
        gone: &BTreeSet<Selector>,
    ) {
        let meaning = |table: &Table, entry: &Entry<'_>| {
            let rule = entry
                .rule
                .map(|(_, studio, policy)| (table.studios[studio].id.clone(), policy.to_owned()));
            (entry.select.clone(), entry.assign, rule)
        };
        let others = Entry::all_of(other).map(|entry| meaning(other, &entry));
        let others: HashSet<_> = others.collect();
        for entry in Entry::all_of(table) {
            let whom = whom(entry.select, entry.assign);
            let place = &entry.place;
            if entry.is_left_out(exported, world) {
                // Whether it is there is not known either.
                let of_it = format!("{which} table: {place}: ");
                self.problems.retain(|problem| !problem.starts_with(&of_it));
                self.problems.push(format!(
                    "{which} table: {place}: the directory was exported without asking for {whom}, \
                     so what changes for them is not known; `export --table NEW --with OLD` asks for \
                     all"
                ));
            } else if exported.is_some()
                || !gone.contains(entry.select)
                || others.contains(&meaning(table, &entry))
            {
                continue;
            } else {
                self.problems.push(format!(
                    "{which} table: {place}: the directory has no {whom}, so what changes for them is not \
                     known"
                ));
            }
            let studio = entry.rule.map(|(_, studio, _)| &table.studios[studio]);
            let name = match entry.select {
                Selector::Group(pattern) => Some(pattern.as_str().to_owned()),
                Selector::User(name) => Some(name.clone()),
                Selector::GroupId(_) | Selector::UserId(_) => None,
            };
            self.unknown.push(Unknown {
                table: which,
                place: Some(entry.place),
                studio: studio.map(|studio| studio.alias.clone()),
                studio_id: studio.map(|studio| studio.id.clone()),
                rule: entry.rule.map(|(rule, ..)| rule),
                identity_type: Some(entry.select.kind()),
                identity_id: entry.select.id().cloned(),
                identity_name: name,
            });
        }
    }

    /// What is told of both tables alike is told once.
    pub(super) fn join_problems(&mut self) {
        let all = std::mem::take(&mut self.problems);
        let known: HashSet<&str> = all.iter().map(String::as_str).collect();
        let other = |problem: &str, which: &str, other: &str| {
            let rest = problem.strip_prefix(which)?;
            let is_there = known.contains(format!("{other}{rest}").as_str());
            is_there.then_some(rest.to_owned())
        };
        let joined =
            all.iter()
                .filter_map(|problem| match other(problem, "old table", "new table") {
                    Some(rest) => Some(format!("both tables{rest}")),
                    None if other(problem, "new table", "old table").is_some() => None,
                    None => Some(problem.clone()),
                });
        self.problems = joined.collect();
    }
}

//! What two tables say differently: Studios, session policies, rules and settings,
//! in the order in which the new one has them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write as _};

use anstyle::AnsiColor;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::words::{counted, paint, whom};
use crate::policy::document::{self, Document};
use crate::policy::{Assign, Selector, Table};
use crate::visible;

/// One difference.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    /// `added`, `removed`, `changed`, or `moved` of a rule that others have come
    /// before or after.
    change: &'static str,
    /// Where it stands in the old table, and in the new one.
    old_place: Option<String>,
    place: Option<String>,
    /// What stands there, in words.
    text: String,
}

/// The columns of the CSV: the fields of [`Said`].
pub(super) const COLUMNS: [&str; 4] = ["change", "old_place", "place", "text"];

impl Said {
    fn added(place: impl Display, text: String) -> Said {
        Said {
            change: "added",
            old_place: None,
            place: Some(place.to_string()),
            text,
        }
    }

    fn removed(place: impl Display, text: String) -> Said {
        Said {
            change: "removed",
            old_place: Some(place.to_string()),
            place: None,
            text,
        }
    }

    fn changed(old: impl Display, new: impl Display, text: String) -> Said {
        Said {
            change: "changed",
            old_place: Some(old.to_string()),
            place: Some(new.to_string()),
            text,
        }
    }
}

type Read = (Table, Document);

/// All differences.
pub(super) fn changes(old: &Read, new: &Read) -> Vec<Said> {
    let mut said = settings(&old.1, &new.1);
    said.extend(studios(&old.1, &new.1));
    said.extend(session_policies(&old.1, &new.1));
    said.extend(rules(old, new));
    said.extend(protect(&old.0, &new.0));
    said
}

/// The differences as people read them.
pub(super) fn tell(said: &[Said]) -> String {
    let mut text = String::new();
    let place = |one: &Said| {
        let place = match (&one.old_place, &one.place) {
            (Some(old), Some(new)) if old != new => format!("{new}, was {old}"),
            (_, Some(new)) => new.clone(),
            (old, None) => format!("{} of the old table", old.clone().unwrap_or_default()),
        };
        visible::line(&place)
    };
    let width = said.iter().map(|one| place(one).chars().count()).max();
    let width = width.unwrap_or_default();
    for one in said {
        let (sign, color) = match one.change {
            "added" => ("+", AnsiColor::Green),
            "removed" => ("-", AnsiColor::Red),
            _ => ("~", AnsiColor::Yellow),
        };
        let line = format!(
            "{sign} {:<width$}  {}",
            place(one),
            visible::line(&one.text)
        );
        let _ = writeln!(text, "{}", paint(color.on_default(), &line));
    }
    let _ = match said.len() {
        0 => writeln!(text, "Both tables say the same."),
        count => writeln!(
            text,
            "{}; for whom, an exported directory says: diff --directory",
            counted(count, "difference")
        ),
    };
    text
}

fn settings(old: &Document, new: &Document) -> Vec<Said> {
    let flat = |document: &Document| -> BTreeMap<String, Value> {
        // Taken apart, so that no new field is forgotten.
        let Document {
            studios: _,
            session_policies: _,
            rules: _,
            protect: _,
            deletions,
            pace,
            on_missing_group,
            on_disabled_user,
            ownership,
        } = document;
        let mut all = BTreeMap::from([
            ("on_missing_group".to_owned(), json!(on_missing_group)),
            ("on_disabled_user".to_owned(), json!(on_disabled_user)),
            ("ownership".to_owned(), json!(ownership)),
        ]);
        for (section, values) in [("deletions", json!(deletions)), ("pace", json!(pace))] {
            for (name, value) in values.as_object().into_iter().flatten() {
                all.insert(format!("{section}.{name}"), value.clone());
            }
        }
        all
    };
    let old = flat(old);
    let changed = flat(new).into_iter().filter_map(|(place, value)| {
        let before = old.get(&place).filter(|before| **before != value)?;
        Some(Said::changed(
            &place,
            &place,
            format!("{before} -> {value}"),
        ))
    });
    changed.collect()
}

/// Alias and Studio by id: an alias is only what the table calls it.
fn by_id(document: &Document) -> BTreeMap<&str, (&str, &document::Studio)> {
    let studios = document.studios.iter();
    let studios = studios.map(|(alias, studio)| (studio.id.as_str(), (alias.as_str(), studio)));
    studios.collect()
}

fn studios(old: &Document, new: &Document) -> Vec<Said> {
    let (old, new) = (by_id(old), by_id(new));
    let mut said = Vec::new();
    for (id, (alias, studio)) in &new {
        let place = format!("studios.{alias}");
        let Some((was, before)) = old.get(id) else {
            said.push(Said::added(place, (*id).to_owned()));
            continue;
        };
        let mut differs = Vec::new();
        let (json_before, json_now) = (json!(before), json!(studio));
        let fields = [
            "region",
            "role_arn",
            "external_id",
            "limits",
            "retired_policies",
        ];
        for field in fields {
            let (before, now) = (&json_before[field], &json_now[field]);
            if before != now {
                differs.push(match field {
                    // It is no secret, and nobody's business either.
                    "external_id" => "external_id".to_owned(),
                    _ => format!("{field} {} -> {}", or_none(before), or_none(now)),
                });
            }
        }
        if was != alias || !differs.is_empty() {
            let text = format!("{id} {}", differs.join(", "));
            let was = format!("studios.{was}");
            said.push(Said::changed(was, place, text.trim_end().to_owned()));
        }
    }
    for (id, (alias, _)) in old.iter().filter(|(id, _)| !new.contains_key(*id)) {
        let place = format!("studios.{alias}");
        said.push(Said::removed(place, (*id).to_owned()));
    }
    said
}

fn or_none(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    }
}

fn session_policies(old: &Document, new: &Document) -> Vec<Said> {
    let (old, new) = (&old.session_policies, &new.session_policies);
    let place = |alias: &str| format!("session_policies.{alias}");
    let mut said = Vec::new();
    for (alias, arn) in new {
        let at = place(alias);
        match old.get(alias) {
            None => said.push(Said::added(at, arn.clone())),
            Some(before) if before != arn => {
                said.push(Said::changed(&at, &at, format!("{before} -> {arn}")));
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(alias, _)| !new.contains_key(*alias));
    said.extend(gone.map(|(alias, arn)| Said::removed(place(alias), arn.clone())));
    said
}

/// A rule, as it is the same in both tables: by the ids of its Studio and its session
/// policy; by an alias, if both mean another by it, which is told where that stands.
type Key<'t> = (&'t Selector, bool, &'t str, String, usize);

fn rules(old: &Read, new: &Read) -> Vec<Said> {
    let (before, now) = (keys(old, new), keys(new, old));
    let place = |index: &usize| format!("rules[{index}]");
    let old_at: HashMap<&Key<'_>, usize> = at(&before);
    let new_at: HashMap<&Key<'_>, usize> = at(&now);
    let mut said = Vec::new();
    for (index, key) in before.iter().enumerate() {
        if !new_at.contains_key(key) {
            said.push(Said::removed(place(&index), rule(old, index)));
        }
    }
    // Order decides among the rules of one Studio.
    let mut in_studio: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for (index, key) in now.iter().enumerate() {
        if let Some(was) = old_at.get(key) {
            in_studio.entry(key.2).or_default().push((*was, index));
        }
    }
    let moved = in_studio.values().flat_map(|pairs| out_of_order(pairs));
    let moved: BTreeMap<usize, usize> = moved.map(|(was, index)| (index, was)).collect();
    for (index, key) in now.iter().enumerate() {
        match (old_at.contains_key(key), moved.get(&index)) {
            (false, _) => said.push(Said::added(place(&index), rule(new, index))),
            (true, Some(was)) => said.push(Said {
                change: "moved",
                ..Said::changed(place(was), place(&index), rule(new, index))
            }),
            (true, None) => {}
        }
    }
    said
}

fn at<'k, 't>(keys: &'k [Key<'t>]) -> HashMap<&'k Key<'t>, usize> {
    let places = keys.iter().enumerate();
    places.map(|(index, key)| (key, index)).collect()
}

fn keys<'t>((table, document): &'t Read, (_, other): &Read) -> Vec<Key<'t>> {
    let mut counts: HashMap<(&Selector, bool, &str, String), usize> = HashMap::new();
    let rules = table.rules.iter().zip(&document.rules);
    let keys = rules.map(|(rule, written)| {
        let alias = &written.session_policy;
        let meant = [document, other].map(|document| document.session_policies.get(alias));
        let policy = match meant {
            [Some(here), Some(there)] if here != there => alias.clone(),
            _ => rule.session_policy.clone(),
        };
        let studio = table.studios[rule.studio].id.as_str();
        let is_group = rule.assign == Assign::Group;
        // Of rules that say the same, each is one of its own.
        let count = counts.entry((&rule.select, is_group, studio, policy.clone()));
        let count = count.and_modify(|count| *count += 1).or_default();
        (&rule.select, is_group, studio, policy, *count)
    });
    keys.collect()
}

/// The fewest that would have to be put elsewhere, of pairs of places which are in
/// the order of the second: all but the longest run whose first are in order too.
fn out_of_order(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // Of each length of such a run, the one with the least end; and before each
    // pair, the one that its run continues.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    for (index, (was, _)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].0 < *was);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut stays = vec![false; pairs.len()];
    let mut last = ends.last().copied();
    while let Some(index) = last {
        stays[index] = true;
        last = before[index];
    }
    let moved = pairs.iter().zip(stays).filter(|(_, stays)| !stays);
    moved.map(|(pair, _)| *pair).collect()
}

fn rule((table, document): &Read, index: usize) -> String {
    let rule = &table.rules[index];
    let studio = &table.studios[rule.studio].alias;
    let policy = &document.rules[index].session_policy;
    let whom = whom(&rule.select, Some(rule.assign));
    format!("{whom}: {studio}, {policy}")
}

fn protect(old: &Table, new: &Table) -> Vec<Said> {
    let place = |index: usize| format!("protect[{index}]");
    let missing = |table: &Table, from: &Table| -> Vec<(usize, String)> {
        let entries = table.protect.iter().enumerate();
        let entries = entries.filter(|(_, entry)| !from.protect.contains(entry));
        let told = entries.map(|(index, entry)| (index, whom(&entry.select, entry.assign)));
        told.collect()
    };
    let removed = missing(old, new).into_iter();
    let removed = removed.map(|(index, text)| Said::removed(place(index), text));
    let added = missing(new, old).into_iter();
    removed
        .chain(added.map(|(index, text)| Said::added(place(index), text)))
        .collect()
}

//! What the mappings are after a full pass in peace: worked out from the table
//! and the world before it.

use std::collections::{BTreeMap, BTreeSet};

use emr_studio_sync::emulator::IdentityType;

use super::case::{Case, Switch};
use super::moment::{Key, Moment, Span};
use super::table::{Rule, Table, Who};

/// Session policies by mapping.
pub(super) type Mapped = BTreeMap<Key, String>;

/// What a full pass leads to. Nothing was deleted of late.
pub(super) fn after_a_full_pass(case: &Case, table: &Table, before: &Moment) -> Mapped {
    let mappings = before.mappings.iter();
    let mut after: Mapped = mappings
        .map(|(key, (policy, _))| (key.clone(), policy.clone()))
        .collect();
    for studio in &table.studios {
        if case.is_usable(&studio.id) {
            let wanted = wanted(table, &studio.id, before);
            change(case, table, &studio.id, before, &wanted, &mut after);
            create(case, table, &studio.id, before, &wanted, &mut after);
        }
    }
    after
}

/// For each identity, the place of the first rule that fits, and what it gives.
fn wanted(table: &Table, studio: &str, moment: &Moment) -> BTreeMap<Key, (usize, String)> {
    let span = Span::from(moment.clone());
    let mut wanted = BTreeMap::new();
    for (kind, id) in moment.identities() {
        let mut rules = table.rules_of(studio);
        let first = rules.find(|(_, rule)| {
            span.surely(table, rule, kind, &id) || moment.ghost(table, rule, kind, &id)
        });
        if let Some((place, rule)) = first {
            wanted.insert((studio.to_owned(), kind, id), (place, rule.policy.clone()));
        }
    }
    wanted
}

/// What of the mappings that are there goes, or gets another policy.
fn change(
    case: &Case,
    table: &Table,
    studio: &str,
    moment: &Moment,
    wanted: &BTreeMap<Key, (usize, String)>,
    after: &mut Mapped,
) {
    let nowhere = |rule: &Rule| rule.who.is_one_group() && rule.who.leads_nowhere(moment);
    let held = table.hold && table.rules_of(studio).any(|(_, rule)| nowhere(rule));
    let mut protect = table.protect.iter();
    let held =
        held || protect.any(|entry| entry.needs_its_group() && entry.who.leads_nowhere(moment));
    let mut protect = table.protect.iter();
    let somebody =
        protect.any(|entry| matches!(entry.who, Who::User(_)) && entry.who.leads_nowhere(moment));
    // Whose a row is that does not tell, nobody knows: it could be anybody's.
    let mut rows = moment.mappings.keys();
    let held = held || rows.any(|key| key.0 == studio && case.hides(key));
    let mut going = BTreeSet::new();
    for (key, (policy, _)) in &moment.mappings {
        let (of, kind, id) = key;
        let may_be_somebody = somebody && *kind == IdentityType::User && moment.has(*kind, id);
        let stays = of != studio
            || !table.owns(studio, policy)
            || moment.protects(table, key)
            || held
            || may_be_somebody;
        match wanted.get(key) {
            _ if stays => {}
            // EMR knows them no more.
            Some(_) if !moment.has(*kind, id) => {}
            Some((_, other)) => drop(after.insert(key.clone(), other.clone())),
            None => drop(going.insert(key)),
        }
    }
    let owned = moment.owned(table, studio);
    let too_many = going.len() > table.may_go(owned);
    let all = going.len() >= 3 && going.len() >= owned && table.most_percent != 100;
    if !too_many && !all {
        let goes = !case.has(Switch::RefusesGone);
        let lets_go = |key: &&Key| goes || moment.has(key.1, &key.2);
        for key in going.into_iter().filter(lets_go) {
            after.remove(key);
        }
    }
}

/// What is mapped anew, as long as there is room: by the places of the rules, then
/// by id.
fn create(
    case: &Case,
    table: &Table,
    studio: &str,
    moment: &Moment,
    wanted: &BTreeMap<Key, (usize, String)>,
    after: &mut Mapped,
) {
    let is_new = |key: &Key| !moment.mappings.contains_key(key) || case.hides(key);
    let mut new: Vec<(&usize, &Key, &String)> = wanted
        .iter()
        .filter(|(key, _)| is_new(key))
        // Whom EMR does not know, it does not map.
        .filter(|(key, _)| moment.has(key.1, &key.2))
        .map(|(key, (place, policy))| (place, key, policy))
        .collect();
    new.sort();
    let mut twice = 0;
    for (place, key, policy) in new {
        let (_, kind, id) = key;
        let mut earlier = table.rules_of(studio).take_while(|(at, _)| at < place);
        let may_be_anothers = earlier.any(|(_, rule)| {
            table.hold
                && rule.who.is_one_group()
                && rule.who.leads_nowhere(moment)
                && rule.may_fit(*kind, id)
                && rule.policy != *policy
        });
        let limit = table.studio(studio).map_or(0, |studio| studio.limit(*kind));
        let of_kind = |other: &&Key| other.0 == studio && other.1 == *kind;
        let room = limit.saturating_sub(after.keys().filter(of_kind).count() + twice);
        if may_be_anothers || room == 0 {
            continue;
        }
        match after.contains_key(key) {
            // Where nobody is told that it is theirs, it takes the room of two.
            true => twice += 1,
            false => drop(after.insert(key.clone(), policy.clone())),
        }
    }
}

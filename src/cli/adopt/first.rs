//! The first rules of a Studio that nobody is mapped to: groups of the directory that
//! may be meant, each as a rule that is commented out.

use std::collections::{BTreeMap, HashMap};

use crate::identity::Id;

/// How many are worth reading; a Studio takes five mapped as such.
const SHOWN: usize = 5;

/// What groups of people who work with data have in their names.
const WORDS: [&str; 12] = [
    "analy", "data", "emr", "engineer", "ml", "notebook", "platform", "quant", "research", "scien",
    "spark", "studio",
];

/// A group that a rule can be about, by its name or, if that could mean others too, by
/// its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Group {
    Named(String),
    Id(Id, String),
}

/// The groups that may be meant for a Studio of this name, those that share a word with
/// it first; and whether any name says so. If none does, the first are as good.
pub(super) fn plausible(studio: &str, groups: &BTreeMap<Id, String>) -> (Vec<Group>, bool) {
    let mut bearers: HashMap<String, usize> = HashMap::new();
    for name in groups.values() {
        *bearers.entry(name.to_lowercase()).or_default() += 1;
    }
    let studio = words(studio);
    let likeness = |name: &str| {
        let words = words(name);
        let shares = |word: &&String| word.len() > 2 && studio.contains(word);
        let of_it = words.iter().filter(shares).count();
        let of_data = words
            .iter()
            .any(|word| WORDS.iter().any(|data| word.starts_with(data)));
        (of_it, of_data)
    };
    let mut all: Vec<_> = groups
        .iter()
        .map(|(id, name)| (likeness(name), id, name))
        .collect();
    let is_told = all.iter().any(|(likeness, ..)| *likeness > (0, false));
    all.retain(|(likeness, ..)| !is_told || *likeness > (0, false));
    all.sort_by(|one, other| other.0.cmp(&one.0).then(one.2.cmp(other.2)));
    let group = |(_, id, name): ((usize, bool), &Id, &String)| {
        let is_plain = !name.is_empty() && !name.contains('*');
        match is_plain && bearers.get(&name.to_lowercase()) == Some(&1) {
            true => Group::Named(name.clone()),
            false => Group::Id(id.clone(), name.clone()),
        }
    };
    (all.into_iter().take(SHOWN).map(group).collect(), is_told)
}

fn words(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

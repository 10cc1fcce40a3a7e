//! A table's beginning where nobody is mapped: groups of the directory that may be
//! meant, each as a rule that is commented out.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};

use super::toml::quoted;
use crate::cli::words::counted;
use crate::identity::Id;
use crate::visible;

/// The alias of a session policy, where none is known.
pub(super) const POLICY: &str = "analyst";

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
enum Group {
    Named(String),
    Id(Id, String),
}

/// The head of a table that nothing stands in yet.
pub(super) fn head(store_id: &str, studios: usize, region: &str) -> String {
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let studios = match studios {
        1 => "the Studio".to_owned(),
        count => format!("any of the {count} Studios"),
    };
    format!(
        "# A first table: at {now} nobody was mapped to {studios} in {region}.\n\
         # Made by `emr-studio-sync adopt`. Take the # away from the rules that should be, \
         and from\n# a session policy, with your account and its name; then see what would \
         happen:\n\
         #\n\
         #     emr-studio-sync check policy.toml\n\
         #     emr-studio-sync plan --table policy.toml --identity-store-id {store_id}\n\
         #\n\
         # For one identity in one Studio the first rule that fits decides.\n\n"
    )
}

/// Rules that may be meant for a Studio of this name, by the groups there are.
pub(super) fn rules(
    studio: &str,
    alias: &str,
    policy: Option<&String>,
    groups: &BTreeMap<Id, String>,
) -> String {
    let (plausible, is_told) = plausible(studio, groups);
    let count = counted(groups.len(), "group");
    let mut text = match (plausible.len(), is_told) {
        (0, _) => "# The directory has no groups yet; a rule may name a user.\n".to_owned(),
        (_, true) => format!("# Of the {count} of the directory these may be meant:\n"),
        (_, false) => format!("# No name tells who is meant; the first of {count}:\n"),
    };
    for group in plausible {
        let group = match group {
            Group::Named(name) => format!("group = {}", quoted(&name)),
            // Its name could mean others too.
            Group::Id(id, name) => {
                let id = quoted(id.as_str());
                format!("group_id = {id} # {}", visible::quoted(&name))
            }
        };
        let _ = write!(
            text,
            "\n#[[rules]]\n#{group}\n#studio = {}\n#session_policy = {}\n#assign = \"members\"\n",
            quoted(alias),
            quoted(policy.map_or(POLICY, String::as_str))
        );
    }
    text
}

/// The groups that may be meant for a Studio of this name, those that share a word with
/// it first; and whether any name says so. If none does, the first are as good.
fn plausible(studio: &str, groups: &BTreeMap<Id, String>) -> (Vec<Group>, bool) {
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

//! The policy table: who should be mapped to which Studio, with which session
//! policy. Plain functions of plain values.
//!
//! A table is written by people ([`document`]), checked as a whole ([`read`]),
//! and then only this form of it is used: aliases resolved, defaults filled in.

#[cfg(feature = "cli")]
pub mod adopt;
pub mod document;
pub mod doubt;
mod fields;
pub mod fit;
mod json;
pub mod lint;
pub mod read;
pub(crate) mod resolve;
pub mod source;

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

pub use document::{Assign, Deletions, OnDisabledUser, OnMissingGroup, Ownership, Pace};

use crate::identity::{Id, IdentityType};
use crate::visible;

/// A checked policy table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The Studios, those of `studios` first, in the order of their aliases,
    /// then those that only a rule names by id.
    pub studios: Vec<Studio>,
    /// The rules, in the order that decides.
    pub rules: Vec<Rule>,
    /// Identities whose mappings are never changed and never deleted.
    pub protect: Vec<Protected>,
    /// How many deletions may happen before a person is asked.
    pub deletions: Deletions,
    /// How fast the services may be called.
    pub pace: Pace,
    /// What a rule means whose group is not there.
    pub on_missing_group: OnMissingGroup,
    /// Whether a disabled user keeps the mappings that the rules give.
    pub on_disabled_user: OnDisabledUser,
    /// Which mappings are the table's to change.
    pub ownership: Ownership,
}

/// A Studio, and all that the table says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Studio {
    /// What the table calls it; its id where only a rule names it.
    pub alias: String,
    /// `es-…`
    pub id: String,
    /// The Region it is in, if not the function's.
    pub region: Option<String>,
    /// The role to assume for it, if it is in another account.
    pub role_arn: Option<String>,
    /// The external id that role asks for.
    pub external_id: Option<String>,
    /// How many users can be mapped.
    pub user_limit: usize,
    /// How many groups can be mapped.
    pub group_limit: usize,
    /// The session policies that mark a mapping as the table's: those that its
    /// rules give, and its retired ones.
    pub session_policies: BTreeSet<String>,
}

impl Studio {
    /// The account it is in, if not the function's: that of the role.
    pub fn account(&self) -> Option<&str> {
        Some(self.home()?.1)
    }

    /// Its partition and its account, if it has a role of its own.
    pub(crate) fn home(&self) -> Option<(&str, &str)> {
        // arn:aws:iam::<account>:role/…
        let mut parts = self.role_arn.as_deref()?.split(':').skip(1);
        Some((parts.next()?, parts.nth(2)?))
    }

    /// How many identities of this kind can be mapped.
    pub fn limit(&self, kind: IdentityType) -> usize {
        match kind {
            IdentityType::User => self.user_limit,
            IdentityType::Group => self.group_limit,
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Whom it is about.
    pub select: Selector,
    /// Whether a selected group itself is mapped, or each of its members. A
    /// user is always mapped as such.
    pub assign: Assign,
    /// Index into [`Table::studios`].
    pub studio: usize,
    /// The ARN of the session policy it gives.
    pub session_policy: String,
}

/// An entry of `protect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// Whom it is about.
    pub select: Selector,
    /// Of a selected group, whether only the group's own mapping is protected,
    /// or only its members'. Both, unless the entry says.
    pub assign: Option<Assign>,
}

impl Protected {
    /// Whether the directory has to be asked whom it means: for names, and for
    /// members. An id is all that is needed of who bears it, here or gone.
    pub fn needs_directory(&self) -> bool {
        match self.select {
            Selector::UserId(_) => false,
            Selector::GroupId(_) => self.assign != Some(Assign::Group),
            Selector::Group(_) | Selector::User(_) => true,
        }
    }
}

/// How a rule or an entry of `protect` says whom it means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Groups by display name.
    Group(Pattern),
    /// A group by id.
    GroupId(Id),
    /// A user by user name, exactly.
    User(String),
    /// A user by id.
    UserId(Id),
}

impl Selector {
    /// The kind of identity it selects.
    pub fn kind(&self) -> IdentityType {
        match self {
            Selector::Group(_) | Selector::GroupId(_) => IdentityType::Group,
            Selector::User(_) | Selector::UserId(_) => IdentityType::User,
        }
    }

    /// The id it goes by, if it goes by one.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Selector::GroupId(id) | Selector::UserId(id) => Some(id),
            Selector::Group(_) | Selector::User(_) => None,
        }
    }

    /// Whether it goes by a name, and not by an id.
    pub fn is_name(&self) -> bool {
        matches!(self, Selector::Group(_) | Selector::User(_))
    }

    /// Whether it names one group: one that has to be there. A pattern that
    /// matches nothing is simply empty.
    pub fn names_one_group(&self) -> bool {
        match self {
            Selector::Group(pattern) => pattern.exact().is_some(),
            Selector::GroupId(_) => true,
            Selector::User(_) | Selector::UserId(_) => false,
        }
    }

    /// Whether it selects a name, in any case: AWS does not say whether it minds the
    /// case of names.
    pub(crate) fn names(&self, kind: IdentityType, name: &str) -> bool {
        match self {
            Selector::Group(pattern) => {
                let pattern = Pattern::new(pattern.0.to_lowercase());
                kind == IdentityType::Group && pattern.matches(&name.to_lowercase())
            }
            Selector::User(user) => {
                kind == IdentityType::User && user.to_lowercase() == name.to_lowercase()
            }
            Selector::GroupId(_) | Selector::UserId(_) => false,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Group(pattern) => write!(f, "group {}", visible::quoted(&pattern.0)),
            Selector::GroupId(id) => write!(f, "group_id {id}"),
            // A person's name has no place in a log: the rule's does.
            Selector::User(_) => f.write_str("the user it names"),
            Selector::UserId(id) => write!(f, "user_id {id}"),
        }
    }
}

/// A group's display name, in which `*` stands for any run of characters and
/// everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as the table writes it.
    pub fn new(text: impl Into<String>) -> Pattern {
        Pattern(text.into())
    }

    /// As the table writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, where the pattern is one.
    pub fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    /// Whether any name fits.
    fn is_every_name(&self) -> bool {
        !self.0.is_empty() && self.0.chars().all(|c| c == '*')
    }

    /// Whether a display name is the one that a lookup of this would have found.
    /// Nobody has published whether the lookup of a whole name minds its case.
    pub fn is_borne_by(&self, name: &str) -> bool {
        match self.exact() {
            Some(exact) => exact.to_lowercase() == name.to_lowercase(),
            None => self.matches(name),
        }
    }

    /// Whether a display name fits.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.len() >= last.len() && rest.ends_with(last)
    }
}

impl Table {
    /// Tells whether two tables say the same, however they are written: only within
    /// one release.
    pub fn digest(&self) -> String {
        let hash = Sha256::digest(format!("{self:?}").as_bytes());
        let bytes = hash.iter().take(8);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    /// The Studio of this alias or id, by its place in [`Table::studios`].
    ///
    /// # Errors
    /// That there is none, and which there are.
    pub fn studio_called(&self, name: &str) -> Result<usize, String> {
        let is_it = |studio: &Studio| studio.alias == name || studio.id == name;
        self.studios.iter().position(is_it).ok_or_else(|| {
            let known = self.studios.iter().map(|studio| &studio.alias);
            resolve::not_called("studio", "studios", name, known, true)
        })
    }

    /// The rules of one Studio, with their place in the table.
    pub fn rules_of(&self, studio: usize) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules
            .iter()
            .enumerate()
            .filter(move |(_, rule)| rule.studio == studio)
    }

    /// Whether a mapping of this Studio with this session policy is the table's.
    ///
    /// A mapping has no tags and no owner: its session policy is the only mark
    /// it bears.
    pub fn owns(&self, studio: usize, session_policy: &str) -> bool {
        match self.ownership {
            Ownership::Studio => true,
            Ownership::SessionPolicy => self.studios[studio]
                .session_policies
                .contains(session_policy),
        }
    }

    /// Every selector of the table, once.
    pub fn selectors(&self) -> BTreeSet<&Selector> {
        let of_rules = self.rules.iter().map(|rule| &rule.select);
        of_rules
            .chain(self.protect.iter().map(|entry| &entry.select))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters_and_everything_else_is_literal() {
        for (pattern, name, fits) in [
            ("data-*", "data-engineers", true),
            ("data-*", "data-", true),
            ("data-*", "Data-engineers", false),
            ("data-*", "my-data-engineers", false),
            ("*", "", true),
            ("*-eng-*", "eu-eng-1", true),
            ("*-eng-*", "eu-eng", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*b", "ab", false),
            ("a*b*b", "abxb", true),
            ("a**b", "ab", true),
            ("a.c", "abc", false),
            ("[a]?", "[a]?", true),
            ("größe*", "größen", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("", "", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                fits,
                "{pattern:?} and {name:?}"
            );
        }
    }
}

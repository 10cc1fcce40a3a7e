//! The table, written so that people can go on from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};

use super::first;
use super::kept;
use super::present::Present;
use super::toml::{alias, quoted};
use crate::cli::words::counted;
use crate::identity::{Identity, IdentityType};
use crate::plan::Mappings;
use crate::policy::document::Limits;
use crate::policy::{Assign, adopt};
use crate::studio::Described;
use crate::visible;

/// The text of the table.
///
/// # Errors
/// If it would not keep everything as it is, which is a bug.
pub(super) fn table(present: &Present, region: &str) -> Result<String, String> {
    let text = Written::of(present).text(region);
    if present.mapped().next().is_none() {
        // It is to be filled in, and nobody's table yet.
        return Ok(text);
    }
    match kept::what_would_change(present, &text) {
        None => Ok(text),
        Some(why) => Err(format!(
            "the table that was found would not keep everything as it is, which is a bug here; \
             please report it: {why}"
        )),
    }
}

/// The table, in pieces.
struct Written<'a> {
    present: &'a Present,
    /// By the Studio's place.
    studios: Vec<String>,
    /// By ARN.
    session_policies: BTreeMap<&'a str, String>,
    names: BTreeMap<Identity, String>,
}

impl<'a> Written<'a> {
    fn of(present: &'a Present) -> Written<'a> {
        let mut taken = BTreeSet::new();
        let studios = present.studios.iter().map(|(studio, _)| {
            let name = studio.name.as_deref().unwrap_or_default();
            alias(&name.to_lowercase(), "studio", &mut taken)
        });
        let studios = studios.collect();
        let mappings = present.studios.iter().flat_map(|(_, all)| all.values());
        let arns: BTreeSet<&str> = mappings
            .map(|mapping| mapping.session_policy.as_str())
            .collect();
        let mut taken = BTreeSet::new();
        let session_policies = arns.into_iter().map(|arn| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            (arn, alias(name, "policy", &mut taken))
        });
        let session_policies = session_policies.collect();
        let names = present.directory.iter();
        let names = names.filter_map(|(one, name)| Some((one.clone(), name.clone()?)));
        Written {
            present,
            studios,
            session_policies,
            names: names.collect(),
        }
    }

    fn text(&self, region: &str) -> String {
        let rules: String = (0..self.studios.len())
            .map(|studio| self.rules(studio))
            .collect();
        let is_first = self.present.mapped().next().is_none();
        let mut text = match is_first {
            true => first::head(&self.present.store_id, self.studios.len(), region),
            false => self.head(region),
        };
        if !is_first && !rules.contains("\n[[rules]]") {
            // A list without a row can only stand here.
            text += "# Take this out with the first rule.\nrules = []\n\n";
        }
        text += &self.tables();
        text += &rules;
        text += &self.gone();
        text
    }

    fn head(&self, region: &str) -> String {
        let store = &self.present.store_id;
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        let mappings = counted(self.present.mapped().count(), "mapping");
        let studios = counted(self.studios.len(), "Studio");
        format!(
            "# The {mappings} of {studios} in {region}, as they were at {now}.\n\
             # Made by `emr-studio-sync adopt`: as it stands, it changes nothing. To see so:\n\
             #\n\
             #     emr-studio-sync check policy.toml\n\
             #     emr-studio-sync plan --table policy.toml --identity-store-id {store}\n\
             #\n\
             # Then make it say what should be, and look at the plan again before you apply it.\n\
             # For one identity in one Studio the first rule that fits decides.\n\n"
        )
    }

    fn tables(&self) -> String {
        let is_first = self.session_policies.is_empty();
        let mut text = "[studios]\n".to_owned();
        for (studio, (described, mappings)) in self.present.studios.iter().enumerate() {
            let (alias, id) = (&self.studios[studio], quoted(&described.id));
            if mappings.is_empty() && !is_first {
                let _ = writeln!(
                    text,
                    "# Nobody is mapped to it: take it in when there is a rule for it.\n\
                     #{alias} = {{ id = {id} }}"
                );
                continue;
            }
            let _ = writeln!(
                text,
                "{alias} = {{ id = {id}{}{} }}",
                limits(mappings),
                self.retired(mappings)
            );
        }
        text += "\n[session_policies]\n";
        if is_first {
            let _ = writeln!(
                text,
                "# What people may do in a Studio: an IAM policy of its account.\n\
                 #{0} = \"arn:aws:iam::111122223333:policy/studio-{0}\"",
                first::POLICY
            );
        }
        for (arn, alias) in &self.session_policies {
            let _ = writeln!(text, "{alias} = {}", quoted(arn));
        }
        text
    }

    /// The session policies that only who is gone still has: no rule names
    /// them, and these mappings are the table's all the same.
    fn retired(&self, mappings: &Mappings) -> String {
        let of_some = |has: bool| -> BTreeSet<&str> {
            let some = mappings
                .iter()
                .filter(|(one, _)| self.present.has(one) == has);
            some.map(|(_, mapping)| mapping.session_policy.as_str())
                .collect()
        };
        let retired: Vec<String> = of_some(false)
            .difference(&of_some(true))
            .map(|arn| quoted(&self.session_policies[arn]))
            .collect();
        match retired.is_empty() {
            true => String::new(),
            false => format!(", retired_policies = [{}]", retired.join(", ")),
        }
    }

    /// The rules of one Studio.
    fn rules(&self, studio: usize) -> String {
        let (described, mappings) = &self.present.studios[studio];
        let alias = &self.studios[studio];
        if mappings.is_empty() {
            let name = described.name.as_deref().unwrap_or_default();
            let policy = self.session_policies.values().next();
            let rules = first::rules(name, alias, policy, &self.present.groups);
            return format!("\n# {alias}: {}, no mappings\n{rules}", title(described));
        }
        let here = mappings.iter().filter(|(one, _)| self.present.has(one));
        let mapped = here
            .map(|(identity, mapping)| (identity.clone(), mapping.session_policy.clone()))
            .collect();
        let rules = adopt::rules(&mapped, &self.present.members, &self.names);
        if rules.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "\n# {alias}: {}, {}\n",
            title(described),
            counted(mapped.len(), "mapping")
        );
        for rule in &rules {
            let _ = write!(
                text,
                "\n{}[[rules]]\n{}studio = {}\nsession_policy = {}\n{}",
                self.remark(rule),
                self.selector(&rule.identity),
                quoted(alias),
                quoted(&self.session_policies[rule.session_policy.as_str()]),
                match (rule.identity.kind, rule.assign) {
                    (IdentityType::User, _) => "",
                    (IdentityType::Group, Assign::Group) => "assign = \"group\"\n",
                    (IdentityType::Group, Assign::Members) => "assign = \"members\"\n",
                }
            );
        }
        text
    }

    /// Why the rule is as it is.
    fn remark(&self, rule: &adopt::Found) -> String {
        let mut text = String::new();
        if self.present.name(&rule.identity).is_none() {
            let _ = match self.names.get(&rule.identity) {
                Some(name) => writeln!(
                    text,
                    "# By id: the name {} could mean others too.",
                    visible::quoted(name)
                ),
                None => writeln!(text, "# By id: there is no name."),
            };
        }
        if let Some(group) = &rule.before {
            let group = self.called(&Identity::group(group.clone()));
            let _ = writeln!(text, "# An exception from the rule for {group} below.");
        }
        if (rule.identity.kind, rule.assign) == (IdentityType::Group, Assign::Members) {
            let members = self.present.members[&rule.identity.id].len();
            let _ = match members - rule.decides {
                0 => writeln!(
                    text,
                    "# All {members} members are mapped today; who joins later will be too."
                ),
                others => writeln!(
                    text,
                    "# {} of {members} members, and {others} by rules above; who joins later \
                     will be mapped too.",
                    rule.decides
                ),
            };
        }
        text
    }

    /// Who is gone from the directory: no rule fits them any more.
    fn gone(&self) -> String {
        let mut gone: BTreeMap<&Identity, String> = BTreeMap::new();
        for (identity, studio) in self.present.mapped() {
            if !self.present.has(identity) {
                let mapping = &self.present.studios[studio].1[identity];
                let policy = &self.session_policies[mapping.session_policy.as_str()];
                let name = mapping.name.as_ref();
                let name = name.map_or(String::new(), |name| {
                    format!(" as {}", visible::quoted(name))
                });
                let studio = &self.studios[studio];
                let lines = gone.entry(identity).or_default();
                let _ = writeln!(lines, "#   {studio}{name} with {policy}");
            }
        }
        let mut text = String::new();
        for (identity, mappings) in gone {
            let assign = match identity.kind {
                IdentityType::User => "",
                IdentityType::Group => "assign = \"group\"\n",
            };
            let _ = write!(
                text,
                "\n# Gone from the directory, and still mapped to\n{mappings}\
                 # Take this entry out, and that will be deleted.\n[[protect]]\n{}{assign}",
                self.selector(identity)
            );
        }
        text
    }

    fn selector(&self, identity: &Identity) -> String {
        let kind = match identity.kind {
            IdentityType::User => "user",
            IdentityType::Group => "group",
        };
        match self.present.name(identity) {
            Some(name) => format!("{kind} = {}\n", quoted(name)),
            None => format!("{kind}_id = {}\n", quoted(identity.id.as_str())),
        }
    }

    fn called(&self, identity: &Identity) -> String {
        match self.names.get(identity) {
            Some(name) => visible::quoted(name),
            None => identity.id.to_string(),
        }
    }
}

/// What its owner called it, and its id.
fn title(studio: &Described) -> String {
    match &studio.name {
        Some(name) if *name != studio.id => {
            format!("{} ({})", visible::quoted(name), studio.id)
        }
        _ => studio.id.clone(),
    }
}

/// A Studio that has more than AWS documents was given more.
fn limits(mappings: &Mappings) -> String {
    let count = |kind| mappings.keys().filter(|one| one.kind == kind).count();
    let (users, groups) = (count(IdentityType::User), count(IdentityType::Group));
    let known = Limits::default();
    let limits: Vec<String> = [
        ("users", users, known.users),
        ("groups", groups, known.groups),
    ]
    .into_iter()
    .filter(|(_, count, known)| *count > *known as usize)
    .map(|(what, count, _)| format!("{what} = {count}"))
    .collect();
    match limits.is_empty() {
        true => String::new(),
        false => format!(", limits = {{ {} }}", limits.join(", ")),
    }
}

//! What is hardly meant in how a table is written: its names, aliases and ARNs. No
//! name is told, only its place: the function logs this.

use std::collections::{BTreeSet, HashMap};

use super::super::document::{Document, Rule};
use super::super::resolve::{is_iam_arn, is_studio_id};
use super::super::{Studio, Table};
use crate::error::Problem;
use crate::visible;

/// Everything of this kind.
pub(super) fn warnings(table: &Table, document: &Document) -> Vec<Problem> {
    let mut found = Found::default();
    found.names(document);
    found.aliases(document);
    found.arns(document);
    found
        .warnings
        .extend(accounts(table, document, Studio::home));
    found.unused(table, document);
    found.warnings
}

#[derive(Default)]
struct Found {
    warnings: Vec<Problem>,
}

impl Found {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Problem::new(place, message));
    }

    fn of_name(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Problem::of_name(place, message));
    }

    fn names(&mut self, document: &Document) {
        let rules = document.rules.iter().enumerate();
        let rules = rules.map(|(index, Rule { group, user, .. })| ("rules", index, group, user));
        let protect = document.protect.iter().enumerate();
        let protect = protect.map(|(index, one)| ("protect", index, &one.group, &one.user));
        // By kind, and by what is the same in lower case: where it stands first.
        let mut first: HashMap<(&str, String), (String, &str)> = HashMap::new();
        for (list, index, group, user) in rules.chain(protect) {
            for (field, name) in [("group", group), ("user", user)] {
                let Some(name) = name else { continue };
                let place = format!("{list}[{index}].{field}");
                if let Some(oddity) = oddity(name) {
                    self.add(&place, format!("{oddity}: to AWS that is another name"));
                }
                let known = first.entry((field, name.to_lowercase()));
                let (there, written) = known.or_insert_with(|| (place.clone(), name));
                if written != name {
                    let message = format!(
                        "{there} has the same name in another case, and AWS does not say whether \
                         that is the same {field}: write both as the directory does"
                    );
                    self.add(place, message);
                }
            }
        }
    }

    fn aliases(&mut self, document: &Document) {
        let studios = document.studios.iter();
        let studios = studios.map(|(alias, studio)| {
            let other = is_studio_id(alias) && *alias != studio.id;
            (
                "studios",
                alias,
                other.then_some("the id of another Studio"),
            )
        });
        let policies = document.session_policies.iter();
        let policies = policies.map(|(alias, arn)| {
            let other = is_iam_arn(alias, "policy/") && alias != arn;
            let other = other.then_some("the ARN of another session policy");
            ("session_policies", alias, other)
        });
        let mut first: HashMap<(&str, String), &str> = HashMap::new();
        for (list, alias, other) in studios.chain(policies) {
            let place = format!("{list}.{alias}");
            if alias.is_empty() {
                self.of_name(&place, "this alias is empty: give it a name");
            }
            if let Some(other) = other {
                let message = format!(
                    "this alias looks like {other}: whoever writes that in a rule means this one"
                );
                self.of_name(&place, message);
            }
            if let Some(oddity) = oddity(alias) {
                self.of_name(
                    &place,
                    format!("this alias {oddity}: a rule has to write it so"),
                );
            }
            let written = first.entry((list, alias.to_lowercase())).or_insert(alias);
            if written != alias {
                let message = "another alias differs from this one in case only: one is misread \
                               for the other";
                self.of_name(place, message);
            }
        }
    }

    fn arns(&mut self, document: &Document) {
        for (alias, arn) in &document.session_policies {
            self.arn(&format!("session_policies.{alias}"), arn, "policy/");
        }
        for (alias, studio) in &document.studios {
            let place = format!("studios.{alias}");
            if let Some(role) = &studio.role_arn {
                self.arn(&format!("{place}.role_arn"), role, "role/");
            }
            for (index, policy) in studio.retired_policies.iter().enumerate() {
                let place = format!("{place}.retired_policies[{index}]");
                self.arn_unless_alias(&place, policy, document);
            }
        }
        for (index, rule) in document.rules.iter().enumerate() {
            let place = format!("rules[{index}].session_policy");
            self.arn_unless_alias(&place, &rule.session_policy, document);
        }
    }

    fn arn_unless_alias(&mut self, place: &str, policy: &str, document: &Document) {
        if !document.session_policies.contains_key(policy) {
            self.arn(place, policy, "policy/");
        }
    }

    /// IAM takes no others, so there is no policy or role of this name.
    fn arn(&mut self, place: &str, arn: &str, resource: &str) {
        let Some((_, named)) = arn.split_once(resource) else {
            return;
        };
        let (path, name) = named.rsplit_once('/').unwrap_or(("", named));
        let in_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        let unknown = path.chars().find(|c| !c.is_ascii_graphic());
        let unknown = unknown.or_else(|| name.chars().find(|c| !in_name(*c)));
        if let Some(unknown) = unknown {
            let message = format!(
                "IAM takes no {} in this name: letters, digits and any of +=,.@_- it takes",
                shown(unknown)
            );
            self.add(place, message);
        } else if name.is_empty() {
            self.add(place, "there is no name after the last slash");
        }
    }

    fn unused(&mut self, table: &Table, document: &Document) {
        let used = table
            .studios
            .iter()
            .flat_map(|studio| &studio.session_policies);
        let used: BTreeSet<&String> = used.collect();
        for (alias, arn) in &document.session_policies {
            if !used.contains(arn) {
                let message = "no rule gives it, and no Studio has it among its retired_policies: \
                               a mapping with it is not the table's by that";
                self.of_name(format!("session_policies.{alias}"), message);
            }
        }
    }
}

/// EMR finds a session policy in the Studio's own account. `home`: a Studio's partition
/// and account, where they are known.
pub(super) fn accounts<'t>(
    table: &'t Table,
    document: &Document,
    home: impl Fn(&'t Studio) -> Option<(&'t str, &'t str)>,
) -> Vec<Problem> {
    let (mut warnings, mut told) = (Vec::new(), BTreeSet::new());
    let mut check = |studio: usize, policy: &str, place: String| {
        let Some((partition, account)) = home(&table.studios[studio]) else {
            return;
        };
        let mut parts = policy.split(':').skip(1);
        let of_partition = parts.next().unwrap_or_default();
        let of_account = parts.nth(2).unwrap_or_default();
        // Those of AWS itself are everywhere in their partition.
        let is_there = of_account == account || of_account == "aws";
        if (of_partition, is_there) == (partition, true)
            || !told.insert((studio, of_partition.to_owned(), of_account.to_owned()))
        {
            return;
        }
        let message = match is_there {
            true => format!(
                "is a session policy of partition {of_partition}, and the Studio is in \
                 {partition}: it has to be one of the Studio's partition"
            ),
            false => format!(
                "is a session policy of account {of_account}, and the Studio is in {account}: \
                 it has to be one of the Studio's account"
            ),
        };
        warnings.push(Problem::new(place, message));
    };
    for (index, rule) in table.rules.iter().enumerate() {
        let place = format!("rules[{index}].session_policy");
        check(rule.studio, &rule.session_policy, place);
    }
    for (index, studio) in table.studios.iter().enumerate() {
        let Some(written) = document.studios.get(&studio.alias) else {
            continue;
        };
        for (position, policy) in written.retired_policies.iter().enumerate() {
            let arn = document.session_policies.get(policy).unwrap_or(policy);
            let place = format!("studios.{}.retired_policies[{position}]", studio.alias);
            check(index, arn, place);
        }
    }
    warnings
}

/// What is odd about a name that somebody typed or pasted.
fn oddity(name: &str) -> Option<String> {
    let edges = [
        (name.trim_start() != name, "begins"),
        (name.trim_end() != name, "ends"),
    ];
    if let Some((_, at)) = edges.iter().find(|(is_odd, _)| *is_odd) {
        return Some(format!("{at} with white space"));
    }
    let odd = name.chars().find(|c| visible::is_invisible(*c))?;
    Some(format!("has {} in it, which nobody sees", shown(odd)))
}

fn shown(c: char) -> String {
    match c.is_ascii_graphic() {
        true => format!("{c:?}"),
        false => format!("U+{:04X}", u32::from(c)),
    }
}

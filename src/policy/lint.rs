//! What is allowed in a table, and yet hardly meant.

mod written;

use std::collections::{BTreeSet, HashMap, HashSet};

use super::document::Document;
use super::{Assign, Ownership, Pattern, Rule, Selector, Studio, Table};
use crate::error::Problem;
use crate::identity::IdentityType;

/// Warnings: what a table says, and how that is written.
pub fn warnings(table: &Table, document: &Document) -> Vec<Problem> {
    let mut warnings = table.warnings();
    warnings.extend(written::warnings(table, document));
    warnings
}

/// Warnings of session policies that are not of the account in which the Studios
/// without a role are, which a table does not tell.
#[cfg(feature = "cli")]
pub(crate) fn of_account(
    table: &Table,
    document: &Document,
    partition: &str,
    account: &str,
) -> Vec<Problem> {
    written::accounts(table, document, |studio| match studio.account() {
        Some(_) => None,
        None => Some((partition, account)),
    })
}

impl Table {
    /// Warnings of what it says: rules that can never decide anything, or decide
    /// about everybody, and Studios too small for them, or without any. Only what
    /// the table alone tells.
    pub fn warnings(&self) -> Vec<Problem> {
        let mut warnings = Vec::new();
        let mut earlier: HashMap<(usize, bool), Earlier<'_>> = HashMap::new();
        let mut of_studio: Vec<Vec<(usize, &Rule)>> = vec![Vec::new(); self.studios.len()];
        for (index, rule) in self.rules.iter().enumerate() {
            let alike = (rule.studio, rule.assign == Assign::Group);
            let earlier = earlier.entry(alike).or_default();
            match earlier.covering(&rule.select) {
                Some(earlier) => {
                    let message = format!("never decides: rules[{earlier}] fits whomever it fits");
                    warnings.push(Problem::new(format!("rules[{index}]"), message));
                }
                // Whatever is covered by one that is, is by that which covers it.
                None => earlier.add(index, &rule.select),
            }
            of_studio[rule.studio].push((index, rule));
        }
        for (index, studio) in self.studios.iter().enumerate() {
            let rules = || of_studio[index].iter().map(|(_, rule)| *rule);
            // Whom two rules name is mapped once.
            let groups: BTreeSet<&Selector> = rules()
                .filter(|rule| rule.assign == Assign::Group && rule.select.names_one_group())
                .map(|rule| &rule.select)
                .collect();
            let users: BTreeSet<&Selector> = rules()
                .filter(|rule| rule.select.kind() == IdentityType::User)
                .map(|rule| &rule.select)
                .collect();
            let place = format!("studios.{}", studio.alias);
            for (count, limit, what) in [
                (groups.len(), studio.group_limit, "groups"),
                (users.len(), studio.user_limit, "users"),
            ] {
                if count > limit {
                    let message =
                        format!("the rules map {count} {what} to it, and it takes {limit}");
                    warnings.push(Problem::new(place.clone(), message));
                }
            }
            let members = of_studio[index].iter().find(|(_, rule)| {
                rule.select.kind() == IdentityType::Group && rule.assign == Assign::Members
            });
            if let (Some((rule, _)), 0) = (members, studio.user_limit) {
                let message = format!("rules[{rule}] maps members to it, and it takes no users");
                warnings.push(Problem::new(place.clone(), message));
            }
            if rules().next().is_none() {
                let message = format!("no rule is about it, so {}", self.without_rules(studio));
                warnings.push(Problem::of_name(place, message));
            }
        }
        if self.studios.is_empty() {
            let message = "there are none, so nothing is looked at and nobody is mapped";
            warnings.push(Problem::of_name("studios", message));
        }
        warnings.extend(self.of_everybody());
        warnings.extend(self.cannot_finish());
        warnings
    }

    /// What follows for a Studio without rules.
    fn without_rules(&self, studio: &Studio) -> &'static str {
        match self.ownership {
            Ownership::Studio => {
                "all its mappings will be deleted, but for what `protect` keeps: with \
                 ownership = \"studio\" they are the table's"
            }
            Ownership::SessionPolicy if studio.session_policies.is_empty() => {
                "no mapping there is the table's: none is made, changed or deleted, and what \
                 rules once gave stays, unless retired_policies names its session policy"
            }
            Ownership::SessionPolicy => {
                "all its mappings with a session policy of retired_policies will be deleted, but \
                 for what `protect` keeps"
            }
        }
    }

    fn of_everybody(&self) -> impl Iterator<Item = Problem> {
        let is_every = |select: &Selector| match select {
            Selector::Group(pattern) => pattern.is_every_name(),
            _ => false,
        };
        let rules = self.rules.iter().enumerate();
        let rules = rules.filter(move |(_, rule)| is_every(&rule.select));
        let rules = rules.map(|(index, _)| {
            let message = "fits every group there is and will be, whoever makes it";
            Problem::new(format!("rules[{index}].group"), message)
        });
        let protect = self.protect.iter().enumerate();
        let protect = protect.filter(move |(_, entry)| is_every(&entry.select));
        rules.chain(protect.map(|(index, _)| {
            let message = "fits every group there is, so that of hardly anybody a mapping is ever \
                           changed or deleted";
            Problem::new(format!("protect[{index}].group"), message)
        }))
    }

    /// What a full pass has no time for, however few the answers' pages are: a list
    /// of members for each group, and two questions about each Studio.
    fn cannot_finish(&self) -> Vec<Problem> {
        let of_rules = self
            .rules
            .iter()
            .map(|rule| (&rule.select, Some(rule.assign)));
        let of_protect = self
            .protect
            .iter()
            .map(|entry| (&entry.select, entry.assign));
        let listed = of_rules.chain(of_protect);
        let listed = listed
            .filter(|(select, assign)| select.names_one_group() && *assign != Some(Assign::Group));
        let listed: HashSet<&Selector> = listed.map(|(select, _)| select).collect();
        let by_name = listed.iter().filter(|select| select.is_name()).count();
        // One group may be named by both.
        let groups = by_name.max(listed.len() - by_name);
        let mut in_account: HashMap<Option<&str>, usize> = HashMap::new();
        for studio in &self.studios {
            *in_account.entry(studio.account()).or_default() += 1;
        }
        let studios = in_account.into_values().max().unwrap_or_default();

        let (emr, store) = (
            self.pace.emr_per_second,
            self.pace.identity_store_per_second,
        );
        let burst = f64::from(self.pace.emr_burst);
        let too_long = |calls: usize, burst: f64, rate: f64| {
            let seconds = (calls as f64 - burst).max(0.0) / rate;
            (seconds > A_PASS).then_some(seconds)
        };
        let lists = too_long(groups, A_SECOND - store, store).map(|seconds| {
            let message = format!(
                "a full pass cannot finish: it lists the members of {groups} groups, which takes \
                 {seconds:.0} s at {store} calls a second, and it has {A_PASS} s; map groups as \
                 such (assign = \"group\"), or give some of the Studios to another function"
            );
            Problem::of_name("rules", message)
        });
        let questions = too_long(2 * studios, burst, emr).map(|seconds| {
            let message = format!(
                "the first full pass of a process cannot finish: it asks EMR twice about each of \
                 {studios} Studios of one account, which takes {seconds:.0} s at {emr} calls a \
                 second, and it has {A_PASS} s; give some of them to another function"
            );
            Problem::of_name("studios", message)
        });
        lists.into_iter().chain(questions).collect()
    }
}

/// How many seconds a full pass has: what the function's 180 leave it before it
/// begins no more calls.
pub(crate) const A_PASS: f64 = 155.0;
/// The Identity Store takes so many calls of a kind in a second; what the pace
/// leaves of them may go at once.
const A_SECOND: f64 = 20.0;

/// The rules before one, of its Studio and its way of mapping: found by what they
/// select, so that a long table is not gone through for each of its rules.
#[derive(Default)]
struct Earlier<'t> {
    same: HashMap<&'t Selector, usize>,
    /// By what they begin with.
    patterns: HashMap<&'t str, Vec<(usize, &'t Pattern)>>,
    /// The one that fits all groups there are.
    of_all: Option<usize>,
}

impl<'t> Earlier<'t> {
    fn add(&mut self, index: usize, select: &'t Selector) {
        self.same.insert(select, index);
        let Selector::Group(pattern) = select else {
            return;
        };
        if let Some((begin, _)) = pattern.0.split_once('*') {
            let alike = self.patterns.entry(begin).or_default();
            alike.push((index, pattern));
        }
        if pattern.is_every_name() {
            self.of_all = Some(index);
        }
    }

    /// The first that surely selects whomever this selects.
    fn covering(&self, select: &Selector) -> Option<usize> {
        let wider = match select {
            // Its stars are characters like others here: only a star of theirs
            // takes them in.
            Selector::Group(Pattern(text)) => {
                let begins = (0..=text.len()).filter_map(|end| text.get(..end));
                let alike = begins.filter_map(|begin| self.patterns.get(begin));
                let wider = alike.flatten().filter(|(_, theirs)| theirs.matches(text));
                wider.map(|(index, _)| *index).min()
            }
            // All but groups without a name, which are as good as none.
            Selector::GroupId(_) => self.of_all,
            Selector::User(_) | Selector::UserId(_) => None,
        };
        let same = self.same.get(select).copied();
        same.into_iter().chain(wider).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::MARGIN;

    #[test]
    fn a_pass_has_what_the_margin_leaves_of_the_functions_time() {
        assert_eq!(A_PASS, 180.0 - MARGIN.as_secs_f64());
    }
}

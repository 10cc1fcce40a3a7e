//! What is allowed in a table, and yet hardly meant.

use std::collections::BTreeSet;

use super::{Assign, Selector, Table};
use crate::error::Problem;
use crate::identity::IdentityType;

impl Table {
    /// Warnings: rules that can never decide anything, and Studios too small
    /// for what the rules say. Only what the table alone tells.
    pub fn warnings(&self) -> Vec<Problem> {
        let mut warnings = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let earlier = self.rules[..index].iter().position(|earlier| {
                earlier.studio == rule.studio
                    && earlier.assign == rule.assign
                    && earlier.select.covers(&rule.select)
            });
            if let Some(earlier) = earlier {
                let message = format!("never decides: rules[{earlier}] fits whomever it fits");
                warnings.push(Problem::new(format!("rules[{index}]"), message));
            }
        }
        for (index, studio) in self.studios.iter().enumerate() {
            let rules = || self.rules_of(index).map(|(_, rule)| rule);
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
            let members = self.rules_of(index).find(|(_, rule)| {
                rule.select.kind() == IdentityType::Group && rule.assign == Assign::Members
            });
            if let (Some((rule, _)), 0) = (members, studio.user_limit) {
                let message = format!("rules[{rule}] maps members to it, and it takes no users");
                warnings.push(Problem::new(place.clone(), message));
            }
            if rules().next().is_none() && studio.session_policies.is_empty() {
                let message = "no rule is about it, so nothing there is ever looked at for long";
                warnings.push(Problem::new(place, message));
            }
        }
        warnings
    }
}

impl Selector {
    /// Whether it surely selects whomever the other selects.
    fn covers(&self, other: &Selector) -> bool {
        match (self, other) {
            // The other's stars are characters like others here: only a star
            // of ours takes them in.
            (Selector::Group(ours), Selector::Group(theirs)) => ours.matches(&theirs.0),
            // All but groups without a name, which are as good as none.
            (Selector::Group(ours), Selector::GroupId(_)) => ours.is_every_name(),
            (ours, theirs) => ours == theirs,
        }
    }
}

//! What AWS says to a table: what of it leads nowhere there, and what does not
//! fit. Reads, and never writes.

mod names;

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::observe::{Observation, Seen};
use super::{Engine, Look};
use crate::error::Problem;
use crate::identity::{Identity, IdentityType};
use crate::policy::fit::{Answer, Reach};
use crate::policy::lint::A_PASS;
use crate::policy::{Selector, Studio};
use crate::studio::{OPEN, Usable};
use crate::visible;
use names::Names;

/// What is wrong with a table where it is to be used, each at its place in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Some mapping that the table asks for cannot be made, or something could
    /// not be looked up.
    pub problems: Vec<Problem>,
    /// What is possible, and hardly meant.
    pub warnings: Vec<Problem>,
}

impl Engine {
    /// Looks up everything the table names, and counts what its rules lead to.
    pub async fn review(&self, deadline: Instant) -> Review {
        let look = Look::everything(None, deadline);
        let begun = Instant::now();
        let seen = self.observe(&look, true).await;
        let took = begun.elapsed().as_secs_f64();
        let mut review = Review::default();
        if took > A_PASS {
            let message = format!(
                "a full pass cannot finish: to read all that it needs took {took:.0} s, and it has \
                 {A_PASS} s of the function's time; give some of the Studios to another function, \
                 or raise `pace`, as far as others leave it to you"
            );
            review.warnings.push(Problem::new("", message));
        }
        self.review_selectors(&seen, deadline, &mut review).await;
        for (studio, looked) in &seen.studios {
            self.review_studio(*studio, looked, deadline, &mut review)
                .await;
            self.review_room(*studio, looked, &seen, &mut review);
        }
        review
    }

    async fn review_selectors(&self, seen: &Observation, deadline: Instant, review: &mut Review) {
        let selected = &seen.reading.directory.selected;
        let rules = self.table.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| (format!("rules[{index}]"), &rule.select, true));
        let protect = self.table.protect.iter().enumerate();
        let protect = protect.map(|(index, entry)| {
            (
                format!("protect[{index}]"),
                &entry.select,
                entry.needs_directory(),
            )
        });
        let names = Names::read(self, &seen.reading.directory, deadline).await;
        for (place, selector, is_needed) in rules.chain(protect) {
            let place = format!("{place}.{}", field(selector));
            match selected.get(selector) {
                Some(Answer::Gone) => {
                    let what = selector.kind().to_string().to_lowercase();
                    let by = match selector.is_name() {
                        true => "name",
                        false => "id",
                    };
                    let mut message = format!("no {what} of this {by} in {}", self.store.id());
                    if let Some(name) = names.meant_by(selector) {
                        message += &format!("; did you mean {}?", visible::quoted(name));
                    }
                    // Who is protected by id stays so, here or gone.
                    match is_needed {
                        true => review.problems.push(Problem::new(place, message)),
                        false => review.warnings.push(Problem::new(place, message)),
                    }
                }
                Some(Answer::Is(ids)) => {
                    let warnings = names.warnings(&place, selector, ids);
                    if ids.is_empty() {
                        let message = format!("no group in {} fits it today", self.store.id());
                        review.warnings.push(Problem::new(place, message));
                    }
                    review.warnings.extend(warnings);
                }
                None | Some(Answer::Unread { .. }) => {
                    let message = "could not be looked up, for the reason given below";
                    review.problems.push(Problem::new(place, message));
                }
            }
        }
        let failures = seen.reading.failures.iter();
        let failures: BTreeSet<String> =
            failures.map(|failure| failure.error.to_string()).collect();
        if failures.is_empty() {
            let unknown = names.failures.iter().map(|text| {
                let message = format!(
                    "whether the directory has each name in this case is not known: {text}"
                );
                Problem::new("", message)
            });
            review.warnings.extend(unknown);
        }
        let failures = failures.into_iter().map(|text| Problem::new("", text));
        review.problems.extend(failures);
    }

    async fn review_studio(
        &self,
        studio: usize,
        looked: &Seen,
        deadline: Instant,
        review: &mut Review,
    ) {
        let place = self.place_of(studio);
        let refusals = looked.failures.iter().map(|(_, why)| why.to_string());
        let told = looked.unusable.iter().chain(&looked.remarks).cloned();
        for why in told.chain(refusals) {
            review.problems.push(Problem::new(&place, why));
        }
        // Remembered from the look above.
        let message = match self.studios[studio].usable(deadline).await {
            Ok(Usable::NotTold(why)) => {
                format!("whether people sign in to it with SSO is not known: {why}")
            }
            Ok(Usable::Yes { is_open: true }) => OPEN.to_owned(),
            _ => return,
        };
        review.warnings.push(Problem::new(place, message));
    }

    /// Whether a Studio has room for everybody whom the rules map to it.
    fn review_room(&self, studio: usize, looked: &Seen, seen: &Observation, review: &mut Review) {
        let Some(actual) = &looked.actual else {
            return;
        };
        let wanted = self
            .table
            .wanted(studio, &seen.reading.directory, &Reach::All);
        let directory = &seen.reading.directory;
        let stays = |identity: &&Identity| {
            actual.mappings.get(identity).is_some_and(|mapping| {
                let is_others = !self.table.owns(studio, &mapping.session_policy);
                let name = mapping.name.as_deref();
                (is_others || self.table.protects(identity, name, directory))
                    && !wanted.contains_key(identity)
            })
        };
        for (kind, what) in [
            (IdentityType::User, "users"),
            (IdentityType::Group, "groups"),
        ] {
            let of_kind = |identity: &&Identity| identity.kind == kind;
            let mapped = wanted.keys().filter(of_kind).count();
            let others = actual.mappings.keys().filter(of_kind).filter(stays).count();
            let limit = self.table.studios[studio].limit(kind);
            let Some(over) = (mapped + others)
                .checked_sub(limit)
                .filter(|over| *over > 0)
            else {
                continue;
            };
            let others = match others {
                0 => String::new(),
                others => format!(", beside {others} that stay (protected, or somebody else's)"),
            };
            let cure = match kind {
                IdentityType::User => "map a group as such (assign = \"group\"), or use",
                IdentityType::Group => "map their members (assign = \"members\"), or use",
            };
            let message = format!(
                "the rules map {mapped} {what} to it{others}, and it takes {limit}: {over} would \
                 have no access; {cure} another Studio"
            );
            review
                .problems
                .push(Problem::new(self.place_of(studio), message));
        }
    }

    /// Where the table names a Studio: a rule may be the only one to do so.
    fn place_of(&self, studio: usize) -> String {
        let Studio { alias, id, .. } = &self.table.studios[studio];
        match self.table.rules_of(studio).next() {
            Some((rule, _)) if alias == id => format!("rules[{rule}].studio"),
            _ => format!("studios.{alias}"),
        }
    }
}

/// The field of a table that a selector is written in.
fn field(selector: &Selector) -> &'static str {
    match selector {
        Selector::Group(_) => "group",
        Selector::GroupId(_) => "group_id",
        Selector::User(_) => "user",
        Selector::UserId(_) => "user_id",
    }
}

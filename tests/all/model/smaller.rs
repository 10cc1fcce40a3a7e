//! From a case that fails to a smaller one that fails in the same way.

use std::fmt;
use std::time::{Duration, Instant};

use super::case::{Case, is_valid};
use super::play::Failure;
use super::played;

/// How long is looked for a smaller one.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn smallest(mut case: Case, mut failure: Failure) -> (Case, Failure) {
    let until = Instant::now() + PATIENCE;
    'smaller: while Instant::now() < until {
        for candidate in smaller(&case) {
            if let Err(found) = played(&candidate)
                && kind(&found) == kind(&failure)
            {
                (case, failure) = (candidate, found);
                continue 'smaller;
            }
            if Instant::now() >= until {
                break;
            }
        }
        break;
    }
    (case, failure)
}

/// What is wrong, without the particulars.
fn kind(failure: &Failure) -> &str {
    failure.what.split([':', '(']).next().unwrap_or_default()
}

/// The case without one thing or another, the largest first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let mut without = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        if is_valid(&smaller.table) {
            all.push(smaller);
        }
    };
    for at in 0..case.steps.len() {
        without(&|case| drop(case.steps.remove(at)));
    }
    for (at, step) in case.steps.iter().enumerate() {
        if step.rivals.is_some() {
            without(&|case| case.steps[at].rivals = None);
        }
        if step.dies_after_ms.is_some() {
            without(&|case| case.steps[at].dies_after_ms = None);
        }
        if step.process.is_some() {
            without(&|case| case.steps[at].process = None);
        }
        if step.pause_s > 0 {
            without(&|case| case.steps[at].pause_s = 0);
        }
        if step.deadline_s < 300 {
            without(&|case| case.steps[at].deadline_s = 300);
        }
        for one in 0..step.troubles.len() {
            without(&|case| drop(case.steps[at].troubles.remove(one)));
        }
        for one in 0..step.happenings.len() {
            without(&|case| {
                case.steps[at].happenings.remove(one);
            });
        }
    }
    for rows in ["rules", "protect"] {
        for at in 0..case.table[rows].as_array().map_or(0, Vec::len) {
            without(&|case| drop(case.table[rows].as_array_mut().unwrap().remove(at)));
        }
    }
    for at in 0..case.before.len() {
        without(&|case| {
            case.before.remove(at);
        });
    }
    for switch in &case.switches {
        without(&|case| case.switches.retain(|one| one != switch));
    }
    all
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.table)?;
        writeln!(
            f,
            "{} users, {} groups, {:?}",
            self.users, self.groups, self.switches
        )?;
        for happening in &self.before {
            writeln!(f, "before: {happening:?}")?;
        }
        for step in &self.steps {
            writeln!(f, "{step:?}")?;
        }
        Ok(())
    }
}

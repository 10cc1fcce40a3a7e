//! What there was at a time, as far as it can be known: the log says what the last
//! change before left, and what the first one after found; the Studio says what there
//! is now. What others than the function changed is in no log, so the two ends are
//! held against each other. Pure.
//!
//! A verdict without doubt is right, unless others changed the mapping both before the
//! time and after it, and so that the two ends agree all the same. Where the log before
//! has nothing of it, one thing more goes unseen: what was there already, and others
//! deleted after the time.

use crate::plan::{Action, Mapping};
use crate::record::Past;

/// What is known of one identity's mapping in one Studio, around a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'e> {
    at_ms: i64,
    /// What the last logged change before left.
    pub(super) before: Option<Point<'e>>,
    /// What the first logged change after found.
    pub(super) after: Option<Point<'e>>,
    /// What there is now.
    pub(super) now: Option<&'e Mapping>,
}

/// The session policy next to a change; none, where there was no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point<'e> {
    pub(super) policy: Option<&'e str>,
    pub(super) at_ms: i64,
}

/// What there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<'e> {
    /// No mapping.
    Unmapped,
    /// One with this session policy.
    Mapped(&'e str),
    /// It is not certain; this is the last that is known before, or else the first
    /// that is known after.
    Perhaps(&'e str),
}

/// When something was, seen from the time that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
    /// It is not told, or it was in the same second.
    Unclear,
}

impl<'e> Evidence<'e> {
    /// Out of all that the log has of the mapping, oldest first, and what there is now.
    pub(super) fn of(
        at_ms: i64,
        changes: &[&'e (Past, i64)],
        now: Option<&'e Mapping>,
    ) -> Evidence<'e> {
        let mut later = changes.partition_point(|(_, logged_ms)| *logged_ms <= at_ms);
        let made = when(now.and_then(|now| now.created), at_ms);
        // A record is written a little after its change: the mapping itself knows better.
        if let Some((Past { action, .. }, _)) = changes.get(later)
            && *action == Action::Create
            && made == When::Before
        {
            later += 1;
        }
        let (before, after) = changes.split_at(later);
        let left = |(past, at_ms): &'e (Past, i64)| Point {
            policy: past.session_policy.as_deref(),
            at_ms: *at_ms,
        };
        let found = |(past, at_ms): &'e (Past, i64)| Point {
            policy: past.previous_policy.as_deref(),
            at_ms: *at_ms,
        };
        Evidence {
            at_ms,
            before: before.last().map(|change| left(change)),
            after: after.first().map(|change| found(change)),
            now,
        }
    }

    /// Whether it would help to know when the mapping of now was last changed.
    pub(super) fn lacks_last_change(&self) -> bool {
        let agrees = |now: &Mapping| {
            let before = self.before.and_then(|before| before.policy);
            before == Some(now.session_policy.as_str())
        };
        self.after.is_none()
            && self.now.is_some_and(|now| {
                let made = when(now.created, self.at_ms);
                made == When::Before && now.modified.is_none() && !agrees(now)
            })
    }

    /// Whether the mapping of now was made after the time.
    pub(super) fn is_younger(&self, now: &Mapping) -> bool {
        when(now.created, self.at_ms) == When::After
    }

    /// What there was at the time.
    pub(super) fn verdict(&self) -> Verdict<'e> {
        if let Some(now) = self.now {
            let times = [now.created, now.modified];
            // Nobody, whoever it be, has touched it since.
            if times.map(|time| when(time, self.at_ms)) == [When::Before; 2] {
                return Verdict::Mapped(&now.session_policy);
            }
        }
        let before = self.before.map(|before| before.policy);
        let after = match (self.after, self.now) {
            (Some(after), _) => after.policy,
            (None, Some(now)) if !self.is_younger(now) => Some(now.session_policy.as_str()),
            // Just before it was made there was none.
            (None, _) => None,
        };
        let agree = before.map_or(after.is_none(), |before| before == after);
        match before.flatten().or(after) {
            None => Verdict::Unmapped,
            Some(policy) if agree => Verdict::Mapped(policy),
            Some(policy) => Verdict::Perhaps(policy),
        }
    }
}

/// The service's times are in whole seconds here, rounded down.
fn when(seconds: Option<i64>, at_ms: i64) -> When {
    match seconds.map(|seconds| seconds.saturating_mul(1000)) {
        Some(ms) if ms > at_ms => When::After,
        Some(ms) if ms.saturating_add(999) <= at_ms => When::Before,
        _ => When::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{Id, Identity};

    const POLICIES: [&str; 3] = ["engineer", "analyst", "reader"];

    fn logged(was: Option<&str>, is: Option<&str>, at_ms: i64) -> (Past, i64) {
        let action = match (was, is) {
            (None, _) => Action::Create,
            (_, Some(_)) => Action::Update,
            (_, None) => Action::Delete,
        };
        let id = Id::parse("00000000-0000-4000-8000-000000000001").unwrap();
        let past = Past {
            action,
            studio: "analytics".to_owned(),
            studio_id: "es-A".to_owned(),
            identity: Identity::user(id),
            name: None,
            session_policy: is.map(str::to_owned),
            previous_policy: was.map(str::to_owned),
            rule: None,
            via_group: None,
            approved: false,
            cause: None,
            cloudtrail: None,
        };
        (past, at_ms)
    }

    fn mapping(policy: &str, created: Option<i64>, modified: Option<i64>) -> Mapping {
        Mapping {
            session_policy: policy.to_owned(),
            name: None,
            created,
            modified,
        }
    }

    /// At 100 s: what was logged before and after, what is there now.
    #[test]
    fn what_both_ends_say_decides() {
        use Verdict::{Mapped, Perhaps, Unmapped};
        let (p, q) = ("engineer", "analyst");
        let none = || None::<Mapping>;
        let now = |policy, created, modified| Some(mapping(policy, Some(created), modified));
        let made = || vec![logged(None, Some(p), 50_000)];
        let gone = || vec![logged(Some(p), None, 50_000)];
        let and = |mut before: Vec<_>, after| {
            before.push(after);
            before
        };
        for (case, log, now, verdict) in [
            ("never heard of", vec![], none(), Unmapped),
            ("made, and still there", made(), now(p, 50, None), Mapped(p)),
            ("deleted, and not there", gone(), none(), Unmapped),
            (
                "made, and deleted by the function after",
                and(made(), logged(Some(p), None, 150_000)),
                none(),
                Mapped(p),
            ),
            (
                "made by the function after",
                vec![logged(None, Some(p), 150_000)],
                now(p, 150, None),
                Unmapped,
            ),
            ("deleted by hand since", made(), none(), Perhaps(p)),
            (
                "deleted and made again by hand since",
                made(),
                now(p, 150, None),
                Perhaps(p),
            ),
            (
                "changed by hand, when is not known",
                made(),
                now(q, 50, None),
                Perhaps(p),
            ),
            (
                "changed by hand after",
                made(),
                now(q, 50, Some(150)),
                Perhaps(p),
            ),
            (
                "changed by hand before",
                made(),
                now(q, 50, Some(90)),
                Mapped(q),
            ),
            (
                "deleted by hand, and made by the function after",
                and(made(), logged(None, Some(p), 150_000)),
                now(p, 150, None),
                Perhaps(p),
            ),
            (
                "changed by hand, and back by the function after",
                and(made(), logged(Some(q), Some(p), 150_000)),
                now(p, 50, None),
                Perhaps(p),
            ),
            (
                "of unknown age, and deleted by the function after",
                vec![logged(Some(q), None, 150_000)],
                none(),
                Perhaps(q),
            ),
            (
                "deleted, and made by hand, and deleted by the function after",
                and(gone(), logged(Some(q), None, 150_000)),
                none(),
                Perhaps(q),
            ),
            (
                "deleted, and made by hand after",
                gone(),
                now(q, 150, None),
                Unmapped,
            ),
            (
                "deleted, and made by hand before",
                gone(),
                now(q, 90, Some(90)),
                Mapped(q),
            ),
            ("somebody else's", vec![], now(q, 10, Some(10)), Mapped(q)),
            (
                "somebody else's, made after",
                vec![],
                now(q, 150, None),
                Unmapped,
            ),
            (
                "somebody else's, changed after",
                vec![],
                now(q, 10, Some(150)),
                Perhaps(q),
            ),
            (
                "somebody else's, made in that second",
                vec![],
                now(q, 100, None),
                Perhaps(q),
            ),
            (
                "somebody else's, of no age",
                vec![],
                Some(mapping(q, None, None)),
                Perhaps(q),
            ),
            (
                "made before, and recorded a little after",
                vec![logged(None, Some(p), 100_500)],
                now(p, 99, None),
                Mapped(p),
            ),
        ] {
            let log: Vec<&(Past, i64)> = log.iter().collect();
            let evidence = Evidence::of(100_000, &log, now.as_ref());
            assert_eq!(evidence.verdict(), verdict, "{case}: {evidence:?}");
        }
    }

    /// One change: so much later than the one before, whether the function made it,
    /// and what there is then.
    type Step = (i64, bool, Option<usize>);

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let policy = prop::option::of(0..POLICIES.len());
        prop::collection::vec((1..3_000_i64, any::<bool>(), policy), 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_said_without_doubt_was_so(
            first in prop::option::of(0..POLICIES.len()),
            steps in steps(),
            at_ms in 0..24_000_i64,
            begins_ms in 0..12_000_i64,
        ) {
            let first = first.map(|policy| POLICIES[policy]);
            let (mut is, mut truth, mut clock) = (first, first, 0);
            let (mut created, mut modified) = (0, 0);
            let (mut log, mut by_hand) = (Vec::new(), Vec::new());
            for (later, by_function, policy) in steps {
                clock += later;
                let becomes = policy.map(|policy| POLICIES[policy]);
                if becomes == is {
                    continue;
                }
                modified = clock;
                if is.is_none() {
                    created = clock;
                }
                match by_function {
                    true => log.push(logged(is, becomes, clock)),
                    false => by_hand.push(clock),
                }
                is = becomes;
                if clock <= at_ms {
                    truth = is;
                }
            }
            log.retain(|(_, logged_ms)| *logged_ms >= begins_ms.min(at_ms));
            let log: Vec<&(Past, i64)> = log.iter().collect();
            let mut now = is.map(|policy| mapping(policy, Some(created / 1000), None));
            if Evidence::of(at_ms, &log, now.as_ref()).lacks_last_change()
                && let Some(now) = &mut now
            {
                now.modified = Some(modified / 1000);
            }
            let evidence = Evidence::of(at_ms, &log, now.as_ref());
            let verdict = evidence.verdict();

            let from = evidence.before.map_or(i64::MIN, |before| before.at_ms);
            let to = evidence.after.map_or(i64::MAX, |after| after.at_ms);
            by_hand.retain(|at| (from..to).contains(at));
            let before_it = by_hand.iter().any(|at| *at <= at_ms);
            let after_it = by_hand.iter().any(|at| *at > at_ms);
            let certain = match verdict {
                Verdict::Unmapped => Some(None),
                Verdict::Mapped(policy) => Some(Some(policy)),
                Verdict::Perhaps(_) => None,
            };
            if let Some(certain) = certain && certain != truth {
                match evidence.before {
                    Some(_) => prop_assert!(before_it && after_it, "{evidence:?} {truth:?}"),
                    None => {
                        prop_assert_eq!(certain, None);
                        prop_assert!(after_it, "{evidence:?} {truth:?}");
                    }
                }
            }
            // And there is no doubt without a reason.
            if evidence.before.is_some() && by_hand.is_empty() {
                prop_assert_eq!(certain, Some(truth), "{:?}", evidence);
            }
            if is.is_some() && modified / 1000 * 1000 + 999 <= at_ms {
                prop_assert_eq!(certain, Some(is), "{:?}", evidence);
            }
        }
    }
}

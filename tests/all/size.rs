//! At the size of a large company: a full pass makes the calls that its pages
//! demand and takes the time that the pace demands, whatever its size; and nothing
//! that is worked out takes the square of it.

use crate::engine::counts;
use crate::support;

use std::collections::BTreeMap;
use std::time::Duration;

use emr_studio_sync::config::Mode;
use emr_studio_sync::policy::read::{self, Format};
use serde_json::{Value, json};
use support::company::Company;
use support::{ANALYST, Bench, ENGINEER, schedule};
use tokio::time::Instant;

impl Company {
    /// A full pass of a new process: its report, its calls, and how long it took.
    async fn full_pass(&self, mapped: bool) -> (Value, BTreeMap<String, usize>, Duration) {
        let (world, table) = self.build(mapped);
        let bench = Bench::in_process(world, table, Mode::Apply).await;
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(24 * 3600);
        let report = bench.function.handle(schedule(), deadline).await.unwrap();
        let took = begun.elapsed();
        let calls = bench.calls();
        let counts = counts(&calls).into_iter();
        let counts = counts
            .map(|(call, count)| (call.to_owned(), count))
            .collect();
        (report, counts, took)
    }
}

const SMALL: Company = Company {
    studios: 3,
    groups_a_studio: 2,
    users_a_group: 5,
    other_groups: 10,
    users: 60,
};

#[tokio::test(start_paused = true)]
async fn a_full_pass_makes_the_calls_that_its_pages_demand_and_no_others() {
    for company in [
        SMALL,
        Company {
            studios: 10,
            ..SMALL
        },
        // A page of mappings that is full, and one more.
        Company {
            users_a_group: 25,
            users: 200,
            ..SMALL
        },
        Company {
            users_a_group: 26,
            users: 200,
            ..SMALL
        },
        // So many members that they take two pages.
        Company {
            studios: 2,
            groups_a_studio: 1,
            users_a_group: 101,
            users: 300,
            ..SMALL
        },
        // What the table does not name costs nothing.
        Company {
            users: 3000,
            other_groups: 300,
            ..SMALL
        },
    ] {
        let (report, calls, _) = company.full_pass(true).await;
        assert_eq!(report["unchanged"], company.wanted(), "{company:?}");
        assert_eq!(calls, company.reads(), "{company:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_pass_takes_no_longer_than_the_pace_demands() {
    for (company, mapped) in [
        (
            Company {
                studios: 10,
                ..SMALL
            },
            true,
        ),
        (
            Company {
                studios: 10,
                users_a_group: 26,
                users: 600,
                ..SMALL
            },
            true,
        ),
        (
            Company {
                studios: 5,
                ..SMALL
            },
            false,
        ),
    ] {
        company.takes_what_the_pace_demands(mapped).await;
    }
}

/// Minutes of real time: `cargo test --features cli --test all -- --ignored size::`.
#[tokio::test(start_paused = true)]
#[ignore = "the size of a large company, which takes minutes"]
async fn a_hundred_studios_of_a_hundred_users_take_what_the_pace_demands() {
    let company = Company {
        studios: 100,
        groups_a_studio: 2,
        users_a_group: 50,
        other_groups: 4800,
        users: 50_000,
    };
    for mapped in [true, false] {
        company.takes_what_the_pace_demands(mapped).await;
    }
}

impl Company {
    async fn takes_what_the_pace_demands(&self, mapped: bool) {
        let (report, calls, took) = self.full_pass(mapped).await;
        let (unchanged, created) = match mapped {
            true => (self.wanted(), 0),
            false => (0, self.wanted()),
        };
        assert_eq!(
            (&report["unchanged"], &report["created"]),
            (&json!(unchanged), &json!(created))
        );
        let of_emr = calls.iter().filter(|(call, _)| call.contains("Studio"));
        let emr_calls = of_emr.map(|(_, count)| count).sum();
        let limit = self.pace_takes(emr_calls);
        let share = took.as_secs_f64() / limit.as_secs_f64();
        println!("{self:?}: {calls:?} in {took:?}, {share:.3} x the limit");
        assert!(share <= 1.05, "{self:?}: {took:?} of {limit:?}, {calls:?}");
    }
}

fn warnings(table: &Value) -> Vec<String> {
    let table = read::table(&table.to_string(), Format::Json).unwrap();
    let warnings = table.warnings().into_iter();
    warnings.map(|warning| warning.to_string()).collect()
}

/// A table of so many Studios, and of so many groups in the first.
fn table_of(studios: usize, groups: usize, assign: &str) -> Value {
    let mut table = json!({ "studios": {}, "rules": [], "session_policies": {} });
    for studio in 0..studios {
        table["studios"][format!("s{studio}")] = json!({
            "id": format!("es-{studio:025}"), "limits": { "groups": groups },
        });
    }
    let others = (1..studios).map(|studio| {
        json!({ "user": "ops", "studio": format!("s{studio}"), "session_policy": ANALYST })
    });
    let rules = (0..groups).map(|group| {
        json!({ "group": format!("g{group}"), "studio": "s0", "session_policy": ENGINEER,
                "assign": assign })
    });
    table["rules"] = rules.chain(others).collect();
    table
}

#[test]
fn more_groups_than_a_pass_can_list_the_members_of_are_warned_of() {
    // (groups - 5) / 15 a second, in 155 seconds.
    assert!(warnings(&table_of(1, 2330, "members")).is_empty());
    insta::assert_snapshot!(warnings(&table_of(1, 2400, "members")).join("\n"), @r#"rules: a full pass cannot finish: it lists the members of 2400 groups, which takes 160 s at 15 calls a second, and it has 155 s; map groups as such (assign = "group"), or give some of the Studios to another function"#);
    assert!(warnings(&table_of(1, 2400, "group")).is_empty());
    let mut faster = table_of(1, 2400, "members");
    faster["pace"] = json!({ "identity_store_per_second": 18 });
    assert!(warnings(&faster).is_empty());
}

#[test]
fn more_studios_than_a_pass_can_ask_about_are_warned_of() {
    // Two calls for each, but for the burst of 10, in 155 seconds at 4 a second.
    assert!(warnings(&table_of(315, 1, "members")).is_empty());
    insta::assert_snapshot!(warnings(&table_of(316, 1, "members")).join("\n"), @"studios: the first full pass of a process cannot finish: it asks EMR twice about each of 316 Studios of one account, which takes 156 s at 4 calls a second, and it has 155 s; give some of them to another function");
    // Another account has a pace of its own.
    let mut two = table_of(400, 1, "members");
    for studio in 0..200 {
        let role = "arn:aws:iam::222233334444:role/studio-sync";
        two["studios"][format!("s{studio}")]["role_arn"] = json!(role);
    }
    assert!(warnings(&two).is_empty());
}

#[tokio::test(start_paused = true)]
async fn check_live_warns_of_what_took_it_longer_than_a_pass_has() {
    for (rate, warns) in [(0.02, false), (0.018, true)] {
        let table = support::table(|table| {
            table["pace"] = json!({ "emr_per_second": rate, "emr_burst": 1 });
        });
        let bench = Bench::in_process(support::world(), table, Mode::Plan).await;
        let deadline = Instant::now() + Duration::from_secs(3600);
        let review = bench.function.engine().review(deadline).await;
        let warnings: Vec<String> = review.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(!warnings.is_empty(), warns, "{warnings:?}");
        assert!(
            warnings
                .iter()
                .all(|one| one.contains("took 167 s, and it has 155 s"))
        );
    }
}

/// What `warnings` says of rules that never decide, found the plain way: each
/// compared with all before it.
mod lint {
    use emr_studio_sync::policy::read::{self, Format};
    use emr_studio_sync::policy::{Selector, Table};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{ANALYST, ENGINEER};

    fn covers(ours: &Selector, theirs: &Selector) -> bool {
        match (ours, theirs) {
            (Selector::Group(ours), Selector::Group(theirs)) => {
                // As the table writes it, stars and all.
                let text = format!("{}", Selector::Group(theirs.clone()));
                let text = text.trim_start_matches("group ").trim_matches('"');
                ours.matches(text)
            }
            (Selector::Group(ours), Selector::GroupId(_)) => {
                ours.exact().is_none() && ours.matches("") && ours.matches("anything")
            }
            (ours, theirs) => ours == theirs,
        }
    }

    fn plainly(table: &Table) -> Vec<(usize, usize)> {
        let rules = table.rules.iter().enumerate();
        let found = rules.filter_map(|(index, rule)| {
            let mut earlier = table.rules[..index].iter();
            let earlier = earlier.position(|earlier| {
                earlier.studio == rule.studio
                    && earlier.assign == rule.assign
                    && covers(&earlier.select, &rule.select)
            });
            Some((index, earlier?))
        });
        found.collect()
    }

    fn any_rule() -> impl Strategy<Value = Value> {
        let id = |number: usize| format!("0a1b2c3d-1001-7001-8001-{number:012}");
        let select = prop_oneof![
            4 => "[ab*]{1,4}".prop_map(|group| json!({ "group": group })),
            1 => (0..3_usize).prop_map(move |number| json!({ "group_id": id(number) })),
            1 => "[ab]{1,2}".prop_map(|user| json!({ "user": user })),
            1 => (0..3_usize).prop_map(move |number| json!({ "user_id": id(number) })),
        ];
        (select, any::<bool>(), any::<bool>()).prop_map(|(mut rule, other, group)| {
            rule["studio"] = json!(if other { "b" } else { "a" });
            rule["session_policy"] = json!("engineer");
            if rule.get("group").or(rule.get("group_id")).is_some() {
                rule["assign"] = json!(if group { "group" } else { "members" });
            }
            rule
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_rule_that_never_decides_is_found_as_if_each_were_compared_with_all_before(
            rules in proptest::collection::vec(any_rule(), 0..30),
        ) {
            let table = json!({
                "studios": { "a": { "id": "es-A" }, "b": { "id": "es-B" } },
                "session_policies": { "engineer": ENGINEER, "analyst": ANALYST },
                "rules": rules,
            });
            let table = read::table(&table.to_string(), Format::Json).unwrap();
            let warnings = table.warnings().into_iter();
            let found = warnings.filter_map(|warning| {
                let earlier = warning.message.strip_prefix("never decides: rules[")?;
                let earlier = earlier.split(']').next()?.parse().ok()?;
                let index = warning.place.strip_prefix("rules[")?.strip_suffix(']')?;
                Some((index.parse().ok()?, earlier))
            });
            let found: Vec<(usize, usize)> = found.collect();
            prop_assert_eq!(found, plainly(&table));
        }
    }
}

//! Which rule fits whom, and what a reading of the directory tells: known, known
//! not to be, or neither.

use std::collections::{BTreeMap, BTreeSet};

use emr_studio_sync::identity::{Id, Identity};
use emr_studio_sync::policy::doubt::{Cause, Doubt, Whom};
use emr_studio_sync::policy::fit::{Answer, Directory, Reach};
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::policy::{Pattern, Selector, Table};
use serde_json::{Value, json};

const ENGINEERS: usize = 100;
const ANALYSTS: usize = 200;
const OTHERS: usize = 300;

fn id(number: usize) -> Id {
    Id::parse(&format!("0a1b2c3d-1001-7001-8001-{number:012}")).unwrap()
}

fn user(number: usize) -> Identity {
    Identity::user(id(number))
}

fn group(number: usize) -> Identity {
    Identity::group(id(number))
}

fn ids(numbers: &[usize]) -> BTreeSet<Id> {
    numbers.iter().map(|number| id(*number)).collect()
}

fn named(name: &str) -> Selector {
    Selector::Group(Pattern::new(name))
}

fn table(change: impl FnOnce(&mut Value)) -> Table {
    let mut table = json!({
        "studios": { "analytics": { "id": "es-ABCDEFGHIJKLMNOPQRSTUVWXY" } },
        "session_policies": {
            "engineer": "arn:aws:iam::111122223333:policy/engineer",
            "analyst": "arn:aws:iam::111122223333:policy/analyst",
        },
        "rules": [
            { "group": "engineers", "studio": "analytics", "session_policy": "engineer", "assign": "members" },
            { "group": "analysts", "studio": "analytics", "session_policy": "analyst", "assign": "group" },
            { "user_id": id(9), "studio": "analytics", "session_policy": "analyst" },
        ],
    });
    change(&mut table);
    read::table(&table.to_string(), Format::Json).unwrap()
}

const UNREAD: Answer<BTreeSet<Id>> = Answer::Unread { passes: true };

/// Users 1 and 2 are engineers, and there is a group of analysts.
fn directory() -> Directory {
    Directory {
        selected: BTreeMap::from([
            (named("engineers"), Answer::Is(ids(&[ENGINEERS]))),
            (named("analysts"), Answer::Is(ids(&[ANALYSTS]))),
            (Selector::UserId(id(9)), Answer::Is(ids(&[9]))),
        ]),
        members: BTreeMap::from([(id(ENGINEERS), Answer::Is(ids(&[1, 2])))]),
        ..Directory::default()
    }
}

fn wanted(table: &Table, directory: &Directory) -> Vec<Identity> {
    let wanted = table.wanted(0, directory, &Reach::All);
    wanted.into_keys().collect()
}

// --------------------------------------------------------------- what is known

#[test]
fn an_identity_is_there_or_gone_by_whatever_was_read_and_otherwise_nobody_knows() {
    let mut directory = directory();
    directory.groups = BTreeMap::from([
        (id(OTHERS), Answer::Is(Some("others".to_owned()))),
        (id(301), Answer::Gone),
        (id(302), Answer::Unread { passes: true }),
    ]);
    directory.groups_of = BTreeMap::from([
        (id(3), Answer::Is(ids(&[]))),
        (id(4), Answer::Gone),
        (id(5), UNREAD),
    ]);
    directory.enabled = BTreeMap::from([
        (id(6), Answer::Is(false)),
        (id(7), Answer::Gone),
        (id(8), Answer::Unread { passes: true }),
    ]);
    for (identity, is_there) in [
        // A member of a group, and one whom a rule names.
        (user(1), Some(true)),
        (user(9), Some(true)),
        (user(3), Some(true)),
        (user(4), Some(false)),
        (user(5), None),
        (user(6), Some(true)),
        (user(7), Some(false)),
        (user(8), None),
        (user(10), None),
        // Selected; looked up; neither.
        (group(ENGINEERS), Some(true)),
        (group(OTHERS), Some(true)),
        (group(301), Some(false)),
        (group(302), None),
        (group(303), None),
        // A user is no group, whatever the id.
        (group(1), None),
        (user(ENGINEERS), None),
    ] {
        assert_eq!(directory.exists(&identity), is_there, "{identity}");
    }
}

#[test]
fn a_group_holds_a_user_by_its_list_or_by_the_users_own_answer_and_otherwise_nobody_knows() {
    let mut directory = directory();
    directory.members.insert(id(302), UNREAD);
    directory.asked_about = ids(&[ANALYSTS, 302]);
    directory.groups_of = BTreeMap::from([
        (id(1), Answer::Is(ids(&[ANALYSTS, 302]))),
        (id(3), Answer::Is(ids(&[]))),
        (id(4), UNREAD),
    ]);
    for (group, user, holds) in [
        (ENGINEERS, 1, Some(true)),
        (ENGINEERS, 3, Some(false)),
        (ENGINEERS, 4, Some(false)),
        (ANALYSTS, 1, Some(true)),
        (ANALYSTS, 3, Some(false)),
        (ANALYSTS, 4, None),
        (ANALYSTS, 2, None),
        (302, 1, Some(true)),
        (302, 3, Some(false)),
        (302, 4, None),
        // Nobody asked about it.
        (OTHERS, 1, None),
        (OTHERS, 3, None),
    ] {
        let found = directory.holds(&id(group), &id(user));
        assert_eq!(found, holds, "{group} and {user}");
    }
}

#[test]
fn what_is_known_of_the_selectors_is_out_of_date_once_a_group_bears_another_name() {
    let with = |group: usize, answer: Answer<Option<String>>| {
        let groups = BTreeMap::from([(id(group), answer)]);
        Directory {
            groups,
            ..directory()
        }
        .is_out_of_date()
    };
    let called = |name: &str| Answer::Is(Some(name.to_owned()));
    assert!(!directory().is_out_of_date());
    for (group, answer, is_out_of_date) in [
        (ENGINEERS, called("engineers"), false),
        (ENGINEERS, called("Engineers"), false),
        (ENGINEERS, called("former"), true),
        (ENGINEERS, called("analysts"), true),
        (ENGINEERS, Answer::Is(None), true),
        (ENGINEERS, Answer::Gone, true),
        (OTHERS, called("others"), false),
        (OTHERS, called("engineers"), true),
        (OTHERS, Answer::Is(None), false),
        (OTHERS, Answer::Gone, false),
        (OTHERS, Answer::Unread { passes: true }, true),
    ] {
        assert_eq!(with(group, answer.clone()), is_out_of_date, "{answer:?}");
    }
    // Of a selector that was not read, nothing is out of date; one that was gone
    // may be there by now.
    for (selected, is_out_of_date) in [(UNREAD, false), (Answer::Gone, true)] {
        let mut directory = directory();
        directory.selected = BTreeMap::from([(named("engineers"), selected)]);
        directory.groups.insert(id(OTHERS), called("engineers"));
        assert_eq!(directory.is_out_of_date(), is_out_of_date);
    }
}

// ------------------------------------------------------------ whom a rule fits

#[test]
fn no_rule_applies_to_a_user_who_is_gone_nor_if_the_table_says_so_to_a_disabled_one() {
    let mut gone = directory();
    gone.groups_of.insert(id(1), Answer::Gone);
    gone.enabled.insert(id(2), Answer::Gone);
    // A group of that id has nothing to do with it.
    gone.enabled.insert(id(ANALYSTS), Answer::Gone);
    assert_eq!(wanted(&table(|_| ()), &gone), [user(9), group(ANALYSTS)]);

    let mut disabled = directory();
    disabled.enabled = BTreeMap::from([
        (id(1), Answer::Is(true)),
        (id(2), Answer::Is(false)),
        (id(9), Answer::Unread { passes: true }),
        (id(ANALYSTS), Answer::Is(false)),
    ]);
    for (setting, expected) in [
        ("keep", vec![user(1), user(2), user(9), group(ANALYSTS)]),
        ("remove", vec![user(1), group(ANALYSTS)]),
    ] {
        let table = table(|table| table["on_disabled_user"] = json!(setting));
        assert_eq!(wanted(&table, &disabled), expected, "{setting}");
        // Who was not described is a doubt then, and nobody else is.
        let doubts = table.doubts(0, &disabled, &Reach::All);
        let whom: Vec<&Whom> = doubts.iter().map(|doubt| &doubt.whom).collect();
        match setting {
            "keep" => assert_eq!(doubts, []),
            _ => assert_eq!(whom, [&Whom::One(user(9))]),
        }
    }
}

#[test]
fn a_rule_may_fit_whom_its_row_does_not_rule_out() {
    let table = table(|_| ());
    for (rule, identity, may_fit) in [
        (0, user(5), true),
        (0, group(ENGINEERS), false),
        (1, user(5), false),
        (1, group(OTHERS), true),
        (2, user(9), true),
        (2, user(5), false),
        (2, group(9), false),
    ] {
        let found = table.may_fit(rule, &identity);
        assert_eq!(found, may_fit, "rules[{rule}] and {identity}");
    }
}

#[test]
fn only_what_was_not_read_is_unread() {
    let doubt = |cause| Doubt {
        whom: Whom::All,
        rule: None,
        cause,
        passes: false,
    };
    let what = "something".to_owned();
    assert!(doubt(Cause::Unread { what }).is_unread());
    let missing = Cause::Missing {
        place: "rules[0]".to_owned(),
        selector: named("engineers"),
    };
    for cause in [missing, Cause::BareList, Cause::Nobodys] {
        assert!(!doubt(cause.clone()).is_unread(), "{cause:?}");
    }
}

#[test]
fn with_revoke_a_rule_whose_group_is_missing_is_no_doubt_and_an_entry_of_protect_is() {
    let mut directory = directory();
    directory.selected.insert(named("engineers"), Answer::Gone);
    directory.selected.insert(named("seniors"), Answer::Gone);
    for (setting, places) in [
        ("hold", vec!["protect[0]", "rules[0]"]),
        ("revoke", vec!["protect[0]"]),
    ] {
        let table = table(|table| {
            table["on_missing_group"] = json!(setting);
            table["protect"] = json!([{ "group": "seniors" }]);
        });
        let doubts = table.doubts(0, &directory, &Reach::All);
        let missing: BTreeSet<&str> = doubts
            .iter()
            .map(|doubt| match &doubt.cause {
                Cause::Missing { place, .. } => place.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(missing, BTreeSet::from_iter(places), "{setting}");
    }
}

// ---------------------------------------------------------- who is protected

/// By whom an entry selects, and by what it says of groups.
#[test]
fn an_entry_of_protect_means_whom_it_selects_and_the_members_of_a_group() {
    let mut directory = directory();
    let seniors = named("seniors");
    directory
        .selected
        .insert(seniors, Answer::Is(ids(&[OTHERS])));
    directory.members.insert(id(OTHERS), Answer::Is(ids(&[1])));
    for (entry, expected) in [
        (json!({ "group": "seniors" }), vec![user(1), group(OTHERS)]),
        (
            json!({ "group": "seniors", "assign": "group" }),
            vec![group(OTHERS)],
        ),
        (
            json!({ "group": "seniors", "assign": "members" }),
            vec![user(1)],
        ),
        // By id, whether or not the directory still knows them.
        (json!({ "user_id": id(2) }), vec![user(2)]),
        (
            json!({ "group_id": id(ANALYSTS), "assign": "group" }),
            vec![group(ANALYSTS)],
        ),
    ] {
        let table = table(|table| table["protect"] = json!([entry]));
        // Users and groups of one id are separate identities.
        let all = [1, 2, OTHERS, ANALYSTS].into_iter();
        let all = all.flat_map(|number| [user(number), group(number)]);
        let protected: BTreeSet<Identity> = all
            .filter(|identity| table.protects(identity, Some("somebody"), &directory))
            .collect();
        assert_eq!(protected, BTreeSet::from_iter(expected), "{entry}");
    }
}

/// A mapping that bears no name may be that of somebody protected who is gone.
#[test]
fn while_somebody_protected_by_name_is_gone_a_mapping_without_a_name_may_be_theirs() {
    let table = table(|table| table["protect"] = json!([{ "user": "break-glass" }]));
    let selector = Selector::User("break-glass".to_owned());
    for (answer, is_protected) in [
        (Answer::Gone, true),
        (Answer::Is(ids(&[8])), false),
        (UNREAD, false),
    ] {
        let mut directory = directory();
        directory.selected.insert(selector.clone(), answer);
        assert_eq!(table.protects(&user(5), None, &directory), is_protected);
        assert!(!table.protects(&user(5), Some("somebody"), &directory));
        assert!(table.protects(&user(5), Some("break-glass"), &directory));
        assert!(!table.protects(&group(5), None, &directory));
    }
}

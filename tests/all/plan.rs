//! The plan: wanted × actual → changes, as examples and as laws.

use std::collections::{BTreeMap, BTreeSet};

use emr_studio_sync::identity::{Id, Identity, IdentityType};
use emr_studio_sync::plan::{Action, Actual, Change, Mapping, Mappings, StudioPlan, plan};
use emr_studio_sync::policy::doubt::{Doubt, Whom};
use emr_studio_sync::policy::fit::{Answer, Directory, Reach};
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::policy::{Pattern, Selector, Table};
use proptest::prelude::*;
use serde_json::{Value, json};

const ENGINEER: &str = "arn:aws:iam::111122223333:policy/engineer";
const ANALYST: &str = "arn:aws:iam::111122223333:policy/analyst";
const FOREIGN: &str = "arn:aws:iam::111122223333:policy/foreign";

fn id(number: usize) -> Id {
    Id::parse(&format!("0a1b2c3d-1001-7001-8001-{number:012}")).unwrap()
}

fn user(number: usize) -> Identity {
    Identity::user(id(number))
}

const ENGINEERS: usize = 100;
const ANALYSTS: usize = 200;

fn table(change: impl FnOnce(&mut Value)) -> Table {
    let mut table = json!({
        "studios": { "analytics": { "id": "es-ABCDEFGHIJKLMNOPQRSTUVWXY" } },
        "session_policies": { "engineer": ENGINEER, "analyst": ANALYST },
        "rules": [
            { "group": "engineers", "studio": "analytics", "session_policy": "engineer", "assign": "members" },
            { "group": "analysts", "studio": "analytics", "session_policy": "analyst", "assign": "members" },
            { "group": "analysts", "studio": "analytics", "session_policy": "analyst", "assign": "group" },
        ],
    });
    change(&mut table);
    read::table(&table.to_string(), Format::Json).unwrap()
}

fn group(name: &str) -> Selector {
    Selector::Group(Pattern::new(name))
}

/// Users 1 and 2 are engineers, 3 is an analyst.
fn directory() -> Directory {
    let one = |number| Answer::Is(BTreeSet::from([id(number)]));
    let users = |numbers: &[usize]| Answer::Is(numbers.iter().map(|number| id(*number)).collect());
    Directory {
        selected: BTreeMap::from([
            (group("engineers"), one(ENGINEERS)),
            (group("analysts"), one(ANALYSTS)),
        ]),
        members: BTreeMap::from([(id(ENGINEERS), users(&[1, 2])), (id(ANALYSTS), users(&[3]))]),
        ..Directory::default()
    }
}

fn mapping(session_policy: &str) -> Mapping {
    Mapping {
        created: None,
        modified: None,
        session_policy: session_policy.to_owned(),
        name: None,
    }
}

/// What the table and the directory above lead to.
fn agreed() -> Mappings {
    Mappings::from([
        (user(1), mapping(ENGINEER)),
        (user(2), mapping(ENGINEER)),
        (user(3), mapping(ANALYST)),
        (Identity::group(id(ANALYSTS)), mapping(ANALYST)),
    ])
}

const UNREAD: Answer<BTreeSet<Id>> = Answer::Unread { passes: true };

fn planned(table: &Table, directory: &Directory, mappings: &Mappings) -> StudioPlan {
    let actual = Actual {
        mappings: mappings.clone(),
        ..Actual::default()
    };
    plan(table, 0, directory, &Reach::All, &actual)
}

/// The mappings after some changes were made.
fn apply(mappings: &mut Mappings, changes: &[Change]) {
    for change in changes {
        match &change.session_policy {
            None => drop(mappings.remove(&change.identity)),
            Some(policy) => drop(mappings.insert(change.identity.clone(), mapping(policy))),
        }
    }
}

/// The plan as people read it, with the ends of ids and ARNs only.
fn text(plan: &StudioPlan) -> String {
    plan.to_string()
        .replace("0a1b2c3d-1001-7001-8001-000000000", "…")
        .replace("arn:aws:iam::111122223333:policy/", "")
}

#[test]
fn where_both_sides_agree_nothing_is_planned() {
    let plan = planned(&table(|_| ()), &directory(), &agreed());
    assert_eq!((plan.changes.len(), plan.unchanged), (0, 4));
    assert_eq!(plan.to_string(), "");
}

#[test]
fn a_plan_reads_deletions_first_then_updates_then_creations_in_the_order_of_the_rules() {
    let mut mappings = agreed();
    mappings.remove(&user(1));
    mappings.remove(&Identity::group(id(ANALYSTS)));
    mappings.insert(user(2), mapping(ANALYST));
    mappings.insert(user(9), mapping(ENGINEER));
    insta::assert_snapshot!(text(&planned(&table(|_| ()), &directory(), &mappings)), @"
    - USER …009  engineer  (no rule wants it)
    ~ USER …002  analyst -> engineer  (rules[0], through group …100)
    + USER …001  engineer  (rules[0], through group …100)
    + GROUP …200  analyst  (rules[2])
    ");
}

#[test]
fn a_plan_can_be_serialized() {
    let mut mappings = agreed();
    mappings.remove(&user(1));
    let plan = planned(&table(|_| ()), &directory(), &mappings);
    assert_eq!(
        json!(plan.changes),
        json!([{
            "action": "create", "identity_type": "USER", "identity_id": id(1),
            "session_policy": ENGINEER, "previous_policy": null, "rule": 0,
            "via_group": id(ENGINEERS),
        }])
    );
    for action in [Action::Create, Action::Update, Action::Delete] {
        assert_eq!(json!(action), action.name());
    }
}

#[test]
fn the_first_rule_that_fits_decides() {
    let mut directory = directory();
    let all = Answer::Is(BTreeSet::from([id(1), id(2), id(3)]));
    directory.members.insert(id(ENGINEERS), all);
    insta::assert_snapshot!(text(&planned(&table(|_| ()), &directory, &agreed())), @"~ USER …003  analyst -> engineer  (rules[0], through group …100)");
}

#[test]
fn what_is_not_the_tables_is_left_alone_and_told_only_if_a_rule_wants_it() {
    let mut mappings = agreed();
    mappings.insert(user(1), mapping(FOREIGN));
    mappings.insert(user(9), mapping(FOREIGN));
    insta::assert_snapshot!(text(&planned(&table(|_| ()), &directory(), &mappings)), @"= USER …001  (its session policy is none of the table's)");
}

#[test]
fn a_missing_group_withholds_what_it_may_be_about_and_other_creations_go_on() {
    let mut directory = directory();
    directory.selected.insert(group("engineers"), Answer::Gone);
    let mut mappings = agreed();
    mappings.remove(&user(3));
    mappings.remove(&Identity::group(id(ANALYSTS)));
    insta::assert_snapshot!(text(&planned(&table(|_| ()), &directory, &mappings)), @r#"
    + GROUP …200  analyst  (rules[2])
    ? rules[0]: group "engineers" is not there (renamed, deleted or misspelt)
    ? withheld: - USER …001  engineer  (no rule wants it)
    ? withheld: - USER …002  engineer  (no rule wants it)
    ? withheld: + USER …003  analyst  (rules[1], through group …200)
    "#);
}

#[test]
fn who_gets_the_same_by_both_rules_need_not_wait_for_the_first() {
    let table = table(|table| table["rules"][0]["session_policy"] = json!("analyst"));
    for lost in [UNREAD, Answer::Gone] {
        let mut directory = directory();
        directory.selected.insert(group("engineers"), lost);
        let plan = planned(&table, &directory, &Mappings::new());
        let users = plan
            .of(Action::Create)
            .filter(|change| change.identity == user(3));
        assert_eq!(users.count(), 1);
    }
}

#[test]
fn an_unread_rule_keeps_nobody_waiting_whom_it_cannot_fit() {
    let mut directory = directory();
    directory.selected.insert(group("engineers"), UNREAD);
    // A group that no rule wants any more: what brings in users is no doubt
    // about groups.
    let mut mappings = agreed();
    mappings.insert(Identity::group(id(ENGINEERS)), mapping(ANALYST));
    insta::assert_snapshot!(text(&planned(&table(|_| ()), &directory, &mappings)), @r#"
    - GROUP …100  analyst  (no rule wants it)
    ? rules[0]: group "engineers" could not be read
    ? withheld: - USER …001  engineer  (no rule wants it)
    ? withheld: - USER …002  engineer  (no rule wants it)
    "#);
}

#[test]
fn a_doubt_about_one_is_none_about_another() {
    let mut directory = directory();
    for (user, answer) in [(1, Answer::Is(BTreeSet::new())), (2, UNREAD)] {
        directory.groups_of.insert(id(user), answer);
    }
    let reach = Reach::Only(BTreeSet::from([user(1), user(2)]));
    let actual = Actual {
        mappings: agreed(),
        ..Actual::default()
    };
    let plan = plan(&table(|_| ()), 0, &directory, &reach, &actual);
    insta::assert_snapshot!(text(&plan), @"
    - USER …001  engineer  (no rule wants it)
    ? the groups of USER …002 could not be read
    ? the groups of USER …002 could not be read
    ? withheld: - USER …002  engineer  (no rule wants it)
    ");
    let left = plan.unfinished(&reach);
    assert_eq!(left, Some(Reach::Only(BTreeSet::from([user(2)]))));
}

#[test]
fn while_a_protected_user_is_not_found_who_is_still_there_keeps_the_mapping_and_who_is_gone_goes() {
    for missing in ["hold", "revoke"] {
        let table = table(|table| {
            table["protect"] = json!([{ "user": "break-glass" }]);
            table["on_missing_group"] = json!(missing);
        });
        let mut directory = directory();
        let selector = Selector::User("break-glass".to_owned());
        directory.selected.insert(selector, Answer::Gone);
        let mut mappings = agreed();
        for number in [8, 9] {
            let mut unwanted = mapping(ENGINEER);
            unwanted.name = Some(format!("user-{number}"));
            mappings.insert(user(number), unwanted);
        }
        let actual = Actual {
            mappings,
            gone: BTreeSet::from([user(9)]),
            ..Actual::default()
        };
        let plan = plan(&table, 0, &directory, &Reach::All, &actual);
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(&plan), @"
            - USER …009  engineer  (no rule wants it)
            ? protect[0]: the user it names is not there (renamed, deleted or misspelt)
            ? withheld: - USER …008  engineer  (no rule wants it)
            ");
        }
        let unless_gone: Vec<&Identity> = plan.unless_gone().collect();
        assert_eq!(unless_gone, [&user(8)]);
        assert_eq!(
            plan.unfinished(&Reach::All),
            None,
            "it does not pass by itself"
        );
    }
}

#[test]
fn while_a_protected_group_is_not_found_nothing_is_deleted_under_revoke_too() {
    let table = table(|table| {
        table["protect"] = json!([{ "group": "seniors" }]);
        table["on_missing_group"] = json!("revoke");
    });
    let mut directory = directory();
    directory.selected.insert(group("seniors"), Answer::Gone);
    let mut mappings = agreed();
    mappings.insert(user(9), mapping(ENGINEER));
    let plan = planned(&table, &directory, &mappings);
    assert_eq!((plan.changes.len(), plan.withheld.len()), (0, 1));
}

#[test]
fn a_list_of_members_that_was_not_read_withholds() {
    for lost in [None, Some(UNREAD), Some(Answer::Gone)] {
        let mut directory = directory();
        directory.members.remove(&id(ENGINEERS));
        lost.map(|answer| directory.members.insert(id(ENGINEERS), answer));
        let plan = planned(&table(|_| ()), &directory, &agreed());
        assert_eq!(plan.changes, []);
        assert_eq!(plan.withheld.len(), 2);
    }
}

#[test]
fn an_unread_selector_of_protect_withholds_too() {
    let table = table(|table| table["protect"] = json!([{ "user": "break-glass" }]));
    let mut mappings = agreed();
    mappings.insert(user(9), mapping(ENGINEER));
    let plan = planned(&table, &directory(), &mappings);
    assert_eq!((plan.changes.len(), plan.withheld.len()), (0, 1));

    let mut directory = directory();
    let selector = Selector::User("break-glass".to_owned());
    directory
        .selected
        .insert(selector.clone(), Answer::Is(BTreeSet::from([id(9)])));
    assert_eq!(planned(&table, &directory, &mappings).changes, []);
    directory
        .selected
        .insert(selector, Answer::Is(BTreeSet::from([id(8)])));
    assert_eq!(planned(&table, &directory, &mappings).changes.len(), 1);
}

#[test]
fn a_protected_name_holds_although_nobody_of_that_name_is_left() {
    let table = table(|table| table["protect"] = json!([{ "user": "break-glass" }]));
    let mut directory = directory();
    directory
        .selected
        .insert(Selector::User("break-glass".to_owned()), Answer::Gone);
    let mut mappings = agreed();
    let mut gone = mapping(ENGINEER);
    gone.name = Some("break-glass".to_owned());
    mappings.insert(user(9), gone);
    assert_eq!(planned(&table, &directory, &mappings).changes, []);
}

#[test]
fn only_who_is_within_reach_is_looked_at() {
    let mut directory = directory();
    directory
        .groups_of
        .insert(id(1), Answer::Is(BTreeSet::new()));
    directory.members.clear();
    let reach = Reach::Only(BTreeSet::from([user(1)]));
    let actual = Actual {
        mappings: agreed(),
        ..Actual::default()
    };
    let plan = plan(&table(|_| ()), 0, &directory, &reach, &actual);
    insta::assert_snapshot!(text(&plan), @"- USER …001  engineer  (no rule wants it)");
}

#[test]
fn a_user_whose_groups_were_not_read_is_not_taken_for_a_user_without_groups() {
    for lost in [None, Some(UNREAD)] {
        let mut directory = directory();
        lost.map(|answer| directory.groups_of.insert(id(1), answer));
        let reach = Reach::Only(BTreeSet::from([user(1)]));
        let actual = Actual {
            mappings: agreed(),
            ..Actual::default()
        };
        let plan = plan(&table(|_| ()), 0, &directory, &reach, &actual);
        assert_eq!((plan.changes.len(), plan.withheld.len()), (0, 1));
    }
}

#[test]
fn a_plan_is_of_one_studio_by_its_own_rules() {
    let table = table(|table| {
        table["studios"]["science"] = json!({ "id": "es-0123456789ABCDEFGHIJKLMNO" });
        table["rules"][1]["studio"] = json!("science");
    });
    for (studio, who) in [(0, vec![user(1), user(2)]), (1, vec![user(3)])] {
        let actual = Actual::default();
        let plan = plan(&table, studio, &directory(), &Reach::All, &actual);
        let users = plan.of(Action::Create).map(|change| &change.identity);
        let users = users.filter(|identity| identity.kind == IdentityType::User);
        assert_eq!(plan.studio, studio);
        assert_eq!(users.cloned().collect::<Vec<_>>(), who);
    }
}

#[test]
fn a_studio_that_was_not_read_is_planned_blind_and_looked_at_again_if_that_passes() {
    let asked = Reach::Only(BTreeSet::from([user(1)]));
    for passes in [true, false] {
        let doubt = Doubt::unread(Whom::All, None, "its mappings".to_owned(), passes);
        let plan = StudioPlan::blind(3, doubt.clone());
        assert_eq!((plan.studio, plan.doubts.as_slice()), (3, &[doubt][..]));
        assert!(plan.is_of_nothing_read() && plan.changes.is_empty());
        assert_eq!(plan.is_blind(), passes);
        assert_eq!(plan.unfinished(&asked), passes.then(|| asked.clone()));
    }
    // One that was read is none, however doubtful.
    let mut directory = directory();
    directory.selected.insert(group("engineers"), UNREAD);
    let plan = planned(&table(|_| ()), &directory, &agreed());
    assert!(!plan.is_of_nothing_read() && !plan.is_blind());
}

// ----------------------------------------------------------------------- laws

/// Any directory, read to the end, or more or less well.
fn any_directory(to_the_end: bool) -> impl Strategy<Value = Directory> {
    let worse = u32::from(!to_the_end);
    let users = || proptest::collection::btree_set((0..12_usize).prop_map(id), 0..8);
    let read = move |answer: BoxedStrategy<BTreeSet<Id>>| {
        prop_oneof![
            6 => answer.prop_map(Answer::Is),
            worse => Just(Answer::Gone),
            worse => Just(UNREAD),
        ]
    };
    let members = move || read(users().boxed());
    let selected = move |number| read(Just(BTreeSet::from([id(number)])).boxed());
    let protected = prop_oneof![1 => users().prop_map(Answer::Is), worse => Just(UNREAD)];
    let enabled = proptest::collection::vec(any::<bool>(), 12).prop_map(|enabled| {
        let user = |(number, enabled)| (id(number), Answer::Is(enabled));
        enabled.into_iter().enumerate().map(user).collect()
    });
    (
        selected(ENGINEERS),
        selected(ANALYSTS),
        members(),
        members(),
        protected,
        enabled,
    )
        .prop_map(
            |(engineers, analysts, of_engineers, of_analysts, protected, enabled)| Directory {
                selected: BTreeMap::from([
                    (group("engineers"), engineers),
                    (group("analysts"), analysts),
                    (Selector::User("protected".to_owned()), protected),
                ]),
                members: BTreeMap::from([
                    (id(ENGINEERS), of_engineers),
                    (id(ANALYSTS), of_analysts),
                ]),
                enabled,
                ..Directory::default()
            },
        )
}

fn any_mappings() -> impl Strategy<Value = Mappings> {
    let identity = (0..14_usize, any::<bool>()).prop_map(|(number, is_user)| match is_user {
        true => user(number),
        false => Identity::group(id(ANALYSTS + number % 2)),
    });
    let policy = prop_oneof![Just(ENGINEER), Just(ANALYST), Just(FOREIGN)].prop_map(mapping);
    proptest::collection::btree_map(identity, policy, 0..14)
}

fn any_table() -> impl Strategy<Value = Table> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(studio, revoke, remove, protect)| {
            table(|table| {
                table["ownership"] = json!(if studio { "studio" } else { "session_policy" });
                table["on_missing_group"] = json!(if revoke { "revoke" } else { "hold" });
                table["on_disabled_user"] = json!(if remove { "remove" } else { "keep" });
                if protect {
                    table["protect"] = json!([{ "user": "protected" }]);
                }
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn after_a_plan_is_applied_there_is_nothing_left_to_plan(
        table in any_table(), directory in any_directory(false), mappings in any_mappings(),
    ) {
        let mut mappings = mappings;
        let first = planned(&table, &directory, &mappings);
        apply(&mut mappings, &first.changes);
        let second = planned(&table, &directory, &mappings);
        prop_assert_eq!(&second.changes, &[]);
        prop_assert_eq!(second.withheld, first.withheld);
    }

    #[test]
    fn nothing_unowned_protected_or_unproven_is_ever_changed_or_deleted(
        table in any_table(), directory in any_directory(false), mappings in any_mappings(),
    ) {
        let plan = planned(&table, &directory, &mappings);
        for change in &plan.changes {
            let Some(mapping) = mappings.get(&change.identity) else {
                prop_assert_eq!(change.action, Action::Create);
                continue;
            };
            prop_assert!(table.owns(0, &mapping.session_policy));
            prop_assert!(!table.protects(&change.identity, None, &directory));
            let about = |doubt: &&Doubt| doubt.concerns(&change.identity, false);
            prop_assert_eq!(plan.doubts.iter().find(about), None);
            prop_assert_eq!(change.previous_policy.as_deref(), Some(mapping.session_policy.as_str()));
        }
    }

    #[test]
    fn what_is_withheld_waits_for_doubts_about_whose_it_is_and_nothing_else_waits(
        table in any_table(), directory in any_directory(false), mappings in any_mappings(),
    ) {
        let plan = planned(&table, &directory, &mappings);
        for change in &plan.withheld {
            prop_assert!(plan.withholds(&change.identity));
            let mut doubts = plan.doubts_of(&change.identity).peekable();
            prop_assert!(doubts.peek().is_some());
            for doubt in doubts {
                let is_about = match change.action {
                    Action::Create => doubt.rule < change.rule,
                    Action::Update | Action::Delete => doubt.concerns(&change.identity, false),
                };
                prop_assert!(is_about, "{} for {}", change, doubt);
            }
        }
        for change in &plan.changes {
            prop_assert!(!plan.withholds(&change.identity));
            prop_assert_eq!(plan.doubts_of(&change.identity).count(), 0);
        }
    }

    #[test]
    fn only_what_takes_or_replaces_something_needs_proof(
        table in any_table(), directory in any_directory(false), mappings in any_mappings(),
    ) {
        let plan = planned(&table, &directory, &mappings);
        let [creations, updates, deletions] = [Action::Create, Action::Update, Action::Delete]
            .map(|action| plan.of(action).filter(|change| change.action == action).count());
        prop_assert_eq!(creations + updates + deletions, plan.changes.len());
        prop_assert_eq!(plan.needs_proof(), updates + deletions > 0);
    }

    #[test]
    fn a_plan_has_no_change_that_changes_nothing_and_none_twice(
        table in any_table(), directory in any_directory(false), mappings in any_mappings(),
    ) {
        let plan = planned(&table, &directory, &mappings);
        let who: BTreeSet<&Identity> = plan.changes.iter().map(|change| &change.identity).collect();
        prop_assert_eq!(who.len(), plan.changes.len());
        for change in &plan.changes {
            prop_assert_ne!(&change.session_policy, &change.previous_policy);
            prop_assert_eq!(change.rule.is_none(), change.action == Action::Delete);
        }
    }

    #[test]
    fn a_narrow_look_plans_the_same_for_whom_it_sees(
        table in any_table(), directory in any_directory(true), mappings in any_mappings(),
        seen in proptest::collection::btree_set((0..14_usize).prop_map(user), 1..4),
    ) {
        let mut narrow = directory.clone();
        narrow.members.clear();
        for user in &seen {
            let holds = |group: &usize| directory.members[&id(*group)].known().unwrap().contains(&user.id);
            let groups = [ENGINEERS, ANALYSTS].into_iter().filter(holds).map(id).collect();
            narrow.groups_of.insert(user.id.clone(), Answer::Is(groups));
        }
        let wide = planned(&table, &directory, &mappings);
        let actual = Actual { mappings, ..Actual::default() };
        let narrow = plan(&table, 0, &narrow, &Reach::Only(seen.clone()), &actual);
        let expected: Vec<Change> =
            wide.changes.into_iter().filter(|change| seen.contains(&change.identity)).collect();
        prop_assert_eq!(narrow.changes, expected);
    }

    #[test]
    fn a_doubt_never_makes_a_plan_larger(
        table in any_table(), directory in any_directory(false), mappings in any_mappings(),
    ) {
        let certain = planned(&table, &directory, &mappings);
        let doubt = Doubt::unread(Whom::All, None, "something".to_owned(), true);
        let actual = Actual { mappings, doubts: vec![doubt], ..Actual::default() };
        let doubtful = plan(&table, 0, &directory, &Reach::All, &actual);
        prop_assert!(doubtful.changes.iter().all(|change| certain.changes.contains(change)));
        prop_assert!(!doubtful.needs_proof());
    }
}

#[test]
fn users_and_groups_with_one_id_are_separate_identities() {
    let mut mappings = agreed();
    mappings.insert(user(ANALYSTS), mapping(ANALYST));
    let plan = planned(&table(|_| ()), &directory(), &mappings);
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.changes[0].identity.kind, IdentityType::User);
}

//! The rules that are found for mappings somebody made by hand: they say the
//! same, and there are few.

use std::collections::{BTreeMap, BTreeSet};

use emr_studio_sync::identity::{Id, Identity, IdentityType};
use emr_studio_sync::policy::Assign;
use emr_studio_sync::policy::adopt::{Found, rules};
use proptest::prelude::*;

/// Users are numbers, and so are groups and session policies.
#[derive(Clone, Debug)]
struct Case {
    users: BTreeMap<usize, usize>,
    mapped_groups: BTreeMap<usize, usize>,
    groups: Vec<BTreeSet<usize>>,
}

fn id(kind: char, number: usize) -> Id {
    Id::parse(&format!("{kind}0000000-0000-4000-8000-{number:012x}")).unwrap()
}

fn user(number: usize) -> Identity {
    Identity::user(id('a', number))
}

fn group(number: usize) -> Identity {
    Identity::group(id('b', number))
}

impl Case {
    fn mapped(&self) -> BTreeMap<Identity, String> {
        let users = self.users.iter().map(|(one, policy)| (user(*one), policy));
        let groups = self.mapped_groups.iter();
        let all = users.chain(groups.map(|(one, policy)| (group(*one), policy)));
        all.map(|(one, policy)| (one, policy.to_string())).collect()
    }

    fn members(&self) -> BTreeMap<Id, BTreeSet<Id>> {
        let members = |group: &BTreeSet<usize>| group.iter().map(|one| user(*one).id).collect();
        let groups = self.groups.iter().enumerate();
        groups
            .map(|(number, one)| (group(number).id, members(one)))
            .collect()
    }

    fn names(&self) -> BTreeMap<Identity, String> {
        let groups = (0..self.groups.len()).map(|number| (group(number), format!("g{number:03}")));
        let users = self.users.keys();
        groups
            .chain(users.map(|one| (user(*one), format!("u{one:03}"))))
            .collect()
    }

    fn rules(&self) -> Vec<Found> {
        rules(&self.mapped(), &self.members(), &self.names())
    }

    /// The rules as `group 3 -> 0`, in short.
    fn told(&self) -> String {
        let names = self.names();
        let line = |rule: &Found| {
            let exception = rule.before.clone().map(Identity::group);
            let exception = exception.map(|group| format!(", not as {}", names[&group]));
            format!(
                "{} {} -> {} ({}{})",
                rule.identity.kind,
                names[&rule.identity],
                rule.session_policy,
                rule.decides,
                exception.unwrap_or_default()
            )
        };
        self.rules().iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What a list of rules maps: the first that fits decides.
fn said(rules: &[Found], members: &BTreeMap<Id, BTreeSet<Id>>) -> BTreeMap<Identity, String> {
    let mut said = BTreeMap::new();
    for rule in rules {
        let fits: Vec<Identity> = match (rule.identity.kind, rule.assign) {
            (IdentityType::Group, Assign::Members) => {
                let members = members[&rule.identity.id].iter();
                members.cloned().map(Identity::user).collect()
            }
            _ => vec![rule.identity.clone()],
        };
        for identity in fits {
            said.entry(identity).or_insert(rule.session_policy.clone());
        }
    }
    said
}

/// `users` have policies, one digit each; `groups` are their members' numbers.
fn case(users: &str, groups: &[&[usize]]) -> Case {
    let users = users.bytes().enumerate();
    Case {
        users: users
            .map(|(one, policy)| (one, usize::from(policy - b'0')))
            .collect(),
        mapped_groups: BTreeMap::new(),
        groups: groups
            .iter()
            .map(|group| group.iter().copied().collect())
            .collect(),
    }
}

#[test]
fn a_group_stands_for_all_its_members() {
    let case = case("0000", &[&[0, 1, 2, 3], &[0, 1]]);
    assert_eq!(case.told(), "GROUP g000 -> 0 (4)");
}

#[test]
fn a_group_with_a_member_who_is_not_mapped_stands_for_nobody() {
    let case = case("000", &[&[0, 1, 2, 3]]);
    insta::assert_snapshot!(case.told(), @r"
    USER u000 -> 0 (1)
    USER u001 -> 0 (1)
    USER u002 -> 0 (1)
    ");
}

#[test]
fn an_exception_comes_before_its_group_and_the_rest_at_the_end() {
    let case = case("00001011", &[&[0, 1, 2, 3, 4, 5]]);
    insta::assert_snapshot!(case.told(), @r"
    USER u004 -> 1 (1, not as g000)
    GROUP g000 -> 0 (5)
    USER u006 -> 1 (1)
    USER u007 -> 1 (1)
    ");
}

#[test]
fn a_small_group_comes_before_the_large_one_it_is_an_exception_of() {
    let case = case("0000011110", &[&[0, 1, 2, 3, 4, 5, 6, 7, 8], &[5, 6, 7, 8]]);
    insta::assert_snapshot!(case.told(), @r"
    GROUP g001 -> 1 (4)
    GROUP g000 -> 0 (5)
    USER u009 -> 0 (1)
    ");
}

#[test]
fn groups_that_explain_many_come_first_and_of_equals_the_first_by_name() {
    let case = case("001110", &[&[0, 1], &[2, 3, 4], &[4, 3, 2], &[0, 5]]);
    insta::assert_snapshot!(case.told(), @r"
    GROUP g001 -> 1 (3)
    GROUP g000 -> 0 (2)
    USER u005 -> 0 (1)
    ");
}

#[test]
fn mapped_groups_have_a_rule_each() {
    let mut case = case("00", &[&[0, 1], &[1, 7]]);
    case.mapped_groups = BTreeMap::from([(1, 3)]);
    insta::assert_snapshot!(case.told(), @r"
    GROUP g001 -> 3 (1)
    GROUP g000 -> 0 (2)
    ");
}

fn cases(users: usize, groups: usize) -> impl Strategy<Value = Case> {
    let someone = proptest::collection::btree_map(0..users, 0..3_usize, 0..=users);
    let group = proptest::collection::btree_set(0..users, 0..=users);
    let mapped_groups = proptest::collection::btree_map(0..groups, 0..3_usize, 0..=2);
    (
        someone,
        mapped_groups,
        proptest::collection::vec(group, groups),
    )
        .prop_map(|(users, mapped_groups, mut groups)| {
            // Else hardly any group would have none but mapped members.
            for (number, group) in groups.iter_mut().enumerate() {
                if number % 3 > 0 {
                    group.retain(|one| users.contains_key(one));
                }
            }
            Case {
                users,
                mapped_groups,
                groups,
            }
        })
}

/// The fewest rules there can be: every list of groups and policies is tried.
fn fewest(case: &Case) -> usize {
    let fewest = |left: &BTreeMap<usize, usize>| left.len();
    // From the last rule to the first: each overrules those after it.
    fn go(case: &Case, decided: &BTreeMap<usize, usize>, used: &mut Vec<usize>, best: &mut usize) {
        let wrong = |one: &(&usize, &usize)| decided.get(one.0) != Some(one.1);
        let cost = used.len() + case.users.iter().filter(wrong).count();
        *best = cost.min(*best);
        for (number, group) in case.groups.iter().enumerate() {
            if used.contains(&number) || !group.iter().all(|one| case.users.contains_key(one)) {
                continue;
            }
            used.push(number);
            for policy in 0..3 {
                let mut decided = decided.clone();
                decided.extend(group.iter().map(|one| (*one, policy)));
                go(case, &decided, used, best);
            }
            used.pop();
        }
    }
    let mut best = fewest(&case.users);
    go(case, &BTreeMap::new(), &mut Vec::new(), &mut best);
    best + case.mapped_groups.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_say_just_what_was_mapped_and_none_could_be_left_out(case in cases(14, 12)) {
        let (mapped, members) = (case.mapped(), case.members());
        let rules = case.rules();
        prop_assert_eq!(&said(&rules, &members), &mapped);
        prop_assert!(rules.len() <= mapped.len());
        for index in 0..rules.len() {
            let mut fewer = rules.clone();
            fewer.remove(index);
            prop_assert_ne!(&said(&fewer, &members), &mapped, "without {:?}", rules[index]);
        }
        let decided: usize = rules.iter().map(|rule| rule.decides).sum();
        prop_assert_eq!(decided, mapped.len());
    }

    #[test]
    fn where_every_list_can_be_tried_none_is_shorter(case in cases(6, 4)) {
        prop_assert_eq!(case.rules().len(), fewest(&case), "{}", case.told());
    }
}

#[test]
fn a_hundred_users_in_three_hundred_groups_take_no_time() {
    // A linear congruence is random enough.
    let mut state = 1_usize;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let users: BTreeMap<usize, usize> = (0..100).map(|one| (one, next(4))).collect();
    let groups = (0..300).map(|_| {
        let (policy, most) = (next(4), 2 + next(30));
        let alike = |one: &usize| users[one] == policy;
        let members: BTreeSet<usize> = (0..most).map(|_| next(100)).collect();
        let strays = members.iter().copied().take(next(3));
        strays
            .chain(members.iter().copied().filter(alike))
            .collect()
    });
    let case = Case {
        groups: groups.collect(),
        users,
        mapped_groups: BTreeMap::new(),
    };
    let start = std::time::Instant::now();
    let rules = case.rules();
    let took = start.elapsed();
    println!("{} rules in {took:?}", rules.len());
    assert_eq!(said(&rules, &case.members()), case.mapped());
    assert!(
        took.as_secs() < 20,
        "{took:?}, although built for debugging"
    );
}

//! From mappings to rules: the shortest list of rules that says what a Studio
//! has already.
//!
//! A rule for the members of a group maps all of them. So only groups help whose
//! members are all mapped; those who have another session policy than the rule
//! gives are decided by rules before it.
//!
//! Which list is the shortest is a hard question in general. This one is made
//! greedily: as long as some rule, put at some place of the list, takes the
//! place of two others or more, the best such rule is put there. It is made
//! again from other beginnings, and the shortest is kept. Never longer than one
//! rule for each mapping, and no rule of it could be left out.

use std::collections::{BTreeMap, BTreeSet};

use super::Assign;
use crate::identity::{Id, Identity, IdentityType};

/// From how many beginnings a list is made.
const BEGINNINGS: usize = 48;

/// A rule that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whom it selects.
    pub identity: Identity,
    /// Whether it maps that identity itself, or its members.
    pub assign: Assign,
    /// The ARN of the session policy it gives.
    pub session_policy: String,
    /// How many mappings it decides. Rules before it may have decided on others
    /// that it fits too.
    pub decides: usize,
    /// The group whose rule comes later and would give this user another session
    /// policy.
    pub before: Option<Id>,
}

/// The rules for one Studio.
///
/// `mapped` has session policies by identity, `members` all members of the
/// groups that may serve, `names` what decides where two are as good: the first
/// by name, then by id.
pub fn rules(
    mapped: &BTreeMap<Identity, String>,
    members: &BTreeMap<Id, BTreeSet<Id>>,
    names: &BTreeMap<Identity, String>,
) -> Vec<Found> {
    let by_name = |identity: &Identity| (names.get(identity).cloned(), identity.clone());
    let of_kind = |kind| {
        let mut all: Vec<&Identity> = mapped.keys().filter(|one| one.kind == kind).collect();
        all.sort_by_cached_key(|one| by_name(one));
        all
    };
    let itself = |identity: &Identity, before: Option<Id>| Found {
        identity: identity.clone(),
        assign: match identity.kind {
            IdentityType::Group => Assign::Group,
            IdentityType::User => Assign::Members,
        },
        session_policy: mapped[identity].clone(),
        decides: 1,
        before,
    };
    let users = of_kind(IdentityType::User);
    let mut groups: Vec<(&Id, &BTreeSet<Id>)> = members.iter().collect();
    groups.sort_by_cached_key(|(id, _)| by_name(&Identity::group((*id).clone())));

    let search = Search::new(&users, mapped, &groups);
    let list = search.in_order(&search.shortest());
    let decided = search.rightly_decided(&list);

    let mut rules: Vec<Found> = of_kind(IdentityType::Group)
        .into_iter()
        .map(|group| itself(group, None))
        .collect();
    let (mut before, mut listed) = (search.nobody(), search.nobody());
    for choice in list.iter().map(|index| &search.choices[*index]) {
        // Who is an exception from this rule comes first.
        for (index, user) in users.iter().enumerate() {
            let is_exception = choice.users.has(index) && !decided.has(index);
            if is_exception && !listed.has(index) {
                listed.add(index);
                rules.push(itself(user, Some(choice.group.clone())));
            }
        }
        let fits = choice.users.without(&before).without(&listed);
        before = before.or(&choice.users);
        rules.push(Found {
            identity: Identity::group(choice.group.clone()),
            assign: Assign::Members,
            session_policy: choice.session_policy.clone(),
            decides: fits.count(),
            before: None,
        });
    }
    let rest = users.iter().enumerate();
    let rest = rest.filter(|(index, _)| !decided.has(*index) && !listed.has(*index));
    rules.extend(rest.map(|(_, user)| itself(user, None)));
    rules
}

/// A rule that could be in the list: a group and a session policy.
struct Choice {
    group: Id,
    session_policy: String,
    /// The members of the group.
    users: Users,
    /// Those of them who have that session policy.
    right: Users,
}

/// The search for the rules of groups. Whoever they don't decide, or decide
/// wrongly, has a rule of their own before all of them.
struct Search {
    users: usize,
    choices: Vec<Choice>,
}

impl Search {
    fn new(
        users: &[&Identity],
        mapped: &BTreeMap<Identity, String>,
        groups: &[(&Id, &BTreeSet<Id>)],
    ) -> Search {
        let places: BTreeMap<&Id, usize> = users
            .iter()
            .enumerate()
            .map(|(index, user)| (&user.id, index))
            .collect();
        let mut having: BTreeMap<&String, Users> = BTreeMap::new();
        for (index, user) in users.iter().enumerate() {
            let none = || Users::none(users.len());
            having.entry(&mapped[*user]).or_insert_with(none).add(index);
        }
        let mut search = Search {
            users: users.len(),
            choices: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for (group, members) in groups {
            let mut them = search.nobody();
            let all_are_mapped = members.iter().all(|user| {
                let place = places.get(user);
                place.map(|index| them.add(*index)).is_some()
            });
            if !all_are_mapped || !seen.insert(them.clone()) {
                continue;
            }
            for (session_policy, those) in &having {
                let right = them.and(those);
                // One user is as well mapped by a rule of their own.
                if right.count() > 1 {
                    search.choices.push(Choice {
                        group: (*group).clone(),
                        session_policy: (*session_policy).clone(),
                        users: them.clone(),
                        right,
                    });
                }
            }
        }
        search
    }

    fn nobody(&self) -> Users {
        Users::none(self.users)
    }

    /// The shortest list that is found, as indices of choices.
    fn shortest(&self) -> Vec<usize> {
        let mut best = self.improved(Vec::new());
        let mut beginnings: Vec<usize> = (0..self.choices.len()).collect();
        beginnings.sort_by_key(|index| usize::MAX - self.choices[*index].right.count());
        for beginning in beginnings.into_iter().take(BEGINNINGS) {
            let list = self.improved(vec![beginning]);
            if self.cost(&list) < self.cost(&best) {
                best = list;
            }
        }
        best
    }

    /// Makes a list shorter as long as one more rule, one rule less, or another
    /// one in its place does.
    fn improved(&self, mut list: Vec<usize>) -> Vec<usize> {
        loop {
            let cost = self.cost(&list);
            let shorter = self
                .with_one_more(&list)
                .filter(|longer| self.cost(longer) < cost)
                .or_else(|| {
                    let mut less = (0..list.len()).map(|place| without(&list, place));
                    less.find(|less| self.cost(less) < cost)
                })
                .or_else(|| {
                    let less = (0..list.len()).map(|place| without(&list, place));
                    let mut others = less.filter_map(|less| self.with_one_more(&less));
                    others.find(|other| self.cost(other) < cost)
                });
            match shorter {
                Some(shorter) => list = shorter,
                None => return list,
            }
        }
    }

    /// The list with the one choice more, at the one place, that decides most
    /// users rightly whom it didn't.
    fn with_one_more(&self, list: &[usize]) -> Option<Vec<usize>> {
        let right = self.rightly_decided(list);
        let mut before = vec![self.nobody()];
        for (place, index) in list.iter().enumerate() {
            before.push(before[place].or(&self.choices[*index].users));
        }
        let mut best: Option<(usize, usize, usize)> = None;
        for (index, choice) in self.choices.iter().enumerate() {
            for (place, before) in before.iter().enumerate() {
                let wins = choice.right.count_without(before, None);
                let loses = choice.users.count_without(before, Some(&right));
                let gain = wins.saturating_sub(loses);
                if gain > best.map_or(0, |(gain, ..)| gain) {
                    best = Some((gain, index, place));
                }
            }
        }
        let (_, index, place) = best?;
        let mut list = list.to_vec();
        list.insert(place, index);
        Some(list)
    }

    /// Who is decided by the list, and as they should be.
    fn rightly_decided(&self, list: &[usize]) -> Users {
        let (mut before, mut right) = (self.nobody(), self.nobody());
        for choice in list.iter().map(|index| &self.choices[*index]) {
            right = right.or(&choice.right.without(&before));
            before = before.or(&choice.users);
        }
        right
    }

    /// How many rules it takes: the list's, and one for each user it doesn't
    /// decide rightly.
    fn cost(&self, list: &[usize]) -> usize {
        list.len() + self.users - self.rightly_decided(list).count()
    }

    /// The list with rules that decide many first, as far as it means the same:
    /// of two that differ about somebody, the first stays the first.
    fn in_order(&self, list: &[usize]) -> Vec<usize> {
        let right = self.rightly_decided(list);
        let differ = |a: usize, b: usize| {
            let (a, b) = (&self.choices[a], &self.choices[b]);
            a.session_policy != b.session_policy && a.users.and(&b.users).and(&right).count() > 0
        };
        let (mut left, mut ordered) = (list.to_vec(), Vec::new());
        while !left.is_empty() {
            let may_be_next = |place: &usize| {
                let mut earlier = left[..*place].iter();
                !earlier.any(|earlier| differ(*earlier, left[*place]))
            };
            let next = (0..left.len()).filter(may_be_next).min_by_key(|place| {
                let index = left[*place];
                (usize::MAX - self.choices[index].right.count(), index)
            });
            // The first of all always may.
            ordered.push(left.remove(next.unwrap_or(0)));
        }
        ordered
    }
}

fn without(list: &[usize], place: usize) -> Vec<usize> {
    let mut list = list.to_vec();
    list.remove(place);
    list
}

/// A set of users, by their places in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Users(Vec<u64>);

impl Users {
    fn none(of: usize) -> Users {
        Users(vec![0; of.div_ceil(64)])
    }

    fn add(&mut self, user: usize) {
        self.0[user / 64] |= 1 << (user % 64);
    }

    fn has(&self, user: usize) -> bool {
        self.0[user / 64] & 1 << (user % 64) != 0
    }

    fn and(&self, other: &Users) -> Users {
        self.with(other, |ours, theirs| ours & theirs)
    }

    fn or(&self, other: &Users) -> Users {
        self.with(other, |ours, theirs| ours | theirs)
    }

    fn without(&self, other: &Users) -> Users {
        self.with(other, |ours, theirs| ours & !theirs)
    }

    fn with(&self, other: &Users, both: impl Fn(u64, u64) -> u64) -> Users {
        let pairs = self.0.iter().zip(&other.0);
        Users(pairs.map(|(ours, theirs)| both(*ours, *theirs)).collect())
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many are not in `out`, and in `only`, if it is given. The inmost
    /// question of the search.
    fn count_without(&self, out: &Users, only: Option<&Users>) -> usize {
        let word = |place: usize| {
            let only = only.map_or(u64::MAX, |only| only.0[place]);
            self.0[place] & !out.0[place] & only
        };
        (0..self.0.len())
            .map(|place| word(place).count_ones() as usize)
            .sum()
    }
}

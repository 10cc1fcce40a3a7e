//! The directory's own tables: users and groups, found by id and by name, and
//! memberships, found by group and by user. Nothing is looked for from end to end:
//! a store may have fifty thousand users.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Bound, Deref};

use super::records::{Group, Membership, User};

/// What has a name that is unique among its kind.
pub trait HasName {
    /// That name.
    fn name(&self) -> &str;
}

impl HasName for User {
    fn name(&self) -> &str {
        &self.name
    }
}

impl HasName for Group {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Users or groups, by id, to be read like a map.
#[derive(Clone, Debug)]
pub struct Named<T> {
    by_id: BTreeMap<String, T>,
    /// Ids, by names in lower case: two names may differ in nothing else.
    by_name: HashMap<String, BTreeSet<String>>,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named {
            by_id: BTreeMap::new(),
            by_name: HashMap::new(),
        }
    }
}

impl<T> Deref for Named<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &BTreeMap<String, T> {
        &self.by_id
    }
}

impl<'a, T> IntoIterator for &'a Named<T> {
    type Item = (&'a String, &'a T);
    type IntoIter = std::collections::btree_map::Iter<'a, String, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_id.iter()
    }
}

impl<T: HasName> Named<T> {
    /// One of them, to be changed in all but its name, which is what it is found by.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.by_id.get_mut(id)
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Named::default();
    }

    pub(super) fn insert(&mut self, id: String, one: T) {
        self.remove(&id);
        let name = one.name().to_lowercase();
        self.by_name.entry(name).or_default().insert(id.clone());
        self.by_id.insert(id, one);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let one = self.by_id.remove(id)?;
        let name = one.name().to_lowercase();
        if let Some(ids) = self.by_name.get_mut(&name) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_name.remove(&name);
            }
        }
        Some(one)
    }

    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut T)) {
        if let Some(mut one) = self.remove(id) {
            change(&mut one);
            self.insert(id.to_owned(), one);
        }
    }

    /// The id of whoever bears exactly this name.
    pub(super) fn called(&self, name: &str) -> Option<&str> {
        let mut ids = self.called_in_any_case(name);
        ids.find(|id| self.by_id.get(*id).is_some_and(|one| one.name() == name))
    }

    /// The ids of those whose names differ from this at most in case.
    pub(super) fn called_in_any_case(&self, name: &str) -> impl Iterator<Item = &str> {
        let ids = self.by_name.get(&name.to_lowercase());
        ids.into_iter().flatten().map(String::as_str)
    }
}

/// Memberships, by id, to be read like a map.
#[derive(Clone, Debug, Default)]
pub struct Memberships {
    by_id: BTreeMap<String, Membership>,
    /// Their ids, by group.
    by_group: HashMap<String, BTreeSet<String>>,
    /// Their ids, by user and group.
    by_user: HashMap<String, BTreeMap<String, String>>,
}

impl Deref for Memberships {
    type Target = BTreeMap<String, Membership>;

    fn deref(&self) -> &BTreeMap<String, Membership> {
        &self.by_id
    }
}

impl<'a> IntoIterator for &'a Memberships {
    type Item = (&'a String, &'a Membership);
    type IntoIter = std::collections::btree_map::Iter<'a, String, Membership>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_id.iter()
    }
}

impl Memberships {
    /// One of them, to be changed in all but whom it is about.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Membership> {
        self.by_id.get_mut(id)
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        *self = Memberships::default();
    }

    pub(super) fn insert(&mut self, id: String, membership: Membership) {
        let Membership { group, user, .. } = &membership;
        let of_group = self.by_group.entry(group.clone()).or_default();
        of_group.insert(id.clone());
        let of_user = self.by_user.entry(user.clone()).or_default();
        of_user.insert(group.clone(), id.clone());
        self.by_id.insert(id, membership);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Membership> {
        let membership = self.by_id.remove(id)?;
        if let Some(ids) = self.by_group.get_mut(&membership.group) {
            ids.remove(id);
        }
        if let Some(ids) = self.by_user.get_mut(&membership.user) {
            ids.remove(&membership.group);
        }
        Some(membership)
    }

    pub(super) fn remove_group(&mut self, group: &str) {
        for id in self.by_group.remove(group).unwrap_or_default() {
            self.remove(&id);
        }
    }

    pub(super) fn remove_user(&mut self, user: &str) {
        for id in self.by_user.remove(user).unwrap_or_default().into_values() {
            self.remove(&id);
        }
    }

    /// The id of the membership of a user in a group.
    pub(super) fn of(&self, group: &str, user: &str) -> Option<&str> {
        Some(self.by_user.get(user)?.get(group)?)
    }

    /// Those of a group, by id, from one on.
    pub(super) fn of_group<'a>(
        &'a self,
        group: &str,
        from: Bound<&str>,
    ) -> impl Iterator<Item = (&'a String, &'a Membership)> + use<'a> {
        let ids = self.by_group.get(group);
        let ids = ids.map(|ids| ids.range::<str, _>((from, Bound::Unbounded)));
        let ids = ids.into_iter().flatten();
        ids.filter_map(|id| self.by_id.get_key_value(id))
    }

    /// Those of a user, by id.
    pub(super) fn of_user(&self, user: &str) -> BTreeMap<&str, &Membership> {
        let ids = self.by_user.get(user).into_iter();
        let ids = ids.flat_map(BTreeMap::values);
        let known = ids.filter_map(|id| self.by_id.get_key_value(id));
        known
            .map(|(id, membership)| (id.as_str(), membership))
            .collect()
    }
}

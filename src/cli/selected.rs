//! What an exported directory was asked for. Of anything else it says nothing: that a
//! group is not in it does not mean then that there is none.

use crate::emulator::{Selected, World};
use crate::policy::{Assign, Selector, Table};

/// What is asked for by a table.
pub(super) fn selected(table: &Table) -> Selected {
    let mut selected = Selected::default();
    for selector in table.selectors() {
        match selector {
            Selector::Group(pattern) => selected.groups.insert(pattern.as_str().to_owned()),
            Selector::GroupId(id) => selected.group_ids.insert(id.to_string()),
            Selector::User(name) => selected.users.insert(name.clone()),
            Selector::UserId(id) => selected.user_ids.insert(id.to_string()),
        };
    }
    selected
}

/// Whether it was asked for.
fn has(selected: &Selected, select: &Selector) -> bool {
    match select {
        Selector::Group(pattern) => selected.groups.contains(pattern.as_str()),
        Selector::GroupId(id) => selected.group_ids.contains(id.as_str()),
        Selector::User(name) => selected.users.contains(name),
        Selector::UserId(id) => selected.user_ids.contains(id.as_str()),
    }
}

/// Whether it is there: a group with all who are in it. More may fit a pattern.
fn is_in(world: &World, select: &Selector) -> bool {
    match select {
        Selector::Group(pattern) => pattern
            .exact()
            .is_some_and(|name| world.groups.values().any(|group| group.name == name)),
        Selector::GroupId(id) => world.groups.contains_key(id.as_str()),
        Selector::User(name) => world.users.values().any(|user| user.name == *name),
        Selector::UserId(id) => world.users.contains_key(id.as_str()),
    }
}

/// A rule, or an entry of `protect`, for which the directory has to be asked.
pub(super) struct Entry<'t> {
    /// `rules[2]`
    pub(super) place: String,
    pub(super) select: &'t Selector,
    pub(super) assign: Option<Assign>,
    /// A rule's place, its Studio's, and its session policy.
    pub(super) rule: Option<(usize, usize, &'t str)>,
}

impl<'t> Entry<'t> {
    pub(super) fn all_of(table: &'t Table) -> impl Iterator<Item = Entry<'t>> {
        let rules = table.rules.iter().enumerate().map(|(index, rule)| Entry {
            place: format!("rules[{index}]"),
            select: &rule.select,
            assign: Some(rule.assign),
            rule: Some((index, rule.studio, rule.session_policy.as_str())),
        });
        let protect = table.protect.iter().enumerate();
        let protect = protect.filter(|(_, entry)| entry.needs_directory());
        rules.chain(protect.map(|(index, entry)| Entry {
            place: format!("protect[{index}]"),
            select: &entry.select,
            assign: entry.assign,
            rule: None,
        }))
    }

    /// Whether the directory was exported without asking for it, and it did not come in
    /// with others; a directory that was written by hand is all there is.
    pub(super) fn is_left_out(&self, of: Option<&Selected>, world: &World) -> bool {
        of.is_some_and(|selected| !has(selected, self.select)) && !is_in(world, self.select)
    }
}

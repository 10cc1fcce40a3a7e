//! What can happen: in the directory, with an event that tells of it or not; and
//! to mappings, by other hands.

use emr_studio_sync::emulator::{IdentityType, World};
use fastrand::Rng;
use serde_json::{Value, json};

use super::case::{GONE, GROUP_NAMES, POLICIES, STUDIOS, USER_NAMES, one_of};
use crate::support::{event, group_event, member_added, member_removed, user_event};

/// Users and groups are meant by their places among those that are there then.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Join {
        user: usize,
        group: usize,
    },
    Leave(usize),
    RenameGroup {
        group: usize,
        to: usize,
    },
    RenameUser {
        user: usize,
        to: usize,
    },
    CreateGroup(usize),
    DeleteGroup(usize),
    CreateUser(usize),
    DeleteUser(usize),
    Disable(usize),
    Enable(usize),
    /// Somebody maps by hand: who is already, gets another policy.
    Map {
        studio: usize,
        user: Option<usize>,
        group: Option<usize>,
        policy: usize,
    },
    /// Somebody deletes a mapping by hand.
    Unmap(usize),
}

pub(super) fn in_directory(rng: &mut Rng) -> Happening {
    let (user, group) = (rng.usize(..99), rng.usize(..99));
    let (user_name, group_name) = (
        rng.usize(..USER_NAMES.len()),
        rng.usize(..GROUP_NAMES.len()),
    );
    match rng.usize(..17) {
        0..=4 => Happening::Join { user, group },
        5..=8 => Happening::Leave(user),
        9 => Happening::RenameGroup {
            group,
            to: group_name,
        },
        10 => Happening::RenameUser {
            user,
            to: user_name,
        },
        11 => Happening::CreateGroup(group_name),
        12 => Happening::DeleteGroup(group),
        13 => Happening::CreateUser(user_name),
        14 => Happening::DeleteUser(user),
        15 => Happening::Disable(user),
        _ => Happening::Enable(user),
    }
}

pub(super) fn by_hand(rng: &mut Rng) -> Happening {
    match rng.usize(..3) {
        0 => Happening::Unmap(rng.usize(..99)),
        _ => {
            let of_group = rng.u8(..4) == 0;
            let gone = rng.u8(..12) == 0;
            let who = Some(rng.usize(..99)).filter(|_| !gone);
            Happening::Map {
                studio: rng.usize(..STUDIOS.len()),
                user: who.filter(|_| !of_group),
                group: who.filter(|_| of_group),
                policy: rng.usize(..POLICIES.len()),
            }
        }
    }
}

/// How an event names what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// As much is hidden as ever is.
    Nameless,
}

/// Lets it happen; the event that tells of it, if it could happen and any does.
pub(super) fn happen(world: &mut World, happening: &Happening, form: Form) -> Option<Value> {
    let user = |world: &World, at: usize| nth(world.users.keys(), at);
    let group = |world: &World, at: usize| nth(world.groups.keys(), at);
    match happening {
        Happening::Join {
            user: who,
            group: to,
        } => {
            let (user, group) = (user(world, *who)?, group(world, *to)?);
            world.add_member(&group, &user).ok()?;
            Some(match form {
                Form::Whole => member_added(&group, &user),
                Form::Nameless => group_event("PatchGroup", &group),
            })
        }
        Happening::Leave(at) => {
            let id = nth(world.memberships.keys(), *at)?;
            let membership = world.memberships.get(&id)?.clone();
            world.remove_membership(&id).ok()?;
            Some(match form {
                Form::Whole => member_removed(&membership.group, &membership.user),
                Form::Nameless => event(
                    "DeleteGroupMembership",
                    json!({ "membershipId": id }),
                    Value::Null,
                ),
            })
        }
        Happening::RenameGroup { group: who, to } => {
            let group = group(world, *who)?;
            is_free(world.groups.values().map(|one| &one.name), GROUP_NAMES[*to])?;
            world.rename_group(&group, GROUP_NAMES[*to]).ok()?;
            Some(group_event("UpdateGroup", &group))
        }
        Happening::RenameUser { user: who, to } => {
            let user = user(world, *who)?;
            is_free(world.users.values().map(|one| &one.name), USER_NAMES[*to])?;
            world.rename_user(&user, USER_NAMES[*to]).ok()?;
            Some(user_event("UpdateUser", &user))
        }
        Happening::CreateGroup(name) => {
            is_free(
                world.groups.values().map(|one| &one.name),
                GROUP_NAMES[*name],
            )?;
            let group = world.add_group(GROUP_NAMES[*name]).ok()?;
            Some(event("CreateGroup", json!({}), json!({ "groupId": group })))
        }
        Happening::DeleteGroup(who) => {
            let group = group(world, *who)?;
            world.delete_group(&group).ok()?;
            Some(group_event("DeleteGroup", &group))
        }
        Happening::CreateUser(name) => {
            is_free(world.users.values().map(|one| &one.name), USER_NAMES[*name])?;
            let user = world.add_user(USER_NAMES[*name]).ok()?;
            Some(event("CreateUser", json!({}), json!({ "userId": user })))
        }
        Happening::DeleteUser(who) => {
            let user = user(world, *who)?;
            world.delete_user(&user).ok()?;
            Some(user_event("DeleteUser", &user))
        }
        Happening::Disable(who) => {
            let user = user(world, *who)?;
            world.set_user_enabled(&user, false).ok()?;
            Some(user_event("DisableUser", &user))
        }
        Happening::Enable(who) => {
            let user = user(world, *who)?;
            world.set_user_enabled(&user, true).ok()?;
            Some(user_event("EnableUser", &user))
        }
        Happening::Map {
            studio,
            user: whom,
            group: which,
            policy,
        } => {
            let (kind, id) = match (whom, which) {
                (Some(at), _) => (IdentityType::User, user(world, *at)?),
                (None, Some(at)) => (IdentityType::Group, group(world, *at)?),
                (None, None) => (IdentityType::User, GONE.to_owned()),
            };
            world
                .map(STUDIOS[*studio], kind, &id, POLICIES[*policy])
                .ok()?;
            None
        }
        Happening::Unmap(at) => {
            let mut keys = world.mappings.keys();
            let length = keys.len();
            let key = keys.nth(at.checked_rem(length)?)?.clone();
            world.mappings.remove(&key);
            None
        }
    }
}

/// Names are told apart by more than their case.
fn is_free<'a>(mut names: impl Iterator<Item = &'a String>, name: &str) -> Option<()> {
    let is_it = |other: &String| other.to_lowercase() == name.to_lowercase();
    (!names.any(is_it)).then_some(())
}

fn nth<'a>(mut ids: impl ExactSizeIterator<Item = &'a String>, at: usize) -> Option<String> {
    let at = at.checked_rem(ids.len())?;
    ids.nth(at).cloned()
}

/// What becomes of an event on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Once,
    Twice,
    /// It comes with a later step's, behind them.
    Late,
}

pub(super) fn fate(rng: &mut Rng) -> Fate {
    *one_of(
        rng,
        &[Fate::Lost, Fate::Once, Fate::Once, Fate::Twice, Fate::Late],
    )
}

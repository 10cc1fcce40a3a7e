//! Who works at the company, and what becomes of them. Whatever happens gives the
//! event that tells of it.

use emr_studio_sync::emulator::World;
use serde_json::{Value, json};

use crate::support::{self, ANALYTICS, SCIENCE, group_event, member_added, member_removed};

/// A directory with so many people in each group, and two Studios without anybody.
/// The members of `science` are `science-0` and on.
pub fn staff(groups: &[(&str, usize)]) -> World {
    let mut world = World::default();
    world.add_studio(ANALYTICS).unwrap();
    world.add_studio(SCIENCE).unwrap();
    for group in ["data-engineers", "science"] {
        world.add_group(group).unwrap();
    }
    for (group, count) in groups {
        let _ = world.add_group(group);
        for number in 0..*count {
            let name = format!("{group}-{number}");
            world.add_user(&name).unwrap();
            world.add_member(group, &name).unwrap();
        }
    }
    world
}

/// A company of fifty.
pub fn fifty() -> World {
    let mut world = staff(&[
        ("data-engineers", 10),
        ("data-analysts", 20),
        ("science", 20),
    ]);
    for name in ["newcomer-0", "newcomer-1", "newcomer-2", "newcomer-3"] {
        world.add_user(name).unwrap();
    }
    world
}

pub fn joins(world: &mut World, group: &str, user: &str) -> Value {
    world.add_member(group, user).unwrap();
    member_added(
        &world.group_id(group).unwrap(),
        &world.user_id(user).unwrap(),
    )
}

pub fn leaves(world: &mut World, group: &str, user: &str) -> Value {
    world.remove_member(group, user).unwrap();
    member_removed(
        &world.group_id(group).unwrap(),
        &world.user_id(user).unwrap(),
    )
}

/// Joins if they are not in the group, and leaves if they are.
pub fn joins_or_leaves(world: &mut World, group: &str, user: &str) -> Value {
    let (group_id, user_id) = (world.group_id(group).unwrap(), world.user_id(user).unwrap());
    match world.membership_id(&group_id, &user_id) {
        Some(_) => leaves(world, group, user),
        None => joins(world, group, user),
    }
}

/// An event that names neither a group nor a user.
pub fn nameless() -> Value {
    support::event("DeleteGroupMembership", json!({}), Value::Null)
}

/// An event that names only a group.
pub fn of_group(group_id: &str) -> Value {
    group_event("PatchGroup", group_id)
}

//! Days of random life: people and groups come and go, events are lost, late,
//! doubled or nameless, services fail, and processes die.

use std::time::Duration;

use emr_studio_sync::emulator::{Fault, FaultKind, IdentityType, World};
use fastrand::Rng;
use serde_json::{Value, json};

use super::clock::{hours, minutes, ms, now_ms, seconds};
use super::company::{Company, Lives};
use super::levels::Level;
use super::people::{fifty, joins, leaves, nameless, of_group};
use crate::support::{ANALYTICS, FOREIGN, SCIENCE, group_event, user_event};

/// The groups that may have another name for a while, and that name.
const RENAMED: [(&str, &str); 3] = [
    ("data-engineers", "engineers"),
    ("science", "data-science"),
    ("data-ops", "ops"),
];

pub async fn of_two_days(seed: u64) -> Vec<Level> {
    let mut company = Company::new(at_first(), json!({})).await;
    let mut chance = Rng::with_seed(seed);
    company.lives = Lives::ByChance(chance.fork());
    company.live(hours(1)).await;
    let end_ms = now_ms() + ms(hours(48));
    while now_ms() < end_ms {
        company.live(seconds(chance.u64(5..1200))).await;
        something_happens(&mut company, &mut chance);
        if chance.u8(..20) == 0 {
            something_fails(&mut company, &mut chance);
        }
        if chance.u8(..30) == 0 {
            company.approve().await;
        }
        company.calls();
    }
    company.recover();
    company.world(|world| {
        for (name, other) in RENAMED {
            let _ = world.rename_group(other, name);
        }
    });
    // What is held goes once the deletions before it are an hour ago; or a person
    // lets it.
    company.live(hours(2)).await;
    company.approve().await;
    assert_eq!(company.wrong(), [""; 0], "seed {seed}");
    let witness = company.witness.lock().unwrap();
    vec![
        Level::at_most(
            "two random days: deletions in an hour beyond what the guard lets through",
            0,
            witness.most_over_the_guard(),
        ),
        Level::at_most(
            "two random days: writes to mappings that are not the table's",
            0,
            witness.trespasses.len(),
        ),
    ]
}

fn at_first() -> World {
    let mut world = fifty();
    for group in ["data-ops", "finance"] {
        world.add_group(group).unwrap();
    }
    for (studio, who) in [
        (ANALYTICS, "data-analysts-0"),
        (ANALYTICS, "science-0"),
        (SCIENCE, "science-1"),
        (SCIENCE, "data-engineers-0"),
    ] {
        world.map(studio, IdentityType::User, who, FOREIGN).unwrap();
    }
    world
}

/// Something happens, and its event goes its way, or does not.
fn something_happens(company: &mut Company, chance: &mut Rng) {
    let Some(event) = company.world(|world| happens(world, chance)) else {
        return;
    };
    match chance.u8(..20) {
        0 | 1 => {}
        2 | 3 => {
            company.tell(event.clone());
            company.tell(event);
        }
        4 | 5 => company.tell_in(seconds(chance.u64(60..5400)), event),
        6 => company.tell(nameless()),
        7 => match event["detail"]["requestParameters"]["groupId"].as_str() {
            Some(group) => company.tell(of_group(group)),
            None => company.tell(nameless()),
        },
        _ => company.tell(event),
    }
}

fn happens(world: &mut World, chance: &mut Rng) -> Option<Value> {
    let users: Vec<String> = world.users.values().map(|user| user.name.clone()).collect();
    let groups: Vec<String> = world
        .groups
        .values()
        .map(|group| group.name.clone())
        .collect();
    let user = chance.choice(&users)?;
    let group = chance.choice(&groups)?;
    let is_in = |world: &World, group: &str| {
        let ids = (world.group_id(group).unwrap(), world.user_id(user).unwrap());
        world.membership_id(&ids.0, &ids.1).is_some()
    };
    match chance.u8(..20) {
        // A leaver, or a joiner.
        0..12 if is_in(world, group) => Some(leaves(world, group, user)),
        0..12 => Some(joins(world, group, user)),
        // A mover: of one of the two nobody hears.
        12..14 if !is_in(world, group) => {
            let from = groups.iter().find(|from| is_in(world, from))?;
            let left = leaves(world, from, user);
            let joined = joins(world, group, user);
            Some(if chance.bool() { left } else { joined })
        }
        12..15 => {
            let id = world.user_id(user).unwrap();
            world.delete_user(&id).unwrap();
            Some(user_event("DeleteUser", &id))
        }
        15 | 16 => {
            let name = format!("hired-{}", world.minted.users);
            world.add_user(&name).unwrap();
            Some(joins(world, group, &name))
        }
        17 => {
            let id = world.user_id(user).unwrap();
            world.rename_user(&id, &format!("{user}'")).unwrap();
            Some(user_event("UpdateUser", &id))
        }
        18 => {
            let (name, other) = *chance.choice(RENAMED.iter())?;
            let (from, to) = match world.group_id(name) {
                Ok(_) => (name, other),
                Err(_) => (other, name),
            };
            let id = world.group_id(from).ok()?;
            world.rename_group(&id, to).unwrap();
            Some(group_event("UpdateGroup", &id))
        }
        _ => match world.group_id("data-new") {
            Ok(id) => {
                world.delete_group(&id).unwrap();
                Some(group_event("DeleteGroup", &id))
            }
            Err(_) => {
                let id = world.add_group("data-new").unwrap();
                Some(group_event("CreateGroup", &id))
            }
        },
    }
}

/// Something fails for a while.
fn something_fails(company: &mut Company, chance: &mut Rng) {
    let (hour, ten) = (hours(1), minutes(10));
    let kind = match chance.bool() {
        true => FaultKind::ServerError,
        false => FaultKind::Latency(seconds(60)),
    };
    let users: Vec<String> = company.world(|world| world.users.keys().cloned().collect());
    let mut suffer = |fault: Fault, for_: Duration| company.suffer(fault, for_);
    match chance.u8(..6) {
        0 => suffer(
            Fault::on("*", kind).containing(&users[chance.usize(..users.len())]),
            hour,
        ),
        1 => suffer(Fault::on("emr", kind).containing(SCIENCE), hour),
        2 => suffer(Fault::on("emr", kind), ten),
        3 => suffer(Fault::on("identitystore", kind), ten),
        4 => suffer(Fault::on("emr", FaultKind::Throttle).probability(0.8), ten),
        _ => {
            for kind in [
                FaultKind::Throttle,
                FaultKind::ServerError,
                FaultKind::DropBefore,
                FaultKind::DropAfter,
                FaultKind::Garbage,
                FaultKind::EmptyObject,
                FaultKind::Truncated,
            ] {
                suffer(Fault::on("*", kind).probability(0.03), hour);
            }
        }
    }
}

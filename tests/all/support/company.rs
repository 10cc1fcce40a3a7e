//! A company of any size, its Studios and a table for them.

use std::collections::BTreeMap;
use std::time::Duration;

use emr_studio_sync::emulator::{IdentityType, World};
use serde_json::{Value, json};

const ENGINEER: &str = "arn:aws:iam::111122223333:policy/studio-engineer";

/// EMR gives its lists in pages of so many, the Identity Store in pages of a hundred.
const MAPPINGS_A_PAGE: usize = 50;
const ROWS_A_PAGE: usize = 100;

/// A company: Studios, of which each takes in the members of some groups of its own.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    pub studios: usize,
    pub groups_a_studio: usize,
    pub users_a_group: usize,
    /// Groups that are none of the table's, each of ten users.
    pub other_groups: usize,
    pub users: usize,
}

impl Company {
    /// Everybody whom the table wants mapped.
    pub fn wanted(&self) -> usize {
        self.studios * self.users_a_studio()
    }

    pub fn users_a_studio(&self) -> usize {
        self.groups_a_studio * self.users_a_group
    }

    pub fn groups(&self) -> usize {
        self.studios * self.groups_a_studio
    }

    /// What a full pass of a new process asks, if everybody is mapped already.
    pub fn reads(&self) -> BTreeMap<String, usize> {
        let pages = |rows: usize, page: usize| rows.div_ceil(page).max(1);
        let mappings = pages(self.users_a_studio(), MAPPINGS_A_PAGE);
        let members = pages(self.users_a_group, ROWS_A_PAGE);
        let calls = [
            ("DescribeStudio", self.studios),
            ("ListStudioSessionMappings", self.studios * mappings),
            ("GetGroupId", self.groups()),
            ("ListGroupMemberships", self.groups() * members),
        ];
        calls.map(|(call, count)| (call.to_owned(), count)).into()
    }

    /// How long so many calls of EMR take at the least, by the pace of the table.
    pub fn pace_takes(&self, emr_calls: usize) -> Duration {
        Duration::from_secs_f64((emr_calls as f64 - 10.0).max(0.0) / 4.0)
    }

    /// The directory and the Studios, and a table for them at the pace that is the
    /// default. `mapped`: everybody is, as the table says.
    pub fn build(&self, mapped: bool) -> (World, Value) {
        let mut world = World::default();
        let users: Vec<String> = (0..self.users)
            .map(|number| world.add_user(&format!("user-{number:06}")).unwrap())
            .collect();
        let mut table = json!({
            "studios": {}, "rules": [],
            "session_policies": { "engineer": ENGINEER },
        });
        let group = |world: &mut World, number: usize, size: usize, from: usize| {
            let name = format!("group-{number:05}");
            let id = world.add_group(&name).unwrap();
            let members = (0..size).map(|offset| users[(from + offset) % users.len()].clone());
            let members: Vec<String> = members.collect();
            for user in &members {
                world.add_member(&id, user).unwrap();
            }
            (name, members)
        };
        for studio in 0..self.studios {
            let (alias, id) = (format!("studio-{studio:03}"), format!("es-{studio:025}"));
            world.add_studio(&id).unwrap();
            table["studios"][&alias] = json!({ "id": id });
            for of_studio in 0..self.groups_a_studio {
                let number = studio * self.groups_a_studio + of_studio;
                let from = number * self.users_a_group;
                let (name, members) = group(&mut world, number, self.users_a_group, from);
                table["rules"].as_array_mut().unwrap().push(json!({
                    "group": name, "studio": alias, "session_policy": "engineer",
                    "assign": "members",
                }));
                for user in members.iter().filter(|_| mapped) {
                    world.map(&id, IdentityType::User, user, ENGINEER).unwrap();
                }
            }
        }
        for number in 0..self.other_groups {
            group(&mut world, self.groups() + number, 10, number * 7);
        }
        (world, table)
    }
}

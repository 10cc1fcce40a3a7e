//! What the table says of a world, worked out by other means than the engine's.

use std::collections::{BTreeMap, BTreeSet};

use emr_studio_sync::emulator::{IdentityType, World};
use serde_json::{Value, json};

use crate::support::{ANALYST, ANALYTICS, ENGINEER, FOREIGN, SCIENCE};

/// A rule: a group's name, or how it begins where a `*` ends it; the Studio; the
/// session policy; and whether the group itself is mapped.
struct Rule(&'static str, &'static str, &'static str, bool);

const RULES: [Rule; 4] = [
    Rule("data-engineers", ANALYTICS, ENGINEER, false),
    Rule("data-*", ANALYTICS, ANALYST, false),
    Rule("science", SCIENCE, ENGINEER, false),
    Rule("data-engineers", SCIENCE, ANALYST, true),
];

/// The table, at the pace that the function has by default.
pub fn table(deletions: Value) -> Value {
    let rules = RULES.iter().map(|Rule(group, studio, policy, itself)| {
        let assign = if *itself { "group" } else { "members" };
        json!({ "group": group, "studio": studio, "session_policy": policy, "assign": assign })
    });
    json!({
        "studios": { "analytics": { "id": ANALYTICS }, "science": { "id": SCIENCE } },
        "session_policies": { "engineer": ENGINEER, "analyst": ANALYST },
        "rules": rules.collect::<Vec<_>>(),
        "deletions": deletions,
    })
}

type Mapped = BTreeMap<(String, IdentityType, String), String>;

/// What should be mapped: rule by rule, in reverse, so that the first has the last
/// word.
fn said(world: &World) -> Mapped {
    let mut said = Mapped::new();
    for Rule(name, studio, policy, itself) in RULES.iter().rev() {
        let fits = |group: &str| match name.strip_suffix('*') {
            Some(begin) => group.starts_with(begin),
            None => group == *name,
        };
        let groups = world.groups.iter().filter(|(_, group)| fits(&group.name));
        let groups: BTreeSet<&String> = groups.map(|(id, _)| id).collect();
        let members = world.memberships.values();
        let members = members.filter(|one| groups.contains(&one.group));
        let (kind, whom): (_, BTreeSet<&String>) = match itself {
            true => (IdentityType::Group, groups),
            false => (IdentityType::User, members.map(|one| &one.user).collect()),
        };
        for id in whom {
            let key = ((*studio).to_owned(), kind, id.clone());
            said.insert(key, (*policy).to_owned());
        }
    }
    said
}

/// Where a world is not as the table says, in words.
pub fn wrong(world: &World) -> Vec<String> {
    let said = said(world);
    let is = |key: &_| {
        world
            .mappings
            .get(key)
            .map(|mapping| &*mapping.session_policy_arn)
    };
    let keys: BTreeSet<_> = said.keys().chain(world.mappings.keys()).collect();
    let differs = keys.into_iter().filter(|key| {
        let is = is(key);
        // What is somebody's own stays so, whatever the table says.
        is != Some(FOREIGN) && is != said.get(*key).map(String::as_str)
    });
    let line = |key: &(String, IdentityType, String)| {
        let name = world.identity_name(key.1, &key.2).unwrap_or("(gone)");
        format!(
            "{} {} {name}: {:?} and not {:?}",
            key.0,
            key.2,
            is(key),
            said.get(key)
        )
    };
    differs.map(line).collect()
}

/// Whether it is as the table says for one identity.
pub fn is_right_for(world: &World, id: &str) -> bool {
    !wrong(world).iter().any(|line| line.contains(id))
}

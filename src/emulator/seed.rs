//! The seed file: a world, and a story of what happens in it.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::deployment::Deployment;
use super::records::{AuthMode, IdentityType, UserAssignment};
use super::settings::Settings;
use super::world::World;

/// What a seed file comes to.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The world as the story begins.
    pub world: World,
    /// What happens later, in the file's order; see [`World::play`].
    pub story: Vec<Step>,
    /// What an exported directory was asked for.
    pub selected: Option<Selected>,
}

/// The names, patterns and ids that an export was asked for: of what they do not take
/// in, it says nothing. A file that somebody wrote is all there is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selected {
    /// Groups, by display name or pattern.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Groups, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub group_ids: BTreeSet<String>,
    /// Users, by user name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub users: BTreeSet<String>,
    /// Users, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub user_ids: BTreeSet<String>,
}

/// What happens in the directory just before an event arrives. Several steps may
/// come before the same event.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The event's file name, for example `02-joiner.json`.
    pub before: String,
    /// A new user.
    pub create_user: Option<NewIdentity>,
    /// A new group.
    pub create_group: Option<NewIdentity>,
    /// A user gets another name.
    pub rename_user: Option<RenameUser>,
    /// A group gets another name.
    pub rename_group: Option<RenameGroup>,
    /// A user may not sign in any more.
    pub disable_user: Option<String>,
    /// A user may sign in again.
    pub enable_user: Option<String>,
    /// Users join groups.
    #[serde(default)]
    pub add_members: Vec<Member>,
    /// Users leave groups.
    #[serde(default)]
    pub remove_members: Vec<Member>,
    /// A user is deleted.
    pub delete_user: Option<String>,
    /// A group is deleted.
    pub delete_group: Option<String>,
}

/// A user or a group to be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewIdentity {
    /// Made up if it is not given.
    pub id: Option<String>,
    /// The user name or display name.
    pub name: String,
}

/// A user's change of name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameUser {
    /// The user, by id or name.
    pub user: String,
    /// The new name.
    pub to: String,
}

/// A group's change of name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenameGroup {
    /// The group, by id or name.
    pub group: String,
    /// The new name.
    pub to: String,
}

/// A user and a group, by id or name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The group.
    pub group: String,
    /// The user.
    pub user: String,
    /// Made up if it is not given.
    pub membership_id: Option<String>,
}

/// A seed file, as it is read and as `export` writes it.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) identity_store_id: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) selected: Option<Selected>,
    #[serde(default)]
    pub(crate) users: Vec<SeedUser>,
    #[serde(default)]
    pub(crate) groups: Vec<SeedGroup>,
    #[serde(default)]
    pub(crate) studios: Vec<SeedStudio>,
    // What is written is a moment of the real AWS: it has no switches, nothing
    // happens later, and a simulation asks nobody about the deployment.
    #[serde(default, skip_serializing)]
    pub(crate) deployment: Deployment,
    #[serde(default, skip_serializing)]
    pub(crate) settings: Settings,
    #[serde(default, skip_serializing)]
    pub(crate) story: Vec<Step>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedUser {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) enabled: Option<bool>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedGroup {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) members: Vec<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedStudio {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) account: Option<String>,
    #[serde(default)]
    pub(crate) auth_mode: AuthMode,
    pub(crate) idc_user_assignment: Option<UserAssignment>,
    pub(crate) user_limit: Option<usize>,
    pub(crate) group_limit: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mappings: Vec<SeedMapping>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeedMapping {
    pub(crate) user: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) group_id: Option<String>,
    /// The name it was made under, if that is not the one borne now.
    pub(crate) name: Option<String>,
    pub(crate) session_policy: String,
    /// RFC 3339; now, if it is not given.
    pub(crate) created: Option<String>,
}

impl World {
    /// Reads a seed file. A problem is told with its place: the line, or
    /// `groups[0].members[1]`.
    pub fn from_toml(text: &str) -> Result<Seed, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut world = World {
            deployment: file.deployment,
            settings: file.settings,
            ..World::default()
        };
        world.store_id = file.identity_store_id.unwrap_or(world.store_id);
        world.account = file.account.unwrap_or(world.account);
        for (i, user) in file.users.into_iter().enumerate() {
            world
                .seed_user(user)
                .map_err(|problem| format!("users[{i}]: {problem}"))?;
        }
        for (i, group) in file.groups.into_iter().enumerate() {
            let id = world.seed_group(group.id.as_deref(), &group.name);
            let id = id.map_err(|problem| format!("groups[{i}]: {problem}"))?;
            for (j, member) in group.members.iter().enumerate() {
                let added = world.add_member(&id, member);
                added.map_err(|problem| format!("groups[{i}].members[{j}]: {problem}"))?;
            }
        }
        for (i, studio) in file.studios.into_iter().enumerate() {
            world
                .seed_studio(studio)
                .map_err(|problem| format!("studios[{i}]{problem}"))?;
        }
        Ok(Seed {
            world,
            story: file.story,
            selected: file.selected,
        })
    }

    /// Lets a step of the story happen: creations first, then names, then who may
    /// sign in, then memberships, then deletions.
    pub fn play(&mut self, step: &Step) -> Result<(), String> {
        self.play_all(step)
            .map_err(|problem| format!("story before {}: {problem}", step.before))
    }

    fn play_all(&mut self, step: &Step) -> Result<(), String> {
        // Taken apart, so that no new field is forgotten.
        let Step {
            before: _,
            create_user,
            create_group,
            rename_user,
            rename_group,
            disable_user,
            enable_user,
            add_members,
            remove_members,
            delete_user,
            delete_group,
        } = step;
        if let Some(NewIdentity { id, name }) = create_user {
            let user = SeedUser {
                id: id.clone(),
                name: name.clone(),
                enabled: None,
            };
            self.seed_user(user)?;
        }
        if let Some(NewIdentity { id, name }) = create_group {
            self.seed_group(id.as_deref(), name)?;
        }
        if let Some(rename) = rename_user {
            self.rename_user(&rename.user, &rename.to)?;
        }
        if let Some(rename) = rename_group {
            self.rename_group(&rename.group, &rename.to)?;
        }
        if let Some(user) = disable_user {
            self.set_user_enabled(user, false)?;
        }
        if let Some(user) = enable_user {
            self.set_user_enabled(user, true)?;
        }
        for Member {
            group,
            user,
            membership_id,
        } in add_members
        {
            match membership_id {
                Some(id) => self.add_member_with_id(id, group, user)?,
                None => self.add_member(group, user)?,
            };
        }
        for Member { group, user, .. } in remove_members {
            self.remove_member(group, user)?;
        }
        if let Some(user) = delete_user {
            self.delete_user(user)?;
        }
        if let Some(group) = delete_group {
            self.delete_group(group)?;
        }
        Ok(())
    }

    fn seed_user(&mut self, user: SeedUser) -> Result<(), String> {
        let id = match user.id {
            Some(id) => self.add_user_with_id(&id, &user.name)?,
            None => self.add_user(&user.name)?,
        };
        match user.enabled {
            Some(false) => self.set_user_enabled(&id, false),
            _ => Ok(()),
        }
    }

    fn seed_group(&mut self, id: Option<&str>, name: &str) -> Result<String, String> {
        match id {
            Some(id) => self.add_group_with_id(id, name),
            None => self.add_group(name),
        }
    }

    /// The problem comes with the rest of its place: `.mappings[2]: …`.
    fn seed_studio(&mut self, seed: SeedStudio) -> Result<(), String> {
        let studio = self
            .add_studio(&seed.id)
            .map_err(|problem| format!(": {problem}"))?;
        studio.name = seed.name.unwrap_or(seed.id.clone());
        studio.region = seed.region;
        studio.account = seed.account;
        studio.auth_mode = seed.auth_mode;
        studio.idc_user_assignment = seed.idc_user_assignment;
        studio.user_limit = seed.user_limit.unwrap_or(studio.user_limit);
        studio.group_limit = seed.group_limit.unwrap_or(studio.group_limit);
        for (i, mapping) in seed.mappings.iter().enumerate() {
            let mapped = self.seed_mapping(&seed.id, mapping);
            mapped.map_err(|problem| format!(".mappings[{i}]: {problem}"))?;
        }
        Ok(())
    }

    fn seed_mapping(&mut self, studio: &str, seed: &SeedMapping) -> Result<(), String> {
        let SeedMapping {
            user,
            user_id,
            group,
            group_id,
            name,
            session_policy,
            created,
        } = seed;
        let (kind, id) = match (user, user_id, group, group_id) {
            (Some(user), None, None, None) => (IdentityType::User, self.user_id(user)?),
            (None, Some(id), None, None) => (IdentityType::User, id.clone()),
            (None, None, Some(group), None) => (IdentityType::Group, self.group_id(group)?),
            (None, None, None, Some(id)) => (IdentityType::Group, id.clone()),
            _ => return Err("give exactly one of user, user_id, group, group_id".into()),
        };
        if self
            .mappings
            .contains_key(&(studio.into(), kind, id.clone()))
        {
            return Err(format!("{kind} {id} is mapped already"));
        }
        self.map_id(studio, kind, &id, session_policy)?;
        let Some(mapping) = self.mappings.get_mut(&(studio.into(), kind, id)) else {
            return Ok(());
        };
        if let Some(name) = name {
            mapping.identity_name.clone_from(name);
        }
        if let Some(created) = created {
            let at = DateTime::parse_from_rfc3339(created)
                .map_err(|error| format!("created: {created:?}: {error}"))?;
            mapping.created = at.timestamp() as f64;
            mapping.modified = mapping.created;
        }
        Ok(())
    }
}

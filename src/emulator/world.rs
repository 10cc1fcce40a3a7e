//! The world: one identity store, its people, the Studios, and who is mapped.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::calls::Call;
use super::deployment::Deployment;
use super::directory::{Memberships, Named};
use super::faults::Faults;
use super::records::{
    AuthMode, Group, IdentityType, LogLine, Mapping, Membership, Minted, Studio, User,
    looks_like_an_id, now,
};
use super::settings::Settings;
use super::watch::Watch;

/// Everything the emulator answers from. A plain value: set it up, look at it,
/// change it at will.
///
/// Users and groups may be named by id or by name wherever a method takes `who`
/// or `group`.
#[derive(Clone, Debug)]
pub struct World {
    /// The identity store's id.
    pub store_id: String,
    /// The account a caller belongs to, unless its access key id is itself an
    /// account number (twelve digits).
    pub account: String,
    /// The users, by id.
    pub users: Named<User>,
    /// The groups, by id.
    pub groups: Named<Group>,
    /// The memberships, by id.
    pub memberships: Memberships,
    /// The Studios, by id.
    pub studios: BTreeMap<String, Studio>,
    /// The mappings, by Studio id, kind of identity, and identity id.
    pub mappings: BTreeMap<(String, IdentityType, String), Mapping>,
    /// What was written to the logs. Nobody writes here but who sets up the world.
    pub log: Vec<LogLine>,
    /// The log groups that are there although nothing was written to them.
    pub log_groups: BTreeSet<String>,
    /// What else the account has.
    pub deployment: Deployment,
    /// What nobody knows of the service, as switches.
    pub settings: Settings,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked so far, oldest first.
    pub calls: Vec<Call>,
    /// Who looks on at each call.
    pub watch: Watch,
    /// What the world has made up so far.
    pub minted: Minted,
}

impl Default for World {
    /// An empty store `d-1234567890`, seen from account `111122223333`.
    fn default() -> World {
        World {
            store_id: "d-1234567890".into(),
            account: "111122223333".into(),
            users: Named::default(),
            groups: Named::default(),
            memberships: Memberships::default(),
            studios: BTreeMap::new(),
            mappings: BTreeMap::new(),
            log: Vec::new(),
            log_groups: BTreeSet::new(),
            deployment: Deployment::default(),
            settings: Settings::default(),
            faults: Faults::default(),
            calls: Vec::new(),
            watch: Watch::default(),
            minted: Minted::default(),
        }
    }
}

impl World {
    /// Adds an enabled user and makes up an id.
    pub fn add_user(&mut self, name: &str) -> Result<String, String> {
        let id = mint('a', &mut self.minted.users, |id| {
            self.users.contains_key(id)
        });
        self.add_user_with_id(&id, name)
    }

    /// Adds an enabled user.
    pub fn add_user_with_id(&mut self, id: &str, name: &str) -> Result<String, String> {
        if let Some(user) = self.users.get(id) {
            return Err(format!(
                "there is a user {id} already, called \"{}\"",
                user.name
            ));
        }
        self.user_name_is_free(name)?;
        self.users.insert(
            id.into(),
            User {
                name: name.into(),
                enabled: true,
                revision: 1,
                created: Instant::now(),
            },
        );
        Ok(id.into())
    }

    /// Adds a group and makes up an id.
    pub fn add_group(&mut self, name: &str) -> Result<String, String> {
        let id = mint('b', &mut self.minted.groups, |id| {
            self.groups.contains_key(id)
        });
        self.add_group_with_id(&id, name)
    }

    /// Adds a group.
    pub fn add_group_with_id(&mut self, id: &str, name: &str) -> Result<String, String> {
        if let Some(group) = self.groups.get(id) {
            return Err(format!(
                "there is a group {id} already, called \"{}\"",
                group.name
            ));
        }
        self.group_name_is_free(name)?;
        self.groups.insert(
            id.into(),
            Group {
                name: name.into(),
                revision: 1,
                created: Instant::now(),
            },
        );
        Ok(id.into())
    }

    /// Puts a user in a group and makes up the membership's id.
    pub fn add_member(&mut self, group: &str, user: &str) -> Result<String, String> {
        let id = mint('c', &mut self.minted.memberships, |id| {
            self.memberships.contains_key(id)
        });
        self.add_member_with_id(&id, group, user)
    }

    /// Puts a user in a group.
    pub fn add_member_with_id(
        &mut self,
        id: &str,
        group: &str,
        user: &str,
    ) -> Result<String, String> {
        let (group_id, user_id) = (self.group_id(group)?, self.user_id(user)?);
        if self.membership_id(&group_id, &user_id).is_some() {
            return Err(format!("user \"{user}\" is in group \"{group}\" already"));
        }
        if self.memberships.contains_key(id) {
            return Err(format!("there is a membership {id} already"));
        }
        self.memberships.insert(
            id.into(),
            Membership {
                group: group_id,
                user: user_id,
                created: Instant::now(),
            },
        );
        Ok(id.into())
    }

    /// Takes a user out of a group.
    pub fn remove_member(&mut self, group: &str, user: &str) -> Result<(), String> {
        let (group_id, user_id) = (self.group_id(group)?, self.user_id(user)?);
        match self.membership_id(&group_id, &user_id) {
            Some(id) => self.remove_membership(&id),
            None => Err(format!("user \"{user}\" is not in group \"{group}\"")),
        }
    }

    /// Takes a user out of a group.
    pub fn remove_membership(&mut self, id: &str) -> Result<(), String> {
        match self.memberships.remove(id) {
            Some(_) => Ok(()),
            None => Err(format!("there is no membership {id}")),
        }
    }

    /// Deletes a user and, unless [`Settings::memberships_outlive_users`], its
    /// memberships. Its mappings stay: AWS leaves them behind.
    pub fn delete_user(&mut self, who: &str) -> Result<(), String> {
        let id = self.user_id(who)?;
        self.users.remove(&id);
        if !self.settings.memberships_outlive_users {
            self.memberships.remove_user(&id);
        }
        Ok(())
    }

    /// Deletes a group and its memberships. Its mappings stay: AWS leaves them behind.
    pub fn delete_group(&mut self, who: &str) -> Result<(), String> {
        let id = self.group_id(who)?;
        self.groups.remove(&id);
        self.memberships.remove_group(&id);
        Ok(())
    }

    /// Gives a user another name. Mappings keep the old one.
    pub fn rename_user(&mut self, who: &str, to: &str) -> Result<(), String> {
        let id = self.user_id(who)?;
        self.user_name_is_free(to)?;
        self.change_user(&id, |user| user.name = to.into());
        Ok(())
    }

    /// Gives a group another display name. Mappings keep the old one.
    pub fn rename_group(&mut self, who: &str, to: &str) -> Result<(), String> {
        let id = self.group_id(who)?;
        self.group_name_is_free(to)?;
        self.groups.change(&id, |group| {
            group.name = to.into();
            group.revision += 1;
        });
        Ok(())
    }

    /// Enables or disables a user.
    pub fn set_user_enabled(&mut self, who: &str, enabled: bool) -> Result<(), String> {
        let id = self.user_id(who)?;
        self.change_user(&id, |user| user.enabled = enabled);
        Ok(())
    }

    /// Adds an SSO Studio without a Region of its own, with the documented limits.
    pub fn add_studio(&mut self, id: &str) -> Result<&mut Studio, String> {
        if self.studios.contains_key(id) {
            return Err(format!("there is a Studio {id} already"));
        }
        Ok(self.studios.entry(id.into()).or_insert_with(|| Studio {
            name: id.into(),
            region: None,
            account: None,
            auth_mode: AuthMode::Sso,
            idc_user_assignment: None,
            user_limit: 100,
            group_limit: 5,
            created: now(),
        }))
    }

    /// Maps an identity by hand, past every limit. Who is in no directory is taken
    /// for an id of somebody gone, if it looks like one.
    pub fn map(
        &mut self,
        studio: &str,
        kind: IdentityType,
        who: &str,
        policy: &str,
    ) -> Result<(), String> {
        let id = match self.identity_id(kind, who) {
            Ok(id) => id,
            Err(_) if looks_like_an_id(who) => who.into(),
            Err(problem) => return Err(problem),
        };
        self.map_id(studio, kind, &id, policy)
    }

    pub(super) fn map_id(
        &mut self,
        studio: &str,
        kind: IdentityType,
        id: &str,
        policy: &str,
    ) -> Result<(), String> {
        if !self.studios.contains_key(studio) {
            return Err(format!("there is no Studio {studio}"));
        }
        let name = self.identity_name(kind, id).unwrap_or_default().to_owned();
        let key = (studio.into(), kind, id.into());
        self.mappings.insert(key, Mapping::new(policy, name));
        Ok(())
    }

    /// The mapping of an identity, by id or by name.
    pub fn mapping(&self, studio: &str, kind: IdentityType, who: &str) -> Option<&Mapping> {
        let id = self.identity_id(kind, who).unwrap_or_else(|_| who.into());
        self.mappings.get(&(studio.into(), kind, id))
    }

    /// The calls of one operation so far, oldest first.
    pub fn calls_to(&self, operation: &str) -> impl Iterator<Item = &Call> {
        self.calls
            .iter()
            .filter(move |call| call.operation == operation)
    }

    /// The id of a user, named by id or by name.
    pub fn user_id(&self, who: &str) -> Result<String, String> {
        self.identity_id(IdentityType::User, who)
    }

    /// The id of a group, named by id or by name.
    pub fn group_id(&self, who: &str) -> Result<String, String> {
        self.identity_id(IdentityType::Group, who)
    }

    /// The id of the membership of a user in a group, both by id.
    pub fn membership_id(&self, group_id: &str, user_id: &str) -> Option<String> {
        let id = self.memberships.of(group_id, user_id);
        id.map(str::to_owned)
    }

    /// The name an identity bears now.
    pub fn identity_name(&self, kind: IdentityType, id: &str) -> Option<&str> {
        match kind {
            IdentityType::User => self.users.get(id).map(|user| user.name.as_str()),
            IdentityType::Group => self.groups.get(id).map(|group| group.name.as_str()),
        }
    }

    /// The id of whoever bears a name; case is a switch of [`Settings`].
    pub(super) fn id_by_name(&self, kind: IdentityType, name: &str) -> Option<&str> {
        match (kind, self.settings.names_ignore_case) {
            (IdentityType::User, true) => self.users.called_in_any_case(name).next(),
            (IdentityType::User, false) => self.users.called(name),
            (IdentityType::Group, true) => self.groups.called_in_any_case(name).next(),
            (IdentityType::Group, false) => self.groups.called(name),
        }
    }

    fn identity_id(&self, kind: IdentityType, who: &str) -> Result<String, String> {
        let by_name = || match kind {
            IdentityType::User => self.users.called(who),
            IdentityType::Group => self.groups.called(who),
        };
        match self.identity_name(kind, who) {
            Some(_) => Ok(who.into()),
            None => by_name().map(str::to_owned).ok_or_else(|| {
                let kind = if kind == IdentityType::User {
                    "user"
                } else {
                    "group"
                };
                format!("no {kind} is called \"{who}\" or has that id")
            }),
        }
    }

    fn user_name_is_free(&self, name: &str) -> Result<(), String> {
        match self.users.called(name) {
            Some(id) => Err(format!("user {id} is called \"{name}\" already")),
            None => Ok(()),
        }
    }

    fn group_name_is_free(&self, name: &str) -> Result<(), String> {
        match self.groups.called(name) {
            Some(id) => Err(format!("group {id} is called \"{name}\" already")),
            None => Ok(()),
        }
    }

    fn change_user(&mut self, id: &str, change: impl FnOnce(&mut User)) {
        self.users.change(id, |user| {
            change(user);
            user.revision += 1;
        });
    }
}

/// The next id of a kind: the first digit tells users (a), groups (b) and
/// memberships (c) apart in a log.
fn mint(kind: char, minted: &mut u64, taken: impl Fn(&str) -> bool) -> String {
    loop {
        *minted += 1;
        let id = format!("{kind}0000000-0000-4000-8000-{minted:012x}");
        if !taken(&id) {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_ids_never_come_twice() {
        let mut world = World::default();
        let first = world.add_user("alice").unwrap();
        world.delete_user("alice").unwrap();
        assert_ne!(world.add_user("alice").unwrap(), first);
    }

    #[test]
    fn deleting_a_user_takes_the_memberships_and_leaves_the_mapping() {
        let mut world = World::default();
        let alice = world.add_user("alice").unwrap();
        world.add_group("engineers").unwrap();
        world.add_member("engineers", "alice").unwrap();
        world.add_studio("es-1").unwrap();
        world
            .map(
                "es-1",
                IdentityType::User,
                "alice",
                "arn:aws:iam::1:policy/p",
            )
            .unwrap();

        world.delete_user("alice").unwrap();

        assert!(world.memberships.is_empty());
        assert!(world.mapping("es-1", IdentityType::User, &alice).is_some());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let mut world = World::default();
        world.add_group("engineers").unwrap();
        let problem = world.add_member("engineers", "bob").unwrap_err();
        assert_eq!(problem, "no user is called \"bob\" or has that id");
        let problem = world.add_group("engineers").unwrap_err();
        assert_eq!(
            problem,
            "group b0000000-0000-4000-8000-000000000001 is called \"engineers\" already"
        );
    }
}

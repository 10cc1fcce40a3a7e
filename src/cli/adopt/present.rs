//! What is there: the mappings of some Studios, who they are about, and the
//! groups whose members are all among them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::{join, try_join_all};

use crate::cli::connection::no_deadline;
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::Mappings;
use crate::policy::fit::{Answer, Directory};
use crate::policy::{Selector, Table};
use crate::studio::{Described, Refusal, SSO};
use crate::sync::Engine;

/// Everything that was read. There is none if anything could not be: a table
/// without some of the mappings would delete them.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) store_id: String,
    pub(super) studios: Vec<(Described, Mappings)>,
    /// Who is mapped and in the directory, and the groups that may serve; the
    /// name, where they have one.
    pub(super) directory: BTreeMap<Identity, Option<String>>,
    /// All members of the groups that may serve.
    pub(super) members: BTreeMap<Id, BTreeSet<Id>>,
    /// All groups by name, if there is a Studio that nobody is mapped to.
    pub(super) groups: BTreeMap<Id, String>,
    /// How many bear a name, in lower case.
    bearers: HashMap<(IdentityType, String), usize>,
}

/// Reads it. `listed` says what is known of a Studio already.
pub(super) async fn read(
    engine: &Engine,
    listed: &BTreeMap<String, Option<Described>>,
    region: &str,
) -> Result<Present, String> {
    let studios = engine.table().studios.iter().enumerate();
    let studios = studios.map(|(index, studio)| {
        let described = listed.get(&studio.id).cloned().flatten();
        one_studio(engine, index, described, region)
    });
    let mut studios = try_join_all(studios).await?;
    studios.sort_by_cached_key(|(studio, _)| (studio.name.clone(), studio.id.clone()));
    let mut present = Present {
        store_id: engine.store_id().to_owned(),
        studios,
        directory: BTreeMap::new(),
        members: BTreeMap::new(),
        groups: BTreeMap::new(),
        bearers: HashMap::new(),
    };
    if present.studios.iter().any(|(_, all)| all.is_empty()) {
        let groups = engine.store().all_groups(no_deadline()).await;
        present.groups = groups.map_err(|error| error.to_string())?;
    }
    let mapped: BTreeSet<&Identity> = present.mapped().map(|(identity, _)| identity).collect();
    let of_kind = |kind| -> BTreeSet<Id> {
        let of_kind = mapped.iter().filter(|one| one.kind == kind);
        of_kind.map(|one| one.id.clone()).collect()
    };
    let (users, groups) = (of_kind(IdentityType::User), of_kind(IdentityType::Group));
    let most = users.len();
    let (users, groups) = join(some_users(engine, users), some_groups(engine, groups)).await;
    let mut directory = groups?;

    let mut holding: BTreeMap<Id, usize> = BTreeMap::new();
    for (user, name, its_groups) in users? {
        directory.insert(user, name);
        for group in its_groups {
            *holding.entry(group).or_default() += 1;
        }
    }

    // A rule for one user is as short. And no group serves that has more
    // members than there are mapped users: it is not read to its end.
    holding.retain(|_, users| *users > 1);
    let members = holding
        .keys()
        .map(|group| some_members(engine, group, most));
    let members = try_join_all(members).await?.into_iter().flatten();
    let serves = |(_, members): &(Id, BTreeSet<Id>)| {
        let mut members = members.iter().cloned().map(Identity::user);
        members.all(|user| directory.contains_key(&user))
    };
    let mut members: BTreeMap<Id, BTreeSet<Id>> = members.filter(serves).collect();
    directory.extend(some_groups(engine, members.keys().cloned().collect()).await?);
    members.retain(|group, _| directory.contains_key(&Identity::group(group.clone())));
    for (identity, name) in &directory {
        if let Some(name) = name {
            let borne = (identity.kind, name.to_lowercase());
            *present.bearers.entry(borne).or_default() += 1;
        }
    }
    (present.directory, present.members) = (directory, members);
    Ok(present)
}

async fn one_studio(
    engine: &Engine,
    index: usize,
    described: Option<Described>,
    region: &str,
) -> Result<(Described, Mappings), String> {
    let (studio, id) = (engine.studio(index), &engine.table().studios[index].id);
    let told = |refusal| match refusal {
        Refusal::NoStudio(_) => format!("there is no Studio {id} in this account in {region}"),
        other => format!("Studio {id}: {other}"),
    };
    let described = match described {
        Some(described) => described,
        None => studio.describe(no_deadline()).await.map_err(told)?,
    };
    match described.auth_mode.as_deref() {
        None | Some(SSO) => {}
        Some(other) => {
            return Err(format!(
                "people sign in to Studio {id} with {other}; only Studios with AuthMode SSO have \
                 mappings"
            ));
        }
    }
    let mappings = studio.mappings(no_deadline()).await.map_err(told)?;
    Ok((described, mappings))
}

/// Those of these users who are there, their names, and the groups they are in.
async fn some_users(
    engine: &Engine,
    users: BTreeSet<Id>,
) -> Result<Vec<(Identity, Option<String>, BTreeSet<Id>)>, String> {
    let store = engine.store();
    let described = store.users(&users, no_deadline()).await;
    let users = users
        .into_iter()
        .zip(described)
        .map(async |(user, described)| {
            let identity = Identity::user(user);
            let told = |error| format!("{identity}: {error}");
            let Answer::Is(described) = described.map_err(told)? else {
                return Ok(None);
            };
            let groups = store.all_groups_of(&identity.id, no_deadline()).await;
            match groups.map_err(told)? {
                Answer::Is(groups) => Ok(Some((identity, described.name, groups))),
                // Only looking somebody up tells that they are gone.
                Answer::Gone | Answer::Unread { .. } => Err(format!(
                    "{identity} is there, but the groups could not be read; try again"
                )),
            }
        });
    Ok(try_join_all(users).await?.into_iter().flatten().collect())
}

/// Those of these groups that are there, and their names.
async fn some_groups(
    engine: &Engine,
    groups: BTreeSet<Id>,
) -> Result<BTreeMap<Identity, Option<String>>, String> {
    let described = engine.store().groups(&groups, no_deadline()).await;
    let mut there = BTreeMap::new();
    for (group, described) in groups.into_iter().zip(described) {
        let identity = Identity::group(group);
        let described = described.map_err(|error| format!("{identity}: {error}"))?;
        there.extend(described.known().cloned().map(|name| (identity, name)));
    }
    Ok(there)
}

/// A group's members; nothing, if there are more than `most`, or it is gone.
async fn some_members(
    engine: &Engine,
    group: &Id,
    most: usize,
) -> Result<Option<(Id, BTreeSet<Id>)>, String> {
    let members = engine.store().members_up_to(most, group, no_deadline());
    let members = members.await;
    let members = members.map_err(|error| format!("GROUP {group}: {error}"))?;
    let members = members.known().cloned().flatten();
    Ok(members.map(|members| (group.clone(), members)))
}

impl Present {
    /// Every mapping, with its Studio's place.
    pub(super) fn mapped(&self) -> impl Iterator<Item = (&Identity, usize)> {
        let studios = self.studios.iter().enumerate();
        studios.flat_map(|(index, (_, mappings))| mappings.keys().map(move |one| (one, index)))
    }

    /// Whether an identity is in the directory.
    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.directory.contains_key(identity)
    }

    /// The name that a rule can select an identity by. None: it has to go by id.
    pub(super) fn name(&self, identity: &Identity) -> Option<&str> {
        let name = self.directory.get(identity)?.as_deref()?;
        // A star stands for any run of characters; and AWS doesn't say whether
        // it minds the case of names.
        let is_plain = !name.is_empty() && !name.contains('*');
        let bearers = self.bearers.get(&(identity.kind, name.to_lowercase()));
        (is_plain && bearers == Some(&1)).then_some(name)
    }

    /// What was read, as a table's rules see it.
    pub(super) fn seen_by(&self, table: &Table) -> Directory {
        let mut called: HashMap<(IdentityType, &str), BTreeSet<Id>> = HashMap::new();
        for (identity, name) in &self.directory {
            if let Some(name) = name {
                let ids = called.entry((identity.kind, name)).or_default();
                ids.insert(identity.id.clone());
            }
        }
        let stands_for = |selector: &Selector| {
            let kind = selector.kind();
            let name = match selector {
                // There are no patterns in a table that was made here.
                Selector::Group(pattern) => pattern.exact(),
                Selector::User(user) => Some(user.as_str()),
                Selector::GroupId(_) | Selector::UserId(_) => None,
            };
            let id = selector.id().cloned().map(|id| Identity { kind, id });
            let id = id.filter(|identity| self.has(identity));
            let ids = name.and_then(|name| called.get(&(kind, name)).cloned());
            match ids.or(id.map(|identity| [identity.id].into())) {
                Some(ids) => Answer::Is(ids),
                None => Answer::Gone,
            }
        };
        let selectors = table.selectors().into_iter();
        let members = self.members.iter();
        Directory {
            selected: selectors
                .map(|selector| (selector.clone(), stands_for(selector)))
                .collect(),
            members: members
                .map(|(group, users)| (group.clone(), Answer::Is(users.clone())))
                .collect(),
            ..Directory::default()
        }
    }
}

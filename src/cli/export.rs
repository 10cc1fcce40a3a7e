//! `export`: what the rules see of the directory, and the mappings, as a file
//! that `simulate` begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use futures_util::future::{join, try_join_all};

use super::connection::{Connected, Connection, no_deadline};
use super::output::put;
use super::progress::watched;
use super::table;
use super::words::time;
use crate::directory::Described;
use crate::emulator::{
    AuthMode, File, SeedGroup, SeedMapping, SeedStudio, SeedUser, UserAssignment,
};
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::{Mapping, Mappings};
use crate::policy::fit::Answer;
use crate::policy::{self, Rule, Selector, Table};
use crate::studio::Usable;
use crate::sync::Engine;

#[derive(Debug, Args)]
#[command(
    after_help = "It has what this table's rules can see. To rehearse a change, take the changed \
    table here too.\n\n\
    Example:\n  emr-studio-sync export --table policy.toml > now.toml\n  \
    emr-studio-sync simulate --table policy.toml --directory now.toml"
)]
pub(super) struct Arguments {
    /// Another table; what its rules see is written too, for `diff` to play both
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let (mut table, document) = table::load(arguments.connection.table())?;
    if let Some(other) = &arguments.with {
        add(&mut table, table::load(other)?.0);
    }
    let account = arguments.connection.account();
    let Connected { engine, .. } = account.connect(table, &document).await?;
    let file = watched(&engine, "reading", file(&engine)).await?;
    let text = toml::to_string(&file).map_err(|error| error.to_string())?;
    put(format_args!(
        "# The directory as far as the rules see it, and the mappings, for `simulate`.\n\
         # It has the names of people.\n\n{text}"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Adds what another table is about: nothing is decided by this one.
fn add(table: &mut Table, other: Table) {
    let places = other.studios.into_iter().map(|studio| {
        let known = table.studios.iter().position(|one| one.id == studio.id);
        known.unwrap_or_else(|| {
            table.studios.push(studio);
            table.studios.len() - 1
        })
    });
    let places: Vec<usize> = places.collect();
    table.rules.extend(other.rules.into_iter().map(|rule| Rule {
        studio: places[rule.studio],
        ..rule
    }));
    table.protect.extend(other.protect);
}

/// Reads it all, or fails: half a directory would show half of what follows.
async fn file(engine: &Engine) -> Result<File, String> {
    let table = engine.table();
    let studios = table.studios.iter().enumerate();
    let studios = studios.map(|(index, studio)| one_studio(engine, index, studio));
    let selection = engine.store().select(table, engine.now_ms(), no_deadline());
    let (studios, selection) = join(try_join_all(studios), selection).await;
    let studios = studios?;
    if let Some(failure) = selection.failures.first() {
        return Err(failure.error.to_string());
    }

    let mut identities: BTreeSet<Identity> = BTreeSet::new();
    for (selector, answer) in &selection.directory.selected {
        let kind = Selector::kind(selector);
        let ids = answer.known().into_iter().flatten().cloned();
        identities.extend(ids.map(|id| Identity { kind, id }));
    }
    let mapped = studios.iter().flat_map(|(_, mappings)| mappings.keys());
    identities.extend(mapped.cloned());

    let groups = identities.iter();
    let groups = groups.filter(|identity| identity.kind == IdentityType::Group);
    let groups = try_join_all(groups.map(|group| one_group(engine, &group.id))).await?;
    let groups: Vec<Group> = groups.into_iter().flatten().collect();
    let members = groups.iter().flat_map(|group| group.members.iter());
    identities.extend(members.cloned().map(Identity::user));

    let users = identities.iter();
    let users = users.filter(|identity| identity.kind == IdentityType::User);
    let users = try_join_all(users.map(|user| one_user(engine, &user.id))).await?;
    let users: BTreeMap<Id, Described> = users.into_iter().flatten().collect();

    let mut names: BTreeMap<Identity, String> = BTreeMap::new();
    for (id, user) in &users {
        let name = user.name.clone().filter(|name| !name.is_empty());
        names.insert(Identity::user(id.clone()), name.unwrap_or(id.to_string()));
    }
    for Group { id, name, .. } in &groups {
        let name = name.clone().unwrap_or(id.to_string());
        names.insert(Identity::group(id.clone()), name);
    }
    let studios = studios.into_iter().map(|(mut studio, mappings)| {
        let mappings = mappings.iter();
        studio.mappings = mappings
            .map(|(identity, mapping)| one_mapping(identity, mapping, &names))
            .collect();
        studio
    });
    let user = |(id, user): (&Id, &Described)| SeedUser {
        id: Some(id.to_string()),
        name: names[&Identity::user(id.clone())].clone(),
        enabled: (!user.enabled).then_some(false),
    };
    let group = |group: Group| SeedGroup {
        id: Some(group.id.to_string()),
        name: names[&Identity::group(group.id)].clone(),
        // Whoever left the store meanwhile is no member either.
        members: group
            .members
            .into_iter()
            .filter_map(|user| names.get(&Identity::user(user)).cloned())
            .collect(),
    };
    Ok(File {
        identity_store_id: Some(engine.store_id().to_owned()),
        users: users.iter().map(user).collect(),
        groups: groups.into_iter().map(group).collect(),
        studios: studios.collect(),
        ..File::default()
    })
}

/// A group, and all who are in it.
struct Group {
    id: Id,
    name: Option<String>,
    members: BTreeSet<Id>,
}

/// A Studio, and its mappings; none, if it can have none.
async fn one_studio(
    engine: &Engine,
    index: usize,
    studio: &policy::Studio,
) -> Result<(SeedStudio, Mappings), String> {
    let told = |refusal| format!("Studio {}: {refusal}", studio.alias);
    let usable = engine.studio(index).usable(no_deadline()).await;
    let is_open = matches!(usable, Ok(Usable::Yes { is_open: true }));
    let (auth_mode, mappings) = match usable.map_err(told)? {
        Usable::No(_) => (AuthMode::Iam, Mappings::new()),
        Usable::Yes { .. } | Usable::NotTold(_) => {
            let mappings = engine.studio(index).mappings(no_deadline()).await;
            (AuthMode::Sso, mappings.map_err(told)?)
        }
    };
    let seed = SeedStudio {
        id: studio.id.clone(),
        name: Some(studio.alias.clone()),
        auth_mode,
        idc_user_assignment: is_open.then_some(UserAssignment::Optional),
        user_limit: Some(studio.user_limit),
        group_limit: Some(studio.group_limit),
        ..SeedStudio::default()
    };
    Ok((seed, mappings))
}

/// Nothing, if the group is gone.
async fn one_group(engine: &Engine, id: &Id) -> Result<Option<Group>, String> {
    let told = |error| format!("GROUP {id}: {error}");
    let name = engine.store().describe_group(id, no_deadline());
    let members = engine.store().members(id, no_deadline());
    let (name, members) = join(name, members).await;
    match (name.map_err(told)?, members.map_err(told)?) {
        (Answer::Is(name), Answer::Is(members)) => Ok(Some(Group {
            id: id.clone(),
            name: name.filter(|name| !name.is_empty()),
            members,
        })),
        (Answer::Gone, _) => Ok(None),
        // Only looking it up tells that it is gone.
        _ => Err(format!(
            "GROUP {id} is there, but its members could not be read; try again"
        )),
    }
}

/// Nothing, if the user is gone.
async fn one_user(engine: &Engine, id: &Id) -> Result<Option<(Id, Described)>, String> {
    let described = engine.store().describe_user(id, no_deadline()).await;
    let described = described.map_err(|error| format!("USER {id}: {error}"))?;
    Ok(described.known().cloned().map(|user| (id.clone(), user)))
}

/// A mapping by its identity's name; by id, if that is gone.
fn one_mapping(
    identity: &Identity,
    mapping: &Mapping,
    names: &BTreeMap<Identity, String>,
) -> SeedMapping {
    let name = names.get(identity).cloned();
    let former = mapping.name.clone().filter(|_| mapping.name != name);
    let id = name.is_none().then(|| identity.id.to_string());
    let (user, user_id, group, group_id) = match identity.kind {
        IdentityType::User => (name, id, None, None),
        IdentityType::Group => (None, None, name, id),
    };
    SeedMapping {
        user,
        user_id,
        group,
        group_id,
        name: former,
        created: mapping.created.map(time),
        session_policy: mapping.session_policy.clone(),
    }
}

//! `export`: what the rules see of the directory, and the mappings, as a file
//! that `simulate` begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use futures_util::future::{join, join_all, try_join_all};

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
    after_help = "It has what this table's rules can see, and what it was asked for: of anything \
    else it is no answer. To rehearse a change, take the changed table here too.\n\n\
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

    let asked = super::selected::selected(table);
    let mut identities: BTreeSet<Identity> = BTreeSet::new();
    for (selector, answer) in &selection.directory.selected {
        let kind = Selector::kind(selector);
        let ids = answer.known().into_iter().flatten().cloned();
        identities.extend(ids.map(|id| Identity { kind, id }));
    }
    let mapped = studios.iter().flat_map(|(_, mappings)| mappings.keys());
    identities.extend(mapped.cloned());

    let of_kind = |kind| -> BTreeSet<Id> {
        let of_kind = identities.iter().filter(|identity| identity.kind == kind);
        of_kind.map(|identity| identity.id.clone()).collect()
    };
    let groups = some_groups(engine, &of_kind(IdentityType::Group)).await?;
    let mut users = of_kind(IdentityType::User);
    users.extend(
        groups
            .iter()
            .flat_map(|group| group.members.iter().cloned()),
    );
    let users = some_users(engine, &users).await?;

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
        selected: Some(asked),
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

/// Those of these groups that are there, and who is in them.
async fn some_groups(engine: &Engine, ids: &BTreeSet<Id>) -> Result<Vec<Group>, String> {
    let store = engine.store();
    let names = store.groups(ids, no_deadline());
    let members = join_all(ids.iter().map(|id| store.members(id, no_deadline())));
    let (names, members) = join(names, members).await;
    let mut groups = Vec::new();
    for (id, (name, members)) in ids.iter().zip(names.into_iter().zip(members)) {
        let told = |error| format!("GROUP {id}: {error}");
        match (name.map_err(told)?, members.map_err(told)?) {
            (Answer::Is(name), Answer::Is(members)) => groups.push(Group {
                id: id.clone(),
                name: name.filter(|name| !name.is_empty()),
                members,
            }),
            (Answer::Gone, _) => {}
            // Only looking it up tells that it is gone.
            _ => {
                return Err(format!(
                    "GROUP {id} is there, but its members could not be read; try again"
                ));
            }
        }
    }
    Ok(groups)
}

/// Those of these users who are there.
async fn some_users(
    engine: &Engine,
    ids: &BTreeSet<Id>,
) -> Result<BTreeMap<Id, Described>, String> {
    let answers = engine.store().users(ids, no_deadline()).await;
    let mut users = BTreeMap::new();
    for (id, answer) in ids.iter().zip(answers) {
        let answer = answer.map_err(|error| format!("USER {id}: {error}"))?;
        users.extend(answer.known().cloned().map(|user| (id.clone(), user)));
    }
    Ok(users)
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

//! `history --at`: who could open what at a time: the mappings of now, without what
//! the log says was done later.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use super::Arguments;
use super::shown::JSON_VERSION;
use crate::aws::CallError;
use crate::cli::connection::no_deadline;
use crate::cli::output::{Output, csv, outln, put, remark, sayln};
use crate::cli::table;
use crate::cli::words::{grid, time};
use crate::identity::{Id, Identity, IdentityType};
use crate::log::Log;
use crate::plan::{Action, Mapping};
use crate::record::Past;
use crate::visible;

/// A mapping that there was.
#[derive(Debug, Serialize)]
struct Row {
    studio: String,
    studio_id: String,
    identity_type: IdentityType,
    identity_id: Id,
    identity_name: Option<String>,
    session_policy: String,
}

const COLUMNS: [&str; 6] = [
    "studio",
    "studio_id",
    "identity_type",
    "identity_id",
    "identity_name",
    "session_policy",
];

pub(super) async fn at(
    arguments: &Arguments,
    log: &Log,
    at: DateTime<Utc>,
    failed: impl Fn(CallError) -> String,
) -> Result<ExitCode, String> {
    let Some(path) = &arguments.of.table else {
        return Err("--at: give --table: its Studios are those that are told of".to_owned());
    };
    if at > Utc::now() {
        return Err("--at: that time is still to come".to_owned());
    }
    let (table, document) = table::load(path)?;
    let mut connected = arguments.of.account.connect(table, &document).await?;
    let begins = log.begins(no_deadline()).await.map_err(&failed)?;
    let begins = begins.ok_or("the function's log is empty: it tells of no time")?;
    if at.timestamp_millis() < begins {
        return Err(format!(
            "the log begins at {}: of what was before, it says nothing",
            time(begins / 1000)
        ));
    }
    let only = arguments.only(&connected).await?;
    let later = log.changes(at.timestamp_millis() + 1, no_deadline()).await;
    let later = later.map_err(&failed)?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for (place, studio) in connected.engine.table().studios.iter().enumerate() {
        let read = connected.engine.studio(place).mappings(no_deadline()).await;
        let mut mappings = match read {
            Ok(mappings) => mappings,
            Err(why) => {
                problems.push(format!("{}: {why}", visible::name(&studio.alias)));
                continue;
            }
        };
        let of_it = later.iter().filter(|(past, _)| past.studio_id == studio.id);
        let of_it: Vec<&Past> = of_it.map(|(past, _)| past).collect();
        let undone = undo(&mut mappings, &of_it);
        let strange = undone.iter().map(|identity| {
            format!(
                "{}: somebody else than the function has changed the mapping of {identity} since",
                visible::name(&studio.alias)
            )
        });
        problems.extend(strange);
        // What nobody logged: made by others, and since when, the service says.
        mappings.retain(|_, mapping| mapping.created.is_none_or(|made| made <= at.timestamp()));
        for (identity, mapping) in mappings {
            let name = mapping.name.clone();
            rows.push((place, identity, name, mapping.session_policy));
        }
    }
    let asked: BTreeSet<Identity> = rows
        .iter()
        .map(|(_, identity, ..)| identity.clone())
        .collect();
    let names = connected.engine.names(&asked, no_deadline()).await;
    connected.words.names.extend(names);
    let studios = &connected.engine.table().studios;
    let rows = rows
        .into_iter()
        .map(|(place, identity, name, session_policy)| Row {
            studio: studios[place].alias.clone(),
            studio_id: studios[place].id.clone(),
            identity_name: connected.words.names.get(&identity).cloned().or(name),
            identity_type: identity.kind,
            identity_id: identity.id,
            session_policy,
        });
    let rows: Vec<Row> = rows.filter(|row| only.fits(row)).collect();
    match arguments.output {
        Output::Json => outln!(
            "{:#}",
            json!({
                "version": JSON_VERSION,
                "at": time(at.timestamp()),
                "log_begins": time(begins / 1000),
                "mappings": rows,
                "problems": problems,
            })
        ),
        Output::Csv => put(csv(&COLUMNS, &rows)?)?,
        Output::Table => {
            let mut grid = grid(&["Studio", "Type", "Who", "Session policy"]);
            for row in &rows {
                let name = row.identity_name.as_deref();
                grid.add_row([
                    visible::name(&row.studio),
                    row.identity_type.to_string(),
                    visible::name(name.unwrap_or(row.identity_id.as_str())),
                    connected.words.policy(&row.session_policy),
                ]);
            }
            sayln!(
                "At {}; the log begins at {}",
                time(at.timestamp()),
                time(begins / 1000)
            );
            sayln!("{grid}");
        }
    }
    problems.iter().for_each(|problem| remark("!", problem));
    Ok(match problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

impl super::Only {
    fn fits(&self, row: &Row) -> bool {
        self.lets_through(&Past {
            action: Action::Create,
            studio: row.studio.clone(),
            studio_id: row.studio_id.clone(),
            identity: Identity {
                kind: row.identity_type,
                id: row.identity_id.clone(),
            },
            name: row.identity_name.clone(),
            session_policy: None,
            previous_policy: None,
            rule: None,
            via_group: None,
            approved: false,
            cause: None,
            cloudtrail: None,
        })
    }
}

/// Takes changes back, the newest first. Those whose mapping is not as the change
/// left it are told: others have had a hand in it.
fn undo(mappings: &mut BTreeMap<Identity, Mapping>, later: &[&Past]) -> BTreeSet<Identity> {
    let mut strange = BTreeSet::new();
    for past in later.iter().rev() {
        let identity = &past.identity;
        let has = mappings
            .get(identity)
            .map(|has| has.session_policy.as_str());
        if has != past.session_policy.as_deref() {
            strange.insert(identity.clone());
        }
        match (&past.action, &past.previous_policy) {
            (Action::Create, _) | (_, None) => drop(mappings.remove(identity)),
            (Action::Update | Action::Delete, Some(before)) => {
                let had = mappings.entry(identity.clone()).or_insert(Mapping {
                    session_policy: String::new(),
                    name: past.name.clone(),
                    created: None,
                    modified: None,
                });
                had.session_policy.clone_from(before);
            }
        }
    }
    strange
}

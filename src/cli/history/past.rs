//! `history --at`: who could open what at a time, by the log before and after, and by
//! the mappings of now.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::json;

use super::evidence::{Evidence, Point, Verdict};
use super::shown::JSON_VERSION;
use super::{Arguments, Only};
use crate::aws::CallError;
use crate::cli::connection::{Connected, no_deadline};
use crate::cli::output::{Output, csv, outln, put, remark, sayln};
use crate::cli::progress::watched;
use crate::cli::table;
use crate::cli::words::{grid, time};
use crate::identity::{Id, Identity, IdentityType};
use crate::log::Log;
use crate::plan::Mapping;
use crate::record::Past;
use crate::studio::Refusal;
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
    certain: bool,
}

const COLUMNS: [&str; 7] = [
    "studio",
    "studio_id",
    "identity_type",
    "identity_id",
    "identity_name",
    "session_policy",
    "certain",
];

/// What the answer cannot know.
const NOT_LOGGED: &str = "what others than the function changed is not in its log";

/// All that is known of one identity's mapping in one Studio.
struct Known<'l> {
    identity: Identity,
    /// Oldest first.
    changes: Vec<&'l (Past, i64)>,
    now: Option<Mapping>,
    /// Why it is not known when it was last changed.
    silent: Option<String>,
}

impl Known<'_> {
    fn evidence(&self, at: DateTime<Utc>) -> Evidence<'_> {
        Evidence::of(at.timestamp_millis(), &self.changes, self.now.as_ref())
    }

    /// What it is or was called, by the log and by EMR.
    fn names(&self) -> impl Iterator<Item = &String> {
        let now = self.now.iter().filter_map(|now| now.name.as_ref());
        let logged = self.changes.iter().rev();
        now.chain(logged.filter_map(|(past, _)| past.name.as_ref()))
    }
}

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
    let studios = connected.engine.table().studios.iter().enumerate();
    let places = studios.filter(|(_, studio)| only.is_in(&studio.alias, &studio.id));
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    if let (Some(name), true) = (&arguments.studio, places.is_empty()) {
        return Err(format!(
            "--studio: {} is not in the table, whose Studios are those that --at tells of",
            visible::quoted(name)
        ));
    }
    let all = log.changes(begins, no_deadline()).await.map_err(&failed)?;
    let (mut rows, mut doubts, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        let studio = &connected.engine.table().studios[place];
        let of_it = all.iter().filter(|(past, _)| past.studio_id == studio.id);
        let reading = connected.known(place, of_it, &only, at);
        let known = match watched(&connected.engine, "reading", reading).await {
            Ok(known) => known,
            Err(why) => {
                problems.push(format!("{}: {why}", visible::name(&studio.alias)));
                continue;
            }
        };
        for known in known {
            let (session_policy, certain) = match known.evidence(at).verdict() {
                Verdict::Unmapped => continue,
                Verdict::Mapped(policy) => (policy.to_owned(), true),
                Verdict::Perhaps(policy) => (policy.to_owned(), false),
            };
            let identity = known.identity.clone();
            let name = known.names().next().cloned();
            rows.push((place, identity, name, session_policy, certain));
            if !certain {
                doubts.push((place, known));
            }
        }
    }
    let whose = rows.iter().map(|(_, identity, ..)| identity.clone());
    let names = connected
        .engine
        .names(&whose.collect(), no_deadline())
        .await;
    connected.words.names.extend(names);
    for (_, identity, name, ..) in &rows {
        if let Some(name) = name {
            let names = &mut connected.words.names;
            names.entry(identity.clone()).or_insert(name.clone());
        }
    }
    let in_doubt = doubts.iter();
    problems.extend(in_doubt.map(|(place, known)| connected.doubt(*place, known, at)));
    let studios = &connected.engine.table().studios;
    let rows = rows
        .into_iter()
        .map(|(place, identity, _, session_policy, certain)| Row {
            studio: studios[place].alias.clone(),
            studio_id: studios[place].id.clone(),
            identity_name: connected.words.names.get(&identity).cloned(),
            identity_type: identity.kind,
            identity_id: identity.id,
            session_policy,
            certain,
        });
    let rows: Vec<Row> = rows.collect();
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
                let session_policy = connected.words.policy(&row.session_policy);
                grid.add_row([
                    visible::name(&row.studio),
                    row.identity_type.to_string(),
                    visible::name(name.unwrap_or(row.identity_id.as_str())),
                    match row.certain {
                        true => session_policy,
                        false => format!("{session_policy} (not certain)"),
                    },
                ]);
            }
            sayln!(
                "At {}; the log begins at {}; {NOT_LOGGED}",
                time(at.timestamp()),
                time(begins / 1000)
            );
            sayln!("{grid}");
        }
    }
    if arguments.output != Output::Table {
        remark("note:", NOT_LOGGED);
    }
    problems.iter().for_each(|problem| remark("!", problem));
    Ok(match problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

impl Connected {
    /// What is known of each mapping of a Studio that is asked for.
    async fn known<'l>(
        &self,
        place: usize,
        changes: impl Iterator<Item = &'l (Past, i64)>,
        only: &Only,
        at: DateTime<Utc>,
    ) -> Result<Vec<Known<'l>>, Refusal> {
        let studio = self.engine.studio(place);
        let mut mappings = studio.mappings(no_deadline()).await?;
        let mut logged: BTreeMap<Identity, Vec<&(Past, i64)>> = BTreeMap::new();
        for change in changes {
            let of_whom = logged.entry(change.0.identity.clone());
            of_whom.or_default().push(change);
        }
        let mapped = mappings.keys().cloned();
        let everybody: BTreeSet<Identity> = mapped.chain(logged.keys().cloned()).collect();
        let known = everybody.into_iter().map(|identity| Known {
            changes: logged.remove(&identity).unwrap_or_default(),
            now: mappings.remove(&identity),
            silent: None,
            identity,
        });
        let is_asked_for = |known: &Known<'_>| {
            let by_id = only.is_about(&known.identity, None);
            let by_name = |name| only.is_about(&known.identity, Some(name));
            by_id || known.names().any(by_name)
        };
        let known: Vec<Known<'l>> = known.filter(is_asked_for).collect();
        let asked = known.into_iter().map(async |mut known| {
            if !known.evidence(at).lacks_last_change() {
                return known;
            }
            match studio.mapping(&known.identity, no_deadline()).await {
                Ok(Some(now)) => known.now = Some(now),
                // It has gone since it was listed: it is told as it was listed.
                Ok(None) => {}
                Err(why) => known.silent = Some(why.to_string()),
            }
            known
        });
        Ok(join_all(asked).await)
    }

    /// Why it is not certain what there was: what both ends say.
    fn doubt(&self, place: usize, known: &Known<'_>, at: DateTime<Utc>) -> String {
        let evidence = known.evidence(at);
        let said = |point: Point<'_>| {
            let policy = point.policy.map(|policy| self.words.policy(policy));
            let policy = policy.unwrap_or_else(|| "no mapping".to_owned());
            (policy, time(point.at_ms / 1000))
        };
        let before = match evidence.before.map(said) {
            Some((policy, since)) => format!("the log has {policy} from {since} on"),
            None => "the log has nothing of it before".to_owned(),
        };
        let after = match (evidence.after.map(said), evidence.now) {
            (Some((policy, until)), _) => format!("{policy} until {until}"),
            (None, None) => "there is none now".to_owned(),
            (None, Some(now)) if evidence.is_younger(now) => {
                let made = now.created.map(time).unwrap_or_default();
                format!("that of now was made at {made}")
            }
            (None, Some(now)) => {
                let policy = self.words.policy(&now.session_policy);
                let silent = known.silent.as_deref();
                let changed = match (now.modified, silent) {
                    (Some(modified), _) => format!("last changed at {}", time(modified)),
                    (None, Some(why)) => format!("when it was last changed is not told ({why})"),
                    (None, None) => "since when is not told".to_owned(),
                };
                format!("now it is {policy}, {changed}")
            }
        };
        let shown = match evidence.before.map(|before| before.policy) {
            Some(Some(_)) => "others changed it in between; shown is the former",
            Some(None) => "others changed it in between; shown is the latter",
            None => "since when is not known; shown is that",
        };
        format!(
            "{}: what {} had then is not certain: {before}, and {after}; {shown}",
            visible::name(&self.engine.table().studios[place].alias),
            self.words.name(&known.identity)
        )
    }
}

//! `history`: who got or lost what, when, by which rule, event and identity, out of
//! the function's own log.

mod evidence;
mod past;
mod shown;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::Args;
use tokio::sync::Semaphore;

use super::connection::{Connected, no_deadline};
use super::credentials;
use super::output::{Output, remark};
use super::remote::Deployed;
use super::whereabouts::knock;
use crate::aws::{CallError, Kind, Tally};
use crate::identity::{Id, Identity, IdentityType};
use crate::log::{LOGS, Log};
use crate::policy::resolve;
use crate::record::Past;
use crate::visible;

/// So often a log that is followed is read again.
const FOLLOWED_EVERY: Duration = Duration::from_secs(2);
/// The longest pause after readings of it that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// A line may be found only some time after it was written: so far back each
/// reading of a followed log looks.
const LATE_MS: i64 = 60_000;

#[derive(Debug, Args)]
#[command(
    after_help = "What was made by others than the function is not in its log.\nNames are those in \
    the log (LogNames), or else those that the identity store has now.\n\n\
    Examples:\n  emr-studio-sync history --stack emr-studio-sync --user alice@example.com --since 90d\n  \
    emr-studio-sync history --stack emr-studio-sync --table policy.toml --at 2026-03-02T12:00:00Z"
)]
pub(super) struct Arguments {
    /// Only this user, by user name or id
    #[arg(long, value_name = "NAME|ID", conflicts_with = "group")]
    user: Option<String>,
    /// Only this group, by display name or id
    #[arg(long, value_name = "NAME|ID")]
    group: Option<String>,
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    /// From when on: so long ago (90m, 24h, 30d), a day or a time
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = time)]
    since: DateTime<Utc>,
    /// Go on with what is done from now on, until Ctrl-C; over failures that pass too
    #[arg(long)]
    follow: bool,
    /// Who could open what then, in the Studios of the table: by the log before and
    /// after, and the present mappings; what is not certain is marked, and why
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["since", "follow"])]
    at: Option<DateTime<Utc>>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    of: Deployed,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let sdk = arguments.of.account.sdk().await?;
    let group = arguments.of.which.log_group(&sdk).await?;
    knock(LOGS, &sdk).await?;
    let (flight, tally) = (Arc::new(Semaphore::new(1)), Arc::new(Tally::default()));
    let log = Log::new(&group, &sdk, &flight, &tally);
    let failed = |error: CallError| match error.kind {
        Kind::Denied => {
            format!("you may not read {group}: allow logs:FilterLogEvents on it ({error})")
        }
        _ if error.text.starts_with("ResourceNotFoundException") => {
            format!("there is no log group {group}: see --stack, --region and --profile")
        }
        _ => credentials::refused(&error.text, None).unwrap_or_else(|| error.to_string()),
    };
    match arguments.at {
        Some(at) => past::at(&arguments, &log, at, failed).await,
        None => changes(&arguments, &log, failed).await,
    }
}

async fn changes(
    arguments: &Arguments,
    log: &Log,
    failed: impl Fn(CallError) -> String,
) -> Result<ExitCode, String> {
    let mut connected = arguments.of.connect(Vec::new()).await?;
    let only = arguments.only(&connected).await?;
    let mut since_ms = arguments.since.timestamp_millis();
    let (mut shown, mut is_first, mut pause) = (Vec::new(), true, FOLLOWED_EVERY);
    loop {
        let begun_ms = Utc::now().timestamp_millis();
        let mut rows = match log.changes(since_ms, no_deadline()).await {
            Ok(rows) => rows,
            // The next reading begins where this one would have.
            Err(error) if arguments.follow && error.is_transient() => {
                let seconds = pause.as_secs();
                remark("!", &format!("{error}; tried again in {seconds} s"));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        if pause > FOLLOWED_EVERY {
            remark("note:", "the log is read again, from where it was left");
            pause = FOLLOWED_EVERY;
        }
        if is_first && let Some(name) = only.studio_that_nobody_knows(&rows) {
            return Err(format!(
                "--studio: the log has no change of a Studio {}; give --table, for which those \
                 are that there are, or its id",
                visible::quoted(name)
            ));
        }
        rows.retain(|row| only.lets_through(&row.0) && !shown.contains(row));
        if arguments.of.account.store_id().is_ok() {
            connected.learn_names_in(&rows).await;
        }
        connected.print_history(&rows, arguments, is_first)?;
        if !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        shown.extend(rows);
        since_ms = since_ms.max(begun_ms - LATE_MS);
        shown.retain(|(_, at_ms)| *at_ms >= since_ms);
        is_first = false;
        tokio::time::sleep(pause).await;
    }
}

/// Which of the changes are asked for.
struct Only {
    identity: Option<(IdentityType, Option<Id>, String)>,
    studio: Option<String>,
}

impl Only {
    /// A name that is no id and that the log does not have: that nothing is found
    /// under it says nothing.
    fn studio_that_nobody_knows(&self, rows: &[(Past, i64)]) -> Option<&str> {
        let name = self.studio.as_deref()?;
        let is_known = || rows.iter().any(|(past, _)| past.studio == name);
        (!resolve::is_studio_id(name) && !is_known()).then_some(name)
    }

    fn lets_through(&self, past: &Past) -> bool {
        self.is_about(&past.identity, past.name.as_ref())
            && self.is_in(&past.studio, &past.studio_id)
    }

    /// Whether it is this identity that is asked for, which has or had this name.
    fn is_about(&self, identity: &Identity, called: Option<&String>) -> bool {
        self.identity.as_ref().is_none_or(|(kind, id, name)| {
            let is_it = id.as_ref() == Some(&identity.id);
            identity.kind == *kind && (is_it || called == Some(name))
        })
    }

    fn is_in(&self, alias: &str, id: &str) -> bool {
        let studio = self.studio.as_ref();
        studio.is_none_or(|name| alias == name || id == name)
    }
}

impl Arguments {
    /// The Studio that is asked for: its id, where a table has it.
    fn studio(&self) -> Result<Option<String>, String> {
        let (Some(name), Some(path)) = (&self.studio, &self.of.table) else {
            return Ok(self.studio.clone());
        };
        let (table, _) = super::table::load(path)?;
        match table.studio_called(name) {
            Ok(place) => Ok(Some(table.studios[place].id.clone())),
            // The log remembers those that are in the table no more.
            Err(_) if resolve::is_studio_id(name) => Ok(Some(name.clone())),
            Err(why) => Err(format!("--studio: {why}")),
        }
    }

    async fn only(&self, connected: &Connected) -> Result<Only, String> {
        let (kind, name) = match (&self.user, &self.group) {
            (Some(name), _) => (IdentityType::User, name),
            (_, Some(name)) => (IdentityType::Group, name),
            (None, None) => {
                return Ok(Only {
                    identity: None,
                    studio: self.studio()?,
                });
            }
        };
        let id = match Id::parse(name) {
            Some(id) => Some(id),
            // The log may have the names of those who are gone by now.
            None if self.of.account.store_id().is_err() => None,
            None => {
                let store = connected.engine.store();
                let found = store.called(kind, name, no_deadline()).await;
                let found = found.map_err(|error| error.to_string())?;
                found.known().map(|identity| identity.id.clone())
            }
        };
        if id.is_none() {
            let name = visible::quoted(name);
            let sentence = format!(
                "the id of {name} is not known: only what is logged under that name is found \
                 (LogNames); give the id in place of the name, or --identity-store-id"
            );
            remark("!", &sentence);
        }
        Ok(Only {
            identity: Some((kind, id, name.clone())),
            studio: self.studio()?,
        })
    }
}

impl Connected {
    async fn learn_names_in(&mut self, rows: &[(Past, i64)]) {
        let named = rows.iter().flat_map(|(past, _)| {
            let group = past.via_group.clone().map(Identity::group);
            let whom = past.name.is_none().then(|| past.identity.clone());
            [group, whom]
        });
        let mut whose: BTreeSet<Identity> = named.flatten().collect();
        whose.retain(|identity| !self.words.names.contains_key(identity));
        let names = self.engine.names(&whose, no_deadline()).await;
        self.words.names.extend(names);
    }
}

/// A time as people give it: `24h`, `2026-03-02`, `2026-03-02T12:00:00Z`.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    let long = text.char_indices().last().and_then(|(last, unit)| {
        let count: i64 = text[..last].parse().ok().filter(|count| *count >= 0)?;
        match unit {
            'm' => TimeDelta::try_minutes(count),
            'h' => TimeDelta::try_hours(count),
            'd' => TimeDelta::try_days(count),
            _ => None,
        }
    });
    let time = long.and_then(|long| Utc::now().checked_sub_signed(long));
    time.ok_or_else(|| {
        "that is no time: give 90m, 24h, 30d, 2026-03-02 or 2026-03-02T12:00:00Z".to_owned()
    })
}

//! A plan in a file: what `plan --out` writes for somebody to look at, and `apply`
//! makes exactly as it was looked at, or not at all.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::named_in;
use super::shown::key;
use crate::cli::connection::Connected;
use crate::cli::words::{Line, Widths};
use crate::identity::Identity;
use crate::report::{ChangeReport, Outcome, Pass};
use crate::visible;

/// The version of the file. Fields may be added to one version; none changes its
/// meaning or goes.
const VERSION: u64 = 1;

/// What a file says that is to be made.
#[derive(Debug, Deserialize)]
pub(super) struct PlanFile {
    made_at: String,
    release: String,
    table: String,
    identity_store_id: String,
    account: Option<String>,
    /// The one Studio it is about, if not all.
    pub(super) studio: Option<String>,
    plan_id: Option<String>,
    changes: Vec<ChangeReport>,
}

impl PlanFile {
    /// Refuses where it would take the place of something else: of the table, say.
    pub(super) fn may_be_at(path: &Path) -> Result<(), String> {
        // What is no file cannot be lost: `/dev/stdout`.
        if !std::fs::metadata(path).is_ok_and(|there| there.is_file()) {
            return Ok(());
        }
        let text = crate::cli::read(path);
        let is_plan = |text: &String| {
            let plan: Value = serde_json::from_str(text).unwrap_or_default();
            let members = ["version", "made_at", "release", "changes"];
            text.is_empty() || members.iter().all(|member| plan.get(member).is_some())
        };
        match text.is_ok_and(|text| is_plan(&text)) {
            true => Ok(()),
            false => Err(format!(
                "--out: {} is there already, and is no plan of `plan --out`; it was left as it is. \
                 Give another name",
                path.display()
            )),
        }
    }

    /// Writes a plan into a file.
    pub(super) fn write(
        path: &Path,
        connected: &Connected,
        pass: &Pass,
        studio: Option<&str>,
        account: Option<String>,
    ) -> Result<(), String> {
        let plan = connected.json(pass);
        let engine = &connected.engine;
        let text = json!({
            "version": VERSION,
            "made_at": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            "release": crate::VERSION,
            "table": engine.table().digest(),
            "identity_store_id": engine.store_id(),
            "account": account,
            "studio": studio,
            "plan_id": plan["plan_id"],
            "changes": plan["changes"],
        });
        let written = std::fs::write(path, format!("{text:#}\n"));
        written.map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    /// Reads one.
    pub(super) fn read(path: &Path) -> Result<PlanFile, String> {
        let text = crate::cli::read(path)?;
        let none = |why: &str| format!("{} is no plan of `plan --out`: {why}", path.display());
        let value: Value = serde_json::from_str(&text).map_err(|why| none(&why.to_string()))?;
        match value["version"].as_u64() {
            Some(VERSION) => {}
            Some(other) => return Err(none(&format!("its version is {other}, not {VERSION}"))),
            None => return Err(none("it has no version")),
        }
        serde_json::from_value(value).map_err(|why| none(&why.to_string()))
    }

    /// Whose names it is told with.
    pub(super) fn whose(&self) -> BTreeSet<Identity> {
        named_in(&self.changes)
    }

    /// Refuses where it was made for another table or another place.
    pub(super) fn is_for(
        &self,
        connected: &Connected,
        account: Option<&str>,
    ) -> Result<(), String> {
        let engine = &connected.engine;
        let mut others = Vec::new();
        let mut differs = |what: &str, then: &str, now: &str| {
            if then != now {
                others.push(format!("{what}: {then} then, {now} now"));
            }
        };
        differs("release", &self.release, crate::VERSION);
        differs("identity store", &self.identity_store_id, engine.store_id());
        differs("table (digest)", &self.table, &engine.table().digest());
        if let (Some(then), Some(now)) = (&self.account, account) {
            differs("account", then, now);
        }
        match others.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "the plan was made for something else; nothing was changed: {}",
                others.join("; ")
            )),
        }
    }

    /// Refuses where something else is to be done by now than it says. With the
    /// approval of what it holds, that is part of it.
    pub(super) fn is_still(
        &self,
        connected: &Connected,
        fresh: &Pass,
        approve: Option<&str>,
    ) -> Result<(), String> {
        if let Some(approve) = approve
            && self.plan_id.as_deref() != Some(approve)
        {
            return Err(format!(
                "--approve: {approve} is not what the plan holds; nothing was changed"
            ));
        }
        match self.differs(connected, fresh, approve) {
            none if none.is_empty() => Ok(()),
            text => Err(self.refused(&text)),
        }
    }

    /// Why nothing was made, where the world moved after it was still the same.
    pub(super) fn moved(
        &self,
        connected: &Connected,
        fresh: &Pass,
        approve: Option<&str>,
    ) -> String {
        self.refused(&self.differs(connected, fresh, approve))
    }

    /// Says what differs, line by line; the error itself is one.
    fn refused(&self, differs: &str) -> String {
        for line in differs.lines() {
            anstream::eprintln!("{}", visible::line(line));
        }
        format!(
            "the world has moved since the plan was made at {}; nothing was changed",
            self.made_at
        )
    }

    /// What is to be done by now and it does not say, and the other way about.
    fn differs(&self, connected: &Connected, fresh: &Pass, approve: Option<&str>) -> String {
        let reviewed = self.changes.iter().filter(|change| match change.outcome {
            Outcome::Planned => true,
            Outcome::Held => approve.is_some(),
            _ => false,
        });
        let changes = fresh.report.changes.iter();
        let planned = changes.filter(|change| change.outcome == Outcome::Planned);
        let (then, now): (Vec<_>, Vec<_>) = (reviewed.collect(), planned.collect());
        let mut text = String::new();
        for (head, these, those) in [
            ("to do now, and not in the plan", &now, &then),
            ("in the plan, and not to do now", &then, &now),
        ] {
            let known: BTreeSet<_> = those.iter().map(|change| key(change)).collect();
            let new = these.iter().filter(|change| !known.contains(&key(change)));
            let new: Vec<Line> = new.map(|change| connected.words.change(change)).collect();
            let widths = Widths::of(&new);
            let lines = new.iter().map(|line| format!("  {}\n", line.plain(widths)));
            let lines: String = lines.collect();
            if !lines.is_empty() {
                let _ = write!(text, "{head}\n{lines}");
            }
        }
        text
    }
}

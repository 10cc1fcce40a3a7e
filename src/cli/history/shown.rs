//! What `history` says of changes.

use serde::Serialize;
use serde_json::json;

use super::Arguments;
use crate::cli::connection::Connected;
use crate::cli::output::{Output, csv, outln, put, sayln};
use crate::cli::words::{Line, Widths, time};
use crate::identity::{Id, Identity, IdentityType};
use crate::plan::Action;
use crate::record::Past;
use crate::visible;

/// The version of the JSON that `history` prints.
pub(super) const JSON_VERSION: u32 = 1;

/// A change as programs and spreadsheets read it.
#[derive(Debug, Serialize)]
struct Row {
    at: String,
    action: Action,
    studio: String,
    studio_id: String,
    identity_type: IdentityType,
    identity_id: Id,
    identity_name: Option<String>,
    session_policy: Option<String>,
    previous_policy: Option<String>,
    rule: Option<u64>,
    via_group: Option<Id>,
    via_group_name: Option<String>,
    approved: bool,
    cause: Option<String>,
    cloudtrail: Option<String>,
}

/// The columns of the CSV: the fields of a [`Row`].
const COLUMNS: [&str; 15] = [
    "at",
    "action",
    "studio",
    "studio_id",
    "identity_type",
    "identity_id",
    "identity_name",
    "session_policy",
    "previous_policy",
    "rule",
    "via_group",
    "via_group_name",
    "approved",
    "cause",
    "cloudtrail",
];

impl Connected {
    /// Prints changes; where the log is followed, after those that were printed
    /// before.
    pub(super) fn print_history(
        &self,
        rows: &[(Past, i64)],
        arguments: &Arguments,
        is_first: bool,
    ) -> Result<(), String> {
        let rows_of = || rows.iter().map(|row| self.history_row(row));
        match arguments.output {
            // One line each: there is no end that could close a list.
            Output::Json if arguments.follow => {
                for row in rows_of() {
                    let mut row = json!(row);
                    row["version"] = json!(JSON_VERSION);
                    outln!("{row}");
                }
            }
            Output::Json => outln!(
                "{:#}",
                json!({
                    "version": JSON_VERSION,
                    "since": time(arguments.since.timestamp()),
                    "changes": rows_of().collect::<Vec<Row>>(),
                })
            ),
            Output::Csv => {
                let all = csv(&COLUMNS, &rows_of().collect::<Vec<Row>>())?;
                let text = match is_first {
                    true => all.as_str(),
                    false => all.split_once('\n').map_or("", |(_, rest)| rest),
                };
                put(text)?;
            }
            Output::Table if rows.is_empty() && !arguments.follow => {
                sayln!(
                    "No changes since {} in the function's log.",
                    time(arguments.since.timestamp())
                )
            }
            Output::Table => {
                let lines = rows.iter().map(|(past, _)| self.history_line(past));
                let lines: Vec<Line> = lines.collect();
                let widths = Widths::of(&lines);
                for ((_, at_ms), line) in rows.iter().zip(&lines) {
                    sayln!("{}  {}", time(at_ms / 1000), line.text(widths));
                }
            }
        }
        Ok(())
    }

    fn history_row(&self, (past, at_ms): &(Past, i64)) -> Row {
        let group = past.via_group.clone().map(Identity::group);
        Row {
            at: time(at_ms / 1000),
            action: past.action,
            studio: past.studio.clone(),
            studio_id: past.studio_id.clone(),
            identity_type: past.identity.kind,
            identity_id: past.identity.id.clone(),
            identity_name: self.name_in(past),
            session_policy: past.session_policy.clone(),
            previous_policy: past.previous_policy.clone(),
            rule: past.rule,
            via_group: past.via_group.clone(),
            via_group_name: group.and_then(|group| self.words.names.get(&group).cloned()),
            approved: past.approved,
            cause: past.cause.clone(),
            cloudtrail: past.cloudtrail.clone(),
        }
    }

    fn name_in(&self, past: &Past) -> Option<String> {
        let known = || self.words.names.get(&past.identity).cloned();
        past.name.clone().or_else(known)
    }

    fn history_line(&self, past: &Past) -> Line {
        let name = self.name_in(past);
        let name = name.as_deref().unwrap_or(past.identity.id.as_str());
        let mut why = match (past.rule, &past.via_group) {
            (None, _) => "no rule wanted it".to_owned(),
            (Some(rule), None) => format!("rules[{rule}]"),
            (Some(rule), Some(group)) => {
                let group = self.words.name(&Identity::group(group.clone()));
                format!("rules[{rule}], through {group}")
            }
        };
        if past.approved {
            why += ", approved";
        }
        if let Some(cause) = &past.cause {
            why += &format!(", event {}", visible::name(cause));
        }
        let policies = (&past.previous_policy, &past.session_policy);
        let policies = (policies.0.as_deref(), policies.1.as_deref());
        Line {
            action: past.action,
            studio: visible::name(&past.studio),
            name: visible::name(name),
            policies: self.words.policies(policies.0, policies.1),
            rest: format!("({why})"),
        }
    }
}

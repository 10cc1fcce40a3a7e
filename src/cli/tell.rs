//! What `simulate` says: each event and what it led to, and at the end who can
//! open which Studio.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::simulate::Stage;
use super::words::{Line, Widths, grid, paint};
use crate::error::Error;
use crate::event::{self, Payload};
use crate::identity::{Id, Identity, IdentityType};
use crate::sync::Access;
use crate::visible;

impl Stage {
    pub(super) fn tell(
        &self,
        file: &str,
        payload: &Value,
        answer: &Result<Value, Error>,
    ) -> String {
        let mut text = format!("{}\n", paint(Style::new().bold(), &visible::name(file)));
        let _ = writeln!(text, "  {}", self.meaning(payload, answer));
        let report = match answer {
            Ok(report) => report,
            Err(error) => {
                let _ = writeln!(
                    text,
                    "  {}",
                    paint(
                        AnsiColor::Red.on_default(),
                        &visible::line(&error.to_string())
                    )
                );
                return text;
            }
        };
        let Some(changes) = report["changes"].as_array() else {
            // Not a report: an explanation, or the answer to a queue.
            let _ = writeln!(text, "{}", visible::text(&format!("{report:#}")));
            return text;
        };
        let lines = changes.iter().filter_map(|change| {
            let change = serde_json::from_value(change.clone()).ok()?;
            Some(self.words.change(&change))
        });
        let lines: Vec<Line> = lines.collect();
        let widths = Widths::of(&lines);
        for line in &lines {
            let _ = writeln!(text, "  {}", line.text(widths));
        }
        if changes.is_empty() && report["scope"] != "nothing" {
            let _ = writeln!(text, "  = {}", agreement(&report["unchanged"]));
        }
        for problem in report["problems"].as_array().into_iter().flatten() {
            let problem = visible::line(problem.as_str().unwrap_or_default());
            let problem = format!("! {problem}");
            let _ = writeln!(
                text,
                "  {}",
                paint(AnsiColor::Yellow.on_default(), &problem)
            );
        }
        text
    }

    /// What the event said: where to look, and why there.
    fn meaning(&self, payload: &Value, answer: &Result<Value, Error>) -> String {
        let report = answer.as_ref().unwrap_or(&Value::Null);
        let detail = &payload["detail"]["eventName"];
        let what = detail
            .as_str()
            .or(payload["detail-type"].as_str())
            .or(payload["action"].as_str())
            .unwrap_or("payload");
        let Some(scope) = report["scope"].as_str() else {
            return visible::line(what);
        };
        let store = self.function.engine().store_id();
        let named = match event::payload(payload) {
            Payload::Event(event) => event::read(event, store).ok(),
            _ => None,
        };
        let whom: Vec<String> = named
            .iter()
            .flat_map(|event| event.scope.identities())
            .map(|identity| {
                let kind = identity.kind.to_string().to_lowercase();
                format!("{kind} {}", self.words.name(identity))
            })
            .collect();
        let look = match (whom.is_empty(), scope, report["reason"].as_str()) {
            (false, ..) => format!("look at {}", whom.join(", ")),
            (true, "nothing", Some(reason)) => format!("nothing to look at: {reason}"),
            (true, scope, Some(reason)) => format!("look at {scope}: {reason}"),
            (true, scope, None) => format!("look at {scope}"),
        };
        visible::line(&format!("{what} -> {look}"))
    }

    pub(super) fn access_table(&self, rows: &[Access]) -> String {
        let mut grid = grid(&["Studio", "Who", "Session policy", "By"]);
        for row in rows {
            grid.add_row([
                visible::name(self.studio(row)),
                self.who(row),
                self.words.policy(&row.session_policy),
                match (row.rule, &row.via_group, row.owned) {
                    (Some(rule), Some(group), _) => {
                        format!(
                            "rules[{rule}], through {}",
                            self.words.name(&Identity::group(group.clone()))
                        )
                    }
                    (Some(rule), None, _) => format!("rules[{rule}]"),
                    (None, _, true) => "no rule wants it".to_owned(),
                    (None, _, false) => "not the table's, left alone".to_owned(),
                },
            ]);
        }
        grid.to_string()
    }

    fn studio(&self, row: &Access) -> &str {
        &self.function.engine().table().studios[row.studio].alias
    }

    /// A user, or a group with those who are in it.
    fn who(&self, row: &Access) -> String {
        let name = self.words.name(&row.identity);
        if row.identity.kind == IdentityType::User {
            return name;
        }
        let world = self.emulator.world();
        let mut members: Vec<String> = world
            .memberships
            .values()
            .filter(|one| one.group == row.identity.id.as_str())
            .filter_map(|one| Id::from_service(&one.user))
            .map(|user| format!("\n  {}", self.words.name(&Identity::user(user))))
            .collect();
        members.sort();
        format!("group {name}:{}", members.concat())
    }

    pub(super) fn access_json(&self, row: &Access) -> Value {
        let name = self.words.names.get(&row.identity).map(String::as_str);
        json!({
            "studio": self.studio(row),
            "identity_type": row.identity.kind,
            "identity_id": row.identity.id,
            "name": name.unwrap_or(row.identity.id.as_str()),
            "session_policy": row.session_policy,
            "owned": row.owned,
            "rule": row.rule,
            "via_group": row.via_group,
        })
    }
}

fn agreement(unchanged: &Value) -> String {
    match unchanged.as_u64() {
        Some(1) => "1 mapping, as it should be".to_owned(),
        Some(count) if count > 0 => format!("{count} mappings, all as they should be"),
        _ => "no mapping, as it should be".to_owned(),
    }
}

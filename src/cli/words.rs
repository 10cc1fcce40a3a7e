//! How the tool says things to people: identities by name, session policies by
//! alias, changes as `+ ~ -`.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table as Grid, presets};

use crate::identity::Identity;
use crate::plan::Action;
use crate::policy::document::Document;
use crate::report::{ChangeReport, Outcome};

/// The names of things, where they are known.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) names: BTreeMap<Identity, String>,
    /// Whether it is the deployed function's answer that is told.
    pub(super) is_remote: bool,
    /// By ARN.
    session_policies: BTreeMap<String, String>,
}

impl Words {
    /// The words of a table as it was written.
    pub(super) fn of(document: &Document) -> Words {
        let policies = document.session_policies.iter();
        Words {
            names: BTreeMap::new(),
            is_remote: false,
            session_policies: policies
                .map(|(alias, arn)| (arn.clone(), alias.clone()))
                .collect(),
        }
    }

    /// What people call an identity; its id, if nobody knows.
    pub(super) fn name(&self, identity: &Identity) -> String {
        match self.names.get(identity) {
            Some(name) => readable(name),
            None => identity.id.to_string(),
        }
    }

    /// What the table calls a session policy; its name, if it doesn't.
    pub(super) fn alias<'a>(&'a self, session_policy: &'a str) -> &'a str {
        let name = session_policy.rsplit('/').next().unwrap_or(session_policy);
        self.session_policies
            .get(session_policy)
            .map_or(name, String::as_str)
    }

    /// One change, on one line.
    pub(super) fn change(&self, change: &ChangeReport) -> String {
        let color = match change.action {
            Action::Create => AnsiColor::Green,
            Action::Update => AnsiColor::Yellow,
            Action::Delete => AnsiColor::Red,
        };
        let identity = Identity {
            kind: change.identity_type,
            id: change.identity_id.clone(),
        };
        let policy =
            |policy: &Option<String>| policy.as_deref().map(|arn| self.alias(arn).to_owned());
        let policies = match (
            policy(&change.previous_policy),
            policy(&change.session_policy),
        ) {
            (Some(previous), Some(policy)) => format!("{previous} -> {policy}"),
            (previous, policy) => previous.or(policy).unwrap_or_default(),
        };
        let why = match (change.rule, &change.via_group) {
            (None, _) => "no rule wants it".to_owned(),
            (Some(rule), None) => format!("rules[{rule}]"),
            (Some(rule), Some(group)) => {
                let group = self.name(&Identity::group(group.clone()));
                format!("rules[{rule}], through {group}")
            }
        };
        let outcome = match change.outcome {
            Outcome::Done | Outcome::Planned => String::new(),
            other => format!("  {}", other.words()),
        };
        let line = format!(
            "{} {:<10} {:<20} {policies:<21} ({why}){outcome}",
            change.action.sign(),
            change.studio,
            self.name(&identity),
        );
        paint(color.on_default(), &line)
    }
}

/// A name as a terminal can show it. Whoever names a group does not write there.
pub(super) fn readable(name: &str) -> String {
    match name.contains(char::is_control) {
        true => name.escape_debug().to_string(),
        false => name.to_owned(),
    }
}

/// So many of something.
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// A table as people read it, with these heads to its columns.
pub(super) fn grid(head: &[&str]) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head);
    grid
}

/// A time in seconds since 1970 as `2026-03-02T10:15:30Z`.
pub(super) fn time(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0);
    time.map_or_else(String::new, |time| {
        time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    })
}

/// A text in a style; whoever prints it takes the style out where it is not
/// wanted.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

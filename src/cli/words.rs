//! How the tool says things to people: identities by name, session policies by
//! alias, changes as `+ ~ -`.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table as Grid, presets};

use crate::identity::Identity;
use crate::plan::Action;
use crate::policy::document::Document;
use crate::policy::{Assign, Selector};
use crate::report::{ChangeReport, Outcome};
use crate::visible;

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
        let name = self.names.get(identity).map(String::as_str);
        visible::name(name.unwrap_or(identity.id.as_str()))
    }

    /// What the table calls a session policy; its name, if it doesn't.
    pub(super) fn alias<'a>(&'a self, session_policy: &'a str) -> &'a str {
        let name = session_policy.rsplit('/').next().unwrap_or(session_policy);
        self.session_policies
            .get(session_policy)
            .map_or(name, String::as_str)
    }

    /// The alias of a session policy, as people read it.
    pub(super) fn policy(&self, session_policy: &str) -> String {
        visible::name(self.alias(session_policy))
    }

    /// What becomes of a session policy: the one before, or after, or both.
    pub(super) fn policies(&self, before: Option<&str>, after: Option<&str>) -> String {
        match (before, after) {
            (Some(before), Some(after)) => {
                format!("{} -> {}", self.policy(before), self.policy(after))
            }
            (before, after) => before
                .or(after)
                .map_or(String::new(), |arn| self.policy(arn)),
        }
    }

    /// One change, as a line of several.
    pub(super) fn change(&self, change: &ChangeReport) -> Line {
        let identity = Identity {
            kind: change.identity_type,
            id: change.identity_id.clone(),
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
        let policies = (&change.previous_policy, &change.session_policy);
        Line {
            action: change.action,
            studio: visible::name(&change.studio),
            name: self.name(&identity),
            policies: self.policies(policies.0.as_deref(), policies.1.as_deref()),
            rest: format!("({why}){outcome}"),
        }
    }
}

/// A change, to be shown among others.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) action: Action,
    pub(super) studio: String,
    pub(super) name: String,
    pub(super) policies: String,
    pub(super) rest: String,
}

/// How wide the columns of lines are: so that what is in them stands below each
/// other, though nothing that is longer than usual moves all the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths {
    studio: usize,
    name: usize,
    policies: usize,
}

impl Widths {
    pub(super) fn of<'l>(lines: impl IntoIterator<Item = &'l Line>) -> Widths {
        let least = Widths {
            studio: 10,
            name: 20,
            policies: 21,
        };
        lines.into_iter().fold(least, |widths, line| {
            let widths = widths.and_name(&line.name);
            Widths {
                studio: widths.studio.max(width(&line.studio, 20)),
                policies: widths.policies.max(width(&line.policies, 40)),
                ..widths
            }
        })
    }

    /// As wide as a name needs too.
    pub(super) fn and_name(self, name: &str) -> Widths {
        Widths {
            // Long enough for most addresses of e-mail.
            name: self.name.max(width(name, 36)),
            ..self
        }
    }

    /// From the beginning of the Studio's column to the end of the name's.
    pub(super) fn of_both(self) -> usize {
        self.studio + 1 + self.name
    }
}

/// How wide a text is; nothing, if it is wider than `most`.
fn width(text: &str, most: usize) -> usize {
    let width = text.chars().count();
    if width > most { 0 } else { width }
}

impl Line {
    pub(super) fn text(&self, widths: Widths) -> String {
        let color = match self.action {
            Action::Create => AnsiColor::Green,
            Action::Update => AnsiColor::Yellow,
            Action::Delete => AnsiColor::Red,
        };
        paint(color.on_default(), &self.plain(widths))
    }

    /// The same without its colour, for what is said of an error.
    pub(super) fn plain(&self, widths: Widths) -> String {
        format!(
            "{} {:<studio$} {:<name$} {:<policies$} {}",
            self.action.sign(),
            self.studio,
            self.name,
            self.policies,
            self.rest,
            studio = widths.studio,
            name = widths.name,
            policies = widths.policies,
        )
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

/// Whom a rule or an entry of `protect` is about.
pub(super) fn whom(select: &Selector, assign: Option<Assign>) -> String {
    let group = |what: String| match assign {
        Some(Assign::Members) => format!("members of {what}"),
        Some(Assign::Group) => format!("{what} as such"),
        None => format!("{what} and its members"),
    };
    match select {
        Selector::Group(pattern) => group(format!("group \"{}\"", pattern.as_str())),
        Selector::GroupId(id) => group(format!("group_id {id}")),
        Selector::User(name) => format!("user \"{name}\""),
        Selector::UserId(id) => format!("user_id {id}"),
    }
}

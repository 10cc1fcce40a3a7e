//! `explain`: why somebody is, or is not, mapped.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use anstyle::Style;
use clap::Args;
use serde_json::json;

use super::connection::{Connected, Connection, no_deadline};
use super::output::{Output, csv, outln, put, remark, say};
use super::progress::watched;
use super::words::paint;
use crate::event::Subject;
use crate::identity::{Id, Identity, IdentityType};
use crate::sync::{Explanation, RuleExplanation, StudioExplanation};
use crate::visible;

/// The version of the JSON that `explain` prints.
const JSON_VERSION: u32 = 1;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  emr-studio-sync explain --user alice@example.com --table policy.toml"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    whom: Whom,
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

/// One user or one group.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whom {
    /// A user, by user name
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// A user, by id
    #[arg(long, value_name = "ID")]
    pub(super) user_id: Option<String>,
    /// A group, by display name
    #[arg(long, value_name = "NAME")]
    pub(super) group: Option<String>,
    /// A group, by id
    #[arg(long, value_name = "ID")]
    pub(super) group_id: Option<String>,
}

impl Whom {
    pub(super) fn subject(&self) -> Result<Subject, String> {
        let given = self.given()?;
        given.ok_or_else(|| "give one of --user, --user-id, --group, --group-id".to_owned())
    }

    /// Nobody, if nothing was given.
    pub(super) fn given(&self) -> Result<Option<Subject>, String> {
        let id = |flag: &str, text: &str| {
            Id::parse(text).ok_or_else(|| format!("{flag}: {} is not an id", visible::quoted(text)))
        };
        let Whom {
            user,
            user_id,
            group,
            group_id,
        } = self;
        Ok(Some(match (user, user_id, group, group_id) {
            (Some(name), ..) => Subject::Name(IdentityType::User, name.clone()),
            (_, Some(text), ..) => Subject::Id(Identity::user(id("--user-id", text)?)),
            (_, _, Some(name), _) => Subject::Name(IdentityType::Group, name.clone()),
            (.., Some(text)) => Subject::Id(Identity::group(id("--group-id", text)?)),
            _ => return Ok(None),
        }))
    }
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let subject = arguments.whom.subject()?;
    let mut connected = arguments.connection.connect().await?;
    let only = arguments
        .studio
        .as_deref()
        .map(|name| connected.studio(name))
        .transpose()?;
    let explaining = connected.engine.explain(&subject, only, no_deadline());
    let explanation = watched(&connected.engine, "reading", explaining).await;
    print(&mut connected, &explanation, arguments.output).await
}

/// Prints an explanation; how the command ends.
pub(super) async fn print(
    connected: &mut Connected,
    explanation: &Explanation,
    output: Output,
) -> Result<ExitCode, String> {
    match output {
        Output::Json => {
            let mut all = json!(explanation);
            all["version"] = json!(JSON_VERSION);
            outln!("{all:#}");
        }
        Output::Csv => put(as_csv(explanation)?)?,
        Output::Table => {
            connected.learn_names(explanation).await;
            say(connected.tell_why(explanation))?;
        }
    }
    explanation
        .problems
        .iter()
        .for_each(|problem| remark("!", problem));
    Ok(match explanation.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A line for each Studio.
fn as_csv(explanation: &Explanation) -> Result<String, String> {
    let columns = [
        "studio",
        "studio_id",
        "identity_type",
        "identity_id",
        "session_policy",
        "owned",
        "wanted_policy",
        "rule",
        "via_group",
        "losing_rules",
        "verdict",
    ];
    let row = |studio: &StudioExplanation| {
        let wanted = studio.wanted.as_ref();
        let losing = studio.losing_rules.iter().map(|rule| rule.rule.to_string());
        (
            studio.studio.clone(),
            studio.studio_id.clone(),
            explanation.identity_type,
            explanation.identity_id.clone(),
            studio.session_policy.clone(),
            studio.owned,
            wanted.map(|rule| rule.session_policy.clone()),
            wanted.map(|rule| rule.rule),
            wanted.and_then(|rule| rule.via_group.clone()),
            losing.collect::<Vec<_>>().join(" "),
            studio.verdict.clone(),
        )
    };
    let rows: Vec<_> = explanation.studios.iter().map(row).collect();
    csv(&columns, &rows)
}

impl Connected {
    async fn learn_names(&mut self, explanation: &Explanation) {
        let Explanation {
            identity_type,
            identity_id,
            studios,
            ..
        } = explanation;
        let rules = studios
            .iter()
            .flat_map(|studio| studio.wanted.iter().chain(&studio.losing_rules));
        let groups = rules
            .filter_map(|rule| rule.via_group.clone())
            .map(Identity::group);
        let whom = identity_id.clone().map(|id| Identity {
            kind: *identity_type,
            id,
        });
        let all: BTreeSet<Identity> = groups.chain(whom).collect();
        self.words
            .names
            .extend(self.engine.names(&all, no_deadline()).await);
    }

    fn tell_why(&self, explanation: &Explanation) -> String {
        let mut text = String::new();
        let Some(id) = explanation.identity_id.clone() else {
            return text;
        };
        let name = self.words.name(&Identity {
            kind: explanation.identity_type,
            id,
        });
        for studio in &explanation.studios {
            let title = format!("{} ({})", visible::name(&studio.studio), studio.studio_id);
            let _ = writeln!(text, "{}", paint(Style::new().bold(), &title));
            let _ = writeln!(text, "  {name} {}", visible::line(&studio.verdict));
            if let Some(rule) = &studio.wanted {
                let _ = writeln!(text, "  should have  {}", self.rule(rule));
            }
            if let Some(policy) = &studio.session_policy {
                let whose = if studio.owned {
                    "the table's"
                } else {
                    "somebody's own"
                };
                let _ = writeln!(
                    text,
                    "  has          {}, {whose}",
                    self.words.policy(policy)
                );
            }
            // Without a rule that decides there is none that comes later.
            let later = match &studio.wanted {
                Some(_) => "comes later ",
                None => "would fit   ",
            };
            for rule in &studio.losing_rules {
                let _ = writeln!(text, "  {later} {}", self.rule(rule));
            }
        }
        text
    }

    fn rule(&self, rule: &RuleExplanation) -> String {
        let policy = self.words.policy(&rule.session_policy);
        match &rule.via_group {
            None => format!("{policy}, by rules[{}]", rule.rule),
            Some(group) => {
                let group = self.words.name(&Identity::group(group.clone()));
                format!("{policy}, by rules[{}], through {group}", rule.rule)
            }
        }
    }
}

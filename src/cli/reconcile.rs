//! `plan` and `apply`: what would change, and making it so. The same pass as the
//! function's, with its guard and its pace.

mod plan_file;
pub(super) mod shown;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::confirm::confirmed;
use super::connection::{Connected, Connection, no_deadline, say_place};
use super::output::{Output, outln, say};
use super::progress::watched;
use super::stop::{Ended, STOPPED, stoppable};
use crate::config::Mode;
use crate::identity::Identity;
use crate::report::{ChangeReport, Outcome, Pass, Report};
use crate::sync::{Agreed, Agreement, Look, Task};
use plan_file::PlanFile;
use shown::identity_of;

/// The exit code of `plan` when there is something to do.
pub(super) const CHANGES: u8 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing to do, 1 failed, 2 there are changes\n\n\
    Examples:\n  emr-studio-sync plan --table policy.toml --identity-store-id d-1234567890\n  \
    emr-studio-sync plan --table policy.toml --out reviewed.json"
)]
pub(super) struct PlanArguments {
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    /// Say also what is left alone, and why
    #[arg(long)]
    detailed: bool,
    /// Write the plan into a file, for `apply FILE` to make exactly that
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Ctrl-C lets it finish what it has begun, and say what remains.\n\n\
    Exit codes: 0 done, 1 failed, or something is still to do, or what the table names is not \
    there, 130 stopped\n\n\
    Examples:\n  emr-studio-sync apply --table policy.toml --identity-store-id d-1234567890\n  \
    emr-studio-sync apply --table policy.toml --approve 0f3c9a6b21d4e875\n  \
    emr-studio-sync apply reviewed.json --table policy.toml"
)]
pub(super) struct ApplyArguments {
    /// A plan that `plan --out` has written: exactly that is made, or nothing, if
    /// something else is to be done by now
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Only this Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID", conflicts_with = "plan")]
    studio: Option<String>,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// The plan id of held deletions that may now go; if others are held, nothing
    /// is changed
    #[arg(long, value_name = "PLAN_ID")]
    approve: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn plan(arguments: PlanArguments) -> Result<ExitCode, String> {
    if let Some(path) = &arguments.out {
        PlanFile::may_be_at(path)?;
    }
    let mut connected = arguments.connection.connect().await?;
    say_place(&connected.place, arguments.output)?;
    let studio = arguments.studio.as_deref();
    let pass = connected.planned(studio, None).await?;
    let detailed = arguments.detailed;
    if detailed || arguments.output == Output::Json {
        connected.learn_left_alone(&pass).await;
    }
    match arguments.output {
        Output::Json => outln!("{:#}", connected.json(&pass)),
        Output::Csv => connected.print_csv(&pass, detailed)?,
        Output::Table => say(connected.tell(&pass, detailed))?,
    }
    if let Some(path) = &arguments.out {
        if !is_sound(&pass) {
            return Err(format!(
                "not everything could be read, so {} was not written",
                path.display()
            ));
        }
        let account = arguments.connection.account().id().await?;
        PlanFile::write(path, &connected, &pass, studio, account)?;
    }
    Ok(code_of_plan(&pass))
}

/// How a plan ends.
pub(super) fn code_of_plan(pass: &Pass) -> ExitCode {
    match (is_sound(pass), pass.report.changes.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(CHANGES),
    }
}

pub(super) async fn apply(arguments: ApplyArguments) -> Result<ExitCode, String> {
    let mut connected = arguments.connection.connect().await?;
    say_place(&connected.place, arguments.output)?;
    let reviewed = arguments.plan.as_deref().map(PlanFile::read).transpose()?;
    if let Some(reviewed) = &reviewed {
        let account = arguments.connection.account().id().await?;
        reviewed.is_for(&connected, account.as_deref())?;
    }
    let studio = reviewed.as_ref().and_then(|plan| plan.studio.as_deref());
    let studio = arguments.studio.as_deref().or(studio);
    let approve = arguments.approve.as_deref();
    let planned = connected.planned(studio, approve).await?;
    stale(&planned)?;
    if let Some(reviewed) = &reviewed {
        connected.learn_names_of(reviewed.whose(), &planned).await;
        reviewed.is_still(&connected, &planned, approve)?;
    }
    let to_do = connected.to_do(&planned);
    let asks = !to_do.is_empty() && !arguments.yes;
    match arguments.output {
        Output::Table => say(connected.tell(&planned, false))?,
        // Nobody agrees to what they have not seen.
        Output::Json | Output::Csv if asks => {
            anstream::eprint!("{}", connected.tell(&planned, false))
        }
        Output::Json | Output::Csv => {}
    }
    if asks && !confirmed(&connected.place, "Make these changes?")? {
        return Err("nothing was changed".to_owned());
    }
    let (pass, stopped) = match to_do.is_empty() {
        true => {
            let report = Report {
                mode: Mode::Apply.name(),
                ..planned.report
            };
            (Pass { report, ..planned }, false)
        }
        false => {
            let agreement = Agreement {
                changes: &to_do,
                all_or_none: reviewed.is_some(),
            };
            let (made, stopped) = match connected.make(studio, approve, agreement).await? {
                Ended::Whole(made) => (made, false),
                Ended::Stopped(made) => (made, true),
                Ended::Unbegun => {
                    anstream::eprintln!("stopped: nothing was changed");
                    return Ok(ExitCode::from(STOPPED));
                }
            };
            if let Some(reviewed) = &reviewed
                && made.report.mode == Mode::Plan.name()
            {
                return Err(reviewed.moved(&connected, &made, approve));
            }
            stale(&made)?;
            (connected.compared(made, &planned, &to_do), stopped)
        }
    };
    match arguments.output {
        Output::Json => {
            connected.learn_left_alone(&pass).await;
            outln!("{:#}", connected.json(&pass));
        }
        Output::Csv => connected.print_csv(&pass, false)?,
        Output::Table if to_do.is_empty() => {}
        Output::Table => say(connected.tell_made(&pass, stopped))?,
    }
    if stopped {
        return Ok(ExitCode::from(STOPPED));
    }
    let is_done = |change: &&ChangeReport| change.outcome == Outcome::Done;
    let done = pass.report.changes.iter().filter(is_done).count();
    let all_done = done == pass.report.changes.len() && done == to_do.len();
    Ok(
        match is_sound(&pass) && all_done && pass.report.unresolved == 0 {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        },
    )
}

/// Refuses where something else is held than was approved: then nothing is changed.
fn stale(pass: &Pass) -> Result<(), String> {
    let wrong = pass.report.wrong_approval().map(str::to_owned);
    wrong.map_or(Ok(()), |wrong| {
        Err(format!("--{wrong}. Nothing else was changed either"))
    })
}

/// Whose names these changes are told with.
fn named_in(changes: &[ChangeReport]) -> BTreeSet<Identity> {
    let of_change = |change: &ChangeReport| {
        let group = change.via_group.clone().map(Identity::group);
        [Some(identity_of(change)), group]
    };
    changes.iter().flat_map(of_change).flatten().collect()
}

/// Whether everything that was tried went well.
pub(super) fn is_sound(pass: &Pass) -> bool {
    pass.unfinished.is_empty() && pass.report.failed == 0 && pass.report.remaining == 0
}

impl Connected {
    /// A pass that changes nothing.
    pub(super) async fn planned(
        &mut self,
        studio: Option<&str>,
        approve: Option<&str>,
    ) -> Result<Pass, String> {
        let task = Task {
            look: Look::everything(self.only(studio)?, no_deadline()),
            approve,
            agreed: None,
            mode: Mode::Plan,
        };
        let pass = watched(&self.engine, "reading", self.engine.pass(&task)).await;
        self.learn_names_of_changes(&pass).await;
        Ok(pass)
    }

    /// Makes what somebody has agreed to, until somebody says stop.
    async fn make(
        &mut self,
        studio: Option<&str>,
        approve: Option<&str>,
        agreed: Agreement<'_>,
    ) -> Result<Ended<Pass>, String> {
        let task = Task {
            look: Look::everything(self.only(studio)?, no_deadline()),
            approve,
            agreed: Some(agreed),
            mode: Mode::Apply,
        };
        let passing = watched(&self.engine, "applying", self.engine.pass(&task));
        let ended = stoppable(&self.engine, passing).await;
        if let Ended::Whole(pass) | Ended::Stopped(pass) = &ended {
            self.learn_names_of_changes(pass).await;
        }
        Ok(ended)
    }

    fn only(&self, studio: Option<&str>) -> Result<Option<usize>, String> {
        studio.map(|name| self.studio(name)).transpose()
    }

    pub(super) async fn learn_names_of_changes(&mut self, pass: &Pass) {
        self.learn_names_of(named_in(&pass.report.changes), pass)
            .await;
    }

    async fn learn_left_alone(&mut self, pass: &Pass) {
        let left = pass.left_alone.iter();
        let left = left.map(|(_, identity, _)| identity.clone()).collect();
        self.learn_names_of(left, pass).await;
    }

    async fn learn_names_of(&mut self, mut whose: BTreeSet<Identity>, pass: &Pass) {
        whose.retain(|identity| !self.words.names.contains_key(identity));
        let names = self.engine.names(&whose, no_deadline());
        let names = watched(&self.engine, "looking up names", names).await;
        // Who is gone has no other name than the one they were mapped under.
        for identity in whose {
            let name = names.get(&identity).or(pass.names.get(&identity)).cloned();
            name.map(|name| self.words.names.insert(identity, name));
        }
    }

    /// What would be made, if somebody agrees.
    fn to_do(&self, planned: &Pass) -> BTreeSet<Agreed> {
        let changes = planned.report.changes.iter();
        self.agreed(changes.filter(|change| change.outcome == Outcome::Planned))
    }

    fn agreed<'c>(&self, changes: impl Iterator<Item = &'c ChangeReport>) -> BTreeSet<Agreed> {
        let studios = self.engine.table().studios.iter().enumerate();
        let studios = studios.map(|(place, studio)| (studio.id.as_str(), place));
        let places: HashMap<&str, usize> = studios.collect();
        let agreed = changes.filter_map(|change| {
            let studio = *places.get(change.studio_id.as_str())?;
            Some(Agreed {
                studio,
                action: change.action,
                identity: identity_of(change),
                session_policy: change.session_policy.clone(),
                previous_policy: change.previous_policy.clone(),
            })
        });
        agreed.collect()
    }

    /// Says how what was found when it was to be made differs from what was shown.
    fn compared(&self, mut made: Pass, planned: &Pass, to_do: &BTreeSet<Agreed>) -> Pass {
        let shown = self.agreed(planned.report.changes.iter());
        let found = self.agreed(made.report.changes.iter());
        // For what has no room it would be in vain to apply again.
        let has_room = |change: &&ChangeReport| change.outcome != Outcome::OverCapacity;
        let new = self.agreed(made.report.changes.iter().filter(has_room));
        let new = new.difference(&shown).count();
        let gone = to_do.difference(&found).count();
        if new > 0 {
            made.report.problems.push(format!(
                "{new} more to do since the plan was shown, and not done; to see and make them: \
                 apply again"
            ));
        }
        if gone > 0 {
            made.report.problems.push(format!(
                "{gone} of what was shown is not to be done any more: somebody else has done it, \
                 or what it rests on has changed; to see how it is: plan"
            ));
        }
        made
    }
}

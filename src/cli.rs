//! The operator's tool: the same engine as the function, from a terminal.
//!
//! Results go to standard output, diagnostics to standard error. Exit codes: 0
//! done, 1 failed, 130 stopped, and `plan` and `diff` 2 when there are changes.
//!
//! Each command is a file: `adopt`, `check`, `diff`, `doctor`, `emulate`, `explain`,
//! `export`, `history`, `mapping`, `probe`, `remote`, `report`, `simulate`, and `reconcile` for both `plan` and
//! `apply`; `manual` has those that print what the definitions lead to. They read
//! through the [`Engine`](crate::sync::Engine), and decide nothing themselves.
//! What they share:
//!
//! * `connection`: the flags that say where AWS is, and `table`, which table;
//!   `credentials` and `whereabouts`: whose they are, and whether anybody answers.
//! * `output` and `words`: how results are printed, and what things are called.
//! * `confirm` and `progress`: what only happens at a terminal; `stop`: Ctrl-C.
//! * `place`: where in a file a problem is; `selected`: what an export was asked for.

mod adopt;
mod check;
mod confirm;
mod connection;
mod credentials;
mod diff;
mod doctor;
mod emulate;
mod explain;
mod export;
mod history;
mod manual;
mod mapping;
mod output;
mod place;
mod probe;
mod progress;
mod reconcile;
mod remote;
mod report;
mod schema;
mod selected;
mod simulate;
mod stop;
mod table;
mod tell;
mod whereabouts;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Parser, Subcommand};
use clap_complete::Shell;

pub use schema::policy_table_schema;

use self::output::{put, remark};
use crate::{environment, telemetry, visible};

/// Keeps Amazon EMR Studio session mappings in step with IAM Identity Center.
#[derive(Debug, Parser)]
#[command(
    name = "emr-studio-sync",
    version = crate::VERSION,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed; of `plan` and `diff` 2 if there are changes."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say on standard error what is being done: -v changes, -vv also each call,
    /// -vvv also what the AWS SDK does
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the table that keeps the mappings of Studios as they are
    Adopt(adopt::Arguments),
    /// Say whether a policy table is right, and where it is not
    Check(check::Arguments),
    /// Show what would change, and change nothing
    Plan(reconcile::PlanArguments),
    /// Say what a changed table means for people, without AWS
    Diff(diff::Arguments),
    /// Make the mappings those of the table
    Apply(reconcile::ApplyArguments),
    /// Say why somebody is, or is not, mapped
    Explain(explain::Arguments),
    /// Create, update, get, delete or list session mappings by hand
    #[command(subcommand)]
    Mapping(mapping::Call),
    /// Give orders to the deployed function
    #[command(subcommand)]
    Remote(remote::Order),
    /// Say who got or lost what, out of the function's log
    History(history::Arguments),
    /// Say who can open which Studio, for people, spreadsheets and auditors
    Report(report::Arguments),
    /// Say whether everything is in place: credentials, permissions, Studios,
    /// session policies, events, the last full pass
    Doctor(doctor::Arguments),
    /// Ask the real service what nobody has published of it, and take it all back
    Probe(probe::Arguments),
    /// Write the directory and the mappings to a file that `simulate` reads
    Export(export::Arguments),
    /// Play events against an embedded AWS, and see what each leads to
    Simulate(simulate::Arguments),
    /// Serve the embedded AWS, for `sam local invoke` and for tests
    Emulate(emulate::Arguments),
    /// Print the JSON Schema of the policy table
    #[command(after_help = "Example:\n  emr-studio-sync schema > policy-table.schema.json")]
    Schema,
    /// Print the completions of a shell
    #[command(after_help = "Example:\n  \
        emr-studio-sync completions bash > ~/.local/share/bash-completion/completions/emr-studio-sync")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a folder
    #[command(after_help = "Examples:\n  emr-studio-sync man | man -l -\n  \
        emr-studio-sync man ~/.local/share/man/man1")]
    Man {
        /// The folder
        folder: Option<PathBuf>,
    },
    /// Print the help of all commands as Markdown
    #[command(after_help = "Example:\n  emr-studio-sync reference > docs/cli.md")]
    Reference,
}

/// Runs the tool with the process's arguments.
pub async fn main() -> ExitCode {
    if let Err(empty) = environment::without_empty_variables() {
        for name in empty {
            let name = name.to_string_lossy();
            remark("error:", &format!("{name} is set to nothing; unset it"));
        }
        return ExitCode::FAILURE;
    }
    let Cli { command, verbose } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that was asked for is a result. A wrong flag is a failure, and
            // not clap's own 2: to `plan` that means changes.
            let failed = error.use_stderr();
            let tip = taken_for_a_flag(&error);
            let _ = refused(error).print();
            if let Some(tip) = tip {
                remark("tip:", &tip);
            }
            return ExitCode::from(u8::from(failed));
        }
    };
    telemetry::init_terminal(verbose);
    let done = match command {
        Command::Simulate(arguments) => simulate::run(arguments).await,
        Command::Emulate(arguments) => emulate::run(arguments).await,
        Command::Plan(arguments) => reconcile::plan(arguments).await,
        Command::Apply(arguments) => reconcile::apply(arguments).await,
        Command::Diff(arguments) => diff::run(arguments).await,
        Command::Explain(arguments) => explain::run(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::History(arguments) => history::run(arguments).await,
        Command::Remote(order) => remote::run(order).await,
        Command::Report(arguments) => report::run(arguments).await,
        Command::Adopt(arguments) => adopt::run(arguments).await,
        Command::Probe(arguments) => probe::run(arguments).await,
        Command::Export(arguments) => export::run(arguments).await,
        Command::Mapping(call) => mapping::run(call).await,
        Command::Check(arguments) => check::run(arguments).await,
        Command::Schema => put(policy_table_schema()).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(folder.as_deref()),
        Command::Reference => manual::reference(),
    };
    done.unwrap_or_else(|problem| {
        remark("error:", &problem);
        ExitCode::FAILURE
    })
}

/// What is wrong with the arguments: what it quotes of them is shown as all else.
fn refused(error: clap::Error) -> clap::Error {
    let shown = std::env::args_os().map(|word| visible::line(&word.to_string_lossy()));
    Cli::try_parse_from(shown).err().unwrap_or(error)
}

/// A name that begins as flags do, taken for one.
fn taken_for_a_flag(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(strange)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = words.collect();
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let (flag, name) = pairs.find(|(flag, name)| {
        matches!(flag.as_str(), "--user" | "--group") && name.starts_with(strange)
    })?;
    Some(format!(
        "a name that begins with a dash is given so: {flag}={name}"
    ))
}

/// Reads a file, or says which could not be read.
fn read(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

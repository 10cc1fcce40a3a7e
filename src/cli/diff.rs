//! `diff`: what the change from one table to another means, without credentials: for
//! people, by an exported directory; or else in what the tables say.

mod people;
mod table;
mod unknown;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output::{Output, csv, outln, put, remark, say};
use super::reconcile::CHANGES;
use people::People;

/// The version of the JSON that `diff` prints.
const JSON_VERSION: u32 = 1;

#[derive(Debug, Args)]
#[command(
    after_help = "With --directory it plays both tables against the exported directory, and says \
    who gains, loses or changes what, by which rule. For whom the file says nothing, since it was \
    exported without asking for them, it says that this is not known, and ends with 1. Without a \
    directory it says what the tables say differently.\n\n\
    Exit codes: 0 nothing changes, 1 failed or not known, 2 something does\n\n\
    Examples:\n  git show main:policy.toml | emr-studio-sync diff - policy.toml\n  \
    emr-studio-sync export --table policy.toml --with old.toml > now.toml\n  \
    emr-studio-sync diff old.toml policy.toml --directory now.toml"
)]
pub(super) struct Arguments {
    /// The table as it was, JSON or TOML; `-` for standard input
    old: PathBuf,
    /// The table as it is to be
    new: PathBuf,
    /// The directory and the mappings, as `export` writes them
    #[arg(long, value_name = "FILE")]
    directory: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let (old, new) = (
        super::table::load(&arguments.old)?,
        super::table::load(&arguments.new)?,
    );
    let said = table::changes(&old, &new);
    let people = match &arguments.directory {
        Some(path) => Some(People::read(path, old, new).await?),
        None => None,
    };
    match (arguments.output, &people) {
        (Output::Json, people) => {
            let all = json!({
                "version": JSON_VERSION,
                "table": said,
                "people": people.as_ref().map(|people| &people.changes),
                "unknown": people.as_ref().map(|people| &people.unknown),
                "problems": people.as_ref().map_or(&[][..], |people| &people.problems),
            });
            outln!("{all:#}");
        }
        (Output::Csv, Some(people)) => {
            put(people.csv()?)?;
            let problems = people.problems.iter();
            problems.for_each(|problem| remark("!", problem));
        }
        (Output::Csv, None) => put(csv(&table::COLUMNS, &said)?)?,
        (Output::Table, Some(people)) => say(people.tell())?,
        (Output::Table, None) => say(table::tell(&said))?,
    }
    let (changes, is_known) = match &people {
        Some(people) => (people.changes.len(), people.unknown.is_empty()),
        None => (said.len(), true),
    };
    Ok(match (is_known, changes) {
        (false, _) => ExitCode::FAILURE,
        (true, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(CHANGES),
    })
}

//! What the definitions of the commands also lead to: completions, manual pages,
//! and `docs/cli.md`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output::put;

/// How wide the reference is.
const WIDTH: usize = 88;

pub(super) fn completions(shell: Shell) -> Result<ExitCode, String> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    print(script)
}

pub(super) fn pages(folder: Option<&Path>) -> Result<ExitCode, String> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
        written.map_err(|error| error.to_string())?;
        return print(page);
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn reference() -> Result<ExitCode, String> {
    let mut command = Cli::command().term_width(WIDTH);
    command.build();
    let mut text = "# emr-studio-sync, the operator's tool\n\n\
        <!-- Made by `emr-studio-sync reference`; a test compares. -->\n"
        .to_owned();
    describe(&mut command, "", &mut text);
    print(text.into_bytes())
}

/// The help of a command, and of those below it.
fn describe(command: &mut Command, above: &str, text: &mut String) {
    let name = format!("{above}{}", command.get_name());
    let help = command.render_help().to_string();
    let _ = writeln!(text, "\n## {name}\n\n```text");
    help.lines().for_each(|line| {
        let _ = writeln!(text, "{}", line.trim_end());
    });
    text.push_str("```\n");
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" {
            describe(below, &format!("{name} "), text);
        }
    }
}

fn print(bytes: Vec<u8>) -> Result<ExitCode, String> {
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    put(text)?;
    Ok(ExitCode::SUCCESS)
}

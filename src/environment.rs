//! Variables that are set and empty. A shell, or a CI system with nothing to put in,
//! leaves them where others have none, so an empty variable is an unset one. To the
//! SDK it is not: an empty `AWS_PROFILE` is a profile without a name, and an empty
//! `AWS_ENDPOINT_URL` a panic.

use std::ffi::{OsStr, OsString};

/// Ours; AWS's begin with `AWS_`.
const OURS: [&str; 3] = ["IDENTITY_STORE_ID", "IDENTITY_STORE_REGION", "POLICY_TABLE"];

/// Begins this process anew without its empty variables, if it has any: to take them
/// out of the environment of one that runs is not safe.
///
/// # Errors
/// Their names, if that cannot be.
pub fn without_empty_variables() -> Result<(), Vec<OsString>> {
    let all = std::env::vars_os();
    let empty = all.filter(|(name, value)| is_read(name) && is_empty(value));
    let empty: Vec<OsString> = empty.map(|(name, _)| name).collect();
    if empty.is_empty() {
        return Ok(());
    }
    #[cfg(unix)]
    if let Ok(program) = std::env::current_exe() {
        let mut command = std::process::Command::new(program);
        let mut words = std::env::args_os();
        if let Some(name) = words.next() {
            std::os::unix::process::CommandExt::arg0(&mut command, name);
        }
        command.args(words);
        for name in &empty {
            command.env_remove(name);
        }
        // It comes back only if it failed.
        let _ = std::os::unix::process::CommandExt::exec(&mut command);
    }
    Err(empty)
}

fn is_read(name: &OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    name.starts_with("AWS_") || OURS.contains(&name)
}

fn is_empty(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| value.trim().is_empty())
}

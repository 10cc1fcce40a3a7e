//! Asking before something is changed.

use std::io::{IsTerminal, Write as _};

use crate::visible;

/// Asks, where there is somebody to ask, and says where it will be done.
///
/// # Errors
/// If there is not: a pipe's end is no consent.
pub(super) fn confirmed(place: &str, question: &str) -> Result<bool, String> {
    if !std::io::stdin().is_terminal() {
        return Err("there is no terminal to ask on; give --yes to go on without".to_owned());
    }
    let question = visible::text(&format!("\n{place}\n{question}"));
    anstream::eprint!("{question} Only \"yes\" will do: ");
    std::io::stderr()
        .flush()
        .map_err(|error| error.to_string())?;
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(answer.trim() == "yes")
}

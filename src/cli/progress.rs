//! A sign of life on long reads: on a terminal, and only there.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::sync::Engine;

/// How often the count is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// Waits for `work`, and meanwhile shows on standard error, if that is a
/// terminal, how many calls `engine` has made for it.
pub(super) async fn watched<T>(engine: &Engine, doing: &str, work: impl Future<Output = T>) -> T {
    let before = engine.requests();
    let message = || {
        let calls = engine.requests().saturating_sub(before);
        format!("{doing}: {calls} calls")
    };
    awaited(message, work).await
}

/// Waits for `work`, and meanwhile shows in the same way a message, and the time
/// that passes.
pub(super) async fn awaited<T>(message: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    // Hides itself where there is no terminal; where there is, log lines and a
    // line that is drawn again and again don't go together.
    let bar = match tracing::enabled!(tracing::Level::INFO) {
        true => ProgressBar::hidden(),
        false => ProgressBar::new_spinner(),
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let mut work = std::pin::pin!(work);
    let done = loop {
        match tokio::time::timeout(TICK, &mut work).await {
            Ok(done) => break done,
            Err(_) => {
                bar.set_message(message());
                bar.tick();
            }
        }
    };
    bar.finish_and_clear();
    done
}

//! Being told to stop, by Ctrl-C or by what ends a process.

use std::future::Future;

use crate::sync::Engine;

/// The exit code of a process that Ctrl-C has ended.
pub(super) const STOPPED: u8 = 130;

/// How work ended that changes something.
pub(super) enum Ended<T> {
    /// By itself.
    Whole(T),
    /// It was stopped, and what it had begun is finished.
    Stopped(T),
    /// It was stopped before it had begun to change anything.
    Unbegun,
}

/// Waits for work of the engine's that changes something. Told to stop, the engine
/// begins no change any more, and what it has begun is waited for; told again, the
/// process ends at once.
pub(super) async fn stoppable<T>(engine: &Engine, work: impl Future<Output = T>) -> Ended<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Ended::Whole(done),
        told = told_to_stop() => if told.is_err() {
            // Nobody can be heard.
            return Ended::Whole(work.await);
        },
    }
    tokio::spawn(async {
        if told_to_stop().await.is_ok() {
            std::process::exit(STOPPED.into());
        }
    });
    if !engine.stop() {
        return Ended::Unbegun;
    }
    anstream::eprintln!("stopping: what has begun is finished; Ctrl-C again ends at once");
    Ended::Stopped(work.await)
}

/// Ctrl-C, or what stops a container. The first process of one is not stopped
/// by a signal that it doesn't wait for.
pub(super) async fn told_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => stopped,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

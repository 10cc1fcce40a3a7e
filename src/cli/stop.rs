//! Being told to stop, by Ctrl-C or by what ends a process.

use std::future::Future;
use std::pin::{Pin, pin};
use std::process::ExitCode;

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
    let mut work = pin!(work);
    if let Some(done) = until_told(work.as_mut()).await {
        return Ended::Whole(done);
    }
    if !engine.stop() {
        return Ended::Unbegun;
    }
    say_that_it_finishes();
    Ended::Stopped(work.await)
}

/// Waits for a single change, which is finished whatever is told meanwhile; told
/// again, the process ends at once. Returns how the process ends then.
pub(super) async fn finished<T>(change: impl Future<Output = T>) -> (T, ExitCode) {
    let mut change = pin!(change);
    if let Some(done) = until_told(change.as_mut()).await {
        return (done, ExitCode::SUCCESS);
    }
    say_that_it_finishes();
    (change.await, ExitCode::from(STOPPED))
}

/// Waits for work until it is told to stop: what that means for the work is up to
/// who asks. Told again, the process ends at once.
pub(super) async fn until_told<W: Future>(mut work: Pin<&mut W>) -> Option<W::Output> {
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        told = told_to_stop() => if told.is_err() {
            // Nobody can be heard.
            return Some(work.await);
        },
    }
    tokio::spawn(async {
        if told_to_stop().await.is_ok() {
            std::process::exit(STOPPED.into());
        }
    });
    None
}

fn say_that_it_finishes() {
    anstream::eprintln!("stopping: what has begun is finished; Ctrl-C again ends at once");
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

//! The calls as they are sent, and what is said to them in so many words.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use serde_json::Value;

use crate::aws::{self, Call, Kind, Tally};
use crate::cli::whereabouts::{EMR, IDENTITY_STORE};
use crate::studio::ATTEMPT_TIMEOUT;

/// Between two calls: the account's clusters want theirs, too.
const PAUSE: Duration = Duration::from_millis(150);

/// What sends the calls, and keeps what came of them. Nothing is tried twice: what
/// the service says the first time is what is to be known.
pub(super) struct Calls {
    sdk: SdkConfig,
    /// The same where the identity store is.
    there: SdkConfig,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    pub(super) made: Vec<Asked>,
}

/// A call, and what came of it.
pub(super) struct Asked {
    pub(super) call: &'static str,
    /// What it asks, in words.
    pub(super) about: &'static str,
    pub(super) said: Said,
    pub(super) ms: u128,
}

/// What was said to a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// It was done, with this answer.
    Is(Value),
    /// The service said no, in these words.
    Refused(String),
    /// It failed on the way, or was not permitted, which says nothing of what it
    /// asks.
    Failed(String),
}

/// That somebody said stop.
#[derive(Debug)]
pub(super) struct Stopped;

impl Calls {
    pub(super) fn new(sdk: SdkConfig, there: SdkConfig, stop: Arc<AtomicBool>) -> Calls {
        Calls {
            sdk,
            there,
            tally: Arc::default(),
            stop,
            made: Vec::new(),
        }
    }

    /// Makes one call, unless somebody has said stop.
    pub(super) async fn ask(
        &mut self,
        call: &'static str,
        about: &'static str,
        input: Value,
    ) -> Result<Said, Stopped> {
        if !self.made.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        anstream::eprintln!("{call}: {about}");
        let timeouts = aws::timeouts(ATTEMPT_TIMEOUT);
        let (service, sdk) = match call {
            "GetUserId" | "GetGroupId" => (IDENTITY_STORE, &self.there),
            _ => (EMR, &self.sdk),
        };
        let sent = Call::new(service, call, sdk, timeouts, &self.tally);
        let begun = Instant::now();
        let answer = sent.send(input).await;
        let ms = begun.elapsed().as_millis();
        let said = match answer {
            Ok(answer) => Said::Is(answer),
            Err(error) if error.kind == Kind::Refused => {
                let (_, text) = error.text.split_once(": ").unwrap_or(("", &error.text));
                Said::Refused(text.to_owned())
            }
            Err(error) => Said::Failed(error.text),
        };
        self.made.push(Asked {
            call,
            about,
            said: said.clone(),
            ms,
        });
        Ok(said)
    }

    /// Waits until somebody says stop.
    pub(super) async fn stopped(&self) -> Stopped {
        while !self.stop.load(Ordering::Relaxed) {
            tokio::time::sleep(PAUSE).await;
        }
        Stopped
    }

    /// How many failed.
    pub(super) fn failed(&self) -> usize {
        let failed = |asked: &&Asked| matches!(asked.said, Said::Failed(_));
        self.made.iter().filter(failed).count()
    }

    /// Whether one failed that makes a mapping, and may have made it.
    pub(super) fn may_show_late(&self) -> bool {
        self.made
            .iter()
            .any(|asked| asked.call.starts_with("Create") && matches!(asked.said, Said::Failed(_)))
    }
}

impl Said {
    /// What a refusal says, without its tail.
    pub(super) fn refusal(&self) -> Option<&str> {
        let Said::Refused(text) = self else {
            return None;
        };
        Some(text.split(" (Service: ").next().unwrap_or(text))
    }
}

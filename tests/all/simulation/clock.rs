//! The time of a simulation: a Monday morning, and what tokio's clock has counted
//! since. Each thread has one of its own.

use std::cell::Cell;
use std::time::Duration;

use chrono::DateTime;
use tokio::time::Instant;

/// Milliseconds since 1970.
pub type Ms = i64;

/// 2026-03-02T10:00:00Z
const EPOCH_MS: Ms = 1_772_445_600_000;

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Begins the time of this thread's simulation.
pub fn begin() {
    START.set(Some(Instant::now()));
}

fn start() -> Instant {
    START.get().unwrap()
}

pub fn now_ms() -> Ms {
    EPOCH_MS + ms(start().elapsed())
}

/// The moment at which it will be so late.
pub fn instant(at_ms: Ms) -> Instant {
    start() + Duration::from_millis(u64::try_from(at_ms - EPOCH_MS).unwrap())
}

/// As events write it.
pub fn text(at_ms: Ms) -> String {
    DateTime::from_timestamp_millis(at_ms).unwrap().to_rfc3339()
}

pub fn ms(duration: Duration) -> Ms {
    Ms::try_from(duration.as_millis()).unwrap()
}

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub const fn minutes(count: u64) -> Duration {
    Duration::from_mins(count)
}

pub const fn hours(count: u64) -> Duration {
    Duration::from_hours(count)
}

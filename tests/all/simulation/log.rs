//! What the function logs, on its way to CloudWatch.

use std::cell::RefCell;
use std::io;

use emr_studio_sync::emulator::LogLine;
use emr_studio_sync::telemetry;
use tracing::subscriber::{DefaultGuard, set_default};

use super::clock::{Ms, now_ms};

pub const GROUP: &str = "/aws/lambda/emr-studio-sync";
/// So long it takes until a line can be read again.
const LAG_MS: Ms = 5_000;

thread_local! {
    static LINES: RefCell<Vec<LogLine>> = const { RefCell::new(Vec::new()) };
}

struct Pen;

impl io::Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let message = String::from_utf8_lossy(line);
        // Nobody reads the others.
        if message.contains(r#""message":"change""#) {
            LINES.with_borrow_mut(|lines| {
                lines.push(LogLine {
                    group: GROUP.to_owned(),
                    at_ms: now_ms(),
                    message: message.trim_end().to_owned(),
                });
            });
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what this thread logs, until the guard is dropped.
pub fn begin() -> DefaultGuard {
    LINES.take();
    set_default(telemetry::lines(None, || Pen))
}

/// The lines that have arrived since the last look.
pub fn arrived() -> Vec<LogLine> {
    LINES.with_borrow_mut(|lines| {
        let arrived = lines.partition_point(|line| line.at_ms + LAG_MS <= now_ms());
        lines.drain(..arrived).collect()
    })
}

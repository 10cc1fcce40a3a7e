//! How fast the services are called: token buckets of our own, so that the
//! account's are left to others, and a bound on the calls in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How many calls may be in flight at once, to all services together.
pub const IN_FLIGHT: usize = 8;

/// A token bucket. It lends: who finds it empty is told how long to wait for
/// the token that is already theirs, so everybody gets one in turn.
#[derive(Clone, Debug)]
struct Bucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(capacity: f64, per_second: f64, now: Instant) -> Bucket {
        Bucket {
            capacity,
            per_second,
            tokens: capacity,
            at: now,
        }
    }

    /// Takes a token, and says how long it takes until it is there.
    fn take(&mut self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.capacity) - 1.0;
        self.at = now;
        // A rate close to nothing would be a wait beyond what a Duration holds.
        let wait = (-self.tokens).max(0.0) / self.per_second;
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
    }

    fn give_back(&mut self) {
        self.tokens += 1.0;
    }
}

/// The pace of one service's calls.
#[derive(Debug)]
pub struct Pace {
    flight: Arc<Semaphore>,
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<&'static str, Bucket>>,
}

/// That the time of the invocation does not suffice for another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTime;

impl Pace {
    /// A pace of so many calls a second after a burst. `flight` is shared by
    /// all paces of the process.
    pub fn new(burst: f64, per_second: f64, flight: Arc<Semaphore>) -> Pace {
        Pace {
            flight,
            burst,
            per_second,
            buckets: Mutex::default(),
        }
    }

    /// Waits until a call may be made, at most until `deadline`. Calls under
    /// the same `bucket` share one. The call is over when the permit is dropped.
    ///
    /// # Errors
    /// If the deadline comes first.
    pub async fn admit(
        &self,
        bucket: &'static str,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, NoTime> {
        let now = Instant::now();
        let wait = self.with(bucket, |bucket| bucket.take(now));
        if now >= deadline || wait >= deadline.saturating_duration_since(now) {
            self.with(bucket, Bucket::give_back);
            return Err(NoTime);
        }
        tokio::time::sleep(wait).await;
        let permit = Arc::clone(&self.flight).acquire_owned();
        match tokio::time::timeout_at(deadline, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(NoTime),
        }
    }

    fn with<T>(&self, name: &'static str, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Bucket::full(self.burst, self.per_second, Instant::now());
        change(buckets.entry(name).or_insert_with(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lends_its_burst_at_once_and_then_keeps_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::full(10.0, 4.0, start);
        let waits: Vec<u128> = (0..14).map(|_| bucket.take(start).as_millis()).collect();
        assert_eq!(waits[..10], [0; 10]);
        assert_eq!(waits[10..], [250, 500, 750, 1000]);
    }

    #[test]
    fn a_quiet_while_fills_a_bucket_no_further_than_its_capacity() {
        let start = Instant::now();
        let mut bucket = Bucket::full(2.0, 1.0, start);
        let later = start + Duration::from_secs(3600);
        let waits: Vec<u64> = (0..3).map(|_| bucket.take(later).as_secs()).collect();
        assert_eq!(waits, [0, 0, 1]);
    }

    #[tokio::test]
    async fn a_call_that_would_come_after_the_deadline_is_not_admitted() {
        let pace = Pace::new(1.0, 0.001, Arc::new(Semaphore::new(IN_FLIGHT)));
        let deadline = Instant::now() + Duration::from_secs(5);
        assert!(pace.admit("emr", deadline).await.is_ok());
        assert_eq!(pace.admit("emr", deadline).await.err(), Some(NoTime));
        assert!(pace.admit("another", deadline).await.is_ok());
        assert_eq!(
            pace.admit("a third", Instant::now()).await.err(),
            Some(NoTime)
        );
    }
}

//! How fast the services are called, and how often again: token buckets of our
//! own, so that the account's are left to others, a bound on the calls in
//! flight, and retries that take their turn like first calls.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Gate, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::aws::CallError;

/// How many calls may be in flight at once, to all services together.
pub const IN_FLIGHT: usize = 8;
/// How often a call is tried that fails for a passing reason.
const ATTEMPTS: u32 = 4;
/// How long after the first attempt began another may still be made. What takes
/// longer to pass is looked at again by a later invocation.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the second attempt; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(300);

/// A token bucket.
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

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.capacity);
        self.at = now;
    }

    /// How long it takes until there is a token.
    fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        // A rate close to nothing would be a wait beyond what a Duration holds.
        let wait = (1.0 - self.tokens).max(0.0) / self.per_second;
        Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX)
    }

    fn take(&mut self, now: Instant) {
        self.fill(now);
        self.tokens -= 1.0;
    }
}

/// The pace of one service's calls.
#[derive(Debug)]
pub struct Pace {
    flight: Arc<Semaphore>,
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<&'static str, Arc<Gate<Bucket>>>>,
}

/// That the time of the invocation does not suffice for another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NoTime;

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

    /// Makes a call, and makes it again while it fails for a passing reason: at
    /// most four times in all and within a few seconds, each in its turn, none
    /// begun after `deadline`. Calls under the same `bucket` share one.
    ///
    /// This stands in for the SDK's own retries, which would ask no bucket, and
    /// believe any answer that parses.
    ///
    /// # Errors
    /// That of the last attempt; [`Kind::NoTime`](crate::aws::Kind::NoTime) if
    /// there was none.
    pub async fn call<T>(
        &self,
        call: &'static str,
        bucket: &'static str,
        deadline: Instant,
        attempt: impl AsyncFn() -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let (mut last, mut first) = (None, None);
        for retry in 0..ATTEMPTS {
            let Ok(permit) = self.admit(bucket, deadline).await else {
                return Err(last.unwrap_or_else(|| CallError::no_time(call)));
            };
            // Boxed: the SDK's futures are deeper than the compiler goes.
            let begun = Instant::now();
            let until = *first.get_or_insert(begun) + PATIENCE;
            let result = Box::pin(attempt()).await;
            drop(permit);
            let failed = result.as_ref().err().map(|error| error.text.as_str());
            let ms = begun.elapsed().as_millis();
            tracing::debug!(call, retry, ms, failed, "call");
            match result {
                Err(error) if error.is_transient() => last = Some(error),
                result => return result,
            }
            // Somewhere in the second half of the pause, so that calls which
            // failed together don't come again together.
            let pause = BACKOFF * 2_u32.pow(retry);
            let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if retry + 1 == ATTEMPTS || Instant::now() + pause >= deadline.min(until) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(last.unwrap_or_else(|| CallError::no_time(call)))
    }

    /// Makes a list call until there are no more pages, each as [`Pace::call`]
    /// does. `page` gets the token of the one before, and returns the rows and
    /// the token of the next.
    ///
    /// # Errors
    /// If any page fails, or a token comes twice: that would never end.
    pub async fn pages<R>(
        &self,
        call: &'static str,
        bucket: &'static str,
        deadline: Instant,
        page: impl AsyncFn(Option<String>) -> Result<(Vec<R>, Option<String>), CallError>,
    ) -> Result<Vec<R>, CallError> {
        let in_turn = async |token: Option<String>| {
            let this = async || page(token.clone()).await;
            self.call(call, bucket, deadline, this).await
        };
        pages(call, in_turn).await
    }

    /// Waits until a call may be made, at most until `deadline`. The token is
    /// taken only then: who waits long for others to finish has not saved up.
    async fn admit(
        &self,
        bucket: &'static str,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, NoTime> {
        if Instant::now() >= deadline {
            return Err(NoTime);
        }
        let turn = async {
            // First come, first served.
            let gate = self.bucket(bucket);
            let mut bucket = gate.lock().await;
            let wait = bucket.wait(Instant::now());
            if wait >= deadline.saturating_duration_since(Instant::now()) {
                return Err(NoTime);
            }
            tokio::time::sleep(wait).await;
            let permit = Arc::clone(&self.flight).acquire_owned().await;
            bucket.take(Instant::now());
            permit.map_err(|_| NoTime)
        };
        tokio::time::timeout_at(deadline, turn)
            .await
            .unwrap_or(Err(NoTime))
    }

    fn bucket(&self, name: &'static str) -> Arc<Gate<Bucket>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Bucket::full(self.burst, self.per_second, Instant::now());
        Arc::clone(
            buckets
                .entry(name)
                .or_insert_with(|| Arc::new(Gate::new(full()))),
        )
    }
}

/// Asks for one page after the other until there are no more. `page` gets the
/// token of the one before, and returns the rows and the token of the next.
///
/// # Errors
/// If any page fails, or a token comes twice: that would never end.
pub async fn pages<R>(
    call: &'static str,
    page: impl AsyncFn(Option<String>) -> Result<(Vec<R>, Option<String>), CallError>,
) -> Result<Vec<R>, CallError> {
    let (mut all, mut token, mut seen) = (Vec::new(), None, HashSet::new());
    loop {
        let (rows, next) = page(token).await?;
        all.extend(rows);
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(all),
            Some(next) if !seen.insert(next.clone()) => {
                return Err(CallError::malformed(call, "a page token came twice"));
            }
            next => token = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Kind;

    /// When each of so many calls is admitted, in milliseconds from the first.
    async fn admissions(pace: &Pace, calls: usize) -> Vec<u64> {
        let start = Instant::now();
        let deadline = start + Duration::from_secs(60);
        let mut times = Vec::new();
        for _ in 0..calls {
            drop(pace.admit("emr", deadline).await.unwrap());
            times.push(u64::try_from(start.elapsed().as_millis()).unwrap());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn the_burst_goes_at_once_and_then_the_rate_is_kept() {
        let pace = Pace::new(10.0, 4.0, Arc::new(Semaphore::new(IN_FLIGHT)));
        let times = admissions(&pace, 14).await;
        assert_eq!(times[..10], [0; 10]);
        let expected = [250, 500, 750, 1000];
        let close = |(time, expected): (&u64, u64)| time.abs_diff(expected) <= 3;
        assert!(times[10..].iter().zip(expected).all(close), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_while_fills_a_bucket_no_further_than_its_capacity() {
        let pace = Pace::new(2.0, 1.0, Arc::new(Semaphore::new(IN_FLIGHT)));
        admissions(&pace, 2).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let times = admissions(&pace, 3).await;
        assert_eq!(times[..2], [0, 0]);
        assert!(times[2] >= 1000, "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_others_to_finish_keeps_the_rate_all_the_same() {
        let flight = Arc::new(Semaphore::new(1));
        let pace = Arc::new(Pace::new(1.0, 10.0, Arc::clone(&flight)));
        let stalled = flight.acquire_owned().await.unwrap();
        let start = Instant::now();
        let calls: Vec<_> = (0..5)
            .map(|_| {
                let pace = Arc::clone(&pace);
                tokio::spawn(async move {
                    let deadline = start + Duration::from_secs(60);
                    drop(pace.admit("emr", deadline).await.unwrap());
                    start.elapsed()
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(stalled);
        let mut times = Vec::new();
        for call in calls {
            times.push(call.await.unwrap());
        }
        let took = *times.iter().max().unwrap() - *times.iter().min().unwrap();
        assert!(took >= Duration::from_millis(400), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
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

    #[tokio::test(start_paused = true)]
    async fn what_fails_for_a_passing_reason_is_tried_four_times_and_anything_else_once() {
        let pace = Pace::new(10.0, 10.0, Arc::new(Semaphore::new(IN_FLIGHT)));
        let deadline = Instant::now() + Duration::from_secs(60);
        for (kind, attempts) in [(Kind::Transient, 4), (Kind::Denied, 1), (Kind::Refused, 1)] {
            let count = std::cell::Cell::new(0);
            let failed = pace.call("Get", "emr", deadline, async || {
                count.set(count.get() + 1);
                Err::<(), _>(CallError::new("Get", kind, "no"))
            });
            assert_eq!(failed.await.unwrap_err().kind, kind);
            assert_eq!(count.get(), attempts, "{kind:?}");
        }
    }
}

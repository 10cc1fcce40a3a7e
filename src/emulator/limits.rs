//! Rate limits: token buckets, one for EMR, one for each Identity Store operation.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Service;

/// Which services are limited, and how. The default limits nothing.
#[derive(Clone, Debug, Default)]
pub struct RateLimits {
    /// All EMR calls of the account together.
    pub emr: Option<Bucket>,
    /// Each Identity Store operation: every one gets a bucket like this.
    pub identity_store: Option<Bucket>,
    /// Those buckets, once there was a call.
    pub per_operation: BTreeMap<String, Bucket>,
}

impl RateLimits {
    /// What AWS documents: EMR a bucket of 25, refilled at 5 a second, for the
    /// whole account; the Identity Store 20 a second for each operation.
    pub fn documented() -> RateLimits {
        RateLimits {
            emr: Some(Bucket::new(25.0, 5.0)),
            identity_store: Some(Bucket::new(20.0, 20.0)),
            per_operation: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, service: Service, operation: &str, now: Instant) -> bool {
        let bucket = match (service, &self.identity_store) {
            (Service::Emr, _) => self.emr.as_mut(),
            (Service::IdentityStore, Some(full)) => Some(
                self.per_operation
                    .entry(operation.into())
                    .or_insert_with(|| full.clone()),
            ),
            // Nothing here comes near the limits of the rest.
            _ => None,
        };
        bucket.is_none_or(|bucket| bucket.take(now))
    }
}

/// A token bucket, full at first. It has no clock of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// The most it holds.
    pub capacity: f64,
    /// What it gains in a second.
    pub per_second: f64,
    /// What is in it.
    pub tokens: f64,
    /// When it was looked at last.
    pub seen: Option<Instant>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(capacity: f64, per_second: f64) -> Bucket {
        Bucket {
            capacity,
            per_second,
            tokens: capacity,
            seen: None,
        }
    }

    /// Takes one token, if there is one at `now`.
    pub fn take(&mut self, now: Instant) -> bool {
        let since = self
            .seen
            .map_or(Duration::ZERO, |seen| now.saturating_duration_since(seen));
        self.tokens = self
            .capacity
            .min(self.tokens + since.as_secs_f64() * self.per_second);
        self.seen = Some(now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2.0, 5.0);
        let taken: Vec<bool> = [0, 0, 0, 200, 200, 10_000, 10_000, 10_000]
            .map(|millis| bucket.take(start + Duration::from_millis(millis)))
            .into();
        assert_eq!(taken, [true, true, false, true, false, true, true, false]);
    }

    #[test]
    fn each_identity_store_operation_has_its_own_bucket_and_emr_has_one_for_all() {
        let now = Instant::now();
        let mut limits = RateLimits {
            emr: Some(Bucket::new(1.0, 0.0)),
            identity_store: Some(Bucket::new(1.0, 0.0)),
            ..RateLimits::default()
        };
        assert!(limits.take(Service::IdentityStore, "ListUsers", now));
        assert!(!limits.take(Service::IdentityStore, "ListUsers", now));
        assert!(limits.take(Service::IdentityStore, "ListGroups", now));
        assert!(limits.take(Service::Emr, "ListStudios", now));
        assert!(!limits.take(Service::Emr, "DescribeStudio", now));
    }
}

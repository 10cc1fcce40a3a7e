//! What goes wrong, and when: rules, rate limits, and what a fault does to an answer.
//!
//! Faults are deterministic: the same rules, the same seed and the same order of
//! calls give the same faults. Rules count what they matched, so that a test can
//! tell afterwards whether they bit.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::account::caller_arn;
use super::limits::RateLimits;
use super::studios;
use super::wire::{Refusal, Service};

/// The fault rules and rate limits of a world. The default has none.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Tried in order, on every call. Faults that let the call go on (latency,
    /// mangled answers) add up; the first that does not ends the search.
    pub rules: Vec<Fault>,
    /// Asked before the rules; a call over the limit is throttled and no rule
    /// sees it.
    pub rate_limits: RateLimits,
    /// The state of the generator behind [`Fault::probability`]; moves with every draw.
    pub seed: u64,
}

/// One rule: which calls, when, and what happens to them.
#[derive(Clone, Debug)]
pub struct Fault {
    /// An operation's name, a service (`emr`, `identitystore`, `sts`, `iam`,
    /// `eventbridge`, `cloudtrail`, `cloudwatch`, `logs`), or `*`.
    pub on: String,
    /// Only requests whose JSON contains this text: an identity's id, say.
    pub containing: Option<String>,
    /// Lets the first matches through.
    pub skip: u32,
    /// Bites so often, then no more. `None`: always.
    pub times: Option<u32>,
    /// Bites by chance only: 0.0 never, 1.0 always.
    pub probability: Option<f64>,
    /// What happens.
    pub kind: FaultKind,
    /// How many calls matched so far.
    pub matched: u32,
    /// How many of them it bit.
    pub applied: u32,
}

/// What can happen to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// 400 `ThrottlingException`, "Rate exceeded". Nothing is done.
    Throttle,
    /// 400 `AccessDeniedException` (403 `AccessDenied` where the service says
    /// that), as IAM words it. Nothing is done.
    AccessDenied,
    /// 500, with the code the operation's model has. Nothing is done.
    ServerError,
    /// 503 `ServiceUnavailableException`. Nothing is done.
    ServiceUnavailable,
    /// 502 with a page of HTML, from something between. Nothing is done.
    HtmlError,
    /// 400 with this code and message. Nothing is done.
    Refuse {
        /// The error's code.
        code: String,
        /// Its message, as it is: no tail is added.
        message: String,
    },
    /// 400 `InvalidRequestException`, the dress in which EMR passes on what went
    /// wrong behind it: throttling, permissions that lack, faults. That it does
    /// so is not published; its refusals' tails have room for it. Nothing is done.
    Wrapped {
        /// The text before the tail: `Rate exceeded`.
        text: String,
        /// The status in the tail.
        status: u16,
        /// The error code in the tail: `ThrottlingException`.
        code: String,
    },
    /// 400 with this exception of the Identity Store, and its reason: the key of
    /// Identity Center cannot be used. Nothing is done.
    Key {
        /// `ResourceNotFoundException`, `AccessDeniedException` or
        /// `ValidationException`.
        exception: String,
        /// `KMS_KEY_NOT_FOUND`, `KMS_ACCESS_DENIED`, `KMS_DISABLED`,
        /// `KMS_INVALID_STATE`.
        reason: String,
        /// `ResourceType` beside it: whether AWS gives both is not published.
        resource_type: Option<String>,
    },
    /// 400 `ResourceNotFoundException` of the Identity Store, without a reason.
    /// Nothing is done.
    NotFound {
        /// `USER` or `GROUP`.
        resource_type: String,
    },
    /// The connection is closed, and nothing was done.
    DropBefore,
    /// The connection is closed, and it was done.
    DropAfter,
    /// 200 with a body that is not JSON; it was done.
    Garbage,
    /// 200 with `{}`; it was done.
    EmptyObject,
    /// 200 with half of the body its length announces, then the connection is
    /// closed; it was done.
    Truncated,
    /// Waits, then goes on. It goes on also where the caller has given up by then:
    /// a call that timed out may still take effect.
    Latency(Duration),
    /// Takes a member out of the answer, at whatever depth it is.
    DropField {
        /// The member's name, for example `UserId`.
        name: String,
    },
    /// Takes the last row out of every list of the answer.
    DropRow,
    /// Every page is the first one and has the same token: paging never ends.
    RepeatToken,
}

impl Fault {
    /// A fault that always happens on an operation, a service, or everywhere
    /// (`*`); see [`Fault::on`](field@Fault::on).
    pub fn on(what: &str, kind: FaultKind) -> Fault {
        Fault {
            on: what.into(),
            containing: None,
            skip: 0,
            times: None,
            probability: None,
            kind,
            matched: 0,
            applied: 0,
        }
    }

    /// Only for requests whose JSON contains `text`.
    pub fn containing(self, text: &str) -> Fault {
        Fault {
            containing: Some(text.into()),
            ..self
        }
    }

    /// Only after the first `skip` matches.
    pub fn skip(self, skip: u32) -> Fault {
        Fault { skip, ..self }
    }

    /// Only so often.
    pub fn times(self, times: u32) -> Fault {
        Fault {
            times: Some(times),
            ..self
        }
    }

    /// Only by chance.
    pub fn probability(self, probability: f64) -> Fault {
        Fault {
            probability: Some(probability),
            ..self
        }
    }

    fn matches(&self, service: Service, operation: &str, body: &str) -> bool {
        let here = self.on == "*" || self.on == operation || self.on == service.name();
        here && self
            .containing
            .as_ref()
            .is_none_or(|text| body.contains(text.as_str()))
    }
}

/// What is to happen to one call.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) delay: Duration,
    /// `DropField`s, `DropRow` and `RepeatToken`.
    pub(super) mangling: Vec<FaultKind>,
    pub(super) fault: Option<FaultKind>,
}

impl Faults {
    /// Adds a rule behind the others.
    pub fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    /// Judges a call that arrives now.
    pub(super) fn judge(
        &mut self,
        service: Service,
        operation: &str,
        body: &str,
        now: Instant,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        if !self.rate_limits.take(service, operation, now) {
            verdict.fault = Some(FaultKind::Throttle);
            return verdict;
        }
        for rule in &mut self.rules {
            if !rule.matches(service, operation, body) {
                continue;
            }
            rule.matched += 1;
            let spent = rule.times.is_some_and(|times| rule.applied >= times);
            if rule.matched <= rule.skip || spent {
                continue;
            }
            if rule
                .probability
                .is_some_and(|probability| draw(&mut self.seed) >= probability)
            {
                continue;
            }
            rule.applied += 1;
            match &rule.kind {
                FaultKind::Latency(delay) => verdict.delay += *delay,
                kind @ (FaultKind::DropField { .. }
                | FaultKind::DropRow
                | FaultKind::RepeatToken) => {
                    verdict.mangling.push(kind.clone());
                }
                kind => {
                    verdict.fault = Some(kind.clone());
                    break;
                }
            }
        }
        verdict
    }
}

impl FaultKind {
    /// The error answer of the faults that are one.
    pub(super) fn refusal(
        &self,
        service: Service,
        operation: &str,
        account: &str,
        request_id: &str,
    ) -> Option<Refusal> {
        let refusal = match self {
            FaultKind::Throttle => Refusal::front_door(400, "ThrottlingException", "Rate exceeded"),
            FaultKind::AccessDenied => {
                let action = format!("{}:{operation}", service.action_prefix());
                let message = format!(
                    "User: {} is not authorized to perform: {action} because no identity-based \
                     policy allows the {action} action",
                    caller_arn(account)
                );
                let (status, code) = service.denial();
                Refusal::front_door(status, code, &message)
            }
            FaultKind::ServerError => {
                // EMR's model has both spellings: one for mappings, one for Studios.
                let mapping = operation.contains("StudioSessionMapping");
                let code = if mapping {
                    "InternalServerError"
                } else {
                    "InternalServerException"
                };
                Refusal::modelled(500, code, "An internal error occurred.")
            }
            FaultKind::ServiceUnavailable => {
                Refusal::front_door(503, "ServiceUnavailableException", "Service Unavailable")
            }
            FaultKind::Refuse { code, message } => Refusal::modelled(400, code, message),
            FaultKind::Wrapped { text, status, code } => {
                studios::wrapped(text, *status, code, request_id)
            }
            FaultKind::Key {
                exception,
                reason,
                resource_type,
            } => {
                let message = "The KMS key of IAM Identity Center cannot be used.";
                let refusal = Refusal::modelled(400, exception, message).with("Reason", reason);
                match resource_type {
                    Some(kind) => refusal.with("ResourceType", kind),
                    None => refusal,
                }
            }
            FaultKind::NotFound { resource_type } => {
                let message = format!("{resource_type} not found.");
                Refusal::modelled(400, "ResourceNotFoundException", &message)
                    .with("ResourceType", resource_type)
            }
            _ => return None,
        };
        Some(refusal)
    }

    /// Prepares a request: under `RepeatToken` every page is the first.
    pub(super) fn mangle_input(&self, input: &mut Value) {
        if let (FaultKind::RepeatToken, Some(members)) = (self, input.as_object_mut()) {
            members.remove("NextToken");
            members.remove("nextToken");
            members.remove("Marker");
        }
    }

    /// Spoils an answer.
    pub(super) fn mangle_answer(&self, service: Service, answer: &mut Value) {
        match self {
            FaultKind::DropField { name } => drop_field(answer, name),
            FaultKind::DropRow => {
                let members = answer.as_object_mut().into_iter().flatten();
                let lists = members.filter_map(|(_, member)| member.as_array_mut());
                lists.for_each(|rows| drop(rows.pop()));
            }
            FaultKind::RepeatToken => {
                let token = match service {
                    Service::Emr => "Marker",
                    Service::Logs => "nextToken",
                    _ => "NextToken",
                };
                if let Some(members) = answer.as_object_mut() {
                    members.insert(token.into(), "the-same-again".into());
                }
            }
            _ => {}
        }
    }
}

fn drop_field(value: &mut Value, name: &str) {
    match value {
        Value::Object(members) => {
            members.remove(name);
            members
                .values_mut()
                .for_each(|member| drop_field(member, name));
        }
        Value::Array(rows) => rows.iter_mut().for_each(|row| drop_field(row, name)),
        _ => {}
    }
}

/// The next number in [0, 1) of SplitMix64: one line of state, good enough for dice.
fn draw(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(faults: &mut Faults, operation: &str, body: &str) -> Option<FaultKind> {
        faults
            .judge(Service::Emr, operation, body, Instant::now())
            .fault
    }

    #[test]
    fn a_rule_skips_then_bites_so_often_and_counts_both() {
        let mut faults = Faults::default();
        faults.add(Fault::on("emr", FaultKind::Throttle).skip(1).times(2));
        let bites: Vec<bool> = (0..5)
            .map(|_| judge(&mut faults, "X", "").is_some())
            .collect();
        assert_eq!(bites, [false, true, true, false, false]);
        assert_eq!((faults.rules[0].matched, faults.rules[0].applied), (5, 2));
    }

    #[test]
    fn a_rule_looks_at_the_operation_the_service_and_the_body() {
        let mut faults = Faults::default();
        faults.add(Fault::on("A", FaultKind::DropBefore).containing("alice"));
        faults.add(Fault::on("identitystore", FaultKind::Throttle));
        assert_eq!(
            judge(&mut faults, "A", "about alice"),
            Some(FaultKind::DropBefore)
        );
        assert_eq!(judge(&mut faults, "A", "about bob"), None);
        assert_eq!(judge(&mut faults, "B", "about alice"), None);
    }

    #[test]
    fn latency_and_mangling_add_up_and_the_first_real_fault_ends_it() {
        let mut faults = Faults::default();
        faults.add(Fault::on("*", FaultKind::Latency(Duration::from_secs(1))));
        faults.add(Fault::on("*", FaultKind::RepeatToken));
        faults.add(Fault::on("*", FaultKind::Latency(Duration::from_secs(2))));
        faults.add(Fault::on("*", FaultKind::DropAfter));
        faults.add(Fault::on("*", FaultKind::Throttle));
        let verdict = faults.judge(Service::Emr, "A", "", Instant::now());
        assert_eq!(verdict.delay, Duration::from_secs(3));
        assert_eq!(verdict.mangling, [FaultKind::RepeatToken]);
        assert_eq!(verdict.fault, Some(FaultKind::DropAfter));
        assert_eq!(faults.rules[4].matched, 0);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed_and_about_as_often_as_asked() {
        let bites = |seed| -> Vec<bool> {
            let mut faults = Faults {
                seed,
                ..Faults::default()
            };
            faults.add(Fault::on("*", FaultKind::Throttle).probability(0.3));
            (0..1000)
                .map(|_| judge(&mut faults, "A", "").is_some())
                .collect()
        };
        assert_eq!(bites(1), bites(1));
        assert_ne!(bites(1), bites(2));
        let often = bites(1).iter().filter(|bit| **bit).count();
        assert!((250..350).contains(&often), "{often} of 1000");
    }

    #[test]
    fn a_field_is_dropped_from_every_row() {
        let mut answer = json!({ "Rows": [{ "MemberId": { "UserId": "a" }, "GroupId": "g" }] });
        let fault = FaultKind::DropField {
            name: "UserId".into(),
        };
        fault.mangle_answer(Service::IdentityStore, &mut answer);
        assert_eq!(
            answer,
            json!({ "Rows": [{ "MemberId": {}, "GroupId": "g" }] })
        );
    }
}

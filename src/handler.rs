//! One invocation: a payload in, an answer out. Lambda and `simulate` both call
//! this, and nothing else.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::acknowledge::{self, Delivered};
use crate::bus::Bus;
use crate::config::Mode;
use crate::error::{Error, shortened};
use crate::event::{self, Event, Kind, Message, Payload, Request, Scope};
use crate::report::{Pass, Report};
use crate::studio::ATTEMPT_TIMEOUT;
use crate::sync::{Engine, Look, Task};
use crate::telemetry::{self, Counts};
use crate::unfinished::{Came, Unfinished};

/// How long before its deadline an invocation begins no further call: the longest
/// attempt, and time to say what came of it.
pub const MARGIN: Duration = ATTEMPT_TIMEOUT.saturating_add(Duration::from_secs(5));

/// How far the directory may lag behind an event, in milliseconds: a full pass
/// that began so long after a message was sent has seen what it tells of.
const LAG_MS: i64 = 5_000;

/// So long after a full pass began, in milliseconds, another is begun for an event
/// that does not say who. Such events come in crowds, and a pass sees to all that
/// were sent before it: better few passes than one after the other.
const GATHER_MS: i64 = 20_000;

/// The function: an engine, how it is called, and what it has still to do.
#[derive(Debug)]
pub struct Function {
    engine: Engine,
    name: Option<String>,
    emit: fn(&Value),
    bus: Option<Bus>,
    unfinished: Mutex<Unfinished>,
    /// When the last complete full pass began to read, in milliseconds.
    full_pass_ms: Mutex<Option<i64>>,
}

impl Function {
    /// The function around an engine. `name` goes into its metrics, and `emit`
    /// takes the line of them that each invocation ends with.
    pub fn new(engine: Engine, name: Option<String>, emit: fn(&Value)) -> Function {
        Function {
            engine,
            name,
            emit,
            bus: None,
            unfinished: Mutex::default(),
            full_pass_ms: Mutex::default(),
        }
    }

    /// The same, and this bus is told of changed access.
    #[must_use]
    pub fn telling(self, bus: Option<Bus>) -> Function {
        Function { bus, ..self }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How much is unfinished: identities, and Studios of which everybody is.
    pub fn unfinished(&self) -> usize {
        locked(&self.unfinished).len()
    }

    /// Answers one payload, whatever it is. `deadline` is when Lambda stops the
    /// invocation.
    ///
    /// # Errors
    /// If something may go better another time, and nobody else will see to it.
    /// For an SQS batch the messages that have to come again are named in the
    /// answer instead.
    pub async fn handle(&self, payload: Value, deadline: Instant) -> Result<Value, Error> {
        let deadline = deadline.checked_sub(MARGIN).unwrap_or_else(Instant::now);
        match event::payload(&payload) {
            Payload::Batch(records) => Ok(self.batch(records, deadline).await),
            Payload::Event(event) => match event::read(event, self.store_id()) {
                Ok(event) => {
                    let pass = self.events(&[event], Counts::default(), deadline).await;
                    answer(pass)
                }
                Err(why) => Ok(self.reject(&payload, &why)),
            },
            Payload::Request(Ok(Request::Explain(subject))) => {
                let explanation = Box::pin(self.engine.explain(&subject, None, deadline)).await;
                self.count(&Pass::default(), Counts::default());
                Ok(json!(explanation))
            }
            Payload::Request(Ok(Request::Reconcile {
                studio,
                approve,
                only_plan,
            })) => {
                let mode = match only_plan {
                    true => Mode::Plan,
                    false => self.engine.mode(),
                };
                self.reconcile(studio.as_deref(), approve.as_deref(), mode, deadline)
                    .await
            }
            Payload::Request(Ok(Request::Status)) => {
                let counts = Counts {
                    unfinished: self.unfinished(),
                    ..Counts::default()
                };
                self.count(&Pass::default(), counts);
                Ok(self.status())
            }
            // A request may name a person, in whatever field: no matter for the log.
            Payload::Request(Err(why)) => Ok(self.refuse(why)),
            Payload::Unknown(why) => Ok(self.reject(&payload, &why)),
        }
    }

    /// How it is configured, and what it remembers.
    fn status(&self) -> Value {
        let table = self.engine.table();
        let full_pass = *locked(&self.full_pass_ms);
        let full_pass = full_pass.and_then(DateTime::from_timestamp_millis);
        let studios = table.studios.iter();
        let studios = studios.map(|one| json!({ "studio": one.alias, "studio_id": one.id }));
        json!({
            "action": "status",
            "release": env!("CARGO_PKG_VERSION"),
            "mode": self.engine.mode().name(),
            "identity_store_id": self.store_id(),
            "table": table.digest(),
            "studios": studios.collect::<Vec<_>>(),
            "rules": table.rules.len(),
            "unfinished": self.unfinished(),
            "full_pass": full_pass.map(|began| began.to_rfc3339_opts(SecondsFormat::Secs, true)),
        })
    }

    async fn reconcile(
        &self,
        studio: Option<&str>,
        approve: Option<&str>,
        mode: Mode,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let table = self.engine.table();
        let only = match studio.map(|name| table.studio_called(name)).transpose() {
            Ok(only) => only,
            Err(why) => return Ok(self.refuse(format!("studio: {why}"))),
        };
        let task = Task {
            look: Look::everything(only, deadline),
            approve,
            agreed: None,
            mode,
        };
        let pass = self.pass(&task, None, Counts::default()).await;
        answer(pass)
    }

    /// One pass for all the messages of a batch.
    async fn batch(&self, records: &[Value], deadline: Instant) -> Value {
        let mut counts = Counts::default();
        let (mut messages, mut events) = (Vec::new(), Vec::new());
        for record in records {
            let message = event::message(record, self.store_id());
            match &message.event {
                Ok(_) if self.is_covered(&message) => {
                    let id = &message.id;
                    tracing::debug!(id, "a full pass that began later has seen to it");
                }
                Ok(event) => {
                    events.push(event.clone());
                    messages.push(message);
                }
                Err(why) => {
                    // Acknowledged all the same: it would only come again, and
                    // the full pass covers whatever it was about.
                    counts.rejected += 1;
                    rejected(record, why);
                }
            }
        }
        let of_crowd = |(message, event): (&Message, &Event)| {
            let names_nobody = event.scope == Scope::Everything && event.kind == Kind::Change;
            names_nobody && message.sent_ms.is_some()
        };
        if messages.iter().zip(&events).any(of_crowd) {
            self.gather(deadline).await;
        }
        let pass = self.events(&events, counts, deadline).await;
        let delivered = messages
            .iter()
            .zip(&events)
            .map(|(message, event)| Delivered {
                id: &message.id,
                receives: message.receives,
                looks: event.scope != Scope::Nothing,
            });
        let delivered: Vec<Delivered<'_>> = delivered.collect();
        let mut answer = SqsBatchResponse::default();
        for id in acknowledge::returned(&delivered, pass.dealt_with_none) {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id.to_owned();
            answer.batch_item_failures.push(failure);
        }
        json!(answer)
    }

    /// Whether a complete full pass of this process began after a message was
    /// sent: then it has seen all that the message could tell of.
    fn is_covered(&self, message: &Message) -> bool {
        let full_pass_ms = *locked(&self.full_pass_ms);
        let sent_and_began = message.sent_ms.zip(full_pass_ms);
        sent_and_began.is_some_and(|(sent, began)| sent.saturating_add(LAG_MS) <= began)
    }

    /// Waits if a complete full pass of this process began just before.
    async fn gather(&self, deadline: Instant) {
        let now_ms = self.engine.now_ms();
        let since_ms = locked(&self.full_pass_ms).map(|began_ms| now_ms - began_ms);
        let since_ms = since_ms.filter(|since_ms| (0..GATHER_MS).contains(since_ms));
        let rest_ms = since_ms.and_then(|since_ms| u64::try_from(GATHER_MS - since_ms).ok());
        let until = rest_ms.map(|rest_ms| Instant::now() + Duration::from_millis(rest_ms));
        // An invocation that has no time to wait has none to lose either.
        if let Some(until) = until.filter(|until| *until < deadline) {
            tokio::time::sleep_until(until).await;
        }
    }

    /// One pass for events, and for what is due of the unfinished.
    async fn events(&self, events: &[Event], mut counts: Counts, deadline: Instant) -> Pass {
        let scopes = events.iter().map(|event| event.scope.clone());
        let scope = scopes.fold(Scope::Nothing, Scope::and);
        let is_ignored =
            |event: &&Event| event.scope == Scope::Nothing && event.kind == Kind::Change;
        counts.ignored += events.iter().filter(is_ignored).count();
        for event in events {
            let (id, scope, reason) = (&event.id, event.scope.name(), &event.reason);
            tracing::debug!(id, scope, reason, "event");
        }
        let now_ms = self.engine.now_ms();
        let (more, led) = locked(&self.unfinished).due(now_ms);
        // The schedule asks those too: after an hour they are the full pass's.
        let resting = match events.iter().any(|event| event.kind == Kind::Schedule) {
            true => BTreeSet::new(),
            false => locked(&self.unfinished).resting(now_ms),
        };
        let reason = match &scope {
            Scope::Nothing if !more.is_empty() => Some("what was left unfinished".to_owned()),
            Scope::Nothing if events.is_empty() => Some("there was no event to act on".to_owned()),
            Scope::Nothing | Scope::Everything => {
                let reasons = events.iter().filter(|event| event.scope == scope);
                reasons.filter_map(|event| event.reason.clone()).next()
            }
            Scope::Identities(_) => None,
        };
        let mut led_by = events.to_vec();
        led_by.extend(led.into_iter().filter(|event| !events.contains(event)));
        let task = Task {
            look: Look {
                scope,
                more,
                resting,
                studio: None,
                events: &led_by,
                deadline,
            },
            approve: None,
            agreed: None,
            mode: self.engine.mode(),
        };
        self.pass(&task, reason, counts).await
    }

    /// Makes a pass, keeps what it leaves unfinished, and tells of it.
    async fn pass(&self, task: &Task<'_>, reason: Option<String>, mut counts: Counts) -> Pass {
        // Boxed: the future is large, and its type is deeper than the compiler goes.
        let mut pass = Box::pin(self.engine.pass(task)).await;
        pass.report.reason = reason;
        // What somebody only wanted to see is not to be finished.
        if task.mode == self.engine.mode() {
            let came = Came {
                looked_at: &pass.looked_at,
                left: &pass.unfinished,
                goes_on: &pass.goes_on,
                hang: &pass.hang,
                is_full: pass.full_and_complete.is_some(),
                events: task.look.events,
            };
            locked(&self.unfinished).settle(&came, self.engine.now_ms());
            if pass.covers {
                *locked(&self.full_pass_ms) = Some(pass.began_ms);
            }
        }
        counts.unfinished = self.unfinished();
        telemetry::report(&pass.report);
        if let Some(bus) = &self.bus {
            Box::pin(bus.tell(&pass.report, task.look.events)).await;
        }
        self.count(&pass, counts);
        pass
    }

    /// Answers what cannot be understood, and keeps all of it in the log.
    fn reject(&self, payload: &Value, why: &str) -> Value {
        rejected(payload, why);
        let report = self.refusal("the payload was not understood", why.to_owned());
        telemetry::report(&report);
        self.count_rejected();
        json!(report)
    }

    /// Answers who asked for something that cannot be done. They know what they
    /// sent, and may have named somebody: that is no matter for the log.
    fn refuse(&self, why: String) -> Value {
        tracing::warn!("a request was refused; its answer says why");
        self.count_rejected();
        json!(self.refusal("the payload was not understood", why))
    }

    fn refusal(&self, reason: &str, why: String) -> Report {
        Report {
            mode: self.engine.mode().name(),
            scope: Scope::Nothing.name(),
            reason: Some(reason.to_owned()),
            problems: vec![shortened(why)],
            ..Report::default()
        }
    }

    fn count_rejected(&self) {
        let rejected = Counts {
            rejected: 1,
            unfinished: self.unfinished(),
            ..Counts::default()
        };
        self.count(&Pass::default(), rejected);
    }

    fn count(&self, pass: &Pass, mut counts: Counts) {
        (counts.api_calls, counts.throttled) = self.engine.take_tally();
        let (mode, name) = (self.engine.mode(), self.name.as_deref());
        let now_ms = self.engine.now_ms();
        for line in telemetry::of_studios(&pass.report, mode, name, now_ms) {
            (self.emit)(&line);
        }
        (self.emit)(&telemetry::metrics(pass, &counts, mode, name, now_ms));
    }

    fn store_id(&self) -> &str {
        self.engine.store_id()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer to who invoked the function directly: nobody hands them their order
/// again.
fn answer(pass: Pass) -> Result<Value, Error> {
    let Pass {
        report, unfinished, ..
    } = pass;
    if unfinished.is_empty() {
        return Ok(json!(report));
    }
    let counts = match report.counts() {
        none if none.is_empty() => "nothing was done".to_owned(),
        counts => counts,
    };
    // Of what was approved, a part may have gone: the rest is another set.
    let held = report.plan_id.as_ref();
    let held = held.map(|id| format!("; what is held now is {id}"));
    Err(Error::Incomplete(format!(
        "{counts}; run it again: {}{}",
        first_of(&report.problems),
        held.unwrap_or_default()
    )))
}

/// Enough of the problems to act on; the log has them all.
fn first_of(problems: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = problems[..problems.len().min(SHOWN)].join("; ");
    if problems.len() > SHOWN {
        text += &format!("; and {} more in the log", problems.len() - SHOWN);
    }
    text
}

fn rejected(payload: &Value, why: &str) {
    let why = shortened(why.to_owned());
    tracing::error!(why, payload = %payload, "not understood");
}

//! One invocation: a payload in, an answer out. Lambda and `simulate` both call
//! this, and nothing else.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::config::Mode;
use crate::error::{Error, shortened};
use crate::event::{self, Event, Payload, Request, Scope};
use crate::report::Report;
use crate::sync::{Engine, Pass, Task};
use crate::telemetry::{self, Counts};

/// How long before its deadline an invocation begins no further call.
pub const MARGIN: Duration = Duration::from_secs(10);

/// The function: an engine, and how it is called.
#[derive(Debug)]
pub struct Function {
    engine: Engine,
    name: Option<String>,
    emit: fn(&Value),
}

impl Function {
    /// The function around an engine. `name` goes into its metrics, and `emit`
    /// takes the line of them that each invocation ends with.
    pub fn new(engine: Engine, name: Option<String>, emit: fn(&Value)) -> Function {
        Function { engine, name, emit }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Answers one payload, whatever it is. `deadline` is when Lambda stops the
    /// invocation.
    ///
    /// # Errors
    /// If something may go better another time, so that it should come again.
    /// For an SQS batch the messages concerned are named in the answer instead.
    pub async fn handle(&self, payload: Value, deadline: Instant) -> Result<Value, Error> {
        let deadline = deadline.checked_sub(MARGIN).unwrap_or_else(Instant::now);
        match event::payload(&payload) {
            Payload::Batch(records) => Ok(self.batch(records, deadline).await),
            Payload::Event(event) => match event::read(event, self.store_id()) {
                Ok(event) => self
                    .events(vec![event], Counts::default(), deadline)
                    .await
                    .into_answer(),
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
                let mode = if only_plan {
                    Mode::Plan
                } else {
                    self.engine.mode()
                };
                self.reconcile(studio.as_deref(), approve.as_deref(), mode, deadline)
                    .await
            }
            // A request may name a person, in whatever field: no matter for the log.
            Payload::Request(Err(why)) => Ok(self.refuse(why)),
            Payload::Unknown(why) => Ok(self.reject(&payload, &why)),
        }
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
            scope: Scope::Everything,
            events: &[],
            studio: only,
            approve,
            agreed: None,
            mode,
            deadline,
        };
        let pass = Box::pin(self.engine.pass(&task)).await;
        self.finish(&pass, Counts::default());
        Run {
            pass,
            events: Vec::new(),
        }
        .into_answer()
    }

    /// One pass for all the messages of a batch.
    async fn batch(&self, records: &[Value], deadline: Instant) -> Value {
        let mut counts = Counts::default();
        let (mut events, mut messages) = (Vec::new(), Vec::new());
        for record in records {
            let message = event::message(record, self.store_id());
            match message.event {
                Ok(event) => {
                    messages.push(message.id);
                    events.push(event);
                }
                Err(why) => {
                    // Acknowledged all the same: it would only come again, and
                    // the full pass covers whatever it was about.
                    counts.rejected += 1;
                    rejected(record, &why);
                }
            }
        }
        let run = self.events(events, counts, deadline).await;
        let mut answer = SqsBatchResponse::default();
        for (id, event) in messages.into_iter().zip(&run.events) {
            let touched = run.pass.setbacks.iter().any(|about| match about {
                Some(identity) => event.scope.may_concern(identity),
                None => event.scope != Scope::Nothing,
            });
            if touched {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = id;
                answer.batch_item_failures.push(failure);
            }
        }
        json!(answer)
    }

    async fn events(&self, events: Vec<Event>, mut counts: Counts, deadline: Instant) -> Run {
        let scopes = events.iter().map(|event| event.scope.clone());
        let scope = scopes.fold(Scope::Nothing, Scope::and);
        counts.ignored += events
            .iter()
            .filter(|event| event.scope == Scope::Nothing)
            .count();
        for event in &events {
            let (id, scope, reason) = (&event.id, event.scope.name(), &event.reason);
            tracing::debug!(id, scope, reason, "event");
        }
        let reason = match &scope {
            Scope::Nothing if events.is_empty() => Some("there was no event to act on".to_owned()),
            Scope::Nothing | Scope::Everything => {
                let reasons = events.iter().filter(|event| event.scope == scope);
                reasons.filter_map(|event| event.reason.clone()).next()
            }
            Scope::Identities(_) => None,
        };
        let task = Task {
            scope,
            events: &events,
            studio: None,
            approve: None,
            agreed: None,
            mode: self.engine.mode(),
            deadline,
        };
        // Boxed: the future is large, and its type is deeper than the compiler goes.
        let mut pass = Box::pin(self.engine.pass(&task)).await;
        pass.report.reason = reason;
        self.finish(&pass, counts);
        Run { pass, events }
    }

    /// Answers what cannot be understood, and keeps all of it in the log.
    fn reject(&self, payload: &Value, why: &str) -> Value {
        rejected(payload, why);
        self.refuse(why.to_owned())
    }

    /// Answers who asked for something that cannot be done; they know what they
    /// sent.
    fn refuse(&self, why: String) -> Value {
        let pass = Pass {
            report: Report {
                mode: self.engine.mode().name(),
                scope: Scope::Nothing.name(),
                reason: Some("the payload was not understood".to_owned()),
                problems: vec![shortened(why)],
                ..Report::default()
            },
            ..Pass::default()
        };
        let rejected = Counts {
            rejected: 1,
            ..Counts::default()
        };
        self.finish(&pass, rejected);
        json!(pass.report)
    }

    fn finish(&self, pass: &Pass, counts: Counts) {
        telemetry::report(&pass.report);
        self.count(pass, counts);
    }

    fn count(&self, pass: &Pass, mut counts: Counts) {
        (counts.api_calls, counts.throttled) = self.engine.take_tally();
        (self.emit)(&telemetry::metrics(pass, &counts, self.name.as_deref()));
    }

    fn store_id(&self) -> &str {
        self.engine.store_id()
    }
}

/// A pass and the events that led to it.
struct Run {
    pass: Pass,
    events: Vec<Event>,
}

impl Run {
    fn into_answer(self) -> Result<Value, Error> {
        let Pass {
            report, setbacks, ..
        } = self.pass;
        if setbacks.is_empty() {
            return Ok(json!(report));
        }
        let Report {
            created,
            updated,
            deleted,
            failed,
            remaining,
            problems,
            ..
        } = report;
        Err(Error::Incomplete(format!(
            "{created} created, {updated} updated, {deleted} deleted, {failed} failed, \
             {remaining} remaining; run it again: {}",
            first_of(&problems)
        )))
    }
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

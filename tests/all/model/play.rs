//! Plays a case: the real function over the real clients, before the embedded
//! AWS, by a clock that stands still but for the pauses.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use emr_studio_sync::aws;
use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::emulator::{Call, Emulator, IdentityType, LogLine, Watch, World};
use emr_studio_sync::handler::Function;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::sync::Engine;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tracing::subscriber::DefaultGuard;

use super::case::{Case, LOG, Order, Process, Rivals, Step, Switch, USER_NAMES};
use super::happening::{self, Fate};
use super::judge::{self, Judge, Lies};
use super::last::{self, Mapped};
use super::moment::{Key, Moment};
use super::table::Table;
use super::trouble::Trouble;
use crate::support::{STORE, batch, schedule, unfinished};

/// What was wrong, and what led to it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) seen: Vec<String>,
}

/// Plays a case to its end.
pub(super) fn play(case: &Case) -> Result<(), Failure> {
    // The pauses before retries are drawn by lot.
    fastrand::seed(case.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        BEGAN.set(Some(Instant::now()));
        let mut play = Play::begin(case).await;
        for step in &case.steps {
            play.step(step).await?;
        }
        play.end().await
    })
}

/// So many full passes are enough for nothing to be left to do.
const PASSES: usize = 4;

/// Some time in 2026, in milliseconds.
const EPOCH_MS: i64 = 1_772_446_530_000;

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time by tokio's clock.
fn now_ms() -> i64 {
    let began = BEGAN.get().expect("a case is played");
    EPOCH_MS + i64::try_from(began.elapsed().as_millis()).unwrap()
}

struct Play<'c> {
    case: &'c Case,
    emulator: Emulator,
    function: Function,
    mode: Mode,
    judge: Arc<Mutex<Judge>>,
    rivals: Arc<Mutex<Option<(Rng, Rivals)>>>,
    /// Events, and when they were sent.
    events: Vec<(Value, i64)>,
    late: Vec<(Value, i64)>,
    /// The set of deletions that was held when somebody last looked, by its id.
    held: Option<(String, BTreeSet<Key>)>,
    lies: Lies,
    /// What the function wrote into its log and is not there to be read yet.
    log: Lines,
    _listening: DefaultGuard,
}

/// The lines of a log, as they are written.
type Lines = Arc<Mutex<Vec<LogLine>>>;

/// Takes a line of the log.
struct Pen(Lines);

impl Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(LogLine {
            group: LOG.to_owned(),
            at_ms: now_ms(),
            message: String::from_utf8_lossy(line).trim().to_owned(),
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged by this thread.
fn listen(lines: &Lines) -> DefaultGuard {
    let lines = Arc::clone(lines);
    let log = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || Pen(Arc::clone(&lines)));
    tracing::subscriber::set_default(log.finish())
}

impl<'c> Play<'c> {
    async fn begin(case: &'c Case) -> Play<'c> {
        let judge = Judge::new(Table::read(&case.table), now_ms);
        let judge = Arc::new(Mutex::new(judge));
        let rivals = Arc::new(Mutex::new(None::<(Rng, Rivals)>));
        let mut world = case.world();
        world.faults.seed = case.seed;
        let (eyes, hands) = (Arc::clone(&judge), Arc::clone(&rivals));
        world.watch = Watch::new(move |world, operation, input| {
            let mut judge = eyes.lock().unwrap();
            judge.look(world);
            if let Some((rng, rivals)) = &mut *hands.lock().unwrap()
                && rng.f64() < rivals.often
            {
                let act = match rivals.in_directory && rng.bool() {
                    true => happening::in_directory(rng),
                    false => happening::by_hand(rng),
                };
                happening::happen(world, &act, happening::Form::Whole);
                judge.rival(world, format!("{act:?}"));
            }
            judge.call(world, operation, input);
        });
        let emulator = Emulator::in_process(world);
        let function = function(&emulator, case, Mode::Apply).await;
        let log = Lines::default();
        Play {
            case,
            emulator,
            function,
            mode: Mode::Apply,
            judge,
            rivals,
            events: Vec::new(),
            late: Vec::new(),
            held: None,
            lies: Lies::default(),
            _listening: listen(&log),
            log,
        }
    }

    fn judge<T>(&self, f: impl FnOnce(&mut Judge) -> T) -> T {
        f(&mut self.judge.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn world<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.emulator.world())
    }

    async fn process(&mut self, mode: Mode) {
        self.function = function(&self.emulator, self.case, mode).await;
        self.mode = mode;
        self.world(|world| {
            let log: &[LogLine] = if self.case.has(Switch::HasLog) {
                &world.log
            } else {
                &[]
            };
            self.judge(|judge| judge.forget(log));
        });
    }

    async fn step(&mut self, step: &Step) -> Result<(), Failure> {
        sleep(Duration::from_secs(step.pause_s)).await;
        let mut events = std::mem::take(&mut self.late);
        for (happening, fate, form) in &step.happenings {
            let event = self.world(|world| happening::happen(world, happening, *form));
            let Some(event) = event.map(|event| (timed(event), now_ms())) else {
                continue;
            };
            match fate {
                Fate::Lost => {}
                Fate::Once => self.events.push(event),
                Fate::Twice => self.events.extend([event.clone(), event]),
                Fate::Late => self.late.insert(0, event),
            }
        }
        self.events.append(&mut events);
        match step.process {
            Some(Process::Applies) => self.process(Mode::Apply).await,
            Some(Process::Plans) => self.process(Mode::Plan).await,
            None => {}
        }
        let faults = step.troubles.iter().map(Trouble::fault);
        let faults = faults.collect();
        self.world(|world| world.faults.rules = faults);
        self.lies = Trouble::lies(&step.troubles);
        // Where there is no time, nothing is read either.
        self.lies.of_directory |= step.deadline_s < 300;
        *self.rivals.lock().unwrap() = step
            .rivals
            .map(|rivals| (Rng::with_seed(rivals.seed), rivals));
        for (payload, order) in self.payloads(&step.order) {
            self.invoke(payload, order, step).await?;
        }
        self.world(|world| world.faults.rules.clear());
        *self.rivals.lock().unwrap() = None;
        self.lies = Lies::default();
        Ok(())
    }

    /// What the function is invoked with.
    fn payloads(&mut self, order: &Order) -> Vec<(Value, judge::Order)> {
        let orders = || judge::Order {
            writes_nothing: self.mode == Mode::Plan,
            goes_by_memory: matches!(order, Order::Events | Order::Batch | Order::Unfinished),
            approves: None,
            lies: self.lies,
        };
        let one = |payload: Value| vec![(payload, orders())];
        let only_looks = |payload: Value| {
            let order = judge::Order {
                writes_nothing: true,
                ..orders()
            };
            vec![(payload, order)]
        };
        let approving = |id: &str, approves: BTreeSet<Key>| {
            let order = judge::Order {
                approves: Some(approves),
                ..orders()
            };
            vec![(json!({ "action": "reconcile", "approve": id }), order)]
        };
        match order {
            Order::Events => {
                let events = self.events.iter();
                let payloads = events.map(|(event, _)| (event.clone(), orders())).collect();
                self.events.clear();
                payloads
            }
            Order::Batch => {
                let bodies = self.events.iter().map(|(event, _)| event.to_string());
                let mut payload = batch(bodies);
                for (at, (_, sent_ms)) in self.events.iter().enumerate() {
                    payload["Records"][at]["attributes"] =
                        json!({ "SentTimestamp": sent_ms.to_string() });
                }
                let payloads = one(payload);
                self.events.clear();
                payloads
            }
            Order::Schedule => one(schedule()),
            Order::Unfinished => one(unfinished()),
            Order::Reconcile(None) => one(json!({ "action": "reconcile" })),
            Order::Reconcile(Some(at)) => {
                one(json!({ "action": "reconcile", "studio": format!("s{at}") }))
            }
            Order::Plan => only_looks(json!({ "action": "plan" })),
            Order::Explain(at) => {
                only_looks(json!({ "action": "explain", "user": USER_NAMES[*at] }))
            }
            Order::Approve => match &self.held {
                Some((id, held)) => approving(id, held.clone()),
                None => Vec::new(),
            },
            Order::ApproveNothing => approving("0123456789abcdef", BTreeSet::new()),
        }
    }

    async fn invoke(
        &mut self,
        payload: Value,
        order: judge::Order,
        step: &Step,
    ) -> Result<(), Failure> {
        self.begins(order);
        let deadline = Instant::now() + Duration::from_secs(step.deadline_s);
        let handled = self.function.handle(payload, deadline);
        let answer = match step.dies_after_ms {
            None => Some(handled.await),
            Some(ms) => timeout(Duration::from_millis(ms), handled).await.ok(),
        };
        if let Some(Ok(report)) = &answer {
            self.held = held(report).or(self.held.take());
        }
        // Calls that nobody waits for any more take effect, too.
        if step.troubles.iter().any(Trouble::is_slow) || answer.is_none() {
            sleep(Duration::from_secs(60)).await;
        }
        self.ended()?;
        if answer.is_none() {
            self.process(self.mode).await;
        }
        Ok(())
    }

    fn begins(&self, order: judge::Order) {
        self.world(|world| {
            world.calls.clear();
            self.judge(|judge| judge.begin(world, order));
        });
    }

    /// What was wrong with an invocation.
    fn ended(&self) -> Result<(), Failure> {
        let lines = std::mem::take(&mut *self.log.lock().unwrap());
        self.world(|world| {
            world.log.extend(lines);
            self.judge(|judge| {
                judge.end(&world.calls);
                match judge.wrong.first() {
                    None => Ok(()),
                    Some(what) => Err(judge.failure(what)),
                }
            })
        })
    }

    /// In peace: what is unfinished is finished, a full pass leads to what the
    /// model says, and another does nothing.
    async fn end(mut self) -> Result<(), Failure> {
        let left = self.judge(Judge::left);
        if self.mode == Mode::Plan {
            self.process(Mode::Apply).await;
        }
        let mut quiet = false;
        for _ in 0..3 {
            sleep(Duration::from_secs(200)).await;
            self.in_peace(unfinished()).await?;
            quiet = self.world(|world| world.calls.is_empty());
        }
        if !quiet {
            return Err(self.judge(|judge| judge.failure("what is unfinished is never finished")));
        }
        self.nothing_is_forgotten(&left)?;
        // A pass makes room for what another may do: what was too much to delete
        // may be little beside what was created.
        for _ in 0..PASSES {
            if !self.full_pass().await? {
                return self.pass_for_nothing().await;
            }
        }
        Err(self.judge(|judge| judge.failure("one full pass after another writes")))
    }

    /// What was tried in vain at last has been made since, without a full pass: but
    /// for deletions, which the guard may hold.
    fn nothing_is_forgotten(&self, left: &BTreeSet<Key>) -> Result<(), Failure> {
        let (now, table) = (
            self.world(|world| Moment::of(world)),
            Table::read(&self.case.table),
        );
        let expected = last::after_a_full_pass(self.case, &table, &now);
        let is_full = |(studio, kind, _): &Key| {
            let limit = table.studio(studio).map_or(0, |studio| studio.limit(*kind));
            let here = expected
                .keys()
                .filter(|key| (&key.0, &key.1) == (studio, kind));
            here.count() >= limit
        };
        self.judge(|judge| {
            let policy = |key: &Key| now.mappings.get(key).map(|(policy, _)| policy);
            let forgotten = left.iter().find(|key| {
                let wanted = expected.get(*key);
                wanted.is_some() && wanted != policy(key) && !is_full(key)
            });
            match forgotten {
                None => Ok(()),
                Some(key) => Err(judge.failure(&format!("what failed is forgotten: {key:?}"))),
            }
        })
    }

    /// A full pass leads to what the model says. Whether anything was written.
    async fn full_pass(&mut self) -> Result<bool, Failure> {
        // Nothing of late counts any more: neither what was deleted, nor what was
        // held, nor what would not go.
        sleep(Duration::from_secs(25 * 3600)).await;
        self.process(Mode::Apply).await;
        let before = self.world(|world| Moment::of(world));
        let table = Table::read(&self.case.table);
        let expected = last::after_a_full_pass(self.case, &table, &before);
        let report = self.in_peace(schedule()).await?;
        let wrote = self.world(|world| world.calls.iter().any(Call::is_write));
        let made = self.mapped();
        let complain = |what: &str| {
            self.judge(|judge| {
                judge.seen.push(format!("{report:#}"));
                Err(judge.failure(what))
            })
        };
        if made != expected {
            let difference = difference(&made, &expected);
            let what = "a full pass does not lead to what the table says";
            return complain(&format!("{what}: {difference}"));
        }
        let was = mapped(&before);
        if wrote && was == made && !self.refuses() && !self.case.has(Switch::RefusesGone) {
            return complain("a full pass writes where nothing differs");
        }
        Ok(was != made)
    }

    /// Where nothing is left to do, the same process does nothing.
    async fn pass_for_nothing(&mut self) -> Result<(), Failure> {
        self.in_peace(schedule()).await?;
        let wrote = self.world(|world| world.calls.iter().any(Call::is_write));
        match wrote && !self.refuses() {
            true => Err(self.judge(|judge| judge.failure("a second full pass writes"))),
            false => Ok(()),
        }
    }

    /// Whether there are mappings that are tried in every pass, and in vain.
    fn refuses(&self) -> bool {
        let switches = [Switch::MembershipsOutliveUsers, Switch::RowsWithoutId];
        switches.iter().any(|switch| self.case.has(*switch))
    }

    /// An invocation without faults and rivals.
    async fn in_peace(&mut self, payload: Value) -> Result<Value, Failure> {
        self.begins(judge::Order {
            goes_by_memory: true,
            ..judge::Order::default()
        });
        let deadline = Instant::now() + Duration::from_secs(600);
        let answer = self.function.handle(payload, deadline).await;
        self.ended()?;
        answer.map_err(|error| {
            let what = format!("an invocation fails in peace: {error}");
            self.judge(|judge| judge.failure(&what))
        })
    }

    fn mapped(&self) -> Mapped {
        self.world(|world| mapped(&Moment::of(world)))
    }
}

/// The set of deletions that an answer tells as held, by its id.
fn held(report: &Value) -> Option<(String, BTreeSet<Key>)> {
    let id = report["plan_id"].as_str()?.to_owned();
    let changes = report["changes"].as_array()?.iter();
    let held = changes.filter(|change| change["outcome"] == "held");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let key = |change: &Value| {
        let kind = match change["identity_type"] == "GROUP" {
            true => IdentityType::Group,
            false => IdentityType::User,
        };
        (
            text(&change["studio_id"]),
            kind,
            text(&change["identity_id"]),
        )
    };
    Some((id, held.map(key).collect()))
}

/// An event of just now.
fn timed(mut event: Value) -> Value {
    let now = DateTime::from_timestamp_millis(now_ms())
        .unwrap()
        .to_rfc3339();
    event["time"] = json!(now);
    event["detail"]["eventTime"] = json!(now);
    event
}

fn mapped(moment: &Moment) -> Mapped {
    let mappings = moment.mappings.iter();
    mappings
        .map(|(key, (policy, _))| (key.clone(), policy.clone()))
        .collect()
}

fn difference(made: &Mapped, expected: &Mapped) -> String {
    let keys: BTreeSet<&Key> = made.keys().chain(expected.keys()).collect();
    let differing = keys
        .into_iter()
        .filter(|key| made.get(*key) != expected.get(*key));
    let lines = differing.map(|key| {
        let (made, expected) = (made.get(key), expected.get(key));
        format!("\n    {key:?}: is {made:?}, should be {expected:?}")
    });
    lines.collect()
}

async fn function(emulator: &Emulator, case: &Case, mode: Mode) -> Function {
    let config = Config {
        identity_store_id: STORE.to_owned(),
        identity_store_region: None,
        table: read::table(&case.table.to_string(), Format::Json).unwrap(),
        mode,
        log_names: false,
        access_events: false,
        log_group: case.has(Switch::HasLog).then(|| LOG.to_owned()),
    };
    let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "test");
    let sdk = aws::sdk_config()
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(credentials)
        .http_client(emulator.http_client())
        .endpoint_url(emulator.url())
        .load()
        .await;
    let engine = Engine::new(&config, &sdk).await.by_clock(now_ms);
    Function::new(engine, None, |_| {})
}

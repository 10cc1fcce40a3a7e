//! A company: its directory and Studios, the queue, the schedule, and the function
//! with the processes it lives in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use emr_studio_sync::aws;
use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::emulator::{Bucket, Call, Emulator, Fault, FaultKind, RateLimits, World};
use emr_studio_sync::handler::Function;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::sync::Engine;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tracing::subscriber::DefaultGuard;

use super::clock::{self, Ms, hours, minutes, ms, now_ms, seconds};
use super::levels::Level;
use super::queue::Queue;
use super::witness::Witness;
use super::{log, oracle};
use crate::support::{STORE, schedule, unfinished};

/// Lambda's, of an invocation.
pub const TIMEOUT: Duration = seconds(180);

thread_local! {
    /// The lines of metrics, and when they were written.
    static METRICS: RefCell<Vec<(Ms, Value)>> = const { RefCell::new(Vec::new()) };
}

pub struct Company {
    emulator: Emulator,
    pub queue: Queue,
    pub witness: Arc<Mutex<Witness>>,
    config: Config,
    sdk: SdkConfig,
    process: Option<Process>,
    running: Option<Running>,
    /// How long a process lives.
    pub lives: Lives,
    /// Faults, and when they end.
    outages: Vec<(Ms, Fault)>,
    /// Events that take their time.
    on_their_way: BTreeMap<(Ms, usize), Value>,
    events: usize,
    full_pass_ms: Ms,
    minute_ms: Ms,
    _log: DefaultGuard,
}

/// How long processes live.
pub enum Lives {
    /// As long as the company.
    Long,
    /// For one invocation.
    ForOne,
    /// By chance: for some hours, or an end in the middle of an invocation.
    ByChance(fastrand::Rng),
}

struct Process {
    function: Arc<Function>,
    dies_ms: Option<Ms>,
}

/// An invocation, and what it was given.
struct Running {
    answer: Pin<Box<dyn Future<Output = Value>>>,
    batch: Value,
    ends: Instant,
}

impl Company {
    /// A company on a Monday morning, with the whole table to be made true.
    pub async fn new(mut world: World, deletions: Value) -> Company {
        clock::begin();
        METRICS.take();
        let witness = Witness::of(&mut world);
        world.log_groups.insert(log::GROUP.to_owned());
        world.faults.rules = everyday();
        world.faults.rate_limits = RateLimits::documented();
        let emulator = Emulator::in_process(world);
        let table = oracle::table(deletions).to_string();
        let config = Config {
            identity_store_id: STORE.to_owned(),
            identity_store_region: None,
            table: read::table(&table, Format::Json).unwrap(),
            mode: Mode::Apply,
            log_names: false,
            access_events: false,
            log_group: Some(log::GROUP.to_owned()),
        };
        let sdk = aws::sdk_config()
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .http_client(emulator.http_client())
            .endpoint_url(emulator.url());
        Company {
            queue: Queue::default(),
            witness,
            config,
            sdk: sdk.load().await,
            process: None,
            running: None,
            lives: Lives::Long,
            outages: Vec::new(),
            on_their_way: BTreeMap::new(),
            events: 0,
            full_pass_ms: now_ms(),
            minute_ms: now_ms() + 30_000,
            _log: log::begin(),
            emulator,
        }
    }

    pub fn world<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        f(&mut self.emulator.world())
    }

    /// Where it is not as the table says.
    pub fn wrong(&self) -> Vec<String> {
        self.world(|world| oracle::wrong(world))
    }

    /// The calls made since the last look.
    pub fn calls(&self) -> Vec<Call> {
        self.world(|world| std::mem::take(&mut world.calls))
    }

    /// What the full passes said of themselves since the last look: 1 is complete.
    pub fn full_passes(&self) -> Vec<i64> {
        let lines = METRICS.take().into_iter();
        lines
            .filter_map(|(_, line)| line["FullPassCompleted"].as_i64())
            .collect()
    }

    /// How many messages were put aside.
    pub fn dead_letters(&self) -> Level {
        let dead = self.queue.dead.len();
        Level::at_most("dead letters while no process dies", 0, dead)
    }

    // ---------------------------------------------------------------- events

    /// Tells of something that has just happened.
    pub fn tell(&mut self, event: Value) {
        let event = self.stamped(event);
        self.queue.send(event.to_string(), now_ms());
    }

    /// Tells of it later.
    pub fn tell_in(&mut self, while_: Duration, event: Value) {
        let event = self.stamped(event);
        let key = (now_ms() + ms(while_), self.events);
        self.on_their_way.insert(key, event);
    }

    /// The event as one of now, and like no other.
    fn stamped(&mut self, mut event: Value) -> Value {
        self.events += 1;
        let now = clock::text(now_ms());
        event["id"] = json!(format!("event-{}", self.events));
        event["time"] = json!(now);
        if event["detail"].get("eventTime").is_some() {
            event["detail"]["eventTime"] = json!(now);
        }
        event
    }

    // --------------------------------------------------------------- outages

    /// Lets something go wrong for a while.
    pub fn suffer(&mut self, fault: Fault, for_: Duration) {
        self.outages.push((now_ms() + ms(for_), fault));
        self.set_faults();
    }

    /// Other people use up what the account may call of EMR: a call in ten seconds
    /// is what they leave.
    pub fn drain(&mut self) {
        self.world(|world| world.faults.rate_limits.emr = Some(Bucket::new(1.0, 0.1)));
    }

    /// They are done.
    pub fn fill(&mut self) {
        self.world(|world| world.faults.rate_limits = RateLimits::documented());
    }

    /// All that goes wrong is over.
    pub fn recover(&mut self) {
        self.outages.clear();
        self.set_faults();
    }

    fn set_faults(&mut self) {
        let now_ms = now_ms();
        self.outages.retain(|(ends_ms, _)| *ends_ms > now_ms);
        let outages = self.outages.iter().map(|(_, fault)| fault.clone());
        let rules = everyday().into_iter().chain(outages).collect();
        self.world(|world| world.faults.rules = rules);
    }

    // ------------------------------------------------------------------ life

    /// Lives on for a while.
    pub async fn live(&mut self, for_: Duration) {
        self.live_to(now_ms() + ms(for_)).await;
    }

    /// Lives on until then.
    pub async fn live_to(&mut self, until_ms: Ms) {
        while now_ms() < until_ms {
            self.step(until_ms).await;
        }
    }

    /// Lives on until it is so, and for so long at most. How long it took.
    pub async fn live_until(&mut self, most: Duration, is_so: impl Fn(&World) -> bool) -> Duration {
        let begun = Instant::now();
        while !self.world(|world| is_so(world)) && begun.elapsed() < most {
            self.step(now_ms() + 1_000).await;
        }
        begun.elapsed()
    }

    /// Lets the process die, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.running = None;
        self.process = None;
    }

    /// A person looks at what is held, and lets it go.
    pub async fn approve(&mut self) {
        while self.is_busy() {
            self.step(now_ms() + 1_000).await;
        }
        let function = self.begin_process().await.function;
        let Some(held) = order(&function, json!({ "action": "plan" })).await else {
            return;
        };
        if let Some(plan_id) = held["plan_id"].as_str() {
            self.witness.lock().unwrap().is_approved = true;
            order(
                &function,
                json!({ "action": "reconcile", "approve": plan_id }),
            )
            .await;
            self.witness.lock().unwrap().is_approved = false;
        }
    }

    /// Whether an invocation is going on.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Does what is due, and waits for what is next, `until_ms` at the latest.
    async fn step(&mut self, until_ms: Ms) {
        let now_ms = now_ms();
        if self.dies_ms().is_some_and(|dies_ms| dies_ms <= now_ms) {
            self.kill();
        }
        self.world(|world| world.log.extend(log::arrived()));
        self.send_what_is_due(now_ms);
        if self.outages.iter().any(|(ends_ms, _)| *ends_ms <= now_ms) {
            self.set_faults();
        }
        if self.running.is_none()
            && let Some(batch) = self.queue.receive(now_ms)
        {
            self.invoke(batch).await;
        }
        let on_their_way = self.on_their_way.keys().map(|(at_ms, _)| *at_ms).next();
        let outage = self.outages.iter().map(|(ends_ms, _)| *ends_ms).min();
        let waiting = self.queue.next_ms().filter(|_| self.running.is_none());
        let next_ms = [on_their_way, outage, waiting, self.dies_ms()]
            .into_iter()
            .flatten()
            .chain([until_ms, self.minute_ms, self.full_pass_ms])
            .min();
        let next = sleep_until(clock::instant(next_ms.unwrap_or(until_ms)));
        let Some(running) = &mut self.running else {
            return next.await;
        };
        tokio::select! {
            biased;
            answer = &mut running.answer => {
                self.queue.settle(&running.batch, &answer);
                self.running = None;
                if matches!(self.lives, Lives::ForOne) {
                    self.process = None;
                }
            }
            // Lambda ends the process with it.
            () = sleep_until(running.ends) => self.kill(),
            () = next => {}
        }
    }

    fn send_what_is_due(&mut self, now_ms: Ms) {
        while let Some(entry) = self.on_their_way.first_entry()
            && entry.key().0 <= now_ms
        {
            self.queue.send(entry.remove().to_string(), now_ms);
        }
        if self.full_pass_ms <= now_ms {
            self.full_pass_ms += ms(hours(1));
            self.tell(schedule());
        }
        if self.minute_ms <= now_ms {
            self.minute_ms += ms(minutes(1));
            self.tell(unfinished());
        }
    }

    fn dies_ms(&self) -> Option<Ms> {
        self.process.as_ref()?.dies_ms
    }

    /// A process that remembers nothing.
    async fn begin_process(&self) -> Process {
        let engine = Engine::new(&self.config, &self.sdk).await;
        let engine = engine.by_clock(now_ms);
        let emit = |line: &Value| {
            METRICS.with_borrow_mut(|lines| lines.push((now_ms(), line.clone())));
        };
        Process {
            function: Arc::new(Function::new(engine, None, emit)),
            dies_ms: None,
        }
    }

    async fn invoke(&mut self, batch: Value) {
        if self.process.is_none() {
            self.process = Some(self.begin_process().await);
        }
        let Some(process) = &mut self.process else {
            return;
        };
        if let Lives::ByChance(chance) = &mut self.lives {
            let hours_later = || now_ms() + chance.i64(1_800_000..6 * 3_600_000);
            let dies_ms = process.dies_ms.unwrap_or_else(hours_later);
            process.dies_ms = Some(match chance.u8(..30) {
                0 => now_ms() + chance.i64(0..8_000),
                _ => dies_ms,
            });
        }
        let function = Arc::clone(&process.function);
        let (payload, ends) = (batch.clone(), Instant::now() + TIMEOUT);
        let answer = Box::pin(async move { function.handle(payload, ends).await.unwrap() });
        self.running = Some(Running {
            answer,
            batch,
            ends,
        });
    }
}

/// What a person is answered, unless something was left unfinished.
async fn order(function: &Function, payload: Value) -> Option<Value> {
    let ends = Instant::now() + TIMEOUT;
    function.handle(payload, ends).await.ok()
}

/// How long the services take on a good day.
fn everyday() -> Vec<Fault> {
    [
        ("identitystore", 50),
        ("DescribeStudio", 200),
        ("ListStudioSessionMappings", 300),
        ("GetStudioSessionMapping", 200),
        ("CreateStudioSessionMapping", 1500),
        ("UpdateStudioSessionMapping", 1500),
        ("DeleteStudioSessionMapping", 1000),
    ]
    .map(|(what, ms)| Fault::on(what, FaultKind::Latency(Duration::from_millis(ms))))
    .into()
}

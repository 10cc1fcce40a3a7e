//! A case: a table, a world, and what happens in it step by step. All of it
//! follows from one number.

use std::collections::BTreeSet;

use emr_studio_sync::emulator::{AfterIdentityGone, AuthMode, World};
use emr_studio_sync::policy::read::{self, Format};
use fastrand::Rng;
use serde_json::{Value, json};

use super::happening::{self, Fate, Form, Happening};
use super::moment::Key;
use super::trouble::{self, Trouble};

pub(super) const STUDIOS: [&str; 3] = [
    "es-ABCDEFGHIJKLMNOPQRSTUVWX0",
    "es-ABCDEFGHIJKLMNOPQRSTUVWX1",
    "es-ABCDEFGHIJKLMNOPQRSTUVWX2",
];
/// The first three are in use; the others were once, or are somebody else's.
pub(super) const POLICIES: [&str; 5] = [
    "arn:aws:iam::111122223333:policy/engineer",
    "arn:aws:iam::111122223333:policy/analyst",
    "arn:aws:iam::111122223333:policy/operator",
    "arn:aws:iam::111122223333:policy/retired",
    "arn:aws:iam::111122223333:policy/somebody-elses",
];
const ALIASES: [&str; 3] = ["engineer", "analyst", "operator"];
pub(super) const GROUP_NAMES: [&str; 7] = [
    "data-eng", "data-ana", "data-ops", "fin", "fin-ops", "ops", "Data-Eng",
];
pub(super) const USER_NAMES: [&str; 9] = [
    "ana", "bea", "cleo", "dan", "eva", "ops", "root", "zoe", "Root",
];
const PATTERNS: [&str; 6] = ["data-*", "*-ops", "*", "d*a-*a*", "fin*", "x-*"];
pub(super) const LOG: &str = "/aws/lambda/emr-studio-sync";
/// Somebody who is in no directory.
pub(super) const GONE: &str = "a0000000-0000-4000-8000-00000000ffff";
const GONE_GROUP: &str = "b0000000-0000-4000-8000-00000000ffff";

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) table: Value,
    pub(super) users: usize,
    pub(super) groups: usize,
    /// What happened before anybody synchronized.
    pub(super) before: Vec<Happening>,
    pub(super) switches: BTreeSet<Switch>,
    pub(super) steps: Vec<Step>,
}

/// What nobody knows of the services, what may be wrong about the Studios, and
/// whether the function has a log to remember deletions by. All off: the likeliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Switch {
    SmallPages,
    NamesIgnoreCase,
    /// EMR does not let go of the mapping of somebody who is gone.
    RefusesGone,
    /// A Studio that signs people in with IAM.
    IamStudio,
    /// A Studio of the table that is not there.
    NoStudio,
    BareEmptyLists,
    RowsWithoutId,
    EmrLearnsLate,
    DirectoryLags,
    MembershipsOutliveUsers,
    ListsFollowRenames,
    HasLog,
}

const SWITCHES: [(Switch, usize); 12] = [
    (Switch::SmallPages, 4),
    (Switch::NamesIgnoreCase, 8),
    (Switch::RefusesGone, 6),
    (Switch::IamStudio, 20),
    (Switch::NoStudio, 20),
    (Switch::BareEmptyLists, 4),
    (Switch::RowsWithoutId, 20),
    (Switch::EmrLearnsLate, 8),
    (Switch::DirectoryLags, 8),
    (Switch::MembershipsOutliveUsers, 10),
    (Switch::ListsFollowRenames, 4),
    (Switch::HasLog, 2),
];

/// Some happenings, and an invocation or a few.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) pause_s: u64,
    pub(super) happenings: Vec<(Happening, Fate, Form)>,
    /// A new process begins, which writes nothing or does.
    pub(super) process: Option<Process>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) rivals: Option<Rivals>,
    pub(super) order: Order,
    /// When Lambda would stop it.
    pub(super) deadline_s: u64,
    /// The process dies in the middle.
    pub(super) dies_after_ms: Option<u64>,
}

impl Step {
    /// A full pass in peace.
    fn first() -> Step {
        Step {
            pause_s: 0,
            happenings: Vec::new(),
            process: None,
            troubles: Vec::new(),
            rivals: None,
            order: Order::Schedule,
            deadline_s: 300,
            dies_after_ms: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    Applies,
    Plans,
}

/// Who acts between two calls, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rivals {
    pub(super) seed: u64,
    pub(super) often: f64,
    pub(super) in_directory: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Order {
    /// The events that are there, each alone.
    Events,
    /// In one batch.
    Batch,
    Schedule,
    Unfinished,
    Reconcile(Option<usize>),
    Plan,
    Explain(usize),
    /// What was held when somebody last looked.
    Approve,
    /// What never was.
    ApproveNothing,
}

pub(super) fn one_of<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

pub(super) fn now_and_then(rng: &mut Rng, one_in: usize) -> bool {
    rng.usize(..one_in) == 0
}

impl Case {
    pub(super) fn of(seed: u64) -> Case {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let (users, groups) = (rng.usize(4..8), rng.usize(2..6));
        let is_on = |(_, one_in): &&(Switch, usize)| now_and_then(rng, *one_in);
        let switches = SWITCHES
            .iter()
            .filter(is_on)
            .map(|(switch, _)| *switch)
            .collect();
        let mut before = Vec::new();
        for _ in 0..rng.usize(..14) {
            before.push(Happening::Join {
                user: rng.usize(..99),
                group: rng.usize(..99),
            });
        }
        for _ in 0..rng.usize(..10) {
            before.push(happening::by_hand(rng));
        }
        for _ in 0..rng.usize(..3) {
            before.push(happening::in_directory(rng));
        }
        let table = loop {
            let table = table(rng);
            if is_valid(&table) {
                break table;
            }
        };
        // In some cases all happens within minutes, and what a process remembers is
        // young.
        let quick = now_and_then(rng, 3);
        let count = match quick {
            true => rng.usize(4..9),
            false => rng.usize(2..7),
        };
        // Mostly it begins where both sides agree.
        let first = (!now_and_then(rng, 3)).then(Step::first);
        let steps = (0..count).map(|_| step(rng, quick));
        let steps = first.into_iter().chain(steps).collect();
        Case {
            seed,
            table,
            users,
            groups,
            before,
            switches,
            steps,
        }
    }

    pub(super) fn has(&self, switch: Switch) -> bool {
        self.switches.contains(&switch)
    }

    pub(super) fn world(&self) -> World {
        let mut world = World::default();
        world.log_groups.insert(LOG.to_owned());
        for (at, id) in STUDIOS.iter().enumerate() {
            if self.has(Switch::NoStudio) && at == 2 {
                continue;
            }
            let studio = world.add_studio(id).unwrap();
            // The table's limits are to be kept by who has the table.
            (studio.user_limit, studio.group_limit) = (1000, 1000);
            if self.has(Switch::IamStudio) && at == 1 {
                studio.auth_mode = AuthMode::Iam;
            }
        }
        for name in &USER_NAMES[..self.users] {
            world.add_user(name).unwrap();
        }
        for name in &GROUP_NAMES[..self.groups] {
            world.add_group(name).unwrap();
        }
        let settings = &mut world.settings;
        if self.has(Switch::SmallPages) {
            settings.page_size = 2;
            settings.max_identity_page = 2;
        }
        if self.has(Switch::RefusesGone) {
            settings.delete_after_identity_gone = AfterIdentityGone::Refuse;
        }
        if self.has(Switch::RowsWithoutId) {
            settings.rows_without_id.insert(nth('a', 2));
        }
        if self.has(Switch::EmrLearnsLate) {
            settings.emr_learns_late_ms = 2000;
        }
        if self.has(Switch::DirectoryLags) {
            settings.directory_lags_ms = 1500;
        }
        settings.names_ignore_case = self.has(Switch::NamesIgnoreCase);
        settings.bare_empty_lists = self.has(Switch::BareEmptyLists);
        settings.memberships_outlive_users = self.has(Switch::MembershipsOutliveUsers);
        let follow = self.has(Switch::ListsFollowRenames);
        settings.lists_follow_renames = follow;
        settings.gets_follow_renames = follow;
        for happening in &self.before {
            happening::happen(&mut world, happening, Form::Whole);
        }
        world
    }

    /// Whether lists do not say whose a mapping is.
    pub(super) fn hides(&self, key: &Key) -> bool {
        self.has(Switch::RowsWithoutId) && key.2 == nth('a', 2)
    }

    /// Whether a Studio can have mappings at all.
    pub(super) fn is_usable(&self, studio: &str) -> bool {
        !(self.has(Switch::IamStudio) && studio == STUDIOS[1]
            || self.has(Switch::NoStudio) && studio == STUDIOS[2])
    }
}

/// The id that the world makes up for the first of a kind, the second, and so on.
fn nth(kind: char, at: usize) -> String {
    format!("{kind}0000000-0000-4000-8000-{at:012x}")
}

pub(super) fn is_valid(table: &Value) -> bool {
    read::table(&table.to_string(), Format::Json).is_ok()
}

fn table(rng: &mut Rng) -> Value {
    let mut studios = serde_json::Map::new();
    for (at, id) in STUDIOS.iter().enumerate() {
        let mut studio = json!({ "id": id });
        if rng.bool() {
            studio["retired_policies"] = json!([POLICIES[3]]);
        }
        if rng.bool() {
            studio["limits"] = json!({
                "users": *one_of(rng, &[0, 1, 2, 3, 5, 12]), "groups": *one_of(rng, &[0, 1, 2, 5]),
            });
        }
        studios.insert(format!("s{at}"), studio);
    }
    let rules: Vec<Value> = (0..rng.usize(1..8)).map(|_| rule(rng)).collect();
    let entries = match rng.u8(..3) {
        0 => 0,
        _ => rng.usize(1..4),
    };
    let protect: Vec<Value> = (0..entries).map(|_| entry(rng)).collect();
    let mut table = json!({
        "studios": studios,
        "session_policies": (0..3).map(|at| (ALIASES[at], POLICIES[at])).collect::<std::collections::BTreeMap<_, _>>(),
        "rules": rules,
        "protect": protect,
        "on_missing_group": *one_of(rng, &["hold", "revoke", "revoke"]),
        "on_disabled_user": *one_of(rng, &["keep", "remove"]),
        "ownership": *one_of(rng, &["session_policy", "session_policy", "studio"]),
        "deletions": {
            "max_percent": *one_of(rng, &[0, 20, 50, 100, 100]),
            "floor": *one_of(rng, &[0, 1, 2, 3, 5, 1000]),
            "window_minutes": *one_of(rng, &[1, 10, 60]),
        },
    });
    if rng.bool() {
        table["pace"] = json!({
            "emr_per_second": 2000, "emr_burst": 2000, "identity_store_per_second": 2000,
        });
    }
    table
}

fn rule(rng: &mut Rng) -> Value {
    let mut rule = json!({
        "studio": format!("s{}", rng.usize(..3)),
        "session_policy": *one_of(rng, &ALIASES),
    });
    if select(rng, &mut rule) {
        rule["assign"] = json!(*one_of(rng, &["group", "members", "members"]));
    }
    rule
}

fn entry(rng: &mut Rng) -> Value {
    let mut entry = json!({});
    if select(rng, &mut entry)
        && let Some(assign) = one_of(rng, &[None, Some("group"), Some("members")])
    {
        entry["assign"] = json!(assign);
    }
    entry
}

/// Whom a row means; whether that is a group.
fn select(rng: &mut Rng, row: &mut Value) -> bool {
    let nobody = now_and_then(rng, 8);
    match rng.u8(..10) {
        0..=2 => row["group"] = json!(*one_of(rng, &GROUP_NAMES)),
        3..=5 => row["group"] = json!(*one_of(rng, &PATTERNS)),
        6 if nobody => row["group_id"] = json!(GONE_GROUP),
        6 => row["group_id"] = json!(nth('b', rng.usize(1..6))),
        7 | 8 => row["user"] = json!(*one_of(rng, &USER_NAMES)),
        _ if nobody => row["user_id"] = json!(GONE),
        _ => row["user_id"] = json!(nth('a', rng.usize(1..8))),
    }
    row["group"].is_string() || row["group_id"].is_string()
}

fn step(rng: &mut Rng, quick: bool) -> Step {
    let mut happenings = Vec::new();
    for _ in 0..rng.usize(..4) {
        let form = match now_and_then(rng, 4) {
            true => Form::Nameless,
            false => Form::Whole,
        };
        happenings.push((happening::in_directory(rng), happening::fate(rng), form));
    }
    if now_and_then(rng, 3) {
        happenings.push((happening::by_hand(rng), Fate::Lost, Form::Whole));
    }
    let order = match rng.u8(..20) {
        _ if quick && !now_and_then(rng, 4) => Order::Events,
        0..=6 => Order::Events,
        7..=10 => Order::Batch,
        11 | 12 => Order::Schedule,
        13 => Order::Unfinished,
        14 => Order::Reconcile(Some(rng.usize(..3))),
        15 | 16 => Order::Reconcile(None),
        17 if rng.bool() => Order::Plan,
        17 => Order::Explain(rng.usize(..USER_NAMES.len())),
        18 => Order::Approve,
        _ => Order::ApproveNothing,
    };
    let process = match rng.u8(..16) {
        _ if quick => None,
        0 => Some(Process::Plans),
        1..=3 => Some(Process::Applies),
        _ => None,
    };
    let rivals = now_and_then(rng, 3).then(|| Rivals {
        seed: rng.u64(..),
        often: *one_of(rng, &[0.03, 0.1, 0.3]),
        in_directory: rng.bool(),
    });
    Step {
        pause_s: match quick {
            true => *one_of(rng, &[0, 0, 1, 16]),
            false => *one_of(rng, &[0, 1, 16, 70, 400, 4000]),
        },
        happenings,
        process,
        troubles: trouble::some(rng),
        rivals,
        order,
        deadline_s: *one_of(rng, &[300, 300, 300, 60, 31]),
        dies_after_ms: now_and_then(rng, 12).then(|| rng.u64(..4000)),
    }
}

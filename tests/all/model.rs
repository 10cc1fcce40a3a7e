//! Whatever happens, whoever interferes and whatever fails: nothing is written
//! that the table does not allow at that moment, and in peace it all ends as the
//! table says.
//!
//! Random tables, directories, mappings, happenings, rivals and faults; the real
//! function over the real clients. Each write is judged in the world it is made
//! in, by a model of the table that shares no code with the engine.
//!
//! ```text
//! MODEL_CASES=10000 cargo test --features cli --test all model::
//! ```
//! plays so many cases; `MODEL_SEED` is the number of the first. Each case follows
//! from its own number, so a failure can be played again alone.
//!
//! | file | holds |
//! |---|---|
//! | `case.rs` | what a case is, from one number |
//! | `happening.rs` | what can happen, and what becomes of its event |
//! | `trouble.rs` | what goes wrong with calls, and which lies nobody can notice |
//! | `table.rs`, `moment.rs` | the table and the world, as the model reads them |
//! | `judge.rs` | what may be written |
//! | `last.rs` | what a full pass in peace leads to |
//! | `play.rs` | plays a case |
//! | `smaller.rs` | a smaller case that fails, too |

mod case;
mod happening;
mod judge;
mod last;
mod moment;
mod play;
mod smaller;
mod table;
mod trouble;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use case::Case;
use play::{Failure, play};

/// So many cases are played where nobody says how many.
const CASES: u64 = 300;
const SEED: u64 = 1;

#[test]
fn nothing_is_written_that_the_table_does_not_allow_and_it_ends_as_the_table_says() {
    let number = |name: &str, otherwise| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => otherwise,
    };
    let (first, cases) = (number("MODEL_SEED", SEED), number("MODEL_CASES", CASES));
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<(Case, Failure)> = thread::scope(|scope| {
        let player = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= cases {
                    return None;
                }
                let case = Case::of(first.wrapping_add(at));
                if let Err(failure) = played(&case) {
                    // The others need not go on.
                    next.store(cases, Ordering::Relaxed);
                    return Some((case, failure));
                }
            }
        };
        let players: Vec<_> = (0..threads).map(|_| scope.spawn(player)).collect();
        let players = players.into_iter();
        players
            .filter_map(|player| player.join().unwrap())
            .collect()
    });
    println!("{cases} cases from MODEL_SEED={first}");
    if let Some((case, failure)) = failed.into_iter().min_by_key(|(case, _)| case.seed) {
        let seed = case.seed;
        let (case, failure) = smaller::smallest(case, failure);
        panic!(
            "{}\n\nto play it again: MODEL_SEED={seed} MODEL_CASES=1\nthe smallest case \
             found:\n{}\nits last invocation:\n  {}",
            failure.what,
            case,
            failure.seen.join("\n  ")
        );
    }
}

/// Plays a case; a panic is a failure, too.
fn played(case: &Case) -> Result<(), Failure> {
    let outcome = catch_unwind(AssertUnwindSafe(|| play(case)));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let what = text.unwrap_or_else(|| "a panic".to_owned());
        Err(Failure {
            what,
            seen: Vec::new(),
        })
    })
}

//! emr-studio-sync keeps the session mappings of EMR Studios in step with IAM
//! Identity Center, by a policy table.
//!
//! # The one idea
//!
//! An event says where to look, never what to do. For whatever it points at, the
//! truth is read on both sides, the difference computed, and applied. So events
//! that are lost, late, repeated, out of order or redacted change nothing but
//! the delay, and the scheduled full pass is the same code with a wider scope.
//!
//! ```text
//! payload ─ trigger ─▶ Scope ─ observe ─▶ (Directory, Mappings) ─ plan ─▶ Plan ─ guard ─▶ Plan + Held ─ apply ─▶ Report
//!           event              directory, studio                  plan         guard           studio
//! ```
//!
//! # The way through
//!
//! Pure: plain functions of plain values, with no AWS in them, nothing that
//! waits, and no clock of their own.
//!
//! * [`identity`]: who is mapped, and ids.
//! * [`policy`]: the table, as people write it and as it is used;
//!   [`policy::fit`], which rule fits whom; [`policy::doubt`], what is not known
//!   well enough, and about whom.
//! * [`event`]: from a payload to a [`Scope`](event::Scope).
//! * [`plan`]: wanted × actual → changes. The heart.
//! * [`guard`]: what of a plan must wait.
//! * [`unfinished`]: what could not be done for a reason that passes, and when it
//!   is looked at again.
//! * [`acknowledge`]: which messages come back.
//!
//! The edges:
//!
//! * [`directory`]: reads of the identity store, and the only file that names
//!   its client.
//! * [`studio`]: reads and writes of mappings, and the only file that names
//!   EMR's client.
//! * [`log`]: the function's own log, read again: what was deleted before this
//!   process.
//! * [`bus`]: the account's event bus, told of what was changed, if that is wanted.
//! * [`aws`]: what these have in common: timeouts, retries, answers that are
//!   checked before anybody believes them, and errors.
//! * [`pace`]: how fast the services are called.
//!
//! And what ties them together:
//!
//! * [`config`]: the environment; [`environment`], what of it is as good as unset.
//! * [`sync`]: one pass, observe → plan → guard → apply, in each Studio beside the
//!   others.
//! * [`handler`]: one invocation, payload in, answer out; and what is kept from one
//!   to the next.
//! * [`report`], [`record`], [`telemetry`], [`error`]: what is said of it; [`visible`],
//!   names where a person reads them.
//!
//! `docs/semantics.md` says what happens in each case, and which test holds it.
//!
//! With the feature `cli` there are also `emulator`, an embedded AWS that tests
//! and simulations run against, and `cli`, the operator's tool. Neither is in
//! the function.

pub mod acknowledge;
pub mod aws;
pub mod bus;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod directory;
#[cfg(feature = "cli")]
pub mod emulator;
pub mod environment;
pub mod error;
pub mod event;
pub mod guard;
pub mod handler;
pub mod identity;
pub mod log;
pub mod pace;
pub mod plan;
pub mod policy;
pub mod record;
pub mod report;
pub mod studio;
pub mod sync;
pub mod telemetry;
pub mod unfinished;
pub mod visible;

/// The version, and of a release the commit: `0.1.0 (0a1b2c3d4e5f)`. `.ci/release`
/// says so; who builds it otherwise needs no git.
pub const VERSION: &str = match option_env!("RELEASE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

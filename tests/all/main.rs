//! All tests, as one program: the SDK is linked once, and not once for each.
//!
//! A file is about what its name says. `support` is what they stand on: the
//! embedded AWS, the engine or the real binaries before it.

// A test that cannot go on says so by panicking, and its helpers do too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// The pure core, and what is deployed: these need none of the tool.
mod event;
mod fit;
mod guard;
mod hostile;
mod links;
mod parameters;
mod plan;
mod policy;
mod semantics;
mod template;
mod unfinished;

#[cfg(feature = "cli")]
mod support;

// The embedded AWS, and the function before it.
#[cfg(feature = "cli")]
mod bus;
#[cfg(feature = "cli")]
mod convergence;
#[cfg(feature = "cli")]
mod emulator;
#[cfg(feature = "cli")]
mod engine;
#[cfg(feature = "cli")]
mod history;
#[cfg(feature = "cli")]
mod hours;
#[cfg(feature = "cli")]
mod lambda;
#[cfg(feature = "cli")]
mod logs;
#[cfg(feature = "cli")]
mod meanwhile;
#[cfg(feature = "cli")]
mod model;
#[cfg(feature = "cli")]
mod moto;
#[cfg(feature = "cli")]
mod other_account;
#[cfg(feature = "cli")]
mod performance;
#[cfg(feature = "cli")]
mod services;
#[cfg(feature = "cli")]
mod simulation;
#[cfg(feature = "cli")]
mod size;
#[cfg(feature = "cli")]
mod threats;

// The operator's tool.
#[cfg(feature = "cli")]
mod adopt;
#[cfg(feature = "cli")]
mod adopt_rules;
#[cfg(feature = "cli")]
mod check;
#[cfg(feature = "cli")]
mod cookbook;
#[cfg(feature = "cli")]
mod diff;
#[cfg(feature = "cli")]
mod doctor;
#[cfg(all(feature = "cli", unix))]
mod emulate;
#[cfg(feature = "cli")]
mod export;
#[cfg(feature = "cli")]
mod gone;
#[cfg(feature = "cli")]
mod json;
#[cfg(feature = "cli")]
mod manual;
#[cfg(feature = "cli")]
mod many;
#[cfg(feature = "cli")]
mod mapping;
#[cfg(feature = "cli")]
mod names;
#[cfg(feature = "cli")]
mod operations;
#[cfg(feature = "cli")]
mod plan_file;
#[cfg(all(feature = "cli", unix))]
mod probe;
#[cfg(feature = "cli")]
mod readme;
#[cfg(all(feature = "cli", unix))]
mod recipe;
#[cfg(feature = "cli")]
mod reconcile;
#[cfg(feature = "cli")]
mod remote;
#[cfg(feature = "cli")]
mod report;
#[cfg(feature = "cli")]
mod simulate;
#[cfg(all(feature = "cli", unix))]
mod stop;
#[cfg(all(feature = "cli", unix))]
mod terminal;
#[cfg(feature = "cli")]
mod terraform;
#[cfg(feature = "cli")]
mod troubleshooting;
#[cfg(feature = "cli")]
mod whereabouts;

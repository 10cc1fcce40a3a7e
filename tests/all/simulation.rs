//! Days of a company's life, in seconds: the real function and the real clients
//! before the embedded AWS, by a clock that jumps to whatever is next.
//!
//! What is played is what AWS documents of the services, with the limits of the
//! template. What is asserted are the service levels in the table that the test
//! prints: `cargo test --features cli simulation -- --nocapture`.

#![allow(unreachable_pub)] // the files below are for this one, and for nobody else

mod clock;
mod company;
mod crowd;
mod death;
mod failing;
mod levels;
mod life;
mod log;
mod oracle;
mod outage;
mod people;
mod queue;
mod witness;

use std::pin::Pin;
use std::thread;

use failing::{How, What};
use levels::Level;
use outage::Down;

/// A part of the life of a company, and what was measured in it.
type Scenario = fn() -> Pin<Box<dyn Future<Output = Vec<Level>>>>;

const SCENARIOS: [Scenario; 18] = [
    || Box::pin(failing::for_an_hour(What::Person, How::Refuses)),
    || Box::pin(failing::for_an_hour(What::Person, How::Hangs)),
    || Box::pin(failing::for_an_hour(What::Studio, How::Refuses)),
    || Box::pin(failing::for_an_hour(What::Studio, How::Hangs)),
    || Box::pin(outage::for_ten_minutes(Down::Emr)),
    || Box::pin(outage::for_ten_minutes(Down::IdentityStore)),
    || Box::pin(outage::for_ten_minutes(Down::EmrHangs)),
    || Box::pin(outage::for_ten_minutes(Down::IdentityStoreHangs)),
    || Box::pin(outage::for_ten_minutes(Down::Storm)),
    || Box::pin(death::after_each_removal()),
    || Box::pin(death::in_the_middle()),
    || Box::pin(death::with_something_unfinished()),
    || Box::pin(crowd::whom_no_rule_concerns()),
    || Box::pin(crowd::who_leave_without_a_name()),
    || Box::pin(crowd::before_somebody_else()),
    || Box::pin(life::of_two_days(1)),
    || Box::pin(life::of_two_days(2)),
    || Box::pin(life::of_two_days(3)),
];

/// Plays a scenario in a time of its own.
fn play(scenario: Scenario) -> Vec<Level> {
    fastrand::seed(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(scenario())
}

#[test]
fn the_service_levels_are_kept() {
    let levels: Vec<Level> = thread::scope(|scope| {
        let threads = SCENARIOS.map(|scenario| scope.spawn(move || play(scenario)));
        let levels = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        levels.collect()
    });
    println!("{}", levels::table(&levels));
    let broken = levels::broken(&levels);
    assert!(broken.is_empty(), "{broken:#?}");
}

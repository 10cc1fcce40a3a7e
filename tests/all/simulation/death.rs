//! Processes die, and what they remembered with them.

use std::time::Duration;

use emr_studio_sync::emulator::{Fault, FaultKind};
use serde_json::json;

use super::clock::{hours, minutes, seconds};
use super::company::{Company, Lives};
use super::levels::Level;
use super::oracle::wrong;
use super::people::{fifty, joins, leaves, staff};
use crate::support::SCIENCE;

/// The guard remembers by the log, where the process does not live to.
pub async fn after_each_removal() -> Vec<Level> {
    let mut company = Company::new(staff(&[("data-analysts", 60)]), json!({})).await;
    company.live(minutes(30)).await;
    assert_eq!(company.wrong(), [""; 0]);
    company.lives = Lives::ForOne;
    for number in 0..30 {
        let who = format!("data-analysts-{number}");
        let event = company.world(|world| leaves(world, "data-analysts", &who));
        company.tell(event);
        company.live(minutes(1)).await;
    }
    let deleted = company.witness.lock().unwrap().most_deletions();
    vec![Level::at_most(
        "30 of 60 leave, each in a process of their own: mappings deleted in an hour",
        12,
        deleted,
    )]
}

/// In the middle of an invocation.
pub async fn in_the_middle() -> Vec<Level> {
    let mut company = Company::new(fifty(), json!({})).await;
    company.live(minutes(30)).await;
    let event = company.world(|world| joins(world, "science", "newcomer-0"));
    company.tell(event);
    // The queue has it for five seconds, and it has been looked at since.
    company.live(seconds(5) + Duration::from_millis(60)).await;
    assert!(company.is_busy());
    company.kill();
    let took = company.live_until(minutes(10), |world| wrong(world).is_empty());
    vec![Level::within(
        "a process dies in the middle of a change: it is made after",
        minutes(5),
        took.await,
    )]
}

/// With something unfinished, which nobody else knows of.
pub async fn with_something_unfinished() -> Vec<Level> {
    let mut company = Company::new(fifty(), json!({})).await;
    company.live(minutes(30)).await;
    company.suffer(
        Fault::on("emr", FaultKind::ServerError).containing(SCIENCE),
        minutes(2),
    );
    let event = company.world(|world| joins(world, "science", "newcomer-0"));
    company.tell(event);
    company.live(seconds(90)).await;
    company.kill();
    let took = company.live_until(hours(2), |world| wrong(world).is_empty());
    vec![Level::within(
        "a process dies with something unfinished: the next full pass has made it after",
        hours(1) + minutes(1),
        took.await,
    )]
}

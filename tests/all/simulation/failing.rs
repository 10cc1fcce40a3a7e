//! One person, or one of two Studios, fails for an hour. The others notice nothing.

use std::time::Duration;

use emr_studio_sync::emulator::{Fault, FaultKind};
use serde_json::json;

use super::clock::{minutes, ms, now_ms};
use super::company::Company;
use super::levels::Level;
use super::oracle::{is_right_for, wrong};
use super::people::{fifty, joins_or_leaves, leaves};
use crate::support::SCIENCE;

/// A change every four minutes: that is an hour.
const CHANGES: u32 = 15;
/// The person who fails.
const VICTIM: &str = "data-analysts-19";

/// What fails.
#[derive(Clone, Copy, PartialEq)]
pub enum What {
    Person,
    Studio,
}

/// How it fails.
#[derive(Clone, Copy, PartialEq)]
pub enum How {
    Refuses,
    Hangs,
}

pub async fn for_an_hour(what: What, how: How) -> Vec<Level> {
    let name = match (what, how) {
        (What::Person, How::Refuses) => "one person is answered with 500 for an hour",
        (What::Person, How::Hangs) => "one person's calls hang for an hour",
        (What::Studio, How::Refuses) => "one of two Studios answers 500 for an hour",
        (What::Studio, How::Hangs) => "one of two Studios hangs for an hour",
    };
    let mut company = Company::new(fifty(), json!({})).await;
    company.live(minutes(30)).await;
    assert_eq!(company.wrong(), [""; 0]);
    assert_eq!(company.full_passes(), [1]);

    let kind = match how {
        How::Refuses => FaultKind::ServerError,
        How::Hangs => FaultKind::Latency(minutes(1)),
    };
    let victim = company.world(|world| world.user_id(VICTIM).unwrap());
    let fault = match what {
        What::Person => Fault::on("*", kind).containing(&victim),
        What::Studio => Fault::on("emr", kind).containing(SCIENCE),
    };
    company.suffer(fault, minutes(4) * CHANGES);

    let (mut slowest, mut unheard_of) = (Duration::ZERO, Duration::ZERO);
    for change in 0..CHANGES {
        // Whoever fails changes too, and first.
        let failing = company.world(|world| match what {
            What::Person if change + 1 == CHANGES => leaves(world, "data-analysts", VICTIM),
            What::Person => joins_or_leaves(world, "data-engineers", VICTIM),
            What::Studio => joins_or_leaves(world, "science", &format!("newcomer-{}", change % 4)),
        });
        company.tell(failing);
        let other = format!("data-analysts-{}", change % 5);
        let event = company.world(|world| joins_or_leaves(world, "data-engineers", &other));
        let other = company.world(|world| world.user_id(&other).unwrap());
        let its_end = now_ms() + ms(minutes(4));
        if change == 7 {
            // Nobody hears of this one; but the full pass is due.
            company.live(minutes(2)).await;
            let is_right = company.live_until(minutes(4), |world| is_right_for(world, &other));
            unheard_of = is_right.await;
        } else {
            company.tell(event);
            let is_right = company.live_until(minutes(4), |world| is_right_for(world, &other));
            slowest = slowest.max(is_right.await);
        }
        company.live_to(its_end).await;
    }
    let complete = match what {
        What::Person => 1,
        What::Studio => 0,
    };
    assert_eq!(company.full_passes(), [complete], "{name}");
    if what == What::Studio {
        assert!(!company.wrong().is_empty(), "it does not fail");
    }
    let after = company.live_until(minutes(10), |world| wrong(world).is_empty());
    vec![
        Level::within(
            &format!("{name}: the slowest change of others"),
            minutes(1),
            slowest,
        ),
        Level::within(
            &format!("{name}: the full pass makes others' changes that no event told"),
            minutes(1),
            unheard_of,
        ),
        Level::within(
            &format!("{name}: all is right after its end"),
            minutes(5),
            after.await,
        ),
        company.dead_letters(),
    ]
}

//! Many events at once.

use emr_studio_sync::emulator::{Call, Fault, FaultKind};
use serde_json::json;

use super::clock::{minutes, seconds};
use super::company::Company;
use super::levels::Level;
use super::oracle::is_right_for;
use super::people::{fifty, joins, nameless, staff};
use crate::support::{SCIENCE, user_event};

fn of_emr(calls: &[Call]) -> usize {
    let is_emr = |call: &&Call| call.operation.contains("Studio");
    calls.iter().filter(is_emr).count()
}

pub async fn whom_no_rule_concerns() -> Vec<Level> {
    let world = staff(&[("data-analysts", 100), ("science", 100), ("finance", 600)]);
    let mut company = Company::new(world, json!({})).await;
    company.live(minutes(30)).await;
    assert_eq!(company.wrong(), [""; 0]);
    company.calls();
    for number in 0..600 {
        let user = company.world(|world| world.user_id(&format!("finance-{number}")).unwrap());
        company.tell(user_event("UpdateUser", &user));
        company.live(seconds(1)).await;
    }
    company.live(minutes(2)).await;
    vec![
        Level::at_most(
            "600 people change in ten minutes whom no rule concerns: calls to EMR",
            60,
            of_emr(&company.calls()),
        ),
        company.dead_letters(),
    ]
}

/// One of two Studios hangs, and many events do not say who: whoever comes behind
/// them is mapped to the other.
pub async fn before_somebody_else() -> Vec<Level> {
    let mut company = Company::new(fifty(), json!({})).await;
    company.live(minutes(30)).await;
    let hangs = Fault::on("emr", FaultKind::Latency(minutes(1))).containing(SCIENCE);
    company.suffer(hangs, minutes(30));
    for _ in 0..100 {
        company.tell(nameless());
        company.live(minutes(1) / 100).await;
    }
    let event = company.world(|world| joins(world, "data-engineers", "newcomer-0"));
    let newcomer = company.world(|world| world.user_id("newcomer-0").unwrap());
    company.tell(event);
    let took = company.live_until(minutes(30), |world| is_right_for(world, &newcomer));
    vec![Level::within(
        "one of two Studios hangs, and 100 events do not say who: the next change of others",
        minutes(1),
        took.await,
    )]
}

//! Many events at once.

use emr_studio_sync::emulator::{Call, Fault, FaultKind};
use serde_json::json;

use super::clock::{minutes, seconds};
use super::company::Company;
use super::levels::Level;
use super::oracle::is_right_for;
use super::people::{fifty, joins, leaves, nameless, staff};
use crate::support::{SCIENCE, user_event};

fn of_emr(calls: &[Call]) -> usize {
    let is_emr = |call: &&Call| call.operation.contains("Studio");
    calls.iter().filter(is_emr).count()
}

/// Those by which full passes read the directory and the Studios. A full pass lists
/// who is a member: to ask about one is the question before a late deletion.
fn reads(calls: &[Call]) -> usize {
    let others = ["FilterLogEvents", "IsMemberInGroups"];
    let is_read = |call: &&Call| !call.is_write() && !others.contains(&call.operation.as_str());
    calls.iter().filter(is_read).count()
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

pub async fn who_leave_without_a_name() -> Vec<Level> {
    let world = staff(&[("data-analysts", 100), ("science", 100)]);
    let deletions = json!({ "max_percent": 100, "floor": 1000 });
    let mut company = Company::new(world, deletions).await;
    company.live(minutes(55)).await;
    assert_eq!(company.wrong(), [""; 0]);
    company.calls();
    company.live(minutes(10)).await;
    let full_pass = reads(&company.calls());
    for number in 0..200 {
        let group = if number % 2 == 0 {
            "data-analysts"
        } else {
            "science"
        };
        company.world(|world| leaves(world, group, &format!("{group}-{}", number / 2)));
        company.tell(nameless());
        company.live(minutes(1) / 200).await;
    }
    company.live(minutes(10)).await;
    assert_eq!(company.wrong(), [""; 0]);
    vec![
        Level::at_most(
            &format!(
                "200 leave within a minute, and their events do not say who: reads of full \
                 passes (one makes {full_pass})"
            ),
            4 * full_pass,
            reads(&company.calls()),
        ),
        company.dead_letters(),
    ]
}

/// The same, while one of two Studios hangs: whoever comes behind them has a named
/// event, and is mapped to the other.
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

#[tokio::test(start_paused = true)]
async fn one_event_that_does_not_say_who_is_seen_to_at_once_and_more_of_them_together() {
    let mut company = Company::new(fifty(), json!({})).await;
    company.live(minutes(30)).await;
    company.full_passes();
    company.tell(nameless());
    company.live(seconds(9)).await;
    assert_eq!(company.full_passes(), [1]);
    for _ in 0..30 {
        company.tell(nameless());
        company.live(seconds(1)).await;
    }
    company.live(minutes(1)).await;
    // Twenty and forty seconds after that of the first.
    assert_eq!(company.full_passes(), [1, 1]);
}

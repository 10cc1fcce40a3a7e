//! A whole service is down for ten minutes, or other people use up what the
//! account may call.

use emr_studio_sync::emulator::{Fault, FaultKind};
use serde_json::json;

use super::clock::{minutes, seconds};
use super::company::Company;
use super::levels::Level;
use super::oracle::wrong;
use super::people::{fifty, joins_or_leaves};

/// What is down.
#[derive(Clone, Copy, PartialEq)]
pub enum Down {
    Emr,
    IdentityStore,
    EmrHangs,
    IdentityStoreHangs,
    /// EMR throttles: others leave nothing of its bucket.
    Storm,
}

pub async fn for_ten_minutes(down: Down) -> Vec<Level> {
    let name = match down {
        Down::Emr => "EMR is down for ten minutes",
        Down::IdentityStore => "the Identity Store is down for ten minutes",
        Down::EmrHangs => "EMR hangs for ten minutes",
        Down::IdentityStoreHangs => "the Identity Store hangs for ten minutes",
        Down::Storm => "others use up EMR's rate limit for ten minutes",
    };
    let mut company = Company::new(fifty(), json!({})).await;
    company.live(minutes(30)).await;
    let service = match down {
        Down::Emr | Down::EmrHangs | Down::Storm => "emr",
        Down::IdentityStore | Down::IdentityStoreHangs => "identitystore",
    };
    match down {
        Down::Storm => company.drain(),
        Down::Emr | Down::IdentityStore => {
            company.suffer(Fault::on(service, FaultKind::ServerError), minutes(10));
        }
        Down::EmrHangs | Down::IdentityStoreHangs => {
            let hangs = FaultKind::Latency(minutes(1));
            company.suffer(Fault::on(service, hangs), minutes(10));
        }
    }
    for change in 0..20 {
        let (group, who) = match change % 2 {
            0 => ("data-engineers", format!("data-analysts-{change}")),
            _ => ("science", format!("newcomer-{}", change % 4)),
        };
        let event = company.world(|world| joins_or_leaves(world, group, &who));
        company.tell(event);
        company.live(seconds(30)).await;
    }
    company.fill();
    let after = company.live_until(minutes(10), |world| wrong(world).is_empty());
    vec![
        Level::within(
            &format!("{name}: all is right after its end"),
            minutes(5),
            after.await,
        ),
        company.dead_letters(),
    ]
}

//! Who sees each write before it takes effect, and keeps what must never happen,
//! and what may happen only so often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use emr_studio_sync::emulator::{IdentityType, Watch, World};
use serde_json::Value;

use super::clock::{Ms, now_ms};
use crate::support::FOREIGN;

#[derive(Debug, Default)]
pub struct Witness {
    /// The writes to what is somebody else's.
    pub trespasses: Vec<String>,
    /// Whether a person has approved what is deleted now.
    pub is_approved: bool,
    /// By Studio, unless it was approved: when a mapping was deleted, and how many the table had there.
    pub deletions: BTreeMap<String, Vec<(Ms, usize)>>,
}

impl Witness {
    /// Puts one into a world.
    pub fn of(world: &mut World) -> Arc<Mutex<Witness>> {
        let witness = Arc::new(Mutex::new(Witness::default()));
        let eyes = Arc::clone(&witness);
        world.watch = Watch::new(move |world, operation, input| {
            eyes.lock().unwrap().see(world, operation, input);
        });
        witness
    }

    fn see(&mut self, world: &World, operation: &str, input: &Value) {
        let is_write = ["UpdateStudio", "DeleteStudio"]
            .iter()
            .any(|write| operation.starts_with(write));
        if !is_write {
            return;
        }
        let text = |member: &str| input[member].as_str().unwrap_or_default().to_owned();
        let kind = match input["IdentityType"].as_str() {
            Some("GROUP") => IdentityType::Group,
            _ => IdentityType::User,
        };
        let key = (text("StudioId"), kind, text("IdentityId"));
        let Some(mapping) = world.mappings.get(&key) else {
            return;
        };
        if mapping.session_policy_arn == FOREIGN {
            self.trespasses.push(format!("{operation} {key:?}"));
        }
        if operation.starts_with("Delete") && !self.is_approved {
            let owned = world
                .mappings
                .iter()
                .filter(|((studio, ..), one)| *studio == key.0 && one.session_policy_arn != FOREIGN)
                .count();
            let deletions = self.deletions.entry(key.0).or_default();
            deletions.push((now_ms(), owned));
        }
    }

    /// The most deletions of one Studio within an hour.
    pub fn most_deletions(&self) -> usize {
        self.windows().map(|(count, _)| count).max().unwrap_or(0)
    }

    /// By how many the deletions of an hour were ever more than the guard lets
    /// through: five, or a fifth of what the table had.
    pub fn most_over_the_guard(&self) -> usize {
        let over = self.windows().map(|(count, owned)| {
            let most = (owned / 5).max(5);
            count.saturating_sub(most)
        });
        over.max().unwrap_or(0)
    }

    /// For each deletion: how many there were in the hour until then, and the most
    /// that the table had meanwhile.
    fn windows(&self) -> impl Iterator<Item = (usize, usize)> {
        let studios = self.deletions.values();
        studios.flat_map(|deletions| {
            deletions.iter().enumerate().map(|(last, (until_ms, _))| {
                let all = &deletions[..=last];
                let within = all.iter().filter(|(at_ms, _)| until_ms - at_ms < 3_600_000);
                let owned: Vec<usize> = within.map(|(_, owned)| *owned).collect();
                (owned.len(), owned.into_iter().max().unwrap_or(0))
            })
        })
    }
}

//! A table held against what was read: whether it keeps everything as it is.

use super::present::Present;
use crate::identity::Identity;
use crate::plan::{self, Actual, LeftAlone};
use crate::policy::fit::Reach;
use crate::policy::read::{self, Format};

/// What a plan by this table finds to do; nothing, if it is right.
pub(super) fn what_would_change(present: &Present, text: &str) -> Option<String> {
    let table = match read::table(text, Format::Toml) {
        Ok(table) => table,
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Some(problems.join("; "));
        }
    };
    let directory = present.seen_by(&table);
    present.studios.iter().find_map(|(described, mappings)| {
        let studio = table
            .studios
            .iter()
            .position(|studio| studio.id == described.id);
        let Some(studio) = studio else {
            return (!mappings.is_empty()).then(|| format!("{} is not in it", described.id));
        };
        let actual = Actual {
            mappings: mappings.clone(),
            ..Actual::default()
        };
        let plan = plan::plan(&table, studio, &directory, &Reach::All, &actual);
        let gone: Vec<(Identity, LeftAlone)> = mappings
            .keys()
            .filter(|identity| !present.has(identity))
            .map(|identity| (identity.clone(), LeftAlone::Protected))
            .collect();
        let is_right = plan.changes.is_empty()
            && plan.withheld.is_empty()
            && plan.doubts.is_empty()
            && plan.left_alone == gone
            && plan.unchanged == mappings.len() - gone.len();
        (!is_right).then(|| format!("{}:\n{plan}", described.id))
    })
}

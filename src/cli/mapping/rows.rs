//! Mappings as they are printed.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::output::{Output, csv, outln, put, sayln};
use super::super::words::grid;
use super::hands::Hands;
use super::who::called;
use crate::identity::{Id, IdentityType};
use crate::visible;

/// A mapping as it is printed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) studio: String,
    pub(super) studio_id: String,
    pub(super) identity_type: IdentityType,
    pub(super) identity_id: Id,
    /// The name it was made under.
    pub(super) identity_name: Option<String>,
    pub(super) session_policy: String,
    /// Whether it is the table's; unknown without a table.
    pub(super) owned: Option<bool>,
    pub(super) created: Option<String>,
    pub(super) modified: Option<String>,
    /// What they are called now, if that is known.
    pub(super) present_name: Option<String>,
}

/// The version of the JSON of a [`Row`]. Each has it: a list of them was printed bare
/// before there were versions, and stays so.
const JSON_VERSION: u32 = 1;

impl Row {
    pub(super) fn for_a_program(&self) -> Value {
        let mut row = json!(self);
        row["version"] = json!(JSON_VERSION);
        row
    }
}

/// The columns of the CSV: the fields of a [`Row`].
const COLUMNS: [&str; 10] = [
    "studio",
    "studio_id",
    "identity_type",
    "identity_id",
    "identity_name",
    "session_policy",
    "owned",
    "created",
    "modified",
    "present_name",
];

pub(super) fn print(hands: &Hands, rows: &[Row], output: Output) -> Result<(), String> {
    match output {
        Output::Json => {
            let rows: Vec<Value> = rows.iter().map(Row::for_a_program).collect();
            outln!("{:#}", json!(rows));
        }
        Output::Csv => put(csv(&COLUMNS, rows)?)?,
        Output::Table if rows.is_empty() => sayln!("No mappings."),
        Output::Table => {
            let head = [
                "Studio",
                "Type",
                "Who",
                "Session policy",
                "Owner",
                "Created",
            ];
            let mut grid = grid(&head);
            for row in rows {
                let made_under = row.identity_name.as_deref();
                let name = row.present_name.as_deref().or(made_under);
                let name = visible::name(name.unwrap_or(row.identity_id.as_str()));
                grid.add_row([
                    visible::name(&row.studio),
                    row.identity_type.to_string(),
                    called(&name, made_under),
                    hands.words.policy(&row.session_policy),
                    match row.owned {
                        Some(true) => "the table".to_owned(),
                        Some(false) => "somebody else".to_owned(),
                        None => String::new(),
                    },
                    row.created.clone().unwrap_or_default(),
                ]);
            }
            sayln!("{grid}");
        }
    }
    Ok(())
}

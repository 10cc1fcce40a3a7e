//! The JSON Schema of the policy table, for editors and for reviews.

use crate::policy::document::Document;

/// The schema that is published as `docs/policy-table.schema.json`.
pub fn policy_table_schema() -> String {
    let schema = schemars::schema_for!(Document);
    format!("{:#}\n", schema.as_value())
}

//! The policy table as people write it, in JSON or TOML. The published JSON
//! Schema (`docs/policy-table.schema.json`) is generated from these types.

use std::collections::BTreeMap;

use serde::Serialize;

/// The policy table of emr-studio-sync: who may open which EMR Studio, with
/// which session policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields)
)]
#[cfg_attr(feature = "cli", schemars(title = "emr-studio-sync policy table"))]
pub struct Document {
    /// The Studios, each under an alias that the rules use.
    pub studios: BTreeMap<String, Studio>,
    /// The session policies, each an ARN under an alias that the rules use.
    #[cfg_attr(
        feature = "cli",
        schemars(with = "BTreeMap<String, schema::SessionPolicyArn>")
    )]
    pub session_policies: BTreeMap<String, String>,
    /// Who is mapped. For one identity in one Studio, the first rule that fits
    /// gives the session policy.
    pub rules: Vec<Rule>,
    /// Identities whose mappings are never changed and never deleted. They are
    /// still created if a rule says so.
    #[serde(default)]
    pub protect: Vec<Protected>,
    /// How many deletions may happen before they are held for approval.
    #[serde(default)]
    pub deletions: Deletions,
    /// How fast AWS may be called.
    #[serde(default)]
    pub pace: Pace,
    /// What happens when a rule names a group that is not there.
    #[serde(default)]
    pub on_missing_group: OnMissingGroup,
    /// What happens to the mappings of disabled users.
    #[serde(default)]
    pub on_disabled_user: OnDisabledUser,
    /// Which mappings belong to the table. All others are never touched.
    #[serde(default)]
    pub ownership: Ownership,
}

/// One EMR Studio.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields)
)]
#[cfg_attr(feature = "cli", schemars(transform = schema::no_nulls))]
pub struct Studio {
    /// The Studio's id, `es-…`.
    #[cfg_attr(feature = "cli", schemars(regex(pattern = r"^es-[0-9A-Z]+$")))]
    pub id: String,
    /// The Region the Studio is in, if it is not the function's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The role to assume for the Studio, if it is in another account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "cli",
        schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))
    )]
    pub role_arn: Option<String>,
    /// The external id which that role asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// How many identities can be mapped to the Studio.
    #[serde(default)]
    pub limits: Limits,
    /// Session policies (alias or ARN) that rules gave in this Studio once: what
    /// still has them belongs to the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired_policies: Vec<String>,
}

impl Studio {
    /// A Studio of which no more is said than its id.
    pub fn with_id(id: &str) -> Studio {
        Studio {
            id: id.to_owned(),
            ..Studio::default()
        }
    }
}

/// How many identities a Studio takes. AWS documents 100 users and 5 groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct Limits {
    /// Users.
    #[serde(default = "Limits::default_users")]
    pub users: u32,
    /// Groups.
    #[serde(default = "Limits::default_groups")]
    pub groups: u32,
}

impl Limits {
    fn default_users() -> u32 {
        100
    }

    fn default_groups() -> u32 {
        5
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            users: Limits::default_users(),
            groups: Limits::default_groups(),
        }
    }
}

/// One rule. It selects by exactly one of `group`, `group_id`, `user`, `user_id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields)
)]
#[cfg_attr(feature = "cli", schemars(transform = schema::rule))]
pub struct Rule {
    /// Groups by display name; `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A group by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// A user by user name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A user by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// An alias of `studios`, or the id of a Studio.
    pub studio: String,
    /// An alias of `session_policies`, or the ARN of a session policy.
    pub session_policy: String,
    /// Whether the group itself is mapped or each member as a user. Group rules
    /// need it, user rules don't take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
}

/// One protected identity. It selects by exactly one of `group`, `group_id`,
/// `user`, `user_id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields)
)]
#[cfg_attr(feature = "cli", schemars(transform = schema::protected))]
pub struct Protected {
    /// Groups by display name; `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// A group by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// A user by user name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A user by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Of a group, whether only its own mapping is protected (`group`) or only
    /// its members' (`members`). Both, if this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
}

/// What is mapped when a rule selects a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Hash)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Assign {
    /// The group.
    Group,
    /// Each of its members, as a user.
    Members,
}

/// The deletion guard, for each Studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, default)
)]
pub struct Deletions {
    /// How many percent of the table's mappings may go within the window.
    #[cfg_attr(feature = "cli", schemars(range(max = 100)))]
    pub max_percent: u32,
    /// How many may go in any case, however few mappings there are.
    pub floor: u32,
    /// How long a deletion counts, in minutes.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub window_minutes: u32,
}

impl Default for Deletions {
    fn default() -> Deletions {
        Deletions {
            max_percent: 20,
            floor: 5,
            window_minutes: 60,
        }
    }
}

/// How fast AWS may be called.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(
    feature = "cli",
    derive(schemars::JsonSchema),
    schemars(deny_unknown_fields, default)
)]
pub struct Pace {
    /// EMR calls a second. The account's own bucket, shared with the owners of
    /// its clusters, holds 25 and is refilled at 5 a second.
    #[cfg_attr(feature = "cli", schemars(extend("exclusiveMinimum" = 0)))]
    pub emr_per_second: f64,
    /// EMR calls that may go at once after a quiet while.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub emr_burst: u32,
    /// Identity Store calls a second, of each kind. AWS takes 20.
    #[cfg_attr(feature = "cli", schemars(extend("exclusiveMinimum" = 0)))]
    pub identity_store_per_second: f64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            emr_per_second: 4.0,
            emr_burst: 10,
            identity_store_per_second: 15.0,
        }
    }
}

/// What happens when a rule names a group that is not there: renamed, deleted,
/// or misspelt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnMissingGroup {
    /// Nothing is deleted or changed in that rule's Studio until it is resolved.
    #[default]
    Hold,
    /// The group counts as empty.
    Revoke,
}

/// What happens to the mappings of disabled users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnDisabledUser {
    /// The rules go on to apply to them.
    #[default]
    Keep,
    /// No rule applies to them.
    Remove,
}

/// Which mappings belong to the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// Those whose session policy the table names for their Studio.
    #[default]
    SessionPolicy,
    /// All mappings of the table's Studios.
    Studio,
}

/// What the types alone don't tell the schema.
#[cfg(feature = "cli")]
mod schema {
    use schemars::{JsonSchema, Schema, json_schema};
    use serde_json::{Map, Value, json};

    /// Stands in for a string that is the ARN of a session policy.
    #[derive(JsonSchema)]
    #[schemars(transparent)]
    #[allow(dead_code)]
    pub(super) struct SessionPolicyArn(
        #[schemars(regex(pattern = r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$"))] String,
    );

    /// A group rule needs `assign`, a user rule doesn't take it.
    pub(super) fn rule(schema: &mut Schema) {
        one_selector(schema, json!(["assign"]));
    }

    /// `assign` is optional, and only for groups.
    pub(super) fn protected(schema: &mut Schema) {
        one_selector(schema, json!([]));
    }

    /// What is left out is left out: null says nothing in a table.
    pub(super) fn no_nulls(schema: &mut Schema) {
        let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
        for field in fields.into_iter().flat_map(Map::values_mut) {
            if let Some([kind, Value::String(null)]) = field["type"].as_array().map(Vec::as_slice)
                && null == "null"
            {
                field["type"] = kind.clone();
            }
            if let Some([kind, null]) = field["anyOf"].as_array().map(Vec::as_slice)
                && null["type"] == "null"
            {
                let (name, reference) = ("$ref", kind["$ref"].clone());
                if let Some(field) = field.as_object_mut() {
                    field.remove("anyOf");
                    field.insert(name.to_owned(), reference);
                }
            }
        }
    }

    fn one_selector(schema: &mut Schema, group_needs: Value) {
        no_nulls(schema);
        let group = json_schema!({
            "oneOf": [{ "required": ["group"] }, { "required": ["group_id"] }],
            "required": group_needs,
            "properties": { "user": false, "user_id": false },
        });
        let user = json_schema!({
            "oneOf": [{ "required": ["user"] }, { "required": ["user_id"] }],
            "properties": { "group": false, "group_id": false, "assign": false },
        });
        schema.insert("oneOf".to_owned(), json!([group, user]));
    }
}

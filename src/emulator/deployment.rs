//! What else an account has: policies, roles, event rules, trails, and functions
//! that report. What is not in here is not there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// What is around the directory and the Studios once the function is deployed:
/// what `doctor` asks about. The default has nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deployment {
    /// The IAM policies, by ARN.
    pub policies: BTreeSet<String>,
    /// The roles that may be assumed, by anybody who knows their external id.
    pub roles: Vec<Role>,
    /// The rules of the default event bus.
    pub rules: Vec<EventRule>,
    /// What CloudTrail records.
    pub trails: Vec<Trail>,
    /// The functions whose metrics CloudWatch has.
    pub functions: Vec<Function>,
}

/// A role of IAM.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What it asks those who assume it for.
    pub external_id: Option<String>,
}

/// A rule of the default event bus: for events or by the clock.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    /// Unique on the bus.
    pub name: String,
    /// Where it is. Without one it is wherever the caller asks.
    pub region: Option<String>,
    /// Which events it lets through: EventBridge's JSON, as one text.
    pub pattern: Option<String>,
    /// When it makes an event itself: `rate(1 hour)`.
    pub schedule: Option<String>,
    /// `State`.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it sends events: ARNs.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// A trail of CloudTrail.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trail {
    /// Unique in the account.
    pub name: String,
    /// The one Region it records. Without one it records all.
    pub region: Option<String>,
    /// Where it was made, and has to be asked about its settings. Without one
    /// that is wherever the caller asks.
    pub home_region: Option<String>,
    /// Whether it is switched on.
    #[serde(default = "yes")]
    pub logging: bool,
    /// Which calls it records.
    #[serde(default)]
    pub management_events: ManagementEvents,
    /// Whether it says so with advanced event selectors.
    #[serde(default)]
    pub advanced: bool,
}

/// Which management events a trail records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ManagementEvents {
    #[default]
    All,
    Write,
    Read,
    None,
}

/// A function that reports its metrics, and that can be invoked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name, the metrics' dimension.
    pub name: String,
    /// Where it is. Without one it is wherever the caller asks.
    pub region: Option<String>,
    /// How long ago it completed a full pass, counted from when it is asked. It
    /// reports every five minutes that an event led to none.
    pub full_pass_minutes_ago: Option<u32>,
    /// The CloudFormation stack that it is a part of.
    pub stack: Option<String>,
    /// Where it writes its log. Without one, where Lambda has it by its name.
    pub log_group: Option<String>,
    /// Its variables: `POLICY_TABLE` (a path is one from where the emulator runs),
    /// `MODE`. Unless they say, the identity store is the world's.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

impl Function {
    /// Where it writes its log.
    pub fn log_group(&self) -> String {
        let by_name = || format!("/aws/lambda/{}", self.name);
        self.log_group.clone().unwrap_or_else(by_name)
    }
}

fn yes() -> bool {
    true
}

/// Whether something of this Region, or of any, is where the caller asks.
pub(super) fn is_here(region: Option<&str>, asked: Option<&str>) -> bool {
    region.is_none() || asked.is_none() || region == asked
}

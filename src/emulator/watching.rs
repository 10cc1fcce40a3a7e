//! EventBridge, CloudTrail and CloudWatch: which events go where, what is
//! recorded, what has been measured.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::deployment::{EventRule, Function, ManagementEvents, Trail, is_here};
use super::pattern::lets_through;
use super::wire::{Answer, Caller, Refusal, id_of, listed, page, required, text};
use super::world::World;

/// AWS documents pages of at most 100 for EventBridge.
const RULES_A_PAGE: usize = 100;
/// As many AWS documents for CloudWatch.
const METRICS_A_PAGE: usize = 500;

/// EventBridge. `None`: no such operation.
pub(super) fn event_bridge(
    world: &World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    Some(match operation {
        "ListRules" => list_rules(world, caller, input),
        "ListTargetsByRule" => list_targets(world, caller, input),
        "ListRuleNamesByTarget" => list_rule_names(world, caller, input),
        "TestEventPattern" => test_event_pattern(input),
        "PutEvents" => put_events(input),
        _ => return None,
    })
}

/// Takes what EventBridge takes; nobody gets it.
fn put_events(input: &Value) -> Answer {
    const MOST: usize = 256 * 1024;
    let entries = input["Entries"].as_array().into_iter().flatten();
    let entries = entries.map(|entry| {
        let is_whole = ["Source", "DetailType", "Detail"].iter().all(|name| {
            let text = text(entry, name);
            text.is_some_and(|text| !text.is_empty())
        });
        let detail = text(entry, "Detail").unwrap_or_default();
        let is_object = serde_json::from_str::<Value>(detail).is_ok_and(|one| one.is_object());
        match (is_whole, is_object) {
            (false, _) => json!({ "ErrorCode": "InvalidArgument" }),
            (true, false) => json!({ "ErrorCode": "MalformedDetail" }),
            _ if detail.len() > MOST => json!({ "ErrorCode": "InvalidArgument" }),
            _ => json!({ "EventId": "11710aed-b79e-4468-a20b-bb3c0c3b4860" }),
        }
    });
    let entries: Vec<Value> = entries.collect();
    let failed = entries
        .iter()
        .filter(|entry| entry["ErrorCode"].is_string());
    Ok(json!({ "FailedEntryCount": failed.count(), "Entries": entries }))
}

fn rules<'w>(world: &'w World, caller: &Caller) -> impl Iterator<Item = &'w EventRule> {
    let region = caller.region.clone();
    let rules = world.deployment.rules.iter();
    rules.filter(move |rule| is_here(rule.region.as_deref(), region.as_deref()))
}

fn list_rules(world: &World, caller: &Caller, input: &Value) -> Answer {
    let mut rows: Vec<(String, Value)> = rules(world, caller)
        .map(|rule| {
            let mut row = json!({
                "Name": rule.name,
                "Arn": rule_arn(world, caller, rule),
                "State": if rule.enabled { "ENABLED" } else { "DISABLED" },
                "EventBusName": "default",
            });
            if let Some(pattern) = &rule.pattern {
                row["EventPattern"] = json!(pattern);
            }
            if let Some(schedule) = &rule.schedule {
                row["ScheduleExpression"] = json!(schedule);
            }
            (rule.name.clone(), row)
        })
        .collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    paged(rows, "ListRules", "Rules", input)
}

/// A page of what EventBridge lists.
fn paged(rows: Vec<(String, Value)>, list: &str, member: &str, input: &Value) -> Answer {
    let limit = input["Limit"]
        .as_u64()
        .and_then(|n| usize::try_from(n).ok());
    let size = limit.map_or(RULES_A_PAGE, |limit| limit.min(RULES_A_PAGE));
    let (rows, token) = page(rows.into_iter(), list, text(input, "NextToken"), size)
        .ok_or_else(|| Refusal::validation("The token provided is not valid"))?;
    Ok(listed(rows, member, token, "NextToken"))
}

fn list_rule_names(world: &World, caller: &Caller, input: &Value) -> Answer {
    let target = required(input, "TargetArn")?;
    let rules = rules(world, caller).filter(|rule| rule.targets.iter().any(|one| one == target));
    let mut rows: Vec<_> = rules
        .map(|rule| (rule.name.clone(), json!(rule.name)))
        .collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let list = format!("ListRuleNamesByTarget {target}");
    paged(rows, &list, "RuleNames", input)
}

fn rule_arn(world: &World, caller: &Caller, rule: &EventRule) -> String {
    let account = caller.account.as_ref().unwrap_or(&world.account);
    let region = rule.region.as_deref().or(caller.region.as_deref());
    let region = region.unwrap_or_default();
    format!("arn:aws:events:{region}:{account}:rule/{}", rule.name)
}

fn list_targets(world: &World, caller: &Caller, input: &Value) -> Answer {
    let name = required(input, "Rule")?;
    let Some(rule) = rules(world, caller).find(|rule| rule.name == name) else {
        let message = format!("Rule {name} does not exist on EventBus default.");
        return Err(Refusal::modelled(
            400,
            "ResourceNotFoundException",
            &message,
        ));
    };
    let targets = rule.targets.iter().enumerate();
    let rows = targets.map(|(number, arn)| {
        let id = format!("target-{number:03}");
        (id.clone(), json!({ "Id": id, "Arn": arn }))
    });
    let list = format!("ListTargetsByRule {name}");
    paged(rows.collect(), &list, "Targets", input)
}

fn test_event_pattern(input: &Value) -> Answer {
    let invalid = |why: &str| {
        let message = format!("Event pattern is not valid. Reason: {why}");
        Refusal::modelled(400, "InvalidEventPatternException", &message)
    };
    let json = |member| {
        serde_json::from_str::<Value>(required(input, member)?)
            .map_err(|error| invalid(&error.to_string()))
    };
    let (pattern, event) = (json("EventPattern")?, json("Event")?);
    let lacks = [
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
    ];
    if let Some(lacking) = lacks.iter().find(|field| event.get(field).is_none()) {
        let message = format!("Parameter Event is not valid. Reason: {lacking} is missing");
        return Err(Refusal::validation(&message));
    }
    let result = lets_through(&pattern, &event).map_err(|why| invalid(&why))?;
    Ok(json!({ "Result": result }))
}

/// CloudTrail. `None`: no such operation.
pub(super) fn cloud_trail(
    world: &World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    Some(match operation {
        "DescribeTrails" => {
            let rows = trails(world, caller).map(|trail| {
                json!({
                    "Name": trail.name,
                    "TrailARN": trail_arn(world, caller, trail),
                    "HomeRegion": home(caller, trail),
                    "IsMultiRegionTrail": trail.region.is_none(),
                    "IsOrganizationTrail": false,
                })
            });
            Ok(json!({ "trailList": rows.collect::<Vec<_>>() }))
        }
        "GetTrailStatus" => {
            trail(world, caller, input, "Name").map(|trail| json!({ "IsLogging": trail.logging }))
        }
        "GetEventSelectors" => trail(world, caller, input, "TrailName").map(|trail| {
            let arn = trail_arn(world, caller, trail);
            match trail.advanced {
                true => json!({ "TrailARN": arn, "AdvancedEventSelectors": advanced(trail) }),
                false => json!({ "TrailARN": arn, "EventSelectors": basic(trail) }),
            }
        }),
        _ => return None,
    })
}

fn trails<'w>(world: &'w World, caller: &Caller) -> impl Iterator<Item = &'w Trail> {
    let region = caller.region.clone();
    let trails = world.deployment.trails.iter();
    trails.filter(move |trail| is_here(trail.region.as_deref(), region.as_deref()))
}

fn home<'w>(caller: &'w Caller, trail: &'w Trail) -> &'w str {
    let home = trail.home_region.as_deref().or(trail.region.as_deref());
    home.or(caller.region.as_deref()).unwrap_or_default()
}

fn trail_arn(world: &World, caller: &Caller, trail: &Trail) -> String {
    let (region, account) = (home(caller, trail), &world.account);
    format!("arn:aws:cloudtrail:{region}:{account}:trail/{}", trail.name)
}

fn trail<'w>(
    world: &'w World,
    caller: &Caller,
    input: &Value,
    member: &str,
) -> Result<&'w Trail, Refusal> {
    let name = required(input, member)?;
    let is_home = |trail: &&Trail| caller.region.as_deref() == Some(home(caller, trail));
    let mut trails = trails(world, caller).filter(is_home);
    let found = trails.find(|trail| trail.name == id_of(name));
    found.ok_or_else(|| {
        let message = format!("Unknown trail: {name}");
        Refusal::modelled(400, "TrailNotFoundException", &message)
    })
}

fn basic(trail: &Trail) -> Value {
    let (kind, included) = match trail.management_events {
        ManagementEvents::All => ("All", true),
        ManagementEvents::Write => ("WriteOnly", true),
        ManagementEvents::Read => ("ReadOnly", true),
        ManagementEvents::None => ("All", false),
    };
    json!([{ "ReadWriteType": kind, "IncludeManagementEvents": included, "DataResources": [] }])
}

fn advanced(trail: &Trail) -> Value {
    let category = |name| json!({ "Field": "eventCategory", "Equals": [name] });
    let read_only = |text| json!({ "Field": "readOnly", "Equals": [text] });
    let fields = match trail.management_events {
        ManagementEvents::All => json!([category("Management")]),
        ManagementEvents::Write => json!([category("Management"), read_only("false")]),
        ManagementEvents::Read => json!([category("Management"), read_only("true")]),
        ManagementEvents::None => json!([category("Data")]),
    };
    json!([{ "Name": "what it records", "FieldSelectors": fields }])
}

/// CloudWatch, with the one metric that anybody asks for here. `None`: no such
/// operation.
pub(super) fn cloud_watch(
    world: &World,
    caller: &Caller,
    operation: &str,
    input: &Value,
) -> Option<Answer> {
    let region = caller.region.as_deref();
    let asked = |member| text(input, member);
    let is_ours = asked("Namespace") == Some(NAMESPACE) && asked("MetricName") == Some(METRIC);
    let functions = world.deployment.functions.iter();
    let functions = functions.filter(|one| is_ours && is_here(one.region.as_deref(), region));
    let dimension = |one: &Function| json!([{ "Name": "FunctionName", "Value": one.name }]);
    Some(match operation {
        "ListMetrics" => {
            let row = |one| json!({ "Namespace": NAMESPACE, "MetricName": METRIC, "Dimensions": dimension(one) });
            let mut rows: Vec<_> = functions.map(|one| (one.name.clone(), row(one))).collect();
            rows.sort_by(|(one, _), (other, _)| one.cmp(other));
            page(
                rows.into_iter(),
                "ListMetrics",
                asked("NextToken"),
                METRICS_A_PAGE,
            )
            .map(|(rows, token)| listed(rows, "Metrics", token, "NextToken"))
            .ok_or_else(|| Refusal::validation("The token provided is not valid"))
        }
        "GetMetricStatistics" => {
            let mut functions = functions.filter(|one| {
                // Lists come as `Dimensions.member.1.Name`.
                asked("Dimensions.member.1.Name") == Some("FunctionName")
                    && asked("Dimensions.member.1.Value") == Some(one.name.as_str())
            });
            let points = functions.next().map(|one| points(one, input));
            Ok(json!({ "Label": METRIC, "Datapoints": points.unwrap_or_default() }))
        }
        _ => return None,
    })
}

const NAMESPACE: &str = "EmrStudioSync";
const METRIC: &str = "FullPassCompleted";

/// What a function has reported: a full pass, and since then events only.
fn points(function: &Function, input: &Value) -> Vec<Value> {
    let time = |member| {
        let time = DateTime::parse_from_rfc3339(text(input, member)?).ok()?;
        Some(time.to_utc())
    };
    let (start, end) = (time("StartTime"), time("EndTime"));
    let ago = |minutes| Utc::now() - TimeDelta::minutes(minutes);
    let full_pass = function.full_pass_minutes_ago.map(i64::from);
    // AWS gives them in no order.
    [Some((ago(5), 0)), full_pass.map(|minutes| (ago(minutes), 1)), Some((ago(10), 0))]
        .into_iter()
        .flatten()
        .filter(|(at, _)| {
            start.is_none_or(|start| *at >= start) && end.is_none_or(|end| *at < end)
        })
        .map(|(at, sum)| json!({ "Timestamp": at.to_rfc3339_opts(SecondsFormat::Secs, true), "Sum": sum, "Unit": "Count" }))
        .collect()
}

//! Whether rules of EventBridge let the directory's changes through, start the
//! full pass, and remind of what is unfinished.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::RuleState;
use serde_json::{Value, json};

use super::{Finding, region};
use crate::aws::CallError;
use crate::pace::pages;

/// A rule of the default bus.
struct Rule {
    name: String,
    pattern: Option<String>,
    schedule: Option<String>,
    enabled: bool,
    targets: Vec<String>,
}

/// The reminder of what is unfinished; no full pass is made as often.
const REMINDER: &str = "rate(1 minute)";

/// The rules of one Region. Its clocks are where the function is.
pub(super) async fn rules(sdk: &SdkConfig, with_clocks: bool) -> Vec<Finding> {
    let about = format!("events {}", region(sdk));
    let client = Client::new(sdk);
    match examined(&client, &about, region(sdk), with_clocks).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::not_told(&about, "events", &error)],
    }
}

async fn examined(
    client: &Client,
    about: &str,
    region: &str,
    with_clocks: bool,
) -> Result<Vec<Finding>, CallError> {
    let mut rules = all_rules(client).await?;
    for rule in rules.iter_mut().filter(|rule| is_about_directories(rule)) {
        rule.targets = targets(client, &rule.name).await?;
    }
    let mut findings = Vec::new();
    let mut queues = BTreeSet::new();
    for (kind, samples) in kinds() {
        let mut found = None;
        for rule in rules.iter().filter(|rule| is_about_directories(rule)) {
            let better = found.is_none_or(|other: &Rule| !works(other));
            if better && lets_through(client, rule, &samples).await? {
                found = Some(rule);
            }
        }
        if let Some(rule) = found.filter(|rule| works(rule)) {
            queues.extend(rule.targets.iter().cloned());
        }
        let none = Finding::warning(
            about,
            format!("no rule of the default bus lets {kind} through"),
            "deploy template.yaml or docs/forward-events.yaml where the changes are recorded; \
             docs/deployment.md tells where that is",
        );
        findings.push(found.map_or(none, |rule| judged(about, region, kind, rule)));
    }
    if with_clocks {
        findings.extend(clocks(client, about, region, &mut rules, &queues).await?);
    }
    Ok(findings)
}

/// What is not there may be elsewhere; what is there and idle is meant to work.
fn judged(about: &str, region: &str, what: &str, rule: &Rule) -> Finding {
    let name = &rule.name;
    if !rule.enabled {
        Finding::problem(
            about,
            format!("{what}: rule {name} is disabled"),
            format!("aws events enable-rule --region {region} --name {name}"),
        )
    } else if rule.targets.is_empty() {
        Finding::problem(
            about,
            format!("{what}: rule {name} has no target"),
            "deploy its stack again",
        )
    } else {
        Finding::ok(about, format!("{what}: rule {name}"))
    }
}

fn works(rule: &Rule) -> bool {
    rule.enabled && !rule.targets.is_empty()
}

/// The rules by the clock are those that lead where the rules for events do.
async fn clocks(
    client: &Client,
    about: &str,
    region: &str,
    rules: &mut [Rule],
    queues: &BTreeSet<String>,
) -> Result<[Finding; 2], CallError> {
    for queue in queues {
        let names = leading_to(client, queue).await?;
        let leads_there = |rule: &&mut Rule| names.contains(&rule.name);
        for rule in rules.iter_mut().filter(leads_there) {
            rule.targets.push(queue.clone());
        }
    }
    let found = |is_it: fn(&str) -> bool| {
        let mut clocks = rules.iter().filter_map(|rule| {
            let schedule = rule.schedule.as_ref().filter(|schedule| is_it(schedule))?;
            (!rule.targets.is_empty()).then_some((rule, schedule))
        });
        clocks
            .clone()
            .find(|(rule, _)| rule.enabled)
            .or_else(|| clocks.next())
    };
    let full_pass = match found(|schedule| schedule != REMINDER) {
        Some((rule, schedule)) => {
            judged(about, region, &format!("the full pass, {schedule}"), rule)
        }
        None => Finding::warning(
            about,
            "the full pass: no rule with a schedule leads where those for events do",
            "deploy template.yaml here; without full passes, what events do not tell is not found",
        ),
    };
    let unfinished = match found(|schedule| schedule == REMINDER) {
        Some((rule, schedule)) => judged(
            about,
            region,
            &format!("what is unfinished, {schedule}"),
            rule,
        ),
        None => Finding::warning(
            about,
            format!("what is unfinished: no rule with {REMINDER} leads where those for events do"),
            "deploy template.yaml here; without it, what failed waits for the next event",
        ),
    };
    Ok([full_pass, unfinished])
}

async fn all_rules(client: &Client) -> Result<Vec<Rule>, CallError> {
    let call = "ListRules";
    pages(call, async |token| {
        let page = client.list_rules().set_next_token(token).send().await;
        let page = page.map_err(|error| CallError::of(call, &error))?;
        let rules = page.rules().iter().map(|rule| Rule {
            name: rule.name().unwrap_or_default().to_owned(),
            pattern: rule.event_pattern().map(str::to_owned),
            schedule: rule.schedule_expression().map(str::to_owned),
            enabled: rule.state() != Some(&RuleState::Disabled),
            targets: Vec::new(),
        });
        Ok((rules.collect(), page.next_token))
    })
    .await
}

/// Whether a rule is worth a question: a bus may have hundreds.
fn is_about_directories(rule: &Rule) -> bool {
    let pattern = rule.pattern.as_deref().unwrap_or_default();
    pattern.contains("identitystore") || pattern.contains("sso-directory")
}

async fn targets(client: &Client, rule: &str) -> Result<Vec<String>, CallError> {
    let call = "ListTargetsByRule";
    pages(call, async |token| {
        let request = client.list_targets_by_rule().rule(rule);
        let page = request.set_next_token(token).send().await;
        let page = page.map_err(|error| CallError::of(call, &error))?;
        let arns = page.targets().iter().map(|target| target.arn().to_owned());
        Ok((arns.collect(), page.next_token))
    })
    .await
}

/// The names of the rules that lead to a target.
async fn leading_to(client: &Client, target: &str) -> Result<Vec<String>, CallError> {
    let call = "ListRuleNamesByTarget";
    pages(call, async |token| {
        let request = client.list_rule_names_by_target().target_arn(target);
        let page = request.set_next_token(token).send().await;
        let page = page.map_err(|error| CallError::of(call, &error))?;
        Ok((page.rule_names.unwrap_or_default(), page.next_token))
    })
    .await
}

/// EventBridge itself says what its patterns mean.
async fn lets_through(client: &Client, rule: &Rule, samples: &[Value]) -> Result<bool, CallError> {
    for sample in samples {
        let request = client
            .test_event_pattern()
            .set_event_pattern(rule.pattern.clone())
            .event(sample.to_string());
        let answer = request.send().await;
        let answer = answer.map_err(|error| CallError::of("TestEventPattern", &error))?;
        if !answer.result() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The kinds of events, and for each those by which people come and go.
fn kinds() -> [(&'static str, Vec<Value>); 4] {
    let calls = |service: &'static str, names: &[&str]| {
        let calls = names.iter().map(|name| {
            let detail =
                json!({ "eventSource": format!("{service}.amazonaws.com"), "eventName": name });
            sample(service, "AWS API Call via CloudTrail", detail)
        });
        calls.collect()
    };
    [
        (
            "sso-directory.amazonaws.com",
            calls(
                "sso-directory",
                &["AddMemberToGroup", "RemoveMemberFromGroup"],
            ),
        ),
        (
            "identitystore.amazonaws.com",
            calls(
                "identitystore",
                &["CreateGroupMembership", "DeleteGroupMembership"],
            ),
        ),
        (
            "identitystore-scim.amazonaws.com",
            calls("identitystore-scim", &["PatchGroup"]),
        ),
        (
            "aws.identitystore",
            vec![sample("identitystore", "User Deleted", json!({}))],
        ),
    ]
}

/// An event with all that EventBridge asks of one.
fn sample(service: &str, detail_type: &str, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": "00000000-0000-4000-8000-000000000000",
        "detail-type": detail_type,
        "source": format!("aws.{service}"),
        "account": "111122223333",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    })
}

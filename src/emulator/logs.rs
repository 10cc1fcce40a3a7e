//! CloudWatch Logs: what the function wrote, read again.

use serde_json::{Value, json};

use super::log_filter::Filter;
use super::wire::{Answer, Refusal, key_in, listed, page, text, token_for};
use super::world::World;

/// AWS documents 10,000 as the most, and as what is meant where none is given.
const MOST: usize = 10_000;

/// Answers one call. `None`: there is no such operation here.
pub(super) fn answer(world: &World, operation: &str, input: &Value) -> Option<Answer> {
    (operation == "FilterLogEvents").then(|| filter_log_events(world, input))
}

fn filter_log_events(world: &World, input: &Value) -> Answer {
    let group = group(world, input)?;
    let pattern = text(input, "filterPattern").unwrap_or_default();
    let filter = Filter::read(pattern).map_err(|why| {
        let message = format!("Invalid filter pattern: {why}");
        invalid(&message)
    })?;
    let size = limit(input)?.min(world.settings.log_page_size);
    let time = |member: &str| input[member].as_i64();
    let (start, end) = (time("startTime"), time("endTime"));

    let lines = world.log.iter().enumerate().filter(|(_, line)| {
        line.group == group
            && start.is_none_or(|start| line.at_ms >= start)
            && end.is_none_or(|end| line.at_ms <= end)
            && filter.lets_through(&line.message)
    });
    let rows = lines.map(|(number, line)| {
        // By time, then as they were written: so that a page token holds however
        // many lines are written between two pages.
        let id = format!("{:026}{number:030}", line.at_ms);
        let row = json!({
            "logStreamName": "2026/03/02/[$LATEST]00000000000040008000000000000001",
            "timestamp": line.at_ms,
            "message": line.message,
            "ingestionTime": line.at_ms,
            "eventId": id,
        });
        (id, row)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));

    let list = format!("FilterLogEvents {group} {start:?} {end:?} {pattern:?}");
    let (rows, token) = next_page(world, rows, &list, text(input, "nextToken"), size)
        .ok_or_else(|| invalid("The specified nextToken is invalid."))?;
    let mut answer = listed(rows, "events", token, "nextToken");
    answer["searchedLogStreams"] = json!([]);
    Ok(answer)
}

/// The page that a token leads to; see [`super::Settings::empty_log_pages`].
fn next_page(
    world: &World,
    rows: Vec<(String, Value)>,
    list: &str,
    token: Option<&str>,
    size: usize,
) -> Option<(Vec<Value>, Option<String>)> {
    if !world.settings.empty_log_pages {
        return page(rows.into_iter(), list, token, size);
    }
    // A token says whether the empty page before a page has been given already.
    let given = format!("{list}, and an empty page");
    match token.and_then(|token| key_in(token, &given)) {
        Some(after) => {
            let this = token_for(list, &after);
            page(rows.into_iter(), list, Some(&this), size)
        }
        None => {
            let after = match token {
                Some(token) => key_in(token, list)?,
                None => String::new(),
            };
            Some((Vec::new(), Some(token_for(&given, &after))))
        }
    }
}

/// The name of the log group that a request names, by its name or its ARN.
fn group<'a>(world: &World, input: &'a Value) -> Result<&'a str, Refusal> {
    let name = match (
        text(input, "logGroupName"),
        text(input, "logGroupIdentifier"),
    ) {
        (Some(name), None) => name,
        // arn:aws:logs:<region>:<account>:log-group:<name>
        (None, Some(identifier)) => match identifier.split_once(":log-group:") {
            Some((_, name)) => name,
            None => identifier,
        },
        _ => {
            let message = "Either logGroupName or logGroupIdentifier must be given, and not both.";
            return Err(invalid(message));
        }
    };
    let written = || world.log.iter().any(|line| line.group == name);
    match world.log_groups.contains(name) || written() {
        true => Ok(name),
        false => {
            let message = "The specified log group does not exist.";
            Err(refused("ResourceNotFoundException", message))
        }
    }
}

fn limit(input: &Value) -> Result<usize, Refusal> {
    let Some(asked) = input.get("limit").filter(|limit| !limit.is_null()) else {
        return Ok(MOST);
    };
    let limit = asked.as_u64().and_then(|limit| usize::try_from(limit).ok());
    limit
        .filter(|limit| (1..=MOST).contains(limit))
        .ok_or_else(|| {
            let constraint = "have value between 1 and 10000, inclusive";
            let message = format!(
                "1 validation error detected: Value '{asked}' at 'limit' failed to satisfy \
             constraint: Member must {constraint}"
            );
            invalid(&message)
        })
}

fn invalid(message: &str) -> Refusal {
    refused("InvalidParameterException", message)
}

/// This service spells the message of its errors `message`, as front doors do.
fn refused(code: &str, message: &str) -> Refusal {
    Refusal::front_door(400, code, message)
}

//! Input that wishes us ill, or comes from somebody's mistake: payloads, policy
//! tables, patterns and error answers, from corpora of nasty ones and whatever
//! a few blows make of them. Nothing panics, nothing takes long, and what may
//! never be is not.
//!
//! `HOSTILE_CASES=100000 cargo test hostile` looks further.

mod mutants;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use emr_studio_sync::aws::{self, Kind};
use emr_studio_sync::error::Problem;
use emr_studio_sync::event::{self, Event, Message, Payload, Request, Scope, Subject};
use emr_studio_sync::identity::{Id, Identity, IdentityType};
use emr_studio_sync::policy::Pattern;
use emr_studio_sync::policy::lint;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::policy::source::Source;
use proptest::prelude::*;
use serde_json::{Value, json};

const STORE: &str = "d-1234567890";

/// Runs something that has to be done soon, however slow the machine is.
#[track_caller]
fn soon<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = run();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{what} took {took:?}");
    done
}

// ---------------------------------------------------------------------- payloads

/// The corpus, and the samples of what really comes.
fn payloads() -> Vec<Vec<u8>> {
    [
        "tests/corpora/payload",
        "tests/fixtures/events",
        "events",
        "events/requests",
    ]
    .into_iter()
    .flat_map(mutants::files)
    .filter(|(path, _)| path.extension().is_some_and(|ending| ending == "json"))
    .map(|(_, bytes)| bytes)
    .collect()
}

fn payload_values() -> Vec<Value> {
    let payloads = payloads();
    let values = payloads.iter().map(|bytes| serde_json::from_slice(bytes));
    values.flatten().collect()
}

/// What holds of every payload.
fn check_payload(payload: &Value) {
    match event::payload(payload) {
        Payload::Request(Ok(request)) => check_order(payload, &request),
        Payload::Request(Err(why)) => check_refusal(payload, &why),
        Payload::Batch(records) => records.iter().for_each(check_record),
        Payload::Event(event) => check_event(&event::read(event, STORE)),
        Payload::Unknown(why) => assert!(!why.is_empty()),
    }
    // Whatever it is, in a queue it is data.
    check_event(&event::read(payload, STORE));
    check_record(payload);
    check_record(&json!({ "body": payload.to_string() }));
    check_round_trip(payload);
    check_envelopes(payload);
}

/// Only a bare object is an order, and it says no more than what was read.
fn check_order(payload: &Value, request: &Request) {
    let fields = payload.as_object().expect("an order is an object");
    let of_events = ["detail-type", "source", "detail"];
    assert!(!of_events.iter().any(|name| fields.contains_key(*name)));
    assert!(!fields["action"].is_null());
    let written = match request {
        Request::Reconcile {
            studio,
            approve,
            only_plan,
        } => json!({
            "action": if *only_plan { "plan" } else { "reconcile" },
            "studio": studio,
            "approve": approve,
        }),
        Request::Explain(subject) => {
            let (name, value) = match subject {
                Subject::Name(IdentityType::User, name) => ("user", name.clone()),
                Subject::Name(IdentityType::Group, name) => ("group", name.clone()),
                Subject::Id(Identity { kind, id }) => match kind {
                    IdentityType::User => ("user_id", id.to_string()),
                    IdentityType::Group => ("group_id", id.to_string()),
                },
            };
            json!({ "action": "explain", name: value })
        }
        Request::Status => json!({ "action": "status" }),
    };
    for (name, value) in fields {
        let same = match name.as_str() {
            // Read as an id is what was in an ARN, or in another case.
            "user_id" | "group_id" => value.is_null() == written[name].is_null(),
            _ => *value == written[name],
        };
        assert!(same, "{payload} became {written}");
    }
    assert_eq!(
        event::payload(&written),
        Payload::Request(Ok(request.clone()))
    );
}

/// All that a refusal says is in these words.
const OUR_WORDS: &str = "a request is a JSON object, bare action: is missing; actions are \
    reconcile, plan, explain, status action: that is none; did you mean \"reconcile\" \"plan\" \
    \"explain\" \"status\" \"action\" \"studio\" \"approve\" \"user\" \"user_id\" \"group\" \"group_id\"? a \
    field: there is no such field; known are action, studio, approve action, user, user_id, \
    group, group_id: that is not a text that says something that is not an id explain: give \
    exactly one of user, user_id, group, group_id";

/// A refusal names nobody: no value is in it, and no key that does not look like
/// one of ours.
fn check_refusal(payload: &Value, why: &str) {
    assert!(why.len() < 200, "{why}");
    for text in texts(payload) {
        let is_telling = text.chars().count() > 3 && !OUR_WORDS.contains(text);
        // A value may be the same as a key that is shown.
        let is_shown = why.starts_with(&format!("{text}: there is no such field"));
        let is_key = payload.get(text).is_some();
        assert!(
            !is_telling || !why.contains(text) || (is_shown && is_key),
            "{why:?} tells {text:?}"
        );
    }
    let shown = why.split(':').next().unwrap_or_default();
    assert!(shown == "a field" || shown.len() <= 20 || OUR_WORDS.contains(shown));
}

/// The texts among the values of a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn check_record(record: &Value) {
    let Message {
        id: _,
        sent_ms: _,
        receives: _,
        event,
    } = event::message(record, STORE);
    check_event(&event);
}

fn check_event(event: &Result<Event, String>) {
    let Event {
        id,
        cloudtrail_id,
        time_ms: _,
        scope,
        reason,
        claim,
        kind,
    } = match event {
        Ok(event) => event,
        Err(why) => {
            assert!(!why.is_empty() && why.len() < 1000, "{why}");
            return;
        }
    };
    for text in [id, cloudtrail_id, reason].into_iter().flatten() {
        assert!(text.chars().count() <= 501, "that is for people to read");
    }
    match scope {
        Scope::Nothing | Scope::Everything => {
            assert!(reason.as_ref().is_some_and(|reason| !reason.is_empty()));
            assert_eq!(*claim, None);
        }
        Scope::Identities(named) => assert!(!named.is_empty()),
    }
    for Identity { id, .. } in scope.identities() {
        let again = Id::parse(id.as_str()).expect("an id parses");
        assert_eq!(again.as_str(), id.as_str());
    }
    match kind {
        event::Kind::Change => {}
        event::Kind::Schedule => assert_eq!(*scope, Scope::Everything),
        event::Kind::Unfinished => assert_eq!(*scope, Scope::Nothing),
    }
}

/// Written and read again, a payload says the same.
fn check_round_trip(payload: &Value) {
    let again: Value = match serde_json::from_str(&payload.to_string()) {
        Ok(again) => again,
        // Nested more deeply than anything that comes as a text.
        Err(_) => return,
    };
    let (one, two) = (event::read(payload, STORE), event::read(&again, STORE));
    assert_eq!(one, two);
}

/// In an envelope it is the same event, and never an order.
fn check_envelopes(payload: &Value) {
    let text = payload.to_string();
    let notification = json!({ "Type": "Notification", "Message": text });
    for outer in [
        json!(text),
        json!({ "Records": [{ "body": text }] }),
        json!({ "Records": [{ "EventSource": "aws:sns", "Sns": notification }] }),
        notification,
    ] {
        assert!(!matches!(event::payload(&outer), Payload::Request(Ok(_))));
        let read = event::read(&outer, STORE);
        check_event(&read);
        if let (Ok(event), Ok(inside)) = (read, event::read(payload, STORE)) {
            assert_eq!(event, inside);
        }
    }
}

#[test]
fn every_payload_of_the_corpus_is_told_apart() {
    for payload in payload_values() {
        check_payload(&payload);
    }
}

#[test]
fn a_payload_of_a_megabyte_is_read_as_soon_as_any() {
    const MEGABYTE: usize = 1 << 20;
    let long = "x".repeat(MEGABYTE);
    let quotes = "\\\"".repeat(MEGABYTE / 2);
    let fields = |value: &str| -> Value {
        let numbered = (0..MEGABYTE / 64).map(|n| (format!("user{n}"), json!(value)));
        numbered.collect::<serde_json::Map<_, _>>().into()
    };
    let notified = |text: &str| json!({ "Type": "Notification", "Message": text }).to_string();
    let nested = (0..4).fold(quotes.clone(), |inner, _| notified(&inner[..MEGABYTE / 16]));
    for payload in [
        json!(long),
        json!({ long.as_str(): "reconcile" }),
        json!({ "action": long }),
        json!({ "action": "explain", "user": long }),
        json!({ "action": "explain", long.as_str(): 1 }),
        fields("bob"),
        json!({ "source": long }),
        json!({ "source": "aws.identitystore", "resources": vec![json!(""); MEGABYTE / 8] }),
        json!({ "source": "aws.identitystore", "resources": [":".repeat(MEGABYTE)] }),
        json!({ "source": "aws.identitystore", "resources": ["/".repeat(MEGABYTE)] }),
        json!({ "Records": vec![json!({ "body": "{}" }); MEGABYTE / 16] }),
        json!({ "Type": "Notification", "Message": quotes }),
        json!({ "Type": "Notification", "Message": "[".repeat(MEGABYTE) }),
        json!({ "body": nested }),
        json!("{\"action\":".repeat(MEGABYTE / 10)),
    ] {
        soon("a payload", || check_payload(&payload));
    }
}

// ------------------------------------------------------------------------ tables

/// The names of the fields a table can have, anywhere.
const FIELDS: [&str; 30] = [
    "studios",
    "session_policies",
    "rules",
    "protect",
    "deletions",
    "pace",
    "on_missing_group",
    "on_disabled_user",
    "ownership",
    "id",
    "region",
    "role_arn",
    "external_id",
    "limits",
    "retired_policies",
    "users",
    "groups",
    "group",
    "group_id",
    "user",
    "user_id",
    "studio",
    "session_policy",
    "assign",
    "max_percent",
    "floor",
    "window_minutes",
    "emr_per_second",
    "emr_burst",
    "identity_store_per_second",
];

fn tables() -> Vec<(Format, Vec<u8>)> {
    let corpus = mutants::files("tests/corpora/table").into_iter();
    let ours = mutants::files("policy").into_iter();
    let format = |(path, bytes): (PathBuf, Vec<u8>)| match path.extension()?.to_str()? {
        "toml" => Some((Format::Toml, bytes)),
        "json" => Some((Format::Json, bytes)),
        _ => None,
    };
    corpus.chain(ours).filter_map(format).collect()
}

/// The texts of the tables in a format.
fn tables_in(format: Format) -> Vec<Vec<u8>> {
    let tables = tables().into_iter();
    tables
        .filter(|(of, _)| *of == format)
        .map(|(_, bytes)| bytes)
        .collect()
}

/// Where in a table something can be wrong: at what is there, and at what could
/// be in an object that is.
fn places(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    found.insert(place.to_owned());
    let field = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    match value {
        Value::Object(fields) => {
            found.extend(FIELDS.iter().map(|name| field(name)));
            for (name, part) in fields {
                places(part, &field(name), found);
            }
        }
        Value::Array(items) => {
            for (index, part) in items.iter().enumerate() {
                places(part, &format!("{place}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// What holds of every text that is read as a table.
fn check_table(text: &str, format: Format) {
    let parsed: Option<Value> = match format {
        Format::Json => serde_json::from_str(text).ok(),
        Format::Toml => toml::from_str::<toml::Table>(text)
            .ok()
            .and_then(|table| serde_json::to_value(table).ok()),
    };
    match read::table_and_document(text, format) {
        Ok((table, document)) => {
            assert!(parsed.is_some());
            let again = serde_json::to_string(&document).expect("JSON");
            let (same, written) = read::table_and_document(&again, Format::Json)
                .unwrap_or_else(|problems| panic!("{problems:?}\n{again}"));
            lint::warnings(&table, &document)
                .iter()
                .for_each(check_problem);
            assert_eq!((same, written), (table, document));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(check_problem);
            let mut known = BTreeSet::from([String::new()]);
            if let Some(value) = &parsed {
                places(value, "", &mut known);
            }
            for Problem { place, message, .. } in &problems {
                assert!(known.contains(place), "there is no {place:?} ({message})");
            }
        }
    }
}

/// What holds of every file: its bytes are a text that is read, or told to be none.
fn check_file(name: &str, bytes: &[u8]) {
    match Source::of(name, bytes) {
        Ok(source) => check_table(&source.text, source.format),
        Err(problem) => check_problem(&problem),
    }
}

fn check_problem(problem: &Problem) {
    assert!(!problem.message.is_empty());
    assert!(problem.to_string().contains(&problem.message));
}

#[test]
fn every_table_of_the_corpus_is_read_or_told_what_is_wrong() {
    for (format, bytes) in tables() {
        check_table(&String::from_utf8_lossy(&bytes), format);
    }
}

#[test]
fn a_table_of_a_megabyte_is_read_as_soon_as_any() {
    const MEGABYTE: usize = 1 << 20;
    let many = |what: &str, count: usize| vec![what; count].join(",");
    let numbered = |what: &str, count: usize| -> String {
        let all: Vec<String> = (0..count)
            .map(|n| what.replace('#', &format!("{n:06}")))
            .collect();
        all.join(",")
    };
    let rules = many(r#"{"user":"u","studio":"a","session_policy":"p"}"#, 2000);
    let misspelt = numbered(
        r##"{"user":"u","stduio":"x#","session_policy":"q#"}"##,
        1000,
    );
    let studios = numbered(r##""s#":{"id":"es-#"}"##, 1000);
    let policies = numbered(r##""p#":"arn:aws:iam::111122223333:policy/p#""##, 1000);
    for text in [
        "[".repeat(MEGABYTE),
        "{\"studios\":".repeat(MEGABYTE / 11),
        format!("\"{}\"", "x".repeat(MEGABYTE)),
        format!("{{\"{}\":1}}", "x".repeat(MEGABYTE)),
        format!("{{\"rules\":[{rules}]}}"),
        format!(
            "{{\"studios\":{{{studios}}},\"session_policies\":{{{policies}}},\"rules\":[{misspelt}]}}"
        ),
        format!("{{{}}}", numbered(r##""ruels#":1"##, 10_000)),
    ] {
        soon("a table", || check_table(&text, Format::Json));
    }
    for text in [
        format!("a = {}", "[".repeat(MEGABYTE)),
        "a.".repeat(MEGABYTE / 2),
        "[[rules]]\n".repeat(5_000),
        "#".repeat(MEGABYTE),
    ] {
        soon("a table", || check_table(&text, Format::Toml));
    }
}

// ---------------------------------------------------------------------- patterns

/// Whether a name fits, by the definition: row by row, whether so much of the
/// pattern fits so much of the name.
fn fits(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let mut row = vec![false; name.len() + 1];
    row[0] = true;
    for sign in pattern.chars() {
        let mut next = vec![false; name.len() + 1];
        for at in 0..=name.len() {
            next[at] = match sign {
                '*' => row[at] || (at > 0 && next[at - 1]),
                sign => at > 0 && row[at - 1] && name[at - 1] == sign,
            };
        }
        row = next;
    }
    row[name.len()]
}

fn check_pattern(pattern: &str, name: &str) {
    assert_eq!(
        Pattern::new(pattern).matches(name),
        fits(pattern, name),
        "{pattern:?} and {name:?}"
    );
}

/// The pattern is on the first line, and the name on the next.
fn check_lines(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, name) = text.split_once('\n').unwrap_or((&text, ""));
    check_pattern(pattern, name);
}

fn patterns() -> Vec<Vec<u8>> {
    let files = mutants::files("tests/corpora/pattern").into_iter();
    files.map(|(_, bytes)| bytes).collect()
}

#[test]
fn every_pattern_of_the_corpus_fits_whom_it_should() {
    patterns().iter().for_each(|bytes| check_lines(bytes));
}

#[test]
fn no_pattern_takes_long_however_many_stars_it_has() {
    const MANY: usize = 100_000;
    let (a, b) = ("a".repeat(MANY), "b".repeat(MANY));
    for (pattern, name, expected) in [
        ("a*".repeat(MANY) + "b", a.clone(), false),
        ("a*".repeat(MANY / 2), a.clone(), true),
        ("*a".repeat(MANY / 2) + "*b*", a.clone(), false),
        ("*".repeat(MANY), a.clone(), true),
        (format!("*{}b*", &a[..MANY / 2]), a.clone(), false),
        (format!("*b{}*", &a[..MANY / 2]), a.clone(), false),
        (
            format!("*{}*{}*", &a[..MANY / 2], &a[..MANY / 2]),
            a.clone(),
            true,
        ),
        (
            format!("*{}c*", "ab".repeat(MANY / 4)),
            "ab".repeat(MANY),
            false,
        ),
        (
            format!("*{}*", "aab".repeat(100)),
            ("aab".repeat(99) + "ab").repeat(100),
            false,
        ),
        (format!("{a}*{b}"), format!("{a}{b}"), true),
    ] {
        let matched = soon("a pattern", || Pattern::new(pattern).matches(&name));
        assert_eq!(matched, expected);
    }
}

// ------------------------------------------------------------------------ errors

/// What holds of every error answer.
fn check_error(status: u16, code: Option<&str>, message: Option<&str>) {
    let kind = aws::classify(status, code, message);
    // Who is not there is told by a type, and never by a text.
    assert!(matches!(
        kind,
        Kind::Transient | Kind::Denied | Kind::Refused
    ));
    if status >= 500 || status == 429 || code.is_none() {
        assert_eq!(kind, Kind::Transient);
    }
    let text = message.unwrap_or_default();
    for status in [500, 502, 503, 599, 429] {
        let wrapped = format!(
            "{text} (Service: AWSEditors; Status Code: {status}; Error Code: X; Proxy: null)"
        );
        let kind = aws::classify(400, Some("InvalidRequestException"), Some(&wrapped));
        assert_eq!(kind, Kind::Transient, "a fault of the service passes");
    }
}

/// The status and the code are on the first line, and the message after it.
fn check_answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, message) = text.split_once('\n').unwrap_or((&text, ""));
    let (status, code) = first.split_once(' ').unwrap_or((first, ""));
    let status = status.parse().unwrap_or(400);
    for code in [Some(code), Some("InvalidRequestException"), None] {
        for message in [Some(message), None] {
            check_error(status, code, message);
        }
    }
}

fn answers() -> Vec<Vec<u8>> {
    let files = mutants::files("tests/corpora/error").into_iter();
    files.map(|(_, bytes)| bytes).collect()
}

#[test]
fn every_error_of_the_corpus_means_something() {
    answers().iter().for_each(|bytes| check_answer(bytes));
}

#[test]
fn an_error_of_a_quarter_megabyte_is_understood_as_soon_as_any() {
    const LONG: usize = 1 << 18;
    for piece in [
        "(",
        ")",
        "(;",
        "(:",
        "(Status Code:",
        ";Status Code: 400",
        "((()))",
        "é",
        " ",
    ] {
        let text = piece.repeat(LONG / piece.len());
        soon("an error", || {
            check_error(400, Some("InvalidRequestException"), Some(&text));
            check_error(400, Some(&text), Some(&text));
        });
    }
}

// ----------------------------------------------------------------- after a few blows

proptest! {
    #![proptest_config(mutants::config())]

    #[test]
    fn a_payload_with_other_bytes_is_told_apart(bytes in mutants::bytes(payloads())) {
        // What is no JSON never gets as far as us, but in a queue.
        if let Ok(payload) = serde_json::from_slice(&bytes) {
            check_payload(&payload);
        }
        check_record(&json!({ "body": String::from_utf8_lossy(&bytes) }));
    }

    #[test]
    fn a_payload_with_other_parts_is_told_apart(payload in mutants::value(payload_values())) {
        check_payload(&payload);
    }

    #[test]
    fn a_table_with_other_bytes_is_read_or_told_what_is_wrong(
        bytes in mutants::bytes(tables_in(Format::Json)),
    ) {
        check_table(&String::from_utf8_lossy(&bytes), Format::Json);
        check_file("table.json", &bytes);
    }

    #[test]
    fn a_toml_table_with_other_bytes_is_read_or_told_what_is_wrong(
        bytes in mutants::bytes(tables_in(Format::Toml)),
    ) {
        check_table(&String::from_utf8_lossy(&bytes), Format::Toml);
        check_file("table.toml", &bytes);
        check_file("-", &bytes);
    }

    #[test]
    fn a_table_with_other_parts_is_read_or_told_what_is_wrong(
        table in mutants::value(table_values()),
    ) {
        check_table(&table.to_string(), Format::Json);
    }

    #[test]
    fn a_pattern_with_other_bytes_fits_whom_it_should(bytes in mutants::bytes(patterns())) {
        check_lines(&bytes);
    }

    #[test]
    fn a_pattern_of_few_signs_fits_whom_it_should(
        pattern in "[ab*é]{0,12}",
        name in "[abé*]{0,16}",
    ) {
        check_pattern(&pattern, &name);
    }

    #[test]
    fn an_error_with_other_bytes_means_something(bytes in mutants::bytes(answers())) {
        check_answer(&bytes);
    }

    #[test]
    fn any_error_means_something(
        status: u16,
        code in prop::option::of(any::<String>()),
        message in prop::option::of(any::<String>()),
    ) {
        check_error(status, code.as_deref(), message.as_deref());
    }
}

/// The tables as values: those that are any.
fn table_values() -> Vec<Value> {
    let parsed = tables()
        .into_iter()
        .filter_map(|(format, bytes)| match format {
            Format::Json => serde_json::from_slice(&bytes).ok(),
            Format::Toml => {
                let table: toml::Table = toml::from_str(std::str::from_utf8(&bytes).ok()?).ok()?;
                serde_json::to_value(table).ok()
            }
        });
    parsed.collect()
}

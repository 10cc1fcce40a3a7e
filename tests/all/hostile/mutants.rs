//! The corpora, and what becomes of their entries under a few blows: to the
//! bytes, or to the values where they are JSON.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// How many cases a property is tried with. CI's are a few seconds; raise
/// `HOSTILE_CASES` for a night.
pub(super) fn config() -> ProptestConfig {
    let cases = std::env::var("HOSTILE_CASES").ok();
    ProptestConfig {
        cases: cases.map_or(500, |cases| cases.parse().expect("HOSTILE_CASES")),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The files of a directory, in order of their names.
pub(super) fn files(directory: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = std::fs::read_dir(&directory).expect("a directory of samples");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a sample");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// One blow to a text.
#[derive(Clone, Debug)]
enum Cut {
    /// Takes a part out.
    Out(Index, usize),
    /// Puts something in.
    In(Index, Vec<u8>),
    /// Puts something in another's place.
    Over(Index, Vec<u8>),
    /// Puts a part of itself in once more, elsewhere.
    Again(Index, usize, Index),
    /// Goes on as another entry does.
    Splice(Index, Index, Index),
}

fn cut() -> impl Strategy<Value = Cut> {
    let index = any::<Index>;
    let piece = || {
        let known: Vec<&[u8]> = vec![
            b"\0",
            b"\\u0000",
            b"\\ud800",
            b"\"",
            b"\\",
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"(",
            b")",
            b";",
            b"*",
            b"***",
            b"1e999",
            b"-",
            b"null",
            b"\xff",
            b"\xef\xbb\xbf",
            b"\n",
            b"\xe2\x80\xae",
            b"Status Code: 500",
            b"Error Code: Throttling",
            b"\"Records\":[",
            b"\"action\":\"reconcile\",",
            b"= ",
            b"[[rules]]\n",
            b"#",
        ];
        prop_oneof![
            3 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
            1 => prop::collection::vec(any::<u8>(), 1..6),
        ]
    };
    prop_oneof![
        (index(), 1..40_usize).prop_map(|(at, length)| Cut::Out(at, length)),
        (index(), piece()).prop_map(|(at, piece)| Cut::In(at, piece)),
        (index(), piece()).prop_map(|(at, piece)| Cut::Over(at, piece)),
        (index(), 1..60_usize, index()).prop_map(|(from, length, to)| Cut::Again(from, length, to)),
        (index(), index(), index()).prop_map(|(at, other, from)| Cut::Splice(at, other, from)),
    ]
}

/// An entry of some files, with a few blows to its bytes, or none.
pub(super) fn bytes(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let cuts = prop::collection::vec(cut(), 0..5);
    (any::<Index>(), cuts).prop_map(move |(seed, cuts)| {
        let mut text = seed.get(&seeds).clone();
        for cut in cuts {
            let at = |index: Index, text: &[u8]| index.index(text.len() + 1);
            match cut {
                Cut::Out(from, length) => {
                    let from = at(from, &text);
                    text.drain(from..text.len().min(from + length));
                }
                Cut::In(to, piece) => {
                    let to = at(to, &text);
                    text.splice(to..to, piece);
                }
                Cut::Over(from, piece) => {
                    let from = at(from, &text);
                    text.splice(from..text.len().min(from + piece.len()), piece);
                }
                Cut::Again(from, length, to) => {
                    let from = at(from, &text);
                    let part = text[from..text.len().min(from + length)].to_vec();
                    let to = at(to, &text);
                    text.splice(to..to, part);
                }
                Cut::Splice(to, other, from) => {
                    let other = other.get(&seeds);
                    text.truncate(at(to, &text));
                    text.extend(&other[at(from, other)..]);
                }
            }
        }
        text
    })
}

/// Where the parts of a value are: JSON pointers, its own first.
fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let escaped = |name: &String| name.replace('~', "~0").replace('/', "~1");
            fields.iter().map(|(k, v)| (escaped(k), v)).collect()
        }
        Value::Array(items) => {
            let numbered = items.iter().enumerate();
            numbered.map(|(i, v)| (i.to_string(), v)).collect()
        }
        _ => Vec::new(),
    };
    for (name, part) in parts {
        let inner = places(part).into_iter();
        found.extend(inner.map(|rest| format!("/{name}{rest}")));
    }
    found
}

/// One blow to a value.
#[derive(Clone, Debug)]
enum Blow {
    /// Takes a part out.
    Drop(Index),
    /// Puts something else in its place.
    Replace(Index, Value),
    /// Puts another of its parts there.
    Swap(Index, Index),
    /// Puts a part of another entry there.
    Graft(Index, Index, Index),
    /// A list has an item twice, an object a value under two names.
    Repeat(Index, String),
    /// The part becomes a text of itself.
    Quote(Index),
}

/// What nobody expects there.
fn nasty() -> impl Strategy<Value = Value> {
    let deep = (0..50).fold(json!("x"), |inner, _| json!([inner]));
    let known = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(5e-324),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("\u{202e}\u{2066}"),
        json!("\u{feff}"),
        json!("/"),
        json!("{}"),
        json!("*"),
        json!("é".repeat(2000)),
        json!([]),
        json!({}),
        json!([[]]),
        json!({ "": {} }),
        deep,
        json!("HIDDEN_DUE_TO_SECURITY_REASONS"),
        json!("0a1b2c3d-1001-7001-8001-00000000a001"),
        json!("ARN:AWS:IDENTITYSTORE:::USER/906764C2AC-0A1B2C3D-1001-7001-8001-00000000A001"),
        json!("d-1234567890"),
        json!("d-0987654321"),
        json!("emr-studio-sync"),
        json!("Unfinished"),
        json!("Notification"),
        json!("sso.amazonaws.com"),
        json!({ "action": "reconcile" }),
        json!({ "Records": [{ "body": "{\"action\":\"reconcile\"}" }] }),
        json!("es-ABCDEFGHIJKLMNOPQRSTUVWXY"),
        json!("arn:aws:iam::111122223333:policy/p"),
    ];
    prop_oneof![
        4 => prop::sample::select(known),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ]
}

fn blow() -> impl Strategy<Value = Blow> {
    let index = any::<Index>;
    let name = prop_oneof![
        prop::sample::select(vec![
            "action", "user", "Records", "detail", "source", "Type", "Message", "body", "Sns",
            "studio", "id", "rules", "a.b[0]", "",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop_oneof![
        index().prop_map(Blow::Drop),
        (index(), nasty()).prop_map(|(at, value)| Blow::Replace(at, value)),
        (index(), index()).prop_map(|(at, from)| Blow::Swap(at, from)),
        (index(), index(), index()).prop_map(|(at, seed, from)| Blow::Graft(at, seed, from)),
        (index(), name).prop_map(|(at, name)| Blow::Repeat(at, name)),
        index().prop_map(Blow::Quote),
    ]
}

/// A value of some, with a few blows to its parts, or none.
pub(super) fn value(seeds: Vec<Value>) -> impl Strategy<Value = Value> {
    let blows = prop::collection::vec(blow(), 0..5);
    (any::<Index>(), blows).prop_map(move |(seed, blows)| {
        let mut value = seed.get(&seeds).clone();
        for blow in blows {
            strike(&mut value, blow, &seeds);
        }
        value
    })
}

fn strike(value: &mut Value, blow: Blow, seeds: &[Value]) {
    let part = |value: &Value, index: Index| {
        let place = index.get(&places(value)).clone();
        value.pointer(&place).cloned().unwrap_or_default()
    };
    let (at, new) = match blow {
        Blow::Drop(at) => return drop_part(value, at),
        Blow::Repeat(at, name) => return repeat(value, at, name),
        Blow::Replace(at, new) => (at, new),
        Blow::Swap(at, from) => (at, part(value, from)),
        Blow::Graft(at, seed, from) => (at, part(seed.get(seeds), from)),
        Blow::Quote(at) => (at, part(value, at).to_string().into()),
    };
    let place = at.get(&places(value)).clone();
    if let Some(old) = value.pointer_mut(&place) {
        *old = new;
    }
}

fn drop_part(value: &mut Value, at: Index) {
    let place = at.get(&places(value)).clone();
    let Some((parent, name)) = place.rsplit_once('/') else {
        return;
    };
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            items.remove(name.parse().expect("a number"));
        }
        _ => {}
    }
}

fn repeat(value: &mut Value, at: Index, name: String) {
    let place = at.get(&places(value)).clone();
    match value.pointer_mut(&place) {
        Some(Value::Object(fields)) => {
            let some = Map::values(fields).next().cloned().unwrap_or_default();
            fields.insert(name, some);
        }
        Some(Value::Array(items)) => items.extend(items.last().cloned()),
        _ => {}
    }
}

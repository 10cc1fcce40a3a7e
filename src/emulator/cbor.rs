//! CBOR, which CloudWatch speaks, to and from the JSON everything is in here.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::decode::DeserializeError;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use serde_json::{Map, Value, json};

/// How deep a request may be.
const DEPTH: usize = 32;

/// Reads a request. Times are seconds since 1970. `None` if it is no CBOR, or
/// nothing that a request has.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    value(&mut Decoder::new(body), DEPTH).ok()
}

fn value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, DeserializeError> {
    let kind = decoder.datatype()?;
    if depth == 0 {
        return Err(DeserializeError::custom("too deep", decoder.position()));
    }
    Ok(match kind {
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map()?;
            let mut members = Map::new();
            while another(decoder, &mut left)? {
                let name = decoder.string()?;
                members.insert(name, value(decoder, depth - 1)?);
            }
            Value::Object(members)
        }
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.list()?;
            let mut rows = Vec::new();
            while another(decoder, &mut left)? {
                rows.push(value(decoder, depth - 1)?);
            }
            Value::Array(rows)
        }
        Type::String | Type::StringIndef => json!(decoder.string()?),
        Type::Bool => json!(decoder.boolean()?),
        Type::Tag => json!(decoder.timestamp()?.as_secs_f64()),
        Type::F16 | Type::F32 | Type::F64 => json!(decoder.double()?),
        Type::Null => {
            decoder.null()?;
            Value::Null
        }
        _ => json!(decoder.long()?),
    })
}

/// Whether there is one more in a list or map: of a known length, or up to the
/// sign of its end.
fn another(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, DeserializeError> {
    match left {
        Some(0) => Ok(false),
        Some(more) => {
            *more -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

/// Writes an answer. Its numbers are doubles, and `Timestamp` is a time.
pub(super) fn write(answer: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    put(&mut encoder, answer);
    encoder.into_writer()
}

fn put(encoder: &mut Encoder, value: &Value) {
    match value {
        Value::Null => drop(encoder.null()),
        Value::Bool(yes) => drop(encoder.boolean(*yes)),
        Value::Number(number) => drop(encoder.double(number.as_f64().unwrap_or_default())),
        Value::String(text) => drop(encoder.str(text)),
        Value::Array(rows) => {
            encoder.array(rows.len());
            rows.iter().for_each(|row| put(encoder, row));
        }
        Value::Object(members) => {
            encoder.map(members.len());
            for (name, member) in members {
                encoder.str(name);
                match (name.as_str(), member.as_f64()) {
                    ("Timestamp", Some(seconds)) => {
                        encoder.timestamp(&DateTime::from_secs_f64(seconds));
                    }
                    _ => put(encoder, member),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let answer = json!({ "Rows": [{ "Timestamp": 1.5, "Sum": 2.0 }, "text", true, null] });
        assert_eq!(read(&write(&answer)), Some(answer));
    }

    #[test]
    fn lists_and_maps_without_a_length_are_read_to_their_end() {
        let mut encoder = Encoder::new(Vec::new());
        encoder
            .begin_map()
            .str("a")
            .begin_array()
            .long(1)
            .end()
            .end();
        assert_eq!(read(&encoder.into_writer()), Some(json!({ "a": [1] })));
    }

    #[test]
    fn what_breaks_off_or_never_ends_is_none() {
        assert_eq!(read(b"\xa1"), None);
        assert_eq!(read(&[0x81; 100_000]), None);
    }
}

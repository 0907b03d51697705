//! Target: payloads as bytes, as nodes and texts in an envelope and an archive that fit, and as the builder makes them.
//!
//! Input: read as it is; then a byte that says which of three it is: nodes and texts, or a payload to be made, or one
//! to be made and damaged.
//!
//! Promises
//!  1. Whatever the bytes, they are refused, or are a payload that would be written as just these.
//!  2. What the builder makes is read as it was made, or is refused with a reason and nothing else.

use std::sync::Arc;

use arrwdb::{Payload, Value, Values};

use super::bytes::Bytes;

const NODE_BYTES: usize = 16;
/// One more than is allowed, so that this is met too.
const DEPTH: usize = 17;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    read(data);
    let mut bytes = Bytes::new(data);
    match bytes.u8() % 3 {
        0 => framed(bytes),
        1 => drop(made(&mut bytes)),
        _ => damaged(&mut bytes),
    }
}

/// Looks at all there is of a payload.
fn read(bytes: &[u8]) -> Option<Payload> {
    let owner: Arc<[u8]> = bytes.into();
    let read = Payload::from_bytes(Arc::new(owner));
    let lent = Values::from_bytes(bytes);
    assert_eq!(read.is_ok(), lent.is_ok());
    let payload = read.ok()?;
    assert!(payload.value().as_map() == lent.ok() && payload == payload.clone());
    assert!(!payload.to_string().chars().any(char::is_control));
    look(payload.value());
    let again = Payload::from(payload.value());
    assert!(again.encoded().expect("it was one") == bytes, "{payload}");
    Some(payload)
}

/// What a map says of a key is what lies there, and keys increase.
fn look(value: Value<'_>) {
    let values = value.as_map().or(value.as_list()).into_iter();
    for (at, (key, inner)) in values.flat_map(Values::entries).enumerate() {
        let around = value.as_map().or(value.as_list()).expect("it is in there");
        assert_eq!(around.at(at), Some(inner));
        match value.as_map() {
            Some(map) => assert_eq!(map.get(key), Some(inner)),
            None => assert!(key.is_empty() && around.get(key).is_none()),
        }
        look(inner);
    }
}

/// Made up nodes and texts, where rkyv finds nothing wrong.
fn framed(mut bytes: Bytes<'_>) {
    let count = usize::from(bytes.u8());
    let nodes = bytes.take(count * NODE_BYTES);
    let texts = bytes.rest();
    let count = nodes.len() / NODE_BYTES;
    let nodes = nodes.get(..count * NODE_BYTES).unwrap_or_default();
    let mut payload = b"arrwPAY\n\0\0\0\0".to_vec();
    let number = |it: usize| u32::try_from(it).expect("an input is short").to_le_bytes();
    payload.extend(number(16 + nodes.len() + texts.len() + 16));
    payload.extend_from_slice(nodes);
    payload.extend_from_slice(texts);
    // Distances lead back, from where they stand.
    let back = |by: usize| 0_u32.wrapping_sub(u32::from_le_bytes(number(by))).to_le_bytes();
    payload.extend([back(nodes.len() + texts.len()), number(count)].concat());
    payload.extend([back(texts.len() + 8), number(texts.len())].concat());
    read(&payload);
}

/// A payload by the builder, if it can be stored.
fn made(bytes: &mut Bytes<'_>) -> Option<Vec<u8>> {
    let payload = map(bytes, DEPTH);
    match payload.encoded() {
        Ok(encoded) => {
            let found = read(&encoded).expect("just made");
            assert_eq!(found, payload);
            Some(encoded.into_owned())
        }
        Err(refused) => {
            assert!(payload.is_empty() && !refused.what.is_empty());
            assert!(!refused.to_string().chars().any(char::is_control), "{refused:?}");
            None
        }
    }
}

fn map(bytes: &mut Bytes<'_>, depth: usize) -> Payload {
    let count = usize::from(bytes.u8() % 5);
    let at_once = bytes.flag();
    let entries = (0..count).map(|_| {
        let length = usize::from(bytes.u8() % 4);
        (String::from_utf8_lossy(bytes.take(length)).into_owned(), value(bytes, depth - 1))
    });
    match at_once {
        true => entries.collect(),
        false => entries.fold(Payload::new(), |map, (key, value)| map.with(key, value)),
    }
}

fn value(bytes: &mut Bytes<'_>, depth: usize) -> Payload {
    let kind = bytes.u8() % 9;
    match kind {
        1 => bytes.flag().into(),
        2 => bytes.u64().cast_signed().into(),
        3 => f64::from_bits(bytes.u64()).into(),
        4 => {
            let length = bytes.u8().into();
            String::from_utf8_lossy(bytes.take(length)).into_owned().into()
        }
        5 => Value::Timestamp(bytes.u64().cast_signed()).into(),
        6 => {
            let length = bytes.u8().into();
            bytes.take(length).into()
        }
        7 if depth > 0 => {
            let count = usize::from(bytes.u8() % 5);
            (0..count).map(|_| value(bytes, depth - 1)).collect::<Vec<_>>().into()
        }
        8 if depth > 0 => map(bytes, depth),
        _ => Value::Null.into(),
    }
}

/// A payload by the builder of which some bytes were changed.
fn damaged(bytes: &mut Bytes<'_>) {
    let damages = [(); 3].map(|()| (usize::from(bytes.u16()), bytes.u8()));
    let Some(mut encoded) = made(bytes) else { return };
    let length = encoded.len();
    for (at, by) in damages {
        encoded.iter_mut().skip(at % length).take(1).for_each(|byte| *byte ^= by);
    }
    read(&encoded);
}

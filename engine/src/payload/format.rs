//! Lays out a payload: an archive by rkyv of a schema of our own, in an envelope. FORMAT.md section 7.3 is the
//! authority; this is where it becomes code.
//!
//! A map or list does not hold its values: it names a run of nodes. So the schema is two flat lists, rkyv checks its
//! distances and lengths in a time that does not depend on how long they are, and nothing here goes by recursion.
//!
//! Promises
//!  1. Whatever the bytes, they are a payload, or it is said what is wrong with them: no panic, nothing reserved.
//!  2. A payload has one form: equal payloads have equal bytes, and bytes of another form are refused.
//!
//! Never: follows a distance that was not checked; asks for alignment, of which the archive needs none.

mod check;

use base::codec::{Decoder, Encoder};
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::Failure;

use super::PAYLOAD_BYTES_MAX;
use super::tape::Tape;
use super::value::{Value, Values};
use crate::Invalid;

/// The format that this code writes, and the newest that it reads.
const VERSION: u16 = 0;

const MAGIC: [u8; 8] = *b"arrwPAY\n";
const ENVELOPE_BYTES: usize = 16;
/// The two lists of the archive: a distance and a length each.
const ROOT_BYTES: usize = 16;
const NODE_BYTES: usize = 16;
const _: () = assert!(size_of::<ArchivedNode>() == NODE_BYTES && align_of::<ArchivedNode>() == 1);
const _: () = assert!(size_of::<ArchivedBody>() == ROOT_BYTES);

pub(super) const NULL: u8 = 0;
pub(super) const BOOL: u8 = 1;
pub(super) const INTEGER: u8 = 2;
pub(super) const FLOAT: u8 = 3;
pub(super) const TEXT: u8 = 4;
pub(super) const TIMESTAMP: u8 = 5;
pub(super) const BYTES: u8 = 6;
pub(super) const LIST: u8 = 7;
pub(super) const MAP: u8 = 8;

/// What lies in the archive: the nodes level by level, each one's keys and texts where it has its turn.
#[derive(rkyv::Archive, rkyv::Serialize)]
struct Body {
    nodes: Vec<Node>,
    texts: Vec<u8>,
}

/// A value, and the key under which it lies.
#[derive(rkyv::Archive, rkyv::Serialize)]
#[rkyv(derive(Clone, Copy))]
pub(super) struct Node {
    /// Where the key begins among the texts.
    key: u32,
    key_bytes: u8,
    kind: u8,
    reserved: u16,
    /// A number's bits; of what is longer, where it begins and how long it is.
    value: u64,
}

impl ArchivedNode {
    /// A node whose value is a number.
    pub(super) fn number(key: (usize, usize), kind: u8, bits: u64) -> Self {
        let (at, length) = key;
        ArchivedNode {
            key: u32::try_from(at).expect("less than a payload's limit").into(),
            key_bytes: u8::try_from(length).expect("less than a key's limit"),
            kind,
            reserved: 0.into(),
            value: bits.into(),
        }
    }

    /// A node whose value is a run of so many bytes, or nodes, from there on.
    pub(super) fn run(key: (usize, usize), kind: u8, place: (usize, usize)) -> Self {
        let part = |it| u64::from(u32::try_from(it).expect("less than a payload's limit"));
        Self::number(key, kind, part(place.0) | part(place.1) << 32)
    }

    pub(super) fn kind(&self) -> u8 {
        self.kind
    }

    pub(super) fn key<'t>(&self, texts: &'t [u8]) -> Option<&'t [u8]> {
        let at = self.key.to_native() as usize;
        texts.get(at..)?.get(..usize::from(self.key_bytes))
    }

    /// Where its run begins and how long it is, for what has one.
    fn place(&self) -> (usize, usize) {
        let both = self.value.to_native();
        let length = |it: u64| usize::try_from(it).unwrap_or(usize::MAX);
        (length(both & u64::from(u32::MAX)), length(both >> 32))
    }

    /// Its value; `None` if its kind has no such one.
    pub(super) fn value<'a>(&self, all: &'a [Self], texts: &'a [u8]) -> Option<Value<'a>> {
        let bits = self.value.to_native();
        let (at, length) = self.place();
        let bytes = || texts.get(at..)?.get(..length);
        let values = || Some(Values::new(all.get(at..)?.get(..length)?, all, texts));
        Some(match self.kind {
            NULL if bits == 0 => Value::Null,
            BOOL if bits <= 1 => Value::Bool(bits == 1),
            INTEGER => Value::Integer(bits.cast_signed()),
            FLOAT => Value::Float(f64::from_bits(bits)),
            TEXT => Value::Text(str::from_utf8(bytes()?).ok()?),
            TIMESTAMP => Value::Timestamp(bits.cast_signed()),
            BYTES => Value::Bytes(bytes()?),
            LIST => Value::List(values()?),
            MAP => Value::Map(values()?),
            _ => return None,
        })
    }
}

/// How many bytes a payload of so many nodes, itself among them, and bytes of keys and texts takes.
pub(super) fn encoded_bytes(nodes: usize, texts: usize) -> usize {
    ENVELOPE_BYTES + nodes * NODE_BYTES + texts + ROOT_BYTES
}

/// The bytes of a map, which is within all limits.
pub(super) fn encode(map: Values<'_>) -> Vec<u8> {
    let (nodes, texts) = Tape::of_map(map).into_parts();
    let node = |node: &ArchivedNode| Node {
        key: node.key.to_native(),
        key_bytes: node.key_bytes,
        kind: node.kind,
        reserved: 0,
        value: node.value.to_native(),
    };
    frame(&Body { nodes: nodes.iter().map(node).collect(), texts })
}

/// An envelope and the archive.
fn frame(body: &Body) -> Vec<u8> {
    let length = encoded_bytes(body.nodes.len(), body.texts.len());
    let mut bytes = Vec::with_capacity(length);
    let shown = u32::try_from(length).unwrap_or(u32::MAX);
    Encoder::new(&mut bytes).bytes(&MAGIC).u16(VERSION).u16(0).u32(shown);
    to_bytes_in::<_, Failure>(body, bytes).expect("writing to memory does not fail")
}

/// The payload in bytes that may be anything: all that is ever read of it is looked at.
pub(super) fn decode(bytes: &[u8]) -> Result<Values<'_>, Invalid> {
    let mut from = Decoder::new(bytes);
    if from.bytes(MAGIC.len(), "magic")? != MAGIC {
        return Err(Invalid::Value("magic"));
    }
    let version = from.u16("version")?;
    if version > VERSION {
        return Err(Invalid::Newer { found: version });
    }
    if from.u16("reserved")? != 0 {
        return Err(Invalid::Value("reserved"));
    }
    let length = from.u32("length")? as usize;
    if length != bytes.len() || length > PAYLOAD_BYTES_MAX {
        return Err(Invalid::Value("length"));
    }
    let (nodes, texts) = parts(bytes).ok_or(Invalid::Value("archive"))?;
    check::check(nodes, texts)?;
    root(nodes, texts).ok_or(Invalid::Value("root"))
}

/// The payload in bytes that `decode` has looked at. Safe for any bytes: the archive's distances and lengths are
/// checked again, as is whatever is read of it later.
pub(super) fn open(bytes: &[u8]) -> Option<Values<'_>> {
    let (nodes, texts) = parts(bytes)?;
    root(nodes, texts)
}

/// The two lists of the archive, if they and nothing else lie there, one behind the other.
fn parts(bytes: &[u8]) -> Option<(&[ArchivedNode], &[u8])> {
    let archive = bytes.get(ENVELOPE_BYTES..)?;
    let body = rkyv::access::<ArchivedBody, Failure>(archive).ok()?;
    let (nodes, texts) = (body.nodes.as_slice(), body.texts.as_slice());
    let nodes_at = archive.as_ptr().addr();
    let texts_at = nodes_at + nodes.len() * NODE_BYTES;
    let is_exact = nodes.as_ptr().addr() == nodes_at
        && texts.as_ptr().addr() == texts_at
        && texts_at + texts.len() + ROOT_BYTES == nodes_at + archive.len();
    is_exact.then_some((nodes, texts))
}

/// The first node is the payload itself.
fn root<'a>(nodes: &'a [ArchivedNode], texts: &'a [u8]) -> Option<Values<'a>> {
    match nodes.first()?.value(nodes, texts)? {
        Value::Map(values) => Some(values),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

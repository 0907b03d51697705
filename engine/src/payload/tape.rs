//! Writes values down as nodes and texts: what a payload is while it is made, and what its archive is made of.
//!
//! Promises
//!  1. What is written down for one value lies level by level, each map's and list's values in one run.
//!
//! Never: checks a limit; whoever hands over values has.

use std::collections::VecDeque;

use super::format::{self, ArchivedNode};
use super::value::{Value, Values};

/// Nodes, and the bytes of their keys and texts.
#[derive(Clone, Default)]
pub(super) struct Tape {
    nodes: Vec<ArchivedNode>,
    texts: Vec<u8>,
}

/// Maps and lists whose values have not been written down yet.
struct Ahead<'a> {
    /// Where the values of the next one will begin.
    next: usize,
    waiting: VecDeque<Values<'a>>,
}

impl Tape {
    /// All of a map, itself in front.
    pub(super) fn of_map(map: Values<'_>) -> Tape {
        let mut tape = Tape::default();
        tape.nodes.push(ArchivedNode::number((0, 0), format::NULL, 0));
        let root = tape.put("", Value::Map(map));
        tape.nodes.iter_mut().take(1).for_each(|first| *first = root);
        tape
    }

    pub(super) fn nodes(&self) -> &[ArchivedNode] {
        &self.nodes
    }

    pub(super) fn texts(&self) -> &[u8] {
        &self.texts
    }

    pub(super) fn into_parts(self) -> (Vec<ArchivedNode>, Vec<u8>) {
        (self.nodes, self.texts)
    }

    /// Writes down all that is in a value; its own node is the caller's.
    pub(super) fn put(&mut self, key: &str, value: Value<'_>) -> ArchivedNode {
        let mut ahead = Ahead { next: self.nodes.len(), waiting: VecDeque::new() };
        let own = self.node(key, value, &mut ahead);
        while let Some(values) = ahead.waiting.pop_front() {
            for (key, value) in values.entries() {
                let node = self.node(key, value, &mut ahead);
                self.nodes.push(node);
            }
        }
        own
    }

    fn node<'a>(&mut self, key: &str, value: Value<'a>, ahead: &mut Ahead<'a>) -> ArchivedNode {
        let key = self.text(key.as_bytes());
        let mut run = |kind, values: Values<'a>| {
            let at = ahead.next;
            ahead.next += values.len();
            ahead.waiting.push_back(values);
            ArchivedNode::run(key, kind, (at, values.len()))
        };
        match value {
            Value::Null => ArchivedNode::number(key, format::NULL, 0),
            Value::Bool(value) => ArchivedNode::number(key, format::BOOL, value.into()),
            Value::Integer(value) => {
                ArchivedNode::number(key, format::INTEGER, value.cast_unsigned())
            }
            Value::Float(value) => ArchivedNode::number(key, format::FLOAT, value.to_bits()),
            Value::Timestamp(value) => {
                ArchivedNode::number(key, format::TIMESTAMP, value.cast_unsigned())
            }
            Value::Text(text) => ArchivedNode::run(key, format::TEXT, self.text(text.as_bytes())),
            Value::Bytes(bytes) => ArchivedNode::run(key, format::BYTES, self.text(bytes)),
            Value::List(values) => run(format::LIST, values),
            Value::Map(values) => run(format::MAP, values),
        }
    }

    /// Where these bytes begin now, and how many they are.
    fn text(&mut self, bytes: &[u8]) -> (usize, usize) {
        let at = self.texts.len();
        self.texts.extend_from_slice(bytes);
        (at, bytes.len())
    }
}

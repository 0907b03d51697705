//! Checks that nodes and texts, whatever they are, have the one form that a payload has. FORMAT.md section 7.3.
//!
//! Goes through the nodes once, front to back, and remembers no more than where it is: nothing that is nested goes
//! deeper than a counter.

use super::{ArchivedNode, LIST, MAP};
use crate::Invalid;
use crate::payload::PAYLOAD_DEPTH_MAX;
use crate::payload::value::{Value, Values};

/// How far the lists have been accounted for: what comes next begins here, so that nothing is left out, and nothing
/// is there twice or in a circle.
struct Front {
    nodes: usize,
    texts: usize,
}

/// The nodes are a tree, laid out level by level, of what the builder would let in.
pub(super) fn check(nodes: &[ArchivedNode], texts: &[u8]) -> Result<(), Invalid> {
    let mut front = Front { nodes: 0, texts: 0 };
    let root = nodes.first().filter(|root| root.kind == MAP);
    let root = root.ok_or(Invalid::Value("root"))?;
    front.pass(root, nodes, texts)?;
    if root.key_bytes != 0 {
        return Err(Invalid::Value("root"));
    }
    let (mut depth, mut level_end) = (1, 1);
    for (at, node) in nodes.iter().enumerate() {
        if at >= front.nodes {
            return Err(Invalid::Value("nodes"));
        }
        if at == level_end {
            (depth, level_end) = (depth + 1, front.nodes);
        }
        if !matches!(node.kind, LIST | MAP) {
            continue;
        }
        if depth > PAYLOAD_DEPTH_MAX {
            return Err(Invalid::Value("depth"));
        }
        if node.place().0 != front.nodes {
            return Err(Invalid::Value("nodes"));
        }
        let Some(Value::List(values) | Value::Map(values)) = node.value(nodes, texts) else {
            return Err(Invalid::Value("nodes"));
        };
        front.pass_all(values, node.kind)?;
    }
    if front.nodes != nodes.len() || front.texts != texts.len() {
        return Err(Invalid::Value("texts"));
    }
    Ok(())
}

impl Front {
    /// The values of one map or list.
    fn pass_all(&mut self, values: Values<'_>, kind: u8) -> Result<(), Invalid> {
        let (nodes, all, texts) = values.parts();
        let mut last: &[u8] = &[];
        for node in nodes {
            self.pass(node, all, texts)?;
            let key = node.key(texts).ok_or(Invalid::Value("key"))?;
            // In a list all are empty, and in a map each is more than the one before, and the first more than none.
            let is_next = if kind == MAP { key > last } else { key.is_empty() };
            if !is_next {
                return Err(Invalid::Value("order of keys"));
            }
            last = key;
        }
        Ok(())
    }

    /// One node, but for what is in it if it is a map or a list.
    fn pass(
        &mut self,
        node: &ArchivedNode,
        all: &[ArchivedNode],
        texts: &[u8],
    ) -> Result<(), Invalid> {
        if node.reserved != 0 {
            return Err(Invalid::Value("reserved"));
        }
        self.pass_text(node.key.to_native() as usize, usize::from(node.key_bytes), "key")?;
        let key = node.key(texts).and_then(|key| str::from_utf8(key).ok());
        key.ok_or(Invalid::Value("key"))?;
        match node.value(all, texts).ok_or(Invalid::Value("value"))? {
            Value::Text(text) => self.pass_text(node.place().0, text.len(), "texts")?,
            Value::Bytes(bytes) => self.pass_text(node.place().0, bytes.len(), "texts")?,
            _ => {}
        }
        self.nodes += 1;
        Ok(())
    }

    fn pass_text(&mut self, at: usize, length: usize, field: &'static str) -> Result<(), Invalid> {
        if at != self.texts {
            return Err(Invalid::Value(field));
        }
        self.texts += length;
        Ok(())
    }
}

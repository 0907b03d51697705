//! Makes a value step by step, and remembers the first thing because of which it cannot be stored.
//!
//! Promises
//!  1. What is within all limits can be encoded; what is not says which value it is, by the keys that lead there, and
//!     takes no more room.
//!  2. The values of a map are in the order of their keys at any time.

use std::fmt;

use super::format::{self, ArchivedNode, LIST, MAP};
use super::tape::Tape;
use super::value::{Value, Values};
use super::{PAYLOAD_BYTES_MAX, PAYLOAD_DEPTH_MAX, PAYLOAD_KEY_BYTES_MAX, Payload};
use crate::id::plain;

const BAD_KEY: &str = "a key has 1 to 255 bytes";
const _: () = assert!(PAYLOAD_KEY_BYTES_MAX == 255);
const TWICE: &str = "the key is there twice";
const NOT_A_MAP: &str = "only a map has keys";
const TOO_DEEP: &str = "maps and lists lie at most 16 deep in each other";
const _: () = assert!(PAYLOAD_DEPTH_MAX == 16);
const TOO_LARGE: &str = "a payload takes at most 16 MiB";
const _: () = assert!(PAYLOAD_BYTES_MAX == 16 << 20);

/// How much of a key stands in an error.
const SHOWN_CHARS: usize = 64;

/// Why something is no payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The keys and places that lead to the value, as in `a.b[3]`; empty if it is the payload itself.
    pub path: String,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "not a payload: {}", self.what),
            path => write!(f, "not a payload, because of {path}: {}", self.what),
        }
    }
}

impl std::error::Error for Refused {}

/// A step to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Place(usize),
}

impl Refused {
    fn new(what: &'static str) -> Refused {
        Refused { path: String::new(), what }
    }

    /// The same, seen from the map or list around it.
    fn behind(self, step: Step<'_>) -> Refused {
        let mut path = match step {
            Step::Place(place) => format!("[{place}]"),
            Step::Key(key) => plain(&key.chars().take(SHOWN_CHARS).collect::<String>()).into(),
        };
        if !self.path.is_empty() && !self.path.starts_with('[') {
            path.push('.');
        }
        Refused { path: path + &self.path, ..self }
    }
}

/// A value in the making.
#[derive(Clone)]
pub(super) struct Draft {
    /// The value itself; of a map or a list only the kind counts.
    own: ArchivedNode,
    /// What is in it, if it is a map or a list.
    inside: Vec<ArchivedNode>,
    /// What is in what is in it, and all texts.
    tape: Tape,
    /// How deep maps and lists lie in each other, itself among them.
    depth: usize,
    /// Once this is there, there is nothing else.
    refused: Option<Box<Refused>>,
}

impl Draft {
    /// A map without a key, or an empty list.
    fn empty(kind: u8) -> Draft {
        Draft {
            own: ArchivedNode::number((0, 0), kind, 0),
            inside: Vec::new(),
            tape: Tape::default(),
            depth: 1,
            refused: None,
        }
    }

    pub(super) fn new() -> Draft {
        Draft::empty(MAP)
    }

    /// A copy of a value.
    pub(super) fn of(value: Value<'_>) -> Draft {
        let kind = if matches!(value, Value::List(_)) { LIST } else { MAP };
        let mut draft = Draft::empty(kind);
        // Before it is copied, and before its length has to fit a node.
        let length = value.as_str().map(str::as_bytes).or(value.as_bytes()).map_or(0, <[u8]>::len);
        if length > PAYLOAD_BYTES_MAX {
            return draft.refuse(Refused::new(TOO_LARGE));
        }
        match value.inside() {
            Some(values) => {
                for (key, value) in values.entries() {
                    let node = draft.tape.put(key, value);
                    draft.inside.push(node);
                }
            }
            None => draft.own = draft.tape.put("", value),
        }
        draft.depth = depth_of(value);
        draft
    }

    pub(super) fn list(items: impl Iterator<Item = Payload>) -> Draft {
        let mut draft = Draft::empty(LIST);
        for (place, item) in items.enumerate() {
            match draft.put("", &item) {
                Ok(node) => draft.inside.push(node),
                Err(refused) => return draft.refuse(refused.behind(Step::Place(place))),
            }
            if draft.bytes() > PAYLOAD_BYTES_MAX {
                return draft.refuse(Refused::new(TOO_LARGE));
            }
        }
        draft
    }

    /// A map of entries in any order: they are sorted once.
    pub(super) fn map<K: AsRef<str>>(entries: impl Iterator<Item = (K, Payload)>) -> Draft {
        let mut draft = Draft::empty(MAP);
        for (key, value) in entries {
            let key = key.as_ref();
            match draft.put_under(key, &value) {
                Ok(node) => draft.inside.push(node),
                Err(refused) => return draft.refuse(refused.behind(Step::Key(key))),
            }
            if draft.bytes() > PAYLOAD_BYTES_MAX {
                return draft.refuse(Refused::new(TOO_LARGE));
            }
        }
        let texts = draft.tape.texts();
        draft.inside.sort_by(|one, two| one.key(texts).cmp(&two.key(texts)));
        let mut pairs = draft.inside.iter().zip(draft.inside.iter().skip(1));
        let twice = pairs.find(|(one, two)| one.key(texts) == two.key(texts));
        if let Some(key) = twice.and_then(|(one, _)| one.key(texts)) {
            let key = String::from_utf8_lossy(key).into_owned();
            return draft.refuse(Refused::new(TWICE).behind(Step::Key(&key)));
        }
        draft
    }

    /// One more key and its value.
    pub(super) fn with(mut self, key: &str, value: &Payload) -> Draft {
        if self.refused.is_some() {
            return self;
        }
        if self.own.kind() != MAP {
            return self.refuse(Refused::new(NOT_A_MAP));
        }
        let texts = self.tape.texts();
        let by_key = |node: &ArchivedNode| node.key(texts).cmp(&Some(key.as_bytes()));
        let found = self.inside.binary_search_by(by_key);
        let put = match found {
            Ok(_) => Err(Refused::new(TWICE)),
            Err(place) => self.put_under(key, value).map(|node| self.inside.insert(place, node)),
        };
        match put {
            Err(refused) => self.refuse(refused.behind(Step::Key(key))),
            Ok(()) if self.bytes() > PAYLOAD_BYTES_MAX => self.refuse(Refused::new(TOO_LARGE)),
            Ok(()) => self,
        }
    }

    fn put_under(&mut self, key: &str, value: &Payload) -> Result<ArchivedNode, Refused> {
        if key.is_empty() || key.len() > PAYLOAD_KEY_BYTES_MAX {
            return Err(Refused::new(BAD_KEY));
        }
        self.put(key, value)
    }

    fn put(&mut self, key: &str, value: &Payload) -> Result<ArchivedNode, Refused> {
        if let Some(refused) = value.refused() {
            return Err(refused.clone());
        }
        self.depth = self.depth.max(1 + value.depth());
        if self.depth > PAYLOAD_DEPTH_MAX {
            return Err(Refused::new(TOO_DEEP));
        }
        Ok(self.tape.put(key, value.value()))
    }

    /// An empty map, and why it is not what it was to be.
    fn refuse(self, refused: Refused) -> Draft {
        Draft { refused: Some(Box::new(refused)), ..Draft::new() }
    }

    /// How many bytes it takes if it becomes a payload.
    fn bytes(&self) -> usize {
        let nodes = 1 + self.inside.len() + self.tape.nodes().len();
        format::encoded_bytes(nodes, self.tape.texts().len())
    }

    pub(super) fn value(&self) -> Value<'_> {
        let (nodes, texts) = (self.tape.nodes(), self.tape.texts());
        let values = Values::new(&self.inside, nodes, texts);
        match self.own.kind() {
            LIST => Value::List(values),
            MAP => Value::Map(values),
            _ => self.own.value(nodes, texts).expect("it was put there"),
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn refused(&self) -> Option<&Refused> {
        self.refused.as_deref()
    }

    /// The bytes of the payload, if it is one.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Refused> {
        match (&self.refused, self.value()) {
            (Some(refused), _) => Err(Refused::clone(refused)),
            (None, Value::Map(values)) => Ok(format::encode(values)),
            (None, _) => Err(Refused::new(NOT_A_MAP)),
        }
    }
}

/// How deep maps and lists lie in each other, of a value that is within the limit.
pub(super) fn depth_of(value: Value<'_>) -> usize {
    value.inside().map_or(0, |values| 1 + values.iter().map(depth_of).max().unwrap_or(0))
}

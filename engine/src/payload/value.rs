//! Reads values where they lie, in a payload that was stored or in one in the making.
//!
//! Promises
//!  1. Nothing is copied: texts, bytes, lists and maps are lent by the payload.
//!  2. A key is found by bisection.
//!
//! Never: believes a distance; what does not lead to where it should, in bytes that were checked and have changed
//! since, is a panic and nothing worse.

use super::format::ArchivedNode;

const CHECKED: &str = "the bytes of a payload were checked, and do not change";

/// A value of a payload.
///
/// Two are equal if they would be stored as the same bytes: of floats, the bits count. So a NaN is equal to itself,
/// 0.0 is not -0.0, and an integer is never equal to a float.
///
/// ```
/// use arrwdb::{Value, payload};
///
/// let page = payload! { "lang" => "en", "page" => 3, "seen" => Value::Timestamp(1_700_000_000_000_000) };
/// assert_eq!(page.get("lang"), Some(Value::Text("en")));
/// assert_eq!(page.get("page").and_then(Value::as_i64), Some(3));
/// assert_eq!(page.get("seen").map(|it| it.to_string()).as_deref(), Some("2023-11-14T22:13:20Z"));
/// match page.get("page") {
///     Some(Value::Integer(number)) => assert_eq!(number, 3),
///     _ => unreachable!(),
/// }
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Value<'a> {
    /// There is a key, and nothing under it.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number; each of its bits is kept, those of a NaN too.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// A moment: microseconds since the beginning of 1970, UTC.
    Timestamp(i64),
    /// Bytes that mean something to who wrote them.
    Bytes(&'a [u8]),
    /// Values in a row.
    List(Values<'a>),
    /// Values by key.
    Map(Values<'a>),
}

impl<'a> Value<'a> {
    /// Whether it is a null.
    pub fn is_null(self) -> bool {
        matches!(self, Value::Null)
    }

    /// The truth value, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        let Value::Bool(value) = self else { return None };
        Some(value)
    }

    /// The integer, if it is one.
    pub fn as_i64(self) -> Option<i64> {
        let Value::Integer(value) = self else { return None };
        Some(value)
    }

    /// The float, if it is one; an integer is none.
    pub fn as_f64(self) -> Option<f64> {
        let Value::Float(value) = self else { return None };
        Some(value)
    }

    /// The text, if it is one.
    pub fn as_str(self) -> Option<&'a str> {
        let Value::Text(text) = self else { return None };
        Some(text)
    }

    /// The microseconds of the timestamp, if it is one.
    pub fn as_timestamp(self) -> Option<i64> {
        let Value::Timestamp(micros) = self else { return None };
        Some(micros)
    }

    /// The bytes, if it is bytes; a text is none.
    pub fn as_bytes(self) -> Option<&'a [u8]> {
        let Value::Bytes(bytes) = self else { return None };
        Some(bytes)
    }

    /// The values of the list, if it is one.
    pub fn as_list(self) -> Option<Values<'a>> {
        let Value::List(values) = self else { return None };
        Some(values)
    }

    /// The values of the map, if it is one.
    pub fn as_map(self) -> Option<Values<'a>> {
        let Value::Map(values) = self else { return None };
        Some(values)
    }

    /// What is in it, if it is a list or a map.
    pub(super) fn inside(self) -> Option<Values<'a>> {
        self.as_list().or(self.as_map())
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::Integer(one), Value::Integer(two)) => one == two,
            (Value::Float(one), Value::Float(two)) => one.to_bits() == two.to_bits(),
            (Value::Text(one), Value::Text(two)) => one == two,
            (Value::Timestamp(one), Value::Timestamp(two)) => one == two,
            (Value::Bytes(one), Value::Bytes(two)) => one == two,
            (Value::List(one), Value::List(two)) => one == two,
            (Value::Map(one), Value::Map(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for Value<'_> {}

/// The values of a list or a map, lent by the payload they are in.
///
/// ```
/// use arrwdb::{Value, payload};
///
/// let page = payload! { "tags" => ["a", "b"], "author" => { "name" => "Ada", "born" => 1815 } };
/// let tags = page.get("tags").and_then(Value::as_list).unwrap();
/// assert_eq!(tags.iter().filter_map(Value::as_str).collect::<Vec<_>>(), ["a", "b"]);
/// assert_eq!(tags.at(1), Some(Value::Text("b")));
///
/// let author = page.get("author").and_then(Value::as_map).unwrap();
/// assert_eq!(author.get("name"), Some(Value::Text("Ada")));
/// assert_eq!(author.entries().map(|(key, _)| key).collect::<Vec<_>>(), ["born", "name"]);
/// ```
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The nodes of these values; of a map, in the order of their keys.
    own: &'a [ArchivedNode],
    /// All nodes that theirs lead to.
    all: &'a [ArchivedNode],
    texts: &'a [u8],
}

impl<'a> Values<'a> {
    pub(super) const NONE: Values<'static> = Values { own: &[], all: &[], texts: &[] };

    pub(super) fn new(
        own: &'a [ArchivedNode],
        all: &'a [ArchivedNode],
        texts: &'a [u8],
    ) -> Values<'a> {
        Values { own, all, texts }
    }

    pub(super) fn parts(self) -> (&'a [ArchivedNode], &'a [ArchivedNode], &'a [u8]) {
        (self.own, self.all, self.texts)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.own.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.own.is_empty()
    }

    /// The value under a key. Nothing lies under a key in a list.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        // The keys of a list are empty, and no key of a map is.
        if key.is_empty() {
            return None;
        }
        let found = self.own.binary_search_by(|node| self.key(node).cmp(key.as_bytes())).ok()?;
        self.at(found)
    }

    /// The value at a place, counted from 0; in a map, in the order of the keys.
    pub fn at(self, index: usize) -> Option<Value<'a>> {
        self.own.get(index).map(|node| self.value(node))
    }

    /// All values, from the first on; of a map, in the order of the keys.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Value<'a>> + ExactSizeIterator {
        self.own.iter().map(move |node| self.value(node))
    }

    /// All keys and values, in the order of the keys, which is that of their bytes. In a list each key is empty.
    pub fn entries(
        self,
    ) -> impl DoubleEndedIterator<Item = (&'a str, Value<'a>)> + ExactSizeIterator {
        self.own.iter().map(move |node| {
            let key = str::from_utf8(self.key(node)).expect(CHECKED);
            (key, self.value(node))
        })
    }

    fn key(self, node: &ArchivedNode) -> &'a [u8] {
        node.key(self.texts).expect(CHECKED)
    }

    fn value(self, node: &ArchivedNode) -> Value<'a> {
        node.value(self.all, self.texts).expect(CHECKED)
    }
}

impl PartialEq for Values<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.entries().eq(other.entries())
    }
}

impl Eq for Values<'_> {}

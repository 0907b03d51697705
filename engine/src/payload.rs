//! Keeps what a user stores beside a vector: a map of typed values.
//!
//! A payload that is written and one that was read are the same type: the one is nodes in the making, the other lies
//! in bytes that something else owns, and both are read in place.
//!
//! Promises
//!  1. Bytes become a payload if all of them have been looked at, and only then; reading a value of it takes as long
//!     whatever its size.
//!  2. Equal payloads have equal bytes.
//!  3. What cannot be stored is a payload all the same, until it is used: then it says what is wrong, and where.
//!
//! Never: reads or writes files; has a checksum of its own, since whatever holds its bytes has.

mod draft;
mod format;
mod from;
mod literal;
mod show;
mod tape;
mod value;

use std::borrow::Cow;
use std::sync::Arc;

use crate::Invalid;
use draft::{Draft, Refused};
pub use value::{Value, Values};

/// The most bytes that a payload takes, as it is stored.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// How deep maps and lists lie in each other at most, the payload itself among them.
pub const PAYLOAD_DEPTH_MAX: usize = 16;
/// The longest key.
pub const PAYLOAD_KEY_BYTES_MAX: usize = 255;

/// What is kept beside a vector: a map from texts to values.
///
/// Keys have 1 to 255 bytes, are there once, and are in the order of their bytes. Maps and lists lie at most 16 deep
/// in each other, and all of it takes at most 16 MiB. What breaks a rule is refused when it is to be stored; until
/// then it holds nothing, and says so when it is printed.
///
/// The macro [`payload!`](crate::payload!) spells one out; [`with`](Payload::with) adds a key that is known only when
/// the program runs, and a map of many is collected from an iterator.
///
/// What can be *in* a payload can be made into one, too, since a list has no other type to be made of: a list of
/// several kinds is a `Vec<Payload>`. Only a map can be stored with a vector.
///
/// ```
/// use arrwdb::{Payload, Value, payload};
///
/// let page = payload! { "lang" => "en", "page" => 3 };
/// let same = Payload::new().with("page", 3).with("lang", "en");
/// assert_eq!(page, same);
///
/// assert_eq!(page.get("lang").and_then(Value::as_str), Some("en"));
/// assert_eq!(page.iter().next(), Some(("lang", Value::Text("en"))));
/// assert_eq!(page.to_string(), r#"{"lang": "en", "page": 3}"#);
///
/// let counts: Payload = ["b", "a"].into_iter().zip(1..).collect();
/// let list = vec![Payload::from("a"), Payload::from(counts), Payload::from(vec![1.5, 2.5])];
/// assert_eq!(Payload::from(list).to_string(), r#"["a", {"a": 2, "b": 1}, [1.5, 2.5]]"#);
/// ```
#[derive(Clone)]
pub struct Payload(Held);

#[derive(Clone)]
enum Held {
    /// It is being made.
    Draft(Draft),
    /// It was read; the bytes have been looked at.
    Stored(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Payload {
    /// A payload without a key.
    pub fn new() -> Payload {
        Payload(Held::Draft(Draft::new()))
    }

    /// The payload with one more key. A key that is there already makes it one that cannot be stored.
    #[must_use]
    pub fn with(self, key: impl AsRef<str>, value: impl Into<Payload>) -> Payload {
        let draft = match self.0 {
            Held::Draft(draft) => draft,
            Held::Stored(_) => Draft::of(self.value()),
        };
        Payload(Held::Draft(draft.with(key.as_ref(), &value.into())))
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        self.values().get(key)
    }

    /// All keys and values, in the order of the keys, which is that of their bytes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, Value<'_>)> + ExactSizeIterator {
        self.values().entries()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.values().len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it as a value: a map, unless it was made to be put into another one.
    pub fn value(&self) -> Value<'_> {
        match &self.0 {
            Held::Draft(draft) => draft.value(),
            Held::Stored(owner) => {
                let values = format::open((**owner).as_ref());
                Value::Map(values.expect("the bytes of a payload were checked, and do not change"))
            }
        }
    }

    fn values(&self) -> Values<'_> {
        self.value().as_map().unwrap_or(Values::NONE)
    }

    /// The payload that lies in these bytes, at any alignment. Nothing is copied: the owner is kept, and has to answer
    /// with the same bytes each time. One that does not may make a reader panic or read something else, and no worse.
    #[doc(hidden)]
    pub fn from_bytes(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Result<Payload, Invalid> {
        format::decode((*owner).as_ref())?;
        Ok(Payload(Held::Stored(owner)))
    }

    /// Its bytes as they are stored, or why it cannot be.
    #[doc(hidden)]
    pub fn encoded(&self) -> Result<Cow<'_, [u8]>, Refused> {
        match &self.0 {
            Held::Draft(draft) => draft.encode().map(Cow::Owned),
            Held::Stored(owner) => Ok(Cow::Borrowed((**owner).as_ref())),
        }
    }

    /// Why it cannot be stored, if that has been found out.
    fn refused(&self) -> Option<&Refused> {
        match &self.0 {
            Held::Draft(draft) => draft.refused(),
            Held::Stored(_) => None,
        }
    }

    fn depth(&self) -> usize {
        match &self.0 {
            Held::Draft(draft) => draft.depth(),
            Held::Stored(_) => draft::depth_of(self.value()),
        }
    }
}

impl Values<'_> {
    /// The values of the payload that lies in these bytes, at any alignment, for who only looks at it.
    #[doc(hidden)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Values<'_>, Invalid> {
        format::decode(bytes)
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::new()
    }
}

/// Two are equal if they would be stored as the same bytes, or cannot be for the same reason.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.refused() == other.refused() && self.value() == other.value()
    }
}

impl Eq for Payload {}

#[cfg(test)]
mod tests;

//! Names what a user stores: a number or a text.
//!
//! Ids are ordered: numbers before texts, numbers as numbers, texts by their bytes. So is every listing, and so are
//! hits at the same distance.

use std::borrow::Cow;
use std::fmt;

use crate::{Error, Result};

/// The longest text that can be an id.
pub const ID_BYTES_MAX: usize = 1_024;

/// The id of a vector.
///
/// ```
/// use arrwdb::Id;
///
/// assert!(Id::from(9) < Id::from(10));
/// assert!(Id::from(10) < Id::from("9"));
/// assert_eq!(Id::from("chunk-1").to_string(), "chunk-1");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Id {
    /// A number.
    Number(u64),
    /// A text of 1 to 1024 bytes.
    Text(Box<str>),
}

impl Id {
    /// Refuses an empty text and one that is too long.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Id::Text(text) if text.is_empty() || text.len() > ID_BYTES_MAX => {
                Err(Error::BadId { bytes: text.len() })
            }
            _ => Ok(()),
        }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Id::Number(number)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id::Text(text.into())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Id::Text(text.into())
    }
}

impl From<&Id> for Id {
    fn from(id: &Id) -> Self {
        id.clone()
    }
}

/// A text in a sentence: as it is if it is plain, otherwise quoted and escaped, so that it neither breaks a line nor tells
/// a terminal anything.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = !text.is_empty() && text.chars().all(|it| !it.is_control() && it != '\u{85}');
    if is_plain { Cow::Borrowed(text) } else { Cow::Owned(format!("{text:?}")) }
}

impl Id {
    /// As it stands in a sentence.
    pub(crate) fn plain(&self) -> Cow<'_, str> {
        match self {
            Id::Number(number) => Cow::Owned(number.to_string()),
            Id::Text(text) => plain(text),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => fmt::Display::fmt(number, f),
            Id::Text(text) => fmt::Display::fmt(text, f),
        }
    }
}

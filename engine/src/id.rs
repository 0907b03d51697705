//! Names what a user stores: a number, a UUID or a text.
//!
//! Ids are ordered: numbers, then UUIDs, then texts; numbers as numbers, the others by their bytes. So is every listing,
//! and so are hits at the same distance.

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
///
/// let uuid = Id::parse_uuid("67e55044-10b1-426f-9247-bb680e5fe0c8").unwrap();
/// assert_eq!(uuid.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
/// assert!(uuid < Id::from("a"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Id {
    /// A number.
    Number(u64),
    /// A UUID, the byte first that is written first: what `Uuid::into_bytes` of the package `uuid` gives.
    Uuid([u8; 16]),
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

    /// The id that a UUID is, written with hyphens or without; `None` if the text is none. A text that looks like one is
    /// otherwise a text: [`Id::from`] does not guess.
    pub fn parse_uuid(text: &str) -> Option<Id> {
        let hyphens = [8, 13, 18, 23];
        let is_hyphenated = text.len() == 36;
        let mut digits = Vec::with_capacity(32);
        for (at, byte) in text.bytes().enumerate() {
            if is_hyphenated && hyphens.contains(&at) {
                if byte != b'-' {
                    return None;
                }
            } else {
                digits.push(char::from(byte).to_digit(16)? as u8);
            }
        }
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        bytes.try_into().ok().map(Id::Uuid)
    }
}

impl From<[u8; 16]> for Id {
    fn from(uuid: [u8; 16]) -> Self {
        Id::Uuid(uuid)
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
            Id::Number(_) | Id::Uuid(_) => Cow::Owned(self.to_string()),
            Id::Text(text) => plain(text),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => fmt::Display::fmt(number, f),
            Id::Uuid(bytes) => f.pad(&hyphenated(bytes)),
            Id::Text(text) => fmt::Display::fmt(text, f),
        }
    }
}

/// A UUID as it is written.
fn hyphenated(uuid: &[u8; 16]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(36);
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a text cannot fail.
        let _written = write!(text, "{byte:02x}").is_ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_what_it_was_written_as() {
        let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let id = Id::parse_uuid(text).unwrap();
        assert_eq!((id.to_string().as_str(), &*id.plain()), (text, text));
        assert_eq!(Id::parse_uuid(&text.replace('-', "").to_uppercase()), Some(id.clone()));
        assert_eq!(format!("{id:>38}|"), format!("  {text}|"));
        let wrong = [
            "",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "67e55044-10b1-426f-9247-bb680e5fe0c8a",
            "67e55044-10b1-426f-9247-bb680e5fe0cg",
            "67e5504410b1-426f-9247-bb680e5fe0c8-",
            "67e550441-0b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0\u{e4}",
        ];
        wrong.iter().for_each(|text| assert_eq!(Id::parse_uuid(text), None, "{text}"));
    }

    #[test]
    fn numbers_come_first_then_uuids_then_texts() {
        let uuid = |first| Id::from([first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        let ordered = [Id::from(2), Id::from(10), uuid(1), uuid(200), Id::from("1"), Id::from("a")];
        assert!(ordered.is_sorted());
    }
}

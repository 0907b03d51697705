//! Reads and writes ids as the command line and files of ids spell them.
//!
//! Digits alone that fit 64 bits are a number; a UUID with its hyphens is that; a JSON string in double quotes is the text
//! in it, so that `"123"` names a text of digits; anything else is a text as it stands.
//!
//! Promises
//!  1. What is written reads back as the same id.

use std::fmt;

use arrwdb::{ID_BYTES_MAX, Id};
use serde::{Serialize, Serializer};

/// The id that is spelled so.
pub(crate) fn parse(word: &str) -> Result<Id, String> {
    let is_digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if let (true, Ok(number)) = (is_digits, word.parse::<u64>()) {
        return Ok(Id::from(number));
    }
    if let Some(uuid) = Id::parse_uuid(word).filter(|_| word.contains('-')) {
        return Ok(uuid);
    }
    let quoted = || word.starts_with('"').then(|| serde_json::from_str::<String>(word).ok());
    let text = quoted().flatten().unwrap_or_else(|| word.to_owned());
    if text.is_empty() || text.len() > ID_BYTES_MAX {
        let bytes = text.len();
        return Err(format!("a text as an id has 1 to {ID_BYTES_MAX} bytes, not {bytes}"));
    }
    Ok(Id::from(text))
}

/// An id as a person reads it, and [`parse`] too.
pub(crate) struct Spelled<'a>(pub(crate) &'a Id);

impl fmt::Display for Spelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Number(_) | Id::Uuid(_) => f.pad(&self.0.to_string()),
            Id::Text(text) => {
                let odd = text.chars().any(|it| it.is_control() || it.is_whitespace());
                if odd || parse(text).as_ref() != Ok(self.0) {
                    let quoted = serde_json::to_string(text.as_ref()).map_err(|_| fmt::Error)?;
                    return f.pad(&quoted);
                }
                f.pad(text)
            }
        }
    }
}

/// An id in JSON: numbers as numbers, the others as strings.
pub(crate) struct JsonId<'a>(pub(crate) &'a Id);

impl Serialize for JsonId<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Id::Number(number) => to.serialize_u64(*number),
            Id::Uuid(_) => to.collect_str(self.0),
            Id::Text(text) => to.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers_quotes_make_texts_and_the_rest_stands_for_itself() {
        let of = |word: &str| parse(word).unwrap();
        assert_eq!(of("7"), Id::from(7));
        assert_eq!(of("18446744073709551615"), Id::from(u64::MAX));
        assert_eq!(of("18446744073709551616"), Id::from("18446744073709551616"));
        assert_eq!(of("\"7\""), Id::from("7"));
        assert_eq!(of("\"a\\nb\""), Id::from("a\nb"));
        let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        assert_eq!(of(uuid), Id::parse_uuid(uuid).unwrap());
        assert_eq!(of(&uuid.replace('-', "")), Id::from(uuid.replace('-', "")));
        assert_eq!(of(&format!("\"{uuid}\"")), Id::from(uuid));
        for plain in ["+7", "-7", "7.0", "chunk-1", "\"half", "\"", "\"a\"b\""] {
            assert_eq!(of(plain), Id::from(plain));
        }
        assert!(parse("").is_err() && parse("\"\"").is_err());
        assert!(parse(&"x".repeat(ID_BYTES_MAX)).is_ok());
        assert!(parse(&"x".repeat(ID_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in
            ["a", "7", "+7", "a b", "\"a\"", "\"", "\n", "\u{7}", "\\", "18446744073709551616"]
        {
            let id = Id::from(text);
            assert_eq!(parse(&Spelled(&id).to_string()), Ok(id));
        }
        assert_eq!(parse(&Spelled(&Id::from(7)).to_string()), Ok(Id::from(7)));
    }
}

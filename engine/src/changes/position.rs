//! Names a place in the history of a store, for who goes on there later.
//!
//! Promises
//!  1. A position that was written down as a text is the same one when it is read again, and no other text is.
//!  2. Positions of different histories are never equal, though they have the same number.

use std::fmt;
use std::str::FromStr;

use base::{Sequence, Timeline};

use crate::{Error, Result};

/// A place in the history of a store: what a follower keeps, to [go on](crate::Store::changes) there.
///
/// It is a number, and the name of the history in which it counts: after a restore, or a crash that took the end of
/// the log, number 100 may be another batch than before. So positions have no order of their own. They are kept as
/// texts.
///
/// ```
/// # use arrwdb::{CollectionConfig, Metric, Store};
/// use arrwdb::changes::Position;
/// # let dir = tempfile::tempdir()?;
/// # let store = Store::open(dir.path().join("data"))?;
/// # let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2))?;
/// let sequence = docs.upsert("one", &[1.0])?;
/// let position = store.position().unwrap();
/// assert_eq!(position.sequence(), sequence);
///
/// let kept = position.to_string();
/// assert_eq!(kept.parse::<Position>()?, position);
/// assert!("yesterday".parse::<Position>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    /// The branch on which `sequence` counts.
    timeline: Timeline,
    sequence: Sequence,
}

impl Position {
    pub(crate) fn new(timeline: Timeline, sequence: Sequence) -> Self {
        Position { timeline, sequence }
    }

    pub(crate) fn timeline(self) -> Timeline {
        self.timeline
    }

    /// The last batch that it includes.
    pub fn sequence(self) -> Sequence {
        self.sequence
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.sequence, self.timeline)
    }
}

impl FromStr for Position {
    type Err = Error;

    /// The position that was written down as this text.
    ///
    /// # Errors
    /// [`Error::BadPosition`] if none is.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::BadPosition { text: text.to_owned() };
        let (sequence, timeline) = text.split_once('@').ok_or_else(bad)?;
        let sequence = sequence.parse().ok().and_then(Sequence::new).ok_or_else(bad)?;
        let timeline = u64::from_str_radix(timeline, 16).ok().and_then(Timeline::new);
        let position = Position { timeline: timeline.ok_or_else(bad)?, sequence };
        // Numbers can be spelled in several ways; a position is spelled in one.
        if position.to_string() == text { Ok(position) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_kept_as_a_text() {
        let timeline = Timeline::new(0x2a).unwrap();
        let position = Position::new(timeline, Sequence::FIRST);
        assert_eq!(position.to_string(), "1@000000000000002a");
        assert_eq!("1@000000000000002a".parse::<Position>().unwrap(), position);
        let last =
            Position::new(Timeline::new(u64::MAX).unwrap(), Sequence::new(u64::MAX).unwrap());
        assert_eq!(last.to_string().parse::<Position>().unwrap(), last);
    }

    #[test]
    fn what_is_no_position_is_refused_with_the_text() {
        let wrong = [
            "",
            "1",
            "@",
            "1@",
            "@000000000000002a",
            "0@000000000000002a",
            "1@0000000000000000",
            "+1@000000000000002a",
            "01@000000000000002a",
            "1@2a",
            "1@000000000000002A",
            "1@+00000000000002a",
            "1@000000000000002a ",
            "18446744073709551616@000000000000002a",
        ];
        for text in wrong {
            let refused = text.parse::<Position>().unwrap_err();
            assert!(matches!(&refused, Error::BadPosition { text: it } if it == text), "{refused}");
            assert!(refused.to_string().contains(&format!("{text:?}")), "{refused}");
        }
    }
}

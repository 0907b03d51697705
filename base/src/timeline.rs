//! Names a branch of a store's history.
//!
//! Sequence numbers alone do not say which history they count: after a restore, or a recovery that
//! cut something off, number 100 may mean another batch than it did before. Each such event starts
//! a new timeline, so that an old position is recognised instead of silently meaning something else.

use std::fmt;
use std::num::NonZeroU64;

/// One branch of a store's history. Drawn at random when the branch begins, not counted up: two
/// restores of the same backup are different histories and must not get the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timeline(NonZeroU64);

impl Timeline {
    /// The timeline with this name; `None` for 0, which on disk stands for "no parent".
    pub const fn new(name: u64) -> Option<Self> {
        match NonZeroU64::new(name) {
            Some(name) => Some(Timeline(name)),
            None => None,
        }
    }

    /// The name as it is written to disk; never 0.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_names_no_timeline() {
        assert_eq!(Timeline::new(0), None);
        assert_eq!(Timeline::new(7).map(Timeline::get), Some(7));
    }
}

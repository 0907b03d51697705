//! Where an index finds its vectors: anything that lends them by their slots.

use std::fmt;
use std::ops::Deref;

use base::Slot;

use crate::Error;

/// Lends vectors by their slots. An index holds slots, never vectors.
pub trait Vectors: Send + Sync {
    /// How many numbers each has.
    fn dim(&self) -> usize;

    /// The vector in a slot: always the same one, for as long as an index has the slot.
    ///
    /// # Errors
    /// If it cannot be read, or is not what was written there.
    fn vector(&self, slot: Slot) -> Result<Lent<'_>, Unreadable>;
}

/// Looks whether vectors have as many numbers as an index has.
pub(crate) fn check_dim(vectors: &dyn Vectors, expected: usize) -> Result<(), Error> {
    let found = vectors.dim();
    if found == expected { Ok(()) } else { Err(Error::Dimension { found, expected }) }
}

/// A vector, lent.
pub struct Lent<'v>(Numbers<'v>);

enum Numbers<'v> {
    Plain(&'v [f32]),
    Held(Box<dyn Deref<Target = [f32]> + 'v>),
}

impl<'v> Lent<'v> {
    /// One by an owner that wants to be dropped when it is let go of.
    pub fn held(by: impl Deref<Target = [f32]> + 'v) -> Self {
        Lent(Numbers::Held(Box::new(by)))
    }
}

impl<'v> From<&'v [f32]> for Lent<'v> {
    #[inline]
    fn from(numbers: &'v [f32]) -> Self {
        Lent(Numbers::Plain(numbers))
    }
}

impl Deref for Lent<'_> {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        match &self.0 {
            Numbers::Plain(numbers) => numbers,
            Numbers::Held(by) => by,
        }
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A vector that could not be lent.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it should be.
    pub slot: Slot,
    /// Why it is not to be had.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Unreadable {
    /// Nobody put a vector into this slot.
    pub fn not_there(slot: Slot) -> Self {
        Unreadable { slot, source: "there is no vector in it".into() }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the vector in slot {} cannot be read: {}", self.slot, self.source)
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

//! Vectors in memory, so that the crate is of use alone.

use base::Slot;

use crate::rows::{Rows, rows_a_piece};
use crate::{Error, Lent, SlotSet, Unreadable, Vectors};

/// Vectors in memory, each where a cache line begins.
///
/// ```
/// use indexes::{Memory, Slot, Vectors};
///
/// let mut memory = Memory::new(2);
/// memory.set(Slot(7), &[1.0, 2.0])?;
/// assert_eq!(memory.vector(Slot(7)).unwrap()[..], [1.0, 2.0]);
/// assert!(memory.vector(Slot(6)).is_err());
/// # Ok::<(), indexes::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Memory {
    dim: usize,
    rows: Rows<f32>,
    there: SlotSet,
}

/// As many numbers as a cache line has: rows are filled up to it.
const NUMBERS: usize = crate::rows::LINE / size_of::<f32>();

impl Memory {
    /// None yet, of so many numbers each.
    pub fn new(dim: usize) -> Self {
        // Short vectors fill a part of a cache line, and never lie in two.
        let width =
            if dim < NUMBERS { dim.next_power_of_two() } else { dim.next_multiple_of(NUMBERS) };
        let piece = rows_a_piece(width * size_of::<f32>());
        Memory { dim, rows: Rows::new(width, piece), there: SlotSet::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.there.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.there.is_empty()
    }

    /// The slots that have one.
    pub fn slots(&self) -> &SlotSet {
        &self.there
    }

    /// Puts a vector into a slot, in the place of the one that was there.
    ///
    /// # Errors
    /// [`Error::Dimension`]; [`Error::NotFinite`].
    pub fn set(&mut self, slot: Slot, vector: &[f32]) -> Result<(), Error> {
        crate::query::check(vector, self.dim)?;
        let at = slot.0 as usize;
        self.rows.reserve(at + 1);
        if let Some(row) = self.rows.row_mut(at).get_mut(..self.dim) {
            row.copy_from_slice(vector);
        }
        self.there.insert(slot);
        Ok(())
    }

    /// Empties a slot; says whether a vector was in it.
    pub fn unset(&mut self, slot: Slot) -> bool {
        self.there.remove(slot)
    }

    /// Empties all slots.
    pub fn clear(&mut self) {
        *self = Memory::new(self.dim);
    }
}

impl Vectors for Memory {
    fn dim(&self) -> usize {
        self.dim
    }

    #[inline]
    fn vector(&self, slot: Slot) -> Result<Lent<'_>, Unreadable> {
        match self.rows.row(slot.0 as usize).get(..self.dim) {
            Some(row) if self.there.contains(slot) => Ok(row.into()),
            _ => Err(Unreadable::not_there(slot)),
        }
    }
}

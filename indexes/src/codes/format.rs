//! Lays out codes in the image of an index: FORMAT.md section 9.2.
//!
//! Promises: what is not wanted, or not there, is zeros, so that the same codes make the same bytes.

use std::io;

use base::Slot;

use super::{CodesInUse, widths};
use crate::out::Out;
use crate::shared::GATE;
use crate::slots::WORD;

impl CodesInUse<'_> {
    /// Writes the codes of slots of so many words, those that are wanted: zeros for others, and for what is not there.
    pub(crate) fn write(
        self,
        words: usize,
        wanted: impl Fn(Slot) -> bool,
        out: &mut Out<'_>,
    ) -> io::Result<()> {
        let [first, second] = widths(self.dim());
        let slots = || (0..words * WORD).map(|slot| Slot(slot as u32));
        for slot in slots() {
            match self.first::<false>(slot.0) {
                row if !row.is_empty() && wanted(slot) => {
                    out.bytes(row)?;
                    out.zeros(GATE)?;
                }
                _ => out.zeros(first)?,
            }
        }
        for slot in slots() {
            match self.both::<false, false>(slot.0).1 {
                row if !row.is_empty() && wanted(slot) => out.bytes(row)?,
                _ => out.zeros(second)?,
            }
        }
        Ok(())
    }
}

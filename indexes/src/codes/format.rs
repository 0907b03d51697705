//! Lays out codes in the image of an index: FORMAT.md section 9.2.
//!
//! Promises: decoding allocates nothing before it has seen that all bytes are there.

use std::io;

use base::Slot;
use base::codec::Decoder;

use super::rows::copy;
use super::{Codes, CodesInUse, widths};
use crate::out::Out;
use crate::shared::GATE;
use crate::slots::WORD;
use crate::{Error, SlotSet};

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

impl Codes {
    /// Takes up the codes of these slots, of so many words.
    pub(crate) fn decode(
        &self,
        (live, words): (&SlotSet, usize),
        decoder: &mut Decoder<'_>,
    ) -> Result<(), Error> {
        let [first, second] = widths(self.dim());
        let (slots, offset) = (words.saturating_mul(WORD), decoder.offset());
        let wrong = || Error::BadImage { what: "codes", offset };
        if slots.checked_mul(first + second) != Some(decoder.rest().len()) {
            return Err(wrong());
        }
        let firsts = decoder.bytes(slots * first, "codes")?;
        let seconds = decoder.bytes(slots * second, "lower planes")?;
        let rows = firsts.chunks_exact(first).zip(seconds.chunks_exact(second));
        for (slot, (from, behind)) in (0..).map(Slot).zip(rows) {
            if !live.contains(slot) {
                continue;
            }
            let is_put = self.own().is_some_and(|rows| copy(rows, slot, (from, behind)));
            if !is_put {
                return Err(wrong());
            }
        }
        Ok(())
    }
}

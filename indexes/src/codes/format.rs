//! Lays out codes in the image of an index: FORMAT.md section 9.2.
//!
//! Promises: decoding allocates nothing before it has seen that all bytes are there.

use base::codec::{Decoder, Encoder};

use super::Codes;
use crate::rows::Rows;
use crate::{Error, Metric, SlotSet};

/// The bytes of a slot beside its planes.
const BESIDE: usize = 4 * super::COARSE + 4 * super::FINE;

impl Codes {
    /// Appends the codes of these slots, zeros for slots between them.
    pub(crate) fn encode(&self, live: &SlotSet, encoder: &mut Encoder<'_>) {
        let rows = live.words_taken() * crate::slots::WORD;
        let there = |row: &usize| live.contains(base::Slot(*row as u32));
        for plane in [&self.upper, &self.lower] {
            for row in 0..rows {
                match Some(row).filter(there) {
                    Some(row) => encoder.bytes(plane.row(row)),
                    None => encoder.zeros(plane.width()),
                };
            }
        }
        for column in self.coarse.iter().chain([&self.fine]) {
            for row in 0..rows {
                match Some(row).filter(there) {
                    Some(row) => column.row(row).iter().for_each(|number| {
                        encoder.f32(*number);
                    }),
                    None => {
                        encoder.zeros(column.width() * size_of::<f32>());
                    }
                }
            }
        }
    }

    /// Codes of so many slots.
    pub(crate) fn decode(
        dim: usize,
        metric: Metric,
        rows: usize,
        decoder: &mut Decoder<'_>,
    ) -> Result<Self, Error> {
        let mut codes = Codes::new(dim, metric);
        let of_slot = 2 * codes.upper.width() + BESIDE;
        if rows.checked_mul(of_slot) != Some(decoder.rest().len()) {
            return Err(Error::BadImage { what: "codes", offset: decoder.offset() });
        }
        for plane in [&mut codes.upper, &mut codes.lower] {
            let width = plane.width();
            plane.reserve(rows);
            for row in 0..rows {
                plane.row_mut(row).copy_from_slice(decoder.bytes(width, "a plane")?);
            }
        }
        for column in codes.coarse.iter_mut().chain([&mut codes.fine]) {
            fill(column, rows, decoder)?;
        }
        Ok(codes)
    }
}

fn fill(column: &mut Rows<f32>, rows: usize, decoder: &mut Decoder<'_>) -> Result<(), Error> {
    let width = column.width();
    column.reserve(rows);
    for row in 0..rows {
        let bytes = decoder.bytes(width * size_of::<f32>(), "a column")?;
        let numbers = bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number));
        column.row_mut(row).iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
    }
    Ok(())
}

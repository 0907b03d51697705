//! Lays out the image of a flat index: FORMAT.md section 9.1.
//!
//! Promises: whatever the bytes, decoding answers with an index or with what is wrong; it never panics, and allocates
//! no more than a small multiple of the bytes it was given.

use std::io::{self, Write};

use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder};

use super::Flat;
use crate::format::{ALIGNMENT, Head, SUM, check_sum, write_words};
use crate::out::Out;
use crate::shared::Lives;
use crate::{Error, Measure, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwflat";

const HEADER: usize = 64;

/// What is written to it is summed up.
struct Summed(Xxh3);

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the image of an index in which no codes are written or let go of meanwhile.
pub(super) fn write(flat: &Flat, into: &mut dyn Write) -> io::Result<()> {
    let Flat { dim, measure, codes, slots, .. } = flat;
    // Others may remove some meanwhile: what is written is what was there when it began.
    let live = slots.live.now();
    let words = live.words_taken();
    let mut header = Vec::new();
    let mut encoder = Encoder::new(&mut header);
    let head = Head::new(measure, (*dim, codes.as_ref()), (words, live.len()));
    head.encode(MAGIC, &mut encoder);
    encoder.zeros(HEADER - SUM - encoder.offset());
    let body = |out: &mut Out<'_>| {
        out.bytes(measure.name().as_bytes())?;
        out.align(ALIGNMENT)?;
        write_words(&live, words, out)?;
        let Some(codes) = codes else { return Ok(()) };
        let pin = flat.readers.pin();
        codes.under(&pin).write(words, |slot| live.contains(slot), out)
    };
    let mut summed = Summed(Xxh3::new());
    summed.0.update(&header);
    let mut out = Out::new(&mut summed);
    body(&mut out)?;
    out.finish()?;
    header.extend(summed.0.sum().to_le_bytes());
    let mut out = Out::new(into);
    out.bytes(&header)?;
    body(&mut out)?;
    out.finish()
}

/// Makes an index of its image.
pub(super) fn decode(image: &[u8], measure: &Measure) -> Result<Flat, Error> {
    let mut decoder = Decoder::new(image);
    let head = Head::decode(MAGIC, &mut decoder)?;
    check_sum(HEADER, image, &mut decoder)?;
    let live = head.body(measure, &mut decoder)?;
    let of = (head.dim, measure.clone());
    let flat = Flat::of(of, head.coded(measure)?, Lives::of(&live, &SlotSet::new()));
    if let Some(codes) = &flat.codes {
        codes.decode((&live, head.words()), &mut decoder)?;
    }
    decoder.finish("codes")?;
    Ok(flat)
}

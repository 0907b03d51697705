//! Lays out the image of a flat index: FORMAT.md section 9.1.
//!
//! Promises: whatever the bytes, decoding answers with an index or with what is wrong; it never panics, and allocates
//! no more than a small multiple of the bytes it was given.

use base::codec::{Decoder, Encoder};

use super::Flat;
use crate::format::{Head, check_sum, encode_body, seal};
use crate::shared::Lives;
use crate::{Error, Measure, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwflat";

const HEADER: usize = 64;

/// Appends the image of an index in which no codes are written or let go of meanwhile.
pub(super) fn encode(flat: &Flat, into: &mut Vec<u8>) {
    let Flat { dim, measure, codes, slots, .. } = flat;
    let live = slots.live.now();
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    let words = live.words_taken();
    let head = Head::new(measure, (*dim, codes.as_ref()), (words, live.len()));
    head.encode(MAGIC, &mut encoder);
    encode_body(HEADER, measure, (&live, words), &mut encoder);
    if let Some(codes) = codes {
        let pin = flat.readers.pin();
        codes.under(&pin).encode(words, |slot| live.contains(slot), &mut encoder);
    }
    seal(HEADER, &mut image);
    into.append(&mut image);
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

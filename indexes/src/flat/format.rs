//! Lays out the image of a flat index: FORMAT.md section 9.1.
//!
//! Promises: whatever the bytes, decoding answers with an index or with what is wrong; it never panics, and allocates
//! no more than a small multiple of the bytes it was given.

use base::codec::{Decoder, Encoder};

use super::{Flat, Kept};
use crate::codes::Codes;
use crate::format::{Head, check_sum, encode_body, seal};
use crate::{Error, Measure};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwflat";

const HEADER: usize = 64;

/// Appends the image of an index.
pub(super) fn encode(flat: &Kept, into: &mut Vec<u8>) {
    let Kept { dim, measure, live, codes, .. } = flat;
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    let words = live.words_taken();
    let head = Head::new(measure, (*dim, codes.as_ref()), (words, live.len()));
    head.encode(MAGIC, &mut encoder);
    encode_body(HEADER, measure, (live, words), &mut encoder);
    if let Some(codes) = codes {
        codes.encode(live, &mut encoder);
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
    let codes = match head.coded(measure)? {
        Some(metric) => Some(Codes::decode(head.dim, metric, head.rows(), &mut decoder)?),
        None => None,
    };
    decoder.finish("codes")?;
    Ok(Flat::of(head.dim, measure.clone(), live, codes))
}

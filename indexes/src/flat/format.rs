//! Lays out the image of a flat index: FORMAT.md section 9.
//!
//! Promises: whatever the bytes, decoding answers with an index or with what is wrong; it never panics, and allocates
//! no more than a small multiple of the bytes it was given.

use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder, Malformed};

use super::Flat;
use crate::codes::{Codes, DIM_MAX};
use crate::lanes::Instructions;
use crate::measure::DISTANCE_NAME_BYTES_MAX;
use crate::slots::WORD;
use crate::{Error, Measure, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwflat";

/// The format that this code writes, and the newest that it reads.
const VERSION: u16 = 0;

const HEADER: usize = 64;

/// Where the sum stands, which covers all other bytes.
const SUM_AT: usize = 56;

/// Everything begins at a multiple of this.
const ALIGNMENT: usize = 64;

/// The greatest number of words: those of all slots there can be.
const WORDS_MAX: u32 = u32::MAX / WORD as u32 + 1;

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Error::BadImage { what: malformed.field, offset: malformed.offset }
    }
}

/// Appends the image of an index.
pub(super) fn encode(flat: &Flat, into: &mut Vec<u8>) {
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    let name = flat.measure.name();
    let words = flat.live.words_taken();
    encoder.bytes(&MAGIC).u16(VERSION).u16(name.len() as u16).u32(flat.dim as u32);
    encoder.u32(flat.codes.is_some().into()).u32(words as u32).u64(flat.live.len() as u64);
    encoder.zeros(HEADER - encoder.offset());
    encoder.bytes(name.as_bytes()).align(ALIGNMENT);
    (0..words).for_each(|at| {
        encoder.u64(flat.live.word(at));
    });
    encoder.align(ALIGNMENT);
    if let Some(codes) = &flat.codes {
        codes.encode(&flat.live, &mut encoder);
    }
    let sum = sum_of(&image).to_le_bytes();
    if let Some(place) = image.get_mut(SUM_AT..HEADER) {
        place.copy_from_slice(&sum);
    }
    into.append(&mut image);
}

/// The sum of all bytes but those it stands in.
fn sum_of(image: &[u8]) -> u64 {
    let (before, behind) = (image.get(..SUM_AT), image.get(HEADER..));
    let mut sum = Xxh3::new();
    sum.update(before.unwrap_or_default()).update(behind.unwrap_or_default());
    sum.sum()
}

/// Makes an index of its image.
pub(super) fn decode(image: &[u8], measure: &Measure) -> Result<Flat, Error> {
    let mut decoder = Decoder::new(image);
    let bad = |what, offset| Err(Error::BadImage { what, offset });
    if decoder.array("magic")? != MAGIC {
        return bad("magic", 0);
    }
    let version = decoder.u16("version")?;
    if version > VERSION {
        return Err(Error::NewerImage { found: version, known: VERSION });
    }
    let name_bytes = usize::from(decoder.u16("name length")?);
    let dim = decoder.u32("dim")? as usize;
    let coded = decoder.u32("codes")?;
    let words = decoder.u32("words")?;
    let slots = decoder.u64("slots")?;
    decoder.zeros(SUM_AT - decoder.offset(), "reserved")?;
    if decoder.u64("sum")? != sum_of(image) {
        return bad("sum", SUM_AT);
    }
    if name_bytes > DISTANCE_NAME_BYTES_MAX || coded > 1 || words > WORDS_MAX {
        return bad("a length", 0);
    }
    let name = decoder.bytes(name_bytes, "name")?;
    if name != measure.name().as_bytes() {
        let built = String::from_utf8_lossy(name).into_owned();
        return Err(Error::Measure { built, given: measure.name().to_owned() });
    }
    decoder.align(ALIGNMENT, "behind the name")?;
    let live = SlotSet::decode(&mut decoder, words as usize)?;
    if live.len() as u64 != slots {
        return bad("slots", 24);
    }
    let codes = match (coded, measure.metric()) {
        (0, _) => None,
        (_, Some(_)) if dim > DIM_MAX => return bad("codes", 16),
        (_, Some(metric)) => Some(Codes::decode(dim, metric, words as usize * WORD, &mut decoder)?),
        (_, None) => return bad("codes", 16),
    };
    decoder.finish("codes")?;
    Ok(Flat { dim, measure: measure.clone(), live, codes, instructions: Instructions::best() })
}

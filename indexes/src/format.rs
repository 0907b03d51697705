//! Lays out what the images of all index kinds share: how they begin, their sum, the name of the distance and the slots.
//! FORMAT.md section 9.1 says it of the flat index, and section 9.3 that a graph does the same.
//!
//! Promises: whatever the bytes, decoding answers with a value or with what is wrong, and allocates no more than a small
//! multiple of them. Never: knows what a kind puts behind.

use std::io;

use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder, Malformed};

use crate::measure::DISTANCE_NAME_BYTES_MAX;
use crate::out::Out;
use crate::slots::WORD;
use crate::{Error, Measure, SlotSet};

/// The format that this code writes, and the newest that it reads.
const VERSION: u16 = 0;

/// Everything begins at a multiple of this.
pub(crate) const ALIGNMENT: usize = 64;

/// How many bytes the sum takes, at the end of a header.
pub(crate) const SUM: usize = size_of::<u64>();

/// The greatest number of words: those of all slots there can be.
const WORDS_MAX: u32 = u32::MAX / WORD as u32 + 1;

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Error::BadImage { what: malformed.field, offset: malformed.offset }
    }
}

/// What an image begins with, behind its magic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    name_bytes: u16,
    pub(crate) dim: usize,
    coded: u32,
    words: u32,
    slots: u64,
}

impl Head {
    /// The head of an index over this distance: with codes or without, and so many words of this many slots.
    pub(crate) fn new(
        measure: &Measure,
        (dim, codes): (usize, Option<&impl Sized>),
        (words, slots): (usize, usize),
    ) -> Self {
        Head {
            name_bytes: measure.name().len() as u16,
            dim,
            coded: codes.is_some().into(),
            words: words as u32,
            slots: slots as u64,
        }
    }

    pub(crate) fn encode(self, magic: [u8; 8], encoder: &mut Encoder<'_>) {
        encoder.bytes(&magic).u16(VERSION).u16(self.name_bytes).u32(self.dim as u32);
        encoder.u32(self.coded).u32(self.words).u64(self.slots);
    }

    /// Reads it; whether it can be true is looked at when the sum is known to fit ([`Head::body`]).
    pub(crate) fn decode(magic: [u8; 8], decoder: &mut Decoder<'_>) -> Result<Self, Error> {
        if decoder.array("magic")? != magic {
            return Err(Error::BadImage { what: "magic", offset: 0 });
        }
        let version = decoder.u16("version")?;
        if version > VERSION {
            return Err(Error::NewerImage { found: version, known: VERSION });
        }
        Ok(Head {
            name_bytes: decoder.u16("name length")?,
            dim: decoder.u32("dim")? as usize,
            coded: decoder.u32("codes")?,
            words: decoder.u32("words")?,
            slots: decoder.u64("slots")?,
        })
    }

    /// Looks whether it can be true, and whether this, but for zeros behind it, is the name of the distance.
    pub(crate) fn check(self, measure: &Measure, name: &[u8]) -> Result<(), Error> {
        let name_bytes = usize::from(self.name_bytes);
        if name_bytes > DISTANCE_NAME_BYTES_MAX || self.coded > 1 || self.words > WORDS_MAX {
            return Err(Error::BadImage { what: "a length", offset: 0 });
        }
        let (name, zeros) = name.split_at_checked(name_bytes).unwrap_or((name, &[]));
        if name != measure.name().as_bytes() {
            let built = String::from_utf8_lossy(name).into_owned();
            return Err(Error::Measure { built, given: measure.name().to_owned() });
        }
        match zeros.iter().all(|zero| *zero == 0) {
            true => Ok(()),
            false => Err(Error::BadImage { what: "behind the name", offset: 0 }),
        }
    }

    /// Reads what stands behind the header: the name, which must be that of the distance, and the slots.
    pub(crate) fn body(
        self,
        measure: &Measure,
        decoder: &mut Decoder<'_>,
    ) -> Result<SlotSet, Error> {
        let name = decoder.bytes(usize::from(self.name_bytes), "name")?;
        self.check(measure, name)?;
        decoder.align(ALIGNMENT, "behind the name")?;
        let live = SlotSet::decode(decoder, self.words as usize)?;
        match live.len() == self.slots() {
            true => Ok(live),
            false => Err(Error::BadImage { what: "slots", offset: 24 }),
        }
    }

    /// How many slots there are.
    pub(crate) fn slots(self) -> usize {
        usize::try_from(self.slots).unwrap_or(usize::MAX)
    }

    /// How many words it takes to say which.
    pub(crate) fn words(self) -> usize {
        self.words as usize
    }

    /// For how many slots there are rows.
    pub(crate) fn rows(self) -> usize {
        self.words().saturating_mul(WORD)
    }

    /// The metric of the codes, if there are codes.
    pub(crate) fn coded(self, measure: &Measure) -> Result<Option<crate::Metric>, Error> {
        match (self.coded, measure.metric()) {
            (0, _) => Ok(None),
            // A code of no numbers would be a row of no bytes.
            (_, Some(metric)) if (1..=crate::codes::DIM_MAX).contains(&self.dim) => {
                Ok(Some(metric))
            }
            _ => Err(Error::BadImage { what: "codes", offset: 16 }),
        }
    }
}

/// Writes so many words of a set.
pub(crate) fn write_words(set: &SlotSet, words: usize, out: &mut Out<'_>) -> io::Result<()> {
    (0..words).try_for_each(|at| out.bytes(&set.word(at).to_le_bytes()))?;
    out.align(ALIGNMENT)
}

/// The sum of all bytes but those it stands in, the last of the header.
fn sum_of(header: usize, image: &[u8]) -> u64 {
    let (before, behind) = (image.get(..header - SUM), image.get(header..));
    let mut sum = Xxh3::new();
    sum.update(before.unwrap_or_default()).update(behind.unwrap_or_default());
    sum.sum()
}

/// Reads the rest of a header, and whether the sum fits.
pub(crate) fn check_sum(
    header: usize,
    image: &[u8],
    decoder: &mut Decoder<'_>,
) -> Result<(), Error> {
    decoder.zeros(header - SUM - decoder.offset(), "reserved")?;
    if decoder.u64("sum")? == sum_of(header, image) {
        return Ok(());
    }
    Err(Error::BadImage { what: "sum", offset: header - SUM })
}

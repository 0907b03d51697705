//! Lays out what the images of all index kinds share: a header of a page, which has a sum of its own and knows the root of the
//! sums of all else, and the slots. FORMAT.md section 9.1 says it of the flat index, and section 9.3 that a graph does the same.
//!
//! Promises: whatever the bytes, decoding answers with a value or with what is wrong, and allocates nothing but a name to say
//! what is wrong. Never: knows what else a kind puts into its header and behind.

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

/// The header is a page.
pub(crate) const HEADER: usize = 4_096;

/// Its last bytes are the sum of those before.
pub(crate) const SUM: usize = HEADER - size_of::<u64>();

/// Where it says what lies behind it.
pub(crate) const DATA: usize = 80;

/// Where the name of the distance stands in it.
const NAME: usize = 128;

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

    /// Reads it from an image whose header has a sum that fits; answers with what reads the rest of the header, too.
    pub(crate) fn decode(magic: [u8; 8], image: &[u8]) -> Result<(Self, Decoder<'_>), Error> {
        let mut decoder = Decoder::new(image.get(..HEADER).unwrap_or(image));
        if decoder.array("magic")? != magic {
            return Err(Error::BadImage { what: "magic", offset: 0 });
        }
        let version = decoder.u16("version")?;
        if version > VERSION {
            return Err(Error::NewerImage { found: version, known: VERSION });
        }
        let sum = image.get(SUM..HEADER).and_then(<[u8]>::first_chunk);
        if sum.map(|sum| u64::from_le_bytes(*sum)) != image.get(..SUM).map(Xxh3::of) {
            return Err(Error::BadImage { what: "the sum of the header", offset: SUM });
        }
        let head = Head {
            name_bytes: decoder.u16("name length")?,
            dim: decoder.u32("dim")? as usize,
            coded: decoder.u32("codes")?,
            words: decoder.u32("words")?,
            slots: decoder.u64("slots")?,
        };
        Ok((head, decoder))
    }

    /// Looks whether it can be true, and whether this, but for zeros behind it, is the name of the distance.
    fn check(self, measure: &Measure, name: &[u8]) -> Result<(), Error> {
        let name_bytes = usize::from(self.name_bytes);
        if name_bytes > DISTANCE_NAME_BYTES_MAX || self.coded > 1 || self.words > WORDS_MAX {
            return Err(Error::BadImage { what: "a length", offset: 0 });
        }
        if self.slots() > self.rows() {
            return Err(Error::BadImage { what: "slots", offset: 24 });
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

/// What a header says of the data behind it, and by which distance the index is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    /// The sum that the sums of all of it lead to.
    pub(crate) root: u64,
    /// How many slots were removed and are not given back.
    pub(crate) removed: usize,
}

impl Data {
    /// Writes it where it stands, behind zeros.
    pub(crate) fn encode(self, measure: &Measure, encoder: &mut Encoder<'_>) {
        encoder.zeros(DATA - encoder.offset()).u64(self.root).u64(self.removed as u64);
        encoder.zeros(NAME - encoder.offset()).bytes(measure.name().as_bytes());
        encoder.zeros(NAME + DISTANCE_NAME_BYTES_MAX - encoder.offset());
    }

    /// Reads it from where it stands; what that and the head say must be able to be true of an index by this distance.
    pub(crate) fn decode(
        head: Head,
        measure: &Measure,
        decoder: &mut Decoder<'_>,
    ) -> Result<Self, Error> {
        decoder.zeros(DATA - decoder.offset(), "reserved")?;
        let root = decoder.u64("root")?;
        let removed = usize::try_from(decoder.u64("removed")?).unwrap_or(usize::MAX);
        decoder.zeros(NAME - decoder.offset(), "reserved")?;
        head.check(measure, decoder.bytes(DISTANCE_NAME_BYTES_MAX, "name")?)?;
        match removed <= head.rows() {
            true => Ok(Data { root, removed }),
            false => Err(Error::BadImage { what: "removed", offset: DATA + size_of::<u64>() }),
        }
    }
}

/// Makes a header whole: zeros up to its sum, and that.
pub(crate) fn seal(mut header: Vec<u8>) -> Vec<u8> {
    header.resize(SUM, 0);
    let sum = Xxh3::of(&header);
    header.extend(sum.to_le_bytes());
    header
}

/// Looks whether a header has nothing more to say.
pub(crate) fn finish(mut decoder: Decoder<'_>) -> Result<(), Error> {
    Ok(decoder.zeros(SUM - decoder.offset(), "reserved")?)
}

/// Writes so many words of sets, one set after the other.
pub(crate) fn write_words(sets: &[SlotSet; 2], words: usize, out: &mut Out<'_>) -> io::Result<()> {
    for set in sets {
        (0..words).try_for_each(|at| out.bytes(&set.word(at).to_le_bytes()))?;
        out.align(ALIGNMENT)?;
    }
    Ok(())
}

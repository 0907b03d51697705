//! The header of a record, and the checks of what lies behind it: FORMAT.md section 3.2.

use base::checksum::Crc32;
use base::codec::{Decoder, Encoder};
use base::{FileId, Sequence};

use super::{ALIGNMENT, HEADER_BYTES, Invalid, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES};

/// Where the sum ends that stands first and covers all behind it.
const SUM_END: usize = 4;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A batch, or a part of one.
    Batch,
    /// Nothing but the word that all before it is synced.
    SyncMark,
    /// The same, written when the log is closed.
    Close,
}

/// Which part of its batch a record holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All of it.
    Whole,
    /// Its beginning.
    First,
    /// Neither its beginning nor its end.
    Middle,
    /// Its end.
    Last {
        /// XXH3-64 of the whole table and, behind it, of the whole body's XXH3-64.
        whole_sum: u64,
    },
}

/// The header of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHeader {
    /// The sum of the header before it: of the last record, or of the file.
    pub previous_sum: u32,
    /// Of the batch; of a mark that of the batch before it, if there was one.
    pub sequence: Option<Sequence>,
    /// Up to where this file was known to be synced when the record was framed; 0 for nowhere.
    pub synced_to: u64,
    /// Length of the table.
    pub table_bytes: u32,
    /// Sum of the table.
    pub table_sum: u32,
    /// Length of the body.
    pub body_bytes: u32,
    /// Sum of the body.
    pub body_sum: u32,
    /// What the record is.
    pub kind: Kind,
    /// Which part of its batch it holds.
    pub part: Part,
}

/// A header whose own sum fits its place, so that its lengths can be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    /// What it says.
    pub header: RecordHeader,
    /// Its own sum, which the next record repeats.
    pub sum: u32,
}

/// A place for a record: the file's number and salt, and the offset in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The file's salt.
    pub salt: u64,
    /// The offset of the record's first byte.
    pub offset: u64,
}

impl Place {
    /// The low half of the salt, as a record carries it.
    fn salt_low(&self) -> u32 {
        self.salt as u32
    }
}

impl RecordHeader {
    /// How many bytes the record takes with its table, its body and their padding.
    pub fn record_bytes(&self) -> u64 {
        let padded = |bytes: u32| u64::from(bytes).next_multiple_of(ALIGNMENT as u64);
        RECORD_HEADER_BYTES as u64 + padded(self.table_bytes) + padded(self.body_bytes)
    }

    /// The header's bytes for this place, and their sum.
    ///
    /// # Panics
    /// If a field has a value that section 3.2 does not allow: such a record would be refused when it
    /// is read.
    pub fn encode(&self, place: &Place) -> ([u8; RECORD_HEADER_BYTES], u32) {
        assert_eq!(self.check(place), Ok(()), "a record that could not be read again: {self:?}");
        let mut bytes = Vec::with_capacity(RECORD_HEADER_BYTES);
        let mut into = Encoder::new(&mut bytes);
        let (part, whole_sum) = match self.part {
            Part::Whole => (0, 0),
            Part::First => (1, 0),
            Part::Middle => (2, 0),
            Part::Last { whole_sum } => (3, whole_sum),
        };
        let kind = match self.kind {
            Kind::Batch => 1,
            Kind::SyncMark => 2,
            Kind::Close => 3,
        };
        into.u32(0).u32(self.previous_sum).u64(self.sequence.map_or(0, Sequence::get));
        into.u64(self.synced_to);
        into.u32(self.table_bytes).u32(self.table_sum).u32(self.body_bytes).u32(self.body_sum);
        into.u8(kind).u8(part).u16(0).u32(place.salt_low()).u64(whole_sum);
        let sum = sum_of(&bytes, place);
        let mut header = [0; RECORD_HEADER_BYTES];
        let summed = sum.to_le_bytes().into_iter().chain(bytes.into_iter().skip(SUM_END));
        header.iter_mut().zip(summed).for_each(|(byte, summed)| *byte = summed);
        (header, sum)
    }

    /// Reads the header of a record that begins with these bytes at this place.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8], place: &Place) -> Result<Verified, Invalid> {
        let bytes = bytes.get(..RECORD_HEADER_BYTES).ok_or(Invalid::Short)?;
        let mut from = Decoder::new(bytes);
        let sum = from.u32("sum")?;
        if sum != sum_of(bytes, place) {
            return Err(Invalid::Sum("record header"));
        }
        let previous_sum = from.u32("previous_sum")?;
        let sequence = Sequence::new(from.u64("sequence")?);
        let synced_to = from.u64("synced_to")?;
        let (table_bytes, table_sum) = (from.u32("table_bytes")?, from.u32("table_sum")?);
        let (body_bytes, body_sum) = (from.u32("body_bytes")?, from.u32("body_sum")?);
        let kind = match from.u8("kind")? {
            1 => Kind::Batch,
            2 => Kind::SyncMark,
            3 => Kind::Close,
            _ => return Err(Invalid::Value("kind")),
        };
        let part = from.u8("part")?;
        if from.u16("reserved")? != 0 {
            return Err(Invalid::Value("reserved"));
        }
        if from.u32("salt_low")? != place.salt_low() {
            return Err(Invalid::Foreign("salt_low"));
        }
        let part = match (part, from.u64("whole_sum")?) {
            (0, 0) => Part::Whole,
            (1, 0) => Part::First,
            (2, 0) => Part::Middle,
            (3, whole_sum) => Part::Last { whole_sum },
            (0..=2, _) => return Err(Invalid::Value("whole_sum")),
            _ => return Err(Invalid::Value("part")),
        };
        let header = RecordHeader {
            previous_sum,
            sequence,
            synced_to,
            table_bytes,
            table_sum,
            body_bytes,
            body_sum,
            kind,
            part,
        };
        header.check(place)?;
        Ok(Verified { header, sum })
    }

    /// The rules of section 3.2 that the types do not hold.
    fn check(&self, place: &Place) -> Result<(), Invalid> {
        let (start, aligned) = (HEADER_BYTES as u64, ALIGNMENT as u64);
        if place.offset < start || !place.offset.is_multiple_of(aligned) {
            return Err(Invalid::Foreign("offset"));
        }
        let synced_to = self.synced_to;
        let is_an_offset = synced_to >= start && synced_to.is_multiple_of(aligned);
        if synced_to != 0 && !(is_an_offset && synced_to <= place.offset) {
            return Err(Invalid::Value("synced_to"));
        }
        if u64::from(self.table_bytes) + u64::from(self.body_bytes) > PAYLOAD_BYTES_MAX as u64 {
            return Err(Invalid::Value("body_bytes"));
        }
        if self.kind == Kind::Batch {
            return if self.sequence.is_some() { Ok(()) } else { Err(Invalid::Value("sequence")) };
        }
        if self.part != Part::Whole {
            return Err(Invalid::Value("part"));
        }
        let is_bare = (self.table_bytes, self.body_bytes) == (0, 0);
        if is_bare { Ok(()) } else { Err(Invalid::Value("body_bytes")) }
    }
}

impl Verified {
    /// Splits the bytes behind the header into table and body, after checking both.
    ///
    /// # Errors
    /// If there are too few, a sum does not fit, or the padding is not zero.
    pub fn payload<'a>(&self, behind: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Invalid> {
        let length = |bytes: u32| usize::try_from(bytes).map_err(|_| Invalid::Short);
        let mut from = Decoder::new(behind);
        let table = from.bytes(length(self.header.table_bytes)?, "table")?;
        let padded = pad(&mut from)?;
        let body = from.bytes(length(self.header.body_bytes)?, "body")?;
        let padded = padded && pad(&mut from)?;
        if Crc32::of(table) != self.header.table_sum {
            return Err(Invalid::Sum("table"));
        }
        if Crc32::of(body) != self.header.body_sum {
            return Err(Invalid::Sum("body"));
        }
        if padded { Ok((table, body)) } else { Err(Invalid::Value("padding")) }
    }
}

/// Skips the padding; says whether it is all zeros.
fn pad(from: &mut Decoder<'_>) -> Result<bool, Invalid> {
    let count = from.offset().next_multiple_of(ALIGNMENT) - from.offset();
    Ok(from.bytes(count, "padding")?.iter().all(|byte| *byte == 0))
}

/// The sum of a header's bytes at a place.
fn sum_of(header: &[u8], place: &Place) -> u32 {
    let mut sum = Crc32::new();
    sum.update(header.get(SUM_END..RECORD_HEADER_BYTES).unwrap_or_default());
    sum.update_u64(place.salt).update_u64(place.file.0).update_u64(place.offset);
    sum.sum()
}

//! The header of a log file: FORMAT.md section 3.1.

use base::checksum::Crc32;
use base::codec::{Decoder, Encoder};
use base::{FileId, Sequence, StoreId, Timeline};

use super::{ALIGNMENT, HEADER_BYTES, Invalid, VERSION};

/// Length of the block that holds the header: a sector. It stands twice, first and last.
const BLOCK_BYTES: usize = 512;
/// Where the second of the two begins.
const SECOND_AT: usize = HEADER_BYTES - BLOCK_BYTES;
const _: () = assert!(SECOND_AT >= BLOCK_BYTES, "two blocks in two sectors");

const MAGIC: [u8; 8] = *b"arrwLOG\n";
/// Where the sum stands: it covers everything else.
const SUM_AT: usize = 12;
const SUM_END: usize = 16;

/// What a log file says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileHeader {
    /// The store it belongs to.
    pub store: StoreId,
    /// Its own number. Not 0.
    pub file: FileId,
    /// Drawn at random for this file; every record's sum covers it.
    pub salt: u64,
    /// The branch of history its records belong to.
    pub timeline: Timeline,
    /// First sequence that belongs to the timeline. Batches below it that stand here were taken over.
    pub timeline_first: Sequence,
    /// The timeline it branched off, if it is not a store's first.
    pub parent: Option<Timeline>,
    /// Sequence of the first batch that begins or goes on here.
    pub first: Sequence,
    /// The file before it, if there is one.
    pub previous: Option<Predecessor>,
    /// Whether anything stands behind the header.
    pub holds: Holds,
    /// Length of the file: a multiple of 8, at least that of the header.
    pub bytes: u64,
}

/// What stands behind a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holds {
    /// Records.
    Records,
    /// Nothing, ever: the log was closed, and the header witnesses where it ended.
    Nothing,
}

/// Where a log file's predecessor ends. All of it was synced before this was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Predecessor {
    /// Its number: not 0, and below that of the file that names it.
    pub file: FileId,
    /// The offset behind its last record.
    pub end: u64,
    /// The sum of its last record's header, or of its own header if it holds no record.
    pub sum: u32,
}

/// A header as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// What it says.
    pub header: FileHeader,
    /// Its sum, which the first record repeats.
    pub sum: u32,
    /// Whether all 4096 bytes are as they were written.
    pub state: HeaderState,
}

/// What became of a header's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderState {
    /// They are as they were written.
    Whole,
    /// One of the two blocks is, and the header was read from that; the rest is torn or damaged.
    Damaged,
}

impl FileHeader {
    /// The header's 4096 bytes.
    ///
    /// # Panics
    /// If a field has a value that section 3.1 does not allow: such a header would be refused when
    /// it is read, and all behind it lost.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.check(), Ok(()), "a header that could not be read again: {self:?}");
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        let mut into = Encoder::new(&mut bytes);
        into.bytes(&MAGIC).u16(VERSION).zeros(2).u32(0);
        into.bytes(&self.store.0).u64(self.file.0).u64(self.salt);
        into.u64(self.timeline.get()).u64(self.timeline_first.get());
        into.u64(self.parent.map_or(0, Timeline::get)).u64(self.first.get());
        let Predecessor { file, end, sum } =
            self.previous.unwrap_or(Predecessor { file: FileId(0), end: 0, sum: 0 });
        let holds = match self.holds {
            Holds::Records => 0,
            Holds::Nothing => 1,
        };
        into.u64(file.0).u64(end).u32(sum).u32(holds).u64(self.bytes).align(BLOCK_BYTES);
        let sum = sum_of(&bytes).to_le_bytes();
        if let Some(place) = bytes.get_mut(SUM_AT..SUM_END) {
            place.copy_from_slice(&sum);
        }
        let block = bytes.clone();
        bytes.resize(SECOND_AT, 0);
        bytes.extend_from_slice(&block);
        bytes
    }

    /// Reads the header from the first bytes of a file: from either block, if only one is valid.
    ///
    /// # Errors
    /// What is wrong with the first block, if both are wrong. A spare, all zeros, is
    /// [`Invalid::Magic`].
    pub fn decode(bytes: &[u8]) -> Result<Found, Invalid> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(Invalid::Short)?;
        let (first, rest) = bytes.split_at(BLOCK_BYTES);
        let (between, second) = rest.split_at(SECOND_AT - BLOCK_BYTES);
        let (header, sum) = match (Self::decode_block(first), Self::decode_block(second)) {
            (Ok(found), _) | (Err(_), Ok(found)) => found,
            (Err(invalid), Err(_)) => return Err(invalid),
        };
        let is_whole = first == second && between.iter().all(|byte| *byte == 0);
        let state = if is_whole { HeaderState::Whole } else { HeaderState::Damaged };
        Ok(Found { header, sum, state })
    }

    fn decode_block(bytes: &[u8]) -> Result<(FileHeader, u32), Invalid> {
        let mut from = Decoder::new(bytes);
        if from.array("magic")? != MAGIC {
            return Err(Invalid::Magic);
        }
        let version = from.u16("version")?;
        let reserved = from.u16("reserved")?;
        let sum = from.u32("sum")?;
        if sum != sum_of(bytes) {
            return Err(Invalid::Sum("file header"));
        }
        if version > VERSION {
            return Err(Invalid::Newer { found: version });
        }
        let store = StoreId(from.array("store")?);
        let file = FileId(from.u64("file")?);
        let salt = from.u64("salt")?;
        let timeline = Timeline::new(from.u64("timeline")?).ok_or(Invalid::Value("timeline"))?;
        let timeline_first = from.u64("timeline_first")?;
        let parent = Timeline::new(from.u64("parent")?);
        let first = from.u64("first")?;
        let previous = Predecessor {
            file: FileId(from.u64("previous")?),
            end: from.u64("previous_end")?,
            sum: from.u32("previous_sum")?,
        };
        let holds = match from.u32("holds")? {
            0 => Holds::Records,
            1 => Holds::Nothing,
            _ => return Err(Invalid::Value("holds")),
        };
        let bytes = from.u64("bytes")?;
        if reserved != 0 || from.rest().iter().any(|byte| *byte != 0) {
            return Err(Invalid::Value("reserved"));
        }
        let is_first = previous.file.0 == 0;
        if is_first && (previous.end, previous.sum) != (0, 0) {
            return Err(Invalid::Value("previous"));
        }
        let header = FileHeader {
            store,
            file,
            salt,
            timeline,
            timeline_first: Sequence::new(timeline_first)
                .ok_or(Invalid::Value("timeline_first"))?,
            parent,
            first: Sequence::new(first).ok_or(Invalid::Value("first"))?,
            previous: (!is_first).then_some(previous),
            holds,
            bytes,
        };
        header.check()?;
        Ok((header, sum))
    }

    /// Refuses a header that is found under the name of another file, or in another store.
    ///
    /// # Errors
    /// [`Invalid::Foreign`], with the field that does not fit.
    pub fn check_place(&self, store: StoreId, file: FileId) -> Result<(), Invalid> {
        if self.store != store {
            return Err(Invalid::Foreign("store"));
        }
        if self.file != file { Err(Invalid::Foreign("file")) } else { Ok(()) }
    }

    /// The rules of section 3.1 that the types do not hold.
    fn check(&self) -> Result<(), Invalid> {
        if self.file.0 == 0 {
            return Err(Invalid::Value("file"));
        }
        if self.parent == Some(self.timeline) {
            return Err(Invalid::Value("parent"));
        }
        let is_long_enough = match self.holds {
            Holds::Records => self.bytes >= HEADER_BYTES as u64,
            Holds::Nothing => self.bytes == HEADER_BYTES as u64,
        };
        if !is_long_enough || !self.bytes.is_multiple_of(ALIGNMENT as u64) {
            return Err(Invalid::Value("bytes"));
        }
        let Some(previous) = self.previous else {
            return Ok(());
        };
        if previous.file.0 == 0 || previous.file >= self.file {
            return Err(Invalid::Value("previous"));
        }
        let is_aligned = previous.end.is_multiple_of(ALIGNMENT as u64);
        if !is_aligned || previous.end < HEADER_BYTES as u64 {
            return Err(Invalid::Value("previous_end"));
        }
        Ok(())
    }
}

/// The sum of a header's block, less the sum itself.
fn sum_of(header: &[u8]) -> u32 {
    let before = header.get(..SUM_AT).unwrap_or_default();
    let behind = header.get(SUM_END..BLOCK_BYTES).unwrap_or_default();
    let mut sum = Crc32::new();
    sum.update(before).update(behind);
    sum.sum()
}

//! Lays out the header of a segment. FORMAT.md section 4.2 is the authority; this is where it becomes
//! code.
//!
//! Promises
//!  1. Whatever the bytes, decoding answers with a header or with what is wrong; it never panics.
//!  2. A decoded header's stride, slots and number are those that its geometry gives, so that nothing
//!     further on has to doubt them.
//!
//! Never: reads or writes files; looks at a vector.

pub(crate) mod block;

use base::codec::Decoder;
use base::{CollectionId, Dim, FileId, StoreId};

use crate::geometry::{Element, Geometry};

/// The format that this code writes, and the newest that it reads.
pub const VERSION: u16 = 0;

const MAGIC: [u8; 8] = *b"arrwSEG\n";

/// What a segment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    /// The store it belongs to.
    pub store: StoreId,
    /// Its own number among all files of vectors. Not 0.
    pub file: FileId,
    /// The collection whose vectors it holds.
    pub collection: CollectionId,
    /// Its number in the collection: one that the geometry has a first slot for.
    pub segment: u32,
    /// The layout of the collection's segments.
    pub geometry: Geometry,
}

/// A header as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// What it says.
    pub header: SegmentHeader,
    /// Whether all 4096 bytes are as they were written.
    pub state: HeaderState,
}

/// What became of a header's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderState {
    /// They are as they were written.
    Whole,
    /// One of the two blocks is, and the header was read from that; the rest is damaged.
    Damaged,
}

/// Why bytes are not the header they were taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Invalid {
    /// There are not enough of them.
    Short,
    /// They do not begin as a file of its kind does.
    Magic,
    /// The sum does not fit.
    Sum,
    /// A field has a value that nothing writes, although the sum fits.
    Value(&'static str),
    /// They belong elsewhere: to another store, another file, another collection, or another place in it.
    Foreign(&'static str),
    /// They were written by a newer arrwDB.
    Newer {
        /// The version that was found.
        found: u16,
    },
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Invalid::Short => write!(f, "too few bytes"),
            Invalid::Magic => write!(f, "it does not begin as one does"),
            Invalid::Sum => write!(f, "the checksum of the header does not fit"),
            Invalid::Value(field) => write!(f, "{field} has an impossible value"),
            Invalid::Foreign(field) => write!(f, "of another place: {field} does not fit"),
            Invalid::Newer { found } => {
                write!(f, "written in format {found} by a newer arrwDB; this one knows {VERSION}")
            }
        }
    }
}

impl std::error::Error for Invalid {}

impl From<base::codec::Malformed> for Invalid {
    fn from(_: base::codec::Malformed) -> Self {
        Invalid::Short
    }
}

/// The number an element type has on disk; 2, 3 and 4 are kept for f16, i8 and bits.
fn code_of(element: Element) -> u8 {
    match element {
        Element::F32 => 1,
    }
}

impl SegmentHeader {
    /// The header's 4096 bytes.
    ///
    /// # Panics
    /// If a field has a value that section 4.2 does not allow: such a header would be refused when it
    /// is read, and all behind it lost.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.check(), Ok(()), "a header that could not be read again: {self:?}");
        let SegmentHeader { store, file, collection, segment, geometry } = self;
        block::encode(MAGIC, |into| {
            into.bytes(&store.0).u64(file.0).u32(collection.0).u32(*segment);
            into.u32(geometry.dim().get()).u8(code_of(geometry.element())).zeros(3);
            into.u32(stride_of(geometry)).u32(geometry.slots_of(*segment));
        })
    }

    /// Reads the header from the first bytes of a file: from either block, if only one is valid.
    ///
    /// # Errors
    /// What is wrong with the first block, if both are wrong.
    pub fn decode(bytes: &[u8]) -> Result<Found, Invalid> {
        let (header, state) = block::decode(bytes, MAGIC, Self::decode_fields)?;
        Ok(Found { header, state })
    }

    fn decode_fields(from: &mut Decoder<'_>) -> Result<SegmentHeader, Invalid> {
        let store = StoreId(from.array("store")?);
        let file = FileId(from.u64("file")?);
        let collection = CollectionId(from.u32("collection")?);
        let segment = from.u32("segment")?;
        let dim = Dim::new(from.u32("dim")?).ok_or(Invalid::Value("dim"))?;
        let element = match from.u8("element")? {
            1 => Element::F32,
            _ => return Err(Invalid::Value("element")),
        };
        let padding: [u8; 3] = from.array("reserved")?;
        let stride = from.u32("stride")?;
        let slots = from.u32("slots")?;
        if padding != [0; 3] {
            return Err(Invalid::Value("reserved"));
        }
        let geometry = Geometry::new(dim, element);
        let header = SegmentHeader { store, file, collection, segment, geometry };
        header.check()?;
        if stride != stride_of(&geometry) {
            return Err(Invalid::Value("stride"));
        }
        if slots != geometry.slots_of(segment) {
            return Err(Invalid::Value("slots"));
        }
        Ok(header)
    }

    /// Refuses a header that is not the one expected: whoever refers to a segment knows all of it.
    ///
    /// # Errors
    /// [`Invalid::Foreign`], with the first field that does not fit.
    pub fn check_place(&self, expected: &SegmentHeader) -> Result<(), Invalid> {
        let foreign = |field| Err(Invalid::Foreign(field));
        if self.store != expected.store {
            return foreign("store");
        }
        if self.file != expected.file {
            return foreign("file");
        }
        if self.collection != expected.collection {
            return foreign("collection");
        }
        if self.segment != expected.segment {
            return foreign("segment");
        }
        if self.geometry.dim() != expected.geometry.dim() {
            return foreign("dim");
        }
        if self.geometry.element() != expected.geometry.element() {
            return foreign("element");
        }
        Ok(())
    }

    /// The rules of section 4.2 that the types do not hold.
    fn check(&self) -> Result<(), Invalid> {
        if self.file.0 == 0 {
            return Err(Invalid::Value("file"));
        }
        if self.geometry.first_slot(self.segment).is_none() {
            return Err(Invalid::Value("segment"));
        }
        Ok(())
    }
}

/// The stride as it is written: at most that of the longest vectors, and so far below the limit.
fn stride_of(geometry: &Geometry) -> u32 {
    u32::try_from(geometry.stride()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

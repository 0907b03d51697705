//! Lays out images and manifests. FORMAT.md sections 5 and 6 are the authority; here is where they become
//! code.
//!
//! Promises
//!  1. Whatever the bytes, decoding answers with a value or with what is wrong; it never panics, and
//!     allocates no more than a small multiple of the bytes it was given.
//!  2. What is decoded is consistent in itself: all lies within the file, and nothing further on has to
//!     doubt it.
//!
//! Never: reads or writes files.

pub(crate) mod body;
pub mod image;
pub mod manifest;
pub mod sums;

/// The format that this code writes, and the newest that it reads.
pub const VERSION: u16 = 0;

/// Why bytes are not what they were taken for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Invalid {
    /// There are not enough of them, or too many.
    Length,
    /// They do not begin as such a file does.
    Magic,
    /// The sum of this part does not fit.
    Sum(&'static str),
    /// A field has a value that nothing writes, although the sum fits.
    Value(&'static str),
    /// They belong elsewhere: to another store, or another file.
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
            Invalid::Length => write!(f, "it has another length than it says"),
            Invalid::Magic => write!(f, "it is of another kind"),
            Invalid::Sum(part) => write!(f, "the checksum of the {part} does not fit"),
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
        Invalid::Length
    }
}

/// The CRC-32 of a block, less the four bytes in which it stands: they are at the same place in each.
fn sum_of(block: &[u8]) -> u32 {
    let before = block.get(..SUM_AT).unwrap_or_default();
    let behind = block.get(SUM_END..).unwrap_or_default();
    let mut sum = base::checksum::Crc32::new();
    sum.update(before).update(behind);
    sum.sum()
}

/// Puts the sum in its place.
fn put_sum(block: &mut [u8]) {
    let sum = sum_of(block).to_le_bytes();
    if let Some(place) = block.get_mut(SUM_AT..SUM_END) {
        place.copy_from_slice(&sum);
    }
}

/// Where the sum of a block stands: it covers everything else.
const SUM_AT: usize = 12;
const SUM_END: usize = 16;

//! Lays out the log's bytes: the header of a file and the header of a record. FORMAT.md section 3 is
//! the authority; this is where it becomes code.
//!
//! Promises
//!  1. Whatever the bytes, decoding answers with a value or with what is wrong; it never panics.
//!  2. A decoded header's lengths and offsets lie within the bounds of section 3, so that nothing
//!     further on has to doubt them.
//!  3. Bytes of another file, another store or another place of the same file do not decode.
//!
//! Never: reads or writes files; decides where the log ends.

mod header;
mod record;

pub use header::{FileHeader, Found, HeaderState, Holds, Predecessor};
pub use record::{Kind, Part, Place, RecordHeader, Verified};

/// Length of a log file's header: the first record begins behind it.
pub const HEADER_BYTES: usize = 4096;

/// Length of a record's header.
pub const RECORD_HEADER_BYTES: usize = 56;

/// Records, tables and bodies begin at multiples of this.
pub const ALIGNMENT: usize = 8;

/// The most that the table and the body of one record take together; a longer batch is cut into
/// parts. Small beside the smallest file, so that little is left over at the end of one.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// The most that the table and the body of a whole batch take together.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The format that this code writes, and the newest that it reads.
pub const VERSION: u16 = 0;

const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGNMENT), "the first record is aligned");
const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(ALIGNMENT), "tables are aligned");

/// Why bytes are not what they were taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Invalid {
    /// There are not enough of them.
    Short,
    /// They do not begin as such a file does.
    Magic,
    /// A sum does not fit: of the header, the table, the body or the whole batch.
    Sum(&'static str),
    /// A field has a value that nothing writes, although the sum fits.
    Value(&'static str),
    /// They belong elsewhere: to another store, another file, or another place of this one.
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
            Invalid::Magic => write!(f, "not a log file"),
            Invalid::Sum(what) => write!(f, "the checksum of the {what} does not fit"),
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

#[cfg(test)]
mod tests;

//! Writes down what a segment says of itself, for people to read.

use std::fmt::Write;

use disk::File;

use crate::format::{HeaderState, SegmentHeader};
use crate::geometry::HEADER_BYTES;
use crate::{Element, Error, Result};

/// Writes down what the header of a segment says, wherever the file lies; says whether it is as it was written. The
/// vectors themselves can only be checked by who knows their sums.
///
/// # Errors
/// If the disk cannot read it.
pub fn describe(file: &dyn File, into: &mut String) -> Result<bool> {
    let size = file.size()?;
    let mut bytes = vec![0; HEADER_BYTES.min(usize::try_from(size).unwrap_or(HEADER_BYTES))];
    file.read_at(0, &mut bytes).map_err(|source| Error::Unreadable {
        path: file.path().to_path_buf(),
        offset: 0,
        source,
    })?;
    // Writing to a string cannot fail.
    let _infallible = writeln!(into, "a segment of vectors, {size} bytes");
    let found = match SegmentHeader::decode(&bytes) {
        Ok(found) => found,
        Err(invalid) => {
            let _infallible = writeln!(into, "  its header cannot be read: {invalid}");
            return Ok(false);
        }
    };
    let SegmentHeader { store, file: number, collection, segment, geometry } = found.header;
    let element = match geometry.element() {
        Element::F32 => "f32",
    };
    let _infallible = writeln!(
        into,
        "  file {number} of store {store}\n  segment {segment} of collection {collection}\n  \
         {} slots of {} bytes, for vectors of {} numbers ({element})",
        geometry.slots_of(segment),
        geometry.stride(),
        geometry.dim().get()
    );
    let wanted = geometry.file_bytes(segment);
    let is_long_enough = size >= wanted;
    if !is_long_enough {
        let _infallible = writeln!(into, "  it was cut: it was made with {wanted} bytes");
    }
    let is_whole = found.state == HeaderState::Whole;
    if !is_whole {
        let _infallible = writeln!(into, "  a part of its header is damaged");
    }
    Ok(is_whole && is_long_enough)
}

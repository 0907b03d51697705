//! Writes down what a segment or a file of payloads says of itself, for people to read.

use std::fmt::Write;

use disk::File;

use crate::format::{Found, HeaderState, Invalid, SegmentHeader};
use crate::geometry::HEADER_BYTES;
use crate::heap::format::PayloadHeader;
use crate::{Element, Error, Result};

/// Writes down what the header of a segment or a file of payloads says, wherever the file lies; says whether it is as it
/// was written. What lies behind it can only be checked by who knows what refers to it.
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
    // By what it says it is; where that is damaged, by its name.
    let payloads = match PayloadHeader::decode(&bytes) {
        Err(Invalid::Magic | Invalid::Short) if !is_named_so(file) => None,
        decoded => Some(decoded),
    };
    let kind = if payloads.is_some() { "a file of payloads" } else { "a segment of vectors" };
    // Writing to a string cannot fail.
    let _infallible = writeln!(into, "{kind}, {size} bytes");
    let described = match payloads {
        Some(decoded) => decoded.map(|(header, state)| (of_payloads(&header, into), state)),
        None => SegmentHeader::decode(&bytes)
            .map(|Found { header, state }| (of_segment(&header, into), state)),
    };
    let (wanted, state) = match described {
        Ok(described) => described,
        Err(invalid) => {
            let _infallible = writeln!(into, "  its header cannot be read: {invalid}");
            return Ok(false);
        }
    };
    let is_long_enough = size >= wanted;
    if !is_long_enough {
        let _infallible = writeln!(into, "  it was cut: it was made with {wanted} bytes");
    }
    let is_whole = state == HeaderState::Whole;
    if !is_whole {
        let _infallible = writeln!(into, "  a part of its header is damaged");
    }
    Ok(is_whole && is_long_enough)
}

fn is_named_so(file: &dyn File) -> bool {
    file.path().extension().is_some_and(|extension| extension == "pay")
}

/// Writes down what a header says; says how long the file has to be.
fn of_segment(header: &SegmentHeader, into: &mut String) -> u64 {
    let SegmentHeader { store, file, collection, segment, geometry } = header;
    let element = match geometry.element() {
        Element::F32 => "f32",
    };
    let _infallible = writeln!(
        into,
        "  file {file} of store {store}\n  segment {segment} of collection {collection}\n  \
         {} slots of {} bytes, for vectors of {} numbers ({element})",
        geometry.slots_of(*segment),
        geometry.stride(),
        geometry.dim().get()
    );
    geometry.file_bytes(*segment)
}

/// The same of a file of payloads.
fn of_payloads(header: &PayloadHeader, into: &mut String) -> u64 {
    let PayloadHeader { store, file, collection, base, capacity } = header;
    let _infallible = writeln!(
        into,
        "  file {file} of store {store}\n  payloads of collection {collection}\n  {capacity} \
         addresses from {base} on"
    );
    header.file_bytes()
}

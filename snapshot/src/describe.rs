//! Writes down what an image or a manifest holds, for people to read.

use std::fmt::Write;

use disk::File;

use crate::format::body;
use crate::format::image::{BLOCK_BYTES, Block};
use crate::format::manifest::{BODY_BYTES_MAX, HEADER_BYTES, decode};
use crate::image::read_table;
use crate::{Error, Manifest, Point, Result};

/// Bytes from a place up to the end of a file, at most so many.
fn read(file: &dyn File, offset: u64, most: u64) -> Result<Vec<u8>> {
    let length = file.size()?.saturating_sub(offset).min(most);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let path = || file.path().to_path_buf();
    file.read_at(offset, &mut bytes).map_err(|source| Error::Unreadable {
        path: path(),
        offset,
        source,
    })?;
    Ok(bytes)
}

/// Writes down what a manifest says, wherever the file lies; says whether it is as it was written.
///
/// # Errors
/// If the disk cannot read it.
pub fn describe_manifest(file: &dyn File, into: &mut String) -> Result<bool> {
    let bytes = read(file, 0, HEADER_BYTES as u64 + BODY_BYTES_MAX + 1)?;
    // Writing to a string cannot fail.
    let _infallible = writeln!(into, "a manifest, {} bytes", bytes.len());
    let decoded = decode(&bytes).and_then(|(header, body)| Ok((header, body::decode(body)?)));
    let (header, manifest) = match decoded {
        Ok(decoded) => decoded,
        Err(invalid) => {
            let _infallible = writeln!(into, "  it cannot be read: {invalid}");
            return Ok(false);
        }
    };
    let _infallible = writeln!(into, "  number {} of store {}", header.number, header.store);
    if header.previous > 0 {
        let (number, hash) = (header.previous, header.previous_hash);
        let _infallible = writeln!(into, "  published upon number {number}, of hash {hash:032x}");
    }
    let Manifest { next_file, points, timelines, indexes } = &manifest;
    let _infallible = writeln!(into, "  the next image has a number of {next_file} or above");
    points.iter().for_each(|point| describe_point(point, into));
    if points.is_empty() {
        let _infallible = writeln!(into, "  no checkpoint: the store was being made");
    }
    for branch in timelines {
        let _infallible =
            write!(into, "  timeline {} from batch {}", branch.timeline, branch.first);
        let _infallible = match branch.parent {
            Some(parent) => writeln!(into, " on, off {parent}"),
            None => writeln!(into, " on"),
        };
    }
    for index in indexes {
        let (collection, file) = (index.collection, index.image.file);
        let _infallible = writeln!(into, "  an index of collection {collection} in image {file}");
    }
    Ok(true)
}

fn describe_point(point: &Point, into: &mut String) {
    let Point { name, sequence, timeline, image, log, log_end } = point;
    let what = match name {
        Some(name) => format!("snapshot {name:?}"),
        None => "checkpoint".to_owned(),
    };
    let upto =
        sequence.map_or_else(|| "before the first batch".into(), |it| format!("up to batch {it}"));
    let _infallible = writeln!(
        into,
        "  {what}, {upto} of timeline {timeline}: image {} of {} bytes, and the log from file {} at {}",
        image.file, image.bytes, log.file, log.offset
    );
    if let Some(end) = log_end {
        let _infallible = writeln!(into, "    up to file {} at {}", end.file, end.offset);
    }
}

/// Writes down which sections an image has, wherever the file lies; says whether its two blocks and its table are as they
/// were written. What is in the sections is checked by [`Image::verify`](crate::Image::verify).
///
/// # Errors
/// If the disk cannot read it.
pub fn describe_image(file: &dyn File, into: &mut String) -> Result<bool> {
    let size = file.size()?;
    let _infallible = writeln!(into, "an image, {size} bytes");
    let first = Block::decode(&read(file, 0, BLOCK_BYTES as u64)?);
    let last_at = size.saturating_sub(BLOCK_BYTES as u64);
    let last = Block::decode(&read(file, last_at, BLOCK_BYTES as u64)?);
    let block = match (&first, &last) {
        (Ok(block), _) | (_, Ok(block)) => *block,
        (Err(invalid), Err(_)) => {
            let _infallible = writeln!(into, "  neither of its two blocks can be read: {invalid}");
            return Ok(false);
        }
    };
    let is_whole = first == last && block.bytes == size;
    if !is_whole {
        let _infallible = writeln!(into, "  its two blocks and its length do not say the same");
    }
    let _infallible = writeln!(into, "  file {} of store {}", block.file, block.store);
    let rows = match read_table(file, &block) {
        Ok(rows) => rows,
        Err(error) => {
            let _infallible = writeln!(into, "  its table cannot be read: {error}");
            return Ok(false);
        }
    };
    for row in &rows {
        let _infallible =
            writeln!(into, "  {:>12}  {} bytes of section {}", row.offset, row.length, row.name);
    }
    Ok(is_whole)
}

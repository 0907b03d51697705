//! Lays out an image: the block at both its ends, and the table of its sections. FORMAT.md sections 5.1 and
//! 5.2.

use std::collections::HashSet;

use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder};
use base::{FileId, StoreId};

use super::sums::sums_bytes;
use super::{Invalid, VERSION, put_sum, sum_of};

/// Length of the block: a sector. It stands at both ends of the file.
pub const BLOCK_BYTES: usize = 512;
/// Sections begin at multiples of this, in the file and in a map of it; the first one at just this.
pub const SECTION_ALIGNMENT: u64 = 4096;
/// Length of a row of the table.
pub const ROW_BYTES: usize = 64;
/// The most sections an image may have.
pub const SECTIONS_MAX: usize = 65_536;
/// The longest name of a section.
pub const NAME_BYTES_MAX: usize = 32;

const MAGIC: [u8; 8] = *b"arrwIMG\n";

/// What an image says of itself at both its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// The store it belongs to.
    pub store: StoreId,
    /// Its own number among all images. Not 0.
    pub file: FileId,
    /// Length of the file.
    pub bytes: u64,
    /// Where the table begins.
    pub table: u64,
    /// The sum of the table.
    pub table_sum: u64,
    /// How many rows the table has.
    pub sections: u32,
}

impl Block {
    /// The block's 512 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Block { store, file, bytes: length, table, table_sum, sections } = self;
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        let mut into = Encoder::new(&mut bytes);
        into.bytes(&MAGIC).u16(VERSION).zeros(2).u32(0);
        into.bytes(&store.0).u64(file.0).u64(*length).u64(*table).u64(*table_sum).u32(*sections);
        into.align(BLOCK_BYTES);
        put_sum(&mut bytes);
        bytes
    }

    /// Reads a block.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Block, Invalid> {
        let bytes = bytes.get(..BLOCK_BYTES).ok_or(Invalid::Length)?;
        let mut from = Decoder::new(bytes);
        if from.array("magic")? != MAGIC {
            return Err(Invalid::Magic);
        }
        let version = from.u16("version")?;
        let reserved = from.u16("reserved")?;
        if from.u32("sum")? != sum_of(bytes) {
            return Err(Invalid::Sum("block"));
        }
        if version > VERSION {
            return Err(Invalid::Newer { found: version });
        }
        let block = Block {
            store: StoreId(from.array("store")?),
            file: FileId(from.u64("file")?),
            bytes: from.u64("bytes")?,
            table: from.u64("table")?,
            table_sum: from.u64("table_sum")?,
            sections: from.u32("sections")?,
        };
        if reserved != 0 || from.rest().iter().any(|byte| *byte != 0) {
            return Err(Invalid::Value("reserved"));
        }
        block.check()?;
        Ok(block)
    }

    /// Length of the table.
    pub fn table_bytes(&self) -> u64 {
        u64::from(self.sections) * ROW_BYTES as u64
    }

    fn check(&self) -> Result<(), Invalid> {
        if self.file.0 == 0 {
            return Err(Invalid::Value("file"));
        }
        if self.sections as usize > SECTIONS_MAX {
            return Err(Invalid::Value("sections"));
        }
        // The table and the block are behind the first block, and end the file.
        let behind = self.table_bytes() + BLOCK_BYTES as u64;
        let is_last = self.table.checked_add(behind) == Some(self.bytes);
        if !is_last || self.table < SECTION_ALIGNMENT {
            return Err(Invalid::Value("table"));
        }
        Ok(())
    }
}

/// One row of the table: where a section lies, and what its sums come down to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The name of the section: checked.
    pub name: String,
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// Where its sums begin in the file.
    pub sums: u64,
    /// The sum of the one chunk of its highest level; 0 if it is empty.
    pub root: u64,
}

/// Whether a section may have this name.
pub fn is_name(name: &[u8]) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}

/// Where sections of these lengths lie, and their sums, and the table; `None` if no file is so long.
pub(crate) fn places(lengths: &[u64]) -> Option<(Vec<(u64, u64)>, u64)> {
    let mut at = SECTION_ALIGNMENT;
    let mut places = Vec::with_capacity(lengths.len());
    for length in lengths {
        places.push((at, 0));
        at = at.checked_add(*length)?.checked_next_multiple_of(SECTION_ALIGNMENT)?;
    }
    for ((_, sums), length) in places.iter_mut().zip(lengths) {
        *sums = at;
        at = at.checked_add(sums_bytes(*length))?;
    }
    Some((places, at))
}

/// The table's bytes.
///
/// # Panics
/// If a section has a name that could not be read again.
pub fn encode_table(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * ROW_BYTES);
    for row in rows {
        let Row { name, offset, length, sums, root } = row;
        assert!(is_name(name.as_bytes()), "a section that could not be read again: {row:?}");
        let mut into = Encoder::new(&mut bytes);
        into.bytes(name.as_bytes()).align(NAME_BYTES_MAX);
        into.u64(*offset).u64(*length).u64(*sums).u64(*root);
    }
    bytes
}

/// Reads the table of an image that begins with this block.
///
/// # Errors
/// What is wrong with it.
pub fn decode_table(block: &Block, bytes: &[u8]) -> Result<Vec<Row>, Invalid> {
    if bytes.len() as u64 != block.table_bytes() {
        return Err(Invalid::Length);
    }
    if Xxh3::of(bytes) != block.table_sum {
        return Err(Invalid::Sum("table"));
    }
    let rows = bytes.chunks(ROW_BYTES).map(decode_row).collect::<Result<Vec<_>, _>>()?;
    let names: HashSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    if names.len() < rows.len() {
        return Err(Invalid::Value("name"));
    }
    let lengths: Vec<u64> = rows.iter().map(|row| row.length).collect();
    let (places, table) = places(&lengths).ok_or(Invalid::Value("length"))?;
    for (row, (offset, sums)) in rows.iter().zip(places) {
        if row.offset != offset {
            return Err(Invalid::Value("offset"));
        }
        if row.sums != sums {
            return Err(Invalid::Value("sums"));
        }
        if row.length == 0 && row.root != 0 {
            return Err(Invalid::Value("root"));
        }
    }
    // So that all of them lie within the file.
    if table != block.table {
        return Err(Invalid::Value("table"));
    }
    Ok(rows)
}

fn decode_row(bytes: &[u8]) -> Result<Row, Invalid> {
    let mut from = Decoder::new(bytes);
    let padded: [u8; NAME_BYTES_MAX] = from.array("name")?;
    let length = padded.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
    let (name, padding) = padded.split_at(length);
    if !is_name(name) || padding.iter().any(|byte| *byte != 0) {
        return Err(Invalid::Value("name"));
    }
    Ok(Row {
        name: String::from_utf8_lossy(name).into_owned(),
        offset: from.u64("offset")?,
        length: from.u64("length")?,
        sums: from.u64("sums")?,
        root: from.u64("root")?,
    })
}

#[cfg(test)]
mod tests;

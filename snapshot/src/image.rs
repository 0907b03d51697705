//! Opens an image: its block and its table, and nothing that grows with the bytes of its sections.
//!
//! Promises
//!  1. [`Image::open`] answers with just the image that was referred to, or says what is wrong; it reads by
//!     position only, the two blocks and the table. Either block is enough.
//!  2. The file is mapped once, and stays open and mapped for as long as the image or any [`Section`] of it
//!     lives, even if its name is taken away meanwhile.
//!
//! Never: writes, and never knows what a section means.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use base::StoreId;
use base::checksum::Xxh3;
use disk::{Disk, File};

use crate::format::Invalid;
use crate::format::image::{BLOCK_BYTES, Block, Row, decode_table};
use crate::lent::{ImageFile, Map};
use crate::manifest::ImageRef;
use crate::section::{Section, Sums};
use crate::{Error, Result};

/// An open image. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct Image {
    pub(crate) opened: Arc<Opened>,
}

/// What all handles of an image share.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) block: Block,
    pub(crate) file: ImageFile,
    pub(crate) map: Map,
    pub(crate) sections: Vec<Sums>,
    numbers: HashMap<String, usize>,
}

impl Image {
    /// Opens an image that something refers to. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::CutShort`]; [`Error::Unreadable`]; [`Error::Damaged`] if it is another
    /// image, or both its blocks or its table are damaged.
    pub fn open(disk: &dyn Disk, store: StoreId, expected: &ImageRef) -> Result<Image> {
        let file = match ImageFile::open(disk, expected.file) {
            Err(disk::Error::Missing { path }) => return Err(Error::Missing { path }),
            file => file?,
        };
        let found = file.file().size()?;
        // Touching a map behind the end of its file would be a fatal signal.
        if found < expected.bytes {
            let path = file.file().path().to_path_buf();
            return Err(Error::CutShort { path, wanted: expected.bytes, found });
        }
        let block = read_block(file.file(), store, expected)?;
        let rows = read_table(file.file(), &block)?;
        let map = file.map(block.bytes)?;
        let named = |(number, row): (usize, &Row)| (row.name.clone(), number);
        let numbers = rows.iter().enumerate().map(named).collect();
        let sections = (0..).zip(rows).map(|(number, row)| Sums::new(number, row)).collect();
        Ok(Image { opened: Arc::new(Opened { block, file, map, sections, numbers }) })
    }

    /// The section of this name.
    ///
    /// # Errors
    /// [`Error::NoSection`].
    pub fn section(&self, name: &str) -> Result<Section> {
        match self.opened.numbers.get(name) {
            Some(number) => Ok(Section::new(Arc::clone(&self.opened), *number)),
            None => Err(Error::NoSection { path: self.path(), section: name.into() }),
        }
    }

    /// The names of its sections, in the order in which they were written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.opened.sections.iter().map(|section| section.row.name.as_str())
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.opened.block.bytes
    }

    /// The file's whole path, for messages.
    pub fn path(&self) -> PathBuf {
        self.opened.file.file().path().to_path_buf()
    }
}

/// The block at the beginning, or else the one at the end.
fn read_block(file: &dyn File, store: StoreId, expected: &ImageRef) -> Result<Block> {
    let read = |offset: u64| -> Result<Block> {
        let mut bytes = [0; BLOCK_BYTES];
        read_at(file, offset, &mut bytes)?;
        check_block(&bytes, store, expected)
            .map_err(|what| Error::Damaged { path: file.path().to_path_buf(), what })
    };
    let second_at = expected.bytes.saturating_sub(BLOCK_BYTES as u64);
    // What is wrong with the first is what is told if both are wrong.
    read(0).or_else(|first| read(second_at).map_err(|_| first))
}

/// Reads a block that must be the one referred to.
pub(crate) fn check_block(
    bytes: &[u8],
    store: StoreId,
    expected: &ImageRef,
) -> std::result::Result<Block, Invalid> {
    let block = Block::decode(bytes)?;
    if block.store != store {
        return Err(Invalid::Foreign("store"));
    }
    if block.file != expected.file {
        return Err(Invalid::Foreign("file"));
    }
    if block.bytes != expected.bytes {
        return Err(Invalid::Foreign("bytes"));
    }
    // Of the same store, number and length, and yet another: so no name or number has to be relied on.
    if Xxh3::of_128(bytes) != expected.sum {
        return Err(Invalid::Foreign("sum"));
    }
    Ok(block)
}

pub(crate) fn read_table(file: &dyn File, block: &Block) -> Result<Vec<Row>> {
    // No longer than the file, by the block, and than 4 MiB.
    let mut bytes = vec![0; block.table_bytes() as usize];
    read_at(file, block.table, &mut bytes)?;
    decode_table(block, &bytes)
        .map_err(|what| Error::Damaged { path: file.path().to_path_buf(), what })
}

/// Reads by position; where that fails, what stands there is not known.
pub(crate) fn read_at(file: &dyn File, offset: u64, buffer: &mut [u8]) -> Result<()> {
    file.read_at(offset, buffer).map_err(|error| match error {
        disk::Error::Io { .. } | disk::Error::PastEnd { .. } => {
            Error::Unreadable { path: file.path().to_path_buf(), offset, source: error }
        }
        error => Error::Disk(error),
    })
}

#[cfg(test)]
pub(crate) mod tests;

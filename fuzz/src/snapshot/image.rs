//! Target: an image that was written, and damaged or made up then.
//!
//! Input: a byte that says what is made to fit afterwards, the sections, edits of the file, and reads.
//!
//! Promises
//!  1. Whatever the bytes, opening, reading and verifying answer with a value or a typed error, and nothing
//!     lies outside the file.
//!  2. What is read through the map and by position is the same.
//!  3. Unless sums were made to fit, what is read is what was written; and what verifying finds nothing
//!     wrong with is, byte for byte.

use std::path::PathBuf;
use std::sync::Arc;

use base::checksum::Xxh3;
use base::{FileId, StoreId};
use disk::SimDisk;
use snapshot::format::image::{BLOCK_BYTES, Block, ROW_BYTES, decode_table, encode_table};
use snapshot::format::sums::{CHUNK_BYTES, ChunkPlace};
use snapshot::{Image, ImageRef, ImageWriter, Manifests, Name, Section};

use super::bytes::Bytes;

const STORE: StoreId = StoreId(*b"a store of fuzz!");
const ID: FileId = FileId(7);

/// The most edits of one file, and the most reads of it.
const EDITS: usize = 6;
const READS: usize = 6;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let what = bytes.u8();
    let sections = sections(&mut bytes);
    let disk = SimDisk::new(11);
    let written = write(&disk, &sections);
    let mut image = disk.contents();
    let original = image.bytes(path()).expect("just written").to_vec();
    let mut file = original.clone();
    for _ in 0..bytes.below(EDITS + 1) {
        edit(&mut file, &mut bytes);
    }
    // Bit by bit: the sum of a chunk, the table's, the block's, and what refers to it.
    if what & 1 != 0 {
        sum_chunks(&mut file);
    }
    let is_forged = what & 3 != 0;
    let image_ref = if is_forged { sum_ends(&mut file, &written) } else { written };
    check_block(&file);
    image.replace(path(), &file);
    let disk = SimDisk::from_image(&image, 12);
    let opened = match Image::open(&disk, STORE, &image_ref) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(file != original, "refused, and nobody touched it: {error}");
            return assert!(error.to_string().contains("images"), "{error}");
        }
    };
    for round in 0..READS {
        if round > 0 && bytes.is_empty() {
            break;
        }
        for (number, name) in opened.names().enumerate() {
            let section = opened.section(name).expect("one that is listed");
            let was = sections.get(number).filter(|_| !is_forged);
            check_read(&section, &mut bytes, was.map(Vec::as_slice), opened.bytes());
        }
    }
    let mut last = 0;
    let found = opened.verify(|read, of| {
        assert!(last <= read && read <= of, "{read} of {of}");
        last = read;
    });
    assert!(is_forged || found.is_empty() == (file == original), "{found:?}");
    let end = file.len() as u64;
    assert!(found.iter().all(|it| it.offset + it.bytes <= end), "{found:?} of {end} bytes");
}

fn path() -> PathBuf {
    Name::Image(ID).path()
}

/// Up to four sections: short ones, and now and then one of several chunks.
fn sections(bytes: &mut Bytes<'_>) -> Vec<Vec<u8>> {
    let count = bytes.below(5);
    let section = |_| {
        let kind = bytes.u8();
        let length = match kind % 4 {
            0 => bytes.below(20),
            1 => CHUNK_BYTES as usize - 2 + bytes.below(5),
            2 => 2 * CHUNK_BYTES as usize + bytes.below(9),
            _ => bytes.below(5_000),
        };
        (0..length).map(|at| (at / 255) as u8 ^ kind).collect()
    };
    (0..count).map(section).collect()
}

fn write(disk: &SimDisk, sections: &[Vec<u8>]) -> ImageRef {
    let disk = Arc::new(disk.clone());
    Manifests::create(disk.clone(), STORE).expect("an empty disk");
    let mut writer = ImageWriter::create(disk, STORE, ID).expect("an empty directory");
    for (number, section) in sections.iter().enumerate() {
        writer.section(&format!("section.{number}")).expect("a disk with space");
        writer.write(section).expect("a disk with space");
    }
    writer.finish().expect("a disk with space")
}

/// Changes a few bytes, most of them where it matters: in the block, the table or the sums.
fn edit(file: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    let kind = bytes.u8();
    let near_end = file.len().saturating_sub(BLOCK_BYTES + 1 + bytes.below(700));
    let at = match kind % 4 {
        0 => bytes.below(80),
        1 => near_end,
        2 => bytes.u32() as usize % file.len().max(1),
        _ => file.len().saturating_sub(1 + bytes.below(600)),
    };
    let count = usize::from(kind >> 4) % 9;
    let with = bytes.take(count);
    match kind & 0x0c {
        0x0c => file.truncate(at),
        0x08 => file.iter_mut().skip(at).take(count + 1).for_each(|byte| *byte ^= 1 << (kind >> 5)),
        _ => file.iter_mut().skip(at).zip(with).for_each(|(into, byte)| *into = *byte),
    }
}

/// The block at the beginning, if it is one but for its sum.
fn block_of(file: &[u8]) -> Option<Block> {
    let field =
        |at: usize| -> Option<u64> { Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?)) };
    let (table, table_sum) = (field(48)?, field(56)?);
    let sections = field(64)? as u32;
    Some(Block { store: STORE, file: ID, bytes: field(40)?, table, table_sum, sections })
}

/// Gives all chunks of level 0 and 1 the sums they should have, by whatever the table says.
fn sum_chunks(file: &mut [u8]) -> Option<()> {
    let mut block = block_of(file)?;
    let table = usize::try_from(block.table).ok()?;
    let end = table.checked_add(block.sections as usize * ROW_BYTES)?;
    block.table_sum = Xxh3::of(file.get(table..end)?);
    let mut rows = decode_table(&block, file.get(table..end)?).ok()?;
    for (section, row) in (0..).zip(&mut rows) {
        let place = |level, chunk| ChunkPlace { store: STORE, file: ID, section, level, chunk };
        let start = row.offset as usize;
        let data = file.get(start..start + row.length as usize)?;
        let chunks = (0..).zip(data.chunks(CHUNK_BYTES as usize));
        let sums: Vec<u64> = chunks.map(|(chunk, it)| place(0, chunk).sum(it)).collect();
        row.root = sums.first().copied().unwrap_or(0);
        if sums.len() > 1 {
            let level: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            row.root = place(1, 0).sum(&level);
            let at = row.sums as usize;
            file.get_mut(at..at + level.len())?.copy_from_slice(&level);
        }
    }
    file.get_mut(table..end)?.copy_from_slice(&encode_table(&rows));
    Some(())
}

/// Gives the table and both blocks the sums they should have, and refers to them.
fn sum_ends(file: &mut [u8], written: &ImageRef) -> ImageRef {
    let Some(mut block) = block_of(file) else {
        return *written;
    };
    let table = usize::try_from(block.table).unwrap_or(usize::MAX);
    let end = table.saturating_add(block.sections as usize * ROW_BYTES);
    block.table_sum = file.get(table..end).map_or(block.table_sum, Xxh3::of);
    let bytes = block.encode();
    if let Some(first) = file.get_mut(..BLOCK_BYTES) {
        first.copy_from_slice(&bytes);
    }
    let last = (block.bytes as usize).saturating_sub(BLOCK_BYTES);
    if let Some(last) = file.get_mut(last..).and_then(|rest| rest.get_mut(..BLOCK_BYTES)) {
        last.copy_from_slice(&bytes);
    }
    ImageRef { file: ID, bytes: block.bytes, sum: Xxh3::of_128(&bytes) }
}

/// A block that decodes is what encoding gives for it.
fn check_block(file: &[u8]) {
    match Block::decode(file) {
        Ok(block) => {
            assert_eq!(file.get(..BLOCK_BYTES), Some(block.encode().as_slice()));
            assert_eq!(block.table + block.table_bytes() + BLOCK_BYTES as u64, block.bytes);
        }
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
}

fn check_read(section: &Section, bytes: &mut Bytes<'_>, was: Option<&[u8]>, of: u64) {
    let length = section.length();
    assert!(length <= of, "{length} bytes of {of}");
    let start = u64::from(bytes.u32()) % (length + 3);
    let count = bytes.below(3 * CHUNK_BYTES as usize / 2);
    let range = start..start + count as u64;
    let mut by_position = vec![0; count];
    let read = section.read_at(start, &mut by_position);
    let lent = section.bytes(range.clone()).map(|lent| lent.to_vec());
    match (read, lent) {
        (Ok(()), Ok(lent)) => {
            assert_eq!(lent, by_position, "{range:?}");
            let was = was.map(|was| was.get(start as usize..range.end as usize));
            assert!(was.is_none_or(|was| was == Some(lent.as_slice())), "{range:?} of another");
        }
        (Err(error), Err(_)) => assert!(error.to_string().contains(section.name()), "{error}"),
        (read, lent) => panic!("{range:?}: {read:?} by position, and {:?}", lent.map(|_| ())),
    }
}

//! Lays out the block that the header of a file is, and how it stands twice: the same for segments and for payloads.
//! FORMAT.md sections 4.2 and 4.5 are the authority.
//!
//! Never: knows what the fields behind the sum mean.

use base::checksum::Crc32;
use base::codec::{Decoder, Encoder};

use super::{HeaderState, Invalid, VERSION};
use crate::geometry::HEADER_BYTES;

/// Length of the block: a sector. It stands twice, first and last.
const BLOCK_BYTES: usize = 512;
/// Where the second of the two begins.
const SECOND_AT: usize = HEADER_BYTES - BLOCK_BYTES;
const _: () = assert!(SECOND_AT >= BLOCK_BYTES, "two blocks in two sectors");

/// Where the sum stands: it covers everything else.
const SUM_AT: usize = 12;
const SUM_END: usize = 16;

/// The header's 4096 bytes, with these fields behind the sum.
pub(crate) fn encode(magic: [u8; 8], fields: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    let mut into = Encoder::new(&mut bytes);
    into.bytes(&magic).u16(VERSION).zeros(2).u32(0);
    fields(&mut into);
    into.align(BLOCK_BYTES);
    let sum = sum_of(&bytes).to_le_bytes();
    if let Some(place) = bytes.get_mut(SUM_AT..SUM_END) {
        place.copy_from_slice(&sum);
    }
    let block = bytes.clone();
    bytes.resize(SECOND_AT, 0);
    bytes.extend_from_slice(&block);
    bytes
}

/// Reads the header from the first bytes of a file: from either block, if only one is valid. `fields` reads what stands
/// behind the sum, of a block whose sum fits, and leaves nothing but zeros.
///
/// # Errors
/// What is wrong with the first block, if both are wrong.
pub(crate) fn decode<T>(
    bytes: &[u8],
    magic: [u8; 8],
    fields: impl Fn(&mut Decoder<'_>) -> Result<T, Invalid>,
) -> Result<(T, HeaderState), Invalid> {
    let bytes = bytes.get(..HEADER_BYTES).ok_or(Invalid::Short)?;
    let (first, rest) = bytes.split_at(BLOCK_BYTES);
    let (between, second) = rest.split_at(SECOND_AT - BLOCK_BYTES);
    let read = |block| decode_block(block, magic, &fields);
    let header = match (read(first), read(second)) {
        (Ok(header), _) | (Err(_), Ok(header)) => header,
        (Err(invalid), Err(_)) => return Err(invalid),
    };
    let is_whole = first == second && between.iter().all(|byte| *byte == 0);
    Ok((header, if is_whole { HeaderState::Whole } else { HeaderState::Damaged }))
}

fn decode_block<T>(
    block: &[u8],
    magic: [u8; 8],
    fields: impl Fn(&mut Decoder<'_>) -> Result<T, Invalid>,
) -> Result<T, Invalid> {
    let mut from = Decoder::new(block);
    if from.array("magic")? != magic {
        return Err(Invalid::Magic);
    }
    let version = from.u16("version")?;
    let reserved = from.u16("reserved")?;
    if from.u32("sum")? != sum_of(block) {
        return Err(Invalid::Sum);
    }
    if version > VERSION {
        return Err(Invalid::Newer { found: version });
    }
    let header = fields(&mut from)?;
    let is_reserved_zero = reserved == 0 && from.rest().iter().all(|byte| *byte == 0);
    if is_reserved_zero { Ok(header) } else { Err(Invalid::Value("reserved")) }
}

/// The sum of a block, less the sum itself.
fn sum_of(block: &[u8]) -> u32 {
    let before = block.get(..SUM_AT).unwrap_or_default();
    let behind = block.get(SUM_END..BLOCK_BYTES).unwrap_or_default();
    let mut sum = Crc32::new();
    sum.update(before).update(behind);
    sum.sum()
}

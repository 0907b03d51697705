//! Lays out the sums of a section: a tree of chunks. FORMAT.md section 5.3.

use base::checksum::Xxh3;
use base::codec::Encoder;
use base::{FileId, StoreId};

/// How many bytes are summed together, and so how many are read to use one of them for the first time.
pub const CHUNK_BYTES: u64 = 64 * 1024;
/// A sum takes so many bytes in the level above.
pub(crate) const SUM_BYTES: u64 = 8;
/// Sums in a whole chunk of a level.
pub(crate) const SUMS_PER_CHUNK: u64 = CHUNK_BYTES / SUM_BYTES;

/// Where a chunk is at home: its sum covers that too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkPlace {
    /// The store.
    pub store: StoreId,
    /// The image.
    pub file: FileId,
    /// Number of the section in it.
    pub section: u32,
    /// 0 for the bytes of the section, 1 for their sums, and so on.
    pub level: u32,
    /// Number of the chunk in its level.
    pub chunk: u64,
}

impl ChunkPlace {
    /// The sum of a chunk with these bytes at this place. Allocates nothing.
    pub fn sum(&self, bytes: &[u8]) -> u64 {
        let ChunkPlace { store, file, section, level, chunk } = *self;
        let fields: [&[u8]; 6] = [
            &store.0,
            &file.0.to_le_bytes(),
            &section.to_le_bytes(),
            &level.to_le_bytes(),
            &chunk.to_le_bytes(),
            &Xxh3::of(bytes).to_le_bytes(),
        ];
        let mut covered = [0; 48];
        let mut into = covered.iter_mut();
        for field in fields {
            into.by_ref().zip(field).for_each(|(into, byte)| *into = *byte);
        }
        Xxh3::of(&covered)
    }
}

/// How many chunks so many bytes are cut into.
pub(crate) fn chunks_of(bytes: u64) -> u64 {
    bytes.div_ceil(CHUNK_BYTES)
}

/// Lengths of the levels of sums of a section of this length, level 1 first. There are at most four.
pub(crate) fn level_lengths(length: u64) -> impl Iterator<Item = u64> {
    let sums = |bytes: &u64| {
        let chunks = chunks_of(*bytes);
        (chunks > 1).then_some(chunks * SUM_BYTES)
    };
    std::iter::successors(sums(&length), sums)
}

/// How many bytes the sums of a section of this length take.
pub(crate) fn sums_bytes(length: u64) -> u64 {
    level_lengths(length).sum()
}

/// The levels of sums above these of the chunks of a section, one behind the other as in the file, and the
/// root.
pub(crate) fn build(place: &ChunkPlace, of_chunks: Vec<u64>) -> (Vec<u8>, u64) {
    let mut levels = Vec::new();
    let mut sums = of_chunks;
    let mut level = place.level;
    while sums.len() > 1 {
        let mut bytes = Vec::with_capacity(sums.len() * SUM_BYTES as usize);
        let mut into = Encoder::new(&mut bytes);
        sums.iter().for_each(|sum| {
            into.u64(*sum);
        });
        level += 1;
        let chunks = (0..).zip(bytes.chunks(CHUNK_BYTES as usize));
        sums =
            chunks.map(|(chunk, bytes)| ChunkPlace { level, chunk, ..*place }.sum(bytes)).collect();
        levels.extend(bytes);
    }
    (levels, sums.first().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: ChunkPlace = ChunkPlace {
        store: StoreId(*b"0123456789abcdef"),
        file: FileId(7),
        section: 1,
        level: 0,
        chunk: 0,
    };

    #[test]
    fn a_sum_covers_the_bytes_and_every_part_of_the_place() {
        let sums = [
            PLACE.sum(b"chunk"),
            PLACE.sum(b"chunk\0"),
            ChunkPlace { store: StoreId([0; 16]), ..PLACE }.sum(b"chunk"),
            ChunkPlace { file: FileId(8), ..PLACE }.sum(b"chunk"),
            ChunkPlace { section: 0, ..PLACE }.sum(b"chunk"),
            ChunkPlace { level: 1, ..PLACE }.sum(b"chunk"),
            ChunkPlace { chunk: 1, ..PLACE }.sum(b"chunk"),
        ];
        let mut covered = b"0123456789abcdef".to_vec();
        covered.extend([7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        covered.extend([0; 8]);
        covered.extend(Xxh3::of(b"chunk").to_le_bytes());
        assert_eq!(sums[0], Xxh3::of(&covered));
        for (at, sum) in sums.iter().enumerate() {
            assert!(!sums[at + 1..].contains(sum), "{at}");
        }
    }

    #[test]
    fn levels_end_with_one_chunk() {
        let lengths = |length| level_lengths(length).collect::<Vec<_>>();
        assert_eq!(lengths(0), [0_u64; 0]);
        assert_eq!(lengths(65_536), [0_u64; 0]);
        assert_eq!(lengths(65_537), [16]);
        let of_one_level = CHUNK_BYTES * SUMS_PER_CHUNK;
        assert_eq!(lengths(of_one_level), [CHUNK_BYTES]);
        assert_eq!(lengths(of_one_level + 1), [CHUNK_BYTES + 8, 16]);
        assert_eq!(lengths(u64::MAX).len(), 4);
        assert_eq!(sums_bytes(of_one_level + 1), CHUNK_BYTES + 24);
    }

    #[test]
    fn what_is_built_has_the_lengths_that_are_read() {
        for chunks in [0, 1, 2, 8_192, 8_193, 20_000] {
            let sums: Vec<u64> = (100..100 + chunks).collect();
            let (levels, root) = build(&PLACE, sums.clone());
            assert_eq!(levels.len() as u64, sums_bytes(chunks * CHUNK_BYTES), "{chunks} chunks");
            match chunks {
                0 => assert_eq!(root, 0),
                1 => assert_eq!(root, 100),
                _ => assert_eq!(levels[..8], 100_u64.to_le_bytes()),
            }
        }
    }
}

//! Computes the two checksums every file of a store is guarded with.
//!
//! [`Crc32`] guards what is short or framed (records, headers, chunks): any change confined to 32
//! consecutive bits is certain to be found. [`Xxh3`] guards what is long or needs a wide value
//! (vectors, whole files) and is the dedup key. Neither defends against someone who wants to
//! forge: arrwDB detects damage, not malice.
//!
//! Definitions and test vectors: FORMAT.md section 1.3. They never change.

use xxhash_rust::xxh3;

/// CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320) of bytes given in pieces.
///
/// What is fed in need not be stored: a record's sum also covers its file's salt and its own
/// offset, so that bytes copied from elsewhere cannot pass.
#[derive(Clone, Debug, Default)]
pub struct Crc32(crc32fast::Hasher);

impl Crc32 {
    /// The sum of no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sum of one piece.
    pub fn of(bytes: &[u8]) -> u32 {
        crc32fast::hash(bytes)
    }

    /// Adds the next piece; how the bytes are cut into pieces makes no difference.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// Adds a number as its eight little-endian bytes.
    pub fn update_u64(&mut self, number: u64) -> &mut Self {
        self.update(&number.to_le_bytes())
    }

    /// The sum of all pieces so far.
    pub fn sum(&self) -> u32 {
        self.0.clone().finalize()
    }
}

/// XXH3 with seed 0 of bytes given in pieces, read as 64 or as 128 bits.
#[derive(Clone, Default)]
pub struct Xxh3(Box<xxh3::Xxh3Default>);

impl Xxh3 {
    /// The sum of no bytes. Allocates its 512-byte state once.
    pub fn new() -> Self {
        Self::default()
    }

    /// The 64-bit sum of one piece; allocates nothing.
    pub fn of(bytes: &[u8]) -> u64 {
        xxh3::xxh3_64(bytes)
    }

    /// The 128-bit sum of one piece; allocates nothing. Not an extension of the 64-bit sum.
    pub fn of_128(bytes: &[u8]) -> u128 {
        xxh3::xxh3_128(bytes)
    }

    /// Adds the next piece; how the bytes are cut into pieces makes no difference.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The 64-bit sum of all pieces so far.
    pub fn sum(&self) -> u64 {
        self.0.digest()
    }

    /// The 128-bit sum of all pieces so far.
    pub fn sum_128(&self) -> u128 {
        self.0.digest128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// They are those that the authors of the sums publish.
    #[test]
    fn the_test_vectors_of_the_format_document_hold() {
        let document = include_str!("../../FORMAT.md");
        let vectors = |name: &str| {
            let row =
                document.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            [cells[3], cells[4]].map(|sum| u128::from_str_radix(sum, 16).unwrap())
        };
        let sums = |sum: fn(&[u8]) -> u128| [sum(b""), sum(b"123456789")];
        assert_eq!(sums(|bytes| Crc32::of(bytes).into()), vectors("CRC-32"));
        assert_eq!(sums(|bytes| Xxh3::of(bytes).into()), vectors("XXH3-64"));
        assert_eq!(sums(Xxh3::of_128), vectors("XXH3-128"));
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_number_counts_as_its_little_endian_bytes() {
        let mut by_number = Crc32::new();
        by_number.update_u64(0x0102_0304_0506_0708);
        assert_eq!(by_number.sum(), Crc32::of(&[8, 7, 6, 5, 4, 3, 2, 1]));
    }

    proptest! {
        #[test]
        fn cutting_into_pieces_makes_no_difference(
            bytes in prop::collection::vec(any::<u8>(), 0..2_000),
            cut in any::<prop::sample::Index>(),
        ) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut crc = Crc32::new();
            crc.update(head).update(tail);
            prop_assert_eq!(crc.sum(), Crc32::of(&bytes));
            let mut xxh3 = Xxh3::new();
            xxh3.update(head).update(tail);
            prop_assert_eq!(xxh3.sum(), Xxh3::of(&bytes));
            prop_assert_eq!(xxh3.sum_128(), Xxh3::of_128(&bytes));
        }

        #[test]
        fn any_flipped_bit_changes_the_sums(
            mut bytes in prop::collection::vec(any::<u8>(), 1..2_000),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let before = (Crc32::of(&bytes), Xxh3::of(&bytes), Xxh3::of_128(&bytes));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_ne!(before.0, Crc32::of(&bytes));
            prop_assert_ne!(before.1, Xxh3::of(&bytes));
            prop_assert_ne!(before.2, Xxh3::of_128(&bytes));
        }
    }
}

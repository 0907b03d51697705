//! Says where payloads lie: in one space of addresses for each heap.
//!
//! Never: says whether anything lies there.

use std::fmt;

/// The longest that a payload may be.
pub const LONGEST: u32 = 16 << 20;

/// All addresses are below this one.
pub(crate) const ADDRESSES: u64 = 1 << 62;

/// Records lie at multiples of this, so that what is read in place is aligned.
pub(crate) const ALIGNMENT: u64 = 16;

/// What stands in front of each payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 16;
const _: () =
    assert!((RECORD_HEADER_BYTES as u64).is_multiple_of(ALIGNMENT), "payloads are aligned");

/// Where a payload lies: what refers to it holds this. Any value can be one that leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PayloadPlace {
    /// Where its record begins, in the space of addresses of its heap.
    pub address: u64,
    /// How many bytes it has.
    pub length: u32,
}

impl PayloadPlace {
    /// How many bytes its record takes, up to the next one.
    pub fn record_bytes(self) -> u64 {
        record_bytes(self.length as usize)
    }

    /// Where the next record could begin; `None` if no record can lie here.
    pub(crate) fn end(self) -> Option<u64> {
        let is_one = self.address.is_multiple_of(ALIGNMENT) && self.length <= LONGEST;
        let end = self.address.checked_add(self.record_bytes())?;
        (is_one && end <= ADDRESSES).then_some(end)
    }
}

impl fmt::Display for PayloadPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at address {}", self.length, self.address)
    }
}

/// How many bytes the record of a payload of this length takes.
pub fn record_bytes(length: usize) -> u64 {
    (RECORD_HEADER_BYTES as u64 + length as u64).next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_they_have_to_be() {
        let lengths = [0, 1, 15, 16, 17, 32, LONGEST as usize];
        let taken = lengths.map(record_bytes);
        assert_eq!(taken, [16, 32, 32, 32, 48, 48, 16 + (16 << 20)]);
    }

    #[test]
    fn places_where_no_record_can_lie_have_no_end() {
        let end = |address, length| PayloadPlace { address, length }.end();
        assert_eq!(end(32, 17), Some(80));
        assert_eq!(end(ADDRESSES - 32, 16), Some(ADDRESSES));
        for (address, length) in
            [(8, 1), (0, LONGEST + 1), (ADDRESSES - 32, 17), (u64::MAX - 15, 0), (u64::MAX, 1)]
        {
            assert_eq!(end(address, length), None, "{length} bytes at {address}");
        }
    }
}

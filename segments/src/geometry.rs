//! Works out where a slot lies: in which segment, and at which byte of it. FORMAT.md section 4.1.
//!
//! Segments double, so that a thousand small collections stay small, and a large one has few files;
//! their slot counts are powers of two, so that the way from a slot to its place is a count of leading
//! zeros and a shift.
//!
//! Promises
//!  1. Every slot has one place, and every place of every segment one slot.
//!  2. Nothing overflows, whatever the dimension and the slot: even the last segment there can be is
//!     wholly made of slots.
//!  3. A vector of 64 bytes or more begins at a multiple of 64; a shorter one never crosses one.
//!
//! Never: does I/O; knows which slots are in use.

use std::ops::Range;

use base::{Dim, Slot};

/// Length of a segment's header: the first slot begins behind it, on a page boundary.
pub const HEADER_BYTES: usize = 4096;

/// What vectors are aligned to: a cache line, and the widest register.
const ALIGNMENT: u32 = 64;
/// What the slots of the first two segments take at most, unless one slot is longer.
const FIRST_BYTES: u32 = 64 * 1024;
/// What the slots of any segment take at most.
const MOST_BYTES: u32 = 256 * 1024 * 1024;

const _: () = assert!(HEADER_BYTES.is_multiple_of(ALIGNMENT as usize), "the first slot is aligned");
const _: () = assert!(Dim::MAX * 4 <= MOST_BYTES, "one slot of the longest vectors always fits");

/// What a vector is made of. FORMAT.md keeps numbers for half floats, bytes and single bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Element {
    /// Floats of 32 bits.
    F32,
}

impl Element {
    /// How many bits one takes.
    const fn bits(self) -> u32 {
        match self {
            Element::F32 => 32,
        }
    }
}

/// The layout of one collection's segments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    dim: Dim,
    element: Element,
    vector_bytes: u32,
    stride: u32,
    /// Segments 0 and 1 have 2 to this power slots.
    first: u32,
    /// The largest segments have 2 to this power slots.
    most: u32,
}

impl Geometry {
    /// The layout for vectors of this dimension.
    pub const fn new(dim: Dim, element: Element) -> Self {
        let vector_bytes = (dim.get() * element.bits()).div_ceil(8);
        let stride = if vector_bytes < ALIGNMENT {
            vector_bytes.next_power_of_two()
        } else {
            vector_bytes.next_multiple_of(ALIGNMENT)
        };
        // The logarithm, rounded down, of how many fit; one slot there is always.
        let first = if stride > FIRST_BYTES { 0 } else { (FIRST_BYTES / stride).ilog2() };
        let most = (MOST_BYTES / stride).ilog2();
        Geometry { dim, element, vector_bytes, stride, first, most }
    }

    /// The dimension.
    pub const fn dim(&self) -> Dim {
        self.dim
    }

    /// What vectors are made of.
    pub const fn element(&self) -> Element {
        self.element
    }

    /// How many bytes a vector takes.
    #[inline]
    pub const fn vector_bytes(&self) -> usize {
        self.vector_bytes as usize
    }

    /// How many bytes lie between the beginnings of two slots.
    pub const fn stride(&self) -> usize {
        self.stride as usize
    }

    /// Whether vectors lie one behind the other without padding.
    pub const fn is_dense(&self) -> bool {
        self.vector_bytes == self.stride
    }

    /// The segment a slot lies in, and its number there.
    #[inline]
    pub const fn locate(&self, slot: Slot) -> (u32, u32) {
        let largest = slot.0 >> self.most;
        if largest > 0 {
            // From here on all segments are of the largest size, and begin at multiples of it.
            return (self.most - self.first + largest, slot.0 & ((1 << self.most) - 1));
        }
        // Each segment behind the first begins at `first_slots` times a power of two.
        let segment = u32::BITS - (slot.0 >> self.first).leading_zeros();
        match segment.checked_sub(1) {
            None => (0, slot.0),
            Some(doublings) => (segment, slot.0 - (1 << (self.first + doublings))),
        }
    }

    /// The first slot of a segment; `None` if no segment has that number: slots are used up before.
    pub const fn first_slot(&self, segment: u32) -> Option<Slot> {
        let doublings = self.most - self.first;
        let Some(before) = segment.checked_sub(1) else {
            return Some(Slot(0));
        };
        if before <= doublings {
            return Some(Slot(1 << (self.first + before)));
        }
        let largest = segment - doublings;
        if largest > u32::MAX >> self.most {
            return None;
        }
        Some(Slot(largest << self.most))
    }

    /// How many slots a segment of this number has: a power of two.
    pub const fn slots_of(&self, segment: u32) -> u32 {
        let (before, doublings) = (segment.saturating_sub(1), self.most - self.first);
        if before < doublings { 1 << (self.first + before) } else { 1 << self.most }
    }

    /// How many segments it takes to hold this many slots.
    pub const fn segments_for(&self, slots: u32) -> u32 {
        match slots.checked_sub(1) {
            None => 0,
            Some(last) => self.locate(Slot(last)).0 + 1,
        }
    }

    /// How many segments there can be.
    pub const fn segments_max(&self) -> u32 {
        self.locate(Slot(u32::MAX)).0 + 1
    }

    /// The length of a segment's file, header included.
    pub const fn file_bytes(&self, segment: u32) -> u64 {
        self.offset_of(self.slots_of(segment))
    }

    /// The byte of a segment's file at which its slot of this number begins.
    #[inline]
    pub const fn offset_of(&self, index: u32) -> u64 {
        HEADER_BYTES as u64 + index as u64 * self.stride as u64
    }

    /// The bytes of a segment's file, or of a map of it, that hold the vector of this number; `None`
    /// where memory is too small for such a map.
    #[inline]
    pub fn vector_range(&self, index: u32) -> Option<Range<usize>> {
        let start = usize::try_from(self.offset_of(index)).ok()?;
        Some(start..start.checked_add(self.vector_bytes())?)
    }
}

#[cfg(test)]
mod tests;

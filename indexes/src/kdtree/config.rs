//! How trees are built: what may be chosen, and within which ranges.

use crate::kdtree::buffer::BLOCK;

/// How trees are built.
///
/// ```
/// use indexes::KdTreeConfig;
///
/// let config = KdTreeConfig::default().leaf(48).buffer(1_000);
/// assert_eq!((config.leaf, config.buffer), (48, 1_024));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KdTreeConfig {
    /// How many vectors a leaf has at most: 32, and about three quarters of that on average.
    pub leaf: usize,
    /// How many vectors are taken up one by one before they become part of a tree: 4,096.
    pub buffer: usize,
    /// By how much trees differ: each is so many times as large as the next, or about: 8.
    pub fan_out: usize,
    /// A tree of whose vectors more than so many of a hundred would have to be looked at for a query is looked at as a whole: 35.
    pub scan_from: u8,
}

impl Default for KdTreeConfig {
    fn default() -> Self {
        KdTreeConfig { leaf: 32, buffer: 4_096, fan_out: 8, scan_from: 35 }
    }
}

impl KdTreeConfig {
    /// How many vectors a leaf has at most: from 1 to 1,024.
    #[must_use]
    pub fn leaf(self, leaf: usize) -> Self {
        KdTreeConfig { leaf: leaf.clamp(1, 1_024), ..self }
    }

    /// How many vectors are taken up before they become part of a tree: whole blocks of 64, up to 2^20.
    #[must_use]
    pub fn buffer(self, buffer: usize) -> Self {
        let buffer = buffer.clamp(BLOCK, 1 << 20).next_multiple_of(BLOCK);
        KdTreeConfig { buffer, ..self }
    }

    /// By how much trees differ: from 2 to 64 times.
    #[must_use]
    pub fn fan_out(self, fan_out: usize) -> Self {
        KdTreeConfig { fan_out: fan_out.clamp(2, 64), ..self }
    }

    /// From how many of a hundred vectors on, that would have to be looked at, all are: 100 for never, 0 for always.
    #[must_use]
    pub fn scan_from(self, percent: u8) -> Self {
        KdTreeConfig { scan_from: percent.min(100), ..self }
    }

    /// With what can be of each: fields may have been set to anything.
    pub(super) fn clamped(self) -> Self {
        let Self { leaf, buffer, fan_out, scan_from } = self;
        self.leaf(leaf).buffer(buffer).fan_out(fan_out).scan_from(scan_from)
    }
}

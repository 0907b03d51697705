//! Chance that is the same for the same seed, on every machine and in every version.

/// A small source of chance that is the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// At most `most` of these, in their order.
    pub(crate) fn some_of<T>(&mut self, all: Vec<T>, most: usize) -> Vec<T> {
        let mut left = all.len();
        let mut wanted = most.min(left);
        let mut some = Vec::with_capacity(wanted);
        for one in all {
            if self.below(left as u64) < wanted as u64 {
                some.push(one);
                wanted -= 1;
            }
            left -= 1;
        }
        some
    }
}

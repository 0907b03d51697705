//! Finds the slots whose vectors have a key, among those that changed since the last image.
//!
//! Promises
//!  1. Every slot that was inserted under a key is found under it until it is removed, however many others
//!     have the same key.
//!
//! Never: compares vectors (who asks does), and so never decides that two are one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use base::Slot;

/// Slots by key. Keys are hashes already, and nearly always belong to one slot only: the others with the
/// same key are kept apart, so that the table of the first ones stays small.
#[derive(Clone, Default, Debug)]
pub struct DedupTable {
    first: HashMap<u64, Slot, BuildHasherDefault<AsIs>>,
    others: HashMap<u64, Vec<Slot>, BuildHasherDefault<AsIs>>,
}

impl DedupTable {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first slot under this key for which the answer is yes.
    pub fn find(&self, key: u64, mut is_it: impl FnMut(Slot) -> bool) -> Option<Slot> {
        let first = *self.first.get(&key)?;
        if is_it(first) {
            return Some(first);
        }
        self.others.get(&key)?.iter().copied().find(|slot| is_it(*slot))
    }

    /// Adds a slot, which must not be there under this key.
    pub fn insert(&mut self, key: u64, slot: Slot) {
        if let Some(first) = self.first.get(&key) {
            debug_assert_ne!(*first, slot, "a slot is inserted once");
            self.others.entry(key).or_default().push(slot);
        } else {
            self.first.insert(key, slot);
        }
    }

    /// Takes a slot away; says whether it was there.
    pub fn remove(&mut self, key: u64, slot: Slot) -> bool {
        let Some(first) = self.first.get_mut(&key) else {
            return false;
        };
        let Some(others) = self.others.get_mut(&key) else {
            let is_it = *first == slot;
            if is_it {
                self.first.remove(&key);
            }
            return is_it;
        };
        // One of the others takes the place of the first.
        let taken = if *first == slot {
            let next = others.pop();
            next.inspect(|next| *first = *next).is_some()
        } else {
            let at = others.iter().position(|other| *other == slot);
            at.map(|at| others.swap_remove(at)).is_some()
        };
        if others.is_empty() {
            self.others.remove(&key);
        }
        taken
    }

    /// All keys and slots, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Slot)> + '_ {
        let first = self.first.iter().map(|(key, slot)| (*key, *slot));
        let others = self.others.iter();
        first.chain(others.flat_map(|(key, slots)| slots.iter().map(|slot| (*key, *slot))))
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.others.values().map(Vec::len).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// Takes a hash for what it is. The high bits, which the table looks at first, are as good as the low ones.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never called for a key, which is a u64; right all the same.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    /// Numbers that are no hashes: spread, since the table looks at the high bits first.
    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// With keys of four bits nearly all of them collide.
        #[test]
        fn a_table_is_a_set_of_pairs(
            ops in prop::collection::vec((0..16_u64, 0..40_u32, any::<bool>()), 0..300),
        ) {
            let mut table = DedupTable::new();
            let mut model: BTreeSet<(u64, u32)> = BTreeSet::new();
            for (key, slot, is_insert) in ops {
                if is_insert {
                    if model.insert((key, slot)) {
                        table.insert(key, Slot(slot));
                    }
                } else {
                    prop_assert_eq!(table.remove(key, Slot(slot)), model.remove(&(key, slot)));
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.is_empty(), model.is_empty());
                let mut found = BTreeSet::new();
                for key in 0..16 {
                    let none = table.find(key, |slot| {
                        assert!(found.insert((key, slot.0)), "asked about a slot twice");
                        false
                    });
                    prop_assert_eq!(none, None);
                }
                prop_assert_eq!(&found, &model);
            }
            for (key, slot) in &model {
                prop_assert_eq!(table.find(*key, |it| it.0 == *slot), Some(Slot(*slot)));
            }
        }
    }

    #[test]
    fn a_hasher_of_other_things_still_tells_them_apart() {
        let hash = |text: &str| {
            let mut hasher = AsIs::default();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        assert_ne!(hash("one"), hash("two"));
    }
}

//! Which nodes a search has seen: a bit for each.
//!
//! Bits are few enough to stay near the processor, where a byte for each would not; the next search takes away those that
//! were set, and no others.

use crate::slots::WORD;

#[derive(Clone, Debug, Default)]
pub(super) struct Visited {
    words: Vec<u64>,
    /// Above every node.
    end: usize,
    /// The nodes that were seen.
    seen: Vec<u32>,
}

impl Visited {
    /// Begins a search among nodes below this number.
    pub(super) fn begin(&mut self, end: usize) {
        if self.seen.len() < self.words.len() {
            for node in self.seen.drain(..) {
                if let Some(word) = self.words.get_mut(node as usize / WORD) {
                    *word = 0;
                }
            }
        } else {
            self.words.fill(0);
            self.seen.clear();
        }
        self.end = end;
        if self.words.len() < end.div_ceil(WORD) {
            self.words.resize(end.div_ceil(WORD), 0);
        }
    }

    /// Marks nodes, and leaves those in `fresh` that were not seen before. One that cannot be is not new.
    #[inline(always)]
    pub(super) fn mark(&mut self, nodes: impl Iterator<Item = u32>, fresh: &mut Vec<u32>) {
        // Whether a node is new nobody can guess, and the processor would be wrong half of the time: so every node is put in
        // the next place, and only new ones move it on.
        let mut count = 0;
        for node in nodes {
            if node as usize >= self.end {
                continue;
            }
            let Some(word) = self.words.get_mut(node as usize / WORD) else { continue };
            let new = !(*word >> (node as usize % WORD)) & 1;
            *word |= 1 << (node as usize % WORD);
            match fresh.get_mut(count) {
                Some(place) => *place = node,
                None => fresh.push(node),
            }
            count += new as usize;
        }
        fresh.truncate(count);
        self.seen.extend_from_slice(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_new_once_in_each_search() {
        let (mut visited, mut fresh) = (Visited::default(), vec![5, 5, 5]);
        for search in 0..1_000 {
            // Few of many, and more than there are words.
            visited.begin(100 + search % 3 * 10_000);
            // There were more in the search before, and 100 is no node in every third one.
            let end = 100 + search % 3 * 10_000;
            visited.mark([3, 9, 3, 1_000_000, 99, 100].into_iter(), &mut fresh);
            assert_eq!(fresh.get(..3), Some(&[3, 9, 99][..]));
            assert_eq!(fresh.len(), if end == 100 { 3 } else { 4 });
            visited.mark([9, 98, 3, 4, 4].into_iter(), &mut fresh);
            assert_eq!(fresh, [98, 4]);
            visited.mark([9].into_iter(), &mut fresh);
            assert!(fresh.is_empty());
        }
    }
}

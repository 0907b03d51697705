//! Which nodes a search has seen: a bit for each.
//!
//! Bits are few enough to stay near the processor, where a byte for each would not; the next search takes away those that
//! were set, and no others.

use super::links::Links;
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
    #[inline(never)]
    pub(super) fn mark(&mut self, links: Links<'_>, fresh: &mut Vec<u32>) {
        let Visited { words, end, seen } = self;
        // Whether a node is new nobody can guess, and the processor would be wrong half of the time: so every node is put in
        // the next place, and only new ones move it on.
        let mut count = 0;
        links.each(|node| {
            if node as usize >= *end {
                return;
            }
            let Some(word) = words.get_mut(node as usize / WORD) else { return };
            let new = !(*word >> (node as usize % WORD)) & 1;
            *word |= 1 << (node as usize % WORD);
            match fresh.get_mut(count) {
                Some(place) => *place = node,
                None => fresh.push(node),
            }
            count += new as usize;
        });
        fresh.truncate(count);
        seen.extend_from_slice(fresh);
    }

    /// Marks a node; says whether it was not seen before.
    #[inline(always)]
    pub(super) fn is_new(&mut self, node: u32) -> bool {
        if node as usize >= self.end {
            return false;
        }
        let Some(word) = self.words.get_mut(node as usize / WORD) else { return false };
        let bit = 1 << (node as usize % WORD);
        let new = *word & bit == 0;
        if new {
            *word |= bit;
            self.seen.push(node);
        }
        new
    }

    /// Marks one node.
    pub(super) fn mark_one(&mut self, node: u32, fresh: &mut Vec<u32>) {
        self.mark(Links::Lent(&[node.wrapping_add(1).to_le_bytes()]), fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(visited: &mut Visited, nodes: &[u32], fresh: &mut Vec<u32>) {
        let links: Vec<_> = nodes.iter().map(|node| (node + 1).to_le_bytes()).collect();
        visited.mark(Links::Lent(&links), fresh);
    }

    #[test]
    fn a_node_is_new_once_in_each_search() {
        let (mut visited, mut fresh) = (Visited::default(), vec![5, 5, 5]);
        for search in 0..1_000 {
            // Few of many, and more than there are words.
            visited.begin(100 + search % 3 * 10_000);
            // There were more in the search before, and 100 is no node in every third one.
            let end = 100 + search % 3 * 10_000;
            mark(&mut visited, &[3, 9, 3, 1_000_000, 99, 100], &mut fresh);
            assert_eq!(fresh.get(..3), Some(&[3, 9, 99][..]));
            assert_eq!(fresh.len(), if end == 100 { 3 } else { 4 });
            mark(&mut visited, &[9, 98, 3, 4, 4], &mut fresh);
            assert_eq!(fresh, [98, 4]);
            mark(&mut visited, &[9], &mut fresh);
            assert!(fresh.is_empty());
        }
    }
}

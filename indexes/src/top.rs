//! Keeps the nearest that were seen so far.
//!
//! Promises
//!  1. What it ends with depends on what was offered, never on the order of it.
//!  2. Nothing farther than [`limit`](Top::limit) can be part of it any more; what is as far still can.

use std::collections::BinaryHeap;

use crate::query::{Neighbour, Query, Ties};

/// The nearest so far.
#[derive(Clone, Debug)]
pub(crate) struct Top {
    k: usize,
    within: f32,
    ties: Ties,
    /// The nearest, the farthest of them on top.
    heap: BinaryHeap<Neighbour>,
    /// More that are as far as that one.
    level: Vec<Neighbour>,
}

/// No more room than this is set aside before anything is found.
const ROOM: usize = 1_024;

impl Top {
    pub(crate) fn new(query: &Query<'_>) -> Self {
        Top {
            k: query.k,
            within: query.within.unwrap_or(f32::INFINITY),
            ties: query.ties,
            heap: BinaryHeap::with_capacity(query.k.min(ROOM)),
            level: Vec::new(),
        }
    }

    /// How far something may be that is still of use.
    #[inline]
    pub(crate) fn limit(&self) -> f32 {
        match self.heap.peek() {
            Some(last) if self.heap.len() >= self.k => last.distance,
            _ => self.within,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.heap.len() + self.level.len()
    }

    /// Takes note of something that was seen; says whether that changed the limit.
    #[inline]
    pub(crate) fn offer(&mut self, seen: Neighbour) -> bool {
        // What is no number is not near.
        let near = seen.distance <= self.limit();
        if !near || self.k == 0 {
            return false;
        }
        if self.heap.len() < self.k {
            self.heap.push(seen);
            return self.heap.len() == self.k;
        }
        let Some(mut last) = self.heap.peek_mut() else { return false };
        let out = if seen < *last { std::mem::replace(&mut *last, seen) } else { seen };
        drop(last);
        let limit = self.limit();
        if self.ties == Ties::Keep {
            if out.distance > limit {
                self.level.clear();
            } else {
                self.level.push(out);
            }
        }
        out.distance > limit
    }

    /// All of another one.
    pub(crate) fn merge(&mut self, other: Top) {
        for seen in other.heap.into_iter().chain(other.level) {
            self.offer(seen);
        }
    }

    /// The nearest, in order.
    pub(crate) fn into_sorted(self) -> Vec<Neighbour> {
        let mut all = self.heap.into_vec();
        all.extend(self.level);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use base::Slot;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_keeps_what_sorting_would(
            seen in prop::collection::vec((0..6_u8, 0..50_u32), 0..60),
            k in 0..12_usize,
            within in prop::option::of(0..6_u8),
            keep: bool,
        ) {
            let seen = seen.iter().map(|(distance, slot)| Neighbour {
                distance: if *distance == 5 { f32::NAN } else { f32::from(*distance) },
                slot: Slot(*slot),
            });
            let vector = [0.0];
            let mut query = Query::new(&vector).k(k);
            query.within = within.map(f32::from);
            query.ties = if keep { Ties::Keep } else { Ties::Cut };
            let mut model: Vec<_> = seen.clone().filter(|it| !it.distance.is_nan()).collect();
            model.retain(|it| within.is_none_or(|within| it.distance <= f32::from(within)));
            model.sort();
            let last = k.checked_sub(1).and_then(|at| model.get(at)).map(|it| it.distance);
            match last {
                Some(last) if keep => model.retain(|it| it.distance <= last),
                _ => model.truncate(k),
            }
            let mut top = Top::new(&query);
            for it in seen.clone() {
                let before = top.limit();
                let changed = top.offer(it);
                prop_assert_eq!(changed && top.limit() < before, top.limit() < before);
            }
            prop_assert_eq!(top.into_sorted(), model.clone());
            let mut halves = [Top::new(&query), Top::new(&query)];
            for (at, it) in seen.enumerate() {
                halves[at % 2].offer(it);
            }
            let [mut one, other] = halves;
            one.merge(other);
            prop_assert_eq!(one.into_sorted(), model);
        }
    }
}

//! Keeps the nearest so far, for searches that take less time than a heap does.
//!
//! Promise: what it ends with is what `Top` would, for distances that are not below 0.

use base::Slot;

use crate::lanes::LANES;
use crate::query::{Neighbour, Query, Ties};
use crate::top::Top;

/// So many at most are kept in order.
const FEW: usize = 32;

/// And as often as not no more than these.
const HALF: usize = FEW / 2;

/// The nearest so far.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a search, and no time for a box")]
pub(super) enum Best {
    Few(Few),
    Many(Top),
}

/// A few, in order: distance and slot as one number, as distances are no less than 0, and so ordered as their bits are. Where
/// there is none yet is the largest number, which is none of a distance.
#[derive(Debug)]
pub(super) struct Few {
    k: usize,
    within: f32,
    keys: [i64; FEW],
}

/// What is no key: those of distances are not above that of infinity.
const NONE: i64 = i64::MAX;

#[inline(always)]
fn key(seen: Neighbour) -> i64 {
    i64::from(seen.distance.to_bits()) << 32 | i64::from(seen.slot.0)
}

#[inline(always)]
fn distance(key: i64) -> f32 {
    f32::from_bits((key >> 32) as u32)
}

impl Best {
    pub(super) fn new(query: &Query<'_>) -> Self {
        if query.ties == Ties::Keep || query.k > FEW {
            return Best::Many(Top::new(query));
        }
        let within = query.within.unwrap_or(f32::INFINITY);
        Best::Few(Few { k: query.k, within, keys: [NONE; FEW] })
    }

    /// How far something may be that is still of use.
    #[inline(always)]
    pub(super) fn limit(&self) -> f32 {
        match self {
            Best::Few(few) => few.limit(),
            Best::Many(top) => top.limit(),
        }
    }

    /// Takes note of something that was seen; says whether that may have changed the limit.
    #[inline(always)]
    pub(super) fn offer(&mut self, seen: Neighbour) -> bool {
        match self {
            Best::Few(few) => few.offer(seen),
            Best::Many(top) => top.offer(seen),
        }
    }

    /// Whether sixteen can be taken note of at once: nothing was seen before, and not more of them are wanted.
    #[inline(always)]
    pub(super) fn may_begin(&self) -> bool {
        matches!(self, Best::Few(Few { k: 1..=HALF, keys: [NONE, ..], .. }))
    }

    /// Takes note of these, as if they were offered one by one, where nothing was seen before, and none of them is there twice. Of
    /// those that are not there the distance is no number.
    #[inline(always)]
    pub(super) fn begin(&mut self, seen: [Neighbour; LANES]) {
        match self {
            Best::Few(few) => few.begin(seen),
            Best::Many(top) => seen.into_iter().for_each(|seen| _ = top.offer(seen)),
        }
    }

    /// The nearest, in order.
    pub(super) fn into_sorted(self) -> Vec<Neighbour> {
        match self {
            Best::Few(few) => {
                let there = few.keys.iter().take(few.k).take_while(|key| **key != NONE).count();
                let keys = few.keys.get(..there).unwrap_or_default().iter();
                keys.map(|key| Neighbour { distance: distance(*key), slot: Slot(*key as u32) })
                    .collect()
            }
            Best::Many(top) => top.into_sorted(),
        }
    }
}

impl Few {
    /// Each is put where it belongs by how many come before it. To offer one after the other takes some ten times as long: each would
    /// wait for the one before, and whether it is near enough nobody could guess.
    #[inline(always)]
    fn begin(&mut self, seen: [Neighbour; LANES]) {
        let within = self.within;
        let keys = seen.map(|it| if it.distance <= within { key(it) } else { NONE });
        let mut ranks = [0_i64; LANES];
        for one in keys {
            for (rank, other) in ranks.iter_mut().zip(&keys) {
                *rank += i64::from(one < *other);
            }
        }
        for (key, rank) in keys.iter().zip(ranks) {
            if let Some(place) = self.keys.get_mut(rank as usize) {
                *place = *key;
            }
        }
    }

    #[inline(always)]
    fn limit(&self) -> f32 {
        match self.keys.get(self.k.wrapping_sub(1)) {
            Some(last) if *last != NONE => distance(*last),
            _ => self.within,
        }
    }

    #[inline(always)]
    fn offer(&mut self, seen: Neighbour) -> bool {
        // What is no number is not near.
        let near = seen.distance <= self.limit();
        if !near || self.k == 0 {
            return false;
        }
        let key = key(seen);
        // What is behind the first `k` is never looked at.
        match self.k {
            ..=HALF => put_in::<HALF>(&mut self.keys, key),
            _ => put_in::<FEW>(&mut self.keys, key),
        }
        true
    }
}

/// Puts a key in its place among the first so many, which are in order; the last of them goes. Which place that is nobody has to
/// guess: each gets what it has, what the one before it has, or the key.
#[inline(always)]
fn put_in<const COUNT: usize>(keys: &mut [i64; FEW], key: i64) {
    let Some(keys) = keys.first_chunk_mut::<COUNT>() else { return };
    let old = *keys;
    let before = [0].iter().chain(&old);
    for ((place, old), before) in keys.iter_mut().zip(&old).zip(before) {
        *place = (*before).max(key).min(*old);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_keeps_what_top_would(
            seen in prop::collection::vec((0..6_u8, 0..500_u32), 0..90),
            k in 0..40_usize,
            within in prop::option::of(0..6_u8),
            keep: bool,
        ) {
            let vector = [0.0];
            let mut query = Query::new(&vector).k(k);
            query.within = within.map(f32::from);
            query.ties = if keep { Ties::Keep } else { Ties::Cut };
            let (mut best, mut top) = (Best::new(&query), Top::new(&query));
            for (distance, slot) in seen {
                let distance = if distance == 5 { f32::NAN } else { f32::from(distance) };
                let before = best.limit();
                let seen = Neighbour { distance, slot: Slot(slot) };
                top.offer(seen);
                let changed = best.offer(seen);
                prop_assert!(changed || best.limit() == before);
                prop_assert_eq!(best.limit(), top.limit());
            }
            prop_assert_eq!(best.into_sorted(), top.into_sorted());
        }

        #[test]
        fn it_begins_with_sixteen_as_with_one_after_the_other(
            seen in prop::array::uniform16(0..6_u8),
            more in prop::collection::vec((0..6_u8, 20..500_u32), 0..20),
            k in 1..40_usize,
            within in prop::option::of(0..6_u8),
        ) {
            let vector = [0.0];
            let mut query = Query::new(&vector).k(k);
            query.within = within.map(f32::from);
            let (mut best, mut top) = (Best::new(&query), Top::new(&query));
            prop_assert_eq!(best.may_begin(), k <= HALF);
            let number = |it: u8| if it == 5 { f32::NAN } else { f32::from(it) };
            let mut at = 0;
            let seen = seen.map(|it| {
                at += 1;
                Neighbour { distance: number(it), slot: Slot(at * 7 % 17) }
            });
            best.begin(seen);
            let more = more.into_iter().map(|(it, slot)| Neighbour { distance: number(it), slot: Slot(slot) });
            for seen in more.clone() {
                best.offer(seen);
            }
            seen.into_iter().chain(more).for_each(|it| _ = top.offer(it));
            prop_assert_eq!(best.limit(), top.limit());
            prop_assert_eq!(best.into_sorted(), top.into_sorted());
        }
    }
}

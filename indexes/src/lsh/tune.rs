//! How far to look in the tables for a recall: measured on the index's own vectors.
//!
//! Some slots are held out, one at a time: what is nearest to each is found by looking at everything, and then it is noted how much of
//! it a search by the tables has found when it has looked so far. So one search of each says it of every recall.

use base::Slot;

use super::Lsh;
use super::gather::{From, Reach};
use super::plan::Plan;
use super::search::{InUse, Scratch, Search, kept};
use crate::codes::CodedQuery;
use crate::lanes::{Isa, Work};
use crate::shared::Lives;
use crate::slots::WORD;
use crate::{Error, K, Query, Vectors};

/// So many slots are held out, and twice as many where there are few: it takes no time then.
const HELD_OUT: usize = 256;
const FEW: usize = 1 << 15;

/// It is measured how much of so many neighbours is found, too.
const FAR: usize = 100;

/// So many points a measurement has at most: the first one is of so many slots, each of a quarter more than the one before.
pub(super) const POINTS_MAX: usize = 48;
const FIRST: usize = 64;

/// No more than one of so many slots is gathered: beyond that it takes less to look at all.
const PART: usize = 3;

/// How far it has to be looked for which recall.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tuning {
    /// How many slots there were.
    pub(super) slots: usize,
    /// For how many the tables were shaped.
    pub(super) shaped: usize,
    /// The shortest reach first, and none that finds less than one before it.
    pub(super) points: Vec<Point>,
}

/// How far it was looked, and what that found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    /// So many slots were gathered.
    pub(super) slots: u32,
    /// Which share of the 10 nearest was found, and of the 100 nearest.
    pub(super) recall: [f32; 2],
}

impl Tuning {
    /// So many slots have to be gathered to find this part of the `k` nearest, where there are so many slots; nothing, if that was never
    /// reached.
    pub(super) fn reach(&self, recall: f32, k: usize, here: usize) -> Option<usize> {
        if recall >= 1.0 {
            return None;
        }
        let near = self.slots_for(recall, 0)?;
        let far = self.slots_for(recall, 1).unwrap_or(near * (FAR / K) as f64).max(near);
        let beyond = k.saturating_sub(K) as f64 / (FAR - K) as f64;
        let grown = (here as f64 / self.slots.max(1) as f64).max(1.0);
        let slots = (near + (far - near) * beyond) * grown;
        Some((slots.ceil() as usize).max(k))
    }

    /// For this recall of the nearest, or of more.
    fn slots_for(&self, recall: f32, which: usize) -> Option<f64> {
        let recall_of = |point: &Point| point.recall.get(which).copied().unwrap_or(0.0);
        let at = self.points.iter().position(|it| recall_of(it) >= recall)?;
        let upper = self.points.get(at)?;
        let lower = at.checked_sub(1).and_then(|at| self.points.get(at));
        let Some(lower) = lower else { return Some(upper.slots.into()) };
        let step = f64::from(recall_of(upper) - recall_of(lower));
        let part = f64::from(recall - recall_of(lower)) / step;
        let (from, to) = (f64::from(lower.slots), f64::from(upper.slots));
        Some(from + (to - from) * part.clamp(0.0, 1.0))
    }

    /// Which share of the 10 nearest it finds that gathers so many.
    pub(super) fn recall_at(&self, slots: usize) -> f32 {
        let beyond = self.points.iter().find(|it| it.slots as usize >= slots);
        beyond.or(self.points.last()).map_or(0.0, |it| it.recall[0])
    }
}

/// A measurement that is under way.
#[derive(Debug)]
pub(super) struct Measuring {
    slots: usize,
    shaped: usize,
    /// Those that are still to be held out.
    left: Vec<Slot>,
    count: u32,
    /// How far it is looked, and how much of the nearest was found in all.
    points: Vec<(usize, [u32; 2])>,
}

impl Measuring {
    /// Begins with an index whose tables were shaped for so many slots.
    pub(super) fn begin(own: &Lives, shaped: usize) -> Self {
        let slots = own.live.len();
        let held_out = if slots < FEW { 2 * HELD_OUT } else { HELD_OUT };
        let every = slots.div_ceil(held_out).max(1);
        let mut left: Vec<_> = own.live.iter().step_by(every).collect();
        left.reverse();
        let mut points = Vec::new();
        let mut reach = FIRST;
        while points.len() < POINTS_MAX {
            points.push((reach.min(slots / PART), [0; 2]));
            if reach >= slots / PART {
                break;
            }
            reach += reach / 4;
        }
        Measuring { slots, shaped, left, count: 0, points }
    }

    /// How many slots are left to be held out.
    pub(super) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Those of the next that are to be held out, so many at most.
    pub(super) fn next(&mut self, most: usize) -> Vec<Slot> {
        let at = self.left.len() - most.min(self.left.len());
        let mut next = self.left.split_off(at);
        next.reverse();
        next
    }

    /// What is to be measured.
    pub(super) fn reaches(&self) -> Vec<usize> {
        self.points.iter().map(|it| it.0).collect()
    }

    /// Takes note of what was found for one.
    pub(super) fn note(&mut self, found: &[[u32; 2]]) {
        self.count += 1;
        for ((_, sums), found) in self.points.iter_mut().zip(found) {
            sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        }
    }

    /// What was found out. Where none could be held out there are no points: then all there is is looked at, and it is not measured
    /// again and again.
    pub(super) fn finish(self) -> Tuning {
        let count = self.count as f32;
        if self.count == 0 {
            return Tuning { slots: self.slots, shaped: self.shaped, points: Vec::new() };
        }
        let mut best = [0.0_f32; 2];
        let mut points = Vec::new();
        for (slots, [near, far]) in self.points {
            let means = [near as f32 / (count * K as f32), far as f32 / (count * FAR as f32)];
            best = [best[0].max(means[0]), best[1].max(means[1])];
            points.push(Point { slots: slots as u32, recall: best });
        }
        Tuning { slots: self.slots, shaped: self.shaped, points }
    }
}

impl Lsh {
    /// Holds out a slot: how much is found of what is nearest to it for each reach. Of few neighbours all are as many as of many.
    pub(super) fn hold_out(
        &self,
        on: &InUse<'_>,
        slot: Slot,
        reaches: &[usize],
        vectors: &dyn Vectors,
    ) -> Result<Vec<[u32; 2]>, Error> {
        let vector = vectors.vector(slot)?;
        let query = Query::new(&vector).k(FAR + 1);
        self.with_scratch(|scratch| {
            let coded = on.codes.and_then(|it| CodedQuery::new(it.shape(), &vector));
            let (coded, plan) = (coded.as_ref(), Plan::Exact);
            let search = Search { on, query: &query, vectors, coded, plan, scratch };
            let found = self.instructions.run(search)?.neighbours;
            let near: Vec<_> = found.iter().map(|it| it.slot).filter(|it| *it != slot).collect();
            let near: Vec<_> = near.into_iter().take(FAR).collect();
            let (slot, vector) = (slot.0, &*vector);
            Ok(self.instructions.run(Held { on, slot, vector, near: &near, reaches, scratch }))
        })
    }
}

/// Looks for what is near to a slot, without it.
struct Held<'s> {
    on: &'s InUse<'s>,
    slot: u32,
    vector: &'s [f32],
    near: &'s [Slot],
    reaches: &'s [usize],
    scratch: &'s mut Scratch,
}

impl Work for Held<'_> {
    type Answer = Vec<[u32; 2]>;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> Self::Answer {
        let Held { on, slot, vector, near, reaches, scratch } = self;
        let Some(tables) = on.tables.as_deref() else { return Vec::new() };
        let gathered = &mut scratch.gathered;
        gathered.begin(tables, vector, on.slots.words() * WORD);
        gathered.pass_over(slot);
        let is_fresh = |it: &Slot| {
            let at = it.0 as usize;
            on.fresh.get(at / WORD).is_some_and(|word| word >> (at % WORD) & 1 == 1)
        };
        // By how many bits each differs, once it was gathered: what is in no table is found anyway.
        let mut bits: Vec<_> = near.iter().map(|it| is_fresh(it).then_some(0)).collect();
        let mut places: Vec<_> = near.iter().enumerate().map(|(at, it)| (it.0, at)).collect();
        places.sort_unstable();
        let from = From { tables, slots: on.slots, filter: None, deadline: None };
        let (mut before, mut found) = (0, Vec::new());
        for slots in reaches {
            // What has been found stays found: as it looks farther, it keeps more.
            if let Some(last) = found.last().filter(|last| **last == [K as u32, FAR as u32]) {
                found.push(*last);
                continue;
            }
            let reach = Reach { slots: *slots, cells: usize::MAX, admitted: usize::MAX };
            gathered.go_on::<I, false>(isa, from, reach);
            let pairs = gathered.slots.iter().zip(&gathered.apart).skip(before);
            for (slot, apart) in pairs {
                if let Ok(at) = places.binary_search_by_key(slot, |it| it.0)
                    && let Some((_, at)) = places.get(at)
                    && let Some(place) = bits.get_mut(*at)
                {
                    *place = Some(*apart);
                }
            }
            before = gathered.slots.len();
            let of = |k: usize, most: usize| {
                let limit = gathered.limit(kept(gathered.count, k));
                let is_found = |it: &&Option<u16>| it.is_some_and(|it| usize::from(it) <= limit);
                // Where there are fewer, those that are missing count as found.
                let missing = most - bits.len().min(most);
                (bits.iter().take(most).filter(is_found).count() + missing) as u32
            };
            found.push([of(K, K), of(FAR, FAR)]);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning() -> Tuning {
        let point = |slots, near, far| Point { slots, recall: [near, far] };
        let points = vec![point(100, 0.5, 0.3), point(200, 0.9, 0.7), point(400, 0.95, 0.95)];
        Tuning { slots: 1_000, shaped: 1_000, points }
    }

    #[test]
    fn the_reach_is_between_points_and_grows_with_what_is_asked() {
        let tuning = tuning();
        let cases = [
            (0.1, 10, 1_000, Some(100)),
            (0.5, 1, 900, Some(100)),
            (0.7, 10, 1_000, Some(151)),
            (0.95, 10, 2_000, Some(800)),
            (0.7, 100, 1_000, Some(200)),
            (0.3, 5_000, 1_000, Some(5_000)),
            (0.96, 10, 1_000, None),
            (1.0, 10, 1_000, None),
        ];
        for (recall, k, here, expected) in cases {
            let found = tuning.reach(recall, k, here);
            let near = found.zip(expected).is_none_or(|(a, b)| a.abs_diff(b) <= 1);
            assert!(
                found.is_some() == expected.is_some() && near,
                "{recall} {k} {here}: {found:?}"
            );
        }
        assert_eq!([50, 100, 150, 9_999].map(|it| tuning.recall_at(it)), [0.5, 0.5, 0.9, 0.95]);
    }
}

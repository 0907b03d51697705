//! Takes up slots: one is appended to a buffer, many become a tree at once.

use std::sync::Arc;

use base::Slot;

use super::KdTree;
use super::body::Body;
use super::build::{Build, Points};
use super::forest::Trees;
use super::leaves::NONE;
use super::sample::judge;
use crate::query::check;
use crate::shared::{Held, Lives, Taken};
use crate::vectors::check_dim;
use crate::{Error, Pool, SlotSet, Vectors};

/// So many slots are read by a thread at a time.
const SLOTS: usize = 1_024;

/// And so many times as many for each thread are read, or not, as a whole.
const PARTS: usize = 8;

/// Fewer than one of so many that fit into a buffer are appended to it.
const FEW: usize = 4;

impl KdTree {
    /// Takes up one.
    pub(super) fn insert_one(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let (body, own) = self.own()?;
        let _beside_others = self.writers.writing.read();
        let one = [slot];
        let taken = take(own, &one)?;
        let mut row = vec![0; self.dim + 1];
        let code = self.read(body, slot, vectors, &mut row)?;
        self.append(body, &row);
        code.into_iter().for_each(Held::open);
        taken.live();
        Ok(())
    }

    /// Takes up many: all that could be read when it was to stop.
    pub(super) fn insert_many(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let (body, own) = self.own()?;
        slots.iter().try_for_each(|slot| own.check_free(slot))?;
        let _beside_others = self.writers.writing.read();
        let all: Vec<Slot> = slots.iter().collect();
        let mut points = Points::new(self.dim);
        points.rows.reserve_exact(all.len() * (self.dim + 1));
        let (mut taken, mut failed, mut done) = (Vec::new(), None, 0);
        // Should something panic, they are given back before their slots are.
        let mut codes = Vec::new();
        for some in all.chunks(PARTS * SLOTS * pool.threads()) {
            match take(own, some).and_then(|it| {
                codes.extend(self.read_all((body, some), vectors, &mut points, pool)?);
                Ok(it)
            }) {
                Ok(it) => taken.push(it),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            done += some.len();
            if !progress(done) {
                break;
            }
        }
        self.take_in(body, points, pool);
        codes.into_iter().for_each(Held::open);
        taken.into_iter().for_each(Taken::live);
        failed.map_or(Ok(()), Err)
    }

    /// Makes a tree of points, or appends them, if they are few. Nobody knows of them yet.
    fn take_in(&self, body: &Body, points: Points, pool: &Pool) {
        if points.len() < self.config.buffer / FEW {
            let rows = points.rows.chunks_exact(self.dim + 1);
            return rows.for_each(|row| self.append(body, row));
        }
        let mut tree = Build::new(points, self.config.leaf).finish(pool);
        tree.judged = judge(self, &tree);
        tree.each_point(0..tree.shape.leaves(), |at, _, owner| body.note(owner, at as u32));
        let tree = Arc::new(tree);
        body.forest.change(|trees| {
            let mut all = trees.trees.clone();
            all.push(tree);
            let Trees { loose, closed, open, .. } = trees.clone();
            let sorted = Trees::new(all, (self.dim, self.config.buffer));
            Some(Trees { loose, closed, open, ..sorted })
        });
    }

    /// Appends a point to the open buffer: a row of its numbers, and whose it is.
    pub(super) fn append(&self, body: &Body, row: &[u32]) {
        let Some((owner, numbers)) = row.split_last() else { return };
        loop {
            let trees = body.forest.now();
            if trees.open.append(numbers, *owner, |at| body.note(*owner, at)) {
                return;
            }
            body.forest.close(&trees.open, (self.dim, self.config.buffer));
        }
    }

    /// Appends the rows of some slots, and makes their codes, on all threads of a pool; none, if one cannot be read.
    fn read_all<'b>(
        &self,
        (body, slots): (&'b Body, &[Slot]),
        vectors: &dyn Vectors,
        points: &mut Points,
        pool: &Pool,
    ) -> Result<Vec<Held<'b>>, Error> {
        let (before, width) = (points.rows.len(), self.dim + 1);
        points.rows.resize(before + slots.len() * width, 0);
        let (_, rows) = points.rows.split_at_mut(before);
        let parts = slots.chunks(SLOTS).zip(rows.chunks_mut(SLOTS * width)).collect();
        let read = |(slots, rows): (&[Slot], &mut [u32])| {
            let rows = rows.chunks_exact_mut(width);
            let read = |(slot, row): (&Slot, _)| self.read(body, *slot, vectors, row);
            slots.iter().zip(rows).map(read).collect::<Result<Vec<_>, _>>()
        };
        let read = pool.each(parts, read).into_iter().collect::<Result<Vec<_>, Error>>();
        if read.is_err() {
            points.rows.truncate(before);
        }
        Ok(read?.into_iter().flatten().flatten().collect())
    }

    /// Makes the row of a slot, where its vector lies and whose it is, and its code, if there are codes.
    fn read<'b>(
        &self,
        body: &'b Body,
        slot: Slot,
        vectors: &dyn Vectors,
        row: &mut [u32],
    ) -> Result<Option<Held<'b>>, Error> {
        let vector = vectors.vector(slot)?;
        check(&vector, self.dim)?;
        let mut moved = Vec::new();
        let bits = self.space.moved(&vector, &mut moved).iter().map(|number| number.to_bits());
        row.iter_mut().zip(bits.chain([slot.0])).for_each(|(into, bits)| *into = bits);
        match &body.codes {
            Some(codes) => codes.make(slot.0, &vector).ok_or(Error::There { slot }).map(Some),
            None => Ok(None),
        }
    }
}

/// Takes slots, of which none may be the one that stands for none.
fn take<'s>(own: &'s Lives, slots: &'s [Slot]) -> Result<Taken<'s>, Error> {
    match slots.last() {
        Some(Slot(NONE)) => Err(Error::Full),
        _ => own.take(slots),
    }
}

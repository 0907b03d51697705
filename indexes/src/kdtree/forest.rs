//! All that an index has of points: trees, buffers that are to become part of one, and the one that is appended to.
//!
//! Who searches takes what there is at some moment, and keeps it; who changes which trees there are puts another in its place.
//! Each reader finds it in a place that few others use, so that no two have to pass the same count back and forth.
//!
//! Promise: whoever takes it behind a change sees that change. No lock is held for longer than taking it, or putting it, takes.

use std::sync::Arc;

use parking_lot::Mutex;

use super::buffer::Buffer;
use super::leaves::Leaves;
use super::tree::Tree;
use crate::shared::{Apart, hint};

/// In so many places it can be found.
const PLACES: usize = 32;

/// What there is at some moment.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    /// The largest first.
    pub(super) trees: Vec<Arc<Tree>>,
    /// Points that lie in an image, in no order, and how many; only there.
    pub(super) loose: Option<Arc<(Leaves, usize)>>,
    /// Closed buffers, the oldest first.
    pub(super) closed: Vec<Arc<Buffer>>,
    pub(super) open: Arc<Buffer>,
}

type Place = Apart<Mutex<Arc<Trees>>>;

/// Trees and buffers, which change.
#[derive(Debug)]
pub(super) struct Forest {
    /// Each holds its own, so that who takes it counts for itself.
    places: Box<[Place]>,
    changing: Mutex<()>,
}

impl Trees {
    /// Trees and no more, and an empty buffer of so many numbers and with so much room.
    pub(super) fn new(mut trees: Vec<Arc<Tree>>, (dim, room): (usize, usize)) -> Self {
        trees.sort_by_key(|tree| std::cmp::Reverse(tree.points()));
        let open = Arc::new(Buffer::new(dim, room));
        Trees { trees, loose: None, closed: Vec::new(), open }
    }

    /// All buffers, the oldest first.
    pub(super) fn buffers(&self) -> impl Iterator<Item = &Arc<Buffer>> {
        self.closed.iter().chain([&self.open])
    }

    /// Makes a point nobody's, of which it is known which one it is of whatever it is in.
    pub(super) fn disown(&self, at: usize, owner: u32) -> bool {
        self.trees.iter().any(|tree| tree.disown(at, owner))
            || self.buffers().any(|buffer| buffer.disown(at, owner))
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        let trees: usize = self.trees.iter().map(|tree| tree.bytes()).sum();
        trees + self.buffers().map(|buffer| buffer.bytes()).sum::<usize>()
    }
}

impl Forest {
    pub(super) fn new(trees: Trees) -> Self {
        let place = || Apart(Mutex::new(Arc::new(trees.clone())));
        let places = std::iter::repeat_with(place).take(PLACES).collect();
        Forest { places, changing: Mutex::new(()) }
    }

    /// What there is now.
    #[inline]
    pub(super) fn now(&self) -> Arc<Trees> {
        match self.places.get(hint() % PLACES) {
            Some(place) => Arc::clone(&place.lock()),
            None => unreachable!("there are as many places"),
        }
    }

    /// Puts another in its place; nothing, if it is to stay.
    pub(super) fn change(&self, change: impl FnOnce(&Trees) -> Option<Trees>) {
        let _alone = self.changing.lock();
        let Some(changed) = change(&self.now()) else { return };
        for place in &self.places {
            let new = Arc::new(changed.clone());
            let old = std::mem::replace(&mut *place.lock(), new);
            // Not before others can have it: to let go of a tree takes a while.
            drop(old);
        }
    }

    /// Closes a buffer, if it is still the one that is appended to, and puts one with as much room in its place.
    pub(super) fn close(&self, buffer: &Arc<Buffer>, (dim, room): (usize, usize)) {
        self.change(|trees| {
            if !Arc::ptr_eq(&trees.open, buffer) {
                return None;
            }
            buffer.close();
            let mut closed = trees.closed.clone();
            closed.push(Arc::clone(buffer));
            Some(Trees { closed, open: Arc::new(Buffer::new(dim, room)), ..trees.clone() })
        });
    }
}

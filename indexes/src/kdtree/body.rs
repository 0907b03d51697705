//! What an index is made of: lying in an image, or our own, which may change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use base::Slot;

use super::KdTree;
use super::build::Points;
use super::forest::{Forest, Trees};
use super::leaves::{NONE, point};
use super::tree::Tree;
use crate::codes::Codes;
use crate::shared::{Apart, Pieces};
use crate::slots::{Slots, WORD};

/// Slots, and their points.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) slots: Slots,
    pub(super) forest: Forest,
    /// Of every slot one, if vectors have so many numbers.
    pub(super) codes: Option<Codes>,
    /// Of each slot that has a point which one that is, of whatever it is in.
    places: Pieces<AtomicU32>,
    /// How many slots were removed, or are being, that still have a point.
    pub(super) doubts: Apart<AtomicUsize>,
}

impl Body {
    pub(super) fn new(slots: Slots, trees: Trees, codes: Option<Codes>) -> Self {
        Body {
            slots,
            forest: Forest::new(trees),
            codes,
            places: Pieces::new(1, WORD),
            doubts: Apart(AtomicUsize::new(0)),
        }
    }

    /// Whether every point that is a slot's is one of a slot that is there. What lies in an image may say anything.
    #[inline(always)]
    pub(super) fn is_sure_of_owners(&self) -> bool {
        self.slots.own().is_some() && self.doubts.load(Ordering::Acquire) == 0
    }

    /// So many removed slots have no point any more.
    pub(super) fn not_in_doubt(&self, slots: usize) {
        self.doubts.fetch_sub(slots, Ordering::AcqRel);
    }

    /// Notes which point a slot has.
    pub(super) fn note(&self, slot: u32, point: u32) {
        let place = match self.places.row(slot as usize) {
            [] => self.places.make(slot as usize),
            place => place,
        };
        if let Some(place) = place.first() {
            place.store(point, Ordering::Release);
        }
    }

    /// Makes the point of a slot nobody's.
    pub(super) fn disown(&self, trees: &Trees, slot: Slot) {
        if let Some(place) = self.places.row(slot.0 as usize).first() {
            trees.disown(place.load(Ordering::Acquire) as usize, slot.0);
        }
    }

    /// A copy of our own. Of what is in an image that nobody vouches for, each slot that there is has one point at most.
    pub(super) fn copied(&self, index: &KdTree) -> Self {
        let lent = self.forest.now();
        let shape = (index.dim, index.config.buffer);
        let pin = index.readers.pin();
        let copied = |codes: &Codes| codes.copied(self.slots.iter(), &index.readers, &pin);
        let codes = self.codes.as_ref().map(copied);
        let body = Body::new(self.slots.copied(), Trees::new(Vec::new(), shape), codes);
        let mut seen = crate::SlotSet::new();
        let there: crate::SlotSet = self.slots.all().collect();
        let mut is_new =
            |owner: u32| owner != NONE && there.contains(Slot(owner)) && seen.insert(Slot(owner));
        let copied = |tree: &Arc<Tree>| {
            Arc::new(tree.copied(|point, owner| {
                if !is_new(owner) {
                    return NONE;
                }
                body.note(owner, point as u32);
                owner
            }))
        };
        let trees: Vec<_> = lent.trees.iter().map(copied).collect();
        body.forest.change(|_| Some(Trees::new(trees, shape)));
        let mut row = Points::new(index.dim);
        if let Some((leaves, count)) = lent.loose.as_deref() {
            for at in 0..*count {
                let (leaf, lane) = (at / leaves.room(), at % leaves.room());
                let Some((numbers, owners)) = leaves.row(leaf) else { continue };
                let owner = owners.get(lane);
                if is_new(owner) {
                    row.rows.clear();
                    row.push(point(numbers, index.dim, lane), owner);
                    index.append(&body, &row.rows);
                }
            }
        }
        body.doubts.store(body.slots.removed(), Ordering::Release);
        body
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        self.slots.bytes() + self.forest.now().bytes() + codes + self.places.bytes()
    }
}

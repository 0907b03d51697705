//! What a graph is made of: lying in an image, or our own, which may change.

use std::sync::Arc;

use base::Slot;

use super::Hnsw;
use super::graph::Graph;
use crate::bodies::Now;
use crate::codes::{CodedQuery, Codes, CodesInUse};
use crate::shared::{Pin, Readers, SharedSet};
use crate::slots::{Slots, WORD};
use crate::{Metric, Query};

/// Slots, their links, and their codes, if they have any.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) slots: Slots,
    pub(super) graph: Graph,
    pub(super) codes: Option<Codes>,
    /// Removed slots that are being detached: nobody may be linked to them any more.
    pub(super) doomed: SharedSet,
}

impl Body {
    /// One of these, where nothing is being detached.
    pub(super) fn of(slots: Slots, graph: Graph, codes: Option<Codes>) -> Self {
        Body { slots, graph, codes, doomed: SharedSet::new() }
    }

    /// An empty one, with codes if there is a metric.
    pub(super) fn new(
        (dim, metric): (usize, Option<Metric>),
        degree: usize,
        readers: &Arc<Readers>,
    ) -> Self {
        let codes = metric.map(|metric| Codes::new(dim, metric, readers));
        Body::of(Slots::new(), Graph::new(degree), codes)
    }

    /// A copy of our own.
    pub(super) fn copied(&self, readers: &Arc<Readers>) -> Self {
        let Body { slots, graph, codes, .. } = self;
        let pin = readers.pin();
        let end = slots.words() * WORD;
        let codes = codes.as_ref().map(|codes| codes.copied(slots.all(), readers, &pin));
        Body::of(slots.copied(), graph.copied(end), codes)
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        self.slots.bytes() + self.graph.bytes() + self.doomed.bytes() + codes
    }
}

/// A graph for as long as somebody has a pin.
#[derive(Clone, Copy)]
pub(super) struct InUse<'p> {
    pub(super) hnsw: &'p Hnsw,
    pub(super) slots: &'p Slots,
    pub(super) graph: &'p Graph,
    pub(super) codes: Option<CodesInUse<'p>>,
    doomed: &'p SharedSet,
    /// Whether nothing of it lies in an image that was not verified.
    pub(super) is_sure: bool,
}

impl Hnsw {
    /// What it is made of now.
    pub(super) fn body(&self) -> Now<'_, Body> {
        self.bodies.now()
    }

    /// What it is made of now, to be read under a pin.
    pub(super) fn under<'p>(&'p self, body: &'p Now<'_, Body>, pin: &'p Pin<'_>) -> InUse<'p> {
        InUse { is_sure: body.is_sure(), ..self.own_under(body, pin) }
    }

    /// A body of its own, to be read under a pin.
    pub(super) fn own_under<'p>(&'p self, body: &'p Body, pin: &'p Pin<'_>) -> InUse<'p> {
        let Body { slots, graph, codes, doomed } = body;
        let codes = codes.as_ref().map(|codes| codes.under(pin));
        InUse { hnsw: self, slots, graph, codes, doomed, is_sure: true }
    }
}

impl InUse<'_> {
    /// A query as it is compared with codes; nothing, if it cannot be, or there are none.
    pub(super) fn coded(self, query: &Query<'_>) -> Option<CodedQuery> {
        CodedQuery::new(self.codes?.shape(), query.vector)
    }

    /// Whether a slot is being detached.
    pub(super) fn is_doomed(self, slot: u32) -> bool {
        self.doomed.contains(Slot(slot))
    }

    /// How many are.
    pub(super) fn doomed(self) -> usize {
        self.doomed.len()
    }
}

//! What a graph is made of: lying in an image, or our own, which may change.

use std::sync::Arc;

use base::Slot;

use super::Hnsw;
use super::graph::Graph;
use super::slots::Slots;
use crate::codes::{CodedQuery, Codes, CodesInUse};
use crate::shared::{Pin, Readers};
use crate::slots::WORD;
use crate::{Metric, Query};

/// Slots, their links, and their codes, if they have any.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) slots: Slots,
    pub(super) graph: Graph,
    pub(super) codes: Option<Codes>,
}

impl Body {
    /// An empty one, with codes if there is a metric.
    pub(super) fn new(
        (dim, metric): (usize, Option<Metric>),
        degree: usize,
        readers: &Arc<Readers>,
    ) -> Self {
        let codes = metric.map(|metric| Codes::new(dim, metric, readers));
        Body { slots: Slots::new(), graph: Graph::new(degree), codes }
    }

    /// A copy of our own.
    pub(super) fn copied(&self, readers: &Arc<Readers>) -> Self {
        let Body { slots, graph, codes } = self;
        let pin = readers.pin();
        let end = slots.words() * WORD;
        let codes = codes.as_ref().map(|codes| codes.copied(slots.in_graph(), readers, &pin));
        Body { slots: slots.copied(), graph: graph.copied(end), codes }
    }

    /// How many bytes it holds itself.
    pub(super) fn bytes(&self) -> usize {
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        self.slots.bytes() + self.graph.bytes() + codes
    }
}

/// A graph for as long as somebody has a pin.
#[derive(Clone, Copy)]
pub(super) struct InUse<'p> {
    pub(super) hnsw: &'p Hnsw,
    pub(super) slots: &'p Slots,
    pub(super) graph: &'p Graph,
    pub(super) codes: Option<CodesInUse<'p>>,
}

impl Hnsw {
    /// What it is made of now.
    pub(super) fn body(&self) -> &Body {
        self.own.get().unwrap_or(&self.first)
    }

    /// What it is made of now, to be read under a pin.
    pub(super) fn under<'p>(&'p self, pin: &'p Pin<'_>) -> InUse<'p> {
        self.body_under(self.body(), pin)
    }

    pub(super) fn body_under<'p>(&'p self, body: &'p Body, pin: &'p Pin<'_>) -> InUse<'p> {
        let Body { slots, graph, codes } = body;
        let codes = codes.as_ref().map(|codes| codes.under(pin));
        InUse { hnsw: self, slots, graph, codes }
    }
}

impl InUse<'_> {
    /// A query as it is compared with codes; nothing, if it cannot be, or there are none.
    pub(super) fn coded(self, query: &Query<'_>) -> Option<CodedQuery> {
        CodedQuery::new(self.codes?.shape(), query.vector)
    }

    /// Whether a slot is being detached.
    pub(super) fn is_doomed(self, slot: u32) -> bool {
        self.slots.own().is_some_and(|own| own.doomed.contains(Slot(slot)))
    }
}

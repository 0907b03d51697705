//! Goes through what a view sees in the order of ids: the image's rows by their order, merged with what happened since.
//!
//! Promises
//!  1. Each id comes once, the lowest first, with what the view sees of it; whatever is decided meanwhile.
//!
//! Never: reads more of an image than what it passes by.

use super::{Current, Place, RowsView, Seen, newest};
use crate::{Id, Result};

/// Where somebody is who goes through a view's ids in order.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    rows: RowsView,
    /// How many of the image's ids are behind, and the next of them.
    passed: u64,
    of_base: Option<Id>,
    /// The next one of each layer.
    of_layers: Vec<Option<Id>>,
}

impl Ordered {
    /// Begins behind an id, or with the first.
    pub(crate) fn begin(rows: RowsView, after: Option<&Id>) -> Result<Self> {
        let passed = after.map_or(Ok(0), |id| rows.base.up_to(id))?;
        let of_layers = rows.layers.iter().map(|delta| delta.read().id_behind(after)).collect();
        let mut begun = Ordered { rows, passed, of_base: None, of_layers };
        begun.of_base = begun.next_of_base()?;
        Ok(begun)
    }

    fn next_of_base(&self) -> Result<Option<Id>> {
        if self.passed >= self.rows.base.rows() {
            return Ok(None);
        }
        let at = self.rows.base.in_order(self.passed)?;
        self.rows.base.id_at(at).map(Some)
    }

    /// The next id, and the row that the view sees under it.
    pub(crate) fn next(&mut self) -> Result<Option<(Id, Seen)>> {
        loop {
            let heads = self.of_layers.iter().chain([&self.of_base]).flatten();
            let Some(id) = heads.min().cloned() else { return Ok(None) };
            let of_base = self.of_base.as_ref() == Some(&id);
            let at = match of_base {
                true => Some(self.rows.base.in_order(self.passed)?),
                false => None,
            };
            if of_base {
                self.passed += 1;
                self.of_base = self.next_of_base()?;
            }
            for (head, delta) in self.of_layers.iter_mut().zip(&self.rows.layers) {
                if head.as_ref() == Some(&id) {
                    *head = delta.read().id_behind(Some(&id));
                }
            }
            if let Some(seen) = self.seen(&id, at)? {
                return Ok(Some((id, seen)));
            }
        }
    }

    /// What the view sees under an id, which the image has at this place.
    fn seen(&self, id: &Id, at: Option<u64>) -> Result<Option<Seen>> {
        let rows = &self.rows;
        if let Some((number, changed)) = newest(&rows.layers, id, |at| Some(at) <= rows.at) {
            let of_layer =
                |Current { row, slot, .. }| Seen { row, slot, place: Place::Layer(number) };
            return Ok(changed.map(of_layer));
        }
        let Some(at) = at else { return Ok(None) };
        let Current { row, slot, .. } = rows.base.row_at(at)?;
        Ok(Some(Seen { row, slot, place: Place::Base(at) }))
    }
}

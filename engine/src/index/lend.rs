//! Lends vectors to indexes: those that a view sees, and one that somebody has at hand.

use base::Slot;
use indexes::{Lent, Unreadable, Vectors};

use crate::named::About;
use crate::view::CollectionView;

/// The vectors of a collection, as a view sees them.
pub(crate) struct ViewVectors<'v> {
    dim: usize,
    view: &'v segments::View,
}

impl<'v> ViewVectors<'v> {
    pub(crate) fn new(view: &'v CollectionView) -> Self {
        Self::of(&view.collection.about, &view.vectors)
    }

    pub(crate) fn of(about: &About, view: &'v segments::View) -> Self {
        ViewVectors { dim: about.config.dim() as usize, view }
    }
}

impl Vectors for ViewVectors<'_> {
    fn dim(&self) -> usize {
        self.dim
    }

    #[inline]
    fn vector(&self, slot: Slot) -> Result<Lent<'_>, Unreadable> {
        match self.view.vector(slot) {
            Ok(vector) => Ok(vector.untracked().map_or_else(Lent::held, Lent::from)),
            Err(source) => Err(Unreadable { slot, source: Box::new(source) }),
        }
    }
}

/// One vector, by whatever slot.
pub(super) struct One<'v>(pub(super) &'v [f32]);

impl Vectors for One<'_> {
    fn dim(&self) -> usize {
        self.0.len()
    }

    fn vector(&self, _: Slot) -> Result<Lent<'_>, Unreadable> {
        Ok(self.0.into())
    }
}

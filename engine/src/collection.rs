//! A collection: vectors of one dimension under ids, written, read and searched.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use base::Sequence;
use segments::PinnedVector;

use crate::format::Outcome;
use crate::inner::{CollectionState, Inner};
use crate::view::CollectionView;
use crate::{Batch, CollectionConfig, Durability, Id, Result, Search};

/// A handle of a collection. Cheap to clone; reads through it see what is visible when they begin.
#[derive(Clone)]
pub struct Collection {
    pub(crate) inner: Arc<Inner>,
    pub(crate) state: Arc<CollectionState>,
}

impl Collection {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// What it is like.
    pub fn config(&self) -> &CollectionConfig {
        &self.state.config
    }

    /// How many ids it has, by what was decided.
    pub fn len(&self) -> u64 {
        self.state.rows.read().alive()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The highest number that ever was an id here, if any was, by what was decided: numbers above it are new.
    pub fn highest_number(&self) -> Option<u64> {
        self.state.rows.read().highest()
    }

    /// Gives an id a vector, whatever it had before. Durable and visible when this returns.
    ///
    /// # Errors
    /// If it cannot be a vector of this collection, or the id none; if the disk is full, or failed.
    pub fn upsert(&self, id: impl Into<Id>, vector: &[f32]) -> Result<Sequence> {
        let mut batch = Batch::new(Arc::clone(&self.inner));
        batch.upsert(self, id, vector);
        batch.commit(Durability::Sync)?.wait()
    }

    /// Takes an id away; says whether it was there. Durable and visible when this returns.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn remove(&self, id: impl Into<Id>) -> Result<bool> {
        let mut batch = Batch::new(Arc::clone(&self.inner));
        batch.remove(self, id);
        let (commit, outcomes) = batch.decide(Durability::Sync)?;
        commit.wait()?;
        Ok(outcomes.iter().any(|it| matches!(it, Outcome::Removed { ended: Some(_) })))
    }

    /// What an id has.
    ///
    /// # Errors
    /// If its vector is damaged, or what leads to it.
    pub fn get(&self, id: impl Into<Id>) -> Result<Option<Record>> {
        CollectionView::of(&self.inner, &self.state).get(id.into())
    }

    /// The nearest vectors to this one.
    pub fn search<'q>(&self, query: &'q [f32]) -> Search<'q> {
        Search::new(CollectionView::of(&self.inner, &self.state), query)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// What an id has: it stays as it is for as long as this is kept.
pub struct Record {
    pub(crate) id: Id,
    pub(crate) vector: PinnedVector,
}

impl Record {
    /// The id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Its vector, where it lies.
    pub fn vector(&self) -> &[f32] {
        self.vector.deref()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("vector", &self.vector()).finish()
    }
}

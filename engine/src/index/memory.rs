//! How much memory indexes take, and what is done of an index for which there is none.
//!
//! Never: has a search or a write wait for memory.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Indexing;
use super::events::Event;
use super::serving::{Keeping, Serving};
use super::work::Haste;
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::view::CollectionView;
use crate::{CollectionConfig, IndexConfig};

/// So many bytes of an image are verified at a time.
const WARMED: usize = 64 << 20;

/// Vectors of so many numbers have codes in an index: fewer are short as they are, and of more nothing can be proved.
pub(super) const CODED: RangeInclusive<u32> = 48..=1 << 16;

/// Room for so many vectors is made first.
pub(super) const FIRST_ROOM: usize = 4_096;

/// About how many bytes an index of so many vectors takes.
pub(super) fn bytes_of(config: &CollectionConfig, index: IndexConfig, count: usize) -> usize {
    // Both planes of a code with what stands beside them, and what says which slots there are.
    let is_coded = config.metric().is_some() && CODED.contains(&config.dim());
    let code = if is_coded { config.dim().div_ceil(128) as usize * 128 + 64 } else { 0 };
    let (links, trees) = match index {
        IndexConfig::Flat | IndexConfig::Auto => (0, 0),
        IndexConfig::Hnsw(config) => (2 * config.m * size_of::<u32>() + 64, 0),
        // Twice the coordinates, while trees become one.
        IndexConfig::KdTree(_) => (0, 2 * 4 * config.dim() as usize + 32),
        IndexConfig::Lsh(config) => (2 * config.num_tables * size_of::<u32>() + 64, 0),
    };
    // Each time room is used up there is made twice as much again.
    let room = (count + FIRST_ROOM).next_power_of_two();
    room * (code + links + 1) + count * trees
}

impl Inner {
    /// Finds out whether there is no memory for what an index would have to do.
    pub(super) fn notes_memory(&self, collection: &CollectionState, serving: &Serving) -> bool {
        let lacking = self.lacking_for_index(serving.index.bytes_to_own());
        // What is taken up leaves the tail: that is no reason not to take it up.
        let lacking = lacking.saturating_sub(serving.tail.bytes() as u64);
        collection.indexing.lacking.store(lacking, Ordering::Relaxed);
        lacking > 0
    }

    /// The same for all, when the store is opened: what comes before the first turn is not to take what there is not.
    pub(crate) fn note_index_memory(&self) {
        let collections: Vec<_> = self.state.read().going_on().cloned().collect();
        for collection in collections {
            if let Some(serving) = collection.indexing.serving() {
                self.notes_memory(&collection, &serving);
            }
        }
    }

    /// How many bytes are lacking, if indexes take so many more.
    pub(super) fn lacking_for_index(&self, bytes: usize) -> u64 {
        let lacking = |limit| self.index_bytes().saturating_add(bytes).saturating_sub(limit);
        self.index_memory.map_or(0, lacking) as u64
    }

    /// How many bytes of memory all indexes take.
    pub(crate) fn index_bytes(&self) -> usize {
        let state = self.state.read();
        let of = |state: &Arc<CollectionState>| state.indexing.bytes();
        state.going_on().map(of).sum()
    }

    /// Does what takes no memory: an index that lies in its image is verified, and what another one was rid of is given back.
    pub(super) fn follow_without_memory(
        &self,
        (serving, keeping): (&Serving, &mut Keeping),
        view: &CollectionView,
        haste: Haste,
    ) -> bool {
        if serving.index.is_lent() {
            return haste == Haste::Idle && warm_up(serving);
        }
        if !serving.is_to_be_swept(haste) {
            return false;
        }
        let (there_is, given_back) = serving.sweep(keeping, view);
        there_is || given_back > 0
    }
}

impl Indexing {
    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let serving = self.serving();
        let served = serving.map_or(0, |it| it.index.statistics().bytes + it.tail.bytes());
        let building = self.building_bytes.load(Ordering::Relaxed);
        served + building + self.events.lock().len() * size_of::<Event>()
    }
}

/// Verifies an index that lies in its image, and so has it in memory: searches are as fast then as before it was closed. Says
/// whether it is not done.
pub(super) fn warm_up(serving: &Serving) -> bool {
    // Whoever writes or closes the store meanwhile does not wait for all of it.
    let first = serving.warmed();
    let mut progress = |bytes| bytes < first + WARMED;
    let answer = serving.told(serving.index.verify(&mut progress));
    serving.is_warm_to(first + WARMED);
    answer == Some(false)
}

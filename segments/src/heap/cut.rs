//! Sets apart what was decided up to some moment, for a checkpoint to write down.

use base::FileId;

use super::PayloadHeap;
use super::list::HeapList;
use crate::primitives::lock;

/// A heap as it was when it was cut.
#[derive(Debug)]
pub struct HeapCut {
    pub(super) number: u64,
    list: HeapList,
    sparse: Vec<FileId>,
}

impl PayloadHeap {
    /// Cuts off what was decided up to now, to describe it while others go on: under the lock under which batches are
    /// decided.
    pub fn cut(&self) -> HeapCut {
        let (number, list, sparse) = lock(&self.ledger).cut();
        HeapCut { number, list, sparse }
    }
}

impl HeapCut {
    /// What the catalogue of an image holds that was made from this cut, without a compaction.
    pub fn list(&self) -> &HeapList {
        &self.list
    }

    /// Files that nothing will be appended to any more, and of which less than half of what was is alive: those are worth
    /// to be emptied, the cheapest first.
    pub fn sparse(&self) -> &[FileId] {
        &self.sparse
    }

    /// The first of them: those in which no more than so many bytes are alive, all together.
    pub fn sparse_up_to(&self, live: u64) -> &[FileId] {
        let live_in = |file: &FileId| {
            let found = self.list.files().iter().find(|it| it.file == *file);
            found.map_or(0, |it| it.live)
        };
        let sums = self.sparse.iter().scan(0_u64, |sum, file| {
            *sum = sum.saturating_add(live_in(file));
            Some(*sum)
        });
        let count = sums.take_while(|sum| *sum <= live).count();
        self.sparse.get(..count).unwrap_or_default()
    }
}

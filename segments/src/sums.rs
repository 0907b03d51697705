//! Says what the sums of vectors are that an earlier process wrote, so that they are checked at the first touch.
//!
//! Never: knows of vectors that this process wrote; they need no check.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, PoisonError, RwLock};

use base::Slot;

use crate::dedup::AsIs;
use crate::{Result, SlotBase, VectorHash};

/// Sums by slot.
pub(crate) type Replayed = HashMap<u32, VectorHash, BuildHasherDefault<AsIs>>;

/// Where sums are found: in the description of the slots, and with the vectors that the log only names.
pub(crate) struct Sums {
    source: RwLock<(Arc<dyn SlotBase>, Replayed)>,
}

impl Sums {
    pub(crate) fn new(base: Arc<dyn SlotBase>, replayed: Replayed) -> Self {
        Sums { source: RwLock::new((base, replayed)) }
    }

    /// The sum of what a slot held when it was described; `None` if it held nothing.
    pub(crate) fn sum(&self, slot: Slot) -> Result<Option<VectorHash>> {
        let (base, replayed) = {
            let source = self.source.read().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&source.0), source.1.get(&slot.0).copied())
        };
        match replayed {
            Some(sum) => Ok(Some(sum)),
            None if u64::from(slot.0) < base.slots() => {
                Ok(base.known(slot)?.map(|known| known.hash))
            }
            None => Ok(None),
        }
    }

    /// Looks in a newer description from now on, which has all that was not touched yet.
    pub(crate) fn rebase(&self, base: Arc<dyn SlotBase>) {
        let mut source = self.source.write().unwrap_or_else(PoisonError::into_inner);
        *source = (base, Replayed::default());
    }
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sums")
    }
}

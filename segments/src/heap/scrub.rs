//! Reads payloads again by position, to find rot before somebody needs them.
//!
//! Which ones is for who knows all that is referred to: what nothing refers to is not looked at.
//!
//! Promises
//!  1. One payload that is not as it was written, or cannot be read, hides no other.

use super::HeapView;
use super::file::payloads_of;
use super::place::PayloadPlace;
use crate::Error;

/// What was looked at, and found.
///
/// ```
/// # use base::{CollectionId, FileId, StoreId};
/// # use segments::{HeapOwner, PayloadHeap};
/// # let owner = HeapOwner { store: StoreId([7; 16]), collection: CollectionId(1) };
/// # let heap = PayloadHeap::in_memory(owner);
/// # heap.grow(FileId(1), 0)?;
/// # let mut batch = heap.batch();
/// # let places = [batch.reserve(3)?];
/// # batch.keep();
/// # heap.write([(places[0], &b"abc"[..])])?;
/// let mut scrub = heap.view().scrub();
/// for place in places {
///     scrub.look(place);
/// }
/// assert_eq!((scrub.checked(), scrub.problems().len()), (1, 0));
/// # Ok::<(), segments::Error>(())
/// ```
#[derive(Debug)]
pub struct HeapScrub {
    view: HeapView,
    buffer: Vec<u8>,
    checked: u64,
    problems: Vec<Error>,
}

impl HeapView {
    /// A scrub of what this view sees.
    pub fn scrub(&self) -> HeapScrub {
        HeapScrub { view: self.clone(), buffer: Vec::new(), checked: 0, problems: Vec::new() }
    }
}

impl HeapScrub {
    /// Reads the payload in a place, and checks it; says whether it is as it was written.
    pub fn look(&mut self, place: PayloadPlace) -> bool {
        let read = payloads_of(&self.view.files, place)
            .and_then(|file| file.read(place, &mut self.buffer).map(|_| ()));
        match read {
            Ok(()) => self.checked += 1,
            Err(error) => {
                self.problems.push(error);
                return false;
            }
        }
        true
    }

    /// How many payloads were as they were written.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// What is wrong with the others: [`Error::BadPayload`], [`Error::Unreadable`], [`Error::NoPayload`], and why a file
    /// could not be opened.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }
}

//! Who is reading. Whoever takes something away has to know when all are gone who might still have it.
//!
//! A reader notes when it began, in a place of its own: it writes to nothing that another reader reads, and waits for
//! nobody. Whoever took something away asks for a [`Moment`], and later whether all are gone who began before it.
//!
//! Why that is enough: between noting when it began and its first look a reader has a fence, and so has whoever takes
//! away between doing so and looking at the places. One of the two fences comes first. If it is the reader's, its place
//! is seen; if it is the other's, the reader sees that the thing is gone. A reader that noted a later moment has read
//! it from the count, which was moved on behind the taking away, and sees it too.

use std::sync::OnceLock;

use super::Apart;
use super::primitives::{AtomicU64, Ordering, fence};

/// So many places are made at a time.
#[cfg(not(loom))]
const PLACES: usize = 64;
#[cfg(loom)]
const PLACES: usize = 2;

/// Nobody is in this place.
const FREE: u64 = 0;

/// All who read.
#[derive(Debug)]
pub(crate) struct Readers {
    /// How many moments there were, and one.
    now: Apart<AtomicU64>,
    places: Places,
}

#[derive(Debug)]
struct Places {
    places: [Place; PLACES],
    /// More of them, once there were more readers at a time.
    more: OnceLock<Box<Places>>,
}

/// When a reader began.
type Place = Apart<AtomicU64>;

impl Places {
    fn new() -> Self {
        let places = std::array::from_fn(|_| Apart(AtomicU64::new(FREE)));
        Places { places, more: OnceLock::new() }
    }
}

/// A reader that is there until this is dropped.
#[derive(Debug)]
pub(crate) struct Pin<'r> {
    readers: &'r Readers,
    place: &'r Place,
}

/// Behind what was taken away before it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment(u64);

impl Readers {
    pub(crate) fn new() -> Self {
        Readers { now: Apart(AtomicU64::new(FREE + 1)), places: Places::new() }
    }

    /// Begins to read. Waits for nobody.
    pub(crate) fn pin(&self) -> Pin<'_> {
        let now = self.now.load(Ordering::Acquire);
        let mut places = &self.places;
        let first = hint();
        let place = 'found: loop {
            for at in 0..PLACES {
                let Some(place) = places.places.get((first + at) % PLACES) else { continue };
                let free = place.load(Ordering::Relaxed) == FREE;
                // Whoever was here before has let go with `Release`, and this goes on with that.
                if free
                    && place
                        .compare_exchange(FREE, now, Ordering::Relaxed, Ordering::Relaxed)
                        .is_ok()
                {
                    break 'found place;
                }
            }
            places = places.more.get_or_init(|| Box::new(Places::new()));
        };
        fence(Ordering::SeqCst);
        Pin { readers: self, place }
    }

    /// The moment behind all that this thread took away.
    pub(crate) fn moment(&self) -> Moment {
        let moment = self.now.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        Moment(moment)
    }

    /// Whether all are gone who began before that moment. What they read they have read then.
    pub(crate) fn are_gone(&self, since: Moment) -> bool {
        let mut places = Some(&self.places);
        while let Some(some) = places {
            for place in &some.places {
                let began = place.load(Ordering::Acquire);
                if began != FREE && began <= since.0 {
                    return false;
                }
            }
            places = some.more.get().map(Box::as_ref);
        }
        true
    }
}

impl Pin<'_> {
    /// Whether it is one of these readers.
    pub(crate) fn is_of(&self, readers: &Readers) -> bool {
        std::ptr::eq(self.readers, readers)
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.place.store(FREE, Ordering::Release);
    }
}

/// Where a thread looks for a place first: as long as there are no more threads than places, each finds its own.
pub(crate) fn hint() -> usize {
    #[cfg(loom)]
    return 0;
    #[cfg(not(loom))]
    {
        use std::sync::atomic::AtomicUsize;
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static HINT: usize = THREADS.fetch_add(1, Ordering::Relaxed));
        HINT.with(|hint| *hint)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn those_who_began_before_are_waited_for_and_no_others() {
        let readers = Readers::new();
        let before = readers.pin();
        let moment = readers.moment();
        let behind = readers.pin();
        assert!(!readers.are_gone(moment));
        drop(before);
        assert!(readers.are_gone(moment));
        let later = readers.moment();
        assert!(!readers.are_gone(later));
        drop(behind);
        assert!(readers.are_gone(later));
    }

    #[test]
    fn there_may_be_more_readers_than_places() {
        let readers = Readers::new();
        let pins: Vec<_> = (0..3 * PLACES).map(|_| readers.pin()).collect();
        let moment = readers.moment();
        for pin in pins {
            assert!(!readers.are_gone(moment));
            drop(pin);
        }
        assert!(readers.are_gone(moment));
    }
}

//! Reads vectors again by position, to find rot before somebody needs them.
//!
//! It goes slot by slot, in steps as long as whoever calls wants them, and holds up nobody: in each step it has a
//! pin, so that what it reads is not rewritten meanwhile, and lets go of it at the end.
//!
//! Promises
//!  1. Whatever is alive from before a step until it ends was read and checked by it.
//!  2. One vector that is not as it was written, or cannot be read, hides no other.

use base::Slot;

use crate::file::Segments;
use crate::states::State;
use crate::{Error, Known, Result, VectorHash, VectorSet};

/// How many bytes are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// How far a scrub is, and what it found.
///
/// ```
/// # use base::{CollectionId, Dim, FileId, Sequence, StoreId};
/// # use segments::{Dedup, Element, Geometry, Owner, Pins, VectorSet};
/// # let geometry = Geometry::new(Dim::new(2).unwrap(), Element::F32);
/// # let owner = Owner { store: StoreId([7; 16]), collection: CollectionId(1), geometry };
/// # let set = VectorSet::in_memory(owner, Dedup::Exact, Pins::new(None));
/// # set.grow(FileId(1))?;
/// # let prepared = set.prepare([1.0, 2.0].into(), None)?;
/// # let mut batch = set.batch(Sequence::FIRST);
/// # batch.place(&prepared)?;
/// # set.apply(batch.keep())?;
/// let mut scrub = set.scrub();
/// while scrub.step(&set, 1_000)? {
///     println!("{} of {} slots", scrub.looked_at(), set.slots());
/// }
/// assert_eq!((scrub.checked(), scrub.problems().len()), (1, 0));
/// # Ok::<(), segments::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Scrub {
    next: u64,
    checked: u64,
    problems: Vec<Error>,
}

impl VectorSet {
    /// A scrub of all slots, from the first on. Slots that are given out meanwhile are looked at too.
    pub fn scrub(&self) -> Scrub {
        Scrub::default()
    }
}

impl Scrub {
    /// Looks at so many slots more; says whether there are others behind them.
    ///
    /// # Errors
    /// Where the description of the slots cannot be read. What is wrong with vectors is no error: see
    /// [`problems`](Scrub::problems).
    pub fn step(&mut self, set: &VectorSet, slots: u32) -> Result<bool> {
        // First the pin: what is alive behind it is not rewritten before it is dropped.
        let _pin = set.pins().pin();
        let segments = set.file.segments();
        let (mut alive, len) = self.alive(set, slots)?;
        let geometry = &set.owner().geometry;
        // Looked at before it is read: what is closed now is on its way, and not there yet.
        alive.retain(|(slot, _)| {
            let (number, index) = geometry.locate(*slot);
            let opened = segments.get(number as usize);
            opened.is_some_and(|it| it.segment.is_err() || it.states.get(index) != State::Closed)
        });
        let mut buffer = Vec::new();
        let most = (READ_BYTES / geometry.stride()).max(1);
        let mut rest = &alive[..];
        while let Some(((first, _), _)) = rest.split_first() {
            let (number, _) = geometry.locate(*first);
            let is_next = |(at, (slot, _)): (usize, &(Slot, Known))| {
                u64::from(slot.0) == u64::from(first.0) + at as u64
                    && geometry.locate(*slot).0 == number
            };
            let count = rest.iter().enumerate().take(most).take_while(|it| is_next(*it)).count();
            let (run, behind) = rest.split_at(count.max(1));
            self.check_run(set, (&segments, number), run, &mut buffer);
            rest = behind;
        }
        Ok(self.next < len)
    }

    /// How many slots were looked at.
    pub fn looked_at(&self) -> u64 {
        self.next
    }

    /// How many vectors were read and checked.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// What is wrong with vectors: [`Error::Rotten`], [`Error::Unreadable`], and why a segment could not be opened.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    /// The slots among the next ones whose vectors have to be as they were written; and how many slots there
    /// are.
    fn alive(&mut self, set: &VectorSet, slots: u32) -> Result<(Vec<(Slot, Known)>, u64)> {
        let table = set.table();
        let end = table.len().min(self.next + u64::from(slots));
        let mut alive = Vec::new();
        for slot in (self.next..end).filter_map(|slot| u32::try_from(slot).ok()).map(Slot) {
            alive.extend(table.known(slot)?.filter(Known::is_alive).map(|known| (slot, known)));
        }
        self.next = end;
        Ok((alive, table.len()))
    }

    /// Checks vectors of slots that lie one behind the other in one segment.
    fn check_run(
        &mut self,
        set: &VectorSet,
        (segments, number): (&Segments, u32),
        run: &[(Slot, Known)],
        buffer: &mut Vec<u8>,
    ) {
        let geometry = &set.owner().geometry;
        let (Some(opened), Some((first, _))) = (segments.get(number as usize), run.first()) else {
            return;
        };
        let segment = match &opened.segment {
            Ok(segment) => segment,
            Err(error) => return self.problems.push(error.clone()),
        };
        let (_, index) = geometry.locate(*first);
        let (stride, length) = (geometry.stride(), geometry.vector_bytes());
        buffer.resize((run.len() - 1) * stride + length, 0);
        let is_read = segment.read_run(index, buffer).is_ok();
        for ((at, (slot, known)), index) in run.iter().enumerate().zip(index..) {
            let place = at * stride..at * stride + length;
            let Some(bytes) = buffer.get_mut(place) else { continue };
            // One by one, where all at a time is more than can be read.
            let read = if is_read { Ok(()) } else { segment.read(index, bytes) };
            if let Err(error) = read {
                self.problems.push(error);
                continue;
            }
            self.checked += 1;
            if VectorHash::of_bytes(bytes) != known.hash {
                opened.states.doubt(index);
                let (path, offset) = (segment.path(), geometry.offset_of(index));
                self.problems.push(Error::Rotten { path, offset, slot: *slot });
            }
        }
    }
}

//! The vector file of a collection: its segments as one row of slots.
//!
//! Promises
//!  1. Segments are added at the end and never taken away, so that whoever has the list of then finds all it
//!     sees in it.
//!  2. A segment that is damaged or lost is an error for the slots in it, and for no others.
//!  3. A slot is written only while it is closed to readers: anything else is a mistake of ours, and ends here.
//!
//! Never: knows which slots hold something, or since when.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base::{CollectionId, FileId, Slot, StoreId};
use disk::{Access, Disk};

use crate::states::{State, States};
use crate::{Error, Geometry, Result, Segment, SegmentHeader};

/// Where segments are.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Disk(Arc<dyn Disk>),
    Memory,
}

/// Whose vectors a file holds, and how they lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The store.
    pub store: StoreId,
    /// The collection.
    pub collection: CollectionId,
    /// The layout of its segments.
    pub geometry: Geometry,
}

impl Owner {
    fn header(&self, file: FileId, segment: u32) -> SegmentHeader {
        let Owner { store, collection, geometry } = *self;
        SegmentHeader { store, file, collection, segment, geometry }
    }
}

/// A segment, and what is known of its slots.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: FileId,
    pub(crate) segment: Result<Arc<Segment>>,
    pub(crate) states: States,
}

impl Opened {
    fn new(file: FileId, segment: Result<Arc<Segment>>, states: States) -> Arc<Self> {
        Arc::new(Opened { file, segment, states })
    }
}

/// The segments there were at some moment.
pub(crate) type Segments = Arc<[Arc<Opened>]>;

/// The segments of a collection.
#[derive(Debug)]
pub(crate) struct VectorFile {
    place: Place,
    owner: Owner,
    segments: RwLock<Segments>,
    /// How many segments there are of which something durable, or about to be, says that they are there.
    announced: AtomicUsize,
    /// Held by who makes a segment.
    growing: Mutex<()>,
}

impl VectorFile {
    /// No segments.
    pub(crate) fn new(place: Place, owner: Owner) -> Self {
        Self::of(place, owner, Arc::from([]))
    }

    fn of(place: Place, owner: Owner, segments: Segments) -> Self {
        let announced = AtomicUsize::new(segments.len());
        VectorFile {
            place,
            owner,
            segments: RwLock::new(segments),
            announced,
            growing: Mutex::new(()),
        }
    }

    /// The segments with these numbers, as far as they can be opened.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        owner: Owner,
        files: &[FileId],
        access: Access,
    ) -> Self {
        let open = |(number, file): (u32, &FileId)| open(&*disk, &owner, (*file, number), access);
        let segments: Segments = (0..).zip(files).map(open).collect();
        Self::of(Place::Disk(disk), owner, segments)
    }

    /// Opens one more segment, if it can be opened.
    pub(crate) fn open_next(&self, file: FileId, access: Access) -> Result<()> {
        let number = self.next_number()?;
        if self.segments().iter().any(|opened| opened.file == file) {
            let slot = self.owner.geometry.first_slot(number).unwrap_or(Slot(u32::MAX));
            return Err(Error::Inconsistent { slot, what: "of a segment that was there already" });
        }
        if let Place::Disk(disk) = &self.place {
            self.add(open(&**disk, &self.owner, (file, number), access));
            self.announced.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The segments there are now.
    pub(crate) fn segments(&self) -> Segments {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The segments that were announced.
    pub(crate) fn announced(&self) -> Vec<FileId> {
        let count = self.announced.load(Ordering::Acquire);
        self.segments().iter().take(count).map(|opened| opened.file).collect()
    }

    /// Says that a segment is there, if it is the next one to be announced.
    pub(crate) fn announce(&self, file: FileId) {
        let count = self.announced.load(Ordering::Acquire);
        if self.segments().get(count).is_some_and(|opened| opened.file == file) {
            self.announced.store(count + 1, Ordering::Release);
        }
    }

    /// How many slots the announced segments have.
    pub(crate) fn room(&self) -> u64 {
        room(&self.owner.geometry, self.announced.load(Ordering::Acquire))
    }

    /// The slots of the segments that could not be opened, and why.
    pub(crate) fn broken(&self) -> Vec<(Range<u64>, Error)> {
        let geometry = &self.owner.geometry;
        let segments = self.segments();
        let broken = segments.iter().enumerate().filter_map(|(number, opened)| {
            let error = opened.segment.as_ref().err()?;
            Some((room(geometry, number)..room(geometry, number + 1), error.clone()))
        });
        broken.collect()
    }

    /// Makes one more segment, durably, in a file of this number, which has to be above all there are; unless there is
    /// one already that was not announced. Says which has to be.
    pub(crate) fn grow(&self, file: FileId) -> Result<FileId> {
        let _alone = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.segments().get(self.announced.load(Ordering::Acquire)) {
            return Ok(made.file);
        }
        let number = self.next_number()?;
        let header = self.owner.header(file, number);
        let segment = match &self.place {
            Place::Disk(disk) => Segment::create(&**disk, &header)?,
            Place::Memory => Segment::in_memory(&header)?,
        };
        let states = States::closed(segment.slots());
        self.add(Opened::new(file, Ok(segment), states));
        Ok(file)
    }

    fn next_number(&self) -> Result<u32> {
        let number = u32::try_from(self.segments().len()).map_err(|_| Error::NoSlotsLeft)?;
        if number < self.owner.geometry.segments_max() {
            Ok(number)
        } else {
            Err(Error::NoSlotsLeft)
        }
    }

    fn add(&self, opened: Arc<Opened>) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        *segments = segments.iter().cloned().chain([opened]).collect();
    }

    /// Takes a slot that was given out for writing; `false` if readers may have it, as none that is free may be.
    #[must_use]
    pub(crate) fn claim(&self, slot: Slot) -> bool {
        let (number, index) = self.owner.geometry.locate(slot);
        self.segments().get(number as usize).is_some_and(|opened| opened.states.claim(index))
    }

    /// Lets nobody begin to read a slot.
    pub(crate) fn close(&self, slot: Slot) {
        let (number, index) = self.owner.geometry.locate(slot);
        if let Some(opened) = self.segments().get(number as usize) {
            opened.states.close(index);
        }
    }

    /// Writes vectors into slots that are closed: in as few calls as there are runs of slots.
    ///
    /// # Panics
    /// If one of the slots is not closed.
    pub(crate) fn write<'v>(&self, vectors: impl Iterator<Item = (Slot, &'v [f32])>) -> Result<()> {
        let segments = self.segments();
        let mut run = Run::EMPTY;
        for (slot, vector) in vectors {
            let (number, index) = self.owner.geometry.locate(slot);
            if !run.goes_on(number, index) {
                run.write(&segments)?;
                run.begin(slot, number, index);
            }
            run.bytes.extend_from_slice(bytemuck::cast_slice(vector));
            run.count += 1;
        }
        run.write(&segments)
    }

    /// Writes one vector, without a copy on the way.
    ///
    /// # Panics
    /// If the slot is not closed.
    pub(crate) fn write_one(&self, slot: Slot, vector: &[f32]) -> Result<()> {
        let (number, index) = self.owner.geometry.locate(slot);
        let segments = self.segments();
        let segment = closed_to_readers(&segments, number, index..index + 1, slot)?;
        segment.write(index, bytemuck::cast_slice(vector))
    }

    /// Shows slots that have been written.
    pub(crate) fn publish(&self, slots: impl Iterator<Item = Slot>) {
        let segments = self.segments();
        for slot in slots {
            let (number, index) = self.owner.geometry.locate(slot);
            if let Some(opened) = segments.get(number as usize) {
                opened.states.publish(index);
            }
        }
    }

    /// Makes every write durable that returned before, in the segments that any of these slots lie in; in all
    /// of them without slots.
    pub(crate) fn sync(&self, slots: Option<Range<u64>>) -> Result<()> {
        let geometry = &self.owner.geometry;
        for (number, opened) in self.segments().iter().enumerate() {
            let is_meant = slots.as_ref().is_none_or(|slots| {
                slots.start < room(geometry, number + 1) && room(geometry, number) < slots.end
            });
            // One that could not be opened was not written to.
            if let (true, Ok(segment)) = (is_meant, &opened.segment) {
                segment.sync()?;
            }
        }
        Ok(())
    }
}

fn open(
    disk: &dyn Disk,
    owner: &Owner,
    (file, number): (FileId, u32),
    access: Access,
) -> Arc<Opened> {
    let segment = Segment::open(disk, &owner.header(file, number), access);
    let slots = if segment.is_ok() { owner.geometry.slots_of(number) } else { 0 };
    Opened::new(file, segment, States::unknown(slots))
}

/// The segment of some slots, of which `slot` is the first, for writing to them.
fn closed_to_readers(
    segments: &Segments,
    number: u32,
    indexes: Range<u32>,
    slot: Slot,
) -> Result<&Segment> {
    let opened = segments.get(number as usize).ok_or(Error::NotThere { slot })?;
    let segment = opened.segment.as_ref().map_err(Clone::clone)?;
    for index in indexes {
        // Whoever reads the slot was promised that nobody writes there.
        let state = opened.states.get(index);
        assert_eq!(state, State::Closed, "slot {index} of segment {number} is open to readers");
    }
    Ok(segment)
}

/// How many slots so many segments have.
pub(crate) fn room(geometry: &Geometry, segments: usize) -> u64 {
    let first_behind = u32::try_from(segments).ok().and_then(|number| geometry.first_slot(number));
    first_behind.map_or(1 << 32, |slot| u64::from(slot.0))
}

/// How many bytes are gathered for one write.
const RUN_BYTES: usize = 4 << 20;

/// From so many bytes on, pages of the map are made at hand once they are written.
const POPULATED_BYTES: usize = 64 << 10;

/// Vectors of slots that lie one behind the other in one segment.
struct Run {
    slot: Slot,
    segment: u32,
    first: u32,
    count: u32,
    bytes: Vec<u8>,
}

impl Run {
    const EMPTY: Run = Run { slot: Slot(0), segment: 0, first: 0, count: 0, bytes: Vec::new() };

    fn goes_on(&self, segment: u32, index: u32) -> bool {
        let is_next = self.segment == segment && self.first + self.count == index;
        self.count > 0 && is_next && self.bytes.len() < RUN_BYTES
    }

    fn begin(&mut self, slot: Slot, segment: u32, index: u32) {
        self.bytes.clear();
        (self.slot, self.segment, self.first, self.count) = (slot, segment, index, 0);
    }

    fn write(&self, segments: &Segments) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let indexes = self.first..self.first + self.count;
        let segment = closed_to_readers(segments, self.segment, indexes, self.slot)?;
        let expected = self.count as usize * segment.geometry().vector_bytes();
        assert_eq!(self.bytes.len(), expected, "bytes of {} vectors", self.count);
        segment.write_run(self.first, &self.bytes)?;
        // Of a long run it is likely that some of it is looked at soon: for a duplicate, say.
        let (geometry, last) = (segment.geometry(), self.first + self.count - 1);
        if self.bytes.len() >= POPULATED_BYTES
            && let Some(first) = geometry.vector_range(self.first)
            && let Some(last) = geometry.vector_range(last)
        {
            segment.region().populate(first.start..last.end);
        }
        Ok(())
    }
}

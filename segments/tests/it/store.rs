//! The smallest store on top of segments: one collection, whose steps are to make the next segment or to
//! write a vector to the next slot.

use base::{CollectionId, Dim, FileId, Slot, StoreId};
use disk::sim::Progress;
use disk::{Access, Disk, SimDisk};
use segments::{Element, Geometry, Name, Segment, SegmentHeader};

/// Just too long for two of them to fit 64 KiB: the first two segments have a slot each, so that even
/// a short workload has many segments, and an image is small.
pub(crate) const DIM: u32 = 16_400;

/// What a workload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Makes a segment.
    Grow,
    /// Writes a slot, and syncs.
    Put,
}

/// What a workload does.
pub(crate) struct Store {
    disk: SimDisk,
    segments: Vec<std::sync::Arc<Segment>>,
    slots: u32,
    steps: u64,
}

fn geometry() -> Geometry {
    Geometry::new(Dim::new(DIM).unwrap(), Element::F32)
}

/// The header of a segment: file ids begin at 7.
pub(crate) fn header(segment: u32) -> SegmentHeader {
    SegmentHeader {
        store: StoreId(*b"a store of tests"),
        file: FileId(7 + u64::from(segment)),
        collection: CollectionId(3),
        segment,
        geometry: geometry(),
    }
}

/// The vector of a slot: no two slots have the same, and no byte is zero.
pub(crate) fn vector(slot: u32) -> Vec<u8> {
    let word =
        |at: u32| (slot.wrapping_mul(0x9e37_79b9) ^ at.wrapping_mul(0x85eb_ca6b)) | 0x0101_0101;
    (0..DIM).flat_map(|at| word(at).to_le_bytes()).collect()
}

impl Store {
    /// A store without segments.
    pub(crate) fn create(disk: &SimDisk) -> segments::Result<Store> {
        segments::make_directory(disk)?;
        Ok(Store { disk: disk.clone(), segments: Vec::new(), slots: 0, steps: 0 })
    }

    /// Does a step, and promises it.
    pub(crate) fn step(&mut self, step: Step) -> segments::Result<()> {
        self.disk.begin(self.steps + 1);
        match step {
            Step::Grow => {
                let header = header(self.segments.len() as u32);
                self.segments.push(Segment::create(&self.disk, &header)?);
            }
            Step::Put => {
                let (segment, index) = geometry().locate(Slot(self.slots));
                let segment = &self.segments[segment as usize];
                segment.write(index, &vector(self.slots))?;
                segment.sync()?;
                self.slots += 1;
            }
        }
        self.steps += 1;
        self.disk.acknowledge(self.steps);
        Ok(())
    }
}

/// Does all steps on a new disk.
pub(crate) fn record(steps: &[Step]) -> disk::sim::Recording {
    let disk = SimDisk::new(3);
    let mut store = Store::create(&disk).unwrap();
    for step in steps {
        store.step(*step).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
    }
    disk.recording()
}

/// What is found after a crash: how many segments are referred to, and how many vectors.
pub(crate) type Found = (usize, usize);

/// Recovers what a crash left: every `.seg` opens, those that were promised are there, and so are the
/// vectors that were promised, bit for bit.
///
/// A segment is referred to once its making was promised. Others are removed, whole as they are: the sync
/// of their name may have failed, and then no later one makes it durable.
pub(crate) fn recover(disk: &SimDisk, progress: Progress, steps: &[Step]) -> Result<Found, String> {
    let in_words = |error: segments::Error| error.to_string();
    let _recovering = disk.recovering();
    segments::make_directory(disk).map_err(in_words)?;
    let done = &steps[..usize::try_from(progress.acknowledged).unwrap()];
    let promised = |step: Step| done.iter().filter(|other| **other == step).count();
    let mut found = Vec::new();
    for name in segments::list(disk).map_err(in_words)? {
        if let Name::Segment(_) = name {
            let header = header(found.len() as u32);
            if name.file() != header.file {
                return Err(format!("{name:?} is there, and not {}", header.file));
            }
            found.push(Segment::open(disk, &header, Access::ReadWrite).map_err(in_words)?);
        }
        let is_referred_to =
            matches!(name, Name::Segment(_)) && found.len() <= promised(Step::Grow);
        if !is_referred_to {
            let removed = segments::remove(disk, name).map_err(in_words)?;
            removed.sync(disk).map_err(|error| error.to_string())?;
        }
    }
    if found.len() < promised(Step::Grow) {
        return Err(format!("{} segments were found, at {progress:?}", found.len()));
    }
    for slot in 0..promised(Step::Put) as u32 {
        let (segment, index) = geometry().locate(Slot(slot));
        let mut bytes = vec![0; geometry().vector_bytes()];
        found[segment as usize].read(index, &mut bytes).map_err(in_words)?;
        if bytes != vector(slot) {
            return Err(format!("slot {slot} holds something else"));
        }
    }
    Ok((promised(Step::Grow), promised(Step::Put)))
}

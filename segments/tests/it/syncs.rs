//! Syncs that race with writes and with each other, and fail: what a later one promises holds. Each happened once.

use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::thread;

use base::{CollectionId, Dim, FileId, Sequence, StoreId};
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use disk::{Call, Disk, Hook, Hooked, SimDisk};
use segments::{Dedup, Element, Error, Geometry, Owner, Pins, VectorSet, Writes};

const DIM: u32 = 16;

fn owner(dim: u32) -> Owner {
    let geometry = Geometry::new(Dim::new(dim).unwrap(), Element::F32);
    Owner { store: StoreId([7; 16]), collection: CollectionId(1), geometry }
}

fn vector(number: u32) -> Arc<[f32]> {
    (0..DIM).map(|at| (number * DIM + at) as f32).collect()
}

fn set_on(disk: Arc<dyn Disk>) -> VectorSet {
    segments::make_directory(&*disk).unwrap();
    let set = VectorSet::create(disk, owner(DIM), Dedup::Exact, Pins::new(None));
    set.grow(FileId(1)).unwrap();
    set
}

/// Decides a batch of one vector.
fn decide(set: &VectorSet, number: u32) -> Writes {
    let prepared = set.prepare(vector(number), None).unwrap();
    let mut batch = set.batch(Sequence::new(u64::from(number) + 1).unwrap());
    batch.place(&prepared).unwrap();
    batch.keep()
}

/// What is done right before the next write to a file, and how many syncs of files there were.
#[derive(Default)]
struct Between {
    before_write: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    syncs: Mutex<u32>,
}

impl std::fmt::Debug for Between {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Between")
    }
}

impl Hook for Between {
    fn before(&self, call: &Call<'_>) -> disk::Result<()> {
        match call {
            Call::WriteAt { .. } => {
                let act = self.before_write.lock().unwrap().take();
                act.into_iter().for_each(|act| act());
            }
            Call::SyncData { .. } => *self.syncs.lock().unwrap() += 1,
            _ => {}
        }
        Ok(())
    }

    fn after(&self, _: &Call<'_>, _: Result<(), &disk::Error>) {}
}

/// A checkpoint syncs while a batch is being applied: its write comes too late for that sync, and the next one
/// must not take it for done.
#[test]
fn a_write_that_is_under_way_during_a_sync_is_synced_by_the_next() {
    let between = Arc::new(Between::default());
    let sim = SimDisk::new(1);
    let hooked = Hooked::new(Arc::new(sim.clone()), Arc::clone(&between) as Arc<dyn Hook>);
    let set = Arc::new(set_on(Arc::new(hooked)));
    set.apply(decide(&set, 0)).unwrap();
    let other: Weak<VectorSet> = Arc::downgrade(&set);
    *between.before_write.lock().unwrap() =
        Some(Box::new(move || other.upgrade().unwrap().sync().unwrap()));
    set.apply(decide(&set, 1)).unwrap();
    assert_eq!(*between.syncs.lock().unwrap(), 1);
    set.sync().unwrap();
    assert_eq!(*between.syncs.lock().unwrap(), 2);
    let path = Path::new("vectors/00000000000000000001.seg");
    assert_eq!(
        sim.after_power_loss().bytes(path).unwrap()[4_096 + 64..4_096 + 128],
        *bytemuck::cast_slice::<f32, u8>(&vector(1))
    );
    set.sync().unwrap();
    assert_eq!(*between.syncs.lock().unwrap(), 2, "nothing was written since");
}

/// The system reports a failed sync once, and answers the next one "done".
#[test]
fn a_sync_that_failed_is_not_done_the_next_time() {
    let sim = SimDisk::new(1);
    let set = set_on(Arc::new(sim.clone()));
    set.apply(decide(&set, 0)).unwrap();
    let kind = FaultKind::Sync(LostSync::KeepsCache);
    sim.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
    for _ in 0..2 {
        assert!(matches!(set.sync(), Err(Error::Stopped { .. })));
    }
    assert!(matches!(set.apply(decide(&set, 1)), Err(Error::Stopped { .. })));
}

#[test]
fn threads_that_sync_are_answered_when_their_writes_are_durable() {
    let sim = SimDisk::new(1);
    let set = &set_on(Arc::new(sim.clone()));
    let (turn, pins) = (&Mutex::new(0_u32), set.pins());
    thread::scope(|scope| {
        for _ in 0..8 {
            let sim = &sim;
            scope.spawn(move || {
                for _ in 0..25 {
                    let number = {
                        let mut next = turn.lock().unwrap();
                        let number = *next;
                        *next += 1;
                        set.apply(decide(set, number)).unwrap();
                        pins.advance(Sequence::new(u64::from(number) + 1).unwrap());
                        number
                    };
                    set.sync().unwrap();
                    let image = sim.after_power_loss();
                    let bytes = image.bytes("vectors/00000000000000000001.seg").unwrap();
                    let at = 4_096 + number as usize * 64;
                    assert_eq!(
                        bytes[at..at + 64],
                        *bytemuck::cast_slice::<f32, u8>(&vector(number))
                    );
                }
            });
        }
    });
    assert_eq!(set.counts().alive, 200);
}

/// The log refused the record of a segment, and the next attempt made another: the log then knew of the second
/// alone, and vectors lay in the first.
#[test]
fn a_segment_that_was_not_announced_is_taken_up_by_the_next_attempt() {
    let set = set_on(Arc::new(SimDisk::new(1)));
    assert_eq!(set.make_segment(FileId(2)).unwrap(), FileId(2));
    assert_eq!((set.files(), set.files_made().len()), (vec![FileId(1)], 2));
    assert_eq!(set.make_segment(FileId(3)).unwrap(), FileId(2), "it is there, and waits");
    assert!(set.has_room_for(1_024) && !set.has_room_for(1_025));
    set.open_segment(FileId(3));
    assert!(!set.has_room_for(1_025), "that one was never made");
    set.open_segment(FileId(2));
    assert_eq!(set.files(), [FileId(1), FileId(2)]);
    assert!(set.has_room_for(2_048));
}

#[test]
fn what_belongs_to_another_set_is_not_written() {
    let set = set_on(Arc::new(SimDisk::new(1)));
    let wide = VectorSet::in_memory(owner(32), Dedup::Exact, Pins::new(None));
    let other = wide.prepare(Arc::from([1.0; 32]), None).unwrap();
    let mut batch = set.batch(Sequence::FIRST);
    let refused = batch.place(&other).unwrap_err();
    assert!(matches!(refused, Error::Dimension { found: 32, expected: 16 }), "{refused}");
    drop(batch);
    let mut fresh = set.take_fresh(2).unwrap();
    assert!(matches!(fresh.write([other]), Err(Error::Dimension { .. })));
    drop(fresh);
    let writes = decide(&set, 0);
    let twin = set_on(Arc::new(SimDisk::new(2)));
    let applied = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| twin.apply(writes)));
    assert!(applied.is_err(), "a batch of one set is applied to another");
}

/// A batch is held while what a bulk load did not need is dropped: the same thread must not wait for itself.
#[test]
fn slots_are_given_back_while_a_batch_is_held() {
    let set = set_on(Arc::new(SimDisk::new(1)));
    let mut fresh = set.take_fresh(3).unwrap();
    let prepared = |number| set.prepare(vector(number), None).unwrap();
    fresh.write([prepared(0), prepared(1)]).unwrap();
    let written = fresh.sync().unwrap();
    assert_eq!(written.len(), 2);
    let mut batch = set.batch(Sequence::FIRST);
    let slot = batch.place_written(&written, 1).unwrap().slot();
    drop(written);
    set.apply(batch.keep()).unwrap();
    set.pins().advance(Sequence::FIRST);
    assert_eq!(*set.view(set.pins().pin()).vector(slot).unwrap(), *vector(1));
    // The other two are given out to others.
    let given = [decide(&set, 5), decide(&set, 6)];
    assert_eq!(set.slots(), 3);
    given.into_iter().for_each(|writes| set.apply(writes).unwrap());
}

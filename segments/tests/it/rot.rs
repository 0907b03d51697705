//! What an earlier process wrote, damaged: found at the first touch and by a scrub, named, and kept from everybody;
//! what is not damaged is served.

use std::sync::Arc;

use base::{CollectionId, Dim, FileId, Sequence, Slot, StoreId};
use disk::sim::Image;
use disk::{Disk, SimDisk};
use segments::{
    Dedup, Element, Ended, Error, Geometry, Name, Owner, Pins, Placed, Recovery, RestingUntil,
    SlotBase, SlotList, VectorHash, VectorSet,
};

/// Four slots in each of the first two segments.
const DIM: u32 = 4_096;
const COUNT: u32 = 7;

fn owner() -> Owner {
    let geometry = Geometry::new(Dim::new(DIM).unwrap(), Element::F32);
    Owner { store: StoreId([7; 16]), collection: CollectionId(1), geometry }
}

fn vector(number: u32) -> Arc<[f32]> {
    (0..DIM).map(|at| (number * DIM + at) as f32).collect()
}

/// A disk with two segments and a vector in each of seven slots, and the description of these.
fn written() -> (Image, SlotList) {
    let disk = SimDisk::new(1);
    segments::make_directory(&disk).unwrap();
    let set = VectorSet::create(Arc::new(disk.clone()), owner(), Dedup::Exact, Pins::new(None));
    set.grow(FileId(1)).unwrap();
    set.grow(FileId(2)).unwrap();
    let mut batch = set.batch(Sequence::FIRST);
    for number in 0..COUNT {
        let prepared = set.prepare(vector(number), None).unwrap();
        assert_eq!(batch.place(&prepared).unwrap(), Placed::Own(Slot(number)));
    }
    let writes = batch.keep();
    set.apply(&writes).unwrap();
    set.sync().unwrap();
    (disk.after_power_loss(), set.cut().describe().unwrap())
}

fn open(disk: &SimDisk, base: &SlotList) -> VectorSet {
    let at: Arc<dyn Disk> = Arc::new(disk.clone());
    let files = [FileId(1), FileId(2)];
    let base: Arc<dyn SlotBase> = Arc::new(base.clone());
    let recovery = Recovery::begin(at, owner(), &files, Dedup::Exact, base).unwrap();
    recovery.finish(Pins::new(Some(Sequence::FIRST)))
}

fn scrubbed(set: &VectorSet, slots: u32) -> Vec<Error> {
    let mut scrub = set.scrub();
    while scrub.step(set, slots).unwrap() {}
    assert_eq!(scrub.looked_at(), u64::from(COUNT));
    scrub.problems().to_vec()
}

/// Which slots a view finds as they were; others must be errors that name them.
fn readable(set: &VectorSet) -> Vec<u32> {
    let view = set.view(set.pins().pin());
    let is_right = |number: &u32| match view.vector(Slot(*number)) {
        Ok(found) => {
            assert_eq!(*found, *vector(*number), "slot {number}");
            assert_eq!(*view.pinned(Slot(*number)).unwrap(), *vector(*number));
            true
        }
        Err(Error::Rotten { slot, .. }) => {
            assert_eq!(slot, Slot(*number));
            false
        }
        Err(_) => false,
    };
    (0..COUNT).filter(is_right).collect()
}

#[test]
fn a_flipped_bit_is_found_at_the_first_touch_and_hides_no_other_vector() {
    let (image, base) = written();
    for slot in 0..COUNT {
        for at in [0, 9_999, 16_383] {
            let (segment, index) = owner().geometry.locate(Slot(slot));
            let path = Name::Segment(FileId(1 + u64::from(segment))).path();
            let offset = owner().geometry.offset_of(index);
            let mut damaged = image.clone();
            let mut bytes = damaged.bytes(&path).unwrap().to_vec();
            bytes[offset as usize + at] ^= 0x10;
            damaged.replace(&path, &bytes);
            let disk = SimDisk::from_image(&damaged, 1);

            let set = open(&disk, &base);
            let refused = set.view(set.pins().pin()).vector(Slot(slot)).unwrap_err();
            let is_named = matches!(&refused, Error::Rotten { path: named, offset: there, slot: it }
                if named.ends_with(&path) && *there == offset && *it == Slot(slot));
            assert!(is_named, "{refused}");
            let others: Vec<_> = (0..COUNT).filter(|other| *other != slot).collect();
            assert_eq!(readable(&set), others, "twice the same");

            let set = open(&disk, &base);
            let problems = scrubbed(&set, 1 + slot);
            assert!(matches!(&problems[..], [Error::Rotten { slot: it, .. }] if it.0 == slot));
            assert_eq!(readable(&set), others);
        }
    }
}

/// A vector that is not what was written must not stand for one that is added.
#[test]
fn nothing_is_merged_with_rot() {
    let (mut image, base) = written();
    let path = Name::Segment(FileId(1)).path();
    let mut bytes = image.bytes(&path).unwrap().to_vec();
    bytes[owner().geometry.offset_of(2) as usize] ^= 1;
    image.replace(&path, &bytes);
    let set = open(&SimDisk::from_image(&image, 1), &base);
    let mut batch = set.batch(Sequence::new(2).unwrap());
    let mut place = |number| batch.place(&set.prepare(vector(number), None).unwrap()).unwrap();
    assert_eq!(place(2), Placed::Own(Slot(COUNT)), "it gets a slot of its own");
    assert_eq!(place(3), Placed::Shared(Slot(3)));
    let writes = batch.keep();
    set.apply(&writes).unwrap();
    set.pins().advance(Sequence::new(2).unwrap());
    assert_eq!(*set.view(set.pins().pin()).vector(Slot(COUNT)).unwrap(), *vector(2));
}

#[test]
fn what_cannot_be_read_is_told_by_a_scrub_and_hides_no_other_vector() {
    let (image, base) = written();
    let path = Name::Segment(FileId(1)).path();
    let mut damaged = image.clone();
    let offset = owner().geometry.offset_of(1) + 512;
    assert!(damaged.make_unreadable(&path, offset..offset + 512));
    let set = open(&SimDisk::from_image(&damaged, 1), &base);
    let problems = scrubbed(&set, 100);
    assert!(matches!(&problems[..], [Error::Unreadable { .. }]), "{problems:?}");
}

#[test]
fn a_lost_or_damaged_segment_is_an_error_for_its_slots_alone() {
    let (image, base) = written();
    let path = Name::Segment(FileId(1)).path();
    let (mut lost, mut damaged, mut cut) = (image.clone(), image.clone(), image.clone());
    lost.remove(&path);
    damaged.replace(&path, &vec![0; 69_632]);
    cut.truncate(&path, 69_631);
    for (image, is_it) in [
        (lost, (|error| matches!(error, Error::Missing { .. })) as fn(&Error) -> bool),
        (damaged, |error| matches!(error, Error::Damaged { .. })),
        (cut, |error| matches!(error, Error::CutShort { .. })),
    ] {
        let set = open(&SimDisk::from_image(&image, 1), &base);
        let broken = set.broken();
        assert_eq!(broken.len(), 1);
        assert!(broken[0].0 == (0..4) && is_it(&broken[0].1), "{broken:?}");
        assert_eq!(readable(&set), [4, 5, 6]);
        let problems = scrubbed(&set, 2);
        assert!(!problems.is_empty() && problems.iter().all(is_it), "{problems:?}");
        // Not one of its slots is written to, and nothing is merged with what it held.
        let at = Sequence::new(2).unwrap();
        let mut batch = set.batch(at);
        for slot in 0..3 {
            batch.release(Slot(slot)).unwrap();
        }
        let prepared = set.prepare(vector(3), None).unwrap();
        assert_eq!(batch.place(&prepared).unwrap(), Placed::Own(Slot(7)));
        let full = batch.place(&set.prepare(vector(100), None).unwrap()).unwrap_err();
        assert!(matches!(full, Error::NoRoom { slots: 8, wanted: 9 }), "{full}");
        let writes = batch.keep();
        set.apply(&writes).unwrap();
    }
}

#[test]
fn slots_that_hold_nothing_lend_nothing() {
    let (image, base) = written();
    let set = open(&SimDisk::from_image(&image, 1), &base);
    let view = set.view(set.pins().pin());
    for slot in [7, 8, 9_999, u32::MAX] {
        let refused = view.vector(Slot(slot)).unwrap_err();
        assert!(matches!(refused, Error::NotThere { slot: it } if it.0 == slot), "{refused}");
    }
}

#[test]
fn a_description_of_more_slots_than_there_are_is_refused() {
    let (image, _) = written();
    let slots = SlotList::new((0..9).map(|_| (None, None)));
    let at: Arc<dyn Disk> = Arc::new(SimDisk::from_image(&image, 1));
    let files = [FileId(1), FileId(2)];
    let refused = Recovery::begin(at, owner(), &files, Dedup::Exact, Arc::new(slots)).unwrap_err();
    assert!(matches!(refused, Error::Inconsistent { slot: Slot(8), .. }), "{refused}");
}

/// Free slots there are passed over too.
#[test]
fn free_slots_of_a_damaged_segment_are_not_given_out() {
    let (mut image, _) = written();
    image.remove(Name::Segment(FileId(1)).path());
    let free = SlotList::new((0..6).map(|_| (None, None)));
    let set = open(&SimDisk::from_image(&image, 1), &free);
    let mut batch = set.batch(Sequence::FIRST);
    let mut place = |number| batch.place(&set.prepare(vector(number), None).unwrap());
    let placed: Vec<_> = (0..4).map(|number| place(number).unwrap().slot().0).collect();
    assert_eq!(placed, [5, 4, 6, 7]);
    assert!(matches!(place(9), Err(Error::NoRoom { .. })));
}

/// While a slot waits for those who were there when it was closed, nobody begins to read it.
#[test]
fn a_slot_that_is_about_to_be_used_again_is_shown_to_nobody_new() {
    let (image, base) = written();
    let set = open(&SimDisk::from_image(&image, 1), &base);
    let two = Sequence::new(2).unwrap();
    let before = set.view(set.pins().pin());
    assert_eq!(*before.vector(Slot(3)).unwrap(), *vector(3));
    let mut batch = set.batch(two);
    batch.release(Slot(3)).unwrap();
    let nothing = batch.keep();
    assert!(nothing.is_empty());
    set.apply(&nothing).unwrap();
    set.pins().advance(two);
    let all = RestingUntil { freed: Some(two), spans: Vec::new() };
    assert_eq!(set.reclaim(&all, 9).unwrap().closed, 0, "a view sees it");
    drop(before);
    let late = set.view(set.pins().pin());
    let lent = late.pinned(Slot(3)).unwrap();
    assert_eq!(set.reclaim(&all, 9).unwrap().closed, 1);
    let refused = late.vector(Slot(3)).unwrap_err();
    assert!(matches!(refused, Error::NotThere { slot: Slot(3) }), "{refused}");
    set.pins().advance(Sequence::new(3).unwrap());
    assert_eq!(set.reclaim(&all, 9).unwrap().freed, 0, "its bytes are lent");
    assert_eq!(*lent, *vector(3));
    drop((lent, late));
    assert_eq!(set.reclaim(&all, 9).unwrap().freed, 1);
}

/// What was described before is not held on to.
#[test]
fn a_description_is_let_go_of_when_another_takes_its_place() {
    let (image, base) = written();
    let at: Arc<dyn Disk> = Arc::new(SimDisk::from_image(&image, 1));
    let base: Arc<dyn SlotBase> = Arc::new(base);
    let old = Arc::downgrade(&base);
    let files = [FileId(1), FileId(2)];
    let recovery = Recovery::begin(at, owner(), &files, Dedup::Exact, base).unwrap();
    let set = recovery.finish(Pins::new(Some(Sequence::FIRST)));
    let new = set.cut().describe().unwrap();
    set.rebase(Arc::new(new));
    assert!(old.upgrade().is_none());
    assert_eq!(readable(&set), [0, 1, 2, 3, 4, 5, 6]);
}

/// A log that contradicts what is there is refused, and nothing is written where something is alive.
#[test]
fn a_log_that_contradicts_the_description_is_refused() {
    let (image, base) = written();
    let at = Sequence::new(2).unwrap();
    let begin = || {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_image(&image, 1));
        let files = [FileId(1), FileId(2)];
        Recovery::begin(disk, owner(), &files, Dedup::Exact, Arc::new(base.clone())).unwrap()
    };
    let refused = begin().born(Slot(8), &vector(1), at).unwrap_err();
    assert!(matches!(refused, Error::NoRoom { .. }), "{refused}");
    let refused = begin().born(Slot(7), &[0.0; 3], at).unwrap_err();
    assert!(matches!(refused, Error::Dimension { .. }), "{refused}");
    let mut recovery = begin();
    recovery.born(Slot(7), &vector(9), at).unwrap();
    let again = recovery.born_there(Slot(7), VectorHash::of(&vector(9)), None, at);
    assert!(matches!(again, Err(Error::Inconsistent { slot: Slot(7), .. })), "{again:?}");
    // What the log holds may have been written over what it names.
    let hash = VectorHash::of(&vector(9));
    let mut recovery = begin();
    recovery.born(Slot(7), &vector(9), at).unwrap();
    recovery.released(Slot(7), Ended::Yes, at).unwrap();
    let named = recovery.born_there(Slot(7), hash, None, at).unwrap_err();
    assert!(matches!(named, Error::Inconsistent { slot: Slot(7), .. }), "{named}");
    let refused = begin().referred(Slot(7)).unwrap_err();
    assert!(matches!(refused, Error::Inconsistent { slot: Slot(7), .. }), "{refused}");
}

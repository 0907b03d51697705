//! Target: manifests that were published, and damaged or made up then.
//!
//! Input: a byte that says which of two it is, then either the fields of a header and a body, or
//! publications and damages.
//!
//! Promises
//!  1. Whatever the bytes of a manifest, sums and all, it is refused, or what it says can be published and
//!     is found again.
//!  2. What is found of a damaged store is a state that was published, and the newest unless that is told; or
//!     an error that names the directory.

use std::path::PathBuf;
use std::sync::Arc;

use base::{CollectionId, FileId, LogPlace, Sequence, StoreId, Timeline};
use disk::SimDisk;
use snapshot::format::manifest::{Header, encode};
use snapshot::{Branch, ImageRef, IndexImage, Manifest, Manifests, Name, Point};

use super::bytes::Bytes;

const STORE: StoreId = StoreId(*b"a store of fuzz!");

/// The most publications, and the most damages.
const PUBLICATIONS: usize = 4;
const DAMAGES: usize = 3;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    match bytes.flag() {
        true => made_up(bytes),
        false => published(&mut bytes),
    }
}

fn open(disk: &SimDisk) -> snapshot::Result<Option<Manifests>> {
    Manifests::open(Arc::new(disk.clone()))
}

/// A manifest of which every byte is made up, but for sums that fit.
fn made_up(mut bytes: Bytes<'_>) {
    let disk = SimDisk::new(13);
    let mut image = create(&disk);
    let number = u64::from(bytes.u8()).max(2);
    let is_first = bytes.flag();
    let previous = if is_first { 0 } else { bytes.u64() % number };
    let previous_hash = if previous == 0 { 0 } else { u128::from(bytes.u64()) };
    let header = Header { store: STORE, number, previous, previous_hash };
    let patch = (bytes.u16(), bytes.u8());
    let mut file = encode(&header, bytes.rest());
    if patch.0 & 1 != 0 {
        let at = usize::from(patch.0 >> 1) % file.len();
        file.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= patch.1);
    }
    image.replace(Name::Manifest(number).path(), &file);
    let disk = SimDisk::from_image(&image, 14);
    match open(&disk) {
        Ok(Some(manifests)) => go_on(&disk, manifests),
        Ok(None) => panic!("a manifest is there"),
        Err(error) => assert!(error.to_string().contains("manifests"), "{error}"),
    }
}

/// A disk with the first manifest of a store.
fn create(disk: &SimDisk) -> disk::sim::Image {
    Manifests::create(Arc::new(disk.clone()), STORE).expect("an empty disk");
    disk.contents()
}

/// What was found is published again and found again, whatever happens to the power.
fn go_on(disk: &SimDisk, mut manifests: Manifests) {
    let found = manifests.newest().clone();
    assert_eq!(found.check(), Ok(()), "{found:?}");
    let reachable = manifests.reachable().count();
    assert!(reachable >= found.points.len());
    match manifests.confirm() {
        Ok(()) => {}
        // The highest number there is: found by who made it up.
        Err(error) => return assert!(manifests.number() > u64::MAX - 9, "{error}"),
    }
    manifests.prune(&[]).expect("a disk that works");
    let disk = SimDisk::from_image(&disk.after_power_loss(), 15);
    let again = open(&disk).expect("just published").expect("just published");
    assert!(*again.newest() == found && again.passed_over().is_none());
    assert_eq!(again.number(), manifests.number());
}

/// Manifests with made up fields, published one upon the other; damaged then.
fn published(bytes: &mut Bytes<'_>) {
    let disk = SimDisk::new(13);
    create(&disk);
    let mut manifests = open(&disk).expect("just made").expect("just made");
    let mut states = vec![manifests.newest().clone()];
    for _ in 0..bytes.below(PUBLICATIONS + 1) {
        let next = manifest(bytes, manifests.newest().next_file);
        let before = manifests.number();
        match manifests.publish(next.clone()) {
            Ok(()) => states.push(next),
            Err(error) => {
                assert!(next.check().is_err(), "{error}");
                assert!(error.is_clean_refusal() && manifests.number() == before);
            }
        }
        if bytes.flag() {
            manifests.prune(&[]).expect("a disk that works");
        }
    }
    let mut image = disk.contents();
    let undamaged = image.sum();
    for _ in 0..bytes.below(DAMAGES + 1) {
        damage(&mut image, bytes);
    }
    let is_damaged = image.sum() != undamaged;
    let newest = Name::Manifest(manifests.number()).path();
    let is_newest_there = image.bytes(&newest) == disk.contents().bytes(&newest);
    let disk = SimDisk::from_image(&image, 16);
    match open(&disk) {
        Ok(Some(found)) => {
            let state = found.newest();
            assert!(states.contains(state), "a state that was never published: {state:?}");
            // A name with a higher number may be there by damage, and is passed over.
            if is_newest_there && found.passed_over().is_none() {
                assert_eq!(Some(state), states.last());
            }
            go_on(&disk, found);
        }
        Ok(None) => assert!(is_damaged && !is_newest_there),
        Err(error) => {
            assert!(is_damaged, "{error}");
            assert!(error.to_string().contains("manifests"), "{error}");
        }
    }
}

/// Mostly one that can be published.
fn manifest(bytes: &mut Bytes<'_>, next_file: FileId) -> Manifest {
    let next_file = FileId(next_file.0.saturating_add(u64::from(bytes.u8())));
    let image = |bytes: &mut Bytes<'_>| ImageRef {
        file: FileId(u64::from(bytes.u8()) % next_file.0.max(2)),
        bytes: bytes.u64(),
        sum: u128::from(bytes.u64()) << 32,
    };
    let place = |bytes: &mut Bytes<'_>| LogPlace {
        file: FileId(bytes.u8().into()),
        offset: bytes.u16().into(),
        sum: bytes.u32(),
        sequence: Sequence::new(bytes.u8().into()),
    };
    let timeline = |bytes: &mut Bytes<'_>| Timeline::new(u64::from(bytes.u8() % 4) + 1);
    let point = |(number, bytes): (usize, &mut Bytes<'_>)| {
        let name = bytes.take(number.min(1) * 5);
        let log = place(bytes);
        let log_end = bytes.flag().then(|| place(bytes));
        Point {
            name: (number > 0).then(|| String::from_utf8_lossy(name).into_owned()),
            sequence: Sequence::new(bytes.u64()),
            timeline: timeline(bytes).expect("not 0"),
            image: image(bytes),
            log,
            log_end,
        }
    };
    let points = (0..bytes.below(4)).map(|number| point((number, bytes))).collect();
    let branches = (1..=u64::from(bytes.u8() % 5)).filter_map(|name| {
        let parent = Timeline::new(u64::from(bytes.u8()));
        Some(Branch { timeline: Timeline::new(name)?, first: Sequence::FIRST, parent })
    });
    let timelines = branches.collect();
    let indexes = bytes.below(3);
    let index = |_| IndexImage { collection: CollectionId(bytes.u32()), image: image(bytes) };
    let indexes = (0..indexes).map(index).collect();
    Manifest { next_file, points, timelines, indexes }
}

fn damage(image: &mut disk::sim::Image, bytes: &mut Bytes<'_>) {
    let files: Vec<PathBuf> = image.files().map(Into::into).collect();
    let kind = bytes.u8();
    let mut pick = || files.get(bytes.below(files.len())).cloned().unwrap_or_default();
    let (path, other) = (pick(), pick());
    let length = image.bytes(&path).map_or(0, <[u8]>::len);
    match kind % 8 {
        0..=2 => image.flip_bit(&path, bytes.below(length), bytes.u8()),
        3 => image.truncate(&path, bytes.below(length)),
        4 => image.append(&path, bytes.take(9)),
        5 => image.remove(&path),
        6 => image.swap(&path, &other),
        _ => {
            let copy = image.bytes(&other).map(<[u8]>::to_vec).unwrap_or_default();
            let number = u64::from(bytes.u8() % 9) + 1;
            image.replace(Name::Manifest(number).path(), &copy)
        }
    };
}

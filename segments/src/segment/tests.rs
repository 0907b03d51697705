//! Shows what a segment writes and where, what it refuses, and that it stops at the first failure.

use std::path::Path;

use base::{CollectionId, Dim, FileId, StoreId};
use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use disk::{PendingDirSync, SimDisk};

use super::*;
use crate::geometry::Element;
use crate::{Error, HEADER_BYTES, format::Invalid, make_directory};

fn header(file: u64, dim: u32) -> SegmentHeader {
    SegmentHeader {
        store: StoreId(*b"a store of tests"),
        file: FileId(file),
        collection: CollectionId(3),
        segment: 0,
        geometry: Geometry::new(Dim::new(dim).unwrap(), Element::F32),
    }
}

fn vector(dim: u32, number: u8) -> Vec<u8> {
    (0..dim * 4).map(|at| number.wrapping_mul(31).wrapping_add(at as u8) | 1).collect()
}

fn new_disk() -> SimDisk {
    let disk = SimDisk::new(1);
    make_directory(&disk).unwrap();
    disk
}

fn bytes_of(disk: &SimDisk, header: &SegmentHeader) -> Vec<u8> {
    disk.contents().bytes(Name::Segment(header.file).path()).unwrap().to_vec()
}

#[test]
fn a_new_segment_has_its_header_and_zeros_of_full_length() {
    let disk = new_disk();
    for (file, dim) in [(1, 1), (2, 3), (3, 16), (4, 100), (5, 20_000)] {
        let header = header(file, dim);
        let segment = Segment::create(&disk, &header).unwrap();
        let bytes = bytes_of(&disk, &header);
        assert_eq!(bytes.len() as u64, header.geometry.file_bytes(0));
        assert_eq!(bytes[..HEADER_BYTES], header.encode());
        assert!(bytes[HEADER_BYTES..].iter().all(|byte| *byte == 0));
        assert_eq!(segment.region().size(), bytes.len());
        assert!(segment.path().ends_with(Name::Segment(header.file).path()));
        assert_eq!((segment.header(), segment.header_state()), (&header, HeaderState::Whole));
        assert_eq!(segment.slots(), header.geometry.slots_of(0));
    }
    let names: Vec<_> = crate::list(&disk).unwrap();
    assert_eq!(names, [1, 2, 3, 4, 5].map(|file| Name::Segment(FileId(file))));
}

/// One vector at a time and in runs: the same bytes, in their slots, with zeros between them.
#[test]
fn vectors_stand_in_their_slots_and_padding_stays_zero() {
    for dim in [1, 3, 12, 15, 16, 17, 100, 384, 20_000] {
        let disk = new_disk();
        let (one, run) = (header(1, dim), header(2, dim));
        let (by_one, by_run) =
            (Segment::create(&disk, &one).unwrap(), Segment::create(&disk, &run).unwrap());
        let count = by_one.slots().min(200);
        let first = by_one.slots() - count;
        let mut vectors = Vec::new();
        for number in 0..count {
            let vector = vector(dim, number as u8);
            by_one.write(first + number, &vector).unwrap();
            vectors.extend_from_slice(&vector);
        }
        by_run.write_run(first, &vectors).unwrap();
        by_run.write_run(first, &[]).unwrap();
        let bytes = bytes_of(&disk, &one);
        assert_eq!(bytes[HEADER_BYTES..], bytes_of(&disk, &run)[HEADER_BYTES..], "dimension {dim}");
        for index in 0..by_one.slots() {
            let range = one.geometry.vector_range(index).unwrap();
            let expected = match index.checked_sub(first) {
                Some(number) => vector(dim, number as u8),
                None => vec![0; dim as usize * 4],
            };
            assert_eq!(bytes[range.clone()], expected, "dimension {dim}, slot {index}");
            let end = one.geometry.offset_of(index + 1) as usize;
            assert!(bytes[range.end..end].iter().all(|byte| *byte == 0), "dimension {dim}");
            let mut read = vec![0; expected.len()];
            by_run.read(index, &mut read).unwrap();
            assert_eq!(read, expected, "dimension {dim}, slot {index}");
        }
    }
}

/// More than is written at a time: the cut between two writes must fall between two vectors.
#[test]
fn a_run_longer_than_one_write_leaves_nothing_out() {
    let header = SegmentHeader { segment: 9, ..header(1, 100) };
    let segment = Segment::in_memory(&header).unwrap();
    let count = segment.slots() - 7;
    assert!(count as usize * header.geometry.stride() > 3 * PADDED_BYTES);
    let vectors: Vec<u8> = (0..count).flat_map(|number| vector(100, number as u8)).collect();
    segment.write_run(7, &vectors).unwrap();
    let mut read = vec![0; 400];
    for (index, vector) in (7..).zip(vectors.chunks(400)) {
        segment.read(index, &mut read).unwrap();
        assert_eq!(read, vector, "slot {index}");
    }
}

#[test]
fn a_segment_opened_again_has_what_was_written() {
    let disk = new_disk();
    let header = header(1, 20);
    let segment = Segment::create(&disk, &header).unwrap();
    segment.write(5, &vector(20, 5)).unwrap();
    segment.sync().unwrap();
    drop(segment);
    for access in [Access::Read, Access::ReadWrite] {
        let _recovering = disk.recovering();
        let segment = Segment::open(&disk, &header, access).unwrap();
        let mut read = vec![0; 80];
        segment.read(5, &mut read).unwrap();
        assert_eq!(read, vector(20, 5));
        assert_eq!(segment.region().size() as u64, header.geometry.file_bytes(0));
        let is_written = segment.write(6, &read).is_ok();
        assert_eq!(is_written, access == Access::ReadWrite);
    }
}

#[test]
fn slots_and_lengths_that_there_are_not_are_a_mistake_of_ours() {
    let segment = Segment::in_memory(&header(1, 16)).unwrap();
    let slots = segment.slots();
    let tried: [&dyn Fn() -> Result<()>; 7] = [
        &|| segment.write(slots, &[0; 64]),
        &|| segment.write(0, &[0; 63]),
        &|| segment.write(0, &[0; 65]),
        &|| segment.write_run(slots - 1, &[0; 128]),
        &|| segment.write_run(0, &[0; 100]),
        &|| segment.read(slots, &mut [0; 64]),
        &|| segment.read(0, &mut [0; 128]),
    ];
    for (number, attempt) in tried.iter().enumerate() {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt));
        assert!(outcome.is_err(), "attempt {number}");
    }
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let disk = new_disk();
    let segment = Segment::create(&disk, &header(1, 16)).unwrap();
    segment.write(0, &vector(16, 1)).unwrap();
    disk.create(&Name::New(FileId(2)).path()).unwrap().1.sync(&disk).unwrap();
    let before = disk.contents().sum();
    for file in [1, 2] {
        let refused = Segment::create(&disk, &header(file, 16)).unwrap_err();
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
        assert!(refused.is_clean_refusal());
    }
    assert_eq!(disk.contents().sum(), before);
}

#[test]
fn what_is_not_the_segment_expected_is_refused_with_its_path() {
    let disk = new_disk();
    let made = header(1, 16);
    Segment::create(&disk, &made).unwrap();
    let open = |expected: SegmentHeader| Segment::open(&disk, &expected, Access::Read).unwrap_err();
    let missing = open(header(2, 16));
    assert!(matches!(missing, Error::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains("sim/vectors/00000000000000000002.seg"), "{missing}");
    let foreign = open(SegmentHeader { collection: CollectionId(4), ..made });
    let Error::Damaged { path, what: Invalid::Foreign("collection") } = &foreign else {
        panic!("{foreign}");
    };
    assert!(path.ends_with("vectors/00000000000000000001.seg"));
}

#[test]
fn every_cut_of_the_file_is_refused_before_it_is_mapped() {
    let disk = new_disk();
    let header = header(1, 20_000);
    Segment::create(&disk, &header).unwrap();
    let path = Name::Segment(header.file).path();
    let whole = disk.contents();
    let size = whole.bytes(&path).unwrap().len();
    for length in (0..size).step_by(997).chain([4_095, 4_096, size - 1]) {
        let mut image = whole.clone();
        image.truncate(&path, length);
        let disk = SimDisk::from_image(&image, 1);
        let refused = Segment::open(&disk, &header, Access::Read).unwrap_err();
        let is_told = matches!(
            refused,
            Error::CutShort { wanted, found, .. }
                if (wanted, found) == (size as u64, length as u64)
        );
        assert!(is_told, "cut to {length}: {refused}");
    }
    let mut image = whole.clone();
    image.append(&path, b"junk");
    let segment = Segment::open(&SimDisk::from_image(&image, 1), &header, Access::Read).unwrap();
    assert_eq!(segment.region().size(), size, "what lies behind is not looked at");
}

#[test]
fn a_damaged_header_is_read_from_its_other_block_or_refused() {
    let disk = new_disk();
    let header = header(1, 20_000);
    Segment::create(&disk, &header).unwrap();
    let path = Name::Segment(header.file).path();
    let open = |damaged: &[usize]| {
        let mut image = disk.contents();
        let mut bytes = image.bytes(&path).unwrap().to_vec();
        damaged.iter().for_each(|at| bytes[*at] ^= 4);
        image.replace(&path, &bytes);
        Segment::open(&SimDisk::from_image(&image, 1), &header, Access::Read)
    };
    for at in [0, 100, 511, 2_000, 3_584, 4_095] {
        assert_eq!(open(&[at]).unwrap().header_state(), HeaderState::Damaged, "byte {at}");
    }
    assert_eq!(open(&[4_096]).unwrap().header_state(), HeaderState::Whole);
    let refused = open(&[20, 3_600]).unwrap_err();
    assert!(matches!(refused, Error::Damaged { what: Invalid::Sum, .. }), "{refused}");
}

#[test]
fn a_part_that_cannot_be_read_is_told_with_its_place() {
    let disk = new_disk();
    let header = header(1, 16);
    let segment = Segment::create(&disk, &header).unwrap();
    let bad = Fault { kind: FaultKind::Read, nth: 0, lasting: Lasting::Once };
    disk.inject(bad);
    let refused = segment.read(3, &mut [0; 64]).unwrap_err();
    assert!(matches!(refused, Error::Unreadable { offset: 4_288, .. }), "{refused}");
    segment.read(3, &mut [0; 64]).unwrap();
    disk.inject(bad);
    let refused = Segment::open(&disk, &header, Access::Read).unwrap_err();
    assert!(matches!(refused, Error::Unreadable { offset: 0, .. }), "{refused}");
}

/// After a failed sync the system shows bytes that are not on the device, and no later sync brings
/// them there: a "done" from it would be a lie.
#[test]
fn after_the_first_failed_write_or_sync_nothing_is_written_any_more() {
    let kinds = [
        FaultKind::Write,
        FaultKind::Full { after: 10 },
        FaultKind::Sync(LostSync::KeepsCache),
        FaultKind::Sync(LostSync::RevertsCache),
    ];
    for kind in kinds {
        let disk = new_disk();
        let segment = Segment::create(&disk, &header(1, 16)).unwrap();
        segment.write(0, &vector(16, 1)).unwrap();
        segment.sync().unwrap();
        disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
        let failed = segment.write(1, &vector(16, 2)).and_then(|()| segment.sync()).unwrap_err();
        assert_eq!(disk.faults_struck(), 1);
        let before = disk.contents().sum();
        let refused = [segment.write(2, &[1; 64]), segment.write_run(2, &[1; 128]), segment.sync()];
        for refused in refused {
            let refused = refused.unwrap_err();
            let Error::Stopped { path, .. } = &refused else { panic!("{kind:?}: {refused}") };
            assert!(path.ends_with("vectors/00000000000000000001.seg"));
            assert_eq!(refused.to_string(), failed.to_string(), "it names the first");
            assert!(!refused.is_clean_refusal());
        }
        assert_eq!(disk.contents().sum(), before, "{kind:?}");
        let mut read = vec![0; 64];
        segment.read(0, &mut read).unwrap();
        assert_eq!(read, vector(16, 1), "reading goes on");
    }
}

#[test]
fn a_full_disk_refuses_a_segment_and_leaves_nothing() {
    let disk = new_disk();
    let header = header(1, 16);
    disk.set_capacity(header.geometry.file_bytes(0) - 1);
    let refused = Segment::create(&disk, &header).unwrap_err();
    assert!(matches!(refused, Error::Disk(disk::Error::Full { .. })), "{refused}");
    assert!(refused.is_clean_refusal());
    assert_eq!(crate::list(&disk).unwrap(), []);
    disk.set_capacity(header.geometry.file_bytes(0));
    let segment = Segment::create(&disk, &header).unwrap();
    // All of its space was taken: no write needs any.
    for index in 0..segment.slots() {
        segment.write(index, &vector(16, index as u8)).unwrap();
    }
    segment.sync().unwrap();
}

#[test]
fn a_name_that_could_not_be_synced_is_in_doubt_and_bytes_are_not() {
    let refused = |nth| {
        let disk = new_disk();
        let kind = FaultKind::Sync(LostSync::KeepsCache);
        disk.inject(Fault { kind, nth, lasting: Lasting::Once });
        let refused = Segment::create(&disk, &header(1, 16)).unwrap_err();
        assert_eq!(crate::list(&disk).unwrap(), []);
        refused
    };
    let (bytes, name) = (refused(0), refused(1));
    assert!(matches!(bytes, Error::Disk(_)), "{bytes}");
    assert!(matches!(name, Error::Stopped { .. }), "{name}");
    assert!(name.to_string().contains("vectors/00000000000000000001.seg"), "{name}");
    assert!(!name.is_clean_refusal());
}

/// A crash in a rename may leave both names for one file.
#[test]
fn a_name_left_over_from_the_making_is_removed_without_harm() {
    let disk = new_disk();
    let header = header(1, 16);
    Segment::create(&disk, &header).unwrap();
    let mut left = None;
    let density = disk::sim::Density::default();
    for point in disk.recording().crash_points(&density, 1) {
        for crash in point.images() {
            let has = |name: Name| crash.image.bytes(name.path()).is_some();
            if has(Name::New(header.file)) && has(Name::Segment(header.file)) {
                left = Some(crash.image);
            }
        }
    }
    let disk = SimDisk::from_image(&left.expect("some crash leaves both"), 1);
    crate::remove(&disk, Name::New(header.file)).unwrap().sync(&disk).unwrap();
    Segment::open(&disk, &header, Access::ReadWrite).unwrap();
}

#[test]
fn a_segment_in_memory_does_what_one_on_a_disk_does() {
    let segment = Segment::in_memory(&header(1, 100)).unwrap();
    segment.write(1, &vector(100, 1)).unwrap();
    segment.sync().unwrap();
    let mut read = vec![0; 400];
    segment.read(1, &mut read).unwrap();
    assert_eq!(read, vector(100, 1));
    assert_eq!(segment.path(), Path::new("vectors/00000000000000000001.seg"));
    assert_eq!(segment.region().size() as u64, segment.geometry().file_bytes(0));
}

#[test]
fn names_wait_for_their_directory_no_longer_than_the_making() {
    let disk = new_disk();
    Segment::create(&disk, &header(1, 16)).unwrap();
    let image = disk.after_power_loss();
    assert!(image.bytes(Name::Segment(FileId(1)).path()).is_some());
    let pending: PendingDirSync = crate::remove(&disk, Name::Segment(FileId(1))).unwrap();
    pending.sync(&disk).unwrap();
    assert!(disk.after_power_loss().bytes(Name::Segment(FileId(1)).path()).is_none());
}

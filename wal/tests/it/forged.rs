//! Forges logs that nothing writes, with sums that fit: found by the fuzz target `wal_file`.

use std::path::Path;
use std::sync::Arc;

use base::checksum::Crc32;
use base::{FileId, LogPlace, Sequence, Timeline};
use disk::sim::Image;
use disk::{Disk, SimDisk};
use wal::format::{FileHeader, HEADER_BYTES, Holds, Kind, Part, Place, Predecessor, RecordHeader};
use wal::{Log, Replay};

use crate::store::{STORE, options};

const FILE_BYTES: u64 = 8_192;

/// A file of whole batches that call nothing synced, and where it ends.
fn file(header: &FileHeader, batches: impl Iterator<Item = u64>) -> (Vec<u8>, Predecessor) {
    let mut bytes = header.encode();
    let mut sum = FileHeader::decode(&bytes).unwrap().sum;
    for sequence in batches {
        let record = RecordHeader {
            previous_sum: sum,
            sequence: Sequence::new(sequence),
            synced_to: 0,
            table_bytes: 0,
            table_sum: Crc32::of(b""),
            body_bytes: 8,
            body_sum: Crc32::of(b"the body"),
            kind: Kind::Batch,
            part: Part::Whole,
        };
        let place = Place { file: header.file, salt: header.salt, offset: bytes.len() as u64 };
        let (encoded, its_sum) = record.encode(&place);
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(b"the body");
        sum = its_sum;
    }
    let end = Predecessor { file: header.file, end: bytes.len() as u64, sum };
    bytes.resize(FILE_BYTES as usize, 0);
    (bytes, end)
}

fn header(file: u64, first: u64, previous: Option<Predecessor>) -> FileHeader {
    FileHeader {
        store: STORE,
        file: FileId(file),
        salt: file,
        timeline: Timeline::new(0xa).unwrap(),
        timeline_first: Sequence::FIRST,
        parent: None,
        first: Sequence::new(first).unwrap(),
        previous,
        holds: Holds::Records,
        bytes: FILE_BYTES,
    }
}

fn disk_of(files: &[Vec<u8>]) -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir(Path::new("wal")).unwrap().forgo("a test");
    let mut image: Image = disk.contents();
    for (number, bytes) in (1..).zip(files) {
        image.replace(format!("wal/{}.wal", FileId(number)), bytes);
    }
    SimDisk::from_image(&image, 1)
}

fn replay(disk: &SimDisk) -> Replay {
    let place = wal::oldest_place(disk, STORE).unwrap().unwrap();
    Replay::begin(Arc::new(disk.clone()), &options(), &place, None).unwrap()
}

/// Headers of two files named ends of which the sum is more than 64 bits hold. Whoever asked how far the
/// replay was got a panic, or in a release a number that had gone round.
#[test]
fn ends_beyond_any_file_are_no_trouble_for_whoever_asks_how_far_a_replay_is() {
    let far = |end: Predecessor| Predecessor { end: u64::MAX - 7, ..end };
    let (first, end) = file(&header(1, 1, None), 1..=2);
    let (second, end) = file(&header(2, 3, Some(far(end))), 3..=4);
    let (third, _) = file(&header(3, 5, Some(far(end))), 5..=6);
    let disk = disk_of(&[first, second, third]);
    let mut replay = replay(&disk);
    assert!(replay.next().unwrap().is_some());
    let (read, of) = replay.progress();
    assert!(read == 64 && of >= u64::MAX - HEADER_BYTES as u64, "{read} of {of}");
}

/// A file left batches out, as only a salvage does, and the batches behind the gap did not say that the
/// file's beginning was synced. So they were to be carried into a new file behind the one before, where
/// they do not follow: a panic, each time the log was opened.
#[test]
fn what_lies_behind_a_gap_is_carried_behind_the_gap() {
    let (first, end) = file(&header(1, 1, None), 1..=2);
    let branch = Timeline::new(0xb).unwrap();
    let five = Sequence::new(5).unwrap();
    let second = FileHeader {
        timeline: branch,
        timeline_first: five,
        parent: Timeline::new(0xa),
        ..header(2, 5, Some(end))
    };
    let (second, _) = file(&second, 5..=6);
    let disk = disk_of(&[first, second]);
    let ended = replay(&disk).finish().unwrap();
    assert_eq!((ended.last(), ended.gaps.len()), (Sequence::new(6), 1));
    let log = Log::resume(ended, &options()).unwrap();
    assert_eq!(log.last(), Sequence::new(6));
    let again = replay(&disk).finish().unwrap();
    assert_eq!((again.last(), again.gaps.len()), (Sequence::new(6), 1));
}

pub(crate) fn hostile(files: &[(u64, Option<Predecessor>, u64)]) -> (SimDisk, Vec<u32>) {
    let disk = SimDisk::new(9);
    disk.create_dir(Path::new("wal")).unwrap().forgo("a test");
    let mut sums = Vec::new();
    for (file, previous, bytes) in files {
        let header = FileHeader {
            store: STORE,
            file: FileId(*file),
            salt: 0,
            timeline: Timeline::new(1).unwrap(),
            timeline_first: Sequence::FIRST,
            parent: None,
            first: Sequence::FIRST,
            previous: *previous,
            holds: Holds::Records,
            bytes: *bytes,
        };
        let encoded = header.encode();
        sums.push(FileHeader::decode(&encoded).unwrap().sum);
        let name = format!("wal/{}.wal", FileId(*file));
        let (handle, pending) = disk.create(Path::new(&name)).unwrap();
        handle.write_at(0, &encoded).unwrap();
        pending.forgo("a test");
    }
    (disk, sums)
}

/// Valid sums, impossible lengths: no panic.
#[test]
fn the_progress_of_a_hostile_log_is_a_number() {
    let end = |file| Some(Predecessor { file: FileId(file), end: u64::MAX - 7, sum: 0 });
    let (disk, sums) = hostile(&[(1, None, 4_096), (2, end(1), 4_096), (3, end(2), 4_096)]);
    let from = LogPlace { file: FileId(1), offset: 4_096, sum: sums[0], sequence: None };
    let replay = Replay::begin(Arc::new(disk.clone()), &options(), &from, None).unwrap();
    let _number = replay.progress();
    // A place from a damaged manifest.
    let before = LogPlace { offset: 0, ..from };
    if let Ok(replay) = Replay::begin(Arc::new(disk), &options(), &before, None) {
        let _number = replay.progress();
    }
}

/// A batch whose parts do not belong together, and a good one behind it: the replay is over at the first.
#[test]
fn a_replay_hands_out_nothing_after_an_error() {
    let (disk, sums) = hostile(&[(1, None, 8_192)]);
    let name = format!("wal/{}.wal", FileId(1));
    let file = disk.open(Path::new(&name), disk::Access::ReadWrite).unwrap();
    let (mut bytes, mut sum) = (Vec::new(), sums[0]);
    let parts = [(1, Part::First), (1, Part::Last { whole_sum: 1 }), (2, Part::Whole)];
    for (number, part) in parts {
        let header = RecordHeader {
            previous_sum: sum,
            sequence: Sequence::new(number),
            synced_to: 0,
            table_bytes: 0,
            table_sum: 0,
            body_bytes: 0,
            body_sum: 0,
            kind: Kind::Batch,
            part,
        };
        let offset = 4_096 + bytes.len() as u64;
        let (encoded, own) = header.encode(&Place { file: FileId(1), salt: 0, offset });
        bytes.extend_from_slice(&encoded);
        sum = own;
    }
    bytes.resize(4_096, 0);
    file.write_at(4_096, &bytes).unwrap();
    let from = LogPlace { file: FileId(1), offset: 4_096, sum: sums[0], sequence: None };
    let mut replay = Replay::begin(Arc::new(disk), &options(), &from, None).unwrap();
    replay.next().unwrap_err();
    let next = replay.next().map(|batch| batch.map(|batch| batch.sequence));
    assert!(!matches!(next, Ok(Some(_))), "a hole: batch 1 was refused, and then {next:?} came");
    assert!(replay.finish().is_err(), "and the log would be resumed behind it");
}

//! Shows that no byte is handed out before it was checked, that damage stays where it is, and what a read
//! costs.

use std::path::Path;

use base::FileId;
use base::checksum::Xxh3;
use disk::sim::{Fault, FaultKind, Lasting};
use disk::{Disk, Recorded, SimDisk, Trace};
use proptest::prelude::*;

use super::*;
use crate::format::image::{Block, ROW_BYTES};
use crate::image::tests::{STORE, disk_with, path};
use crate::{Image, ImageRef};

const ID: FileId = FileId(7);
const CHUNK: u64 = CHUNK_BYTES;

/// Bytes of which no two chunks are the same.
fn some_bytes(count: u64) -> Vec<u8> {
    (0..count as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 23) as u8).collect()
}

/// Three chunks and a bit.
fn rows() -> Vec<u8> {
    some_bytes(3 * CHUNK + 100)
}

fn written() -> (SimDisk, ImageRef) {
    disk_with(ID, &[("rows", &rows()), ("ids", b"identifiers")])
}

fn open(disk: &dyn Disk, image: &ImageRef) -> Section {
    Image::open(disk, STORE, image).unwrap().section("rows").unwrap()
}

/// The same disk with one bit of the image flipped.
fn flipped(disk: &SimDisk, at: u64) -> SimDisk {
    let mut image = disk.contents();
    assert!(image.flip_bit(path(ID), at as usize, 3));
    SimDisk::from_image(&image, 2)
}

fn place_of(error: &Error) -> (u64, u64) {
    match error {
        Error::DamagedSection { path: named, section, offset, bytes } => {
            assert!(named.ends_with(path(ID)) && section == "rows");
            (*offset, *bytes)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_damaged_chunk_is_an_error_each_time_and_the_others_are_served() {
    let (disk, image) = written();
    let disk = flipped(&disk, 4_096 + CHUNK + 5);
    let rows = rows();
    let by_map = open(&disk, &image);
    let by_position = open(&disk, &image);
    for _ in 0..2 {
        for range in
            [CHUNK..CHUNK + 1, CHUNK - 1..CHUNK + 1, 2 * CHUNK - 1..2 * CHUNK, 0..3 * CHUNK]
        {
            let damage = (4_096 + CHUNK, CHUNK);
            assert_eq!(place_of(&by_map.bytes(range.clone()).unwrap_err()), damage);
            let mut buffer = vec![0; (range.end - range.start) as usize];
            let error = by_position.read_at(range.start, &mut buffer).unwrap_err();
            assert_eq!(place_of(&error), damage);
        }
        for range in [0..CHUNK, 2 * CHUNK..3 * CHUNK + 100, 3 * CHUNK..3 * CHUNK, 5..6] {
            let expected = &rows[range.start as usize..range.end as usize];
            assert_eq!(*by_map.bytes(range.clone()).unwrap(), *expected);
            let mut buffer = vec![0; expected.len()];
            by_position.read_at(range.start, &mut buffer).unwrap();
            assert_eq!(buffer, expected);
        }
    }
    assert!(!by_map.is_verified());
}

/// The last chunk is no whole one, and what lies behind it is no part of it.
#[test]
fn every_byte_of_a_section_is_covered_and_none_behind_it() {
    let (disk, image) = written();
    let last = 4_096 + 3 * CHUNK;
    for at in [last, last + 99] {
        let section = open(&flipped(&disk, at), &image);
        let error = section.bytes(3 * CHUNK + 7..3 * CHUNK + 8).unwrap_err();
        assert_eq!(place_of(&error), (last, 100));
    }
    for at in [last + 100, 4_095] {
        open(&flipped(&disk, at), &image).bytes(0..3 * CHUNK + 100).unwrap();
    }
}

#[test]
fn damaged_sums_are_named_and_what_they_cover_is_not_handed_out() {
    let (disk, image) = written();
    let sums = image.bytes - 512 - 2 * ROW_BYTES as u64 - 4 * SUM_BYTES;
    let disk = flipped(&disk, sums + 8);
    let section = open(&disk, &image);
    assert_eq!(place_of(&section.bytes(0..1).unwrap_err()), (sums, 32));
    assert_eq!(place_of(&section.read_at(0, &mut [0]).unwrap_err()), (sums, 32));
    let ids = Image::open(&disk, STORE, &image).unwrap().section("ids").unwrap();
    assert_eq!(*ids.bytes(0..11).unwrap(), *b"identifiers");
}

/// As a device does that writes to the wrong place, or not at all, and says it did what it was asked.
#[test]
fn chunks_that_are_elsewhere_are_found() {
    let rows = rows();
    let misplaced = |from: u64, to: u64| {
        let (disk, image) = written();
        let mut contents = disk.contents();
        let from = (4_096 + from) as usize;
        contents.misplace(path(ID), from..from + CHUNK as usize, (4_096 + to) as usize);
        let section = open(&SimDisk::from_image(&contents, 2), &image);
        let error = section.bytes(to..to + 1).unwrap_err();
        assert_eq!(place_of(&error).0, 4_096 + to);
        let served = section.bytes(2 * CHUNK..3 * CHUNK).unwrap();
        assert_eq!(*served, rows[2 * CHUNK as usize..3 * CHUNK as usize]);
    };
    misplaced(0, CHUNK);
    misplaced(CHUNK, 0);
}

#[test]
fn what_was_checked_is_read_without_a_call_and_what_was_not_once() {
    let (disk, image) = written();
    let (disk, trace) = Trace::record(Arc::new(disk), Recorded::Everything);
    let section = open(&*disk, &image);
    trace.take();
    for _ in 0..2 {
        section.bytes(CHUNK - 1..CHUNK + 1).unwrap();
    }
    assert_eq!(trace.take(), "", "all of it through the map");
    assert!(!section.is_verified());
    section.bytes(0..section.length()).unwrap();
    assert!(section.is_verified());
    section.read_at(7, &mut [0; 9]).unwrap();
    let name = path(ID).display().to_string();
    assert_eq!(trace.take(), format!("read       {name} @4103 +9\n"), "known to be good");
}

#[test]
fn by_position_a_chunk_is_read_as_a_whole_and_its_sums_once() {
    let (disk, image) = written();
    let (disk, trace) = Trace::record(Arc::new(disk), Recorded::Everything);
    let section = open(&*disk, &image);
    trace.take();
    let mut buffer = [0; 10];
    section.read_at(CHUNK - 5, &mut buffer).unwrap();
    assert_eq!(buffer, rows()[CHUNK as usize - 5..CHUNK as usize + 5]);
    let name = path(ID).display().to_string();
    let sums = image.bytes - 512 - 2 * ROW_BYTES as u64 - 4 * SUM_BYTES;
    let expected = [
        format!("{sums} +32"),
        format!("{sums} +8"),
        "4096 +65536".into(),
        format!("{} +8", sums + 8),
        format!("{} +65536", 4_096 + CHUNK),
    ];
    let lines = expected.map(|it| format!("read       {name} @{it}\n"));
    assert_eq!(trace.take(), lines.concat());
}

#[test]
fn what_was_found_to_be_damaged_is_not_read_again() {
    let (disk, image) = written();
    let (disk, trace) = Trace::record(Arc::new(flipped(&disk, 4_096)), Recorded::Everything);
    let section = open(&*disk, &image);
    section.read_at(0, &mut [0]).unwrap_err();
    trace.take();
    section.read_at(0, &mut [0]).unwrap_err();
    section.bytes(0..1).unwrap_err();
    assert_eq!(trace.take(), "");
}

#[test]
fn a_recovery_reads_by_position() {
    let (disk, image) = written();
    let recovering = disk.recovering();
    let section = open(&disk, &image);
    let mut all = vec![0; section.length() as usize];
    section.read_at(0, &mut all).unwrap();
    assert_eq!(all, rows());
    drop(recovering);
    assert!(section.is_verified(), "and what it checked need not be checked again");
}

/// It says nothing of the bytes: the next read may find them.
#[test]
fn a_read_that_fails_is_no_damage() {
    let (disk, image) = written();
    let section = open(&disk, &image);
    for nth in [0, 0, 0] {
        disk.inject(Fault { kind: FaultKind::Read, nth, lasting: Lasting::Once });
        let error = section.read_at(0, &mut [0]).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    }
    section.read_at(0, &mut [0]).unwrap();
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let (disk, image) = written();
    let section = open(&disk, &image);
    let length = section.length();
    #[expect(clippy::reversed_empty_ranges, reason = "what someone hostile could ask for")]
    let ranges = [0..length + 1, length + 1..length + 1, 5..4, u64::MAX - 1..u64::MAX, u64::MAX..0];
    for range in ranges {
        let error = section.bytes(range.clone()).unwrap_err();
        assert!(matches!(error, Error::PastEnd { length: 196_708, .. }), "{range:?}: {error}");
    }
    for offset in [length, length - 1, u64::MAX] {
        let error = section.read_at(offset, &mut [0; 2]).unwrap_err();
        assert!(matches!(error, Error::PastEnd { .. }), "{offset}: {error}");
    }
    assert_eq!(*section.bytes(length..length).unwrap(), []);
    section.read_at(length, &mut []).unwrap();
}

#[test]
fn sections_are_aligned_in_memory() {
    let (disk, image) = disk_with(ID, &[("odd", b"odd"), ("rows", &rows())]);
    let section = open(&disk, &image);
    assert_eq!(section.bytes(0..8).unwrap().as_ptr().addr() % 4_096, 0);
    assert_eq!((section.name(), section.length()), ("rows", 3 * CHUNK + 100));
}

#[test]
fn threads_read_the_same_chunks_at_a_time() {
    let (disk, image) = written();
    let disk = flipped(&disk, 4_096 + CHUNK + 5);
    let (section, rows) = (open(&disk, &image), rows());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (section, rows) = (section.clone(), &rows);
            scope.spawn(move || {
                for at in (thread..rows.len() as u64 - 8).step_by(4_099) {
                    let touches = at / CHUNK == 1 || (at + 7) / CHUNK == 1;
                    match section.bytes(at..at + 8) {
                        Ok(bytes) => assert_eq!(*bytes, rows[at as usize..at as usize + 8]),
                        Err(error) => assert_eq!(place_of(&error).0, 4_096 + CHUNK),
                    }
                    assert_eq!(section.bytes(at..at + 8).is_err(), touches);
                }
            });
        }
    });
}

/// Puts right sums to a table and a block that were changed: what someone hostile could hand in.
fn resummed(mut bytes: Vec<u8>, table: usize, sections: u32) -> (Vec<u8>, ImageRef) {
    let end = table + sections as usize * ROW_BYTES;
    bytes.truncate(end);
    let length = (end + 512) as u64;
    let table_sum = Xxh3::of(&bytes[table..]);
    let block =
        Block { store: STORE, file: ID, bytes: length, table: table as u64, table_sum, sections };
    let block = block.encode();
    bytes[..512].copy_from_slice(&block);
    bytes.extend_from_slice(&block);
    (bytes, ImageRef { file: ID, bytes: length, sum: Xxh3::of_128(&block) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Tables and sums made up, under sums that fit: bytes, or an error, and never a panic.
    #[test]
    fn hostile_images_lead_to_bytes_or_an_error(
        edits in prop::collection::vec((0..128_usize, prop_oneof![any::<u8>(), Just(0)]), 0..4),
        tail in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        table_moved in prop_oneof![Just(0_usize), 1..300_usize],
        sections in prop_oneof![Just(2_u32), 0..4_u32],
        reads in prop::collection::vec((any::<u64>(), 0..200_000_usize), 1..4),
    ) {
        let (disk, image) = written();
        let mut contents = disk.contents();
        let mut bytes = contents.bytes(path(ID)).unwrap().to_vec();
        let table = image.bytes as usize - 512 - 2 * ROW_BYTES;
        for (at, value) in edits {
            bytes[table + at] = value;
        }
        for (at, value) in tail {
            let sums = table - 40;
            bytes[sums + at.index(40)] = value;
        }
        bytes.resize(bytes.len() + 400, 0);
        let (bytes, image) = resummed(bytes, table - table_moved, sections);
        contents.replace(path(ID), &bytes);
        let disk = SimDisk::from_image(&contents, 2);
        if let Ok(image) = Image::open(&disk, STORE, &image) {
            for name in image.names() {
                let section = image.section(name).unwrap();
                prop_assert!(section.length() <= image.bytes());
                for (start, count) in &reads {
                    let start = start % (section.length() + 2);
                    let by_map = section.bytes(start..start + *count as u64).map(|it| it.to_vec());
                    let mut buffer = vec![0; *count];
                    let by_position = section.read_at(start, &mut buffer);
                    prop_assert_eq!(by_map.is_ok(), by_position.is_ok());
                    if let Ok(by_map) = by_map {
                        prop_assert_eq!(by_map, buffer);
                    }
                }
            }
            let _found = image.verify(|_, _| {}).len();
        }
    }
}

/// Simulated or real: all of it, as it lies, and for as long as it is kept.
#[test]
fn unverified_bytes_outlive_every_handle_of_their_image() {
    fn goes_anywhere(_: &(impl AsRef<[u8]> + Send + Sync + 'static)) {}
    let directory = tempfile::tempdir().unwrap();
    let real = disk::OsDisk::open(directory.path()).unwrap();
    for disk in [Arc::new(SimDisk::new(1)) as Arc<dyn Disk>, Arc::new(real)] {
        crate::Manifests::create(Arc::clone(&disk), STORE).unwrap();
        let mut writer = crate::ImageWriter::create(Arc::clone(&disk), STORE, ID).unwrap();
        for (name, bytes) in [("rows", &rows()[..]), ("none", b""), ("ids", b"identifiers")] {
            writer.section(name).unwrap();
            writer.write(bytes).unwrap();
        }
        let image = writer.finish().unwrap();
        let opened = Image::open(&*disk, STORE, &image).unwrap();
        let kept = ["rows", "none", "ids"].map(|name| {
            let section = opened.section(name).unwrap();
            let kept = section.unverified().unwrap();
            assert!(!section.is_verified() || kept.is_empty(), "nothing was checked");
            kept
        });
        drop((opened, disk.remove(Path::new(&path(ID))).unwrap()));
        goes_anywhere(&kept[0]);
        let read = std::thread::spawn(move || kept.map(|kept| kept.as_ref().to_vec()));
        assert_eq!(read.join().unwrap(), [&rows()[..], b"", b"identifiers"]);
    }
}

#[test]
fn unverified_bytes_are_lent_where_others_are_refused_and_are_tracked_until_dropped() {
    let (disk, image) = written();
    let disk = flipped(&disk, 4_096 + CHUNK + 5);
    let section = open(&disk, &image);
    section.bytes(CHUNK..CHUNK + 1).unwrap_err();
    let kept = section.unverified().unwrap();
    let mut expected = rows();
    expected[CHUNK as usize + 5] ^= 1 << 3;
    assert!(*kept == *expected, "as they lie, the damage too");
    drop(section);
    let file = disk.open(Path::new(&path(ID)), disk::Access::ReadWrite).unwrap();
    let write = || {
        let write = std::panic::AssertUnwindSafe(|| file.write_at(4_096, b"what nobody does"));
        std::panic::catch_unwind(write)
    };
    assert!(write().is_err(), "they are lent");
    drop(kept);
    write().unwrap().unwrap();
}

/// The names of what is written once more are the same file.
#[test]
fn a_write_to_a_file_that_is_lent_is_seen_by_the_simulation() {
    let (disk, image) = written();
    let section = open(&disk, &image);
    let lent = section.bytes(0..10).unwrap();
    let file = disk.open(Path::new(&path(ID)), disk::Access::ReadWrite).unwrap();
    let wrote = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        file.write_at(4_096, b"what nobody does")
    }));
    assert!(wrote.is_err());
    drop(lent);
}

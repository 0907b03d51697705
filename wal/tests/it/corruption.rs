//! Damages a log in every way: what comes out is the same batches, or an error that says where; and of a
//! log that was not closed, one batch less only where the format document says it cannot be told.

use std::ops::Range;
use std::path::{Path, PathBuf};

use base::{FileId, LogPlace, StoreId};
use disk::SimDisk;
use disk::sim::{Image, Recording};
use wal::{Error, Options};

use crate::store::{STORE, Size, Store, kept_place, options, replay, replay_known};

/// A log of several files, and what is in it.
struct Written {
    image: Image,
    recording: Recording,
    batches: u64,
    /// The last group that was synced: a file and a range in it.
    last_group: (PathBuf, Range<u64>),
    /// The place behind it.
    end: LogPlace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Closed,
    Died,
}

fn written(store: StoreId, ending: Ending) -> Written {
    let disk = SimDisk::new(19);
    let mut written = Store::create_with(&disk, &options_of(store)).unwrap();
    for size in [Size::Small, Size::Large, Size::Large, Size::Small, Size::Large, Size::Large] {
        written.append(size).unwrap();
        written.sync().unwrap();
    }
    for _ in 0..6 {
        written.append(Size::Large).unwrap();
        written.append(Size::Small).unwrap();
        written.sync().unwrap();
    }
    let from = written.log().unwrap().place();
    written.append(Size::Small).unwrap();
    written.append(Size::Small).unwrap();
    written.sync().unwrap();
    let to = written.log().unwrap().place();
    assert_eq!(from.file, to.file, "the last group lies in one file");
    if ending == Ending::Closed {
        written.close().unwrap();
    }
    let batches = written.last;
    let last_group = (log_path(from.file), from.offset..to.offset);
    let (image, recording) = (disk.contents(), disk.recording());
    Written { image, recording, batches, last_group, end: to }
}

fn options_of(store: StoreId) -> Options {
    Options::new(store).file_bytes(8_192, 16_384).part_bytes(1_024)
}

fn log_path(file: FileId) -> PathBuf {
    Path::new("wal").join(format!("{file}.wal"))
}

fn log_files(image: &Image) -> Vec<PathBuf> {
    let files = image.files().filter(|path| path.starts_with("wal"));
    files.map(Path::to_path_buf).collect()
}

/// What came of a damaged log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Same,
    Refused,
    Fewer,
}

fn outcome(image: &Image, batches: u64) -> Outcome {
    let disk = SimDisk::from_image(image, 23);
    let place = kept_place(&disk).unwrap().unwrap();
    match replay(&disk, &options(), &place) {
        Ok((found, _)) if found == batches => Outcome::Same,
        Ok((found, _)) => {
            assert!(found < batches, "{found} of {batches}");
            Outcome::Fewer
        }
        Err(error) => {
            let path = match &error {
                Error::Rot { path, .. }
                | Error::Damaged { path, .. }
                | Error::Unreadable { path, .. }
                | Error::Missing { path, .. } => path,
                _ => panic!("no error for damage: {error:?}"),
            };
            assert!(path.starts_with("wal"), "{error}");
            Outcome::Refused
        }
    }
}

#[test]
fn every_flipped_bit_of_a_closed_log_is_found_or_harmless() {
    let log = written(STORE, Ending::Closed);
    assert_eq!(outcome(&log.image, log.batches), Outcome::Same);
    let files = log_files(&log.image);
    let bytes: usize = files.iter().map(|path| log.image.bytes(path).unwrap().len()).sum();
    assert!(files.len() >= 4 && bytes >= 16_384, "{bytes} bytes in {files:?}");
    let mut counts = [0; 2];
    for path in files {
        for bit in 0..log.image.bytes(&path).unwrap().len() * 8 {
            let mut image = log.image.clone();
            image.flip_bit(&path, bit / 8, (bit % 8) as u8);
            match outcome(&image, log.batches) {
                Outcome::Same => counts[0] += 1,
                Outcome::Refused => counts[1] += 1,
                Outcome::Fewer => panic!("bit {bit} of {} lost a batch", path.display()),
            }
        }
    }
    println!("closed: {} flipped bits without effect, {} refused", counts[0], counts[1]);
    assert!(counts.iter().all(|count| *count > 10_000), "{counts:?}");
}

#[test]
fn a_flipped_bit_of_a_log_that_was_not_closed_costs_no_more_than_the_last_group() {
    let log = written(STORE, Ending::Died);
    let (file, group) = &log.last_group;
    let mut in_doubt = 0;
    for path in log_files(&log.image) {
        for bit in 0..log.image.bytes(&path).unwrap().len() * 8 {
            let mut image = log.image.clone();
            image.flip_bit(&path, bit / 8, (bit % 8) as u8);
            if outcome(&image, log.batches) == Outcome::Fewer {
                let is_last = path == *file && group.contains(&(bit as u64 / 8));
                assert!(is_last, "bit {bit} of {} lost a batch", path.display());
                in_doubt += 1;
            }
        }
    }
    println!("not closed: {in_doubt} flipped bits taken for a torn write");
    assert!(in_doubt <= (group.end - group.start) * 8, "only bits of the last group");
}

#[test]
fn every_cut_of_a_file_of_a_closed_log_is_found_or_harmless() {
    let log = written(STORE, Ending::Closed);
    for path in log_files(&log.image) {
        for length in 0..log.image.bytes(&path).unwrap().len() {
            let mut image = log.image.clone();
            image.truncate(&path, length);
            let outcome = outcome(&image, log.batches);
            assert_ne!(outcome, Outcome::Fewer, "{} cut to {length}", path.display());
        }
    }
}

/// Whatever is cut off a log that was not closed, the file is shorter than it says.
#[test]
fn every_cut_of_a_file_of_a_log_that_was_not_closed_is_found_too() {
    let log = written(STORE, Ending::Died);
    for path in log_files(&log.image) {
        for length in 0..log.image.bytes(&path).unwrap().len() {
            let mut image = log.image.clone();
            image.truncate(&path, length);
            let outcome = outcome(&image, log.batches);
            assert_ne!(outcome, Outcome::Fewer, "{} cut to {length}", path.display());
        }
    }
}

#[test]
fn junk_behind_the_end_of_a_file_is_found_or_harmless() {
    let log = written(STORE, Ending::Closed);
    for path in log_files(&log.image) {
        for length in [1, 8, 56, 512, 4_096] {
            let mut image = log.image.clone();
            image.append(&path, &vec![0xa5; length]);
            assert_eq!(outcome(&image, log.batches), Outcome::Same, "{}", path.display());
        }
    }
}

#[test]
fn a_file_as_it_was_earlier_is_refused_in_a_closed_log() {
    let log = written(STORE, Ending::Closed);
    let mut tried = 0;
    for path in log_files(&log.image) {
        let now = log.image.bytes(&path).unwrap();
        for earlier in log.recording.durable_versions(&path) {
            if earlier.as_slice() == now {
                continue;
            }
            tried += 1;
            let mut image = log.image.clone();
            image.replace(&path, &earlier);
            let outcome = outcome(&image, log.batches);
            assert_eq!(outcome, Outcome::Refused, "{}, version {tried}", path.display());
        }
    }
    assert!(tried >= 10, "{tried} versions");
}

#[test]
fn a_file_as_it_was_earlier_is_refused_by_whoever_knows_that_more_was_durable() {
    let log = written(STORE, Ending::Died);
    let disk = SimDisk::from_image(&log.image, 1);
    let place = kept_place(&disk).unwrap().unwrap();
    let mut refused = [0; 2];
    for path in log_files(&log.image) {
        let now = log.image.bytes(&path).unwrap();
        for earlier in log.recording.durable_versions(&path) {
            if earlier.as_slice() == now {
                continue;
            }
            let mut image = log.image.clone();
            image.replace(&path, &earlier);
            let disk = SimDisk::from_image(&image, 1);
            assert!(replay_known(&disk, &options(), &place, Some(log.end)).is_err());
            refused[0] += 1;
            // Nobody else can know of the last file, and it is the only one.
            if path != log.last_group.0 {
                assert_eq!(outcome(&image, log.batches), Outcome::Refused, "{}", path.display());
                refused[1] += 1;
            }
        }
    }
    assert!(refused[0] > refused[1] && refused[1] > 5, "{refused:?}");
}

#[test]
fn swapped_files_are_refused() {
    let log = written(STORE, Ending::Closed);
    let files = log_files(&log.image);
    for (index, one) in files.iter().enumerate() {
        for other in files.iter().skip(index + 1) {
            let mut image = log.image.clone();
            image.swap(one, other);
            assert_eq!(outcome(&image, log.batches), Outcome::Refused, "{}", one.display());
        }
    }
}

#[test]
fn files_of_another_store_or_another_copy_of_this_one_are_refused() {
    let log = written(STORE, Ending::Closed);
    let mut elsewhere = vec![written(StoreId(*b"another store!!!"), Ending::Closed).image];
    // The same store id, the same batches, other salts: a copy that went its own way.
    let disk = SimDisk::new(29);
    let mut copy = Store::create(&disk).unwrap();
    for _ in 0..8 {
        copy.append(Size::Large).unwrap();
        copy.sync().unwrap();
    }
    copy.close().unwrap();
    elsewhere.push(disk.contents());
    for foreign in elsewhere {
        for path in log_files(&log.image) {
            let Some(bytes) = foreign.bytes(&path) else { continue };
            let mut image = log.image.clone();
            image.replace(&path, bytes);
            assert_eq!(outcome(&image, log.batches), Outcome::Refused, "{}", path.display());
        }
    }
}

#[test]
fn a_lost_file_is_found_out_in_a_closed_log() {
    let log = written(STORE, Ending::Closed);
    let files = log_files(&log.image);
    for path in &files {
        let mut image = log.image.clone();
        image.remove(path);
        // The witness itself is not needed: the close record tells the same.
        let is_witness = Some(path) == files.last();
        let expected = if is_witness { Outcome::Same } else { Outcome::Refused };
        assert_eq!(outcome(&image, log.batches), expected, "{}", path.display());
    }
}

#[test]
fn what_cannot_be_read_is_never_taken_for_the_end() {
    for ending in [Ending::Closed, Ending::Died] {
        let log = written(STORE, ending);
        let mut refused = 0;
        for path in log_files(&log.image) {
            for start in (0..log.image.bytes(&path).unwrap().len() as u64).step_by(512) {
                let mut image = log.image.clone();
                image.make_unreadable(&path, start..start + 512);
                let outcome = outcome(&image, log.batches);
                assert_ne!(outcome, Outcome::Fewer, "{} at {start}", path.display());
                refused += u64::from(outcome == Outcome::Refused);
            }
        }
        assert!(refused > 20, "{refused}");
    }
}

/// A bad sector in a spare, which holds nothing, made opening the log fail, though only the once: what had
/// to be carried had been, and the spare could not be read when it was to be cleared away.
#[test]
fn a_spare_that_cannot_be_read_is_in_nobodys_way_and_stays() {
    let disk = SimDisk::new(37);
    let mut store = Store::create(&disk).unwrap();
    store.append(Size::Small).unwrap();
    let log = store.log().unwrap();
    let spare = log.preparation().unwrap().unwrap().run().unwrap();
    log.supply(spare);
    log.write().unwrap();
    let mut image = disk.contents();
    let files = log_files(&image);
    let spare = files.last().unwrap();
    assert!(files.len() == 2 && image.bytes(spare).unwrap().iter().all(|byte| *byte == 0));
    image.make_unreadable(spare, 4_608..5_120);

    let disk = SimDisk::from_image(&image, 41);
    let opened = Store::open(&disk).unwrap();
    assert_eq!(opened.last, 1);
    assert!(disk.contents().bytes(spare).is_some());
}

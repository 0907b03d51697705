//! Places of the log that somebody outside knows: they stay readable, whatever recoveries come between.

use base::LogPlace;
use disk::SimDisk;
use wal::Log;

use crate::store::{Size, Store, options, replay_known};

fn begun() -> (SimDisk, Store, LogPlace) {
    let disk = SimDisk::new(101);
    let mut store = Store::create(&disk).unwrap();
    let from = store.log().unwrap().place();
    (disk, store, from)
}

fn die(store: &mut Store) {
    let mut log = store.log.take().unwrap();
    log.write().unwrap();
}

/// The manifest knows a synced place beyond the one it replays from: a retained point. The process dies,
/// the log is recovered, and the process dies again before a new manifest.
#[test]
fn a_log_that_was_recovered_with_a_known_place_opens_with_it_again() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let known = store.log().unwrap().place();
    die(&mut store);
    for time in 1..=2 {
        let opened = replay_known(&disk, &options(), &from, Some(known));
        let (last, ended) = opened.unwrap_or_else(|error| panic!("time {time}: {error}"));
        assert_eq!(last, 1);
        drop(Log::resume(ended, &options()).unwrap());
    }
}

/// The same with a mark, where recovery writes nothing, and the first append makes the file.
#[test]
fn a_place_behind_a_mark_stays_one_although_the_log_goes_on_in_a_new_file() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    store.log().unwrap().mark().unwrap();
    let known = store.log().unwrap().place();
    die(&mut store);
    let mut store = Store::open(&disk).unwrap();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    die(&mut store);
    // `known` was synced, and given out by the log.
    let (last, _) = replay_known(&disk, &options(), &from, Some(known)).unwrap();
    assert_eq!(last, 2);
}

/// Two manifests: the newer names a place in the file that a recovery made. Opened from the older one
/// the file is made again, and removed under the newer.
#[test]
fn opening_from_an_older_place_leaves_the_newer_place_readable() {
    let (disk, mut store, older) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    die(&mut store);
    let mut store = Store::open(&disk).unwrap();
    let newer = store.log().unwrap().place();
    assert_ne!(newer.file, older.file, "carried");
    die(&mut store);
    let (_, ended) = replay_known(&disk, &options(), &older, Some(newer)).unwrap();
    drop(Log::resume(ended, &options()).unwrap());
    assert_eq!(replay_known(&disk, &options(), &older, Some(newer)).unwrap().0, 1);
}

/// What is known from outside lies before the place to begin at: it says nothing.
#[test]
fn a_known_place_in_front_of_the_beginning_is_no_reason_to_refuse() {
    let (disk, mut store, known) = begun();
    store.append(Size::Small).unwrap();
    store.log().unwrap().rotate();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let from = store.log().unwrap().place();
    assert_ne!(known.file, from.file);
    store.close().unwrap();
    replay_known(&disk, &options(), &from, Some(known)).unwrap();
}

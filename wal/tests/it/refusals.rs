//! What the log says when something is not as usual: doubts, refusals, and that they are what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::{LogPlace, Timeline};
use disk::sim::{Fault, FaultKind, Lasting};
use disk::{Call, Disk, Hook, Hooked, SimDisk};
use wal::{Beginning, Body, Doubt, Error, Log, Options, Replay};

use crate::store::{STORE, Size, Store, content, options, replay};

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

/// Two batches in one synced group; the first rots. That is the doubt of FORMAT.md 3.3, and whoever
/// demands certainty must not be told that it was a torn write.
#[test]
fn rot_within_the_last_synced_group_is_in_doubt_even_if_the_rest_of_the_group_is_whole() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let mut image = disk.contents();
    assert!(image.flip_bit(format!("wal/{}.wal", from.file), from.offset as usize + 60, 1));
    let disk = SimDisk::from_image(&image, 1);
    let (last, ended) = replay(&disk, &options(), &from).unwrap();
    assert_eq!(last, 0);
    let strict = replay(&disk, &options().doubt(Doubt::Refuse), &from);
    let cut = ended.cut.unwrap();
    assert!(
        cut.is_in_doubt && matches!(strict, Err(Error::InDoubt { .. })),
        "two acknowledged batches are gone, for certain a torn write: {cut:?}, {:?}",
        strict.map(|(last, _)| last),
    );
}

/// A batch of 56 bytes, which is what the log takes for its own mark.
#[test]
fn a_mark_covers_an_empty_batch_too() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    let log = store.log().unwrap();
    log.append(&[], &Body::new(Vec::new(), &options())).unwrap();
    log.mark().unwrap();
    let replay = Replay::begin(Arc::new(disk.clone()), &options(), &from, None).unwrap();
    assert!(!replay.finish().unwrap().must_be_carried());
}

#[test]
fn a_rotation_after_a_recovery_leaves_what_was_carried_behind() {
    let (disk, mut store, _) = begun();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    die(&mut store);
    let mut store = Store::open(&disk).unwrap();
    let carried = store.log().unwrap().place();
    store.log().unwrap().rotate();
    store.append(Size::Small).unwrap();
    assert_ne!(store.log().unwrap().place().file, carried.file, "the file holds batch 1");
}

/// A body that was prepared for parts of another length.
#[test]
fn a_body_of_other_options_is_refused_or_written_whole() {
    let disk = SimDisk::new(5);
    let larger = Options::new(STORE);
    let beginning = Beginning::of_a_new_store(Timeline::new(1).unwrap());
    let mut log = Log::create(Arc::new(disk.clone()), &larger, &beginning).unwrap();
    let from = log.place();
    let body = vec![7; 5_000];
    if log.append(b"table", &Body::new(body.clone(), &larger.clone().part_bytes(1_024))).is_err() {
        return;
    }
    log.sync().unwrap();
    let mut replay = Replay::begin(Arc::new(disk), &larger, &from, None).unwrap();
    let found = replay.next().unwrap().unwrap().body.len();
    assert_eq!(found, body.len(), "appended and synced without an error");
}

/// The machine's source of randomness fails once.
#[derive(Debug, Default)]
struct NoRandom(AtomicBool);

impl Hook for NoRandom {
    fn before(&self, call: &Call<'_>) -> disk::Result<()> {
        if matches!(call, Call::Random) && self.0.swap(false, Ordering::SeqCst) {
            return Err(disk::Error::TooManyFiles {
                path: "/dev/urandom".into(),
                source: std::io::Error::from_raw_os_error(24).into(),
            });
        }
        Ok(())
    }

    fn after(&self, _: &Call<'_>, _: Result<(), &disk::Error>) {}
}

#[test]
fn a_refusal_within_a_batch_leaves_a_log_that_can_be_used_or_is_stopped() {
    let sim = SimDisk::new(5);
    let hook = Arc::new(NoRandom::default());
    let disk: Arc<dyn Disk> = Arc::new(Hooked::new(Arc::new(sim.clone()), Arc::clone(&hook) as _));
    let beginning = Beginning::of_a_new_store(Timeline::new(1).unwrap());
    let mut log = Log::create(disk, &options(), &beginning).unwrap();
    let from = log.place();
    let (table, body) = content(1, Size::Large);
    log.append(&table, &Body::new(body, &options())).unwrap();
    hook.0.store(true, Ordering::SeqCst);
    // Goes over the end of the file.
    let (table, body) = content(2, Size::Large);
    let body = Body::new(body, &options());
    let error = log.append(&table, &body).unwrap_err();
    assert!(error.is_clean_refusal());
    log.append(&table, &body).expect("nothing was changed, says the error");
    log.mark().unwrap();
    assert_eq!(replay(&sim, &options(), &from).unwrap().0, 2);
}

/// The disk is full at a write in the middle of an append: the log is stopped for good, and the error
/// must not promise that nothing was changed.
#[test]
fn an_append_that_stops_the_log_is_no_clean_refusal() {
    let disk = SimDisk::new(5);
    let roomy = Options::new(STORE);
    let beginning = Beginning::of_a_new_store(Timeline::new(1).unwrap());
    let mut log = Log::create(Arc::new(disk.clone()), &roomy, &beginning).unwrap();
    let body = Body::new(vec![1; 1_030_000], &roomy);
    log.append(b"", &body).unwrap();
    let body = Body::new(vec![1; 3_000_000], &roomy);
    let made = log.preparation().unwrap().unwrap().run().unwrap();
    log.supply(made);
    disk.inject(Fault { kind: FaultKind::Full { after: 0 }, nth: 10, lasting: Lasting::Once });
    for nth in 0..60 {
        disk.heal();
        disk.inject(Fault { kind: FaultKind::Full { after: 0 }, nth, lasting: Lasting::Once });
        if let Err(error) = log.append(b"", &body) {
            disk.heal();
            let again = log.append(b"", &body);
            assert!(
                again.is_ok() || !error.is_clean_refusal(),
                "call {nth}: {error}; and then: {}",
                again.unwrap_err()
            );
        }
    }
}

/// Made by one log, run after another was opened in its place: it takes the name of a file that holds
/// batches.
#[test]
fn a_preparation_that_outlives_its_log_harms_no_file() {
    let (disk, mut store, from) = begun();
    store.append(Size::Small).unwrap();
    let late = store.log().unwrap().preparation().unwrap().unwrap();
    die(&mut store);
    let mut store = Store::open(&disk).unwrap();
    store.append(Size::Small).unwrap();
    store.sync().unwrap();
    drop(late.run());
    assert_eq!(replay(&disk, &options(), &from).unwrap().0, 2, "both were synced");
}

/// A full disk that says so at the sync: what was begun is to be taken away again.
#[test]
fn a_file_that_could_not_be_synced_is_taken_away_again() {
    for nth in 0..8 {
        let (disk, mut store, _) = begun();
        store.append(Size::Large).unwrap();
        disk.inject(Fault { kind: FaultKind::Full { after: 0 }, nth, lasting: Lasting::Once });
        if let Err(error) = store.append(Size::Large).and_then(|_| store.append(Size::Large)) {
            let contents = disk.contents();
            let left: Vec<_> = contents
                .files()
                .filter(|path| path.extension().is_some_and(|it| it == "new"))
                .collect();
            assert!(left.is_empty(), "call {nth}: {error}: {left:?}");
        }
    }
}

#[test]
fn a_mark_that_finds_no_room_says_so_or_makes_some() {
    let (disk, mut store, from) = begun();
    // One record that leaves less than a mark's room in the file of 8192 bytes.
    let room = 8_192 - 4_096 - 56 - 56;
    let one = options();
    let log = store.log().unwrap();
    let mut left: u64 = room;
    while left > 56 + 1_024 {
        log.append(&[], &Body::new(vec![1; 1_024], &one)).unwrap();
        left -= 56 + 1_024;
    }
    log.append(&[], &Body::new(vec![2; (left - 56 - 8) as usize], &one)).unwrap();
    log.mark().unwrap();
    let replay = Replay::begin(Arc::new(disk.clone()), &options(), &from, None).unwrap();
    let ended = replay.finish().unwrap();
    assert!(!ended.must_be_carried(), "marked, and in doubt all the same");
}

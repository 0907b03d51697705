//! Checks stores that are sound, damaged everywhere, open and not: what is damaged is told, with its place and whom it
//! affects, and nothing is changed by looking.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrwdb::{
    Collection, CollectionConfig, Durability, Error, Id, Metric, Store, StoreOptions, payload,
};
use disk::sim::Image;
use disk::{Access, Call, Disk, Effect, Hook, Hooked, SimDisk};

use crate::store::{Op, Run, open, options, starts, vector};

fn verify(disk: &SimDisk) -> arrwdb::Result<arrwdb::report::Verification> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    options().verify_on(disk, |_, _| ())
}

/// All there is, so that something is left.
const FULL: [Op; 13] = [
    Op::PutNew,
    Op::PutDuplicate,
    Op::Clear,
    Op::Remake,
    Op::PutNew,
    Op::PutDuplicate,
    Op::Overwrite,
    Op::Batch,
    Op::BatchWithDuplicate,
    Op::DeleteLast,
    Op::Checkpoint,
    Op::Rotate,
    Op::Reopen,
];

/// A store of two collections with everything in it that there can be, after these steps more.
fn full(more: &[Op]) -> SimDisk {
    let start = &starts()[2];
    let disk = start.disk().build();
    let mut run = Run::on(&disk, start).unwrap();
    FULL.iter().chain(more).for_each(|op| run.step(*op).unwrap());
    drop(run);
    disk
}

/// The first problem of a store of which something was damaged.
fn problem(image: &Image, damage: impl FnOnce(&mut Image)) -> String {
    let mut damaged = image.clone();
    damage(&mut damaged);
    let disk = SimDisk::from_image(&damaged, 1);
    let before = disk.contents().sum();
    let found = verify(&disk).unwrap();
    assert!(!found.is_sound());
    assert_eq!(disk.contents().sum(), before, "nothing is changed by a check");
    found.problems[0].to_string()
}

#[test]
fn what_is_sound_is_said_to_be_open_or_not_and_nothing_is_changed() {
    for more in [&[][..], &[Op::Close]] {
        let disk = full(more);
        let before = disk.contents().sum();
        let mut told = Vec::new();
        let at: Arc<dyn Disk> = Arc::new(disk.clone());
        let found = options().verify_on(at, |read, of| told.push((read, of))).unwrap();
        assert!(found.is_sound() && found.torn_end.is_none(), "{found:?}");
        assert_eq!(disk.contents().sum(), before);
        assert!(told.is_sorted() && told.iter().all(|(read, of)| read <= of));
        assert_eq!(told.last().unwrap().0, found.bytes);
        let store = open(&disk).unwrap();
        let found = store.verify().unwrap();
        assert!(found.is_sound(), "{found:?}");
    }
}

/// Lets nobody open a file for writing.
#[derive(Debug)]
struct ToLookAt;

impl Hook for ToLookAt {
    fn before(&self, call: &Call<'_>) -> disk::Result<()> {
        let writes = matches!(call, Call::Open { access: Access::ReadWrite, .. });
        assert!(!writes && call.effect() == Effect::Looks, "{call:?}");
        Ok(())
    }

    fn after(&self, _: &Call<'_>, _: std::result::Result<(), &disk::Error>) {}
}

#[test]
fn a_check_opens_nothing_for_writing() {
    let hooked = Hooked::new(Arc::new(full(&[])), Arc::new(ToLookAt));
    let found = options().verify_on(Arc::new(hooked), |_, _| ()).unwrap();
    assert!(found.is_sound(), "{found:?}");
}

#[test]
fn a_store_that_is_open_or_not_there_cannot_be_checked_from_outside() {
    let disk = SimDisk::new(1);
    assert!(matches!(verify(&disk), Err(Error::NoStore { .. })));
    let disk = full(&[]);
    let _store = open(&disk).unwrap();
    assert!(matches!(verify(&disk), Err(Error::Disk(_))));
}

#[test]
fn damage_is_told_with_its_place_and_whom_it_affects() {
    let disk = SimDisk::new(1);
    let at: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = options().open_on(at).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(16, Metric::L2)).unwrap();
    for (id, number) in [("a", 1), ("b", 2), ("twin of b", 2), ("c", 3)] {
        docs.upsert(id, &vector(number)).unwrap();
    }
    store.checkpoint().unwrap();
    docs.upsert("d", &vector(4)).unwrap();
    drop((store, docs));
    let image = disk.contents();
    let newest = |folder: &str| {
        image.files().filter(|path| path.starts_with(folder)).max().unwrap().to_path_buf()
    };
    let flip = |folder: &str, at: usize| {
        let path = newest(folder);
        let problem = problem(&image, |image| assert!(image.flip_bit(&path, at, 2)));
        assert!(problem.starts_with(&path.display().to_string()), "{problem}");
        problem
    };
    let slot_1 = flip("vectors", 4_096 + 64 + 5);
    assert!(slot_1.contains("offset 4160: ") && slot_1.contains("b, twin of b"), "{slot_1}");
    let image_table = flip("images", 4_096 + 3);
    assert!(image_table.contains("offset 4096: "), "{image_table}");
    let manifest = flip("manifests", 100);
    assert!(manifest.contains("affects which state"), "{manifest}");
    let log = newest("wal");
    let end = image.bytes(&log).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let log = flip("wal", end - 200);
    assert!(log.contains("affects all batches from there on") || log.contains("torn"), "{log}");
    let lost = problem(&image, |image| assert!(image.remove(newest("images"))));
    assert!(lost.contains("affects the whole store"), "{lost}");
    let lost = problem(&image, |image| assert!(image.remove(newest("vectors"))));
    assert!(lost.contains("missing"), "{lost}");
}

#[test]
fn several_damages_are_all_told() {
    let image = full(&[Op::Close]).contents();
    let mut damaged = image.clone();
    let paths: Vec<_> = image.files().map(|path| path.to_path_buf()).collect();
    let of = |folder: &str| {
        let mut of: Vec<_> = paths.iter().filter(|path| path.starts_with(folder)).collect();
        of.sort();
        of
    };
    let manifests = of("manifests");
    let images = of("images");
    for path in [manifests[manifests.len() - 2], images[images.len() - 1]] {
        // Not in the catalogue: it says where the vectors are.
        assert!(damaged.flip_bit(path, image.bytes(path).unwrap().len() / 2, 1));
    }
    for path in of("vectors") {
        damaged.flip_bit(path, 4_096, 1);
    }
    let found = verify(&SimDisk::from_image(&damaged, 1)).unwrap();
    let files: std::collections::BTreeSet<_> =
        found.problems.iter().map(|problem| problem.file.components().next().unwrap()).collect();
    assert_eq!(files.len(), 3, "{found:?}");
}

/// A check in the middle of writes and checkpoints finds nothing wrong, and holds nobody up for good.
#[test]
fn a_store_is_checked_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let options: StoreOptions =
        Store::options().log_file_bytes(8_192, 8_192).checkpoint_bytes(20_000);
    let store = options.open(dir.path().join("store")).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(16, Metric::L2)).unwrap();
    let is_over = AtomicBool::new(false);
    let write = |docs: &Collection, thread: u32| {
        let mut number = 0;
        // Not for ever: the more is in the log, the longer a check takes, and checkpoints wait for it.
        while (!is_over.load(Ordering::Relaxed) && number < 1_000) || number < 100 {
            number += 1;
            let mut batch = store.batch();
            for at in 0..5 {
                let id = Id::from(u64::from(number * 5 + at) % 300);
                batch.upsert(docs, id, &vector(thread * 1_000_000 + number * 5 + at));
            }
            batch.remove(docs, 300 + u64::from(number % 300));
            batch.remove(docs, u64::from(number * 5 + 150) % 300);
            batch.commit(Durability::Os).unwrap().wait().unwrap();
        }
    };
    std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(|| write(&docs, 1)), scope.spawn(|| write(&docs, 2)));
        for _ in 0..100 {
            let found = store.verify().unwrap();
            assert!(found.is_sound(), "{found:?}");
        }
        is_over.store(true, Ordering::Relaxed);
        one.join().unwrap();
        two.join().unwrap();
    });
    let found = store.verify().unwrap();
    assert!(found.is_sound() && found.bytes > 0, "{found:?}");
}

/// It may be a torn write or damage: who opens the store says what it is to be taken for.
#[test]
fn a_log_that_ends_in_doubt_is_cut_off_and_told_or_refused() {
    let disk = SimDisk::new(1);
    let store = options().open_on(Arc::new(disk.clone())).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(16, Metric::L2)).unwrap();
    let before = docs.upsert("a", &vector(1)).unwrap();
    docs.upsert("b", &vector(2)).unwrap();
    drop((store, docs));
    let mut image = disk.contents();
    let log = image.files().filter(|path| path.starts_with("wal")).max().unwrap().to_path_buf();
    let end = image.bytes(&log).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    assert!(image.flip_bit(&log, end, 1));
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_image(&image, 1));
    let refused = options().refuse_in_doubt().open_on(Arc::clone(&disk)).unwrap_err();
    assert!(matches!(&refused, Error::Log(_)) && refused.is_clean_refusal(), "{refused}");
    let store = options().open_on(disk).unwrap();
    let torn = store.torn_end().unwrap();
    assert!(torn.is_in_doubt && torn.path.ends_with(&log) && torn.offset < end as u64, "{torn:?}");
    assert_eq!(store.sequence(), Some(before));
}

/// Nothing but the log says that these are there.
#[test]
fn a_lost_file_that_only_the_log_names_is_told() {
    let disk = SimDisk::new(1);
    let at: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = options().open_on(at).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(2, Metric::L2)).unwrap();
    store.checkpoint().unwrap();
    docs.upsert_with(1, &[1.0, 2.0], payload! { "page" => 1 }).unwrap();
    let check = |disk: &SimDisk| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        options().verify_on(disk, |_, _| ()).unwrap().problems
    };
    let killed = disk.after_kill(2);
    assert_eq!(check(&killed), []);
    let files: Vec<PathBuf> = killed.contents().files().map(Path::to_path_buf).collect();
    let files: Vec<&PathBuf> = files.iter().filter(|path| path.starts_with("vectors")).collect();
    assert_eq!(files.len(), 2, "one of vectors, one of payloads");
    for path in files {
        let lost = disk.after_kill(2);
        lost.remove(path).unwrap().forgo("it is lost");
        let told = check(&lost);
        assert!(told.len() == 1 && told[0].file == *path, "{told:?}");
        let mut rotten = killed.contents();
        rotten.flip_bit(path, 9, 0);
        let told = check(&SimDisk::from_image(&rotten, 3));
        assert!(told.iter().any(|problem| problem.file == *path), "{told:?}");
    }
}

//! Damages a small store, one bit at a time and in larger pieces: every answer is as it was, or it is an error that says
//! what is wrong. Nothing is silently different, and nothing panics.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrwdb::{CollectionConfig, Id, Metric};
use disk::sim::Image;
use disk::{Disk, SimDisk};

use crate::crash::is_full;
use crate::report::say;
use crate::store::{Content, Op, Run, configs, look, open, options, payload, starts, vector};

/// A store that was closed, and one whose process died, with what is in them.
fn stores() -> [(Image, Content); 2] {
    let ops = [Op::PutNew, Op::Batch, Op::Checkpoint, Op::Overwrite, Op::DeleteLast];
    let run = |more: &[Op]| {
        let start = &starts()[1];
        let mut run = Run::on(&start.disk().build(), start).unwrap();
        ops.iter().chain(more).for_each(|op| run.step(*op).unwrap());
        let content = run.content.clone();
        (run.disk.contents(), content)
    };
    [run(&[Op::Close]), run(&[])]
}

/// A store that was closed, and has as little as one can have that has everything in it.
fn small() -> (Image, Content) {
    let disk = SimDisk::new(1);
    let at: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = options().open_on(at).unwrap();
    let make = |(name, config)| store.create_collection(name, config).unwrap();
    let collections = configs().map(make);
    let [docs, more] = &collections;
    let mut content = Content::default();
    for (id, number) in [("base", 1), ("twin", 1), ("other", 2)] {
        docs.upsert(id, &vector(number)).unwrap();
        content[0].insert(Id::from(id), (number, 0));
    }
    more.upsert_with(7, &vector(3), payload(4)).unwrap();
    content[1].insert(Id::from(7), (3, 4));
    docs.remove("other").unwrap();
    content[0].remove(&Id::from("other"));
    store.close().unwrap();
    drop((collections, store));
    (disk.contents(), content)
}

/// What comes of opening a damaged store: the content, or what it says.
fn outcome(image: &Image) -> Result<Content, String> {
    let disk = SimDisk::from_image(image, 1);
    let store = open(&disk).map_err(|error| error.to_string())?;
    look(&store)
}

/// Every answer is as it was, or an error; says whether it is one.
fn judge(image: &Image, content: &Content, what: &str) -> bool {
    let found = catch_unwind(AssertUnwindSafe(|| outcome(image)));
    match found.unwrap_or_else(|_| panic!("{what}: it panicked")) {
        Ok(found) => {
            assert_eq!(&found, content, "{what}");
            false
        }
        Err(words) => {
            assert!(!words.is_empty());
            true
        }
    }
}

fn files(image: &Image) -> BTreeMap<PathBuf, usize> {
    let of = |path: &Path| (path.to_path_buf(), image.bytes(path).unwrap().len());
    image.files().map(of).collect()
}

/// What a check says of a damaged store: whether it is sound.
fn is_said_to_be_sound(image: &Image, what: &str) -> bool {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_image(image, 1));
    let checked = catch_unwind(AssertUnwindSafe(|| options().verify_on(disk, |_, _| ())));
    let checked = checked.unwrap_or_else(|_| panic!("{what}: the check panicked"));
    match checked {
        Ok(found) => {
            let are_told = |problem: &arrwdb::report::Problem| {
                !problem.file.as_os_str().is_empty() && !problem.affects.is_empty()
            };
            assert!(found.problems.iter().all(are_told), "{what}: {found:?}");
            found.is_sound()
        }
        // There is no store, or it is one of a newer version.
        Err(error) => error.to_string().is_empty(),
    }
}

/// Zeros in a row that are taken for space that was left empty.
const EMPTY: usize = 64;

/// Which bits of a file are flipped: all of them; where nothing was ever written, one of each fourth byte, unless
/// everything is to be tried.
fn bits(bytes: &[u8]) -> Vec<(usize, u8)> {
    let mut bits = Vec::new();
    let mut at = 0;
    for run in bytes.chunk_by(|one, other| (*one == 0) == (*other == 0)) {
        let is_empty = run.len() >= EMPTY && run[0] == 0 && !is_full();
        let run = at..at + run.len();
        at = run.end;
        if is_empty {
            bits.extend(run.step_by(4).map(|at| (at, one_of(at))));
        } else {
            bits.extend(run.flat_map(|at| (0..8).map(move |bit| (at, bit))));
        }
    }
    bits
}

/// The bit of a byte that is looked at whatever the others are.
fn one_of(at: usize) -> u8 {
    (at / 4 * 5 % 8) as u8
}

/// Every bit of every file of a small closed store: it is told by a check, or changes no answer.
#[test]
fn every_flipped_bit_of_a_closed_store_is_told_by_a_check_or_changes_no_answer() {
    let (image, content) = small();
    let mut flips = Vec::new();
    let of = |path: &Path| (path.to_path_buf(), bits(image.bytes(path).unwrap()));
    for (path, bits) in image.files().map(of) {
        flips.extend(bits.into_iter().map(|(at, bit)| (path.clone(), at, bit)));
    }
    let (left, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some((path, at, bit)) = flips.get(left.fetch_add(1, Ordering::Relaxed)) {
            let mut damaged = image.clone();
            assert!(damaged.flip_bit(path, *at, *bit));
            let what = format!("bit {bit} of byte {at} of {}", path.display());
            let is_sound = is_said_to_be_sound(&damaged, &what);
            if is_sound || *bit == one_of(*at) || is_full() {
                let is_error = judge(&damaged, &content, &what);
                assert!(!(is_sound && is_error), "{what} is an error, and no check tells");
            }
            told.fetch_add(usize::from(!is_sound), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for thread in [scope.spawn(work), scope.spawn(work)] {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let (tried, told) = (flips.len(), told.into_inner());
    say(&format!("{tried} bits of a store flipped: {told} told, the others change no answer"));
    assert!(told > 40_000 && tried - told > 30_000, "{told} of {tried}");
}

#[test]
fn no_cut_lost_or_swapped_file_changes_an_answer_in_silence() {
    for (image, content) in &stores() {
        let files = files(image);
        for (path, bytes) in &files {
            for length in [0, 1, bytes / 3, bytes / 2, bytes.saturating_sub(1)] {
                let mut damaged = image.clone();
                damaged.truncate(path, length);
                judge(&damaged, content, &format!("{} cut to {length}", path.display()));
            }
            let mut damaged = image.clone();
            damaged.remove(path);
            judge(&damaged, content, &format!("{} lost", path.display()));
            for other in files.keys().filter(|other| *other > path) {
                let mut damaged = image.clone();
                damaged.swap(path, other);
                let what = format!("{} and {} swapped", path.display(), other.display());
                judge(&damaged, content, &what);
            }
        }
    }
}

/// What the manifest before needs is kept: its image, the log from there on, and every slot it refers to.
#[test]
fn a_damaged_manifest_costs_nothing_while_the_one_before_is_there() {
    for (image, content) in &stores() {
        let newest = image.files().filter(|path| path.starts_with("manifests")).max().unwrap();
        for at in [0, 9, 100, image.bytes(newest).unwrap().len() - 1] {
            let mut damaged = image.clone();
            assert!(damaged.flip_bit(newest, at, 3));
            assert_eq!(outcome(&damaged).as_ref(), Ok(content), "byte {at}");
        }
    }
}

/// The first manifest is that of a store that is being made. With the second one damaged or lost, a store that was
/// used looked like one that was never finished, and was made anew over what was in it.
#[test]
fn a_store_that_was_used_is_never_made_anew() {
    let disk = SimDisk::new(1);
    let open_on = |disk: &SimDisk| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        options().open_on(disk)
    };
    let store = open_on(&disk).unwrap();
    let config = CollectionConfig::new(2, Metric::L2);
    store.create_collection("docs", config).unwrap().upsert(1, &[1.0, 2.0]).unwrap();
    drop(store);
    let image = disk.contents();
    let manifests: Vec<_> = image.files().filter(|path| path.starts_with("manifests")).collect();
    let newest = *manifests.iter().max().unwrap();
    let (mut lost, mut flipped) = (image.clone(), image.clone());
    lost.remove(newest);
    flipped.flip_bit(newest, 50, 1);
    for damaged in [lost, flipped] {
        let disk = SimDisk::from_image(&damaged, 1);
        let before = disk.contents().sum();
        // To open what is there only is no way around, and a check tells.
        let again = open(&disk).unwrap_err().to_string();
        let at: Arc<dyn Disk> = Arc::new(disk.clone());
        let checked = options().verify_on(at, |_, _| ()).unwrap();
        assert!(checked.problems[0].affects.contains("the whole store"), "{checked:?}");
        let refused = open_on(&disk).unwrap_err().to_string();
        assert_eq!(again, refused);
        assert!(refused.contains("lost") || refused.contains("manifest"), "{refused}");
        assert_eq!(disk.contents().sum(), before, "nothing is changed");
    }
}

//! Damages a small store, one bit at a time and in larger pieces: every answer is as it was, or it is an error that says
//! what is wrong. Nothing is silently different, and nothing panics.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use arrwdb::{CollectionConfig, Metric};
use disk::sim::Image;
use disk::{Disk, SimDisk};

use crate::store::{Content, Op, Run, look, open, options, starts};

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
    let of = |path: &std::path::Path| (path.to_path_buf(), image.bytes(path).unwrap().len());
    image.files().map(of).collect()
}

/// One bit of every byte of every file but the vectors' unused ones.
#[test]
fn no_flipped_bit_changes_an_answer_of_a_closed_store_in_silence() {
    let (image, content) = &stores()[0];
    let (mut tried, mut told) = (0, 0);
    for (path, bytes) in files(image) {
        // Far behind the last slot that was ever given out there is nothing to be harmed.
        let end = if path.starts_with("vectors") { bytes.min(4_096 + 16 * 64) } else { bytes };
        for at in 0..end {
            let mut damaged = image.clone();
            assert!(damaged.flip_bit(&path, at, (at * 5 % 8) as u8));
            let what = format!("bit {} of byte {at} of {}", at * 5 % 8, path.display());
            told += usize::from(judge(&damaged, content, &what));
            tried += 1;
        }
    }
    assert!(tried > 30_000 && told > 1_000, "{told} of {tried}");
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
        let refused = open_on(&disk).unwrap_err().to_string();
        assert!(refused.contains("lost") || refused.contains("manifest"), "{refused}");
        assert_eq!(disk.contents().sum(), before, "nothing is changed");
    }
}

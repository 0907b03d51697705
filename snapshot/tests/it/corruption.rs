//! Damages a store in every way: what is found is the state that was published, or the one before, and told
//! to be that, or an error that says where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{FileId, StoreId};
use disk::sim::Image as DiskImage;
use disk::{Disk, SimDisk};
use snapshot::{Error, Image, ImageRef, Manifests};

use crate::store::{
    STORE, State, Step, image_path, manifest_path, open, read, state_of, write_image, written,
};

const STEPS: [Step; 6] =
    [Step::Create, Step::Checkpoint, Step::Snapshot, Step::Index, Step::Checkpoint, Step::Prune];

fn store() -> DiskImage {
    written(&STEPS).contents()
}

/// What came of a damaged store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Newest,
    Before,
    Refused,
}

fn outcome(image: &DiskImage) -> Outcome {
    let disk = SimDisk::from_image(image, 7);
    let manifests = match open(&disk) {
        Ok(manifests) => manifests.unwrap(),
        Err(error) => {
            let is_told = matches!(error, Error::NoManifest { .. } | Error::Split { .. });
            assert!(is_told && error.to_string().contains("manifests"), "{error}");
            return Outcome::Refused;
        }
    };
    match state_of(&disk, manifests.newest()) {
        Ok(state) if state == State::of(&STEPS, 5) => {
            assert!(manifests.passed_over().is_none());
            Outcome::Newest
        }
        Ok(state) => {
            assert_eq!(state, State::of(&STEPS, 4));
            let passed_over = manifests.passed_over().expect("the state before, in silence");
            assert!(passed_over.to_string().contains(&manifest_path(5).display().to_string()));
            Outcome::Before
        }
        Err(error) => {
            assert!(error.contains("images"), "{error}");
            Outcome::Refused
        }
    }
}

fn damaged(damage: impl FnOnce(&mut DiskImage) -> bool) -> Outcome {
    let mut image = store();
    assert!(damage(&mut image), "nothing was damaged");
    outcome(&image)
}

fn bytes_of(image: &DiskImage, path: &Path) -> Vec<u8> {
    image.bytes(path).unwrap().to_vec()
}

#[test]
fn every_flipped_bit_of_a_manifest_is_told_or_harmless() {
    let whole = store();
    assert_eq!(outcome(&whole), Outcome::Newest);
    for (number, expected) in [(5, Outcome::Before), (4, Outcome::Newest)] {
        let path = manifest_path(number);
        for bit in 0..whole.bytes(&path).unwrap().len() * 8 {
            let mut image = whole.clone();
            image.flip_bit(&path, bit / 8, (bit % 8) as u8);
            assert_eq!(outcome(&image), expected, "bit {bit} of {number}");
        }
    }
}

/// Both of the newest, the one to fall back on as well: nobody else reads that before it is needed.
#[test]
fn every_flipped_bit_of_either_manifest_is_told_by_a_check() {
    let image = store();
    let problems = |image: &DiskImage| {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_image(image, 7));
        match Manifests::open(disk) {
            Ok(manifests) => manifests.unwrap().verify().len(),
            Err(_) => 1,
        }
    };
    assert_eq!(problems(&image), 0);
    let mut paths: Vec<_> = image.files().filter(|path| path.starts_with("manifests")).collect();
    paths.sort();
    for path in paths.iter().rev().take(2) {
        let mut lost = image.clone();
        lost.remove(path);
        // The newest as well: what it replaced is gone, and nothing else would have removed that.
        assert_eq!(problems(&lost), 1, "{} lost", path.display());
        for bit in 0..bytes_of(&image, path).len() * 8 {
            let mut damaged = image.clone();
            assert!(damaged.flip_bit(path, bit / 8, (bit % 8) as u8));
            assert_eq!(problems(&damaged), 1, "bit {bit} of {}", path.display());
        }
    }
}

#[test]
fn every_cut_of_a_manifest_is_told_or_harmless() {
    let whole = store();
    for (number, expected) in [(5, Outcome::Before), (4, Outcome::Newest)] {
        let path = manifest_path(number);
        let length = whole.bytes(&path).unwrap().len();
        for end in (0..length).chain([length + 1]) {
            let mut image = whole.clone();
            image.truncate(&path, end);
            assert_eq!(outcome(&image), expected, "{number} cut at {end}");
        }
    }
}

#[test]
fn every_flipped_bit_of_an_image_is_told_or_harmless() {
    let whole = store();
    let disk = SimDisk::from_image(&whole, 7);
    let image = open(&disk).unwrap().unwrap().newest().newest().unwrap().image;
    let path = image_path(image.file.0);
    let expected = read(&disk, &image).unwrap();
    let mut counts = [0; 2];
    for bit in 0..whole.bytes(&path).unwrap().len() * 8 {
        // Of the zeros, which are most of it, a sample.
        if whole.bytes(&path).unwrap()[bit / 8] == 0 && bit % 31 != 0 {
            continue;
        }
        let mut damaged = whole.clone();
        damaged.flip_bit(&path, bit / 8, (bit % 8) as u8);
        counts[usize::from(answers(&damaged, &image, &expected))] += 1;
    }
    assert!(counts.iter().all(|count| *count > 1_000), "{counts:?}");
}

/// Whether it answers with what was written; otherwise with an error that names the image.
fn answers(image: &DiskImage, wanted: &ImageRef, expected: &[u8]) -> bool {
    let disk = SimDisk::from_image(image, 7);
    let answer = Image::open(&disk, STORE, wanted).and_then(|image| {
        let section = image.section("state")?;
        Ok(section.bytes(0..section.length())?.to_vec())
    });
    match answer {
        Ok(bytes) => assert_eq!(bytes, expected),
        Err(error) => {
            assert!(error.to_string().contains("images"), "{error}");
            return false;
        }
    }
    true
}

#[test]
fn every_cut_of_an_image_is_told() {
    let whole = store();
    let disk = SimDisk::from_image(&whole, 7);
    let image = open(&disk).unwrap().unwrap().newest().newest().unwrap().image;
    let expected = read(&disk, &image).unwrap();
    for end in 0..image.bytes {
        let mut cut = whole.clone();
        cut.truncate(image_path(image.file.0), end as usize);
        assert!(!answers(&cut, &image, &expected), "cut at {end}");
    }
    let mut longer = whole;
    longer.append(image_path(image.file.0), b"junk");
    assert!(answers(&longer, &image, &expected));
}

#[test]
fn lost_manifests_are_never_a_new_store() {
    let (four, five) = (manifest_path(4), manifest_path(5));
    assert_eq!(damaged(|image| image.remove(&four)), Outcome::Newest);
    assert_eq!(damaged(|image| image.remove(&four) && image.remove(&five)), Outcome::Refused);
    assert_eq!(
        damaged(|image| image.flip_bit(&four, 99, 1) && image.remove(&five)),
        Outcome::Refused
    );
    assert_eq!(
        damaged(|image| image.flip_bit(&four, 99, 1) && image.flip_bit(&five, 200, 1)),
        Outcome::Refused
    );
    // The names of what lies elsewhere are enough.
    let mut image = store();
    for path in image.files().map(Path::to_path_buf).collect::<Vec<PathBuf>>() {
        image.remove(path);
    }
    assert!(open(&SimDisk::from_image(&image, 7)).unwrap().is_none(), "nothing is left at all");
    let log = SimDisk::from_image(&image, 7);
    log.create_dir(Path::new("wal")).unwrap().sync(&log).unwrap();
    log.create(Path::new("wal/00000000000000000001.wal")).unwrap().1.sync(&log).unwrap();
    let error = open(&log).unwrap_err();
    assert!(error.to_string().contains("wal/00000000000000000001.wal"), "{error}");
}

/// One that is lost as a whole looks like a publication that never came: the log is there, but nobody knows.
#[test]
fn a_lost_newest_manifest_is_the_state_before_it() {
    let mut image = store();
    image.remove(manifest_path(5));
    let disk = SimDisk::from_image(&image, 7);
    let manifests = open(&disk).unwrap().unwrap();
    assert_eq!(state_of(&disk, manifests.newest()).unwrap(), State::of(&STEPS, 4));
}

#[test]
fn stale_and_swapped_manifests_are_told() {
    let (four, five) = (manifest_path(4), manifest_path(5));
    let stale = |image: &mut DiskImage| {
        let older = bytes_of(image, &four);
        image.replace(&five, &older)
    };
    assert_eq!(damaged(stale), Outcome::Before);
    assert_eq!(damaged(|image| image.swap(&four, &five)), Outcome::Refused);
    let renamed = |image: &mut DiskImage| {
        let newest = bytes_of(image, &five);
        image.replace(manifest_path(6), &newest)
    };
    let mut image = store();
    assert!(renamed(&mut image));
    let disk = SimDisk::from_image(&image, 7);
    let manifests = open(&disk).unwrap().unwrap();
    assert!(manifests.passed_over().is_some_and(|it| it.to_string().contains("number")));
    assert_eq!(state_of(&disk, manifests.newest()).unwrap(), State::of(&STEPS, 5));
}

/// Of the same steps, and so with the same numbers.
fn other_store(store: StoreId, steps: u64) -> SimDisk {
    let disk = SimDisk::new(8);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut manifests = Manifests::create(Arc::clone(&shared), store).unwrap();
    for file in 1..steps {
        write_image(&shared, store, FileId(file), b"another state").unwrap();
        let next = manifests.newest().clone();
        manifests.publish(next).unwrap();
    }
    disk
}

#[test]
fn manifests_of_another_store_or_history_are_told() {
    for other in [StoreId([9; 16]), STORE] {
        for (number, expected) in
            [(5, Outcome::Refused), (6, Outcome::Refused), (4, Outcome::Refused)]
        {
            let foreign = bytes_of(&other_store(other, 6).contents(), &manifest_path(number));
            let put = |image: &mut DiskImage| image.replace(manifest_path(number), &foreign);
            assert_eq!(damaged(put), expected, "number {number} of {other}");
        }
    }
}

#[test]
fn images_that_were_swapped_or_are_of_another_store_are_told() {
    let (one, other) = (image_path(1), image_path(3));
    assert_eq!(damaged(|image| image.swap(&one, &other)), Outcome::Refused);
    assert_eq!(damaged(|image| image.remove(&other)), Outcome::Refused);
    let stale = |image: &mut DiskImage| {
        let older = bytes_of(image, &one);
        image.replace(&other, &older)
    };
    assert_eq!(damaged(stale), Outcome::Refused);
    for store in [StoreId([9; 16]), STORE] {
        let foreign = bytes_of(&other_store(store, 6).contents(), &other);
        let put = |image: &mut DiskImage| image.replace(&other, &foreign);
        assert_eq!(damaged(put), Outcome::Refused, "{store}");
    }
}

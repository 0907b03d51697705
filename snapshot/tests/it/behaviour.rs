//! What manifests promise when nothing crashes: numbers, what is found, what is removed and when.

use std::path::Path;
use std::sync::Arc;

use base::FileId;
use base::checksum::Crc32;
use disk::{Disk, Recorded, SimDisk, Trace};
use snapshot::format::Invalid;
use snapshot::{Error, ImageWriter, Manifest, Manifests, Name, list_images};

use crate::store::{
    STORE, State, Step, Store, image_path, manifest_path, open, state_of, timeline, write_image,
    written,
};

fn put(disk: &SimDisk, path: impl AsRef<Path>) {
    disk.create(path.as_ref()).unwrap().1.sync(disk).unwrap();
}

#[test]
fn an_empty_directory_is_no_store_and_is_left_as_it_is() {
    let disk = SimDisk::new(1);
    let (traced, trace) = Trace::record(Arc::new(disk.clone()), Recorded::Changes);
    assert!(Manifests::open(traced).unwrap().is_none());
    assert_eq!(trace.take(), "");
    // Nor is what a creation leaves that did not come to its end.
    for directory in ["wal", "images", "manifests"] {
        disk.create_dir(Path::new(directory)).unwrap().sync(&disk).unwrap();
    }
    put(&disk, "LOCK");
    put(&disk, Name::NewManifest(1).path());
    assert!(open(&disk).unwrap().is_none());
    let manifests = Manifests::create(Arc::new(disk.clone()), STORE).unwrap();
    assert_eq!(manifests.number(), 2, "above all that are listed");
    assert!(open(&disk).unwrap().unwrap().newest().newest().is_none(), "a store in the making");
}

#[test]
fn a_store_is_not_made_over_another_nor_over_what_is_left_of_one() {
    let disk = written(&[Step::Create, Step::Checkpoint]);
    for removed in [None, Some(manifest_path(1)), Some(manifest_path(2)), Some(image_path(1))] {
        if let Some(removed) = removed {
            disk.remove(&removed).unwrap().sync(&disk).unwrap();
        }
        let before = disk.contents();
        let created = Manifests::create(Arc::new(disk.clone()), STORE);
        if before.files().next().is_none() {
            created.unwrap();
        } else {
            assert!(matches!(created, Err(Error::Exists { .. })), "{created:?}");
            assert_eq!(disk.contents().sum(), before.sum());
        }
    }
}

#[test]
fn a_clean_opening_changes_nothing() {
    let disk = written(&[Step::Create, Step::Checkpoint, Step::Checkpoint]);
    let (traced, trace) = Trace::record(Arc::new(disk), Recorded::Changes);
    let manifests = Manifests::open(traced).unwrap().unwrap();
    assert_eq!(trace.take(), "");
    assert_eq!((manifests.store(), manifests.number()), (STORE, 3));
    assert!(manifests.passed_over().is_none());
}

#[test]
fn what_either_of_the_two_newest_needs_is_reachable() {
    let steps = [Step::Create, Step::Checkpoint, Step::Snapshot, Step::Checkpoint];
    let disk = written(&steps);
    let numbers = |manifests: &Manifests| -> Vec<u64> {
        manifests.reachable().map(|point| point.sequence.unwrap().get()).collect()
    };
    // Those of the snapshot's publication, then those of the last one.
    assert_eq!(numbers(&open(&disk).unwrap().unwrap()), [2, 2, 2, 4]);
    let mut manifests = open(&disk).unwrap().unwrap();
    let newest = manifests.newest().clone();
    assert_eq!(newest.named("at 3").unwrap().sequence.unwrap().get(), 2);
    assert_eq!(newest.newest().unwrap().timeline, timeline());
    manifests.confirm().unwrap();
    assert_eq!(numbers(&manifests), [2, 4, 2, 4]);
    assert_eq!(*manifests.newest(), newest);
}

#[test]
fn nothing_is_removed_before_this_process_has_published() {
    let steps = [Step::Create, Step::Checkpoint, Step::Checkpoint, Step::Checkpoint, Step::Prune];
    let disk = written(&steps);
    put(&disk, Name::NewManifest(4).path());
    put(&disk, Name::NewImage(FileId(3)).path());
    put(&disk, "images/notes.txt");
    put(&disk, "manifests/notes.txt");
    let mut manifests = open(&disk).unwrap().unwrap();
    assert_eq!(manifests.prune(&[]).unwrap(), []);
    manifests.confirm().unwrap();
    let removed = manifests.prune(&[]).unwrap();
    // The manifest before the last two, and the image that it alone named.
    let expected = [
        Name::Manifest(3),
        Name::NewManifest(4),
        Name::Image(FileId(2)),
        Name::NewImage(FileId(3)),
    ];
    assert_eq!(removed, expected);
    assert_eq!(manifests.prune(&[]).unwrap(), []);
    let left: Vec<String> =
        disk.contents().files().map(|file| file.display().to_string()).collect();
    let kept = [image_path(3), "images/notes.txt".into(), manifest_path(4), manifest_path(5)];
    let kept = kept.map(|path| path.display().to_string());
    assert_eq!(left[..4], kept);
}

#[test]
fn images_that_are_being_made_are_not_removed() {
    let disk = written(&[Step::Create, Step::Checkpoint]);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut manifests = open(&disk).unwrap().unwrap();
    let index = manifests.next_file().unwrap();
    let mut writer = ImageWriter::create(Arc::clone(&shared), STORE, index).unwrap();
    writer.section("graph").unwrap();
    // Meanwhile a checkpoint, and a second image of an index that nobody will publish.
    let mut next = manifests.newest().clone();
    let checkpoint = manifests.next_file().unwrap();
    assert!(checkpoint > index);
    next.points[0].image = write_image(&shared, STORE, checkpoint, b"state").unwrap();
    let given_up = manifests.next_file().unwrap();
    write_image(&shared, STORE, given_up, b"given up").unwrap();
    next.next_file = manifests.next_file().unwrap();
    manifests.publish(next).unwrap();
    let removed = manifests.prune(&[index]).unwrap();
    assert_eq!(removed, [Name::Manifest(1), Name::Image(given_up)]);
    writer.write(b"edges").unwrap();
    let image = writer.finish().unwrap();
    assert_eq!(manifests.prune(&[index]).unwrap(), []);
    let mut next = manifests.newest().clone();
    next.indexes.push(snapshot::IndexImage { collection: base::CollectionId(1), image });
    manifests.publish(next).unwrap();
    let removed = manifests.prune(&[]).unwrap();
    assert!(!removed.contains(&Name::Image(index)), "{removed:?}");
}

/// The next publication is above it, or a crash could bring two of one number.
#[test]
fn no_number_is_used_twice() {
    let disk = written(&[Step::Create, Step::Checkpoint, Step::Checkpoint]);
    let mut contents = disk.contents();
    contents.flip_bit(manifest_path(3), 200, 0);
    let disk = SimDisk::from_image(&contents, 2);
    put(&disk, Name::NewManifest(7).path());
    let mut manifests = open(&disk).unwrap().unwrap();
    assert!(manifests.passed_over().is_some());
    assert_eq!(manifests.number(), 2);
    assert_eq!(manifests.next_file().unwrap(), FileId(3), "what the damaged one named is there");
    manifests.confirm().unwrap();
    assert_eq!(manifests.number(), 8);
    let removed = manifests.prune(&[]).unwrap();
    assert_eq!(removed, [Name::Manifest(1), Name::Manifest(3), Name::NewManifest(7)]);
    let reopened = open(&disk).unwrap().unwrap();
    assert!(reopened.passed_over().is_none());
    let reachable = reopened.reachable().count();
    assert_eq!((reopened.number(), reachable), (8, 2), "published upon the one fallen back on");
    // The one of the damaged manifest goes once its number is below what is published.
    let mut store = Store::new(&disk);
    store.manifests = Some(reopened);
    store.step(Step::Checkpoint).unwrap();
    store.step(Step::Checkpoint).unwrap();
    store.step(Step::Prune).unwrap();
    let left = list_images(&disk).unwrap();
    assert_eq!(left, [3, 4].map(|file| Name::Image(FileId(file))));
}

#[test]
fn what_could_not_be_read_again_is_not_published() {
    let disk = written(&[Step::Create, Step::Checkpoint]);
    let mut manifests = open(&disk).unwrap().unwrap();
    let before = disk.contents().sum();
    let mut refused = |change: fn(&mut Manifest)| {
        let mut next = manifests.newest().clone();
        change(&mut next);
        match manifests.publish(next) {
            Err(Error::Impossible { what: Invalid::Value(field) }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|next| next.next_file = FileId(1)), "file");
    assert_eq!(refused(|next| next.timelines.clear()), "timeline");
    let going_back = |next: &mut Manifest| {
        next.points.clear();
        next.next_file = FileId(1);
    };
    assert_eq!(refused(going_back), "next_file");
    assert_eq!(disk.contents().sum(), before);
    let mut long = manifests.newest().clone();
    let branch = long.timelines[0];
    long.timelines.extend((1..800_000).map(|name| snapshot::Branch {
        timeline: base::Timeline::new(name << 20).unwrap(),
        ..branch
    }));
    let error = manifests.publish(long).unwrap_err();
    assert!(matches!(error, Error::Impossible { what: Invalid::Length }), "{error}");
}

/// The same manifest, as a version would write it that is not known yet.
fn of_a_newer_version(disk: &SimDisk, number: u64) -> SimDisk {
    let mut contents = disk.contents();
    let mut bytes = contents.bytes(manifest_path(number)).unwrap().to_vec();
    bytes[8] = 1;
    let mut sum = Crc32::new();
    sum.update(&bytes[..12]).update(&bytes[16..128]);
    let sum = sum.sum().to_le_bytes();
    bytes[12..16].copy_from_slice(&sum);
    contents.replace(manifest_path(number), &bytes);
    SimDisk::from_image(&contents, 2)
}

#[test]
fn a_manifest_of_a_newer_version_is_not_passed_over() {
    let disk = written(&[Step::Create, Step::Checkpoint, Step::Checkpoint]);
    let error = open(&of_a_newer_version(&disk, 3)).unwrap_err();
    let is_newer = matches!(error, Error::Damaged { what: Invalid::Newer { found: 1 }, .. });
    assert!(is_newer, "{error}");
}

/// It may be read the next time; what was published with it would be lost in silence.
#[test]
fn a_manifest_that_cannot_be_read_is_not_passed_over() {
    let steps = [Step::Create, Step::Checkpoint, Step::Checkpoint];
    let mut contents = written(&steps).contents();
    contents.make_unreadable(manifest_path(3), 0..1);
    let error = open(&SimDisk::from_image(&contents, 2)).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    contents.remove(manifest_path(3));
    let disk = SimDisk::from_image(&contents, 2);
    let manifests = open(&disk).unwrap().unwrap();
    assert_eq!(state_of(&disk, manifests.newest()).unwrap(), State::of(&steps, 2));
}

/// It is there to fall back on only.
#[test]
fn a_manifest_before_the_newest_may_be_damaged_or_unreadable() {
    let steps = [Step::Create, Step::Checkpoint, Step::Checkpoint];
    for damage in [0, 1, 2] {
        let mut contents = written(&steps).contents();
        let path = manifest_path(2);
        let is_done = match damage {
            0 => contents.make_unreadable(&path, 0..1),
            1 => contents.flip_bit(&path, 150, 1),
            _ => contents.remove(&path),
        };
        assert!(is_done);
        let disk = SimDisk::from_image(&contents, 2);
        let mut manifests = open(&disk).unwrap().unwrap();
        assert!(manifests.passed_over().is_none());
        assert_eq!((manifests.number(), manifests.reachable().count()), (3, 1));
        manifests.confirm().unwrap();
        manifests.prune(&[]).unwrap();
        assert_eq!(open(&disk).unwrap().unwrap().reachable().count(), 2);
    }
}

#[test]
fn a_file_that_is_far_too_long_is_not_read() {
    let mut contents = written(&[Step::Create, Step::Checkpoint]).contents();
    contents.truncate(manifest_path(2), 20 << 20);
    let disk = SimDisk::from_image(&contents, 2);
    let (traced, trace) = Trace::record(Arc::new(disk), Recorded::Everything);
    let manifests = Manifests::open(traced).unwrap().unwrap();
    assert!(manifests.passed_over().is_some());
    assert!(!trace.take().contains("+20971520"));
}

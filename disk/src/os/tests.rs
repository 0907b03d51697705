//! Runs everything the seam promises over both versions of the real disk.

use super::*;
use crate::{EntryKind, Holder};

mod locks;
mod model;
mod refusals;

/// Runs a check on a fresh directory: by direct system calls, and by the standard library alone.
fn on_both(check: impl Fn(&OsDisk)) {
    let dir = tempfile::tempdir().unwrap();
    check(&OsDisk::open(dir.path()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    check(&OsOptions::default().open_portable(dir.path()).unwrap());
}

fn create(disk: &OsDisk, name: &str) -> Arc<dyn File> {
    let (file, pending) = disk.create(Path::new(name)).unwrap();
    pending.sync(disk).unwrap();
    file
}

fn bytes_of(disk: &OsDisk, name: &str) -> Vec<u8> {
    let file = disk.open(Path::new(name), Access::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn names(disk: &OsDisk, dir: &str) -> Vec<(String, EntryKind)> {
    let entries = disk.list(Path::new(dir)).unwrap();
    entries.into_iter().map(|entry| (entry.name.into_string().unwrap(), entry.kind)).collect()
}

#[test]
fn a_file_keeps_what_is_written_at_any_offset() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.write_at(5, b"later").unwrap();
        file.write_at(0, b"first").unwrap();
        file.sync_data().unwrap();
        assert_eq!(bytes_of(disk, "file"), b"firstlater");
        file.write_at(12, b"!").unwrap();
        file.sync_all().unwrap();
        assert_eq!(bytes_of(disk, "file"), b"firstlater\0\0!", "a gap reads as zeros");
    });
}

#[test]
fn a_read_past_the_end_says_how_much_there_was() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.write_at(0, b"0123456789").unwrap();
        let refused = file.read_at(4, &mut [0; 8]).unwrap_err();
        let Error::PastEnd { path, offset: 4, wanted: 8, found: 6 } = &refused else {
            panic!("{refused}");
        };
        assert!(path.ends_with("file"));
        file.read_at(10, &mut []).unwrap();
    });
}

#[test]
fn reserving_grows_with_zeros_and_never_shrinks_or_changes_what_is_there() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.write_at(0, b"kept").unwrap();
        file.reserve(100_000).unwrap();
        assert_eq!(file.size().unwrap(), 100_000);
        file.reserve(10).unwrap();
        file.reserve(0).unwrap();
        let bytes = bytes_of(disk, "file");
        assert_eq!(bytes.len(), 100_000);
        assert_eq!(&bytes[..4], b"kept");
        assert!(bytes[4..].iter().all(|byte| *byte == 0));
    });
}

#[cfg(unix)]
#[test]
fn reserved_space_is_really_taken_from_the_device() {
    use std::os::unix::fs::MetadataExt;
    on_both(|disk| {
        let file = create(disk, "file");
        file.reserve(1 << 20).unwrap();
        file.sync_all().unwrap();
        let metadata = fs::metadata(disk.root().join("file")).unwrap();
        assert!(metadata.blocks() * 512 >= 1 << 20, "{} blocks", metadata.blocks());

        let sparse = create(disk, "sparse");
        sparse.set_size(1 << 20).unwrap();
        sparse.sync_all().unwrap();
        let metadata = fs::metadata(disk.root().join("sparse")).unwrap();
        assert!(metadata.blocks() * 512 < 1 << 20, "the check above could not fail");
    });
}

#[test]
fn growth_that_fails_half_way_is_taken_back() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(10).unwrap();
    let refused = grow_or_restore(&file, || {
        file.set_len(5_000)?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.metadata().unwrap().len(), 10);
    grow_or_restore(&file, || file.set_len(5_000)).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5_000);
}

#[test]
fn a_cut_file_loses_its_end() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.write_at(0, b"0123456789").unwrap();
        file.set_size(4).unwrap();
        file.set_size(6).unwrap();
        assert_eq!(bytes_of(disk, "file"), b"0123\0\0");
    });
}

#[test]
fn a_map_shows_every_later_write() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.reserve(8192).unwrap();
        let region = file.map(8192).unwrap();
        file.write_at(4096, b"visible").unwrap();
        let mut read = [0; 7];
        file.read_at(4096, &mut read).unwrap();
        assert_eq!(region.size(), 8192);
        assert_eq!(&read, b"visible");
        let refused = file.map(8193).unwrap_err();
        assert!(matches!(refused, Error::PastEnd { wanted: 8193, found: 8192, .. }), "{refused}");
    });
}

#[test]
fn a_new_file_never_takes_an_old_ones_place() {
    on_both(|disk| {
        create(disk, "file").write_at(0, b"old").unwrap();
        let refused = disk.create(Path::new("file")).unwrap_err();
        assert!(matches!(refused, Error::Exists { .. }), "{refused}");
        assert_eq!(bytes_of(disk, "file"), b"old");
    });
}

#[test]
fn a_rename_replaces_and_owes_the_sync_of_both_directories() {
    on_both(|disk| {
        for dir in ["from", "to"] {
            disk.create_dir(Path::new(dir)).unwrap().sync(disk).unwrap();
        }
        create(disk, "from/new").write_at(0, b"new").unwrap();
        create(disk, "to/file").write_at(0, b"old").unwrap();
        let (_, expected) = disk.create(Path::new("from/x")).unwrap();
        let (_, other) = disk.create(Path::new("to/x")).unwrap();
        let pending = disk.rename(Path::new("from/new"), Path::new("to/file")).unwrap();
        assert_eq!(pending, other.and(expected), "the new name is synced first");
        pending.sync(disk).unwrap();
        assert_eq!(bytes_of(disk, "to/file"), b"new");
        assert_eq!(names(disk, "from"), [("x".into(), EntryKind::File)]);
    });
}

#[test]
fn a_listing_is_sorted_and_tells_files_from_directories() {
    on_both(|disk| {
        for name in ["b", "a", "c"] {
            create(disk, name);
        }
        disk.create_dir(Path::new("bb")).unwrap().sync(disk).unwrap();
        let file = |name: &str| (name.to_owned(), EntryKind::File);
        let dir = ("bb".to_owned(), EntryKind::Directory);
        assert_eq!(names(disk, ""), [file("a"), file("b"), dir, file("c")]);
        assert_eq!(names(disk, "bb"), []);
    });
}

#[cfg(unix)]
#[test]
fn a_listing_follows_no_links() {
    on_both(|disk| {
        std::os::unix::fs::symlink("/", disk.root().join("link")).unwrap();
        assert_eq!(names(disk, ""), [("link".into(), EntryKind::Other)]);
    });
}

/// The kernel's own files can't be synced, and say so: which shows that it was asked.
#[cfg(target_os = "linux")]
#[test]
fn syncs_reach_the_operating_system() {
    let disk = OsDisk::open("/proc/self").unwrap();
    disk.sync_dir(Path::new("")).unwrap_err();
    disk.sync_dir(Path::new("task")).unwrap_err();
    let file = disk.open(Path::new("stat"), Access::Read).unwrap();
    file.sync_data().unwrap_err();
    file.sync_all().unwrap_err();
    let refused = OsDisk::options().create_missing().open("/proc/self/task").unwrap_err();
    assert_eq!(
        refused.path(),
        Path::new("/proc/self"),
        "the name of an old directory is synced too"
    );
}

#[test]
fn random_bytes_do_not_repeat() {
    on_both(|disk| assert_ne!(disk.random().unwrap(), disk.random().unwrap()));
}

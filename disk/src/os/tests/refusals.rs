//! What the real disk refuses, and how it says so, over both versions.

use super::*;

#[test]
fn a_removed_file_lives_on_for_those_who_have_it_open() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.write_at(0, b"still here").unwrap();
        let region = file.map(10).unwrap();
        disk.remove(Path::new("file")).unwrap().sync(disk).unwrap();
        assert_eq!(names(disk, ""), []);
        let mut bytes = [0; 10];
        file.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"still here");
        assert_eq!(region.size(), 10);
    });
}

#[test]
fn names_that_lead_outside_are_refused_by_every_call() {
    on_both(|disk| {
        let out = Path::new("../outside");
        let inside = Path::new("inside");
        let refusals = [
            disk.create(out).err(),
            disk.open(out, Access::Read).err(),
            disk.rename(out, inside).err(),
            disk.rename(inside, out).err(),
            disk.remove(out).err(),
            disk.create_dir(out).err(),
            disk.list(out).err(),
            disk.sync_dir(out).err(),
        ];
        for refused in refusals {
            assert!(matches!(refused, Some(Error::Outside { .. })), "{refused:?}");
        }
    });
}

#[test]
fn missing_names_and_wrong_kinds_are_told_apart() {
    on_both(|disk| {
        create(disk, "file");
        disk.create_dir(Path::new("dir")).unwrap().sync(disk).unwrap();
        let open = |name| disk.open(Path::new(name), Access::Read).unwrap_err();
        assert!(matches!(open("absent"), Error::Missing { .. }));
        assert!(matches!(open("absent/file"), Error::Missing { .. }));
        assert!(matches!(open("file/below"), Error::NotADirectory { .. }));
        assert!(matches!(open("dir"), Error::NotAFile { .. }));
        let refused = disk.open(Path::new("dir"), Access::ReadWrite).unwrap_err();
        assert!(matches!(refused, Error::NotAFile { .. }), "{refused}");
        let refused = disk.list(Path::new("file")).unwrap_err();
        assert!(matches!(refused, Error::NotADirectory { .. }), "{refused}");
    });
}

#[test]
fn a_handle_for_reading_refuses_to_write() {
    on_both(|disk| {
        create(disk, "file").write_at(0, b"old").unwrap();
        let file = disk.open(Path::new("file"), Access::Read).unwrap();
        file.write_at(0, b"new").unwrap_err();
        assert_eq!(bytes_of(disk, "file"), b"old");
    });
}

#[cfg(unix)]
#[test]
fn syncing_what_was_deleted_is_no_success() {
    on_both(|disk| {
        disk.create_dir(Path::new("dir")).unwrap().sync(disk).unwrap();
        let file = create(disk, "dir/file");
        file.write_at(0, b"lost").unwrap();
        file.sync_data().unwrap();
        fs::remove_dir_all(disk.root().join("dir")).unwrap();
        for refused in [file.sync_data().unwrap_err(), file.sync_all().unwrap_err()] {
            assert!(matches!(&refused, Error::Removed { path } if path.ends_with("dir/file")));
        }
        let refused = disk.sync_dir(Path::new("dir")).unwrap_err();
        assert!(matches!(&refused, Error::Removed { path } if path.ends_with("dir")), "{refused}");
    });
}

#[test]
fn a_network_file_system_is_refused_unless_it_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let open = |options: OsOptions| {
        options.open_as(dir.path(), |root| {
            let directory: Arc<dyn Directory> = Arc::new(portable::PortableDirectory::open(root)?);
            Ok((directory, Some("NFS")))
        })
    };
    let refused = open(OsOptions::default()).unwrap_err();
    assert!(matches!(&refused, Error::Network { kind: "NFS", .. }), "{refused}");
    let message = refused.to_string();
    assert!(message.contains(dir.path().to_str().unwrap()), "{message}");
    assert!(message.contains("use a local disk, or allow it explicitly"), "{message}");
    open(OsOptions::default().allow_network()).unwrap();
}

#[test]
fn a_read_far_behind_the_end_of_all_files_is_past_the_end() {
    on_both(|disk| {
        let file = create(disk, "file");
        file.write_at(0, b"0123").unwrap();
        for (offset, wanted, found) in [(u64::MAX, 1, 0), (1 << 63, 8, 0), ((1 << 63) - 1, 8, 0)] {
            let refused = file.read_at(offset, &mut vec![0; wanted]).unwrap_err();
            assert!(
                matches!(refused, Error::PastEnd { found: it, .. } if it == found),
                "{offset}: {refused:?}"
            );
        }
    });
}

#[test]
fn senseless_calls_are_clean_refusals() {
    on_both(|disk| {
        let file = create(disk, "file");
        for name in ["empty", "full"] {
            disk.create_dir(Path::new(name)).unwrap().sync(disk).unwrap();
        }
        create(disk, "full/file");
        let refusals = [
            disk.create(Path::new(&"long".repeat(100))).err(),
            disk.rename(Path::new("empty"), Path::new("full")).err(),
            file.set_size(u64::MAX).err(),
            file.map(0).err(),
        ];
        for refused in refusals {
            assert!(matches!(refused, Some(Error::Refused { .. })), "{refused:?}");
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_or_a_device_is_no_file_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("LOCK")).status().unwrap();
    assert!(made.success());
    let disk = OsDisk::open(dir.path()).unwrap();
    for kind in [LockKind::Shared, LockKind::Exclusive] {
        let refused = disk.lock(kind).unwrap_err();
        assert!(matches!(refused, Error::NotAFile { .. }), "{refused:?}");
    }
    let refused = disk.open(Path::new("LOCK"), Access::Read).unwrap_err();
    assert!(matches!(refused, Error::NotAFile { .. }), "{refused:?}");
    let devices = OsDisk::open("/dev").unwrap();
    let refused = devices.open(Path::new("null"), Access::Read).unwrap_err();
    assert!(matches!(refused, Error::NotAFile { .. }), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn a_root_deleted_underneath_is_named_by_every_call_that_meets_it() {
    on_both(|disk| {
        create(disk, "old");
        fs::remove_dir_all(disk.root()).unwrap();
        let new = Path::new("new");
        let refusals = [
            disk.create(new).err(),
            disk.open(Path::new("old"), Access::Read).err(),
            disk.rename(Path::new("old"), new).err(),
            disk.remove(Path::new("old")).err(),
            disk.create_dir(new).err(),
            disk.sync_dir(Path::new("")).err(),
            disk.lock(LockKind::Exclusive).err(),
            disk.lock(LockKind::Shared).err(),
        ];
        for refused in refusals {
            let Some(Error::Removed { path }) = &refused else { panic!("{refused:?}") };
            assert_eq!(path, disk.root());
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_root_that_is_moved_is_followed_and_not_mistaken_for_its_successor() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("store"), dir.path().join("moved"));
    let disk = OsDisk::options().create_missing().open(&before).unwrap();
    fs::rename(&before, &after).unwrap();
    fs::create_dir(&before).unwrap();
    create(&disk, "file");
    assert!(after.join("file").exists());
    assert!(!before.join("file").exists());
}

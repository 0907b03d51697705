//! Maps of a simulated disk: what they see, and what they must not be used for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// What a panic said.
fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it did not panic");
    panic.downcast_ref::<String>().expect("a formatted message").clone()
}

#[test]
fn every_map_of_a_file_sees_every_write() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'.'; 5000]);
    let (small, large) = (file.map(10).unwrap(), file.map(5000).unwrap());
    file.write_at(8, b"abcd").unwrap();
    file.write_at(4998, b"yz").unwrap();
    file.write_at(5000, b"behind").unwrap();
    assert_eq!(copy(&*small, 7..10).unwrap(), b".ab");
    assert_eq!(copy(&*large, 7..13).unwrap(), b".abcd.");
    assert_eq!(copy(&*large, 4997..5000).unwrap(), b".yz");
    drop(file);
    assert_eq!(copy(&*small, 8..10).unwrap(), b"ab", "a map outlives its handle");
}

#[test]
fn a_write_to_lent_bytes_panics() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"0123456789");
    let region = file.map(10).unwrap();
    let lent = region.track(&(2..5));
    file.write_at(5, b"ok").unwrap();
    let message = panic_of(|| file.write_at(4, b"no").unwrap());
    assert!(message.contains("4..6") && message.contains("2..5 are borrowed"), "{message}");
    drop(lent);
    file.write_at(4, b"ok").unwrap();
}

#[test]
fn cutting_a_mapped_file_panics_for_as_long_as_the_map_lives() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"0123456789");
    let region = file.map(8).unwrap();
    file.set_size(8).unwrap();
    let message = panic_of(|| file.set_size(7).unwrap());
    assert!(message.contains("8 bytes are mapped"), "{message}");
    drop(region);
    file.set_size(7).unwrap();
}

#[test]
fn reading_through_a_map_while_recovering_panics() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"0123456789");
    let region = file.map(10).unwrap();
    let recovering = disk.recovering();
    file.read_at(0, &mut [0; 10]).expect("by position it is allowed");
    let message = panic_of(|| drop(copy(&*region, 0..1)));
    assert!(message.contains("read it by position"), "{message}");
    drop(recovering);
    assert_eq!(copy(&*region, 0..1).unwrap(), b"0");
}

#[test]
fn a_bad_sector_under_a_map_stands_for_a_fatal_signal() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", &[1; 2048]);
    let mut image = disk.contents();
    assert!(image.make_unreadable("f", 512..1024));
    let disk = SimDisk::from_image(&image, 1);
    let file = disk.open(Path::new("f"), Access::ReadWrite).unwrap();
    let region = file.map(2048).unwrap();
    copy(&*region, 0..512).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| copy(&*region, 1000..1001))).unwrap_err();
    let error = panic.downcast_ref::<BusError>().unwrap();
    assert_eq!((error.path.as_path(), error.offset), (Path::new("sim/f"), 1000));
    file.read_at(1000, &mut [0; 1]).expect_err("by position it is an error");
    file.write_at(512, &[2; 512]).unwrap();
    copy(&*region, 1000..1001).expect("a sector written again can be read again");
}

#[test]
fn a_store_through_a_map_is_found_at_the_next_sync() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"0123456789");
    let region = file.map(10).unwrap();
    crate::region::tests::store_through(&*region, 3);
    let message = panic_of_str(|| file.sync_data().unwrap());
    assert!(message.contains("written through its map"), "{message}");
}

/// What a panic without numbers said.
fn panic_of_str(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it did not panic");
    (*panic.downcast_ref::<&str>().expect("a plain message")).to_owned()
}

#[test]
fn a_write_that_is_refused_for_a_borrow_has_changed_nothing() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"0123456789");
    let region = file.map(10).unwrap();
    let lent = region.track(&(2..5));
    panic_of(|| file.write_at(4, b"no").unwrap());
    drop(lent);
    let mut bytes = [0; 10];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"0123456789");
    file.sync_data().unwrap();
}

#[test]
fn a_reverted_cache_changes_only_what_differs_and_keeps_maps_whole() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'.'; 8192]);
    let region = file.map(8192).unwrap();
    let _lent = region.track(&(0..100));
    file.write_at(4096, b"lost").unwrap();
    let kind = FaultKind::Sync(LostSync::RevertsCache);
    disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
    file.sync_data().unwrap_err();
    assert_eq!(copy(&*region, 4096..4100).unwrap(), b"....");

    let grown = create(&disk, "g");
    grown.reserve(8192).unwrap();
    let _map = grown.map(8192).unwrap();
    disk.inject(Fault { kind, nth: 0, lasting: Lasting::Once });
    grown.sync_data().unwrap_err();
    grown.sync_data().expect("nobody wrote through the map");
}

#[test]
fn a_read_fault_strikes_maps_too() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"0123456789");
    let region = file.map(10).unwrap();
    disk.inject(Fault { kind: FaultKind::Read, nth: 1, lasting: Lasting::Once });
    copy(&*region, 0..1).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| copy(&*region, 4..5))).unwrap_err();
    assert_eq!(panic.downcast_ref::<BusError>().unwrap().offset, 4);
    copy(&*region, 4..5).unwrap();
}

//! A device that runs out of space refuses at the reservation, changes nothing, and recovers.

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, Error, File, Latch, OsDisk};

use crate::child;

const MIB: u64 = 1 << 20;

fn create(disk: &dyn Disk, name: &str) -> Arc<dyn File> {
    let (file, pending) = disk.create(Path::new(name)).unwrap();
    pending.sync(disk).unwrap();
    file
}

#[test]
fn a_full_device_refuses_a_reservation_and_takes_it_again_once_there_is_space() {
    const NAME: &str =
        "space::a_full_device_refuses_a_reservation_and_takes_it_again_once_there_is_space";
    if let Some(root) = child::task(NAME) {
        let (disk, latch) = Latch::guard(Arc::new(OsDisk::open(&root).unwrap()));
        let log = create(&*disk, "log");
        log.reserve(MIB / 4).unwrap();
        log.write_at(0, b"kept").unwrap();
        let image = create(&*disk, "image");
        image.reserve(MIB / 4).unwrap();

        for file in [&log, &image] {
            let error = file.reserve(2 * MIB).unwrap_err();
            assert!(matches!(error, Error::Full { .. }), "{error:?}");
            assert!(error.to_string().contains("free some and try again"), "{error}");
            assert_eq!(file.size().unwrap(), MIB / 4, "a refused reservation grows nothing");
        }
        assert!(latch.first_failure().is_none(), "a clean refusal does not stop the store");

        log.write_at(MIB / 4 - 4, b"last").expect("reserved space can be written, full or not");
        disk.remove(Path::new("image")).unwrap().sync(&*disk).unwrap();
        drop(image);
        log.reserve(MIB / 2).expect("space that was freed can be reserved");
        let mut bytes = [0; 4];
        log.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"kept");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    if let Err(why) = child::run_mounted(NAME, dir.path(), "size=1m") {
        child::skip(NAME, &why);
    }
}

#[test]
fn a_write_that_finds_no_space_is_typed() {
    const NAME: &str = "space::a_write_that_finds_no_space_is_typed";
    if let Some(root) = child::task(NAME) {
        let disk = OsDisk::open(&root).unwrap();
        let file = create(&disk, "file");
        let error = file.write_at(0, &vec![1; 2 << 20]).unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
        assert_eq!(error.path(), root.join("file"));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    if let Err(why) = child::run_mounted(NAME, dir.path(), "size=1m") {
        child::skip(NAME, &why);
    }
}

//! The exact calls that make a file, and the exact records of one that a recovery makes.

use std::sync::Arc;

use base::Timeline;
use disk::sim::Image;
use disk::{Disk, Recorded, SimDisk, Trace};
use wal::{Beginning, Body, Log, dump};

use crate::store::{STORE, Size, Store, options};

#[test]
fn a_log_is_made_by_these_calls_in_this_order() {
    let (disk, trace) = Trace::record(Arc::new(SimDisk::new(1)), Recorded::Changes);
    let disk: Arc<dyn Disk> = disk;
    let beginning = Beginning::of_a_new_store(Timeline::new(9).unwrap());
    let mut log = Log::create(disk, &options(), &beginning).unwrap();
    log.append(b"", &Body::new(vec![1; 10], &options())).unwrap();
    log.sync().unwrap();
    log.close().unwrap();
    // Zeros first, so that writing there later changes nothing in the file system's own books; the name only
    // when all is synced.
    let expected = "\
create-dir wal
sync-dir   .
create     wal/1.new
reserve    wal/1.new 8192
write      wal/1.new @0 +8192
write      wal/1.new @0 +4152
sync-all   wal/1.new
rename     wal/1.new -> wal/1.wal
sync-dir   wal
write      wal/1.wal @4152 +72
sync-data  wal/1.wal
write      wal/1.wal @4224 +56
sync-data  wal/1.wal
create     wal/2.new
reserve    wal/2.new 4096
write      wal/2.new @0 +4096
write      wal/2.new @0 +4096
sync-all   wal/2.new
rename     wal/2.new -> wal/2.wal
sync-dir   wal
";
    assert_eq!(trace.take().replace("0000000000000000000", ""), expected);
}

#[test]
fn a_recovery_makes_a_file_of_just_the_batches_that_are_not_known_to_be_durable() {
    let disk = SimDisk::new(1);
    let mut store = Store::create(&disk).unwrap();
    store.append(Size::Small).unwrap();
    store.mark().unwrap();
    store.append(Size::Small).unwrap();
    store.append(Size::Large).unwrap();
    store.log.take().unwrap().write().unwrap();
    Store::open(&disk).unwrap();
    let text = dumped(&disk.contents());
    let (_, carried) = text.split_once("2.wal, ").unwrap();
    let expected = "\
8192 bytes
           0  header: timeline 000000000000000a from batch 1 on, first batch here 2, behind file 1 at 4320
        4096  batch 2: table 16, body 40, synced to 0
        4208  batch 3, first part: table 16, body 0, synced to 0
        4280  batch 3, next part: table 0, body 1024, synced to 0
        5360  batch 3, next part: table 0, body 1024, synced to 0
        6440  batch 3, last part: table 0, body 452, synced to 0
        6952  zeros to the end
";
    assert_eq!(carried, expected);
}

fn dumped(image: &Image) -> String {
    let mut text = String::new();
    dump(&SimDisk::from_image(image, 1), STORE, &mut text).unwrap();
    text
}

//! A trace shows the calls of a protocol in order, the same in every run.

use std::path::Path;
use std::sync::Arc;

use disk::{Access, Disk, LockKind, OsDisk, Recorded, Trace};

/// Replaces a file as the crate's documentation says, and makes every other call once.
fn exercise(disk: &dyn Disk) -> disk::Result<()> {
    drop(disk.lock(LockKind::Exclusive)?);
    drop(disk.lock(LockKind::Shared)?);
    disk.random()?;
    disk.create_dir(Path::new("wal"))?.sync(disk)?;
    let (file, pending) = disk.create(Path::new("wal/1.tmp"))?;
    file.reserve(4096)?;
    file.write_at(0, b"header")?;
    file.write_at(4090, b"record")?;
    file.set_size(4096)?;
    file.sync_data()?;
    file.sync_all()?;
    pending.and(disk.rename(Path::new("wal/1.tmp"), Path::new("wal/1"))?).sync(disk)?;
    drop(disk.create(Path::new("wal/1")).unwrap_err());
    drop(disk.open(Path::new("wal/2"), Access::ReadWrite).unwrap_err());
    let file = disk.open(Path::new("wal/1"), Access::Read)?;
    file.size()?;
    file.read_at(0, &mut [0; 6])?;
    file.map(4096)?;
    disk.list(Path::new(""))?;
    disk.rename(Path::new("wal/1"), Path::new("1"))?.sync(disk)?;
    disk.remove(Path::new("1"))?.sync(disk)
}

fn trace_of(recorded: Recorded) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (disk, trace) = Trace::record(Arc::new(OsDisk::open(dir.path()).unwrap()), recorded);
    exercise(&*disk).unwrap();
    trace.take()
}

#[test]
fn changes_and_syncs_stand_in_their_order_with_their_numbers() {
    let expected = "\
create-dir wal
sync-dir   .
create     wal/1.tmp
reserve    wal/1.tmp 4096
write      wal/1.tmp @0 +6
write      wal/1.tmp @4090 +6
set-size   wal/1.tmp 4096
sync-data  wal/1.tmp
sync-all   wal/1.tmp
rename     wal/1.tmp -> wal/1
sync-dir   wal
create     wal/1 ! exists
rename     wal/1 -> 1
sync-dir   .
sync-dir   wal
remove     1
sync-dir   .
";
    assert_eq!(trace_of(Recorded::Changes), expected);
}

#[test]
fn everything_includes_what_only_looks() {
    let expected = "\
lock       to write
lock       to read
random
create-dir wal
sync-dir   .
create     wal/1.tmp
reserve    wal/1.tmp 4096
write      wal/1.tmp @0 +6
write      wal/1.tmp @4090 +6
set-size   wal/1.tmp 4096
sync-data  wal/1.tmp
sync-all   wal/1.tmp
rename     wal/1.tmp -> wal/1
sync-dir   wal
create     wal/1 ! exists
open       wal/2 to write ! missing
open       wal/1 to read
size       wal/1
read       wal/1 @0 +6
map        wal/1 4096
list       .
rename     wal/1 -> 1
sync-dir   .
sync-dir   wal
remove     1
sync-dir   .
";
    assert_eq!(trace_of(Recorded::Everything), expected);
}

#[test]
fn a_hook_passes_on_the_very_calls_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()).unwrap());
    let (disk, inner) = Trace::record(disk, Recorded::Everything);
    let (disk, outer) = Trace::record(disk, Recorded::Everything);
    exercise(&*disk).unwrap();
    assert_eq!(outer.take(), inner.take());
}

#[test]
fn a_trace_begins_anew_after_it_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()).unwrap());
    let (disk, trace) = Trace::record(disk, Recorded::Changes);
    disk.sync_dir(Path::new("")).unwrap();
    assert_eq!(trace.take(), "sync-dir   .\n");
    assert_eq!(trace.take(), "");
}

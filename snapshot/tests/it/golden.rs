//! The exact calls that a store is made by, and a checkpoint.

use std::sync::Arc;

use disk::{Recorded, SimDisk, Trace};

use crate::store::{Step, Store};

#[test]
fn a_store_is_made_and_a_checkpoint_published_by_these_calls_in_this_order() {
    let sim = SimDisk::new(1);
    let (disk, trace) = Trace::record(Arc::new(sim.clone()), Recorded::Changes);
    let mut store = Store::behind(disk, &sim);
    store.step(Step::Create).unwrap();
    let taken = || trace.take().replace("0000000000000000000", "");
    let made = "\
create-dir images
create-dir manifests
sync-dir   .
create     manifests/1.new
reserve    manifests/1.new 160
write      manifests/1.new @0 +160
sync-all   manifests/1.new
rename     manifests/1.new -> manifests/1.man
sync-dir   manifests
";
    assert_eq!(taken(), made);
    for step in [Step::Checkpoint, Step::Snapshot, Step::Checkpoint, Step::Drop, Step::Prune] {
        store.step(step).unwrap();
    }
    taken();
    store.step(Step::Checkpoint).unwrap();
    store.step(Step::Prune).unwrap();
    // First the image, then what names it; only then is taken away what neither of the two newest names, and
    // first what refers to it.
    let checkpoint = "\
create     images/3.new
reserve    images/3.new 8832
write      images/3.new @4096 +4736
write      images/3.new @0 +512
sync-all   images/3.new
rename     images/3.new -> images/3.img
sync-dir   images
create     manifests/6.new
reserve    manifests/6.new 296
write      manifests/6.new @0 +296
sync-all   manifests/6.new
rename     manifests/6.new -> manifests/6.man
sync-dir   manifests
remove     manifests/4.man
sync-dir   manifests
remove     images/1.img
sync-dir   images
";
    assert_eq!(taken(), checkpoint);
}

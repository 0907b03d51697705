//! Waits until the index of a collection has all that there is, and shows how far it is meanwhile.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use arrwdb::Collection;
use arrwdb::report::IndexStatistics;
use indicatif::ProgressBar;

use crate::clock::{self, Stopwatch};
use crate::failure::{Failure, Result};
use crate::progress;

/// Waits until the index that is wanted serves and has all that is there by now; says how long that took.
pub(crate) fn wait_indexed(collection: &Collection) -> Result<Duration> {
    let (watch, bar) = (Stopwatch::start(), progress::bar("indexing", 0));
    let waited = thread::scope(|scope| {
        let (_end, ends) = channel::<()>();
        let told = &bar;
        // Where nobody sees it, or no thread can be had for it, it is waited without.
        if !bar.is_hidden() {
            _ = thread::Builder::new()
                .spawn_scoped(scope, move || show_until(&ends, collection, told))
                .is_ok();
        }
        collection.wait_indexed()
    });
    bar.finish_and_clear();
    waited.map_err(|error| {
        let name = collection.name();
        Failure::from(error).about(format_args!("collection {name:?}, waiting for its index"))
    })?;
    Ok(watch.elapsed())
}

/// Shows how far the index is, until the other side of the channel is gone.
fn show_until(ends: &Receiver<()>, collection: &Collection, bar: &ProgressBar) {
    clock::again_until(ends, || {
        let (all, done) = all_and_done(&collection.statistics().index);
        bar.set_length(all);
        bar.set_position(done);
    });
}

/// How many vectors the index will have that is waited for, and how many it has.
fn all_and_done(index: &IndexStatistics) -> (u64, u64) {
    match index.building {
        Some((done, all)) => (all, done),
        None => (index.indexed + index.behind, index.indexed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrwdb::{CollectionConfig, Metric, Store};

    #[test]
    fn what_is_shown_is_of_the_index_that_is_waited_for() {
        let mut index = IndexStatistics::default();
        (index.indexed, index.behind) = (30, 12);
        assert_eq!(all_and_done(&index), (42, 30));
        index.building = Some((7, 42));
        assert_eq!(all_and_done(&index), (42, 7));
    }

    #[test]
    fn it_is_shown_until_the_end_and_at_least_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let docs = store.create_collection("docs", CollectionConfig::new(1, Metric::L2)).unwrap();
        docs.upsert(1, &[1.0]).unwrap();
        wait_indexed(&docs).unwrap();
        let (end, ends) = channel();
        drop(end);
        let bar = ProgressBar::hidden();
        show_until(&ends, &docs, &bar);
        assert_eq!((bar.length(), bar.position()), (Some(1), 1));
    }
}

//! What is taken away under an open store: its directory, the right to write, handles, its very process. Each is an error
//! of its own sort, nothing is acknowledged that is lost, and what can go on goes on.

use std::path::Path;
use std::process::Command;

use arrwdb::{CollectionConfig, Durability, Error, Metric, Store};
use disk::{Access, Disk, Holder, OsDisk};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::child::{Running, Task, acknowledge, task};
use crate::fork::in_a_copy;
use crate::misuse::of_the_disk;
use crate::report::skip;

const DIM: usize = 1_024;

fn config() -> CollectionConfig {
    CollectionConfig::new(DIM as u32, Metric::L2)
}

/// The directory is gone, and the error says which and what to do.
fn is_removed(error: &Error, path: &Path) {
    assert!(matches!(of_the_disk(error), Some(disk::Error::Removed { .. })), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()) && text.contains("close the store"), "{text}");
}

#[test]
fn a_directory_that_is_removed_underneath_is_found_out_by_all_that_makes_durable() {
    type Act = fn(&Store) -> arrwdb::Result<()>;
    let acts: [(&str, Act); 5] = [
        ("a synced batch", |store| store.collection("docs")?.upsert("b", &[2.0; DIM]).map(drop)),
        ("a batch that is written, then synced", |store| {
            let mut batch = store.batch();
            batch.upsert(&store.collection("docs")?, "b", &[2.0; DIM]);
            batch.commit(Durability::Os)?.wait()?;
            store.sync()
        }),
        ("a checkpoint", |store| store.checkpoint().map(drop)),
        ("a segment", |store| {
            let docs = store.collection("docs")?;
            for id in 0..1_000_u64 {
                let mut batch = store.batch();
                batch.upsert(&docs, id, &[id as f32; DIM]);
                batch.commit(Durability::Os)?.wait()?;
            }
            Ok(())
        }),
        ("closing", Store::close),
    ];
    for (what, act) in acts {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_path_buf();
        let store = Store::open(&path).unwrap();
        let docs = store.create_collection("docs", config()).unwrap();
        docs.upsert("a", &[1.0; DIM]).unwrap();
        store.checkpoint().unwrap();
        dir.close().unwrap();
        is_removed(&act(&store).expect_err(what), &path);
        // Whatever comes behind it is refused too, and what was there is read.
        docs.upsert("c", &[3.0; DIM]).expect_err(what);
        store.checkpoint().expect_err(what);
        assert_eq!(docs.get("a").unwrap().unwrap().vector(), [1.0; DIM], "{what}");
        assert_eq!(docs.search(&[1.0; DIM]).k(1).run().unwrap()[0].distance, 0.0, "{what}");
        store.close().expect_err(what);
    }
}

/// Opens files until no more can be.
fn take_all_handles(disk: &OsDisk) -> Vec<std::sync::Arc<dyn disk::File>> {
    let open = || match disk.open(Path::new("LOCK"), Access::Read) {
        Ok(file) => Some(file),
        Err(disk::Error::TooManyFiles { .. }) => None,
        Err(error) => panic!("{error}"),
    };
    std::iter::from_fn(open).collect()
}

#[test]
fn a_process_that_is_out_of_handles_is_refused_and_goes_on_once_it_has_some() {
    const TEST: &str =
        "taken_away::a_process_that_is_out_of_handles_is_refused_and_goes_on_once_it_has_some";
    if let Some(task) = task(TEST) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(100), maximum: Some(100) }).unwrap();
        let store = Store::options().log_file_bytes(65_536, 65_536).open(&task.store).unwrap();
        let docs = store.create_collection("docs", config()).unwrap();
        let elsewhere = OsDisk::open(&task.store).unwrap();
        let held = take_all_handles(&elsewhere);
        let write = |id: u64| docs.upsert(id, &[id as f32; DIM]);
        let refused = (0..1_000).find_map(|id| write(id).err().map(|error| (id, error)));
        let (id, error) = refused.expect("there are files to be made");
        assert!(matches!(of_the_disk(&error), Some(disk::Error::TooManyFiles { .. })), "{error:?}");
        assert!(error.is_clean_refusal());
        let text = error.to_string();
        assert!(text.contains(task.store.to_str().unwrap()), "{text}");
        assert!(text.contains("too many files") && text.contains("raise the limit"), "{text}");
        let opened = Store::open(task.store.join("more")).unwrap_err();
        assert!(matches!(of_the_disk(&opened), Some(disk::Error::TooManyFiles { .. })), "{opened}");
        let checkpoint = store.checkpoint().unwrap_err();
        assert!(checkpoint.is_clean_refusal(), "{checkpoint:?}");
        drop(held);
        let written: Vec<_> = (id..id + 100).map(|id| write(id).unwrap()).collect();
        store.checkpoint().unwrap();
        acknowledge(id + 100, written[99]);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let task = Task { store: store.clone(), batches: 0, word: String::new() };
    let mut child = Running::start(TEST, &task);
    let ack = child.ack();
    let (status, words) = child.ended();
    assert!(status.success(), "{words}");
    let opened = Store::open(&store).unwrap();
    assert_eq!(opened.collection("docs").unwrap().len(), ack.unwrap().batches);
    assert!(opened.verify().unwrap().is_sound());
}

/// Where no file system can be mounted, this is skipped: whoever may do everything is not stopped by permissions either.
#[test]
fn a_store_on_a_read_only_mount_is_refused() {
    const TEST: &str = "taken_away::a_store_on_a_read_only_mount_is_refused";
    if let Some(task) = task(TEST) {
        let error = Store::open(&task.store).unwrap_err();
        assert!(matches!(of_the_disk(&error), Some(disk::Error::Denied { .. })), "{error:?}");
        assert!(error.is_clean_refusal());
        let text = error.to_string();
        assert!(text.contains(task.store.to_str().unwrap()), "{text}");
        assert!(text.contains("mounted read-only"), "{text}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.create_collection("docs", config()).unwrap();
    store.close().unwrap();
    drop(store);
    let task = Task { store: dir.path().into(), batches: 0, word: String::new() };
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && echo mounted && exec \"$@\"";
    let mut mounting = Command::new("unshare");
    mounting.args(["--mount", "--map-root-user", "sh", "-c", script]).arg(dir.path());
    match Running::within(mounting, TEST, &task) {
        Err(why) => skip(TEST, &why.to_string()),
        Ok(child) => {
            let (status, words) = child.ended();
            match words.contains("mounted\n") {
                true => assert!(status.success() && words.contains("1 passed"), "{words}"),
                false => skip(TEST, &words),
            }
        }
    }
    assert_eq!(Store::open(dir.path()).unwrap().collections().len(), 1);
}

fn is_the_others(error: &Error) -> bool {
    let text = error.to_string();
    let is_typed = matches!(of_the_disk(error), Some(disk::Error::OtherProcess { .. }));
    is_typed && error.is_clean_refusal() && text.contains("fork") && text.contains("; open it")
}

fn is_locked_by_another(path: &Path) -> bool {
    let Err(error) = Store::open(path) else { return false };
    matches!(of_the_disk(&error), Some(disk::Error::Locked { holder: Holder::AnotherProcess, .. }))
}

/// In a process of its own: the fewer threads there are beside this one, the less a copy can find locked.
#[test]
fn a_process_that_is_split_off_changes_nothing_and_waits_for_nobody() {
    const TEST: &str =
        "taken_away::a_process_that_is_split_off_changes_nothing_and_waits_for_nobody";
    if let Some(task) = task(TEST) {
        return split(&task.store);
    }
    let dir = tempfile::tempdir().unwrap();
    let task = Task { store: dir.path().join("store"), batches: 0, word: String::new() };
    let (status, words) = Running::start(TEST, &task).ended();
    assert!(status.success(), "{words}");
}

fn split(path: &Path) {
    let store = Store::open(path).unwrap();
    let docs = store.create_collection("docs", config()).unwrap();
    docs.upsert("before", &[1.0; DIM]).unwrap();
    let queue = |id: &str| {
        let mut batch = store.batch();
        batch.upsert(&docs, id, &[2.0; DIM]);
        batch.commit(Durability::Os)
    };
    let (waited, dropped) = (queue("waited for").unwrap(), queue("dropped").unwrap());
    let (view, record) = (store.view(), docs.get("before").unwrap());
    let mut held = Some((waited, dropped, view, record, store.clone(), docs.clone()));
    let code = in_a_copy(|| {
        let refusals = [
            docs.upsert("child", &[9.0; DIM]).map(drop),
            docs.remove("before").map(drop),
            docs.clear().map(drop),
            queue("child").map(drop),
            store.create_collection("child", config()).map(drop),
            store.drop_collection("docs"),
            store.sync(),
            store.checkpoint().map(drop),
            store.step().map(drop),
            store.close(),
        ];
        let is_refused = |refused: &arrwdb::Result<()>| refused.as_ref().is_err_and(is_the_others);
        if let Some(at) = refusals.iter().position(|refused| !is_refused(refused)) {
            return 10 + at as i32;
        }
        let (waited, dropped, view, record, store, docs) = held.take().unwrap();
        // The background may have been quick.
        if waited.wait().is_err_and(|error| !is_the_others(&error)) {
            return 1;
        }
        if !is_locked_by_another(path) {
            return 2;
        }
        drop((dropped, view, record, store, docs));
        0
    });
    assert_eq!(code, Some(0), "None: it waited for somebody; 10 and more: it was not refused");
    let (waited, dropped, view, record, ..) = held.take().unwrap();
    waited.wait().unwrap();
    drop((dropped, view, record));
    // All that the copy let go of is still ours.
    docs.upsert("behind", &[3.0; DIM]).unwrap();
    let mut last = Some((store, docs));
    let code = in_a_copy(|| {
        // With the last handles of all would go the lock, and it would wait for the threads.
        drop(last.take());
        i32::from(!is_locked_by_another(path))
    });
    assert_eq!(code, Some(0), "None: it waited for somebody; 1: the lock is lost");
    let (store, docs) = last.take().unwrap();
    store.checkpoint().unwrap();
    store.close().unwrap();
    drop((store, docs));
    let store = Store::open(path).unwrap();
    let docs = store.collection("docs").unwrap();
    assert_eq!(docs.len(), 4);
    assert!(store.verify().unwrap().is_sound());
}

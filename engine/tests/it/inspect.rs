//! Looks at each file of a store, whole and damaged, and at its log.

use std::path::{Path, PathBuf};

use arrwdb::{CollectionConfig, Durability, Error, Metric, Store, inspect};
use disk::{Access, Disk, OsDisk};

/// A store in a directory: two images, two manifests, a segment and a log.
fn store(dir: &Path) -> PathBuf {
    let path = dir.join("store");
    let store = Store::open(&path).unwrap();
    let docs = store.create_collection("docs", CollectionConfig::new(3, Metric::Cosine)).unwrap();
    docs.upsert("a", &[1.0, 0.0, 0.0]).unwrap();
    docs.upsert(8, &[1.0, 0.0, 0.0]).unwrap();
    let mut batch = store.batch();
    batch.upsert(&docs, 7, &[1.0, 0.0, 0.0]).upsert(&docs, "a", &[0.0, 1.0, 0.0]);
    batch.remove(&docs, "nobody").remove(&docs, 8).note("how far", b"12345").note("gone", b"");
    batch.commit(Durability::Sync).unwrap().wait().unwrap();
    store.close().unwrap();
    path
}

/// The files of a folder.
fn files(store: &Path, folder: &str) -> Vec<PathBuf> {
    let disk = OsDisk::options().open(store).unwrap();
    let entries = disk.list(Path::new(folder)).unwrap();
    entries.iter().map(|entry| store.join(folder).join(&entry.name)).collect()
}

fn flip(path: &Path, at: u64) {
    let disk = OsDisk::options().open(path.parent().unwrap()).unwrap();
    let file = disk.open(Path::new(path.file_name().unwrap()), Access::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(at, &mut byte).unwrap();
    file.write_at(at, &[byte[0] ^ 4]).unwrap();
}

#[test]
fn each_file_says_what_it_is_and_whether_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for (folder, words, damage) in [
        ("manifests", "checkpoint, up to batch", 40),
        ("images", "bytes of section 1.rows", 40),
        ("vectors", "slots of 16 bytes, for vectors of 3 numbers (f32)", 40),
        ("wal", "batch 3: table", 4_096 + 40),
    ] {
        let files = files(&store, folder);
        let found: Vec<_> = files.iter().map(|path| inspect(path).unwrap()).collect();
        assert!(found.iter().all(|it| it.is_sound), "{found:?}");
        let at = found.iter().position(|it| it.text.contains(words));
        let at = at.unwrap_or_else(|| panic!("{words} is in none of {found:?}"));
        flip(&files[at], damage);
        let damaged = inspect(&files[at]).unwrap();
        assert!(!damaged.is_sound, "{}", damaged.text);
        flip(&files[at], 3);
        // By its name, where its first bytes say nothing.
        assert!(!inspect(&files[at]).unwrap().text.is_empty());
    }
    let other = inspect(store.join("none")).unwrap_err();
    assert!(matches!(other, Error::Disk(_)), "{other}");
    let disk = OsDisk::options().open(&store).unwrap();
    let (_, name) = disk.create(Path::new("junk")).unwrap();
    name.sync(&disk).unwrap();
    let other = inspect(store.join("junk")).unwrap_err();
    assert!(matches!(other, Error::NotOfAStore { .. }) && other.to_string().contains("junk"));
}

#[test]
fn the_log_is_told_batch_by_batch() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut batches = Vec::new();
    let see = |at: arrwdb::Sequence, lines: &[String]| batches.push((at.get(), lines.join("\n")));
    let torn = Store::options().read_log(&store, see).unwrap();
    assert!(torn.is_none());
    let all: Vec<_> = batches.iter().map(|(_, lines)| lines.as_str()).collect();
    let expected = [
        "create collection docs, 3 numbers, cosine",
        "docs: one more segment, file 1",
        "docs: upsert a, 3 numbers: row 1, own slot 0",
        "docs: upsert 8, 3 numbers: row 2, shared slot 0",
        "docs: upsert 7, 3 numbers: row 3, shared slot 0\n\
         docs: upsert a, 3 numbers: row 4, own slot 1; ends row 1 of slot 0\n\
         docs: remove nobody: it was not there\n\
         docs: remove 8; ends row 2 of slot 0\n\
         note \"how far\", 5 bytes\n\
         forget note \"gone\"",
        "a checkpoint begins behind this",
    ];
    assert_eq!(all, expected);
    assert!(batches.iter().map(|it| it.0).eq(1..=6));
    let none = Store::options().read_log(dir.path(), |_, _| ()).unwrap_err();
    assert!(matches!(none, Error::NoStore { .. }), "{none}");
}

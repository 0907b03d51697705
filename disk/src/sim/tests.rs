//! Shows that the simulated disk behaves as the real one does, and crashes as one could.

use std::collections::BTreeSet;
use std::path::Path;

use super::image::Named;
use super::take::{Fill, Take};
use super::*;
use crate::region::tests::copy;
use crate::{Access, Disk, Error, File, LockKind, PendingDirSync, Result};

mod faults;
mod images;
mod maps;
mod semantics;
mod twin;

/// A new file; its name waits for the sync of its directory.
fn create(disk: &SimDisk, name: &str) -> Arc<dyn File> {
    let (file, pending) = disk.create(Path::new(name)).unwrap();
    pending.forgo("tests sync directories where they mean to");
    file
}

/// A file that is durable, name and all.
fn durable(disk: &SimDisk, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = create(disk, name);
    file.write_at(0, bytes).unwrap();
    file.sync_all().unwrap();
    disk.sync_dir(Path::new(name).parent().unwrap()).unwrap();
    file
}

fn create_dir(disk: &SimDisk, name: &str) {
    disk.create_dir(Path::new(name)).unwrap().forgo("tests sync directories where they mean to");
}

fn rename(disk: &SimDisk, from: &str, to: &str) {
    let pending = disk.rename(Path::new(from), Path::new(to)).unwrap();
    pending.forgo("tests sync directories where they mean to");
}

fn remove(disk: &SimDisk, name: &str) {
    disk.remove(Path::new(name)).unwrap().forgo("tests sync directories where they mean to");
}

/// A disk on which a durable file was moved from one durable directory to another.
fn with_a_move() -> SimDisk {
    let disk = SimDisk::new(1);
    for dir in ["from", "to"] {
        create_dir(&disk, dir);
    }
    durable(&disk, "from/f", b"1");
    disk.sync_dir(Path::new("")).unwrap();
    rename(&disk, "from/f", "to/f");
    disk
}

/// An image as one line: every name, and the bytes of files; what is no text is a question mark.
fn line(image: &Image) -> String {
    let names = image.names.iter().map(|(path, named)| match named {
        Named::Directory => format!("{}/", path.display()),
        Named::File(_) => {
            let text = |byte: &u8| match byte {
                0 => '0',
                byte if byte.is_ascii_graphic() => char::from(*byte),
                _ => '?',
            };
            let bytes: String = image.bytes(path).unwrap().iter().map(text).collect();
            format!("{}={bytes}", path.display())
        }
    });
    names.collect::<Vec<_>>().join(" ")
}

/// Every disk that a crash right now could leave.
fn crashes(disk: &SimDisk) -> BTreeSet<String> {
    crashes_but(disk, |_| false)
}

/// Of these, those without garbage.
fn legible(disk: &SimDisk) -> BTreeSet<String> {
    crashes_but(disk, |take| {
        matches!(take, Take::Trashed { .. } | Take::Sized(_, Fill::Garbage(_)))
    })
}

fn crashes_but(disk: &SimDisk, without: impl Fn(&Take) -> bool) -> BTreeSet<String> {
    let recording = disk.recording();
    let last = recording.crash_points(&Density::default(), 1).last().unwrap();
    let is_without = |crash: &CrashImage| !crash.choice.taken.iter().any(|(_, take)| without(take));
    let images = last.images().filter(is_without).map(|crash| line(&crash.image));
    images.chain([line(&disk.contents())]).collect()
}

fn set<const N: usize>(lines: [&str; N]) -> BTreeSet<String> {
    lines.into_iter().map(str::to_owned).collect()
}

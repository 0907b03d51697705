//! Shows what opening an image reads, and what it refuses.

use std::path::Path;

use base::FileId;
use disk::sim::{Fault, FaultKind, Image as DiskImage, Lasting};
use disk::{Recorded, SimDisk, Trace};

use super::*;
use crate::{ImageWriter, Manifests};

pub(crate) const STORE: StoreId = StoreId(*b"a store of tests");

/// A disk with an image of these sections.
pub(crate) fn disk_with(id: FileId, sections: &[(&str, &[u8])]) -> (SimDisk, ImageRef) {
    let disk = SimDisk::new(1);
    Manifests::create(Arc::new(disk.clone()), STORE).unwrap();
    let image = write(&disk, STORE, id, sections);
    (disk, image)
}

/// Writes an image.
pub(crate) fn write(
    disk: &SimDisk,
    store: StoreId,
    id: FileId,
    sections: &[(&str, &[u8])],
) -> ImageRef {
    let mut writer = ImageWriter::create(Arc::new(disk.clone()), store, id).unwrap();
    for (name, bytes) in sections {
        writer.section(name).unwrap();
        writer.write(bytes).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn path(id: FileId) -> PathBuf {
    crate::Name::Image(id).path()
}

fn damaged(disk: &SimDisk, damage: impl FnOnce(&mut DiskImage) -> bool) -> SimDisk {
    let mut image = disk.contents();
    assert!(damage(&mut image), "nothing was damaged");
    SimDisk::from_image(&image, 2)
}

fn refusal(disk: &SimDisk, image: &ImageRef) -> Invalid {
    match Image::open(disk, STORE, image) {
        Err(Error::Damaged { what, path: named }) => {
            assert!(named.ends_with(path(image.file)));
            what
        }
        other => panic!("{other:?}"),
    }
}

/// Whatever its length: no byte of a section is read, nor of its sums.
#[test]
fn opening_reads_a_block_and_the_table() {
    let (disk, image) = disk_with(FileId(7), &[("rows", &[1; 70_000]), ("ids", b"id")]);
    let (disk, trace) = Trace::record(Arc::new(disk), Recorded::Everything);
    let opened = Image::open(&*disk, STORE, &image).unwrap();
    let file = path(FileId(7));
    let file = file.display();
    // Two sections of 18 and 1 pages behind the first, then two sums.
    let expected = format!(
        "open       {file} to read\nsize       {file}\nread       {file} @0 +512\n\
         read       {file} @81936 +128\nmap        {file} 82576\n"
    );
    assert_eq!(trace.take(), expected);
    assert!(opened.names().eq(["rows", "ids"]));
    assert_eq!(opened.bytes(), 82_576);
    let none = opened.section("slots").unwrap_err();
    assert!(matches!(none, Error::NoSection { .. }), "{none}");
}

#[test]
fn either_block_is_enough() {
    let (disk, image) = disk_with(FileId(7), &[("rows", b"row")]);
    let last = image.bytes as usize - 512;
    for at in [0, last] {
        let disk = damaged(&disk, |disk| disk.flip_bit(path(FileId(7)), at + 40, 1));
        Image::open(&disk, STORE, &image).unwrap();
    }
    let disk = damaged(&disk, |disk| {
        disk.flip_bit(path(FileId(7)), 40, 1) && disk.flip_bit(path(FileId(7)), last, 1)
    });
    assert_eq!(refusal(&disk, &image), Invalid::Sum("block"));
}

#[test]
fn a_bad_sector_under_the_first_block_is_passed_over() {
    let (disk, image) = disk_with(FileId(7), &[("rows", b"row")]);
    let bad = damaged(&disk, |disk| disk.make_unreadable(path(FileId(7)), 0..512));
    Image::open(&bad, STORE, &image).unwrap();
    let table = image.bytes - 512 - 64;
    let bad = damaged(&disk, |disk| disk.make_unreadable(path(FileId(7)), table..table + 1));
    let error = Image::open(&bad, STORE, &image).unwrap_err();
    assert!(matches!(error, Error::Unreadable { offset, .. } if offset == table), "{error}");
}

#[test]
fn a_lost_and_a_cut_file_are_told_apart() {
    let (disk, image) = disk_with(FileId(7), &[("rows", b"row")]);
    let lost = damaged(&disk, |disk| disk.remove(path(FileId(7))));
    assert!(matches!(Image::open(&lost, STORE, &image), Err(Error::Missing { .. })));
    for length in [0, 511, 512, image.bytes - 1] {
        let cut = damaged(&disk, |disk| disk.truncate(path(FileId(7)), length as usize));
        match Image::open(&cut, STORE, &image) {
            Err(Error::CutShort { wanted, found, .. }) => {
                assert_eq!((wanted, found), (image.bytes, length));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// All of them have right sums.
#[test]
fn another_image_is_refused_wherever_it_comes_from() {
    let sections: [(&str, &[u8]); 1] = [("rows", b"row")];
    let (disk, image) = disk_with(FileId(7), &sections);
    let other_store = StoreId([9; 16]);
    let foreign = {
        let disk = SimDisk::new(1);
        Manifests::create(Arc::new(disk.clone()), other_store).unwrap();
        write(&disk, other_store, FileId(7), &sections);
        disk.contents()
    };
    let put = |bytes: &[u8]| damaged(&disk, |disk| disk.replace(path(FileId(7)), bytes));
    let foreign = put(foreign.bytes(path(FileId(7))).unwrap());
    assert_eq!(refusal(&foreign, &image), Invalid::Foreign("store"));
    write(&disk, STORE, FileId(8), &sections);
    let swapped = put(disk.contents().bytes(path(FileId(8))).unwrap());
    assert_eq!(refusal(&swapped, &image), Invalid::Foreign("file"));
    // Of the same store and number: from a copy of the store that went on by itself.
    let (elsewhere, longer) = disk_with(FileId(7), &[("rows", b"row"), ("ids", b"")]);
    let branched = put(elsewhere.contents().bytes(path(FileId(7))).unwrap());
    assert_eq!(longer.bytes, image.bytes + 64);
    assert_eq!(refusal(&branched, &image), Invalid::Foreign("bytes"));
    let (elsewhere, _) = disk_with(FileId(7), &[("rows", b"ROW")]);
    let branched = put(elsewhere.contents().bytes(path(FileId(7))).unwrap());
    assert_eq!(refusal(&branched, &image), Invalid::Foreign("sum"));
}

#[test]
fn a_damaged_table_is_refused() {
    let (disk, image) = disk_with(FileId(7), &[("rows", b"row")]);
    let table = image.bytes as usize - 512 - 64;
    let disk = damaged(&disk, |disk| disk.flip_bit(path(FileId(7)), table, 0));
    assert_eq!(refusal(&disk, &image), Invalid::Sum("table"));
}

#[test]
fn an_image_stays_open_when_its_name_is_taken_away() {
    let (disk, image) = disk_with(FileId(7), &[("rows", b"row")]);
    let section = Image::open(&disk, STORE, &image).unwrap().section("rows").unwrap();
    disk.remove(Path::new(&path(FileId(7)))).unwrap().sync(&disk).unwrap();
    assert_eq!(*section.bytes(0..3).unwrap(), *b"row");
}

#[test]
fn a_disk_that_refuses_is_no_damage() {
    let (disk, image) = disk_with(FileId(7), &[("rows", b"row")]);
    disk.inject(Fault { kind: FaultKind::TooManyFiles, nth: 0, lasting: Lasting::Once });
    let error = Image::open(&disk, STORE, &image).unwrap_err();
    assert!(matches!(error, Error::Disk(disk::Error::TooManyFiles { .. })), "{error}");
    Image::open(&disk, STORE, &image).unwrap();
}

//! Shows that every damage is found and named, one behind the other.

use base::FileId;
use disk::SimDisk;
use disk::sim::Image as DiskImage;

use super::*;
use crate::image::tests::{STORE, disk_with, path};
use crate::{Image, ImageRef};

const ID: FileId = FileId(7);

fn written() -> (DiskImage, ImageRef) {
    let (disk, image) = disk_with(ID, &[("rows", &[7; 200_000]), ("none", b""), ("ids", b"ids")]);
    (disk.contents(), image)
}

/// What is found: where, how much, in which section, and what.
fn found(disk: &DiskImage, image: &ImageRef) -> Vec<(u64, u64, Option<String>, String)> {
    let image = Image::open(&SimDisk::from_image(disk, 2), STORE, image).unwrap();
    let mut told = Vec::new();
    let mut found = image.verify(|read, of| told.push((read, of)));
    found.sort_by_key(|damage| damage.offset);
    assert!(told.is_sorted() && told.last() == Some(&(image.bytes(), image.bytes())), "{told:?}");
    let harm = |harm: &Harm| match harm {
        Harm::Unreadable(_) => "unreadable".to_owned(),
        harm => format!("{harm:?}").to_lowercase(),
    };
    let shown = found.into_iter().map(|it| (it.offset, it.bytes, it.section, harm(&it.harm)));
    shown.collect()
}

#[test]
fn a_whole_image_is_found_to_be_whole() {
    let (disk, image) = written();
    assert_eq!(found(&disk, &image), []);
}

#[test]
fn one_damage_does_not_hide_another() {
    let (mut disk, image) = written();
    let rows = || Some("rows".to_owned());
    disk.flip_bit(path(ID), 3, 0);
    disk.flip_bit(path(ID), 600, 0);
    disk.flip_bit(path(ID), 4_096, 0);
    disk.make_unreadable(path(ID), 4_096 + 70_000..4_096 + 70_001);
    disk.flip_bit(path(ID), 4_096 + 199_999, 7);
    disk.flip_bit(path(ID), 4_096 + 200_000, 7);
    disk.append(path(ID), b"junk");
    let ids = 4_096 + 200_704;
    disk.flip_bit(path(ID), ids + 2, 1);
    let differs = || "differs".to_owned();
    let expected = [
        (0, 512, None, differs()),
        (512, 3_584, None, differs()),
        (4_096, 65_536, rows(), differs()),
        (4_096 + 65_536, 65_536, rows(), "unreadable".into()),
        (4_096 + 3 * 65_536, 200_000 - 3 * 65_536, rows(), differs()),
        (4_096 + 200_000, 704, None, differs()),
        (ids as u64, 3, Some("ids".into()), differs()),
        (image.bytes, 4, None, "behind".into()),
    ];
    assert_eq!(found(&disk, &image), expected);
}

#[test]
fn what_damaged_sums_cover_is_unchecked() {
    let (mut disk, image) = written();
    let sums = image.bytes - 512 - 3 * 64 - 32;
    disk.flip_bit(path(ID), sums as usize, 0);
    disk.make_unreadable(path(ID), 4_096..4_097);
    let harms: Vec<_> =
        found(&disk, &image).into_iter().map(|(at, _, _, harm)| (at, harm)).collect();
    let unchecked = |chunk: u64| (4_096 + chunk * 65_536, "unchecked".to_owned());
    let expected = [
        (4_096, "unreadable".to_owned()),
        unchecked(1),
        unchecked(2),
        unchecked(3),
        (sums, "differs".to_owned()),
    ];
    assert_eq!(harms, expected);
}

/// Opened when it was whole.
#[test]
fn damage_to_the_table_that_came_later_is_found() {
    let (disk, image) = disk_with(ID, &[("rows", b"rows")]);
    let opened = Image::open(&disk, STORE, &image).unwrap();
    let file = disk::Disk::open(&disk, &path(ID), disk::Access::ReadWrite).unwrap();
    file.write_at(image.bytes - 512 - 64, b"R").unwrap();
    file.write_at(image.bytes - 1, b"!").unwrap();
    let found: Vec<_> = opened.verify(|_, _| {}).iter().map(|damage| damage.offset).collect();
    assert_eq!(found, [image.bytes - 512, image.bytes - 512 - 64]);
}

#[test]
fn every_flipped_bit_is_found() {
    let (disk, image) = disk_with(ID, &[("rows", b"a row"), ("ids", b"ids")]);
    let disk = disk.contents();
    for bit in 0..image.bytes as usize * 8 {
        // Of the zeros, which are most of it, a sample.
        if disk.bytes(path(ID)).unwrap()[bit / 8] == 0 && bit % 31 != 0 {
            continue;
        }
        let mut disk = disk.clone();
        disk.flip_bit(path(ID), bit / 8, (bit % 8) as u8);
        if let Ok(opened) = Image::open(&SimDisk::from_image(&disk, 2), STORE, &image) {
            let found = opened.verify(|_, _| {});
            assert_eq!(found.len(), 1, "bit {bit}: {found:?}");
            let Damage { offset, bytes, .. } = &found[0];
            assert!((*offset..offset + bytes).contains(&(bit as u64 / 8)), "bit {bit}: {found:?}");
        }
    }
}

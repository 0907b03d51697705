//! Shows that images are written as FORMAT.md says, whatever pieces they are written in, and that what fails
//! leaves nothing behind.

use std::path::Path;

use disk::sim::{Fault, FaultKind, Lasting, LostSync};
use disk::{Latch, Recorded, SimDisk, Trace};
use proptest::prelude::*;

use super::*;
use crate::document::{as_example, example_bytes};
use crate::{Image, Manifests, list_images};

const STORE: StoreId = StoreId(*b"0123456789abcdef");
const ID: FileId = FileId(7);

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    Manifests::create(Arc::new(disk.clone()), STORE).unwrap();
    disk
}

fn begin(disk: &SimDisk) -> ImageWriter {
    ImageWriter::create(Arc::new(disk.clone()), STORE, ID).unwrap()
}

/// Writes sections, each in pieces of this length.
fn write(disk: &SimDisk, sections: &[(String, Vec<u8>)], piece: usize) -> Result<ImageRef> {
    let mut writer = begin(disk);
    for (name, bytes) in sections {
        writer.section(name)?;
        bytes.chunks(piece).try_for_each(|piece| writer.write(piece))?;
    }
    writer.finish()
}

/// Bytes of which no two chunks are the same.
fn some_bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}

#[test]
fn the_worked_example_of_the_format_document_holds() {
    let disk = disk();
    let sections = [("rows".into(), b"hello".to_vec()), ("ids".into(), vec![0x11; 65_539])];
    let image = write(&disk, &sections, 1_000).unwrap();
    let contents = disk.contents();
    let written = contents.bytes(Name::Image(ID).path()).unwrap();
    let (start, block) = example_bytes("Worked example of an image");
    assert_eq!((start, as_example(0, &block)), (0, as_example(0, &written[..block.len()])));
    let (start, tail) = example_bytes("The last bytes of the file");
    let end = start + tail.len();
    assert_eq!(
        (start, as_example(start, &tail)),
        (77_824, as_example(start, &written[start..end]))
    );
    let mut golden = block;
    golden.resize(512, 0);
    let block = golden.clone();
    golden.resize(4_096, 0);
    golden.extend(b"hello");
    golden.resize(8_192, 0);
    golden.extend([0x11; 65_539]);
    golden.resize(77_824, 0);
    golden.extend(tail);
    golden.resize(78_480, 0);
    assert!(golden == written);
    assert_eq!(image, ImageRef { file: ID, bytes: 78_480, sum: Xxh3::of_128(&block) });
}

#[test]
fn an_image_without_sections_and_sections_without_bytes_are_written_and_read() {
    for sections in [vec![], vec![("empty".to_owned(), vec![]), ("none".to_owned(), vec![])]] {
        let disk = disk();
        let image = write(&disk, &sections, 1).unwrap();
        assert_eq!(image.bytes, 4_096 + 64 * sections.len() as u64 + 512);
        let image = Image::open(&disk, STORE, &image).unwrap();
        assert!(image.names().eq(sections.iter().map(|(name, _)| name)));
        for (name, _) in &sections {
            let section = image.section(name).unwrap();
            assert!(section.is_verified());
            assert_eq!(*section.bytes(0..0).unwrap(), []);
            section.bytes(0..1).unwrap_err();
        }
        assert!(image.verify(|_, _| {}).is_empty());
    }
}

/// More than is written at a time, and more chunks than one chunk of sums has room for.
#[test]
fn sums_of_two_levels_are_written_and_read() {
    let disk = disk();
    let mut writer = begin(&disk);
    writer.section("large").unwrap();
    let mib: Vec<u8> = some_bytes(1024 * 1024);
    for number in 0..513_u32 {
        let mut bytes = mib.clone();
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        writer.write(&bytes).unwrap();
    }
    writer.section("small").unwrap();
    writer.write(b"behind it").unwrap();
    let image = writer.finish().unwrap();
    let image_sum = image.sum;
    let image = Image::open(&disk, STORE, &image).unwrap();
    let large = image.section("large").unwrap();
    for number in [0_u32, 511, 512] {
        let start = u64::from(number) << 20;
        let mut by_position = [0; 70_000];
        large.read_at(start, &mut by_position).unwrap();
        assert_eq!(by_position[..4], number.to_le_bytes());
        let lent = large.bytes(start..start + 70_000).unwrap();
        assert_eq!(*lent, by_position);
    }
    assert_eq!(*image.section("small").unwrap().bytes(0..9).unwrap(), *b"behind it");
    let mut told = (0, 0);
    assert!(image.verify(|read, of| told = (read, of)).is_empty());
    assert_eq!((told.0, told.1), (image.bytes(), image.bytes()), "each byte once");
    // Of sums that others say are damaged nothing is believed, on any level below.
    let level_2 = image.bytes() - 512 - 2 * 64 - 16;
    let damaged = ImageRef { file: ID, bytes: image.bytes(), sum: image_sum };
    drop((large, image));
    let mut contents = disk.contents();
    drop(disk);
    assert!(contents.flip_bit(Name::Image(ID).path(), level_2 as usize, 0));
    let disk = SimDisk::from_image(&contents, 2);
    let found = Image::open(&disk, STORE, &damaged).unwrap().verify(|_, _| {});
    let unchecked = found.iter().filter(|damage| matches!(damage.harm, crate::Harm::Unchecked));
    assert_eq!((found.len(), unchecked.count()), (1 + 2 + 513 * 16, 2 + 513 * 16));
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let disk = disk();
    let mut writer = begin(&disk);
    writer.section("rows").unwrap();
    writer.write(&some_bytes(3_000_000)).unwrap();
    assert_eq!(list_images(&disk).unwrap(), [Name::NewImage(ID)]);
    drop(writer);
    assert_eq!(list_images(&disk).unwrap(), []);
}

#[test]
fn a_number_that_is_taken_is_refused_and_nothing_is_taken_away() {
    let disk = disk();
    let writer = begin(&disk);
    let again = || ImageWriter::create(Arc::new(disk.clone()), STORE, ID).unwrap_err();
    assert!(matches!(again(), Error::Exists { .. }));
    assert_eq!(list_images(&disk).unwrap(), [Name::NewImage(ID)]);
    writer.finish().unwrap();
    assert!(matches!(again(), Error::Exists { .. }));
    assert_eq!(list_images(&disk).unwrap(), [Name::Image(ID)]);
}

/// In front of a disk that stops at the first write that fails: a full disk has to be none.
#[test]
fn a_full_disk_is_a_clean_refusal_and_leaves_nothing_behind() {
    let sections = [("rows".to_owned(), some_bytes(2_500_000)), ("ids".to_owned(), vec![7; 9_000])];
    let whole = write(&disk(), &sections, 70_000).unwrap();
    for capacity in (0..whole.bytes + 1_000_000).step_by(123_457) {
        let sim = disk();
        let taken: usize =
            sim.contents().files().map(|file| sim.contents().bytes(file).unwrap().len()).sum();
        sim.set_capacity(taken as u64 + capacity);
        let (guarded, latch) = Latch::guard(Arc::new(sim.clone()));
        let mut writer = ImageWriter::create(guarded, STORE, ID).unwrap();
        let mut written = || {
            sections.iter().try_for_each(|(name, bytes)| {
                writer.section(name)?;
                writer.write(bytes)
            })
        };
        let outcome = written().and_then(|()| writer.finish());
        assert!(latch.first_failure().is_none(), "{capacity}: {:?}", latch.first_failure());
        match outcome {
            Ok(image) => assert!(image == whole && capacity >= whole.bytes, "{capacity}"),
            Err(error) => {
                assert!(capacity < whole.bytes, "{capacity}: {error}");
                assert!(error.is_clean_refusal(), "{error}");
                assert_eq!(list_images(&sim).unwrap(), []);
            }
        }
    }
}

#[test]
fn who_knows_only_of_streams_writes_the_same_and_its_failure_is_ours() {
    let disk = disk();
    let bytes = some_bytes(200_000);
    let mut writer = begin(&disk);
    writer.section("rows").unwrap();
    let copied = writer.write_by(|into| io::copy(&mut &bytes[..], into)).unwrap();
    assert_eq!(copied.unwrap(), 200_000);
    let own = writer.write_by(|_| "an answer of its own").unwrap();
    assert_eq!(own, "an answer of its own");
    let image = writer.finish().unwrap();
    let rows = Image::open(&disk, STORE, &image).unwrap().section("rows").unwrap();
    assert!(*rows.bytes(0..200_000).unwrap() == *bytes);

    let mut writer = ImageWriter::create(Arc::new(disk.clone()), STORE, FileId(8)).unwrap();
    writer.section("rows").unwrap();
    disk.inject(Fault { kind: FaultKind::Write, nth: 0, lasting: Lasting::Once });
    // It goes on, and makes nothing of it.
    let failed = writer.write_by(|into| {
        for _ in 0..2 {
            into.write_all(&some_bytes(2_000_000)).unwrap_err();
        }
    });
    assert!(matches!(failed, Err(Error::Disk(_))), "the first of them: {failed:?}");
    assert!(matches!(writer.finish().unwrap_err(), Error::Stopped { .. }));
}

/// A failure that a caller did not look at must not come to be an image with a hole.
#[test]
fn after_a_failure_nothing_is_written_or_named() {
    let disk = disk();
    let mut writer = begin(&disk);
    writer.section("rows").unwrap();
    disk.inject(Fault { kind: FaultKind::Write, nth: 0, lasting: Lasting::Once });
    writer.write(&some_bytes(2_000_000)).unwrap_err();
    let refused = writer.write(&some_bytes(2_000_000)).unwrap_err();
    assert!(matches!(refused, Error::Stopped { .. }), "{refused}");
    assert!(matches!(writer.finish().unwrap_err(), Error::Stopped { .. }));
    assert_eq!(list_images(&disk).unwrap(), []);
}

#[test]
fn a_directory_that_could_not_be_synced_is_in_doubt() {
    let disk = disk();
    let writer = begin(&disk);
    let kind = FaultKind::Sync(LostSync::KeepsCache);
    disk.inject(Fault { kind, nth: 1, lasting: Lasting::Once });
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }) && !error.is_clean_refusal(), "{error}");
    assert_eq!(list_images(&disk).unwrap(), []);
}

/// Nothing was asked of the directory, so nothing is in doubt.
#[test]
fn a_directory_that_no_handle_was_left_for_is_a_refusal() {
    let disk = disk();
    let writer = begin(&disk);
    disk.inject(Fault { kind: FaultKind::TooManyFiles, nth: 0, lasting: Lasting::Once });
    let error = writer.finish().unwrap_err();
    assert!(matches!(error, Error::Disk(_)) && error.is_clean_refusal(), "{error}");
    assert_eq!(list_images(&disk).unwrap(), []);
    begin(&disk).finish().unwrap();
}

/// What is to be 100 GB must not take a call for each piece, nor a buffer that grows.
#[test]
fn a_mebibyte_is_written_at_a_time() {
    let (disk, trace) = Trace::record(Arc::new(disk()), Recorded::Changes);
    let mut writer = ImageWriter::create(disk, STORE, ID).unwrap();
    writer.section("rows").unwrap();
    for piece in some_bytes(4 * 1024 * 1024 + 5).chunks(999) {
        writer.write(piece).unwrap();
    }
    assert!(writer.buffer.capacity() <= 2 * WRITE_BYTES);
    let writes = trace.take().lines().filter(|line| line.starts_with("write")).count();
    assert_eq!(writes, 4);
}

/// Who commits beside it must not wait until a device has taken all of it at once.
#[test]
fn what_is_long_is_synced_as_it_is_written() {
    let (disk, trace) = Trace::record(Arc::new(disk()), Recorded::Changes);
    let mut writer = ImageWriter::create(disk, STORE, ID).unwrap();
    writer.section("rows").unwrap();
    let piece = some_bytes(1024 * 1024);
    let mut between = Vec::new();
    for _ in 0..50 {
        writer.write(&piece).unwrap();
        let lines = trace.take();
        let syncs = lines.lines().filter(|line| line.starts_with("sync")).count();
        between.push((lines.lines().filter(|line| line.starts_with("write")).count(), syncs));
    }
    let syncs: usize = between.iter().map(|(_, syncs)| syncs).sum();
    assert_eq!(syncs, 3, "{between:?}");
    let longest = between.split(|(_, syncs)| *syncs > 0).map(<[_]>::len).max();
    assert!(longest <= Some(16), "{between:?}");
    writer.finish().unwrap();
}

#[test]
#[should_panic(expected = "already")]
fn two_sections_of_one_name_are_refused() {
    let mut writer = begin(&disk());
    writer.section("rows").unwrap();
    writer.section("rows").unwrap();
}

#[test]
#[should_panic(expected = "can be called")]
fn a_name_that_could_not_be_read_again_is_refused() {
    begin(&disk()).section("two words").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_make_no_difference_and_all_comes_back(
        lengths in prop::collection::vec(
            prop_oneof![0..3_usize, 4_090..4_100_usize, 65_530..65_540_usize, 0..1_200_000_usize],
            0..5,
        ),
        piece in prop_oneof![1_000..70_000_usize, Just(65_536), Just(2_000_000)],
    ) {
        let named = lengths.iter().enumerate();
        let sections: Vec<_> =
            named.map(|(number, length)| (format!("s{number}"), some_bytes(*length))).collect();
        let (one, other) = (disk(), disk());
        let image = write(&one, &sections, piece).unwrap();
        prop_assert_eq!(image, write(&other, &sections, usize::MAX).unwrap());
        let path = Name::Image(ID).path();
        let (one_bytes, other_bytes) = (one.contents(), other.contents());
        prop_assert!(one_bytes.bytes(&path) == other_bytes.bytes(Path::new(&path)));
        let image = Image::open(&one, STORE, &image).unwrap();
        prop_assert_eq!(image.verify(|_, _| {}).len(), 0);
        for (name, bytes) in &sections {
            let section = image.section(name).unwrap();
            prop_assert_eq!(section.length(), bytes.len() as u64);
            let mut by_position = vec![0; bytes.len()];
            section.read_at(0, &mut by_position).unwrap();
            prop_assert!(by_position == *bytes);
            prop_assert!(*section.bytes(0..bytes.len() as u64).unwrap() == **bytes);
            prop_assert!(section.is_verified());
        }
    }
}

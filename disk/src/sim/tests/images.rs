//! Scripts of known file-system behaviour, each with every disk that a crash can leave, by hand.

use super::*;

#[test]
fn a_rename_without_a_sync_leaves_either_name_or_both() {
    let disk = SimDisk::new(1);
    durable(&disk, "tmp", b"new");
    rename(&disk, "tmp", "f");
    assert_eq!(crashes(&disk), set(["tmp=new", "f=new tmp=new", "f=new"]));
}

#[test]
fn a_rename_over_a_file_leaves_the_old_or_the_new_and_never_none() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"old");
    durable(&disk, "tmp", b"new");
    rename(&disk, "tmp", "f");
    assert_eq!(crashes(&disk), set(["f=old tmp=new", "f=new tmp=new", "f=new"]));
}

#[test]
fn a_rename_before_the_bytes_are_synced_leaves_a_new_name_with_nothing_behind_it() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"o");
    let file = create(&disk, "tmp");
    disk.sync_dir(Path::new("")).unwrap();
    file.write_at(0, b"n").unwrap();
    rename(&disk, "tmp", "f");
    let expected = set([
        // The name of before, with the bytes or without, or with the size alone.
        "f=o tmp=",
        "f=o tmp=n",
        "f=o tmp=0",
        // Both names: they are one file.
        "f= tmp=",
        "f=n tmp=n",
        "f=0 tmp=0",
        // The new name: the empty one is the classic.
        "f=",
        "f=n",
        "f=0",
    ]);
    // Where nothing older was written, stale bytes are the first file's.
    let seen = legible(&disk);
    assert!(seen.is_superset(&expected), "{seen:?}");
    let others: BTreeSet<_> = seen.difference(&expected).cloned().collect();
    assert_eq!(others, set(["f=o tmp=o", "f=o"]), "the size alone, with stale bytes under it");
}

#[test]
fn an_append_without_a_sync_leaves_nothing_all_or_the_size_alone() {
    let disk = SimDisk::new(1);
    durable(&disk, "older", b"s");
    let file = durable(&disk, "f", b"x");
    file.write_at(1, b"y").unwrap();
    let expected = set(["f=x older=s", "f=xy older=s", "f=x0 older=s", "f=x? older=s"]);
    let seen = crashes(&disk);
    assert!(seen.is_superset(&expected), "{seen:?}");
    let others: BTreeSet<_> = seen.difference(&expected).cloned().collect();
    let stale = set(["f=xx older=s", "f=xs older=s"]);
    assert_eq!(others, stale, "bytes of this file, and of another");
}

#[test]
fn a_long_append_is_torn_at_sectors_and_cut_at_bytes() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"");
    let letters: Vec<u8> = [b'a'; 512].into_iter().chain([b'b'; 512]).chain([b'c'; 512]).collect();
    file.write_at(0, &letters).unwrap();
    let lengths: BTreeSet<_> = disk
        .recording()
        .crash_points(&Density { cuts: 2000, ..Density::default() }, 1)
        .last()
        .unwrap()
        .images()
        .map(|crash| crash.image.bytes("f").unwrap().to_vec())
        .filter(|bytes| letters.starts_with(bytes))
        .map(|bytes| bytes.len())
        .collect();
    assert_eq!(lengths, (0..=1536).collect(), "a prefix of every length");
    let a_hole = |bytes: &[u8]| {
        bytes.len() == 1536
            && bytes[..512] == letters[..512]
            && bytes[512..1024].iter().all(|byte| *byte == 0)
            && bytes[1024..] == letters[1024..]
    };
    let recording = disk.recording();
    let last = recording.crash_points(&Density::default(), 1).last().unwrap();
    assert!(
        last.images().any(|crash| a_hole(crash.image.bytes("f").unwrap())),
        "the sector in the middle lost"
    );
}

/// Appends in one sector, whose images once took time and memory that doubled with each.
#[test]
fn many_unsynced_appends_in_one_sector_are_no_burden() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "log", b"");
    for at in 0..400_u64 {
        file.write_at(at, b"x").unwrap();
    }
    let last = disk.recording().last_point(&Density::thin(), 1);
    let lengths: BTreeSet<_> =
        last.images().map(|crash| crash.image.bytes("log").unwrap().len()).collect();
    assert!(lengths.len() > 20 && lengths.iter().all(|length| *length <= 400), "{lengths:?}");
}

/// What every crash leaves of a write of three blocks to an empty file, as a letter for each sector:
/// written, zeros, or something else.
fn sectors_after(density: &Density) -> BTreeSet<String> {
    let disk = SimDisk::new(1);
    durable(&disk, "older", &[b'o'; 3 * 4096]);
    let file = durable(&disk, "f", b"");
    file.write_at(0, &[b'w'; 3 * 4096]).unwrap();
    let letter = |sector: &[u8]| match sector {
        whole if whole.iter().all(|byte| *byte == b'w') => 'w',
        whole if whole.iter().all(|byte| *byte == 0) => '0',
        whole if whole.iter().all(|byte| *byte == b'o') => 'o',
        _ => '?',
    };
    let last = disk.recording().last_point(density, 1);
    last.images()
        .map(|crash| crash.image.bytes("f").unwrap().chunks(512).map(letter).collect())
        .collect()
}

#[test]
fn a_long_write_is_torn_in_every_way_there_is() {
    let whole = Density { tears: 1000, images: 100_000, ..Density::default() };
    let seen = sectors_after(&whole);
    let sectors = 24;
    for at in 1..sectors {
        let (before, behind) = (at, sectors - at);
        assert!(seen.contains(&"w".repeat(before)), "the first {at} sectors");
        assert!(seen.contains(&("0".repeat(before) + &"w".repeat(behind))), "the last {behind}");
        for fill in ["0", "o", "?"] {
            let filled = "w".repeat(before) + &fill.repeat(behind);
            assert!(seen.contains(&filled), "the first {at} at full size, then {fill}");
        }
        let one_kept = "0".repeat(at) + "w";
        assert!(seen.contains(&one_kept), "sector {at} alone");
        let one_lost = "w".repeat(at) + "0" + &"w".repeat(behind - 1);
        assert!(behind == 1 || seen.contains(&one_lost), "all but sector {at}");
        let one_trashed = "w".repeat(at) + "?" + &"w".repeat(behind - 1);
        assert!(seen.contains(&one_trashed), "sector {at} trashed");
    }
    for block in 0..3_usize {
        let kept = "0".repeat(8 * block) + &"w".repeat(8);
        assert!(seen.contains(&kept), "block {block} alone, as devices of 4096 bytes have it");
    }
    assert!(sectors_after(&Density::thin()).len() < 64, "and a thin density tries few of them");
}

#[test]
fn where_asked_for_a_sector_in_flight_cannot_be_read_until_it_is_written_again() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'.'; 2048]);
    file.write_at(512, &[b'w'; 1024]).unwrap();
    let density = Density { in_flight: InFlight::TrashedOrUnreadable, ..Density::default() };
    let readable = |density: &Density| -> BTreeSet<String> {
        let last = disk.recording().last_point(density, 1);
        let sectors = last.images().map(|crash| {
            let disk = SimDisk::from_image(&crash.image, 1);
            let file = disk.open(Path::new("f"), Access::ReadWrite).unwrap();
            let read = |at| file.read_at(at, &mut [0; 512]).is_ok();
            let all = [0, 512, 1024, 1536].map(|at| if read(at) { '+' } else { '!' });
            file.write_at(500, &[b'x'; 1100]).unwrap();
            assert!(read(512) && read(1024));
            all.iter().collect()
        });
        sectors.collect()
    };
    assert_eq!(readable(&density), set(["++++", "+!++", "++!+", "+!!+"]));
    assert_eq!(readable(&Density::default()), set(["++++"]));
}

#[test]
fn an_image_with_an_unreadable_part_is_another_one() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"bytes");
    let image = disk.contents();
    let mut damaged = image.clone();
    assert!(damaged.make_unreadable("f", 0..2));
    assert_ne!(image.sum(), damaged.sum());
}

#[test]
fn many_changes_are_kept_alone_dropped_alone_cut_off_and_mixed() {
    let disk = SimDisk::new(1);
    let files: Vec<_> =
        (b'a'..b'a' + 12).map(|name| durable(&disk, &char::from(name).to_string(), b"-")).collect();
    files.iter().for_each(|file| file.write_at(0, b"w").unwrap());
    let kept = |image: &Image| -> String {
        image.files().map(|path| char::from(image.bytes(path).unwrap()[0])).collect()
    };
    let of_seed = |seed| -> BTreeSet<String> {
        let last = disk.recording().last_point(&Density::default(), seed);
        last.images().map(|crash| kept(&crash.image)).collect()
    };
    let seen = of_seed(1);
    for at in 0..12 {
        assert!(seen.contains(&("w".repeat(at) + &"-".repeat(12 - at))), "the first {at}");
        assert!(seen.contains(&("-".repeat(at) + "w" + &"-".repeat(11 - at))), "{at} alone");
        assert!(seen.contains(&("w".repeat(at) + "-" + &"w".repeat(11 - at))), "all but {at}");
    }
    assert_ne!(seen, of_seed(2), "the seed decides about the rest");
    let ten: Vec<_> = (0..10).map(|at| durable(&disk, &format!("{at}"), b"-")).collect();
    files.iter().for_each(|file| file.sync_data().unwrap());
    ten.iter().for_each(|file| file.write_at(0, b"w").unwrap());
    let subsets: BTreeSet<_> = of_seed(1).into_iter().filter(|it| !it.contains('?')).collect();
    let plain = subsets.iter().filter(|it| it.chars().all(|it| "w-".contains(it))).count();
    assert!(plain >= 1 << 10, "all subsets of ten: {plain}");
}

#[test]
fn of_many_new_names_each_may_be_the_one_that_is_lost() {
    let disk = SimDisk::new(1);
    (b'a'..b'a' + 12).for_each(|name| drop(create(&disk, &char::from(name).to_string())));
    let last = disk.recording().last_point(&Density::default(), 1);
    let names =
        |image: &Image| image.files().map(|it| it.display().to_string()).collect::<String>();
    let seen: BTreeSet<_> = last.images().map(|crash| names(&crash.image)).collect();
    for name in 'a'..'m' {
        let others: String = ('a'..'m').filter(|other| *other != name).collect();
        assert!(seen.contains(&others), "all but {name}");
        assert!(seen.contains(&name.to_string()), "{name} alone");
    }
}

#[test]
fn a_crash_by_chance_tears_too() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'.'; 2048]);
    file.write_at(0, &[b'w'; 2048]).unwrap();
    let sectors = |image: &Image| -> String {
        image.bytes("f").unwrap().chunks(512).map(|it| char::from(it[0])).collect()
    };
    let seen: BTreeSet<_> = (0..500).map(|seed| sectors(&disk.after_random_crash(seed))).collect();
    assert_eq!(seen.len(), 16, "every subset of four sectors: {seen:?}");
}

#[test]
fn an_overwrite_in_place_harms_only_its_own_bytes() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"abcd");
    file.write_at(1, b"X").unwrap();
    assert_eq!(crashes(&disk), set(["f=abcd", "f=aXcd", "f=a?cd"]));
}

#[test]
fn without_power_safe_overwrite_it_takes_the_sector_along() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'a'; 1024]);
    file.write_at(600, b"X").unwrap();
    let density = Density { neighbours: Neighbours::Harmed, ..Density::default() };
    let recording = disk.recording();
    let last = recording.crash_points(&density, 1).last().unwrap();
    let is_harmed = |bytes: &[u8]| {
        bytes[..512] == [b'a'; 512] && bytes[512..].iter().filter(|it| **it == b'a').count() < 100
    };
    assert!(last.images().any(|crash| is_harmed(crash.image.bytes("f").unwrap())));
    let recording = disk.recording();
    let spared = recording.crash_points(&Density::default(), 1).last().unwrap();
    assert!(!spared.images().any(|crash| is_harmed(crash.image.bytes("f").unwrap())));
}

#[test]
fn of_writes_that_share_a_sector_the_later_never_survives_alone() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"....");
    file.write_at(0, b"AB").unwrap();
    file.write_at(1, b"CD").unwrap();
    assert_eq!(legible(&disk), set(["f=....", "f=AB..", "f=AC..", "f=ACD."]));
}

#[test]
fn of_writes_to_different_sectors_the_later_may_survive_alone() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", &[b'.'; 1024]);
    file.write_at(0, b"A").unwrap();
    file.write_at(512, b"B").unwrap();
    let ends: BTreeSet<_> =
        legible(&disk).iter().map(|line| format!("{}{}", &line[2..3], &line[514..515])).collect();
    assert_eq!(ends, set(["..", "A.", ".B", "AB"]));
}

#[test]
fn a_removal_without_a_sync_may_come_back() {
    let disk = SimDisk::new(1);
    durable(&disk, "f", b"1");
    remove(&disk, "f");
    assert_eq!(crashes(&disk), set(["f=1", ""]));
    create(&disk, "f").write_at(0, b"2").unwrap();
    let expected = set(["f=1", "", "f=", "f=2", "f=0"]);
    let seen = legible(&disk);
    assert_eq!(seen, expected, "the name's changes stay in their order");
}

#[test]
fn a_name_that_is_used_again_is_never_there_without_where_it_went_before() {
    let disk = SimDisk::new(1);
    durable(&disk, "tmp", b"1");
    rename(&disk, "tmp", "f");
    create(&disk, "tmp");
    assert_eq!(crashes(&disk), set(["tmp=1", "f=1 tmp=1", "f=1", "f=1 tmp="]));
}

#[test]
fn reserved_space_written_and_synced_is_safe_whatever_else_is_not() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"");
    file.reserve(4).unwrap();
    file.write_at(1, b"x").unwrap();
    assert_eq!(legible(&disk), set(["f=", "f=0000", "f=0x00", "f=0x", "f=00"]));
    file.sync_data().unwrap();
    assert_eq!(crashes(&disk), set(["f=0x00"]));
}

#[test]
fn a_directory_never_has_two_names() {
    let disk = SimDisk::new(1);
    create_dir(&disk, "building");
    durable(&disk, "building/f", b"1");
    disk.sync_dir(Path::new("")).unwrap();
    rename(&disk, "building", "store");
    assert_eq!(crashes(&disk), set(["building/ building/f=1", "store/ store/f=1"]));
}

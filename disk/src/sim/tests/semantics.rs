//! What each call makes visible, and what it makes durable: one test a row of the table of calls.

use super::*;

fn lost_and_kept(disk: &SimDisk) -> (String, String) {
    (line(&disk.after_power_loss()), line(&disk.contents()))
}

#[test]
fn a_write_shows_at_once_everywhere_and_is_durable_nowhere() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"old!");
    let region = file.map(4).unwrap();
    let other = disk.open(Path::new("f"), Access::Read).unwrap();
    file.write_at(0, b"new").unwrap();
    let mut read = [0; 4];
    other.read_at(0, &mut read).unwrap();
    assert_eq!(&read, b"new!");
    assert_eq!(copy(&*region, 0..4).unwrap(), b"new!");
    assert_eq!(lost_and_kept(&disk), ("f=old!".into(), "f=new!".into()));
}

#[test]
fn a_new_size_shows_at_once_and_is_not_durable() {
    let disk = SimDisk::new(1);
    let (grown, reserved) = (durable(&disk, "g", b"x"), durable(&disk, "r", b"x"));
    grown.set_size(3).unwrap();
    reserved.reserve(2).unwrap();
    assert_eq!((grown.size().unwrap(), reserved.size().unwrap()), (3, 2));
    assert_eq!(lost_and_kept(&disk), ("g=x r=x".into(), "g=x00 r=x0".into()));
}

#[test]
fn sync_data_keeps_writes_and_growth() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"ab");
    file.write_at(1, b"BC").unwrap();
    file.reserve(5).unwrap();
    file.sync_data().unwrap();
    assert_eq!(line(&disk.after_power_loss()), "f=aBC00");
    assert_eq!(crashes(&disk), set(["f=aBC00"]), "nothing is left to chance");
}

#[test]
fn sync_data_does_not_keep_a_cut_but_all_that_came_after_it() {
    let disk = SimDisk::new(1);
    let file = durable(&disk, "f", b"abcdef");
    file.set_size(2).unwrap();
    file.sync_data().unwrap();
    assert_eq!(crashes(&disk), set(["f=abcdef", "f=ab"]));
    file.write_at(2, b"X").unwrap();
    file.sync_data().unwrap();
    // The sector goes to the device as the cache has it: with zeros behind the new end.
    assert_eq!(crashes(&disk), set(["f=abX000", "f=abX"]));
    file.sync_all().unwrap();
    assert_eq!(crashes(&disk), set(["f=abX"]));
}

#[test]
fn syncing_a_file_does_not_keep_its_name() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "f");
    file.write_at(0, b"bytes").unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    assert_eq!(crashes(&disk), set(["", "f=bytes"]));
    disk.sync_dir(Path::new("")).unwrap();
    assert_eq!(crashes(&disk), set(["f=bytes"]));
}

#[test]
fn where_asked_for_sync_all_keeps_a_new_name_as_ext4_does() {
    let disk = SimDisk::options(1).sync_all_syncs_the_name().build();
    let file = create(&disk, "f");
    create(&disk, "other");
    file.sync_data().unwrap();
    assert_eq!(line(&disk.after_power_loss()), "");
    file.sync_all().unwrap();
    assert_eq!(crashes(&disk), set(["f=", "f= other="]));
}

#[test]
fn what_sync_all_does_for_a_name_does_not_reach_what_came_after_it() {
    let disk = SimDisk::options(1).sync_all_syncs_the_name().build();
    let file = create(&disk, "f");
    remove(&disk, "f");
    assert!(matches!(file.sync_all(), Err(Error::Removed { .. })));
    assert_eq!(crashes(&disk), set(["f=", ""]));
}

#[test]
fn names_change_at_once_and_last_from_the_sync_of_their_directory() {
    let disk = SimDisk::new(1);
    durable(&disk, "a", b"1");
    durable(&disk, "b", b"2");
    create(&disk, "new");
    rename(&disk, "a", "c");
    remove(&disk, "b");
    assert_eq!(lost_and_kept(&disk), ("a=1 b=2".into(), "c=1 new=".into()));
    disk.sync_dir(Path::new("")).unwrap();
    assert_eq!(crashes(&disk), set(["c=1 new="]));
}

#[test]
fn a_rename_between_directories_lasts_from_the_sync_of_both() {
    let disk = with_a_move();
    let either = set(["from/ from/f=1 to/", "from/ from/f=1 to/ to/f=1", "from/ to/ to/f=1"]);
    assert_eq!(crashes(&disk), either);
    disk.sync_dir(Path::new("to")).unwrap();
    assert_eq!(crashes(&disk), set(["from/ from/f=1 to/ to/f=1", "from/ to/ to/f=1"]));
    disk.sync_dir(Path::new("from")).unwrap();
    assert_eq!(crashes(&disk), set(["from/ to/ to/f=1"]));
}

#[test]
fn a_rename_of_which_only_the_old_directory_is_synced_can_lose_the_file() {
    let disk = with_a_move();
    disk.sync_dir(Path::new("from")).unwrap();
    assert_eq!(crashes(&disk), set(["from/ to/", "from/ to/ to/f=1"]));
}

#[test]
fn sync_dir_keeps_names_but_no_bytes_and_nothing_further_down() {
    let disk = SimDisk::new(1);
    create_dir(&disk, "d");
    create(&disk, "d/deep").write_at(0, b"1").unwrap();
    create(&disk, "f").write_at(0, b"2").unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    assert_eq!(line(&disk.after_power_loss()), "d/ f=");
    disk.sync_dir(Path::new("d")).unwrap();
    assert_eq!(line(&disk.after_power_loss()), "d/ d/deep= f=");
}

#[test]
fn a_synced_name_in_a_directory_without_one_cannot_be_reached() {
    let disk = SimDisk::new(1);
    create_dir(&disk, "d");
    durable(&disk, "d/f", b"1");
    assert_eq!(crashes(&disk), set(["", "d/ d/f=1"]));
}

#[test]
fn closing_keeps_nothing() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "f");
    file.write_at(0, b"1").unwrap();
    drop(file);
    assert_eq!(line(&disk.after_power_loss()), "");
}

#[test]
fn files_and_directories_choose_for_themselves() {
    let disk = SimDisk::new(1);
    let log = durable(&disk, "log", b"-");
    let data = durable(&disk, "data", b"-");
    log.write_at(0, b"L").unwrap();
    data.write_at(0, b"D").unwrap();
    create(&disk, "new");
    let mut all = BTreeSet::new();
    for log in ["-", "L"] {
        for data in ["-", "D"] {
            all.insert(format!("data={data} log={log}"));
            all.insert(format!("data={data} log={log} new="));
        }
    }
    assert_eq!(legible(&disk), all, "the log lost and the data kept among them");
}

#[test]
fn one_seed_makes_one_disk() {
    let draw = |seed| SimDisk::new(seed).random().unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let disk = SimDisk::new(1);
    assert_ne!(disk.random().unwrap(), disk.random().unwrap());

    let crash = |seed| {
        let disk = SimDisk::new(7);
        (0..20).for_each(|at| create(&disk, &format!("{at}")).write_at(0, &[b'x'; 99]).unwrap());
        line(&disk.after_random_crash(seed))
    };
    assert_eq!(crash(3), crash(3));
    let different: BTreeSet<_> = (0..20).map(crash).collect();
    assert!(different.len() > 15, "{different:?}");
}

#[test]
fn a_disk_taken_up_from_an_image_has_all_of_it_durable() {
    let disk = SimDisk::new(1);
    create_dir(&disk, "d");
    create(&disk, "d/f").write_at(0, b"bytes").unwrap();
    let image = disk.contents();
    let again = SimDisk::from_image(&image, 2);
    assert_eq!(line(&again.after_power_loss()), "d/ d/f=bytes");
    assert_eq!(again.after_power_loss().sum(), image.sum());
    let file = again.open(Path::new("d/f"), Access::ReadWrite).unwrap();
    file.write_at(0, b"BYTES").unwrap();
    assert_eq!(line(&again.after_power_loss()), "d/ d/f=bytes");
    assert_ne!(again.contents().sum(), image.sum());
    assert_eq!(line(&image), "d/ d/f=bytes", "the image itself never changes");
}

#[test]
fn a_process_that_dies_leaves_what_it_wrote_and_nothing_of_it_durable() {
    let disk = SimDisk::options(1).capacity(100).build();
    let file = durable(&disk, "f", b"old");
    file.write_at(0, b"new").unwrap();
    create(&disk, "g");
    disk.begin(1);
    let next = disk.after_kill(2);
    assert_eq!(line(&next.contents()), "f=new g=");
    assert_eq!(line(&next.after_power_loss()), "f=old");
    assert_eq!(crashes(&next), crashes(&disk));
    assert_eq!(next.progress(), Progress { begun: 1, acknowledged: 0 });
    let again = next.open(Path::new("f"), Access::ReadWrite).unwrap();
    assert!(matches!(again.reserve(101), Err(Error::Full { .. })), "the device is the same");
    again.sync_data().unwrap();
    next.sync_dir(Path::new("")).unwrap();
    assert_eq!(crashes(&next), set(["f=new g="]));
}

#[test]
#[should_panic(expected = "only 1 have begun")]
fn what_has_not_begun_cannot_be_safe() {
    let disk = SimDisk::new(1);
    disk.begin(1);
    disk.acknowledge(2);
}

#[test]
fn files_that_no_name_leads_to_leave_nothing_to_chance() {
    let disk = SimDisk::new(1);
    for _ in 0..20 {
        create(&disk, "tmp").write_at(0, b"bytes").unwrap();
        remove(&disk, "tmp");
        disk.sync_dir(Path::new("")).unwrap();
    }
    let last = disk.recording().last_point(&Density::default(), 1);
    assert_eq!(last.images().count(), 1);
}

#[test]
fn directories_that_change_places_end_somewhere() {
    let disk = SimDisk::new(1);
    create_dir(&disk, "a");
    create_dir(&disk, "b");
    disk.sync_dir(Path::new("")).unwrap();
    rename(&disk, "a", "b/a");
    disk.sync_dir(Path::new("b")).unwrap();
    let names = crashes(&disk);
    assert!(names.iter().all(|it| it.matches('a').count() == 1), "{names:?}");
    rename(&disk, "b/a", "a");
    rename(&disk, "b", "a/b");
    disk.sync_dir(Path::new("a")).unwrap();
    crashes(&disk);
}

//! Takes the power from an ext4 file system in mid-write: what was acknowledged as synced is there when it is mounted
//! again, batches are whole, and every answer is right. Only where `ARRWDB_REAL_DISK=1` asks for it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use arrwdb::{Durability, Store};
use disk::harness::watched;
use disk::{Access, Disk, OsDisk};

use crate::chance::Chance;
use crate::child::{REFUSED, Running, Task, task};
use crate::history::{Size, WAVE, live, make_collections};
use crate::killed::spin;
use crate::mounted::Mounted;
use crate::report::{say, skip};
use crate::shutdown::shut_down;
use crate::store::{Content, look};

const TEST: &str = "power::what_was_synced_survives_the_power_of_a_real_file_system";
const ROUNDS: u64 = 20;
const SIZES: [u64; 3] = [1, 37, 500];
/// Rounds that are not synced, to see that something is lost.
const UNSYNCED_ROUNDS: u64 = 5;
const UNSYNCED: &str = "unsynced";

/// What came of some rounds.
#[derive(Clone, Copy, Default, Debug)]
struct Count {
    rounds: u64,
    acknowledged: u64,
    found: u64,
    lost: u64,
    /// How often a file was lost that nobody synced.
    witnesses: u64,
}

/// A file system loses its power while a process writes batches of this size to it.
fn lose_power(seed: u64, (size, level): (u64, Durability), mounted: &Mounted) -> Count {
    let mut chance = Chance::of(seed);
    let path = mounted.point().join("store");
    let store = Store::open(&path).unwrap();
    make_collections(&store).unwrap();
    store.close().unwrap();
    drop(store);
    let word = format!("{size} {level:?}");
    let mut child = Running::start(TEST, &Task { store: path.clone(), batches: 0, word });
    let mut acknowledged = 0;
    let wanted = 1 + chance.below(if size == 1 { 200 } else { 40 });
    while acknowledged < wanted {
        let Some(ack) = child.ack() else { panic!("it ended by itself: {:?}", child.ended()) };
        acknowledged = ack.batches;
    }
    write_unsynced(&mounted.point());
    let rounds = 1 << chance.below(20);
    spin(rounds + chance.below(rounds));
    shut_down(&mounted.point()).unwrap();
    // It may say what it was promised before; then it is refused, or dies of a page that cannot be read.
    while let Some(ack) = child.ack() {
        acknowledged = ack.batches;
    }
    let (status, words) = child.ended();
    assert!(matches!(status.code(), None | Some(REFUSED)), "{status}: {words}");

    mounted.mount_again();
    let store = Store::open(&path).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let found = look(&store).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    let mut content = Content::default();
    let mut batches = 0;
    while content != found {
        let most = acknowledged + WAVE;
        assert!(batches < most, "seed {seed}: it is none of the first {most} batches");
        Size::Fixed(size).apply(batches, &mut content);
        batches += 1;
    }
    drop(store);
    let witnesses = u64::from(is_lost(&mounted.point()));
    let lost = acknowledged.saturating_sub(batches);
    Count { rounds: 1, acknowledged, found: batches, lost, witnesses }
}

/// Bytes that nobody ever syncs.
fn write_unsynced(point: &Path) {
    let disk = OsDisk::open(point).unwrap();
    let (file, name) = disk.create(Path::new(UNSYNCED)).unwrap();
    file.write_at(0, &[7; 65_536]).unwrap();
    name.forgo("it is there to be lost");
}

fn is_lost(point: &Path) -> bool {
    let disk = OsDisk::open(point).unwrap();
    let Ok(file) = disk.open(Path::new(UNSYNCED), Access::Read) else { return true };
    let mut bytes = vec![0; 65_536];
    file.size().unwrap() < 65_536 || file.read_at(0, &mut bytes).is_err() || bytes != [7; 65_536]
}

/// Some rounds, each on a file system of its own; or why there are none here.
fn rounds(seeds: std::ops::Range<u64>, size: u64, level: Durability) -> Result<Count, String> {
    let total = Arc::new(Mutex::new(Count::default()));
    for seed in seeds {
        let mounted = Mounted::new()?;
        let total = Arc::clone(&total);
        watched(move || {
            let one = lose_power(seed, (size, level), &mounted);
            let mut total = total.lock().unwrap();
            total.rounds += one.rounds;
            total.acknowledged += one.acknowledged;
            total.found += one.found;
            total.lost += one.lost;
            total.witnesses += one.witnesses;
        });
    }
    let total = *total.lock().unwrap();
    Ok(total)
}

fn report(what: &str, count: &Count) {
    let Count { rounds, acknowledged, found, lost, witnesses } = count;
    say(&format!(
        "{what}: the power failed {rounds} times, {acknowledged} batches were acknowledged, {found} \
         found, {lost} lost; {witnesses} times a file was lost that was not synced"
    ));
}

#[test]
fn what_was_synced_survives_the_power_of_a_real_file_system() {
    if let Some(task) = task(TEST) {
        let (size, level) = task.word.split_once(' ').unwrap();
        let level = if level == "Sync" { Durability::Sync } else { Durability::Os };
        let options = Store::options().log_file_bytes(65_536, 1 << 20).checkpoint_bytes(200_000);
        let size = Size::Fixed(size.parse().unwrap());
        live(&task, options, (size, level));
    }
    if std::env::var("ARRWDB_REAL_DISK").is_ok_and(|value| value == "1")
        && let Err(why) = all_rounds()
    {
        skip(TEST, &format!("no ext4 file system can be mounted: {why}"));
    }
}

fn all_rounds() -> Result<(), String> {
    let mut witnesses = 0;
    for (at, size) in (0..).zip(SIZES) {
        let seeds = ROUNDS * at / 3..ROUNDS * (at + 1) / 3;
        let count = rounds(seeds, size, Durability::Sync)?;
        report(&format!("ext4, batches of {size}, synced"), &count);
        assert_eq!(count.lost, 0, "{count:?}");
        witnesses += count.witnesses;
    }
    let seeds = ROUNDS..ROUNDS + UNSYNCED_ROUNDS;
    let count = rounds(seeds, SIZES[1], Durability::Os)?;
    report(&format!("ext4, batches of {}, not synced", SIZES[1]), &count);
    // Batches that were not synced may be written by then, or not; what nobody syncs in this moment is not.
    assert!(witnesses > 0, "nothing was lost that could be: {count:?}");
    Ok(())
}

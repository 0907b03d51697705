//! Target: a log that was written and crashed, and whose files were damaged then.
//!
//! Input: a byte for the options, the steps of a workload up to one that ends it, a byte that says whether
//! the log is closed, and then damages.
//!
//! Promises
//!  1. What a replay hands out is what the log held at some time, from the first batch on; or it ends in
//!     an error that names the damage.
//!  2. One damage to a log that was closed takes no batch away in silence; nor does a cut of any log, or one
//!     bit in front of its last group; nor does any number of damages if whoever opens it knows where it
//!     ended.
//!  3. What was replayed is replayed again, after a resumption, a power loss and an append.
//!  4. A salvage copies batches that were written, in their order, and as they were; of a log that nobody
//!     damaged, those that a replay hands out first.

use std::path::{Path, PathBuf};

use base::LogPlace;
use disk::SimDisk;
use disk::sim::{Image, Recording};

use super::bytes::Bytes;
use super::oracle::{check_error, go_on, look, replay};
use super::workload::{Workload, options};

/// The most damages to one log.
const DAMAGES: usize = 6;

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut workload = Workload::create(17, options(bytes.u8()));
    workload.run(&mut bytes);
    workload.die();
    let (disk, place) = (workload.disk.clone(), workload.place);
    let whole = replay(&disk, &workload.options, &place, None).expect("a log that nobody damaged");
    let names = workload.names(&whole.batches).expect("batches that were written");
    assert!(workload.were_there(&names), "batches of no history");
    // A process that dies takes with it what it had not written.
    let lost = std::mem::replace(&mut workload.current, names);
    workload.histories.push(lost);
    // Of a place that is known from outside, its batch counts.
    let end = LogPlace { sequence: whole.ended.last(), ..place };
    let was_closed = whole.ended.was_closed();

    let recording = disk.recording();
    let mut image = disk.contents();
    let mut damages = Vec::new();
    while !bytes.is_empty() && damages.len() < DAMAGES {
        damages.extend(damage(&mut image, &recording, &mut bytes));
    }
    let damaged = SimDisk::from_image(&image, 29);
    let salvaged = look(&damaged, &workload.options).expect("a copy that can be written");
    for pair in salvaged.windows(2) {
        assert!(pair.first().map(|it| it.sequence) < pair.last().map(|it| it.sequence));
    }
    for batch in &salvaged {
        assert!(workload.was_written(batch), "batch {} is another", batch.sequence);
    }
    if damages.is_empty() && place.sequence.is_none() {
        assert!(salvaged.starts_with(&whole.batches), "other batches than a replay found");
    }
    if let Ok(known) = replay(&damaged, &workload.options, &place, Some(end)) {
        let names = workload.names(&known.batches).expect("batches that were written");
        assert_eq!(names, workload.current, "fewer than are known");
    }
    let replayed = match replay(&damaged, &workload.options, &place, None) {
        Ok(replayed) => replayed,
        Err(error) => {
            assert!(!damages.is_empty(), "{error:?}");
            return check_error(&error);
        }
    };
    let names = workload.names(&replayed.batches).expect("batches that were written");
    assert!(workload.were_there(&names), "batches of no history: {names:?}");
    let kept = match damages.as_slice() {
        [] | [Damage::Cut] => workload.current.len(),
        [_] if was_closed => workload.current.len(),
        [Damage::Flip] => workload.witnessed,
        _ => 0,
    };
    let sure = workload.current.get(..kept).unwrap_or_default();
    assert!(names.starts_with(sure), "lost in silence: {names:?} of {sure:?}");
    go_on(&damaged, &workload.options, &place, replayed);
}

/// What was done to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Damage {
    /// One bit is another.
    Flip,
    /// The end is missing.
    Cut,
    Other,
}

/// Damages a file; `None` if nothing changed.
fn damage(image: &mut Image, recording: &Recording, bytes: &mut Bytes<'_>) -> Option<Damage> {
    let files: Vec<PathBuf> = image.files().map(Path::to_path_buf).collect();
    let kind = bytes.u8();
    let (one, other) = (bytes.u8(), bytes.u8());
    let pick = |number: u8| files.get(usize::from(number).checked_rem(files.len())?);
    let (path, other) = (pick(one)?, pick(other)?);
    let before = image.sum();
    let length = image.bytes(path).map_or(0, <[u8]>::len);
    match kind % 12 {
        0..=2 => {
            image.flip_bit(path, bytes.below(length), bytes.u8());
        }
        3 => {
            image.truncate(path, bytes.below(length));
        }
        4 => {
            let junk = [bytes.u8()].repeat(bytes.u8().into());
            image.append(path, &junk);
        }
        5 => {
            image.remove(path);
        }
        6 => {
            image.swap(path, other);
        }
        7 => {
            let copy = image.bytes(path).map(<[u8]>::to_vec).unwrap_or_default();
            let name = format!("wal/{:020}.wal", bytes.below(40));
            image.replace(name, &copy);
        }
        8 => {
            let from = bytes.below(length);
            let range = from..(from + bytes.below(2_048)).min(length);
            image.misplace(path, range, bytes.below(length));
        }
        9 => {
            let versions = recording.durable_versions(path);
            if let Some(earlier) = versions.get(bytes.below(versions.len())) {
                image.replace(path, earlier);
            }
        }
        10 => {
            let start = bytes.below(length) as u64 / 512 * 512;
            image.make_unreadable(path, start..start + 512);
        }
        _ => {
            let zeros = image.bytes(path).map(<[u8]>::to_vec).map(|mut all| {
                let (from, count) = (bytes.below(length), bytes.below(8_192));
                all.iter_mut().skip(from).take(count).for_each(|byte| *byte = 0);
                all
            });
            image.replace(path, &zeros.unwrap_or_default());
        }
    }
    let done = match kind % 12 {
        0..=2 => Damage::Flip,
        3 => Damage::Cut,
        _ => Damage::Other,
    };
    (image.sum() != before).then_some(done)
}

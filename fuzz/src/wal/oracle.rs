//! Holds replays of one log against each other, and against what the log promises of any of them.
//!
//! Owns: what must be true whatever stands on the disk. What a log was told to hold, and whether that is
//! there, is for the target that wrote it.

use std::sync::Arc;

use base::{LogPlace, Sequence, StoreId};
use disk::SimDisk;
use wal::{Body, Ended, Error, Gap, Log, Options, Replay};

/// The store that the targets write.
pub(crate) const STORE: StoreId = StoreId(*b"a store of fuzz!");

/// A batch as it was replayed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) sequence: u64,
    pub(crate) table: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// All that a replay found.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) batches: Vec<Found>,
    pub(crate) ended: Ended,
}

/// Replays from a place: the batches are in order, and nothing is left out but what the log says is.
pub(crate) fn replay(
    disk: &SimDisk,
    options: &Options,
    from: &LogPlace,
    known_durable: Option<LogPlace>,
) -> wal::Result<Replayed> {
    let mut replay = Replay::begin(Arc::new(disk.clone()), options, from, known_durable)?;
    let mut batches = Vec::new();
    while let Some(batch) = replay.next()? {
        let sequence = batch.sequence.get();
        batches.push(Found { sequence, table: batch.table.into(), body: batch.body.into() });
        let (read, of) = replay.progress();
        assert!(read <= of, "{read} of {of}");
    }
    let ended = replay.finish()?;
    check_order(from.sequence, &batches, &ended.gaps);
    Ok(Replayed { batches, ended })
}

fn check_order(last: Option<Sequence>, batches: &[Found], gaps: &[Gap]) {
    let mut last = last.map_or(0, Sequence::get);
    let mut gaps = gaps.iter();
    for batch in batches {
        while batch.sequence != last + 1 {
            let gap = gaps.next().expect("a batch that is left out lies in a gap");
            assert!(gap.first.get() == last + 1 && gap.last >= gap.first, "{gap:?} behind {last}");
            last = gap.last.get();
        }
        last += 1;
    }
}

/// The batches replayed, or the error if it is one that damage can cause.
pub(crate) fn replay_again(
    disk: &SimDisk,
    options: &Options,
    from: &LogPlace,
) -> Result<Vec<Found>, Error> {
    replay(disk, options, from, None).map(|replayed| replayed.batches)
}

/// Goes on behind a replay as a store does: what was replayed stays, whatever happens to the power, and
/// what is appended is found behind it.
pub(crate) fn go_on(disk: &SimDisk, options: &Options, from: &LogPlace, replayed: Replayed) {
    let Replayed { mut batches, ended } = replayed;
    let last = ended.last();
    let found = |disk: &SimDisk| replay_again(disk, options, from);
    let found_after_power_loss =
        |disk: &SimDisk| found(&SimDisk::from_image(&disk.after_power_loss(), 3));
    let mut log = match Log::resume(ended, options) {
        Ok(log) => log,
        Err(error) => {
            check_error(&error);
            // Nothing is lost then; but what refused to be read may refuse again.
            if let Ok(again) = found(disk) {
                assert!(again == batches, "other batches after a refused resumption: {error:?}");
            }
            return;
        }
    };
    assert_eq!(log.last(), last);
    expect_same(found_after_power_loss(disk), &batches, "behind a resumption");
    let (table, body) = (b"one more".to_vec(), vec![0xb0; 300]);
    let sequence = match log.append(&table, &Body::new(body.clone(), options)) {
        Ok(sequence) => sequence.get(),
        Err(error) => {
            assert!(matches!(error, Error::Exhausted), "{error:?}");
            return;
        }
    };
    assert_eq!(Some(sequence), last.map_or(Some(1), |last| last.get().checked_add(1)));
    log.sync().expect("a disk in good order");
    batches.push(Found { sequence, table, body });
    expect_same(found(disk), &batches, "behind an append");
    expect_same(found_after_power_loss(disk), &batches, "behind an append and a power loss");
    match log.close() {
        Ok(()) => {
            let closed = replay(disk, options, from, None).expect("a log that was just closed");
            assert!(closed.ended.was_closed() && !closed.ended.must_be_carried());
            assert!(closed.batches == batches, "other batches in a closed log");
        }
        // A file behind the last number could not say what it begins with.
        Err(error) => assert!(matches!(error, Error::Exhausted), "{error:?}"),
    }
}

fn expect_same(found: Result<Vec<Found>, Error>, expected: &[Found], when: &str) {
    match found {
        Ok(found) => {
            let numbers = |batches: &[Found]| -> Vec<_> {
                batches.iter().map(|batch| batch.sequence).collect()
            };
            assert_eq!(numbers(&found), numbers(expected), "{when}");
            assert!(found == expected, "{when}: other bytes");
        }
        Err(error) => panic!("{when}: {error:?}"),
    }
}

/// An error that what stands on the disk can cause.
pub(crate) fn check_error(error: &Error) {
    let is_of_damage = matches!(
        error,
        Error::Rot { .. }
            | Error::Unreadable { .. }
            | Error::Damaged { .. }
            | Error::Missing { .. }
            | Error::InDoubt { .. }
            | Error::Exhausted
    );
    assert!(is_of_damage, "no error for damage: {error:?}");
    assert!(!error.to_string().is_empty());
}

/// Looks at a log in both ways that never refuse one, and says what a salvage copies; `None` if the
/// copy cannot be written.
pub(crate) fn look(disk: &SimDisk, options: &Options) -> Option<Vec<Found>> {
    let mut text = String::new();
    wal::dump(disk, STORE, &mut text).expect("a directory that can be listed");
    let copy = SimDisk::new(5);
    let salvaged = match wal::salvage(disk, Arc::new(copy.clone()), options) {
        Ok(salvaged) => salvaged,
        Err(error) => {
            let is_made_up = matches!(error, Error::Exhausted | Error::TooLarge { .. });
            assert!(is_made_up, "{error:?}");
            return None;
        }
    };
    let place = wal::oldest_place(&copy, STORE).expect("a copy in good order");
    let Some(place) = place else {
        assert_eq!(salvaged.batches, 0);
        return Some(Vec::new());
    };
    let replayed = replay(&copy, options, &place, None).expect("a copy in good order");
    let sequence = |batch: Option<&Found>| batch.and_then(|batch| Sequence::new(batch.sequence));
    assert_eq!(replayed.batches.len() as u64, salvaged.batches);
    assert_eq!(sequence(replayed.batches.first()), salvaged.first);
    assert_eq!(sequence(replayed.batches.last()), salvaged.last);
    assert_eq!(replayed.ended.gaps, salvaged.gaps);
    assert!(replayed.ended.was_closed());
    Some(replayed.batches)
}

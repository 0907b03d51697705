//! Crashes the making, the writing and the emptying of payload files everywhere, lets every call fail, and skips every sync:
//! what was promised is found, in the books and bit for bit.

use std::io::Write;
use std::sync::Arc;

use base::{FileId, Sequence};
use disk::harness::{Config, crash_everywhere, elide_syncs, fail_every_call};
use disk::sim::{Density, FaultKind, LostSync, Progress, Recording};
use disk::{Disk, SimDisk};
use segments::{HeapList, HeapRecovery, Name, PayloadHeap, PayloadPlace};

use crate::heap::{owner, payload};

/// What a workload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Makes a file.
    Grow,
    /// Writes a payload; the log has it by value.
    Put,
    /// Ends the payload of this number.
    End(u64),
    /// Syncs, empties what is sparse, and forgets the log.
    Checkpoint,
    /// Takes files away that nothing needs.
    Prune,
}

const LENGTH: usize = 20_000;

const STEPS: [Step; 13] = [
    Step::Grow,
    Step::Put,
    Step::Put,
    Step::Put,
    Step::Grow,
    Step::Put,
    Step::Checkpoint,
    Step::End(0),
    Step::End(2),
    Step::Checkpoint,
    Step::Put,
    Step::End(1),
    Step::Checkpoint,
];

/// What the log says since the last checkpoint.
#[derive(Clone, Debug)]
enum Entry {
    Grew(FileId, u64, u64),
    Wrote(PayloadPlace, u64),
    Released(PayloadPlace),
}

/// What has to be found: what is written down elsewhere, and what follows from it.
#[derive(Clone, Default, Debug)]
struct State {
    list: HeapList,
    log: Vec<Entry>,
    rows: Vec<(u64, PayloadPlace)>,
}

struct Store {
    disk: SimDisk,
    heap: PayloadHeap,
    state: State,
    /// After each step.
    states: Vec<State>,
    next: u64,
    file: u64,
}

impl Store {
    fn create(disk: &SimDisk) -> segments::Result<Store> {
        segments::make_directory(disk)?;
        let heap = PayloadHeap::create(Arc::new(disk.clone()), owner());
        let (state, states) = (State::default(), vec![State::default()]);
        Ok(Store { disk: disk.clone(), heap, state, states, next: 0, file: 6 })
    }

    /// Does a step, and promises it.
    fn step(&mut self, step: Step) -> segments::Result<()> {
        let number = self.states.len() as u64;
        self.disk.begin(number);
        match step {
            Step::Grow => {
                self.file += 1;
                let made = self.heap.make_file(FileId(self.file), 0)?;
                self.heap.open_file(made.file);
                self.state.log.push(Entry::Grew(made.file, made.base, made.capacity));
            }
            Step::Put => {
                let mut batch = self.heap.batch();
                let place = batch.reserve(LENGTH)?;
                batch.keep();
                self.heap.write([(place, &payload(self.next, LENGTH)[..])])?;
                self.state.log.push(Entry::Wrote(place, self.next));
                self.state.rows.push((self.next, place));
                self.next += 1;
            }
            Step::End(number) => {
                let at = self.state.rows.iter().position(|row| row.0 == number).unwrap();
                let (_, place) = self.state.rows.remove(at);
                let mut batch = self.heap.batch();
                batch.release(place);
                batch.keep();
                self.state.log.push(Entry::Released(place));
            }
            Step::Checkpoint => self.checkpoint(number)?,
            Step::Prune => {
                self.heap.let_go(Sequence::new(number));
                let kept = self.heap.files_kept();
                for name in segments::list(&self.disk)? {
                    if !kept.contains(&name.file()) {
                        segments::remove(&self.disk, name)?.sync(&self.disk)?;
                    }
                }
            }
        }
        self.states.push(self.state.clone());
        self.disk.acknowledge(number);
        Ok(())
    }

    fn checkpoint(&mut self, number: u64) -> segments::Result<()> {
        let cut = self.heap.cut();
        self.heap.sync()?;
        self.file += 1;
        let mut moving = self.heap.begin_move(&cut, cut.sparse(), FileId(self.file))?;
        for (_, place) in &mut self.state.rows {
            *place = moving.put(*place)?;
        }
        let moved = moving.finish()?;
        self.state.list = moved.list().clone();
        self.state.log.clear();
        self.heap.moved(moved, Sequence::new(number).unwrap());
        Ok(())
    }
}

/// Does all steps on a new disk.
fn record(steps: &[Step]) -> (Recording, Vec<State>) {
    let disk = SimDisk::new(3);
    let mut store = Store::create(&disk).unwrap();
    for step in steps {
        store.step(*step).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
    }
    (disk.recording(), store.states)
}

/// Recovers what a crash left: the books as they were after what was promised, and all payloads that were alive then.
fn recover(disk: &SimDisk, progress: Progress, states: &[State]) -> Result<Vec<u8>, String> {
    let in_words = |error: segments::Error| error.to_string();
    let _recovering = disk.recovering();
    segments::make_directory(disk).map_err(in_words)?;
    let state = &states[usize::try_from(progress.acknowledged).unwrap()];
    let mut recovery =
        HeapRecovery::begin(Arc::new(disk.clone()), owner(), &state.list).map_err(in_words)?;
    for entry in &state.log {
        match entry {
            Entry::Grew(file, base, capacity) => {
                recovery.grew(*file, *base, *capacity).map_err(in_words)?;
            }
            Entry::Wrote(place, number) => {
                recovery.wrote(*place, &payload(*number, LENGTH)).map_err(in_words)?;
            }
            Entry::Released(place) => recovery.released(*place),
        }
    }
    let heap = recovery.finish();
    if let Some((file, error)) = heap.broken().first() {
        return Err(format!("file {file}: {error}"));
    }
    let kept = heap.files_kept();
    for name in segments::list(disk).map_err(in_words)? {
        if !kept.contains(&name.file()) || matches!(name, Name::New(_)) {
            let removed = segments::remove(disk, name).map_err(in_words)?;
            removed.sync(disk).map_err(|error| error.to_string())?;
        }
    }
    let mut scrub = heap.view().scrub();
    for (number, place) in &state.rows {
        if !scrub.look(*place) {
            return Err(format!("payload {number}: {:?}", scrub.problems()));
        }
    }
    let live: u64 = heap.list().files().iter().map(|it| it.live).sum();
    if live != state.rows.iter().map(|(_, place)| place.record_bytes()).sum::<u64>() {
        return Err(format!("{live} bytes are said to be alive, of {:?}", state.rows));
    }
    let mut found = Vec::new();
    heap.list().encode(&mut found);
    Ok(found)
}

fn crash(steps: &[Step], config: &Config) {
    let (recording, states) = record(steps);
    let report =
        crash_everywhere(config, &recording, |disk, progress| recover(disk, progress, &states));
    let report = report.unwrap_or_else(|failure| panic!("{steps:?}: {failure}"));
    // Written past the capture of test output: the figure is there to be seen.
    let mut out = std::io::stdout().lock();
    writeln!(out, "heap: {} steps, depth {}: {report:?}", steps.len(), config.depth).unwrap();
    assert!(report.images > 20, "{report:?}");
}

#[test]
fn payloads_are_found_after_any_crash() {
    let config = Config { density: Density::thin(), ..Config::default() };
    let with_prune: Vec<_> = STEPS.into_iter().chain([Step::Prune, Step::Put]).collect();
    crash(&with_prune, &config);
}

#[test]
fn a_crash_in_the_recovery_changes_nothing() {
    let config = Config { density: Density::thin(), depth: 2, ..Config::default() };
    // The log is short at any time, so that a recovery has few points to be crashed at.
    let put = [Step::Put, Step::Checkpoint];
    let mut steps = vec![Step::Grow];
    (0..3).for_each(|_| steps.extend(put));
    steps.push(Step::Grow);
    steps.extend(put);
    steps.extend([Step::End(0), Step::End(2), Step::Checkpoint]);
    crash(&steps, &config);
}

#[test]
fn every_sync_is_missed() {
    let (recording, states) = record(&STEPS);
    let config = Config { density: Density::thin(), ..Config::default() };
    let elisions =
        elide_syncs(&config, &recording, |disk, progress| recover(disk, progress, &states));
    let elisions = elisions.unwrap();
    let sites: Vec<_> = elisions.iter().map(|elision| elision.site.as_str()).collect();
    let expected =
        ["sync-all vectors/#.new", "sync-data vectors/#.pay", "sync-dir .", "sync-dir vectors"];
    assert_eq!(sites, expected);
    for elision in elisions {
        // Of a file that a compaction fills, the sync behind the copies makes up for the one before its name.
        let expected = match elision.site.as_str() {
            "sync-all vectors/#.new" => vec![true, true, false],
            _ => vec![true; elision.missed.len()],
        };
        assert_eq!(elision.missed, expected, "{}", elision.site);
        assert!(elision.missed_together);
    }
}

#[test]
fn whatever_fails_what_was_promised_is_kept() {
    const KINDS: [FaultKind; 7] = [
        FaultKind::Sync(LostSync::KeepsCache),
        FaultKind::Sync(LostSync::RevertsCache),
        FaultKind::Read,
        FaultKind::Write,
        FaultKind::Call,
        FaultKind::Full { after: 600 },
        FaultKind::Short,
    ];
    // What was promised is told by who did: a payload that could not be read when it was to be moved is where it was.
    let told = |disk: &SimDisk| -> Vec<State> {
        let Ok(mut store) = Store::create(disk) else { return vec![State::default()] };
        let _first_failure = STEPS.iter().try_for_each(|step| store.step(*step));
        store.states
    };
    let held =
        |disk: &SimDisk, progress: Progress, states: &Vec<State>| recover(disk, progress, states);
    let config = Config { density: Density::thin(), ..Config::default() };
    let report = fail_every_call(&config, &KINDS, &SimDisk::options(2), told, held).unwrap();
    assert!(report.points > 100 && report.images > 200, "{report:?}");
}

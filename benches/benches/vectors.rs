//! Times the vector store beside the structure it takes the place of, and reading in place beside plain memory.
//!
//! `cargo bench -p arrwdb-benches --bench vectors -- [directory] [--size=10000]`. The directory decides the device;
//! without one it is where temporary files are. Without a size it is 10,000 and then 1,000,000 vectors of 384
//! numbers, which takes about 6 GiB. Each figure is the median of several rounds, in which all contestants take
//! turns, since a shared machine changes its mind. Only ratios within one run mean anything.
//!
//! Contestants: a twin of the old structure as it was published (`benches/src/twin.rs`); ours in memory, with
//! vectors that are one when their bits are; the same with six decimals, for information; ours on a file, with
//! batches of 1,000, which the log would make durable: the file is synced at checkpoints, so that time is a line
//! of its own. Every contestant has its answers checked.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use base::{CollectionId, Dim, FileId, Sequence, Slot, StoreId};
use benches::input::Input;
use benches::rounds::Rounds;
use benches::twin::Twin;
use disk::{Disk, File, MemoryFile, OsDisk};
use segments::{
    Decimals, Dedup, Element, Ended, Error, Geometry, Owner, Pins, Prepared, VectorHash, VectorSet,
    VectorStore,
};

#[path = "vectors/reading.rs"]
mod reading;
#[path = "vectors/report.rs"]
mod report;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const DIM: u32 = 384;
const BATCH: usize = 1_000;
/// How many duplicates are added, and how often others: it is over so soon that once says little.
const DUPLICATES: usize = 100;
const SETS: usize = 9;
/// How many vectors are looked up and removed, others than the duplicates.
const SOME: usize = 1_000;
const SOME_AT: usize = SETS * DUPLICATES;

fn main() -> Outcome<()> {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let dir = match &given {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let size: Option<usize> =
        std::env::args().find_map(|given| given.strip_prefix("--size=")?.parse().ok());
    let mut verdicts = Vec::new();
    for (count, rounds) in [(10_000, 15), (1_000_000, 3)] {
        if size.is_none_or(|size| size == count) {
            let figures = measure(&Input::new(count, DIM as usize), dir.path(), rounds)?;
            println!("\n{count} x {DIM}, milliseconds, median of {rounds} rounds (least to most)");
            report::figures(&figures);
            verdicts.extend(report::verdicts(count, &figures));
        }
    }
    report::table(&verdicts);
    Ok(())
}

fn measure(input: &Input, dir: &Path, rounds: usize) -> Outcome<Rounds> {
    let mut figures = Rounds::default();
    for round in 0..rounds {
        have_memory(input)?;
        twin(input, &mut figures);
        have_memory(input)?;
        in_memory(input, "memory", Dedup::Exact, &mut figures)?;
        have_memory(input)?;
        let six = Decimals::new(6).ok_or("six decimals")?;
        in_memory(input, "memory, 6 decimals", Dedup::Decimals(six), &mut figures)?;
        have_memory(input)?;
        let place = dir.join(round.to_string());
        on_file(input, &place, &mut figures)?;
        std::fs::remove_dir_all(&place)?;
    }
    reading::measure(input, &dir.join("reading"), rounds.max(5), &mut figures)?;
    Ok(figures)
}

/// Takes as much memory as a contestant will, and gives it back. A virtual machine hands free memory to its host,
/// and to get it again takes longer than anything that is measured here: each would pay for those before it.
fn have_memory(input: &Input) -> Outcome<()> {
    let bytes = input.flat.len() as u64 * 4;
    let (memory, zeros) = (MemoryFile::new("memory", bytes)?, vec![0; 1 << 20]);
    for at in 0..bytes >> 20 {
        memory.write_at(at << 20, &zeros)?;
    }
    Ok(())
}

fn owner() -> Outcome<Owner> {
    let geometry = Geometry::new(Dim::new(DIM).ok_or("a dimension")?, Element::F32);
    Ok(Owner { store: StoreId([7; 16]), collection: CollectionId(1), geometry })
}

/// The name of a figure: what was done, and by whom.
fn named(what: &str, who: &str) -> String {
    format!("{what} | {who}")
}

/// The old structure.
fn twin(input: &Input, figures: &mut Rounds) {
    let twin = Twin::default();
    let of = |what| named(what, "twin");
    let ids: Vec<u64> =
        figures.time(of("add"), || input.vectors().map(|vector| twin.add(vector)).collect());
    assert_eq!(twin.len(), input.count());
    let at = |places: &[usize]| -> Vec<u64> {
        places.iter().filter_map(|at| ids.get(*at).copied()).collect()
    };
    for first in (0..SOME_AT).step_by(DUPLICATES) {
        let again = input.at_hand(first, DUPLICATES);
        let found: Vec<u64> = figures
            .time(of("duplicates"), || again.vectors().map(|vector| twin.add(vector)).collect());
        assert_eq!(found, at(input.some(first, DUPLICATES)));
    }
    let some: Vec<u64> = at(input.some(SOME_AT, SOME));
    let got: Vec<_> = figures.time(of("get"), || some.iter().map(|id| twin.get(*id)).collect());
    check(input, got.iter().map(|got| got.as_deref()));
    figures.time(of("get many"), || {
        for _ in 0..100 {
            assert_eq!(std::hint::black_box(twin.get_many(&some)).len(), SOME);
        }
    });
    check(input, twin.get_many(&some).iter().map(|got| got.as_deref()));
    figures.time(of("remove"), || assert!(some.iter().all(|id| twin.remove(*id))));
    assert_eq!(twin.len(), input.count() - SOME);
}

/// Checks what was found at the places that are looked up.
fn check<'v>(input: &'v Input, got: impl Iterator<Item = Option<&'v [f32]>>) {
    let wanted = input.some(SOME_AT, SOME).iter().map(|at| Some(input.vector(*at)));
    assert!(got.eq(wanted), "another vector than was asked for");
}

/// Ours, without any file.
fn in_memory(input: &Input, who: &str, dedup: Dedup, figures: &mut Rounds) -> Outcome<()> {
    let store = VectorStore::new(owner()?.geometry.dim(), dedup)?;
    let slots: Result<Vec<Slot>, Error> = figures
        .time(named("add", who), || input.vectors().map(|vector| store.add(vector)).collect());
    let slots = slots?;
    assert_eq!(store.statistics().unique_vectors as usize, input.count());
    for first in (0..SOME_AT).step_by(DUPLICATES) {
        let again = input.at_hand(first, DUPLICATES);
        let hashes: Vec<_> = again.vectors().map(VectorHash::of).collect();
        let expected = pick(&slots, input.some(first, DUPLICATES));
        let found: Result<Vec<Slot>, Error> = figures.time(named("duplicates", who), || {
            again.vectors().map(|vector| store.add(vector)).collect()
        });
        assert_eq!(found?, expected);
        let found: Result<Vec<Slot>, Error> =
            figures.time(named("duplicates, hashed", who), || {
                let both = again.vectors().zip(&hashes);
                both.map(|(vector, hash)| store.add_hashed(vector, *hash)).collect()
            });
        assert_eq!(found?, expected);
    }
    let some = pick(&slots, input.some(SOME_AT, SOME));
    let got: Result<Vec<_>, Error> =
        figures.time(named("get", who), || some.iter().map(|slot| store.get(*slot)).collect());
    check(input, got?.iter().map(|got| got.as_deref()));
    figures.time(named("get many", who), || {
        for _ in 0..100 {
            let got = std::hint::black_box(store.get_many(&some));
            assert_eq!(got.map_or(0, |got| got.len()), SOME);
        }
    });
    check(input, store.get_many(&some)?.iter().map(|got| got.as_deref()));
    let removed: Result<Vec<Ended>, Error> = figures
        .time(named("remove", who), || some.iter().map(|slot| store.remove(*slot)).collect());
    assert_eq!(removed?, vec![Ended::Yes; SOME]);
    assert_eq!(store.statistics().unique_vectors as usize, input.count() - SOME);
    Ok(())
}

fn pick(slots: &[Slot], places: &[usize]) -> Vec<Slot> {
    places.iter().filter_map(|at| slots.get(*at).copied()).collect()
}

/// A set on a disk, and what the sequencer would know: the last batch, the last file, and how long it took to make
/// segments.
struct OnFile {
    set: VectorSet,
    number: Sequence,
    file: FileId,
    growing: Rounds,
}

impl OnFile {
    fn create(dir: &Path) -> Outcome<OnFile> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::options().create_missing().open(dir)?);
        segments::make_directory(&*disk)?;
        let set = VectorSet::create(disk, owner()?, Dedup::Exact, Pins::new(None));
        Ok(OnFile { set, number: Sequence::FIRST, file: FileId(0), growing: Rounds::default() })
    }

    fn add<'v>(&mut self, vectors: impl Iterator<Item = &'v [f32]>) -> Outcome<Vec<Slot>> {
        let prepared: Result<Vec<Prepared>, Error> =
            vectors.map(|vector| self.set.prepare(Arc::from(vector), None)).collect();
        let prepared = prepared?;
        loop {
            let mut batch = self.set.batch(self.number);
            let placed: Result<Vec<Slot>, Error> =
                prepared.iter().map(|vector| Ok(batch.place(vector)?.slot())).collect();
            match placed {
                Ok(slots) => {
                    self.set.apply(batch.keep())?;
                    self.advance();
                    return Ok(slots);
                }
                Err(Error::NoRoom { .. }) => drop(batch),
                Err(error) => return Err(error.into()),
            }
            self.file = FileId(self.file.0 + 1);
            let (set, file) = (&self.set, self.file);
            self.growing.time("grow", || set.grow(file))?;
        }
    }

    fn add_all(&mut self, input: &Input) -> Outcome<Vec<Slot>> {
        let mut slots = Vec::with_capacity(input.count());
        for batch in input.flat.chunks(BATCH * input.dim) {
            slots.extend(self.add(batch.chunks_exact(input.dim))?);
        }
        Ok(slots)
    }

    fn remove(&mut self, slots: &[Slot]) -> Outcome<()> {
        let mut batch = self.set.batch(self.number);
        for slot in slots {
            assert_eq!(batch.release(*slot)?, Ended::Yes);
        }
        self.set.apply(batch.keep())?;
        self.advance();
        Ok(())
    }

    fn advance(&mut self) {
        self.set.pins().advance(self.number);
        self.number = self.number.next().unwrap_or(self.number);
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Ours, on a file.
fn on_file(input: &Input, dir: &Path, figures: &mut Rounds) -> Outcome<()> {
    let who = "file";
    let mut ours = OnFile::create(dir)?;
    let start = Instant::now();
    let slots = ours.add_all(input)?;
    let (added, growing) = (milliseconds(start), ours.growing.total("grow"));
    figures.time(named("add, the sync behind it", who), || ours.set.sync())?;
    figures.note(named("add, synced", who), milliseconds(start));
    figures.note(named("add", who), added);
    figures.note(named("add, less making segments", who), added - growing);
    figures.note(named("add, making segments", who), growing);
    assert_eq!(ours.set.counts().alive as usize, input.count());
    for first in (0..SOME_AT).step_by(DUPLICATES) {
        let again = input.at_hand(first, DUPLICATES);
        let found = figures.time(named("duplicates", who), || ours.add(again.vectors()))?;
        assert_eq!(found, pick(&slots, input.some(first, DUPLICATES)));
    }
    let some = pick(&slots, input.some(SOME_AT, SOME));
    let view = ours.set.view(ours.set.pins().pin());
    let got: Result<Vec<_>, Error> =
        figures.time(named("get", who), || some.iter().map(|slot| view.pinned(*slot)).collect());
    check(input, got?.iter().map(|got| Some(&**got)));
    figures.time(named("remove", who), || ours.remove(&some))?;
    assert_eq!(ours.set.counts().alive as usize, input.count() - SOME);
    Ok(())
}

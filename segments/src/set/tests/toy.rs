//! A little store around a set: a log that is a list, two checkpoints, views, batches on their way, and a plain map
//! that knows what has to come out.
//!
//! The log is durable when a batch was kept; everything the set writes is not, until it is synced. So a crash
//! loses any of that, and a recovery has to find what the log and either checkpoint say.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use base::{CollectionId, Dim, FileId, Sequence, Slot, StoreId};
use disk::sim::Image;
use disk::{Disk, SimDisk};

use crate::primitives::lock;
use crate::{
    Dedup, Element, Ended, Error, Geometry, Known, Life, Owner, Pins, Placed, Recovery,
    RestingUntil, SlotList, VectorHash, VectorSet, View, Writes, make_directory,
};

/// Segments of four slots at first.
const DIM: u32 = 4_096;

/// How many vectors there are to choose from.
const POOL: u32 = 24;

/// A vector of the pool.
fn vector(number: u32) -> Arc<[f32]> {
    static MADE: OnceLock<Vec<Arc<[f32]>>> = OnceLock::new();
    Arc::clone(&MADE.get_or_init(|| (0..POOL).map(make).collect())[number as usize])
}

/// Pairs are one by six decimals only; 0.0 stands beside -0.0.
fn make(number: u32) -> Arc<[f32]> {
    let (number, nudge) = (number / 2, if number.is_multiple_of(2) { 0.0 } else { 1e-8 });
    let first = [number as f32 / 16.0 + nudge, if nudge == 0.0 { 0.0 } else { -0.0 }];
    let word = |at: u32| number.wrapping_mul(0x9e37_79b9) ^ at.wrapping_mul(0x85eb_ca6b);
    let rest = (0..DIM - 2).map(|at| (word(at) >> 8) as f32 / 1e7);
    first.into_iter().chain(rest).collect()
}

/// A sequence of choices that follows from its seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def0)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Held {
    vector: u32,
    references: u32,
    life: Life,
}

#[derive(Clone, Copy, Debug)]
enum Record {
    Grew(FileId),
    Born(Slot, u32),
    BornThere(Slot, u32),
    Referred(Slot),
    Released(Slot, Ended),
}

#[derive(Clone, Debug)]
struct Checkpoint {
    base: SlotList,
    files: Vec<FileId>,
    number: u64,
    log: usize,
}

/// Which slots may be given out again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Rule {
    /// Those that no checkpoint of the two knows of.
    Kept,
    /// Those that nobody sees now, as if there were no checkpoint to go back to.
    Broken,
}

pub(super) struct Toy {
    disk: SimDisk,
    set: VectorSet,
    dedup: Dedup,
    key_bits: u32,
    rule: Rule,
    held: BTreeMap<Slot, Held>,
    /// What slots held before they were free again.
    past: Vec<(Slot, Held)>,
    log: Vec<(u64, Record)>,
    number: u64,
    last_file: u64,
    flying: VecDeque<(u64, Writes)>,
    views: Vec<(View, BTreeMap<Slot, u32>)>,
    spans: Vec<(RangeInclusive<Sequence>, BTreeMap<Slot, u32>)>,
    checkpoints: [Checkpoint; 2],
}

fn owner() -> Owner {
    let geometry = Geometry::new(Dim::new(DIM).unwrap(), Element::F32);
    Owner { store: StoreId(*b"a store of tests"), collection: CollectionId(3), geometry }
}

fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap()
}

impl Toy {
    pub(super) fn new(dedup: Dedup, key_bits: u32, rule: Rule) -> Toy {
        let disk = SimDisk::new(1);
        make_directory(&disk).unwrap();
        let pins = Pins::new(None);
        let set = VectorSet::create(Arc::new(disk.clone()), owner(), dedup, pins);
        let set = set.with_key_bits(key_bits);
        let start = Checkpoint { base: SlotList::default(), files: Vec::new(), number: 0, log: 0 };
        Toy {
            disk,
            set,
            dedup,
            key_bits,
            rule,
            held: BTreeMap::new(),
            past: Vec::new(),
            log: Vec::new(),
            number: 0,
            last_file: 0,
            flying: VecDeque::new(),
            views: Vec::new(),
            spans: Vec::new(),
            checkpoints: [start.clone(), start],
        }
    }

    pub(super) fn step(&mut self, chance: &mut Chance) {
        match chance.below(20) {
            0..=8 => self.batch(chance),
            9 => self.bulk(chance),
            10..=12 => self.land(chance.below(3)),
            13 => self.look(),
            14 => drop(chance.below(2) == 0 && self.views.pop().is_some()),
            15 | 16 => self.reclaim(),
            17 => self.checkpoint(),
            18 => self.retain(chance),
            _ => match chance.below(4) {
                0 => self.reopen(),
                1 | 2 => self.crash(chance),
                _ => self.scrub(),
            },
        }
    }

    fn alive(&self) -> Vec<(Slot, Held)> {
        let alive = self.held.iter().filter(|(_, held)| held.life.end().is_none());
        alive.map(|(slot, held)| (*slot, *held)).collect()
    }

    fn grow(&mut self) {
        self.last_file += 1;
        self.set.grow(FileId(self.last_file)).unwrap();
        self.log.push((self.number, Record::Grew(FileId(self.last_file))));
    }

    /// A few vectors placed and slots released; kept, or else rolled back.
    fn batch(&mut self, chance: &mut Chance) {
        while self.set.room_left() < 5 {
            self.grow();
        }
        let (before, length) = (self.held.clone(), self.log.len());
        let counts = self.set.counts();
        let number = self.number + 1;
        let at = sequence(number);
        let numbers: Vec<_> =
            (0..=chance.below(3)).map(|_| chance.below(POOL.into()) as u32).collect();
        let prepared: Vec<_> = numbers.iter().map(|number| self.prepare(*number, chance)).collect();
        let mut batch = self.set.batch(at);
        for (number, prepared) in numbers.iter().zip(&prepared) {
            let sharing = sharing(&self.held, self.dedup, *number);
            let placed = batch.place(prepared).unwrap();
            let record = place(&mut self.held, (*number, sharing), placed, at);
            self.log.push((at.get(), record));
        }
        for _ in 0..chance.below(4) {
            let alive: Vec<Slot> = self
                .held
                .iter()
                .filter(|(_, it)| it.life.end().is_none())
                .map(|(slot, _)| *slot)
                .collect();
            let Some(slot) = alive.get(chance.below(alive.len().max(1) as u64) as usize) else {
                break;
            };
            let held = self.held.get_mut(slot).unwrap();
            held.references -= 1;
            let ended = if held.references == 0 { Ended::Yes } else { Ended::No };
            if ended == Ended::Yes {
                held.life = held.life.freed(at);
            }
            assert_eq!(batch.release(*slot).unwrap(), ended);
            self.log.push((at.get(), Record::Released(*slot, ended)));
        }
        if chance.below(5) == 0 {
            drop(batch);
            (self.held, self.log) = (before, self.log[..length].to_vec());
            assert_eq!(self.set.counts().alive, counts.alive);
            return;
        }
        self.flying.push_back((number, batch.keep()));
        self.number = number;
    }

    fn prepare(&self, number: u32, chance: &mut Chance) -> crate::Prepared {
        let given = vector(number);
        let hint = match chance.below(4) {
            0 => Some(VectorHash::of(&given)),
            1 => Some(VectorHash::of(&vector(chance.below(POOL.into()) as u32))),
            _ => None,
        };
        self.set.prepare(given, hint).unwrap()
    }

    /// Vectors that are written and synced before they are decided on.
    fn bulk(&mut self, chance: &mut Chance) {
        let numbers: Vec<_> =
            (0..=chance.below(3)).map(|_| chance.below(POOL.into()) as u32).collect();
        while self.set.room_left() < numbers.len() as u64 {
            self.grow();
        }
        let vectors: Vec<_> = numbers.iter().map(|number| vector(*number)).collect();
        let at = sequence(self.number + 1);
        let fresh = self.set.take_fresh(numbers.len() as u32).unwrap();
        fresh.write(0, vectors.iter().map(|vector| &**vector)).unwrap();
        fresh.sync().unwrap();
        let prepared: Vec<_> =
            vectors.iter().map(|it| self.set.prepare(Arc::clone(it), None).unwrap()).collect();
        let mut batch = self.set.batch(at);
        for (index, (number, prepared)) in (0..).zip(numbers.iter().zip(&prepared)) {
            let sharing = sharing(&self.held, self.dedup, *number);
            let placed = batch.place_fresh(prepared, &fresh, index).unwrap();
            let record = match place(&mut self.held, (*number, sharing), placed, at) {
                Record::Born(slot, number) => Record::BornThere(slot, number),
                record => record,
            };
            self.log.push((at.get(), record));
        }
        let writes = batch.keep();
        drop(fresh);
        self.flying.push_back((at.get(), writes));
        self.number = at.get();
    }

    /// Applies so many batches that are on their way.
    fn land(&mut self, count: u64) {
        for _ in 0..count {
            let Some((number, writes)) = self.flying.pop_front() else { break };
            self.set.apply(&writes).unwrap();
            self.set.pins().advance(sequence(number));
        }
    }

    /// What a view at this number sees.
    fn seen_at(&self, number: Option<Sequence>) -> BTreeMap<Slot, u32> {
        let all =
            self.held.iter().map(|(slot, held)| (*slot, *held)).chain(self.past.iter().copied());
        let seen = all.filter(|(_, held)| held.life.is_seen_at(number));
        seen.map(|(slot, held)| (slot, held.vector)).collect()
    }

    fn look(&mut self) {
        let view = self.set.view(self.set.pins().pin());
        let seen = self.seen_at(view.number());
        self.views.push((view, seen));
    }

    fn retain(&mut self, chance: &mut Chance) {
        if chance.below(2) == 0 {
            self.spans.pop();
            self.set.reconsider();
        } else if let Some(visible) = self.set.pins().visible() {
            self.spans.push((visible..=visible, self.seen_at(Some(visible))));
        }
    }

    fn reclaim(&mut self) {
        let freed = match self.rule {
            Rule::Kept => Sequence::new(self.checkpoints[0].number),
            Rule::Broken => self.set.pins().visible(),
        };
        let spans = self.spans.iter().map(|(span, _)| span.clone()).collect();
        self.set.reclaim(&RestingUntil { freed, spans }, 5).unwrap();
        // The set alone knows who reads; what it frees is held by the map no longer.
        let free = |slot: &Slot| self.set.known(*slot).unwrap().is_none();
        let gone: Vec<Slot> = self.held.keys().copied().filter(free).collect();
        for slot in gone {
            let held = self.held.remove(&slot).unwrap();
            assert!(held.life.end().is_some(), "{slot} is free, and was alive");
            assert!(held.life.end() <= freed, "{slot} is free too early");
            self.past.push((slot, held));
        }
    }

    fn checkpoint(&mut self) {
        let cut = self.set.cut();
        self.land(u64::MAX);
        self.set.sync().unwrap();
        let base = cut.describe().unwrap();
        self.set.rebase(Arc::new(base.clone()));
        let (number, log) = (self.number, self.log.len());
        let next = Checkpoint { base, files: self.set.files(), number, log };
        let [_, newest] = self.checkpoints.clone();
        self.checkpoints = [newest, next];
    }

    fn scrub(&mut self) {
        let mut scrub = self.set.scrub();
        while scrub.step(&self.set, 3).unwrap() {}
        assert!(scrub.problems().is_empty(), "{:?}", scrub.problems());
        assert_eq!(scrub.looked_at(), self.set.slots());
    }

    /// The process dies and another one takes over; the power stays on.
    fn reopen(&mut self) {
        self.forget();
        self.set = self.recover(&self.disk, 1, self.number).unwrap();
    }

    /// The power fails. Either checkpoint must do; the next run goes on from one of them.
    fn crash(&mut self, chance: &mut Chance) {
        self.forget();
        let image = self.disk.after_random_crash(chance.below(1 << 40));
        let chosen = chance.below(2) as usize;
        // To any number since the older checkpoint: what was freed since then is still there.
        let oldest = self.checkpoints[0].number;
        let number = oldest + chance.below(self.number - oldest + 1);
        let then = self.recover(&SimDisk::from_image(&image, 2), 0, number).unwrap();
        self.check_bytes(&then);
        self.disk = SimDisk::from_image(&image, chance.below(1 << 40));
        self.set = self.recover(&self.disk, chosen, self.number).unwrap();
        self.check_spans(&image);
        // The one it was rebuilt from is the older one now: what the next reclaims goes by it.
        if chosen == 0 {
            self.checkpoints[1] = self.checkpoints[0].clone();
        }
    }

    /// What only the process knew.
    fn forget(&mut self) {
        self.views.clear();
        self.flying.clear();
    }

    /// What is found from one of the checkpoints on, up to some number.
    fn recover(&self, disk: &SimDisk, from: usize, end: u64) -> crate::Result<VectorSet> {
        let _recovering = disk.recovering();
        let Checkpoint { base, files, log, .. } = &self.checkpoints[from];
        let at = Arc::new(disk.clone());
        let mut recovery = Recovery::begin(at, owner(), files, self.dedup, Arc::new(base.clone()))?
            .with_key_bits(self.key_bits);
        let records = self.log[*log..].iter().filter(|(number, _)| *number <= end);
        for (number, record) in records {
            let at = Sequence::new(*number);
            match *record {
                Record::Grew(file) => recovery.grew(file)?,
                Record::Born(slot, number) => recovery.born(slot, &vector(number), at.unwrap())?,
                Record::BornThere(slot, number) => {
                    let (vector, key_bits) = (vector(number), u64::MAX >> (64 - self.key_bits));
                    let hash = VectorHash::of(&vector);
                    let key = self.dedup.key_of(&vector, hash).map(|key| key & key_bits);
                    recovery.born_there(slot, hash, key, at.unwrap())?;
                }
                Record::Referred(slot) => recovery.referred(slot)?,
                Record::Released(slot, ended) => recovery.released(slot, ended, at.unwrap())?,
            }
        }
        Ok(recovery.finish(Pins::new(Sequence::new(end))))
    }

    /// A named snapshot is a checkpoint of its own: what it retains is read from the files alone.
    fn check_spans(&self, image: &Image) {
        for (span, seen) in &self.spans {
            for (slot, number) in seen {
                let (segment, index) = owner().geometry.locate(*slot);
                let file = self.set.files()[segment as usize];
                let range = owner().geometry.vector_range(index).unwrap();
                let bytes = image.bytes(crate::Name::Segment(file).path()).unwrap();
                // By value it may be in the log alone; what was synced since is there.
                let is_synced = span.end().get() <= self.checkpoints[0].number;
                let is_there = bytes[range] == *bytemuck::cast_slice::<f32, u8>(&vector(*number));
                assert!(is_there || !is_synced, "slot {slot}, retained at {span:?}");
            }
        }
    }

    /// Everything that is alive, and everything that a view sees, is as it was.
    pub(super) fn check(&self) {
        let counts = self.set.counts();
        let alive = self.alive();
        assert_eq!(counts.alive as usize, alive.len());
        let references: u64 = alive.iter().map(|(_, held)| u64::from(held.references)).sum();
        assert_eq!(counts.references, references);
        assert_eq!(counts.alive + counts.idle, self.set.slots());
        for (slot, held) in &self.held {
            let hash = VectorHash::of(&vector(held.vector));
            let Held { references, life, .. } = *held;
            assert_eq!(
                self.set.known(*slot).unwrap(),
                Some(Known { hash, references, life }),
                "{slot}"
            );
        }
        let is_idle = self.flying.is_empty();
        assert!(!is_idle || lock(&self.set.pending).is_empty(), "held on to, and not on its way");
        self.check_bytes(&self.set);
        let visible = self.set.pins().visible();
        let view = self.set.view(self.set.pins().pin());
        for (slot, _) in alive.iter().filter(|(_, held)| Some(held.life.birth()) > visible) {
            let unseen = view.vector(*slot).unwrap_err();
            assert!(
                matches!(unseen, Error::NotThere { .. }),
                "{slot} is shown too early: {unseen}"
            );
        }
        for (view, seen) in &self.views {
            for (slot, number) in seen {
                let found = view.vector(*slot).unwrap();
                assert!(is_same(&found, *number), "slot {slot} changed under {view:?}");
            }
        }
    }

    fn check_bytes(&self, set: &VectorSet) {
        let view = set.view(set.pins().pin());
        for (slot, number) in self.seen_at(view.number()) {
            let found = view.vector(slot).unwrap_or_else(|error| panic!("{error}"));
            assert!(is_same(&found, number), "slot {slot} is not vector {number}");
        }
    }
}

/// The slot that a vector has to share, if there is one.
fn sharing(held: &BTreeMap<Slot, Held>, dedup: Dedup, number: u32) -> Option<Slot> {
    let one = vector(number);
    let is_it =
        |held: &Held| held.life.end().is_none() && dedup.are_one(&vector(held.vector), &one);
    held.iter().find(|(_, held)| is_it(held)).map(|(slot, _)| *slot)
}

/// Does in the map what a set did, if that was right.
fn place(
    held: &mut BTreeMap<Slot, Held>,
    (number, sharing): (u32, Option<Slot>),
    placed: Placed,
    born: Sequence,
) -> Record {
    match (placed, sharing) {
        (Placed::Shared(slot), Some(sharing)) => {
            assert_eq!(slot, sharing, "vector {number} shares another's slot");
            held.get_mut(&slot).unwrap().references += 1;
            Record::Referred(slot)
        }
        (Placed::Own(slot), None) => {
            let new = Held { vector: number, references: 1, life: Life::born(born) };
            assert_eq!(held.insert(slot, new), None, "{slot} was not free");
            Record::Born(slot, number)
        }
        other => panic!("vector {number}: {other:?}"),
    }
}

fn is_same(found: &[f32], number: u32) -> bool {
    bytemuck::cast_slice::<f32, u8>(found) == bytemuck::cast_slice::<f32, u8>(&vector(number))
}

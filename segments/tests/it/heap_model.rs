//! Holds a heap against a model of it: what is alive, where, and how much of each file; through batches that are dropped,
//! views, compactions that are given up, or cut off between the image and the heap, and reopening, from the newest image and
//! from the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{FileId, Sequence};
use disk::SimDisk;
use proptest::prelude::*;
use segments::{Error, HeapList, HeapRecovery, PayloadHeap, PayloadPlace, PinnedPayload};

use crate::heap::{owner, payload};

#[derive(Clone, Debug)]
enum Op {
    /// A batch that bears some and ends some of those that there are.
    Batch { born: Vec<usize>, ended: Vec<usize> },
    /// The same, dropped.
    Dropped { born: Vec<usize>, ended: Vec<usize> },
    /// Looks at one, and holds on to it.
    Hold(usize),
    /// Lets go of all that is held.
    LetGo,
    /// A checkpoint, with what is decided while it is made.
    Checkpoint { meanwhile: Vec<(Vec<usize>, Vec<usize>)>, end: End },
    /// The process ends, and another one opens what there is.
    Reopen,
}

/// How a checkpoint ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Published,
    WithoutMoving,
    GivenUp,
    /// It is published, and the process dies before it goes on from there.
    Killed,
}

#[derive(Clone, Debug)]
enum Entry {
    Grew(FileId, u64, u64),
    Wrote(PayloadPlace, u64),
    Released(PayloadPlace),
}

type Rows = BTreeMap<u64, PayloadPlace>;

/// What is on the disk beside the heap: an image, and the log behind its cut.
#[derive(Clone, Default)]
struct Image {
    list: Vec<u8>,
    rows: Rows,
    log: Vec<Entry>,
    at: u64,
}

struct World {
    disk: SimDisk,
    heap: Arc<PayloadHeap>,
    rows: Rows,
    /// Where each was born.
    born: Rows,
    lengths: BTreeMap<u64, usize>,
    newest: Image,
    before: Image,
    held: Vec<(u64, PinnedPayload)>,
    file: u64,
    checkpoints: u64,
}

impl World {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        segments::make_directory(&disk).unwrap();
        let heap = Arc::new(PayloadHeap::create(Arc::new(disk.clone()), owner()));
        let mut list = Vec::new();
        HeapList::default().encode(&mut list);
        let image = Image { list, ..Image::default() };
        World {
            disk,
            heap,
            rows: Rows::new(),
            born: Rows::new(),
            lengths: BTreeMap::new(),
            newest: image.clone(),
            before: image,
            held: Vec::new(),
            file: 0,
            checkpoints: 0,
        }
    }

    fn payload(&self, number: u64) -> Vec<u8> {
        payload(number, self.lengths[&number])
    }

    fn log(&mut self, entry: &Entry) {
        self.newest.log.push(entry.clone());
        self.before.log.push(entry.clone());
    }

    fn chosen(&self, ended: &[usize]) -> Vec<(u64, PayloadPlace)> {
        let rows: Vec<_> = self.rows.iter().map(|(number, place)| (*number, *place)).collect();
        let at = |at: &usize| rows.get(at % rows.len().max(1)).copied();
        let mut chosen: Vec<_> = ended.iter().filter_map(at).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn batch(&mut self, born: &[usize], ended: &[usize]) {
        let ended = self.chosen(ended);
        let heap = Arc::clone(&self.heap);
        let places = loop {
            let mut batch = heap.batch();
            let reserved = born.iter().map(|length| batch.reserve(*length));
            let places: Result<Vec<_>, _> = reserved.collect();
            ended.iter().for_each(|(_, place)| batch.release(*place));
            match places {
                Ok(places) => {
                    batch.keep();
                    break places;
                }
                Err(Error::HeapFull { wanted }) => {
                    drop(batch);
                    self.grow(wanted);
                }
                Err(error) => panic!("{error}"),
            }
        };
        let first = self.lengths.len() as u64;
        self.lengths.extend((first..).zip(born.iter().copied()));
        let numbers = first..first + places.len() as u64;
        let payloads: Vec<_> = numbers.map(|number| self.payload(number)).collect();
        let written = places.iter().copied().zip(payloads.iter().map(Vec::as_slice));
        heap.write(written).unwrap();
        for (number, place) in (first..).zip(places) {
            self.rows.insert(number, place);
            self.born.insert(number, place);
            self.log(&Entry::Wrote(place, number));
        }
        for (number, place) in ended {
            self.rows.remove(&number);
            self.log(&Entry::Released(place));
        }
    }

    fn dropped(&mut self, born: &[usize], ended: &[usize]) {
        let before = self.heap.list();
        let ended = self.chosen(ended);
        let mut batch = self.heap.batch();
        born.iter().for_each(|length| drop(batch.reserve(*length)));
        ended.iter().for_each(|(_, place)| batch.release(*place));
        drop(batch);
        assert_eq!(self.heap.list(), before);
    }

    fn grow(&mut self, wanted: u64) {
        self.file += 1;
        let made = self.heap.make_file(FileId(self.file), wanted).unwrap();
        self.heap.open_file(made.file);
        self.log(&Entry::Grew(made.file, made.base, made.capacity));
    }

    fn checkpoint(&mut self, meanwhile: &[(Vec<usize>, Vec<usize>)], end: End) {
        let heap = Arc::clone(&self.heap);
        let cut = heap.cut();
        let (mark, rows) = (self.newest.log.len(), self.rows.clone());
        heap.sync().unwrap();
        let mut others = meanwhile.iter();
        let mut some = |world: &mut World| {
            others.next().into_iter().for_each(|(born, ended)| world.batch(born, ended));
        };
        some(self);
        self.file += 1;
        self.checkpoints += 1;
        let files = if end == End::WithoutMoving { &[] } else { cut.sparse() };
        let mut moving = heap.begin_move(&cut, files, FileId(self.file)).unwrap();
        let mut moved_rows = Rows::new();
        for (at, (number, place)) in rows.iter().enumerate() {
            let now = moving.put(*place).unwrap();
            assert_eq!(moving.is_of(*place), now != *place);
            moved_rows.insert(*number, now);
            if at == rows.len() / 2 {
                some(self);
            }
        }
        if end == End::GivenUp {
            return;
        }
        let moved = moving.finish().unwrap();
        assert_eq!(moved.problems().len(), 0);
        some(self);
        let mut list = Vec::new();
        moved.list().encode(&mut list);
        let log = self.newest.log[mark..].to_vec();
        let at = self.checkpoints;
        let published = Image { list, rows: moved_rows.clone(), log, at };
        self.before = std::mem::replace(&mut self.newest, published);
        for (number, place) in &mut self.rows {
            *place = moved_rows.get(number).copied().unwrap_or(*place);
        }
        if end == End::Killed {
            drop((moved, heap));
            self.open();
        } else {
            heap.moved(moved, Sequence::new(at).unwrap());
            self.prune();
        }
    }

    fn prune(&self) {
        self.heap.let_go(Sequence::new(self.before.at));
        let kept = self.heap.files_kept();
        for name in segments::list(&self.disk).unwrap() {
            if !kept.contains(&name.file()) {
                segments::remove(&self.disk, name).unwrap().sync(&self.disk).unwrap();
            }
        }
    }

    fn open(&mut self) {
        // Whoever holds a payload holds the lock, and nobody else opens the store.
        self.held.clear();
        self.heap = Arc::new(self.recovered(&self.disk, &self.newest));
    }

    fn recovered(&self, disk: &SimDisk, image: &Image) -> PayloadHeap {
        let list = HeapList::decode(&image.list).unwrap();
        let mut recovery = HeapRecovery::begin(Arc::new(disk.clone()), owner(), &list).unwrap();
        for entry in &image.log {
            match entry {
                Entry::Grew(file, base, capacity) => {
                    recovery.grew(*file, *base, *capacity).unwrap();
                }
                Entry::Wrote(place, number) => {
                    recovery.wrote(*place, &self.payload(*number)).unwrap();
                }
                Entry::Released(place) => recovery.released(*place),
            }
        }
        recovery.finish()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Batch { born, ended } => self.batch(born, ended),
            Op::Dropped { born, ended } => self.dropped(born, ended),
            Op::Hold(at) => {
                if let Some((number, place)) = self.chosen(&[*at]).first() {
                    self.held.push((*number, self.heap.view().get(*place).unwrap()));
                }
            }
            Op::LetGo => self.held.clear(),
            Op::Checkpoint { meanwhile, end } => self.checkpoint(meanwhile, *end),
            Op::Reopen => {
                let before = self.heap.list();
                self.open();
                let list = self.heap.list();
                assert_eq!((list.files(), list.next()), (before.files(), before.next()));
            }
        }
        self.check();
    }

    /// How much of each file is alive, if payloads are there.
    fn live(list: &HeapList, rows: &Rows) -> Vec<u64> {
        let lives = |it: &segments::HeapFile| {
            let in_it = rows.values().filter(|place| (it.base..it.end()).contains(&place.address));
            in_it.map(|place| place.record_bytes()).sum::<u64>()
        };
        list.files().iter().map(lives).collect()
    }

    fn check(&self) {
        for (number, lent) in &self.held {
            assert_eq!(**lent, *self.payload(*number), "payload {number}, which is held");
        }
        let (list, view) = (self.heap.list(), self.heap.view());
        for (number, place) in &self.rows {
            assert_eq!(*view.get(*place).unwrap(), *self.payload(*number), "payload {number}");
        }
        let said: Vec<_> = list.files().iter().map(|it| it.live).collect();
        assert_eq!(said, Self::live(&list, &self.rows));
    }

    /// Goes on from the image before the newest, as if that were lost.
    fn check_before(&self) {
        let disk = SimDisk::from_image(&self.disk.contents(), 1);
        let heap = self.recovered(&disk, &self.before);
        assert_eq!(heap.broken().len(), 0, "{:?}", heap.broken());
        let place = |number: &u64| self.before.rows.get(number).or(self.born.get(number)).copied();
        let rows: Rows = self.rows.keys().map(|number| (*number, place(number).unwrap())).collect();
        let (list, view) = (heap.list(), heap.view());
        for (number, place) in &rows {
            assert_eq!(*view.get(*place).unwrap(), *self.payload(*number), "payload {number}");
        }
        for (file, live) in list.files().iter().zip(Self::live(&list, &rows)) {
            assert!(file.live >= live, "{file:?} has {live} bytes alive");
        }
    }
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![0..100_usize, 10_000..40_000_usize], 0..4)
}

fn ended() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..1_000_usize, 0..4)
}

fn op() -> impl Strategy<Value = Op> {
    let meanwhile = prop::collection::vec((lengths(), ended()), 0..4);
    let end = prop_oneof![
        3 => Just(End::Published),
        1 => Just(End::WithoutMoving),
        1 => Just(End::GivenUp),
        1 => Just(End::Killed),
    ];
    prop_oneof![
        6 => (lengths(), ended()).prop_map(|(born, ended)| Op::Batch { born, ended }),
        1 => (lengths(), ended()).prop_map(|(born, ended)| Op::Dropped { born, ended }),
        2 => (0..1_000_usize).prop_map(Op::Hold),
        1 => Just(Op::LetGo),
        3 => (meanwhile, end).prop_map(|(meanwhile, end)| Op::Checkpoint { meanwhile, end }),
        1 => Just(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_heap_does_what_its_model_does(ops in prop::collection::vec(op(), 1..40)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.apply(&Op::Reopen);
        world.check_before();
    }
}

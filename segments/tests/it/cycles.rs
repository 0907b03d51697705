//! Millions of vectors added, removed and written over one another, with two checkpoints and a named snapshot to go
//! back to: what they refer to stays as it was. And the same with the rule broken, which must be found out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base::{CollectionId, Dim, FileId, Sequence, Slot, StoreId};
use segments::{
    Dedup, Element, Geometry, Owner, Pins, Prepared, RestingUntil, SlotBase, VectorSet,
};

const DIM: u32 = 16;
/// Vectors that are alive at a time.
const ALIVE: usize = 1_000;
/// How often, in batches, there is a checkpoint.
const CHECKPOINT: u64 = 40;

/// Which slots may be given out again.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Kept,
    Broken,
}

/// What is found to be wrong: the slot, and what it should hold.
type Lost = (Slot, u64);

struct Cycles {
    set: VectorSet,
    rule: Rule,
    number: u64,
    file: u64,
    alive: VecDeque<(Slot, u64)>,
    /// What each retained point refers to, by its number: a snapshot, and two checkpoints behind it.
    points: VecDeque<(u64, BTreeMap<Slot, u64>)>,
    next: u64,
}

fn vector(number: u64) -> Arc<[f32]> {
    (0..DIM).map(|at| (number * 31 % 16_000_057) as f32 + at as f32).collect()
}

impl Cycles {
    fn new(rule: Rule) -> Self {
        let geometry = Geometry::new(Dim::new(DIM).unwrap(), Element::F32);
        let owner = Owner { store: StoreId([7; 16]), collection: CollectionId(1), geometry };
        let set = VectorSet::in_memory(owner, Dedup::Exact, Pins::new(None));
        let (alive, points) = (VecDeque::new(), VecDeque::new());
        Cycles { set, rule, number: 0, file: 0, alive, points, next: 0 }
    }

    /// Adds so many vectors and removes as many of the oldest.
    fn batch(&mut self, count: usize) {
        self.number += 1;
        let prepared: Vec<(u64, Prepared)> = (self.next..)
            .take(count)
            .map(|number| (number, self.set.prepare(vector(number), None).unwrap()))
            .collect();
        self.next += count as u64;
        while !self.decide(&prepared) {
            self.file += 1;
            self.set.grow(FileId(self.file)).unwrap();
        }
        self.set.pins().advance(Sequence::new(self.number).unwrap());
        let until = match (self.rule, self.points.get(1)) {
            (Rule::Broken, _) => self.set.pins().visible(),
            (Rule::Kept, Some((oldest, _))) => Sequence::new(*oldest),
            (Rule::Kept, None) => None,
        };
        let span = |(at, _): &(u64, _)| Sequence::new(*at).map(|at| at..=at);
        let spans = match self.rule {
            Rule::Kept => self.points.front().and_then(span).into_iter().collect(),
            Rule::Broken => Vec::new(),
        };
        self.set.reclaim(&RestingUntil { freed: until, spans }, 10_000).unwrap();
    }

    /// Whether there was room.
    fn decide(&mut self, prepared: &[(u64, Prepared)]) -> bool {
        let mut batch = self.set.batch(Sequence::new(self.number).unwrap());
        let mut placed = Vec::new();
        for (number, prepared) in prepared {
            match batch.place(prepared) {
                Ok(place) => placed.push((place.slot(), *number)),
                Err(segments::Error::NoRoom { .. }) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        self.alive.extend(placed);
        while self.alive.len() > ALIVE {
            let (slot, _) = self.alive.pop_front().unwrap();
            batch.release(slot).unwrap();
        }
        let writes = batch.keep();
        self.set.apply(writes).unwrap();
        true
    }

    fn checkpoint(&mut self) -> Result<(), Lost> {
        let cut = self.set.cut();
        let base = cut.describe().unwrap();
        assert_eq!(base.alive(), self.alive.len() as u64);
        self.set.rebase(&cut, Arc::new(base));
        self.points.push_back((self.number, self.alive.iter().copied().collect()));
        if self.points.len() > 3 {
            self.points.remove(1);
        }
        let view = self.set.view(self.set.pins().pin());
        for (slot, number) in self.points.iter().flat_map(|(_, point)| point) {
            let found = view.vector(*slot).map_err(|_| (*slot, *number))?;
            if *found != *vector(*number) {
                return Err((*slot, *number));
            }
        }
        Ok(())
    }

    fn run(mut self, cycles: u64) -> Result<VectorSet, Lost> {
        while self.next < cycles {
            self.batch(97);
            if self.number.is_multiple_of(CHECKPOINT) {
                self.checkpoint()?;
            }
        }
        Ok(self.set)
    }
}

#[test]
fn retained_points_stay_intact_under_millions_of_cycles() {
    let set = Cycles::new(Rule::Kept).run(3_000_000).unwrap();
    // Slots were used again and again: two intervals between checkpoints of them, and not three million.
    let most = 4 * CHECKPOINT * 97 + 2 * ALIVE as u64;
    assert!(set.slots() < most, "{} slots, at most {most}", set.slots());
}

#[test]
fn without_the_rule_a_retained_point_is_lost() {
    assert!(Cycles::new(Rule::Broken).run(300_000).is_err());
}

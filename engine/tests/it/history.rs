//! Batches that are functions of their numbers: whoever knows how many there were knows all that is in the store.
//!
//! Promises
//!  1. No two numbers of batches leave the same content behind.
//!  2. A vector that is no duplicate is that of one batch and one id, and can be told by its bytes.

use std::collections::HashSet;

use arrwdb::{Collection, CollectionConfig, Durability, Id, Metric, Store, StoreOptions};

use crate::chance::Chance;
use crate::child::{Task, acknowledge, refused};
use crate::store::{Content, DIM, look, payload, vector};

/// How many batches are on their way at once, at most.
pub(crate) const WAVE: u64 = 3;

/// Vectors that many ids have.
const POOL: u64 = 16;
/// Ids that are written again and again.
const KNOWN: u64 = 300;
/// How many vectors a batch has, at most; the numbers of vectors go on by this.
const MOST: u64 = 512;
/// An id that comes once goes after so many batches.
const LIFE: u64 = 6;

const NAMES: [&str; 2] = ["docs", "more"];

/// How many vectors each batch has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Varied,
    Fixed(u64),
}

/// What a batch does to an id of one of the collections: gives it a vector, or takes it away.
struct Act {
    collection: usize,
    id: Id,
    number: Option<u32>,
}

impl Size {
    fn of(self, batch: u64) -> u64 {
        let mut chance = Chance::of(batch ^ 0x5a5a);
        match self {
            Size::Fixed(size) => size,
            Size::Varied => [1, 8, 40, 120].map(|most| 1 + chance.below(most))[batch as usize % 4],
        }
    }

    /// Ids that come with a batch, and never came before.
    fn newcomers(self, batch: u64) -> impl Iterator<Item = (u64, Act)> {
        (1..self.of(batch)).filter(move |at| (at + batch).is_multiple_of(5)).map(move |at| {
            let number = Some((POOL + batch * MOST + at) as u32);
            (at, Act { collection: 0, id: Id::from(format!("{batch}.{at}")), number })
        })
    }

    /// What a batch does, in order. The last put is of a vector that was never there.
    fn acts(self, batch: u64) -> Vec<Act> {
        let mut chance = Chance::of(batch);
        let size = self.of(batch);
        let known = |chance: &mut Chance, number| {
            let collection = usize::from(chance.below(4) == 0);
            Act { collection, id: Id::from(chance.below(KNOWN)), number }
        };
        let leavers = batch.checked_sub(LIFE).into_iter().flat_map(|old| self.newcomers(old));
        let mut acts: Vec<Act> = leavers.map(|(_, act)| Act { number: None, ..act }).collect();
        acts.extend((0..(size + batch % 4) / 4).map(|_| known(&mut chance, None)));
        let mut newcomers = self.newcomers(batch).peekable();
        for at in (1..size).chain([0]) {
            if newcomers.peek().is_some_and(|(next, _)| *next == at) {
                acts.extend(newcomers.next().map(|(_, act)| act));
                continue;
            }
            let is_duplicate = at > 0 && chance.below(4) == 0;
            let fresh = POOL + batch * MOST + at;
            let number = if is_duplicate { chance.below(POOL) } else { fresh };
            acts.push(known(&mut chance, Some(number as u32)));
        }
        // No id is in a batch twice: what comes last counts.
        let mut ids = HashSet::new();
        acts.reverse();
        acts.retain(|act| ids.insert((act.collection, act.id.clone())));
        acts.reverse();
        acts
    }

    /// Makes the content after a batch of the one before it.
    pub(crate) fn apply(self, batch: u64, content: &mut Content) {
        for Act { collection, id, number } in self.acts(batch) {
            match number {
                Some(number) => drop(content[collection].insert(id, (number, payload_of(number)))),
                None => drop(content[collection].remove(&id)),
            }
        }
    }

    fn commit(
        self,
        (store, collections): (&Store, &[Collection; 2]),
        number: u64,
        level: Durability,
    ) -> arrwdb::Result<arrwdb::Commit> {
        let mut batch = store.batch();
        for Act { collection, id, number } in self.acts(number) {
            match number {
                Some(number) => batch.upsert(&collections[collection], id, &vector(number)),
                None => batch.remove(&collections[collection], id),
            };
            if let Some(payload) = number.map(payload_of).filter(|payload| *payload > 0) {
                batch.payload(self::payload(payload));
            }
        }
        batch.commit(level)
    }
}

/// The payload that comes with a vector, or 0: some have none.
fn payload_of(number: u32) -> u32 {
    if number.is_multiple_of(3) { number + 1 } else { 0 }
}

/// Makes the collections that batches are for.
pub(crate) fn make_collections(store: &Store) -> arrwdb::Result<()> {
    NAMES.iter().try_for_each(|name| {
        store.create_collection(name, CollectionConfig::new(DIM, Metric::L2)).map(drop)
    })
}

/// Opens the store of a task, checks all there is, and goes on with batches for ever: says of each when it is safe,
/// makes a checkpoint now and then, and asks for what has to be refused. With the first error the process ends, and
/// says so by how it ends; no batch is let through behind it.
pub(crate) fn live(task: &Task, options: StoreOptions, (size, level): (Size, Durability)) -> ! {
    let mut content = Content::default();
    (0..task.batches).for_each(|batch| size.apply(batch, &mut content));
    let store = options.open(&task.store).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(look(&store).as_ref(), Ok(&content), "after {} batches", task.batches);
    let collections = NAMES.map(|name| store.collection(name).unwrap());
    let mut next = task.batches;
    loop {
        if let Err(error) = wave((&store, &collections), &mut next, (size, level)) {
            // A file that cannot be made is no reason to write no more; but nothing is promised on such a disk.
            let one = size.commit((&store, &collections), next + WAVE, level);
            let (one, more) = (one.and_then(|commit| commit.wait()), store.checkpoint());
            assert!(one.is_err() && more.is_err(), "after {error} it goes on");
            refused(&error.to_string());
        }
    }
}

fn wave(
    (store, collections): (&Store, &[Collection; 2]),
    next: &mut u64,
    (size, level): (Size, Durability),
) -> arrwdb::Result<()> {
    let mut chance = Chance::of(!*next);
    let end = *next + 1 + chance.below(WAVE);
    let commit = |batch| size.commit((store, collections), batch, level);
    let commits = (*next..end).map(commit).collect::<arrwdb::Result<Vec<_>>>()?;
    if chance.below(4) == 0 {
        let mut refused = store.batch();
        refused.upsert(&collections[0], "refused", &vector(7)).remove(&collections[0], 1);
        refused.upsert(&collections[1], "refused", &[f32::NAN; DIM as usize]);
        assert!(refused.commit(level).is_err(), "what is not a number is refused");
    }
    for commit in commits {
        let sequence = commit.wait()?;
        *next += 1;
        acknowledge(*next, sequence);
    }
    if chance.below(10) == 0 {
        store.checkpoint()?;
    }
    Ok(())
}

//! Makes up descriptions of slots: one that tells the truth, and one that does not.

use base::{Sequence, Slot};
use segments::{Error, Known, Life, Result, SlotBase, VectorHash};

use super::bytes::Bytes;

/// No description here has more slots.
pub(crate) const SLOTS: usize = 24;
/// All that was described happened up to this number.
pub(crate) const DESCRIBED: u64 = 8;

/// What a slot holds: a vector, which has a number, is looked up by four bits of that, and is hashed to itself.
pub(crate) type Held = (u64, Known);

pub(crate) fn key_of(vector: u64) -> u64 {
    vector % 16
}

pub(crate) fn sequence(number: u64) -> Sequence {
    Sequence::new(number).unwrap_or(Sequence::FIRST)
}

/// Slots that can be: each vector is alive once at most.
pub(crate) fn consistent(bytes: &mut Bytes<'_>) -> Vec<Option<Held>> {
    let mut alive = Vec::new();
    let slots = bytes.below(SLOTS);
    let slot = |_| {
        let (vector, shape) = (u64::from(bytes.u8() % 60), bytes.u8());
        let born = u64::from(shape >> 2) % DESCRIBED + 1;
        let freed = (born + u64::from(shape >> 5)).min(DESCRIBED);
        let hash = VectorHash::from_raw(vector);
        let alive_life = Life::born(sequence(born));
        match shape % 4 {
            0 => None,
            1 => Some((
                vector,
                Known { hash, references: 0, life: alive_life.freed(sequence(freed)) },
            )),
            _ if alive.contains(&vector) => None,
            _ => {
                alive.push(vector);
                let references = u32::from(shape >> 5) + 1;
                Some((vector, Known { hash, references, life: alive_life }))
            }
        }
    };
    (0..slots).map(slot).collect()
}

/// A description whose answers have nothing to do with each other. The same question always has the same answer.
#[derive(Debug)]
pub(crate) struct Hostile {
    slots: u64,
    counts: [u64; 5],
    known: Vec<Option<Known>>,
    keys: Vec<(u64, Slot)>,
    free: Vec<Slot>,
    resting: Vec<Slot>,
    /// Asked about this slot, or this place in a list, it cannot answer.
    unreadable: u64,
}

impl Hostile {
    pub(crate) fn new(bytes: &mut Bytes<'_>) -> Self {
        let slots = bytes.below(SLOTS) as u64;
        // Nearly always small; sometimes anything.
        let counts: [u8; 5] = bytes.array();
        let wild = bytes.u8();
        let count = |(at, count): (u32, u8)| match wild >> at & 1 {
            1 if wild & 0x80 != 0 => bytes.u64(),
            _ => u64::from(count) % (SLOTS as u64),
        };
        let mut counted = [0; 5];
        counted.iter_mut().zip((0..).zip(counts).map(count)).for_each(|(to, from)| *to = from);
        let known = (0..slots).map(|_| any_known(bytes)).collect();
        let lists = [bytes.below(SLOTS), bytes.below(SLOTS), bytes.below(SLOTS)];
        let [mut keys, free, resting] = lists.map(|length| any_slots(bytes, length));
        let truth = bytes.u8();
        if truth & 1 != 0 {
            // So that more gets through: the totals fit the lists.
            let (free, resting) = (free.len() as u64, resting.len() as u64);
            let alive = slots.saturating_sub(free + resting);
            counted = [alive, alive, alive, free, resting];
        }
        if truth & 2 != 0 {
            keys.sort_unstable();
        }
        let keys = keys.into_iter().map(|slot| (u64::from(slot.0) % 16, slot)).collect();
        let unreadable = u64::from(bytes.u8());
        Hostile { slots, counts: counted, known, keys, free, resting, unreadable }
    }

    fn readable(&self, at: u64) -> Result<()> {
        if at == self.unreadable {
            let source = std::sync::Arc::new(std::fmt::Error);
            return Err(Error::Description { source });
        }
        Ok(())
    }
}

fn any_known(bytes: &mut Bytes<'_>) -> Option<Known> {
    let shape = bytes.u8();
    let born = u64::from(shape >> 3 & 7) + 1;
    let life = Life::born(sequence(born));
    let hash = VectorHash::from_raw(u64::from(bytes.u8() % 60));
    let references = [0, 1, 2, u32::MAX].get(usize::from(shape >> 6)).copied().unwrap_or(1);
    match shape % 4 {
        0 => None,
        1 => Some(Known { hash, references, life: life.freed(sequence(born)) }),
        _ => Some(Known { hash, references, life }),
    }
}

fn any_slots(bytes: &mut Bytes<'_>, length: usize) -> Vec<Slot> {
    let any = |_| match bytes.u8() {
        u8::MAX => Slot(bytes.u32()),
        near => Slot(u32::from(near) % (SLOTS as u32 + 2)),
    };
    (0..length).map(any).collect()
}

/// What a list answers wherever it is asked, also behind its end.
fn at<T: Copy>(list: &[T], at: u64) -> Option<T> {
    let at = at.checked_rem(list.len() as u64)?;
    list.get(usize::try_from(at).ok()?).copied()
}

impl SlotBase for Hostile {
    fn slots(&self) -> u64 {
        self.slots
    }

    fn alive(&self) -> u64 {
        self.counts[0]
    }

    fn references(&self) -> u64 {
        self.counts[1]
    }

    fn known(&self, slot: Slot) -> Result<Option<Known>> {
        self.readable(u64::from(slot.0))?;
        Ok(at(&self.known, u64::from(slot.0)).flatten())
    }

    fn find(&self, key: u64, is_it: &mut dyn FnMut(Slot) -> Result<bool>) -> Result<Option<Slot>> {
        for (_, slot) in self.keys.iter().filter(|(other, _)| *other == key) {
            self.readable(u64::from(slot.0))?;
            if is_it(*slot)? {
                return Ok(Some(*slot));
            }
        }
        Ok(None)
    }

    fn keys(&self) -> u64 {
        self.counts[2]
    }

    fn key_at(&self, number: u64) -> Result<(u64, Slot)> {
        self.readable(number)?;
        Ok(at(&self.keys, number).unwrap_or((number, Slot(u32::MAX))))
    }

    fn free(&self) -> u64 {
        self.counts[3]
    }

    fn free_at(&self, number: u64) -> Result<Slot> {
        self.readable(number)?;
        Ok(at(&self.free, number).unwrap_or(Slot(u32::MAX)))
    }

    fn resting(&self) -> u64 {
        self.counts[4]
    }

    fn resting_at(&self, number: u64) -> Result<Slot> {
        self.readable(number)?;
        Ok(at(&self.resting, number).unwrap_or(Slot(u32::MAX)))
    }
}

//! Points that are in no tree yet, in the order in which they came: appended to by many at once, and read meanwhile.
//!
//! A point is a row of 64 that is written number by number, and *ready* once all of them are. When all 64 of a block are, they are
//! laid out once more as leaves are, to be compared sixteen at a time. A buffer is *closed* when it is full or when somebody says so: then
//! nothing is appended any more, and once all that was begun is ready it can become part of a tree.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::leaves::{NONE, OwnersRow};
use super::lines::Lines;
use crate::lanes::LANES;

/// How many points a block has.
pub(super) const BLOCK: usize = 64;

#[derive(Debug)]
pub(super) struct Buffer {
    dim: usize,
    /// How many were begun; from its room on, it is closed.
    begun: AtomicUsize,
    /// How many there will be at last.
    closed_at: OnceLock<usize>,
    blocks: Box<[OnceLock<Block>]>,
    dead: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct Block {
    cells: Box<[AtomicU32]>,
    owners: Box<[AtomicU32]>,
    /// A bit for each point that is ready.
    ready: AtomicU64,
    laid_out: OnceLock<Lines>,
}

fn cells(count: usize, number: u32) -> Box<[AtomicU32]> {
    std::iter::repeat_with(|| AtomicU32::new(number)).take(count).collect()
}

impl Block {
    fn new(dim: usize) -> Self {
        Block {
            cells: cells(BLOCK * dim, 0),
            owners: cells(BLOCK, NONE),
            ready: AtomicU64::new(0),
            laid_out: OnceLock::new(),
        }
    }

    /// A row; nothing, if there are no numbers in a row.
    fn row(&self, lane: usize, dim: usize) -> &[AtomicU32] {
        self.cells.get(lane * dim..(lane + 1) * dim).unwrap_or_default()
    }

    /// Whose the points are.
    #[inline(always)]
    pub(super) fn owners(&self) -> OwnersRow<'_> {
        OwnersRow::Own(&self.owners)
    }

    /// Which points are ready.
    #[inline(always)]
    pub(super) fn ready(&self) -> u64 {
        self.ready.load(Ordering::Acquire)
    }

    /// The points as leaves have them, when all are ready.
    #[inline(always)]
    pub(super) fn numbers(&self) -> Option<&[u8]> {
        self.laid_out.get().map(|lines| bytemuck::cast_slice(lines.get()))
    }

    /// Lays out sixteen of those that are ready; the places of the others stay as they are.
    pub(super) fn lay_out(&self, ready: u64, first: usize, columns: &mut [f32]) {
        let dim = columns.len() / LANES;
        for lane in (0..LANES).filter(|lane| ready >> (first + lane) & 1 != 0) {
            let places = columns.iter_mut().skip(lane).step_by(LANES);
            for (place, bits) in places.zip(self.row(first + lane, dim)) {
                *place = f32::from_bits(bits.load(Ordering::Relaxed));
            }
        }
    }

    /// Makes a point ready, whose numbers were written.
    fn make_ready(&self, lane: usize, dim: usize) {
        let ready = self.ready.fetch_or(1 << lane, Ordering::AcqRel) | 1 << lane;
        if ready == u64::MAX {
            // Whoever made the last one ready is alone here, and sees what all others wrote.
            let mut lines = Lines::new(BLOCK * dim);
            let sixteens = lines.get_mut().chunks_exact_mut((LANES * dim).max(1));
            for (at, columns) in sixteens.enumerate() {
                self.lay_out(ready, at * LANES, columns);
            }
            self.laid_out.get_or_init(|| lines);
        }
    }
}

impl Buffer {
    /// An empty one with room for so many, whole blocks.
    pub(super) fn new(dim: usize, room: usize) -> Self {
        Buffer {
            dim,
            begun: AtomicUsize::new(0),
            closed_at: OnceLock::new(),
            blocks: std::iter::repeat_with(OnceLock::new).take(room.div_ceil(BLOCK)).collect(),
            dead: AtomicUsize::new(0),
        }
    }

    fn room(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// How many were appended, or are being.
    pub(super) fn len(&self) -> usize {
        self.begun.load(Ordering::Acquire).min(self.closed_at.get().copied().unwrap_or(self.room()))
    }

    /// How many of them are somebody's.
    pub(super) fn alive(&self) -> usize {
        self.len().saturating_sub(self.dead.load(Ordering::Relaxed))
    }

    /// Appends a point, before `noted` is told which one it is, and nobody can see it; says whether there was room.
    pub(super) fn append(&self, numbers: &[u32], owner: u32, noted: impl FnOnce(u32)) -> bool {
        // Not counted on and on where there is none.
        if self.begun.load(Ordering::Relaxed) >= self.room() {
            return false;
        }
        let at = self.begun.fetch_add(1, Ordering::AcqRel);
        let Some(block) = self.blocks.get(at / BLOCK) else {
            return false;
        };
        let (block, lane) = (block.get_or_init(|| Block::new(self.dim)), at % BLOCK);
        for (place, bits) in block.row(lane, self.dim).iter().zip(numbers) {
            place.store(*bits, Ordering::Relaxed);
        }
        if let Some(place) = block.owners.get(lane) {
            place.store(owner, Ordering::Relaxed);
        }
        noted(at as u32);
        block.make_ready(lane, self.dim);
        true
    }

    /// Lets nobody append any more.
    pub(super) fn close(&self) {
        let begun = self.begun.fetch_add(self.room(), Ordering::AcqRel);
        self.closed_at.get_or_init(|| begun.min(self.room()));
    }

    /// Whether all that was ever appended is ready: of one that is closed.
    pub(super) fn is_settled(&self) -> bool {
        let ready = self.blocks().map(|block| block.ready().count_ones() as usize).sum::<usize>();
        self.closed_at.get().is_some_and(|count| *count == ready)
    }

    /// The blocks that were begun.
    #[inline(always)]
    pub(super) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().take(self.len().div_ceil(BLOCK)).filter_map(OnceLock::get)
    }

    /// Makes a point nobody's, if it is this one's; says whether it was.
    pub(super) fn disown(&self, at: usize, owner: u32) -> bool {
        let block = self.blocks.get(at / BLOCK).and_then(OnceLock::get);
        let place = block.and_then(|block| block.owners.get(at % BLOCK));
        let exchange = |place: &AtomicU32| {
            place.compare_exchange(owner, NONE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let is_its = place.is_some_and(exchange);
        self.dead.fetch_add(usize::from(is_its), Ordering::Relaxed);
        is_its
    }

    /// Goes through the points that are ready and somebody's, in their order: its coordinates, as bits, and whose it is.
    pub(super) fn each_point(&self, mut each: impl FnMut(&[u32], u32)) {
        let mut row = vec![0; self.dim];
        for block in self.blocks() {
            let ready = block.ready();
            for lane in (0..BLOCK).filter(|lane| ready >> lane & 1 != 0) {
                let owner = block.owners().get(lane);
                for (into, bits) in row.iter_mut().zip(block.row(lane, self.dim)) {
                    *into = bits.load(Ordering::Relaxed);
                }
                if owner != NONE {
                    each(&row, owner);
                }
            }
        }
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let of = |block: &Block| {
            let cells = size_of_val(&*block.cells) + size_of_val(&*block.owners);
            cells + block.laid_out.get().map_or(0, Lines::bytes)
        };
        size_of_val(&*self.blocks) + self.blocks().map(of).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kdtree::leaves::point;

    fn append(buffer: &Buffer, number: u32) -> bool {
        buffer.append(&[number, number + 1], number, |_| {})
    }

    #[test]
    fn what_is_appended_is_there_until_it_is_full_or_closed() {
        for closed in [5, 64, 70, 128] {
            let buffer = Buffer::new(2, 100);
            let appended = (0..closed).take_while(|number| append(&buffer, *number)).count();
            assert!(appended == closed as usize && !buffer.is_settled());
            buffer.close();
            assert!(!append(&buffer, 7) && buffer.is_settled() && buffer.len() == appended);
            assert!(buffer.disown(3, 3) && !buffer.disown(3, 3) && !buffer.disown(4, 5));
            let mut seen = Vec::new();
            buffer.each_point(|row, owner| {
                assert_eq!(row, [owner, owner + 1]);
                seen.push(owner);
            });
            let expected: Vec<u32> = (0..closed).filter(|owner| *owner != 3).collect();
            assert_eq!((seen, buffer.alive()), (expected, appended - 1));
            for block in buffer.blocks().filter(|block| block.ready() == u64::MAX) {
                let numbers = block.numbers().expect("all are ready");
                for lane in 0..BLOCK {
                    let owner = block.owners().get(lane);
                    let bits: Vec<u32> = point(numbers, 2, lane).map(f32::to_bits).collect();
                    assert!(owner == NONE || bits == [owner, owner + 1]);
                }
            }
        }
    }

    #[test]
    fn many_append_at_once_and_each_finds_a_place() {
        for _ in 0..20 {
            let buffer = Buffer::new(2, 1_000);
            let appended = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|thread| {
                        let buffer = &buffer;
                        scope.spawn(move || {
                            (0..500).filter(|at| append(buffer, thread * 1_000 + at)).count()
                        })
                    })
                    .collect();
                threads.into_iter().map(|it| it.join().expect("appended")).sum::<usize>()
            });
            buffer.close();
            let mut seen = Vec::new();
            buffer.each_point(|row, owner| {
                assert_eq!(row, [owner, owner + 1]);
                seen.push(owner);
            });
            seen.sort_unstable();
            seen.dedup();
            assert_eq!((seen.len(), appended, buffer.is_settled()), (1_024, 1_024, true));
        }
    }
}

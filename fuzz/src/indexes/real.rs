//! Builds graphs to be damaged, and the vectors of all graphs.

use std::sync::OnceLock;

use indexes::{Hnsw, HnswConfig, Index, Memory, Metric, Pool, Slot, SlotSet};

/// A graph, its image, and its vectors: also those of slots that it gave up, and of a few that it never had.
pub(crate) struct Real {
    pub(crate) graph: Hnsw,
    pub(crate) image: Vec<u8>,
    pub(crate) memory: Memory,
}

/// What a graph is like.
struct Kind {
    dim: usize,
    slots: usize,
    /// How far they are from one to the next.
    apart: usize,
    m: usize,
    stop: f32,
    is_calibrated: bool,
}

/// Without codes and with them; of many levels, the lowest of which are walked through; and one whose sums have sums.
const KINDS: [Kind; 4] = [
    Kind { dim: 3, slots: 100, apart: 1, m: 4, stop: 0.5, is_calibrated: true },
    Kind { dim: 64, slots: 100, apart: 1, m: 4, stop: f32::INFINITY, is_calibrated: false },
    Kind { dim: 2, slots: 1_200, apart: 1, m: 2, stop: 0.3, is_calibrated: false },
    Kind { dim: 4, slots: 9, apart: 130, m: 256, stop: f32::INFINITY, is_calibrated: false },
];

/// How many there are of them.
pub(crate) const COUNT: usize = KINDS.len();

/// One of so many slots is given up, and so many it never had.
const GIVEN_UP: usize = 9;
const MORE: usize = 4;

/// A number that looks random, of two others.
pub(crate) fn mixed(one: u64, other: u64) -> u64 {
    let mixed = (one << 32 ^ other).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 32)
}

/// A vector of this number.
pub(crate) fn vector(dim: usize, number: u32) -> Vec<f32> {
    let one = |at: usize| (mixed(number.into(), at as u64) & 255) as f32 / 16.0 - 8.0;
    (0..dim).map(one).collect()
}

/// The vectors of these slots.
pub(crate) fn memory(dim: usize, slots: impl Iterator<Item = Slot>) -> Memory {
    let mut memory = Memory::new(dim);
    slots.for_each(|slot| memory.set(slot, &vector(dim, slot.0)).expect("it fits"));
    memory
}

impl Real {
    fn new(kind: &Kind, metric: Metric) -> Self {
        let config = HnswConfig::default().m(kind.m).ef_construction(16).stop(kind.stop).seed(3);
        let slots = || (0..).step_by(kind.apart).map(Slot);
        let memory = memory(kind.dim, slots().take(kind.slots + MORE));
        let graph = Hnsw::new(kind.dim, metric, config);
        let slots: SlotSet = slots().take(kind.slots).collect();
        graph.insert_all(&slots, &memory, &Pool::here(), &mut |_| true).expect("they fit");
        // Some are given back, and some are not.
        for (at, slot) in slots.iter().step_by(GIVEN_UP).enumerate() {
            assert!(graph.remove(slot).expect("it lies in no image"));
            while at < kind.slots / GIVEN_UP / 2
                && graph.step(&memory, usize::MAX).expect("all can be read").more
            {}
        }
        if kind.is_calibrated {
            assert!(graph.calibrate(&memory, &Pool::here(), &mut |_| true).expect("all are there"));
        }
        let mut image = Vec::new();
        graph.encode(&mut image);
        Real { graph, image, memory }
    }
}

/// A graph of one of the kinds, built once.
pub(crate) fn real(kind: usize, metric: Metric) -> Option<&'static Real> {
    static BUILT: [[OnceLock<Real>; 3]; COUNT] = [const { [const { OnceLock::new() }; 3] }; COUNT];
    let at = Metric::ALL.iter().position(|it| *it == metric)?;
    let (kind, built) = (KINDS.get(kind)?, BUILT.get(kind)?.get(at)?);
    Some(built.get_or_init(|| Real::new(kind, metric)))
}

//! The levels of a graph, and where every search of it begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::links::{Level, NONE};

/// More levels above the ground than this there cannot be.
pub(super) const LEVELS_MAX: usize = 64;

/// The ground and the levels above it.
#[derive(Debug)]
pub(super) struct Graph {
    ground: Level,
    /// Made when they are first needed.
    upper: Box<[OnceLock<Level>; LEVELS_MAX]>,
    /// How many links a node has above the ground.
    degree: usize,
    /// One more than the level of the entry, and its node there; 0, if there is none.
    entry: AtomicU64,
}

/// Where every search begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// On which level: 0 is the ground.
    pub(super) level: usize,
    pub(super) node: u32,
}

fn packed(entry: Option<Entry>) -> u64 {
    entry.map_or(0, |Entry { level, node }| (level as u64 + 1) << 32 | u64::from(node))
}

fn unpacked(entry: u64) -> Option<Entry> {
    let level = ((entry >> 32) as usize).checked_sub(1)?;
    Some(Entry { level, node: entry as u32 })
}

impl Graph {
    /// An empty one, whose nodes have so many links, and twice as many on the ground.
    pub(super) fn new(degree: usize) -> Self {
        Graph::of(degree, Level::ground(2 * degree), Vec::new(), None)
    }

    /// One of these levels.
    pub(super) fn of(degree: usize, ground: Level, levels: Vec<Level>, entry: Option<u32>) -> Self {
        let entry = entry.map(|node| Entry { level: levels.len(), node });
        let upper = Box::new([const { OnceLock::new() }; LEVELS_MAX]);
        for (place, level) in upper.iter().zip(levels) {
            place.get_or_init(|| level);
        }
        Graph { ground, upper, degree, entry: AtomicU64::new(packed(entry)) }
    }

    /// A copy, with slots below this one.
    pub(super) fn copied(&self, end: usize) -> Self {
        let entry = self.entry();
        let height = entry.map_or(0, |entry| entry.level);
        let upper = (1..=height).filter_map(|at| self.level(at));
        let levels = upper.map(|level| level.copied(level.end())).collect();
        let ground = self.ground.copied(end);
        Graph::of(self.degree, ground, levels, entry.map(|it| it.node))
    }

    /// Where every search begins: nowhere, if the graph is empty.
    #[inline(always)]
    pub(super) fn entry(&self) -> Option<Entry> {
        unpacked(self.entry.load(Ordering::Acquire))
    }

    /// Lets searches begin elsewhere, if they begin where they did; says whether that was so.
    pub(super) fn move_entry(&self, from: Option<Entry>, to: Option<Entry>) -> bool {
        let (from, to) = (packed(from), packed(to));
        self.entry.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Lets searches begin here, if this is higher than where they do.
    pub(super) fn raise_entry(&self, to: Entry) {
        let mut from = self.entry();
        while from.is_none_or(|from| from.level < to.level) {
            if self.move_entry(from, Some(to)) {
                return;
            }
            from = self.entry();
        }
    }

    pub(super) fn ground(&self) -> &Level {
        &self.ground
    }

    /// A level, if it was ever needed: 0 is the ground.
    #[inline(always)]
    pub(super) fn level(&self, at: usize) -> Option<&Level> {
        match at.checked_sub(1) {
            None => Some(&self.ground),
            Some(at) => self.upper.get(at)?.get(),
        }
    }

    /// A level, which is made if it was never needed.
    pub(super) fn make_level(&self, at: usize) -> Option<&Level> {
        match at.checked_sub(1) {
            None => Some(&self.ground),
            Some(at) => Some(self.upper.get(at)?.get_or_init(|| Level::upper(self.degree))),
        }
    }

    /// How many levels were ever needed, the ground not counted.
    pub(super) fn height(&self) -> usize {
        self.upper.iter().take_while(|level| level.get().is_some()).count()
    }

    /// The highest node whose slot is wanted.
    pub(super) fn highest(&self, is_wanted: impl Fn(u32) -> bool) -> Option<Entry> {
        let on = |level: usize| {
            let nodes = self.level(level)?;
            let mut all = 0..nodes.end() as u32;
            let node = all.find(|node| {
                let slot = nodes.slot::<false>(*node);
                slot != NONE && is_wanted(slot)
            })?;
            Some(Entry { level, node })
        };
        (0..=self.height()).rev().find_map(on)
    }

    /// How many bytes its links take.
    pub(super) fn bytes(&self) -> usize {
        (0..=self.height()).filter_map(|at| self.level(at)).map(Level::bytes).sum()
    }
}

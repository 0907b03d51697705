//! HNSW: a graph of near neighbours in levels, searched from the top down.
//!
//! A search walks by the codes of vectors (`hnsw/nodes.rs`), which are a few cache lines each, and compares in full only
//! what their codes leave in question: distances in an answer are always exact. Building walks the same way and chooses
//! links by codes, and by vectors where those leave it open. The graph depends on its configuration and on the order in which slots were taken up, and on
//! nothing else: not on threads, nor on the processor.

mod beam;
mod between;
mod body;
mod build;
mod calibrate;
mod ef;
pub(crate) mod format;
mod graph;
mod links;
mod locks;
mod look;
mod many;
mod near;
mod nodes;
mod plan;
mod search;
mod select;
#[cfg(test)]
mod tests;
mod through;
mod upkeep;
mod visited;

use std::io::{self, Write};
use std::sync::Arc;

use base::Slot;
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use crossbeam_utils::atomic::AtomicCell;
use parking_lot::{Mutex, RwLock};

use self::beam::Scratch;
use self::body::Body;
use self::calibrate::Calibration;
pub use self::ef::{EfMeasurement, MeasuredEf};
use self::locks::Locks;
use self::upkeep::Upkeep;
use crate::bodies::Bodies;
use crate::codes::WORTH;
use crate::image::Image;
use crate::lanes::Instructions;
use crate::shared::{Apart, Lives, Readers};
use crate::{
    Error, Index, Measure, Nearest, Pool, Probe, Query, SlotSet, Statistics, Step, Vectors,
};

/// How a graph is built and searched.
///
/// ```
/// use indexes::HnswConfig;
///
/// let config = HnswConfig::default().m(24).ef_construction(300);
/// assert_eq!(config.ef_search, 64);
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct HnswConfig {
    /// How many links a node gets on each level above the ground, and at first on the ground, where it may have twice as
    /// many: 16.
    pub m: usize,
    /// How many neighbours are looked at to choose them from: 200.
    pub ef_construction: usize,
    /// How many neighbours a search keeps in view if it does not say: 64.
    pub ef_search: usize,
    /// A search ends where all that is left is farther than the `k` nearest (and the 10 nearest) by more than this part,
    /// though there are fewer in view than might be: infinite, so never.
    pub stop: f32,
    /// The highest level there may be: 16.
    pub max_level: usize,
    /// What the levels of slots are drawn from: the same seed and slots make the same graph.
    pub seed: u64,
}

impl Default for HnswConfig {
    fn default() -> Self {
        HnswConfig {
            m: 16,
            ef_construction: 200,
            ef_search: 64,
            stop: f32::INFINITY,
            max_level: 16,
            seed: 0,
        }
    }
}

impl HnswConfig {
    /// How many links a node gets: from 2 to 256.
    #[must_use]
    pub fn m(self, m: usize) -> Self {
        HnswConfig { m: m.clamp(2, 256), ..self }
    }

    /// How many neighbours are looked at to choose from.
    #[must_use]
    pub fn ef_construction(self, ef: usize) -> Self {
        HnswConfig { ef_construction: ef.max(1), ..self }
    }

    /// How many neighbours a search keeps in view if it does not say.
    #[must_use]
    pub fn ef_search(self, ef: usize) -> Self {
        HnswConfig { ef_search: ef.max(1), ..self }
    }

    /// By which part all that is left has to be farther than the nearest for a search to end early: 0.1 saves a fifth
    /// where many are in view, and finds a little less. Inner products have no such part, nor have filters and thresholds.
    #[must_use]
    pub fn stop(self, part: f32) -> Self {
        HnswConfig { stop: if part >= 0.0 { part } else { f32::INFINITY }, ..self }
    }

    /// The highest level there may be.
    #[must_use]
    pub fn max_level(self, level: usize) -> Self {
        HnswConfig { max_level: level, ..self }
    }

    /// What the levels are drawn from.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        HnswConfig { seed, ..self }
    }

    /// A number that looks random, of a slot and the seed.
    fn mixed(&self, slot: u32) -> u64 {
        let mut mixed = (u64::from(slot) ^ self.seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The level of a slot: one in `m` of those on a level is on the next.
    fn level_of(&self, slot: u32) -> usize {
        let mixed = self.mixed(slot.wrapping_add(1 << 31));
        let (mut level, mut least) = (0, u64::MAX / self.m as u64);
        while level < self.max_level && mixed < least {
            level += 1;
            least /= self.m as u64;
        }
        level
    }
}

/// Its name.
pub(crate) const KIND: &str = "hnsw";

/// How many searches at a time find something to remember things in; others make their own.
const SCRATCHES: usize = 64;

/// A graph of near neighbours.
///
/// Many may search it while some insert and remove: who searches waits for nobody.
#[derive(Debug)]
pub struct Hnsw {
    dim: usize,
    measure: Measure,
    config: HnswConfig,
    readers: Arc<Readers>,
    bodies: Bodies<Body>,
    writers: Apart<Writers>,
    calibration: AtomicCell<Option<Calibration>>,
    instructions: Instructions,
    scratches: ArrayQueue<Scratch>,
}

/// What those hold who change something. Who searches never looks at it.
#[derive(Debug)]
struct Writers {
    /// Held by all who change links or let go of slots, and alone by who must find them unchanged.
    writing: RwLock<()>,
    /// Held by who takes up one of the first slots.
    first_of_all: Mutex<()>,
    /// Held by who changes the links of a node.
    locks: Locks,
    upkeep: Mutex<Upkeep>,
    probe: Mutex<Option<Probe>>,
}

impl Writers {
    fn new() -> Self {
        Writers {
            writing: RwLock::new(()),
            first_of_all: Mutex::new(()),
            locks: Locks::new(),
            upkeep: Mutex::new(Upkeep::default()),
            probe: Mutex::new(None),
        }
    }
}

impl Hnsw {
    /// An empty graph of vectors of so many numbers.
    pub fn new(dim: usize, measure: impl Into<Measure>, config: HnswConfig) -> Self {
        let measure = measure.into();
        let metric = measure.metric().filter(|_| WORTH.contains(&dim));
        // Fields may have been set to anything.
        let config = config.m(config.m).ef_construction(config.ef_construction);
        let config = config.ef_search(config.ef_search).stop(config.stop);
        let readers = Arc::new(Readers::new());
        let own = Body::new((dim, metric), config.m, &readers);
        Hnsw::of((dim, measure, config), readers, Bodies::new(own))
    }

    /// One that is made of this.
    fn of(
        (dim, measure, config): (usize, Measure, HnswConfig),
        readers: Arc<Readers>,
        bodies: Bodies<Body>,
    ) -> Self {
        Hnsw {
            dim,
            measure,
            config,
            readers,
            bodies,
            writers: Apart(Writers::new()),
            calibration: AtomicCell::new(None),
            instructions: Instructions::best(),
            scratches: ArrayQueue::new(SCRATCHES),
        }
    }

    /// Opens an image. It is searched where it lies, and looked at only where it is touched: opening takes as long as
    /// reading a page of it, whatever its size. The first change copies all of it.
    ///
    /// # Errors
    /// As [`open`](crate::open). What is wrong with other parts of the image is said by searches that touch them.
    pub fn open(image: impl Into<Bytes>, measure: &Measure) -> Result<Self, Error> {
        format::open(&image.into(), measure)
    }

    /// What may be changed. What lies in an image is verified and copied before; who searches meanwhile goes by the image,
    /// which is kept for them.
    fn own(&self) -> Result<(&Body, &Lives), Error> {
        let body = self.bodies.own(|lent| lent.copied(&self.readers))?;
        match body.slots.own() {
            Some(own) => Ok((body, own)),
            None => unreachable!("what lies in an image was copied"),
        }
    }

    /// How it was built, and is searched.
    pub fn config(&self) -> HnswConfig {
        self.config
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.body().slots.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many links lead away from a slot on the ground, on average.
    ///
    /// # Errors
    /// [`Error::BadImage`].
    pub fn degree(&self) -> Result<f64, Error> {
        self.verify(&mut |_| true)?;
        let body = self.body();
        let Body { slots, graph, .. } = &*body;
        let count = |slot: Slot| graph.ground().links::<false>(slot.0).count();
        let links: usize = slots.iter().map(count).sum();
        Ok(links as f64 / slots.len().max(1) as f64)
    }

    /// Something to remember things in.
    fn lend_scratch(&self) -> Scratch {
        let mut scratch = self.scratches.pop().unwrap_or_default();
        scratch.begin(u64::MAX);
        scratch
    }

    /// Where there are enough already, it goes.
    fn take_back(&self, scratch: Scratch) {
        self.scratches.push(scratch).unwrap_or_default();
    }

    fn with_scratch<A>(&self, work: impl FnOnce(&mut Scratch) -> A) -> A {
        let mut scratch = self.lend_scratch();
        let answer = work(&mut scratch);
        self.take_back(scratch);
        answer
    }
}

impl Index for Hnsw {
    fn insert(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error> {
        self.insert_one(slot, vectors)
    }

    fn insert_all(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        self.insert_many(slots, vectors, pool, progress)
    }

    fn remove(&self, slot: Slot) -> Result<bool, Error> {
        let (_, own) = self.own()?;
        Ok(own.remove(slot))
    }

    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        self.keep_up(vectors, effort)
    }

    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error> {
        self.search_in(query, self.view_of(query)?, vectors)
    }

    fn search_many(
        &self,
        queries: &[Query<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        self.search_all(queries, |query| self.view_of(query), vectors, pool)
    }

    fn measure_ef(
        &self,
        measurement: &mut EfMeasurement,
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Option<MeasuredEf>, Error> {
        self.measure_some(measurement, vectors, pool)
    }

    fn contains(&self, slot: Slot) -> Result<bool, Error> {
        let body = self.body();
        let there = body.slots.has(slot);
        body.check()?;
        Ok(there)
    }

    fn removed(&self) -> Result<SlotSet, Error> {
        let body = self.body();
        let removed = body.slots.gone::<true>();
        body.check()?;
        Ok(removed)
    }

    fn is_lent(&self) -> bool {
        self.body().image().is_some()
    }

    fn verify(&self, progress: &mut dyn FnMut(usize) -> bool) -> Result<bool, Error> {
        self.body().image().map_or(Ok(true), |image| image.verify_all(progress))
    }

    fn take_over(&self) -> Result<(), Error> {
        self.own()?;
        self.bodies.let_go();
        Ok(())
    }

    fn bytes_to_own(&self) -> usize {
        self.body().image().map_or(0, |image| image.bytes().len())
    }

    fn write(&self, into: &mut dyn Write) -> io::Result<()> {
        let _alone = self.writers.writing.write();
        format::write(self, into)
    }

    fn statistics(&self) -> Statistics {
        let body = self.body();
        let image = body.image().map_or(0, Image::states);
        Statistics {
            removed: body.slots.removed(),
            bytes: body.bytes() + image,
            probe: *self.writers.probe.lock(),
            ..Statistics::new(KIND, body.slots.len(), self.dim, &self.measure)
        }
    }
}

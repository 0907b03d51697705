//! KD-tree: exact, and fast where vectors have few numbers.
//!
//! It has coordinates of its own, laid out so that sixteen points, or sixteen boxes around points, are compared at once. What is
//! taken up goes into a buffer that is looked at as a whole; full buffers become part of a tree, and trees of larger ones, by steps
//! that nobody waits for: so there are few trees, each at least several times as large as the next.
//!
//! Where vectors have so many numbers that boxes rule out little, a tree finds that out from samples when it is built, and is looked
//! at as a whole. If the largest is, and vectors have codes, as those of many numbers do, a search goes by these alone, as in a flat
//! index (`scan.rs`).
//!
//! Promises
//!  1. What it finds is what a flat index finds, to the bit.
//!  2. Who searches waits for nobody, and nobody waits for who searches.
//!  3. Who inserts one slot appends it, and does nothing of what becomes due by that.

mod best;
mod body;
mod buffer;
mod build;
mod config;
mod forest;
pub(crate) mod format;
mod insert;
mod kernel;
mod leaves;
mod lines;
mod sample;
mod search;
mod seek;
mod shape;
mod space;
mod tree;
mod upkeep;
mod walk;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::Slot;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use self::body::Body;
pub use self::config::KdTreeConfig;
use self::forest::Trees;
use self::space::Space;
use self::tree::Way;
use self::upkeep::Upkeep;
use crate::bodies::{Bodies, Now};
use crate::codes::{Codes, CodesInUse, WORTH};
use crate::image::Image;
use crate::index::TreeFigures;
use crate::lanes::Instructions;
use crate::shared::{Apart, Lives, Pin, Readers};
use crate::slots::Slots;
use crate::vectors::check_dim;
use crate::{Error, Index, Measure, Nearest, Pool, Query, SlotSet, Statistics, Step, Vectors};

/// Its name.
pub(crate) const KIND: &str = "kdtree";

/// Trees of points.
///
/// Many may search it while some insert and remove: who searches waits for nobody.
///
/// ```
/// use indexes::{Index, KdTree, KdTreeConfig, Memory, Metric, Pool, Query, Slot};
///
/// let mut vectors = Memory::new(2);
/// for slot in 0..1_000_u16 {
///     vectors.set(Slot(slot.into()), &[f32::from(slot % 40), f32::from(slot / 40)])?;
/// }
/// let tree = KdTree::new(2, Metric::L2, KdTreeConfig::default())?;
/// tree.insert_all(vectors.slots(), &vectors, &Pool::here(), &mut |_| true)?;
/// let nearest = tree.search(&Query::new(&[3.0, 4.1]).k(1), &vectors)?;
/// assert_eq!(nearest.neighbours[0].slot, Slot(4 * 40 + 3));
/// assert!(KdTree::new(2, Metric::Dot, KdTreeConfig::default()).is_err());
/// # Ok::<(), indexes::Error>(())
/// ```
#[derive(Debug)]
pub struct KdTree {
    dim: usize,
    measure: Measure,
    space: Space,
    config: KdTreeConfig,
    readers: Arc<Readers>,
    bodies: Bodies<Body>,
    writers: Apart<Writers>,
    instructions: Instructions,
}

/// What those hold who change something. Who searches never looks at it.
#[derive(Debug)]
struct Writers {
    /// Held by all who take up slots or let go of them, and alone by who must find them unchanged.
    writing: RwLock<()>,
    upkeep: Mutex<Upkeep>,
}

/// An index for as long as somebody has a pin.
#[derive(Clone, Copy)]
struct InUse<'p> {
    index: &'p KdTree,
    body: &'p Body,
    codes: Option<CodesInUse<'p>>,
    /// Whether it lies in an image.
    is_lent: bool,
}

impl KdTree {
    /// An empty index of vectors of so many numbers.
    ///
    /// # Errors
    /// [`Error::Unsuited`], if the distance is neither L2 nor cosine: boxes around points say nothing of others.
    pub fn new(
        dim: usize,
        measure: impl Into<Measure>,
        config: KdTreeConfig,
    ) -> Result<Self, Error> {
        let (measure, config) = (measure.into(), config.clamped());
        let trees = Trees::new(Vec::new(), (dim, config.buffer));
        let readers = Arc::new(Readers::new());
        let metric = measure.metric().filter(|_| WORTH.contains(&dim));
        let codes = metric.map(|metric| Codes::new(dim, metric, &readers));
        let body = Body::new(Slots::new(), trees, codes);
        KdTree::of((dim, measure, config), readers, Bodies::new(body))
    }

    /// One that is made of this.
    fn of(
        (dim, measure, config): (usize, Measure, KdTreeConfig),
        readers: Arc<Readers>,
        bodies: Bodies<Body>,
    ) -> Result<Self, Error> {
        let Some(space) = Space::of(measure.metric()) else {
            return Err(Error::Unsuited { kind: KIND, measure: measure.name().to_owned() });
        };
        let writers = Writers { writing: RwLock::new(()), upkeep: Mutex::new(Upkeep::default()) };
        let (writers, instructions) = (Apart(writers), Instructions::best());
        Ok(KdTree { dim, measure, space, config, readers, bodies, writers, instructions })
    }

    /// Opens an image. It is searched where it lies, and looked at only where it is touched: opening takes as long as
    /// reading a page of it, whatever its size. The first change copies all of it.
    ///
    /// # Errors
    /// As [`open`](crate::open). What is wrong with other parts of the image is said by searches that touch them.
    pub fn open(image: impl Into<Bytes>, measure: &Measure) -> Result<Self, Error> {
        format::open(&image.into(), measure)
    }

    /// What may be changed. What lies in an image is verified and copied before.
    fn own(&self) -> Result<(&Body, &Lives), Error> {
        let body = self.bodies.own(|lent| lent.copied(self))?;
        match body.slots.own() {
            Some(own) => Ok((body, own)),
            None => unreachable!("what lies in an image was copied"),
        }
    }

    /// It, to be searched under a pin.
    fn under<'p>(&'p self, body: &'p Now<'_, Body>, pin: &'p Pin<'_>) -> InUse<'p> {
        let codes = body.codes.as_ref().map(|codes| codes.under(pin));
        InUse { index: self, body, codes, is_lent: body.image().is_some() }
    }

    /// How it was built, and is searched.
    pub fn config(&self) -> KdTreeConfig {
        self.config
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.bodies.now().slots.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Index for KdTree {
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
        let (body, own) = self.own()?;
        // Before it is gone: whoever does not find it in doubt begins before that.
        body.doubts.fetch_add(1, Ordering::AcqRel);
        let there = own.remove(slot);
        body.doubts.fetch_sub(usize::from(!there), Ordering::AcqRel);
        Ok(there)
    }

    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        check_dim(vectors, self.dim)?;
        self.keep_up(effort)
    }

    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        let (pin, body) = (self.readers.pin(), self.bodies.now());
        body.check()?;
        let found = search::one(self.under(&body, &pin), query, vectors);
        body.check()?;
        found
    }

    fn search_many(
        &self,
        queries: &[Query<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        queries.iter().try_for_each(|query| query.check(self.dim))?;
        check_dim(vectors, self.dim)?;
        let (pin, body) = (self.readers.pin(), self.bodies.now());
        body.check()?;
        let found = search::many(self.under(&body, &pin), queries, vectors, pool);
        body.check()?;
        found
    }

    fn contains(&self, slot: Slot) -> Result<bool, Error> {
        let body = self.bodies.now();
        let there = body.slots.has(slot);
        body.check()?;
        Ok(there)
    }

    fn removed(&self) -> Result<SlotSet, Error> {
        let body = self.bodies.now();
        let removed = body.slots.gone::<true>();
        body.check()?;
        Ok(removed)
    }

    fn is_lent(&self) -> bool {
        self.bodies.now().image().is_some()
    }

    fn verify(&self, progress: &mut dyn FnMut(usize) -> bool) -> Result<bool, Error> {
        self.bodies.now().image().map_or(Ok(true), |image| image.verify_all(progress))
    }

    fn take_over(&self) -> Result<(), Error> {
        self.own()?;
        self.bodies.let_go();
        Ok(())
    }

    fn bytes_to_own(&self) -> usize {
        self.bodies.now().image().map_or(0, |image| image.bytes().len())
    }

    fn write(&self, into: &mut dyn Write) -> io::Result<()> {
        let _alone = self.writers.writing.write();
        format::write(self, into)
    }

    fn statistics(&self) -> Statistics {
        let body = self.bodies.now();
        let image = body.image().map_or(0, Image::states);
        Statistics {
            removed: body.slots.removed(),
            bytes: body.bytes() + image,
            tree: Some(figures(&body.forest.now())),
            ..Statistics::new(KIND, body.slots.len(), self.dim, &self.measure)
        }
    }
}

/// Figures about trees.
fn figures(trees: &Trees) -> TreeFigures {
    let largest = trees.trees.first().map(|tree| tree.judged);
    let loose = trees.loose.as_ref().map_or(0, |loose| loose.1);
    TreeFigures {
        trees: trees.trees.len(),
        buffered: trees.buffers().map(|buffer| buffer.alive()).sum::<usize>() + loose,
        percent_visited: largest.map_or(0, |judged| judged.percent),
        is_scanned: largest.is_some_and(|judged| judged.way == Way::Scan),
    }
}

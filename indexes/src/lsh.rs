//! LSH: hash tables in which near vectors are likely to share a bucket.
//!
//! A search looks at the buckets that are the likeliest ones for its query (`lsh/probe.rs`), passes over most of what is in them by a few bits
//! of each vector (`lsh/sketches.rs`), and compares in full what codes leave in question: distances in an answer are always exact.
//! How many buckets that takes for the recall that is wanted the index finds out by itself, on its own vectors (`lsh/tune.rs`).
//!
//! What is inserted is in no table at first, and looked at by every search; steps put it into tables, which are made aside and then take
//! the place of others (`lsh/building.rs`). So inserting is cheap, and nobody waits for a table. The tables depend on the configuration,
//! and on when which slots were taken up and steps were made, and on nothing else: not on threads, nor on the processor.

mod body;
mod building;
mod config;
pub(crate) mod format;
mod gather;
mod layout;
mod plan;
mod probe;
mod rotate;
mod search;
mod shape;
mod sketches;
mod space;
mod tables;
#[cfg(test)]
mod tests;
mod tune;
mod upkeep;

use std::io::{self, Write};
use std::sync::Arc;

use base::Slot;
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use parking_lot::{Mutex, RwLock};

use self::body::Body;
pub use self::config::{Family, LshConfig};
use self::search::Scratch;
use self::upkeep::Upkeep;
use crate::bodies::{Bodies, Now};
use crate::codes::WORTH;
use crate::image::Image;
use crate::lanes::Instructions;
use crate::query::check;
use crate::shared::{Apart, Held, Lives, Readers};
use crate::vectors::check_dim;
use crate::{
    EfMeasurement, Error, Index, K, Measure, MeasuredEf, Nearest, Pool, Query, SlotSet, Statistics,
    Step, Tuned, Vectors,
};

/// Its name.
pub(crate) const KIND: &str = "lsh";

/// How many searches at a time find something to remember things in; others make their own.
const SCRATCHES: usize = 64;

/// So many slots are taken up by a thread at a time.
const SLOTS: usize = 1_024;

/// And so many times as many for each thread are taken up, or not, as a whole.
const PARTS: usize = 8;

/// Hash tables of near vectors.
///
/// Many may search it while some insert and remove: who searches waits for nobody.
///
/// ```
/// use indexes::{Index, Lsh, LshConfig, Memory, Metric, Query, Slot};
///
/// let mut vectors = Memory::new(2);
/// let lsh = Lsh::new(2, Metric::L2, LshConfig::default())?;
/// for slot in 0..100 {
///     vectors.set(Slot(slot), &[slot as f32, 1.0])?;
///     lsh.insert(Slot(slot), &vectors)?;
/// }
/// let nearest = lsh.search(&Query::new(&[70.2, 1.0]).k(1), &vectors)?;
/// assert_eq!(nearest.neighbours[0].slot, Slot(70));
/// # Ok::<(), indexes::Error>(())
/// ```
#[derive(Debug)]
pub struct Lsh {
    dim: usize,
    measure: Measure,
    config: LshConfig,
    readers: Arc<Readers>,
    bodies: Bodies<Body>,
    writers: Apart<Writers>,
    instructions: Instructions,
    scratches: ArrayQueue<Scratch>,
}

/// What those hold who change something. Who searches never looks at it.
#[derive(Debug, Default)]
struct Writers {
    /// Held by all who insert or make a step, and alone by who must find all as it is.
    writing: RwLock<()>,
    upkeep: Mutex<Upkeep>,
}

impl Lsh {
    /// An empty index of vectors of so many numbers.
    ///
    /// # Errors
    /// [`Error::Unsuited`]: near vectors share a bucket by the metrics alone.
    pub fn new(dim: usize, measure: impl Into<Measure>, config: LshConfig) -> Result<Self, Error> {
        let measure = measure.into();
        let Some(metric) = measure.metric() else {
            return Err(Error::Unsuited { kind: KIND, measure: measure.name().to_owned() });
        };
        let readers = Arc::new(Readers::new());
        let coded = Some(metric).filter(|_| WORTH.contains(&dim));
        let bodies = Bodies::new(Body::new(dim, coded, &readers));
        Ok(Lsh::of((dim, measure, config.clamped()), readers, bodies))
    }

    /// One that is made of this.
    fn of(
        (dim, measure, config): (usize, Measure, LshConfig),
        readers: Arc<Readers>,
        bodies: Bodies<Body>,
    ) -> Self {
        let (writers, instructions) = (Apart(Writers::default()), Instructions::best());
        let scratches = ArrayQueue::new(SCRATCHES);
        Lsh { dim, measure, config, readers, bodies, writers, instructions, scratches }
    }

    /// Opens an image. It is searched where it lies, and looked at only where it is touched: opening takes as long as
    /// reading a page of it, whatever its size. The first change copies all of it.
    ///
    /// # Errors
    /// As [`open`](crate::open). What is wrong with other parts of the image is said by searches that touch them.
    pub fn open(image: impl Into<Bytes>, measure: &Measure) -> Result<Self, Error> {
        format::open(&image.into(), measure)
    }

    /// What it is made of now.
    fn body(&self) -> Now<'_, Body> {
        self.bodies.now()
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

    /// How it was made, and is searched.
    pub fn config(&self) -> LshConfig {
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

    fn with_scratch<A>(&self, work: impl FnOnce(&mut Scratch) -> A) -> A {
        let mut scratch = self.scratches.pop().unwrap_or_default();
        let answer = work(&mut scratch);
        // Where there are enough already, it goes.
        self.scratches.push(scratch).unwrap_or_default();
        answer
    }

    /// Takes up slots, all or none.
    fn take_up(
        &self,
        (body, own): (&Body, &Lives),
        slots: &[Slot],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<(), Error> {
        let _beside_others = self.writers.writing.read();
        let taken = own.take(slots)?;
        let parts = slots.chunks(SLOTS).collect();
        let make = |some: &[Slot]| {
            let make = |slot: &Slot| self.make(body, *slot, vectors);
            some.iter().map(make).collect::<Result<Vec<_>, Error>>()
        };
        // As long as nobody sees any of them, all can be put back.
        let made = pool.each(parts, make).into_iter().collect::<Result<Vec<_>, _>>()?;
        made.into_iter().flatten().flatten().for_each(Held::open);
        if let Some(fresh) = body.fresh.own() {
            slots.iter().for_each(|slot| _ = fresh.insert(*slot));
        }
        taken.live();
        Ok(())
    }

    /// Makes the code of a slot that is taken, if there are codes.
    fn make<'b>(
        &self,
        body: &'b Body,
        slot: Slot,
        vectors: &dyn Vectors,
    ) -> Result<Option<Held<'b>>, Error> {
        let vector = vectors.vector(slot)?;
        check(&vector, self.dim)?;
        match &body.codes {
            Some(codes) => codes.make(slot.0, &vector).ok_or(Error::There { slot }).map(Some),
            None => Ok(None),
        }
    }

    /// What it found out about how far to look.
    fn tuned(&self, body: &Body) -> Option<Tuned> {
        let tables = body.tables()?;
        let tuning = tables.tuning.as_ref()?;
        let shape = &tables.laid.shape;
        let here = body.slots.len();
        let candidates = tuning.reach(self.config.target_recall, K, here).unwrap_or(here);
        let recall = if candidates < here { tuning.recall_at(candidates) } else { 1.0 };
        let (slots, functions) = (tuning.slots, shape.bits().len());
        let (tables, buckets) = (shape.tables, shape.buckets());
        Some(Tuned { slots, tables, functions, buckets, candidates, recall })
    }
}

impl Index for Lsh {
    fn insert(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        self.take_up(self.own()?, &[slot], vectors, &Pool::here())
    }

    fn insert_all(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        let (body, own) = self.own()?;
        slots.iter().try_for_each(|slot| own.check_free(slot))?;
        let (all, before): (Vec<Slot>, usize) = (slots.iter().collect(), own.live.len());
        let mut done = 0;
        for some in all.chunks(PARTS * SLOTS * pool.threads()) {
            self.take_up((body, own), some, vectors, pool)?;
            done += some.len();
            if !progress(done) {
                return Ok(());
            }
        }
        // That takes as long as there are slots, and not as long as there are new ones: who takes up a few waits for nothing of it.
        if all.len() < before {
            return Ok(());
        }
        self.settle(vectors, pool)
    }

    fn remove(&self, slot: Slot) -> Result<bool, Error> {
        let (_, own) = self.own()?;
        Ok(own.remove(slot))
    }

    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        self.keep_up(vectors, effort)
    }

    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        self.search_one(query, vectors)
    }

    fn search_many(
        &self,
        queries: &[Query<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        queries.iter().try_for_each(|query| query.check(self.dim))?;
        check_dim(vectors, self.dim)?;
        let search = |query| self.search_one(query, vectors);
        pool.each(queries.iter().collect(), search).into_iter().collect()
    }

    fn measure_ef(
        &self,
        _: &mut EfMeasurement,
        _: &dyn Vectors,
        _: &Pool,
    ) -> Result<Option<MeasuredEf>, Error> {
        let tuned = self.statistics().tuned;
        let recall = tuned.map_or(self.config.target_recall, |tuned| tuned.recall);
        Ok(Some(MeasuredEf { ef: 0, recall }))
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
            tuned: self.tuned(&body),
            ..Statistics::new(KIND, body.slots.len(), self.dim, &self.measure)
        }
    }
}

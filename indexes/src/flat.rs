//! Flat: looks at all vectors, and is exact. What the other kinds find is judged by it.
//!
//! One query is compared with each vector by its code first (`codes.rs`), and in full only with those that the code
//! cannot rule out: about a seventh of the bytes are read, and the answer is the same to the bit as that of a scan
//! that compares all in full (`scan.rs`). Many queries are compared with 16 vectors at a time, as matrices are
//! multiplied, so that what was read serves them all (`flat/many.rs`).
//!
//! Where codes prove little, as among vectors that are all equally far, a search notices and compares in full.
//!
//! Who searches waits for nobody. A slot is *taken* by whoever inserts it, who alone makes its code; then it is *live*, until it is
//! *removed*; and when all are gone who may still read its code, it is given back.

pub(crate) mod format;
mod many;
mod one;

use std::io::{self, Write};
use std::sync::Arc;

use base::Slot;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::bodies::{Bodies, Now};
use crate::codes::{Codes, CodesInUse, WORTH};
use crate::image::Image;
use crate::lanes::Instructions;
use crate::leaving::Leaving;
use crate::query::check;
use crate::shared::{Apart, Held, Lives, Pin, Readers};
use crate::slots::Slots;
use crate::vectors::check_dim;
use crate::{
    Error, Index, Measure, Metric, Nearest, Pool, Query, SlotSet, Statistics, Step, Vectors,
};

/// An index that looks at all vectors.
///
/// ```
/// use indexes::{Flat, Index, Memory, Metric, Query, Slot};
///
/// let mut vectors = Memory::new(2);
/// let flat = Flat::new(2, Metric::L2);
/// for (slot, vector) in [[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]].iter().enumerate() {
///     let slot = Slot(slot as u32);
///     vectors.set(slot, vector)?;
///     flat.insert(slot, &vectors)?;
/// }
/// let nearest = flat.search(&Query::new(&[0.0, 0.0]).k(2), &vectors)?;
/// assert_eq!(nearest.neighbours[1].distance, 5.0);
/// # Ok::<(), indexes::Error>(())
/// ```
#[derive(Debug)]
pub struct Flat {
    dim: usize,
    measure: Measure,
    readers: Arc<Readers>,
    bodies: Bodies<Body>,
    writers: Apart<Writers>,
    instructions: Instructions,
}

/// What it is made of: slots, and their codes, if they have any.
#[derive(Debug)]
struct Body {
    slots: Slots,
    codes: Option<Codes>,
}

impl Body {
    /// A copy of its own.
    fn copied(&self, readers: &Arc<Readers>) -> Self {
        let pin = readers.pin();
        let copied = |codes: &Codes| codes.copied(self.slots.iter(), readers, &pin);
        Body { slots: self.slots.copied(), codes: self.codes.as_ref().map(copied) }
    }
}

/// What those hold who change something. Who searches never looks at it.
#[derive(Debug)]
struct Writers {
    /// Held by all who write codes or let go of them, and alone by who must find them unchanged.
    writing: RwLock<()>,
    leaving: Mutex<Option<Leaving>>,
}

/// Its name.
pub(crate) const KIND: &str = "flat";

/// So many slots are taken up by a thread at a time.
const SLOTS: usize = 1_024;

/// And so many times as many for each thread are taken up, or not, as a whole.
const PARTS: usize = 8;

impl Flat {
    /// An empty index of vectors of so many numbers. By a metric it makes codes of them, from 48 numbers on and up
    /// to 65,536.
    pub fn new(dim: usize, measure: impl Into<Measure>) -> Self {
        let measure = measure.into();
        let metric = measure.metric().filter(|_| WORTH.contains(&dim));
        Flat::empty((dim, measure), metric)
    }

    /// One that makes no codes: it takes hardly any memory, and compares all vectors in full.
    pub fn plain(dim: usize, measure: impl Into<Measure>) -> Self {
        Flat::empty((dim, measure.into()), None)
    }

    /// One with no slots, and codes that are to be made, if there is a metric.
    fn empty((dim, measure): (usize, Measure), metric: Option<Metric>) -> Self {
        let readers = Arc::new(Readers::new());
        let codes = metric.map(|metric| Codes::new(dim, metric, &readers));
        let bodies = Bodies::new(Body { slots: Slots::new(), codes });
        Flat::of((dim, measure), readers, bodies)
    }

    /// One that is made of this.
    fn of((dim, measure): (usize, Measure), readers: Arc<Readers>, bodies: Bodies<Body>) -> Self {
        let writers = Writers { writing: RwLock::new(()), leaving: Mutex::new(None) };
        let (writers, instructions) = (Apart(writers), Instructions::best());
        Flat { dim, measure, readers, bodies, writers, instructions }
    }

    /// Opens an image. It is searched where it lies, and looked at only where it is touched: opening takes as long as
    /// reading a page of it, whatever its size. The first change copies all of it.
    ///
    /// ```
    /// use indexes::{Flat, Index, Measure, Memory, Metric, Query, Slot};
    ///
    /// let mut vectors = Memory::new(2);
    /// vectors.set(Slot(0), &[1.0, 2.0])?;
    /// let flat = Flat::new(2, Metric::L2);
    /// flat.insert(Slot(0), &vectors)?;
    /// let mut image = Vec::new();
    /// flat.encode(&mut image);
    ///
    /// let opened = Flat::open(image, &Measure::from(Metric::L2))?;
    /// let nearest = opened.search(&Query::new(&[1.0, 0.0]), &vectors)?;
    /// assert!(opened.is_lent() && nearest.neighbours[0].distance == 2.0);
    /// # Ok::<(), indexes::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](crate::open). What is wrong with other parts of the image is said by searches that touch them.
    pub fn open(image: impl Into<Bytes>, measure: &Measure) -> Result<Self, Error> {
        format::open(&image.into(), measure)
    }

    /// What may be changed. What lies in an image is verified and copied before.
    fn own(&self) -> Result<(&Body, &Lives), Error> {
        let body = self.bodies.own(|lent| lent.copied(&self.readers))?;
        match body.slots.own() {
            Some(own) => Ok((body, own)),
            None => unreachable!("what lies in an image was copied"),
        }
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

    /// It, to be searched under a pin.
    fn under<'p>(&'p self, body: &'p Now<'_, Body>, pin: &'p Pin<'_>) -> InUse<'p> {
        let Body { slots, codes } = &**body;
        let codes = codes.as_ref().map(|codes| codes.under(pin));
        InUse { flat: self, slots, codes, is_sure: body.is_sure() }
    }
}

/// It, for as long as somebody has a pin.
#[derive(Clone, Copy)]
struct InUse<'p> {
    flat: &'p Flat,
    slots: &'p Slots,
    codes: Option<CodesInUse<'p>>,
    /// Whether nothing of it lies in an image that was not verified.
    is_sure: bool,
}

impl Index for Flat {
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
        let all: Vec<Slot> = slots.iter().collect();
        let mut done = 0;
        for some in all.chunks(PARTS * SLOTS * pool.threads()) {
            self.take_up((body, own), some, vectors, pool)?;
            done += some.len();
            if !progress(done) {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, slot: Slot) -> Result<bool, Error> {
        let (_, own) = self.own()?;
        Ok(own.remove(slot))
    }

    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        check_dim(vectors, self.dim)?;
        self.bodies.let_go();
        if self.is_lent() && self.bodies.now().slots.removed() == 0 {
            return Ok(Step::default());
        }
        let (body, own) = self.own()?;
        let _beside_others = self.writers.writing.read();
        let mut under_way = self.writers.leaving.lock();
        if under_way.is_none() && own.removed.len() == 0 {
            return Ok(Step::default());
        }
        let (codes, readers) = (body.codes.as_ref(), &*self.readers);
        let some = || own.removed.iter().take(effort.max(1)).collect();
        let begin = || Leaving::begin(some(), codes, readers);
        let leaving = under_way.take().unwrap_or_else(begin);
        let mut step = Step::default();
        match leaving.go(codes, readers) {
            Ok(slots) => {
                slots.iter().for_each(|slot| own.let_go(*slot));
                step.given_back = slots;
            }
            Err(leaving) => *under_way = Some(leaving),
        }
        step.more = own.removed.len() > 0;
        Ok(step)
    }

    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        let (pin, body) = (self.readers.pin(), self.bodies.now());
        body.check()?;
        let found = one::search(self.under(&body, &pin), query, vectors, &Pool::here());
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
        let found = many::search(self.under(&body, &pin), queries, vectors, pool);
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
        let codes = body.codes.as_ref().map_or(0, Codes::bytes);
        let image = body.image().map_or(0, Image::states);
        Statistics {
            removed: body.slots.removed(),
            bytes: codes + body.slots.bytes() + image,
            ..Statistics::new(KIND, body.slots.len(), self.dim, &self.measure)
        }
    }
}

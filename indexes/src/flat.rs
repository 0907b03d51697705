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
use std::ops::RangeInclusive;
use std::sync::Arc;

use base::Slot;
use parking_lot::{Mutex, RwLock};

use crate::codes::{Codes, CodesInUse, DIM_MAX};
use crate::lanes::Instructions;
use crate::query::check;
use crate::shared::{Apart, Closed, Held, Lives, Moment, Pin, Readers};
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
    slots: Lives,
    codes: Option<Codes>,
    writers: Apart<Writers>,
    instructions: Instructions,
}

/// What those hold who change something. Who searches never looks at it.
#[derive(Debug)]
struct Writers {
    /// Held by all who write codes or let go of them, and alone by who must find them unchanged.
    writing: RwLock<()>,
    leaving: Mutex<Option<Leaving>>,
}

/// Removed slots that are to be given back when all are gone who may still read them.
#[derive(Debug)]
struct Leaving {
    slots: Vec<Slot>,
    until: Until,
}

/// When that is: behind their codes, or, where there are none, a moment.
#[derive(Debug)]
enum Until {
    Codes(Closed),
    Moment(Moment),
}

/// Its name.
pub(crate) const KIND: &str = "flat";

/// Vectors of fewer numbers are compared in full: their codes would not be much shorter. So are those of more than
/// codes can prove anything of.
const CODED: RangeInclusive<usize> = 48..=DIM_MAX;

/// So many slots are taken up by a thread at a time.
const SLOTS: usize = 1_024;

/// And so many times as many for each thread are taken up, or not, as a whole.
const PARTS: usize = 8;

impl Flat {
    /// An empty index of vectors of so many numbers. By a metric it makes codes of them, from 48 numbers on and up
    /// to 65,536.
    pub fn new(dim: usize, measure: impl Into<Measure>) -> Self {
        let measure = measure.into();
        let metric = measure.metric().filter(|_| CODED.contains(&dim));
        Flat::of((dim, measure), metric, Lives::new())
    }

    /// One that makes no codes: it takes hardly any memory, and compares all vectors in full.
    pub fn plain(dim: usize, measure: impl Into<Measure>) -> Self {
        Flat::of((dim, measure.into()), None, Lives::new())
    }

    /// One with these slots, and codes that are to be made, if there is a metric.
    fn of((dim, measure): (usize, Measure), metric: Option<Metric>, slots: Lives) -> Self {
        let readers = Arc::new(Readers::new());
        let codes = metric.map(|metric| Codes::new(dim, metric, &readers));
        let writers = Writers { writing: RwLock::new(()), leaving: Mutex::new(None) };
        let (writers, instructions) = (Apart(writers), Instructions::best());
        Flat { dim, measure, readers, slots, codes, writers, instructions }
    }

    /// Takes up slots, all or none.
    fn take_up(&self, slots: &[Slot], vectors: &dyn Vectors, pool: &Pool) -> Result<(), Error> {
        let _beside_others = self.writers.writing.read();
        let taken = self.slots.take(slots)?;
        let parts = slots.chunks(SLOTS).collect();
        let make = |some: &[Slot]| {
            let make = |slot: &Slot| self.make(*slot, vectors);
            some.iter().map(make).collect::<Result<Vec<_>, Error>>()
        };
        // As long as nobody sees any of them, all can be put back.
        let made = pool.each(parts, make).into_iter().collect::<Result<Vec<_>, _>>()?;
        made.into_iter().flatten().flatten().for_each(Held::open);
        taken.live();
        Ok(())
    }

    /// Makes the code of a slot that is taken, if there are codes.
    fn make(&self, slot: Slot, vectors: &dyn Vectors) -> Result<Option<Held<'_>>, Error> {
        let vector = vectors.vector(slot)?;
        check(&vector, self.dim)?;
        match &self.codes {
            Some(codes) => codes.make(slot.0, &vector).ok_or(Error::There { slot }).map(Some),
            None => Ok(None),
        }
    }

    /// The index whose image this is.
    ///
    /// # Errors
    /// As [`open`](crate::open).
    pub fn decode(image: &[u8], measure: &Measure) -> Result<Self, Error> {
        format::decode(image, measure)
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.slots.live.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// It, to be searched under a pin.
    fn under<'p>(&'p self, pin: &'p Pin<'_>) -> InUse<'p> {
        InUse { flat: self, codes: self.codes.as_ref().map(|codes| codes.under(pin)) }
    }
}

/// It, for as long as somebody has a pin.
#[derive(Clone, Copy)]
struct InUse<'p> {
    flat: &'p Flat,
    codes: Option<CodesInUse<'p>>,
}

impl Index for Flat {
    fn insert(&self, slot: Slot, vectors: &dyn Vectors) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        self.take_up(&[slot], vectors, &Pool::here())
    }

    fn insert_all(
        &self,
        slots: &SlotSet,
        vectors: &dyn Vectors,
        pool: &Pool,
        progress: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), Error> {
        check_dim(vectors, self.dim)?;
        slots.iter().try_for_each(|slot| self.slots.check_free(slot))?;
        let all: Vec<Slot> = slots.iter().collect();
        let mut done = 0;
        for some in all.chunks(PARTS * SLOTS * pool.threads()) {
            self.take_up(some, vectors, pool)?;
            done += some.len();
            if !progress(done) {
                break;
            }
        }
        Ok(())
    }

    fn remove(&self, slot: Slot) -> Result<bool, Error> {
        Ok(self.slots.remove(slot))
    }

    fn step(&self, vectors: &dyn Vectors, effort: usize) -> Result<Step, Error> {
        check_dim(vectors, self.dim)?;
        let _beside_others = self.writers.writing.read();
        let mut under_way = self.writers.leaving.lock();
        if under_way.is_none() && self.slots.removed.len() == 0 {
            return Ok(Step::default());
        }
        let leaving = under_way.take().unwrap_or_else(|| self.leave(effort.max(1)));
        let mut step = Step::default();
        match self.are_gone(leaving.until) {
            Ok(()) => {
                leaving.slots.iter().for_each(|slot| self.slots.let_go(*slot));
                step.given_back = leaving.slots;
            }
            Err(until) => *under_way = Some(Leaving { until, ..leaving }),
        }
        step.more = self.slots.removed.len() > 0;
        Ok(step)
    }

    fn search(&self, query: &Query<'_>, vectors: &dyn Vectors) -> Result<Nearest, Error> {
        query.check(self.dim)?;
        check_dim(vectors, self.dim)?;
        let pin = self.readers.pin();
        one::search(self.under(&pin), query, vectors, &Pool::here())
    }

    fn search_many(
        &self,
        queries: &[Query<'_>],
        vectors: &dyn Vectors,
        pool: &Pool,
    ) -> Result<Vec<Nearest>, Error> {
        queries.iter().try_for_each(|query| query.check(self.dim))?;
        check_dim(vectors, self.dim)?;
        let pin = self.readers.pin();
        many::search(self.under(&pin), queries, vectors, pool)
    }

    fn contains(&self, slot: Slot) -> Result<bool, Error> {
        Ok(self.slots.live.contains(slot))
    }

    fn removed(&self) -> Result<SlotSet, Error> {
        Ok(self.slots.removed.now())
    }

    fn is_lent(&self) -> bool {
        false
    }

    fn verify(&self, _progress: &mut dyn FnMut(usize) -> bool) -> Result<bool, Error> {
        Ok(true)
    }

    fn take_over(&self) -> Result<(), Error> {
        Ok(())
    }

    fn bytes_to_own(&self) -> usize {
        0
    }

    fn write(&self, into: &mut dyn Write) -> io::Result<()> {
        let _alone = self.writers.writing.write();
        format::write(self, into)
    }

    fn statistics(&self) -> Statistics {
        let codes = self.codes.as_ref().map_or(0, Codes::bytes);
        Statistics {
            removed: self.slots.removed.len(),
            bytes: codes + self.slots.bytes(),
            ..Statistics::new(KIND, self.len(), self.dim, &self.measure)
        }
    }
}

impl Flat {
    /// Lets nobody begin to read some of the slots that were removed.
    fn leave(&self, most: usize) -> Leaving {
        let slots: Vec<Slot> = self.slots.removed.iter().take(most).collect();
        let until = match self.codes.as_ref().and_then(Codes::own) {
            Some(rows) => Until::Codes(rows.close(slots.iter().map(|slot| slot.0))),
            None => Until::Moment(self.readers.moment()),
        };
        Leaving { slots, until }
    }

    /// Whether all are gone who might still read them.
    fn are_gone(&self, until: Until) -> Result<(), Until> {
        match (until, self.codes.as_ref().and_then(Codes::own)) {
            (Until::Codes(closed), Some(rows)) => rows.give_back(closed).map_err(Until::Codes),
            (Until::Moment(moment), _) if !self.readers.are_gone(moment) => {
                Err(Until::Moment(moment))
            }
            _ => Ok(()),
        }
    }
}

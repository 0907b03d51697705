//! Makes tables, some at a time: of slots that are hashed, and of tables that there are.
//!
//! Whatever happens meanwhile is right: what is inserted is in no table yet, what is removed is passed over by searches, and what is given back
//! is void in the new tables from the beginning.

use std::sync::Arc;

use base::Slot;

use super::body::{Body, Laid, Tables};
use super::layout::{Layout, Turned};
use super::shape::Shape;
use super::sketches::Sketches;
use super::space::{Role, Space};
use super::tables::{Making, Run, Source, joined};
use super::{Lsh, LshConfig};
use crate::query::check;
use crate::shared::{Lives, SharedSet};
use crate::{Error, Metric, Pool, SlotSet, Vectors};

/// So many slots in no table are put into one, or half as many as there are tables from on, if that is less; and one of so many of all, if
/// that is more, up to a limit: what is in no table is looked at by every search, and large tables take longer to be made anew.
const FRESH: usize = 1_024;
const FRESH_PART: usize = 256;
const FRESH_MAX: usize = 8_192;

/// Small tables become part of the large ones when they have more than one of so many.
const SMALL: usize = 4;

/// When there are so many times as many slots as the tables were shaped for, or so many times fewer, they are made anew.
const GROWN: usize = 4;
const SHRUNK: usize = 16;

/// When more than one of so many slots of the tables is void, they are made without those.
const VOID: usize = 3;

/// The middle is found of so many slots.
const SAMPLE: usize = 2_048;

/// Hashing one takes as long as looking at so many.
const HASHING: usize = 128;

/// A thread hashes so many at a time.
const AT_A_TIME: usize = 256;

/// What is needed to make tables: what may be changed, the vectors, and threads.
#[derive(Clone, Copy)]
pub(super) struct At<'u> {
    pub(super) body: &'u Body,
    pub(super) own: &'u Lives,
    pub(super) vectors: &'u dyn Vectors,
    pub(super) pool: &'u Pool,
}

/// Tables in the making.
#[derive(Debug)]
pub(super) struct Building {
    laid: Arc<Laid>,
    sketches: Arc<Sketches>,
    /// Runs that stay as they are, and those that become part of the new one.
    kept: Vec<Arc<Run>>,
    sources: Vec<Source>,
    /// What is to be hashed, in order; what was, each with its buckets.
    slots: Vec<Slot>,
    next: usize,
    hashed: Vec<u32>,
    buckets: Vec<u32>,
    tables: Vec<Making>,
    /// What the table in the making gets, by buckets.
    sorted: Option<Vec<(u32, u32)>>,
    /// Those whose vectors could not be read: they stay in no table.
    pub(super) aside: SlotSet,
    /// What was given back since it began.
    pub(super) since: SlotSet,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// All tables anew.
    Anew,
    /// All tables, and what is in none.
    All,
    /// The small ones, and what is in none.
    Small,
}

/// What is due, if anything is.
fn due(config: &LshConfig, body: &Body, own: &Lives, aside: &SlotSet) -> Option<Due> {
    let LshConfig { tables_from, .. } = *config;
    let live = own.live.len();
    let few = (live / FRESH_PART).clamp(FRESH.min(tables_from / 2), FRESH_MAX);
    let Some(tables) = body.tables() else {
        return (live >= tables_from).then_some(Due::Anew);
    };
    let shaped = tables.laid.shape.slots;
    if live > shaped.saturating_mul(GROWN) || (live < shaped / SHRUNK && live >= tables_from) {
        return Some(Due::Anew);
    }
    if tables.void() > tables.len() / VOID && tables.void() >= few {
        return Some(Due::All);
    }
    // Some may have been removed, or cannot be read.
    let word = |at| body.fresh.word::<false>(at) & own.live.word(at) & !aside.word(at);
    let count = || (0..own.live.words()).map(|at| word(at).count_ones() as usize).sum();
    let is_enough = body.fresh.own().is_some_and(|fresh| fresh.len() >= few);
    let fresh: usize = if is_enough { count() } else { 0 };
    if fresh < few {
        return None;
    }
    let small: usize = tables.runs.iter().skip(1).map(|run| run.len).sum();
    let large = tables.runs.first().map_or(0, |run| run.len);
    let all = (small + fresh).saturating_mul(SMALL) > large;
    Some(if all { Due::All } else { Due::Small })
}

/// Whether something is due.
pub(super) fn is_due(config: &LshConfig, body: &Body, own: &Lives, aside: &SlotSet) -> bool {
    due(config, body, own, aside).is_some()
}

/// What makes hashes of vectors that lie as some of them do.
fn lay(lsh: &Lsh, metric: Metric, at: At<'_>) -> Laid {
    let LshConfig { seed, .. } = lsh.config;
    let live = at.own.live.len();
    let every = live.div_ceil(SAMPLE).max(1);
    // What cannot be read is told of when it is hashed.
    let read = |slot| at.vectors.vector(slot).ok().map(|vector| vector.to_vec());
    let is_whole = |vector: &Vec<f32>| check(vector, lsh.dim).is_ok();
    let some = at.own.live.iter().step_by(every).filter_map(read).filter(is_whole);
    let space = Space::around(metric, lsh.dim, &some.collect::<Vec<_>>());
    let shape = Shape::new((lsh.dim, metric), &lsh.config, live);
    Laid::new(Layout::new(shape, space, seed), metric, seed)
}

impl Building {
    /// Begins with what is due, if anything is, where some that are in no table could not be read.
    pub(super) fn begin(lsh: &Lsh, at: At<'_>, aside: &SlotSet) -> Option<Self> {
        let due = due(&lsh.config, at.body, at.own, aside)?;
        let metric = lsh.measure.metric()?;
        let now = at.body.tables();
        let (laid, sketches, runs) = match now.filter(|_| due != Due::Anew) {
            Some(now) => (Arc::clone(&now.laid), Arc::clone(&now.sketches), now.runs.clone()),
            None => (Arc::new(lay(lsh, metric, at)), Arc::new(Sketches::new()), Vec::new()),
        };
        let (kept, merged) = match due {
            Due::Small => runs.split_at(runs.len().min(1)),
            Due::All | Due::Anew => runs.split_at(0),
        };
        let source = |run: &Arc<Run>| {
            let void = run.void.own().map(SharedSet::now).unwrap_or_default();
            Source { run: Arc::clone(run), void }
        };
        let fresh = at.body.fresh.own()?;
        let wanted = |slot: &Slot| due == Due::Anew || fresh.contains(*slot);
        let slots = at.own.live.iter().filter(wanted).collect();
        Some(Building {
            laid,
            sketches,
            kept: kept.to_vec(),
            sources: merged.iter().map(source).collect(),
            slots,
            next: 0,
            hashed: Vec::new(),
            buckets: Vec::new(),
            tables: Vec::new(),
            sorted: None,
            aside: SlotSet::new(),
            since: SlotSet::new(),
        })
    }

    /// Goes on, about as much as looking at so many slots takes; says whether all is done. A slot whose vector cannot be read stays
    /// out of the tables, and it goes on behind it the next time.
    pub(super) fn go_on(&mut self, at: At<'_>, left: &mut usize) -> Result<bool, Error> {
        while self.next < self.slots.len() && *left > 0 {
            self.hash_some(at, left)?;
        }
        if self.next < self.slots.len() {
            return Ok(false);
        }
        let shape = &self.laid.shape;
        if *left == usize::MAX && self.tables.is_empty() {
            let make = |table| {
                let mut making = Making::default();
                let sorted = self.sorted(table);
                making.go_on((table, shape.buckets()), &self.sources, &sorted, usize::MAX);
                making
            };
            self.tables = at.pool.each((0..shape.tables).collect(), make);
            return Ok(true);
        }
        while !self.is_made() && *left > 0 {
            let table = self.tables.len() - usize::from(self.sorted.is_some());
            let sorted = self.sorted.take().unwrap_or_else(|| {
                self.tables.push(Making::default());
                *left = left.saturating_sub(self.hashed.len());
                self.sorted(table)
            });
            let Some(making) = self.tables.last_mut() else { return Ok(true) };
            let buckets = self.laid.shape.buckets();
            // Reading one on takes less than looking at one.
            let most = left.saturating_mul(8);
            let took = making.go_on((table, buckets), &self.sources, &sorted, most);
            *left = left.saturating_sub(took / 8 + 1);
            self.sorted = Some(sorted).filter(|_| !making.is_done(buckets));
        }
        Ok(self.is_made())
    }

    fn is_made(&self) -> bool {
        self.tables.len() == self.laid.shape.tables && self.sorted.is_none()
    }

    /// Hashes some.
    fn hash_some(&mut self, at: At<'_>, left: &mut usize) -> Result<(), Error> {
        let most = (*left / HASHING).max(1);
        let end = self.next.saturating_add(most).min(self.slots.len());
        let some = self.slots.get(self.next..end).unwrap_or_default();
        let hash = |some: &[Slot]| self.hash(at, some);
        let hashed = at.pool.each(some.chunks(AT_A_TIME).collect(), hash);
        self.next = end;
        if *left < usize::MAX {
            *left = left.saturating_sub(some.len() * HASHING);
        }
        let mut failed = None;
        for Hashed { slots, buckets, aside, failure } in hashed {
            self.aside.extend(aside);
            self.hashed.extend(slots);
            self.buckets.extend(buckets);
            failed = failed.or(failure);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Hashes some on one thread.
    fn hash(&self, at: At<'_>, some: &[Slot]) -> Hashed {
        let layout = self.laid.get();
        let (mut hashed, mut turned) = (Hashed::default(), Turned::default());
        for slot in some.iter().filter(|slot| !self.since.contains(**slot)) {
            let vector = match at.vectors.vector(*slot) {
                Ok(vector) => vector,
                Err(unreadable) => {
                    hashed.failure = Some(unreadable.into());
                    hashed.aside.push(*slot);
                    continue;
                }
            };
            layout.turn(&vector, Role::Kept, &mut turned);
            self.sketches.put(slot.0, &turned.sketch());
            layout.hash(&turned, &mut hashed.buckets);
            hashed.slots.push(slot.0);
        }
        hashed
    }

    /// What was hashed, by the buckets of a table.
    fn sorted(&self, table: usize) -> Vec<(u32, u32)> {
        let buckets = self.buckets.iter().skip(table).step_by(self.laid.shape.tables);
        let mut sorted: Vec<_> = buckets.copied().zip(self.hashed.iter().copied()).collect();
        sorted.sort_unstable();
        sorted
    }

    /// Lets searches go by what was made; answers with what they went by before.
    pub(super) fn publish(self, at: At<'_>) -> Option<Arc<Tables>> {
        let made = joined(self.tables, self.laid.shape.buckets());
        self.since.iter().for_each(|slot| made.give_back(slot));
        let mut runs = self.kept;
        runs.push(Arc::new(made));
        let tuning = at.body.tables().and_then(|before| before.tuning.clone());
        let (laid, sketches) = (self.laid, self.sketches);
        // Those that were in the tables before and could not be read are in none of the new ones: searches look at them, and tell of it.
        if let Some(fresh) = at.body.fresh.own() {
            let is_left = |slot: &Slot| at.own.live.contains(*slot) && !self.since.contains(*slot);
            self.aside.iter().filter(is_left).for_each(|slot| _ = fresh.insert(slot));
        }
        let before = at.body.publish(Tables { laid, sketches, runs, tuning });
        // Not before: who does not find them there any more finds them in the tables.
        if let Some(fresh) = at.body.fresh.own() {
            let in_tables = self.hashed.iter().map(|slot| Slot(*slot));
            for slot in in_tables.filter(|slot| !self.since.contains(*slot)) {
                fresh.remove(slot);
            }
        }
        before
    }
}

/// Slots, each with its buckets.
#[derive(Default)]
struct Hashed {
    slots: Vec<u32>,
    buckets: Vec<u32>,
    aside: Vec<Slot>,
    failure: Option<Error>,
}

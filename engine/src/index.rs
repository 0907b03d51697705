//! Keeps the index of each collection: it catches up behind the writes, and is never waited for.
//!
//! What is found is complete at every moment: what the index does not have yet is looked at in full (`index/tail.rs`), and
//! where there is no index to go by, all rows are. Background work takes slots from the tail into the index, removes what
//! ended, builds an index anew where there is none or another one is wanted, and writes images of it (`index/work.rs`).
//! Opening, a crash, a rebuild and another kind of index are all the same thing: an index that has to catch up.
//!
//! Promises
//!  1. A damaged, missing or old image of an index is never an error: it is told of, and the index is built anew.
//!  2. A slot is not given out again before the index has let go of it.

mod build;
mod choice;
mod events;
mod format;
mod image;
mod lend;
mod measuring;
mod memory;
mod pace;
mod serving;
mod tail;
mod work;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use base::{Sequence, Slot};
use indexes::{Flat, Hnsw, Index, KdTree, Lsh, Measure};
use parking_lot::{Mutex, RwLock};

use choice::{Choice, Measured, choose};
pub(crate) use events::{Event, Events, EventsCut, What};
pub(crate) use format::{ENTRY_BYTES, decode_event, encode_event};
pub(crate) use image::{Found, Images, check_image, find_images};
pub(crate) use lend::ViewVectors;
pub(crate) use pace::{Helpers, IndexWake, Pools, Progress};
pub(crate) use serving::Serving;
pub(crate) use tail::Snapshot;
pub(crate) use work::{Haste, Work};

use self::image::Named;
use self::serving::Begun;
use self::tail::Tail;
use crate::named::About;
use crate::report::IndexStatistics;
use crate::{CollectionConfig, Error, IndexConfig};

/// Where the index comes from that serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// It began empty.
    New,
    /// An image of it was found when the store was opened.
    Image,
    /// It was built, for this reason.
    Built(String),
}

/// The index of a collection, and what is known of how far it is.
#[derive(Debug)]
pub(crate) struct Indexing {
    /// What became of slots since the oldest image that is of use.
    pub(crate) events: Mutex<Events>,
    /// What is wanted, and how often it was asked to build it anew.
    wanted: RwLock<(IndexConfig, u64)>,
    /// What was chosen, where nobody said which index is wanted.
    chosen: Mutex<Option<Choice>>,
    /// How much of a graph that was chosen a search has in view; 0 where that is not for us to say.
    ef: AtomicUsize,
    /// What was measured of how much that should be.
    measured: Mutex<Option<Measured>>,
    /// What searches go by; none, if there is nothing but the rows.
    serving: RwLock<Option<Arc<Serving>>>,
    /// Held by who works on the index, or builds another one.
    pub(crate) work: Mutex<Work>,
    /// Who waits for it, and works on it meanwhile.
    helpers: Helpers,
    /// The image of it that is named by a manifest, or will be by the next one.
    image: Mutex<Option<Named>>,
    /// What was wrong with the image that was found when the store was opened.
    passed_over: Option<String>,
    /// How many bytes are lacking for it to be our own, and for another one to be built.
    lacking: AtomicU64,
    lacking_to_build: AtomicU64,
    /// About how many bytes one takes that is being built.
    building_bytes: AtomicUsize,
    /// How often it had been asked for the index that serves.
    served: AtomicU64,
    /// How many slots an index will have that is being built, and how many it has.
    building: Mutex<Option<(usize, usize)>>,
    /// What was wrong with an index that served, and that was let go of for it.
    broken: Mutex<Option<String>>,
    /// Why nobody works on it any more.
    stopped: OnceLock<Error>,
}

impl Indexing {
    /// That of a collection that is made now.
    pub(crate) fn of_nothing(about: &About, wanted: IndexConfig) -> Self {
        let first = first(about, wanted, 0);
        let serving = serving(about, first, Origin::New, Begun::default());
        let indexing = Self::begun(wanted, Events::default(), serving);
        indexing.choose(&about.config, 0);
        indexing
    }

    /// One that serves from the beginning, if it can be made.
    fn begun(
        wanted: IndexConfig,
        events: Events,
        serving: std::result::Result<Serving, indexes::Error>,
    ) -> Self {
        match serving {
            Ok(serving) => Self::of(events, wanted, Some(serving), None, None),
            Err(error) => {
                let indexing = Self::of(events, wanted, None, None, None);
                indexing.stop(error.into());
                indexing
            }
        }
    }

    /// That of a collection that was found, with its image or what is wrong with that. All that was found is visible: up to
    /// this batch.
    pub(crate) fn found(
        about: &About,
        wanted: IndexConfig,
        (events, visible): (Events, Option<Sequence>),
        image: image::Found,
    ) -> Self {
        let indexing = Self::found_as_it_is(about, wanted, (events, visible), image);
        let has = |it: Arc<Serving>| it.index.statistics().slots + it.tail.behind();
        indexing.choose(&about.config, indexing.serving().map_or(0, has) as u64);
        indexing
    }

    fn found_as_it_is(
        about: &About,
        wanted: IndexConfig,
        (events, visible): (Events, Option<Sequence>),
        image: image::Found,
    ) -> Self {
        let (passed_over, found) = match image {
            image::Found::None => (None, None),
            image::Found::PassedOver(why) => (Some(why), None),
            image::Found::Whole(found) => (None, Some(found)),
        };
        if let Some(image::Opened { index, config, begun, named }) = found {
            let tail = Tail::of(about);
            let serving = events.since(begun.ends_to).map(|since| {
                let mut serving = Serving::new((index, config), tail, (Origin::Image, begun));
                serving.begin_with(since, visible);
                serving
            });
            let named = image::Named { events: events.count_to(named.horizon), ..named };
            let (image, passed_over) = match serving {
                Some(_) => (Some(named), None),
                None => (None, Some("its image is older than what the store remembers".to_owned())),
            };
            return Self::of(events, wanted, serving, image, passed_over);
        }
        // What there ever was is all in the list: there is no more to be caught up with than that.
        let Some(since) = events.since(None) else {
            return Self::of(events, wanted, None, None, passed_over);
        };
        let origin = passed_over.clone().map_or(Origin::New, Origin::Built);
        let count = events.len() as u64;
        let made = serving(about, first(about, wanted, count), origin, Begun::default());
        let made = made.map(|mut serving| {
            serving.begin_with(since, visible);
            serving
        });
        let mut indexing = Self::begun(wanted, events, made);
        indexing.passed_over = passed_over;
        indexing
    }

    fn of(
        events: Events,
        wanted: IndexConfig,
        serving: Option<Serving>,
        image: Option<Named>,
        passed_over: Option<String>,
    ) -> Self {
        Indexing {
            events: Mutex::new(events),
            wanted: RwLock::new((wanted, 0)),
            chosen: Mutex::new(None),
            ef: AtomicUsize::new(0),
            measured: Mutex::new(None),
            serving: RwLock::new(serving.map(Arc::new)),
            work: Mutex::new(Work::default()),
            helpers: Helpers::default(),
            image: Mutex::new(image),
            passed_over,
            lacking: AtomicU64::new(0),
            lacking_to_build: AtomicU64::new(0),
            building_bytes: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            building: Mutex::new(None),
            broken: Mutex::new(None),
            stopped: OnceLock::new(),
        }
    }

    /// What searches that begin now go by: nothing, if there is nothing but the rows.
    pub(crate) fn serving(&self) -> Option<Arc<Serving>> {
        self.serving.read().as_ref().filter(|serving| serving.broken().is_none()).cloned()
    }

    /// Which index is wanted.
    pub(crate) fn wanted(&self) -> IndexConfig {
        self.wanted.read().0
    }

    /// The kind that is wanted now, and how often it was asked for it: what was chosen, if it is to be chosen.
    fn wanted_now(&self) -> (IndexConfig, u64) {
        let (wanted, asked) = *self.wanted.read();
        let chosen = || self.chosen.lock().as_ref().map(|choice| choice.index);
        match wanted {
            IndexConfig::Auto => (chosen().or_else(|| self.served_by()).unwrap_or_default(), asked),
            wanted => (wanted, asked),
        }
    }

    /// The kind that serves.
    fn served_by(&self) -> Option<IndexConfig> {
        self.serving().map(|serving| serving.config)
    }

    /// Chooses the kind that suits so many vectors, if it is to be chosen.
    fn choose(&self, config: &CollectionConfig, count: u64) {
        let is_free = self.wanted() == IndexConfig::Auto;
        let measured = *self.measured.lock();
        let choice = is_free.then(|| choose(config, count, (self.served_by(), measured)));
        let ef = choice.as_ref().and_then(|choice| choice.ef);
        self.ef.store(ef.unwrap_or(0), Ordering::Relaxed);
        *self.chosen.lock() = choice;
    }

    /// How much a search has in view that does not say how much itself, if the graph was chosen: otherwise the graph says so.
    pub(crate) fn ef(&self) -> Option<usize> {
        Some(self.ef.load(Ordering::Relaxed)).filter(|ef| *ef > 0)
    }

    /// Another index is wanted, or the same built anew.
    pub(crate) fn want(&self, config: IndexConfig) {
        let mut wanted = self.wanted.write();
        *wanted = (config, wanted.1 + 1);
    }

    /// The same is wanted, built anew.
    pub(crate) fn want_again(&self) {
        self.wanted.write().1 += 1;
    }

    /// Slots got their vectors by a batch that is about to be visible.
    pub(crate) fn born(&self, at: Sequence, born: &[(Slot, Arc<[f32]>)]) {
        let serving = self.serving.read();
        let Some(serving) = &*serving else { return };
        for (slot, vector) in born {
            match self.lacking.load(Ordering::Relaxed) > 0 {
                true => serving.tail.add(*slot, at),
                false => serving.tail.add_with(*slot, at, vector),
            }
        }
    }

    /// The batch up to which no index has anything of what ended; nothing, if there is none that could.
    pub(crate) fn detached(&self) -> Option<Option<Sequence>> {
        self.serving.read().as_ref().map(|serving| serving.detached())
    }

    /// How much the index is behind, if writes have to wait for it.
    pub(crate) fn behind(&self) -> usize {
        if self.lacking.load(Ordering::Relaxed) > 0 || self.stopped().is_some() {
            return 0;
        }
        self.serving().map_or(0, |serving| serving.tail.behind())
    }

    /// How many bytes are lacking for what it has to do now.
    pub(crate) fn lacking(&self) -> Option<u64> {
        let wants = |serving: Arc<Serving>| serving.tail.behind() > 0 || serving.leaving() > 0;
        let to_own = Some(self.lacking.load(Ordering::Relaxed)).filter(|lacking| *lacking > 0);
        let to_build = Some(self.lacking_to_build.load(Ordering::Relaxed));
        to_own.filter(|_| self.serving().is_some_and(wants)).max(to_build.filter(|it| *it > 0))
    }

    /// Nobody works on it any more, for this reason.
    pub(crate) fn stop(&self, why: Error) {
        self.stopped.get_or_init(|| why);
    }

    /// Why nobody works on it, if that is so.
    pub(crate) fn stopped(&self) -> Option<&Error> {
        self.stopped.get()
    }

    /// Whether the index that is wanted serves, and has all that it can have of what came up to a batch.
    pub(crate) fn is_caught_up_with(&self, at: Option<Sequence>) -> bool {
        let (wanted, asked) = self.wanted_now();
        let is_it = |it: &Arc<Serving>| it.config == wanted && !it.tail.has_any_of(at);
        self.serving().as_ref().is_some_and(is_it) && self.served.load(Ordering::Acquire) == asked
    }

    /// Figures about it.
    pub(crate) fn statistics(&self) -> IndexStatistics {
        let mut found = IndexStatistics {
            kind: "rows",
            lacking: self.lacking(),
            building: self.building.lock().map(|(all, done)| (done as u64, all as u64)),
            image_bytes: self.image().map_or(0, |image| image.bytes),
            rebuilt: self.passed_over.clone(),
            bytes: self.bytes() as u64,
            stopped: self.stopped().map(Error::to_string),
            chosen: self.chosen.lock().as_ref().map(|choice| choice.why.clone()),
            ..IndexStatistics::default()
        };
        let Some(serving) = self.serving() else {
            found.rebuilt = Some(self.why_none());
            return found;
        };
        let index = serving.index.statistics();
        found.leaving = serving.leaving();
        found.kind = index.kind;
        // Those that were not removed yet are among its slots.
        found.indexed = (index.slots as u64).saturating_sub(serving.unremoved());
        found.behind = serving.tail.behind() as u64;
        (found.inserted, found.removed) = serving.changes();
        found.replayed = serving.replayed;
        found.is_mapped = serving.index.is_lent();
        let of_no_use = index.tree.filter(|tree| tree.is_scanned);
        found.scanned = of_no_use.map(|tree| tree.percent_visited);
        found.recall = index.tuned.map(|tuned| tuned.recall);
        if let Origin::Built(why) = &serving.origin {
            found.rebuilt = Some(why.clone());
        }
        found
    }

    /// The image that manifests are to name.
    pub(crate) fn image(&self) -> Option<snapshot::ImageRef> {
        self.image.lock().as_ref().map(|named| named.image)
    }
}

/// An index that has nothing yet.
fn empty(
    config: IndexConfig,
    dim: usize,
    measure: &Measure,
) -> std::result::Result<Box<dyn Index>, indexes::Error> {
    let measure = measure.clone();
    Ok(match config {
        IndexConfig::Flat | IndexConfig::Auto => Box::new(Flat::new(dim, measure)),
        IndexConfig::Hnsw(config) => Box::new(Hnsw::new(dim, measure, config)),
        IndexConfig::KdTree(config) => Box::new(KdTree::new(dim, measure, config)?),
        IndexConfig::Lsh(config) => Box::new(Lsh::new(dim, measure, config)?),
    })
}

/// The index that a collection of so many vectors begins with.
fn first(about: &About, wanted: IndexConfig, count: u64) -> IndexConfig {
    match wanted {
        IndexConfig::Auto => choose(&about.config, count, (None, None)).index,
        wanted => wanted,
    }
}

fn serving(
    about: &About,
    config: IndexConfig,
    origin: Origin,
    begun: Begun,
) -> std::result::Result<Serving, indexes::Error> {
    let index = empty(config, about.config.dim() as usize, &about.measure)?;
    Ok(Serving::new((index, config), Tail::of(about), (origin, begun)))
}

#[cfg(test)]
mod tests;

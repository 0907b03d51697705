//! Does what indexes have to catch up with, some at a time: so that one thread can see to all collections, and a simulation
//! to each step.
//!
//! A collection's turn: see to what ended, make codes of what has none, take up some of the tail, clear away some of what was
//! removed; build some of another index, if one is wanted; write an image, if enough happened since the last; measure how a graph is
//! best searched, if there is nothing else to do.
//!
//! Never: holds a lock that a reader or a writer waits for, while it works.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base::Sequence;
use indexes::{EfMeasurement, Pool};

use super::build::{Build, Built, Next, Now};
use super::image::Named;
use super::memory::{bytes_of, warm_up};
use super::serving::Serving;
use super::{Indexing, Origin};
use crate::inner::Inner;
use crate::named::CollectionState;
use crate::view::CollectionView;
use crate::{Error, Result};

/// How many slots of the tail get codes in a turn.
const CODED: usize = 8_192;

/// How many slots are taken up by the index in a turn, and how many by one that is being built.
const TAKEN: usize = 1_024;
const BUILT: usize = 2_048;

/// The same where nobody waits: who begins to while a thread that runs behind others is at it has to let that turn end.
const TAKEN_BESIDE: usize = 128;
const BUILT_BESIDE: usize = 128;

/// An image is due when this part of an index, in tenths, has changed since the last one, and at least so many slots: all images
/// that a growing index gets are some three times as long as the last one.
const CHANGED_TENTHS: usize = 4;
const CHANGED_MIN: usize = 4_096;

/// When nothing else is to be done, it is due when this part has changed: one in so many.
const CHANGED_IDLE: usize = 16;
const CHANGED_IDLE_MIN: usize = 256;

/// So many turns more than there are vectors to be taken up are enough to close.
const CLOSING: usize = 1_000;

/// More than so many events are not kept, nor more than some times as many as there are slots: where no image can be written, the
/// index is rather built anew.
const EVENTS_MAX: usize = 1 << 20;

/// What is under way.
#[derive(Debug, Default)]
pub(crate) struct Work {
    building: Option<Build>,
    /// How much of a graph has to be in view is being measured.
    pub(super) measurement: Option<EfMeasurement>,
    /// How many events there were when the last image could not be written.
    failed_at: usize,
}

/// How much time there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Haste {
    /// Others are to notice little of it.
    Beside,
    /// Somebody waits for it.
    Waiting,
    /// Nobody wrote anything for a while: what can wait is done now.
    Idle,
    /// The store is being closed: nothing is begun that takes long.
    Closing,
}

/// Nobody goes on with an index that was being changed when something panicked: a distance of the caller's own, say.
struct StopsByPanic<'c>(Option<&'c CollectionState>);

impl Drop for StopsByPanic<'_> {
    fn drop(&mut self) {
        if let Some(collection) = self.0 {
            let name = collection.about.name.clone();
            collection.indexing.stop(Error::IndexPanicked { name });
        }
    }
}

impl Inner {
    /// Does some of what there is to be done for indexes; says whether there may be more.
    pub(crate) fn index_step(&self, haste: Haste) -> Result<bool> {
        let collections = self.state.read().everything();
        let mut more = false;
        for collection in collections {
            let indexing = &collection.indexing;
            if haste == Haste::Closing || !indexing.helpers.are_at_work() {
                more |= self.index_turn(&collection, &mut indexing.work.lock(), haste)?;
                // Whoever waits for this one does not wait for the others.
                self.index_progress.tell();
            }
        }
        self.check()?;
        if haste != Haste::Closing {
            more |= self.publish_indexes()?;
        }
        self.index_progress.tell();
        Ok(more)
    }

    /// Does some of what there is to be done for one index that somebody waits for, if nobody else is at it; says whether there may
    /// be more.
    pub(super) fn help_index(&self, collection: &Arc<CollectionState>) -> Result<Option<bool>> {
        let Some(mut work) = collection.indexing.work.try_lock() else { return Ok(None) };
        let mut more = self.index_turn(collection, &mut work, Haste::Waiting)?;
        drop(work);
        self.check()?;
        more |= self.publish_indexes()?;
        // Those who were told of nothing would find out that there is nothing, and tell the others.
        if more {
            self.index_progress.tell();
        }
        Ok(Some(more))
    }

    fn index_turn(
        &self,
        collection: &Arc<CollectionState>,
        work: &mut Work,
        haste: Haste,
    ) -> Result<bool> {
        self.check()?;
        let mut panics = StopsByPanic(Some(collection));
        let stepped = self.index_step_of(collection, work, haste);
        panics.0 = None;
        stepped.or_else(|error| {
            // It serves as it is, and nothing else suffers by it.
            collection.indexing.stop(error);
            Ok(false)
        })
    }

    fn index_step_of(
        &self,
        collection: &Arc<CollectionState>,
        work: &mut Work,
        haste: Haste,
    ) -> Result<bool> {
        let indexing = &collection.indexing;
        indexing.let_go_of_broken();
        if collection.has_ended() || indexing.stopped().is_some() {
            // What is being built keeps what it sees from being used again.
            indexing.builds(work, None);
            indexing.forget_too_many(work, self.pins.visible());
            return Ok(false);
        }
        indexing.choose(&collection.about.config, collection.set.counts().alive);
        let mut more = false;
        if let Some(serving) = indexing.serving() {
            more |= self.follow(collection, &serving, haste)?;
        }
        if haste != Haste::Closing {
            // It may be another one than before, or found to be broken.
            let serving = indexing.serving();
            more |= self.build(collection, (work, haste), serving.as_deref())?;
        }
        if let Some(serving) = &indexing.serving()
            && haste != Haste::Closing
            && indexing.is_image_due(work, serving, if more { Haste::Beside } else { haste })
        {
            self.write_image_of(collection, (serving, work))?;
            more = true;
        }
        if let Some(serving) = &indexing.serving()
            && haste == Haste::Idle
            && !more
        {
            more = self.measure_some(collection, (serving, work));
        }
        indexing.forget_too_many(work, self.pins.visible());
        Ok(more)
    }

    /// Writes an image of an index. If there is no room for it, that is tried again when there is more to be written.
    fn write_image_of(
        &self,
        collection: &CollectionState,
        (serving, work): (&Serving, &mut Work),
    ) -> Result<()> {
        let keeping = serving.keeping();
        let written = self.write_index(collection, (serving, &keeping));
        let events = collection.indexing.events.lock().len();
        work.failed_at = if written.is_ok() { 0 } else { events.max(1) };
        match written {
            Err(error) if !error.is_clean_refusal() => Err(error),
            _ => Ok(()),
        }
    }

    /// Brings an index further that serves.
    fn follow(
        &self,
        collection: &Arc<CollectionState>,
        serving: &Serving,
        haste: Haste,
    ) -> Result<bool> {
        let view = CollectionView::of_state(self, collection);
        let mut keeping = serving.keeping();
        let unread = self.pins.unread_before();
        let mut more = serving.see_to_ends(&mut keeping, &collection.indexing.events, unread);
        if self.notes_memory(collection, serving) {
            return Ok(more | self.follow_without_memory((serving, &mut keeping), &view, haste));
        }
        more |= serving.code_some(&view, CODED);
        if !serving.wants_to_change(&keeping) && !serving.is_to_be_swept(haste) {
            let is_warming = haste == Haste::Idle && warm_up(serving);
            return Ok(more | is_warming | serving.broken().is_some());
        }
        if serving.index.is_lent() {
            // If it is damaged, another one is built at the next turn.
            let owned = serving.told(serving.index.take_over());
            return Ok(more | owned.is_some() | serving.broken().is_some());
        }
        let some = if haste == Haste::Waiting { TAKEN } else { TAKEN_BESIDE };
        let taken =
            self.with_pool(haste, |pool| serving.take_up(&mut keeping, &view, (some, pool)))?;
        more |= taken > 0;
        // Slots that were given out again wait until the index has let go of what they held.
        let waits = taken == 0 && serving.tail.behind() > 0 && serving.leaving() > 0;
        if waits || serving.is_to_be_swept(haste) {
            let (there_is, given_back) = serving.sweep(&mut keeping, &view);
            more |= there_is || given_back > 0;
        }
        Ok(more)
    }

    /// Builds some of an index, if another one is wanted than the one that serves.
    fn build(
        &self,
        collection: &Arc<CollectionState>,
        (work, haste): (&mut Work, Haste),
        serving: Option<&Serving>,
    ) -> Result<bool> {
        let indexing = &collection.indexing;
        let (config, asked) = indexing.wanted_now();
        let is_another = |it: &Build| (it.of.config, it.of.asked) != (config, asked);
        if work.building.as_ref().is_some_and(is_another) {
            indexing.builds(work, None);
        }
        let why = match serving {
            Some(serving)
                if serving.config == config && indexing.served.load(Ordering::Acquire) == asked =>
            {
                indexing.lacking_to_build.store(0, Ordering::Relaxed);
                return Ok(false);
            }
            Some(serving) if serving.config == config => "it was asked for".to_owned(),
            Some(_) => match &*indexing.chosen.lock() {
                Some(choice) => choice.why.clone(),
                None => "another one was asked for".to_owned(),
            },
            None => indexing.why_none(),
        };
        let Some(building) = work.building.take() else {
            let about = &collection.about.config;
            let bytes = bytes_of(about, config, collection.set.counts().alive as usize);
            let lacking = self.lacking_for_index(bytes);
            indexing.lacking_to_build.store(lacking, Ordering::Relaxed);
            if lacking > 0 {
                return Ok(false);
            }
            let view = CollectionView::of_state(self, collection);
            let building = Build::begin(&view, (config, asked), why)?;
            indexing.building_bytes.store(bytes, Ordering::Relaxed);
            indexing.builds(work, Some(building));
            return Ok(true);
        };
        let some = if haste == Haste::Waiting { BUILT } else { BUILT_BESIDE };
        let (visible, view) = (self.pins.visible(), CollectionView::of_state(self, collection));
        let now = Now { view: &view, events: &indexing.events, visible };
        match self.with_pool(haste, |pool| building.step(&now, (some, pool)))? {
            Next::Step(building) => indexing.builds(work, Some(building)),
            Next::Anew => indexing.builds(work, None),
            Next::Serve(built) => {
                let Built { serving, taken, keeps } = *built;
                indexing.builds(work, None);
                // Searches do not read in full all that was written meanwhile.
                while serving.code_some(&view, CODED) {}
                self.serve(indexing, *serving, taken);
                drop(keeps);
                indexing.forget_measured(work);
                indexing.served.store(asked, Ordering::Release);
            }
        }
        Ok(true)
    }

    /// Lets an index serve that took over what happened up to a batch.
    fn serve(&self, indexing: &Indexing, mut serving: Serving, taken: Option<Sequence>) {
        // No view is taken meanwhile: it would have the number of before, and an index that does not know what was there.
        let _nobody_looks = self.state.write();
        let mut serves = indexing.serving.write();
        let events = indexing.events.lock();
        if let Some(since) = events.since(taken) {
            serving.begin_with(since, self.pins.visible());
            *serves = Some(Arc::new(serving));
        }
        if let Some(image) = &mut *indexing.image.lock() {
            image.is_of_before = true;
        }
    }

    /// Works with threads: with one for each core where somebody waits, otherwise with half as many.
    pub(super) fn with_pool<A>(&self, haste: Haste, work: impl FnOnce(&Pool) -> A) -> A {
        let pool = match haste {
            Haste::Beside | Haste::Idle => self.pools.half(),
            Haste::Waiting | Haste::Closing => self.pools.all(),
        };
        match pool {
            Some(pool) => work(pool),
            None => work(&Pool::here()),
        }
    }

    /// Does all that can be done in short time before the store is closed.
    pub(crate) fn finish_indexes(&self) -> Result<()> {
        let collections: Vec<_> = self.state.read().going_on().cloned().collect();
        let behind: usize = collections.iter().map(|it| it.indexing.behind()).sum();
        // What others write meanwhile may be missing in the images.
        for _ in 0..=behind + CLOSING {
            if !self.index_step(Haste::Closing)? {
                break;
            }
        }
        for collection in collections {
            let mut work = collection.indexing.work.lock();
            // What was being changed when something went wrong is not to be trusted another time.
            if collection.indexing.stopped().is_none()
                && let Some(serving) = collection.indexing.serving()
                && collection.indexing.is_image_wanted(&serving)
            {
                self.write_image_of(&collection, (&serving, &mut work))?;
            }
        }
        Ok(())
    }

    /// Lets the index of a collection see to what ended, if nobody is at it: what rests in the set of vectors waits for that.
    pub(crate) fn see_to_ends(&self, collection: &Arc<CollectionState>) {
        let Some(serving) = collection.indexing.serving() else { return };
        let Some(mut keeping) = serving.try_keeping() else { return };
        let unread = self.pins.unread_before();
        while serving.see_to_ends(&mut keeping, &collection.indexing.events, unread) {}
        if serving.index.is_lent() || serving.config != crate::IndexConfig::Flat {
            return;
        }
        // What is exact has nothing to mend.
        let view = CollectionView::of_state(self, collection);
        let mut sweep = || serving.sweep(&mut keeping, &view).1 > 0;
        // As long as it helps: what a search still reads is given back later.
        while serving.is_to_be_swept(Haste::Beside) && sweep() {}
    }
}

impl Inner {
    /// Whether the image of the store tells of much that all indexes know by now: whoever opens it reads that.
    pub(crate) fn image_tells_too_much(&self) -> bool {
        let told = self.events_in_image.load(Ordering::Relaxed);
        let state = self.state.read();
        let left: usize = state.going_on().map(|it| it.indexing.events.lock().len()).sum();
        self.check().is_ok() && told > left + CHANGED_MIN
    }
}

impl Indexing {
    /// This is being built, or nothing.
    fn builds(&self, work: &mut Work, building: Option<Build>) {
        *self.building.lock() = building.as_ref().map(Build::progress);
        if building.is_none() {
            self.building_bytes.store(0, Ordering::Relaxed);
        }
        work.building = building;
    }

    /// Whether an image is due.
    fn is_image_due(&self, work: &Work, serving: &Serving, haste: Haste) -> bool {
        let image = *self.image.lock();
        let slots = image.map_or(0, |named| named.slots);
        let due = match haste {
            Haste::Idle => (slots / CHANGED_IDLE).max(CHANGED_IDLE_MIN),
            _ => (slots * CHANGED_TENTHS / 10).max(CHANGED_MIN),
        };
        // One that lacks much is of little use: it waits until the index has taken that up, but not for ever.
        let lacks_much = serving.tail.behind() > TAKEN.max(slots / CHANGED_IDLE);
        let due = if lacks_much { 2 * due } else { due };
        let is_new = image.is_none_or(|named| named.is_of_before);
        let built = matches!(serving.origin, Origin::Built(_)) && is_new;
        built && work.failed_at == 0 || self.changed(serving) >= due.max(2 * work.failed_at)
    }

    /// Whether an image would say anything that the last one does not.
    fn is_image_wanted(&self, serving: &Serving) -> bool {
        let image = *self.image.lock();
        let is_new = image.map_or(serving.origin != Origin::New, |named| named.is_of_before);
        is_new || self.changed(serving) > 0
    }

    /// How much an image would tell that the last one does not.
    fn changed(&self, serving: &Serving) -> usize {
        let image = *self.image.lock();
        let events = self.events.lock();
        match image {
            Some(Named { is_of_before: true, .. }) | None => events.len(),
            // What it was without then it may have by now.
            Some(named) => {
                let ((inserted, removed), before) = (serving.changes(), named.changes);
                let done = inserted.saturating_sub(before.0) + removed.saturating_sub(before.1);
                let noted = events.count().saturating_sub(named.events);
                noted.max(usize::try_from(done).unwrap_or(usize::MAX))
            }
        }
    }

    /// Manifests may name this image, and what happened before it is of no more use.
    pub(super) fn named(&self, named: Named) {
        *self.image.lock() = Some(named);
        self.events.lock().forget(named.horizon);
    }

    /// Forgets what came up to a batch at most, if there is too much of it.
    fn forget_too_many(&self, work: &Work, visible: Option<Sequence>) {
        let serving = self.serving();
        let slots = serving.as_ref().map_or(0, |it| it.index.statistics().slots);
        if self.events.lock().len() <= EVENTS_MAX.max(2 * slots) {
            return;
        }
        let seen_to = match serving {
            Some(serving) => serving.keeping().ends_to(),
            // One that is built later begins with what there is then.
            None if work.building.is_none() => visible,
            None => return,
        };
        self.events.lock().forget(seen_to);
    }

    /// Lets go of an index that nobody goes by any more: what ended would wait for it for ever.
    fn let_go_of_broken(&self) {
        let mut serving = self.serving.write();
        if let Some(why) = serving.as_ref().and_then(|it| it.broken()) {
            *self.broken.lock() = Some(why.to_owned());
            *serving = None;
        }
    }

    /// Why there is no index to go by.
    pub(super) fn why_none(&self) -> String {
        let broken = self.serving.read().as_ref().and_then(|it| it.broken().map(str::to_owned));
        let broken = broken.or_else(|| self.broken.lock().clone());
        let found = || self.passed_over.clone();
        broken.or_else(found).unwrap_or_else(|| "there was no image of it".to_owned())
    }
}

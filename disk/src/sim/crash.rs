//! Goes through a recorded run and builds the disks that a crash at each point could have left,
//! without running it again.

use std::sync::Arc;

use super::choice::{Choice, Written, choices};
use super::event::{Event, Note, Progress};
use super::image::Image;
use super::platter::Platter;
use super::random::Random;
use super::recording::Recording;
use super::state::Limits;
use super::{SimDisk, SimOptions};

pub use super::choice::Density;

/// The points of a run at which it can crash, in order.
#[derive(Debug)]
pub struct CrashPoints<'a> {
    recording: &'a Recording,
    density: Density,
    random: Random,
    platter: Platter,
    progress: Progress,
    /// All that was written so far.
    written: Vec<Written>,
    /// How many events have happened. `None` before the first point.
    happened: Option<usize>,
}

/// A point of a run, with all that a crash there could leave.
#[derive(Debug)]
pub struct CrashPoint {
    /// How many events had happened.
    pub events: usize,
    /// How far the workload was.
    pub progress: Progress,
    platter: Platter,
    limits: Limits,
    choices: Vec<Choice>,
}

/// One disk that a crash could leave.
#[derive(Debug)]
pub struct CrashImage {
    /// What is on it.
    pub image: Image,
    pub(crate) choice: Choice,
}

impl Recording {
    /// The points at which this run can crash: before the first event, and behind each that makes a
    /// difference. The seed decides where the density leaves something to chance.
    pub fn crash_points(&self, density: &Density, seed: u64) -> CrashPoints<'_> {
        CrashPoints {
            recording: self,
            density: density.clone(),
            random: Random::new(seed),
            platter: self.start.clone(),
            progress: self.progress,
            written: Vec::new(),
            happened: None,
        }
    }

    /// At most so many of the points at which this run can crash, by chance if there are more.
    pub(crate) fn some_points(&self, density: &Density, seed: u64, most: usize) -> Vec<CrashPoint> {
        let mut walk = self.crash_points(density, seed);
        let all: Vec<usize> = std::iter::from_fn(|| walk.go_on()).collect();
        let mut some = Random::new(seed).some_of(all, most).into_iter().peekable();
        let mut walk = self.crash_points(density, seed);
        let mut points = Vec::new();
        while some.peek().is_some()
            && let Some(events) = walk.go_on()
        {
            if some.next_if_eq(&events).is_some() {
                points.push(walk.point(events));
            }
        }
        points
    }

    /// The point behind the last event.
    pub fn last_point(&self, density: &Density, seed: u64) -> CrashPoint {
        let mut points = self.crash_points(density, seed);
        let mut happened = 0;
        while let Some(next) = points.step(happened) {
            happened = next;
        }
        points.point(happened)
    }

    /// Every durable version a file of this name has had, the oldest first: what a disk that serves
    /// stale data could show in its place.
    pub fn durable_versions(&self, path: impl AsRef<std::path::Path>) -> Vec<Arc<Vec<u8>>> {
        let mut platter = self.start.clone();
        let mut versions: Vec<Arc<Vec<u8>>> = Vec::new();
        for event in [None].into_iter().chain(self.events.iter().map(Some)) {
            if let Some(event) = event {
                platter.step(event);
            }
            let image = platter.after_crash(&|_| super::take::Take::Nothing);
            let Some(content) = image.content(path.as_ref()) else {
                continue;
            };
            if versions.last().is_none_or(|last| **last != *content.bytes) {
                versions.push(Arc::clone(&content.bytes));
            }
        }
        versions
    }
}

impl Iterator for CrashPoints<'_> {
    type Item = CrashPoint;

    fn next(&mut self) -> Option<CrashPoint> {
        self.go_on().map(|events| self.point(events))
    }
}

impl CrashPoints<'_> {
    /// Goes on to the next point; the number of events that have happened by then.
    fn go_on(&mut self) -> Option<usize> {
        let mut happened = match self.happened {
            None => 0,
            Some(happened) => self.step(happened)?,
        };
        // Where a step just begins, the disk is that of the point before, held to less.
        while let Some(Event::Note(Note::Begun(_))) =
            happened.checked_sub(1).and_then(|last| self.recording.events.get(last))
        {
            happened = self.step(happened)?;
        }
        self.happened = Some(happened);
        Some(happened)
    }

    /// The point at which the run is.
    fn point(&mut self, events: usize) -> CrashPoint {
        CrashPoint {
            events,
            progress: self.progress,
            choices: choices(&self.platter, &self.density, &self.written, &mut self.random),
            limits: self.recording.limits,
            platter: self.platter.clone(),
        }
    }

    /// Lets the next event happen; `None` if there is none.
    fn step(&mut self, happened: usize) -> Option<usize> {
        let event = self.recording.events.get(happened)?;
        match event {
            Event::Note(note) => self.progress.note(*note),
            Event::Write { inode, bytes, .. } => self.written.push((*inode, Arc::clone(bytes))),
            _ => {}
        }
        self.platter.step(event);
        Some(happened + 1)
    }
}

impl CrashPoint {
    /// The disk as a process finds it that starts after another died here, with the power on all the
    /// time: all that was written is seen, and what was not synced can still be lost.
    pub fn after_kill(&self, seed: u64) -> SimDisk {
        self.options(seed).start(self.platter.clone()).build()
    }

    /// The disk that one of the images makes, as the next process finds it.
    pub fn after_power_loss(&self, crash: &CrashImage, seed: u64) -> SimDisk {
        self.options(seed).image(&crash.image).build()
    }

    fn options(&self, seed: u64) -> SimOptions {
        SimDisk::options(seed).limits(self.limits).progress(self.progress)
    }

    /// Every disk that a power failure here could leave, as far as the density goes. Some are the
    /// same: see [`Image::sum`].
    pub fn images(&self) -> impl Iterator<Item = CrashImage> {
        self.choices.iter().map(|choice| self.build(choice))
    }

    /// At most so many of them: the one that keeps what was synced alone, and others by chance.
    pub(crate) fn some_images(&self, most: usize, seed: u64) -> impl Iterator<Item = CrashImage> {
        let others: Vec<_> = self.choices.iter().skip(1).collect();
        let others = Random::new(seed).some_of(others, most.saturating_sub(1));
        self.choices.iter().take(most.min(1)).chain(others).map(|choice| self.build(choice))
    }

    fn build(&self, choice: &Choice) -> CrashImage {
        CrashImage { image: choice.image(&self.platter), choice: choice.clone() }
    }

    /// How a crash led to this image, in words.
    pub fn describe(&self, image: &CrashImage) -> String {
        image.choice.describe(&self.platter)
    }
}

//! The smallest store on top of images and manifests: its state is a number and snapshots of earlier ones,
//! and each step publishes once, or removes what is not needed any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{CollectionId, FileId, LogPlace, Sequence, StoreId, Timeline};
use disk::sim::{Image as DiskImage, Progress, Recording};
use disk::{Disk, SimDisk};
use snapshot::{
    Branch, Error, Image, ImageRef, ImageWriter, IndexImage, Manifest, Manifests, Name, Point,
    list_images,
};

pub(crate) const STORE: StoreId = StoreId(*b"a store of tests");

/// What a workload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Makes the store.
    Create,
    /// Writes an image of the state, which is the number of the step, and publishes it.
    Checkpoint,
    /// Gives a name to the newest checkpoint.
    Snapshot,
    /// Takes the oldest name away.
    Drop,
    /// Writes an image of an index, in place of the one before.
    Index,
    /// Removes what the two newest manifests do not need.
    Prune,
}

/// What is published by a step: the number of the newest checkpoint, the names and what they stand for, and
/// whose index image there is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct State {
    newest: Option<u64>,
    named: Vec<(String, u64)>,
    index: Option<u64>,
}

impl State {
    fn after(&self, number: u64, step: Step) -> State {
        let mut next = self.clone();
        match step {
            Step::Create | Step::Prune => {}
            Step::Checkpoint => next.newest = Some(number),
            Step::Snapshot => {
                next.named.extend(self.newest.map(|newest| (format!("at {number}"), newest)));
            }
            Step::Drop => drop(next.named.drain(..next.named.len().min(1))),
            Step::Index => next.index = Some(number),
        }
        next
    }

    /// What it is after the first so many steps.
    pub(crate) fn of(steps: &[Step], count: u64) -> State {
        let done = (1..).zip(steps).take(count as usize);
        done.fold(State::default(), |state, (number, step)| state.after(number, *step))
    }

    /// The steps whose images it needs.
    fn images(&self) -> BTreeSet<u64> {
        let named = self.named.iter().map(|(_, number)| *number);
        named.chain(self.newest).chain(self.index).collect()
    }
}

/// What a workload does.
#[derive(Debug)]
pub(crate) struct Store {
    disk: Arc<dyn Disk>,
    /// To say how far it is.
    sim: SimDisk,
    pub(crate) manifests: Option<Manifests>,
    steps: u64,
}

/// A sentence for each number, long enough to lie in two sectors.
pub(crate) fn content(number: u64) -> Vec<u8> {
    format!("the state behind step {number}; ").repeat(30).into_bytes()
}

pub(crate) fn timeline() -> Timeline {
    Timeline::new(0xabcd).unwrap()
}

fn point(image: ImageRef, number: u64) -> Point {
    let sequence = Sequence::new(number);
    let log = LogPlace { file: FileId(number), offset: 4_096, sum: 7, sequence };
    Point { name: None, sequence, timeline: timeline(), image, log, log_end: None }
}

pub(crate) fn image_path(file: u64) -> PathBuf {
    Name::Image(FileId(file)).path()
}

pub(crate) fn manifest_path(number: u64) -> PathBuf {
    Name::Manifest(number).path()
}

/// Writes an image that holds this.
pub(crate) fn write_image(
    disk: &Arc<dyn Disk>,
    store: StoreId,
    file: FileId,
    content: &[u8],
) -> snapshot::Result<ImageRef> {
    let mut writer = ImageWriter::create(Arc::clone(disk), store, file)?;
    writer.section("state")?;
    writer.write(content)?;
    writer.section("nothing")?;
    writer.finish()
}

impl Store {
    /// A store that is not there yet.
    pub(crate) fn new(sim: &SimDisk) -> Store {
        Self::behind(Arc::new(sim.clone()), sim)
    }

    /// The same, with something in front of the disk.
    pub(crate) fn behind(disk: Arc<dyn Disk>, sim: &SimDisk) -> Store {
        Store { disk, sim: sim.clone(), manifests: None, steps: 0 }
    }

    /// Does a step, and promises it.
    pub(crate) fn step(&mut self, step: Step) -> snapshot::Result<()> {
        let number = self.steps + 1;
        self.sim.begin(number);
        match &mut self.manifests {
            None => {
                assert_eq!(step, Step::Create);
                self.manifests = Some(Manifests::create(Arc::clone(&self.disk), STORE)?);
            }
            Some(manifests) if step == Step::Prune => drop(manifests.prune(&[])?),
            Some(manifests) => manifests.publish(next(&self.disk, manifests, step, number)?)?,
        }
        self.steps = number;
        self.sim.acknowledge(number);
        Ok(())
    }
}

/// What a step publishes.
fn next(
    disk: &Arc<dyn Disk>,
    manifests: &Manifests,
    step: Step,
    number: u64,
) -> snapshot::Result<Manifest> {
    let mut next = manifests.newest().clone();
    if next.timelines.is_empty() {
        next.timelines.push(Branch { timeline: timeline(), first: Sequence::FIRST, parent: None });
    }
    match step {
        Step::Create | Step::Prune => {}
        Step::Checkpoint => {
            let file = manifests.next_file()?;
            let image = write_image(disk, STORE, file, &content(number))?;
            next.points.retain(|point| point.name.is_some());
            next.points.push(point(image, number));
            next.next_file = FileId(file.0 + 1);
        }
        Step::Snapshot => {
            let named = next.newest().cloned().map(|newest| Point {
                name: Some(format!("at {number}")),
                log_end: Some(newest.log),
                ..newest
            });
            next.points.extend(named);
        }
        Step::Drop => {
            if let Some(at) = next.points.iter().position(|point| point.name.is_some()) {
                next.points.remove(at);
            }
        }
        Step::Index => {
            let file = manifests.next_file()?;
            let image = write_image(disk, STORE, file, &content(number))?;
            next.indexes = vec![IndexImage { collection: CollectionId(1), image }];
            next.next_file = FileId(file.0 + 1);
        }
    }
    Ok(next)
}

/// Does all steps on a new disk.
pub(crate) fn record(steps: &[Step]) -> Recording {
    written(steps).recording()
}

/// A disk on which all steps were done.
pub(crate) fn written(steps: &[Step]) -> SimDisk {
    let disk = SimDisk::new(3);
    let mut store = Store::new(&disk);
    for step in steps {
        store.step(*step).unwrap_or_else(|error| panic!("{steps:?}: {error}"));
    }
    disk
}

pub(crate) fn open(disk: &SimDisk) -> snapshot::Result<Option<Manifests>> {
    Manifests::open(Arc::new(disk.clone()))
}

/// Reads what an image holds, by position.
pub(crate) fn read(disk: &SimDisk, image: &ImageRef) -> snapshot::Result<Vec<u8>> {
    let image = Image::open(disk, STORE, image)?;
    let section = image.section("state")?;
    let mut bytes = vec![0; section.length() as usize];
    section.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Checks every byte of all images that a manifest names.
fn check_whole(disk: &SimDisk, manifest: &Manifest) -> Result<(), String> {
    for image in manifest.images() {
        let opened = Image::open(disk, STORE, &image).map_err(|error| error.to_string())?;
        let damage = opened.verify(|_, _| {});
        if !damage.is_empty() {
            return Err(format!("{image:?}: {damage:?}"));
        }
    }
    Ok(())
}

/// What a manifest says, if all of its images are whole.
pub(crate) fn state_of(disk: &SimDisk, manifest: &Manifest) -> Result<State, String> {
    let number_of = |image: &ImageRef| -> Result<u64, String> {
        let found = read(disk, image).map_err(|error| error.to_string())?;
        let number = (1..100).find(|number| content(*number) == found);
        number.ok_or_else(|| format!("{image:?} holds something else"))
    };
    let mut state = State::default();
    for point in &manifest.points {
        let number = number_of(&point.image)?;
        if point.sequence != Sequence::new(number) {
            return Err(format!("{point:?} stands on the state of step {number}"));
        }
        match &point.name {
            None => state.newest = Some(number),
            Some(name) => state.named.push((name.clone(), number)),
        }
    }
    for index in &manifest.indexes {
        state.index = Some(number_of(&index.image)?);
    }
    Ok(state)
}

/// Whether a sync may have failed in what is recovered from: then what was removed may come back for good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncs {
    Worked,
    MayHaveFailed,
}

/// Recovers what a crash left: the state is that of one of the steps between those promised and those begun;
/// whatever any manifest that is there names is whole; what was removed for good stays so.
pub(crate) fn recover(disk: &SimDisk, progress: Progress, steps: &[Step]) -> Result<State, String> {
    recover_behind(Syncs::Worked, disk, progress, steps)
}

/// The same behind syncs that may have failed.
pub(crate) fn recover_behind(
    syncs: Syncs,
    disk: &SimDisk,
    progress: Progress,
    steps: &[Step],
) -> Result<State, String> {
    let in_words = |error: Error| error.to_string();
    let _recovering = disk.recovering();
    if syncs == Syncs::Worked {
        check_removed(disk, progress, steps)?;
        check_older(disk)?;
    }
    let Some(mut manifests) = open(disk).map_err(in_words)? else {
        let is_right = progress.acknowledged == 0;
        return if is_right { Ok(State::default()) } else { Err("no store".into()) };
    };
    if let Some(passed_over) = manifests.passed_over() {
        return Err(format!("passed over: {passed_over}"));
    }
    manifests.confirm().map_err(in_words)?;
    let found = state_of(disk, manifests.newest())?;
    check_whole(disk, manifests.newest())?;
    let mut possible = progress.acknowledged..=progress.begun;
    if !possible.any(|count| State::of(steps, count) == found) {
        return Err(format!("found {found:?}, at {progress:?}"));
    }
    manifests.prune(&[]).map_err(in_words)?;
    if syncs == Syncs::Worked {
        check_older(disk)?;
    }
    let named: BTreeSet<FileId> = manifests.newest().images().map(|image| image.file).collect();
    let next_file = manifests.newest().next_file;
    let listed = list_images(disk).map_err(in_words)?;
    // Of those above, nobody knows: an image whose publication did not come, or that is being made.
    let left = listed.iter().filter(|name| FileId(name.number()) < next_file);
    let left: BTreeSet<FileId> = left.map(|name| FileId(name.number())).collect();
    let needed: BTreeSet<FileId> = manifests.reachable_images().map(|image| image.file).collect();
    let is_right = named.is_subset(&left) && left == needed;
    if is_right { Ok(found) } else { Err(format!("{left:?} are left of {named:?}")) }
}

/// Whatever manifests are there, and were the newest of them lost: what each names is there. References are
/// removed before what they refer to.
fn check_older(disk: &SimDisk) -> Result<(), String> {
    let mut contents: DiskImage = disk.contents();
    while let Some(highest) = manifests_in(&contents).pop() {
        let alone = SimDisk::from_image(&contents, 5);
        let manifests = open(&alone).map_err(|error| error.to_string())?.ok_or("no store")?;
        state_of(&alone, manifests.newest())
            .map_err(|error| format!("were {highest} the newest: {error}"))?;
        contents.remove(manifest_path(highest));
    }
    Ok(())
}

/// The numbers of the manifests that have their names.
fn manifests_in(contents: &DiskImage) -> Vec<u64> {
    let of_path = |path: &Path| path.file_stem()?.to_str()?.parse::<u64>().ok();
    let numbers = contents.files().filter_map(of_path);
    let is_there = |number: &u64| contents.bytes(manifest_path(*number)).is_some();
    let numbers: BTreeSet<u64> = numbers.filter(is_there).collect();
    numbers.into_iter().collect()
}

/// Nothing is there that was removed when the last step that is safe was done, if that was to remove and no
/// other has begun.
fn check_removed(disk: &SimDisk, progress: Progress, steps: &[Step]) -> Result<(), String> {
    let Progress { begun, acknowledged } = progress;
    let done = &steps[..acknowledged as usize];
    if begun != acknowledged || done.last() != Some(&Step::Prune) {
        return Ok(());
    }
    // Manifests and images have numbers of their own: those of the steps that make one, in order.
    let numbers_of = |makes: fn(&Step) -> bool| -> Vec<u64> {
        (1..).zip(done).filter(|(_, step)| makes(step)).map(|(number, _)| number).collect()
    };
    let publishers = numbers_of(|step| *step != Step::Prune);
    let makers = numbers_of(|step| matches!(step, Step::Checkpoint | Step::Index));
    let published = publishers.len() as u64;
    let older = manifests_in(&disk.contents()).into_iter().find(|number| number + 1 < published);
    if let Some(number) = older {
        return Err(format!("manifest {number} is back, at {progress:?}"));
    }
    let newest = publishers.iter().rev().take(2).map(|step| State::of(steps, *step).images());
    let needed: BTreeSet<u64> = newest.flatten().collect();
    for name in list_images(disk).map_err(|error| error.to_string())? {
        let maker = makers.get(name.number() as usize - 1);
        if !maker.is_some_and(|maker| needed.contains(maker)) {
            return Err(format!("{name:?} is back, at {progress:?}"));
        }
    }
    Ok(())
}

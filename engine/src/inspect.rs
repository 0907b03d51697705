//! Writes down what a file of a store is, and what the log holds, for people who look.
//!
//! Never: changes anything; needs more of a store than the file that is looked at, or its log.

use std::path::Path;
use std::sync::Arc;

use base::{CollectionId, Sequence};
use disk::{Access, Disk, LockKind, OsDisk};
use snapshot::{Image, Manifests};
use wal::Replay;

use crate::format::{EndedRow, Op, Outcome, decode_ops, decode_outcomes};
use crate::id::plain;
use crate::image::read_catalogue;
use crate::report::TornEnd;
use crate::store::check_there;
use crate::{Error, Result, StoreOptions};

/// What a file of a store was found to be. See [`inspect`](crate::inspect()).
///
/// ```
/// # use arrwdb::Store;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("data");
/// # Store::open(&path)?.close()?;
/// for file in std::fs::read_dir(path.join("manifests"))? {
///     let found = arrwdb::inspect(file?.path())?;
///     assert!(found.is_sound);
///     println!("{}", found.text);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// A few lines, or one for each record of a log file.
    pub text: String,
    /// Whether what can be checked of the file alone is as it was written.
    pub is_sound: bool,
}

/// Looks at one file of a store, wherever it lies: a manifest, an image, a segment of vectors or a file of the log.
///
/// # Errors
/// If it cannot be read; [`Error::NotOfAStore`] if it is something else.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection> {
    let path = path.as_ref();
    let not_ours = || Error::NotOfAStore { path: path.to_path_buf() };
    let name = path.file_name().ok_or_else(not_ours)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let disk = OsDisk::options().open(parent.unwrap_or(Path::new(".")))?;
    inspect_on(&disk, Path::new(name))
}

fn inspect_on(disk: &dyn Disk, path: &Path) -> Result<Inspection> {
    let not_ours = || Error::NotOfAStore { path: disk.root().join(path) };
    let file = disk.open(path, Access::Read)?;
    let mut magic = [0; 8];
    if file.size()? >= 8 {
        file.read_at(0, &mut magic)?;
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    let mut text = String::new();
    // By what it says it is; where that is damaged, by its name.
    let is_sound = match (&magic, extension) {
        (b"arrwMAN\n", _) => snapshot::describe_manifest(&*file, &mut text)?,
        (b"arrwIMG\n", _) => snapshot::describe_image(&*file, &mut text)?,
        (b"arrwSEG\n" | b"arrwPAY\n", _) => segments::describe(&*file, &mut text)?,
        (b"arrwLOG\n", _) => wal::describe(&file, &mut text)?,
        (_, Some("man")) => snapshot::describe_manifest(&*file, &mut text)?,
        (_, Some("img")) => snapshot::describe_image(&*file, &mut text)?,
        (_, Some("seg" | "pay")) => segments::describe(&*file, &mut text)?,
        (_, Some("wal")) => wal::describe(&file, &mut text)?,
        _ => return Err(not_ours()),
    };
    Ok(Inspection { text, is_sound })
}

impl StoreOptions {
    /// Reads the log of the store in a directory, which nobody has open for writing, from the oldest batch that there
    /// is on: `see` gets the number of each, and what it did, a line for each thing. Says whether the log ends in
    /// something that was being written.
    ///
    /// # Errors
    /// If there is no store, somebody has it open, or the log is damaged: what stands before that was seen.
    pub fn read_log(
        &self,
        path: impl AsRef<Path>,
        mut see: impl FnMut(Sequence, &[String]),
    ) -> Result<Option<TornEnd>> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::options().open(path.as_ref())?);
        check_there(&disk)?;
        let _nobody_writes = disk.lock(LockKind::Shared)?;
        let no_store = || Error::NoStore { path: disk.root().to_path_buf() };
        let manifests = Manifests::open(Arc::clone(&disk))?.ok_or_else(no_store)?;
        let mut names = names(&*disk, &manifests);
        let Some(place) = wal::oldest_place(&*disk, manifests.store())? else { return Ok(None) };
        let options = self.log_options(manifests.store());
        let mut replay = Replay::begin(Arc::clone(&disk), &options, &place, None)?;
        while let Some(batch) = replay.next()? {
            let bad = |what| Error::bad_batch(batch.sequence, what);
            let ops = decode_ops(batch.body).map_err(bad)?;
            let outcomes = decode_outcomes(batch.table, &ops).map_err(bad)?;
            let lines =
                ops.iter().zip(&outcomes).map(|(op, outcome)| line(&mut names, op, outcome));
            see(batch.sequence, &lines.collect::<Vec<_>>());
        }
        Ok(replay.finish()?.cut.map(TornEnd::of))
    }
}

type Names = Vec<(CollectionId, String)>;

/// The names of the collections that images know.
fn names(disk: &dyn Disk, manifests: &Manifests) -> Names {
    let images = manifests.reachable_images();
    // Where an image is damaged there are numbers in the place of names.
    let images = images.filter_map(|image| Image::open(disk, manifests.store(), &image).ok());
    let catalogues = images.filter_map(|image| read_catalogue(&image).ok());
    catalogues.flat_map(|it| it.entries).map(|entry| (entry.id, entry.name)).collect()
}

fn line(names: &mut Names, op: &Op, outcome: &Outcome) -> String {
    let name = |collection: &CollectionId| {
        let known = names.iter().find(|(id, _)| id == collection);
        known.map_or_else(
            || format!("collection {collection}"),
            |(_, name)| plain(name).into_owned(),
        )
    };
    let mut text = match op {
        Op::Upsert { collection, id, vector, .. } => {
            format!("{}: upsert {}, {} numbers", name(collection), id.plain(), vector.len())
        }
        Op::Update { collection, id, .. } => {
            format!("{}: update the payload of {}", name(collection), id.plain())
        }
        Op::Remove { collection, id } => format!("{}: remove {}", name(collection), id.plain()),
        Op::CreateCollection { collection, name, config } => {
            names.push((*collection, name.clone()));
            let (dim, distance) = (config.dim(), plain(config.distance_name()));
            format!("create collection {}, {dim} numbers, {distance}", plain(name))
        }
        Op::DropCollection { collection } => format!("{}: drop the collection", name(collection)),
        Op::Clear { collection, next } => {
            let cleared = name(collection);
            names.push((*next, cleared.clone()));
            format!("{cleared}: clear, collection {collection} becomes {next}")
        }
        Op::Segment { collection, file } => {
            format!("{}: one more segment, file {}", name(collection), file.0)
        }
        Op::Payloads { collection, file, base, capacity } => format!(
            "{}: one more file of payloads, file {}, addresses {base} to {}",
            name(collection),
            file.0,
            base.saturating_add(*capacity)
        ),
        Op::Index { collection, index } => format!("{}: index {}", name(collection), index.name()),
        Op::Cut => "a checkpoint begins behind this".to_owned(),
        Op::Note(note) if note.value.is_empty() => format!("forget note {:?}", note.name),
        Op::Note(note) => format!("note {:?}, {} bytes", note.name, note.value.len()),
    };
    if let Some(payload) = op.payload() {
        text.push_str(&format!(", {} bytes of payload", payload.len()));
    }
    match outcome {
        Outcome::Upserted { row, placed, payload, .. } => {
            let kind = if matches!(placed, segments::Placed::Own(_)) { "own" } else { "shared" };
            text.push_str(&format!(": row {row}, {kind} slot {}", placed.slot()));
            text.push_str(&at_address(*payload));
        }
        Outcome::Updated { row, payload, .. } => {
            text.push_str(&format!(": row {row}{}", at_address(*payload)));
        }
        Outcome::Removed { .. } | Outcome::Done(_) => {}
    }
    match outcome {
        Outcome::Upserted { ended: Some(ended), .. }
        | Outcome::Updated { ended, .. }
        | Outcome::Removed { ended: Some(ended) } => {
            let EndedRow { row, slot, slot_ended, .. } = ended;
            let is_last = *slot_ended == segments::Ended::Yes;
            let last = if is_last { ", its last" } else { "" };
            text.push_str(&format!("; ends row {row} of slot {slot}{last}"));
        }
        Outcome::Removed { ended: None } => text.push_str(": it was not there"),
        Outcome::Upserted { .. } | Outcome::Done(_) => {}
    }
    text
}

fn at_address(payload: Option<segments::PayloadPlace>) -> String {
    payload.map_or_else(String::new, |place| format!(", payload at {}", place.address))
}

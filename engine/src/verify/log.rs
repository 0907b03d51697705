//! Checks the log: from what the older of the two newest manifests needs, up to its end or to what is visible. And the files
//! that it alone says were made.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use base::{CollectionId, FileId, Sequence};
use disk::{Access, Disk};
use segments::Name;
use snapshot::Manifests;
use wal::Replay;

use super::images::Found;
use super::{Problem, Report};
use crate::format::{Op, decode_ops, decode_outcomes};
use crate::image::Entry;
use crate::report::TornEnd;
use crate::{Error, Result};

const BATCHES: &str = "all batches from there on";

/// Reads the log; up to the end where nobody writes to it, otherwise up to what was visible. Says whether it ends in
/// something that was being written.
pub(super) fn check(
    disk: &Arc<dyn Disk>,
    (manifests, images): (&Manifests, &[Found]),
    options: &wal::Options,
    until: Option<Option<Sequence>>,
    report: &mut Report<'_>,
) -> Result<Option<TornEnd>> {
    let Some(newest) = manifests.newest().newest() else { return Ok(None) };
    if until == Some(None) {
        // Nothing is visible yet.
        return Ok(None);
    }
    let oldest = manifests.reachable().min_by_key(|point| (point.log.file, point.log.offset));
    let from = oldest.unwrap_or(newest).log;
    let durable = Some(newest.log);
    let replay = match Replay::begin(Arc::clone(disk), options, &from, durable) {
        Ok(replay) => replay,
        Err(error) => return report.note_error(error.into(), BATCHES).map(|()| None),
    };
    report.is_to_read(replay.progress().1);
    let mut files = Files::default();
    match read(replay, until.flatten(), &mut files, report) {
        Ok((last, torn_end)) => {
            // Who has the store open has these open.
            if until.is_none() {
                files.check(&**disk, images, report)?;
            }
            if let Some(Some(until)) = until
                && last < Some(until)
            {
                report.note(ends_early(last, until, torn_end.as_ref()));
            }
            let torn_end = torn_end.filter(|_| until.is_none());
            if let Some(cut) = torn_end.as_ref().filter(|cut| cut.is_in_doubt) {
                report.note(doubt(cut));
            }
            Ok(torn_end)
        }
        Err(error) => report.note_error(error, BATCHES).map(|()| None),
    }
}

/// Reads all batches up to this one. Says which was the last, and how the log ends if it was read to its end.
fn read(
    mut replay: Replay,
    until: Option<Sequence>,
    files: &mut Files,
    report: &mut Report<'_>,
) -> Result<(Option<Sequence>, Option<TornEnd>)> {
    let mut read = 0;
    let mut last = None;
    while let Some(batch) = replay.next()? {
        let sequence = batch.sequence;
        let bad = |what| Error::bad_batch(sequence, what);
        let ops = decode_ops(batch.body).map_err(bad)?;
        decode_outcomes(batch.table, &ops).map_err(bad)?;
        ops.iter().for_each(|op| files.follow(op));
        last = Some(sequence);
        let now = replay.progress().0;
        report.has_read(now - read);
        read = now;
        if until.is_some_and(|until| sequence >= until) {
            return Ok((last, None));
        }
    }
    let ended = replay.finish()?;
    // It began behind batches that an image has.
    Ok((last.max(ended.last()), ended.cut.map(TornEnd::of)))
}

/// Files of vectors and payloads that the log says were made, of collections that go on.
#[derive(Default)]
struct Files(BTreeMap<CollectionId, Vec<Name>>);

impl Files {
    fn follow(&mut self, op: &Op) {
        match op {
            Op::Segment { collection, file } => {
                self.0.entry(*collection).or_default().push(Name::Segment(*file));
            }
            Op::Payloads { collection, file, .. } => {
                self.0.entry(*collection).or_default().push(Name::Payloads(*file));
            }
            Op::Clear { collection, .. } | Op::DropCollection { collection } => {
                self.0.remove(collection);
            }
            _ => {}
        }
    }

    /// Looks whether they can be opened, but for those that an image has as well.
    fn check(&self, disk: &dyn Disk, images: &[Found], report: &mut Report<'_>) -> Result<()> {
        const AFFECTS: &str = "what was written to it since the last checkpoint";
        let entries = images.iter().flat_map(|found| &found.catalogue.entries);
        let listed: HashSet<FileId> = entries.flat_map(Entry::all_files).collect();
        let behind = |name: &&Name| !listed.contains(&name.file());
        for name in self.0.values().flatten().filter(behind) {
            let described = disk.open(&name.path(), Access::Read).map_err(Error::from);
            let described =
                described.and_then(|file| Ok(segments::describe(&*file, &mut String::new())?));
            match described {
                Ok(true) => {}
                Ok(false) => report.note(Problem {
                    file: name.path(),
                    offset: Some(0),
                    what: "a part of its header is damaged, or its end is cut off".to_owned(),
                    affects: AFFECTS.to_owned(),
                }),
                Err(error) => report.note_error(error, AFFECTS)?,
            }
        }
        Ok(())
    }
}

/// A torn write and rot of the very last batches look alike: it is not called sound.
fn doubt(cut: &TornEnd) -> Problem {
    Problem {
        file: cut.path.clone(),
        offset: Some(cut.offset),
        what: "the log ends in a write that was not finished, or in damage: which, nothing tells"
            .to_owned(),
        affects: "what was being written last; opening the store cuts it off".to_owned(),
    }
}

fn ends_early(last: Option<Sequence>, until: Sequence, cut: Option<&TornEnd>) -> Problem {
    let last =
        last.map_or_else(|| "before the first batch".into(), |it| format!("behind batch {it}"));
    Problem {
        file: cut.map_or_else(|| "wal".into(), |cut| cut.path.clone()),
        offset: cut.map(|cut| cut.offset),
        what: format!("the log ends {last}, and batch {until} was written"),
        affects: BATCHES.to_owned(),
    }
}

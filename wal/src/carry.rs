//! Makes the files that are there as a whole or not at all: a log's first one, the one into which a
//! recovery carries what may be in the system's cache alone, and the witness of a close.
//!
//! Owns: FORMAT.md section 3.4.
//!
//! Promises
//!  1. Nothing that another file holds is changed: a crash leaves either the new file or all that it was
//!     made from.
//!  2. Every complete batch that was replayed is durable when a carry returns.
//!
//! Never: carries a batch that is not complete; copies a damaged byte under a new checksum.

use std::sync::Arc;

use base::checksum::Xxh3;
use base::{FileId, Sequence, Timeline};
use disk::{Disk, File};

use crate::chain::Chain;
use crate::current::Current;
use crate::format::{FileHeader, HEADER_BYTES, Holds, Invalid, Kind, Predecessor};
use crate::frame::{Piece, Tip};
use crate::make::make;
use crate::options::Options;
use crate::reader::{Branch, Reader, Spot};
use crate::replay::{Ended, place_of};
use crate::walk::Good;
use crate::{Error, Result, names};

/// How much is written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// What a new file's header says.
pub(crate) struct Opening {
    pub(crate) file: FileId,
    pub(crate) salt: u64,
    pub(crate) bytes: u64,
    pub(crate) branch: Branch,
    pub(crate) previous: Option<Predecessor>,
    /// The last batch that is complete in front of it.
    pub(crate) last: Option<Sequence>,
}

/// The header of a new file.
pub(crate) fn header(options: &Options, opening: &Opening) -> Result<FileHeader> {
    let first = Chain::between(0, opening.last).next_sequence().ok_or(Error::Exhausted)?;
    Ok(FileHeader {
        store: options.store,
        file: opening.file,
        salt: opening.salt,
        timeline: opening.branch.timeline,
        timeline_first: opening.branch.first,
        parent: opening.branch.parent,
        first,
        previous: opening.previous,
        holds: Holds::Records,
        bytes: opening.bytes,
    })
}

/// A new branch, behind this batch.
pub(crate) fn branch_off(disk: &dyn Disk, from: &Branch, last: Option<Sequence>) -> Result<Branch> {
    let first = Chain::between(0, last).next_sequence().ok_or(Error::Exhausted)?;
    // A branch that nothing was ever written on is no one's past.
    let parent = if from.first == first { from.parent } else { Some(from.timeline) };
    let mut timeline = None;
    while timeline.is_none() || timeline == parent || timeline == Some(from.timeline) {
        timeline = Timeline::new(random(disk)?);
    }
    let timeline = timeline.ok_or(Error::Exhausted)?;
    Ok(Branch { timeline, first, parent })
}

/// A number that no other draw gives.
pub(crate) fn random(disk: &dyn Disk) -> Result<u64> {
    Ok(Xxh3::of(&disk.random()?))
}

/// Publishes a file without batches, to be appended to.
pub(crate) fn publish_empty(
    disk: &dyn Disk,
    header: &FileHeader,
    chain: &Chain,
) -> Result<Current> {
    publish(disk, header, chain, |_, _, _| Ok(()))
}

/// Publishes the header that witnesses where a closed log ended.
pub(crate) fn publish_witness(disk: &dyn Disk, header: &FileHeader) -> Result<()> {
    let header = FileHeader { bytes: HEADER_BYTES as u64, ..*header };
    let write = |file: &dyn File| Ok(file.write_at(0, &header.encode())?);
    make(disk, header.file, header.bytes, write).map(|_| ())
}

/// Publishes a file with all complete batches behind the place up to which the log is known to be
/// durable.
pub(crate) fn carry(
    ended: &Ended,
    options: &Options,
    file: FileId,
    branch: &Branch,
) -> Result<Current> {
    let disk = &**ended.reader.disk();
    let Spot { file: durable, boundary } = ended.reader.durable();
    let previous = Predecessor { file: durable, end: boundary.offset, sum: boundary.chain.sum };
    let mut records = 0;
    uncertain(ended, |_, good| {
        records += good.verified.header.record_bytes();
        Ok(())
    })?;
    let opening = Opening {
        file,
        salt: random(disk)?,
        bytes: options.file_bytes_for(records, options.file_bytes),
        branch: *branch,
        previous: Some(previous),
        last: boundary.chain.last,
    };
    let header = header(options, &opening)?;
    let behind = ended.reader.files().logs.get(&durable);
    let timeline = behind.map_or(branch.timeline, |behind| behind.found.header.timeline);
    let (chain, _) = boundary
        .chain
        .enter(timeline, &header, 0)
        .expect("a header that was made to follow from this place");
    publish(disk, &header, &chain, |tip, buffer, file| {
        uncertain(ended, |reader, good| {
            copy(reader, good, tip, buffer)?;
            if buffer.len() >= WRITE_BYTES { flush(tip, buffer, file) } else { Ok(()) }
        })
    })
}

/// Goes once more through the records that may be in the cache alone and are part of complete batches.
fn uncertain(ended: &Ended, mut visit: impl FnMut(&Reader, &Good) -> Result<()>) -> Result<()> {
    let mut reader = ended.reader.again()?;
    if !ended.place.is_behind(&place_of(&reader.spot())) {
        return Ok(());
    }
    while place_of(&reader.spot()) != ended.place {
        let Some(good) = reader.next()? else {
            return Err(Error::Changed { path: names::log_path(ended.place.file) });
        };
        visit(&reader, &good)?;
    }
    Ok(())
}

/// Frames a record again, for its new place. Its sums stay: they were checked just now, and damage that
/// comes between is found by whoever reads it next.
///
/// It may not follow there: if it stands in a file that gives up a batch or leaves some out, and does not
/// call the beginning of that file synced. Nothing writes such a file.
fn copy(reader: &Reader, good: &Good, tip: &mut Tip, buffer: &mut Vec<u8>) -> Result<()> {
    let header = good.verified.header;
    if header.kind == Kind::Batch {
        let (table, body) = reader.payload(good);
        let piece = Piece {
            sequence: header.sequence,
            kind: header.kind,
            part: header.part,
            table,
            table_sum: header.table_sum,
            body,
            body_sum: header.body_sum,
        };
        tip.frame_if_it_follows(&piece, 0, buffer).ok_or_else(|| {
            let path = names::log_path(reader.spot().file);
            Error::Damaged { path, what: Invalid::Value("first") }
        })?;
    }
    Ok(())
}

fn flush(tip: &Tip, buffer: &mut Vec<u8>, file: &dyn File) -> Result<()> {
    file.write_at(tip.at().offset - buffer.len() as u64, buffer)?;
    buffer.clear();
    Ok(())
}

fn publish(
    disk: &dyn Disk,
    header: &FileHeader,
    chain: &Chain,
    fill: impl FnOnce(&mut Tip, &mut Vec<u8>, &dyn File) -> Result<()>,
) -> Result<Current> {
    let (mut buffer, mut tip) = Tip::behind(header, chain);
    let file: Arc<dyn File> = make(disk, header.file, header.bytes, |file| {
        fill(&mut tip, &mut buffer, file)?;
        if tip.at().offset == HEADER_BYTES as u64 {
            tip.frame(&Piece::bare(Kind::SyncMark, tip.at().chain.last), 0, &mut buffer);
        }
        flush(&tip, &mut buffer, file)
    })?;
    Ok(Current::published(file, header.bytes, tip))
}

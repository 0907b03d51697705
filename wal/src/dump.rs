//! Writes down what the log's files hold, for people to read.

use std::fmt::Write;
use std::sync::Arc;

use base::{FileId, Sequence, StoreId};
use disk::{Disk, EntryKind, File};

use crate::format::{
    FileHeader, Found, HEADER_BYTES, HeaderState, Holds, Kind, Part, RecordHeader,
};
use crate::names::{self, Name};
use crate::scan::{self, Item, Pages};
use crate::{Result, files};

/// Writes a line for each record of each file, and for all that is no record. Reads everything; damage is
/// written down and never an error.
///
/// # Errors
/// If the directory cannot be listed, or a file not be opened.
pub fn dump(disk: &dyn Disk, store: StoreId, into: &mut String) -> Result<()> {
    for (name, kind) in files::listed(disk)? {
        match name {
            Name::Log(file) if kind == EntryKind::File => dump_file(disk, store, file, into)?,
            Name::New(file) => {
                line(into, &format!("{}: not finished", names::new_path(file).display()))
            }
            Name::Log(_) => {}
        }
    }
    Ok(())
}

fn line(into: &mut String, text: &str) {
    into.push_str(text);
    into.push('\n');
}

/// Writes down what one file holds, wherever it lies; says whether all of it is as a log writes it.
///
/// # Errors
/// If the disk cannot say how long it is.
pub fn describe(file: &Arc<dyn File>, into: &mut String) -> Result<bool> {
    let bytes = file.size()?;
    if bytes > LONGEST {
        line(into, &format!("{bytes} bytes: longer than any file of the log"));
        return Ok(false);
    }
    Ok(dump_pages(&scan::read(file)?, None, into) == Harm::None)
}

/// More than any file of the log has: it is read whole.
const LONGEST: u64 = 1 << 30;

/// Whether all of a file is as a log writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harm {
    None,
    Some,
}

fn dump_file(disk: &dyn Disk, store: StoreId, file: FileId, into: &mut String) -> Result<()> {
    let pages = scan::read(&files::open(disk, file)?)?;
    line(into, &format!("{}, {} bytes", names::log_path(file).display(), pages.bytes.len()));
    let _told_in_words = dump_pages(&pages, Some((store, file)), into);
    Ok(())
}

fn dump_pages(pages: &Pages, place: Option<(StoreId, FileId)>, into: &mut String) -> Harm {
    let mut harm = if pages.unreadable.is_empty() { Harm::None } else { Harm::Some };
    for range in &pages.unreadable {
        line(into, &format!("  {:>10}  cannot be read up to {}", range.start, range.end));
    }
    let found = match FileHeader::decode(&pages.bytes) {
        Ok(found) => found,
        Err(_) if !pages.bytes.is_empty() && pages.bytes.iter().all(|byte| *byte == 0) => {
            line(into, "           0  spare: zeros to its end");
            return harm;
        }
        Err(invalid) => {
            line(into, &format!("           0  no header: {invalid}"));
            return Harm::Some;
        }
    };
    line(into, &header_line(&found));
    if found.state == HeaderState::Damaged {
        harm = Harm::Some;
    }
    if let Some((store, file)) = place
        && let Err(foreign) = found.header.check_place(store, file)
    {
        line(into, &format!("           0  {foreign}"));
        harm = Harm::Some;
    }
    let Found { header, .. } = found;
    for item in scan::scan(&pages.bytes, header.file, header.salt, pages.bytes.len() as u64) {
        if matches!(item, Item::Odd(_)) {
            harm = Harm::Some;
        }
        line(
            into,
            &match item {
                Item::Record { offset, verified, .. } => record_line(offset, &verified.header),
                Item::Odd(range) => format!("  {:>10}  no record up to {}", range.start, range.end),
                Item::Zeros(range) => format!("  {:>10}  zeros to the end", range.start),
            },
        );
    }
    harm
}

fn header_line(found: &Found) -> String {
    let header = &found.header;
    let mut text = format!(
        "  {:>10}  header: timeline {} from batch {} on, first batch here {}",
        0, header.timeline, header.timeline_first, header.first
    );
    if let Some(previous) = header.previous {
        // Writing to a string cannot fail.
        let _infallible = write!(text, ", behind file {} at {}", previous.file.0, previous.end);
    }
    if header.holds == Holds::Nothing {
        text.push_str("; closed, nothing follows");
    }
    if found.state == HeaderState::Damaged {
        let _infallible =
            write!(text, "; damaged within its {HEADER_BYTES} bytes, and read all the same");
    }
    text
}

fn record_line(offset: u64, header: &RecordHeader) -> String {
    let sequence = header.sequence.map_or(0, Sequence::get);
    let what = match (header.kind, header.part) {
        (Kind::SyncMark, _) => format!("sync mark behind batch {sequence}"),
        (Kind::Close, _) => format!("close behind batch {sequence}"),
        (Kind::Batch, Part::Whole) => format!("batch {sequence}"),
        (Kind::Batch, Part::First) => format!("batch {sequence}, first part"),
        (Kind::Batch, Part::Middle) => format!("batch {sequence}, next part"),
        (Kind::Batch, Part::Last { .. }) => format!("batch {sequence}, last part"),
    };
    let RecordHeader { table_bytes, body_bytes, synced_to, .. } = header;
    format!("  {offset:>10}  {what}: table {table_bytes}, body {body_bytes}, synced to {synced_to}")
}

//! Gathers what is found at the place where a walk through a log file stopped.
//!
//! Owns: the facts of FORMAT.md section 3.3. Which of them counts is for `tail` to say.
//!
//! Never: changes anything; looks for records of other files.

use base::{LogPlace, Sequence};

use crate::error::{Lost, Witness};
use crate::files::LogFile;
use crate::format::{ALIGNMENT, Holds, Kind, Part, Predecessor, RECORD_HEADER_BYTES};
use crate::tail::{Evidence, Fact};
use crate::walk::{Stop, Walk};

/// What stands behind a place, as far as records are valid there.
#[derive(Clone, Copy, Default, Debug)]
struct Behind {
    /// The first batch that begins there.
    resumes: Option<Sequence>,
    /// The last batch that any of them tells of.
    highest: Option<Sequence>,
    /// The latest place that any of them calls synced.
    synced_to: u64,
    /// Whether there is nothing but zeros.
    only_zeros: bool,
}

/// What was found at the end of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Findings {
    pub(crate) evidence: Evidence,
    /// What cannot be read, if it was durable.
    pub(crate) lost: Lost,
}

/// What is known about a file besides its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) file: LogFile,
    /// What the header of the next file says about this one's end, and the sequence it begins with.
    pub(crate) successor: Option<(Predecessor, Sequence)>,
    /// Up to where whoever opens the log knows it to be durable.
    pub(crate) durable: Option<LogPlace>,
}

/// Gathers the evidence at the place where a walk stopped, or came to the end that the successor names.
pub(crate) fn gather(walk: &mut Walk, stop: Option<Stop>, known: &Known) -> disk::Result<Findings> {
    let at = walk.at();
    let mut lost = Lost { first: at.chain.next_sequence(), last: None };
    let mut evidence = Evidence::none();
    let mut note = |fact, is_found| {
        if is_found {
            evidence = evidence.and(fact);
        }
    };
    if let Some((end, first)) = known.successor {
        // The record that crosses the end, if there is one, is not what was there when the end was named.
        let is_followed = stop.is_none() && end.end == at.offset && end.sum == at.chain.sum;
        note(Fact::SuccessorPromises, !is_followed);
        note(Fact::Followed, is_followed);
        lost.last = Sequence::new(first.get() - 1);
    }
    // Where the log goes on elsewhere, the place itself may have been superseded: its batches are there.
    let is_short = known.durable.is_some_and(|durable| durable.sequence > at.chain.last);
    note(Fact::KnownDurable, is_short && known.successor.is_none());
    let is_closed = known.file.found.header.holds == Holds::Nothing;
    note(Fact::Closed, is_closed);
    note(Fact::CutShort, known.file.bytes < known.file.found.header.bytes);
    note(Fact::ChainBroken, stop == Some(Stop::DoesNotFollow));
    let mut behind = Behind { only_zeros: true, ..Behind::default() };
    if known.successor.is_none() && !is_closed {
        behind = look_behind(walk)?;
    }
    note(Fact::RecordPromises, behind.synced_to > at.offset);
    note(Fact::OnlyZeros, behind.only_zeros);
    let resumed = behind.resumes.and_then(|resumes| Sequence::new(resumes.get() - 1));
    let outside = known.durable.and_then(|durable| durable.sequence);
    lost.last = resumed.or(behind.highest).or(lost.last).or(outside);
    Ok(Findings { evidence, lost })
}

/// Looks for records behind the place where the walk is, wherever one could begin.
fn look_behind(walk: &mut Walk) -> disk::Result<Behind> {
    let start = walk.at().offset;
    let mut behind = Behind { only_zeros: true, ..Behind::default() };
    let mut offset = start;
    while let Some(bytes) = walk.window().at(offset, ALIGNMENT as u64)? {
        if bytes.iter().all(|byte| *byte == 0) {
            offset += ALIGNMENT as u64;
            continue;
        }
        behind.only_zeros = false;
        let valid = walk.peek(offset)?;
        // The one here may be valid as far as its header goes: its payload is not.
        if let Some(verified) = valid.filter(|_| offset > start) {
            let header = verified.header;
            behind.synced_to = behind.synced_to.max(header.synced_to);
            behind.highest = behind.highest.max(header.sequence);
            if header.kind == Kind::Batch && matches!(header.part, Part::Whole | Part::First) {
                behind.resumes = behind.resumes.or(header.sequence);
            }
            offset += header.record_bytes().max(RECORD_HEADER_BYTES as u64);
        } else {
            offset += ALIGNMENT as u64;
        }
    }
    // The file's last bytes, if it is not as long as it should be.
    let rest = walk.limit().saturating_sub(offset);
    if let Some(bytes) = walk.window().at(offset, rest)? {
        behind.only_zeros &= bytes.iter().all(|byte| *byte == 0);
    }
    Ok(behind)
}

/// What tells that the place was durable, of the facts that mean rot, in the order of the table.
pub(crate) fn witness(evidence: Evidence) -> Witness {
    let witnesses = [
        (Fact::SuccessorPromises, Witness::Successor),
        (Fact::RecordPromises, Witness::Record),
        (Fact::KnownDurable, Witness::Outside),
        (Fact::CutShort, Witness::Length),
    ];
    let found = witnesses.into_iter().find(|(fact, _)| evidence.has(*fact));
    found.map_or(Witness::Chain, |(_, witness)| witness)
}

//! Chooses what a crash takes of each pending change: every way that matters, or one by chance.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::change::{ChangeId, What};
use super::event::Inode;
use super::image::Image;
use super::platter::{Pending, Platter};
use super::random::Random;
use super::take::{Fill, InFlight, Neighbours, Take};

/// How many of the possible crashes are tried at each point.
#[derive(Clone, Debug)]
pub struct Density {
    /// All subsets of the pending changes are tried while there are at most this many.
    pub exhaustive_up_to: u32,
    /// Beyond that, this many subsets by chance.
    pub subsets: usize,
    /// A torn, cut or trashed write is combined with all subsets of the other pending changes while
    /// there are at most this many; beyond that, with all and with none of them.
    pub crossed_up_to: u32,
    /// Of each write, at most this many places where it is torn, for each sector size.
    pub tears: usize,
    /// Of the last write, at most this many bytes at which it is cut short.
    pub cuts: usize,
    /// At each point, at most this many crashes, by chance if there are more.
    pub images: usize,
    /// Right behind a recovery, at most this many crashes: the one that keeps what was synced alone, and others by
    /// chance, which are others each time.
    pub again: usize,
    /// Of a recovery that is crashed in its turn, at most this many points, by chance if there are more: others for each.
    pub of_recovery: usize,
    /// What trashing harms.
    pub neighbours: Neighbours,
    /// What trashing leaves.
    pub in_flight: InFlight,
}

impl Default for Density {
    fn default() -> Self {
        Density {
            exhaustive_up_to: 10,
            subsets: 32,
            crossed_up_to: 3,
            tears: 16,
            cuts: 16,
            images: 4096,
            again: 4096,
            of_recovery: usize::MAX,
            neighbours: Neighbours::Spared,
            in_flight: InFlight::Trashed,
        }
    }
}

impl Density {
    /// A thin sample, for long runs.
    pub fn thin() -> Self {
        Density {
            exhaustive_up_to: 4,
            subsets: 6,
            tears: 2,
            cuts: 2,
            images: 64,
            ..Density::default()
        }
    }
}

/// What a power failure takes of each change: this of these, and of all others the one or the other.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    others: Others,
    pub(crate) taken: BTreeMap<ChangeId, Take>,
    pub(crate) class: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Others {
    Kept,
    Dropped,
}

impl Choice {
    fn new(others: Others, class: &'static str, taken: Vec<(ChangeId, Take)>) -> Self {
        Choice { others, taken: taken.into_iter().collect(), class }
    }

    /// The disk that this leaves.
    pub(crate) fn image(&self, platter: &Platter) -> Image {
        platter.after_crash(&|id| match (self.taken.get(&id), self.others) {
            (Some(take), _) => take.clone(),
            (None, Others::Kept) => Take::All,
            (None, Others::Dropped) => Take::Nothing,
        })
    }

    /// In words, for messages.
    pub(crate) fn describe(&self, platter: &Platter) -> String {
        let pending = platter.pending();
        let number = |id: ChangeId| pending.iter().position(|change| change.id() == id);
        let taken: Vec<_> = self
            .taken
            .iter()
            .map(|(id, take)| format!("{take:?} of change {:?}", number(*id).unwrap_or(usize::MAX)))
            .collect();
        let rest = match self.others {
            Others::Kept => "all others kept",
            Others::Dropped => "all others dropped",
        };
        let (class, count) = (self.class, pending.len());
        format!("the power failed: {class} ({}; {rest}, of {count} pending)", taken.join(", "))
    }
}

/// Every way to crash that is worth a try with these changes pending. `written` is all that was
/// written so far, the newest last.
pub(crate) fn choices(
    platter: &Platter,
    density: &Density,
    written: &[Written],
    random: &mut Random,
) -> Vec<Choice> {
    let pending = platter.pending();
    let ids: Vec<_> = pending.iter().map(Pending::id).collect();
    let mut choices = vec![Choice::new(Others::Dropped, "synced only", Vec::new())];
    if ids.is_empty() {
        return choices;
    }
    choices.push(Choice::new(Others::Kept, "all written", Vec::new()));
    subsets(&ids, density, random, &mut choices);
    let last_write = pending.iter().rev().find_map(write_of).map(|write| write.id);
    for write in pending.iter().filter_map(write_of) {
        let others: Vec<_> = ids.iter().copied().filter(|other| *other != write.id).collect();
        let combinations = combinations(&others, density.crossed_up_to);
        let cuts = if last_write == Some(write.id) { density.cuts } else { 0 };
        let density = Density { cuts, ..density.clone() };
        for (class, take) in torn(&write, &density, written, random) {
            choices.extend(combinations.iter().map(|(others, kept)| {
                let taken = kept.iter().cloned().chain([(write.id, take.clone())]);
                Choice::new(*others, class, taken.collect())
            }));
        }
    }
    random.some_of(choices, density.images)
}

/// A pending write.
struct Write<'a> {
    id: ChangeId,
    offset: u64,
    bytes: &'a Arc<[u8]>,
}

/// Something that was written, and to what.
pub(crate) type Written = (Inode, Arc<[u8]>);

/// Every way in which one write can reach the device in part, or in a wrong way. The density says at how
/// many bytes it is cut short: only the last write is.
fn torn(
    write: &Write<'_>,
    density: &Density,
    written: &[Written],
    random: &mut Random,
) -> Vec<(&'static str, Take)> {
    let (offset, length) = (write.offset, write.bytes.len());
    let fills = fills(write, written);
    let mut takes = Vec::new();
    for sector in [512, 4096] {
        for (before, after) in inner_boundaries(offset, length, sector, density.tears, random) {
            takes.push(("torn, first part", only(0..before)));
            takes.push(("torn, last part", only(before..length)));
            takes.push(("torn, a sector lost", Take::Parts(vec![0..before, after..length])));
            takes.push(("torn, a sector kept", only(before..after)));
            takes.extend(fills.iter().map(|fill| {
                let head = std::iter::once(0..before).collect();
                ("torn, first part at full size", Take::Sized(head, fill.clone()))
            }));
        }
    }
    let cuts = inner_bytes(length, density.cuts, random);
    takes.extend(cuts.into_iter().map(|cut| ("cut short", only(0..cut))));
    takes.extend(fills.into_iter().map(|fill| ("size without bytes", Take::Sized(vec![], fill))));
    for part in trashed_parts(offset, length, density.tears, random) {
        if density.in_flight == InFlight::TrashedOrUnreadable {
            takes.push(("unreadable", Take::Unreadable(part.clone())));
        }
        let (parts, neighbours) = (std::iter::once(part).collect(), density.neighbours);
        takes.push(("trashed", Take::Trashed { parts, neighbours }));
    }
    takes
}

/// What can stand where a write has the size but not the bytes: zeros, garbage, what was written to
/// this file before it, and what was last written to another.
fn fills(write: &Write<'_>, written: &[Written]) -> Vec<Fill> {
    let mut fills = vec![Fill::Zeros, Fill::Garbage(write.id.0)];
    let Some(at) = written.iter().rposition(|(_, bytes)| Arc::ptr_eq(bytes, write.bytes)) else {
        return fills;
    };
    let before = written.get(..at).unwrap_or_default().iter().rev();
    let this = written.get(at).map(|(inode, _)| *inode);
    let of_this = before.clone().find(|(inode, _)| Some(*inode) == this);
    let of_others = written.iter().rev().find(|(inode, _)| Some(*inode) != this);
    fills.extend(
        [of_this, of_others].into_iter().flatten().map(|(_, old)| Fill::Stale(Arc::clone(old))),
    );
    fills
}

/// Prefixes, each one alone kept or dropped, and all or some of the other subsets.
fn subsets(ids: &[ChangeId], density: &Density, random: &mut Random, choices: &mut Vec<Choice>) {
    let keep = |ids: &[ChangeId]| ids.iter().map(|id| (*id, Take::All)).collect::<Vec<_>>();
    if ids.len() <= density.exhaustive_up_to as usize {
        for mask in 1..(1_u64 << ids.len()) - 1 {
            let kept = ids.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
            let kept: Vec<_> = kept.map(|(_, id)| *id).collect();
            choices.push(Choice::new(Others::Dropped, "a subset", keep(&kept)));
        }
        return;
    }
    for count in 1..ids.len() {
        let prefix = ids.get(..count).unwrap_or(ids);
        choices.push(Choice::new(Others::Dropped, "a prefix", keep(prefix)));
    }
    for id in ids {
        choices.push(Choice::new(Others::Dropped, "one kept", keep(&[*id])));
        choices.push(Choice::new(Others::Kept, "one dropped", vec![(*id, Take::Nothing)]));
    }
    for _ in 0..density.subsets {
        let kept: Vec<_> = ids.iter().copied().filter(|_| random.below(2) == 0).collect();
        choices.push(Choice::new(Others::Dropped, "a subset by chance", keep(&kept)));
    }
}

/// One part of a write.
fn only(part: Range<usize>) -> Take {
    Take::Parts(std::iter::once(part).collect())
}

/// What can become of the other changes when one is torn.
fn combinations(others: &[ChangeId], crossed_up_to: u32) -> Vec<(Others, Vec<(ChangeId, Take)>)> {
    if others.len() > crossed_up_to as usize {
        return vec![(Others::Kept, Vec::new()), (Others::Dropped, Vec::new())];
    }
    let kept = |mask: u64| {
        let kept = others.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 == 1);
        kept.map(|(_, id)| (*id, Take::All)).collect()
    };
    (0..1 << others.len()).map(|mask| (Others::Dropped, kept(mask))).collect()
}

fn write_of<'a>(pending: &Pending<'a>) -> Option<Write<'a>> {
    match pending {
        Pending::File(change) => match &change.what {
            What::Write { offset, bytes, .. } => {
                Some(Write { id: change.id, offset: *offset, bytes })
            }
            What::SetSize { .. } => None,
        },
        Pending::Name(_) => None,
    }
}

/// The parts of a write that lie in one sector each, as bytes from its first.
fn sectors(offset: u64, length: usize, sector: u64) -> Vec<Range<usize>> {
    let first = usize::try_from(sector - offset % sector).unwrap_or(length);
    let step = usize::try_from(sector).unwrap_or(length).max(1);
    let ends = (first..length).step_by(step).chain([length]);
    let mut start = 0;
    let mut parts = Vec::new();
    for end in ends {
        parts.push(start..end);
        start = end;
    }
    parts
}

/// Sectors of a write that reaches over several, each as where it begins and ends.
fn inner_boundaries(
    offset: u64,
    length: usize,
    sector: u64,
    most: usize,
    random: &mut Random,
) -> Vec<(usize, usize)> {
    let parts = sectors(offset, length, sector);
    if parts.len() < 2 {
        return Vec::new();
    }
    random.some_of(parts, most).into_iter().map(|part| (part.start, part.end)).collect()
}

/// Bytes at which a write can be cut short.
fn inner_bytes(length: usize, most: usize, random: &mut Random) -> Vec<usize> {
    if length <= most { (1..length).collect() } else { random.some_of((1..length).collect(), most) }
}

/// What of a write can come out as garbage: all of it, or one of its sectors.
fn trashed_parts(
    offset: u64,
    length: usize,
    most: usize,
    random: &mut Random,
) -> Vec<Range<usize>> {
    let parts = sectors(offset, length, 512);
    let mut trashed = if parts.len() < 2 { Vec::new() } else { random.some_of(parts, most) };
    trashed.push(0..length);
    trashed
}

/// The disk after a crash that decides about each pending change by chance.
pub(crate) fn random_image(platter: &Platter, seed: u64) -> Image {
    let mut random = Random::new(seed);
    let mut taken = Vec::new();
    // Some crashes lose nearly all, some nearly nothing, some are even.
    let odds = 1 + random.below(7);
    for pending in platter.pending() {
        let kept = random.below(8) < odds;
        let take = match (write_of(&pending), random.below(8)) {
            (Some(write), 0) => {
                let parts = sectors(write.offset, write.bytes.len(), 512);
                let kept = parts.into_iter().filter(|_| random.below(2) == 0).collect();
                Take::Parts(kept)
            }
            (Some(write), 1) => Take::Sized(Vec::new(), Fill::Garbage(write.id.0)),
            _ if kept => Take::All,
            _ => Take::Nothing,
        };
        taken.push((pending.id(), take));
    }
    Choice::new(Others::Dropped, "by chance", taken).image(platter)
}

//! How much of one pending change a crash leaves on the device.

use std::ops::Range;
use std::sync::Arc;

use super::change::What;
use super::event::Device;

/// What a crash takes of a pending change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    /// All of it.
    All,
    /// None of it.
    Nothing,
    /// Of a write, these parts only, in bytes from its first; the file grows no further than the
    /// last of them.
    Parts(Vec<Range<usize>>),
    /// Of a write that made the file longer, its whole size, but of its bytes only these parts.
    Sized(Vec<Range<usize>>, Fill),
    /// Of a write, all of it, but these parts came out as garbage.
    Trashed { parts: Vec<Range<usize>>, neighbours: Neighbours },
    /// Of a write, all of it, but this part can't be read any more.
    Unreadable(Range<usize>),
}

/// Whether a torn write harms only the bytes it covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Neighbours {
    /// Power-safe overwrite: what arrwDB assumes of a device.
    Spared,
    /// The rest of each sector is lost with it. Nothing here is built to survive this; it exists
    /// to measure what would happen.
    Harmed,
}

/// What a sector that was being written when the power failed may come out as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InFlight {
    /// Garbage.
    Trashed,
    /// Garbage, or nothing that can be read: a recovery that meets it can only refuse, and must be
    /// allowed to.
    TrashedOrUnreadable,
}

/// What stands in bytes that a file has by its size, but that were never written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fill {
    Zeros,
    /// Bytes that look like nothing, the same each time for this seed.
    Garbage(u64),
    /// Bytes of something that was written earlier: they may look like a valid part of a file.
    Stale(Arc<[u8]>),
}

impl Fill {
    /// Fills new bytes, the first of which lies `at` behind the start of the write.
    pub(crate) fn put(&self, new: &mut [u8], at: usize) {
        match self {
            Fill::Zeros => {}
            Fill::Garbage(seed) => {
                let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
                for byte in new {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *byte = (state >> 32) as u8;
                }
            }
            Fill::Stale(old) => {
                let old = old.iter().cycle().skip(at % old.len().max(1));
                new.iter_mut().zip(old).for_each(|(byte, old)| *byte = *old);
            }
        }
    }
}

/// A [`Take`] worked out in bytes of its change.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// Parts that reach the device as they were written.
    pub(crate) data: Vec<Range<usize>>,
    /// Parts that reach it as garbage, on top of the data.
    pub(crate) trash: Vec<Range<usize>>,
    /// A part that reaches it as sectors that can't be read.
    pub(crate) unreadable: Option<Range<usize>>,
    /// Whether the garbage takes the rest of its sectors along.
    pub(crate) neighbours: bool,
    /// Of a cut that is not taken, the zeros that came with later writes: offsets in the file.
    pub(crate) zeroed: Vec<Range<u64>>,
    /// How far the file reaches at least, counted from the write's first byte.
    pub(crate) end: Option<usize>,
    /// What stands in new bytes that no data covers.
    pub(crate) fill: Fill,
}

impl Taken {
    pub(crate) fn all(what: &What) -> Self {
        Self::of(what, &Take::All)
    }

    pub(crate) fn of(what: &What, take: &Take) -> Self {
        let length = match what {
            What::Write { bytes, .. } => bytes.len(),
            // Has no bytes; its end says that it is taken.
            What::SetSize { .. } => 0,
        };
        let nothing = Taken {
            data: Vec::new(),
            trash: Vec::new(),
            unreadable: None,
            neighbours: false,
            zeroed: Vec::new(),
            end: None,
            fill: Fill::Zeros,
        };
        let whole = std::iter::once(0..length).collect();
        match take {
            Take::Nothing => nothing,
            Take::All => Taken { data: whole, end: Some(length), ..nothing },
            Take::Parts(parts) => {
                let end = parts.iter().map(|part| part.end).max();
                Taken { data: parts.clone(), end, ..nothing }
            }
            Take::Sized(parts, fill) => {
                Taken { data: parts.clone(), end: Some(length), fill: fill.clone(), ..nothing }
            }
            Take::Unreadable(part) => {
                Taken { data: whole, unreadable: Some(part.clone()), end: Some(length), ..nothing }
            }
            Take::Trashed { parts, neighbours } => Taken {
                data: whole,
                trash: parts.clone(),
                neighbours: *neighbours == Neighbours::Harmed,
                end: Some(length),
                ..nothing
            },
        }
    }

    /// Adds what later writes drag along of a write that begins at `offset`: parts, as offsets in the
    /// file. Of a write that the device lost or misplaced, they are all that is where it should be.
    pub(crate) fn drag(&mut self, offset: u64, parts: Vec<Range<u64>>, device: Device) {
        if device != Device::Writes {
            self.data.clear();
        }
        for part in parts {
            let inside = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
            let part = inside(part.start)..inside(part.end);
            self.end = Some(self.end.unwrap_or(0).max(part.end));
            self.data.push(part);
        }
    }

    pub(crate) fn changes_size(&self) -> bool {
        self.end.is_some()
    }
}

//! Makes a simulated disk fail on demand: one call, once or from then on.
//!
//! A fault waits for the calls it applies to, counts them, and strikes at the one it was set for.

use crate::hook::{Call, Effect};

/// A way a disk can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// A sync (of data, of all, or of a directory) fails, and loses what it should have kept.
    Sync(LostSync),
    /// A read, by position or through a map, finds a bad sector. Through a map it panics with
    /// [`BusError`], where a real process would die by a signal.
    Read,
    /// A write fails, and nothing of it is written.
    Write,
    /// A call that neither reads, writes nor syncs fails, and has done nothing.
    Call,
    /// A call that needs space finds none, or a sync; a write has written this many bytes before.
    Full {
        /// How many bytes a write manages first.
        after: usize,
    },
    /// The operating system writes or reads only half of what it was asked, and says so: the disk
    /// goes on with the rest, but a crash may come between the halves.
    Short,
    /// The operating system is interrupted before it did anything; the disk asks again.
    Interrupted,
    /// The device forgets a write and says it did it. Reads see it until the power fails.
    LostWrite,
    /// The device writes elsewhere in the file and says it did what was asked.
    MisdirectedWrite {
        /// How far behind the right place.
        by: u64,
    },
    /// A file cannot be opened or made, or a directory to be synced: too many are open.
    TooManyFiles,
}

/// What becomes of the cache when a sync fails. In each case the next sync of the same file answers
/// "done" although what was lost is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LostSync {
    /// Reads go on seeing the new bytes (ext4, XFS).
    KeepsCache,
    /// Reads see the old bytes again (Btrfs).
    RevertsCache,
    /// This sync answers "done", and the next one fails in its place.
    ReportedLate,
}

/// Whether a fault strikes again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// No.
    Once,
    /// At every call it applies to from then on.
    FromThenOn,
}

/// A fault that waits for its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// How it fails.
    pub kind: FaultKind,
    /// Which of the calls it applies to is hit; 0 is the next.
    pub nth: u64,
    /// Whether later calls are hit too.
    pub lasting: Lasting,
}

/// The payload of the panic that stands for a fatal signal (SIGBUS): a mapped page could not be
/// read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BusError {
    /// The file.
    pub path: std::path::PathBuf,
    /// The first byte that was touched.
    pub offset: u64,
}

impl FaultKind {
    /// Every kind, for tests that try them all.
    pub const ALL: &[FaultKind] = &[
        FaultKind::Sync(LostSync::KeepsCache),
        FaultKind::Sync(LostSync::RevertsCache),
        FaultKind::Sync(LostSync::ReportedLate),
        FaultKind::Read,
        FaultKind::Write,
        FaultKind::Call,
        FaultKind::Full { after: 0 },
        FaultKind::Full { after: 7 },
        FaultKind::Short,
        FaultKind::Interrupted,
        FaultKind::LostWrite,
        FaultKind::MisdirectedWrite { by: 512 },
        FaultKind::TooManyFiles,
    ];

    /// Whether the disk says so when this strikes. After the others a caller cannot know that what
    /// it was told is durable is not.
    pub fn is_reported(&self) -> bool {
        !matches!(
            self,
            FaultKind::Sync(LostSync::ReportedLate)
                | FaultKind::LostWrite
                | FaultKind::MisdirectedWrite { .. }
        )
    }

    /// Whether a call can fail so.
    fn applies_to(&self, call: &Call<'_>) -> bool {
        match self {
            FaultKind::Sync(_) => {
                matches!(call, Call::SyncData { .. } | Call::SyncAll { .. } | Call::SyncDir { .. })
            }
            FaultKind::Read => matches!(call, Call::ReadAt { .. }),
            FaultKind::Write | FaultKind::LostWrite | FaultKind::MisdirectedWrite { .. } => {
                matches!(call, Call::WriteAt { .. })
            }
            FaultKind::Call => !matches!(
                call,
                Call::ReadAt { .. }
                    | Call::WriteAt { .. }
                    | Call::SyncData { .. }
                    | Call::SyncAll { .. }
                    | Call::SyncDir { .. }
                    | Call::Random
            ),
            FaultKind::Full { .. } => call.effect() != Effect::Looks,
            FaultKind::Short | FaultKind::Interrupted => {
                matches!(call, Call::WriteAt { .. } | Call::ReadAt { .. })
            }
            FaultKind::TooManyFiles => {
                matches!(call, Call::Create { .. } | Call::Open { .. } | Call::SyncDir { .. })
            }
        }
    }
}

/// The faults a disk waits with.
#[derive(Default, Debug)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
    struck: u64,
}

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    /// How often any has struck.
    pub(crate) fn struck(&self) -> u64 {
        self.struck
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Counts a call, and says how it is to fail if one of the faults waited for it.
    pub(crate) fn strike(&mut self, call: &Call<'_>) -> Option<FaultKind> {
        let mut hit = None;
        for (at, fault) in self.waiting.iter_mut().enumerate() {
            if !fault.kind.applies_to(call) {
                continue;
            }
            match fault.nth.checked_sub(1) {
                Some(nth) => fault.nth = nth,
                None => hit = hit.or(Some(at)),
            }
        }
        let fault = *self.waiting.get(hit?)?;
        if fault.lasting == Lasting::Once {
            hit.map(|at| self.waiting.remove(at));
        }
        self.struck += 1;
        Some(fault.kind)
    }
}

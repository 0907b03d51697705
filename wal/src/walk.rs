//! Goes from record to record through one log file, and checks each against the one before it.
//!
//! Promises
//!  1. A record that is handed out is good (FORMAT.md section 3.3): every byte of it was checked.
//!  2. Where a walk stopped it says why; it never skips.
//!
//! Never: decides what it means that a record is not good.

use std::collections::VecDeque;

use base::FileId;

use crate::chain::Chain;
use crate::format::{
    ALIGNMENT, HEADER_BYTES, Invalid, Place, RECORD_HEADER_BYTES, RecordHeader, Verified,
};
use crate::window::Window;

/// A place in a file behind a good record, or behind the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Boundary {
    pub(crate) offset: u64,
    /// What the record here must follow from.
    pub(crate) chain: Chain,
}

/// A walk through a log file.
#[derive(Debug)]
pub(crate) struct Walk {
    window: Window,
    file: FileId,
    salt: u64,
    at: Boundary,
    /// Up to where the file is known to be durable: the word of a record, or of whoever began the walk
    /// there.
    durable: Option<Boundary>,
    /// The places passed since then: what a later record may call synced.
    passed: VecDeque<Boundary>,
}

/// A good record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Good {
    pub(crate) verified: Verified,
    pub(crate) offset: u64,
}

/// A step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    /// A good record: the walk is behind it now.
    Record(Good),
    /// No good record is here.
    Stop(Stop),
}

/// Why no good record is at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// The bytes are no record, or a damaged one.
    Invalid(Invalid),
    /// They are a record that does not follow from the one before it.
    DoesNotFollow,
}

impl Walk {
    /// Begins at a place that is known to be durable.
    pub(crate) fn from_durable(window: Window, file: FileId, salt: u64, at: Boundary) -> Self {
        Walk { window, file, salt, at, durable: Some(at), passed: VecDeque::new() }
    }

    /// Begins behind a header that may be in the cache alone.
    pub(crate) fn from_header(window: Window, file: FileId, salt: u64, chain: Chain) -> Self {
        let at = Boundary { offset: HEADER_BYTES as u64, chain };
        Walk { window, file, salt, at, durable: None, passed: VecDeque::from([at]) }
    }

    /// Where the walk is.
    pub(crate) fn at(&self) -> Boundary {
        self.at
    }

    /// The file that is walked through.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Where the walk ends at the latest.
    pub(crate) fn limit(&self) -> u64 {
        self.window.limit()
    }

    /// Up to where the file is known to be durable, if any of it is.
    pub(crate) fn durable(&self) -> Option<Boundary> {
        self.durable
    }

    /// Reads the record that begins here.
    pub(crate) fn step(&mut self) -> disk::Result<Step> {
        let offset = self.at.offset;
        let place = self.place(offset);
        let header = RECORD_HEADER_BYTES as u64;
        let short = Ok(Step::Stop(Stop::Invalid(Invalid::Short)));
        let Some(bytes) = self.window.at(offset, header)? else {
            return short;
        };
        let verified = match RecordHeader::decode(bytes, &place) {
            Ok(verified) => verified,
            Err(invalid) => return Ok(Step::Stop(Stop::Invalid(invalid))),
        };
        let Some(chain) = self.at.chain.behind(&verified.header, verified.sum) else {
            return Ok(Step::Stop(Stop::DoesNotFollow));
        };
        let Some(durable) = self.promised(verified.header.synced_to) else {
            return Ok(Step::Stop(Stop::DoesNotFollow));
        };
        let length = verified.header.record_bytes();
        let Some(bytes) = self.window.at(offset, length)? else {
            return short;
        };
        let payload = bytes.get(RECORD_HEADER_BYTES..).unwrap_or_default();
        if let Err(invalid) = verified.payload(payload) {
            return Ok(Step::Stop(Stop::Invalid(invalid)));
        }
        if let Some(durable) = durable {
            self.note_durable(durable);
        }
        self.at = Boundary { offset: offset + length, chain };
        self.passed.push_back(self.at);
        Ok(Step::Record(Good { verified, offset }))
    }

    /// The place that a record calls synced, if that is news; `None` if no record ends there.
    fn promised(&self, synced_to: u64) -> Option<Option<Boundary>> {
        // What lies in front of the walk's beginning cannot be looked up, and is known anyway.
        if synced_to <= self.durable.map_or(0, |durable| durable.offset) {
            return Some(None);
        }
        let place = self.passed.binary_search_by_key(&synced_to, |passed| passed.offset).ok()?;
        self.passed.get(place).copied().map(Some)
    }

    /// Notes that the file is durable up to where the walk is: somebody knows it.
    pub(crate) fn is_durable_here(&mut self) {
        self.note_durable(self.at);
    }

    fn note_durable(&mut self, durable: Boundary) {
        self.durable = Some(durable);
        while self.passed.front().is_some_and(|passed| passed.offset <= durable.offset) {
            self.passed.pop_front();
        }
    }

    /// Table and body of the record that the last step found.
    pub(crate) fn payload(&self, record: &Good) -> (&[u8], &[u8]) {
        let header = &record.verified.header;
        let table_at = record.offset + RECORD_HEADER_BYTES as u64;
        let body_at = table_at + u64::from(header.table_bytes).next_multiple_of(ALIGNMENT as u64);
        let held = |offset, bytes: u32| self.window.held(offset, u64::from(bytes));
        let payload = held(table_at, header.table_bytes).zip(held(body_at, header.body_bytes));
        payload.expect("the record was just read, and nothing since")
    }

    /// The header of the record that is valid at this place, whatever stands around it.
    pub(crate) fn peek(&mut self, offset: u64) -> disk::Result<Option<Verified>> {
        let place = self.place(offset);
        let bytes = self.window.at(offset, RECORD_HEADER_BYTES as u64)?;
        Ok(bytes.and_then(|bytes| RecordHeader::decode(bytes, &place).ok()))
    }

    /// The window, to look at what no record explains.
    pub(crate) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    fn place(&self, offset: u64) -> Place {
        Place { file: self.file, salt: self.salt, offset }
    }
}

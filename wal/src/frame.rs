//! Frames records: puts table and body behind a header that fits the place and what stands before it.
//!
//! Promises
//!  1. What is framed, read back from its place, is a good record.
//!
//! Never: writes; decides whether there is room.

use base::checksum::Crc32;
use base::{FileId, Sequence};

use crate::body::Body;
use crate::chain::Chain;
use crate::format::{
    ALIGNMENT, FileHeader, HEADER_BYTES, Kind, Part, Place, RECORD_HEADER_BYTES, RecordHeader,
};
use crate::replay::whole_sum;
use crate::walk::Boundary;

/// The place where a file's next record goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    file: FileId,
    salt: u64,
    at: Boundary,
}

/// A record without its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) sequence: Option<Sequence>,
    pub(crate) kind: Kind,
    pub(crate) part: Part,
    pub(crate) table: &'a [u8],
    pub(crate) table_sum: u32,
    pub(crate) body: &'a [u8],
    pub(crate) body_sum: u32,
}

impl Piece<'_> {
    /// How many bytes the record takes.
    pub(crate) fn record_bytes(&self) -> u64 {
        let payload = [self.table, self.body].map(|bytes| bytes.len().next_multiple_of(ALIGNMENT));
        (RECORD_HEADER_BYTES + payload.iter().sum::<usize>()) as u64
    }

    /// A mark or a close.
    pub(crate) fn bare(kind: Kind, last: Option<Sequence>) -> Self {
        let (part, table, body) = (Part::Whole, &[][..], &[][..]);
        Piece { sequence: last, kind, part, table, table_sum: 0, body, body_sum: 0 }
    }
}

impl Tip {
    /// Behind the header of a new file: its bytes, and the place for its first record.
    pub(crate) fn behind(header: &FileHeader, chain: &Chain) -> (Vec<u8>, Self) {
        let bytes = header.encode();
        // The sum stands in the header, and the decoder finds it where the encoder put it.
        let found = FileHeader::decode(&bytes).expect("a header that was just encoded");
        let chain = Chain { sum: found.sum, ..*chain };
        let at = Boundary { offset: HEADER_BYTES as u64, chain };
        (bytes, Tip { file: header.file, salt: header.salt, at })
    }

    /// Where the next record goes, and what it must follow from.
    pub(crate) fn at(&self) -> Boundary {
        self.at
    }

    /// The file.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Frames a record for this place, and goes behind it. It must follow from what stands before it.
    pub(crate) fn frame(&mut self, piece: &Piece<'_>, synced_to: u64, into: &mut Vec<u8>) {
        let framed = self.frame_if_it_follows(piece, synced_to, into);
        framed.expect("a record that does not follow would be refused when it is read");
    }

    /// The same; `None`, and nothing framed, if it does not follow.
    pub(crate) fn frame_if_it_follows(
        &mut self,
        piece: &Piece<'_>,
        synced_to: u64,
        into: &mut Vec<u8>,
    ) -> Option<()> {
        let length = |bytes: &[u8]| bytes.len() as u32;
        let header = RecordHeader {
            previous_sum: self.at.chain.sum,
            sequence: piece.sequence,
            synced_to,
            table_bytes: length(piece.table),
            table_sum: piece.table_sum,
            body_bytes: length(piece.body),
            body_sum: piece.body_sum,
            kind: piece.kind,
            part: piece.part,
        };
        let place = Place { file: self.file, salt: self.salt, offset: self.at.offset };
        let (bytes, sum) = header.encode(&place);
        let chain = self.at.chain.behind(&header, sum)?;
        into.extend_from_slice(&bytes);
        for payload in [piece.table, piece.body] {
            into.extend_from_slice(payload);
            into.extend(std::iter::repeat_n(
                0,
                payload.len().next_multiple_of(ALIGNMENT) - payload.len(),
            ));
        }
        self.at = Boundary { offset: self.at.offset + header.record_bytes(), chain };
        Some(())
    }
}

/// How long the records are that a batch is cut into.
pub(crate) fn lengths(table: usize, body: usize, part_bytes: usize) -> impl Iterator<Item = u64> {
    let cut = move |bytes: usize| {
        (0..bytes).step_by(part_bytes).map(move |start| (bytes - start).min(part_bytes))
    };
    let is_whole = table + body <= part_bytes;
    let whole = is_whole.then_some((table, body));
    let tables = cut(if is_whole { 0 } else { table }).map(|bytes| (bytes, 0));
    let bodies = cut(if is_whole { 0 } else { body }).map(|bytes| (0, bytes));
    let records = whole.into_iter().chain(tables).chain(bodies);
    records.map(|(table, body)| {
        let payload = [table, body].map(|bytes| bytes.next_multiple_of(ALIGNMENT));
        (RECORD_HEADER_BYTES + payload.iter().sum::<usize>()) as u64
    })
}

/// Cuts a batch into records: one, if it fits.
pub(crate) fn pieces<'a>(
    sequence: Sequence,
    table: &'a [u8],
    body: &'a Body,
    part_bytes: usize,
) -> impl Iterator<Item = Piece<'a>> {
    let nothing: (&[u8], u32) = (&[], 0);
    let is_whole = table.len() + body.bytes().len() <= part_bytes;
    let whole = body.pieces().next().filter(|_| is_whole);
    let whole = whole.map(|body| ((table, Crc32::of(table)), body));
    let cut = if is_whole { &[] } else { table };
    let tables = cut.chunks(part_bytes).map(move |bytes| ((bytes, Crc32::of(bytes)), nothing));
    let bodies = body.pieces().filter(move |(bytes, _)| !is_whole && !bytes.is_empty());
    let records = whole.into_iter().chain(tables).chain(bodies.map(move |body| (nothing, body)));
    let count = lengths(table.len(), body.bytes().len(), part_bytes).count();
    records.enumerate().map(move |(index, ((table_part, table_sum), (body_part, body_sum)))| {
        let part = match index {
            0 if is_whole => Part::Whole,
            0 => Part::First,
            _ if index + 1 == count => Part::Last { whole_sum: whole_sum(table, body.whole_sum()) },
            _ => Part::Middle,
        };
        Piece {
            sequence: Some(sequence),
            kind: Kind::Batch,
            part,
            table: table_part,
            table_sum,
            body: body_part,
            body_sum,
        }
    })
}

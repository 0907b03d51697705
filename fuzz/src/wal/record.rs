//! Target: one record at some place, and one header of a log file.
//!
//! Input: a byte that says what the rest is, then the bytes or the fields.
//!
//! Promises
//!  1. Bytes that decode are what encoding gives for what was decoded, and their lengths lie within bounds.
//!  2. They do not decode at another place.
//!  3. What is encoded decodes to the same.

use base::checksum::Crc32;
use base::{FileId, Sequence, StoreId, Timeline};
use wal::format::{
    BATCH_BYTES_MAX, FileHeader, HEADER_BYTES, HeaderState, Holds, Kind, PAYLOAD_BYTES_MAX, Part,
    Place, Predecessor, RECORD_HEADER_BYTES, RecordHeader, Verified,
};

use super::bytes::Bytes;
use super::forge::{Spot, padded, put, sum_block, sum_payload, sum_record};

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let what = bytes.u8();
    match what % 4 {
        0 => record_of_bytes(what, bytes),
        1 => record_of_fields(&mut bytes),
        2 => header_of_bytes(what, &mut bytes),
        _ => header_of_fields(&mut bytes),
    }
}

/// Any place at all.
fn any_place(bytes: &mut Bytes<'_>) -> Place {
    Place { file: FileId(bytes.u64()), salt: bytes.u64(), offset: bytes.u64() }
}

/// A place where a record can stand.
fn good_place(bytes: &mut Bytes<'_>) -> Place {
    let place = any_place(bytes);
    let offset = place.offset / 8 * 8 % (1 << 40) + HEADER_BYTES as u64;
    Place { offset, ..place }
}

fn record_of_bytes(what: u8, mut bytes: Bytes<'_>) {
    let is_any = what & 0x10 != 0;
    let place = if is_any { any_place(&mut bytes) } else { good_place(&mut bytes) };
    let mut record = bytes.rest().to_vec();
    check_record(&record, &place);
    if record.len() >= RECORD_HEADER_BYTES {
        // Few bytes fit their sums by chance.
        put(&mut record, 42, &[0, 0]);
        put(&mut record, 44, &(place.salt as u32).to_le_bytes());
        if what & 0x20 != 0 {
            sum_payload(&mut record);
        }
        let Place { file, salt, offset } = place;
        sum_record(&mut record, &Spot { file: file.0, salt, offset });
        check_record(&record, &place);
    }
}

fn check_record(record: &[u8], place: &Place) {
    let verified = match RecordHeader::decode(record, place) {
        Ok(verified) => verified,
        Err(invalid) => return assert!(!invalid.to_string().is_empty()),
    };
    let Verified { header, sum } = verified;
    let (header_bytes, payload) = record.split_at(RECORD_HEADER_BYTES);
    let (again, again_sum) = header.encode(place);
    assert!((again.as_slice(), again_sum) == (header_bytes, sum), "{header:?}");
    let length = header.table_bytes as usize + header.body_bytes as usize;
    assert!(length <= PAYLOAD_BYTES_MAX && PAYLOAD_BYTES_MAX <= BATCH_BYTES_MAX);
    assert!(header.synced_to <= place.offset);

    let Place { file, salt, offset } = *place;
    let elsewhere = [
        Place { file: FileId(file.0 ^ 1), ..*place },
        Place { salt: salt ^ 1 << 40, ..*place },
        Place { offset: offset ^ 8, ..*place },
    ];
    for elsewhere in elsewhere {
        assert!(RecordHeader::decode(record, &elsewhere).is_err(), "{elsewhere:?}");
    }
    if let Ok((table, body)) = verified.payload(payload) {
        assert_eq!(
            (table.len(), Crc32::of(table)),
            (header.table_bytes as usize, header.table_sum)
        );
        assert_eq!((body.len(), Crc32::of(body)), (header.body_bytes as usize, header.body_sum));
        let mut again = table.to_vec();
        again.resize(padded(again.len()), 0);
        again.extend_from_slice(body);
        again.resize(padded(again.len()), 0);
        assert!(payload.starts_with(&again));
        assert_eq!((RECORD_HEADER_BYTES + again.len()) as u64, header.record_bytes());
        let one_less = payload.get(..again.len().saturating_sub(1)).unwrap_or_default();
        assert!(again.is_empty() || verified.payload(one_less).is_err());
    }
}

fn record_of_fields(bytes: &mut Bytes<'_>) {
    let place = good_place(bytes);
    let kind = match bytes.u8() % 8 {
        0 => Kind::SyncMark,
        1 => Kind::Close,
        _ => Kind::Batch,
    };
    let part = match bytes.u8() % 4 {
        _ if kind != Kind::Batch => Part::Whole,
        0 => Part::Whole,
        1 => Part::First,
        2 => Part::Middle,
        _ => Part::Last { whole_sum: bytes.u64() },
    };
    let sequence = Sequence::new(bytes.u64());
    let back = bytes.u64() % (place.offset - HEADER_BYTES as u64 + 16) / 8 * 8;
    let synced_to = Some(place.offset.saturating_sub(back));
    let synced_to = synced_to.filter(|to| *to >= HEADER_BYTES as u64).unwrap_or(0);
    let previous_sum = bytes.u32();
    let (table, body) = (bytes.u8().into(), bytes.u16().into());
    let is_bare = kind != Kind::Batch;
    let (table, body) = if is_bare {
        ([].as_slice(), [].as_slice())
    } else {
        (bytes.take(table), bytes.take(body))
    };
    let header = RecordHeader {
        previous_sum,
        sequence: if is_bare { sequence } else { sequence.or(Some(Sequence::FIRST)) },
        synced_to,
        table_bytes: table.len() as u32,
        table_sum: Crc32::of(table),
        body_bytes: body.len() as u32,
        body_sum: Crc32::of(body),
        kind,
        part,
    };
    let (encoded, sum) = header.encode(&place);
    assert_eq!(RecordHeader::decode(&encoded, &place), Ok(Verified { header, sum }));
    let mut record = encoded.to_vec();
    for payload in [table, body] {
        record.extend_from_slice(payload);
        record.resize(padded(record.len()), 0);
    }
    let payload = record.get(RECORD_HEADER_BYTES..).unwrap_or_default();
    assert_eq!(Verified { header, sum }.payload(payload), Ok((table, body)));
    assert_eq!(record.len() as u64, header.record_bytes());
    check_record(&record, &place);
}

/// Two blocks from the bytes: the second is the first, or the first with other bytes over it.
fn header_of_bytes(what: u8, bytes: &mut Bytes<'_>) {
    let (patch_at, patch) = (usize::from(bytes.u16()) % HEADER_BYTES, bytes.u8().into());
    let patch = bytes.take(patch);
    let mut block = bytes.take(512).to_vec();
    block.resize(512, 0);
    if what & 0x10 != 0 {
        put(&mut block, 0, b"arrwLOG\n\0\0\0\0");
    }
    if what & 0x20 != 0 {
        sum_block(&mut block);
    }
    let mut header = block.clone();
    header.resize(HEADER_BYTES - 512, 0);
    header.extend(block);
    check_header(&header);
    put(&mut header, patch_at, patch);
    check_header(&header);
    let cut = header.get(..HEADER_BYTES - 1).unwrap_or_default();
    assert!(FileHeader::decode(cut).is_err());
}

fn check_header(bytes: &[u8]) {
    let found = match FileHeader::decode(bytes) {
        Ok(found) => found,
        Err(invalid) => return assert!(!invalid.to_string().is_empty()),
    };
    let again = found.header.encode();
    assert_eq!(found.state == HeaderState::Whole, again == bytes);
    let block = again.get(..512);
    let is_there = bytes.get(..512) == block || bytes.get(HEADER_BYTES - 512..) == block;
    assert!(is_there, "decoded from neither block: {found:?}");
    assert_eq!(FileHeader::decode(&again).map(|found| found.sum), Ok(found.sum));
    assert!(found.header.bytes >= HEADER_BYTES as u64);
    if let Some(previous) = found.header.previous {
        assert!(previous.file < found.header.file && previous.end >= HEADER_BYTES as u64);
    }
}

fn header_of_fields(bytes: &mut Bytes<'_>) {
    let store = StoreId(bytes.array());
    let file = bytes.u64().max(1);
    let salt = bytes.u64();
    let timeline = Timeline::new(bytes.u64().max(1)).expect("not 0");
    let parent = Timeline::new(bytes.u64()).filter(|parent| *parent != timeline);
    let sequences = [bytes.u64(), bytes.u64()];
    let [timeline_first, first] = sequences.map(|it| Sequence::new(it).unwrap_or(Sequence::FIRST));
    let (end, sum) = ((bytes.u64() / 8 * 8).max(HEADER_BYTES as u64), bytes.u32());
    let previous = bytes.u64().checked_rem(file).filter(|previous| *previous > 0);
    let previous = previous.map(|file| Predecessor { file: FileId(file), end, sum });
    let holds = if bytes.flag() { Holds::Records } else { Holds::Nothing };
    let length = (bytes.u64() / 8 * 8).max(HEADER_BYTES as u64);
    let header = FileHeader {
        store,
        file: FileId(file),
        salt,
        timeline,
        timeline_first,
        parent,
        first,
        previous,
        holds,
        bytes: if holds == Holds::Records { length } else { HEADER_BYTES as u64 },
    };
    let mut encoded = header.encode();
    let found = FileHeader::decode(&encoded).expect("just encoded");
    assert_eq!((found.header, found.state), (header, HeaderState::Whole));
    assert_eq!(header.check_place(store, FileId(file)), Ok(()));
    assert!(header.check_place(store, FileId(file ^ 1)).is_err());
    // Any one bit leaves one block as it was.
    let bit = usize::from(bytes.u16()) % (HEADER_BYTES * 8);
    if let Some(byte) = encoded.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    let damaged = FileHeader::decode(&encoded).expect("one block is as it was");
    assert_eq!((damaged.header, damaged.sum), (header, found.sum));
    assert_eq!(damaged.state, HeaderState::Damaged);
}

//! Target: log files made up byte by byte, by edits of good ones, or record by record.
//!
//! Input: a byte for the options, one that says which of the three, and then the bytes, edits or records.
//! Sums are made to fit where the input says so: no rot does that, but nothing behind a sum may rely on it.
//!
//! Promises
//!  1. A replay hands out batches in order and ends, or refuses with an error that names the damage.
//!  2. What was replayed is replayed again, after a resumption, a power loss and an append.
//!  3. What a salvage copies opens as a log in good order, with the gaps it told of.

use base::FileId;
use base::checksum::Xxh3;
use disk::sim::Image;
use disk::{Disk, SimDisk};

use super::bytes::Bytes;
use super::forge::{FileFields, HEADER, RecordFields, Spot, Sums, padded, put, sum_file};
use super::oracle::{Found, STORE, check_error, go_on, look, replay};
use super::workload::{Workload, options};

/// Files are no longer than this: what is made of a longer one is cut off.
const LONGEST: usize = 64 * 1_024;
/// The most files.
const FILES: usize = 4;
/// The table of a record that names another sum than that of the record before it.
const UNCHAINED: &[u8] = b"behind another record";

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let options = options(bytes.u8());
    let kind = bytes.u8();
    let id = match bytes.u8() {
        255 => u64::MAX,
        id => u64::from(id).max(1),
    };
    let files = match kind % 4 {
        0 => vec![(id, raw(id, bytes))],
        1 => edited(&mut bytes),
        _ => Forgery::new(id, &mut bytes).run(&mut bytes),
    };
    let empty = SimDisk::new(7);
    empty.create_dir("wal".as_ref()).expect("an empty disk").forgo("the image has the name");
    let mut image: Image = empty.contents();
    for (file, bytes) in files {
        image.replace(format!("wal/{}.wal", FileId(file)), &bytes);
    }
    check(&SimDisk::from_image(&image, 31), &options);
}

fn check(disk: &SimDisk, options: &wal::Options) {
    look(disk, options);
    let place = match wal::oldest_place(disk, STORE) {
        Ok(Some(place)) => place,
        Ok(None) => return,
        Err(error) => return check_error(&error),
    };
    match replay(disk, options, &place, None) {
        Ok(replayed) => {
            let is_chained = |batch: &Found| batch.table != UNCHAINED;
            assert!(replayed.batches.iter().all(is_chained), "a record that does not follow");
            go_on(disk, options, &place, replayed);
        }
        Err(error) => check_error(&error),
    }
}

/// The bytes as they are, behind a good header if the first of them says so.
fn raw(id: u64, mut bytes: Bytes<'_>) -> Vec<u8> {
    let has_header = bytes.flag();
    let records = bytes.rest();
    let mut fields = FileFields::first_of_a_log(id);
    fields.bytes = padded(HEADER + records.len()) as u64;
    let (mut file, _) = if has_header { fields.encode(STORE.0) } else { (Vec::new(), 0) };
    file.extend_from_slice(records);
    file
}

/// The files of a log that a workload wrote, one of them edited.
fn edited(bytes: &mut Bytes<'_>) -> Vec<(u64, Vec<u8>)> {
    let mut workload = Workload::create(17, options(bytes.u8()));
    workload.run(bytes);
    workload.die();
    let image = workload.disk.contents();
    let number = |path: &std::path::Path| path.file_stem()?.to_str()?.parse().ok();
    let named = image.files().filter(|path| path.extension().is_some_and(|it| it == "wal"));
    let mut files: Vec<(u64, Vec<u8>)> =
        named.filter_map(|path| Some((number(path)?, image.bytes(path)?.to_vec()))).collect();
    let picked = bytes.below(files.len());
    if let Some((_, file)) = files.get_mut(picked) {
        while !bytes.is_empty() {
            edit(file, bytes);
        }
    }
    files
}

fn edit(file: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    let at = |bytes: &mut Bytes<'_>| bytes.below(LONGEST);
    // Most of what matters stands near the beginning of the header and of the records.
    let near = |bytes: &mut Bytes<'_>| [0, HEADER].map(|at| at + bytes.below(2_048));
    match bytes.u8() % 8 {
        0 => put(file, at(bytes), &[bytes.u8()]),
        1 => near(bytes).iter().for_each(|at| put(file, *at, &[bytes.u8()])),
        2 => put(file, at(bytes) / 8 * 8, &bytes.u64().to_le_bytes()),
        3 => file.truncate(at(bytes)),
        4 => {
            let longer = file.len() + usize::from(bytes.u8());
            file.resize(longer.min(LONGEST), bytes.u8());
        }
        5 => {
            let (from, to, count) = (at(bytes) / 8 * 8, at(bytes) / 8 * 8, bytes.below(1_024));
            let part: Vec<u8> = file.iter().skip(from).take(count).copied().collect();
            put(file, to, &part);
        }
        6 => sum_file(file, Sums::Fitted),
        _ => sum_file(file, Sums::Chained),
    }
}

/// Files that are forged record by record. Each follows from the one before, unless the input says
/// otherwise.
struct Forgery {
    done: Vec<(u64, Vec<u8>)>,
    fields: FileFields,
    file: Vec<u8>,
    /// Sum of the last record, or of the header.
    sum: u32,
    /// The last complete batch.
    last: u64,
    /// Places where records end.
    ends: Vec<u64>,
    /// Table and body of the parts so far.
    table: Vec<u8>,
    body: Vec<u8>,
}

impl Forgery {
    fn new(id: u64, bytes: &mut Bytes<'_>) -> Self {
        let mut fields = FileFields::first_of_a_log(id);
        let jump = bytes.u8();
        let last = match jump {
            0..=127 => 0,
            128..=247 => u64::from(jump),
            _ => u64::MAX - u64::from(255 - jump),
        };
        fields.first = last.saturating_add(1);
        let mut forgery = Forgery {
            done: Vec::new(),
            fields,
            file: Vec::new(),
            sum: 0,
            last,
            ends: Vec::new(),
            table: Vec::new(),
            body: Vec::new(),
        };
        forgery.begin(bytes);
        forgery
    }

    fn run(mut self, bytes: &mut Bytes<'_>) -> Vec<(u64, Vec<u8>)> {
        while !bytes.is_empty() && self.file.len() < LONGEST {
            match bytes.u8() % 16 {
                0..=3 => self.batch(0, bytes),
                4 | 5 => self.batch(1, bytes),
                6 => self.batch(2, bytes),
                7 | 8 => self.batch(3, bytes),
                9 => self.bare(2, bytes),
                10 => self.bare(3, bytes),
                11 => self.odd(bytes),
                12 => self.file.extend(std::iter::repeat_n(0, usize::from(bytes.u8()) * 8)),
                13 => {
                    let junk = bytes.u8().into();
                    self.file.extend_from_slice(bytes.take(junk));
                    self.file.resize(padded(self.file.len()), 0xee);
                }
                _ if self.done.len() + 1 < FILES => self.next_file(bytes),
                _ => {}
            }
        }
        self.end(bytes);
        self.done
    }

    /// Begins a file with the header's fields as they are now, but for those the input changes.
    fn begin(&mut self, bytes: &mut Bytes<'_>) {
        let value = |bytes: &mut Bytes<'_>, old: u64| match bytes.u8() {
            255 => bytes.u64(),
            add @ 0..=127 => old.wrapping_add(add.into()),
            sub => old.wrapping_sub(u64::from(sub - 127)),
        };
        let fields = &mut self.fields;
        match bytes.u8() {
            1 => fields.first = value(bytes, fields.first),
            2 => fields.timeline_first = value(bytes, fields.timeline_first),
            3 => fields.previous_end = value(bytes, fields.previous_end / 8).wrapping_mul(8),
            4 => fields.previous_sum = bytes.u32(),
            5 => fields.previous = value(bytes, fields.previous),
            6 => fields.parent = value(bytes, fields.parent),
            7 => fields.holds = bytes.u8().into(),
            8 => fields.bytes = value(bytes, fields.bytes / 8).wrapping_mul(8),
            _ => {}
        }
        let (header, sum) = fields.encode(STORE.0);
        (self.file, self.sum, self.ends) = (header, sum, vec![HEADER as u64]);
    }

    fn end(&mut self, bytes: &mut Bytes<'_>) {
        let least = self.file.len().max(self.fields.bytes.min(LONGEST as u64) as usize);
        self.file.resize(least, 0);
        if bytes.u8() == 1 {
            self.file.truncate(bytes.below(LONGEST));
        }
        self.done.push((self.fields.file, std::mem::take(&mut self.file)));
    }

    fn next_file(&mut self, bytes: &mut Bytes<'_>) {
        let before = self.fields;
        let end = *self.ends.last().unwrap_or(&0);
        let sum = self.sum;
        self.end(bytes);
        let fields = &mut self.fields;
        fields.file = before.file.wrapping_add(1 + u64::from(bytes.u8() % 3));
        // A file may go on from one that another goes on from already.
        if !bytes.u8().is_multiple_of(8) || before.previous == 0 {
            (fields.previous, fields.previous_end, fields.previous_sum) = (before.file, end, sum);
        }
        fields.first = self.last.saturating_add(1);
        if bytes.flag() {
            (fields.parent, fields.timeline) = (before.timeline, before.timeline + 1);
            // Batches left out, or the one that is not complete given up.
            let left_out = u64::from(bytes.u8() % 4);
            self.last = self.last.saturating_add(left_out);
            fields.first = fields.first.saturating_add(left_out);
            fields.timeline_first = self.last.saturating_add(1);
            (self.table, self.body) = (Vec::new(), Vec::new());
        }
        (fields.holds, fields.bytes) = (u32::from(bytes.u8() == 1), 2 * HEADER as u64);
        if fields.holds == 1 {
            fields.bytes = HEADER as u64;
        }
        self.begin(bytes);
    }

    fn spot(&self) -> Spot {
        let offset = self.file.len() as u64;
        Spot { file: self.fields.file, salt: self.fields.salt(), offset }
    }

    fn record(&mut self, fields: &RecordFields, table: &[u8], body: &[u8]) {
        let (record, sum) = fields.encode(&self.spot(), table, body);
        self.file.extend(record);
        self.sum = sum;
        self.ends.push(self.file.len() as u64);
    }

    /// A record that follows from what stands before it, but for where it may say that the file was
    /// synced.
    fn fields(&self, kind: u8, bytes: &mut Bytes<'_>) -> RecordFields {
        let back = usize::from(bytes.u8() % 8);
        let synced_to = match back {
            0 => 0,
            _ => self.ends.iter().rev().nth(back - 1).copied().unwrap_or(0),
        };
        let sequence = self.last;
        RecordFields { previous_sum: self.sum, sequence, synced_to, kind, part: 0, whole_sum: 0 }
    }

    fn batch(&mut self, part: u8, bytes: &mut Bytes<'_>) {
        let (table, body) = (usize::from(bytes.u8() % 64), usize::from(bytes.u8()));
        let (table, body) = (vec![bytes.u8(); table], vec![0xbb; body * 2]);
        let mut fields = self.fields(1, bytes);
        (fields.sequence, fields.part) = (self.last.saturating_add(1), part);
        if part < 2 {
            (self.table, self.body) = (Vec::new(), Vec::new());
        }
        self.table.extend_from_slice(&table);
        self.body.extend_from_slice(&body);
        if part == 3 {
            let body_sum = Xxh3::of(&self.body).to_le_bytes();
            fields.whole_sum = Xxh3::new().update(&self.table).update(&body_sum).sum();
        }
        if part == 0 || part == 3 {
            self.last = fields.sequence;
        }
        self.record(&fields, &table, &body);
    }

    fn bare(&mut self, kind: u8, bytes: &mut Bytes<'_>) {
        let fields = self.fields(kind, bytes);
        self.record(&fields, &[], &[]);
    }

    /// A record of which one thing is wrong.
    fn odd(&mut self, bytes: &mut Bytes<'_>) {
        let mut fields = self.fields(1, bytes);
        fields.sequence = self.last.saturating_add(1);
        let start = self.file.len();
        let what = bytes.u8() % 8;
        let mut table: &[u8] = &[1, 2, 3];
        match what {
            0 => {
                fields.previous_sum ^= 1;
                table = UNCHAINED;
            }
            1 => fields.sequence = bytes.u64(),
            2 => fields.synced_to = bytes.u64() / 8 * 8,
            3 => fields.kind = bytes.u8(),
            4 => fields.part = bytes.u8() % 5,
            5 => fields.whole_sum = bytes.u64(),
            _ => self.last = fields.sequence,
        }
        self.record(&fields, table, &[5; 20]);
        if what >= 6 {
            // Its header is good; its table, its body or their padding is not.
            put(&mut self.file, start + 56 + bytes.below(32), &[bytes.u8()]);
        }
    }
}

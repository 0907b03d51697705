//! Forges images of indexes: any field may have any value, and the sums fit all the same.
//!
//! The layout is written down once more here, from FORMAT.md sections 9.1, 9.3 and 9.4 and not from the code: a target that
//! asked the code under test for its sums would share its mistakes.

use std::ops::Range;

use base::checksum::Xxh3;
use base::codec::Encoder;

use super::bytes::Bytes;
use super::real::mixed;

pub(crate) const HEADER: usize = 4_096;

/// What the image of a flat index begins with, and that of hash tables; that of a graph, otherwise.
const FLAT: &[u8] = b"arrwflat";
const LSH: &[u8] = b"arrwdlsh";

/// Where the sum of the header stands, that of all else, the name of the distance, the counts of nodes, and what recall was
/// measured; and where that ends.
const SUM: usize = HEADER - 8;
const ROOT: usize = 80;
const NAME: usize = 128;
const COUNTS: usize = 192;
const CALIBRATION: usize = 448;
const FIELDS_END: usize = CALIBRATION + 16 + POINTS_MAX as usize * 16;

/// The most points that were measured.
const POINTS_MAX: u64 = 64;

/// How many bytes a sum is of.
const CHUNK: usize = 4_096;

/// Longer images are not made to fit, and much shorter ones are made up.
const IMAGE_MAX: usize = 4 << 20;
const MADE_UP_MAX: usize = 256 << 10;

/// What a table holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    Live,
    Removed,
    About,
    /// Links to so many nodes.
    Links(usize),
    Rows,
    Lower,
    /// Of each table where its buckets begin, of which there are so many, in as many slots.
    Begins(usize, usize),
    /// So many slots of each table.
    Members(usize),
    /// Anything.
    Other,
}

/// A table of an image.
#[derive(Clone, Debug)]
struct Table {
    holds: Holds,
    width: usize,
    place: Range<usize>,
}

/// Where what a header describes lies.
#[derive(Debug)]
struct Layout {
    tables: Vec<Table>,
    end: usize,
}

impl Layout {
    /// Nothing, if the header cannot be true, or of an image that is too long.
    fn of(image: &[u8]) -> Option<Self> {
        if image.starts_with(LSH) {
            return Layout::of_tables(image);
        }
        let mut fields = Bytes::new(image.get(12..HEADER)?);
        let [dim, coded, words, _, _, m, levels] = std::array::from_fn(|_| fields.u32() as usize);
        if words > IMAGE_MAX || m > 256 || levels > 64 || (coded == 1 && dim > 1 << 16) {
            return None;
        }
        let (rows, lists) = (64 * words, |degree: usize| (4 * degree).next_multiple_of(64));
        let set = |holds| (holds, words.div_ceil(8), 64);
        let mut wanted = vec![set(Holds::Live), set(Holds::Removed)];
        if !image.starts_with(FLAT) {
            let mut counts = Bytes::new(image.get(COUNTS..HEADER)?);
            for _ in 0..levels {
                let count = counts.u32() as usize;
                wanted.extend([(Holds::About, count, 8), (Holds::Links(count), count, lists(m))]);
            }
            wanted.push((Holds::Links(rows), rows, lists(2 * m)));
        }
        if coded == 1 {
            let plane = dim.div_ceil(128) * 64;
            wanted.extend([(Holds::Rows, rows, plane + 64), (Holds::Lower, rows, plane)]);
        }
        Layout::new(wanted)
    }

    /// The same of hash tables.
    fn of_tables(image: &[u8]) -> Option<Self> {
        let mut fields = Bytes::new(image.get(12..HEADER)?);
        let [dim, coded, words] = std::array::from_fn(|_| fields.u32() as usize);
        let tables = Bytes::new(image.get(36..HEADER)?).u32() as usize;
        let runs = Bytes::new(image.get(60..HEADER)?).u32() as usize;
        let bits: u32 = image.get(212..236)?.iter().map(|bits| u32::from(*bits)).sum();
        if words > IMAGE_MAX || tables > 256 || runs > 2 || bits > 22 || dim > 1 << 16 {
            return None;
        }
        let rows = 64 * words;
        let set = |holds| (holds, words.div_ceil(8), 64);
        let mut wanted = vec![set(Holds::Live), set(Holds::Removed), set(Holds::Other)];
        if coded == 1 {
            let plane = dim.div_ceil(128) * 64;
            wanted.extend([(Holds::Rows, rows, plane + 64), (Holds::Lower, rows, plane)]);
        }
        if runs > 0 {
            wanted.extend([(Holds::Other, dim.div_ceil(16), 64), (Holds::Other, rows, 64)]);
        }
        let mut lens = Bytes::new(image.get(192..HEADER)?);
        for _ in 0..runs {
            let (len, buckets) = (usize::try_from(lens.u64()).ok()?, 1 << bits);
            let begins = (tables * (buckets + 1)).div_ceil(16);
            let members = tables.checked_mul(len)?.div_ceil(16);
            let numbers =
                [(Holds::Begins(buckets, len), begins, 64), (Holds::Members(len), members, 64)];
            wanted.push(set(Holds::Other));
            wanted.extend(numbers);
        }
        Layout::new(wanted)
    }

    fn new(wanted: Vec<(Holds, usize, usize)>) -> Option<Self> {
        let mut layout = Layout { tables: Vec::new(), end: HEADER };
        for (holds, rows, width) in wanted {
            let place = layout.end..layout.end.checked_add(rows.checked_mul(width)?)?;
            layout.end = place.end.checked_next_multiple_of(64)?;
            if layout.end > IMAGE_MAX {
                return None;
            }
            layout.tables.push(Table { holds, width, place });
        }
        Some(layout)
    }
}

/// Puts these bytes over others; what reaches beyond the end is left out.
pub(crate) fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    let place = into.iter_mut().skip(at);
    place.zip(bytes).for_each(|(into, from)| *into = *from);
}

/// Whether the sum of the header fits.
pub(crate) fn header_fits(image: &[u8]) -> bool {
    let said = image.get(SUM..).and_then(<[u8]>::first_chunk);
    said.is_some_and(|said| Some(u64::from_le_bytes(*said)) == image.get(..SUM).map(Xxh3::of))
}

/// Makes the sum of the header fit.
pub(crate) fn fit_header(image: &mut [u8]) {
    if let Some(sum) = image.get(..SUM).map(Xxh3::of) {
        put(image, SUM, &sum.to_le_bytes());
    }
}

/// Makes an image as long as its header says, and all sums fit.
pub(crate) fn fit(image: &mut Vec<u8>) {
    if let Some(layout) = Layout::of(image) {
        fit_to(image, layout.end);
    }
    fit_header(image);
}

/// Makes an image end its data at some byte, and all sums fit.
pub(crate) fn fit_to(image: &mut Vec<u8>, end: usize) {
    image.resize(end, 0);
    let root = append_sums(image);
    put(image, ROOT, &root.to_le_bytes());
    fit_header(image);
}

/// The same, but the root stays as it is, and betrays it all.
pub(crate) fn fit_below_root(image: &mut Vec<u8>) {
    let root = image.get(ROOT..ROOT + 8).unwrap_or_default().to_vec();
    fit(image);
    put(image, ROOT, &root);
    fit_header(image);
}

/// Appends the sums of all chunks, the sums of those, and so on; answers with the last one.
fn append_sums(image: &mut Vec<u8>) -> u64 {
    let mut first = HEADER;
    loop {
        let chunks = image.get(first..).unwrap_or_default().chunks(CHUNK);
        let sums: Vec<u64> = chunks.map(Xxh3::of).collect();
        match *sums {
            [] => return 0,
            [root] => return root,
            _ => first = image.len(),
        }
        sums.iter().for_each(|sum| image.extend(sum.to_le_bytes()));
    }
}

/// A number, small ones in a byte.
pub(crate) fn number(bytes: &mut Bytes<'_>) -> u64 {
    match bytes.u8() {
        u8::MAX => u64::MAX,
        254 => bytes.u64(),
        253 => bytes.u32().into(),
        252 => bytes.u16().into(),
        small => small.into(),
    }
}

/// A part of one, or a little more, or infinitely much, or no number.
pub(crate) fn share(bytes: &mut Bytes<'_>) -> f32 {
    match bytes.u8() {
        u8::MAX => f32::NAN,
        254 => f32::INFINITY,
        share => f32::from(share) / 200.0,
    }
}

/// Makes up an image of a graph by the distance of this name: first all that its header says, then of each table what it is
/// filled with. Its sums are zeros.
pub(crate) fn made_up(name: &str, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let [dim, coded, words, slots, m, levels, seed] = std::array::from_fn(|_| number(bytes));
    let [construction, search, max_level, entry] = std::array::from_fn(|_| number(bytes));
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    encoder.bytes(b"arrwhnsw").u16(0).u16(name.len() as u16).u32(dim as u32);
    encoder.u32(coded as u32).u32(words as u32).u64(slots.wrapping_sub(1));
    encoder.u32(m as u32).u32(levels as u32).u64(seed);
    encoder.u64(construction).u64(search).u64(max_level).u32(entry as u32);
    encoder.f32(share(bytes)).u64(0);
    encoder.zeros(NAME - encoder.offset()).bytes(name.as_bytes());
    encoder.zeros(COUNTS - encoder.offset());
    for _ in 0..levels.min(64) {
        encoder.u32(number(bytes) as u32);
    }
    encoder.zeros(CALIBRATION - encoder.offset());
    let [calibrated, points] = std::array::from_fn(|_| number(bytes));
    encoder.u64(calibrated).u32(points as u32).u32(0);
    for _ in 0..points.min(POINTS_MAX) {
        encoder.u32(number(bytes) as u32).f32(share(bytes)).f32(share(bytes)).f32(share(bytes));
    }
    encoder.zeros(HEADER - encoder.offset());
    filled(image, (words, slots, seed), bytes)
}

/// Makes up an image of a flat index in the same way.
pub(crate) fn made_up_flat(name: &str, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let [dim, coded, words, slots, removed, seed] = std::array::from_fn(|_| number(bytes));
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    encoder.bytes(FLAT).u16(0).u16(name.len() as u16).u32(dim as u32);
    encoder.u32(coded as u32).u32(words as u32).u64(slots.wrapping_sub(1));
    encoder.zeros(ROOT - encoder.offset()).u64(0).u64(removed);
    encoder.zeros(NAME - encoder.offset()).bytes(name.as_bytes());
    encoder.zeros(HEADER - encoder.offset());
    filled(image, (words, slots, seed), bytes)
}

/// Makes up an image of hash tables in the same way.
pub(crate) fn made_up_tables(name: &str, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let [dim, coded, words, slots, removed, seed] = std::array::from_fn(|_| number(bytes));
    let [family, tables, functions, probes] = std::array::from_fn(|_| number(bytes) as u32);
    let [runs, from, shaped] = std::array::from_fn(|_| number(bytes));
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    encoder.bytes(LSH).u16(0).u16(name.len() as u16).u32(dim as u32);
    encoder.u32(coded as u32).u32(words as u32).u64(slots.wrapping_sub(1));
    encoder.u32(family).u32(tables).u64(seed).u32(functions).u32(probes).f32(share(bytes));
    encoder.u32(runs as u32).f32(share(bytes)).u32(from as u32).u64(shaped);
    encoder.u64(0).u64(removed);
    encoder.zeros(NAME - encoder.offset()).bytes(name.as_bytes());
    encoder.zeros(COUNTS - encoder.offset());
    for run in 0..2 {
        encoder.u64(if run < runs { number(bytes) } else { 0 });
    }
    let count = number(bytes);
    encoder.u32(count as u32);
    for at in 0..24 {
        encoder.bytes(&[if at < count { bytes.u8() % 8 } else { 0 }]);
    }
    encoder.u32(number(bytes) as u32);
    let [measured, of, points] = std::array::from_fn(|_| number(bytes));
    encoder.u64(measured).u64(of).u32(points as u32).u32(0);
    for _ in 0..points.min(48) {
        encoder.u32(number(bytes) as u32).f32(share(bytes)).f32(share(bytes));
    }
    encoder.zeros(HEADER - encoder.offset());
    filled(image, (words, slots, seed), bytes)
}

/// Fills the tables behind a header.
fn filled(
    mut image: Vec<u8>,
    (words, slots, seed): (u64, u64, u64),
    bytes: &mut Bytes<'_>,
) -> Vec<u8> {
    let Some(layout) = Layout::of(&image).filter(|layout| layout.end <= MADE_UP_MAX) else {
        return image;
    };
    image.resize(layout.end, 0);
    for table in layout.tables {
        let Some(place) = image.get_mut(table.place) else { continue };
        if let Holds::Removed = table.holds {
            // By the seed alone: none, all, or some.
            for (at, byte) in place.iter_mut().take((words as usize).saturating_mul(8)).enumerate()
            {
                *byte = match seed % 4 {
                    0 => 0,
                    1 => u8::MAX,
                    2 => mixed(seed, at as u64) as u8,
                    _ => 0x11,
                };
            }
            continue;
        }
        fill(table.holds, table.width.max(1), place, bytes);
        if let (Holds::Live, 0) = (table.holds, slots) {
            // No lie about how many there are.
            let set = place.iter().take((words as usize).saturating_mul(8));
            let there: u32 = set.map(|byte| byte.count_ones()).sum();
            put(&mut image, 24, &u64::from(there).to_le_bytes());
        }
    }
    image
}

/// Fills a table with rows of this width.
fn fill(holds: Holds, width: usize, place: &mut [u8], bytes: &mut Bytes<'_>) {
    match bytes.u8() % 6 {
        0 => {}
        1 => place.chunks_mut(width).enumerate().for_each(|(row, place)| sane(holds, row, place)),
        // Small numbers, most of which mean something.
        2 => {
            let (seed, most) = (bytes.u8(), u64::from(bytes.u16()) + 1);
            for (at, place) in place.chunks_mut(4).enumerate() {
                let number = mixed(seed.into(), at as u64) % most;
                put(place, 0, &(number as u32).to_le_bytes());
            }
        }
        3 => {
            let seed = u64::from(bytes.u8());
            for (at, place) in place.chunks_mut(8).enumerate() {
                put(place, 0, &mixed(seed, at as u64).to_le_bytes());
            }
        }
        4 => {
            let count = 1 + bytes.below(40);
            let with = bytes.take(count).iter().cycle();
            place.iter_mut().zip(with).for_each(|(into, byte)| *into = *byte);
        }
        _ => place.fill(u8::MAX),
    }
}

/// Fills a row with what could be there: all slots, each linked to those behind it.
fn sane(holds: Holds, row: usize, place: &mut [u8]) {
    match holds {
        Holds::Live | Holds::Removed => place.fill(u8::MAX),
        Holds::About => {
            put(place, 0, &(row as u32 + 1).to_le_bytes());
            put(place, 4, &(row as u32).to_le_bytes());
        }
        Holds::Links(nodes) => {
            let to = [row + 1, row + 2, 3 * row + 5, row + nodes / 2];
            for (at, to) in to.iter().enumerate() {
                let link = to.checked_rem(nodes).map_or(0, |to| to as u32 + 1);
                put(place, 4 * at, &link.to_le_bytes());
            }
        }
        Holds::Begins(..) | Holds::Members(_) | Holds::Other => {
            for (at, place) in place.chunks_mut(4).enumerate() {
                let at = 16 * row + at;
                let number = match holds {
                    Holds::Begins(buckets, len) => at % (buckets + 1) * len / buckets,
                    Holds::Members(len) => at.checked_rem(len).unwrap_or(0),
                    _ => mixed(7, at as u64) as usize,
                };
                put(place, 0, &(number as u32).to_le_bytes());
            }
        }
        Holds::Rows | Holds::Lower => {
            for (at, place) in place.chunks_mut(8).enumerate() {
                put(place, 0, &mixed(row as u64, at as u64).to_le_bytes());
            }
            if let Holds::Rows = holds {
                let beside = [-1.0_f32, 0.5, 4.0, 0.25, -1.0, 0.125, 8.0, 4.0];
                let numbers = beside.iter().flat_map(|number| number.to_le_bytes());
                let plane = place.len().saturating_sub(64);
                put(place, plane, &numbers.collect::<Vec<_>>());
            }
        }
    }
}

/// Changes some of an image: a table, the header, the sums, or anything, and its length.
pub(crate) fn edit(image: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    let (whence, how) = (usize::from(bytes.u8()), bytes.u8());
    let layout = Layout::of(image);
    let end = layout.as_ref().map_or(HEADER, |layout| layout.end);
    let tables = layout.map_or(Vec::new(), |layout| layout.tables);
    let place = match whence.checked_sub(3) {
        Some(at) => {
            tables.get(at.checked_rem(tables.len()).unwrap_or(0)).map(|it| it.place.clone())
        }
        None if whence == 0 => Some(0..FIELDS_END),
        None if whence == 1 => Some(end..image.len()),
        None => Some(0..image.len()),
    };
    let place = place.filter(|place| !place.is_empty()).unwrap_or(0..image.len());
    let at = place.start + (number(bytes) % place.len().max(1) as u64) as usize;
    match how & 7 {
        0..=2 => put(image, at, bytes.take(1 + usize::from(how >> 3) % 16)),
        // A number where numbers stand.
        3 | 4 => put(image, at & !3, &(number(bytes) as u32).to_le_bytes()),
        5 => image.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (how >> 5)),
        6 => image.iter_mut().skip(at & !63).take(64).for_each(|byte| *byte = how),
        _ if bytes.flag() => image.truncate(at),
        _ => image.resize(image.len() + usize::from(how >> 3), 0),
    }
}

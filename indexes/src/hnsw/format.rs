//! Lays out the image of a graph: FORMAT.md section 9.3.
//!
//! Promises: opening reads the header alone, and whatever the bytes, answers with an index or with what is wrong; it never
//! panics, and allocates no more than a small part of the bytes it was given. What leads out of a level leads nowhere.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;

use base::codec::{Decoder, Encoder};
use bytes::Bytes;
use crossbeam_utils::atomic::AtomicCell;

use super::body::Body;
use super::calibrate::{Calibration, POINTS_MAX, Point};
use super::graph::{Graph, LEVELS_MAX};
use super::links::{ABOUT, Level, NONE, width};
use super::plan::View;
use super::{Hnsw, HnswConfig};
use crate::bodies::Bodies;
use crate::codes::{Codes, widths};
use crate::format::{ALIGNMENT, Data, Head, finish, seal, write_words};
use crate::image;
use crate::lent::Tables;
use crate::out::Out;
use crate::shared::{Lives, Readers};
use crate::slots::{Slots, WORD, tables_of};
use crate::{Error, Measure, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwhnsw";

/// Where the counts of the levels end, and the calibration begins.
const CALIBRATION: usize = 192 + LEVELS_MAX * size_of::<u32>();

/// More links than this nothing writes.
const LINKS_MAX: usize = 256;

/// What is no less than nothing, and a number.
const PARTS: RangeInclusive<f32> = 0.0..=f32::INFINITY;

/// Writes the image of an index whose links nobody changes meanwhile.
pub(super) fn write(hnsw: &Hnsw, into: &mut dyn Write) -> io::Result<()> {
    let body = hnsw.body();
    if let Some(image) = body.image() {
        // Its sums go with it: what is damaged stays so.
        return into.write_all(image.bytes());
    }
    let slots = &body.slots;
    // Others may remove some meanwhile: what is written is what was there when it began.
    let sets = slots.own().map(Lives::now).unwrap_or_default();
    let words = slots.words();
    let counts = sets.each_ref().map(SlotSet::len);
    image::write(
        into,
        |root| header_of(hnsw, &body, (words, counts), root),
        |out| write_data(hnsw, &body, (&sets, words), out),
    )
}

/// Writes what lies behind the header.
fn write_data(
    hnsw: &Hnsw,
    Body { graph, codes, .. }: &Body,
    (sets, words): (&[SlotSet; 2], usize),
    out: &mut Out<'_>,
) -> io::Result<()> {
    write_words(sets, words, out)?;
    let height = graph.entry().map_or(0, |entry| entry.level);
    for level in (1..=height).filter_map(|at| graph.level(at)) {
        let nodes = 0..level.end() as u32;
        nodes.clone().try_for_each(|node| out.bytes(&level.bytes_of(node).0))?;
        out.align(ALIGNMENT)?;
        nodes.clone().try_for_each(|node| out.bytes(&level.bytes_of(node).1))?;
    }
    let mut rows = 0..(words * WORD) as u32;
    rows.try_for_each(|node| out.bytes(&graph.ground().bytes_of(node).1))?;
    if let Some(codes) = codes {
        let pin = hnsw.readers.pin();
        codes.under(&pin).write(words, |_| true, out)?;
    }
    out.align(ALIGNMENT)
}

/// The header of an image with so many words of slots, of which so many are live and removed.
fn header_of(
    hnsw: &Hnsw,
    Body { graph, codes, .. }: &Body,
    (words, [live, removed]): (usize, [usize; 2]),
    root: u64,
) -> Vec<u8> {
    let Hnsw { dim, measure, config, .. } = hnsw;
    let entry = graph.entry();
    let height = entry.map_or(0, |entry| entry.level);
    let mut header = Vec::new();
    let mut encoder = Encoder::new(&mut header);
    let head = Head::new(measure, (*dim, codes.as_ref()), (words, live));
    head.encode(MAGIC, &mut encoder);
    encoder.u32(config.m as u32).u32(height as u32).u64(config.seed);
    for number in [config.ef_construction, config.ef_search, config.max_level] {
        encoder.u64(number as u64);
    }
    encoder.u32(entry.map_or(NONE, |entry| entry.node)).f32(config.stop);
    Data { root, removed }.encode(measure, &mut encoder);
    for level in (1..=height).filter_map(|at| graph.level(at)) {
        encoder.u32(level.end() as u32);
    }
    encoder.zeros(CALIBRATION - encoder.offset());
    if let Some(calibration) = hnsw.calibration.load() {
        let points = calibration.points();
        encoder.u64(calibration.slots as u64).u32(points.len() as u32).u32(0);
        points.iter().for_each(|Point { view, recall, looked_at }| {
            encoder.u32(view.ef as u32).f32(view.stop).f32(*recall).f32(*looked_at);
        });
    }
    seal(header)
}

/// What a header says.
struct Header {
    head: Head,
    data: Data,
    config: HnswConfig,
    entry: Option<u32>,
    /// How many nodes each level above the ground has.
    counts: Vec<usize>,
    calibration: Option<Calibration>,
}

/// Reads a header, which must be of an index by this distance.
fn decode_header(image: &[u8], measure: &Measure) -> Result<Header, Error> {
    let (head, mut decoder) = Head::decode(MAGIC, image)?;
    let m = decoder.u32("m")? as usize;
    let levels = decoder.u32("levels")? as usize;
    let seed = decoder.u64("seed")?;
    let mut number =
        || Ok::<_, Error>(usize::try_from(decoder.u64("a number")?).unwrap_or(usize::MAX));
    let (ef_construction, ef_search, max_level) = (number()?, number()?, number()?);
    let entry = Some(decoder.u32("entry")?).filter(|node| *node != NONE);
    let stop = decoder.f32("stop")?;
    let data = Data::decode(head, measure, &mut decoder)?;
    let mut counts = Vec::new();
    for level in 0..LEVELS_MAX {
        match (decoder.u32("nodes of a level")? as usize, level < levels) {
            (count, true) => counts.push(count),
            (0, false) => {}
            _ => {
                return Err(Error::BadImage { what: "a level too many", offset: decoder.offset() });
            }
        }
    }
    let calibration = decode_calibration(&mut decoder)?;
    finish(decoder)?;
    if levels > LEVELS_MAX || !(2..=LINKS_MAX).contains(&m) {
        return Err(Error::BadImage { what: "a length", offset: 32 });
    }
    if !PARTS.contains(&stop) {
        return Err(Error::BadImage { what: "stop", offset: 76 });
    }
    let config = HnswConfig { m, ef_construction, ef_search, stop, max_level, seed };
    Ok(Header { head, data, config, entry, counts, calibration })
}

/// How many in view give which recall; nothing, if nobody measured it.
fn decode_calibration(decoder: &mut Decoder<'_>) -> Result<Option<Calibration>, Error> {
    let slots = usize::try_from(decoder.u64("calibrated slots")?).unwrap_or(usize::MAX);
    let offset = decoder.offset();
    let count = decoder.u32("points")? as usize;
    decoder.zeros(4, "reserved")?;
    if count > POINTS_MAX || (count == 0 && slots != 0) {
        return Err(Error::BadImage { what: "points", offset });
    }
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        let (ef, stop) = (decoder.u32("in view")? as usize, decoder.f32("stop")?);
        let (recall, looked_at) = (decoder.f32("recall")?, decoder.f32("looked at")?);
        let reached = (f32::MIN..=1.0).contains(&recall);
        if ef == 0 || !PARTS.contains(&stop) || !reached || !PARTS.contains(&looked_at) {
            return Err(Error::BadImage { what: "a point", offset: decoder.offset() });
        }
        points.push(Point { view: View { ef, stop }, recall, looked_at });
    }
    Ok((count > 0).then(|| Calibration::of(slots, points.into_iter())))
}

/// Opens an image.
pub(super) fn open(bytes: &Bytes, measure: &Measure) -> Result<Hnsw, Error> {
    let header = decode_header(bytes, measure)?;
    let Header { head, data: Data { root, removed }, config, entry, counts, calibration } = header;
    let metric = head.coded(measure)?;
    let (rows, m) = (head.rows(), config.m);
    // What tables follow, with how many rows of which width.
    let mut wanted = tables_of(head.words()).to_vec();
    wanted.extend(counts.iter().flat_map(|count| [(*count, ABOUT), (*count, width(m))]));
    wanted.push((rows, width(2 * m)));
    wanted.extend(metric.iter().flat_map(|_| widths(head.dim)).map(|width| (rows, width)));
    let mut tables = Tables::new(bytes, root, wanted)?;
    let slots = Slots::lent(head.words(), [head.slots(), removed], &mut tables)?;
    let mut levels = Vec::new();
    for _ in counts {
        let about = tables.next()?;
        levels.push(Level::lent(m, tables.next()?, Some(about)));
    }
    let ground = Level::lent(2 * m, tables.next()?, None);
    let codes = metric.map(|metric| Codes::lent(head.dim, metric, &mut tables)).transpose()?;
    let body = Body::of(slots, Graph::of(m, ground, levels, entry), codes);
    let bodies = Bodies::lent(body, tables.image);
    let hnsw = Hnsw::of((head.dim, measure.clone(), config), Arc::new(Readers::new()), bodies);
    Ok(Hnsw { calibration: AtomicCell::new(calibration), ..hnsw })
}

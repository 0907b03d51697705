//! Lays out the image of an LSH index: FORMAT.md section 9.4.
//!
//! Promises: opening reads the header alone, and whatever the bytes, answers with an index or with what is wrong; it never
//! panics, and allocates no more than a small part of the bytes it was given.

use std::io::{self, Write};
use std::sync::Arc;

use base::codec::{Decoder, Encoder};
use bytes::Bytes;

use super::body::{Body, Laid, Tables, centre_rows};
use super::config::{FUNCTIONS_MAX, TABLES_FROM_MIN, TABLES_MAX};
use super::shape::{Shape, size_of};
use super::sketches::{Sketches, WIDTH};
use super::tables::{Bits, Numbers, ROW, Run, begins_of};
use super::tune::{POINTS_MAX, Point, Tuning};
use super::{Family, Lsh, LshConfig};
use crate::bodies::Bodies;
use crate::codes::{Codes, widths};
use crate::format::{ALIGNMENT, Data, Head, finish, seal, write_words};
use crate::image;
use crate::lent::Tables as Lent;
use crate::out::Out;
use crate::rows::LINE;
use crate::shared::{Lives, Readers};
use crate::slots::{Slots, WORD, tables_of};
use crate::{Error, Measure, Metric, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwdlsh";

/// The most runs of tables there are.
const RUNS_MAX: usize = 2;

/// How many bytes there are for those of functions.
const FUNCTION_BYTES: usize = 24;

const _: () = assert!(FUNCTIONS_MAX <= FUNCTION_BYTES);

/// Writes the image of an index in which nobody changes tables or takes up slots meanwhile.
pub(super) fn write(lsh: &Lsh, into: &mut dyn Write) -> io::Result<()> {
    let body = lsh.body();
    if let Some(image) = body.image() {
        // Its sums go with it: what is damaged stays so.
        return into.write_all(image.bytes());
    }
    // Others may remove some meanwhile: what is written is what was there when it began.
    let sets = body.slots.own().map(Lives::now).unwrap_or_default();
    let words = body.slots.words();
    let tables = body.tables();
    let tables = tables.as_deref();
    let counts = sets.each_ref().map(SlotSet::len);
    image::write(
        into,
        |root| header_of(lsh, (&body, tables), (words, counts), root),
        |out| write_data(lsh, (&body, tables), (&sets, words), out),
    )
}

/// Writes what lies behind the header.
fn write_data(
    lsh: &Lsh,
    (Body { codes, fresh, .. }, tables): (&Body, Option<&Tables>),
    (sets, words): (&[SlotSet; 2], usize),
    out: &mut Out<'_>,
) -> io::Result<()> {
    write_words(sets, words, out)?;
    write_bits(fresh, words, out)?;
    if let Some(codes) = codes {
        let pin = lsh.readers.pin();
        let [live, _] = sets;
        codes.under(&pin).write(words, |slot| live.contains(slot), out)?;
        out.align(ALIGNMENT)?;
    }
    let Some(Tables { laid, sketches, runs, .. }) = tables else { return Ok(()) };
    let centre = &laid.get().space.centre;
    centre.iter().try_for_each(|number| out.bytes(&number.to_le_bytes()))?;
    out.align(ALIGNMENT)?;
    for slot in 0..(words * WORD) as u32 {
        let sketch = sketches.get::<false>(slot);
        sketch.iter().try_for_each(|word| out.bytes(&word.to_le_bytes()))?;
    }
    for run in runs {
        write_bits(&run.void, words, out)?;
        let begins = begins_of(laid.shape.tables, laid.shape.buckets());
        write_numbers(&run.begins, begins, out)?;
        write_numbers(&run.slots, laid.shape.tables * run.len, out)?;
    }
    Ok(())
}

fn write_bits(bits: &Bits, words: usize, out: &mut Out<'_>) -> io::Result<()> {
    (0..words).try_for_each(|at| out.bytes(&bits.word::<false>(at).to_le_bytes()))?;
    out.align(ALIGNMENT)
}

fn write_numbers(numbers: &Numbers, count: usize, out: &mut Out<'_>) -> io::Result<()> {
    (0..count).try_for_each(|at| out.bytes(&numbers.get::<false>(at).to_le_bytes()))?;
    out.align(ALIGNMENT)
}

/// The header of an image with so many words of slots, of which so many are live and removed.
fn header_of(
    lsh: &Lsh,
    (Body { codes, fresh, .. }, tables): (&Body, Option<&Tables>),
    (words, [live, removed]): (usize, [usize; 2]),
    root: u64,
) -> Vec<u8> {
    let Lsh { dim, measure, config, .. } = lsh;
    let mut header = Vec::new();
    let mut encoder = Encoder::new(&mut header);
    let head = Head::new(measure, (*dim, codes.as_ref()), (words, live));
    head.encode(MAGIC, &mut encoder);
    let optional = |number: Option<usize>| number.unwrap_or(0) as u32;
    encoder.u32(config.family.number()).u32(config.num_tables as u32).u64(config.seed);
    encoder.u32(optional(config.functions)).u32(optional(config.probes)).f32(config.target_recall);
    let runs = tables.map_or(&[][..], |tables| &tables.runs);
    let laid = tables.map(|tables| &*tables.laid);
    encoder.u32(runs.len() as u32).f32(laid.map_or(0.0, |laid| laid.radius));
    encoder.u32(config.tables_from as u32);
    encoder.u64(laid.map_or(0, |laid| laid.shape.slots as u64));
    Data { root, removed }.encode(measure, &mut encoder);
    for at in 0..RUNS_MAX {
        encoder.u64(runs.get(at).map_or(0, |run| run.len as u64));
    }
    let bits = laid.map_or(&[][..], |laid| laid.shape.bits());
    encoder.u32(bits.len() as u32);
    bits.iter().for_each(|bits| _ = encoder.bytes(&[*bits as u8]));
    encoder.zeros(FUNCTION_BYTES - bits.len()).u32(fresh.len() as u32);
    if let Some(Tuning { slots, shaped, points }) = tables.and_then(|it| it.tuning.as_ref()) {
        encoder.u64(*slots as u64).u64(*shaped as u64).u32(points.len() as u32).u32(0);
        for Point { slots, recall: [near, far] } in points {
            encoder.u32(*slots).f32(*near).f32(*far);
        }
    }
    seal(header)
}

/// What a header says.
struct Header {
    head: Head,
    data: Data,
    config: LshConfig,
    /// How many slots each run of tables has.
    runs: Vec<usize>,
    radius: f32,
    shape: Option<Shape>,
    fresh: usize,
    tuning: Option<Tuning>,
}

fn bad<T>(what: &'static str, offset: usize) -> Result<T, Error> {
    Err(Error::BadImage { what, offset })
}

fn length(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reads a header, which must be of an index by this metric.
fn decode_header(image: &[u8], measure: &Measure) -> Result<(Header, Metric), Error> {
    let (head, mut decoder) = Head::decode(MAGIC, image)?;
    let mut config = decode_config(&mut decoder)?;
    let runs = decoder.u32("runs")? as usize;
    let radius = decoder.f32("radius")?;
    config.tables_from = decoder.u32("tables from")? as usize;
    let shaped = length(decoder.u64("shaped slots")?);
    let data = Data::decode(head, measure, &mut decoder)?;
    let Some(metric) = measure.metric() else { return bad("the distance", 128) };
    let mut lens = Vec::new();
    for at in 0..RUNS_MAX {
        match (length(decoder.u64("slots of a run")?), at < runs) {
            (len, true) => lens.push(len),
            (0, false) => {}
            _ => return bad("a run too many", decoder.offset()),
        }
    }
    let count = decoder.u32("functions")? as usize;
    let (bits, rest) = decoder.bytes(FUNCTION_BYTES, "bits")?.split_at(count.min(FUNCTION_BYTES));
    let fresh = decoder.u32("fresh")? as usize;
    let is_clean = rest.iter().all(|byte| *byte == 0) && runs <= RUNS_MAX;
    let shape = match (runs, count) {
        (0, 0) if shaped == 0 && radius == 0.0 && is_clean => None,
        (1.., 1..=FUNCTION_BYTES) if radius >= 0.0 && radius.is_finite() && is_clean => {
            let bits = bits.iter().map(|bits| u32::from(*bits)).collect();
            let size = size_of(head.dim, metric);
            let shape = Shape::of(size, config.num_tables, bits, shaped);
            Some(shape.ok_or(Error::BadImage { what: "functions", offset: 208 })?)
        }
        _ => return bad("tables", 60),
    };
    if config.tables_from < TABLES_FROM_MIN {
        return bad("tables from", 68);
    }
    let tuning = decode_tuning(&mut decoder)?;
    finish(decoder)?;
    if tuning.is_some() && shape.is_none() {
        return bad("points", 256);
    }
    Ok((Header { head, data, config, runs: lens, radius, shape, fresh, tuning }, metric))
}

fn decode_config(decoder: &mut Decoder<'_>) -> Result<LshConfig, Error> {
    let family = decoder.u32("family")?;
    let num_tables = decoder.u32("tables")? as usize;
    let seed = decoder.u64("seed")?;
    let mut optional =
        || Ok::<_, Error>(Some(decoder.u32("a number")? as usize).filter(|number| *number > 0));
    let (functions, probes) = (optional()?, optional()?);
    let target_recall = decoder.f32("recall")?;
    let Some(family) = Family::of(family) else { return bad("family", 32) };
    let fits = (1..=TABLES_MAX).contains(&num_tables)
        && functions.is_none_or(|it| it <= FUNCTIONS_MAX)
        && (0.0..=1.0).contains(&target_recall);
    match fits {
        true => {
            Ok(LshConfig { num_tables, functions, probes, target_recall, ..LshConfig::default() }
                .family(family)
                .seed(seed))
        }
        false => bad("the configuration", 32),
    }
}

/// How far it has to be looked for which recall; nothing, if nobody measured it. Without points it was measured all the same: none could be
/// held out.
fn decode_tuning(decoder: &mut Decoder<'_>) -> Result<Option<Tuning>, Error> {
    let slots = length(decoder.u64("measured slots")?);
    let shaped = length(decoder.u64("measured tables")?);
    let offset = decoder.offset();
    let count = decoder.u32("points")? as usize;
    decoder.zeros(4, "reserved")?;
    if count > POINTS_MAX {
        return bad("points", offset);
    }
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        let slots = decoder.u32("gathered")?;
        let recall = [decoder.f32("recall")?, decoder.f32("recall of more")?];
        if !recall.iter().all(|recall| (0.0..=1.0).contains(recall)) {
            return bad("a point", decoder.offset());
        }
        points.push(Point { slots, recall });
    }
    let is_measured = (slots, shaped, count) != (0, 0, 0);
    Ok(is_measured.then_some(Tuning { slots, shaped, points }))
}

/// Of how many rows of which width a table of so many numbers is.
fn numbers_rows(count: Option<usize>) -> (usize, usize) {
    (count.map_or(usize::MAX, |count| count.div_ceil(ROW)), LINE)
}

/// Opens an image.
pub(super) fn open(bytes: &Bytes, measure: &Measure) -> Result<Lsh, Error> {
    let (header, metric) = decode_header(bytes, measure)?;
    let Header { head, data: Data { root, removed }, config, runs, .. } = header;
    let Header { radius, shape, fresh, tuning, .. } = header;
    let coded = head.coded(measure)?;
    let [of_words, _] = tables_of(head.words());
    let mut wanted = vec![of_words; 3];
    wanted.extend(coded.iter().flat_map(|_| widths(head.dim)).map(|width| (head.rows(), width)));
    if let Some(shape) = &shape {
        wanted.extend([centre_rows(head.dim), (head.rows(), WIDTH)]);
        let begins = begins_of(shape.tables, shape.buckets());
        for len in &runs {
            let slots = shape.tables.checked_mul(*len);
            wanted.extend([of_words, numbers_rows(Some(begins)), numbers_rows(slots)]);
        }
    }
    let mut lent = Lent::new(bytes, root, wanted)?;
    let slots = Slots::lent(head.words(), [head.slots(), removed], &mut lent)?;
    let fresh = Bits::Lent(lent.next()?, fresh);
    let codes = coded.map(|metric| Codes::lent(head.dim, metric, &mut lent)).transpose()?;
    let tables = match shape {
        Some(shape) => {
            let buckets = shape.buckets();
            let centre = (lent.next()?, head.dim);
            let sketches = Arc::new(Sketches::Lent(lent.next()?));
            let laid = Laid::lent((shape, metric), (config.seed, radius), centre);
            let mut all = Vec::new();
            for len in runs {
                let void = Bits::Lent(lent.next()?, 0);
                let numbers = [Numbers::Lent(lent.next()?), Numbers::Lent(lent.next()?)];
                all.push(Arc::new(Run::of(len, buckets, numbers, void)));
            }
            Some(Tables { laid: Arc::new(laid), sketches, runs: all, tuning })
        }
        None => None,
    };
    let bodies = Bodies::lent(Body::of(slots, codes, fresh, tables), lent.image);
    Ok(Lsh::of((head.dim, measure.clone(), config), Arc::new(Readers::new()), bodies))
}

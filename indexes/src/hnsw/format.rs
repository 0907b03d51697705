//! Lays out the image of a graph: FORMAT.md section 9.3.
//!
//! Promises: whatever the bytes, decoding answers with an index or with what is wrong; it never panics, and allocates
//! no more than a small multiple of the bytes it was given. What leads out of a level is refused.

use base::checksum::Xxh3;
use base::codec::{Decoder, Encoder};

use super::beam::Graph;
use super::links::{Ground, Level, NONE, Upper};
use super::nodes::Nodes;
use super::{Hnsw, HnswConfig};
use crate::codes::DIM_MAX;
use crate::measure::DISTANCE_NAME_BYTES_MAX;
use crate::slots::WORD;
use crate::{Error, Measure, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwhnsw";

/// The format that this code writes, and the newest that it reads.
const VERSION: u16 = 0;

const HEADER: usize = 128;

/// Where the sum stands, which covers all other bytes.
const SUM_AT: usize = 120;

const ALIGNMENT: usize = 64;

/// More levels, links or slots than this nothing writes.
const LEVELS_MAX: u32 = 64;
const LINKS_MAX: usize = 256;
const WORDS_MAX: u32 = u32::MAX / WORD as u32 + 1;

/// Appends the image of an index.
pub(super) fn encode(hnsw: &Hnsw, into: &mut Vec<u8>) {
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    let name = hnsw.measure.name();
    let (config, graph, words) = (&hnsw.config, &hnsw.graph, hnsw.live.words());
    encoder.bytes(&MAGIC).u16(VERSION).u16(name.len() as u16).u32(hnsw.dim as u32);
    encoder.u32(hnsw.nodes.is_some().into()).u32(words as u32).u64(hnsw.live.len() as u64);
    encoder.u32(config.m as u32).u32(graph.levels.len() as u32).u64(config.seed);
    for number in [config.ef_construction, config.ef_search, config.max_level] {
        encoder.u64(number as u64);
    }
    encoder.u32(graph.entry.unwrap_or(NONE));
    encoder.zeros(HEADER - encoder.offset());
    encoder.bytes(name.as_bytes()).align(ALIGNMENT);
    (0..words).for_each(|at| {
        encoder.u64(hnsw.live.word(at));
    });
    encoder.align(ALIGNMENT);
    for upper in &graph.levels {
        encoder.u32(upper.end() as u32).align(ALIGNMENT);
        for node in 0..upper.end() as u32 {
            encoder.u32(upper.slot(node)).u32(upper.below(node));
            upper.links(node).iter().for_each(|link| {
                encoder.u32(*link);
            });
        }
        encoder.align(ALIGNMENT);
    }
    for slot in 0..(words * WORD) as u32 {
        graph.ground.links(slot).iter().for_each(|link| {
            encoder.u32(*link);
        });
    }
    if let Some(nodes) = &hnsw.nodes {
        nodes.encode(&hnsw.live, &mut encoder);
    }
    let sum = sum_of(&image).to_le_bytes();
    if let Some(place) = image.get_mut(SUM_AT..HEADER) {
        place.copy_from_slice(&sum);
    }
    into.append(&mut image);
}

/// The sum of all bytes but those it stands in.
fn sum_of(image: &[u8]) -> u64 {
    let (before, behind) = (image.get(..SUM_AT), image.get(HEADER..));
    let mut sum = Xxh3::new();
    sum.update(before.unwrap_or_default()).update(behind.unwrap_or_default());
    sum.sum()
}

/// Makes an index of its image.
pub(super) fn decode(image: &[u8], measure: &Measure) -> Result<Hnsw, Error> {
    let mut decoder = Decoder::new(image);
    let bad = |what, offset| Err(Error::BadImage { what, offset });
    if decoder.array("magic")? != MAGIC {
        return bad("magic", 0);
    }
    let version = decoder.u16("version")?;
    if version > VERSION {
        return Err(Error::NewerImage { found: version, known: VERSION });
    }
    let name_bytes = usize::from(decoder.u16("name length")?);
    let dim = decoder.u32("dim")? as usize;
    let coded = decoder.u32("codes")?;
    let words = decoder.u32("words")?;
    let slots = decoder.u64("slots")?;
    let m = decoder.u32("m")? as usize;
    let levels = decoder.u32("levels")?;
    let seed = decoder.u64("seed")?;
    let mut number =
        || Ok::<_, Error>(usize::try_from(decoder.u64("a number")?).unwrap_or(usize::MAX));
    let (ef_construction, ef_search, max_level) = (number()?, number()?, number()?);
    let entry = Some(decoder.u32("entry")?).filter(|node| *node != NONE);
    decoder.zeros(SUM_AT - decoder.offset(), "reserved")?;
    if decoder.u64("sum")? != sum_of(image) {
        return bad("sum", SUM_AT);
    }
    let known = name_bytes <= DISTANCE_NAME_BYTES_MAX && coded <= 1 && words <= WORDS_MAX;
    if !known || levels > LEVELS_MAX || !(2..=LINKS_MAX).contains(&m) {
        return bad("a length", 0);
    }
    let name = decoder.bytes(name_bytes, "name")?;
    if name != measure.name().as_bytes() {
        let built = String::from_utf8_lossy(name).into_owned();
        return Err(Error::Measure { built, given: measure.name().to_owned() });
    }
    decoder.align(ALIGNMENT, "behind the name")?;
    let live = SlotSet::decode(&mut decoder, words as usize)?;
    if live.len() as u64 != slots {
        return bad("slots", 24);
    }
    let rows = words as usize * WORD;
    let config = HnswConfig { m, ef_construction, ef_search, max_level, seed };
    let mut hnsw = Hnsw::bare(dim, measure.clone(), config);
    hnsw.graph = decode_graph(&mut decoder, (m, levels, rows))?;
    hnsw.graph.entry = entry;
    hnsw.nodes = match (coded, measure.metric()) {
        (0, _) => None,
        (_, Some(_)) if dim > DIM_MAX => return bad("codes", 16),
        (_, Some(metric)) => Some(Nodes::decode(dim, metric, rows, &mut decoder)?),
        (_, None) => return bad("codes", 16),
    };
    decoder.finish("codes")?;
    hnsw.live = live;
    Ok(hnsw)
}

fn decode_graph(
    decoder: &mut Decoder<'_>,
    (m, levels, rows): (usize, u32, usize),
) -> Result<Graph, Error> {
    let mut graph = Graph { ground: Ground::new(2 * m), levels: Vec::new(), entry: None };
    let mut below = rows;
    for _ in 0..levels {
        let mut upper = Upper::new(m);
        let count = decoder.u32("nodes of a level")? as usize;
        decoder.align(ALIGNMENT, "behind a length")?;
        for _ in 0..count {
            let (slot, node_below) = (decoder.u32("slot")?, decoder.u32("node below")?);
            if node_below as usize >= below || slot != NONE && slot as usize >= rows {
                return Err(Error::BadImage { what: "a node", offset: decoder.offset() });
            }
            let node = upper.add(slot, node_below);
            let links = decode_links(decoder, upper.links(node).len(), count)?;
            upper.put(node, &links);
        }
        decoder.align(ALIGNMENT, "behind a level")?;
        below = count;
        graph.levels.push(upper);
    }
    let bytes = graph.ground.width() * size_of::<u32>();
    if rows.saturating_mul(bytes) > decoder.rest().len() {
        return Err(Error::BadImage { what: "links", offset: decoder.offset() });
    }
    graph.ground.reserve(rows);
    for slot in 0..rows as u32 {
        let links = decode_links(decoder, graph.ground.links(slot).len(), rows)?;
        graph.ground.put(slot, &links);
    }
    Ok(graph)
}

/// Links to nodes below this one, or to none.
fn decode_links(decoder: &mut Decoder<'_>, count: usize, end: usize) -> Result<Vec<u32>, Error> {
    let offset = decoder.offset();
    let bytes = decoder.bytes(count * size_of::<u32>(), "links")?;
    let links: Vec<u32> = bytes.as_chunks().0.iter().map(|it| u32::from_le_bytes(*it)).collect();
    match links.iter().all(|link| *link == NONE || (*link as usize) < end) {
        true => Ok(links),
        false => Err(Error::BadImage { what: "a link", offset }),
    }
}

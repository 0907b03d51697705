//! Lays out the image of a graph: FORMAT.md section 9.3.
//!
//! Promises: whatever the bytes, decoding answers with an index or with what is wrong; it never panics, and allocates
//! no more than a small multiple of the bytes it was given. What leads out of a level is refused.

use base::codec::{Decoder, Encoder};

use super::beam::Graph;
use super::links::{Ground, Level, NONE, Upper};
use super::nodes::Nodes;
use super::{Hnsw, HnswConfig};
use crate::format::{ALIGNMENT, Head, check_sum, encode_body, seal};
use crate::slots::WORD;
use crate::{Error, Measure};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwhnsw";

const HEADER: usize = 128;

/// More levels or links than this nothing writes.
const LEVELS_MAX: u32 = 64;
const LINKS_MAX: usize = 256;

/// Appends the image of an index.
pub(super) fn encode(hnsw: &Hnsw, into: &mut Vec<u8>) {
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image);
    let Hnsw { dim, measure, config, live, graph, nodes, .. } = hnsw;
    let words = live.words();
    let head = Head::new(measure, (*dim, nodes.as_ref()), (words, live.len()));
    head.encode(MAGIC, &mut encoder);
    encoder.u32(config.m as u32).u32(graph.levels.len() as u32).u64(config.seed);
    for number in [config.ef_construction, config.ef_search, config.max_level] {
        encoder.u64(number as u64);
    }
    encoder.u32(graph.entry.unwrap_or(NONE));
    encode_body(HEADER, measure, (live, words), &mut encoder);
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
    if let Some(nodes) = nodes {
        nodes.encode(live, &mut encoder);
    }
    seal(HEADER, &mut image);
    into.append(&mut image);
}

/// Makes an index of its image.
pub(super) fn decode(image: &[u8], measure: &Measure) -> Result<Hnsw, Error> {
    let mut decoder = Decoder::new(image);
    let head = Head::decode(MAGIC, &mut decoder)?;
    let m = decoder.u32("m")? as usize;
    let levels = decoder.u32("levels")?;
    let seed = decoder.u64("seed")?;
    let mut number =
        || Ok::<_, Error>(usize::try_from(decoder.u64("a number")?).unwrap_or(usize::MAX));
    let (ef_construction, ef_search, max_level) = (number()?, number()?, number()?);
    let entry = Some(decoder.u32("entry")?).filter(|node| *node != NONE);
    check_sum(HEADER, image, &mut decoder)?;
    if levels > LEVELS_MAX || !(2..=LINKS_MAX).contains(&m) {
        return Err(Error::BadImage { what: "a length", offset: 0 });
    }
    let live = head.body(measure, &mut decoder)?;
    let rows = head.rows();
    let config = HnswConfig { m, ef_construction, ef_search, max_level, seed };
    let mut hnsw = Hnsw::bare(head.dim, measure.clone(), config);
    hnsw.graph = decode_graph(&mut decoder, (m, levels, rows))?;
    hnsw.graph.entry = entry;
    if let Some(metric) = head.coded(measure)? {
        hnsw.nodes = Some(Nodes::decode(head.dim, metric, rows, &mut decoder)?);
    }
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

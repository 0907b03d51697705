//! Lays out the image of a KD-tree: FORMAT.md section 9.5.
//!
//! Promises: opening reads the header alone, and whatever the bytes, answers with an index or with what is wrong; it never
//! panics, and allocates no more than a small part of the bytes it was given.

use std::io::{self, Write};
use std::sync::Arc;

use base::codec::{Decoder, Encoder};
use bytes::Bytes;

use super::body::Body;
use super::buffer::BLOCK;
use super::build::Points;
use super::forest::Trees;
use super::leaves::{Leaves, NONE, Numbers, Owners, point};
use super::shape::Shape;
use super::tree::{Judged, Tree, Way, node_width};
use super::{KdTree, KdTreeConfig};
use crate::bodies::Bodies;
use crate::codes::{Codes, CodesInUse, WORTH, widths};
use crate::format::{ALIGNMENT, Data, Head, finish, seal, write_words};
use crate::image;
use crate::lanes::LANES;
use crate::lent::Tables;
use crate::out::Out;
use crate::shared::{Lives, Readers};
use crate::slots::{Slots, tables_of};
use crate::{Error, Measure, Metric, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwkdtr";

/// More trees than this an image does not speak of: points of others are written as loose ones.
const TREES_MAX: usize = 64;

/// Where what it says of trees ends.
const TREES_END: usize = 192 + TREES_MAX * 16;

/// How many times sixteen loose points are a row.
const LOOSE_BLOCKS: usize = BLOCK / LANES;

const NUMBER: usize = size_of::<f32>();

/// What is written of an index, as it is when that begins.
struct Written<'w> {
    dim: usize,
    codes: Option<CodesInUse<'w>>,
    sets: [SlotSet; 2],
    words: usize,
    trees: &'w [Arc<Tree>],
    loose: Points,
}

/// Writes the image of an index into which nobody takes up anything meanwhile, and of which nobody lets go of anything.
pub(super) fn write(index: &KdTree, into: &mut dyn Write) -> io::Result<()> {
    let body = index.bodies.now();
    if let Some(image) = body.image() {
        // Its sums go with it: what is damaged stays so.
        return into.write_all(image.bytes());
    }
    // Others may remove some meanwhile: what is written is what was there when it began.
    let sets = body.slots.own().map(Lives::now).unwrap_or_default();
    let words = sets.each_ref().map(SlotSet::words_taken).into_iter().max().unwrap_or(0);
    let all = body.forest.now();
    let (trees, more) = all.trees.split_at(all.trees.len().min(TREES_MAX));
    let mut loose = Points::new(index.dim);
    for tree in more {
        tree.each_point(0..tree.shape.leaves(), |_, (numbers, lane), owner| {
            if owner != NONE {
                loose.push(point(numbers, index.dim, lane), owner);
            }
        });
    }
    for buffer in all.buffers() {
        buffer.each_point(|numbers, owner| {
            loose.rows.extend_from_slice(numbers);
            loose.rows.push(owner);
        });
    }
    let pin = index.readers.pin();
    let codes = body.codes.as_ref().map(|codes| codes.under(&pin));
    let written = Written { dim: index.dim, codes, sets, words, trees, loose };
    image::write(into, |root| written.header(index, root), |out| written.data(out))
}

impl Written<'_> {
    fn header(&self, index: &KdTree, root: u64) -> Vec<u8> {
        let Written { dim, codes, sets: [live, removed], words, trees, loose } = self;
        let KdTreeConfig { leaf, buffer, fan_out, scan_from } = index.config;
        let mut header = Vec::new();
        let mut encoder = Encoder::new(&mut header);
        let head = Head::new(&index.measure, (*dim, codes.as_ref()), (*words, live.len()));
        head.encode(MAGIC, &mut encoder);
        for number in [leaf, buffer, fan_out, scan_from.into(), trees.len(), loose.len()] {
            encoder.u32(number as u32);
        }
        let data = Data { root, removed: removed.len() };
        data.encode(&index.measure, &mut encoder);
        for tree in *trees {
            let Judged { way, percent } = tree.judged;
            encoder.u64(tree.points() as u64).u32(tree.shape.splits());
            encoder.u16(u16::from(way == Way::Scan)).u16(percent.into());
        }
        encoder.zeros(TREES_END - encoder.offset());
        seal(header)
    }

    /// What lies behind the header.
    fn data(&self, out: &mut Out<'_>) -> io::Result<()> {
        write_words(&self.sets, self.words, out)?;
        if let Some(codes) = self.codes {
            let [live, _] = &self.sets;
            codes.write(self.words, |slot| live.contains(slot), out)?;
            out.align(ALIGNMENT)?;
        }
        self.write_loose(out)?;
        for tree in self.trees {
            let (shape, leaves) = (tree.shape, &tree.leaves);
            (0..shape.nodes()).try_for_each(|at| out.bytes(tree.boxes.row(at)))?;
            out.align(ALIGNMENT)?;
            (0..shape.leaves()).try_for_each(|at| out.bytes(leaves.numbers.row(at)))?;
            out.align(ALIGNMENT)?;
            for leaf in 0..shape.leaves() {
                let Some((_, owners)) = leaves.row(leaf) else { continue };
                for lane in 0..leaves.room() {
                    out.bytes(&owners.get(lane).to_le_bytes())?;
                }
            }
            out.align(ALIGNMENT)?;
        }
        Ok(())
    }

    fn write_loose(&self, out: &mut Out<'_>) -> io::Result<()> {
        let (rows, width) = (&self.loose.rows, self.dim + 1);
        let sixteens = self.loose.len().div_ceil(BLOCK) * LOOSE_BLOCKS;
        let number = |point: usize, at: usize| rows.get(point * width + at).copied();
        for first in (0..sixteens).map(|at| at * LANES) {
            for axis in 0..self.dim {
                for point in first..first + LANES {
                    out.bytes(&number(point, axis).unwrap_or(0).to_le_bytes())?;
                }
            }
        }
        out.align(ALIGNMENT)?;
        for point in 0..sixteens * LANES {
            out.bytes(&number(point, self.dim).unwrap_or(NONE).to_le_bytes())?;
        }
        out.align(ALIGNMENT)
    }
}

/// What a header says.
struct Header {
    head: Head,
    /// The metric of codes, if there are codes.
    metric: Option<Metric>,
    data: Data,
    config: KdTreeConfig,
    loose: usize,
    trees: Vec<(Shape, Judged)>,
}

/// Reads a header, which must be of an index by this distance.
fn decode_header(image: &[u8], measure: &Measure) -> Result<Header, Error> {
    let (head, mut decoder) = Head::decode(MAGIC, image)?;
    let mut number = || Ok::<_, Error>(decoder.u32("a number")? as usize);
    let (leaf, buffer, fan_out, scan_from) = (number()?, number()?, number()?, number()?);
    let (count, loose) = (number()?, number()?);
    let scan_from = u8::try_from(scan_from).unwrap_or(u8::MAX);
    let config = KdTreeConfig { leaf, buffer, fan_out, scan_from };
    if config != config.clamped() {
        return Err(Error::BadImage { what: "configuration", offset: 32 });
    }
    let metric = head.coded(measure)?;
    if metric.is_some() != WORTH.contains(&head.dim) {
        return Err(Error::BadImage { what: "codes", offset: 16 });
    }
    let data = Data::decode(head, measure, &mut decoder)?;
    let trees = decode_trees(&mut decoder, count)?;
    decoder.zeros(TREES_END - decoder.offset(), "reserved")?;
    finish(decoder)?;
    Ok(Header { head, metric, data, config, loose, trees })
}

fn decode_trees(decoder: &mut Decoder<'_>, count: usize) -> Result<Vec<(Shape, Judged)>, Error> {
    let bad = |offset| Error::BadImage { what: "a tree", offset };
    if count > TREES_MAX {
        return Err(bad(48));
    }
    let mut trees = Vec::with_capacity(count);
    for _ in 0..count {
        let offset = decoder.offset();
        let points = usize::try_from(decoder.u64("points")?).unwrap_or(usize::MAX);
        let shape = Shape::told(points, decoder.u32("splits")?).ok_or_else(|| bad(offset))?;
        let way = match decoder.u16("way")? {
            0 => Way::Walk,
            1 => Way::Scan,
            _ => return Err(bad(offset)),
        };
        let percent = u8::try_from(decoder.u16("percent")?).map_err(|_| bad(offset))?;
        trees.push((shape, Judged { way, percent }));
    }
    Ok(trees)
}

/// The tables of points in so many leaves, each with room for so many times sixteen.
fn leaves_of(dim: usize, leaves: usize, blocks: usize) -> [(usize, usize); 2] {
    let room = blocks.saturating_mul(LANES * NUMBER);
    [(leaves, room.saturating_mul(dim)), (leaves, room)]
}

fn lent(dim: usize, blocks: usize, tables: &mut Tables) -> Result<Leaves, Error> {
    let (numbers, owners) = (Numbers::Lent(tables.next()?), Owners::Lent(tables.next()?));
    Ok(Leaves { dim, blocks, numbers, owners })
}

/// Opens an image.
pub(super) fn open(bytes: &Bytes, measure: &Measure) -> Result<KdTree, Error> {
    let header = decode_header(bytes, measure)?;
    let Header { head, metric, data: Data { root, removed }, config, loose, trees } = header;
    let dim = head.dim;
    let mut wanted = tables_of(head.words()).to_vec();
    wanted.extend(metric.iter().flat_map(|_| widths(dim)).map(|width| (head.rows(), width)));
    wanted.extend(leaves_of(dim, loose.div_ceil(BLOCK), LOOSE_BLOCKS));
    for (shape, _) in &trees {
        wanted.push((shape.nodes(), node_width(dim).saturating_mul(NUMBER)));
        wanted.extend(leaves_of(dim, shape.leaves(), shape.blocks()));
    }
    let mut tables = Tables::new(bytes, root, wanted)?;
    let slots = Slots::lent(head.words(), [head.slots(), removed], &mut tables)?;
    let codes = metric.map(|metric| Codes::lent(dim, metric, &mut tables)).transpose()?;
    let loose = (lent(dim, LOOSE_BLOCKS, &mut tables)?, loose);
    let mut all = Vec::new();
    for (shape, judged) in trees {
        let boxes = Numbers::Lent(tables.next()?);
        let leaves = lent(dim, shape.blocks(), &mut tables)?;
        all.push(Arc::new(Tree::new(shape, boxes, leaves, judged)));
    }
    // Nothing is appended to what lies in an image.
    let trees = Trees { loose: Some(Arc::new(loose)), ..Trees::new(all, (dim, 0)) };
    let bodies = Bodies::lent(Body::new(slots, trees, codes), tables.image);
    KdTree::of((dim, measure.clone(), config), Arc::new(Readers::new()), bodies)
}

//! Lays out the body of a manifest: a schema of our own, as bytes by rkyv. FORMAT.md section 6.2.
//!
//! What lies on disk has numbers and lists only, so that the document can say where every byte is; what the
//! numbers mean, and which values are valid, is checked on the way to a [`Manifest`].

use base::{CollectionId, FileId, LogPlace, Sequence, Timeline};
use rkyv::rancor::Failure;

use super::Invalid;
use crate::manifest::{Branch, ImageRef, IndexImage, Manifest, Point};

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Body {
    next_file: u64,
    points: Vec<PointBody>,
    timelines: Vec<BranchBody>,
    indexes: Vec<IndexBody>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct PointBody {
    name: Vec<u8>,
    sequence: u64,
    timeline: u64,
    image: ImageBody,
    log: PlaceBody,
    log_end: PlaceBody,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct ImageBody {
    file: u64,
    bytes: u64,
    sum: u128,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct PlaceBody {
    file: u64,
    offset: u64,
    sum: u32,
    sequence: u64,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct BranchBody {
    timeline: u64,
    first: u64,
    parent: u64,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct IndexBody {
    collection: u32,
    image: ImageBody,
}

/// The bytes of a body; `None` only if there is no memory for them.
pub(crate) fn encode(manifest: &Manifest) -> Option<Vec<u8>> {
    let body = Body {
        next_file: manifest.next_file.0,
        points: manifest.points.iter().map(point_body).collect(),
        timelines: manifest.timelines.iter().map(branch_body).collect(),
        indexes: manifest.indexes.iter().map(index_body).collect(),
    };
    rkyv::to_bytes::<Failure>(&body).ok().map(|bytes| bytes.to_vec())
}

/// Reads a body: first all distances and lengths in it are checked, then all values.
pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest, Invalid> {
    let body = rkyv::from_bytes::<Body, Failure>(bytes).map_err(|_| Invalid::Value("body"))?;
    let Body { next_file, points, timelines, indexes } = body;
    let manifest = Manifest {
        next_file: FileId(next_file),
        points: points.into_iter().map(point_of).collect::<Result<_, _>>()?,
        timelines: timelines.iter().map(branch_of).collect::<Result<_, _>>()?,
        indexes: indexes.iter().map(index_of).collect(),
    };
    manifest.check()?;
    Ok(manifest)
}

fn point_body(point: &Point) -> PointBody {
    let Point { name, sequence, timeline, image, log, log_end } = point;
    PointBody {
        name: name.as_deref().unwrap_or_default().into(),
        sequence: number_of(*sequence),
        timeline: timeline.get(),
        image: image_body(image),
        log: place_body(Some(log)),
        log_end: place_body(log_end.as_ref()),
    }
}

fn point_of(body: PointBody) -> Result<Point, Invalid> {
    let name = String::from_utf8(body.name).map_err(|_| Invalid::Value("name"))?;
    let log = place_of(&body.log).ok_or(Invalid::Value("log"))?;
    Ok(Point {
        name: (!name.is_empty()).then_some(name),
        sequence: Sequence::new(body.sequence),
        timeline: Timeline::new(body.timeline).ok_or(Invalid::Value("timeline"))?,
        image: image_of(&body.image),
        log,
        log_end: place_of(&body.log_end),
    })
}

fn number_of(sequence: Option<Sequence>) -> u64 {
    sequence.map_or(0, Sequence::get)
}

fn image_body(image: &ImageRef) -> ImageBody {
    ImageBody { file: image.file.0, bytes: image.bytes, sum: image.sum }
}

fn image_of(body: &ImageBody) -> ImageRef {
    ImageRef { file: FileId(body.file), bytes: body.bytes, sum: body.sum }
}

fn place_body(place: Option<&LogPlace>) -> PlaceBody {
    match place {
        Some(LogPlace { file, offset, sum, sequence }) => {
            PlaceBody { file: file.0, offset: *offset, sum: *sum, sequence: number_of(*sequence) }
        }
        None => PlaceBody { file: 0, offset: 0, sum: 0, sequence: 0 },
    }
}

fn place_of(body: &PlaceBody) -> Option<LogPlace> {
    match *body {
        PlaceBody { file: 0, offset: 0, sum: 0, sequence: 0 } => None,
        PlaceBody { file, offset, sum, sequence } => {
            let sequence = Sequence::new(sequence);
            Some(LogPlace { file: FileId(file), offset, sum, sequence })
        }
    }
}

fn branch_body(branch: &Branch) -> BranchBody {
    let Branch { timeline, first, parent } = branch;
    let parent = parent.map_or(0, Timeline::get);
    BranchBody { timeline: timeline.get(), first: first.get(), parent }
}

fn branch_of(body: &BranchBody) -> Result<Branch, Invalid> {
    Ok(Branch {
        timeline: Timeline::new(body.timeline).ok_or(Invalid::Value("timeline"))?,
        first: Sequence::new(body.first).ok_or(Invalid::Value("first"))?,
        parent: Timeline::new(body.parent),
    })
}

fn index_body(index: &IndexImage) -> IndexBody {
    IndexBody { collection: index.collection.0, image: image_body(&index.image) }
}

fn index_of(body: &IndexBody) -> IndexImage {
    IndexImage { collection: CollectionId(body.collection), image: image_of(&body.image) }
}

#[cfg(test)]
mod tests;

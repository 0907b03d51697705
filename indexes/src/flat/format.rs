//! Lays out the image of a flat index: FORMAT.md section 9.1.
//!
//! Promises: opening reads the header alone, and whatever the bytes, answers with an index or with what is wrong; it never
//! panics, and allocates no more than a small part of the bytes it was given.

use std::io::{self, Write};
use std::sync::Arc;

use base::codec::Encoder;
use bytes::Bytes;

use super::{Body, Flat};
use crate::bodies::Bodies;
use crate::codes::{Codes, widths};
use crate::format::{ALIGNMENT, Data, Head, finish, seal, write_words};
use crate::image;
use crate::lent::Tables;
use crate::shared::{Lives, Readers};
use crate::slots::{Slots, tables_of};
use crate::{Error, Measure, SlotSet};

/// What an image begins with.
pub(crate) const MAGIC: [u8; 8] = *b"arrwflat";

/// Writes the image of an index in which no codes are written or let go of meanwhile.
pub(super) fn write(flat: &Flat, into: &mut dyn Write) -> io::Result<()> {
    let body = flat.bodies.now();
    if let Some(image) = body.image() {
        // Its sums go with it: what is damaged stays so.
        return into.write_all(image.bytes());
    }
    let Body { slots, codes } = &*body;
    // Others may remove some meanwhile: what is written is what was there when it began.
    let sets = slots.own().map(Lives::now).unwrap_or_default();
    let words = sets.each_ref().map(SlotSet::words_taken).into_iter().max().unwrap_or(0);
    let [live, removed] = &sets;
    let header = |root| {
        let mut header = Vec::new();
        let mut encoder = Encoder::new(&mut header);
        let head = Head::new(&flat.measure, (flat.dim, codes.as_ref()), (words, live.len()));
        head.encode(MAGIC, &mut encoder);
        Data { root, removed: removed.len() }.encode(&flat.measure, &mut encoder);
        seal(header)
    };
    image::write(into, header, |out| {
        write_words(&sets, words, out)?;
        if let Some(codes) = codes {
            let pin = flat.readers.pin();
            codes.under(&pin).write(words, |slot| live.contains(slot), out)?;
        }
        out.align(ALIGNMENT)
    })
}

/// Opens an image.
pub(super) fn open(bytes: &Bytes, measure: &Measure) -> Result<Flat, Error> {
    let (head, mut decoder) = Head::decode(MAGIC, bytes)?;
    let Data { root, removed } = Data::decode(head, measure, &mut decoder)?;
    finish(decoder)?;
    let metric = head.coded(measure)?;
    let mut wanted = tables_of(head.words()).to_vec();
    wanted.extend(metric.iter().flat_map(|_| widths(head.dim)).map(|width| (head.rows(), width)));
    let mut tables = Tables::new(bytes, root, wanted)?;
    let slots = Slots::lent(head.words(), [head.slots(), removed], &mut tables)?;
    let codes = metric.map(|metric| Codes::lent(head.dim, metric, &mut tables)).transpose()?;
    let bodies = Bodies::lent(Body { slots, codes }, tables.image);
    Ok(Flat::of((head.dim, measure.clone()), Arc::new(Readers::new()), bodies))
}

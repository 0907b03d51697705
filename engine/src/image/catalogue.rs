//! The catalogue of an image: which collections there are, and what cannot be read off their tables.

use base::codec::{Decoder, Encoder};
use base::{CollectionId, FileId, Row, Sequence};
use segments::HeapList;
use snapshot::Image;

use super::CATALOGUE;
use crate::error::NAME_BYTES_MAX;
use crate::format::{decode_config, encode_config};
use crate::named::FIRST;
use crate::notes::Note;
use crate::{CollectionConfig, Error, Result};

/// A collection in an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) id: CollectionId,
    pub(crate) name: String,
    pub(crate) config: CollectionConfig,
    pub(crate) next_row: Row,
    /// The highest number that ever was an id, if any was.
    pub(crate) highest: Option<u64>,
    /// How many slots are alive, and how much refers to them.
    pub(crate) alive: u64,
    pub(crate) references: u64,
    /// Behind which batch the image has what became of slots; none for all there ever was.
    pub(crate) floor: Option<Sequence>,
    pub(crate) files: Vec<FileId>,
    /// The files of its payloads.
    pub(crate) heap: HeapList,
}

impl Entry {
    /// Its files, of vectors and of payloads.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = FileId> {
        self.files.iter().copied().chain(self.heap.files().iter().map(|it| it.file))
    }
}

/// All collections of an image, in the order of their ids, and all notes, in the order of their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Catalogue {
    pub(crate) entries: Vec<Entry>,
    /// The number of the next collection: above that of every one there was.
    pub(crate) next: CollectionId,
    pub(crate) notes: Vec<Note>,
}

impl Catalogue {
    /// That of a store in which nothing was made yet.
    pub(crate) fn of_nothing() -> Self {
        Catalogue { entries: Vec::new(), next: FIRST, notes: Vec::new() }
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        Encoder::new(&mut bytes).u16(0).u16(0).u32(self.next.0).u32(count);
        for entry in &self.entries {
            let Entry { id, name, config, files, heap, .. } = entry;
            let mut into = Encoder::new(&mut bytes);
            into.u32(id.0).u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
            into.bytes(name.as_bytes()).align(4);
            encode_config(config, &mut into);
            let highest = (u32::from(entry.highest.is_some()), entry.highest.unwrap_or(0));
            into.u64(entry.next_row.0).u32(highest.0).u64(highest.1);
            into.u64(entry.alive).u64(entry.references);
            into.u64(entry.floor.map_or(0, Sequence::get));
            into.u32(u32::try_from(files.len()).unwrap_or(u32::MAX));
            for file in files {
                into.u64(file.0);
            }
            let mut list = Vec::new();
            heap.encode(&mut list);
            into.u32(u32::try_from(list.len()).unwrap_or(u32::MAX)).bytes(&list);
        }
        let count = u32::try_from(self.notes.len()).unwrap_or(u32::MAX);
        let mut into = Encoder::new(&mut bytes);
        into.u32(count);
        for Note { name, value } in &self.notes {
            into.u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
            into.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            into.bytes(name.as_bytes()).align(4).bytes(value).align(4);
        }
        bytes
    }

    /// What such bytes mean; or what is wrong with them.
    fn decode(bytes: &[u8]) -> std::result::Result<Catalogue, &'static str> {
        let mut from = Decoder::new(bytes);
        let mut read = || -> std::result::Result<_, &'static str> {
            if from.u32("version").map_err(short)? != 0 {
                return Err("it was written by a newer arrwDB, or its reserved bytes are not zero");
            }
            let next = CollectionId(from.u32("next").map_err(short)?);
            let count = from.u32("count").map_err(short)?;
            // Not reserved ahead: the count may be anything.
            let mut entries: Vec<Entry> = Vec::new();
            for _ in 0..count {
                let entry = decode_entry(&mut from)?;
                if entries.last().is_some_and(|last| last.id >= entry.id) || entry.id >= next {
                    return Err("collections are not in order");
                }
                entries.push(entry);
            }
            let mut notes: Vec<Note> = Vec::new();
            for _ in 0..from.u32("notes").map_err(short)? {
                let note = decode_note(&mut from)?;
                if notes.last().is_some_and(|last| last.name >= note.name) {
                    return Err("notes are not in order");
                }
                notes.push(note);
            }
            Ok(Catalogue { entries, next, notes })
        };
        let catalogue = read()?;
        if from.rest().is_empty() { Ok(catalogue) } else { Err("bytes are left over") }
    }
}

fn short(_: base::codec::Malformed) -> &'static str {
    "it ends too early"
}

fn decode_entry(from: &mut Decoder<'_>) -> std::result::Result<Entry, &'static str> {
    let id = CollectionId(from.u32("collection").map_err(short)?);
    let length = from.u32("name length").map_err(short)? as usize;
    if length == 0 || length > NAME_BYTES_MAX {
        return Err("a name is empty or too long");
    }
    let name = padded(from, length)?;
    let name = std::str::from_utf8(name).map_err(|_| "a name is no text")?.to_owned();
    let config =
        decode_config(from).map_err(|_| "what a collection is like has an impossible value")?;
    let next_row = Row(from.u64("next row").map_err(short)?);
    let highest = match (from.u32("numbers").map_err(short)?, from.u64("highest").map_err(short)?) {
        (0, 0) => None,
        (1, highest) => Some(highest),
        _ => return Err("the highest number has an impossible value"),
    };
    let alive = from.u64("alive").map_err(short)?;
    let references = from.u64("references").map_err(short)?;
    let floor = Sequence::new(from.u64("floor").map_err(short)?);
    let count = from.u32("segments").map_err(short)?;
    let mut files = Vec::new();
    for _ in 0..count {
        files.push(FileId(from.u64("files").map_err(short)?));
    }
    if next_row.0 == 0 || files.iter().any(|file| file.0 == 0) {
        return Err("a row or a file has the number 0");
    }
    let length = from.u32("heap length").map_err(short)? as usize;
    let heap = HeapList::decode(from.bytes(length, "heap").map_err(short)?);
    let heap = heap.map_err(|_| "files of payloads cannot be as it says")?;
    Ok(Entry { id, name, config, next_row, highest, alive, references, floor, files, heap })
}

fn decode_note(from: &mut Decoder<'_>) -> std::result::Result<Note, &'static str> {
    let name_length = from.u32("name length").map_err(short)? as usize;
    let length = from.u32("note length").map_err(short)? as usize;
    let name = padded(from, name_length)?;
    let name = std::str::from_utf8(name).map_err(|_| "a note's name is no text")?;
    let note = Note { name: name.into(), value: padded(from, length)?.into() };
    match note.check() {
        Ok(()) if !note.value.is_empty() => Ok(note),
        _ => Err("a note is empty or too long"),
    }
}

/// Bytes that zeros follow, up to a multiple of 4.
fn padded<'b>(
    from: &mut Decoder<'b>,
    length: usize,
) -> std::result::Result<&'b [u8], &'static str> {
    let bytes = from.bytes(length, "bytes").map_err(short)?;
    let padding = from.bytes(length.next_multiple_of(4) - length, "padding").map_err(short)?;
    if padding.iter().any(|byte| *byte != 0) { Err("padding is not zero") } else { Ok(bytes) }
}

/// The longest catalogue that is read: more than any store has.
const BYTES_MAX: u64 = 1 << 30;

/// Reads the catalogue by position.
pub(crate) fn read_catalogue(image: &Image) -> Result<Catalogue> {
    let section = image.section(CATALOGUE)?;
    let bad = |what| Error::BadImage { section: CATALOGUE.to_owned(), what };
    if section.length() > BYTES_MAX {
        return Err(bad("it is longer than any can be"));
    }
    let mut bytes = vec![0; section.length() as usize];
    section.read_at(0, &mut bytes)?;
    Catalogue::decode(&bytes).map_err(bad)
}

#[cfg(test)]
mod tests {
    use base::StoreId;
    use segments::{HeapOwner, PayloadHeap};

    use super::*;
    use crate::Metric;

    fn example() -> Catalogue {
        let heap = |id| match id {
            1 => {
                let owner = HeapOwner { store: StoreId([7; 16]), collection: CollectionId(1) };
                let heap = PayloadHeap::in_memory(owner);
                heap.grow(FileId(2), 0).unwrap();
                heap.list()
            }
            _ => HeapList::default(),
        };
        let entry = |id, name: &str, config, files: &[u64]| Entry {
            id: CollectionId(id),
            name: name.to_owned(),
            config,
            next_row: Row(77),
            highest: (id == 1).then_some(99),
            alive: 5,
            references: 9,
            floor: Sequence::new(u64::from(id) % 2),
            files: files.iter().copied().map(FileId).collect(),
            heap: heap(id),
        };
        let note = |name: &str, value: &[u8]| Note { name: name.into(), value: value.into() };
        Catalogue {
            entries: vec![
                entry(1, "docs", CollectionConfig::new(384, Metric::Cosine), &[1, 4]),
                entry(7, "\u{e4}", CollectionConfig::with_distance(3, "chord"), &[]),
                entry(8, "more", CollectionConfig::new(2, Metric::L2), &[5]),
            ],
            next: CollectionId(9),
            notes: vec![note("a", b"12345"), note("import docs", b"x")],
        }
    }

    #[test]
    fn a_catalogue_comes_back_as_it_was() {
        for catalogue in [Catalogue::of_nothing(), example()] {
            assert_eq!(Catalogue::decode(&catalogue.encode()), Ok(catalogue));
        }
    }

    #[test]
    fn every_cut_and_every_bit_is_refused_or_means_something_else() {
        let bytes = example().encode();
        for length in 0..bytes.len() {
            Catalogue::decode(&bytes[..length]).unwrap_err();
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Catalogue::decode(&bytes), Ok(example()), "bit {bit}");
        }
    }
}

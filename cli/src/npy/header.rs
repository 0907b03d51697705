//! Reads the header of a file: a Python dictionary with the type, the order and the shape.
//!
//! Promises
//!  1. A header longer than any that is honestly written is refused before it is read.
//!  2. Only the three entries that are known are understood, nothing is nested, and nothing recurses.

use crate::failure::{Failure, Result};
use crate::user_files::Input;

use super::MAGIC;
use super::element::Element;

/// NumPy itself refuses longer ones.
const HEADER_BYTES_MAX: u32 = 10_000;

/// What a header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) element: Element,
    pub(crate) shape: Vec<u64>,
    /// How many bytes are in front of the data.
    pub(crate) bytes: u64,
}

impl Header {
    /// How many bytes the data takes; `None` for more than there can be.
    pub(crate) fn data_bytes(&self) -> Option<u64> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(self.element.bytes(), |bytes, count| bytes.checked_mul(*count))
    }

    /// The shape as Python writes it.
    pub(crate) fn shape_text(&self) -> String {
        let counts: Vec<_> = self.shape.iter().map(u64::to_string).collect();
        match counts.as_slice() {
            [one] => format!("({one},)"),
            counts => format!("({})", counts.join(", ")),
        }
    }
}

/// Reads the header and leaves the input in front of the data.
pub(super) fn read(input: &mut Input) -> Result<Header> {
    let no_npy = || Failure::refused("not a .npy file; write one with numpy.save");
    if input.bytes() < 10 {
        return Err(no_npy());
    }
    let mut start = [0; 8];
    input.fill(&mut start)?;
    let Some(&[major, _]) = start.strip_prefix(MAGIC) else { return Err(no_npy()) };
    let (length, before) = match major {
        1 => {
            let mut length = [0; 2];
            input.fill(&mut length)?;
            (u32::from(u16::from_le_bytes(length)), 10)
        }
        2 | 3 => {
            let mut length = [0; 4];
            input.fill(&mut length)?;
            (u32::from_le_bytes(length), 12)
        }
        _ => {
            let sentence = format!("version {major} of the format is not known; save it as 1.0");
            return Err(Failure::refused(sentence));
        }
    };
    let bytes = before + u64::from(length);
    if length > HEADER_BYTES_MAX || bytes > input.bytes() {
        let of = input.bytes();
        return Err(Failure::refused(format!(
            "its header is to have {length} bytes, of {of} in the file; the file is cut or damaged"
        )));
    }
    let mut text = vec![0; usize::try_from(length).unwrap_or(0)];
    input.fill(&mut text)?;
    let text = str::from_utf8(&text).map_err(|_| damaged("it is no text"))?;
    parse(text, bytes)
}

fn damaged(why: &str) -> Failure {
    Failure::refused(format!("its header cannot be read: {why}; save the file again"))
}

fn parse(text: &str, bytes: u64) -> Result<Header> {
    let mut words = Words(text);
    let (mut descr, mut order, mut shape) = (None, None, None);
    words.take("{")?;
    while !words.is_next("}") {
        let key = words.string()?;
        words.take(":")?;
        let twice = match key {
            "descr" if words.is_next("[") => {
                return Err(Failure::refused("it holds structures; save one field of them alone"));
            }
            "descr" => descr.replace(words.string()?).is_some(),
            "fortran_order" => order.replace(words.boolean()?).is_some(),
            "shape" => shape.replace(words.tuple()?).is_some(),
            _ => return Err(damaged("it has an entry that is not known")),
        };
        if twice {
            return Err(damaged("it has an entry twice"));
        }
        if !words.is_next("}") {
            words.take(",")?;
        }
    }
    words.take("}")?;
    if !words.0.trim().is_empty() {
        return Err(damaged("something follows it"));
    }
    let (Some(descr), Some(order), Some(shape)) = (descr, order, shape) else {
        return Err(damaged("it lacks the type, the order or the shape"));
    };
    if order == Order::Fortran && shape.len() > 1 {
        return Err(Failure::refused(
            "it is in Fortran's order; save it with numpy.ascontiguousarray",
        ));
    }
    let element = Element::named(descr).map_err(Failure::refused)?;
    Ok(Header { element, shape, bytes })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    C,
    Fortran,
}

/// What is left of a header.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn is_next(&self, word: &str) -> bool {
        self.0.trim_start().starts_with(word)
    }

    fn take(&mut self, word: &str) -> Result<()> {
        let rest = self.0.trim_start().strip_prefix(word);
        self.0 = rest.ok_or_else(|| damaged(&format!("a {word} is missing")))?;
        Ok(())
    }

    /// A string in either quotes. None that is known has an escape in it.
    fn string(&mut self) -> Result<&'a str> {
        let quote = if self.is_next("\"") { "\"" } else { "'" };
        self.take(quote)?;
        let (string, rest) =
            self.0.split_once(quote).ok_or_else(|| damaged("a string has no end"))?;
        self.0 = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<Order> {
        if self.is_next("True") {
            self.take("True").map(|()| Order::Fortran)
        } else {
            self.take("False").map(|()| Order::C)
        }
    }

    fn tuple(&mut self) -> Result<Vec<u64>> {
        let mut counts = Vec::new();
        self.take("(")?;
        while !self.is_next(")") {
            let text = self.0.trim_start();
            let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
            let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            counts.push(digits.parse().map_err(|_| damaged("its shape is no list of counts"))?);
            self.0 = rest;
            if !self.is_next(")") {
                self.take(",")?;
            }
        }
        self.take(")")?;
        Ok(counts)
    }
}

/// The header of a file of these elements.
pub(super) fn encode(element: &str, rows: u64, columns: u64) -> Vec<u8> {
    let dictionary =
        format!("{{'descr': '{element}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The data begins at a multiple of 64; the header ends in a line feed.
    let length = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    let mut header = MAGIC.to_vec();
    header.extend([1, 0]);
    header.extend(u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
    header.extend(dictionary.as_bytes());
    header.resize(10 + length - 1, b' ');
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Header> {
        parse(text, 128)
    }

    #[test]
    fn what_numpy_writes_is_understood_in_any_order_of_its_entries() {
        let header =
            of("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n").unwrap();
        assert_eq!(header, Header { element: Element::F32, shape: vec![3, 4], bytes: 128 });
        assert_eq!(header.data_bytes(), Some(48));
        let header = of("{\"shape\":(5,),'fortran_order':False,'descr':'<i8'}").unwrap();
        assert_eq!(header.shape_text(), "(5,)");
        assert_eq!(
            of("{'descr': '<f4', 'fortran_order': True, 'shape': (3,)}").unwrap().shape,
            [3]
        );
    }

    #[test]
    fn everything_else_is_refused() {
        let refused = [
            "",
            "{",
            "{}",
            "{'descr'",
            "{'descr': ",
            "{'descr': '<f4}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1, 2)}",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, -2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999999999999999)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((((((1",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} and more",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2)}",
            "{'what': '<f4', 'fortran_order': False, 'shape': (1, 2)}",
        ];
        for text in refused {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_that_were_cut_or_damaged_end_in_no_panic() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n";
        for at in 0..good.len() {
            of(&good[..at]).ok();
            for other in "'\"{}(),:0xT \u{e9}".chars() {
                of(&format!("{}{other}{}", &good[..at], &good[at + 1..])).ok();
            }
        }
    }

    #[test]
    fn a_shape_of_more_than_there_can_be_is_seen() {
        let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}";
        assert_eq!(of(huge).unwrap().data_bytes(), None);
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for (rows, columns) in [(0, 10), (500, 100), (u64::MAX, u64::MAX)] {
            let header = encode("<i8", rows, columns);
            assert_eq!(header.len() % 64, 0);
            let text = str::from_utf8(&header[10..]).unwrap();
            assert_eq!(parse(text, 0).unwrap().shape, [rows, columns]);
        }
    }
}

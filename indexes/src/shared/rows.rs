//! Rows of bytes behind gates: many read them while others are written.
//!
//! Promises
//!  1. What is lent is never written to while it is lent.
//!  2. A row is written by one thread at a time, and seen as a whole or not at all.
//!
//! Both hold because a row's bytes are touched in two ways only. Who writes holds the row's gate (`gate.rs`), which
//! nobody else can until it is shut again, and while it is held nobody begins to read. Who reads has a pin (`readers.rs`)
//! and saw, under that pin, that the gate was open; from open a gate comes to be held only by being closed, and then shut by
//! whoever knows that all readers are gone that were there when it was closed.
#![expect(unsafe_code, reason = "lends bytes that nobody writes to meanwhile, without a lock")]

use std::sync::Arc;

use super::gate::Gate;
use super::line::{BYTES, Bytes};
use super::{Moment, Pieces, Pin, Readers};

/// Rows in two parts: what is asked of most, and what is asked of few. Each is so many cache lines; the last 4 bytes of the first
/// part are its gate.
#[derive(Debug)]
pub(crate) struct Rows {
    readers: Arc<Readers>,
    first: Pieces<Bytes>,
    second: Pieces<Bytes>,
}

/// Rows, for as long as somebody has a pin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowsInUse<'p> {
    rows: &'p Rows,
}

/// Rows that lie one behind the other, for as long as somebody has a pin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunInUse<'p> {
    lines: &'p [Bytes],
    width: usize,
}

impl<'p> RunInUse<'p> {
    /// The first part of one of them, without its gate; nothing, if it is not open.
    #[inline(always)]
    pub(crate) fn first(self, at: usize) -> &'p [u8] {
        first_of(self.lines.get(at * self.width..(at + 1) * self.width).unwrap_or_default())
    }
}

/// A row that is to be written, or put back when this is dropped.
#[derive(Debug)]
#[must_use = "the row is put back at once"]
pub(crate) struct Held<'r> {
    rows: &'r Rows,
    at: usize,
}

/// Rows that nobody begins to read any more.
#[derive(Debug)]
#[must_use = "they are never written again"]
pub(crate) struct Closed {
    rows: Vec<u32>,
    moment: Moment,
}

/// How many bytes a gate takes.
pub(crate) const GATE: usize = size_of::<u32>();

// Under loom a gate is larger, and rows are not used.
#[cfg(not(loom))]
const _: () = assert!(size_of::<Gate>() == GATE && align_of::<Gate>() == GATE);

impl Rows {
    /// No rows yet, of so many bytes in each part, whole cache lines; so many rows are made at first.
    pub(crate) fn new(readers: &Arc<Readers>, parts: [usize; 2], at_first: usize) -> Self {
        let [first, second] = parts.map(|bytes| Pieces::new(bytes / BYTES, at_first));
        Rows { readers: Arc::clone(readers), first, second }
    }

    /// Whether one may write to this row or not says its gate; nothing, if there is no room for the row.
    #[inline(always)]
    fn gate(&self, at: usize) -> Option<&Gate> {
        gate_of(self.first.row(at))
    }

    /// Takes a row to write to it, making room for it; nothing, if it is open, or another thread has it.
    pub(crate) fn hold(&self, at: usize) -> Option<Held<'_>> {
        self.first.make(at);
        self.second.make(at);
        self.gate(at)?.hold().then(|| Held { rows: self, at })
    }

    /// Lets nobody begin to read these rows; those that are not open stay as they are.
    pub(crate) fn close(&self, rows: impl Iterator<Item = u32>) -> Closed {
        let close = |row: &u32| self.gate(*row as usize).is_some_and(Gate::close);
        let rows = rows.filter(close).collect();
        Closed { rows, moment: self.readers.moment() }
    }

    /// Gives rows back that were closed, to be written anew; not before all readers are gone who may see them.
    pub(crate) fn give_back(&self, closed: Closed) -> Result<(), Closed> {
        if !self.readers.are_gone(closed.moment) {
            return Err(closed);
        }
        closed.rows.iter().filter_map(|row| self.gate(*row as usize)).for_each(Gate::shut);
        Ok(())
    }

    /// The rows, to be read under a pin.
    pub(crate) fn under<'p>(&'p self, pin: &'p Pin<'_>) -> RowsInUse<'p> {
        assert!(pin.is_of(&self.readers), "a pin of other readers");
        RowsInUse { rows: self }
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.first.bytes() + self.second.bytes()
    }
}

/// The gate of the first part of a row.
#[inline(always)]
fn gate_of(first: &[Bytes]) -> Option<&Gate> {
    let line = first.last()?;
    let gate = line.0.get().cast::<u8>().wrapping_add(BYTES - GATE).cast::<Gate>();
    // SAFETY: the last 4 of the line's 64 bytes, aligned as the line is, which are there as long as it. Nobody has another
    // reference to them but such: `lend` and `write` leave them out. All bits zero are a gate that is shut.
    Some(unsafe { &*gate })
}

/// The bytes of a row of lines, which are one behind the other.
#[inline(always)]
fn place(lines: &[Bytes]) -> *mut u8 {
    std::cell::UnsafeCell::raw_get(lines.as_ptr().cast::<std::cell::UnsafeCell<u8>>())
}

/// So many bytes of a part of a row.
///
/// # Safety
/// The gate of the row was seen to be open under a pin that is there as long as what is lent.
#[inline(always)]
unsafe fn lend(lines: &[Bytes], len: usize) -> &[u8] {
    debug_assert!(len <= lines.len() * BYTES, "no more than there are");
    // SAFETY: so many bytes of these lines, which are there as long as it is lent. They were written before the gate was opened,
    // which was seen. Whoever writes them next holds the gate, which is shut before, which is done by `give_back` alone for one
    // that was open: when all readers are gone who were there when it was closed. As it was open under the pin, it was closed
    // after the pin was there, if at all; and the pin is still there.
    unsafe { std::slice::from_raw_parts(place(lines), len) }
}

/// The first part of a row that is in use, without its gate; nothing, if it is not open.
#[inline(always)]
fn first_of(lines: &[Bytes]) -> &[u8] {
    if !gate_of(lines).is_some_and(Gate::is_open) {
        return &[];
    }
    // SAFETY: the gate is open, and rows in use are under a pin.
    unsafe { lend(lines, lines.len() * BYTES - GATE) }
}

impl<'p> RowsInUse<'p> {
    /// The first part of a row, without its gate; nothing, if it is not open.
    #[inline(always)]
    pub(crate) fn first(self, at: usize) -> &'p [u8] {
        first_of(self.rows.first.row(at))
    }

    /// So many rows, a power of two and few, from a multiple of it on.
    #[inline(always)]
    pub(crate) fn run(self, at: usize, count: usize) -> RunInUse<'p> {
        let lines = self.rows.first.rows(at, count);
        RunInUse { lines, width: lines.len() / count.max(1) }
    }

    /// Both parts of a row; nothing, if it is not open.
    #[inline(always)]
    pub(crate) fn both(self, at: usize) -> (&'p [u8], &'p [u8]) {
        let lines = self.rows.first.row(at);
        if !gate_of(lines).is_some_and(Gate::is_open) {
            return (&[], &[]);
        }
        let behind = self.rows.second.row(at);
        // SAFETY: the gate is open, and rows in use are under a pin.
        let first = unsafe { lend(lines, lines.len() * BYTES - GATE) };
        // SAFETY: it is the gate of both parts.
        (first, unsafe { lend(behind, behind.len() * BYTES) })
    }

    /// The places of the first part of a row, only to fetch them.
    #[inline(always)]
    pub(crate) fn first_lines(self, at: usize) -> &'p [Bytes] {
        self.rows.first.row(at)
    }

    /// The places of the second part of a row, only to fetch them.
    #[inline(always)]
    pub(crate) fn second_lines(self, at: usize) -> &'p [Bytes] {
        self.rows.second.row(at)
    }
}

impl Held<'_> {
    /// Writes both parts, the first one without its gate.
    pub(crate) fn write<A>(&mut self, write: impl FnOnce(&mut [u8], &mut [u8]) -> A) -> A {
        let parts = [self.rows.first.row(self.at), self.rows.second.row(self.at)];
        let [first, second] = parts.map(|lines| (place(lines), lines.len() * BYTES));
        // SAFETY: so many bytes of these lines, which are there as long as `rows`; the gate's are left out. This is the only
        // one that has the gate, as it is held; so nobody else writes, and nobody reads who did not begin before the
        // gate was shut: all such are gone by then, and their reading is over (`Readers::are_gone`, `Gate::hold`).
        let first =
            unsafe { std::slice::from_raw_parts_mut(first.0, first.1.saturating_sub(GATE)) };
        // SAFETY: the same, of other lines, which have no gate.
        let second = unsafe { std::slice::from_raw_parts_mut(second.0, second.1) };
        write(first, second)
    }

    /// Lets all read it.
    pub(crate) fn open(self) {
        if let Some(gate) = self.rows.gate(self.at) {
            gate.open();
        }
        std::mem::forget(self);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.rows.gate(self.at) {
            gate.shut();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn rows() -> (Arc<Readers>, Rows) {
        let readers = Arc::new(Readers::new());
        let rows = Rows::new(&readers, [128, 64], 64);
        (readers, rows)
    }

    fn fill(rows: &Rows, at: usize, byte: u8) {
        let mut held = rows.hold(at).expect("it is shut");
        held.write(|first, second| {
            assert_eq!((first.len(), second.len()), (124, 64));
            first.fill(byte);
            second.fill(byte);
        });
        held.open();
    }

    #[test]
    fn a_row_is_there_once_it_is_open_and_until_it_is_closed() {
        let (readers, rows) = rows();
        let pin = readers.pin();
        let in_use = rows.under(&pin);
        assert_eq!((in_use.first(3), in_use.both(3)), (&[][..], (&[][..], &[][..])));
        let held = rows.hold(3).expect("it is shut");
        assert!(rows.hold(3).is_none());
        assert!(in_use.first(3).is_empty());
        drop(held);
        fill(&rows, 3, 7);
        assert_eq!(in_use.both(3), (&[7; 124][..], &[7; 64][..]));
        assert_eq!(in_use.first(3), [7; 124]);
        assert!(in_use.first(2).is_empty() && rows.hold(3).is_none());
        let closed = rows.close([2, 3].into_iter());
        assert!(in_use.first(3).is_empty() && rows.hold(3).is_none());
        let closed = rows.give_back(closed).expect_err("a reader is there");
        drop(pin);
        rows.give_back(closed).expect("nobody is there");
        fill(&rows, 3, 8);
        let pin = readers.pin();
        assert_eq!(rows.under(&pin).first(3), [8; 124]);
    }

    #[test]
    #[should_panic(expected = "a pin of other readers")]
    fn a_pin_of_others_is_no_pin() {
        let (_, rows) = rows();
        let others = Readers::new();
        let pin = others.pin();
        rows.under(&pin);
    }

    #[test]
    fn readers_see_a_row_whole_while_it_is_written_again_and_again() {
        let (readers, rows) = rows();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let pin = readers.pin();
                        let row = rows.under(&pin).first(0);
                        assert!(row.iter().all(|byte| Some(byte) == row.first()), "{row:?}");
                    }
                });
            }
            for byte in 0..200 {
                fill(&rows, 0, byte);
                let mut closed = rows.close([0].into_iter());
                while let Err(again) = rows.give_back(closed) {
                    closed = again;
                    std::thread::yield_now();
                }
            }
        });
    }
}

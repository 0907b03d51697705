//! Lends vectors in place: the only module of this crate with `unsafe` code.
//!
//! Owns: [`View`], which reads at one number; [`Vector`] and [`PinnedVector`], what it lends.
//!
//! Promises
//!  1. What is lent is as it was written: by this process, or it was checked against its sum before.
//!  2. It does not change while it is lent, whatever others do.
//!  3. A vector that is not what was written is an error that names it, each time; others are served.
//!
//! Why nobody writes to what is lent. Only [`VectorSet`](crate::VectorSet) writes to segments, and only to slots
//! that are closed (it ends the process where one is not: `file.rs`). A slot that was ever open is closed by
//! `SlotTable::close` alone, and written again only after `free_closed` has given it out, when every pin is
//! gone that was there when it was closed (`slots/rest.rs`). A view has its pin from before it looked at the
//! slot's state, and as long as anything that it lends. So if it saw the slot open, the slot was closed after
//! its pin was taken, and is not written before it is gone. The models in `states/models.rs` go through all
//! orders of this.
//!
//! A batch compares vectors without a pin: with slots that are alive, while it holds the lock of the table. Only who
//! has that lock closes a slot, and only one at rest.
//!
//! What is assumed: that the files are written to through one set at a time, and by no other handle of them: not by a
//! [`Segment`](crate::Segment) of one's own, nor by the disk. The lock on the store keeps other processes and other
//! sets out; whoever makes a set hands it in ([`VectorSet::holding`](crate::VectorSet::holding)), and each view
//! holds on to it.

#![expect(unsafe_code, reason = "lends bytes of a map; each block has its proof")]

use std::any::Any;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use base::{Sequence, Slot};
use disk::{Borrowed, Window};

use crate::file::{Opened, Segments};
use crate::states::State;
use crate::sums::Sums;
use crate::{Error, Geometry, Pin, Result, VectorHash};

/// A consistent view of the vectors of a collection: at one number, for as long as it lives. Clones are the same
/// view.
#[derive(Clone)]
pub struct View {
    inner: Arc<Inner>,
}

struct Inner {
    /// None for what a batch compares with: see the header.
    pin: Option<Pin>,
    geometry: Geometry,
    segments: Segments,
    sums: Arc<Sums>,
    /// What keeps others out.
    _held: Option<Held>,
}

/// Something that is held on to, whatever it is.
pub(crate) type Held = Arc<dyn Any + Send + Sync>;

/// A vector, lent by a view.
pub struct Vector<'v> {
    bytes: Borrowed<'v>,
}

/// A vector that holds on to its view.
pub struct PinnedVector {
    /// Not for ever, but for as long as `view` lives, and dropped before it. Never handed out: what is, lives no
    /// longer than this.
    bytes: Borrowed<'static>,
    view: View,
}

impl View {
    /// A view of these segments, listed after the pin was taken.
    pub(crate) fn new(
        pin: Option<Pin>,
        geometry: Geometry,
        segments: Segments,
        (sums, held): (Arc<Sums>, Option<Held>),
    ) -> Self {
        View { inner: Arc::new(Inner { pin, geometry, segments, sums, _held: held }) }
    }

    /// The number at which it reads; `None` if it sees nothing.
    pub fn number(&self) -> Option<Sequence> {
        self.inner.pin.as_ref().and_then(Pin::view)
    }

    /// The vector in a slot.
    ///
    /// It is the one that the view sees, if it sees one there: which slots those are, rows say. Of other slots
    /// it may be what they hold now.
    ///
    /// # Errors
    /// [`Error::NotThere`]; [`Error::Rotten`] if it is not what was written there; why its segment could not be
    /// opened; where its sum cannot be read.
    #[inline(always)]
    pub fn vector(&self, slot: Slot) -> Result<Vector<'_>> {
        match self.inner.lend_good(slot) {
            Some(bytes) => Ok(Vector { bytes }),
            None => self.inner.lend_checked(slot),
        }
    }

    /// As [`vector`](View::vector), for longer than the view is at hand.
    ///
    /// # Errors
    /// As [`vector`](View::vector).
    pub fn pinned(&self, slot: Slot) -> Result<PinnedVector> {
        let Vector { bytes } = self.vector(slot)?;
        // SAFETY: only the lifetime changes. The bytes are lent by a region of a segment that `view` holds on
        // to, at an address that never changes, and nobody writes there while it lives (see the header). The
        // field before it is dropped first, and no method returns it for longer than `self` is borrowed.
        let bytes = unsafe { std::mem::transmute::<Borrowed<'_>, Borrowed<'static>>(bytes) };
        Ok(PinnedVector { bytes, view: self.clone() })
    }
}

#[cold]
fn not_there<T>(slot: Slot) -> Result<T> {
    Err(Error::NotThere { slot })
}

impl Inner {
    /// The way nearly all vectors go, short enough that a processor waits for several of them at a time. `None`
    /// says nothing about the slot.
    #[inline(always)]
    fn lend_good(&self, slot: Slot) -> Option<Borrowed<'_>> {
        let (number, index) = self.geometry.locate(slot);
        let opened = self.segments.get(number as usize)?;
        let Ok(segment) = &opened.segment else { return None };
        let window = segment.window();
        if !opened.states.is_good(index) || window.is_tracked() {
            return None;
        }
        lend(window, self.geometry.vector_range(index)?)
    }

    /// The way of all others: vectors that nobody has looked at since the store was opened, or that are not there.
    #[cold]
    fn lend_checked(&self, slot: Slot) -> Result<Vector<'_>> {
        let (number, index) = self.geometry.locate(slot);
        let Some(opened) = self.segments.get(number as usize) else { return not_there(slot) };
        if !opened.states.is_good(index) {
            self.check(opened, index, slot)?;
        }
        match (&opened.segment, self.geometry.vector_range(index)) {
            (Ok(segment), Some(range)) => lend(segment.window(), range)
                .map_or_else(|| not_there(slot), |bytes| Ok(Vector { bytes })),
            _ => not_there(slot),
        }
    }

    /// Checks a vector that nobody has looked at since the store was opened.
    #[cold]
    fn check(&self, opened: &Opened, index: u32, slot: Slot) -> Result<()> {
        let segment = opened.segment.as_ref().map_err(Clone::clone)?;
        let state = match opened.states.get(index) {
            State::Unknown => {
                let range = self.geometry.vector_range(index);
                // The slot is as it was when the store was opened, or it would be closed, or good. What its
                // sum was then is known; of a slot that held nothing there is none.
                let (Some(sum), Some(range)) = (self.sums.sum(slot)?, range) else {
                    return Err(Error::NotThere { slot });
                };
                // The sum may be that of what was written since. Then the slot was closed in between, and is not
                // unknown any more; if it still is, it was all the time, and nobody writes to it.
                if opened.states.get(index) != State::Unknown {
                    return self.check(opened, index, slot);
                }
                let bytes = lend(segment.window(), range).ok_or(Error::NotThere { slot })?;
                let is_right = VectorHash::of_bytes(&bytes) == sum;
                opened.states.note(index, if is_right { State::Good } else { State::Bad })
            }
            state => state,
        };
        match state {
            State::Good => Ok(()),
            State::Bad => {
                let offset = self.geometry.offset_of(index);
                Err(Error::Rotten { path: segment.path(), offset, slot })
            }
            State::Closed | State::Unknown => Err(Error::NotThere { slot }),
        }
    }
}

/// Lends bytes of a slot that was seen open, or unknown, by a view that lives as long as they are lent.
#[inline]
fn lend(window: &Window, range: Range<usize>) -> Option<Borrowed<'_>> {
    // SAFETY: nobody writes to the slot while the view lives, as the header says: the callers are methods of
    // `View` and of what holds one, and lend for no longer than that; they looked at the slot's state first,
    // and found it good or unknown. A segment keeps its length from before it has its name (`segment.rs`),
    // and other programs are kept out by the lock.
    unsafe { window.slice(range) }
}

impl<'v> Vector<'v> {
    /// The numbers alone, for as long as the view lives; or itself, where somebody wants to know when they are let go of
    /// (a simulated disk does).
    ///
    /// # Errors
    /// Itself then.
    #[inline]
    pub fn untracked(self) -> std::result::Result<&'v [f32], Self> {
        self.bytes.untracked().map(floats).map_err(|bytes| Vector { bytes })
    }
}

impl Deref for Vector<'_> {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        floats(&self.bytes)
    }
}

impl Deref for PinnedVector {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        floats(&self.bytes)
    }
}

#[inline]
fn floats(bytes: &[u8]) -> &[f32] {
    // Vectors begin at multiples of what an element takes, and are whole.
    bytemuck::cast_slice(bytes)
}

impl PinnedVector {
    /// The view it was lent by.
    pub fn view(&self) -> &View {
        &self.view
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("number", &self.number()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Vector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vector").field(&&**self).finish()
    }
}

impl fmt::Debug for PinnedVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PinnedVector").field(&&**self).finish()
    }
}

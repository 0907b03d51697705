//! What an index is made of: it lies in an image at first, if the index was opened, and is its own from the first change on.
//!
//! lent -> own [`own`], and when nobody searches by the image any more its bytes are let go of [`let_go`].
//!
//! Promises
//!  1. What was lent is copied once, and only when all of the image is verified.
//!  2. Who searches waits for nobody: not for who copies, and not for who lets go.
//!
//! [`own`]: Bodies::own
//! [`let_go`]: Bodies::let_go

use std::ops::Deref;
use std::sync::{Arc, OnceLock, PoisonError};

use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard};
use parking_lot::Mutex;

use crate::Error;
use crate::image::Image;

#[derive(Debug)]
pub(crate) struct Bodies<B> {
    own: OnceLock<B>,
    /// Held by all who go by the image, each where few others do; who lets go of it tries to have it alone, and never waits. Empty
    /// only if there is one of our own.
    lent: ShardedLock<Option<Lent<B>>>,
    /// Held by who copies.
    copying: Mutex<()>,
}

/// What lies in an image.
#[derive(Debug)]
pub(crate) struct Lent<B> {
    body: B,
    image: Arc<Image>,
}

/// What an index is made of as long as somebody needs it.
#[derive(Debug)]
pub(crate) enum Now<'b, B> {
    Own(&'b B),
    Lent(ShardedLockReadGuard<'b, Option<Lent<B>>>),
}

impl<B> Bodies<B> {
    /// One of our own.
    pub(crate) fn new(own: B) -> Self {
        Bodies { own: own.into(), lent: ShardedLock::new(None), copying: Mutex::new(()) }
    }

    /// One that lies in an image.
    pub(crate) fn lent(body: B, image: Arc<Image>) -> Self {
        let lent = ShardedLock::new(Some(Lent { body, image }));
        Bodies { own: OnceLock::new(), lent, copying: Mutex::new(()) }
    }

    /// What there is now.
    #[inline]
    pub(crate) fn now(&self) -> Now<'_, B> {
        loop {
            if let Some(own) = self.own.get() {
                return Now::Own(own);
            }
            // Nothing can go wrong while it is held, but for what is said of a thread that is none of ours.
            let lent = self.lent.read().unwrap_or_else(PoisonError::into_inner);
            if lent.is_some() {
                return Now::Lent(lent);
            }
        }
    }

    /// What may be changed: a copy of what lies in an image, which is verified before.
    pub(crate) fn own(&self, copy: impl FnOnce(&B) -> B) -> Result<&B, Error> {
        if let Some(own) = self.own.get() {
            return Ok(own);
        }
        let _alone = self.copying.lock();
        match self.now() {
            Now::Own(own) => Ok(own),
            Now::Lent(lent) => {
                let Lent { body, image } = there(&lent);
                image.verify_all(&mut |_| true)?;
                Ok(self.own.get_or_init(|| copy(body)))
            }
        }
    }

    /// Lets go of an image that was copied, unless somebody still goes by it.
    pub(crate) fn let_go(&self) {
        if self.own.get().is_some() {
            let lent = self.lent.try_write().ok().and_then(|mut lent| lent.take());
            // Not before it is free for others: to unmap a file takes a while.
            drop(lent);
        }
    }
}

/// Who goes by an image keeps it there.
#[inline(always)]
fn there<B>(lent: &Option<Lent<B>>) -> &Lent<B> {
    match lent {
        Some(lent) => lent,
        None => unreachable!("it was there when it was lent"),
    }
}

impl<B> Deref for Now<'_, B> {
    type Target = B;

    #[inline(always)]
    fn deref(&self) -> &B {
        match self {
            Now::Own(own) => own,
            Now::Lent(lent) => &there(lent).body,
        }
    }
}

impl<B> Now<'_, B> {
    /// The image that it lies in.
    pub(crate) fn image(&self) -> Option<&Image> {
        match self {
            Now::Own(_) => None,
            Now::Lent(lent) => Some(&there(lent).image),
        }
    }

    /// Whether nothing of it lies in an image that was not verified.
    pub(crate) fn is_sure(&self) -> bool {
        self.image().is_none_or(Image::is_sure)
    }

    /// Says so if damage was seen.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.image().map_or(Ok(()), Image::check)
    }
}

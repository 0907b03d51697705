//! Something in cache lines of its own: who writes to it does not hold up who reads what would lie beside it.

use std::ops::Deref;

/// In cache lines of its own; two of them, as processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

//! Names the locks, atomics and thread calls of the commit path in one place, so that `loom` can put its
//! own in theirs and go through every order of events.

#[cfg(loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Mutex, MutexGuard},
};
#[cfg(loom)]
pub(crate) use parking::{Thread, current, park};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Mutex, MutexGuard},
    thread::{Thread, current, park},
};

/// Locks, whatever became of a thread that held the lock before: what it left half done is noticed by
/// what it guards, or not at all.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The same, if nobody holds it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => None,
    }
}

/// Parking as the standard library has it. The one of `loom` wakes a thread that is unparked while it waits
/// for a lock.
#[cfg(loom)]
mod parking {
    use loom::sync::{Arc, Condvar, Mutex};

    /// A handle to a thread.
    #[derive(Clone, Debug)]
    pub(crate) struct Thread(Arc<(Mutex<bool>, Condvar)>);

    loom::thread_local! {
        static THIS: Thread = Thread(Arc::new((Mutex::new(false), Condvar::new())));
    }

    /// This thread.
    pub(crate) fn current() -> Thread {
        THIS.with(Clone::clone)
    }

    /// Waits until the thread is unparked, or returns at once if it has been.
    pub(crate) fn park() {
        let Thread(this) = current();
        let mut is_unparked = super::lock(&this.0);
        while !*is_unparked {
            is_unparked =
                this.1.wait(is_unparked).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *is_unparked = false;
    }

    impl Thread {
        /// Lets the thread go on, now or at its next park.
        pub(crate) fn unpark(&self) {
            *super::lock(&self.0.0) = true;
            self.0.1.notify_one();
        }
    }
}

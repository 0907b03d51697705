//! Locks for those who change a node's links: never for who reads them.

use parking_lot::{Mutex, MutexGuard};

/// So many nodes can be changed at the same time, if they do not share a lock by chance.
const LOCKS: usize = 256;

#[derive(Debug)]
pub(super) struct Locks(Box<[Mutex<()>; LOCKS]>);

impl Locks {
    pub(super) fn new() -> Self {
        Locks(Box::new([const { Mutex::new(()) }; LOCKS]))
    }

    /// Waits until nobody else changes this node of a level. Whoever holds one lock asks for no other.
    pub(super) fn lock(&self, level: usize, node: u32) -> MutexGuard<'_, ()> {
        let at = (node as usize ^ level << 6) % LOCKS;
        let [first, ..] = &*self.0;
        self.0.get(at).unwrap_or(first).lock()
    }
}

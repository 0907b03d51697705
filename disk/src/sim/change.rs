//! A change to a simulated file that a crash can keep or drop.

use std::sync::Arc;

use super::event::Device;

/// Number of a change that a crash can keep or drop; ordered as the changes were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ChangeId(pub(crate) u64);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Pending,
    Durable,
    Lost,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Write { offset: u64, bytes: Arc<[u8]>, device: Device },
    SetSize { from: u64, to: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) id: ChangeId,
    pub(crate) what: What,
    pub(crate) fate: Fate,
}

//! Will hold the vector file: mapped segments of fixed slots, counted references, deduplication,
//! and the payload heap beside them. Nothing is here yet.
//!
//! To own: slots, and the rule that one is rewritten only when nothing retained refers to it. To
//! promise: every vector is checked the first time it is read. Never: will know of the log or of
//! snapshots, which only `engine` brings together with this.

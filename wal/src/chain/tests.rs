//! Shows which records follow and which do not, and how a file takes up where the one before ended.

use base::{FileId, StoreId};

use super::*;
use crate::format::{HEADER_BYTES, Holds};

fn sequence(number: u64) -> Option<Sequence> {
    Sequence::new(number)
}

fn record(kind: Kind, part: Part, number: u64) -> RecordHeader {
    RecordHeader {
        previous_sum: 7,
        sequence: sequence(number),
        synced_to: 0,
        table_bytes: 0,
        table_sum: 0,
        body_bytes: 100,
        body_sum: 0,
        kind,
        part,
    }
}

#[test]
fn a_whole_batch_follows_with_the_next_sequence_and_the_sum_before_it_only() {
    let chain = Chain::between(7, sequence(4));
    let whole = record(Kind::Batch, Part::Whole, 5);
    assert_eq!(chain.behind(&whole, 8), Some(Chain::between(8, sequence(5))));
    for number in [0, 4, 6] {
        assert_eq!(chain.behind(&record(Kind::Batch, Part::Whole, number), 8), None);
    }
    assert_eq!(chain.behind(&RecordHeader { previous_sum: 8, ..whole }, 8), None);
    let at_first = Chain::between(7, None);
    assert!(at_first.behind(&record(Kind::Batch, Part::Whole, 1), 8).is_some());
    let at_last = Chain::between(7, sequence(u64::MAX));
    assert_eq!(at_last.behind(&record(Kind::Batch, Part::Whole, 0), 8), None);
}

#[test]
fn parts_follow_in_their_order_only() {
    let last = Part::Last { whole_sum: 1 };
    let between = Chain::between(7, sequence(4));
    let inside = Chain { inside: Some(100), ..between };
    let follows = |chain: &Chain, part| chain.behind(&record(Kind::Batch, part, 5), 7);
    assert_eq!(follows(&between, Part::First), Some(inside));
    assert_eq!(follows(&inside, Part::Middle), Some(Chain { inside: Some(200), ..inside }));
    assert_eq!(follows(&inside, last), Some(Chain::between(7, sequence(5))));
    for (chain, part) in
        [(between, Part::Middle), (between, last), (inside, Part::Whole), (inside, Part::First)]
    {
        assert_eq!(follows(&chain, part), None, "{part:?} behind {chain:?}");
    }
    let full = Chain { inside: Some(BATCH_BYTES_MAX), ..between };
    assert_eq!(follows(&full, last), None, "too long to be one of ours");
}

#[test]
fn marks_stand_between_batches_and_repeat_the_last_sequence() {
    let chain = Chain::between(7, sequence(4));
    for kind in [Kind::SyncMark, Kind::Close] {
        let behind = chain.behind(&record(kind, Part::Whole, 4), 8);
        assert_eq!(behind, Some(Chain { sum: 8, ..chain }));
        assert_eq!(chain.behind(&record(kind, Part::Whole, 5), 8), None);
        let inside = Chain { inside: Some(1), ..chain };
        assert_eq!(inside.behind(&record(kind, Part::Whole, 4), 8), None);
    }
}

fn timeline(name: u64) -> Timeline {
    Timeline::new(name).unwrap()
}

fn header(name: u64, timeline_first: u64, first: u64) -> FileHeader {
    FileHeader {
        store: StoreId([0; 16]),
        file: FileId(2),
        salt: 0,
        timeline: timeline(name),
        timeline_first: sequence(timeline_first).unwrap(),
        parent: None,
        first: sequence(first).unwrap(),
        previous: None,
        holds: Holds::Records,
        bytes: HEADER_BYTES as u64,
    }
}

#[test]
fn a_file_goes_on_where_the_one_before_it_ended() {
    let chain = Chain::between(7, sequence(4));
    let inside = Chain { inside: Some(1), ..chain };
    for timeline_first in [1, 5] {
        let header = header(1, timeline_first, 5);
        let on = chain.enter(timeline(1), &header, 9);
        assert_eq!(on, Some((Chain { sum: 9, ..chain }, Entered::On)));
        let on = inside.enter(timeline(1), &header, 9);
        assert_eq!(on, Some((Chain { sum: 9, ..inside }, Entered::On)));
    }
    for first in [4, 6] {
        assert_eq!(chain.enter(timeline(1), &header(1, first, first), 9), None);
    }
}

#[test]
fn only_a_new_timeline_gives_up_a_batch_or_leaves_some_out() {
    let chain = Chain::between(7, sequence(4));
    let inside = Chain { inside: Some(1), ..chain };
    let abandoned = inside.enter(timeline(1), &header(2, 5, 5), 9);
    assert_eq!(abandoned, Some((Chain { sum: 9, ..chain }, Entered::Abandoned)));
    // It was complete when the timeline began, and is taken over.
    let taken_over = inside.enter(timeline(1), &header(2, 6, 5), 9);
    assert_eq!(taken_over, Some((Chain { sum: 9, ..inside }, Entered::On)));

    let gap = chain.enter(timeline(1), &header(2, 9, 9), 9);
    assert_eq!(gap, Some((Chain::between(9, sequence(8)), Entered::Gap)));
    assert_eq!(chain.enter(timeline(1), &header(1, 9, 9), 9), None, "the same timeline");
    assert_eq!(chain.enter(timeline(1), &header(2, 8, 9), 9), None, "not its first");
    assert_eq!(chain.enter(timeline(1), &header(2, 3, 3), 9), None, "backwards");
    assert_eq!(inside.enter(timeline(1), &header(2, 9, 9), 9), None, "within a batch");
}

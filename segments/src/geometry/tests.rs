//! Shows that every slot has its one place, by a loop that doubles and by the tables of FORMAT.md.

use proptest::prelude::*;

use super::*;

fn geometry(dim: u32) -> Geometry {
    Geometry::new(Dim::new(dim).unwrap(), Element::F32)
}

/// How many slots a segment has, as one would count them.
fn slots_by_counting(stride: u64, segment: u32) -> u64 {
    let mut slots = 1;
    while slots * 2 * stride <= 64 * 1024 {
        slots *= 2;
    }
    for _ in 1..segment.min(40) {
        if slots * 2 * stride <= 256 * 1024 * 1024 {
            slots *= 2;
        }
    }
    slots
}

/// Goes from segment to segment until one holds the slot.
fn locate_by_counting(stride: u64, slot: u32) -> (u32, u32) {
    let (mut segment, mut left) = (0, u64::from(slot));
    let largest = slots_by_counting(stride, 40);
    loop {
        let here = if segment < 40 { slots_by_counting(stride, segment) } else { largest };
        if left < here {
            return (segment, left as u32);
        }
        left -= here;
        segment += 1;
    }
}

fn stride_by_the_rule(vector_bytes: u64) -> u64 {
    if vector_bytes >= 64 {
        return vector_bytes.div_ceil(64) * 64;
    }
    let mut stride = 1;
    while stride < vector_bytes {
        stride *= 2;
    }
    stride
}

#[test]
fn the_table_of_the_format_document_holds() {
    let document = include_str!("../../../FORMAT.md");
    let (_, rest) = document.split_once("| dimension, of f32 |").unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut tried = 0;
    for row in rows {
        let numbers = row.split('|').filter_map(|cell| cell.trim().parse::<usize>().ok());
        let numbers: Vec<usize> = numbers.collect();
        let of = geometry(numbers[0] as u32);
        let (first, most) = (of.slots_of(0) as usize, of.slots_of(u32::MAX) as usize);
        assert_eq!(numbers[1..], [of.vector_bytes(), of.stride(), first, most], "{row}");
        tried += 1;
    }
    assert_eq!(tried, 7);
}

/// Every dimension there is, at every border between two segments until they no longer grow, and at the
/// last slot.
#[test]
fn segments_follow_each_other_without_gap_or_overlap_in_every_dimension() {
    for dim in 1..=Dim::MAX {
        let of = geometry(dim);
        assert_eq!(of.stride() as u64, stride_by_the_rule(u64::from(dim) * 4));
        let mut first = 0_u64;
        for segment in 0..of.segments_max().min(40) {
            let slots = of.slots_of(segment);
            assert_eq!(u64::from(slots), slots_by_counting(of.stride() as u64, segment));
            assert_eq!(of.first_slot(segment), Some(Slot(first as u32)), "dimension {dim}");
            let last = first as u32 + (slots - 1);
            assert_eq!(of.locate(Slot(first as u32)), (segment, 0), "dimension {dim}");
            assert_eq!(of.locate(Slot(last)), (segment, slots - 1), "dimension {dim}");
            assert_eq!(of.segments_for(first as u32), segment);
            assert_eq!(of.segments_for(last), if slots == 1 { segment } else { segment + 1 });
            first += u64::from(slots);
        }
    }
}

#[test]
fn the_slots_end_with_a_whole_segment_in_every_dimension() {
    for dim in 1..=Dim::MAX {
        let of = geometry(dim);
        let last = of.segments_max() - 1;
        let first = of.first_slot(last).unwrap();
        let end = u64::from(first.0) + u64::from(of.slots_of(last));
        assert_eq!(end, 1 << 32, "dimension {dim}");
        assert_eq!(of.first_slot(last + 1), None);
        assert_eq!(of.first_slot(u32::MAX), None);
        assert_eq!(of.segments_for(u32::MAX), last + 1);
    }
}

#[test]
fn files_grow_from_64_kibibytes_to_256_mebibytes() {
    let header = HEADER_BYTES as u64;
    for dim in 1..=Dim::MAX {
        let of = geometry(dim);
        let smallest = of.file_bytes(0) - header;
        assert!((32_769..=65_536).contains(&smallest) || of.slots_of(0) == 1, "{dim}: {smallest}");
        let largest = of.file_bytes(u32::MAX) - header;
        assert!((1 << 27 < largest) && (largest <= 1 << 28), "dimension {dim}: {largest}");
    }
}

#[test]
fn vectors_are_aligned_to_what_they_are_long() {
    for dim in 1..=Dim::MAX {
        let of = geometry(dim);
        for index in [0, 1, 2, 3, of.slots_of(9) - 1] {
            let range = of.vector_range(index).unwrap();
            assert_eq!(range.len(), dim as usize * 4);
            let lines = (range.end - 1) / 64 - range.start / 64 + 1;
            assert_eq!(lines, range.len().div_ceil(64), "dimension {dim}, slot {index}");
            let alignment = range.len().next_power_of_two().min(64);
            assert!(range.start.is_multiple_of(alignment), "dimension {dim}, slot {index}");
        }
        assert_eq!(of.is_dense(), of.stride() == dim as usize * 4);
    }
}

fn any_dim() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1), Just(Dim::MAX), 1..64_u32, 64..4_096_u32, 4_096..=Dim::MAX]
}

fn any_slot() -> impl Strategy<Value = u32> {
    prop_oneof![0..100_000_u32, any::<u32>(), (0..32_u32).prop_map(|bit| 1 << bit), Just(u32::MAX)]
}

proptest! {
    #[test]
    fn the_way_there_is_the_way_back(dim in any_dim(), slot in any_slot()) {
        let of = geometry(dim);
        let (segment, index) = of.locate(Slot(slot));
        prop_assert!(segment < of.segments_max());
        prop_assert!(index < of.slots_of(segment));
        let first = of.first_slot(segment).unwrap();
        prop_assert_eq!(first.0.checked_add(index), Some(slot));
        prop_assert!(of.offset_of(index) + of.stride() as u64 <= of.file_bytes(segment));
    }

    #[test]
    fn each_place_has_one_slot(dim in any_dim(), segment in any::<u32>(), index in any::<u32>()) {
        let of = geometry(dim);
        let segment = segment % of.segments_max();
        let index = index % of.slots_of(segment);
        let slot = Slot(of.first_slot(segment).unwrap().0 + index);
        prop_assert_eq!(of.locate(slot), (segment, index));
    }

    #[test]
    fn leading_zeros_lead_where_counting_leads(dim in any_dim(), slot in any_slot()) {
        let of = geometry(dim);
        prop_assert_eq!(of.locate(Slot(slot)), locate_by_counting(of.stride() as u64, slot));
    }
}

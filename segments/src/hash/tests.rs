//! Shows when two vectors are one, and what is refused.

use proptest::prelude::*;

use super::*;

fn six() -> Dedup {
    Dedup::Decimals(Decimals::new(6).unwrap())
}

fn key(dedup: Dedup, vector: &[f32]) -> Option<u64> {
    dedup.key_of(vector, VectorHash::of(vector))
}

#[test]
fn a_hash_is_that_of_the_bytes() {
    let bytes: Vec<u8> = [1.0_f32, -2.5].iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(VectorHash::of(&[1.0, -2.5]).get(), Xxh3::of(&bytes));
    assert_eq!(VectorHash::from_raw(7).get(), 7);
}

#[test]
fn exactly_the_same_bits_are_one() {
    assert!(Dedup::Exact.are_one(&[1.0, 2.0], &[1.0, 2.0]));
    assert!(!Dedup::Exact.are_one(&[1.0, 2.0], &[1.0, 2.000_000_2]));
    assert!(!Dedup::Exact.are_one(&[0.0], &[-0.0]), "what is stored comes back bit for bit");
    assert_ne!(key(Dedup::Exact, &[0.0]), key(Dedup::Exact, &[-0.0]));
}

#[test]
fn rounded_numbers_are_one_and_zero_has_no_sign() {
    assert!(six().are_one(&[0.123_456_7, 5.0], &[0.123_456_8, 5.0]));
    assert!(!six().are_one(&[0.123_456], &[0.123_458]));
    assert!(six().are_one(&[0.0, -1e-9], &[-0.0, 1e-9]));
    assert_eq!(key(six(), &[0.0, -1e-9]), key(six(), &[-0.0, 1e-9]));
    assert!(six().are_one(&[3e38], &[3e38]), "too large to have decimals");
    assert!(!six().are_one(&[3e38], &[3.1e38]));
    assert!(!six().are_one(&[1.0], &[1.0, 1.0]));
    let whole = Dedup::Decimals(Decimals::new(0).unwrap());
    assert!(whole.are_one(&[1.4], &[0.6]) && !whole.are_one(&[1.4], &[1.6]));
}

#[test]
fn nothing_is_one_where_that_is_off() {
    assert!(!Dedup::Off.are_one(&[1.0], &[1.0]));
    assert_eq!(key(Dedup::Off, &[1.0]), None);
}

#[test]
fn more_decimals_than_there_are_are_refused() {
    assert_eq!(Decimals::new(12).map(Decimals::get), Some(12));
    assert_eq!(Decimals::new(13), None);
}

#[test]
fn what_is_not_finite_is_refused_with_its_position() {
    assert_eq!(check_finite(&[0.0, -0.0, f32::MAX, f32::MIN_POSITIVE / 2.0]), Ok(()));
    for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let refused = check_finite(&[1.0, 2.0, bad, bad]).unwrap_err();
        assert_eq!(refused.position, 2);
        assert_eq!(refused.value.to_bits(), bad.to_bits());
        assert!(refused.to_string().contains("number 2 of the vector"), "{refused}");
    }
}

proptest! {
    #[test]
    fn what_is_one_has_one_key(
        (one, nudges) in prop::collection::vec((-1e3_f32..1e3, -3..4_i32), 1..40)
            .prop_map(|pairs| pairs.into_iter().unzip::<f32, i32, Vec<_>, Vec<_>>()),
    ) {
        let nudged = one.iter().zip(&nudges).map(|(number, by)| number + *by as f32 * 1e-7);
        let other: Vec<f32> = nudged.collect();
        for dedup in [Dedup::Exact, six(), Dedup::Decimals(Decimals::new(2).unwrap())] {
            prop_assert!(dedup.are_one(&one, &one));
            prop_assert_eq!(dedup.are_one(&one, &other), dedup.are_one(&other, &one));
            if dedup.are_one(&one, &other) {
                prop_assert_eq!(key(dedup, &one), key(dedup, &other));
            }
        }
    }
}

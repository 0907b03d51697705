//! Hands what the fuzzer makes up to the target `kdtree_image`.

#![no_main]
#![expect(clippy::disallowed_types, reason = "the macro can write an input down, for debugging")]

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::kdtree_image(data));

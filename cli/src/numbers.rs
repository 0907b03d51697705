//! Takes numbers to the 32 bits a vector has, and from there to JSON.

/// The nearest f32; `None` if that is not finite.
pub(crate) fn narrow(number: f64) -> Option<f32> {
    // Rounding is what is wanted.
    let narrowed = number as f32;
    narrowed.is_finite().then_some(narrowed)
}

/// The same number for JSON, exactly; `None`, to be left out, where JSON has none for it.
pub(crate) fn json(number: f32) -> Option<f64> {
    number.is_finite().then(|| f64::from(number))
}

//! Knows the kinds of numbers in a file, and reads one from its bytes.

/// A kind of number, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Element {
    F16,
    F32,
    F64,
    U8,
    I32,
    I64,
    U32,
    U64,
}

impl Element {
    /// The kind that NumPy names so; what is wrong otherwise.
    pub(crate) fn named(descr: &str) -> Result<Element, String> {
        let (order, kind) = match descr.split_at_checked(1) {
            Some((order @ ("<" | ">" | "|" | "="), kind)) => (order, kind),
            _ => ("", descr),
        };
        let element = match kind {
            "f2" => Element::F16,
            "f4" => Element::F32,
            "f8" => Element::F64,
            "u1" => return Ok(Element::U8),
            "i4" => Element::I32,
            "i8" => Element::I64,
            "u4" => Element::U32,
            "u8" => Element::U64,
            _ => {
                return Err(format!(
                    "its numbers are of type {descr:?}; save it with .astype(numpy.float32)"
                ));
            }
        };
        match order {
            "<" => Ok(element),
            ">" => Err(format!(
                "its numbers are big-endian ({descr:?}); save it with .astype('<{kind}')"
            )),
            _ => Err(format!("the order of its bytes is not given ({descr:?}); save it again")),
        }
    }

    pub(crate) fn bytes(self) -> u64 {
        match self {
            Element::U8 => 1,
            Element::F16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F64 | Element::I64 | Element::U64 => 8,
        }
    }

    /// Its name in Python.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Element::F16 => "float16",
            Element::F32 => "float32",
            Element::F64 => "float64",
            Element::U8 => "uint8",
            Element::I32 => "int32",
            Element::I64 => "int64",
            Element::U32 => "uint32",
            Element::U64 => "uint64",
        }
    }

    /// One number of a vector; `None` for kinds that vectors are not made of.
    pub(crate) fn float(self, bytes: &[u8]) -> Option<f64> {
        match (self, bytes) {
            (Element::F16, &[a, b]) => Some(f64::from(half(u16::from_le_bytes([a, b])))),
            (Element::F32, &[a, b, c, d]) => Some(f64::from(f32::from_le_bytes([a, b, c, d]))),
            (Element::F64, bytes) => bytes.try_into().ok().map(f64::from_le_bytes),
            (Element::U8, &[a]) => Some(f64::from(a)),
            _ => None,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Element::F16 | Element::F32 | Element::F64 | Element::U8)
    }

    /// One integer; `None` for kinds of more than integers, and for u8, which nobody counts in.
    pub(crate) fn integer(self, bytes: &[u8]) -> Option<i128> {
        match (self, bytes) {
            (Element::I32, &[a, b, c, d]) => Some(i32::from_le_bytes([a, b, c, d]).into()),
            (Element::U32, &[a, b, c, d]) => Some(u32::from_le_bytes([a, b, c, d]).into()),
            (Element::I64, bytes) => bytes.try_into().ok().map(|it| i64::from_le_bytes(it).into()),
            (Element::U64, bytes) => bytes.try_into().ok().map(|it| u64::from_le_bytes(it).into()),
            _ => None,
        }
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Element::I32 | Element::I64 | Element::U32 | Element::U64)
    }
}

/// A number of 16 bits: sign, five bits of exponent, ten of fraction. All of them fit f32.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(i32::from(exponent) - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from the table of examples in IEEE 754's half precision.
    #[test]
    fn halves_are_read_exactly() {
        let known = [
            (0x0000, 0.0),
            (0x0001, 2_f32.powi(-24)),
            (0x03ff, 1023.0 * 2_f32.powi(-24)),
            (0x0400, 2_f32.powi(-14)),
            (0x3555, 0.333_251_95),
            (0x3c00, 1.0),
            (0x3c01, 1.000_976_6),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0xc000, -2.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, number) in known {
            assert_eq!(half(bits), number, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }

    #[test]
    fn types_are_told_apart_by_name_and_order() {
        assert_eq!(Element::named("<f4"), Ok(Element::F32));
        assert_eq!(Element::named("|u1"), Ok(Element::U8));
        for refused in [">f4", "|f4", "f4", "", "<", "<f16", "<c8", "|O", "<U5", "\u{e9}"] {
            assert!(Element::named(refused).is_err(), "{refused}");
        }
        assert!(Element::named(">f4").unwrap_err().contains("big-endian"));
    }
}

//! Prints values for people, as text much like JSON.
//!
//! Promises
//!  1. It is one line of characters that a terminal prints: all others are escaped.
//!
//! Never: is read again; what looks alike may differ (two NaNs, a timestamp's fraction of nothing).

use std::fmt::{self, Formatter};

use super::{Payload, Value, Values};

/// The most bytes of a value that are printed.
const BYTES_SHOWN: usize = 64;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 24 * 60 * 60;

fn print(value: Value<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(value) => write!(f, "{value}"),
        Value::Integer(value) => write!(f, "{value}"),
        Value::Float(value) => write!(f, "{value:?}"),
        Value::Text(text) => write!(f, "{text:?}"),
        Value::Timestamp(micros) => print_time(micros, f),
        Value::Bytes(bytes) => print_bytes(bytes, f),
        Value::List(values) => {
            f.write_str("[")?;
            for (at, value) in values.iter().enumerate() {
                f.write_str(if at == 0 { "" } else { ", " })?;
                print(value, f)?;
            }
            f.write_str("]")
        }
        Value::Map(values) => {
            f.write_str("{")?;
            for (at, (key, value)) in values.entries().enumerate() {
                write!(f, "{}{key:?}: ", if at == 0 { "" } else { ", " })?;
                print(value, f)?;
            }
            f.write_str("}")
        }
    }
}

/// In hexadecimal; of what is long, the first, and how many there are.
fn print_bytes(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("x'")?;
    for byte in bytes.iter().take(BYTES_SHOWN) {
        write!(f, "{byte:02x}")?;
    }
    match bytes.len() {
        0..=BYTES_SHOWN => f.write_str("'"),
        length => write!(f, "...' ({length} bytes)"),
    }
}

fn print_time(micros: i64, f: &mut Formatter<'_>) -> fmt::Result {
    let (seconds, fraction) = (micros.div_euclid(MICROS), micros.rem_euclid(MICROS));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    match year {
        0..=9_999 => write!(f, "{year:04}")?,
        _ => write!(f, "{year:+}")?,
    }
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}", second % 60)?;
    match fraction {
        0 => f.write_str("Z"),
        _ => write!(f, ".{fraction:06}Z"),
    }
}

/// The date so many days after the beginning of 1970, as the calendar goes on both ways. A year begins in March here,
/// so that the day that is not always there is its last.
fn date(days: i64) -> (i64, i64, i64) {
    const YEARS_400: i64 = 146_097;
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(YEARS_400), days.rem_euclid(YEARS_400));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * cycle + year + later, month, day)
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(*self, f)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(*self, f)
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Only in a map are there keys; what is empty looks like a list.
        let is_map = self.entries().next().is_some_and(|(key, _)| !key.is_empty());
        print(if is_map { Value::Map(*self) } else { Value::List(*self) }, f)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.refused() {
            Some(refused) => write!(f, "({refused})"),
            None => print(self.value(), f),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! Makes payloads, and what can be in them, of values of Rust.
//!
//! Never: takes a `u8` for a number, so that a list of them is always bytes; takes a `u64`, which may be more than an
//! integer holds.

use super::draft::Draft;
use super::{Held, Payload, Value};

impl From<Value<'_>> for Payload {
    /// A copy.
    fn from(value: Value<'_>) -> Self {
        Payload(Held::Draft(Draft::of(value)))
    }
}

/// Something that is a [`Value`] but for its name.
macro_rules! values {
    ($($type:ty, $it:ident => $value:expr;)*) => {$(
        impl From<$type> for Payload {
            fn from($it: $type) -> Self {
                Payload::from($value)
            }
        }
    )*};
}

values! {
    bool, it => Value::Bool(it);
    i8, it => Value::Integer(it.into());
    i16, it => Value::Integer(it.into());
    i32, it => Value::Integer(it.into());
    i64, it => Value::Integer(it);
    u16, it => Value::Integer(it.into());
    u32, it => Value::Integer(it.into());
    f32, it => Value::Float(it.into());
    f64, it => Value::Float(it);
    &str, it => Value::Text(it);
    &&str, it => Value::Text(it);
    &String, it => Value::Text(it);
    String, it => Value::Text(&it);
    &[u8], it => Value::Bytes(it);
    &Vec<u8>, it => Value::Bytes(it);
    Vec<u8>, it => Value::Bytes(&it);
}

impl<const N: usize> From<&[u8; N]> for Payload {
    fn from(bytes: &[u8; N]) -> Self {
        Payload::from(Value::Bytes(bytes))
    }
}

impl<const N: usize> From<[u8; N]> for Payload {
    fn from(bytes: [u8; N]) -> Self {
        Payload::from(Value::Bytes(&bytes))
    }
}

impl From<&Payload> for Payload {
    fn from(payload: &Payload) -> Self {
        payload.clone()
    }
}

impl<T> From<Option<T>> for Payload
where
    Payload: From<T>,
{
    /// Null if there is none.
    fn from(value: Option<T>) -> Self {
        let null = || Payload(Held::Draft(Draft::of(Value::Null)));
        value.map_or_else(null, Payload::from)
    }
}

impl<T> From<Vec<T>> for Payload
where
    Payload: From<T>,
{
    /// A list.
    fn from(items: Vec<T>) -> Self {
        Payload(Held::Draft(Draft::list(items.into_iter().map(Payload::from))))
    }
}

impl<T, const N: usize> From<[T; N]> for Payload
where
    Payload: From<T>,
{
    /// A list.
    fn from(items: [T; N]) -> Self {
        Payload(Held::Draft(Draft::list(items.into_iter().map(Payload::from))))
    }
}

impl<T: Clone> From<&[T]> for Payload
where
    Payload: From<T>,
{
    /// A list.
    fn from(items: &[T]) -> Self {
        Payload(Held::Draft(Draft::list(items.iter().map(|item| Payload::from(item.clone())))))
    }
}

impl<T: Clone> From<&Vec<T>> for Payload
where
    Payload: From<T>,
{
    /// A list.
    fn from(items: &Vec<T>) -> Self {
        Payload(Held::Draft(Draft::list(items.iter().map(|item| Payload::from(item.clone())))))
    }
}

impl<K: AsRef<str>, V: Into<Payload>> FromIterator<(K, V)> for Payload {
    /// A map. Its entries may come in any order, and are sorted once.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key, value.into()));
        Payload(Held::Draft(Draft::map(entries)))
    }
}

//! Spells payloads out in a program: the macro `payload!`.

/// Makes a [`Payload`](crate::Payload) of keys and values, with lists in `[]`, maps in `{}`, and `null`. A value is
/// anything that a `Payload` can be made [from](crate::Payload#trait-implementations).
///
/// ```
/// use arrwdb::{Value, payload};
///
/// let (lang, seen): (String, Option<i64>) = ("en".into(), None);
/// let page = payload! {
///     "lang" => lang,
///     "page" => 2 + 1,
///     "tags" => ["a", 7, [], { "deep" => true }],
///     "nested" => { "x" => 1.5, "y" => null },
///     "seen" => seen.map(Value::Timestamp),
///     "key" => b"\x00\xff",
/// };
/// assert_eq!(
///     page.to_string(),
///     r#"{"key": x'00ff', "lang": "en", "nested": {"x": 1.5, "y": null}, "page": 3, "seen": null, "#.to_owned()
///         + r#""tags": ["a", 7, [], {"deep": true}]}"#
/// );
/// ```
#[macro_export]
macro_rules! payload {
    (@map $map:expr ;) => { $map };
    (@map $map:expr ; $key:expr => null $(, $($rest:tt)*)?) => {
        $crate::payload!(@map $map.with($key, $crate::Value::Null) ; $($($rest)*)?)
    };
    (@map $map:expr ; $key:expr => [ $($items:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::payload!(@map $map.with($key, $crate::payload!(@list [] $($items)*)) ; $($($rest)*)?)
    };
    (@map $map:expr ; $key:expr => { $($entries:tt)* } $(, $($rest:tt)*)?) => {
        $crate::payload!(@map $map.with($key, $crate::payload!($($entries)*)) ; $($($rest)*)?)
    };
    (@map $map:expr ; $key:expr => $value:expr $(, $($rest:tt)*)?) => {
        $crate::payload!(@map $map.with($key, $value) ; $($($rest)*)?)
    };
    (@list [$($done:expr),*]) => {
        $crate::Payload::from(::std::vec::Vec::<$crate::Payload>::from([$($done),*]))
    };
    (@list [$($done:expr),*] null $(, $($rest:tt)*)?) => {
        $crate::payload!(
            @list [$($done,)* $crate::Payload::from($crate::Value::Null)] $($($rest)*)?
        )
    };
    (@list [$($done:expr),*] [ $($items:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::payload!(@list [$($done,)* $crate::payload!(@list [] $($items)*)] $($($rest)*)?)
    };
    (@list [$($done:expr),*] { $($entries:tt)* } $(, $($rest:tt)*)?) => {
        $crate::payload!(@list [$($done,)* $crate::payload!($($entries)*)] $($($rest)*)?)
    };
    (@list [$($done:expr),*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::payload!(@list [$($done,)* $crate::Payload::from($value)] $($($rest)*)?)
    };
    (@ $($rest:tt)*) => {
        ::std::compile_error!("payload! takes `key => value` pairs with commas between them")
    };
    ($($entries:tt)*) => {
        $crate::payload!(@map $crate::Payload::new() ; $($entries)*)
    };
}

//! Writes payloads as JSON, value by value.
//!
//! What JSON has no kind of becomes text: a moment as in RFC 3339, bytes in hexadecimal digits. A float that is no number
//! becomes null.

use arrwdb::{Payload, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A payload that is written as JSON.
pub(crate) struct JsonPayload(pub(crate) Payload);

impl Serialize for JsonPayload {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        JsonValue(self.0.value()).serialize(into)
    }
}

struct JsonValue<'a>(Value<'a>);

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => into.serialize_unit(),
            Value::Bool(value) => into.serialize_bool(value),
            Value::Integer(value) => into.serialize_i64(value),
            Value::Float(value) => into.serialize_f64(value),
            Value::Text(text) => into.serialize_str(text),
            Value::Bytes(bytes) => {
                let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
                into.serialize_str(&digits.collect::<String>())
            }
            Value::List(values) => {
                let mut list = into.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| list.serialize_element(&JsonValue(value)))?;
                list.end()
            }
            Value::Map(values) => {
                let mut map = into.serialize_map(Some(values.len()))?;
                let mut entries = values.entries();
                entries.try_for_each(|(key, value)| map.serialize_entry(key, &JsonValue(value)))?;
                map.end()
            }
            other => into.serialize_str(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrwdb::payload;

    use super::*;

    #[test]
    fn each_kind_of_value_has_its_json() {
        let payload = payload! {
            "null" => null,
            "bool" => true,
            "integer" => i64::MIN,
            "float" => 0.5,
            "nan" => f64::NAN,
            "text" => "a \"b\"\n",
            "moment" => Value::Timestamp(1_700_000_000_000_000),
            "bytes" => Value::Bytes(&[0, 0xab]),
            "list" => [1, "a", { "b" => [] }],
        };
        let json = serde_json::to_string(&JsonPayload(payload)).unwrap();
        let expected = concat!(
            r#"{"bool":true,"bytes":"00ab","float":0.5,"integer":-9223372036854775808,"#,
            r#""list":[1,"a",{"b":[]}],"moment":"2023-11-14T22:13:20Z","nan":null,"null":null,"#,
            r#""text":"a \"b\"\n"}"#
        );
        assert_eq!(json, expected);
    }
}

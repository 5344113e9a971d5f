//! Values and names as SQL. They come from databases and are never trusted: names are quoted by [`name()`], values by
//! [`literal()`], and no other way exists.
//!
//! On MySQL, text and bytes are hexadecimal, so that no setting changes their meaning. On PostgreSQL every value is a quoted
//! literal of unknown type, which the server converts to the column's type; that needs `standard_conforming_strings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use table_diff::literal::{hex, name, text};
use table_diff::{ColumnShape, Engine, ValueKind};

/// A longer value is compared by its SHA-256, so that the statement does not contain it twice.
const LONG: usize = 64;

/// The quoted name of a table, from the one that [`table_diff::Table`] displays.
pub(crate) fn table_name(engine: Engine, displayed: &str) -> String {
    match (engine, displayed.split_once('.')) {
        (Engine::MySql, _) => name(engine, displayed),
        (_, Some((schema, table))) => format!("{}.{}", name(engine, schema), name(engine, table)),
        (_, None) => format!("\"public\".{}", name(engine, displayed)),
    }
}

/// A message or a name as a literal, readable if possible.
pub(crate) fn words(engine: Engine, words: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-,:;.{}[]()\"".contains(&byte);
    if words.bytes().all(plain) { format!("'{words}'") } else { text(engine, words.as_bytes()) }
}

/// A value of a difference.
enum Plain<'a> {
    Null,
    Bytes(Vec<u8>),
    Text(std::borrow::Cow<'a, str>),
}

fn plain(value: &Value) -> Plain<'_> {
    match value {
        Value::Null => Plain::Null,
        Value::String(text) => Plain::Text(text.into()),
        Value::Object(object) => {
            let bytes =
                object.get("base64").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
            bytes.map_or_else(|| Plain::Text(value.to_string().into()), Plain::Bytes)
        }
        other => Plain::Text(other.to_string().into()),
    }
}

/// A value of a column, as it is inserted, or compared by the column's own equality.
pub(crate) fn literal(engine: Engine, kind: ValueKind, value: &Value) -> String {
    match (engine, plain(value)) {
        (_, Plain::Null) => "NULL".into(),
        (Engine::MySql, Plain::Bytes(bytes)) => format!("x'{}'", hex(&bytes)),
        (Engine::Postgres, Plain::Bytes(bytes)) => format!("'\\x{}'", hex(&bytes)),
        (Engine::MySql, Plain::Text(value)) => match kind {
            // Bare: `YEAR` and `BIT` read a quoted number as something else.
            ValueKind::Integer | ValueKind::Decimal if is_number(&value) => value.into_owned(),
            ValueKind::Float => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => format!("{number:e}"),
                _ => text(engine, value.as_bytes()),
            },
            ValueKind::Moment if is_moment(&value) => format!("'{value}'"),
            _ => text(engine, value.as_bytes()),
        },
        (Engine::Postgres, Plain::Text(value)) => text(engine, value.as_bytes()),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_moment(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b" :.-".contains(&byte))
}

/// The condition that a column of `t` holds just this value: to the last byte, whatever the collation.
pub(crate) fn is_exactly(engine: Engine, column: &ColumnShape, value: &Value) -> String {
    let own = format!("t.{}", name(engine, &column.name));
    let value = plain(value);
    let (text, number) = match &value {
        Plain::Null => return format!("{own} IS NULL"),
        Plain::Bytes(_) => (None, None),
        Plain::Text(text) => (Some(text.as_ref()), text.parse::<f64>().ok()),
    };
    // By value, for the servers write a number in other ways than JSON; but 0 and −0 have the same. MySQL's `FLOAT` by
    // the text of its double, from which the value was taken, and which may be cut off.
    if column.kind == ValueKind::Float
        && let Some(number) = number
    {
        let sign = if number.is_sign_negative() { "-0" } else { "0" };
        return match engine {
            Engine::MySql if column.type_text.starts_with("float") => {
                format!("CAST({own} * 1e0 AS CHAR) <=> CAST({number:e} * 1e0 AS CHAR)")
            }
            Engine::MySql if number == 0.0 => format!("CAST({own} * 1e0 AS CHAR) <=> '{sign}'"),
            Engine::MySql => format!("{own} <=> {number:e}"),
            Engine::Postgres if number == 0.0 => format!("({own})::text = '{sign}'"),
            Engine::Postgres => {
                format!("{own} = {}", self::text(engine, text.unwrap_or_default().as_bytes()))
            }
        };
    }
    let bytes = match &value {
        Plain::Bytes(bytes) => bytes.as_slice(),
        _ => text.unwrap_or_default().as_bytes(),
    };
    let long = bytes.len() > LONG;
    match engine {
        Engine::MySql => {
            let own = match column.kind {
                ValueKind::Integer | ValueKind::Decimal | ValueKind::Float if !long => {
                    return format!(
                        "{own} + 0 <=> {}",
                        text.filter(|text| is_number(text)).unwrap_or("NULL")
                    );
                }
                ValueKind::Bytes => own,
                ValueKind::Spatial => format!("CAST({own} AS BINARY)"),
                ValueKind::Text | ValueKind::Json => {
                    format!("CAST(CONVERT({own} USING utf8mb4) AS BINARY)")
                }
                _ => format!("CAST(CAST({own} AS CHAR) AS BINARY)"),
            };
            if long {
                format!("SHA2({own}, 256) <=> '{}'", hex(&Sha256::digest(bytes)))
            } else {
                format!("{own} <=> x'{}'", hex(bytes))
            }
        }
        Engine::Postgres => {
            let own = match (&value, long) {
                (Plain::Bytes(_), _) => own,
                (_, false) => format!("({own})::text COLLATE \"C\""),
                (_, true) => format!("convert_to(({own})::text, 'UTF8')"),
            };
            match (long, text) {
                (true, _) => format!("sha256({own}) = '\\x{}'", hex(&Sha256::digest(bytes))),
                (false, Some(text)) => format!("{own} = {}", self::text(engine, text.as_bytes())),
                (false, None) => format!("{own} = '\\x{}'", hex(bytes)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_values_are_data() {
        assert_eq!(name(Engine::MySql, "a`; DROP TABLE b; --"), "`a``; DROP TABLE b; --`");
        assert_eq!(table_name(Engine::Postgres, "a\"b"), "\"public\".\"a\"\"b\"");
        assert_eq!(table_name(Engine::Postgres, "s.t"), "\"s\".\"t\"");
        assert_eq!(table_name(Engine::MySql, "s.t"), "`s.t`");
        use ValueKind::{Bytes, Decimal, Float, Integer, Moment, Text};
        for (kind, value, mysql, postgres) in [
            (Text, json!("it's\\"), "_utf8mb4 x'697427735c'", "'it''s\\'"),
            (Text, json!(""), "_utf8mb4 x''", "''"),
            (Text, json!(null), "NULL", "NULL"),
            (Integer, json!("18446744073709551615"), "18446744073709551615", "'18446744073709551615'"),
            (Integer, json!("1; DROP"), "_utf8mb4 x'313b2044524f50'", "'1; DROP'"),
            (Decimal, json!("-1.10"), "-1.10", "'-1.10'"),
            (Float, json!(-0.0), "-0e0", "'-0.0'"),
            (Float, json!(1e300), "1e300", "'1e+300'"),
            (Float, json!("NaN"), "_utf8mb4 x'4e614e'", "'NaN'"),
            (Moment, json!("2026-01-01 00:00:00.5"), "'2026-01-01 00:00:00.5'", "'2026-01-01 00:00:00.5'"),
            (Bytes, json!({"base64": "AP8="}), "x'00ff'", "'\\x00ff'"),
            (ValueKind::Boolean, json!(true), "_utf8mb4 x'74727565'", "'true'"),
        ] {
            assert_eq!(literal(Engine::MySql, kind, &value), mysql);
            assert_eq!(literal(Engine::Postgres, kind, &value), postgres);
        }
    }
}

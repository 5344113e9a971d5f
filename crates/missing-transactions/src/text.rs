//! Numbers, times and values as people read them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Bytes of a value that are kept in a list.
const SHOWN: usize = 1000;

/// `2026-03-01 12:00:05 UTC`.
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `2026-03-01 12:00:05`.
pub(crate) fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `12:00:05`.
pub(crate) fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M:%S").to_string()
}

/// `03-01 12:00`, for the axis of more than a day.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%m-%d %H:%M").to_string()
}

/// `2026-03-01 12:00:05.123`, for rows: a fraction where there is one.
pub(crate) fn row_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

/// Seconds from one time to another; negative when the other is earlier.
pub fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// A time in seconds: `0.4 s`, `12 s`, `2 min 3 s`, `3 h 4 min`, `5 days`. No printer of jiff writes minutes as `min`, as the
/// units of SI have it.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.05 {
        return "0 s".to_owned();
    }
    if seconds < 9.95 {
        let text = format!("{seconds:.1}");
        return format!("{} s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let whole = seconds.round() as u64;
    match (whole / 86_400, whole / 3600, whole / 60 % 60, whole % 60) {
        (days, ..) if days >= 2 => format!("{} days", count(days)),
        (_, 0, 0, s) => format!("{s} s"),
        (_, 0, m, 0) => format!("{m} min"),
        (_, 0, m, s) => format!("{m} min {s} s"),
        (_, h, 0, _) => format!("{h} h"),
        (_, h, m, _) => format!("{h} h {m} min"),
    }
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A decimal number with its thousands separated: `-1,204.50`.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(part) = part {
        text.push('.');
        text.push_str(part);
    }
    text
}

/// For what is not written when there is none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(crate) fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// `1 row`, `37 rows`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `a, b and c`.
pub(crate) fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Bytes: `812 bytes`, `3.4 MB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return counted(bytes, "byte");
    }
    let (mut value, mut unit) = (bytes, 0);
    while value >= 1_000_000 && unit < 2 {
        value /= 1000;
        unit += 1;
    }
    // Tenths, rounded down.
    let tenths = value / 100;
    format!("{}.{} {}", count(tenths / 10), tenths % 10, ["kB", "MB", "GB"][unit])
}

/// `text`, cut after `limit` characters.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A value for a cell.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(object) => match (object.get("masked"), object.get("cut"), object.get("base64")) {
            (Some(_), ..) => "masked".to_owned(),
            (_, Some(Value::String(start)), _) => format!("{start}…"),
            (_, _, Some(Value::String(bytes))) => format!("base64:{bytes}"),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

/// A row's values for a list: personal ones masked, long ones cut.
pub(crate) fn listed(row: &Map<String, Value>, is_personal: &dyn Fn(&str) -> bool) -> Map<String, Value> {
    row.iter()
        .map(|(name, value)| (name.clone(), if is_personal(name) { masked(value) } else { cut_value(value) }))
        .collect()
}

/// What is shown in place of a personal value. That there is none is no personal datum.
pub(crate) fn masked(value: &Value) -> Value {
    if value.is_null() { Value::Null } else { json!({"masked": true}) }
}

fn cut_value(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text,
        Value::Object(object) => match object.get("base64") {
            Some(Value::String(text)) => text,
            _ => return value.clone(),
        },
        other => return other.clone(),
    };
    if text.len() <= SHOWN {
        return value.clone();
    }
    json!({"cut": text[..text.floor_char_boundary(SHOWN)], "length": text.len()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, text) in [
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (3_456_789, "3.4 MB"),
            (2_000_000_000, "2.0 GB"),
            (12_345_000_000_000, "12,345.0 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn numbers_times_and_values_are_as_people_say_them() {
        for (seconds, text) in [
            (0.44, "0.4 s"),
            (-1.0, "0 s"),
            (9.96, "10 s"),
            (59.6, "1 min"),
            (123.0, "2 min 3 s"),
            (3600.0, "1 h"),
            (11_045.0, "3 h 4 min"),
            (2e5, "2 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!((count(7), count(1_234_567)), ("7".into(), "1,234,567".into()));
        assert_eq!((counted(1, "row"), counted(1234, "row")), ("1 row".into(), "1,234 rows".into()));
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(time("2026-03-01T12:00:05.7Z".parse().unwrap()), "2026-03-01 12:00:05 UTC");
        let at = |text: &str| row_time(text.parse().unwrap());
        assert_eq!(at("2026-03-01T12:00:05.7Z"), "2026-03-01 12:00:05.7");
        assert_eq!(at("2026-03-01T12:00:00.000042Z"), "2026-03-01 12:00:00.000042");
        assert_eq!(at("2026-03-01T12:00:00Z"), "2026-03-01 12:00:00");
        assert_eq!(joined(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }

    #[test]
    fn long_values_are_cut_between_characters_and_personal_ones_masked() {
        let long = json!({"a": "ä".repeat(900), "b": {"base64": "A".repeat(2000)}, "c": "secret", "d": null, "e": 5});
        let row = listed(long.as_object().unwrap(), &|name| ["c", "d"].contains(&name));
        assert_eq!(shown(&row["a"]), format!("{}…", "ä".repeat(500)));
        assert_eq!(row["a"]["length"], 1800);
        assert!(shown(&row["b"]).ends_with("A…"));
        assert_eq!(
            (shown(&row["c"]), shown(&row["d"]), shown(&row["e"])),
            ("masked".into(), "NULL".into(), "5".into())
        );
    }
}

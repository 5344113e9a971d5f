//! One spelling of a value, for two that print it differently: the writers' ledger prints it as the server does, the report as it
//! compares.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use table_diff::literal;
use writeload::{Column, ValueType};

/// Spells a value that the ledger has, or the report.
pub fn spelled(column: Option<&Column>, text: Option<&str>, is_of_ledger: bool) -> String {
    // The report's spreadsheet has an empty field for NULL, and the same is read from an empty text.
    let text = text.unwrap_or_default();
    let text = if is_of_ledger { text.to_owned() } else { of_report(text) };
    match column.map(|column| &column.kind) {
        Some(
            ValueType::Integer { .. }
            | ValueType::Decimal { .. }
            | ValueType::Float { .. }
            | ValueType::Bits { .. },
        ) => number(&text),
        Some(ValueType::Bytes { .. } | ValueType::Unknown | ValueType::Fixed(_) | ValueType::Shape(..)) => {
            bytes(&text)
        }
        _ => time(&text).unwrap_or(text),
    }
}

/// What the report has made of a text, taken back: an apostrophe before what a spreadsheet would compute.
fn of_report(text: &str) -> String {
    let rest =
        text.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
    rest.unwrap_or(text).to_owned()
}

/// A number without what says nothing.
fn number(text: &str) -> String {
    let text = text.strip_prefix('+').unwrap_or(text);
    let text = if text.contains('.') && !text.contains(['e', 'E']) {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    };
    text.to_owned()
}

/// Bytes in hexadecimal, in capital letters.
fn bytes(text: &str) -> String {
    if let Some(digits) = text.strip_prefix("\\x") {
        return digits.to_uppercase();
    }
    match text.strip_prefix("base64:").map(|text| STANDARD.decode(text)) {
        Some(Ok(bytes)) => literal::hex(&bytes).to_uppercase(),
        _ if text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len().is_multiple_of(2) => {
            text.to_uppercase()
        }
        _ => literal::hex(text.as_bytes()).to_uppercase(),
    }
}

/// A time: a space between date and time, no zeros at the end of the fraction, no zone where it is UTC.
fn time(text: &str) -> Option<String> {
    let is_digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let is_time = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12].into_iter().all(is_digit)
        && text.as_bytes().get(10).is_some_and(|byte| [b' ', b'T'].contains(byte));
    if !is_time {
        return None;
    }
    let text = text.replacen('T', " ", 1);
    let text = ["Z", "+00:00", "+00"].iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(&text);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ValueType) -> Column {
        Column {
            name: "c".into(),
            type_text: String::new(),
            kind,
            nullable: false,
            has_default: false,
            numbered: false,
            always_numbered: false,
            generated: false,
        }
    }

    #[test]
    fn a_value_is_spelled_alike_whoever_prints_it() {
        let whole = || ValueType::Integer { min: 0, max: 9 };
        let bytes = || ValueType::Bytes { length: None, fixed: false };
        for (kind, of_ledger, of_report) in [
            (whole(), "12", "12"),
            (ValueType::Decimal { digits: 5, scale: 2, unsigned: false }, "1.50", "1.5"),
            (ValueType::Boolean, "true", "true"),
            (bytes(), "00FF", "base64:AP8="),
            (bytes(), r"\x00ff", "base64:AP8="),
            (bytes(), "616263", "616263"),
            (ValueType::Unknown, "31302E30", "10.0"),
            (ValueType::Uuid, "2026-01-02 03:04:05.120000+00", "2026-01-02T03:04:05.12Z"),
            (ValueType::Uuid, "=1", "'=1"),
            (ValueType::Uuid, "'a", "'a"),
        ] {
            let column = column(kind);
            let both = [(of_ledger, true), (of_report, false)];
            let [one, other] =
                both.map(|(text, is_of_ledger)| spelled(Some(&column), Some(text), is_of_ledger));
            assert_eq!(one, other, "{of_ledger} {of_report}");
        }
    }
}

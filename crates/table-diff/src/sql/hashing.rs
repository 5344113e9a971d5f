//! How a row becomes one text, and that text a hash or a CRC.

use crate::column::{Column, Kind, UTF8};
use crate::engine::{Dialect, Engine};

/// How a table is read on one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) engine: Engine,
    pub(crate) dialect: Dialect,
    /// PostgreSQL: without the rows of the tables that inherit from it.
    pub(crate) only: bool,
    /// PostgreSQL: the other side has another encoding, so that texts are compared by their UTF-8.
    pub(crate) recode: bool,
}

impl Reading {
    /// The bytes of a text that both sides have in common: on PostgreSQL hashes, lengths and orders are over the encoding's.
    pub(super) fn common(self, text: &str) -> String {
        if self.recode { format!("convert_to({text}, 'UTF8')") } else { format!("({text})") }
    }
}

/// How a pair of columns enters what a pass sums up: the same way on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnForm {
    /// NULL is possible on either side.
    pub(super) nullable: bool,
    /// Their types are the same.
    pub(super) same_type: bool,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Digits and the like.
    Digits,
    /// Long: its CRC and its length, which are digits.
    Crc,
    Text,
    Bytes,
}

impl ColumnForm {
    pub(crate) fn of(left: &Column, right: &Column) -> Self {
        let both = |of: fn(Kind) -> bool| of(left.kind) && of(right.kind);
        let form = if both(|kind| matches!(kind, Kind::Integer | Kind::Decimal | Kind::Float | Kind::Moment))
        {
            Form::Digits
        } else if left.wide || right.wide {
            Form::Crc
        } else if both(|kind| kind == Kind::Text) {
            Form::Text
        } else {
            Form::Bytes
        };
        let same_type = left.type_text == right.type_text;
        Self { nullable: left.nullable || right.nullable, same_type, form }
    }
}

/// The CRC of a row: of its values, joined so that their boundaries can't move.
///
/// UTF-8 has no byte `FF` and no `FE`: the one separates, the other is a NULL text (`CONCAT_WS` leaves a NULL out, which
/// is as clear for the last). Digits come first, with a letter for NULL; then texts; then bytes, which may hold anything
/// and whose lengths stand among the digits, but for the last.
pub(super) fn row_crc(
    dialect: Dialect,
    columns: &[Column],
    compared: &[(usize, bool)],
    forms: &[ColumnForm],
) -> String {
    let (mut digits, mut texts, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let or_none = |value: String, nullable| if nullable { format!("COALESCE({value}, 'N')") } else { value };
    for (&(index, _), &ColumnForm { nullable, form, .. }) in compared.iter().zip(forms) {
        let column = &columns[index];
        let value = match column.kind {
            // The number itself; `canonical` would only say in other words how it becomes text.
            Kind::Integer | Kind::Decimal | Kind::Moment => column.order.clone(),
            // Joined with a binary separator, text is taken as its bytes.
            Kind::Text if UTF8.iter().any(|start| column.collation.starts_with(start)) => {
                column.order.clone()
            }
            _ => column.canonical.clone(),
        };
        match form {
            Form::Digits => digits.push(or_none(value, nullable)),
            Form::Crc => {
                digits.push(or_none(format!("LENGTH({value})"), nullable));
                digits.push(or_none(format!("CRC32({value})"), nullable));
            }
            Form::Text => texts.push((nullable, value)),
            Form::Bytes => bytes.push((nullable, value)),
        }
    }
    // Where only the last may be NULL, none has to be written.
    texts.sort_by_key(|(nullable, _)| *nullable);
    let last = if bytes.is_empty() { texts.len().saturating_sub(1) } else { texts.len() };
    for (number, (nullable, value)) in texts.iter_mut().enumerate() {
        if *nullable && number < last {
            let bytes = if dialect.mariadb { value.clone() } else { format!("CAST({value} AS BINARY)") };
            *value = format!("COALESCE({bytes}, UNHEX('FE'))");
        }
    }
    for (nullable, value) in bytes.iter().rev().skip(1).rev() {
        digits.push(or_none(format!("LENGTH({value})"), *nullable));
    }
    digits.extend(texts.into_iter().chain(bytes).map(|(_, value)| value));
    if !dialect.mariadb
        && let Some(first) = digits.first_mut()
    {
        *first = format!("CAST({first} AS BINARY)");
    }
    format!("CRC32(CONCAT_WS(UNHEX('FF'), {}))", digits.join(", "))
}

/// A hash in hexadecimal, on MySQL: MD5, or SHA-256 where that is not to be had.
pub(super) fn hash(dialect: Dialect, value: &str) -> String {
    if dialect.md5 { format!("MD5({value})") } else { format!("SHA2({value}, 256)") }
}

/// The length in a type's text, such as that of `varchar(120)`.
pub(super) fn declared_length(type_text: &str) -> Option<u64> {
    type_text.split_once('(')?.1.split_once(')')?.0.parse().ok()
}

/// Bytes that a value of a key's column may have, as canonical text.
pub(super) fn declared_bytes(column: &Column) -> u64 {
    let declared = declared_length(&column.type_text);
    match column.kind {
        Kind::Other if column.type_text == "uuid" => 36,
        Kind::Text | Kind::Bytes | Kind::Hex | Kind::Other => declared.unwrap_or(255),
        _ => declared.unwrap_or(0).max(30),
    }
}

/// A column's part of the text that is hashed.
pub(super) fn part(reading: Reading, column: &Column, wide: bool) -> String {
    let Reading { engine, dialect, .. } = reading;
    let value = &column.canonical;
    // Numbers and times hold no `#` and no `N`: their boundaries are clear without a length.
    let bounded =
        matches!(column.kind, Kind::Integer | Kind::Decimal | Kind::Float | Kind::Boolean | Kind::Moment);
    let known = match (engine, bounded, wide) {
        (Engine::MySql, true, _) => value.clone(),
        (Engine::MySql, false, false) => format!("CONCAT(LENGTH({value}), '#', {value})"),
        (Engine::MySql, false, true) => format!("CONCAT(LENGTH({value}), '#', {})", hash(dialect, value)),
        // PostgreSQL's "NaN" and "infinity" begin otherwise than "N" alone: a lone N is NULL.
        (Engine::Postgres, true, _) => value.clone(),
        (Engine::Postgres, false, false) => {
            format!("octet_length({}) || '#' || ({value})", reading.common(value))
        }
        (Engine::Postgres, false, true) => {
            format!("octet_length({0}) || '#' || md5({0})", reading.common(value))
        }
    };
    format!("COALESCE({known}, 'N')")
}

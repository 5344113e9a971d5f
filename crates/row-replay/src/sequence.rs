//! PostgreSQL's sequences. A row that is put back with its number does not move the sequence that gave it, and the next
//! number that the new primary gives may be that one. MySQL's counter moves by itself.
//!
//! Moved by `nextval`, as often as it takes: `setval` could move it back behind what the application takes meanwhile.

use table_diff::literal::{name, text};
use table_diff::{Engine, TableShape, ValueKind};

use crate::literal::literal;

/// A number that is further ahead than this was hardly given by the sequence; it is left where it is.
pub(crate) const FAR: u64 = 10_000_000;

/// `SELECT` of how many numbers `highest`, an expression of a number, is ahead of the column's sequence; no row without
/// a sequence that counts up.
pub(crate) fn behind(quoted: &str, column: &str, highest: &str) -> String {
    let sequence = sequence(quoted, column);
    format!(
        "SELECT ceil(({highest} - COALESCE(pg_sequence_last_value(p.seqrelid::regclass), p.seqstart - p.seqincrement))::numeric \
         / p.seqincrement)::bigint AS behind, p.seqrelid::regclass AS name FROM pg_sequence p \
         WHERE p.seqrelid = {sequence} AND p.seqincrement > 0"
    )
}

/// `SELECT` that moves the sequence so far, and gives how many numbers it was moved by.
pub(crate) fn advance(quoted: &str, column: &str, highest: &str) -> String {
    format!(
        "SELECT count(nextval(b.name)) FROM ({}) AS b CROSS JOIN LATERAL generate_series(1, b.behind) \
         WHERE b.behind BETWEEN 1 AND {FAR}",
        behind(quoted, column, highest)
    )
}

fn sequence(quoted: &str, column: &str) -> String {
    let engine = Engine::Postgres;
    format!(
        "pg_get_serial_sequence({}, {})::regclass",
        text(engine, quoted.as_bytes()),
        text(engine, column.as_bytes())
    )
}

/// The columns that the server numbers.
pub(crate) fn numbered(engine: Engine, shape: &TableShape) -> impl Iterator<Item = &str> {
    let columns =
        shape.columns.iter().filter(move |column| engine == Engine::Postgres && column.auto_increment);
    columns.map(|column| column.name.as_str())
}

/// The highest of a column in its table.
pub(crate) fn highest_of(quoted: &str, column: &str) -> String {
    format!("(SELECT max({}) FROM {quoted})", name(Engine::Postgres, column))
}

/// A number as such an expression.
pub(crate) fn number(number: i64) -> String {
    format!("{}::bigint", literal(Engine::Postgres, ValueKind::Integer, &number.into()))
}

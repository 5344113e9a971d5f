//! PostgreSQL's sequences. Inserting a row with its number does not advance the sequence, so the new primary could generate
//! the same number again. MySQL advances its counter by itself.
//!
//! The sequence is advanced by calls of `nextval`: `setval` could set it back behind numbers that the application has drawn
//! in the meantime.

use table_diff::literal::{name, text};
use table_diff::{Engine, TableShape, ValueKind};

use crate::literal::literal;

/// A number that is further ahead than this hardly came from the sequence, which is then not advanced.
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

/// `SELECT` that advances the sequence to `highest`, and returns by how many numbers.
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

/// The columns whose numbers the server generates.
pub(crate) fn numbered(engine: Engine, shape: &TableShape) -> impl Iterator<Item = &str> {
    let columns =
        shape.columns.iter().filter(move |column| engine == Engine::Postgres && column.auto_increment);
    columns.map(|column| column.name.as_str())
}

/// The highest value of a column, as an expression.
pub(crate) fn highest_of(quoted: &str, column: &str) -> String {
    format!("(SELECT max({}) FROM {quoted})", name(Engine::Postgres, column))
}

/// A number as an expression.
pub(crate) fn number(number: i64) -> String {
    format!("{}::bigint", literal(Engine::Postgres, ValueKind::Integer, &number.into()))
}

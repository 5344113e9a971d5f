//! Reading rows as a [`crate::Difference`] has them, over a connection that is not this crate's: what a row is compared
//! with before it is written back has to be read in the same way as what was found missing.

use serde_json::{Map, Value};

use crate::column::{Column, mysql_column, postgres_column};
use crate::difference;
use crate::engine::Engine;
use crate::schema::{TableShape, ValueKind};

/// How the rows of a table are read.
///
/// The session has to be as this crate's own: time zone UTC, `utf8mb4` on MySQL; on PostgreSQL ISO dates and intervals,
/// `extra_float_digits` at least 1.
#[derive(Debug, Clone)]
pub struct RowReader {
    columns: Vec<Column>,
}

impl RowReader {
    /// For these columns of a table, in their order; generated ones too where they are named.
    pub fn new(engine: Engine, shape: &TableShape, named: impl Fn(&str) -> bool) -> Self {
        let columns = shape.columns.iter().filter(|column| named(&column.name)).map(|column| {
            let (name, type_text) = (column.name.clone(), column.type_text.clone());
            match engine {
                Engine::MySql => {
                    let base = type_text.split(['(', ' ']).next().unwrap_or_default().to_lowercase();
                    mysql_column(name, &base, type_text, String::new())
                }
                // Only bytes are asked for in another way than as text.
                Engine::Postgres => {
                    postgres_column(name, postgres_base(column.kind), type_text, String::new())
                }
            }
        });
        Self { columns: columns.collect() }
    }

    /// What to select, from a table with the alias `t`: a number first, for a row whose first value has 16 MiB begins like the
    /// end of all rows, and the driver takes it for that.
    pub fn select(&self) -> String {
        ["'0'"]
            .into_iter()
            .chain(self.columns.iter().map(|column| column.canonical.as_str()))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// A row of that, from the bytes that the server sent.
    pub fn row(&self, cells: &[Option<Vec<u8>>]) -> Map<String, Value> {
        difference::row(&self.columns, cells.get(1..).unwrap_or_default())
    }
}

/// A type of this kind.
fn postgres_base(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Integer => "int8",
        ValueKind::Decimal => "numeric",
        ValueKind::Float => "float8",
        ValueKind::Boolean => "bool",
        ValueKind::Moment => "timestamptz",
        ValueKind::Text => "text",
        ValueKind::Json => "jsonb",
        ValueKind::Bytes => "bytea",
        ValueKind::Spatial | ValueKind::Other => "",
    }
}

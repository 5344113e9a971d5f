//! Reads rows by their keys, and counts rows by their content: many with one question.

use std::collections::BTreeMap;

use table_diff::{Engine, literal};

use crate::ledger::{Key, Values};
use crate::schema::{Column, Schema, TableSchema};
use crate::session::Session;

/// How many rows are asked for at once.
pub(crate) const BATCH: usize = 100;

/// Why rows can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database lacks a table, or a column of a key.
    #[error(
        "the ledger has rows of table {table}, and the database has no {what}: is it the one that was written?"
    )]
    Missing {
        /// The table.
        table: String,
        /// What it lacks.
        what: String,
    },
    /// The server refuses, or is gone.
    #[error("reading rows that the ledger names failed: {cause}")]
    Query {
        /// The driver's own words.
        #[source]
        cause: sqlx::Error,
    },
}

/// The rows with these keys, by their place among them; those that are not there are left out.
pub(crate) async fn read_rows(
    session: &mut Session,
    schema: &Schema,
    rows: impl Iterator<Item = (&str, &Key)>,
) -> Result<BTreeMap<usize, Values>, ReadError> {
    let (engine, mut statements, mut names) = (schema.engine, Vec::new(), Vec::new());
    for (index, (table, key)) in rows.enumerate() {
        let shape = shape(schema, table)?;
        let columns: Vec<&Column> = shape.columns.iter().filter(|column| !column.generated).collect();
        let readings: Vec<String> = columns.iter().map(|column| column.reading(engine)).collect();
        let condition = condition(engine, shape, key.iter().map(|(name, text)| (name, Some(text))))?;
        statements.push(format!(
            "SELECT '{index}', {} FROM {} WHERE {condition}",
            readings.join(", "),
            shape.quoted_only(engine)
        ));
        names.push(columns);
    }
    let found = session.query(statements.join("; ")).await.map_err(|cause| ReadError::Query { cause })?;
    let mut rows = BTreeMap::new();
    for mut row in found {
        let rest = row.split_off(1);
        let Some(index) = row.pop().flatten().and_then(|index| index.parse::<usize>().ok()) else { continue };
        let Some(columns) = names.get(index) else { continue };
        rows.insert(index, columns.iter().map(|column| column.name.clone()).zip(rest).collect());
    }
    Ok(rows)
}

/// How many rows have these contents, by their place among them.
pub(crate) async fn count_rows(
    session: &mut Session,
    schema: &Schema,
    rows: impl Iterator<Item = (&str, &Values)>,
) -> Result<BTreeMap<usize, usize>, ReadError> {
    let mut statements = Vec::new();
    for (index, (table, content)) in rows.enumerate() {
        let shape = shape(schema, table)?;
        let condition =
            condition(schema.engine, shape, content.iter().map(|(name, text)| (name, text.as_ref())))?;
        statements.push(format!(
            "SELECT '{index}', CAST(COUNT(*) AS CHAR(20)) FROM {} WHERE {condition}",
            shape.quoted_only(schema.engine)
        ));
    }
    let found = session.query(statements.join("; ")).await.map_err(|cause| ReadError::Query { cause })?;
    let number = |cell: Option<&Option<String>>| cell?.as_ref()?.trim().parse::<usize>().ok();
    Ok(found.iter().filter_map(|row| Some((number(row.first())?, number(row.get(1))?))).collect())
}

fn shape<'a>(schema: &'a Schema, table: &str) -> Result<&'a TableSchema, ReadError> {
    let missing = || ReadError::Missing { table: table.to_owned(), what: "such table".to_owned() };
    schema.tables.get(table).ok_or_else(missing)
}

fn condition<'a>(
    engine: Engine,
    shape: &TableSchema,
    values: impl Iterator<Item = (&'a String, Option<&'a String>)>,
) -> Result<String, ReadError> {
    let one = |(name, text): (&String, Option<&String>)| {
        let column = shape.column(name).ok_or_else(|| ReadError::Missing {
            table: shape.table.to_string(),
            what: format!("column {name} in it"),
        })?;
        let quoted = literal::name(engine, name);
        Ok(match text {
            Some(text) => format!("{quoted} = {}", column.literal(engine, text)),
            None => format!("{quoted} IS NULL"),
        })
    };
    Ok(values.map(one).collect::<Result<Vec<_>, ReadError>>()?.join(" AND "))
}

//! A table as one server describes it: its columns and its unique indexes.

use std::collections::{BTreeMap, BTreeSet};

use crate::cells::{Cells, texts};
use crate::column::{Column, mysql_column, postgres_column};
use crate::engine::Engine;
use crate::error::Error;
use crate::server::Server;
use crate::sql::literal;
use crate::table::Table;

/// A unique index over columns that can't be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) name: String,
    pub(crate) primary: bool,
    pub(crate) columns: Vec<String>,
}

/// A table as one server describes it.
pub(crate) struct Described {
    pub(crate) columns: Vec<Column>,
    pub(crate) uniques: Vec<Unique>,
}

/// Describes a table as this server has it.
pub(crate) async fn describe(server: &mut Server, table: &Table) -> Result<Described, Error> {
    let engine = server.engine();
    let name = literal::text(engine, table.name.as_bytes());
    let schema = literal::text(engine, table.schema.as_deref().unwrap_or("public").as_bytes());
    let (columns, indexes) = statements(engine, &name, &schema);
    // In one go, for each statement is a round trip; a column's row has five cells, an index's four.
    let rows = server.all(format!("{columns}; {indexes}"), &format!("describing table {table}")).await?;
    let (columns, indexes) = rows.into_iter().partition::<Vec<_>, _>(|row| row.len() == 5);
    let mut columns = columns
        .into_iter()
        .map(|row| {
            let [name, base, type_text, collation, nullable] = texts(row);
            match engine {
                Engine::MySql => Column {
                    nullable: nullable != "NO",
                    ..mysql_column(name, &base.to_lowercase(), type_text, collation)
                },
                Engine::Postgres => postgres_column(name, &base, type_text, collation),
            }
        })
        .collect::<Vec<_>>();
    if columns.is_empty() {
        return Err(Error::Table {
            table: table.to_string(),
            reason: format!("it is not there, or may not be read, on the {}", server.side),
        });
    }
    mark_json(server, table, &name, &mut columns).await?;
    Ok(Described { columns, uniques: uniques(indexes) })
}

/// The statements that ask for the columns and for the unique indexes of a table; `name` and `schema` are literals.
fn statements(engine: Engine, name: &str, schema: &str) -> (String, String) {
    match engine {
        // The name's bytes: information_schema compares without regard to case.
        Engine::MySql => (
            format!(
                "SELECT CAST(COLUMN_NAME AS BINARY), DATA_TYPE, CAST(COLUMN_TYPE AS BINARY), COLLATION_NAME, IS_NULLABLE \
                 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name} \
                 AND CAST(TABLE_NAME AS BINARY) = CAST({name} AS BINARY) ORDER BY ORDINAL_POSITION"
            ),
            format!(
                "SELECT CAST(INDEX_NAME AS BINARY), INDEX_NAME = 'PRIMARY', CAST(COLUMN_NAME AS BINARY), \
                 SUB_PART IS NULL AND NULLABLE = '' AND INDEX_TYPE = 'BTREE' \
                 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name} \
                 AND CAST(TABLE_NAME AS BINARY) = CAST({name} AS BINARY) AND NON_UNIQUE = 0 \
                 ORDER BY INDEX_NAME, SEQ_IN_INDEX"
            ),
        ),
        Engine::Postgres => (
            format!(
                "SELECT a.attname::text, COALESCE(b.typname, t.typname)::text, format_type(a.atttypid, a.atttypmod), \
                 concat_ws('/', o.collname, o.collprovider, o.collcollate, d.datcollate, \
                 current_setting('server_version')), NULL \
                 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
                 LEFT JOIN pg_collation o ON o.oid = a.attcollation \
                 JOIN pg_database d ON d.datname = current_database() \
                 WHERE n.nspname = {schema} AND c.relname = {name} AND a.attnum > 0 AND NOT a.attisdropped \
                 ORDER BY a.attnum"
            ),
            format!(
                "SELECT i.indexrelid::text, i.indisprimary::int::text, a.attname::text, a.attnotnull::int::text \
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
                 WHERE n.nspname = {schema} AND c.relname = {name} AND i.indisunique AND i.indisvalid \
                 AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts \
                 ORDER BY i.indexrelid, k.place"
            ),
        ),
    }
}

/// Marks the columns that hold JSON on MariaDB, where it is a text whose column is checked; asked for only where that may be.
async fn mark_json(
    server: &mut Server,
    table: &Table,
    name: &str,
    columns: &mut [Column],
) -> Result<(), Error> {
    let text = |column: &Column| column.type_text == "longtext" && column.collation == "utf8mb4_bin";
    if server.dialect().mariadb && columns.iter().any(text) {
        let checks = format!(
            "SELECT CAST(CHECK_CLAUSE AS BINARY) FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = {name} \
             AND CAST(TABLE_NAME AS BINARY) = CAST({name} AS BINARY)"
        );
        let rows = server.all(checks, &format!("describing the checks of table {table}")).await?;
        let clauses = rows.into_iter().map(texts::<1>).map(|[clause]| clause).collect::<BTreeSet<_>>();
        for column in columns {
            let clause = format!("json_valid({})", literal::name(server.engine(), &column.name));
            column.json = text(column) && clauses.contains(&clause);
        }
    }
    Ok(())
}

/// The usable unique indexes from rows of index, primary, column, usable column.
fn uniques(rows: Vec<Cells>) -> Vec<Unique> {
    let mut found: BTreeMap<String, (Unique, bool)> = BTreeMap::new();
    for row in rows {
        let [index, primary, column, usable] = texts(row);
        let entry = found
            .entry(index.clone())
            .or_insert_with(|| (Unique { name: index, primary: primary == "1", columns: Vec::new() }, true));
        entry.1 &= usable == "1" && !column.is_empty();
        entry.0.columns.push(column);
    }
    found.into_values().filter(|(_, usable)| *usable).map(|(unique, _)| unique).collect()
}

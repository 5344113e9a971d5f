//! A table as one server describes it: its columns and its unique indexes.

use std::collections::{BTreeMap, BTreeSet};

use crate::cells::{Cells, texts};
use crate::column::{Column, mysql_column, postgres_column};
use crate::engine::{Dialect, Engine};
use crate::error::Error;
use crate::server::Server;
use crate::sql::literal;
use crate::table::Table;

/// A unique index over columns that can't be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) name: String,
    pub(crate) primary: bool,
    /// A statement may name it (MySQL: visible, MariaDB: not ignored).
    pub(crate) visible: bool,
    pub(crate) columns: Vec<String>,
}

/// A table as one server describes it.
pub(crate) struct Described {
    pub(crate) columns: Vec<Column>,
    pub(crate) uniques: Vec<Unique>,
    /// PostgreSQL: other tables may inherit from it, whose rows are not its own.
    pub(crate) only: bool,
    /// PostgreSQL: the encoding of the database.
    pub(crate) encoding: String,
    /// What of it can't be compared, and why.
    pub(crate) not_compared: Vec<String>,
}

/// Engines of MySQL's family that promise no unique key: what is elsewhere may be twice in them.
const NOT_UNIQUE: [&str; 5] = ["MRG_MYISAM", "MERGE", "FEDERATED", "CONNECT", "SPIDER"];

/// Describes a table as this server has it.
pub(crate) async fn describe(server: &mut Server, table: &Table) -> Result<Described, Error> {
    let engine = server.engine();
    let name = match server.dialect().folds_tables {
        true => literal::text(engine, table.name.to_lowercase().as_bytes()),
        false => literal::text(engine, table.name.as_bytes()),
    };
    let schema = literal::text(engine, table.schema.as_deref().unwrap_or("public").as_bytes());
    let all = statements(engine, server.dialect(), &name, &schema);
    // In one go, for each statement is a round trip; a row's first cell says of what it is.
    let rows = server.all(all.join("; "), &format!("describing table {table}")).await?;
    let (mut columns, mut indexes, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for mut row in rows {
        match row.remove(0).as_deref() {
            Some(b"column") => columns.push(row),
            Some(b"index") => indexes.push(row),
            _ => facts = row,
        }
    }
    let mut large_objects = Vec::new();
    let mut columns = columns
        .into_iter()
        .map(|row| {
            let [name, base, type_text, collation, nullable, type_name] = texts(row);
            match engine {
                Engine::MySql => Column {
                    nullable: nullable != "NO",
                    ..mysql_column(name, &base.to_lowercase(), type_text, collation)
                },
                Engine::Postgres => {
                    if base == "oid" {
                        large_objects.push(name.clone());
                    }
                    let nullable = nullable != "NO";
                    Column { type_name, nullable, ..postgres_column(name, &base, type_text, collation) }
                }
            }
        })
        .collect::<Vec<_>>();
    if columns.is_empty() {
        return Err(Error::Table {
            table: table.to_string(),
            reason: format!("it is not there, or may not be read, on the {}", server.side),
        });
    }
    let mut uniques = uniques(indexes);
    let (mut only, mut encoding, mut not_compared) = (false, String::new(), Vec::new());
    match engine {
        Engine::MySql => {
            let [kind] = texts(facts);
            if NOT_UNIQUE.contains(&kind.to_uppercase().as_str()) {
                uniques.clear();
            }
            not_compared.extend(hidden_columns(server, table).await?);
            mark_json(server, table, &name, &mut columns).await?;
        }
        Engine::Postgres => {
            let [plain, secured, has_large_objects, of_database] = texts(facts);
            if secured == "1" {
                return Err(Error::Table {
                    table: table.to_string(),
                    reason: format!(
                        "row-level security may hide rows of it from the user of the {}: compare as a role with BYPASSRLS, or as \
                         the table's owner",
                        server.side
                    ),
                });
            }
            (only, encoding) = (plain == "1", of_database);
            if has_large_objects == "1" {
                not_compared.extend(large_objects.iter().map(|name| {
                    format!("column {name:?} may name large objects, whose contents are not compared")
                }));
            }
        }
    }
    Ok(Described { columns, uniques, only, encoding, not_compared })
}

/// That the user may not read every column: MySQL and MariaDB don't list the others. They tell whoever may read the whole
/// table that it has no such column (1054), and forbid it to others (1143).
async fn hidden_columns(server: &mut Server, table: &Table) -> Result<Option<String>, Error> {
    let probe = format!(
        "SELECT t.`causeway asks whether it may read every column` FROM {} AS t LIMIT 0",
        table.quoted(Engine::MySql)
    );
    match server.all(probe, &format!("asking for the right to read every column of {table}")).await {
        Err(error) if error.mysql_number() == Some(1054) => Ok(None),
        Err(error) if matches!(error.mysql_number(), Some(1142 | 1143)) => Ok(Some(format!(
            "the user of the {} has rights on single columns: others may be there that may not be read, and are not compared. \
             Give it the right to read the whole table",
            server.side
        ))),
        Err(error) => Err(error),
        Ok(_) => Ok(None),
    }
}

/// The statements that ask for the columns, for the unique indexes and for what else is to be known of a table; `name` and
/// `schema` are literals.
fn statements(engine: Engine, dialect: Dialect, name: &str, schema: &str) -> [String; 3] {
    match engine {
        Engine::MySql => {
            let is_it = format!("TABLE_SCHEMA = DATABASE() AND {}", is_table(dialect, name));
            let hidden = dialect.hidden_index;
            [
                format!(
                    "SELECT 'column', CAST(COLUMN_NAME AS BINARY), DATA_TYPE, CAST(COLUMN_TYPE AS BINARY), COLLATION_NAME, \
                     IS_NULLABLE, '' FROM information_schema.COLUMNS WHERE {is_it} ORDER BY ORDINAL_POSITION"
                ),
                format!(
                    "SELECT 'index', CAST(INDEX_NAME AS BINARY), INDEX_NAME = 'PRIMARY', CAST(COLUMN_NAME AS BINARY), \
                     SUB_PART IS NULL AND NULLABLE = '' AND INDEX_TYPE = 'BTREE', {hidden} \
                     FROM information_schema.STATISTICS WHERE {is_it} AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX"
                ),
                format!("SELECT 'table', ENGINE FROM information_schema.TABLES WHERE {is_it}"),
            ]
        }
        Engine::Postgres => {
            let is_it = format!("n.nspname = {schema} AND c.relname = {name}");
            [
                // What orders a text: the collation with all that it is made of, or the database's. As JSON, for every release
                // has other columns for it. The encoding is a part of it: an order by bytes is by the encoding's bytes.
                format!(
                    "SELECT 'column', a.attname::text, COALESCE(b.typname, t.typname)::text, \
                     format_type(a.atttypid, a.atttypmod), concat_ws('/', CASE WHEN o.collprovider = 'd' \
                     THEN (to_jsonb(d) - ARRAY['oid', 'datname', 'datdba', 'datistemplate', 'datallowconn', 'datconnlimit', \
                     'datfrozenxid', 'datminmxid', 'dattablespace', 'datacl', 'datlastsysoid', 'dathasloginevt'])::text \
                     WHEN o.oid IS NOT NULL THEN (to_jsonb(o) - ARRAY['oid', 'collnamespace', 'collowner'])::text END, \
                     d.encoding, current_setting('server_version')), CASE WHEN a.attnotnull THEN 'NO' END, \
                     CASE WHEN pg_type_is_visible(t.oid) THEN format_type(a.atttypid, a.atttypmod) \
                     ELSE substr(format_type(a.atttypid, a.atttypmod), length(quote_ident(s.nspname)) + 2) END \
                     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                     JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
                     JOIN pg_namespace s ON s.oid = t.typnamespace \
                     LEFT JOIN pg_collation o ON o.oid = a.attcollation \
                     JOIN pg_database d ON d.datname = current_database() \
                     WHERE {is_it} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
                ),
                format!(
                    "SELECT 'index', i.indexrelid::text, i.indisprimary::int::text, a.attname::text, \
                     a.attnotnull::int::text, '0' \
                     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                     CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
                     WHERE {is_it} AND i.indisunique AND i.indisvalid \
                     AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts \
                     ORDER BY i.indexrelid, k.place"
                ),
                format!(
                    "SELECT 'table', (c.relkind <> 'p')::int::text, row_security_active(c.oid)::int::text, \
                     EXISTS (SELECT FROM pg_largeobject_metadata)::int::text, \
                     (SELECT pg_encoding_to_char(encoding)::text FROM pg_database WHERE datname = current_database()) \
                     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {is_it}"
                ),
            ]
        }
    }
}

/// Whether a row of MySQL's information_schema is about the table of this name, a literal. By the name's bytes, for there it
/// compares without regard to case; a server that does so itself is given the name in lower case.
fn is_table(dialect: Dialect, name: &str) -> String {
    let shown = if dialect.folds_tables { "LOWER(TABLE_NAME)" } else { "TABLE_NAME" };
    format!("TABLE_NAME = {name} AND CAST({shown} AS BINARY) = CAST({name} AS BINARY)")
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
             WHERE CONSTRAINT_SCHEMA = DATABASE() AND {}",
            is_table(server.dialect(), name)
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

/// The usable unique indexes from rows of index, primary, column, usable column, hidden.
fn uniques(rows: Vec<Cells>) -> Vec<Unique> {
    let mut found: BTreeMap<String, (Unique, bool)> = BTreeMap::new();
    for row in rows {
        let [index, primary, column, usable, hidden] = texts(row);
        let entry = found.entry(index.clone()).or_insert_with(|| {
            let (primary, visible) = (primary == "1", hidden != "1");
            (Unique { name: index, primary, visible, columns: Vec::new() }, true)
        });
        entry.1 &= usable == "1" && !column.is_empty();
        entry.0.columns.push(column);
    }
    found.into_values().filter(|(_, usable)| *usable).map(|(unique, _)| unique).collect()
}

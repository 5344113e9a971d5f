//! Tables, columns and keys as the two servers describe them, and how the two sides of a table are paired.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cells::{Cells, lossy, texts};
use crate::column::{Column, Kind, mysql_column, postgres_column};
use crate::engine::{Dialect, Engine};
use crate::error::Error;
use crate::server::Server;
use crate::sql::{self, literal};
use crate::table::Table;

/// Which sides have a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Presence {
    /// Both: it can be compared.
    Both,
    /// The source only.
    SourceOnly,
    /// The target only.
    TargetOnly,
    /// Neither, though it was asked for by name.
    Neither,
    /// Nobody knows: the user of a side may read single tables only, and others may be there that it can't see. Stands for all
    /// of them, under the name [`OTHERS`].
    Hidden,
}

/// What stands for the tables that a user can't see, see [`Presence::Hidden`].
pub const OTHERS: &str = "(other tables)";

/// What a user may do with the tables of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// The tables that it sees, as [`Table`] displays them.
    pub tables: BTreeSet<String>,
    /// Those of them that it may not read.
    pub unreadable: BTreeSet<String>,
    /// Those of them into which it may not insert a whole row.
    pub uninsertable: BTreeSet<String>,
    /// Whether there may be others that it can't see: MySQL shows a user only those that it has a right on.
    pub hides_others: bool,
}

/// A table and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The table.
    pub table: Table,
    /// Which sides have it.
    pub presence: Presence,
}

/// The base tables of both sides, by name; those of `include` when it is not empty, without those of `exclude`. Names
/// are as [`Table`] displays them, exactly. Where a side may have tables that its user can't see, and none are named, one more
/// stands for those ([`Presence::Hidden`]).
///
/// # Errors
/// When a server can't be asked.
pub async fn list_tables(
    source: &mut Server,
    target: &mut Server,
    include: &[String],
    exclude: &[String],
) -> Result<Vec<Listed>, Error> {
    let (in_source, in_target) = futures::future::try_join(base_tables(source), base_tables(target)).await?;
    let mut listed = in_source
        .union(&in_target)
        .filter(|table| include.is_empty() || include.contains(&table.to_string()))
        .filter(|table| !exclude.contains(&table.to_string()))
        .map(|table| {
            let presence = match (in_source.contains(table), in_target.contains(table)) {
                (true, true) => Presence::Both,
                (true, false) => Presence::SourceOnly,
                _ => Presence::TargetOnly,
            };
            Listed { table: table.clone(), presence }
        })
        .collect::<Vec<_>>();
    for name in include.iter().collect::<BTreeSet<_>>() {
        if !exclude.contains(name) && !listed.iter().any(|known| known.table.to_string() == *name) {
            let table = Table { schema: None, name: name.clone() };
            listed.push(Listed { table, presence: Presence::Neither });
        }
    }
    if include.is_empty() {
        let hidden = futures::future::try_join(hides_others(source), hides_others(target)).await?;
        if hidden.0 || hidden.1 {
            let table = Table { schema: None, name: OTHERS.into() };
            listed.push(Listed { table, presence: Presence::Hidden });
        }
    }
    Ok(listed)
}

/// What the server's user may do. Nothing is written, so that a replica can be asked, too.
///
/// MySQL shows a column's rights to whom has them, roles included (reference manual, the `INFORMATION_SCHEMA` table
/// `COLUMNS`); a generated column has no value to be inserted.
///
/// # Errors
/// When the server can't be asked.
pub async fn rights(server: &mut Server) -> Result<Rights, Error> {
    let tables = base_tables(server).await?;
    let (unreadable, uninsertable) = match server.engine() {
        Engine::MySql => {
            let without = |right: &str| {
                format!(
                    "SELECT DISTINCT NULL, CAST(TABLE_NAME AS BINARY) FROM information_schema.COLUMNS \
                     WHERE TABLE_SCHEMA = DATABASE() AND NOT FIND_IN_SET('{right}', PRIVILEGES)"
                )
            };
            let given = "COALESCE(GENERATION_EXPRESSION, '') = ''";
            let unreadable = tables_where(server, &without("select")).await?;
            let uninsertable = tables_where(server, &format!("{} AND {given}", without("insert"))).await?;
            // The list has views as well.
            let base =
                |seen: BTreeSet<Table>| seen.into_iter().filter(|table| tables.contains(table)).collect();
            (base(unreadable), base(uninsertable))
        }
        Engine::Postgres => {
            let without = |right: &str| {
                format!(
                    "{POSTGRES_TABLES} AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, '{right}'))"
                )
            };
            let unreadable = tables_where(server, &without("SELECT")).await?;
            (unreadable, tables_where(server, &without("INSERT")).await?)
        }
    };
    let names = |tables: BTreeSet<Table>| tables.iter().map(ToString::to_string).collect();
    let hides_others = hides_others(server).await?;
    let [tables, unreadable, uninsertable] = [tables, unreadable, uninsertable].map(names);
    Ok(Rights { tables, unreadable, uninsertable, hides_others })
}

/// Whether there may be tables that the user can't see: with a right to read the whole database a table that does not exist
/// is not found (1146), else it is forbidden (1142), whatever roles the right comes from.
async fn hides_others(server: &mut Server) -> Result<bool, Error> {
    if server.engine() == Engine::Postgres {
        // Its catalogue shows them to everyone.
        return Ok(false);
    }
    let probe = "SELECT 1 FROM `causeway asks whether it may read every table` LIMIT 0";
    match server.all(probe.to_owned(), "asking for the right to read every table").await {
        Ok(_) => Ok(false),
        Err(error) => match error.mysql_number() {
            Some(1146) => Ok(false),
            Some(1142 | 1044) => Ok(true),
            _ => Err(error),
        },
    }
}

async fn base_tables(server: &mut Server) -> Result<BTreeSet<Table>, Error> {
    let statement = match server.engine() {
        Engine::MySql => {
            "SELECT NULL, CAST(TABLE_NAME AS BINARY) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
        }
        Engine::Postgres => POSTGRES_TABLES,
    };
    tables_where(server, statement).await
}

/// The base tables of PostgreSQL, a partitioned one whole.
const POSTGRES_TABLES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n \
    ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

async fn tables_where(server: &mut Server, statement: &str) -> Result<BTreeSet<Table>, Error> {
    let rows = server.all(statement.to_owned(), "listing tables").await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut row = row.into_iter();
            let schema = row.next().flatten().map(lossy);
            Table { schema, name: row.next().flatten().map(lossy).unwrap_or_default() }
        })
        .collect())
}

/// How many rows each table may have, by the server's statistics: an estimate that may be far off. A table that the
/// server knows nothing of is left out.
///
/// # Errors
/// When the server can't be asked.
pub async fn estimated_rows(server: &mut Server) -> Result<BTreeMap<Table, u64>, Error> {
    let statement = match server.engine() {
        Engine::MySql => {
            "SELECT NULL, CAST(TABLE_NAME AS BINARY), CAST(TABLE_ROWS AS CHAR) FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_ROWS IS NOT NULL"
        }
        // A partitioned table has its own sum since PostgreSQL 14, once it was analysed.
        Engine::Postgres => {
            "SELECT n.nspname::text, c.relname::text, c.reltuples::bigint::text FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.reltuples >= 0"
        }
    };
    let rows = server.all(statement.to_owned(), "estimating the tables' rows").await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mut row = row.into_iter();
            let schema = row.next().flatten().map(lossy);
            let name = row.next().flatten().map(lossy).unwrap_or_default();
            (
                Table { schema, name },
                row.next().flatten().and_then(|rows| lossy(rows).parse().ok()).unwrap_or(0),
            )
        })
        .collect())
}

/// A unique index over columns that can't be null.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unique {
    name: String,
    primary: bool,
    columns: Vec<String>,
}

/// A table as one server describes it.
struct Described {
    columns: Vec<Column>,
    uniques: Vec<Unique>,
}

/// The two sides of a table, paired.
#[derive(Debug)]
pub(crate) struct Paired {
    pub(crate) source_columns: Vec<Column>,
    pub(crate) target_columns: Vec<Column>,
    pub(crate) source: sql::Statements,
    pub(crate) target: sql::Statements,
    /// Empty: the table is compared as a multiset.
    pub(crate) key_columns: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Describes a table on both sides and pairs it.
pub(crate) async fn pair(source: &mut Server, target: &mut Server, table: &Table) -> Result<Paired, Error> {
    let engine = source.engine();
    if engine != target.engine() {
        return Err(Error::Table {
            table: table.to_string(),
            reason: "one side is MySQL and the other PostgreSQL: they can't be compared".into(),
        });
    }
    let (of_source, of_target) = (source.dialect(), target.dialect());
    let md5 = of_source.md5 && of_target.md5;
    let (left, right) = futures::future::try_join(describe(source, table), describe(target, table)).await?;
    let mut notes = Vec::new();
    let pairs = pair_columns(&left.columns, &right.columns, &mut notes);
    if pairs.is_empty() {
        return Err(Error::Table {
            table: table.to_string(),
            reason: "no column is the same on both sides".into(),
        });
    }
    let indexes = common_key(&left, &right, &pairs);
    let key_columns = indexes.map(|(unique, _)| unique.columns.clone()).unwrap_or_default();
    if key_columns.is_empty() {
        notes.push("no primary key and no unique index over columns that can't be null: rows are counted, not matched".into());
    }
    let key = key_columns
        .iter()
        .filter_map(|name| pairs.iter().find(|&&(index, _)| left.columns[index].name == *name))
        .map(|&(l, r)| {
            let (l_column, r_column) = (&left.columns[l], &right.columns[r]);
            let native = l_column.native == r_column.native && l_column.collation == r_column.collation;
            (l, r, native)
        })
        .collect::<Vec<_>>();
    let wide = |&(l, r): &(usize, usize)| left.columns[l].wide || right.columns[r].wide;
    let forms = pairs
        .iter()
        .map(|&(l, r)| sql::ColumnForm::of(&left.columns[l], &right.columns[r]))
        .collect::<Vec<_>>();
    // The scan follows an index on either side, so its order has to be the same: columns in one order, and native.
    let scannable = engine == Engine::MySql
        && indexes.is_some_and(|(unique, other)| unique.columns == other.columns)
        && key.iter().all(|&(_, _, native)| native);
    let index = |of: fn((&Unique, &Unique)) -> String| indexes.filter(|_| scannable).map(of);
    let (left_index, right_index) = (index(|(l, _)| l.name.clone()), index(|(_, r)| r.name.clone()));
    let statements =
        |columns: &[Column], compared: Vec<(usize, bool)>, key: Vec<(usize, bool)>, index, dialect| {
            let dialect = Dialect { md5, ..dialect };
            sql::Statements::new((engine, dialect), table, columns, &compared, &key, &forms, index)
        };
    Ok(Paired {
        source: statements(
            &left.columns,
            pairs.iter().map(|pair| (pair.0, wide(pair))).collect(),
            key.iter().map(|&(l, _, native)| (l, native)).collect(),
            left_index,
            of_source,
        ),
        target: statements(
            &right.columns,
            pairs.iter().map(|pair| (pair.1, wide(pair))).collect(),
            key.iter().map(|&(_, r, native)| (r, native)).collect(),
            right_index,
            of_target,
        ),
        source_columns: left.columns,
        target_columns: right.columns,
        key_columns,
        notes,
    })
}

/// The columns that can be compared, as indexes on either side; what can't is noted.
fn pair_columns(left: &[Column], right: &[Column], notes: &mut Vec<String>) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (l, column) in left.iter().enumerate() {
        let Some(r) = right.iter().position(|other| other.name == column.name) else {
            notes.push(format!(
                "column {:?} is on the source only, or may not be read on the target: not compared",
                column.name
            ));
            continue;
        };
        let other = &right[r];
        let same = column.type_text == other.type_text;
        let comparable = column.kind == other.kind
            && match column.kind {
                Kind::Moment | Kind::Other => same,
                Kind::Decimal => scale(&column.type_text) == scale(&other.type_text),
                _ => true,
            };
        if !same {
            let fate = if comparable { "compared all the same" } else { "not compared" };
            notes.push(format!(
                "column {:?} is {} on the source and {} on the target: {fate}",
                column.name, column.type_text, other.type_text
            ));
        }
        if comparable {
            pairs.push((l, r));
        }
    }
    for column in right {
        if !left.iter().any(|other| other.name == column.name) {
            notes.push(format!(
                "column {:?} is on the target only, or may not be read on the source: not compared",
                column.name
            ));
        }
    }
    pairs
}

/// The digits after the decimal point in a type's text.
fn scale(type_text: &str) -> Option<&str> {
    Some(type_text.split_once(',')?.1.split_once(')')?.0.trim())
}

/// The first unique set of columns that both sides have, primary keys first, with the index over it on either side.
fn common_key<'a>(
    left: &'a Described,
    right: &'a Described,
    pairs: &[(usize, usize)],
) -> Option<(&'a Unique, &'a Unique)> {
    let usable = |name: &String| {
        pairs
            .iter()
            .any(|&(l, r)| left.columns[l].name == *name && !left.columns[l].wide && !right.columns[r].wide)
    };
    let set = |columns: &[String]| columns.iter().cloned().collect::<BTreeSet<_>>();
    let mut candidates = left.uniques.iter().collect::<Vec<_>>();
    candidates.sort_by_key(|unique| !unique.primary);
    candidates.into_iter().find_map(|unique| {
        let other = right.uniques.iter().find(|other| set(&other.columns) == set(&unique.columns))?;
        unique.columns.iter().all(usable).then_some((unique, other))
    })
}

async fn describe(server: &mut Server, table: &Table) -> Result<Described, Error> {
    let engine = server.engine();
    let name = literal::text(engine, table.name.as_bytes());
    let schema = literal::text(engine, table.schema.as_deref().unwrap_or("public").as_bytes());
    let (columns, indexes) = match engine {
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
    };
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
    // MariaDB's JSON is a text whose column is checked; asked for only where that may be.
    let text = |column: &Column| column.type_text == "longtext" && column.collation == "utf8mb4_bin";
    if server.dialect().mariadb && columns.iter().any(text) {
        let checks = format!(
            "SELECT CAST(CHECK_CLAUSE AS BINARY) FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = {name} \
             AND CAST(TABLE_NAME AS BINARY) = CAST({name} AS BINARY)"
        );
        let rows = server.all(checks, &format!("describing the checks of table {table}")).await?;
        let clauses = rows.into_iter().map(texts::<1>).map(|[clause]| clause).collect::<BTreeSet<_>>();
        for column in &mut columns {
            let clause = format!("json_valid({})", literal::name(engine, &column.name));
            column.json = text(column) && clauses.contains(&clause);
        }
    }
    Ok(Described { columns, uniques: uniques(indexes) })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(specification: &[(&str, &str, &str)]) -> Vec<Column> {
        specification
            .iter()
            .map(|(name, base, text)| mysql_column((*name).into(), base, (*text).into(), String::new()))
            .collect()
    }

    #[test]
    fn columns_are_paired_by_name_and_what_differs_is_noted() {
        let left = columns(&[
            ("a", "int", "int(11)"),
            ("b", "int", "int(11)"),
            ("c", "date", "date"),
            ("d", "decimal", "decimal(10,2)"),
        ]);
        let right = columns(&[
            ("c", "datetime", "datetime"),
            ("b", "bigint", "bigint(20)"),
            ("d", "decimal", "decimal(12,2)"),
            ("e", "int", "int(11)"),
        ]);
        let mut notes = Vec::new();
        assert_eq!(pair_columns(&left, &right, &mut notes), [(1, 1), (3, 2)]);
        assert_eq!(
            notes,
            [
                "column \"a\" is on the source only, or may not be read on the target: not compared",
                "column \"b\" is int(11) on the source and bigint(20) on the target: compared all the same",
                "column \"c\" is date on the source and datetime on the target: not compared",
                "column \"d\" is decimal(10,2) on the source and decimal(12,2) on the target: compared all the same",
                "column \"e\" is on the target only, or may not be read on the source: not compared",
            ]
        );
    }

    #[test]
    fn a_key_is_one_that_both_sides_have() {
        let unique = |primary, names: &[&str]| Unique {
            name: String::new(),
            primary,
            columns: names.iter().map(|&n| n.into()).collect(),
        };
        let table = |uniques| Described {
            columns: columns(&[("a", "int", "int"), ("b", "int", "int"), ("t", "text", "text")]),
            uniques,
        };
        let pairs = [(0, 0), (1, 1), (2, 2)];
        let cases = [
            (vec![unique(false, &["b"]), unique(true, &["a"])], vec![unique(true, &["a"])], vec!["a"]),
            (vec![unique(true, &["a", "b"])], vec![unique(false, &["b", "a"])], vec!["a", "b"]),
            (vec![unique(true, &["a"]), unique(false, &["b"])], vec![unique(false, &["b"])], vec!["b"]),
            (vec![unique(true, &["a"])], vec![], vec![]),
            (vec![unique(true, &["t"])], vec![unique(true, &["t"])], vec![]),
        ];
        for (left, right, expected) in cases {
            let (left, right) = (table(left), table(right));
            let found = common_key(&left, &right, &pairs).map(|(unique, _)| unique.columns.clone());
            assert_eq!(found.unwrap_or_default(), expected);
        }
    }
}

//! Which tables there are, what a user may do with them, and how large they may be.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cells::lossy;
use crate::engine::Engine;
use crate::error::Error;
use crate::server::Server;
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

/// The name listed in place of the tables that a user can't see, see [`Presence::Hidden`].
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
    let folds = source.dialect().folds_tables || target.dialect().folds_tables;
    let same = |table: &Table, name: &str| {
        let table = table.to_string();
        table == name || (folds && table.to_lowercase() == name.to_lowercase())
    };
    let mut listed = presences(&in_source, &in_target, folds);
    listed.retain(|listed| {
        (include.is_empty() || include.iter().any(|name| same(&listed.table, name)))
            && !exclude.iter().any(|name| same(&listed.table, name))
    });
    for name in include.iter().collect::<BTreeSet<_>>() {
        if !exclude.contains(name) && !listed.iter().any(|known| same(&known.table, name)) {
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

/// The tables of both sides. Where a server takes `A` and `a` for one table (`folds`), the other side's may be written
/// otherwise; it has the name of the side that tells them apart.
fn presences(in_source: &BTreeSet<Table>, in_target: &BTreeSet<Table>, folds: bool) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut of_target = in_target.clone();
    let mut rest = Vec::new();
    for table in in_source {
        match of_target.take(table) {
            Some(table) => listed.push(Listed { table, presence: Presence::Both }),
            None => rest.push(table),
        }
    }
    for table in rest {
        let folded = table.name.to_lowercase();
        let other = of_target.iter().find(|other| folds && other.name.to_lowercase() == folded).cloned();
        let (table, presence) = match other {
            Some(other) => {
                of_target.remove(&other);
                // Names in lower case may be those of a server that keeps no others.
                let named = if table.name == folded { other } else { table.clone() };
                (named, Presence::Both)
            }
            None => (table.clone(), Presence::SourceOnly),
        };
        listed.push(Listed { table, presence });
    }
    listed.extend(of_target.into_iter().map(|table| Listed { table, presence: Presence::TargetOnly }));
    listed.sort_by(|a, b| a.table.cmp(&b.table));
    listed
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
        // As many to a page as when it was analysed; never yet, rows of 128 bytes. A partitioned table has its own sum since
        // PostgreSQL 14, once it was analysed.
        Engine::Postgres => {
            "SELECT n.nspname::text, c.relname::text, (CASE WHEN c.relkind = 'p' THEN c.reltuples::numeric \
             WHEN c.relpages > 0 THEN c.reltuples::numeric / c.relpages * pg_relation_size(c.oid) \
             / current_setting('block_size')::numeric ELSE pg_relation_size(c.oid) / 128 END)::bigint::text \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' OR c.relkind = 'p' AND c.reltuples >= 0"
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

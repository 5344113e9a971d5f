//! Reads a [`Catalogue`] from a server: a handful of statements for the whole database, however many tables it has.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, ColumnShape, ForeignKey, TableShape, ValueKind};
use crate::cells::{Cells, texts};
use crate::engine::Engine;
use crate::error::Error;
use crate::server::Server;
use crate::table::Table;

/// What the server says of its base tables.
///
/// Left out are tables whose displayed name may also be that of a table of another schema (a dot in a name, on
/// PostgreSQL), and foreign keys to what is left out or is in another database.
///
/// # Errors
/// When the server can't be asked.
pub async fn read_catalogue(server: &mut Server) -> Result<Catalogue, Error> {
    let engine = server.engine();
    let statements = match engine {
        Engine::MySql => MYSQL,
        Engine::Postgres => POSTGRES,
    };
    let columns = server.all(statements.columns.into(), "reading the columns of all tables").await?;
    let uniques = server.all(statements.uniques.into(), "reading the indexes of all tables").await?;
    let keys = server.all(statements.foreign_keys.into(), "reading the foreign keys of all tables").await?;
    let json = if engine == Engine::MySql && server.dialect().mariadb {
        server.all(JSON_CHECKS.into(), "reading the checks of all tables").await?
    } else {
        Vec::new()
    };
    Ok(assemble(engine, columns, uniques, keys, json))
}

struct Statements {
    /// Schema, table, column, base type, type, nullable, generated, numbered; in the order of the columns.
    columns: &'static str,
    /// Schema, table, index, primary, column, usable; in the order of the index.
    uniques: &'static str,
    /// Schema, table, name, column, the parent's schema, table, column; in the order of the key.
    foreign_keys: &'static str,
}

// Names as bytes: information_schema compares without regard to case, and sorts so.
const MYSQL: Statements = Statements {
    columns: "SELECT '', CAST(c.TABLE_NAME AS BINARY), CAST(c.COLUMN_NAME AS BINARY), LOWER(c.DATA_TYPE), \
         CAST(c.COLUMN_TYPE AS BINARY), c.IS_NULLABLE = 'YES', \
         c.EXTRA LIKE '%VIRTUAL GENERATED%' OR c.EXTRA LIKE '%STORED GENERATED%', c.EXTRA LIKE '%auto_increment%' \
         FROM information_schema.COLUMNS c JOIN information_schema.TABLES t \
         ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME \
         AND CAST(t.TABLE_NAME AS BINARY) = CAST(c.TABLE_NAME AS BINARY) \
         WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') \
         ORDER BY c.ORDINAL_POSITION",
    uniques: "SELECT '', CAST(TABLE_NAME AS BINARY), CAST(INDEX_NAME AS BINARY), INDEX_NAME = 'PRIMARY', \
         CAST(COLUMN_NAME AS BINARY), SUB_PART IS NULL AND COLUMN_NAME IS NOT NULL \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 \
         ORDER BY SEQ_IN_INDEX",
    foreign_keys: "SELECT '', CAST(TABLE_NAME AS BINARY), CAST(CONSTRAINT_NAME AS BINARY), \
         CAST(COLUMN_NAME AS BINARY), IF(REFERENCED_TABLE_SCHEMA = DATABASE(), '', REFERENCED_TABLE_SCHEMA), \
         CAST(REFERENCED_TABLE_NAME AS BINARY), CAST(REFERENCED_COLUMN_NAME AS BINARY) \
         FROM information_schema.KEY_COLUMN_USAGE \
         WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY ORDINAL_POSITION",
};

/// Table, column and check, on MariaDB: its JSON is text with a check of its own name.
const JSON_CHECKS: &str = "SELECT CAST(TABLE_NAME AS BINARY), CAST(CONSTRAINT_NAME AS BINARY) \
     FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() \
     AND CHECK_CLAUSE = CONCAT('json_valid(`', REPLACE(CONSTRAINT_NAME, '`', '``'), '`)')";

const POSTGRES: Statements = Statements {
    columns: "SELECT n.nspname::text, c.relname::text, a.attname::text, COALESCE(b.typname, t.typname)::text, \
         format_type(a.atttypid, a.atttypmod), (NOT a.attnotnull)::int::text, (a.attgenerated <> '')::int::text, \
         (a.attidentity <> '' OR COALESCE(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%')::int::text \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attnum",
    uniques: "SELECT n.nspname::text, c.relname::text, i.indexrelid::text, i.indisprimary::int::text, \
         COALESCE(a.attname::text, ''), (k.attnum <> 0)::int::text \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum \
         WHERE c.relkind IN ('r', 'p') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL \
         AND i.indexprs IS NULL AND k.place <= i.indnkeyatts \
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY k.place",
    foreign_keys: "SELECT n.nspname::text, c.relname::text, f.conname::text, a.attname::text, pn.nspname::text, \
         p.relname::text, pa.attname::text \
         FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(own, parent, place) \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.own \
         JOIN pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = k.parent \
         WHERE f.contype = 'f' AND f.conparentid = 0 ORDER BY k.place",
};

fn assemble(
    engine: Engine,
    columns: Vec<Cells>,
    uniques: Vec<Cells>,
    keys: Vec<Cells>,
    json: Vec<Cells>,
) -> Catalogue {
    let json = json.into_iter().map(|row| {
        let [table, column] = texts(row);
        (table, column)
    });
    let mut read = Read { engine, tables: BTreeMap::new() };
    read.columns(columns, &json.collect());
    read.uniques(uniques);
    read.foreign_keys(keys);
    Catalogue { tables: read.tables }
}

/// The tables that were read so far, by their displayed name.
struct Read {
    engine: Engine,
    tables: BTreeMap<String, TableShape>,
}

impl Read {
    fn table(&self, schema: String, name: String) -> Table {
        match self.engine {
            Engine::MySql => Table { schema: None, name },
            Engine::Postgres => Table { schema: Some(schema), name },
        }
    }

    /// Whether a dot in the displayed name may be another one than that behind the schema.
    fn is_dotted(&self, table: &Table) -> bool {
        let schema = table.schema.as_deref().unwrap_or_default();
        self.engine == Engine::Postgres && (table.name.contains('.') || schema.contains('.'))
    }

    /// `json` has the columns, by table, that hold JSON without saying so.
    fn columns(&mut self, rows: Vec<Cells>, json: &BTreeSet<(String, String)>) {
        for row in rows {
            let [schema, name, column, base, type_text, nullable, generated, numbered] = texts(row);
            let table = self.table(schema, name);
            if self.is_dotted(&table) {
                continue;
            }
            let kind = match value_kind(self.engine, &base) {
                ValueKind::Text if json.contains(&(table.name.clone(), column.clone())) => ValueKind::Json,
                kind => kind,
            };
            self.tables.entry(table.to_string()).or_default().columns.push(ColumnShape {
                name: column,
                type_text,
                kind,
                nullable: nullable == "1",
                generated: generated == "1",
                auto_increment: numbered == "1",
            });
        }
    }

    fn uniques(&mut self, rows: Vec<Cells>) {
        // Columns by table and index, and whether all of them are whole columns.
        let mut indexes: BTreeMap<(String, String), (bool, bool, Vec<String>)> = BTreeMap::new();
        for row in rows {
            let [schema, name, index, primary, column, usable] = texts(row);
            let table = self.table(schema, name);
            let entry =
                indexes.entry((table.to_string(), index)).or_insert((primary == "1", true, Vec::new()));
            entry.1 &= usable == "1" && !self.is_dotted(&table);
            entry.2.push(column);
        }
        for ((table, _), (primary, usable, columns)) in indexes {
            let Some(shape) = self.tables.get_mut(&table).filter(|_| usable) else { continue };
            if primary {
                shape.primary_key = columns;
            } else {
                shape.uniques.push(columns);
            }
        }
    }

    fn foreign_keys(&mut self, rows: Vec<Cells>) {
        let mut found: BTreeMap<(String, String), ForeignKey> = BTreeMap::new();
        for row in rows {
            let [schema, name, key, column, parent_schema, parent, parent_column] = texts(row);
            let elsewhere = self.engine == Engine::MySql && !parent_schema.is_empty();
            let (table, parent) = (self.table(schema, name), self.table(parent_schema, parent));
            let is_dotted = self.is_dotted(&table) || self.is_dotted(&parent);
            if elsewhere || is_dotted || !self.tables.contains_key(&parent.to_string()) {
                continue;
            }
            let entry = found.entry((table.to_string(), key.clone())).or_insert_with(|| ForeignKey {
                name: key,
                columns: Vec::new(),
                parent: parent.to_string(),
                parent_columns: Vec::new(),
            });
            entry.columns.push(column);
            entry.parent_columns.push(parent_column);
        }
        for ((table, _), key) in found {
            if let Some(shape) = self.tables.get_mut(&table) {
                shape.foreign_keys.push(key);
            }
        }
    }
}

/// What the values of a type are; `base` is the type without its length, a domain's that of what it is over.
fn value_kind(engine: Engine, base: &str) -> ValueKind {
    match (engine, base) {
        (Engine::MySql, "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "bit" | "year")
        | (Engine::Postgres, "int2" | "int4" | "int8") => ValueKind::Integer,
        (Engine::MySql, "decimal") | (Engine::Postgres, "numeric") => ValueKind::Decimal,
        (Engine::MySql, "float" | "double") | (Engine::Postgres, "float4" | "float8") => ValueKind::Float,
        (Engine::Postgres, "bool") => ValueKind::Boolean,
        (Engine::MySql, "date" | "time" | "datetime" | "timestamp")
        | (Engine::Postgres, "date" | "time" | "timetz" | "timestamp" | "timestamptz") => ValueKind::Moment,
        (
            Engine::MySql,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set",
        )
        | (Engine::Postgres, "text" | "varchar" | "bpchar" | "name" | "xml") => ValueKind::Text,
        (Engine::MySql, "json") | (Engine::Postgres, "json" | "jsonb") => ValueKind::Json,
        (
            Engine::MySql,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector",
        )
        | (Engine::Postgres, "bytea") => ValueKind::Bytes,
        (
            Engine::MySql,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection",
        ) => ValueKind::Spatial,
        _ => ValueKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_another_tables_is_left_out() {
        let rows = |rows: &[&str]| -> Vec<Cells> {
            rows.iter()
                .map(|row| row.split(' ').map(|cell| Some(cell.as_bytes().to_vec())).collect())
                .collect()
        };
        let columns = [
            "public a.b id int4 integer 0 0 1",
            "a b id int4 integer 0 0 1",
            "public c id int8 bigint 1 0 0",
        ];
        let uniques = ["public a.b 1 1 id 1", "a b 2 1 id 1", "public c 3 0 id 1"];
        let keys = ["public c to_dotted id public a.b id", "public c to_b id a b id"];
        let read = |engine| assemble(engine, rows(&columns), rows(&uniques), rows(&keys), Vec::new());
        let catalogue = read(Engine::Postgres);
        assert_eq!(catalogue.tables.keys().collect::<Vec<_>>(), ["a.b", "c"]);
        assert_eq!(catalogue.tables["a.b"].primary_key, ["id"]);
        let c = &catalogue.tables["c"];
        assert_eq!((c.primary_key.len(), c.uniques.len(), c.foreign_keys.len()), (0, 1, 1));
        assert_eq!((c.foreign_keys[0].parent.as_str(), c.columns[0].kind), ("a.b", ValueKind::Integer));
        assert!(c.columns[0].nullable && !c.columns[0].auto_increment);
        // On MySQL a dot is a letter like another.
        assert!(read(Engine::MySql).tables.contains_key("a.b"));
    }
}

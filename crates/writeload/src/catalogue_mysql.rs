//! The catalogue of MySQL and MariaDB.

use std::collections::BTreeMap;

use table_diff::Table;

use crate::condition::Condition;
use crate::rows::{grouped, next, texts};
use crate::schema::{Check, Column, ForeignKey, TableSchema, ValueType};
use crate::session::Cells;

/// What is asked, in the order in which [`assemble`] takes the answers.
pub(crate) fn questions(mariadb: bool) -> [(&'static str, &'static str); 7] {
    let system = if mariadb { COLUMNS_MARIADB } else { COLUMNS_MYSQL };
    [
        (
            "names",
            "SELECT TABLE_NAME, ENGINE, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME",
        ),
        ("columns", system),
        (
            "indexes",
            "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART IS NULL AND COLUMN_NAME IS NOT NULL AND NULLABLE = '' \
             AND INDEX_TYPE = 'BTREE' FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 \
             ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
        ),
        (
            "foreign keys",
            "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, \
             IF(REFERENCED_TABLE_SCHEMA = DATABASE(), '', REFERENCED_TABLE_SCHEMA) \
             FROM information_schema.KEY_COLUMN_USAGE \
             WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL \
             ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
        ),
        ("checks", if mariadb { CHECKS_MARIADB } else { CHECKS_MYSQL }),
        (
            "triggers",
            "SELECT DISTINCT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        ),
        (
            "partitions",
            "SELECT TABLE_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS \
             WHERE TABLE_SCHEMA = DATABASE() AND PARTITION_NAME IS NOT NULL ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION",
        ),
    ]
}

const COLUMNS_MARIADB: &str = "SELECT TABLE_NAME, COLUMN_NAME, LOWER(DATA_TYPE), COLUMN_TYPE, IS_NULLABLE, \
     COLUMN_DEFAULT IS NOT NULL AND COLUMN_DEFAULT <> 'NULL', EXTRA, CHARACTER_SET_NAME, CHARACTER_MAXIMUM_LENGTH, NULL, \
     IS_GENERATED <> 'NEVER' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION";
const COLUMNS_MYSQL: &str = "SELECT TABLE_NAME, COLUMN_NAME, LOWER(DATA_TYPE), COLUMN_TYPE, IS_NULLABLE, \
     COLUMN_DEFAULT IS NOT NULL OR EXTRA LIKE '%DEFAULT_GENERATED%', EXTRA, CHARACTER_SET_NAME, CHARACTER_MAXIMUM_LENGTH, \
     SRS_ID, GENERATION_EXPRESSION <> '' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
     ORDER BY TABLE_NAME, ORDINAL_POSITION";
const CHECKS_MARIADB: &str = "SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
     WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY TABLE_NAME, CONSTRAINT_NAME";
const CHECKS_MYSQL: &str = "SELECT t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS c \
     JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA \
     AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND t.CONSTRAINT_TYPE = 'CHECK' \
     WHERE c.CONSTRAINT_SCHEMA = DATABASE() AND t.ENFORCED = 'YES' ORDER BY t.TABLE_NAME, c.CONSTRAINT_NAME";

/// The tables, from the answers.
pub(crate) fn assemble(answers: Vec<Vec<Cells>>, mariadb: bool) -> BTreeMap<String, TableSchema> {
    let mut answers = answers.into_iter();
    let mut tables = BTreeMap::new();
    for row in next(&mut answers) {
        let [name, storage, _] = texts(row);
        let unwritable = (!storage.eq_ignore_ascii_case("InnoDB"))
            .then(|| format!("its storage engine {storage} has no transactions"));
        let table = TableSchema {
            table: Table { schema: None, name: name.clone() },
            columns: Vec::new(),
            key: None,
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            has_triggers: false,
            only: false,
            unwritable,
        };
        tables.insert(name, table);
    }
    for row in next(&mut answers) {
        let [table, name, base, type_text, nullable, has_default, extra, set, length, system, generated] =
            texts(row);
        let Some(table) = tables.get_mut(&table) else { continue };
        let numbered = extra.contains("auto_increment");
        let nullable = nullable == "YES";
        table.columns.push(Column {
            kind: value_type(&base, &type_text, &set, &length, &system, mariadb),
            has_default: has_default == "1" || nullable || numbered,
            always_numbered: false,
            generated: generated == "1"
                || extra.contains("GENERATED") && !extra.contains("DEFAULT_GENERATED"),
            name,
            type_text,
            nullable,
            numbered,
        });
    }
    for ([table, _], columns) in grouped(next(&mut answers)) {
        let Some(table) = tables.get_mut(&table) else { continue };
        take_key(table, columns);
    }
    for ([table, name], columns) in grouped(next(&mut answers)) {
        let Some(table) = tables.get_mut(&table) else { continue };
        let mut key = ForeignKey {
            name,
            columns: Vec::new(),
            parent: String::new(),
            parent_columns: Vec::new(),
            deferrable: false,
            full: false,
        };
        for column in columns {
            let [own, parent, parent_column, database] = texts(column);
            key.columns.push(own);
            key.parent_columns.push(parent_column);
            key.parent = if database.is_empty() { parent } else { format!("{database}.{parent}") };
        }
        table.foreign_keys.push(key);
    }
    for row in next(&mut answers) {
        let [table, name, clause] = texts(row);
        let Some(table) = tables.get_mut(&table) else { continue };
        table.checks.push(Check { condition: Condition::parse(&clause, None), name });
    }
    for row in next(&mut answers) {
        let [table] = texts(row);
        if let Some(table) = tables.get_mut(&table) {
            table.has_triggers = true;
        }
    }
    for ([table, method, expression], partitions) in grouped(next(&mut answers)) {
        let Some(table) = tables.get_mut(&table) else { continue };
        let descriptions = partitions.into_iter().map(|row| texts::<1>(row)[0].clone());
        table.checks.extend(partitioned(&method, &expression, &descriptions.collect::<Vec<_>>()));
    }
    tables
}

/// Takes an index as the table's key, where it is the first that can be: its columns come with whether they are whole and not
/// null.
fn take_key(table: &mut TableSchema, columns: Vec<Cells>) {
    let columns: Vec<[String; 2]> = columns.into_iter().map(texts).collect();
    let fits = |[name, usable]: &[String; 2]| {
        usable == "1" && table.column(name).is_some_and(|column| column.is_comparable() && !column.generated)
    };
    if table.key.is_none() && columns.iter().all(fits) {
        table.key = Some(columns.into_iter().map(|[name, _]| name).collect());
    }
}

/// What partitions ask of a column, where they are by a column itself.
fn partitioned(method: &str, expression: &str, descriptions: &[String]) -> Option<Check> {
    let column = expression.trim_matches('`');
    if column.contains(['(', ',', ' ']) {
        return None;
    }
    let clause = match method {
        "RANGE" | "RANGE COLUMNS" => {
            let last = descriptions.last()?;
            if last.contains("MAXVALUE") {
                return None;
            }
            format!("`{column}` < {last}")
        }
        "LIST" | "LIST COLUMNS" => format!("`{column}` in ({})", descriptions.join(",")),
        _ => return None,
    };
    Some(Check { name: "its partitions".into(), condition: Condition::parse(&clause, None) })
}

fn value_type(
    base: &str,
    type_text: &str,
    set: &str,
    length: &str,
    system: &str,
    mariadb: bool,
) -> ValueType {
    let unsigned = type_text.contains("unsigned");
    let numbers = arguments(type_text);
    let number = |at: usize| numbers.get(at).and_then(|number| number.parse::<u32>().ok());
    let integer = |bits: u32| {
        if unsigned {
            ValueType::Integer { min: 0, max: (1_i128 << bits) - 1 }
        } else {
            ValueType::Integer { min: -(1_i128 << (bits - 1)), max: (1_i128 << (bits - 1)) - 1 }
        }
    };
    let limit = length.parse::<u32>().ok();
    match base {
        "tinyint" if type_text.starts_with("tinyint(1)") => ValueType::Integer { min: 0, max: 1 },
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" => integer(32),
        "bigint" => integer(64),
        "decimal" => {
            ValueType::Decimal { digits: number(0).unwrap_or(10), scale: number(1).unwrap_or(0), unsigned }
        }
        "float" | "double" => ValueType::Float { unsigned },
        "bit" => ValueType::Bits { length: number(0).unwrap_or(1) },
        "year" => ValueType::Year,
        "date" => ValueType::Date,
        "time" => ValueType::Time { zone: false },
        "datetime" | "timestamp" => ValueType::Timestamp,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => {
            ValueType::Text { length: limit, ascii: !set.starts_with("utf8mb4") }
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            ValueType::Bytes { length: limit, fixed: base == "binary" }
        }
        "enum" => ValueType::Enum(numbers),
        "set" => ValueType::Set(numbers),
        "json" => ValueType::Json,
        "uuid" if mariadb => ValueType::Uuid,
        "inet4" => ValueType::Fixed(&["'10.0.0.{n}'"]),
        "inet6" => ValueType::Fixed(&["'2001:db8::{n}'"]),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => {
            ValueType::Shape(base.to_owned(), system.parse().ok())
        }
        _ => ValueType::Unknown,
    }
}

/// What is in the parentheses of a type: numbers, or the labels of an ENUM or SET.
fn arguments(type_text: &str) -> Vec<String> {
    let Some((_, inside)) = type_text.split_once('(') else { return Vec::new() };
    let Some((inside, _)) = inside.rsplit_once(')') else { return Vec::new() };
    let mut found = vec![String::new()];
    let (mut quoted, mut characters) = (false, inside.chars().peekable());
    while let Some(next) = characters.next() {
        match next {
            '\'' if quoted && characters.peek() == Some(&'\'') => {
                characters.next();
                if let Some(last) = found.last_mut() {
                    last.push('\'');
                }
            }
            '\'' => quoted = !quoted,
            ',' if !quoted => found.push(String::new()),
            other => {
                if let Some(last) = found.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_with_what_is_in_their_parentheses() {
        let read = |type_text: &str| {
            let base = type_text.split(['(', ' ']).next().unwrap();
            value_type(base, type_text, "", "", "", false)
        };
        assert_eq!(read("bigint(20) unsigned"), ValueType::Integer { min: 0, max: i128::from(u64::MAX) });
        assert_eq!(read("tinyint"), ValueType::Integer { min: -128, max: 127 });
        assert_eq!(read("decimal(10,2)"), ValueType::Decimal { digits: 10, scale: 2, unsigned: false });
        let labels = ["a,b", "it's", ""].map(str::to_owned).to_vec();
        assert_eq!(read("enum('a,b','it''s','')"), ValueType::Enum(labels));
    }
}

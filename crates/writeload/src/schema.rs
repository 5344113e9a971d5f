//! A database's tables as a writer needs to know them: what a row has to be like to be taken. Data only; [`crate::read_schema`]
//! fills it from the server's catalogue.

use std::collections::BTreeMap;

use table_diff::{Engine, Table, literal};

use crate::condition::Condition;

/// The base tables of a database. Views are left alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What the server speaks.
    pub engine: Engine,
    /// MariaDB, not MySQL.
    pub mariadb: bool,
    /// By the name that [`Table`] displays.
    pub tables: BTreeMap<String, TableSchema>,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSchema {
    /// Its name.
    pub table: Table,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns of the primary key, else of a unique index over whole columns that can't be null; `None` without one.
    pub key: Option<Vec<String>>,
    /// What its rows refer to.
    pub foreign_keys: Vec<ForeignKey>,
    /// What its rows have to satisfy.
    pub checks: Vec<Check>,
    /// Whether triggers run when its rows change: they may change other rows, too.
    pub has_triggers: bool,
    /// PostgreSQL: a table of its own, whose heirs' rows are not its.
    pub only: bool,
    /// Why nothing can be written to it, where that is known from the catalogue.
    pub unwritable: Option<String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in the server's words.
    pub type_text: String,
    /// What values it takes.
    pub kind: ValueType,
    /// Whether NULL is possible.
    pub nullable: bool,
    /// Whether a row that does not name it gets a value.
    pub has_default: bool,
    /// Whether the server numbers it by itself.
    pub numbered: bool,
    /// Whether the server numbers it by itself, and refuses other numbers unless it is told (`GENERATED ALWAYS AS IDENTITY`).
    pub always_numbered: bool,
    /// Whether the server computes it: it can't be written.
    pub generated: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table they refer to, by the name that [`Table`] displays; it may not be among those of the schema.
    pub parent: String,
    /// That table's columns, in the same order.
    pub parent_columns: Vec<String>,
    /// Whether it may be checked at COMMIT.
    pub deferrable: bool,
    /// Whether all of its columns are null, or none (`MATCH FULL`).
    pub full: bool,
}

/// A condition that rows have to satisfy.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name, or what it comes from.
    pub name: String,
    /// As far as it is understood.
    pub condition: Condition,
}

/// What values a column takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueType {
    /// Whole numbers between these, inclusive.
    Integer {
        /// The least.
        min: i128,
        /// The greatest.
        max: i128,
    },
    /// Exact numbers of so many digits, of which so many are behind the point.
    Decimal {
        /// All digits.
        digits: u32,
        /// Those behind the point.
        scale: u32,
        /// No negative ones.
        unsigned: bool,
    },
    /// Binary floating-point numbers.
    Float {
        /// No negative ones.
        unsigned: bool,
    },
    /// PostgreSQL's `boolean`.
    Boolean,
    /// So many bits.
    Bits {
        /// How many.
        length: u32,
    },
    /// Text.
    Text {
        /// Characters at most; `None` without a limit.
        length: Option<u32>,
        /// Whether only ASCII is sure to have a place in its character set.
        ascii: bool,
    },
    /// Bytes.
    Bytes {
        /// At most; `None` without a limit.
        length: Option<u32>,
        /// Exactly so many: what is shorter is filled up.
        fixed: bool,
    },
    /// A date.
    Date,
    /// A time of day.
    Time {
        /// With an offset from UTC.
        zone: bool,
    },
    /// Date and time.
    Timestamp,
    /// MySQL's `YEAR`.
    Year,
    /// JSON.
    Json,
    /// A UUID.
    Uuid,
    /// One of these.
    Enum(Vec<String>),
    /// Some of these: MySQL's `SET`.
    Set(Vec<String>),
    /// PostgreSQL's array of such values.
    Array(Box<ValueType>),
    /// A shape of MySQL's family: its type, and the reference system it has to be in.
    Shape(String, Option<u32>),
    /// One of a few literals or expressions of SQL, with `{n}` for a number.
    Fixed(&'static [&'static str]),
    /// Not known here.
    Unknown,
}

impl TableSchema {
    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Its name in a statement that writes.
    pub(crate) fn quoted(&self, engine: Engine) -> String {
        let table = literal::name(engine, &self.table.name);
        match &self.table.schema {
            Some(schema) => format!("{}.{table}", literal::name(engine, schema)),
            None => table,
        }
    }

    /// Its name in a statement that reads it, or changes rows that are there.
    pub(crate) fn quoted_only(&self, engine: Engine) -> String {
        let only = if self.only { "ONLY " } else { "" };
        format!("{only}{}", self.quoted(engine))
    }

    /// Whether a foreign key can be left null: then it refers to nothing.
    pub(crate) fn can_be_null(&self, key: &ForeignKey) -> bool {
        let mut nullable =
            key.columns.iter().map(|name| self.column(name).is_some_and(|column| column.nullable));
        if key.full { nullable.all(|one| one) } else { nullable.any(|one| one) }
    }
}

/// What an application keeps a time of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// When the row was created.
    Creation,
    /// When it was written last.
    LastWrite,
}

impl Column {
    /// What it keeps a time of, where its name says so: it has the time of the write then, as an application's has.
    pub(crate) fn tells_time(&self) -> Option<Told> {
        let name = self.name.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        match self.kind {
            ValueType::Timestamp if has(&["created", "inserted"]) => Some(Told::Creation),
            ValueType::Timestamp if has(&["updated", "modified", "changed", "last_write"]) => {
                Some(Told::LastWrite)
            }
            _ => None,
        }
    }

    /// Whether a value of it has one text that the server finds it by again: no float, which is rounded, no JSON, which is
    /// written in another way, no shape.
    pub(crate) fn is_comparable(&self) -> bool {
        !matches!(
            self.kind,
            ValueType::Float { .. }
                | ValueType::Json
                | ValueType::Shape(..)
                | ValueType::Fixed(_)
                | ValueType::Unknown
        )
    }

    /// The expression that reads it, as text.
    pub(crate) fn reading(&self, engine: Engine) -> String {
        let name = literal::name(engine, &self.name);
        match (engine, &self.kind) {
            (Engine::Postgres, _) => format!("({name})::text"),
            (Engine::MySql, ValueType::Bits { .. }) => format!("CAST({name} + 0 AS CHAR)"),
            (Engine::MySql, ValueType::Bytes { .. } | ValueType::Shape(..)) => format!("HEX({name})"),
            (Engine::MySql, ValueType::Unknown | ValueType::Fixed(_)) => format!("HEX({name})"),
            (Engine::MySql, _) => format!("CAST({name} AS CHAR)"),
        }
    }

    /// A value that was read, as a literal that it can be compared with and written by.
    pub(crate) fn literal(&self, engine: Engine, text: &str) -> String {
        match (engine, &self.kind) {
            (
                Engine::MySql,
                ValueType::Bytes { .. } | ValueType::Shape(..) | ValueType::Unknown | ValueType::Fixed(_),
            ) => {
                // Digits of `HEX()`.
                format!("x'{text}'")
            }
            (
                Engine::MySql,
                ValueType::Integer { .. }
                | ValueType::Decimal { .. }
                | ValueType::Float { .. }
                | ValueType::Bits { .. }
                | ValueType::Year,
            ) if text.parse::<f64>().is_ok() => text.to_owned(),
            (Engine::MySql, _) => mysql_text(text),
            (Engine::Postgres, _) => literal::text(engine, text.as_bytes()),
        }
    }
}

/// A text literal of MySQL's family. In the connection's own character set, so that it is compared by the column's collation;
/// hexadecimal where a setting of the server could change how it is read.
pub(crate) fn mysql_text(text: &str) -> String {
    if text.chars().all(|one| one != '\\' && one != '\'' && !one.is_control()) {
        format!("'{text}'")
    } else {
        literal::text(Engine::MySql, text.as_bytes())
    }
}

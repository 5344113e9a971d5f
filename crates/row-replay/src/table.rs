//! The SQL statements about a missing row of one table.

use serde_json::{Map, Value};
use table_diff::literal::name;
use table_diff::{Catalogue, ColumnShape, Difference, Engine, ForeignKey, RowReader, TableShape};

use crate::literal::{is_exactly, literal, table_name};
use crate::order::reference;

/// A table that rows are put back into.
pub(crate) struct Table<'a> {
    pub(crate) engine: Engine,
    /// As it is displayed.
    pub(crate) name: &'a str,
    pub(crate) shape: &'a TableShape,
    pub(crate) quoted: String,
    /// On PostgreSQL, for columns that are numbered `ALWAYS`; without meaning for others.
    overriding: &'static str,
    reader: RowReader,
}

/// A unique index, other than the key, that a row has a value in.
pub(crate) struct Unique<'a> {
    pub(crate) columns: &'a [String],
    /// That `t` has the same value.
    pub(crate) taken: String,
}

/// A parent of a row.
pub(crate) struct Parent<'a> {
    pub(crate) key: &'a ForeignKey,
    /// The values of the parent's columns.
    pub(crate) values: Map<String, Value>,
    /// The query that finds the parent.
    pub(crate) query: String,
    /// The parent's reference, see [`reference`].
    pub(crate) reference: Option<u64>,
}

impl<'a> Table<'a> {
    /// `None` when the catalogue does not have it.
    pub(crate) fn new(engine: Engine, catalogue: &'a Catalogue, displayed: &'a str) -> Option<Self> {
        let shape = catalogue.tables.get(displayed)?;
        let numbered = engine == Engine::Postgres && shape.columns.iter().any(|column| column.auto_increment);
        Some(Self {
            engine,
            name: displayed,
            shape,
            quoted: table_name(engine, displayed),
            overriding: if numbered { " OVERRIDING SYSTEM VALUE" } else { "" },
            reader: RowReader::new(engine, shape, |_| true),
        })
    }

    fn column(&self, name: &str) -> Option<&'a ColumnShape> {
        self.shape.columns.iter().find(|column| column.name == name)
    }

    /// The columns of a row that are written, with their values. Those that the table does not have are not.
    pub(crate) fn written<'v>(
        &self,
        values: &'v Map<String, Value>,
    ) -> impl Iterator<Item = (&'a ColumnShape, &'v Value)> {
        let columns = self.shape.columns.iter().filter(|column| !column.generated);
        columns.filter_map(|column| Some((column, values.get(&column.name)?)))
    }

    /// The row's columns that the table does not have.
    pub(crate) fn unknown<'v>(&self, values: &'v Map<String, Value>) -> Vec<&'v str> {
        values.keys().map(String::as_str).filter(|name| self.column(name).is_none()).collect()
    }

    /// That these columns of `t` have these values, by the columns' own equality. `None` when one is NULL or unknown.
    fn equal(&self, columns: &[String], values: &Map<String, Value>) -> Option<String> {
        let mut conditions = Vec::new();
        for column in columns {
            let value = values.get(column).filter(|value| !value.is_null())?;
            let value = literal(self.engine, self.column(column)?.kind, value);
            conditions.push(format!("t.{} = {value}", name(self.engine, column)));
        }
        (!conditions.is_empty()).then(|| conditions.join(" AND "))
    }

    /// That `t` has the row's key. `None` when it has no key, or one that the table does not know.
    pub(crate) fn key(&self, difference: &Difference) -> Option<String> {
        let columns = difference.key.keys().cloned().collect::<Vec<_>>();
        self.equal(&columns, &difference.key)
    }

    /// The other unique indexes, the primary key first if rows are not matched by it.
    pub(crate) fn uniques(&self, difference: &Difference) -> Vec<Unique<'a>> {
        let is_key = |columns: &[String]| {
            columns.len() == difference.key.len()
                && columns.iter().all(|column| difference.key.contains_key(column))
        };
        let values = difference.source.as_ref();
        let all = std::iter::once(&self.shape.primary_key).chain(&self.shape.uniques);
        all.filter(|columns| !is_key(columns))
            .filter_map(|columns| Some(Unique { columns, taken: self.equal(columns, values?)? }))
            .collect()
    }

    /// The row's parents, without the row itself.
    pub(crate) fn parents(&self, values: &Map<String, Value>) -> Vec<Parent<'a>> {
        let mut parents = Vec::new();
        for key in &self.shape.foreign_keys {
            let pairs = key.columns.iter().zip(&key.parent_columns);
            let itself = key.parent == self.name
                && pairs.clone().all(|(own, parent)| values.get(own) == values.get(parent));
            let mut conditions = Vec::new();
            let mut referred = Map::new();
            for (own, parent) in pairs {
                let value = values.get(own).filter(|value| !value.is_null());
                let (Some(column), Some(value)) = (self.column(own), value) else { break };
                let literal = literal(self.engine, column.kind, value);
                conditions.push(format!("t.{} = {literal}", name(self.engine, parent)));
                referred.insert(parent.clone(), value.clone());
            }
            // NULL in a column: the row has no parent by this key.
            if itself || conditions.len() < key.columns.len() {
                continue;
            }
            let table = table_name(self.engine, &key.parent);
            let query = format!("SELECT 1 FROM {table} AS t WHERE {}", conditions.join(" AND "));
            let reference =
                reference(&key.parent, referred.iter().map(|(name, value)| (name.as_str(), Some(value))));
            parents.push(Parent { key, values: referred, query, reference });
        }
        parents
    }

    /// `SELECT` of the whole rows that satisfy a condition on `t`.
    pub(crate) fn rows(&self, condition: &str) -> String {
        format!("SELECT {} FROM {} AS t WHERE {condition}", self.reader.select(), self.quoted)
    }

    pub(crate) fn read(&self, cells: &[Option<Vec<u8>>]) -> Map<String, Value> {
        self.reader.row(cells)
    }

    pub(crate) fn exists(&self, condition: &str) -> String {
        format!("EXISTS (SELECT 1 FROM {} AS t WHERE {condition})", self.quoted)
    }

    /// Inserts the row unless its key or another unique value is taken, or a parent is missing. `None` without a key.
    pub(crate) fn insert(&self, difference: &Difference, further: &str) -> Option<String> {
        let values = difference.source.as_ref()?;
        let mut conditions = vec![format!("NOT {}", self.exists(&self.key(difference)?))];
        conditions.extend(
            self.uniques(difference).iter().map(|unique| format!("NOT {}", self.exists(&unique.taken))),
        );
        conditions.extend(self.parents(values).iter().map(|parent| format!("EXISTS ({})", parent.query)));
        let (names, literals): (Vec<_>, Vec<_>) = self
            .written(values)
            .map(|(column, value)| {
                (name(self.engine, &column.name), literal(self.engine, column.kind, value))
            })
            .unzip();
        Some(format!(
            "INSERT INTO {} ({}){} SELECT {}{} WHERE {}{further}",
            self.quoted,
            names.join(", "),
            self.overriding,
            literals.join(", "),
            from_nothing(self.engine),
            conditions.join(" AND ")
        ))
    }

    /// That `t` has the row, as it was. `None` without a key.
    pub(crate) fn is_there(&self, difference: &Difference) -> Option<String> {
        let values = difference.source.as_ref()?;
        let mut conditions = vec![self.key(difference)?];
        let written = self.written(values);
        conditions.extend(written.map(|(column, value)| is_exactly(self.engine, column, value)));
        Some(conditions.join(" AND "))
    }
}

/// What a `SELECT` of constants with a condition needs.
pub(crate) fn from_nothing(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => " FROM DUAL",
        Engine::Postgres => "",
    }
}

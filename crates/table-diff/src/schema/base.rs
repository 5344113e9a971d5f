//! The table in the base of a three-way comparison. Its rows can be compared with those of both sides only where its columns
//! are those of one side or the other: then the server writes a value as that side does.
//!
//! A table that the base does not have, or has in another form, is compared without the base, and its notes say so.

use super::describe::{Described, describe};
use crate::column::Column;
use crate::engine::Dialect;
use crate::error::Error;
use crate::server::Server;
use crate::sql::Statements;
use crate::table::Table;

/// The table in the base.
#[derive(Debug, Clone)]
pub(crate) struct BaseTable {
    pub(crate) columns: Vec<Column>,
    /// What it compares are the columns of the two sides' pairs, in their order.
    pub(crate) statements: Statements,
}

/// Describes the table in the base; the reason where that does not have it.
pub(crate) async fn describe_base(
    base: &mut Server,
    table: &Table,
) -> Result<Result<Described, String>, Error> {
    match describe(base, table).await {
        Ok(described) => Ok(Ok(described)),
        Err(Error::Table { reason, .. }) => Ok(Err(reason)),
        Err(error) => Err(error),
    }
}

/// The two sides, as they are paired.
pub(crate) struct Known<'a> {
    pub(crate) left: &'a Described,
    pub(crate) right: &'a Described,
    pub(crate) dialects: [Dialect; 2],
    /// The columns that are compared, as indexes on either side.
    pub(crate) pairs: &'a [(usize, usize)],
}

impl Known<'_> {
    /// The table in the base with its columns as the side like it has them, and the index there of each pair's column.
    ///
    /// # Errors
    /// Why its rows can't be compared with those of the sides.
    pub(crate) fn fitted(
        &self,
        mut base: Described,
        dialect: Dialect,
        key_columns: &[String],
    ) -> Result<(Described, Vec<usize>), String> {
        let Self { left, right, dialects, pairs } = self;
        if dialects.iter().all(|known| known.mariadb != dialect.mariadb) {
            return Err("its server is of another make than those of both sides".into());
        }
        if ![&left.encoding, &right.encoding].contains(&&base.encoding) {
            return Err(format!("its database has another encoding ({})", base.encoding));
        }
        let mut places = Vec::new();
        for &(l, r) in *pairs {
            let (left, right) = (&left.columns[l], &right.columns[r]);
            let Some(place) = base.columns.iter().position(|column| column.name == right.name) else {
                return Err(format!("it has no column {:?}", right.name));
            };
            let column = &mut base.columns[place];
            let Some(like) = [right, left].into_iter().find(|side| is_like(column, side)) else {
                return Err(format!("its column {:?} is {}", column.name, column.type_text));
            };
            // With what its partner has changed of it.
            *column = like.clone();
            places.push(place);
        }
        let is_key = |columns: &[String]| {
            columns.len() == key_columns.len() && columns.iter().all(|name| key_columns.contains(name))
        };
        if !key_columns.is_empty() && !base.uniques.iter().any(|unique| is_key(&unique.columns)) {
            return Err(format!("{} is no key there", key_columns.join(", ")));
        }
        Ok((base, places))
    }
}

/// Whether the servers write the values of both columns alike. MySQL's collation says in which characters they are; PostgreSQL's,
/// which always has a type's name, is about their order only.
fn is_like(column: &Column, side: &Column) -> bool {
    let collation = |of: &Column| of.type_name.is_empty().then(|| of.collation.clone());
    column.type_text == side.type_text
        && column.type_name == side.type_name
        && (column.kind, column.json) == (side.kind, side.json)
        && collation(column) == collation(side)
}

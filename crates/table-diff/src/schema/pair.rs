//! How the two sides of a table are paired: its columns, the key that both have, and the statements about either side.

use std::collections::BTreeSet;

use super::describe::{Described, Unique, describe};
use crate::column::{Column, Kind};
use crate::engine::{Dialect, Engine};
use crate::error::Error;
use crate::server::Server;
use crate::sql;
use crate::table::Table;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::mysql_column;

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

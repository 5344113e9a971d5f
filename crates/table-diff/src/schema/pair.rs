//! How the two sides of a table are paired: its columns, the key that both have, and the statements about either side.

use std::collections::BTreeSet;

use super::base::{BaseTable, Known, describe_base};
use super::describe::{Described, Unique, describe};
use crate::cells::Key;
use crate::column::{Column, Kind};
use crate::engine::{Dialect, Engine};
use crate::error::Error;
use crate::server::Server;
use crate::sql::{self, Reading};
use crate::table::Table;

/// The two sides of a table, paired.
#[derive(Debug, Clone)]
pub(crate) struct Paired {
    pub(crate) source_columns: Vec<Column>,
    pub(crate) target_columns: Vec<Column>,
    pub(crate) source: sql::Statements,
    pub(crate) target: sql::Statements,
    /// Empty: the table is compared as a multiset.
    pub(crate) key_columns: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// What is not compared, and why.
    pub(crate) not_compared: Vec<String>,
    /// The table in the base; absent without one, or where its table is of another form.
    pub(crate) base: Option<BaseTable>,
}

impl Paired {
    /// The same, for a section of the table only.
    pub(crate) fn within(&self, low: Option<&Key>, high: Option<&Key>) -> Self {
        Self { source: self.source.within(low, high), target: self.target.within(low, high), ..self.clone() }
    }
}

/// Describes a table on both sides and pairs it, without the columns that are `excluded`, named as `table.column`. With a base
/// it is described there as well.
pub(crate) async fn pair(
    source: &mut Server,
    target: &mut Server,
    base: Option<&mut Server>,
    table: &Table,
    excluded: &BTreeSet<String>,
) -> Result<Paired, Error> {
    let engine = source.engine();
    if engine != target.engine() {
        return Err(Error::Table {
            table: table.to_string(),
            reason: "one side is MySQL and the other PostgreSQL: they can't be compared".into(),
        });
    }
    let (of_source, of_target) = (source.dialect(), target.dialect());
    let md5 = of_source.md5 && of_target.md5;
    let hashes = of_source.hashes && of_target.hashes;
    let (mut left, mut right) =
        futures::future::try_join(describe(source, table), describe(target, table)).await?;
    let of_base = match base {
        Some(base) => Some((describe_base(base, table).await?, base.dialect())),
        None => None,
    };
    let mut not_compared = std::mem::take(&mut left.not_compared);
    not_compared.append(&mut right.not_compared);
    not_compared.dedup();
    let mut notes = not_compared.clone();
    if engine == Engine::MySql {
        rename(&mut left, &right.columns, &mut notes);
    }
    let recode = left.encoding != right.encoding;
    let is_excluded = |name: &str| {
        let full = format!("{table}.{name}");
        let folded = |known: &String| engine == Engine::MySql && known.to_lowercase() == full.to_lowercase();
        excluded.contains(&full) || excluded.iter().any(folded)
    };
    let pairs = pair_columns(&left.columns, &right.columns, is_excluded, &mut notes, &mut not_compared);
    for &(l, r) in &pairs {
        let (left, right) = (&mut left.columns[l], &mut right.columns[r]);
        let alike = of_source.mariadb == of_target.mariadb && left.type_text == right.type_text;
        match (left.kind, engine) {
            (Kind::Float, Engine::MySql) if !alike => {
                left.scale_float();
                right.scale_float();
            }
            (Kind::Float, Engine::Postgres) if !alike => {
                left.widen_real();
                right.widen_real();
            }
            _ => {}
        }
    }
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
        && indexes.is_some_and(|(unique, other)| unique.visible && other.visible)
        && indexes.is_some_and(|(unique, other)| unique.columns == other.columns)
        && key.iter().all(|&(_, _, native)| native);
    let index = |of: fn((&Unique, &Unique)) -> String| indexes.filter(|_| scannable).map(of);
    let (left_index, right_index) = (index(|(l, _)| l.name.clone()), index(|(_, r)| r.name.clone()));
    let statements =
        |of: &Described, compared: Vec<(usize, bool)>, key: Vec<(usize, bool)>, index, dialect| {
            // Hashes are of bytes: texts of other encodings have others.
            let hashes = hashes && !recode;
            let reading =
                Reading { engine, dialect: Dialect { md5, hashes, ..dialect }, only: of.only, recode };
            sql::Statements::new(reading, table, &of.columns, &compared, &key, &forms, index)
        };
    let mut base = None;
    if let Some((described, dialect)) = of_base {
        let known = Known { left: &left, right: &right, dialects: [of_source, of_target], pairs: &pairs };
        match described.and_then(|described| known.fitted(described, dialect, &key_columns)) {
            Ok((described, places)) => {
                let place = |l: usize| pairs.iter().position(|pair| pair.0 == l).map(|at| places[at]);
                let compared = pairs.iter().zip(&places).map(|(pair, &b)| (b, wide(pair))).collect();
                let key = key.iter().filter_map(|&(l, _, native)| Some((place(l)?, native))).collect();
                let statements = statements(&described, compared, key, None, dialect);
                base = Some(BaseTable { columns: described.columns, statements });
            }
            Err(reason) => notes.push(format!("the base was not asked: {reason}")),
        }
    }
    Ok(Paired {
        base,
        source: statements(
            &left,
            pairs.iter().map(|pair| (pair.0, wide(pair))).collect(),
            key.iter().map(|&(l, _, native)| (l, native)).collect(),
            left_index,
            of_source,
        ),
        target: statements(
            &right,
            pairs.iter().map(|pair| (pair.1, wide(pair))).collect(),
            key.iter().map(|&(_, r, native)| (r, native)).collect(),
            right_index,
            of_target,
        ),
        source_columns: left.columns,
        target_columns: right.columns,
        key_columns,
        notes,
        not_compared,
    })
}

/// Gives the columns of the source the names that they have on the target, where only the case differs: to MySQL's family
/// that is one name, and what reads the differences knows the target's columns.
fn rename(left: &mut Described, right: &[Column], notes: &mut Vec<String>) {
    let known = |name: &str| right.iter().any(|column| column.name == name);
    for column in &mut left.columns {
        let folded = column.name.to_lowercase();
        let same = right.iter().find(|other| other.name.to_lowercase() == folded);
        let Some(other) = same.filter(|_| !known(&column.name)) else { continue };
        notes.push(format!(
            "column {:?} is called {:?} on the target: compared all the same",
            column.name, other.name
        ));
        for name in left.uniques.iter_mut().flat_map(|unique| &mut unique.columns) {
            if *name == column.name {
                name.clone_from(&other.name);
            }
        }
        column.name.clone_from(&other.name);
    }
}

/// The columns that can be compared, as indexes on either side, but for those that were named to be left out. What differs is
/// noted, what can't be compared is among `not_compared` as well.
fn pair_columns(
    left: &[Column],
    right: &[Column],
    is_excluded: impl Fn(&str) -> bool,
    notes: &mut Vec<String>,
    not_compared: &mut Vec<String>,
) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut note = |said: String, comparable: bool| {
        if !comparable {
            not_compared.push(said.clone());
        }
        notes.push(said);
    };
    let alone = |column: &Column, side: &str, other: &str| {
        format!(
            "column {:?} is on the {side} only, or may not be read on the {other}: not compared",
            column.name
        )
    };
    for (l, column) in left.iter().enumerate() {
        if is_excluded(&column.name) {
            note(format!("column {:?} is left out, as it was asked for", column.name), true);
            continue;
        }
        let Some(r) = right.iter().position(|other| other.name == column.name) else {
            note(alone(column, "source", "target"), false);
            continue;
        };
        let other = &right[r];
        let same = column.type_text == other.type_text;
        let comparable = column.kind == other.kind
            && match column.kind {
                Kind::Moment => same,
                Kind::Other => same || (!column.type_name.is_empty() && column.type_name == other.type_name),
                Kind::Decimal => scale(&column.type_text) == scale(&other.type_text),
                _ => true,
            };
        if !same {
            let fate = if comparable { "compared all the same" } else { "not compared" };
            let said = format!(
                "column {:?} is {} on the source and {} on the target: {fate}",
                column.name, column.type_text, other.type_text
            );
            note(said, comparable);
        }
        if comparable {
            pairs.push((l, r));
        }
    }
    for column in right {
        if left.iter().any(|other| other.name == column.name) {
            continue;
        }
        if is_excluded(&column.name) {
            note(format!("column {:?} is left out, as it was asked for", column.name), true);
        } else {
            note(alone(column, "target", "source"), false);
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
    // One that no statement may name can't be followed: it comes last.
    candidates.sort_by_key(|unique| (!unique.visible, !unique.primary));
    candidates
        .into_iter()
        .filter_map(|unique| {
            let mut same = right.uniques.iter().filter(|other| set(&other.columns) == set(&unique.columns));
            let first = same.next()?;
            let other = if first.visible { first } else { same.find(|other| other.visible).unwrap_or(first) };
            unique.columns.iter().all(usable).then_some((unique, other))
        })
        // Stable: of those that both sides may name the first, else the first.
        .min_by_key(|(unique, other)| !(unique.visible && other.visible))
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
        let (mut notes, mut not_compared) = (Vec::new(), Vec::new());
        assert_eq!(pair_columns(&left, &right, |_| false, &mut notes, &mut not_compared), [(1, 1), (3, 2)]);
        assert_eq!([&notes[0], &notes[2], &notes[4]], [&not_compared[0], &not_compared[1], &not_compared[2]]);
        assert_eq!(not_compared.len(), 3);
        let (mut fewer, mut named) = (Vec::new(), Vec::new());
        let excluded = |name: &str| ["a", "c", "d"].contains(&name);
        assert_eq!(pair_columns(&left, &right, excluded, &mut fewer, &mut named), [(1, 1)]);
        assert_eq!((named.len(), fewer[0].as_str()), (1, "column \"a\" is left out, as it was asked for"));
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
            visible: true,
            columns: names.iter().map(|&n| n.into()).collect(),
        };
        let table = |uniques| Described {
            columns: columns(&[("a", "int", "int"), ("b", "int", "int"), ("t", "text", "text")]),
            uniques,
            only: false,
            encoding: String::new(),
            not_compared: Vec::new(),
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

//! The versions of one row: whether two are the same, and which of two the base has.

use crate::cells::Cells;
use crate::column::Column;
use crate::difference::{Base, Difference, DifferenceKind, row};
use crate::json;
use crate::schema::Paired;
use crate::sql::Statements;

/// What two fetched rows of one key are; `None` when they are the same by now.
pub(super) fn kind_of(
    paired: &Paired,
    left: Option<&Cells>,
    right: Option<&Cells>,
) -> Option<DifferenceKind> {
    match (left, right) {
        (None, None) => None,
        (Some(_), None) => Some(DifferenceKind::Missing),
        (None, Some(_)) => Some(DifferenceKind::Extra),
        (Some(left), Some(right)) => {
            let left = Seen { columns: &paired.source_columns, of: &paired.source, cells: left };
            let right = Seen { columns: &paired.target_columns, of: &paired.target, cells: right };
            (!left.is_same(&right)).then_some(DifferenceKind::Changed)
        }
    }
}

/// A row as a server has it.
struct Seen<'a> {
    columns: &'a [Column],
    of: &'a Statements,
    cells: &'a Cells,
}

impl Seen<'_> {
    /// Whether every value that is compared is the same.
    fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.of.compared.iter().zip(&other.of.compared);
        pairs.all(|(&l, &r)| match (&self.cells[l], &other.cells[r]) {
            (Some(left), Some(right)) if self.columns[l].json && other.columns[r].json => {
                json::is_same(left, right)
            }
            (left, right) => left == right,
        })
    }
}

/// What the base's row of a key says of the rows of the two sides that differ.
pub(super) fn base_of(paired: &Paired, found: Option<&Cells>, [left, right]: &[Option<Cells>; 2]) -> Base {
    let (Some(cells), Some(of)) = (found, &paired.base) else { return Base::Absent };
    let base = Seen { columns: &of.columns, of: &of.statements, cells };
    let is = |columns, of, cells: &Option<Cells>| {
        cells.as_ref().is_some_and(|cells| Seen { columns, of, cells }.is_same(&base))
    };
    if is(&paired.source_columns, &paired.source, left) {
        Base::Source
    } else if is(&paired.target_columns, &paired.target, right) {
        Base::Target
    } else {
        Base::Other(row(&of.columns, cells))
    }
}

/// The difference of two rows of one key.
pub(super) fn difference(
    paired: &Paired,
    kind: DifferenceKind,
    rows: [Option<Cells>; 2],
    base: Option<Base>,
) -> Difference {
    let [left, right] = rows;
    let source = left.map(|cells| row(&paired.source_columns, &cells));
    let target = right.map(|cells| row(&paired.target_columns, &cells));
    let known = source.as_ref().or(target.as_ref());
    let key = paired
        .key_columns
        .iter()
        .filter_map(|name| Some((name.clone(), known?.get(name)?.clone())))
        .collect();
    Difference { kind, key, source, target, base }
}

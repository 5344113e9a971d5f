//! Rows of a catalogue: texts by position, and what several rows say together.

use crate::session::Cells;

/// The first cells as texts; NULL is empty.
pub(crate) fn texts<const N: usize>(row: Cells) -> [String; N] {
    let mut cells = row.into_iter().map(Option::unwrap_or_default);
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

/// The next answer of several.
pub(crate) fn next(answers: &mut impl Iterator<Item = Vec<Cells>>) -> Vec<Cells> {
    answers.next().unwrap_or_default()
}

/// Rows that belong together by their first `N` cells, in the order in which they come.
pub(crate) fn grouped<const N: usize>(rows: Vec<Cells>) -> Vec<([String; N], Vec<Cells>)> {
    let mut groups: Vec<([String; N], Vec<Cells>)> = Vec::new();
    for mut row in rows {
        let rest = row.split_off(N.min(row.len()));
        let key = texts(row);
        match groups.iter_mut().find(|(of, _)| *of == key) {
            Some((_, group)) => group.push(rest),
            None => groups.push((key, vec![rest])),
        }
    }
    groups
}

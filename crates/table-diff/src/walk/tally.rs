//! What a pass over PostgreSQL gives: sums of buckets, and the rows of those that differ. Pure.

use super::packed::PackedKeys;
use crate::cells::{Cells, Key, number};

/// Rows and sums of buckets, of one side.
#[derive(Debug)]
pub(crate) struct Tally {
    buckets: Vec<(u64, i128)>,
}

impl Tally {
    /// Of so many buckets, nothing in any.
    pub(crate) fn new(buckets: usize) -> Self {
        Self { buckets: vec![(0, 0); buckets] }
    }

    /// Takes a bucket's row in: its number, its rows, the sum of their hashes.
    pub(crate) fn add(&mut self, cells: &Cells) {
        let [bucket, rows, sum] = std::array::from_fn(|index| cells.get(index).and_then(Option::as_deref));
        let sum = sum.and_then(|sum| std::str::from_utf8(sum).ok()?.parse().ok()).unwrap_or_default();
        let place = usize::try_from(number(bucket)).ok().and_then(|place| self.buckets.get_mut(place));
        if let Some(place) = place {
            *place = (number(rows), sum);
        }
    }

    /// All of its rows.
    pub(crate) fn rows(&self) -> u64 {
        self.buckets.iter().map(|(rows, _)| rows).sum()
    }
}

/// Buckets whose sums differ, as many as are looked at together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// A bit for each bucket, from the lowest of the first byte on.
    pub(crate) bits: Vec<u8>,
    /// Their rows, on the side that has more of them in each.
    pub(crate) rows: u64,
    /// Their rows in the source and in the target.
    pub(crate) of: [u64; 2],
}

/// The buckets that differ, in groups of at most so many rows, or of one bucket.
pub(crate) fn differing(left: &Tally, right: &Tally, most: u64) -> Vec<Wanted> {
    let empty = || Wanted { bits: vec![0; left.buckets.len().div_ceil(8)], rows: 0, of: [0; 2] };
    let mut groups = Vec::new();
    let mut group = empty();
    for (number, (left, right)) in left.buckets.iter().zip(&right.buckets).enumerate() {
        if left == right {
            continue;
        }
        let rows = left.0.max(right.0);
        if group.rows > 0 && group.rows + rows > most {
            groups.push(std::mem::replace(&mut group, empty()));
        }
        group.bits[number / 8] |= 1 << (number % 8);
        group.rows += rows;
        group.of[0] += left.0;
        group.of[1] += right.0;
    }
    if group.rows > 0 {
        groups.push(group);
    }
    groups
}

/// The buckets of all groups.
pub(crate) fn together(groups: &[Wanted]) -> Vec<u8> {
    let mut bits = vec![0; groups.first().map_or(0, |group| group.bits.len())];
    for group in groups {
        bits.iter_mut().zip(&group.bits).for_each(|(bits, more)| *bits |= more);
    }
    bits
}

/// Key, hash and size of many rows of one side.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    keys: PackedKeys,
    /// Of each row its hash, and its size in bytes, about.
    rows: Vec<(i64, u32)>,
}

/// Bytes of a row that is held, beside its key's own.
pub(crate) const HELD: u64 = 48;

impl Rows {
    /// Takes a row in: its key, its hash, its size.
    pub(crate) fn add(&mut self, mut cells: Cells) {
        let size = number(cells.pop().flatten().as_deref());
        let hash = cells.pop().flatten();
        let hash = hash.and_then(|hash| std::str::from_utf8(&hash).ok()?.parse().ok()).unwrap_or_default();
        self.keys.push(&cells);
        self.rows.push((hash, u32::try_from(size).unwrap_or(u32::MAX)));
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The numbers of the rows, by hash.
    fn by_hash(&self) -> Vec<usize> {
        let mut numbers = (0..self.rows.len()).collect::<Vec<_>>();
        numbers.sort_unstable_by_key(|&number| self.rows[number].0);
        numbers
    }
}

/// Rows that the other side has not got as they are.
#[derive(Debug, Default)]
pub(crate) struct Unmatched {
    rows: [Rows; 2],
    /// Their numbers.
    numbers: [Vec<usize>; 2],
}

impl Unmatched {
    /// The rows of both sides without those that are the same on both. A hash is that of the whole row, key and all.
    pub(crate) fn of(left: Rows, right: Rows) -> Self {
        let (of_left, of_right) = (left.by_hash(), right.by_hash());
        let mut numbers = [Vec::new(), Vec::new()];
        let (mut l, mut r) = (of_left.iter().peekable(), of_right.iter().peekable());
        loop {
            let order = match (l.peek(), r.peek()) {
                (Some(&&l), Some(&&r)) => left.rows[l].0.cmp(&right.rows[r].0),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => break,
            };
            let (of_left, of_right) = (l.next_if(|_| order.is_le()), r.next_if(|_| order.is_ge()));
            match order {
                std::cmp::Ordering::Less => numbers[0].extend(of_left),
                std::cmp::Ordering::Greater => numbers[1].extend(of_right),
                std::cmp::Ordering::Equal => {}
            }
        }
        Self { rows: [left, right], numbers }
    }

    fn each(&self) -> impl Iterator<Item = (&Rows, usize)> {
        self.rows
            .iter()
            .zip(&self.numbers)
            .flat_map(|(rows, numbers)| numbers.iter().map(move |&n| (rows, n)))
    }

    /// Bytes of all of them, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.each().map(|(rows, number)| u64::from(rows.rows[number].1)).sum()
    }

    /// How many there are on the side that has more.
    pub(crate) fn most(&self) -> usize {
        self.numbers.iter().map(Vec::len).max().unwrap_or_default()
    }

    /// Their keys in the source and in the target; that of a row which changed is in both.
    pub(crate) fn keys(&self) -> [Vec<Key>; 2] {
        std::array::from_fn(|side| {
            self.numbers[side].iter().map(|&number| self.rows[side].keys.key(number)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Cells {
        texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect()
    }

    fn tally(buckets: &[(&str, &str, &str)]) -> Tally {
        let mut tally = Tally::new(10);
        for (bucket, rows, sum) in buckets {
            tally.add(&cells(&[bucket, rows, sum]));
        }
        tally
    }

    #[test]
    fn buckets_differ_by_their_sum_or_their_rows() {
        let left =
            tally(&[("0", "3", "-9223372036854775808"), ("2", "1", "5"), ("9", "2", "27670116110564327424")]);
        assert_eq!(left.rows(), 6);
        assert_eq!(differing(&left, &left, 100), []);
        let right =
            tally(&[("0", "3", "-9223372036854775808"), ("2", "2", "5"), ("9", "2", "27670116110564327425")]);
        let one = |bits: [u8; 2], rows, of| Wanted { bits: bits.to_vec(), rows, of };
        assert_eq!(differing(&left, &right, 4), [one([0b100, 0b10], 4, [3, 4])]);
        // As many as fit, but one at least.
        assert_eq!(differing(&left, &right, 3), [one([0b100, 0], 2, [1, 2]), one([0, 0b10], 2, [2, 2])]);
        assert_eq!(differing(&left, &right, 1).len(), 2);
        assert_eq!(together(&differing(&left, &right, 3)), [0b100, 0b10]);
        // One side has no row of a bucket.
        let right = tally(&[("0", "3", "-9223372036854775808"), ("2", "1", "5")]);
        assert_eq!(differing(&left, &right, 4), [one([0, 0b10], 2, [2, 0])]);
    }

    #[test]
    fn what_is_the_same_on_both_sides_is_left_out() {
        let rows = |of: &[(&str, &str)]| {
            let mut rows = Rows::default();
            for (key, hash) in of {
                rows.add(cells(&[key, hash, "100"]));
            }
            rows
        };
        let left = rows(&[("a", "-5"), ("b", "7"), ("c", "1"), ("d", "9")]);
        let right = rows(&[("d", "9"), ("c", "2"), ("a", "-5"), ("e", "8"), ("f", "3")]);
        let unmatched = Unmatched::of(left, right);
        let keys = unmatched.keys().map(|keys| {
            let mut keys = keys.concat();
            keys.sort_unstable();
            String::from_utf8(keys.concat()).unwrap()
        });
        assert_eq!(keys, ["bc", "cef"]);
        assert_eq!((unmatched.most(), unmatched.bytes()), (3, 500));
        assert_eq!(Unmatched::of(Rows::default(), Rows::default()).most(), 0);
    }
}

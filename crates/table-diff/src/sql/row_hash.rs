//! The 64 bits of a row on PostgreSQL, and the bucket that its key falls into.
//!
//! Each value is hashed by a function of its type with a seed of its own, so that no text has to be made of numbers and
//! moments; types without a function that tells all their values apart, and those that differ between the sides, by their
//! canonical text. (`numeric`'s function leaves out the sign, that of floats takes -0 for 0.) The values' hashes are
//! XORed, and the key's last column is hashed with the result as its seed: that is no linear function, so what a
//! change adds to a sum depends on the whole row. No text's boundaries can move, for each is hashed alone.
//!
//! Two values of 64 bits of which one replaces the other have the same hash by chance, 2⁻⁶⁴; two moments 2⁻³², for their
//! function folds the microseconds to 32 bits. `bigint` is folded too: its upper half goes into the seed.

use super::hashing::ColumnForm;
use crate::column::{Column, Kind};

/// Seed of the hash that says the bucket: no column's.
const BUCKET: &str = "1000003";

/// The expressions over a row.
#[derive(Debug, Clone)]
pub(super) struct RowHash {
    /// Its hash: `bigint`.
    pub(super) row: String,
    /// Hash of its key alone, which says the bucket: `bigint`.
    pub(super) bucket: String,
}

impl RowHash {
    /// `compared`: indexes of the columns, `forms` those of their pairs; `key`: indexes of its columns.
    pub(super) fn new(
        columns: &[Column],
        compared: &[usize],
        forms: &[ColumnForm],
        key: &[usize],
    ) -> Option<Self> {
        let (last, before) = key.split_last()?;
        let form_of = |wanted: &usize| {
            compared.iter().zip(forms).find(|(index, _)| *index == wanted).map(|(_, form)| form)
        };
        let mut values = Vec::new();
        for (number, (index, form)) in compared.iter().zip(forms).enumerate() {
            if index == last {
                continue;
            }
            let seed = number + 1;
            let value = hashed(&columns[*index], form, &seed.to_string());
            values.push(if form.nullable { format!("COALESCE({value}, -{seed})") } else { value });
        }
        let rest =
            if values.is_empty() { "0::bigint".to_owned() } else { format!("({})", values.join(" # ")) };
        let mut bucket = BUCKET.to_owned();
        for index in before {
            bucket = hashed(&columns[*index], form_of(index)?, &bucket);
        }
        Some(Self {
            row: hashed(&columns[*last], form_of(last)?, &rest),
            bucket: hashed(&columns[*last], form_of(last)?, &bucket),
        })
    }
}

/// The hash of a value; NULL of NULL.
fn hashed(column: &Column, form: &ColumnForm, seed: &str) -> String {
    let value = &column.order;
    match column.type_text.as_str() {
        "smallint" | "integer" if form.same_type => format!("hashint8extended({value}, {seed})"),
        _ if column.kind == Kind::Integer => {
            format!("hashint8extended({value}, ({value}::bigint >> 32) # {seed})")
        }
        "uuid" if form.same_type => format!("uuid_hash_extended({value}, {seed})"),
        moment if form.same_type && moment.starts_with("timestamp") => {
            let moment = if moment.ends_with("with time zone") {
                // As it is: the session's time zone has no part in it.
                format!("{value} AT TIME ZONE INTERVAL '0'")
            } else {
                value.clone()
            };
            format!("timestamp_hash_extended({moment}, {seed})")
        }
        _ => format!("hashtextextended(({}) COLLATE \"C\", {seed})", column.canonical),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::postgres_column;

    fn column(name: &str, base: &str, type_text: &str, nullable: bool) -> Column {
        Column { nullable, ..postgres_column(name.into(), base, type_text.into(), String::new()) }
    }

    fn hash_of(left: &[Column], right: &[Column], key: &[usize]) -> RowHash {
        let forms = left.iter().zip(right).map(|(l, r)| ColumnForm::of(l, r)).collect::<Vec<_>>();
        RowHash::new(left, &(0..left.len()).collect::<Vec<_>>(), &forms, key).unwrap()
    }

    #[test]
    fn each_value_is_hashed_by_its_type_and_the_key_last() {
        let columns = [
            column("n", "int4", "integer", true),
            column("id", "int8", "bigint", false),
            column("s", "text", "text", false),
        ];
        let hash = hash_of(&columns, &columns, &[1]);
        assert_eq!(
            hash.row,
            "hashint8extended(t.\"id\", (t.\"id\"::bigint >> 32) # (COALESCE(hashint8extended(t.\"n\", 1), -1) # \
             hashtextextended(((t.\"s\")::text) COLLATE \"C\", 3)))"
        );
        assert_eq!(hash.bucket, "hashint8extended(t.\"id\", (t.\"id\"::bigint >> 32) # 1000003)");
    }

    #[test]
    fn a_composite_key_is_hashed_as_a_whole() {
        let columns = [column("a", "uuid", "uuid", false), column("b", "int4", "integer", false)];
        let hash = hash_of(&columns, &columns, &[0, 1]);
        assert_eq!(hash.bucket, "hashint8extended(t.\"b\", uuid_hash_extended(t.\"a\", 1000003))");
        assert_eq!(hash.row, "hashint8extended(t.\"b\", (uuid_hash_extended(t.\"a\", 1)))");
    }

    #[test]
    fn types_that_differ_are_hashed_alike() {
        let left = [
            column("k", "int4", "integer", false),
            column("m", "timestamp", "timestamp(3) without time zone", false),
        ];
        let right = [
            column("k", "int8", "bigint", false),
            column("m", "timestamp", "timestamp(6) without time zone", false),
        ];
        let (of_left, of_right) = (hash_of(&left, &right, &[0]), hash_of(&right, &left, &[0]));
        assert_eq!(of_left.row, of_right.row);
        assert!(of_left.row.contains("hashtextextended(((t.\"m\")::text)"), "{}", of_left.row);
    }
}

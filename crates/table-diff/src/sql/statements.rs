//! The statements. Names and values come from databases and are data: names enter by [`name()`], values by [`text()`],
//! [`bytes`] and [`number`], and by nothing else.

use std::cmp::Ordering;
use std::time::Duration;

use super::hashing::{ColumnForm, Reading, declared_bytes, declared_length, hash, part, row_crc};
use super::literal::{bytes, name, number, text};
use super::row_hash::RowHash;
use crate::cells::{Key, hex, unhex};
use crate::column::{Column, Kind, Native};
use crate::engine::{Dialect, Engine};
use crate::error::Error;
use crate::table::Table;

/// How many ranges, or composite keys, one SELECT looks for.
const TOGETHER: usize = 4;

/// The statements about one table on one side.
#[derive(Debug, Clone)]
pub(crate) struct Statements {
    pub(super) engine: Engine,
    pub(super) dialect: Dialect,
    recode: bool,
    table: Table,
    pub(super) from: String,
    /// All of the side's columns, canonical.
    select: String,
    /// MD5 of the compared columns, 32 hexadecimal digits.
    hash: String,
    /// Bytes of a row, about.
    size: String,
    pub(super) key: Vec<KeyPart>,
    /// The section of the table that the statements are about: behind the one key, up to the other; open where it is `None`.
    pub(super) section: (Option<Key>, Option<Key>),
    /// How many bytes a key may have.
    pub(crate) key_bytes: u64,
    /// Index of each key column in `select`.
    pub(crate) key_index: Vec<usize>,
    /// Index of each compared column in `select`.
    pub(crate) compared: Vec<usize>,
    /// The expression of a row's CRC and the index to follow, where the table can be scanned.
    scan: Option<(String, String)>,
    /// The hashes of a row and of its key, where the table can be summed up in buckets.
    buckets: Option<RowHash>,
}

/// What a row adds to the state of its chunk, beside its mixed CRC, which is below 2³²: so a state holds both the count
/// of rows and their sum, up to 2¹² rows. A chunk of more comes about by chance never, and then counts too many.
pub(crate) const ROW: u64 = 1 << 44;

#[derive(Debug, Clone)]
pub(super) struct KeyPart {
    /// What ranges are made of.
    pub(super) order: String,
    canonical: String,
    type_text: String,
    pub(super) kind: Kind,
    pub(super) native: Native,
    /// Values that differ may be one key.
    folds: bool,
    /// Texts are ordered by their bytes, capitals before small letters.
    pub(super) by_bytes: bool,
}

impl Statements {
    /// `compared`: index of the column, and whether it enters the hash as its MD5. `key`: index of the column, and
    /// whether ranges follow the server's own order. `index`: what a scan may follow; `forms`: how it sees `compared`.
    pub(crate) fn new(
        reading: Reading,
        table: &Table,
        columns: &[Column],
        compared: &[(usize, bool)],
        key: &[(usize, bool)],
        forms: &[ColumnForm],
        index: Option<String>,
    ) -> Self {
        let Reading { engine, dialect, only, recode } = reading;
        let parts =
            compared.iter().map(|&(index, wide)| part(reading, &columns[index], wide)).collect::<Vec<_>>();
        let (hash, length) = match engine {
            Engine::MySql => (hash(dialect, &format!("CONCAT_WS('#', {})", parts.join(", "))), "LENGTH"),
            Engine::Postgres => {
                (format!("md5({})", reading.common(&parts.join(" || '#' || "))), "octet_length")
            }
        };
        // Computed for each row of a range that differs: measured only where it can be much.
        let mut fixed = 0;
        let mut sizes = Vec::new();
        for column in columns {
            match (column.kind, declared_length(&column.type_text)) {
                (Kind::Text | Kind::Bytes, Some(most)) if engine == Engine::MySql && most <= 255 => {
                    fixed += most + 32;
                }
                (Kind::Text | Kind::Bytes | Kind::Hex | Kind::Other, _) => {
                    fixed += 32;
                    sizes.push(format!("COALESCE({length}({}), 0)", column.canonical));
                }
                _ => fixed += 32,
            }
        }
        sizes.push(fixed.to_string());
        let key_parts = key.iter().map(|&(index, native)| {
            let column = &columns[index];
            let native = if native { column.native } else { Native::None };
            let order = match (native, engine) {
                (Native::None, Engine::MySql) => format!("CAST({} AS BINARY)", column.canonical),
                (Native::None, Engine::Postgres) if recode => reading.common(&column.canonical),
                (Native::None, Engine::Postgres) => format!("({}) COLLATE \"C\"", column.canonical),
                _ => column.order.clone(),
            };
            KeyPart {
                order,
                canonical: column.canonical.clone(),
                type_text: column.type_text.clone(),
                kind: column.kind,
                native,
                folds: native != Native::None && column.folds(engine),
                by_bytes: column.collation.ends_with("_bin"),
            }
        });
        let indexes = |of: &[(usize, bool)]| of.iter().map(|&(index, _)| index).collect::<Vec<_>>();
        let buckets =
            dialect.hashes.then(|| RowHash::new(columns, &indexes(compared), forms, &indexes(key))).flatten();
        Self {
            engine,
            dialect,
            recode,
            table: table.clone(),
            from: format!("{}{} AS t", if only { "ONLY " } else { "" }, table.quoted(engine)),
            select: columns.iter().map(|column| column.canonical.as_str()).collect::<Vec<_>>().join(", "),
            hash,
            size: sizes.join(" + "),
            key: key_parts.collect(),
            section: (None, None),
            key_bytes: key.iter().map(|&(index, _)| declared_bytes(&columns[index])).sum(),
            key_index: indexes(key),
            compared: indexes(compared),
            scan: index.map(|index| (row_crc(dialect, columns, compared, forms), name(engine, &index))),
            buckets,
        }
    }

    /// The same, about a section of the table only.
    pub(crate) fn within(&self, low: Option<&Key>, high: Option<&Key>) -> Self {
        Self { section: (low.cloned(), high.cloned()), ..self.clone() }
    }

    /// The key behind which the section begins; `None` at the start of the table.
    pub(crate) fn low(&self) -> Option<&Key> {
        self.section.0.as_ref()
    }

    /// Whether the table can be scanned.
    pub(crate) fn scannable(&self) -> bool {
        self.scan.is_some()
    }

    /// One pass in the order of the key: key and state of each chunk's last row, at most `limit` of them. Then, as a
    /// row with the state only, what came after the last. After `time` the server ends it.
    ///
    /// The state is kept in a user variable, which each row adds to; MySQL deprecates that, and has no other way to sum
    /// up without a temporary table, which costs as much as the scan.
    pub(crate) fn scan(
        &self,
        low: Option<&Key>,
        spread: u64,
        limit: u64,
        time: Duration,
    ) -> Result<String, Error> {
        let (before, hint) = if self.dialect.mariadb {
            (format!("SET STATEMENT max_statement_time = {:.3} FOR ", time.as_secs_f64()), String::new())
        } else {
            (String::new(), format!("/*+ MAX_EXECUTION_TIME({}) */ ", time.as_millis()))
        };
        Ok(format!(
            "SET @causeway_sum = CAST(0 AS UNSIGNED), @causeway_row = CAST(0 AS UNSIGNED); {before}{}; \
             SELECT {}CAST(@causeway_sum AS CHAR), 0",
            self.chunks(low, spread, limit, &hint)?,
            "NULL, ".repeat(self.key.len()),
        ))
    }

    fn chunks(&self, low: Option<&Key>, spread: u64, limit: u64, hint: &str) -> Result<String, Error> {
        let crc = self.scan.as_ref().map_or("0", |(crc, _)| crc.as_str());
        let order = self.key.iter().map(|part| part.order.as_str()).collect::<Vec<_>>().join(", ");
        // As short as can be, for it is asked of each row.
        let columns = self.key.iter().map(|part| part.order.as_str()).collect::<Vec<_>>();
        let mut within = Vec::new();
        if let Some(low) = low.or(self.low()) {
            within.push(beyond(&columns, &self.literals(low)?, ">", ">"));
        }
        if let Some(high) = &self.section.1 {
            within.push(beyond(&columns, &self.literals(high)?, "<", "<="));
        }
        if within.is_empty() {
            within.push("1 = 1".to_owned());
        }
        // A CRC times itself is no linear function of it any more; see the crate's documentation.
        Ok(format!(
            "SELECT {hint}{}, CAST(@causeway_sum AS CHAR), @causeway_sum := 0 FROM {} \
             WHERE {} AND (@causeway_sum := @causeway_sum + {ROW} + \
             ((@causeway_row := {crc}) * (@causeway_row >> 2) >> 30)) AND @causeway_row < {} \
             ORDER BY {order} LIMIT {limit}",
            self.key_select(),
            self.indexed(),
            within.join(" AND "),
            (1_u64 << 32) / spread.max(1),
        ))
    }

    /// The server's plan for the scan, in the last column.
    pub(crate) fn explain(&self, spread: u64) -> Result<String, Error> {
        Ok(format!("EXPLAIN {}", self.chunks(None, spread, 1_000_000, "")?))
    }

    /// Whether the table can be summed up in buckets.
    pub(crate) fn has_buckets(&self) -> bool {
        self.buckets.is_some()
    }

    /// What has to be the same on both servers for their hashes to be, and about how many rows the table has: none when
    /// that is not known.
    pub(crate) fn before_buckets(&self) -> String {
        format!(
            "SELECT concat_ws('/', current_setting('server_encoding'), hashtextextended('a' COLLATE \"C\", 1), \
             hashint8extended(1, 1), uuid_hash_extended('00000000-0000-0000-0000-000000000001', 1), \
             timestamp_hash_extended('2026-01-01', 1)), greatest(reltuples, 0)::bigint::text \
             FROM pg_class WHERE oid = {}::regclass",
            text(self.engine, self.table.quoted(self.engine).as_bytes())
        )
    }

    /// Number, count and sum of each of so many buckets over a range, a power of two; of those only that lie in coarser ones
    /// which are wanted.
    pub(crate) fn sums_of_buckets(
        &self,
        low: Option<&Key>,
        high: Option<&Key>,
        buckets: u64,
        wanted: Option<(&[u8], u64)>,
    ) -> Result<String, Error> {
        let (row, bucket) = self.hashes();
        let within = wanted.map(|(wanted, buckets)| format!(" AND {}", self.is_wanted(wanted, buckets)));
        Ok(format!(
            "SELECT b::text, n::text, s::text FROM (SELECT {bucket} & {} AS b, count(*) AS n, sum({row}) AS s \
             FROM {} WHERE {}{} GROUP BY 1) AS g",
            buckets.saturating_sub(1),
            self.from,
            self.range(low, high)?,
            within.unwrap_or_default(),
        ))
    }

    /// Whether a row lies in one of the `wanted` buckets: a bit for each.
    fn is_wanted(&self, wanted: &[u8], buckets: u64) -> String {
        let (_, bucket) = self.hashes();
        let mask = buckets.saturating_sub(1);
        format!("get_bit('\\x{}'::bytea, ({bucket} & {mask})::int) = 1", hex(wanted))
    }

    /// Key, hash and size of each row of a range that lies in one of the `wanted` buckets.
    pub(crate) fn rows_of_buckets(
        &self,
        low: Option<&Key>,
        high: Option<&Key>,
        wanted: &[u8],
        buckets: u64,
    ) -> Result<String, Error> {
        let (row, _) = self.hashes();
        Ok(format!(
            "SELECT {}, {}, {} FROM {} WHERE {} AND {}",
            self.key_select(),
            self.as_text(row),
            self.as_text(&self.size),
            self.from,
            self.range(low, high)?,
            self.is_wanted(wanted, buckets),
        ))
    }

    /// The expressions of a row's hash and of its key's.
    fn hashes(&self) -> (&str, &str) {
        self.buckets.as_ref().map_or(("0", "0"), |buckets| (&buckets.row, &buckets.bucket))
    }

    /// The numbers of these keys in the server's order; `None` where [`Self::compare`] knows it.
    pub(crate) fn order_of(&self, keys: &[&Key]) -> Option<String> {
        let known = |part: &KeyPart| {
            !matches!(part.native, Native::Text | Native::Folded) || part.type_text == "uuid"
        };
        if self.engine == Engine::MySql || self.key.iter().all(known) {
            return None;
        }
        let (mut arrays, mut names, mut order) = (Vec::new(), Vec::new(), Vec::new());
        for (index, part) in self.key.iter().enumerate() {
            let values = keys.iter().filter_map(|key| key.get(index)).map(|value| text(self.engine, value));
            arrays.push(format!("ARRAY[{}]::text[]", values.collect::<Vec<_>>().join(", ")));
            names.push(format!("k{index}"));
            order.push(match part.native {
                Native::None => format!("u.k{index} COLLATE \"C\""),
                Native::Bytes => format!("decode(u.k{index}, 'hex')"),
                // A value of the column's own, which there is none of: so its collation is the one that counts.
                Native::Number | Native::Text | Native::Folded => format!(
                    "COALESCE((SELECT {} FROM {} WHERE false), u.k{index}::{})",
                    part.order, self.from, part.type_text
                ),
            });
        }
        Some(format!(
            "SELECT u.n::text FROM unnest({}) WITH ORDINALITY AS u({}, n) ORDER BY {}, u.n",
            arrays.join(", "),
            names.join(", "),
            order.join(", ")
        ))
    }

    /// The number of its range, then key, CRC and size of each row of these ranges, which follow each other.
    ///
    /// A SELECT for each would cost more than its rows, and one for all would compare each row with each range.
    pub(crate) fn digests_of(&self, ranges: &[(Option<&Key>, Option<&Key>)]) -> Result<String, Error> {
        let crc = self.scan.as_ref().map_or("0", |(crc, _)| crc.as_str());
        let columns = self.key.iter().map(|part| part.order.as_str()).collect::<Vec<_>>();
        let selects = ranges.chunks(TOGETHER).enumerate().map(|(group, ranges)| {
            let mut conditions = Vec::new();
            let mut cases = String::new();
            let first = group * TOGETHER;
            for (number, (low, high)) in ranges.iter().enumerate() {
                conditions.push(format!("({})", self.range(*low, *high)?));
                if let Some(high) = high.filter(|_| number + 1 < ranges.len()) {
                    let within = beyond(&columns, &self.literals(high)?, "<", "<=");
                    cases.push_str(&format!("WHEN {within} THEN {} ", first + number));
                }
            }
            let last = first + ranges.len() - 1;
            let number =
                if cases.is_empty() { last.to_string() } else { format!("CASE {cases}ELSE {last} END") };
            Ok(format!(
                "(SELECT {}, {}, {}, {} FROM {} WHERE {})",
                self.as_text(&number),
                self.key_select(),
                self.as_text(crc),
                self.as_text(&self.size),
                self.indexed(),
                conditions.join(" OR ")
            ))
        });
        Ok(selects.collect::<Result<Vec<_>, Error>>()?.join(" UNION ALL "))
    }

    /// The table, and where it is scanned the index to take: a server that finds many ranges would rather read it whole.
    pub(super) fn indexed(&self) -> String {
        match &self.scan {
            Some((_, index)) => format!("{} FORCE INDEX ({index})", self.from),
            None => self.from.clone(),
        }
    }

    fn as_text(&self, expression: &str) -> String {
        match self.engine {
            Engine::MySql => format!("CAST({expression} AS CHAR)"),
            Engine::Postgres => format!("({expression})::text"),
        }
    }

    pub(super) fn key_select(&self) -> String {
        self.key.iter().map(|part| part.canonical.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Count and sum of the rows' hashes in a range.
    pub(crate) fn sum(&self, low: Option<&Key>, high: Option<&Key>) -> Result<String, Error> {
        let number = match self.engine {
            Engine::MySql => format!("CAST(CONV(LEFT({}, 16), 16, 10) AS UNSIGNED)", self.hash),
            Engine::Postgres => format!("('x' || substr({}, 1, 16))::bit(64)::bigint", self.hash),
        };
        Ok(format!(
            "SELECT {}, {} FROM {} WHERE {}",
            self.as_text("COUNT(*)"),
            self.as_text(&format!("SUM({number})")),
            self.from,
            self.range(low, high)?
        ))
    }

    /// Key of the `size`-th row of a range.
    pub(crate) fn boundary(&self, low: Option<&Key>, high: Option<&Key>, size: u64) -> Result<String, Error> {
        let order = self.key.iter().map(|part| part.order.as_str()).collect::<Vec<_>>().join(", ");
        Ok(format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {order} LIMIT 1 OFFSET {}",
            self.key_select(),
            self.from,
            self.range(low, high)?,
            size.saturating_sub(1)
        ))
    }

    /// Key, hash and size of each row of a range.
    pub(crate) fn digests(&self, low: Option<&Key>, high: Option<&Key>) -> Result<String, Error> {
        Ok(format!(
            "SELECT {}, {}, {} FROM {} WHERE {}",
            self.key_select(),
            self.hash,
            self.as_text(&self.size),
            self.from,
            self.range(low, high)?
        ))
    }

    /// The whole rows of these keys, and others that are equal to them under the collation.
    pub(crate) fn rows(&self, keys: &[&Key]) -> Result<String, Error> {
        self.with_keys(&self.select, keys)
    }

    /// The keys of the same rows.
    pub(crate) fn keys_like(&self, keys: &[&Key]) -> Result<String, Error> {
        self.with_keys(&self.key_select(), keys)
    }

    fn with_keys(&self, what: &str, keys: &[&Key]) -> Result<String, Error> {
        // A number first: a row whose first value has 16 MiB begins like the end of all rows, and the driver takes it for that.
        let select = |condition| format!("SELECT '0', {what} FROM {} WHERE {condition}", self.indexed());
        // A list is searched; each term of an OR is asked of each row.
        if let [part] = self.key.as_slice() {
            let values = keys.iter().map(|key| Ok(self.literals(key)?.remove(0)));
            let values = values.collect::<Result<Vec<_>, Error>>()?;
            return Ok(select(format!("{} IN ({})", part.order, values.join(", "))));
        }
        let selects = keys.chunks(TOGETHER).map(|keys| {
            let mut conditions = Vec::new();
            for key in keys {
                let equal = self.key.iter().zip(self.literals(key)?);
                let equal = equal.map(|(part, value)| format!("{} = {value}", part.order));
                conditions.push(format!("({})", equal.collect::<Vec<_>>().join(" AND ")));
            }
            Ok(format!("({})", select(conditions.join(" OR "))))
        });
        Ok(selects.collect::<Result<Vec<_>, Error>>()?.join(" UNION ALL "))
    }

    /// Whether rows with other keys may have the same key to the server.
    pub(crate) fn folds(&self) -> bool {
        self.key.iter().any(|part| part.folds)
    }

    /// The table, for an error.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Number and key of each row whose key is the same to the server as the key with this number.
    pub(crate) fn same_keys(&self, keys: &[&Key]) -> Result<String, Error> {
        let selects = keys.iter().enumerate().map(|(number, key)| {
            let equal = self.key.iter().zip(self.literals(key)?);
            let equal = equal.map(|(part, value)| format!("{} = {value}", part.order)).collect::<Vec<_>>();
            Ok(format!(
                "(SELECT '{number}', {} FROM {} WHERE {})",
                self.key_select(),
                self.indexed(),
                equal.join(" AND ")
            ))
        });
        Ok(selects.collect::<Result<Vec<_>, Error>>()?.join(" UNION ALL "))
    }

    /// How many rows of a range have one of these keys, by the bytes of their texts: without what finds a row by its key.
    pub(crate) fn count_of(
        &self,
        keys: &[&Key],
        low: Option<&Key>,
        high: Option<&Key>,
    ) -> Result<String, Error> {
        let of_one = |key: &&Key| {
            let equal = self.key.iter().zip(key.iter()).map(|(part, value)| match self.engine {
                Engine::MySql => format!("CAST({} AS BINARY) = {}", part.canonical, bytes(value)),
                Engine::Postgres => {
                    format!("convert_to({}, 'UTF8') = '\\x{}'::bytea", part.canonical, hex(value))
                }
            });
            format!("({})", equal.collect::<Vec<_>>().join(" AND "))
        };
        let keys = keys.iter().map(of_one).collect::<Vec<_>>().join(" OR ");
        let range = self.range(low, high)?;
        Ok(format!("SELECT {} FROM {} WHERE {range} AND ({keys})", self.as_text("COUNT(*)"), self.from))
    }

    /// How often each hash occurs, in order, with the size of a row. After `from`, or from it on.
    pub(crate) fn groups(&self, from: Option<(&str, bool)>) -> String {
        let order = match self.engine {
            Engine::MySql => "h",
            Engine::Postgres => "h COLLATE \"C\"",
        };
        let condition = from.map_or_else(String::new, |(hash, settled)| {
            let compare = if settled { ">" } else { ">=" };
            format!("WHERE {order} {compare} {} ", text(self.engine, hash.as_bytes()))
        });
        format!(
            "SELECT h, {}, {} FROM (SELECT {} AS h, {} AS s FROM {}) AS g {condition}GROUP BY h ORDER BY {order}",
            self.as_text("COUNT(*)"),
            self.as_text("MAX(s)"),
            self.hash,
            self.size,
            self.from
        )
    }

    /// Hash and whole row of each row with one of these hashes.
    pub(crate) fn rows_by_hash(&self, hashes: &[&str]) -> String {
        let hashes = hashes.iter().map(|hash| text(self.engine, hash.as_bytes())).collect::<Vec<_>>();
        format!(
            "SELECT {}, {} FROM {} WHERE {} IN ({})",
            self.hash,
            self.select,
            self.from,
            self.hash,
            hashes.join(", ")
        )
    }

    /// Which of two keys comes first on the servers. Under a collation only they know: there it is by the bytes.
    pub(crate) fn compare(&self, left: &Key, right: &Key) -> Ordering {
        let parts = self.key.iter().zip(left.iter().zip(right));
        let mut ordered = parts.map(|(part, (left, right))| match part.native {
            Native::Number => by_value(left, right),
            _ => left.cmp(right),
        });
        ordered.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// What a key's values are compared with.
    fn literals(&self, key: &Key) -> Result<Vec<String>, Error> {
        let altered = || {
            Error::Table {
            table: self.table.to_string(),
            reason: "the place where the comparison stands does not fit the table's key; compare it from the start".into(),
        }
        };
        if key.len() != self.key.len() {
            return Err(altered());
        }
        self.key
            .iter()
            .zip(key)
            .map(|(part, value)| match (part.native, self.engine) {
                (Native::Number, _) => number(value).ok_or_else(altered),
                (Native::Folded, engine) => Ok(format!("lower({})", text(engine, value))),
                (Native::None | Native::Bytes, Engine::MySql) => Ok(bytes(value)),
                (Native::Bytes, Engine::Postgres) => {
                    let digits = unhex(value).ok_or_else(altered)?;
                    Ok(format!("'\\x{}'::bytea", hex(&digits)))
                }
                (Native::None, Engine::Postgres) if self.recode => Ok(format!("'\\x{}'::bytea", hex(value))),
                _ => Ok(text(self.engine, value)),
            })
            .collect()
    }

    /// The condition `low < key <= high`; a side that is `None` is that of the section.
    ///
    /// What the two bounds share at the front becomes equalities, and the next column gets plain bounds: that is what
    /// lets a server walk only this part of a composite index.
    pub(super) fn range(&self, low: Option<&Key>, high: Option<&Key>) -> Result<String, Error> {
        let lows = low.or(self.low()).map(|key| self.literals(key)).transpose()?;
        let highs = high.or(self.section.1.as_ref()).map(|key| self.literals(key)).transpose()?;
        let orders = self.key.iter().map(|part| part.order.as_str()).collect::<Vec<_>>();
        let shared = match (&lows, &highs) {
            (Some(lows), Some(highs)) => {
                // Not the last one: a range has more than one key.
                let most = orders.len().saturating_sub(1);
                lows.iter().zip(highs).take(most).take_while(|(low, high)| low == high).count()
            }
            _ => 0,
        };
        let mut conditions = Vec::new();
        if let Some(lows) = lows.as_deref().or(highs.as_deref()) {
            conditions.extend((0..shared).map(|index| format!("{} = {}", orders[index], lows[index])));
        }
        let rest = &orders[shared..];
        if let Some(lows) = &lows {
            let lows = &lows[shared..];
            if rest.len() > 1 {
                conditions.push(format!("{} >= {}", rest[0], lows[0]));
            }
            conditions.push(beyond(rest, lows, ">", ">"));
        }
        if let Some(highs) = &highs {
            let highs = &highs[shared..];
            if rest.len() > 1 {
                conditions.push(format!("{} <= {}", rest[0], highs[0]));
            }
            conditions.push(beyond(rest, highs, "<", "<="));
        }
        if conditions.is_empty() {
            conditions.push("1 = 1".to_owned());
        }
        Ok(conditions.join(" AND "))
    }
}

/// `(columns) compare (values)` in the order of a composite key: `compare` for all but the last column.
fn beyond(columns: &[&str], values: &[String], compare: &str, last: &str) -> String {
    match (columns, values) {
        ([column], [value]) => format!("{column} {last} {value}"),
        ([column, columns @ ..], [value, values @ ..]) => {
            let rest = beyond(columns, values, compare, last);
            format!("({column} {compare} {value} OR ({column} = {value} AND {rest}))")
        }
        _ => "1 = 1".to_owned(),
    }
}

/// The order of two numbers' canonical texts, with as many digits behind the point on either side.
fn by_value(left: &[u8], right: &[u8]) -> Ordering {
    let size = |text: &[u8]| text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let by_size = |left: &[u8], right: &[u8]| size(left).cmp(&size(right)).then_with(|| left.cmp(right));
    match (left.strip_prefix(b"-"), right.strip_prefix(b"-")) {
        (None, None) => by_size(left, right),
        (Some(left), Some(right)) => by_size(right, left),
        (left, _) => left.map_or(Ordering::Greater, |_| Ordering::Less),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_data() {
        assert_eq!(name(Engine::MySql, "a`; DROP TABLE b; --"), "`a``; DROP TABLE b; --`");
        assert_eq!(name(Engine::Postgres, "a\"b"), "\"a\"\"b\"");
        assert_eq!(text(Engine::MySql, b"'\\"), "_utf8mb4 x'275c'");
        assert_eq!(text(Engine::Postgres, b"it's"), "'it''s'");
        assert_eq!(number(b"-12.50"), Some("-12.50".into()));
        for bad in ["", "-", "1;2", "1e5", "0x1", "1 OR 1"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(unhex(hex(&[0, 255, 16]).as_bytes()), Some(vec![0, 255, 16]));
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let numbers = ["-100", "-12.5", "-12.4", "-9", "0", "0.5", "9", "10", "10.1", "18446744073709551615"];
        for (place, left) in numbers.iter().enumerate() {
            for (other, right) in numbers.iter().enumerate() {
                assert_eq!(by_value(left.as_bytes(), right.as_bytes()), place.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn a_range_of_a_composite_key_is_lexicographic() {
        let text = beyond(&["a", "b"], &["1".into(), "2".into()], "<", "<=");
        assert_eq!(text, "(a < 1 OR (a = 1 AND b <= 2))");
    }
}

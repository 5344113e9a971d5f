//! `replay.sql`: the missing rows as inserts, for a person to read, keep and run with the server's own client.
//!
//! Each row has two statements. The first inserts it unless its key or another unique value is taken, a parent is missing,
//! or the same file left a parent out (then another row has the parent's key). The second notes the row with the reason,
//! unless an identical row is there now. The last statement selects the notes, from the session's temporary table
//! `causeway_not_replayed`. So the file changes no existing row, may be run again with the same result, and shows what
//! could not be put back.
//!
//! A transaction has [`TRANSACTION`] rows. If a statement fails (a check, a trigger, a row that was inserted at the same
//! moment), a client that stops on errors ends: this transaction is rolled back, the ones before stay; run the file again.
//!
//! These rows are left out, each with a comment: rows that are on both sides and differ; rows without a key; and children
//! of a row with a generated key that is on both sides with different values, because that may be another order with the
//! same number. Memory: see [`crate`].

use std::collections::{BTreeMap, HashSet};

use futures::StreamExt as _;
use serde_json::Value;
use table_diff::{BoxError, Catalogue, Difference, DifferenceKind, Differences, Engine};

use crate::literal::words;
use crate::order::Order;
use crate::table::{Table, from_nothing};
use crate::{Error, one_line_json, sequence};

/// Receives a file while it is written.
pub trait Out: Send {
    /// Receives the next bytes.
    ///
    /// # Errors
    /// Ends the writing with [`Error::Write`].
    fn write(&mut self, text: &[u8]) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// In memory.
impl Out for Vec<u8> {
    async fn write(&mut self, text: &[u8]) -> Result<(), BoxError> {
        self.extend_from_slice(text);
        Ok(())
    }
}

/// Bytes after which the text is passed on.
const AT_ONCE: usize = 64 * 1024;
/// Rows of a transaction.
const TRANSACTION: u64 = 500;

/// What the file contains of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenTable {
    /// Rows with statements.
    pub rows: u64,
    /// Rows that are on both sides and differ.
    pub conflicts: u64,
    /// Missing rows that are left out, each with a comment.
    pub left_out: u64,
}

/// Writes the file. Returns what it contains of each table with differences.
///
/// `catalogue` is that of the database the rows go to.
///
/// # Errors
/// When differences can't be read or the file can't be written; what is written then ends in the middle, without the
/// `COMMIT` of its last transaction.
pub async fn write_sql(
    engine: Engine,
    catalogue: &Catalogue,
    source: &impl Differences,
    out: &mut impl Out,
) -> Result<BTreeMap<String, WrittenTable>, Error> {
    let order = Order::read(catalogue, source, false).await?;
    let left = order.doubtful.clone();
    let mut file =
        File { engine, out, text: String::new(), order: &order, left, open: 0, written: BTreeMap::new() };
    file.header();
    for step in &order.steps {
        file.comment(&format!(
            "table {}{}",
            json(&step.table),
            match step.pass {
                1 => String::new(),
                pass => format!(", pass {pass}: rows whose parents the passes before this one inserted"),
            }
        ));
        let table = Table::new(engine, catalogue, &step.table);
        let mut missing = 0;
        let mut notes = Notes::default();
        let mut differences = source.open(&step.table);
        while let Some(difference) = differences.next().await {
            let difference =
                difference.map_err(|cause| Error::Source { table: step.table.clone(), cause })?;
            match difference.kind {
                DifferenceKind::Missing if difference.lost_row().is_some() => {
                    missing += 1;
                    if order.pass(&step.table, missing - 1) == step.pass {
                        file.row(&step.table, table.as_ref(), &difference, &mut notes);
                    }
                }
                DifferenceKind::Changed if step.pass == 1 => {
                    file.entry(&step.table).conflicts += 1;
                    let key = one_line_json(&difference.key);
                    file.comment(&format!(
                        "left out: {} {key} is on both sides and differs",
                        json(&step.table)
                    ));
                }
                _ => {}
            }
            if file.text.len() > AT_ONCE {
                file.pass_on().await?;
            }
        }
        if let Some(table) = table.filter(|_| file.entry(&step.table).rows > 0) {
            for column in sequence::numbered(engine, table.shape) {
                let highest = sequence::highest_of(&table.quoted, column);
                let advance = sequence::advance(&table.quoted, column, &highest);
                file.statement(&format!("INSERT INTO causeway_sequences {advance}"));
            }
        }
    }
    file.footer();
    file.pass_on().await?;
    Ok(file.written)
}

/// The comments that a table gets only once.
#[derive(Default)]
struct Notes(HashSet<&'static str>);

struct File<'a, O> {
    engine: Engine,
    out: &'a mut O,
    /// Written, and not passed on.
    text: String,
    order: &'a Order,
    /// Rows that are left out, by the references of their children.
    left: HashSet<u64>,
    /// Rows in the present transaction.
    open: u64,
    written: BTreeMap<String, WrittenTable>,
}

/// A name in quotes, on one line.
fn json(name: &str) -> String {
    Value::from(name).to_string()
}

impl<O: Out> File<'_, O> {
    async fn pass_on(&mut self) -> Result<(), Error> {
        let text = std::mem::take(&mut self.text);
        self.out.write(text.as_bytes()).await.map_err(Error::Write)
    }

    fn entry(&mut self, table: &str) -> &mut WrittenTable {
        self.written.entry(table.to_owned()).or_default()
    }

    fn statement(&mut self, statement: &str) {
        self.text.extend([statement, ";\n"]);
    }

    fn comment(&mut self, comment: &str) {
        self.text.extend(["-- ", comment, "\n"]);
    }

    fn header(&mut self) {
        let (client, settings): (_, &[&str]) = match self.engine {
            Engine::MySql => ("mariadb or mysql, with --database and not with --force", &MYSQL_HEADER),
            Engine::Postgres => ("psql -q -v ON_ERROR_STOP=1 -f replay.sql", &POSTGRES_HEADER),
        };
        for line in [
            "Written by Causeway: puts back rows that a failover lost. Nothing that is there is changed or deleted.",
            &format!("Run it with {client}. It may be run again: what is there is left alone."),
            "Rows that could not be put back, and why, are the result of the last statement.",
        ] {
            self.comment(line);
        }
        for setting in settings {
            self.statement(setting);
        }
    }

    fn footer(&mut self) {
        self.commit();
        self.statement(
            "SELECT DISTINCT table_name, row_key, reason FROM causeway_not_replayed ORDER BY table_name, row_key",
        );
    }

    fn commit(&mut self) {
        if self.open > 0 {
            self.open = 0;
            self.statement("COMMIT");
        }
    }

    /// A missing row.
    fn row(&mut self, name: &str, table: Option<&Table<'_>>, difference: &Difference, notes: &mut Notes) {
        let Some(values) = &difference.source else { return };
        let shown = if difference.key.is_empty() { values } else { &difference.key };
        let title = format!("{} {}", json(name), one_line_json(shown));
        let left_out = |file: &mut Self, why: &str| {
            file.entry(name).left_out += 1;
            file.comment(&format!("left out: {title}: {why}"));
        };
        let Some(table) = table else {
            return left_out(self, "the catalogue of the new primary does not have the table");
        };
        let own = self.order.references_to(name, values);
        let parents = table.parents(values).into_iter();
        let parents = parents.filter(|parent| self.order.referenced.contains_key(&parent.key.parent));
        let parents = parents.filter_map(|parent| parent.reference).collect::<Vec<_>>();
        if parents.iter().any(|parent| self.left.contains(parent)) {
            self.left.extend(&own);
            return left_out(
                self,
                "its parent is left out, and the row that has the parent's key now may be a different one",
            );
        }
        let Some((insert, there)) = self.insert(table, difference, &parents) else {
            self.left.extend(&own);
            return left_out(self, "without a key it can't be told whether the row is there");
        };
        let unknown = table.unknown(values);
        if !unknown.is_empty() && notes.0.insert("unknown") {
            self.comment(&format!("columns that the new primary does not have, not put back: {unknown:?}"));
        }
        if self.open >= TRANSACTION {
            self.commit();
        }
        if self.open == 0 {
            self.statement(match self.engine {
                Engine::MySql => "START TRANSACTION",
                Engine::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE",
            });
        }
        self.open += 1;
        self.entry(name).rows += 1;
        self.comment(&title);
        self.statement(&insert);
        let reason = self.reason(table, difference);
        let own = own.iter().map(|reference| format!("'{reference:016x}'"));
        let own =
            if self.order.referenced.contains_key(name) { own.collect() } else { vec!["NULL".to_owned()] };
        for reference in own {
            let (engine, table_name) = (self.engine, words(self.engine, name));
            self.statement(&format!(
                "INSERT INTO causeway_not_replayed SELECT {reference}, {table_name}, {}, {reason}{} WHERE NOT {there}",
                words(engine, &one_line_json(shown)),
                from_nothing(engine),
            ));
        }
    }

    /// The insert, and the condition that the row is there as it was.
    fn insert(
        &self,
        table: &Table<'_>,
        difference: &Difference,
        parents: &[u64],
    ) -> Option<(String, String)> {
        let parents = parents.iter().map(|parent| format!("'{parent:016x}'")).collect::<Vec<_>>();
        let further = if parents.is_empty() {
            String::new()
        } else {
            format!(
                " AND NOT EXISTS (SELECT 1 FROM causeway_not_replayed WHERE reference IN ({}))",
                parents.join(", ")
            )
        };
        Some((table.insert(difference, &further)?, table.exists(&table.is_there(difference)?)))
    }

    /// Why a row is not there, as an expression.
    fn reason(&self, table: &Table<'_>, difference: &Difference) -> String {
        let mut cases = String::new();
        let mut case = |condition: String, why: &str| {
            cases.push_str(&format!("WHEN {condition} THEN {} ", words(self.engine, why)));
        };
        if let Some(key) = table.key(difference) {
            case(table.exists(&key), "another row has its key");
        }
        for unique in table.uniques(difference) {
            case(table.exists(&unique.taken), &format!("another row has its {}", unique.columns.join(", ")));
        }
        for parent in difference.source.iter().flat_map(|values| table.parents(values)) {
            let values = one_line_json(&parent.values);
            case(
                format!("NOT EXISTS ({})", parent.query),
                &format!("its parent is missing: {} {values}", parent.key.parent),
            );
        }
        let otherwise = "its parent was not put back, or a trigger prevented the insert";
        format!("CASE {cases}ELSE {} END", words(self.engine, otherwise))
    }
}

const MYSQL_HEADER: [&str; 5] = [
    "SET NAMES utf8mb4",
    crate::session::MYSQL_SETTINGS,
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "DROP TEMPORARY TABLE IF EXISTS causeway_not_replayed",
    "CREATE TEMPORARY TABLE causeway_not_replayed (reference CHAR(16) CHARACTER SET ascii, table_name VARCHAR(200), row_key LONGTEXT, reason LONGTEXT, KEY (reference)) CHARACTER SET utf8mb4",
];

const POSTGRES_HEADER: [&str; 6] = [
    crate::session::POSTGRES_SETTINGS,
    "SET client_min_messages = warning",
    "DROP TABLE IF EXISTS pg_temp.causeway_not_replayed, pg_temp.causeway_sequences",
    "CREATE TEMPORARY TABLE causeway_not_replayed (reference text, table_name text, row_key text, reason text)",
    "CREATE INDEX ON causeway_not_replayed (reference)",
    "CREATE TEMPORARY TABLE causeway_sequences (advanced bigint)",
];

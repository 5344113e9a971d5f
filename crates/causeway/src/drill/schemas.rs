//! The schemas of a drill of one's own application: read from dumps, loaded into the sandbox's databases, and looked at for what can be
//! written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use runbook::RecoveryPlan;
use sandbox::EAST;
use writeload::{Schema, load_dump, prepare};

use crate::Error;
use crate::rehearsal::own::OwnDatabase;
use crate::rig::Rig;
use crate::timeline::Timeline;

/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database of the plan, and the file of its schema.
#[derive(Debug, Clone)]
pub struct SchemaFile {
    /// The database's name in the plan.
    database: String,
    /// The file.
    file: PathBuf,
}

impl FromStr for SchemaFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((database, file)) if !database.is_empty() && !file.is_empty() => {
                Ok(Self { database: database.to_owned(), file: file.into() })
            }
            _ => Err("it is DATABASE=FILE, with a database of the plan and the dump of its schema".into()),
        }
    }
}

/// Texts of schemas, by database.
pub type Texts = BTreeMap<String, (String, String)>;

/// Reads the files, before anything is started: one for each database of the plan.
///
/// # Errors
/// When one is missing, can't be read, or is of no database of the plan.
pub fn read(files: &[SchemaFile], plan: &RecoveryPlan) -> Result<Texts, Error> {
    let names = || plan.databases.keys().cloned().collect::<Vec<_>>().join(", ");
    let mut texts = Texts::new();
    for SchemaFile { database, file } in files {
        if !plan.databases.contains_key(database) {
            return Err(format!(
                "--schema {database}: the plan has no database of this name, it has {}",
                names()
            )
            .into());
        }
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| format!("can't read {name}: {error}"))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| format!("{name} is no UTF-8 text: {error}; dump it with that character set"))?;
        if texts.insert(database.clone(), (name, text)).is_some() {
            return Err(format!("--schema {database}: it is named twice").into());
        }
    }
    let without = plan.databases.keys().find(|name| !texts.contains_key(*name));
    match without {
        Some(name) => Err(format!(
            "the database {name} of the plan has no schema: --schema {name}=FILE, with what `mysqldump --no-data` or `pg_dump -s` writes"
        )
        .into()),
        None => Ok(texts),
    }
}

/// Loads the schemas into the primaries, says what is left out, and finds out which tables can be written.
///
/// # Errors
/// The statement and the line that can't be loaded; when nothing can be written.
pub async fn load(
    rig: &Rig,
    texts: &Texts,
    seed: u64,
    timeline: &Timeline,
) -> Result<Vec<OwnDatabase>, Error> {
    let mut loaded = Vec::new();
    for (name, (file, text)) in texts {
        let target = rig.database(EAST, name).ok_or_else(|| format!("the database {name} has no server"))?;
        let at = |what: &'static str| {
            move |done: usize, of: usize| timeline.status(format!("{name}: {what} {done} of {of}"))
        };
        let dump = load_dump(&target, text, at("statement")).await;
        let dump = dump.map_err(|error| format!("{file}: {error}"))?;
        for left in &dump.left_out {
            timeline
                .line("schema", &format!("{file}, line {}: {}: {}", left.line, left.statement, left.reason));
        }
        let plan = prepare(&target, seed, PATIENCE, at("table")).await;
        let plan = plan.map_err(|error| format!("{file}: {error}"))?;
        for (table, reason) in &plan.left_out {
            timeline.line("schema", &format!("{name}: nothing is written to {table}: {reason}"));
        }
        let counts = plan.counts();
        timeline.line(
            "schema",
            &format!(
                "{name}: {} statements of {file} loaded; {} tables are written to, {} are not",
                dump.statements, counts.written, counts.left_out
            ),
        );
        fits(rig.plan(), name, &plan.schema).map_err(|error| format!("{file}: {error}"))?;
        if let Some(database) = rig.plan().databases.get(name) {
            loaded.push(OwnDatabase::new(name, plan.schema.clone(), Some(plan), &database.reconcile));
        }
    }
    Ok(loaded)
}

/// That the schema has the tables that the plan says something of: a reconciliation would refuse the plan, half a minute later.
fn fits(plan: &RecoveryPlan, name: &str, schema: &Schema) -> Result<(), Error> {
    let Some(database) = plan.databases.get(name) else { return Ok(()) };
    // As the reconciliation finds them: MySQL's family may not tell capital letters.
    let has = |table: &&String| schema.tables.keys().any(|known| known.eq_ignore_ascii_case(table));
    let named = database.report.keys().chain(&database.reconcile.tables);
    let missing: Vec<&str> = named.filter(|table| !has(table)).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the plan says something of tables of {name} that the schema has not: {}; mend `databases.{name}.report` or `reconcile`, or dump the schema anew",
        missing.join(", ")
    )
    .into())
}

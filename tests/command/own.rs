//! Drills of somebody's own application: other schemas than the shop's, on both engines, a generated load or a program of one's
//! own; and what is wrong with either, said in one line.

use std::path::{Path, PathBuf};

use rehearsals::root;
use serde_json::{Value, json};

use super::Run;
use super::postgres_server::Postgres;

/// A plan with these databases, each with its engine, in Regions of AWS.
fn plan(folder: &Path, databases: &[(&str, &str)]) -> PathBuf {
    let text = std::fs::read_to_string(root().join("docs/plan.example.json")).unwrap();
    let mut plan: Value = serde_json::from_str(&text).unwrap();
    let like = plan["databases"]["orders"].to_string().replace("shop-orders", "NAME");
    plan["databases"] = json!({});
    for (name, engine) in databases {
        let mut database: Value = serde_json::from_str(&like.replace("NAME", name)).unwrap();
        database["engine"] = json!(engine);
        database["database"] = json!(format!("{name}_db"));
        database["report"] = json!({});
        database["reconcile"] = json!({});
        plan["databases"][name] = database;
    }
    let object = plan.as_object_mut().unwrap();
    object.remove("$schema");
    let file = folder.join("plan.json");
    std::fs::write(&file, plan.to_string()).unwrap();
    file
}

/// What a drill says, and its exit status.
fn drill(folder: &Path, plan: &Path, schemas: &[&str], more: &[&str]) -> (String, Option<i32>) {
    let output = folder.join("out");
    let mut arguments = vec!["drill", "--factor", "240", "--seed", "3", "--output", output.to_str().unwrap()];
    arguments.extend(["--plan", plan.to_str().unwrap()]);
    arguments.extend(schemas.iter().flat_map(|schema| ["--schema", schema]));
    arguments.extend(more);
    Run::start(&arguments).end()
}

fn has_postgres() -> bool {
    // It says itself what is missing.
    Postgres::start().is_some()
}

/// The numbers of a line of the verdict: really lost, reported, in doubt, overlooked, invented.
fn numbers(said: &str, what: &str) -> [u64; 5] {
    let line = said.lines().find_map(|line| line.trim_start().strip_prefix(what)).unwrap_or_default();
    let numbers: Vec<u64> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("no line {what}:\n{said}"))
}

#[test]
fn every_lost_write_of_other_schemas_is_accounted_for_on_both_engines() {
    if !has_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[("clinic", "aurora-mysql"), ("people", "aurora-postgresql")]);
    let schemas =
        ["clinic=tests/command/own/clinic.mysql.sql", "people=tests/command/own/people.postgres.sql"];
    let (said, code) = drill(folder.path(), &plan, &schemas, &["--rate", "40", "--replay"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("eu-central-1 of the plan is sandbox-east here"), "{said}");
    for what in ["rows", "without a key", "updates", "deletes"] {
        let [lost, reported, .., overlooked, invented] = numbers(&said, what);
        assert!(lost > 0 && reported > 0 && overlooked + invented == 0, "{what}:\n{said}");
    }
    assert!(said.contains("VERDICT  the report is exact"), "{said}");
    assert!(said.contains("VERDICT  every row"), "{said}");
}

#[test]
fn a_program_of_ones_own_writes_and_is_held_to_its_word() {
    if !has_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[("mains", "aurora-mysql"), ("solar", "aurora-postgresql")]);
    let schemas = ["mains=tests/command/own/meters.mysql.sql", "solar=tests/command/own/meters.postgres.sql"];
    let (said, code) = drill(folder.path(), &plan, &schemas, &["--writer", "sh tests/command/own/writer.sh"]);
    assert_eq!(code, Some(0), "{said}");
    let [lost, .., overlooked, invented] = numbers(&said, "rows");
    assert!(lost > 5 && overlooked + invented == 0, "{said}");

    // One that inserts a row that it has inserted already.
    let row =
        r#"echo '{"database": "mains", "table": "reading", "key": {"meter": 1, "n": 1}, "op": "insert"}'"#;
    let (said, code) =
        drill(folder.path(), &plan, &schemas, &["--writer", &format!("{row}; {row}; sleep 100")]);
    assert_eq!(code, Some(2), "{said}");
    let word = "causeway: the writer lies: its line 2 has the key {\"meter\":1,\"n\":1} of table reading inserted a second time";
    assert!(said.contains(word), "{said}");
}

#[test]
fn a_drill_that_can_not_be_had_says_why_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[("clinic", "aurora-mysql")]);
    let schema = "clinic=tests/command/own/clinic.mysql.sql";
    for (schemas, part) in [
        (
            vec!["orders=tests/command/own/clinic.mysql.sql"],
            "the plan has no database of this name, it has clinic",
        ),
        (vec![schema, schema], "--schema clinic: it is named twice"),
        (vec!["clinic=nothing.sql"], "can't read nothing.sql"),
        (vec!["clinic"], "it is DATABASE=FILE"),
        (vec![], "required arguments were not provided"),
    ] {
        let (said, code) = drill(folder.path(), &plan, &schemas, &[]);
        assert!(said.contains(part), "{part}: {said}");
        assert_eq!(code, Some(2), "{said}");
    }
    assert!(!folder.path().join("out/logs").exists());
}

#[test]
fn a_schema_that_can_not_be_loaded_says_statement_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &[("clinic", "aurora-mysql")]);
    let broken = folder.path().join("broken.sql");
    std::fs::write(&broken, "CREATE TABLE a (id int PRIMARY KEY);\n\nCREATE TABLE b (id imaginary);\n")
        .unwrap();
    let schema = format!("clinic={}", broken.display());
    let (said, code) = drill(folder.path(), &plan, &[&schema], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("broken.sql: line 3: `CREATE TABLE b (id imaginary)` failed: "), "{said}");

    // One that lacks what the plan names.
    let schema = "orders=tests/command/own/clinic.mysql.sql";
    let (said, code) = drill(folder.path(), Path::new("docs/plan.example.json"), &[schema], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("tables of orders that the schema has not: CUSTOMER_ORDER, "), "{said}");
}

//! Automation documents against AWS's own JSON schema of them, by `documents.py`: the runbooks, and the documents that the
//! sandbox's checker is tried with. Skipped where the schema can't be had.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use rehearsals::{root, witnesses};

/// The documents of a folder.
fn documents(folder: &str) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn documents_are_as_the_schema_of_aws_has_them() {
    let schema = root().join("target/schema/package/dist/schema.json");
    if !schema.is_file() {
        rehearsals::parts::missing("schema", "there is no schema of AWS in target/schema, which needs npm");
        return;
    }
    let python = root().join("target/emulators/bin/python");
    assert!(python.is_file(), "there is no {}: run `make setup` first", python.display());
    let ours = documents("ssm-documents");
    let others = documents("crates/automation/tests/documents");
    assert!(ours.len() > 5 && others.len() > 25, "{} and {} documents", ours.len(), others.len());
    let script = root().join("tests/witness/documents.py");
    let looked = Command::new(python).arg(script).arg(schema).args(ours).args(others).output().unwrap();
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    let found: BTreeMap<String, Vec<String>> = serde_json::from_slice(&looked.stdout).unwrap();
    for (file, differences) in &found {
        println!("{file}: {differences:?}");
    }
    let differences: BTreeSet<String> = found.into_values().flatten().collect();
    witnesses::hold("Documents", differences).unwrap();
}

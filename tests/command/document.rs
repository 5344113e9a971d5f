//! `causeway document check`: a line for each problem, with its step, and an exit status that says which kind of end it was.

use std::path::PathBuf;
use std::process::Command;

use super::{command, root};

/// Lines on standard output and standard error, and the exit status.
fn check(files: &[PathBuf]) -> (Vec<String>, String, Option<i32>) {
    let output =
        Command::new(command()).args(["document", "check"]).args(files).current_dir(root()).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (lines, String::from_utf8(output.stderr).unwrap(), output.status.code())
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn our_own_runbooks_are_valid() {
    let files = yaml_files("ssm-documents");
    let (lines, errors, code) = check(&files);
    assert_eq!((lines.len(), errors.as_str(), code), (files.len(), "", Some(0)), "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with(" is valid")), "{lines:?}");
}

#[test]
fn each_problem_of_a_broken_document_has_a_line() {
    for file in yaml_files("crates/automation/tests/documents/refused") {
        let text = std::fs::read_to_string(&file).unwrap();
        let reason = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap();
        let (lines, _, code) = check(std::slice::from_ref(&file));
        assert_eq!(code, Some(1), "{}: {lines:?}", file.display());
        assert!(lines.iter().any(|line| line.contains(reason)), "{}: {lines:?}", file.display());
    }
}

#[test]
fn several_problems_are_named_by_step_and_the_worst_file_decides() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    let text = "schemaVersion: '0.3'\n\
        mainSteps:\n\
        - {name: first, action: 'aws:sleep', nextStep: nowhere, inputs: {Duration: PT1S}}\n\
        - {name: second, action: 'aws:fly', inputs: {}}\n\
        - name: third\n  action: aws:executeAwsApi\n  isEnd: true\n  inputs: {Service: ec2, Api: '{{ first.Missing }}'}\n  \
          outputs: [{Name: x, Selector: '$[', Type: String}]\n";
    std::fs::write(&broken, text).unwrap();
    let good = root().join("ssm-documents/routing.yaml");
    let missing = folder.path().join("missing.yaml");

    let (lines, errors, code) = check(&[broken.clone(), good.clone()]);
    assert_eq!((errors.as_str(), code), ("", Some(1)), "{lines:?}");
    for part in [
        "step first, nextStep: there is no step `nowhere`",
        "step second, action: there is no action `aws:fly`",
        "step third, inputs: {{ first.Missing }} refers to nothing",
        "step third, outputs[0].Selector: is not a JSONPath",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
    assert!(lines.last().unwrap().ends_with("routing.yaml is valid"), "{lines:?}");

    let (lines, errors, code) = check(&[missing, good]);
    assert_eq!((lines.len(), code), (1, Some(2)), "{lines:?}");
    assert!(errors.contains("missing.yaml"), "{errors}");
}

#[test]
fn a_step_that_can_not_be_reached_and_what_is_not_supported_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.yaml");
    let text = "schemaVersion: '0.3'\n\
        mainSteps:\n\
        - {name: first, action: 'aws:sleep', isEnd: true, inputs: {Duration: PT1S}}\n\
        - {name: second, action: 'aws:executeScript', inputs: {Runtime: python3.11, Handler: run, Script: x}}\n";
    std::fs::write(&file, text).unwrap();
    let (lines, _, code) = check(&[file]);
    assert_eq!((lines.len(), code), (2, Some(1)), "{lines:?}");
    assert!(lines[0].contains("step second, inputs: `aws:executeScript`"), "{lines:?}");
    assert!(lines[1].ends_with("step second: can't be reached: no step leads to it"), "{lines:?}");
}

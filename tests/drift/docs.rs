//! The docs that are read at night say what the documents and functions say, and promise what a test runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use regex::Regex;
use sandbox::automation::Document;

use crate::{STEPS, documents, read, root};

/// The runbooks, by name.
fn runbooks() -> BTreeMap<String, Document> {
    let parse = |file: String| {
        let document = Document::parse(&file, &read(&format!("ssm-documents/{file}"))).unwrap();
        (file.trim_end_matches(".yaml").to_owned(), document)
    };
    documents().into_iter().map(parse).collect()
}

/// The sections of a page that this heading begins, by their headings of the next level; what is before the first has none.
fn sections<'a>(page: &'a str, level: &str) -> BTreeMap<&'a str, &'a str> {
    let mark = format!("\n{level} ");
    let heading = |part: &'a str| part.split_once('\n').unwrap_or((part, ""));
    page.split(&mark as &str).skip(1).map(heading).collect()
}

/// What is in code in a text.
fn code(text: &str) -> Vec<String> {
    // One backtick or two: with two, what is inside may have one.
    let spans = Regex::new("``(.+?)``|`([^`\n]+)`").unwrap();
    let inside = |found: regex::Captures<'_>| {
        let span = found.get(1).or(found.get(2)).unwrap().as_str();
        // A space keeps a backtick at the edge apart.
        let trimmed = span.strip_prefix(" `").map_or(span, |_| &span[1..]);
        trimmed.to_owned()
    };
    spans.captures_iter(text).map(inside).collect()
}

/// The first cells of the tables in a text.
fn first_cells(text: &str) -> String {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("|---"));
    rows.filter_map(|row| row.split('|').nth(1)).collect::<Vec<_>>().join("\n")
}

/// Subjects of the notifications of a runbook, with names in the place of what differs; and whether a function says one.
fn subjects(document: &Document) -> (BTreeSet<String>, bool) {
    let reference = Regex::new(r"\{\{ (?:global:)?([A-Za-z_.]+) \}\}").unwrap();
    let all = document.steps.iter().filter_map(|step| step.inputs.get("Subject")?.as_str());
    let (said, own): (Vec<&str>, Vec<&str>) = all.partition(|subject| subject.starts_with("{{"));
    (
        own.into_iter().map(|subject| reference.replace_all(subject, "$1").into_owned()).collect(),
        !said.is_empty(),
    )
}

/// Subjects that the golden transcripts show.
fn rehearsed() -> String {
    let folder = root().join("tests/rehearsal/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_notification_is_in_the_night_guide_and_none_there_is_stale() {
    let page = read("docs/operations.md");
    let sections = sections(&page, "###");
    let rehearsed = rehearsed();
    for (name, document) in runbooks() {
        let section = sections.get(name.as_str()).unwrap_or_else(|| panic!("no section on {name}"));
        let section = section.split("\n## ").next().unwrap();
        let there: BTreeSet<String> =
            code(section).into_iter().filter(|span| span.starts_with("Causeway: ")).collect();
        let (subjects, said) = subjects(&document);
        for subject in &subjects {
            assert!(there.contains(subject), "{name}: docs/operations.md lacks {subject}");
        }
        let mut others = there.difference(&subjects);
        let example = others.find(|other| !(said && rehearsed.contains(&format!("\n{other}\n"))));
        assert_eq!(example, None, "{name}: nothing says this");
        assert!(!said || there.len() > subjects.len(), "{name}: no example of what the report says");
    }
}

/// All that the step functions may say, but for their tests.
fn sources() -> String {
    fn add(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                add(&path, all);
            } else if name.ends_with(".rs") && !["tests.rs", "fake.rs"].contains(&name) {
                let text = std::fs::read_to_string(&path).unwrap();
                write!(all, "{}", text.split("#[cfg(test)]\nmod tests {").next().unwrap()).unwrap();
            }
        }
    }
    let mut all = String::new();
    for crate_name in STEPS.into_iter().chain(["runbook", "comparison", "table-diff"]) {
        add(&root().join("crates").join(crate_name).join("src"), &mut all);
    }
    // A string that goes on in the next line.
    Regex::new(r"\\\n\s*").unwrap().replace_all(&all, "").replace("\\\"", "\"")
}

#[test]
fn every_reason_that_the_night_guide_explains_is_one_that_a_step_gives() {
    let page = read("docs/operations.md");
    let (said, mut explained, mut stale) = (sources(), 0, Vec::new());
    let whole = sections(&page, "##");
    let broken = sections(&page, "###")["A step broke and gives no reason"];
    for part in [broken, whole["Why it says no"]] {
        for reason in code(&first_cells(part)) {
            let literals = reason.split('…').map(str::trim).filter(|literal| !literal.is_empty());
            stale.extend(literals.filter(|literal| !said.contains(literal)).map(str::to_owned));
            explained += 1;
        }
    }
    assert_eq!(stale, [""; 0], "no step says this");
    assert!(explained > 60, "{explained}");
}

/// Commands in the docs, a line each.
fn commands() -> Vec<(String, String)> {
    let mut files = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            files.push(format!("docs/{name}"));
        }
    }
    let block = Regex::new(r"(?s)```sh\n(.*?)```").unwrap();
    let mut commands = Vec::new();
    for file in files {
        for found in block.captures_iter(&read(&file)) {
            let joined = found[1].replace("\\\n", " ");
            commands.extend(joined.lines().map(|line| (file.clone(), line.to_owned())));
        }
    }
    commands
}

#[test]
fn commands_in_the_docs_name_documents_parameters_functions_and_outputs_that_exist() {
    let runbooks = runbooks();
    let find = |pattern: &str| Regex::new(pattern).unwrap();
    let [document, given, function, payload, role, file] = [
        r"--document-name causeway-([a-z-]+)",
        r#"--parameters "([^"]*)""#,
        r"--function-name causeway-([a-z-]+)",
        r"--payload \S+ <<<\s+'([^']*)'",
        r"AutomationAssumeRole=\$\(role (?:[a-z0-9-]+ )?([A-Za-z]+)\)",
        r"(events/[a-z-]+\.json)",
    ]
    .map(find);
    let template = read("template.yaml");
    let outputs = template.split_once("\nOutputs:").unwrap().1;
    let (mut started, mut called) = (0, 0);
    for (page, line) in commands() {
        if let Some(name) = document.captures(&line) {
            let runbook =
                runbooks.get(&name[1]).unwrap_or_else(|| panic!("{page}: no document {}: {line}", &name[1]));
            let given = given.captures(&line).unwrap_or_else(|| panic!("{page}: no parameters: {line}"));
            let given: BTreeSet<&str> = given
                .get(1)
                .unwrap()
                .as_str()
                .split(',')
                .filter_map(|one| Some(one.split_once('=')?.0))
                .collect();
            for parameter in &given {
                assert!(
                    runbook.parameters.contains_key(*parameter),
                    "{page}: no parameter {parameter}: {line}"
                );
            }
            let lacks = runbook.required().find(|parameter| !given.contains(parameter));
            assert_eq!(lacks, None, "{page}: {line}");
            // The shell function `role` of the page asks for the output of this name.
            let role = role.captures(&line).unwrap_or_else(|| panic!("{page}: no role: {line}"));
            assert_eq!(role[1].to_lowercase(), name[1], "{page}: another runbook's role: {line}");
            assert!(outputs.contains(&format!("\n  {}RoleArn:\n", &role[1])), "{page}: no output: {line}");
            started += 1;
        }
        if let Some(name) = function.captures(&line) {
            assert!(STEPS.contains(&&name[1]), "{page}: no function {}: {line}", &name[1]);
            if let Some(event) = payload.captures(&line) {
                understood(&name[1], &event[1]).unwrap_or_else(|error| panic!("{page}: {error}: {line}"));
                called += 1;
            }
        }
        for path in file.captures_iter(&line) {
            assert!(root().join(&path[1]).exists(), "{page}: no file {}: {line}", &path[1]);
        }
    }
    assert!(started > 8 && called > 2, "{started} {called}");
}

/// Whether a function takes an event.
fn understood(function: &str, event: &str) -> Result<(), serde_json::Error> {
    match function {
        "preflight" => serde_json::from_str::<preflight::Event>(event).map(drop),
        "report" => serde_json::from_str::<report::Event>(event).map(drop),
        "snapshot-restore" => serde_json::from_str::<snapshot_restore::Event>(event).map(drop),
        other => panic!("say here what {other} takes"),
    }
}

#[test]
fn every_promise_of_what_if_names_a_test_that_exists() {
    let page = read("docs/what-if.md");
    let named = Regex::new(r"^((?:tests|crates)/[a-z0-9_/-]+\.rs)::([a-z0-9_]+)$").unwrap();
    let mut promises = 0;
    for (promise, text) in sections(&page, "###") {
        let tests: Vec<String> = code(text).into_iter().filter(|span| span.contains(".rs::")).collect();
        assert!(!tests.is_empty(), "{promise}: no test runs it");
        for test in tests {
            let parts = named.captures(&test).unwrap_or_else(|| panic!("{promise}: {test} is no FILE::TEST"));
            let function = format!(
                r"(?m)^\s*#\[(?:tokio::)?test\b[^\n]*\]\n(?:\s*#\[[^\n]*\n)*\s*(?:async )?fn {}\(",
                &parts[2]
            );
            assert!(
                Regex::new(&function).unwrap().is_match(&read(&parts[1])),
                "{promise}: there is no test {test}"
            );
        }
        promises += 1;
    }
    assert!(promises > 25, "{promises}");
}

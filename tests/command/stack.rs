//! The package, and what `causeway stack` makes of it. CloudFormation can't be had here: `sam` is a script that writes
//! down how it was called.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rehearsals::root;
use serde_json::Value;

use crate::command;

/// A package, with settings and a `sam` beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        // The head of a program for arm64: what is in it does not matter here.
        let program = [&b"\x7fELF"[..], &[0; 14], &[0xb7, 0]].concat();
        for step in rehearsals::STEPS {
            let folder = place.at("lambda").join(step);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("bootstrap"), &program).unwrap();
        }
        let functions = place.at("lambda");
        let packaged =
            place.run(&["package", "--functions", functions.to_str().unwrap(), "--output"], "package");
        assert!(packaged.status.success(), "{packaged:?}");
        fs::create_dir(place.at("bin")).unwrap();
        // Fails in the Region that the file `broken` names.
        let sam = "#!/bin/sh\ncd \"$(dirname \"$0\")/..\"\necho \"$*\" >> calls\n\
                   case \"$*\" in *\"--region $(cat broken 2>/dev/null || echo none)\"*) exit 1;; esac\n";
        fs::write(place.at("bin/sam"), sam).unwrap();
        fs::set_permissions(place.at("bin/sam"), fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// `causeway stack ARGUMENTS`, the last of which is in this place.
    fn run(&self, arguments: &[&str], last: &str) -> Output {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(command());
        command.arg("stack").args(arguments).arg(self.at(last)).current_dir(root()).env("PATH", path);
        command.stdin(std::process::Stdio::null()).output().unwrap()
    }

    fn with_settings(&self, arguments: &[&str]) -> Output {
        let settings = ["--settings", "docs/deploy.example.json", "--package"];
        self.run(&[arguments, &settings].concat(), "package")
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        calls.lines().map(str::to_owned).collect()
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

#[test]
fn the_package_has_the_very_documents_that_are_rehearsed_and_goes_to_both_regions() {
    let place = Place::new();
    assert_eq!(files(&place.at("package/ssm-documents")), files(&root().join("ssm-documents")));
    assert_eq!(
        fs::read(place.at("package/template.yaml")).unwrap(),
        fs::read(root().join("template.yaml")).unwrap()
    );

    // Nobody says yes: nothing is changed.
    let asked = place.with_settings(&["deploy"]);
    assert_eq!((asked.status.code(), place.calls()), (Some(2), vec![]), "{asked:?}");

    for (arguments, verb, says) in [
        (&["deploy", "--yes"][..], "deploy", "--no-confirm-changeset"),
        (&["deploy", "--yes"], "deploy", "--no-fail-on-empty-changeset"),
        (&["diff"], "deploy", "--no-execute-changeset"),
        (&["destroy", "--yes"], "delete", "--no-prompts"),
    ] {
        let done = place.with_settings(arguments);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        let calls = place.calls();
        let [one, other] = &calls[..] else { panic!("{calls:?}") };
        assert!(one.contains("--region eu-central-1") && other.contains("--region eu-west-1"), "{calls:?}");
        assert!(calls.iter().all(|call| call.starts_with(verb) && call.contains(says)), "{calls:?}");
    }

    // Each Region is given what the plan and the settings say of it.
    let given: Value =
        serde_json::from_slice(&fs::read(place.at("package/parameters/eu-west-1.yaml")).unwrap()).unwrap();
    assert_eq!(given["SubnetIds"], "subnet-2a1b2c3d4e5f60718,subnet-3a1b2c3d4e5f60718");
    assert_eq!(given["OtherRegion"], "eu-central-1");
    assert_eq!(given["Architecture"], "arm64");
    let plan: Value =
        serde_json::from_slice(&fs::read(root().join("docs/plan.example.json")).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(given["Plan"].as_str().unwrap()).unwrap(), plan);
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    for name in given.as_object().unwrap().keys() {
        assert!(
            template.contains(&format!("\n  {name}:\n    Type: ")),
            "the template has no parameter {name}"
        );
    }

    // The first Region fails: the second is not touched.
    fs::write(place.at("broken"), "eu-central-1").unwrap();
    let failed = place.with_settings(&["deploy", "--yes"]);
    assert_eq!((failed.status.code(), place.calls().len()), (Some(2), 1), "{failed:?}");
    fs::write(place.at("broken"), "eu-west-1").unwrap();
    let failed = place.with_settings(&["deploy", "--yes"]);
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(
        said.contains("deploying in eu-west-1 failed") && said.contains("eu-central-1 is done"),
        "{said}"
    );
    assert_eq!(place.calls().len(), 2);

    // What was changed behind the manifest is not deployed.
    fs::write(place.at("package/ssm-documents/failover.yaml"), "mainSteps: []").unwrap();
    let refused = place.with_settings(&["deploy", "--yes"]);
    assert_eq!((refused.status.code(), place.calls()), (Some(2), vec![]));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("failover.yaml was changed since"));
}

#[test]
fn settings_that_do_not_fit_the_plan_are_refused_before_anything_is_changed() {
    let place = Place::new();
    let settings = r#"{"plan": "plan.json", "prefix": "other", "automaticFailover": true,
        "regions": {"eu-west-1": {"subnets": ["subnet-1"]}, "us-east-1": {}}}"#;
    let mut plan: Value =
        serde_json::from_slice(&fs::read(root().join("docs/plan.example.json")).unwrap()).unwrap();
    plan.as_object_mut().unwrap().remove("automatic");
    fs::write(place.at("plan.json"), plan.to_string()).unwrap();
    fs::write(place.at("deploy.json"), settings).unwrap();
    let package = place.at("package");
    let package = package.to_str().unwrap();
    let refused = place.run(&["deploy", "--yes", "--package", package, "--settings"], "deploy.json");
    assert_eq!((refused.status.code(), place.calls()), (Some(2), vec![]));
    let said = String::from_utf8(refused.stderr).unwrap();
    for problem in [
        "us-east-1 is no Region of the plan",
        "the stack's report bucket in eu-west-1 is other-reports-111122223333-eu-west-1",
        "eu-west-1 needs subnets and securityGroups, or neither",
        "automaticFailover needs `automatic` in the plan",
    ] {
        assert!(said.contains(problem), "{problem} in {said}");
    }
}

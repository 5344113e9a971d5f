//! The package, and what is refused before anything is asked or changed: `sam` is a script that writes down how it was
//! called. What `causeway stack` does to an account is `sam_deploy`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rehearsals::root;
use sandbox::automation::{Automation, Document, Reading};
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::functions::NoFunctions;
use sandbox::router::Router;
use sandbox::wire::server::Server;
use sandbox::world::World;
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::command;

/// A package, with settings and a `sam` beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        // For arm64.
        Self::of(0xb7)
    }

    /// Of programs for this machine, as ELF has it.
    fn of(machine: u8) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        // The head of a program: what is in it does not matter here.
        let program = [&b"\x7fELF"[..], &[0; 14], &[machine, 0]].concat();
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
        let sam = "#!/bin/sh\ncd \"$(dirname \"$0\")/..\"\necho \"$*\" >> calls\n";
        fs::write(place.at("bin/sam"), sam).unwrap();
        fs::set_permissions(place.at("bin/sam"), fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// `causeway stack ARGUMENTS`, the last of which is in this place.
    fn run(&self, arguments: &[&str], last: &str) -> Output {
        self.run_at("http://127.0.0.1:9", arguments, last)
    }

    /// The same in an account that answers at this address.
    fn run_at(&self, endpoint: &str, arguments: &[&str], last: &str) -> Output {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(command());
        command.arg("stack").args(arguments).arg(self.at(last)).current_dir(root()).env("PATH", path);
        command.env("AWS_ENDPOINT_URL", endpoint);
        command.env("AWS_ACCESS_KEY_ID", "SANDBOX").env("AWS_SECRET_ACCESS_KEY", "sandbox");
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
fn the_package_has_the_very_documents_that_are_rehearsed() {
    let place = Place::new();
    assert_eq!(files(&place.at("package/ssm-documents")), files(&root().join("ssm-documents")));
    // The template, too, but for where the programs are: `sam build` finds them by the Makefile, a package by folder.
    let source = fs::read_to_string(root().join("template.yaml")).unwrap();
    let packaged = fs::read_to_string(place.at("package/template.yaml")).unwrap();
    let programs: Vec<&str> =
        packaged.lines().filter_map(|line| line.strip_prefix("      CodeUri: functions/")).collect();
    assert_eq!(programs, rehearsals::STEPS);
    let mut packaged = packaged;
    for step in rehearsals::STEPS {
        packaged = packaged.replace(&format!("CodeUri: functions/{step}\n"), "CodeUri: .\n");
        assert!(place.at("package/functions").join(step).join("bootstrap").is_file());
    }
    assert_eq!(packaged, source);

    // Nobody says yes: nothing is asked, and nothing changed.
    let asked = place.with_settings(&["deploy"]);
    assert_eq!((asked.status.code(), place.calls()), (Some(2), vec![]), "{asked:?}");
    let asked = place.with_settings(&["destroy"]);
    assert_eq!((asked.status.code(), place.calls()), (Some(2), vec![]), "{asked:?}");

    // What was changed behind the manifest is not deployed.
    fs::write(place.at("package/ssm-documents/failover.yaml"), "mainSteps: []").unwrap();
    let refused = place.with_settings(&["deploy", "--yes"]);
    assert_eq!((refused.status.code(), place.calls()), (Some(2), vec![]));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("failover.yaml was changed since"));
}

/// The names of the crates that are in these programs, by their symbols.
fn linked(programs: &[PathBuf]) -> BTreeSet<String> {
    let symbols = Command::new("nm").args(programs).output().unwrap();
    assert!(symbols.status.success(), "{}", String::from_utf8_lossy(&symbols.stderr));
    // `_ZN5serde…`: how long the first part of the path is, and the part.
    let name = |line: &str| {
        let mangled = line.split("_ZN").nth(1)?;
        let digits = mangled.bytes().take_while(u8::is_ascii_digit).count();
        let name = mangled.get(digits..digits + mangled.get(..digits)?.parse::<usize>().ok()?)?;
        let is_a_name =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        (is_a_name && name != "_").then(|| name.to_owned())
    };
    String::from_utf8_lossy(&symbols.stdout).lines().filter_map(name).collect()
}

#[test]
fn the_package_says_which_crates_its_functions_are_made_of() {
    // For x86_64, as the programs that are built for the tests are.
    let place = Place::of(0x3e);
    let text = fs::read_to_string(place.at("package/sbom.cdx.json")).unwrap();
    let manifest: Value =
        serde_json::from_slice(&fs::read(place.at("package/manifest.json")).unwrap()).unwrap();
    assert!(manifest["files"]["sbom.cdx.json"].is_string(), "{manifest}");
    let bom: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    let components = bom["components"].as_array().unwrap();
    let names: BTreeSet<String> =
        components.iter().map(|one| one["name"].as_str().unwrap().replace('-', "_")).collect();
    for one in components {
        let own = one["purl"].is_null();
        assert_eq!(own, root().join("crates").join(one["name"].as_str().unwrap()).is_dir(), "{one}");
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        assert!(own || one["hashes"][0]["content"].as_str().unwrap().len() == 64, "{one}");
    }
    for step in rehearsals::STEPS {
        let function = components.iter().find(|one| one["name"] == step).unwrap();
        let program = &manifest["files"][format!("functions/{step}/bootstrap")];
        assert_eq!((&function["type"], &function["hashes"][0]["content"]), (&json!("application"), program));
    }
    assert!(
        !text.contains(root().canonicalize().unwrap().to_str().unwrap()),
        "no folder of this machine is in it"
    );

    let programs = rehearsals::STEPS.map(|step| command().with_file_name(step));
    let linked = linked(&programs);
    assert!(linked.contains("serde_json") && linked.contains("runbook"), "{linked:?}");
    // Rust's own; two whose library is named in another way; and those that the command has of a client of AWS, and by the one build
    // for all tests the functions beside it.
    let others = ["core", "alloc", "std", "std_detect", "md5", "webpki", "aws_sdk_sso", "aws_sdk_ssooidc"];
    assert!(names.contains("md_5") && names.contains("rustls_webpki"), "{names:?}");
    let missing: Vec<&String> =
        linked.iter().filter(|name| !names.contains(*name) && !others.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "linked, and not in the SBOM: {missing:?}");
}

#[test]
fn settings_that_do_not_fit_the_plan_are_refused_before_anything_is_changed() {
    let place = Place::new();
    let settings = r#"{"plan": "plan.json", "prefix": "other", "automaticFailover": true, "regionSwitchPlanArn": "shop",
        "regions": {"eu-west-1": {"subnets": ["subnet-1"]}, "us-east-1": {}}}"#;
    let mut plan: Value =
        serde_json::from_slice(&fs::read(root().join("docs/plan.example.json")).unwrap()).unwrap();
    for field in ["automatic", "routing"] {
        plan.as_object_mut().unwrap().remove(field);
    }
    fs::write(place.at("plan.json"), plan.to_string()).unwrap();
    fs::write(place.at("deploy.json"), settings).unwrap();
    let package = place.at("package");
    let package = package.to_str().unwrap();
    let refused = place.run(&["deploy", "--yes", "--package", package, "--settings"], "deploy.json");
    assert_eq!((refused.status.code(), place.calls()), (Some(2), vec![]));
    let said = String::from_utf8(refused.stderr).unwrap();
    for problem in [
        "us-east-1 is not a Region of the plan",
        "the stack's report bucket in eu-west-1 is other-reports-111122223333-eu-west-1",
        "eu-west-1 needs subnets and securityGroups, or neither",
        "automaticFailover needs `automatic` in the plan",
        "regionSwitchPlanArn is \"shop\": need the ARN",
    ] {
        assert!(said.contains(problem), "{problem} in {said}");
    }
    assert!(!said.contains("routing"), "a plan may have none: {said}");
}

/// AWS would refuse them in the middle of a deployment, or cut them so that readiness does not find its roles.
#[test]
fn names_and_a_plan_that_are_too_long_are_refused_before_anything_is_changed() {
    let place = Place::new();
    let mut plan: Value =
        serde_json::from_slice(&fs::read(root().join("docs/plan.example.json")).unwrap()).unwrap();
    plan["name"] = "the-shop-of-the-north-with-all-its-warehouses".into();
    let prefix = "causeway-of-the-northern-shop-no1";
    let tables: Vec<String> = (0..600).map(|table| format!("table_{table}")).collect();
    plan["databases"]["orders"]["reconcile"]["exclude"] = tables.into();
    fs::write(place.at("plan.json"), plan.to_string()).unwrap();
    let settings = format!(
        r#"{{"plan": "plan.json", "prefix": "{prefix}", "stack": "causeway-for-the-northern-shop"}}"#
    );
    fs::write(place.at("deploy.json"), settings).unwrap();
    let package = place.at("package");
    let refused =
        place.run(&["deploy", "--yes", "--package", package.to_str().unwrap(), "--settings"], "deploy.json");
    assert_eq!((refused.status.code(), place.calls()), (Some(2), vec![]));
    let said = String::from_utf8(refused.stderr).unwrap();
    for problem in [
        "the stack's name causeway-for-the-northern-shop has 30 characters: 24 at most",
        "the bucket causeway-of-the-northern-shop-no1-reports-111122223333-eu-central-1 would have 4 characters more than the 63",
        "the EventBridge rule causeway-of-the-northern-shop-no1-readiness-the-shop-of-the-north-with-all-its-warehouses would have 25 \
         characters more than the 64",
        "the prefix causeway-of-the-northern-shop-no1 has 33 characters: 32 at most",
        "bytes without white space, a parameter holds 8192",
    ] {
        assert!(said.contains(problem), "{problem} in {said}");
    }

    let settings = r#"{"plan": "plan.json", "prefix": "-Shop", "stack": "a shop"}"#;
    fs::write(place.at("deploy.json"), settings).unwrap();
    let refused =
        place.run(&["deploy", "--yes", "--package", package.to_str().unwrap(), "--settings"], "deploy.json");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("the prefix \"-Shop\" has to be")
            && said.contains("the stack's name \"a shop\" has to be"),
        "{said}"
    );
}

/// A failover that lasts, in the sandbox's west.
struct Moving {
    automation: Arc<Automation>,
    world: Arc<World>,
    server: Server,
    id: String,
    _objects: tempfile::TempDir,
}

impl Moving {
    async fn start() -> Self {
        let text = "schemaVersion: '0.3'\nmainSteps: [{name: wait, action: 'aws:sleep', inputs: {Duration: PT1H}}]\n";
        let document = Document::parse("causeway-failover", text).unwrap();
        let (clock, functions) = (Clock::new(1.0), Arc::new(NoFunctions));
        let automation = Arc::new(sandbox::runbooks(
            clock,
            functions.clone(),
            Reading::ALL[0],
            vec![("causeway-failover".into(), document)],
        ));
        let world = World::new(clock, Arc::new(NoServers));
        let router = Router::new(Arc::clone(&world), Arc::clone(&automation), functions);
        let objects = tempfile::tempdir().unwrap();
        let server = Server::start(Arc::new(router), objects.path()).await.unwrap();
        let id = automation.start(WEST, "causeway-failover", BTreeMap::new()).unwrap();
        Self { automation, world, server, id, _objects: objects }
    }

    fn stop(&self) {
        self.automation.close();
        self.world.stop();
    }
}

/// `--yes` says nothing of a failover that runs: whoever wants to change its functions under it has to say so.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_while_a_runbook_runs_unless_somebody_says_so() {
    let moving = Moving::start().await;
    let place = Place::new();
    fs::write(place.at("plan.json"), serde_json::to_vec(&runbook::plan::sample()).unwrap()).unwrap();
    fs::write(place.at("deploy.json"), json!({"plan": "plan.json", "stack": "shop"}).to_string()).unwrap();
    let package = place.at("package");
    let destroy = |more: &[&str]| {
        let arguments =
            [&["destroy", "--yes", "--package", package.to_str().unwrap()], more, &["--settings"]];
        place.run_at(&moving.server.url, &arguments.concat(), "deploy.json")
    };
    let refused = destroy(&[]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (said, error) = (text(&refused.stdout), text(&refused.stderr));
    assert_eq!((refused.status.code(), place.calls()), (Some(2), vec![]), "{said} {error}");
    let line = format!("{WEST}: causeway-failover runs since ");
    assert!(
        said.contains(&line) && said.contains(&moving.id) && !said.contains(&format!("{EAST}: causeway")),
        "{said}"
    );
    assert!(
        error.contains("nothing was changed: wait until it has ended, or say --during-a-move"),
        "{error}"
    );
    // The stacks are asked for next: the sandbox has none of this name.
    let asked = |run: &Output| text(&run.stdout).contains("there is no stack shop");
    assert!(!asked(&refused), "{said}");
    let agreed = destroy(&["--during-a-move"]);
    assert!(asked(&agreed), "{agreed:?}");
    moving.automation.cancel(WEST, &moving.id).unwrap();
    moving.automation.wait(WEST, &moving.id).await.unwrap();
    let free = destroy(&[]);
    assert!(asked(&free), "{free:?}");
    moving.stop();
}

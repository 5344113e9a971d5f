//! The real `sam deploy`, driven by the built `causeway stack`, into ministack: an emulator of CloudFormation that nobody
//! here wrote, and that reads the template's rules, transforms, change sets and policies on its own account.
//!
//! What it does not know is taken out of a copy of the template, and named in [`EXCEPTIONS`]. What a person sees of it all
//! is `golden/sam_deploy.txt`; a change to it is to be read like a change to the code, and `UPDATE_GOLDEN=1` writes it again.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use regex::Regex;
use rehearsals::{STEPS, root};
use serde_json::{Value, json};

use crate::command;

const ACCOUNT: &str = "111122223333";
const EAST: &str = "eu-central-1";
const WEST: &str = "eu-west-1";

/// What ministack 1.5.33 does not know, and what the test does about it. `docs/witnesses.md` has the same table.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "AWS::SSM::Document",
        "stands in the copy as an AWS::SSM::Parameter of the same name, so that what refers to it gets a name; its text is still \
         included by the transform, and compared with the file",
    ),
    ("AWS::CloudWatch::CompositeAlarm", "is there by `AutomaticFailover` only, which is off in this test"),
    (
        "ssm:DescribeAutomationExecutions",
        "can't be asked, so whether a runbook runs is not known: the test says `--during-a-move`, and sees it refused without. \
         Where one runs, `tests/command/stack.rs` asks the sandbox",
    ),
];

/// A process that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An account in ministack, a package, settings and a plan.
struct Account {
    folder: tempfile::TempDir,
    endpoint: String,
    _ministack: Started,
    transcript: String,
}

fn installed(path: &str) -> PathBuf {
    let program = root().join("target").join(path);
    assert!(program.is_file(), "there is no {}: run tests/setup.sh sam python", program.display());
    program.canonicalize().unwrap_or(program)
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What AWS refuses to make while somebody has one of this name: stands for whatever it may refuse in the middle of a first
/// deployment, after the bucket. ministack takes a function or a log group that is there for the stack's own.
const REFUSED: &str = "  Refused:
    Type: AWS::Events::EventBus
    DependsOn: ReportBucketPolicy
    Properties: {Name: somebody-elses}
";

/// The template without what ministack does not know.
fn known(template: &str) -> String {
    let lines = template.lines().map(|line| match line.trim() {
        "Type: AWS::SSM::Document" => "    Type: AWS::SSM::Parameter",
        "DocumentType: Automation" => "      Type: String",
        "DocumentFormat: YAML" => "      Value: stands for a runbook",
        "UpdateMethod: NewVersion" => "",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

impl Account {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let ministack = Command::new(installed("ministack/bin/ministack"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            // It would bind every address, and a fixed port for IoT.
            .envs([("BIND_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "0")])
            .env("GATEWAY_PORT", port.to_string())
            .stdout(fs::File::create(folder.path().join("ministack.log")).unwrap())
            .stderr(Stdio::null())
            .spawn();
        let mut ministack = Started(ministack.unwrap());
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(ministack.0.try_wait().unwrap().is_none(), "ministack ended");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let account = Self {
            folder,
            endpoint: format!("http://127.0.0.1:{port}"),
            _ministack: ministack,
            transcript: String::new(),
        };
        fs::create_dir(account.at("bin")).unwrap();
        // The real one, with marks around what it says.
        let sam = installed("sam/bin/sam");
        executable(
            &account.at("bin/sam"),
            &format!(
                "#!/bin/sh\necho \"<<< sam $1\"\n{} \"$@\" 2>&1\ncode=$?\necho \">>> $code\"\nexit $code\n",
                sam.display()
            ),
        );
        let template = fs::read_to_string(root().join("template.yaml")).unwrap();
        let template = known(&template).replace("\nResources:\n", &format!("\nResources:\n{REFUSED}\n"));
        fs::write(account.at("template.yaml"), template).unwrap();
        // The head of a program for arm64: none is run here.
        let program = [&b"\x7fELF"[..], &[0; 14], &[0xb7, 0]].concat();
        for step in STEPS {
            fs::create_dir_all(account.at("lambda").join(step)).unwrap();
            fs::write(account.at("lambda").join(step).join("bootstrap"), &program).unwrap();
        }
        // By somebody who builds, and so has a home with cargo in it.
        let packaged = Command::new(command())
            .current_dir(root())
            .args(["stack", "package"])
            .args(
                ["--functions", "--template", "--output"]
                    .iter()
                    .zip(["lambda", "template.yaml", "package"])
                    .flat_map(|(option, path)| [(*option).into(), account.at(path).into_os_string()]),
            )
            .output()
            .unwrap();
        assert!(packaged.status.success(), "{packaged:?}");
        account.write_plan(&plan());
        account.write_settings(&json!({}));
        account
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write_plan(&self, plan: &Value) {
        fs::write(self.at("plan.json"), plan.to_string()).unwrap();
    }

    /// Settings with these beside the usual ones.
    fn write_settings(&self, more: &Value) {
        let mut settings = json!({"plan": "plan.json", "automaticReconcile": true, "regions": {
            EAST: {"subnets": ["subnet-0a1b2c3d4e5f60718"], "securityGroups": ["sg-0123456789abcdef0"]},
        }});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fs::write(self.at("deploy.json"), settings.to_string()).unwrap();
    }

    /// The environment of whoever deploys.
    fn of_the_account(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        command
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            // ministack takes twelve digits for an account.
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .envs([("SAM_CLI_TELEMETRY", "0"), ("SAM_CLI_POLL_DELAY", "1"), ("COLUMNS", "300")])
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_PROFILE")
            .current_dir(root())
            .stdin(Stdio::null());
        command
    }

    fn stack(&self, verb: &str) -> Command {
        let mut command = self.of_the_account(command());
        command.args(["stack", verb]);
        command
    }

    /// What somebody does, for the transcript, and how it ended.
    fn runs(&mut self, what: &str, arguments: &[&str]) -> (String, Option<i32>) {
        let mut command = self.stack(arguments[0]);
        command.args(&arguments[1..]).arg("--settings").arg(self.at("deploy.json"));
        let ran = command.arg("--package").arg(self.at("package")).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap();
        self.transcript +=
            &format!("## {what}\n$ causeway stack {}\n{}\n", arguments.join(" "), self.condensed(&said));
        (said, ran.status.code())
    }

    /// Without what differs from run to run. Of what `sam` says: what the change set changes, and how it ended.
    fn condensed(&self, said: &str) -> String {
        let mut text = String::new();
        let mut sam = false;
        let mut added = 0;
        // What is announced is the same each time: once is enough.
        let announced = !self.transcript.is_empty();
        let said =
            said.split_once("\nAsking both Regions").filter(|_| announced).map_or(said, |(_, rest)| rest);
        let action = Regex::new(r"^([+*-]) (Add|Modify|Delete) +(\S+) +(AWS::\S+) +(\S+)").unwrap();
        for line in said.lines() {
            if line.starts_with("<<< sam") {
                (sam, added) = (true, 0);
                text += &format!("    {}\n", &line[4..]);
                continue;
            }
            if line.starts_with(">>>") {
                sam = false;
                continue;
            }
            if !sam {
                // That it waits depends on how long something takes.
                if !line.is_empty() && !line.ends_with('…') {
                    text += &format!("{line}\n");
                }
                continue;
            }
            let line = line.trim();
            if let Some(found) = action.captures(line) {
                if &found[2] == "Add" {
                    added += 1;
                } else {
                    text += &format!("        {} {} {}\n", &found[2], &found[3], &found[4]);
                }
            } else if line.starts_with("Changeset created") {
                if added > 0 {
                    text += &format!("        Add {added} resources\n");
                }
            } else if [
                "Successfully created/updated",
                "No changes to deploy",
                "Error:",
                "Deleted successfully",
            ]
            .iter()
            .any(|start| line.starts_with(start))
            {
                text += &format!("        {line}\n");
            }
        }
        let text = text.replace(self.folder.path().to_str().unwrap(), "PLACE");
        let ids = Regex::new(r"(stack/[a-z]+/|changeSet/samcli-deploy\d+/)[0-9a-f-]{36}").unwrap();
        ids.replace_all(&text, "${1}ID").into_owned()
    }

    /// `aws` for a Region, as JSON.
    fn aws(&self, region: &str, arguments: &[&str]) -> Value {
        let ran = self
            .of_the_account(installed("python/bin/aws"))
            .args(arguments)
            .args(["--region", region, "--output", "json"])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap_or_default()
    }

    fn plan_in(&self, region: &str) -> (Value, String) {
        let found = self.aws(region, &["ssm", "get-parameter", "--name", "/causeway/plans/shop"]);
        let described = self.aws(
            region,
            &["ssm", "describe-parameters", "--parameter-filters", "Key=Name,Values=/causeway/plans/shop"],
        );
        let text = found["Parameter"]["Value"].as_str().unwrap();
        (serde_json::from_str(text).unwrap(), described["Parameters"][0]["Tier"].as_str().unwrap().to_owned())
    }

    fn state_in(&self, region: &str) -> String {
        let found = self.aws(region, &["cloudformation", "describe-stacks", "--stack-name", "causeway"]);
        found["Stacks"][0]["StackStatus"].as_str().unwrap().to_owned()
    }

    fn has_bucket(&self, region: &str) -> bool {
        let buckets = self.aws(region, &["s3api", "list-buckets"]).to_string();
        buckets.contains(&format!("causeway-reports-{ACCOUNT}-{region}"))
    }

    fn resources_in(&self, region: &str) -> Vec<String> {
        let found = self.aws(region, &["cloudformation", "list-stack-resources", "--stack-name", "causeway"]);
        let resources = found["StackResourceSummaries"].as_array().unwrap().iter();
        resources.map(|resource| resource["LogicalResourceId"].as_str().unwrap().to_owned()).collect()
    }
}

fn plan() -> Value {
    serde_json::from_slice(&fs::read(root().join("docs/plan.example.json")).unwrap()).unwrap()
}

/// The example's plan with as much in it as a parameter of 8 KB takes and CloudFormation's 4 KB don't.
fn large_plan() -> Value {
    let mut plan = plan();
    let tables: Vec<String> = (0..150).map(|table| format!("archive_of_the_year_{table}")).collect();
    plan["databases"]["orders"]["reconcile"]["exclude"] = json!(tables);
    let text = plan["databases"]["orders"]
        .to_string()
        .replace("shop-orders", "shop-catalog")
        .replace("shop/orders", "shop/catalog");
    let mut catalog: Value = serde_json::from_str(&text).unwrap();
    catalog["reconcile"]["exclude"] = json!([]);
    plan["databases"]["catalog"] = catalog;
    let size = plan.to_string().len();
    assert!((7_000..8_192).contains(&size), "{size}");
    plan
}

const DEPLOY: [&str; 3] = ["deploy", "--yes", "--during-a-move"];

#[test]
fn the_stacks_come_change_fail_go_and_come_again() {
    let mut account = Account::new();

    let (said, code) = account.runs("Whether a runbook runs can't be said", &["deploy", "--yes"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("it is not known whether a runbook runs"), "{said}");

    account.aws(WEST, &["events", "create-event-bus", "--name", "somebody-elses"]);
    let (said, code) = account.runs("AWS refuses the first deployment of the second Region", &DEPLOY);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(
        (account.state_in(EAST), account.state_in(WEST)),
        ("CREATE_COMPLETE".into(), "ROLLBACK_COMPLETE".into())
    );
    for told in
        ["Refused (AWS::Events::EventBus)", "in eu-west-1", "eu-central-1 is done", "run the same again"]
    {
        assert!(said.contains(told), "{told} is not told: {said}");
    }

    assert!(
        !account.has_bucket(WEST),
        "the bucket of a first deployment that failed would be in the way of the next"
    );
    account.aws(WEST, &["events", "delete-event-bus", "--name", "somebody-elses"]);
    let (said, code) = account.runs("Again, once that is mended", &DEPLOY);
    assert_eq!((code, account.state_in(WEST)), (Some(0), "CREATE_COMPLETE".into()), "{said}");
    for region in [EAST, WEST] {
        assert_eq!(account.plan_in(region), (plan(), "Advanced".into()), "{region}");
        // The documents arrive as they are rehearsed.
        let template = account.aws(
            region,
            &["cloudformation", "get-template", "--stack-name", "causeway", "--template-stage", "Processed"],
        );
        let mut template = template["TemplateBody"].clone();
        if let Some(text) = template.as_str() {
            template = serde_json::from_str(text).unwrap();
        }
        let failover = fs::read_to_string(root().join("ssm-documents/failover.yaml")).unwrap();
        let failover: Value = serde_norway::from_str(&failover).unwrap();
        assert_eq!(template["Resources"]["FailoverDocument"]["Properties"]["Content"], failover);
    }

    let (said, code) = account.runs("Nothing has changed", &DEPLOY);
    assert_eq!((code, said.matches("No changes to deploy").count()), (Some(0), 2), "{said}");

    // As fill-endpoints writes it.
    let mut filled = plan();
    filled["routing"]["endpoints"][0]["url"] =
        json!("https://filled.route53-recovery-cluster.us-east-1.amazonaws.com/v1");
    let text = filled.to_string();
    for region in [EAST, WEST] {
        let put = ["ssm", "put-parameter", "--name", "/causeway/plans/shop", "--overwrite", "--value", &text];
        account.aws(region, &put);
    }
    account.write_plan(&large_plan());
    let (said, code) = account
        .runs("The plan's file has changed, and fill-endpoints has corrected the account's plan", &DEPLOY);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("https://filled.route53") && said.contains("--overwrite-endpoints"), "{said}");
    assert_eq!((account.plan_in(EAST).0, account.plan_in(WEST).0), (filled.clone(), filled.clone()));

    let mut large = large_plan();
    large["routing"]["endpoints"] = filled["routing"]["endpoints"].clone();
    account.write_plan(&large);
    let (said, code) = account
        .runs("What a deployment of the plan with 8 KB, and with these endpoints, would change", &["diff"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(account.plan_in(EAST).0, filled, "a comparison changes nothing");
    let (said, code) = account.runs("It is deployed", &DEPLOY);
    assert_eq!(code, Some(0), "{said}");
    for region in [EAST, WEST] {
        assert_eq!(account.plan_in(region), (large.clone(), "Advanced".into()), "{region}");
    }

    account.write_settings(&json!({"automaticFailover": true}));
    let (said, code) =
        account.runs("A failover shall start by itself, by alarms that are not there", &DEPLOY);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("eu-west-1: the plan's `automatic` names alarms that are not there: shop-central-canary, shop-central-errors"), "{said}");
    account.write_settings(&json!({}));

    account.aws(
        WEST,
        &[
            "s3api",
            "put-object",
            "--bucket",
            "causeway-reports-111122223333-eu-west-1",
            "--key",
            "records/shop/last.json",
        ],
    );
    let (said, code) = account.runs("Both are removed", &["destroy", "--yes", "--during-a-move"]);
    assert_eq!(code, Some(0), "{said}");
    for region in [EAST, WEST] {
        let stacks = account.aws(
            region,
            &[
                "cloudformation",
                "list-stacks",
                "--query",
                "StackSummaries[?StackName=='causeway' && StackStatus!='DELETE_COMPLETE']",
            ],
        );
        assert_eq!(stacks, json!([]), "{region}");
        let plans = account.aws(
            region,
            &["ssm", "describe-parameters", "--parameter-filters", "Key=Name,Values=/causeway/plans/shop"],
        );
        assert_eq!(plans["Parameters"], json!([]), "{region}");
    }

    // What the template says of the bucket is said again to one that is taken in.
    let suspended =
        ["s3api", "put-bucket-versioning", "--versioning-configuration", "Status=Suspended", "--bucket"];
    account.aws(WEST, &[&suspended[..], &["causeway-reports-111122223333-eu-west-1"]].concat());
    let (said, code) = account.runs("What a deployment would make", &["diff"]);
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = account.runs("And deployed again, beside the reports that were kept", &DEPLOY);
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = account.runs("Nothing has changed", &DEPLOY);
    assert_eq!((code, said.matches("No changes to deploy").count()), (Some(0), 2), "{said}");
    for region in [EAST, WEST] {
        let resources = account.resources_in(region);
        assert!(
            resources.iter().any(|name| name == "ReportBucket") && resources.len() > 40,
            "{region}: {resources:?}"
        );
        let bucket = format!("causeway-reports-{ACCOUNT}-{region}");
        let versioning = account.aws(region, &["s3api", "get-bucket-versioning", "--bucket", &bucket]);
        assert_eq!(versioning["Status"], "Enabled", "the bucket is as the template says");
        let policy = account.aws(region, &["s3api", "get-bucket-policy", "--bucket", &bucket]);
        assert!(policy.to_string().contains("TlsOnly"), "{policy}");
    }
    let kept = account
        .aws(WEST, &["s3api", "list-objects-v2", "--bucket", "causeway-reports-111122223333-eu-west-1"]);
    assert_eq!(kept["Contents"][0]["Key"], "records/shop/last.json");

    let golden = root().join("tests/command/golden/sam_deploy.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::write(&golden, &account.transcript).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        account.transcript == expected,
        "this is not golden/sam_deploy.txt; when it is meant to change, write it with UPDATE_GOLDEN=1.\n{}",
        account.transcript
    );
}

/// Each exception stands in the docs with its reason, and there is no other.
#[test]
fn what_ministack_does_not_know_is_in_the_docs() {
    let page = fs::read_to_string(root().join("docs/witnesses.md")).unwrap();
    let section =
        page.split("\n## ").find(|section| section.starts_with("sam deploy into ministack")).unwrap();
    let rows: Vec<(String, String)> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
        .map(|(what, why)| (what.to_owned(), why.to_owned()))
        .collect();
    let expected: Vec<(String, String)> =
        EXCEPTIONS.map(|(what, why)| (what.to_owned(), why.to_owned())).to_vec();
    assert_eq!(rows, expected);
    let known = known(&fs::read_to_string(root().join("template.yaml")).unwrap());
    assert!(
        !known.contains("AWS::SSM::Document")
            && known.contains("Type: AWS::CloudWatch::CompositeAlarm\n    Condition: FailsOverByItself")
    );
}

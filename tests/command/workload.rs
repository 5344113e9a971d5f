//! The example application's two Regions, deployed by the built command into ministack: an emulator of CloudFormation that nobody here
//! wrote, and that reads the templates' rules, references and patterns on its own account. Deployed, compared, deployed again, removed;
//! then an independent client (boto3) finds nothing, and it is deployed anew.
//!
//! Types that it does not know stand in a copy of the template as a parameter of SSM, see [`UNKNOWN`]. ARC, which it does not have, is the
//! sandbox's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rehearsals::emulator::Emulator;
use rehearsals::templates::long;
use rehearsals::{root, witnesses};
use sandbox::account::{EAST, OPERATOR, WEST};
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::wire::server::{Listeners, Server};
use sandbox::wire::{SECRET, Wire};
use sandbox::world::World;
use serde_json::{Value, json};

use crate::command;

const FIRST: &str = "eu-central-1";
const SECOND: &str = "eu-west-1";
const CONTROL: &str = "us-west-2";

/// What ministack 1.5.33 does not know. `docs/witnesses.md` has each; cfn-lint and checkov read the templates as they are.
const UNKNOWN: [&str; 19] = [
    "AWS::AmazonMQ::Broker",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::Instance",
    "AWS::EC2::NatGateway",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::VPCPeeringConnection",
    "AWS::FIS::ExperimentTemplate",
    "AWS::RDS::GlobalCluster",
    "AWS::Route53::HealthCheck",
    "AWS::Route53RecoveryControl::Cluster",
    "AWS::Route53RecoveryControl::ControlPanel",
    "AWS::Route53RecoveryControl::RoutingControl",
    "AWS::Route53RecoveryControl::SafetyRule",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::Synthetics::Canary",
];

/// What it has otherwise than AWS.
const OTHERWISE: [&str; 3] = [
    "an alarm on several metrics",
    "TargetGroupFullName of a target group",
    "parameters of SSM that are AWS's own",
];

/// An account, the templates' copies, and ARC.
struct Account {
    folder: tempfile::TempDir,
    ministack: Emulator,
    world: Arc<World>,
    arc: Server,
    controls: BTreeMap<String, String>,
    // One to answer ARC.
    _runtime: tokio::runtime::Runtime,
}

impl Account {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ministack = Emulator::start("ministack", &[], folder.path()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let objects = folder.path().join("objects");
        fs::create_dir(&objects).unwrap();
        let (world, arc) = runtime.block_on(async {
            let listeners = Listeners::bind().await.unwrap();
            let world = sandbox::shop::world(Clock::new(1.0), Arc::new(NoServers), &listeners.arc_urls)
                .await
                .unwrap();
            let wire = Arc::new(Wire::new(Arc::clone(&world) as _, &objects).unwrap());
            (world, listeners.serve(&wire))
        });
        let plan = sandbox::shop::plan(&BTreeMap::new());
        let (cluster, controls) = (plan.routing.cluster_arn.unwrap(), plan.routing.controls);
        // As ARC makes them.
        for control in controls.values() {
            world.set_routing_control(control, false);
        }
        let account = Self { folder, ministack, world, arc, controls, _runtime: runtime };
        fs::create_dir(account.at("templates")).unwrap();
        for file in fs::read_dir(root().join("workload")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "yaml") {
                let template = fs::read_to_string(&path).unwrap();
                let known = account.known(&template, &cluster);
                fs::write(account.at("templates").join(path.file_name().unwrap()), known).unwrap();
            }
        }
        account.put_image();
        let settings =
            json!({"name": "shop", "regions": [FIRST, SECOND], "mail": "night@example.com", "client": true});
        fs::write(account.at("workload.json"), settings.to_string()).unwrap();
        account
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `make image` puts there, and a `docker` that looks whether the context has what the image is made of, writes down what it
    /// was asked for, and pushes to ministack's repository.
    fn put_image(&self) {
        let image = self.at("target/workload/image");
        fs::create_dir_all(&image).unwrap();
        fs::copy(root().join("workload/Dockerfile"), image.join("Dockerfile")).unwrap();
        for file in ["shop", "rds.pem", "authorities.pem"] {
            fs::write(image.join(file), file).unwrap();
        }
        let docker = r#"#!/bin/sh
echo "$*" >> CALLS
case "$1" in
login) test "$(cat | wc -c)" -gt 1 ;;
build) for file in $(sed -n 's/^COPY \([^ ]*\) .*/\1/p' Dockerfile); do test -s "$file" || { echo "no $file" >&2; exit 1; }; done ;;
push)
  name=${2#*/}
  region=$(echo "$2" | cut -d. -f4)
  aws ecr put-image --region "$region" --repository-name "${name%:*}" --image-tag "${name#*:}" --image-manifest '{"schemaVersion": 2}' ;;
esac
"#;
        let docker = docker.replace("CALLS", &self.at("docker").display().to_string());
        fs::create_dir(self.at("bin")).unwrap();
        fs::write(self.at("bin/docker"), docker).unwrap();
        fs::set_permissions(self.at("bin/docker"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A template without what ministack does not know: there stands a parameter, whose attributes are texts.
    fn known(&self, template: &str, cluster: &str) -> String {
        let mut template = long(&serde_norway::from_str(template).unwrap());
        let mut stands = BTreeMap::new();
        for parameter in template["Parameters"].as_object_mut().unwrap().values_mut() {
            // AWS's own parameters are not there.
            if parameter["Type"].as_str().unwrap().starts_with("AWS::SSM::Parameter::Value") {
                *parameter = json!({"Type": "String", "Default": "ami-0123456789abcdef0"});
            }
        }
        for (name, resource) in template["Resources"].as_object_mut().unwrap() {
            let kind = resource["Type"].as_str().unwrap().to_owned();
            let properties = resource.get_mut("Properties").and_then(Value::as_object_mut);
            // An alarm on what is computed from several metrics, which ministack refuses: it stands on one.
            if kind == "AWS::CloudWatch::Alarm"
                && let Some(properties) = properties
                && properties.remove("Metrics").is_some()
            {
                let one = [
                    ("MetricName", json!("one")),
                    ("Namespace", json!("instead")),
                    ("Period", json!(60)),
                    ("Statistic", json!("Sum")),
                ];
                properties.extend(one.map(|(name, value)| (name.to_owned(), value)));
            }
            if UNKNOWN.contains(&kind.as_str()) {
                let mut stand =
                    json!({"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": kind}});
                for kept in ["Condition", "DependsOn"] {
                    if let Some(kept_value) = resource.get(kept) {
                        stand[kept] = kept_value.clone();
                    }
                }
                *resource = stand;
                stands.insert(name.clone(), kind);
            }
        }
        let attribute = |name: &str, attribute: &str| -> Option<String> {
            // An attribute that ministack has in another form than AWS: `targetgroup/NAME/ID`.
            if attribute == "TargetGroupFullName" {
                return Some("targetgroup/ui/0123456789abcdef".to_owned());
            }
            let kind = stands.get(name)?;
            Some(match (kind.as_str(), name) {
                ("AWS::Route53RecoveryControl::RoutingControl", "FirstControl") => {
                    self.controls[EAST].clone()
                }
                ("AWS::Route53RecoveryControl::RoutingControl", _) => self.controls[WEST].clone(),
                ("AWS::Route53RecoveryControl::SafetyRule", _) => {
                    sandbox::world::routing::ONE_REGION_ON.to_owned()
                }
                ("AWS::Route53RecoveryControl::Cluster", _) => cluster.to_owned(),
                ("AWS::AmazonMQ::Broker", _) if attribute == "AmqpEndpoints" => {
                    "amqps://broker.example:5671".to_owned()
                }
                ("AWS::EC2::VPCPeeringConnection", _) => "pcx-0123456789abcdef0".to_owned(),
                ("AWS::Route53::HealthCheck", _) => "01234567-89ab-4cde-8f01-23456789abcd".to_owned(),
                // What refers to another gets the stand-in's own name.
                _ if attribute == "Ref" => return None,
                _ => format!("{name}.{attribute}"),
            })
        };
        replace(&mut template, &attribute);
        template.to_string()
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        let path = std::env::var("PATH").unwrap();
        BTreeMap::from([
            (
                "PATH",
                format!("{}:{}:{path}", self.at("bin").display(), root().join("target/python/bin").display()),
            ),
            ("HOME", self.folder.path().display().to_string()),
            ("AWS_ENDPOINT_URL", self.ministack.url.clone()),
            ("AWS_ENDPOINT_URL_ROUTE53_RECOVERY_CONTROL_CONFIG", self.arc.url.clone()),
            ("AWS_ACCESS_KEY_ID", OPERATOR.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", FIRST.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ])
    }

    /// Runs `causeway workload`: what it said, and whether it went well.
    fn workload(&self, what: &str) -> (String, bool) {
        let mut run = Command::new(command());
        run.args(["workload", what, "--settings", "workload.json", "--templates", "templates"]);
        if what != "diff" {
            run.arg("--yes");
        }
        let done = run.env_clear().envs(self.environment()).current_dir(self.folder.path()).output().unwrap();
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        (said, done.status.success())
    }

    /// Runs `causeway workload deploy` and kills it when so many parts stand.
    fn deploy_killed(&self, stand: usize) {
        let mut run = Command::new(command());
        run.args(["workload", "deploy", "--settings", "workload.json", "--templates", "templates", "--yes"])
            .env_clear()
            .envs(self.environment())
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = run.spawn().unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            said += &(line.unwrap() + "\n");
            if said.matches("  stands").count() == stand {
                // By SIGKILL: nothing of it goes on.
                child.kill().unwrap();
                break;
            }
        }
        assert!(!child.wait().unwrap().success(), "it had ended before:\n{said}");
    }

    /// What an independent client finds in the account, a line each.
    fn found(&self) -> String {
        let script = root().join("tests/command/account.py");
        let python = rehearsals::python().unwrap();
        let done = Command::new(python)
            .arg(script)
            .args([FIRST, SECOND, CONTROL])
            .env_clear()
            .envs(self.environment())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

/// Puts texts in the place of attributes.
fn replace(value: &mut Value, attribute: &impl Fn(&str, &str) -> Option<String>) {
    let text = value.get("Fn::GetAtt").and_then(|of| attribute(of[0].as_str()?, of[1].as_str()?));
    let text = text.or_else(|| value.get("Ref").and_then(|of| attribute(of.as_str()?, "Ref")));
    if let Some(text) = text {
        // A list where one is wanted: `Select` takes the first.
        *value = json!(text);
        return;
    }
    if let Some(select) = value.get("Fn::Select").cloned()
        && let Some(of) = select[1].get("Fn::GetAtt")
        && let Some(text) = attribute(of[0].as_str().unwrap_or_default(), of[1].as_str().unwrap_or_default())
    {
        *value = json!(text);
        return;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, attribute)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, attribute)),
        Value::String(text) => {
            let known = regex::Regex::new(r"\$\{(\w+)\.(\w+)\}").unwrap();
            let replaced = known.replace_all(text, |found: &regex::Captures<'_>| {
                attribute(&found[1], &found[2]).unwrap_or_else(|| found[0].to_owned())
            });
            *text = replaced.into_owned();
        }
        _ => {}
    }
}

/// The page lists what stands for something else, and nothing more.
#[test]
fn what_ministack_does_not_know_is_listed() {
    let mut found: Vec<String> = UNKNOWN.map(str::to_owned).into();
    found.extend(OTHERWISE.map(str::to_owned));
    witnesses::hold("The workload into ministack", found).unwrap_or_else(|differs| panic!("{differs}"));
    let templates: String = fs::read_dir(root().join("workload"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for kind in UNKNOWN {
        assert!(templates.contains(&format!("Type: {kind}\n")), "no template has {kind} any more");
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_workload_is_deployed_compared_removed_and_deployed_again() {
    let account = Account::new();
    let before = account.found();

    // One that is killed as soon as its first part stands, while others are being made.
    account.deploy_killed(1);
    // The next goes on, and is refused in the middle: what stands stays, and the reason is told with its part and Region.
    let refused = |said: &str, well: bool| {
        assert!(!well, "{said}");
        assert!(
            said.contains(&format!("  - carts: {FIRST}: changing the stack shop-carts failed")),
            "{said}"
        );
        assert!(said.contains("AWS::Shop::Cart") && said.contains("it goes on from here"), "{said}");
    };
    let carts = account.at("templates/carts.yaml");
    let good = fs::read_to_string(&carts).unwrap();
    let bad = good.replace("AWS::DynamoDB::GlobalTable", "AWS::Shop::Cart");
    fs::write(&carts, &bad).unwrap();
    let (said, well) = account.workload("deploy");
    refused(&said, well);
    assert!(!account.at("plan.json").exists());
    // Run again, it goes on.
    fs::write(&carts, good).unwrap();
    let (said, well) = account.workload("deploy");
    assert!(well, "{said}");
    let place = |said: &str, region: &str, part: &str| {
        let line = format!("{region:<16}{part:<10}stands");
        said.find(&line).unwrap_or_else(|| panic!("{part} in {region} does not stand:\n{said}"))
    };
    assert!(place(&said, FIRST, "orders") < place(&said, SECOND, "orders"), "{said}");
    assert!(place(&said, SECOND, "services") < place(&said, CONTROL, "routing"), "{said}");
    assert!(said.contains(&format!("The routing control of {FIRST} was turned on")), "{said}");
    assert!(account.world.has_traffic(EAST) && !account.world.has_traffic(WEST));

    // The shop's image was pushed once to each Region.
    let docker = || {
        let calls = fs::read_to_string(account.at("docker")).unwrap();
        ["login", "build", "push"].map(|call| calls.lines().filter(|line| line.starts_with(call)).count())
    };
    assert_eq!(docker(), [2, 2, 2]);

    // What the runbooks' deployment takes.
    let checked =
        Command::new(command()).args(["plan", "check"]).arg(account.at("plan.json")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let settings = Command::new(command())
        .args(["stack", "prove", "--settings", "deploy.json"])
        .env_clear()
        .envs(account.environment())
        .current_dir(account.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&settings.stdout);
    // What it says once it has read both; what it asks then, ministack does not know.
    assert!(said.starts_with("This checks in both Regions"), "{settings:?}");
    let (plan, deployment) = (read(&account.at("plan.json")), read(&account.at("deploy.json")));
    assert_eq!(plan["regions"], json!([FIRST, SECOND]));
    assert_eq!(plan["routing"]["endpoints"].as_array().unwrap().len(), 5);
    assert_eq!(plan["databases"]["orders"]["members"][SECOND]["secret"], "shop/orders");
    assert_eq!(
        plan["automatic"]["signals"][FIRST][1],
        json!({"alarm": "shop-canary-other", "region": SECOND})
    );
    assert_eq!(deployment["regions"][FIRST]["subnets"].as_array().unwrap().len(), 3);
    assert_eq!(deployment["kmsKeys"].as_array().unwrap().len(), 2);

    // Again: nothing changes, and nothing is switched.
    account.world.set_routing_control(&account.controls[EAST], false);
    let (said, well) = account.workload("deploy");
    assert!(well, "{said}");
    assert!(!account.at("plan.json.new").exists() && !said.contains("was turned on"), "{said}");
    assert_eq!(docker(), [2, 2, 2]);
    let (said, well) = account.workload("diff");
    assert!(well && !said.contains("would"), "{said}");
    assert!(said.ends_with("Nothing was changed.\n"), "{said}");

    // What is in a bucket is no hindrance, nor what a failover and a runbook have left; what is somebody else's stays.
    account.disturb();
    let (said, well) = account.workload("destroy");
    assert!(well, "{said}");
    for part in [
        "2 versions were removed",
        "the cluster restored is of no stack",
        "the cluster rebuilt is of no stack",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let follower = said.find(&format!("{FIRST}: arn:aws:rds:{FIRST}:000000000000:cluster:rebuilt leaves"));
    let writer = said
        .find(&format!("{SECOND}: arn:aws:rds:{SECOND}:000000000000:cluster:shop-orders-{SECOND} leaves"));
    assert!(follower.unwrap() < writer.unwrap(), "{said}");
    let left = || {
        let found = account.found();
        found.lines().filter(|line| !before.contains(line)).collect::<Vec<_>>().join(" ")
    };
    let somebody_elses = format!("{FIRST} rds describe_db_clusters: somebody-elses");
    assert_eq!(left(), somebody_elses, "{said}");
    let (said, well) = account.workload("destroy");
    assert!(well && said.contains("There is nothing of shop"), "{said}");

    // It can be deployed again, and be removed where that was killed in the middle.
    account.deploy_killed(9);
    let (said, well) = account.workload("destroy");
    assert!(well, "{said}");
    assert_eq!(left(), somebody_elses, "{said}");
}

impl Account {
    /// Puts two versions of a file into a bucket of the canaries, makes the second Region the writer of the orders, and a cluster that
    /// was restored, and one of somebody else.
    fn disturb(&self) {
        let python = rehearsals::python().unwrap();
        let script = root().join("tests/command/disturb.py");
        let done = Command::new(python)
            .arg(script)
            .args([FIRST, SECOND])
            .env_clear()
            .envs(self.environment())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

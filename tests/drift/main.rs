//! Drift guards: documents, template, events, docs and crates say the same.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod docs;
mod formats;
mod structure;

use runbook::telemetry;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use rehearsals::{CALLED_BY_REGION_SWITCH, STEPS, root};
use serde_norway::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn template() -> BTreeMap<String, Value> {
    let template: Value = serde_norway::from_str(&read("template.yaml")).unwrap();
    let resources = template.get("Resources").and_then(Value::as_mapping).unwrap();
    resources.iter().map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource.clone())).collect()
}

fn of_type<'a>(resources: &'a BTreeMap<String, Value>, kind: &str) -> Vec<(&'a String, &'a Value)> {
    resources.iter().filter(|(_, resource)| resource["Type"] == *kind).collect()
}

/// The text behind a tag such as `!Sub`, or the value itself.
fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => text(&tagged.value),
        Value::String(text) => text.clone(),
        other => serde_norway::to_string(other).unwrap(),
    }
}

/// Names of the functions that the documents call, without the prefix.
fn called() -> BTreeSet<String> {
    documents().iter().flat_map(|document| called_by(document)).collect()
}

/// The same of one document.
fn called_by(document: &str) -> BTreeSet<String> {
    let text = read(&format!("ssm-documents/{document}"));
    let names = text.lines().filter_map(|line| line.split_once("FunctionName: '{{ Prefix }}-"));
    names.map(|(_, name)| name.trim_end_matches('\'').to_owned()).collect()
}

fn documents() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(root().join("ssm-documents"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_function_has_a_resource_a_role_of_its_own_an_event_a_document_and_a_line_in_the_docs() {
    let resources = template();
    let functions = of_type(&resources, "AWS::Serverless::Function");
    let mut roles = BTreeSet::new();
    for step in STEPS {
        let (name, function) = functions
            .iter()
            .find(|(_, function)| {
                text(&function["Properties"]["FunctionName"]) == format!("${{Prefix}}-{step}")
            })
            .unwrap_or_else(|| panic!("template.yaml has no function ${{Prefix}}-{step}"));
        // The Makefile's target has the function's name, and builds what that says.
        let words = name.trim_end_matches("Function").chars().flat_map(|char| {
            let upper = char.is_ascii_uppercase();
            [upper.then_some('-'), Some(char.to_ascii_lowercase())].into_iter().flatten()
        });
        assert_eq!(words.skip(1).collect::<String>(), step, "{name} is another binary");
        assert_eq!(text(&function["Metadata"]["BuildMethod"]), "makefile", "{name}");
        assert!(roles.insert(text(&function["Properties"]["Role"])), "{name} shares its role");
        assert!(root().join(format!("events/{step}.json")).exists(), "no events/{step}.json");
        assert!(called().contains(step) || step == CALLED_BY_REGION_SWITCH, "no document calls {step}");
        assert!(
            read("docs/contracts.md").contains(&format!("`causeway-{step}`")),
            "docs/contracts.md does not name {step}"
        );
    }
    assert_eq!(functions.len(), STEPS.len(), "template.yaml has a function that is no step");
    let mut steps = BTreeSet::from(STEPS.map(String::from));
    steps.remove(CALLED_BY_REGION_SWITCH);
    assert_eq!(called(), steps, "a document calls what is no step");
}

#[test]
fn every_document_is_deployed_from_its_file() {
    let resources = template();
    let deployed: BTreeSet<String> = of_type(&resources, "AWS::SSM::Document")
        .iter()
        .map(|(_, document)| {
            let include = &document["Properties"]["Content"]["Fn::Transform"];
            let file =
                text(&include["Parameters"]["Location"]).trim_start_matches("ssm-documents/").to_owned();
            let name = text(&document["Properties"]["Name"]);
            assert_eq!(
                format!("{}.yaml", name.trim_start_matches("${Prefix}-")),
                file,
                "{name} is another file's name"
            );
            file
        })
        .collect();
    assert_eq!(deployed, documents().into_iter().collect());
}

/// CloudFormation refuses a template whose rules use anything else ("Rule functions", AWS CloudFormation User Guide; it
/// lists Fn::If there, too, which an account refuses: coverage roadmap, issue 921).
#[test]
fn rules_use_rule_functions_only() {
    fn functions(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Tagged(tagged) => {
                found.insert(tagged.tag.to_string().trim_start_matches('!').to_owned());
                functions(&tagged.value, found);
            }
            Value::Mapping(map) => {
                for (key, value) in map {
                    let key = key.as_str().unwrap();
                    if let Some(name) = key.strip_prefix("Fn::").or((key == "Ref").then_some(key)) {
                        found.insert(name.to_owned());
                    }
                    functions(value, found);
                }
            }
            Value::Sequence(items) => items.iter().for_each(|item| functions(item, found)),
            _ => {}
        }
    }
    let template: Value = serde_norway::from_str(&read("template.yaml")).unwrap();
    let mut found = BTreeSet::new();
    functions(&template["Rules"], &mut found);
    let allowed = [
        "And",
        "Contains",
        "EachMemberEquals",
        "EachMemberIn",
        "Equals",
        "Not",
        "Or",
        "Ref",
        "RefAll",
        "ValueOf",
        "ValueOfAll",
    ];
    assert!(found.contains("Equals"), "rules were read");
    let others: Vec<&String> = found.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// The settings refuse a prefix, a stack or a plan whose names AWS would not take, by the longest name of each kind.
#[test]
fn the_settings_know_the_longest_name_of_each_kind() {
    let settings = read("crates/causeway/src/stack/settings.rs");
    let known = |kind: &str| -> String {
        let line =
            settings.lines().find_map(|line| line.trim().strip_prefix(&format!("(\"{kind}\", \""))).unwrap();
        line.split_once('"').unwrap().0.to_owned()
    };
    let resources = template();
    for (kind, of_type_, property) in [
        ("bucket", "AWS::S3::Bucket", "BucketName"),
        ("EventBridge rule", "AWS::Events::Rule", "Name"),
        ("function", "AWS::Serverless::Function", "FunctionName"),
        ("runbook", "AWS::SSM::Document", "Name"),
    ] {
        let filled = |name: &str| {
            let name = name.replace("${Prefix}", "{prefix}").replace("${PlanName}", "{plan}");
            name.replace("${AWS::AccountId}", "{account}").replace("${AWS::Region}", "{region}")
        };
        let names = of_type(&resources, of_type_);
        let names = names.iter().map(|(_, resource)| filled(&text(&resource["Properties"][property])));
        let longest = names.map(|name| name.len()).max().unwrap();
        assert_eq!(known(kind).len(), longest, "{kind}: {}", known(kind));
    }
}

/// A deployment puts the plan: no stack has it, so none deletes it. And the bucket is kept, but for a first deployment that
/// failed.
#[test]
fn no_stack_deletes_a_plan_or_a_bucket() {
    let template: Value = serde_norway::from_str(&read("template.yaml")).unwrap();
    assert!(template["Parameters"].get("Plan").is_none());
    let resources = self::template();
    for (name, parameter) in of_type(&resources, "AWS::SSM::Parameter") {
        assert!(!text(&parameter["Properties"]["Name"]).contains("/plans/"), "{name}");
    }
    let bucket = &resources["ReportBucket"];
    assert_eq!(text(&bucket["DeletionPolicy"]), "RetainExceptOnCreate");
    assert_eq!(text(&bucket["UpdateReplacePolicy"]), "Retain");
}

/// Readiness asks about the roles under the names that the template gives them, and the rehearsals have the same.
#[test]
fn the_stack_names_every_role_that_readiness_asks_about() {
    let resources = template();
    let parameter = &resources["StackParameter"]["Properties"];
    assert_eq!(text(&parameter["Name"]), preflight::permissions::parameter("/causeway/plans/${PlanName}"));
    // The text, and what is put into it where something starts by itself.
    let Value::Tagged(value) = &parameter["Value"] else { panic!("{parameter:?}") };
    let parts = value.value.as_sequence().unwrap();
    let put = |text: String, (name, value): (&Value, &Value)| {
        let Value::Tagged(choice) = value else { panic!("{value:?}") };
        text.replace(&format!("${{{}}}", name.as_str().unwrap()), &self::text(&choice.value[1]))
    };
    let value = parts[1].as_mapping().unwrap().iter().fold(text(&parts[0]), put);
    let stack: preflight::permissions::Stack = serde_json::from_str(&value).unwrap();
    for (name, arn) in &stack.roles {
        let role = arn.trim_start_matches("${").trim_end_matches(".Arn}");
        assert_eq!(resources[role]["Type"], "AWS::IAM::Role", "{name}: {arn}");
    }
    // Deployed, each is an ARN.
    let deployed = |name: &String| (name.clone(), format!("arn:aws:iam::000000000000:role/{name}"));
    let roles = stack.roles.keys().map(deployed).collect();
    let deployed = preflight::permissions::Stack { roles, prefix: stack.prefix.clone() };
    // A plan that uses the state machine, too.
    let mut plan = runbook::plan::sample();
    for database in plan.databases.values_mut() {
        let distributed = runbook::plan::Distributed { above_rows: 1, concurrency: 1, range_rows: None };
        database.reconcile.distributed = Some(distributed);
    }
    let needs = preflight::permissions::needs(&plan, &deployed, "sandbox-west", &BTreeSet::new()).unwrap();
    for need in &needs {
        assert!(stack.roles.contains_key(need.role), "the template names no role of {}", need.role);
    }
    let rules: BTreeSet<String> = of_type(&resources, "AWS::Events::Rule")
        .into_iter()
        .flat_map(|(_, rule)| rule["Properties"]["Targets"].as_sequence().unwrap())
        .filter_map(|target| target.get("RoleArn").map(|role| text(role).trim_end_matches(".Arn").to_owned()))
        .collect();
    let asked: BTreeSet<String> = needs
        .iter()
        .filter(|need| need.role.ends_with("-rule") || need.role.ends_with("-schedule"))
        .map(|need| stack.roles[need.role].trim_start_matches("${").trim_end_matches(".Arn}").to_owned())
        .collect();
    assert_eq!(asked, rules, "readiness asks about the role of every rule");
    let machines = of_type(&resources, "AWS::Serverless::StateMachine").len();
    // The stack does not name the role of the function that Region switch calls.
    assert_eq!(stack.roles.len(), STEPS.len() - 1 + machines + documents().len() + rules.len());
    for document in documents() {
        let role = format!("{}-runbook", document.trim_end_matches(".yaml"));
        let invoke = needs.iter().find(|need| need.role == role && need.action == "lambda:InvokeFunction");
        let functions = &invoke.unwrap_or_else(|| panic!("readiness does not ask about {role}")).resources;
        let name = |arn: &String| arn.rsplit("${Prefix}-").next().unwrap().to_owned();
        assert_eq!(functions.iter().map(name).collect::<BTreeSet<_>>(), called_by(&document), "{role}");
    }
}

/// The alarm watches the metric that the function writes, of the plan that the schedule names, and missing data breaches.
#[test]
fn readiness_runs_on_a_schedule_with_an_alarm_on_its_metric() {
    let resources = template();
    let alarm = &resources["ReadinessAlarm"]["Properties"];
    let (plan, found) = preflight::readiness::measured("/causeway/plans/shop", 3);
    let line = telemetry::line(plan, &found, "2026-01-31T12:00:00Z".parse().unwrap());
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let metric = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(text(&alarm["Namespace"]), metric["Namespace"].as_str().unwrap());
    assert_eq!(text(&alarm["MetricName"]), metric["Metrics"][0]["Name"].as_str().unwrap());
    assert_eq!(text(&alarm["Dimensions"][0]["Name"]), metric["Dimensions"][0][0].as_str().unwrap());
    assert_eq!(text(&alarm["Dimensions"][0]["Value"]), "PlanName");
    assert_eq!((&line["Plan"], &line["ReadinessFindings"]), (&"shop".into(), &3.0.into()));
    assert_eq!(text(&alarm["TreatMissingData"]), "breaching");
    // The rule's input: parameters of the document, each a list, and none that it requires missing.
    let target = &resources["ReadinessSchedule"]["Properties"]["Targets"][0];
    assert!(text(&target["Arn"]).ends_with(":automation-definition/${ReadinessDocument}:$DEFAULT"));
    let input: BTreeMap<String, Vec<String>> = serde_json::from_str(&text(&target["Input"])).unwrap();
    let document: Value = serde_norway::from_str(&read("ssm-documents/readiness.yaml")).unwrap();
    let parameters = document["parameters"].as_mapping().unwrap();
    for name in input.keys() {
        assert!(parameters.contains_key(name.as_str()), "readiness.yaml has no parameter {name}");
    }
    for (name, parameter) in parameters {
        let given = input.contains_key(name.as_str().unwrap());
        assert!(given || parameter.get("default").is_some(), "the rule lacks {name:?}");
    }
}

/// Namespace, name and dimensions of each metric that a widget shows; the text of a search names them too.
fn shown(widget: &serde_json::Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let metrics = widget["properties"]["metrics"].as_array().into_iter().flatten();
    let shown = metrics.map(|metric| match metric[0].get("expression").map(text) {
        None => {
            let parts: Vec<String> = metric.as_array().unwrap().iter().map(text).collect();
            (parts[0].clone(), parts[1].clone(), parts[2..].iter().step_by(2).cloned().collect())
        }
        Some(search) => {
            let (_, schema) = search.split_once("SEARCH('{").unwrap();
            let (schema, query) = schema.split_once('}').unwrap();
            let mut schema = schema.split(',').map(str::to_owned);
            let name = query.split('"').nth(1).unwrap();
            assert!(query.starts_with(" MetricName="), "{query}");
            (schema.next().unwrap(), name.to_owned(), schema.collect())
        }
    });
    shown.collect()
}

/// A widget on a metric that nobody emits stays empty, which at night looks like good news.
#[test]
fn the_dashboard_shows_every_metric_that_is_emitted_and_no_other() {
    let resources = template();
    let body = text(&resources["Dashboard"]["Properties"]["DashboardBody"]);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let emitted = |metric: telemetry::Metric| {
        let dimensions: Vec<String> =
            std::iter::once("Plan").chain(metric.dimension()).map(str::to_owned).collect();
        (telemetry::NAMESPACE.to_owned(), metric.name().to_owned(), dimensions)
    };
    let docs = read("docs/contracts.md");
    for metric in telemetry::Metric::ALL {
        assert!(docs.contains(&format!("`{}`", metric.name())), "docs/contracts.md does not name {metric:?}");
    }
    let emitted: BTreeSet<_> = telemetry::Metric::ALL.map(emitted).into();
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    let lambda = ("AWS/Lambda".to_owned(), "Errors".to_owned(), vec!["FunctionName".to_owned()]);
    let mut ours = BTreeSet::new();
    let mut functions = 0;
    for widget in body["widgets"].as_array().unwrap() {
        let right_edge = widget["x"].as_u64().unwrap() + widget["width"].as_u64().unwrap();
        assert!(right_edge <= 24, "a dashboard is 24 wide: {widget}");
        for metric in shown(widget) {
            if metric == lambda {
                functions += 1;
            } else {
                assert!(emitted.contains(&metric), "nobody emits {metric:?}");
                ours.insert(metric);
            }
        }
    }
    assert_eq!(ours, emitted, "the dashboard does not show all");
    assert_eq!(functions, STEPS.len());
}

/// By what the template sets for all, as no function sets it anew.
#[test]
fn every_function_is_traced_and_logs_json_and_its_role_lets_it() {
    let template: Value = serde_norway::from_str(&read("template.yaml")).unwrap();
    let all = &template["Globals"]["Function"];
    assert_eq!(text(&all["Tracing"]), "Active");
    assert_eq!(text(&all["LoggingConfig"]["LogFormat"]), "JSON");
    let resources = self::template();
    for (name, function) in of_type(&resources, "AWS::Serverless::Function") {
        let function = &function["Properties"];
        assert!(function.get("Tracing").is_none() && function.get("LoggingConfig").is_none(), "{name}");
        let role = text(&function["Role"]);
        let role = &resources[role.trim_end_matches(".Arn")]["Properties"];
        let policy = serde_norway::to_string(&role["Policies"]).unwrap();
        for action in ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "logs:PutLogEvents"] {
            assert!(policy.contains(action), "the role of {name} lacks {action}");
        }
    }
}

#[test]
fn an_alarm_tells_of_executions_that_failed_or_are_overdue() {
    let resources = template();
    let alarm = &resources["OverdueAlarm"]["Properties"];
    assert_eq!(text(&alarm["Namespace"]), telemetry::NAMESPACE);
    assert_eq!(text(&alarm["MetricName"]), telemetry::Metric::OverdueExecutions.name());
    assert_eq!(text(&alarm["Dimensions"][0]["Name"]), "Plan");
    let rule = &resources["FailedRule"]["Properties"];
    let watched: BTreeSet<String> = rule["EventPattern"]["detail"]["Definition"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|document| text(&resources[&text(document)]["Properties"]["Name"]))
        .collect();
    for document in documents() {
        let runbook = document.trim_end_matches(".yaml");
        // Which has an alarm of its own.
        if runbook == "readiness" {
            continue;
        }
        let limit = preflight::overdue::limit(runbook, &runbook::plan::Limits::default());
        assert!(limit.is_some(), "{document} is never overdue");
        assert!(watched.contains(&format!("${{Prefix}}-{runbook}")), "nobody tells that {document} failed");
    }
    let failed = &resources["FailedAlarm"]["Properties"];
    assert_eq!(text(&failed["Namespace"]), "AWS/Events");
    assert_eq!(text(&failed["Dimensions"][0]["Value"]), "FailedRule");
    let topics = [&rule["Targets"][0]["Arn"], &alarm["AlarmActions"][0]];
    assert_eq!(topics.map(text), ["AlarmTopic", "AlarmTopic"]);
}

#[test]
fn every_document_loads_in_the_runner() {
    for document in documents() {
        sandbox::automation::Document::parse(&document, &read(&format!("ssm-documents/{document}")))
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn every_sample_event_is_understood() {
    fn check<E: serde::de::DeserializeOwned>(step: &str) {
        let text = read(&format!("events/{step}.json"));
        serde_json::from_str::<E>(&text).unwrap_or_else(|error| panic!("events/{step}.json: {error}"));
        let mut unknown: serde_json::Value = serde_json::from_str(&text).unwrap();
        unknown["surprise"] = serde_json::json!(1);
        assert!(serde_json::from_value::<E>(unknown).is_err(), "{step} takes an unknown field");
    }
    check::<preflight::Event>("preflight");
    check::<preflight::Event>("preflight-verify");
    check::<preflight::Event>("preflight-switchover");
    check::<preflight::Event>("preflight-readiness");
    check::<routing_control::Event>("routing-control");
    check::<routing_control::Event>("routing-control-fill-endpoints");
    check::<global_failover::Event>("global-failover");
    check::<snapshot_restore::Event>("snapshot-restore");
    check::<snapshot_restore::Event>("snapshot-restore-cleanup");
    check::<reconcile::Event>("reconcile");
    check::<reconcile::Event>("reconcile-cut");
    check::<reconcile::Event>("reconcile-range");
    check::<replay::Event>("replay");
    check::<report::Event>("report");
    check::<report::Event>("report-outcome");
    check::<report::Event>("report-record");
    check::<report::Event>("report-switchover");
    check::<region_switch::Event>("region-switch");
}

#[test]
fn the_published_schema_is_the_plans() {
    let published: serde_json::Value = serde_json::from_str(&read("docs/recovery-plan.schema.json")).unwrap();
    assert_eq!(
        published,
        runbook::RecoveryPlan::json_schema(),
        "write it again: target/debug/causeway plan schema > docs/recovery-plan.schema.json"
    );
}

#[test]
fn nothing_deployed_depends_on_the_sandbox() {
    for step in STEPS {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--package", step, "--edges", "normal,build", "--prefix", "none"])
            .current_dir(root())
            .output()
            .unwrap();
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && tree.contains("runbook"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for line in tree.lines() {
            assert!(
                ["sandbox ", "automation ", "stack ", "causeway "].iter().all(|own| !line.starts_with(own)),
                "{step} depends on {line}"
            );
        }
    }
}

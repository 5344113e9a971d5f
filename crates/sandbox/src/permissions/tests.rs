//! What a policy allows, what a call needs, and how a denial is said.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::account::{EAST, WEST, access_key_id};
use crate::databases::NoServers;
use automation::clock::Clock;

fn template() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn what_a_template_has_and_the_sandbox_does_not_know_is_refused() {
    let plan = runbook::plan::sample();
    let told = |from: &str, to: &str| {
        let text = template();
        assert!(text.contains(from));
        Permissions::read(&text.replace(from, to), &plan).unwrap_err().to_string()
    };
    assert!(told("!Ref SecretArns", "!Ref Secrets").contains("!Ref Secrets"));
    assert!(told("!GetAtt LogGroup.Arn", "!GetAtt LogGroup.Name").contains("LogGroup.Name"));
    assert!(told("!Sub '${ReportBucket.Arn}/reconcile/*'", "!Select [0, [a]]").contains("!Select"));
}

async fn guarded() -> (Arc<Permissions>, Arc<World>, Arc<dyn Api>) {
    let arc_urls = [1, 2, 3, 4, 5].map(|number| format!("http://arc-{number}.sandbox"));
    let world = crate::shop::world(Clock::new(1.0), Arc::new(NoServers), &arc_urls).await.unwrap();
    let permissions = Permissions::read(&template(), &runbook::plan::sample()).unwrap();
    let api = permissions.guard(Arc::clone(&world), Arc::clone(&world) as _);
    (permissions, world, api)
}

fn call(principal: &str, region: &str, service: &str, operation: &str, input: Value) -> Call {
    let [principal, region, service, operation] = [principal, region, service, operation].map(str::to_owned);
    Call { principal, region, service, operation, input }
}

fn denial(answer: Result<Value, CallError>) -> (String, String) {
    match answer {
        Err(CallError::Service(error)) => (error.code, error.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_may_do_what_its_role_says_in_its_region_and_no_more() {
    let (_, world, api) = guarded().await;
    let traffic = access_key_id(WEST, "causeway-routing-control");
    let parameter = json!({"Name": "/causeway/plans/shop"});
    let read = |region, input: &Value| api.call(call(&traffic, region, "ssm", "GetParameter", input.clone()));
    assert!(read(WEST, &parameter).await.is_ok());
    // The other Region's is not the role's to read; another parameter neither.
    let (code, message) = denial(read(EAST, &parameter).await);
    assert_eq!(code, "AccessDeniedException");
    assert_eq!(
        message,
        "User: arn:aws:sts::000000000000:assumed-role/RoutingControlRole/causeway-routing-control is not authorized to perform: \
         ssm:GetParameter on resource: arn:aws:ssm:sandbox-east:000000000000:parameter/causeway/plans/shop because no \
         identity-based policy allows the ssm:GetParameter action"
    );
    assert!(read(WEST, &json!({"Name": "/causeway/plans/other"})).await.is_err());
    // Who is cut off hears nothing, also no denial.
    world.isolate(EAST).await;
    assert_eq!(read(EAST, &parameter).await, Err(CallError::NoAnswer));
    let fail_over = json!({"GlobalClusterIdentifier": "shop-orders", "AllowDataLoss": true,
        "TargetDbClusterIdentifier": "arn:aws:rds:sandbox-west:000000000000:cluster:shop-orders-west"});
    let failing =
        |principal: &str| api.call(call(principal, WEST, "rds", "FailoverGlobalCluster", fail_over.clone()));
    assert_eq!(denial(failing(&traffic).await).0, "AccessDenied");
    assert_eq!(denial(failing("SANDBOX.sandbox-west.nobody").await).0, "UnrecognizedClientException");
    assert_eq!(denial(failing("SOMEBODY").await).0, "UnrecognizedClientException");
    assert!(failing(&access_key_id(WEST, "causeway-global-failover")).await.is_ok());
    world.stop();
}

/// As IAM's simulator answers since it gives one result for each action.
#[tokio::test(start_paused = true)]
async fn the_simulator_says_what_a_role_may_do_on_each_resource_and_does_nothing() {
    let (permissions, world, api) = guarded().await;
    let before = permissions.unused();
    let key = access_key_id(WEST, "causeway-preflight");
    let ask = |role: &str, resources: Value| {
        let input = json!({"PolicySourceArn": role_arn(role, WEST), "ActionNames": ["rds:FailoverGlobalCluster"],
            "ResourceArns": resources});
        api.call(call(&key, WEST, "iam", "SimulatePrincipalPolicy", input))
    };
    let [known, unknown] =
        ["orders", "other"].map(|name| format!("arn:aws:rds::000000000000:global-cluster:shop-{name}"));
    let answer = ask("GlobalFailoverRole", json!([known, unknown])).await.unwrap();
    let result = &answer["EvaluationResults"][0];
    assert_eq!(result["EvalDecision"], "implicitDeny");
    let each: Vec<&Value> =
        (0..2).map(|one| &result["ResourceSpecificResults"][one]["EvalResourceDecision"]).collect();
    assert_eq!(each, ["allowed", "implicitDeny"]);
    let answer = ask("GlobalFailoverRole", json!([known])).await.unwrap();
    assert_eq!(answer["EvaluationResults"][0]["EvalDecision"], "allowed");
    assert_eq!(denial(ask("NobodyRole", json!([known])).await).0, "NoSuchEntity");
    let used: Vec<_> = before.difference(&permissions.unused()).cloned().collect();
    assert_eq!(used.len(), 1, "what is only simulated is not made use of: {used:?}");
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn only_what_carries_an_executions_tag_may_be_deleted() {
    let (_, world, api) = guarded().await;
    let restored = |tags: Value| {
        json!({"DBClusterIdentifier": "causeway-e1", "SnapshotIdentifier": "causeway-kept", "Engine": "aurora-mysql",
            "Tags": tags})
    };
    let key = access_key_id(WEST, "causeway-snapshot-restore");
    let rds = |operation, input| api.call(call(&key, WEST, "rds", operation, input));
    let delete = json!({"DBClusterIdentifier": "causeway-e1", "SkipFinalSnapshot": true});
    // Nothing of that name carries a tag: the role does not say whether it exists.
    let (code, message) = denial(rds("DeleteDBCluster", delete.clone()).await);
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("rds:DeleteDBCluster on resource: arn:aws:rds:sandbox-west:"), "{message}");
    let tagged = restored(json!([{"Key": runbook::names::EXECUTION_TAG, "Value": "e1"}]));
    // Allowed, but there is no such snapshot.
    assert_eq!(denial(rds("RestoreDBClusterFromSnapshot", tagged).await).0, "DBClusterSnapshotNotFoundFault");
    let other = json!({"DBClusterIdentifier": "shop-orders-west", "SkipFinalSnapshot": true});
    assert_eq!(denial(rds("DeleteDBCluster", other).await).0, "AccessDenied");
    world.stop();
}

#[tokio::test(start_paused = true)]
async fn what_was_made_use_of_is_noted() {
    let (permissions, world, api) = guarded().await;
    let read = Permission {
        role: "ReportRole".into(),
        statement: 0,
        action: "ssm:GetParameter".into(),
        kind: "parameter".into(),
    };
    assert!(permissions.unused().contains(&read));
    let key = access_key_id(WEST, "causeway-report");
    let input = json!({"Name": "/causeway/plans/shop"});
    api.call(call(&key, WEST, "ssm", "GetParameter", input)).await.unwrap();
    assert!(!permissions.unused().contains(&read));
    assert_eq!(read.to_string(), "ReportRole may ssm:GetParameter on parameter (statement 1)");
    world.stop();
}

/// Two environments in one account and Region share no name, and neither's roles reach what is the other's.
#[test]
fn two_environments_are_apart() {
    let template: serde_norway::Value = serde_norway::from_str(&template()).unwrap();
    let names =
        ["FunctionName", "TopicName", "BucketName", "AlarmName", "DashboardName", "LogGroupName", "Name"];
    let environment = |prefix: &str, name: &str| {
        let mut plan = runbook::plan::sample();
        plan.name = name.to_owned();
        let mut stack = crate::template::stack(&template, &plan, WEST);
        stack.give([("Prefix", json!(prefix))]);
        let resources = template["Resources"].as_mapping().unwrap();
        let made = resources.values().filter(|resource| stack.is_made(resource).unwrap());
        let resolved: Vec<(String, Value)> = made
            .map(|resource| {
                let kind = resource["Type"].as_str().unwrap().to_owned();
                (kind, stack.resolve(&resource["Properties"]).unwrap().unwrap())
            })
            .collect();
        let named = resolved.iter().flat_map(|(kind, properties)| {
            let of = |name| Some(format!("{kind} {}", properties[name].as_str()?));
            names.into_iter().filter_map(of).collect::<Vec<_>>()
        });
        let mut text = serde_json::to_string(&resolved).unwrap();
        // What Step Functions is given for the places in a definition.
        for (_, properties) in &resolved {
            for (name, value) in properties["DefinitionSubstitutions"].as_object().into_iter().flatten() {
                text = text.replace(&format!("${{{name}}}"), value.as_str().unwrap());
            }
        }
        (named.collect::<BTreeSet<_>>(), text)
    };
    let (one, all_of_one) = environment("causeway", "shop");
    let (other, all_of_other) = environment("staging", "outlet");
    assert!(one.len() > 20 && one.len() == other.len(), "{one:?}");
    assert_eq!(one.intersection(&other).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(all_of_one.contains("role") && !all_of_one.contains("staging") && !all_of_one.contains("outlet"));
    for text in [&all_of_one, &all_of_other] {
        assert!(!text.contains("${"), "something is not resolved: {text}");
    }
    // The plan's own parameter, and what the two parameters are the prefix of.
    assert!(!all_of_other.contains(":function:causeway-") && !all_of_other.contains("/causeway/plans/shop"));
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_start_an_experiment_and_nobody_of_the_stack_may() {
    let (permissions, world, api) = guarded().await;
    let start = |principal: &str| {
        let input = json!({"clientToken": "a", "experimentTemplateId": "EXT1"});
        api.call(call(principal, WEST, "fis", "StartExperiment", input))
    };
    let roles = &permissions.roles[WEST];
    let functions = roles.functions.keys().map(|function| access_key_id(WEST, function));
    let others = roles.runbooks.keys().chain(roles.machines.keys()).map(ToString::to_string);
    let all: Vec<String> = functions.chain(others).collect();
    assert!(all.len() > 10, "{all:?}");
    for principal in all {
        assert_eq!(denial(start(&principal).await).0, "AccessDeniedException", "{principal}");
    }
    assert_eq!(denial(start(OPERATOR).await).0, "ResourceNotFoundException");
    let asked = permissions.asked();
    let needs = &asked.iter().find(|asked| asked.call.1 == "StartExperiment").unwrap().needs;
    let resources: Vec<&str> = needs.iter().map(|need| need.resource.as_str()).collect();
    let arn = |of: &str| format!("arn:aws:fis:{WEST}:{ACCOUNT}:{of}");
    assert_eq!(resources, [arn("experiment-template/EXT1"), arn("experiment/*")]);
    world.stop();
}

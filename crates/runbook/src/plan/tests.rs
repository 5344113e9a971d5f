use super::*;
use crate::secret::SignIn;
use serde_json::{Value, json};

fn parse(plan: &Value) -> Result<RecoveryPlan, String> {
    RecoveryPlan::parse(&plan.to_string(), "test").map_err(|error| error.to_string())
}

#[test]
fn a_plan_survives_writing_and_reading_and_fits_the_schema() {
    let plan = serde_json::to_value(sample()).unwrap();
    assert_eq!(parse(&plan).unwrap(), sample());
    assert!(jsonschema::is_valid(&RecoveryPlan::json_schema(), &plan));
}

#[test]
fn every_problem_of_a_plan_is_named_at_once() {
    let mut plan = serde_json::to_value(sample()).unwrap();
    plan["regions"] = json!(["sandbox-east", "sandbox-north"]);
    plan["routing"]["endpoints"].as_array_mut().unwrap().pop();
    let error = parse(&plan).unwrap_err();
    for part in
        ["routing.endpoints", "routing.controls", "reportBuckets", "databases.orders.members", "To mend it"]
    {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}

#[test]
fn a_plan_may_have_no_routing_and_says_so_to_who_needs_it() {
    let mut plan = serde_json::to_value(sample()).unwrap();
    plan.as_object_mut().unwrap().remove("routing");
    assert!(parse(&plan).unwrap_err().contains("`automatic` needs `routing`"));
    plan.as_object_mut().unwrap().remove("automatic");
    assert!(jsonschema::is_valid(&RecoveryPlan::json_schema(), &plan));
    let read = parse(&plan).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), plan, "it stays absent when it is written");
    let error = read.require_routing("a failover").unwrap_err().to_string();
    assert!(error.contains("plan shop has no `routing`, and a failover moves traffic"), "{error}");
    sample().require_routing("a failover").unwrap();
    // One that is begun is no absent one.
    plan["routing"] = json!({"endpoints": [], "controls": {}});
    assert!(parse(&plan).unwrap_err().contains("neither endpoints nor controls"));
    plan["routing"] = json!({"endpoints": [], "controls": sample().routing.controls});
    assert!(parse(&plan).unwrap_err().contains("`routing.endpoints` has 0 entries"));
}

#[test]
fn an_automatic_failover_that_could_never_start_is_named() {
    type Spoil = fn(&mut Automatic);
    let with = |change: fn(&mut Automatic)| {
        let mut plan = sample();
        change(plan.automatic.as_mut().unwrap());
        parse(&serde_json::to_value(plan).unwrap()).unwrap_err()
    };
    let cases: [(Spoil, &str); 5] = [
        (|one| one.quorum = 0, "`automatic.quorum` is 0"),
        (|one| one.quorum = 3, "names 2 alarms in sandbox-west, and `automatic.quorum` is 3"),
        (
            |one| one.signals.get_mut("sandbox-west").unwrap().retain(|one| one.region != "sandbox-west"),
            "nothing there says that it is well",
        ),
        (
            |one| {
                let all = one.signals.get_mut("sandbox-west").unwrap();
                all.push(all[0].clone());
            },
            "names an alarm twice",
        ),
        (|one| one.signals.get_mut("sandbox-west").unwrap()[0].region = "x".into(), "another Region"),
    ];
    for (change, expected) in cases {
        let error = with(change);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn a_member_signs_in_in_one_way_and_the_replay_in_the_same_unless_it_has_its_own() {
    let mut plan = serde_json::to_value(sample()).unwrap();
    let mut with = |fields: Value| {
        let member = &mut plan["databases"]["orders"]["members"]["sandbox-west"];
        member.as_object_mut().unwrap().retain(|name, _| name == "clusterArn");
        member.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert!(jsonschema::is_valid(&RecoveryPlan::json_schema(), &plan));
        parse(&plan).map(|plan| {
            let member = &plan.databases["orders"].members["sandbox-west"];
            (member.sign_in(), member.replay_sign_in())
        })
    };
    let (secret, iam) = (SignIn::Secret("s".into()), SignIn::Iam("u".into()));
    assert_eq!(with(json!({"secret": "s"})), Ok((secret.clone(), secret.clone())));
    assert_eq!(with(json!({"iamUser": "u"})), Ok((iam.clone(), iam.clone())));
    assert_eq!(with(json!({"iamUser": "u", "replaySecret": "s"})), Ok((iam.clone(), secret.clone())));
    assert_eq!(with(json!({"secret": "s", "replayIamUser": "u"})), Ok((secret, iam)));
    for (fields, problem) in [
        (json!({}), "must have either `secret` or `iamUser`"),
        (json!({"secret": "s", "iamUser": "u"}), "must have either `secret` or `iamUser`"),
        (json!({"secret": "s", "replaySecret": "s", "replayIamUser": "u"}), "remove one"),
        (json!({"iamUser": "u&Action=x"}), "has the IAM user \"u&Action=x\""),
    ] {
        let error = with(fields).unwrap_err();
        assert!(
            error.contains("databases.orders.members.sandbox-west") && error.contains(problem),
            "{error}"
        );
    }
}

#[test]
fn what_can_not_be_read_is_told_in_the_words_of_json() {
    for (place, value, expected) in [
        ("/limits/rpoSeconds", json!("1"), "expected a whole number, 0 or more"),
        ("/limits/rpoSeconds", json!(-1), "expected a whole number, 0 or more"),
        ("/limits/rpoSeconds", json!(1.5), "expected a whole number, 0 or more"),
        ("/automatic/quorum", json!([]), "expected a whole number, 0 or more"),
        ("/limits", json!(7), "expected an object"),
        ("/databases", json!(7), "expected an object"),
        ("/databases/orders", json!("x"), "expected an object"),
        ("/regions", json!("x"), "expected a list of two"),
        ("/regions", json!(["x"]), "expected a list of two"),
        ("/routing/endpoints", json!({}), "expected a list"),
        ("/name", json!(7), "expected a text"),
    ] {
        let mut plan = serde_json::to_value(sample()).unwrap();
        *plan.pointer_mut(place).unwrap() = value.clone();
        let error = parse(&plan).unwrap_err();
        assert!(error.contains(expected) && error.contains(" at line "), "{place} {value}: {error}");
        assert!(!error.contains("struct") && !error.contains("u32"), "{place} {value}: {error}");
    }
    let error = RecoveryPlan::parse("7", "test").unwrap_err().to_string();
    assert!(error.contains("expected an object"), "{error}");
}

#[test]
fn an_unknown_or_missing_field_is_named_with_its_place() {
    let mut plan = serde_json::to_value(sample()).unwrap();
    plan["limits"]["rpoSecond"] = json!(1);
    assert!(!jsonschema::is_valid(&RecoveryPlan::json_schema(), &plan));
    let error = parse(&plan).unwrap_err();
    assert!(error.contains("`limits.rpoSecond`") || error.contains("at `limits"), "{error}");
    let mut plan = serde_json::to_value(sample()).unwrap();
    plan["databases"]["orders"].as_object_mut().unwrap().remove("globalCluster");
    let error = parse(&plan).unwrap_err();
    assert!(error.contains("databases.orders") && error.contains("globalCluster"), "{error}");
}

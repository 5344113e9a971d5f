use serde_json::{Value, json};

use super::mapped;
use crate::{Definition, check};

/// The problems of a good definition with a value put at a pointer; null takes out what is there.
fn problems(pointer: &str, value: Value) -> Vec<String> {
    let mut definition = mapped(&json!({}));
    let (above, member) = pointer.rsplit_once('/').unwrap();
    let above = definition.pointer_mut(above).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(above.remove(member)),
        value => drop(above.insert(member.to_owned(), value)),
    }
    let found: Vec<String> = check(&definition.to_string()).iter().map(ToString::to_string).collect();
    assert_eq!(Definition::parse("d", &definition.to_string()).is_err(), !found.is_empty(), "{found:?}");
    found
}

#[test]
fn what_is_not_supported_is_refused_with_its_place() {
    let cases = [
        ("/QueryLanguage", json!("JSONata"), "QueryLanguage: takes JSONPath"),
        ("/Version", json!("2.0"), "Version: takes 1.0"),
        ("/StartAt", json!("Nowhere"), "StartAt: there is no state `Nowhere`"),
        ("/States/Ranges/Type", json!("Parallel"), "States.Ranges.Type: `Parallel` is not supported"),
        (
            "/States/Ranges/ItemBatcher",
            json!({}),
            "States.Ranges.ItemBatcher: is not supported: a distributed Map takes ",
        ),
        ("/States/Ranges/ResultWriter", json!({}), "States.Ranges.ResultWriter: is not supported"),
        ("/States/Ranges/ItemsPath", json!("$"), "States.Ranges.ItemsPath: is not supported"),
        ("/States/Ranges/Label", Value::Null, "States.Ranges.Label: is missing"),
        ("/States/Ranges/Label", json!("a b"), "States.Ranges.Label: takes 1 to 40"),
        ("/States/Ranges/ToleratedFailureCount", json!(1), "States.Ranges.ToleratedFailureCount: takes 0"),
        (
            "/States/Ranges/ToleratedFailurePercentage",
            json!(5),
            "States.Ranges.ToleratedFailurePercentage: takes 0",
        ),
        ("/States/Ranges/MaxConcurrency", json!(-1), "States.Ranges.MaxConcurrency: takes a whole number"),
        (
            "/States/Ranges/MaxConcurrencyPath",
            json!("$.n"),
            "States.Ranges.MaxConcurrencyPath: takes the place of",
        ),
        ("/States/Ranges/ItemReader", Value::Null, "States.Ranges.ItemReader: is missing"),
        (
            "/States/Ranges/ItemReader/Resource",
            json!("arn:aws:states:::s3:listObjectsV2"),
            "States.Ranges.ItemReader.Resource: takes ",
        ),
        (
            "/States/Ranges/ItemReader/ReaderConfig/InputType",
            json!("CSV"),
            "States.Ranges.ItemReader.ReaderConfig.InputType: takes JSONL",
        ),
        (
            "/States/Ranges/ItemReader/ReaderConfig/MaxItems",
            json!(5),
            "States.Ranges.ItemReader.ReaderConfig.MaxItems: is not supported",
        ),
        (
            "/States/Ranges/ItemReader/Parameters/VersionId",
            json!("x"),
            "States.Ranges.ItemReader.Parameters.VersionId: is not supported",
        ),
        (
            "/States/Ranges/ItemSelector/x.$",
            json!("States.UUID()"),
            "States.Ranges.ItemSelector.x.$: takes a path",
        ),
        (
            "/States/Ranges/ItemProcessor/ProcessorConfig/Mode",
            json!("INLINE"),
            "States.Ranges.ItemProcessor.ProcessorConfig.Mode: takes DISTRIBUTED",
        ),
        (
            "/States/Ranges/ItemProcessor/ProcessorConfig/ExecutionType",
            json!("EXPRESS"),
            "States.Ranges.ItemProcessor.ProcessorConfig.ExecutionType: takes STANDARD",
        ),
        (
            "/States/Ranges/ItemProcessor/States/Work/Resource",
            json!("arn:aws:states:::sqs:sendMessage"),
            "States.Ranges.ItemProcessor.States.Work.Resource: takes ",
        ),
        (
            "/States/Ranges/ItemProcessor/States/Work/HeartbeatSeconds",
            json!(5),
            "States.Ranges.ItemProcessor.States.Work.HeartbeatSeconds: is not supported",
        ),
        (
            "/States/Ranges/ItemProcessor/States/Work/Parameters/Qualifier",
            json!("1"),
            "States.Ranges.ItemProcessor.States.Work.Parameters.Qualifier: is not supported",
        ),
        (
            "/States/Ranges/ItemProcessor/States/Work/Parameters/Payload.$",
            json!("$$.Map.Item.Value"),
            "States.Ranges.ItemProcessor.States.Work.Parameters.Payload.$: `$$.Map.Item.Value` is not there",
        ),
        (
            "/States/Ranges/ItemProcessor/States/Work/Next",
            json!("Gone"),
            "States.Ranges.ItemProcessor.States.Work: takes either Next or",
        ),
        (
            "/States/Ranges/ItemProcessor/States/Inner",
            json!({"Type": "Map", "End": true}),
            "States.Ranges.ItemProcessor.States.Inner.Type: a Map inside a Map",
        ),
        (
            "/States/Ranges/Retry",
            json!([{"ErrorEquals": ["States.ALL", "x"]}]),
            "States.Ranges.Retry[0].ErrorEquals: States.ALL stands alone",
        ),
        (
            "/States/Ranges/Retry",
            json!([{"ErrorEquals": ["x"], "JitterStrategy": "FULL"}]),
            "States.Ranges.Retry[0].JitterStrategy: is not supported",
        ),
        (
            "/States/Ranges/Catch",
            json!([{"ErrorEquals": ["x"], "Next": "Gone"}]),
            "States.Ranges: leads to `Gone`",
        ),
        (
            "/States/Waits",
            json!({"Type": "Wait", "SecondsPath": "$.s", "End": true}),
            "States.Waits.Seconds: is needed",
        ),
        ("/States/Waits", json!({"Type": "Wait", "Seconds": 1}), "States.Waits: takes either Next or"),
        ("/States/Other", json!({"Type": "Succeed"}), "States.Other: can't be reached"),
    ];
    assert_eq!(problems("/Comment", json!("good")), [""; 0]);
    for (pointer, value, expected) in cases {
        let found = if expected.contains("can't be reached") {
            // One that nothing leads to can be run.
            let mut definition = mapped(&json!({}));
            definition["States"]["Other"] = value;
            check(&definition.to_string()).iter().map(ToString::to_string).collect()
        } else {
            problems(pointer, value)
        };
        assert!(found.iter().any(|one| one.starts_with(expected)), "{pointer}: {found:?}, not {expected}");
    }
}

#[test]
fn what_is_no_definition_is_refused() {
    for (text, expected) in [
        ("{", "is not JSON: "),
        ("[]", "takes an object, not []"),
        ("{}", "StartAt: is missing"),
        ("{\"StartAt\": \"a\", \"States\": {}}", "States: takes at least one state"),
    ] {
        let found = check(text);
        assert!(found.iter().any(|one| one.to_string().starts_with(expected)), "{text}: {found:?}");
    }
    let much = format!("{{\"Comment\": \"{}\"}}", "x".repeat(1024 * 1024));
    assert!(check(&much)[0].message.contains("bytes"));
}

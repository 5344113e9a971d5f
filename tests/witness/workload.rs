//! The roles of the workload's templates against AWS's Service Authorization Reference: each action is one, each resource is of a type that it
//! takes, each condition key is one that it knows.

use std::collections::BTreeSet;

use regex::Regex;
use rehearsals::templates::long;
use rehearsals::{root, witnesses};
use serde_json::Value;

use crate::iam::{Asks, Reference};

/// The statements of each role of a template: those of its policies.
fn roles(template: &Value) -> Vec<(&String, Vec<&Value>)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let roles = resources.filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role");
    roles
        .map(|(name, role)| {
            let policies = role["Properties"]["Policies"].as_array().into_iter().flatten();
            let statements =
                policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap());
            (name, statements.collect())
        })
        .collect()
}

fn each(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

/// A resource as an ARN in which what is not known may be anything; `None` of another resource's ARN.
fn arn(resource: &Value) -> Option<String> {
    let text = match resource {
        Value::String(text) => text.clone(),
        resource => {
            let sub = resource.get("Fn::Sub")?;
            sub.as_str().or_else(|| sub[0].as_str()).unwrap().to_owned()
        }
    };
    let known = text
        .replace("${AWS::Partition}", "aws")
        .replace("${AWS::Region}", "eu-west-1")
        .replace("${AWS::AccountId}", "111122223333");
    let known = Regex::new(r"\$\{[^}]*\}").unwrap().replace_all(&known, "*").into_owned();
    // A whole ARN of something else, with more behind it.
    (known == "*" && text == "*" || known.starts_with("arn:")).then_some(known)
}

/// What one resource of a statement's is to one of its actions, in the words of the reference's test.
fn fits(reference: &Reference, action: &str, arn: &str) -> bool {
    let asks = Asks::from([(action.to_owned(), vec![(arn.to_owned(), BTreeSet::new())])]);
    !reference.differences(&asks).iter().any(|line| line.contains("which is none of its resource types"))
}

/// Of a role: each action exists and has every resource that it requires, each resource is for one of its statement's actions, and each
/// condition key is one that the action knows.
fn differences(reference: &Reference, statements: &[&Value]) -> Vec<String> {
    let (mut asks, mut lines) = (Asks::new(), Vec::new());
    for statement in statements {
        assert!(
            statement.get("NotAction").is_none() && statement.get("NotResource").is_none(),
            "{statement}"
        );
        let tests = statement["Condition"].as_object().into_iter().flat_map(|tests| tests.values());
        let keys: BTreeSet<String> =
            tests.flat_map(|test| test.as_object().unwrap().keys().cloned()).collect();
        let actions: Vec<&str> =
            each(&statement["Action"]).into_iter().map(|action| action.as_str().unwrap()).collect();
        let arns: Vec<String> = each(&statement["Resource"]).into_iter().filter_map(arn).collect();
        // Another resource's ARN, of which nothing is known here, is of the right type as far as can be said.
        if arns.is_empty() {
            lines.extend(
                reference
                    .differences(&actions.iter().map(|action| ((*action).to_owned(), Vec::new())).collect())
                    .into_iter()
                    .filter(|line| line.ends_with("is no action")),
            );
            continue;
        }
        for arn in arns.iter().filter(|arn| !actions.iter().any(|action| fits(reference, action, arn))) {
            lines.push(format!("no action of its statement takes {arn}"));
        }
        for action in actions {
            let own = arns.iter().filter(|arn| fits(reference, action, arn));
            asks.entry(action.to_owned()).or_default().extend(own.map(|arn| (arn.clone(), keys.clone())));
        }
    }
    lines.extend(reference.differences(&asks));
    lines
}

#[test]
fn every_role_of_the_workload_asks_for_what_there_is() {
    let mut found = Vec::new();
    let mut templates: Vec<_> =
        std::fs::read_dir(root().join("workload")).unwrap().map(|file| file.unwrap().path()).collect();
    templates.sort();
    let mut looked = 0;
    for path in templates.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "yaml")) {
        let template = long(&serde_norway::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap());
        for (name, statements) in roles(&template) {
            looked += statements.len();
            let actions = statements.iter().flat_map(|statement| each(&statement["Action"]));
            let reference = Reference::of(actions.map(|action| action.as_str().unwrap()));
            let file = path.file_stem().unwrap().to_string_lossy().into_owned();
            found.extend(
                differences(&reference, &statements).into_iter().map(|line| format!("{file} {name}: {line}")),
            );
        }
    }
    assert!(looked > 15, "{looked} statements");
    witnesses::hold("Roles of the workload", found).unwrap_or_else(|differs| panic!("{differs}"));
}

//! `aws:executeAwsApi`: calls an operation of an AWS service, as the Automation service's own principal.
//!
//! A call that gets no answer fails after a modelled minute; an unreachable Region must not block a runbook for ever.

use std::time::Duration;

use serde_json::Value;

use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::ports::{Call, CallError};
use crate::run::Run;

/// How long an answer is waited for.
const NO_ANSWER: Duration = Duration::from_secs(60);

/// The services, by the name boto3 has for them, and their signing names.
const SERVICES: [(&str, &str); 11] = [
    ("cloudwatch", "monitoring"),
    ("events", "events"),
    ("lambda", "lambda"),
    ("rds", "rds"),
    ("route53-recovery-cluster", "route53-recovery-cluster"),
    ("route53-recovery-control-config", "route53-recovery-control-config"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("ssm", "ssm"),
    ("stepfunctions", "states"),
    ("sts", "sts"),
];

pub(crate) fn check(fields: &mut Fields<'_>) {
    if let Some(service) = fields.require("Service") {
        let mut missing = None;
        fields.literal("Service", &service, |service| match service.as_str() {
            Some(name) if is_namespace(name) => {
                missing = signing_name(name).err();
                Ok(())
            }
            _ => {
                Err(format!("takes a service by the name that boto3 has for it, such as rds, not {service}"))
            }
        });
        if let Some(message) = missing {
            fields.unsupported("Service", message);
        }
    }
    if let Some(api) = fields.require("Api") {
        fields.literal("Api", &api, |api| operation_name(api.as_str().unwrap_or_default()).map(drop));
    }
    fields.accept_rest();
}

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    Ok(Done { result: call(run, inputs, &[]).await?, ..Done::default() })
}

/// Makes the call that the inputs describe; `own` are the keys that are the action's, not the operation's.
pub(crate) async fn call(run: &Run, inputs: &Inputs, own: &[&str]) -> Result<Value, Failure> {
    let service = signing_name(&text_input(inputs, "Service")?)?;
    let operation = operation_name(&text_input(inputs, "Api")?)?;
    let mut input = inputs.clone();
    input.retain(|key, _| key != "Service" && key != "Api" && !own.contains(&key.as_str()));
    let call = Call {
        principal: run.principal(),
        region: run.region().to_owned(),
        service: service.to_owned(),
        operation: operation.clone(),
        input: Value::Object(input),
    };
    match run.api()?.call(call).await {
        Ok(answer) => Ok(answer),
        Err(CallError::Service(error)) => Err(Failure::new(format!("{service} {operation}: {error}"))),
        Err(CallError::NoAnswer) => {
            run.clock().sleep(NO_ANSWER).await;
            Err(Failure::new(format!(
                "{service} {operation} in {} did not answer within {NO_ANSWER:?}",
                run.region()
            )))
        }
    }
}

/// Whether this can be the name of a service: small letters, digits, hyphens.
fn is_namespace(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn signing_name(service: &str) -> Result<&'static str, String> {
    SERVICES.iter().find(|(name, _)| *name == service).map(|(_, signing)| *signing).ok_or_else(|| {
        let known = SERVICES.map(|(name, _)| name).join(", ");
        format!("the local runner does not know the service `{service}`; it knows {known}")
    })
}

/// An operation's name in PascalCase, from that or camelCase.
fn operation_name(api: &str) -> Result<String, String> {
    let mut letters = api.chars();
    match letters.next() {
        Some(first) if first.is_ascii_alphabetic() && letters.clone().all(|c| c.is_ascii_alphanumeric()) => {
            Ok(first.to_ascii_uppercase().to_string() + letters.as_str())
        }
        _ => Err(format!("takes an operation such as DescribeDBClusters, not `{api}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_pascal_case() {
        assert_eq!(operation_name("describeDBClusters").as_deref(), Ok("DescribeDBClusters"));
        assert_eq!(operation_name("Publish").as_deref(), Ok("Publish"));
        assert!(operation_name("describe_db_clusters").is_err());
        assert!(operation_name("").is_err());
    }
}

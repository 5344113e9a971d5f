//! `aws:approve`: waits until enough of the approvers agree, or one of them rejects.
//!
//! The request goes to the SNS topic if there is one; a failure to send it does not fail the step, for the console
//! shows the request as well. Rejected: the step fails. Nobody answers in time: it is `TimedOut`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::execution::Status;
use crate::fields::Fields;
use crate::handle::Decision;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::ports::Call;
use crate::run::Run;

pub(crate) fn check(fields: &mut Fields<'_>) {
    let mut most = 10;
    if let Some(approvers) = fields.require("Approvers") {
        fields.literal("Approvers", &approvers, |approvers| match approvers.as_array().map(Vec::len) {
            Some(count @ 1..=10) => {
                most = count;
                Ok(())
            }
            _ => Err(format!("takes a list of 1 to 10 principals, not {approvers}")),
        });
    }
    fields.text("NotificationArn");
    if fields.text("Message").is_some_and(|message| message.chars().count() > 4096) {
        fields.problem("Message", "is longer than 4096 characters");
    }
    fields.number("MinRequiredApprovals", 1, most as u64);
}

pub(crate) async fn run(run: &mut Run, inputs: &Inputs) -> Result<Done, Failure> {
    let approvers: Vec<String> = match inputs.get("Approvers") {
        Some(Value::Array(list)) => list.iter().map(crate::types::text).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        other => return Err(Failure::new(format!("Approvers takes a list, not {other:?}"))),
    };
    if approvers.is_empty() || approvers.len() > 10 {
        return Err(Failure::new(format!("1 to 10 approvers are needed; there are {}", approvers.len())));
    }
    let needed = inputs.get("MinRequiredApprovals").and_then(Value::as_u64).unwrap_or(1);
    notify(run, inputs).await;
    let mut waiting = run.wait_for_signals(approvers);
    loop {
        let decisions = waiting.borrow_and_update().decisions.clone();
        let approved = decisions.values().filter(|decision| decision.approved).count() as u64;
        let rejected = decisions.iter().find(|(_, decision)| !decision.approved);
        if let Some((who, decision)) = rejected {
            return Err(Failure {
                outputs: outputs("Rejected", &decisions),
                ..Failure::new(rejection(who, &decision.comment))
            });
        }
        if approved >= needed {
            return Ok(Done { outputs: outputs("Approved", &decisions), ..Done::default() });
        }
        if waiting.changed().await.is_err() {
            return Err(Failure::with(Status::Cancelled, "the service is gone"));
        }
    }
}

/// A comment need not be given.
fn rejection(who: &str, comment: &str) -> String {
    match comment.trim() {
        "" => format!("rejected by {who}"),
        comment => format!("rejected by {who}: {comment}"),
    }
}

fn outputs(status: &str, decisions: &BTreeMap<String, Decision>) -> BTreeMap<String, Value> {
    let decisions = decisions.iter().map(|(who, decision)| {
        let word = if decision.approved { "Approved" } else { "Rejected" };
        json!({ "Approver": who, "Decision": word, "Comment": decision.comment })
    });
    BTreeMap::from([
        ("ApprovalStatus".to_owned(), Value::from(status)),
        ("ApproverDecisions".to_owned(), decisions.collect()),
    ])
}

async fn notify(run: &Run, inputs: &Inputs) {
    let (Ok(topic), Ok(api)) = (text_input(inputs, "NotificationArn"), run.api()) else { return };
    if topic.is_empty() {
        return;
    }
    let message =
        text_input(inputs, "Message").unwrap_or_else(|_| "An Automation step waits for approval.".to_owned());
    let call = Call {
        principal: run.principal(),
        region: run.region().to_owned(),
        service: "sns".to_owned(),
        operation: "Publish".to_owned(),
        input: json!({ "TopicArn": topic, "Subject": "Approval request", "Message": message }),
    };
    if let Err(error) = api.call(call).await {
        tracing::warn!(%error, topic, "the approval request was not sent");
    }
}

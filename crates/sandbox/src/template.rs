//! The stack of `template.yaml` as the sandbox has it: in its account and Regions, with parameters from a recovery plan.

use std::collections::BTreeMap;

use runbook::RecoveryPlan;
use serde_json::{Value, json};
use serde_norway::Value as Yaml;
use stack::{Place, Stack};

use crate::account::{ACCOUNT, REGION_SWITCH_PLAN, STACK};

/// A template that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("template.yaml can't be read: {0}")]
pub struct TemplateError(pub(crate) String);

pub(crate) use stack::template::parse;

/// The stack of a plan in a Region.
pub(crate) fn stack<'a>(template: &'a Yaml, plan: &RecoveryPlan, region: &'a str) -> Stack<'a> {
    Stack::new(template, Place { account: ACCOUNT, stack: STACK, region }, parameters(plan, region))
}

/// What the template's parameters are for a plan; for the others their defaults hold.
fn parameters(plan: &RecoveryPlan, region: &str) -> BTreeMap<&'static str, Value> {
    let switch = if plan.automatic.is_some() { "on" } else { "off" };
    let mut given = runbook::stack::parameters(plan, region);
    given.extend([
        ("Plan", json!("{}")),
        ("AutomaticFailover", json!(switch)),
        ("AutomaticReconcile", json!(switch)),
        ("RegionSwitchPlanArn", json!(REGION_SWITCH_PLAN)),
        ("FailoverApprovers", json!(["arn:aws:iam::000000000000:user/SANDBOX"])),
    ]);
    given
}

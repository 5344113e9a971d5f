//! What is deployed, found in the account: a recovery plan, and what its stack says of itself. No file is needed, and no Region in
//! particular: the first that answers says both.
//!
//! Read-only. The stack of each Region leaves its prefix and its roles in the parameter `/causeway/stacks/PLAN` (template.yaml,
//! `StackParameter`), the deployment the plan in `/causeway/plans/PLAN`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ssm::Client as Ssm;
use runbook::RecoveryPlan;
use serde::Deserialize;

use crate::Error;
use crate::stack::account::reason;

/// Where stacks say what they are.
const STACKS: &str = "/causeway/stacks/";
/// Where plans are.
const PLANS: &str = "/causeway/plans/";

/// A plan and its stack, as one Region has them.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The Region that said so.
    pub region: String,
    /// The plan.
    pub plan: RecoveryPlan,
    /// What the names of functions and runbooks start with.
    pub prefix: String,
    /// ARNs of the stack's roles, by what they are for: `failover-runbook`, `preflight`, …
    pub roles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Said {
    prefix: String,
    roles: BTreeMap<String, String>,
}

impl Deployed {
    /// Name of the parameter with the plan.
    pub fn plan_parameter(&self) -> String {
        format!("{PLANS}{}", self.plan.name)
    }

    /// The role that a runbook runs as.
    ///
    /// # Errors
    /// When the stack has none.
    pub fn role(&self, runbook: &str) -> Result<&str, Error> {
        let role = self.roles.get(&format!("{runbook}-runbook"));
        role.map(String::as_str).ok_or_else(|| {
            format!("{}: the stack names no role for {runbook}: deploy it again (make deploy)", self.region)
                .into()
        })
    }
}

/// How long one call of a look may take.
const PATIENCE: Duration = Duration::from_secs(6);

/// The same configuration for looks at Regions that may be dark: each call is tried once, for a few seconds.
pub fn impatient(config: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(PATIENCE / 2).operation_timeout(PATIENCE).build();
    config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts).build()
}

/// What is deployed in this Region: of the plan of this name, or of the only one.
///
/// # Errors
/// When the Region does not answer, has no stack, or several and none is named; when the account is not that of the plan.
pub async fn in_region(config: &SdkConfig, region: &str, name: Option<&str>) -> Result<Deployed, Error> {
    let ssm = Ssm::new(&runbook::aws::in_region(config, region));
    let mut stacks = BTreeMap::new();
    let mut pages = ssm.get_parameters_by_path().path(STACKS.trim_end_matches('/')).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| unanswered(region, &reason(error)))?;
        for parameter in page.parameters() {
            if let (Some(name), Some(value)) = (parameter.name(), parameter.value()) {
                stacks.insert(name.trim_start_matches(STACKS).to_owned(), value.to_owned());
            }
        }
    }
    let names: Vec<&str> = stacks.keys().map(String::as_str).collect();
    let name = match (name, names.as_slice()) {
        (_, []) => {
            return Err(format!(
                "{region}: there is no stack of Causeway in this account: deploy it (make deploy), or say where it is: another profile \
                 (AWS_PROFILE), another Region (--in)"
            )
            .into());
        }
        (Some(name), names) if names.contains(&name) => name.to_owned(),
        (Some(name), names) => {
            return Err(format!("{region}: there is no plan {name}: {} is", names.join(" or ")).into());
        }
        (None, [one]) => (*one).to_owned(),
        (None, names) => {
            return Err(format!(
                "{region}: there are stacks of several plans: name one, --plan {}",
                names.join(" or --plan ")
            )
            .into());
        }
    };
    let said = stacks.get(&name).map(String::as_str).unwrap_or_default();
    let said: Said = serde_json::from_str(said).map_err(|error| {
        format!("{region}: the parameter {STACKS}{name} can't be read: {error}. Deploy the stack again")
    })?;
    let parameter = format!("{PLANS}{name}");
    let answer = ssm.get_parameter().name(&parameter).send().await;
    let answer = answer.map_err(|error| {
        format!(
            "{region}: the plan {parameter} can't be read: {}. Deploy it again (make deploy)",
            reason(error)
        )
    })?;
    let found = answer.parameter();
    let text = found.and_then(|found| found.value()).unwrap_or_default().to_owned();
    let plan = RecoveryPlan::parse(&text, &format!("{region}: {parameter}"))?;
    // Its ARN says whose it is.
    let account =
        found.and_then(|found| found.arn()).and_then(|arn| arn.split(':').nth(4)).map(str::to_owned);
    let (_, expected) = runbook::stack::account(&plan);
    if let Some(account) = account
        && account != expected
    {
        return Err(format!("you are in the account {account}, and the plan {name} is of {expected}: choose another profile (AWS_PROFILE)").into());
    }
    Ok(Deployed { region: region.to_owned(), plan, prefix: said.prefix, roles: said.roles })
}

/// What is deployed, from the first of these Regions that has it.
///
/// # Errors
/// Those of all of them.
pub async fn anywhere(config: &SdkConfig, regions: &[String], name: Option<&str>) -> Result<Deployed, Error> {
    let mut errors = Vec::new();
    for region in regions {
        match in_region(config, region, name).await {
            Ok(deployed) => return Ok(deployed),
            Err(error) => errors.push(error.to_string()),
        }
    }
    match errors.as_slice() {
        [] => Err("no Region is known: set AWS_REGION, or name one with --in".into()),
        errors => Err(errors.join("; ").into()),
    }
}

/// The Regions to ask, in the order in which they are likely to answer: this one, that of the caller's profile, those of a plan.json
/// beside.
pub fn regions_to_ask(config: &SdkConfig, named: Option<&str>, leave_out: Option<&str>) -> Vec<String> {
    let beside = std::fs::read_to_string("plan.json").ok();
    let beside = beside.and_then(|text| RecoveryPlan::parse(&text, "plan.json").ok());
    let known = named.into_iter().map(str::to_owned);
    let known = known.chain(config.region().map(ToString::to_string));
    let known = known.chain(beside.into_iter().flat_map(|plan| plan.regions));
    let mut regions: Vec<String> = Vec::new();
    for region in known {
        if Some(region.as_str()) != leave_out && !regions.contains(&region) {
            regions.push(region);
        }
    }
    regions
}

/// A Region that could not be asked: what a person can do about it.
fn unanswered(region: &str, reason: &str) -> Error {
    let lower = reason.to_lowercase();
    let remedy = if lower.contains("credential") {
        "log in, or choose a profile (AWS_PROFILE)"
    } else if lower.contains("accessdenied") || lower.contains("not authorized") {
        "take a role that may ssm:GetParametersByPath on /causeway/stacks"
    } else if lower.contains("token") && lower.contains("expired") {
        "log in again"
    } else {
        "where that Region is ill, name the other one with --in"
    };
    format!("{region}: it can't be asked what is deployed: {reason}: {remedy}").into()
}

//! The settings of a deployment: one JSON file for both Regions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runbook::RecoveryPlan;
use serde::Deserialize;
use serde_json::{Value, json};

use super::plan::LIMIT;
use crate::Error;

/// The longest names that AWS takes, of what is named after the prefix, in characters. Each has the longest name of its kind
/// in the template, with `{prefix}`, `{plan}`, `{account}` and `{region}`; a test holds it to be that.
///
/// Sources: "Bucket naming rules" (Amazon S3), `PutRule` (EventBridge), `CreateFunction` (Lambda), `CreateDocument`
/// (Systems Manager), `PutMetricAlarm` and `PutDashboard` (CloudWatch), `CreateTopic` (SNS), `CreateLogGroup` (CloudWatch Logs).
pub const NAMES: [(&str, &str, usize); 4] = [
    ("bucket", "{prefix}-reports-{account}-{region}", 63),
    ("EventBridge rule", "{prefix}-readiness-{plan}", 64),
    ("function", "{prefix}-snapshot-restore", 64),
    ("runbook", "{prefix}-reconcile", 128),
];
/// CloudFormation names a role STACK-RESOURCE-RANDOM and cuts the stack's name when that has more than 64 characters;
/// readiness may ask about roles whose names start with the whole name. 24 are kept in any case.
const STACK_LIMIT: usize = 24;
/// As the pattern of the template's parameter says.
const PREFIX_LIMIT: usize = 32;

/// What the file says. Everything else is the plan's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// File with the recovery plan, beside this one.
    pub plan: PathBuf,
    /// Name of the stack in both Regions.
    #[serde(default = "causeway")]
    pub stack: String,
    /// What the names of functions, runbooks, topics and buckets start with.
    #[serde(default = "causeway")]
    pub prefix: String,
    /// What each Region has of its own.
    #[serde(default)]
    pub regions: BTreeMap<String, RegionSettings>,
    /// Customer managed KMS keys of the secrets; those of the databases are in the plan.
    #[serde(default)]
    pub kms_keys: Vec<String>,
    /// Who is notified by mail.
    #[serde(default)]
    pub notification_email: String,
    /// Whether a failover may start by itself, as the plan's `automatic` says.
    #[serde(default)]
    pub automatic_failover: bool,
    /// Who may approve one that needs it: ARNs.
    #[serde(default)]
    pub failover_approvers: Vec<String>,
    /// Whether the comparison starts by itself.
    #[serde(default)]
    pub automatic_reconcile: bool,
    /// ARN of the plan of ARC Region switch that calls the function `region-switch`; without one the stack has no such function.
    pub region_switch_plan_arn: Option<String>,
    /// Days for which reports are kept.
    pub report_days: Option<u32>,
    /// Days for which logs are kept.
    pub log_days: Option<u32>,
}

/// Where in a Region the functions that talk to the databases run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegionSettings {
    /// Subnets with a way to the databases and, by a NAT gateway, to AWS.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Their security groups.
    #[serde(default)]
    pub security_groups: Vec<String>,
}

fn causeway() -> String {
    "causeway".to_owned()
}

/// Settings with their plan.
#[derive(Debug)]
pub struct Deployment {
    pub settings: Settings,
    pub plan: RecoveryPlan,
    /// The plan as it was written, without white space.
    pub plan_text: String,
    pub plan_path: PathBuf,
}

impl Deployment {
    /// Reads settings and plan, and finds what does not fit before anything is changed.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("can't read the settings {name}: {error}. Write them after docs/deploy.example.json")
        })?;
        Self::of(path, &text, std::fs::read_to_string)
    }

    /// The same of settings with this text, which `path` has or will have; `read` gets the plan's text.
    pub fn of(
        path: &Path,
        text: &str,
        read: impl FnOnce(PathBuf) -> std::io::Result<String>,
    ) -> Result<Self, Error> {
        let name = path.display();
        let settings: Settings = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        let plan_path = path.parent().unwrap_or(Path::new("")).join(&settings.plan);
        let plan_name = plan_path.display().to_string();
        let text = read(plan_path.clone())
            .map_err(|error| format!("can't read the plan {plan_name} that {name} names: {error}"))?;
        let plan = RecoveryPlan::parse(&text, &plan_name)?;
        let plan_text = serde_json::from_str::<Value>(&text)?.to_string();
        let deployment = Self { settings, plan, plan_text, plan_path };
        match deployment.problems() {
            problems if problems.is_empty() => Ok(deployment),
            problems => Err(format!("{name} can't be deployed:\n  - {}", problems.join("\n  - ")).into()),
        }
    }

    fn problems(&self) -> Vec<String> {
        let Self { settings, plan, .. } = self;
        let mut problems = Vec::new();
        let strangers = settings.regions.keys().filter(|region| !plan.regions.contains(region));
        problems.extend(strangers.map(|region| format!("{region} is not a Region of the plan")));
        let (_, account) = runbook::stack::account(plan);
        if self.plan_text.len() > LIMIT {
            problems.push(format!(
                "the plan has {} bytes without white space, a parameter holds {LIMIT}: shorten it",
                self.plan_text.len()
            ));
        }
        problems.extend(self.names_that_do_not_fit());
        for region in &plan.regions {
            let bucket = format!("{}-reports-{account}-{region}", settings.prefix);
            if plan.report_buckets.get(region) != Some(&bucket) {
                problems.push(format!(
                    "the stack's report bucket in {region} is {bucket}: name it in the plan's reportBuckets"
                ));
            }
            let of = settings.regions.get(region);
            if of.is_some_and(|of| of.subnets.is_empty() != of.security_groups.is_empty()) {
                problems.push(format!("{region} needs subnets and securityGroups, or neither"));
            }
        }
        if plan.routing.cluster_arn.is_none() && !plan.routing.is_absent() {
            problems
                .push("the plan has no routing.clusterArn, of which the stack's roles are made".to_owned());
        }
        if let Some(arn) = &settings.region_switch_plan_arn
            && !(arn.starts_with("arn:") && arn.contains(":arc-region-switch::") && arn.contains(":plan/"))
        {
            problems.push(format!(
                "regionSwitchPlanArn is {arn:?}: need the ARN of a plan of ARC Region switch,                  arn:aws:arc-region-switch::ACCOUNT:plan/NAME:ID"
            ));
        }
        if settings.automatic_failover && plan.automatic.is_none() {
            problems.push(
                "automaticFailover needs `automatic` in the plan, which says on what evidence".to_owned(),
            );
        }
        problems
    }

    /// Names that AWS would refuse in the middle of a deployment.
    fn names_that_do_not_fit(&self) -> Vec<String> {
        let Self { settings: Settings { stack, prefix, .. }, plan, .. } = self;
        let letters = |text: &str, more: fn(char) -> bool| {
            text.starts_with(more)
                && text.chars().all(|char| more(char) || char.is_ascii_digit() || char == '-')
        };
        let mut problems = Vec::new();
        if !letters(prefix, |char| char.is_ascii_lowercase()) {
            problems.push(format!(
                "the prefix {prefix:?} has to be lower-case letters, digits and hyphens, a letter first"
            ));
        }
        if !letters(stack, |char| char.is_ascii_alphabetic()) {
            problems.push(format!(
                "the stack's name {stack:?} has to be letters, digits and hyphens, a letter first"
            ));
        }
        if prefix.chars().count() > PREFIX_LIMIT {
            problems.push(format!(
                "the prefix {prefix} has {} characters: {PREFIX_LIMIT} at most, as the template takes it",
                prefix.chars().count()
            ));
        }
        if stack.chars().count() > STACK_LIMIT {
            problems.push(format!(
                "the stack's name {stack} has {} characters: {STACK_LIMIT} at most, or CloudFormation cuts it in the names of \
                 the roles, which readiness then may not ask about",
                stack.chars().count()
            ));
        }
        let (_, account) = runbook::stack::account(plan);
        for (kind, name, limit) in NAMES {
            let longest = plan.regions.iter().max_by_key(|region| region.len());
            let name = name
                .replace("{prefix}", prefix)
                .replace("{plan}", &plan.name)
                .replace("{account}", account)
                .replace("{region}", longest.map_or("", String::as_str));
            let more = name.chars().count().saturating_sub(limit);
            if more > 0 {
                problems.push(format!(
                    "the {kind} {name} would have {more} characters more than the {limit} that AWS takes: a shorter prefix{} helps",
                    if kind == "EventBridge rule" { " or name of the plan" } else { "" }
                ));
            }
        }
        problems
    }

    /// The report bucket of a Region: the plan names the stack's own.
    pub fn bucket(&self, region: &str) -> &str {
        self.plan.report_buckets.get(region).map_or("", String::as_str)
    }

    /// In the plan's order.
    pub fn regions(&self) -> impl Iterator<Item = &String> {
        self.plan.regions.iter()
    }

    /// What the stack in a Region is given, as `sam` reads it: lists are joined by commas.
    pub fn parameters(&self, region: &str, architecture: &str) -> BTreeMap<&'static str, String> {
        let Self { settings, plan, .. } = self;
        let switch = |on| json!(if on { "on" } else { "off" });
        let mut given = runbook::stack::parameters(plan, region);
        let keys = given.entry("KmsKeyArns").or_default();
        if let Some(keys) = keys.as_array_mut() {
            keys.extend(settings.kms_keys.iter().map(|key| json!(key)));
        }
        if !settings.automatic_failover {
            given.remove("FailoverAlarmRule");
        }
        given.extend([
            ("Prefix", json!(settings.prefix)),
            ("Architecture", json!(architecture)),
            ("NotificationEmail", json!(settings.notification_email)),
            ("AutomaticFailover", switch(settings.automatic_failover)),
            ("FailoverApprovers", json!(settings.failover_approvers)),
            ("AutomaticReconcile", switch(settings.automatic_reconcile)),
        ]);
        if let Some(of) = settings.regions.get(region) {
            given.extend([("SubnetIds", json!(of.subnets)), ("SecurityGroupIds", json!(of.security_groups))]);
        }
        given.extend(settings.region_switch_plan_arn.iter().map(|arn| ("RegionSwitchPlanArn", json!(arn))));
        given.extend(settings.report_days.map(|days| ("ReportDays", json!(days))));
        given.extend(settings.log_days.map(|days| ("LogDays", json!(days))));
        given.into_iter().map(|(name, value)| (name, joined(&value))).collect()
    }

    /// What a Region's stack will be, for a person.
    pub fn summary(&self, region: &str) -> String {
        let Self { settings, plan, .. } = self;
        let (_, account) = runbook::stack::account(plan);
        let of = settings.regions.get(region).filter(|of| !of.subnets.is_empty());
        let place = of.map_or("outside any VPC".to_owned(), |of| format!("in {}", of.subnets.join(", ")));
        let switch = |on| if on { "starts by itself" } else { "is started by people" };
        format!(
            "  {region}: stack {} in account {account}, plan {}, names starting with {}\n    \
             the functions that talk to databases run {place}\n    \
             the failover to it {}, the comparison {}",
            settings.stack,
            plan.name,
            settings.prefix,
            switch(settings.automatic_failover),
            switch(settings.automatic_reconcile),
        )
    }
}

fn joined(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(joined).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rehearsals::strangers::{Reader, hold};

    use super::*;

    #[test]
    fn any_bytes_as_the_settings_of_a_deployment() {
        let file = |name: &str| std::fs::read_to_string(rehearsals::root().join(name)).unwrap();
        let plan = file("docs/plan.example.json");
        let reader = Reader::of_text("the settings of a deployment", move |text| {
            let Ok(deployment) = Deployment::of(Path::new("deploy.json"), text, |_| Ok(plan.clone())) else {
                return false;
            };
            for region in &deployment.plan.regions {
                deployment.summary(region);
            }
            true
        });
        hold(&reader.examples([file("docs/deploy.example.json")]));
    }
}

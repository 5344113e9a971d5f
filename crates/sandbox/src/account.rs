//! The account and its Regions: what they are called, and the ARNs of what the stack makes in them.
//!
//! No real account has this number and no partition has these Regions, so nothing that names them can reach one.

/// The Region that is primary at first.
pub const EAST: &str = "sandbox-east";
/// The Region that takes over.
pub const WEST: &str = "sandbox-west";
/// The two Regions.
pub const REGIONS: [&str; 2] = [EAST, WEST];
/// The account, which no real one can be.
pub const ACCOUNT: &str = "000000000000";
/// ARN of the plan of ARC Region switch that may call a function of the stack.
pub const REGION_SWITCH_PLAN: &str = "arn:aws:arc-region-switch::000000000000:plan/shop:0a1b2c";
/// The Regions of the five ARC endpoints, in the order of their numbers 1 to 5.
pub const ARC_REGIONS: [&str; 5] =
    ["us-east-1", "us-west-2", "eu-west-1", "ap-northeast-1", "ap-southeast-2"];

/// Name of the stack.
pub(crate) const STACK: &str = "causeway";

/// The access key id of the operator, who may do anything and whom no test disturbs.
pub const OPERATOR: &str = "SANDBOX";

/// What the shop's services are called in their access key ids. They may call DynamoDB, and nothing else.
pub const SHOP: &str = "shop";

/// The access key id of a function, such as `SANDBOX.sandbox-west.causeway-preflight`.
pub fn access_key_id(region: &str, function: &str) -> String {
    format!("{OPERATOR}.{region}.{function}")
}

/// The Region and the name of the function with this access key id; `None` for another caller.
pub(crate) fn caller(access_key_id: &str) -> Option<(&str, &str)> {
    access_key_id.strip_prefix(OPERATOR)?.strip_prefix('.')?.split_once('.')
}

/// The roles that the stack names, by runbook or function and by their names in the template.
pub(crate) const ROLES: [(&str, &str); 15] = [
    ("failover-runbook", "FailoverRunbookRole"),
    ("failback-runbook", "FailbackRunbookRole"),
    ("reconcile-runbook", "ReconcileRunbookRole"),
    ("replay-runbook", "ReplayRunbookRole"),
    ("rebuild-runbook", "RebuildRunbookRole"),
    ("routing-runbook", "RoutingRunbookRole"),
    ("readiness-runbook", "ReadinessRunbookRole"),
    ("preflight", "PreflightRole"),
    ("routing-control", "RoutingControlRole"),
    ("global-failover", "GlobalFailoverRole"),
    ("snapshot-restore", "SnapshotRestoreRole"),
    ("reconcile", "ReconcileRole"),
    ("ranges", "RangesRole"),
    ("replay", "ReplayRole"),
    ("report", "ReportRole"),
];

/// The same of the rules: the first is always there, the others where something starts by itself.
pub(crate) const RULE_ROLES: [(&str, &str); 4] = [
    ("readiness-schedule", "ReadinessScheduleRole"),
    ("failover-rule", "FailoverRuleRole"),
    ("snapshot-rule", "SnapshotRuleRole"),
    ("reconcile-rule", "ReconcileRuleRole"),
];

/// ARN of a role of the stack in a Region.
pub(crate) fn role_arn(role: &str, region: &str) -> String {
    stack::Place { account: ACCOUNT, stack: STACK, region }.role_arn(role)
}

/// ARN of the role that a runbook (such as `causeway-failover`) is given in a Region; one that no role is for where the
/// stack has none.
#[must_use]
pub fn runbook_role(document: &str, region: &str) -> String {
    let named = document.strip_prefix(STACK).and_then(|name| name.strip_prefix('-')).unwrap_or(document);
    let named = format!("{named}-runbook");
    let role = ROLES.iter().find(|(name, _)| *name == named).map_or(document, |(_, role)| role);
    role_arn(role, region)
}

/// ARN of a topic of the stack in a Region, such as `notifications`.
pub(crate) fn topic_arn(topic: &str, region: &str) -> String {
    format!("arn:aws:sns:{region}:{ACCOUNT}:{STACK}-{topic}")
}

/// ARN of the key by which RDS encrypts where no other is named, `aws/rds`.
pub(crate) fn aws_key(region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/aws-rds")
}

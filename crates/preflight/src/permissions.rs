//! May the roles of the stack do what the runbooks will ask of them?
//!
//! The stack is given the ARNs of clusters and routing controls beside the plan; one that was added to the plan alone is
//! denied at the promotion, at night. IAM's policy simulator says so beforehand, and changes nothing
//! ("SimulatePrincipalPolicy", IAM API reference). What it does not see: policies of resources and of the organisation that
//! the account can't read.
//!
//! [`needs`] lists what matters most to each role, by the Region in which the runbooks run; what a check or a comparison
//! reads itself is tested by reading it. The stack leaves the roles' ARNs in a parameter beside the plan, [`parameter`].

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use runbook::aurora::region_of;
use runbook::secret::SignIn;
use runbook::{RecoveryPlan, StepError};
use serde::Deserialize;

/// What the stack says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stack {
    /// What its names start with.
    pub prefix: String,
    /// ARNs of its roles, by function; those of the runbooks are `failover-runbook` and so on.
    pub roles: BTreeMap<String, String>,
}

/// Name of the parameter in which the stack says so, from the name of the plan's.
pub fn parameter(plan: &str) -> String {
    format!("/causeway/stacks/{}", plan.rsplit('/').next().unwrap_or(plan))
}

/// The roles of the runbooks, and the functions that their steps call.
const RUNBOOKS: [(&str, &[&str]); 7] = [
    ("failover-runbook", &["preflight", "routing-control", "global-failover", "report"]),
    ("failback-runbook", &["preflight", "routing-control", "global-failover", "report"]),
    ("reconcile-runbook", &["snapshot-restore", "reconcile", "report"]),
    ("replay-runbook", &["replay", "report"]),
    ("rebuild-runbook", &["global-failover", "report"]),
    ("routing-runbook", &["routing-control", "report"]),
    ("readiness-runbook", &["preflight", "report"]),
];

/// The roles of the rules that start a runbook by themselves, and which. Only the first is there in every stack.
const STARTS: [(&str, &str); 3] =
    [("readiness-schedule", "readiness"), ("failover-rule", "failover"), ("reconcile-rule", "reconcile")];

/// One action of a role on some resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Whose role.
    pub role: &'static str,
    /// Such as `rds:FailoverGlobalCluster`.
    pub action: &'static str,
    /// ARNs.
    pub resources: Vec<String>,
    /// Condition keys of such a request, and their values.
    pub context: Vec<(&'static str, String)>,
}

/// What the roles need for the runbooks to run in `here`, where these keys of the account (ARNs) encrypt the clusters of the
/// plan: RDS uses them in the role's name. AWS's own key `aws/rds` is not among them, it lets RDS in by itself.
///
/// # Errors
/// Why that is not known, in one line: the stack names no role by its ARN, which says whose account it is.
pub fn needs(
    plan: &RecoveryPlan,
    stack: &Stack,
    here: &str,
    keys: &BTreeSet<String>,
) -> Result<Vec<Need>, String> {
    let account = stack.roles.values().find_map(|role| Account::of(role)).ok_or_else(|| {
        format!("the stack in {here} names no role by its ARN: what its roles may do is not known")
    })?;
    let bucket = plan.report_bucket(here).map_err(|error| error.cause())?;
    let scope = Scope { plan, stack, here, account, bucket };
    Ok([scope.functions(), scope.runbooks(), scope.rules(), scope.database_users(), scope.kms_keys(keys)]
        .concat())
}

/// An account of AWS.
#[derive(Debug, Clone, Copy)]
struct Account<'a> {
    /// Such as `aws` or `aws-cn`.
    partition: &'a str,
    /// Twelve digits.
    id: &'a str,
}

impl<'a> Account<'a> {
    /// The account of a role, by its ARN; `None` when that is none.
    fn of(role: &'a str) -> Option<Self> {
        let parts: Vec<&str> = role.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "iam", _, id, _] if !id.is_empty() => Some(Self { partition, id }),
            _ => None,
        }
    }
}

fn need(role: &'static str, action: &'static str, resources: Vec<String>) -> Need {
    Need { role, action, resources, context: Vec::new() }
}

/// Whose needs, for what, and where.
struct Scope<'a> {
    plan: &'a RecoveryPlan,
    stack: &'a Stack,
    here: &'a str,
    account: Account<'a>,
    /// The report bucket here.
    bucket: &'a str,
}

impl Scope<'_> {
    /// ARN of a resource of the account in `region`; a global cluster is in none.
    fn arn(&self, service: &str, region: &str, resource: &str) -> String {
        let Account { partition, id } = self.account;
        format!("arn:{partition}:{service}:{region}:{id}:{resource}")
    }

    /// The functions, for what they do to what the plan names, and to what a runbook makes under names that begin so.
    fn functions(&self) -> Vec<Need> {
        let (plan, here) = (self.plan, self.here);
        let other = plan.other_region(here);
        let controls: Vec<String> = plan.routing.controls.values().cloned().collect();
        let globals: Vec<String> = plan
            .databases
            .values()
            .map(|one| self.arn("rds", "", &format!("global-cluster:{}", one.global_cluster)))
            .collect();
        let members = plan.databases.values().flat_map(|one| one.members.values());
        let members: Vec<String> = members.map(|one| one.cluster_arn.clone()).collect();
        let databases = [globals.clone(), members.clone()].concat();
        let old = self.arn("rds", other, "cluster-snapshot:causeway-detached-x");
        let takeover = self.arn("rds", here, "cluster-snapshot:causeway-takeover-x");
        let rebuilt = self.arn("rds", other, "db:causeway-rebuilt-x");
        let taken = self.arn("rds", other, "cluster-snapshot:rds:unplanned-global-failover-x");
        let kept = self.arn("rds", here, "cluster-snapshot:causeway-x");
        let restored = self.arn("rds", here, "cluster:causeway-x");
        let instance = self.arn("rds", here, "db:causeway-x");
        let (partition, bucket) = (self.account.partition, self.bucket);
        let object = |key: &str| format!("arn:{partition}:s3:::{bucket}/{key}");
        let mut needs = vec![
            need(
                "preflight",
                "s3:PutObject",
                vec![object("records/x/failover-lock.json"), object("records/x/tables.json")],
            ),
            need("global-failover", "rds:FailoverGlobalCluster", databases.clone()),
            need("global-failover", "rds:SwitchoverGlobalCluster", databases.clone()),
            need("global-failover", "rds:RemoveFromGlobalCluster", databases.clone()),
            need("global-failover", "rds:CreateGlobalCluster", databases.clone()),
            need("global-failover", "rds:DeleteGlobalCluster", globals.clone()),
            need("global-failover", "rds:CreateDBCluster", databases),
            need("global-failover", "rds:ModifyDBCluster", members.clone()),
            need(
                "global-failover",
                "rds:CreateDBClusterSnapshot",
                [members.clone(), vec![old.clone(), takeover.clone()]].concat(),
            ),
            need(
                "global-failover",
                "rds:AddTagsToResource",
                [members.clone(), vec![old, takeover, rebuilt.clone()]].concat(),
            ),
            need("global-failover", "rds:CreateDBInstance", [members, vec![rebuilt]].concat()),
            need("snapshot-restore", "s3:PutObject", vec![object("records/x/reconcile-lock.json")]),
            need("snapshot-restore", "rds:CopyDBClusterSnapshot", vec![taken, kept.clone()]),
            need("snapshot-restore", "rds:RestoreDBClusterFromSnapshot", vec![kept, restored.clone()]),
            need("snapshot-restore", "rds:CreateDBInstance", vec![restored.clone(), instance.clone()]),
            need("snapshot-restore", "rds:AddTagsToResource", vec![restored, instance]),
            need("reconcile", "s3:PutObject", vec![object("reconcile/x")]),
            need("replay", "s3:PutObject", vec![object("replay/x"), object("reports/x/replay.json")]),
            need("report", "s3:PutObject", vec![object("records/x"), object("reports/x")]),
        ];
        if !controls.is_empty() {
            needs.push(need(
                "routing-control",
                "route53-recovery-cluster:UpdateRoutingControlStates",
                controls,
            ));
        }
        needs
    }

    /// The runbooks, for the functions that their steps call and for their notifications.
    fn runbooks(&self) -> Vec<Need> {
        let prefix = &self.stack.prefix;
        let topic = self.arn("sns", self.here, &format!("{prefix}-notifications"));
        let needs = RUNBOOKS.iter().flat_map(|(role, functions)| {
            let function = |name: &&str| self.arn("lambda", self.here, &format!("function:{prefix}-{name}"));
            let functions = functions.iter().map(function).collect();
            [need(role, "lambda:InvokeFunction", functions), need(role, "sns:Publish", vec![topic.clone()])]
        });
        let mut needs = needs.collect::<Vec<_>>();
        needs.extend(self.ranges());
        needs
    }

    /// The state machine that compares ranges, and the runbook that starts it, where the plan distributes a database.
    fn ranges(&self) -> Vec<Need> {
        if !self.plan.databases.values().any(|database| database.reconcile.distributed.is_some()) {
            return Vec::new();
        }
        let prefix = &self.stack.prefix;
        let machine = self.arn("states", self.here, &format!("stateMachine:{prefix}-ranges"));
        let execution = self.arn("states", self.here, &format!("execution:{prefix}-ranges:x"));
        let child = self.arn("states", self.here, &format!("execution:{prefix}-ranges/ranges:x"));
        let reconcile = self.arn("lambda", self.here, &format!("function:{prefix}-reconcile"));
        let Account { partition, .. } = self.account;
        let list = format!("arn:{partition}:s3:::{}/reconcile/x/x/ranges.jsonl", self.bucket);
        let mut needs = vec![
            need("ranges", "lambda:InvokeFunction", vec![reconcile]),
            need("ranges", "s3:GetObject", vec![list]),
            need("ranges", "states:RedriveExecution", vec![child]),
        ];
        for role in ["reconcile-runbook", "ranges"] {
            needs.push(need(role, "states:StartExecution", vec![machine.clone()]));
        }
        for action in ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"] {
            needs.push(need("reconcile-runbook", action, vec![execution.clone()]));
        }
        needs
    }

    /// The rules that the stack has, for starting their runbooks and for passing events on.
    fn rules(&self) -> Vec<Need> {
        let Self { stack, here, .. } = *self;
        let starts =
            STARTS.iter().filter(|(role, _)| stack.roles.contains_key(*role) || *role == STARTS[0].0);
        let starts = starts.flat_map(|(role, runbook)| {
            // EventBridge starts what it may start by both; the execution has no id yet.
            let document = self.arn("ssm", here, &format!("document/{}-{runbook}", stack.prefix));
            let execution = self.arn("ssm", here, "automation-execution/x");
            let runbook = stack.roles.get(&format!("{runbook}-runbook")).cloned();
            let context = vec![("iam:PassedToService", "ssm.amazonaws.com".to_owned())];
            [
                need(role, "ssm:StartAutomationExecution", vec![document, execution]),
                Need { context, ..need(role, "iam:PassRole", runbook.into_iter().collect()) },
            ]
        });
        let mut needs: Vec<Need> = starts.collect();
        if stack.roles.contains_key("snapshot-rule") {
            let bus = self.arn("events", self.plan.other_region(here), "event-bus/default");
            needs.push(need("snapshot-rule", "events:PutEvents", vec![bus]));
        }
        needs
    }

    /// The comparison, for signing in to the restored clusters by IAM where the plan does so.
    fn database_users(&self) -> Vec<Need> {
        // The restored cluster's resource id is not known before; like its name, any will do.
        let users =
            self.plan.databases.values().filter_map(|one| match one.members.get(self.here)?.sign_in() {
                SignIn::Iam(user) => Some(self.arn("rds-db", self.here, &format!("dbuser:cluster-X/{user}"))),
                SignIn::Secret(_) => None,
            });
        let users: Vec<String> = users.collect();
        if users.is_empty() { Vec::new() } else { vec![need("reconcile", "rds-db:connect", users)] }
    }

    /// A rebuild, for the clusters' own keys; a restore, for the keys too that the plan names.
    fn kms_keys(&self, keys: &BTreeSet<String>) -> Vec<Need> {
        let members = self.plan.databases.values().filter_map(|one| one.members.get(self.here));
        let named = members.filter_map(|member| member.restore.kms_key.clone());
        // A key may be named by its id or alias, too; the simulator knows ARNs only.
        let all: BTreeSet<String> =
            named.filter(|key| key.starts_with("arn:")).chain(keys.iter().cloned()).collect();
        let mut needs = Vec::new();
        for (role, keys) in [("global-failover", keys), ("snapshot-restore", &all)] {
            for region in &self.plan.regions {
                let there: Vec<String> =
                    keys.iter().filter(|key| region_of(key) == region).cloned().collect();
                if there.is_empty() {
                    continue;
                }
                let via = vec![("kms:ViaService", format!("rds.{region}.amazonaws.com"))];
                let grant = vec![("kms:GrantIsForAWSResource", "true".to_owned())];
                needs.extend(
                    [
                        ("kms:DescribeKey", Vec::new()),
                        ("kms:CreateGrant", grant),
                        ("kms:GenerateDataKey", via.clone()),
                        ("kms:Decrypt", via),
                    ]
                    .map(|(action, context)| Need { context, ..need(role, action, there.clone()) }),
                );
            }
        }
        needs
    }
}

/// Asks what a role may do.
pub trait SimulatePolicy {
    /// Those of the need's resources on which the role (an ARN) may not do its action.
    fn denied(&self, role: &str, need: &Need) -> impl Future<Output = Result<Vec<String>, StepError>> + Send;
}

impl SimulatePolicy for aws_sdk_iam::Client {
    async fn denied(&self, role: &str, need: &Need) -> Result<Vec<String>, StepError> {
        let entry = |(key, value): &(&str, String)| {
            let kind = if value == "true" { ContextKeyTypeEnum::Boolean } else { ContextKeyTypeEnum::String };
            ContextEntry::builder()
                .context_key_name(*key)
                .context_key_type(kind)
                .context_key_values(value)
                .build()
        };
        let answer = self
            .simulate_principal_policy()
            .policy_source_arn(role)
            .action_names(need.action)
            .set_resource_arns(Some(need.resources.clone()))
            .set_context_entries(Some(need.context.iter().map(entry).collect()))
            .send()
            .await
            .map_err(|error| StepError::aws(format!("asking IAM what {role} may do"), error))?;
        // One result for the action, as strict as its strictest resource, with one for each resource inside ("The
        // simulator now returns a single EvaluationResult per action", IAM API reference).
        let allowed = PolicyEvaluationDecisionType::Allowed;
        let mut denied: Vec<String> = Vec::new();
        for result in answer.evaluation_results() {
            let each = result.resource_specific_results();
            let refused = each.iter().filter(|one| *one.eval_resource_decision() != allowed);
            denied.extend(refused.map(|one| one.eval_resource_name().to_owned()));
            if each.is_empty() && *result.eval_decision() != allowed {
                denied.push(result.eval_resource_name().unwrap_or("some of the resources").to_owned());
            }
        }
        if answer.evaluation_results().is_empty() {
            denied.clone_from(&need.resources);
        }
        Ok(denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_roles_need_is_of_this_region_and_of_the_plan() {
        let role = "arn:aws:iam::111122223333:role/causeway-FailoverRunbookRole-ABC";
        let roles = BTreeMap::from([("failover-runbook".into(), role.into())]);
        let stack = Stack { prefix: "dr".into(), roles };
        let mut plan = runbook::plan::sample();
        let west = |plan: &mut RecoveryPlan, key: &str| {
            let orders = plan.databases.get_mut("orders").unwrap();
            orders.members.get_mut("sandbox-west").unwrap().restore.kms_key = Some(key.into());
        };
        west(&mut plan, "alias/key");
        let none = BTreeSet::new();
        let needs = |plan: &RecoveryPlan, here: &str| super::needs(plan, &stack, here, &none).unwrap();
        let all = needs(&plan, "sandbox-west");
        let of = |action: &str| all.iter().find(|need| need.action == action).unwrap().resources.clone();
        assert_eq!(of("sns:Publish"), ["arn:aws:sns:sandbox-west:111122223333:dr-notifications"]);
        assert_eq!(
            of("lambda:InvokeFunction")[0],
            "arn:aws:lambda:sandbox-west:111122223333:function:dr-preflight"
        );
        assert!(
            of("rds:FailoverGlobalCluster")
                .contains(&"arn:aws:rds::111122223333:global-cluster:shop-orders".into())
        );
        assert_eq!(of("rds:FailoverGlobalCluster").len(), 6, "two global clusters, four members");
        assert!(of("rds:CopyDBClusterSnapshot")[0].starts_with("arn:aws:rds:sandbox-east:"));
        assert!(!all.iter().any(|need| need.action == "kms:CreateGrant"), "an alias can't be asked about");
        west(&mut plan, "arn:aws:kms:sandbox-west:111122223333:key/one");
        assert!(needs(&plan, "sandbox-west").iter().any(|need| need.action == "kms:CreateGrant"));
        assert!(!needs(&plan, "sandbox-east").iter().any(|need| need.action == "kms:CreateGrant"));
        assert!(!all.iter().any(|need| need.action == "rds-db:connect"), "the plan signs in with secrets");
        let own = BTreeSet::from(["arn:aws:kms:sandbox-east:111122223333:key/own".to_owned()]);
        let keyed = super::needs(&plan, &stack, "sandbox-west", &own).unwrap();
        let keyed = keyed.iter().filter(|need| need.action == "kms:Decrypt");
        let keyed: Vec<_> = keyed.map(|need| (need.role, &*need.resources[0], &*need.context[0].1)).collect();
        let (east, west) = (&**own.first().unwrap(), "arn:aws:kms:sandbox-west:111122223333:key/one");
        assert_eq!(
            keyed,
            [
                ("global-failover", east, "rds.sandbox-east.amazonaws.com"),
                ("snapshot-restore", east, "rds.sandbox-east.amazonaws.com"),
                ("snapshot-restore", west, "rds.sandbox-west.amazonaws.com"),
            ]
        );
        let orders = plan.databases.get_mut("orders").unwrap().members.get_mut("sandbox-west").unwrap();
        orders.sign_in = SignIn::Iam("reader".into());
        let all = needs(&plan, "sandbox-west");
        let connect = all.iter().find(|need| need.action == "rds-db:connect").unwrap();
        assert_eq!(connect.resources, ["arn:aws:rds-db:sandbox-west:111122223333:dbuser:cluster-X/reader"]);
    }

    #[test]
    fn a_plan_that_distributes_a_database_needs_the_state_machine() {
        let mut plan = runbook::plan::sample();
        let stack = Stack {
            prefix: "dr".into(),
            roles: BTreeMap::from([(
                "report".to_owned(),
                "arn:aws:iam::111122223333:role/report".to_owned(),
            )]),
        };
        let states = |plan: &RecoveryPlan| {
            let all = super::needs(plan, &stack, "sandbox-west", &BTreeSet::new()).unwrap();
            let of =
                all.into_iter().filter(|need| need.role == "ranges" || need.action.starts_with("states:"));
            of.map(|need| (need.role, need.action, need.resources.concat())).collect::<Vec<_>>()
        };
        assert_eq!(states(&plan), []);
        let distributed = runbook::plan::Distributed { above_rows: 1, concurrency: 1, range_rows: None };
        plan.databases.get_mut("orders").unwrap().reconcile.distributed = Some(distributed);
        let of = |what: &str| format!("arn:aws:states:sandbox-west:111122223333:{what}");
        let (machine, execution) = (of("stateMachine:dr-ranges"), of("execution:dr-ranges:x"));
        let found = states(&plan);
        for expected in [
            ("ranges", "states:StartExecution", &machine),
            ("ranges", "states:RedriveExecution", &of("execution:dr-ranges/ranges:x")),
            ("reconcile-runbook", "states:StartExecution", &machine),
            ("reconcile-runbook", "states:DescribeExecution", &execution),
            ("reconcile-runbook", "states:StopExecution", &execution),
            ("reconcile-runbook", "states:RedriveExecution", &execution),
        ] {
            assert!(found.iter().any(|(role, action, on)| (*role, *action, on) == expected), "{expected:?}");
        }
    }

    #[test]
    fn the_rules_that_the_stack_has_need_to_start_their_runbooks() {
        let role = |name: &str| (name.to_owned(), format!("arn:aws:iam::111122223333:role/{name}"));
        let mut stack = Stack {
            prefix: "dr".into(),
            roles: BTreeMap::from([role("reconcile-runbook"), role("readiness-runbook")]),
        };
        let starts = |stack: &Stack| {
            let all = needs(&runbook::plan::sample(), stack, "sandbox-west", &BTreeSet::new()).unwrap();
            let of_rules = all
                .into_iter()
                .filter(|need| need.role.ends_with("-rule") || need.role.ends_with("-schedule"));
            of_rules.map(|need| (need.role, need.action, need.resources)).collect::<Vec<_>>()
        };
        let always = starts(&stack);
        let start = "ssm:StartAutomationExecution";
        let on = |of: &str| format!("arn:aws:ssm:sandbox-west:111122223333:{of}");
        let passed = |name: &str| vec![role(name).1];
        let expected = [
            ("readiness-schedule", start, vec![on("document/dr-readiness"), on("automation-execution/x")]),
            ("readiness-schedule", "iam:PassRole", passed("readiness-runbook")),
        ];
        assert_eq!(always, expected, "the schedule is in every stack");
        stack.roles.extend([role("reconcile-rule"), role("snapshot-rule")]);
        let bus = "arn:aws:events:sandbox-east:111122223333:event-bus/default".to_owned();
        let more = [
            ("reconcile-rule", start, vec![on("document/dr-reconcile"), on("automation-execution/x")]),
            ("reconcile-rule", "iam:PassRole", passed("reconcile-runbook")),
            ("snapshot-rule", "events:PutEvents", vec![bus]),
        ];
        assert_eq!(starts(&stack), [&expected[..], &more[..]].concat());
    }

    /// A made-up account would make up what the roles lack.
    #[test]
    fn a_stack_without_a_role_s_arn_has_no_account() {
        let needs = |roles: &[(&str, &str)]| {
            let roles = roles.iter().map(|(name, arn)| ((*name).to_owned(), (*arn).to_owned())).collect();
            let stack = Stack { prefix: "dr".into(), roles };
            needs(&runbook::plan::sample(), &stack, "sandbox-west", &BTreeSet::new())
        };
        for roles in [&[][..], &[("report", "ReportRole")], &[("report", "arn:aws:iam:::role/report")]] {
            let error = needs(roles).unwrap_err();
            assert!(error.starts_with("the stack in sandbox-west names no role by its ARN"), "{error}");
        }
        assert!(needs(&[("preflight", ""), ("report", "arn:aws:iam::1:role/report")]).is_ok());
    }

    #[test]
    fn the_parameter_is_named_after_the_plan() {
        assert_eq!(parameter("/causeway/plans/shop"), "/causeway/stacks/shop");
    }
}

//! Least privilege, as AWS would hold it: every call of a function, a runbook or a state machine is checked against its role in
//! `template.yaml`, and denied in the words of the service that is called.
//!
//! [`Permissions`] reads the template once, with the values that the recovery plan gives for its parameters, for both
//! Regions. [`Permissions::guard`] puts it before an [`Api`], [`Permissions::guard_functions`] before the functions that
//! Automation and Step Functions invoke. The operator may do anything; a caller whom nobody knows, nothing.
//!
//! What a role says is read and evaluated by the crate [`stack`]; [`request`] says what a call needs.
//!
//! IAM's policy simulator answers here, too: it knows the roles.
//!
//! What is not checked: trust policies (who may take a role), and what AWS does in a role's name behind a call (logs,
//! X-Ray, network interfaces, KMS but for RDS's use of a key).

mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use runbook::RecoveryPlan;
use serde_json::{Value, json};

use crate::account::{ACCOUNT, OPERATOR, REGIONS, SHOP, caller, role_arn};
use crate::api::{Api, ApiError, Call, CallError};
use crate::template::{self, TemplateError};
use crate::world::World;
use automation::{Functions, Invocation};
pub use stack::Need;
use stack::{Role, Roles, Statement, Verdict, decide};

/// A permission: one action on one kind of resource, by one statement of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The role's name in the template.
    pub role: String,
    /// Which statement of it, from 0.
    pub statement: usize,
    /// The action, as the statement writes it.
    pub action: String,
    /// The kind of resource, such as `cluster`; of objects in S3, their keys; of functions, their names.
    pub kind: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, statement, action, kind } = self;
        write!(f, "{role} may {action} on {kind} (statement {})", statement + 1)
    }
}

/// One action on one resource that a role allows, as its policy writes it once CloudFormation has resolved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role's name in the template.
    pub role: String,
    /// Which statement of it, from 0.
    pub statement: usize,
    /// The action, perhaps with wildcards.
    pub action: String,
    /// The resource's ARN, perhaps with wildcards, or `*`.
    pub resource: String,
    /// The condition keys of the statement.
    pub keys: BTreeSet<String>,
}

/// Everything that the roles of a template allow in a Region, also those that its conditions leave out. Parameters have the
/// values that the plan gives for them, or those `given` here.
///
/// # Errors
/// When a role is written in a way that the sandbox does not know.
pub fn grants(
    template: &str,
    plan: &RecoveryPlan,
    region: &str,
    given: BTreeMap<&'static str, Value>,
) -> Result<Vec<Grant>, TemplateError> {
    let all = || {
        let template = template::parse(template)?;
        let mut stack = template::stack(&template, plan, region);
        stack.give(given);
        stack::roles::all(&stack)
    };
    let roles = all().map_err(TemplateError)?;
    let of_role = |role: Role| {
        let of_statement = |(number, statement): (usize, &Statement)| {
            let keys: BTreeSet<String> = statement.keys().map(str::to_owned).collect();
            let grant = |(action, resource): (&str, &str)| Grant {
                role: role.name.clone(),
                statement: number,
                action: action.to_owned(),
                resource: resource.to_owned(),
                keys: keys.clone(),
            };
            statement.allows().map(grant).collect::<Vec<_>>()
        };
        role.statements.iter().enumerate().flat_map(of_statement).collect::<Vec<_>>()
    };
    Ok(roles.into_iter().flat_map(of_role).collect())
}

/// What was asked of a role at a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Service and operation of the call, such as `rds` and `DescribeDBClusters`; `events` and `rule` for the target of a rule.
    pub call: (String, String),
    /// What it needs.
    pub needs: Vec<Need>,
}

/// The roles of both Regions, what was asked of them, and what was made use of.
#[derive(Debug)]
pub struct Permissions {
    roles: Arc<BTreeMap<&'static str, Roles>>,
    asked: Mutex<BTreeSet<Asked>>,
    used: Mutex<BTreeSet<Permission>>,
}

impl Permissions {
    /// Reads the roles out of the text of a template.
    ///
    /// # Errors
    /// When a role is written in a way that the sandbox does not know.
    pub fn read(template: &str, plan: &RecoveryPlan) -> Result<Arc<Self>, TemplateError> {
        let all = || {
            let template = template::parse(template)?;
            let of = |region| Ok((region, Roles::of(&template::stack(&template, plan, region))?));
            REGIONS.into_iter().map(of).collect::<Result<_, String>>()
        };
        let roles = all().map_err(TemplateError)?;
        Ok(Arc::new(Self { roles: Arc::new(roles), asked: Mutex::default(), used: Mutex::default() }))
    }

    /// The same roles for another world, with nothing made use of yet.
    pub fn anew(&self) -> Arc<Self> {
        Arc::new(Self { roles: Arc::clone(&self.roles), asked: Mutex::default(), used: Mutex::default() })
    }

    /// Checks every call before `api` gets it.
    pub fn guard(self: &Arc<Self>, world: Arc<World>, api: Arc<dyn Api>) -> Arc<dyn Api> {
        Arc::new(GuardedApi { permissions: Arc::clone(self), world, api })
    }

    /// Checks that whoever invokes a function may do so before it is invoked.
    pub fn guard_functions(self: &Arc<Self>, functions: Arc<dyn Functions>) -> Arc<dyn Functions> {
        Arc::new(GuardedFunctions { permissions: Arc::clone(self), functions })
    }

    /// `SimulatePrincipalPolicy` of IAM: one result for each action, as strict as its strictest resource.
    fn simulate(&self, input: &Value) -> Result<Value, ApiError> {
        let texts = |name: &str| -> Vec<String> {
            let all = input[name].as_array().into_iter().flatten();
            all.filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let arn = input["PolicySourceArn"].as_str().unwrap_or_default();
        let mut roles = self
            .roles
            .iter()
            .flat_map(|(region, of)| of.all().map(move |role| (role_arn(&role.name, region), role)));
        let Some((_, role)) = roles.find(|(of_role, _)| of_role == arn) else {
            let message = format!("The role with name {arn} cannot be found.");
            return Err(ApiError::with_status(404, "NoSuchEntity", message));
        };
        let context = input["ContextEntries"].as_array().cloned().unwrap_or_default();
        let result = |action: String| {
            let decision = |resource: &String| {
                let need = context.iter().fold(Need::new(&*action, &**resource), |need, entry| {
                    let [key, value] = [&entry["ContextKeyName"], &entry["ContextKeyValues"][0]];
                    need.with(key.as_str().unwrap_or_default(), value.as_str().unwrap_or_default())
                });
                match decide(&role.statements, &need) {
                    Verdict::Allowed { .. } => "allowed",
                    Verdict::Denied => "explicitDeny",
                    Verdict::NotAllowed => "implicitDeny",
                }
            };
            let resources = texts("ResourceArns");
            let each: Vec<(&String, &str)> = resources.iter().map(|one| (one, decision(one))).collect();
            let strictest = each.iter().map(|(_, decision)| *decision).find(|one| *one != "allowed");
            let specific: Vec<Value> = each
                .iter()
                .map(|(name, decision)| json!({"EvalResourceName": name, "EvalResourceDecision": decision}))
                .collect();
            json!({
                "EvalActionName": action,
                "EvalDecision": strictest.unwrap_or("allowed"),
                "ResourceSpecificResults": specific,
            })
        };
        let results: Vec<Value> = texts("ActionNames").into_iter().map(result).collect();
        Ok(json!({"EvaluationResults": results, "IsTruncated": false}))
    }

    /// Whether the holder of an access key may sign in to a cluster as a database user, as its server asks IAM.
    ///
    /// # Errors
    /// In IAM's words, when not.
    pub fn may_connect(
        &self,
        access_key_id: &str,
        region: &str,
        cluster: &str,
        user: &str,
    ) -> Result<(), ApiError> {
        let need = Need::new("rds-db:connect", database_user(region, cluster, user));
        self.check(access_key_id, region, ("rds-db", "connect"), &[need])
    }

    /// Everything that was asked so far, of the roles and of the operator, whom it is not held against.
    pub fn asked(&self) -> BTreeSet<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, service: &str, operation: &str, needs: &[Need]) {
        let asked = Asked { call: (service.to_owned(), operation.to_owned()), needs: needs.to_vec() };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(asked);
    }

    /// Every permission that a role has and nobody made use of so far.
    pub fn unused(&self) -> BTreeSet<Permission> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.roles
            .values()
            .flat_map(Roles::all)
            .flat_map(permissions_of)
            .filter(|permission| !used.contains(permission))
            .collect()
    }

    /// Checks what a principal needs in a Region for an operation of a service.
    fn check(
        &self,
        principal: &str,
        region: &str,
        (service, operation): (&str, &str),
        needs: &[Need],
    ) -> Result<(), ApiError> {
        self.note(service, operation, needs);
        let is_shop = caller(principal).is_some_and(|(_, function)| function == SHOP);
        if principal == OPERATOR || is_shop && service == "dynamodb" {
            return Ok(());
        }
        let (role, session) = match caller(principal) {
            Some((home, function)) => {
                (self.roles.get(home).and_then(|of| of.functions.get(function)), function)
            }
            None => {
                let of = self.roles.get(region);
                match of.and_then(|of| of.machines.get(principal)) {
                    Some(role) => (Some(role), "states"),
                    None => (of.and_then(|of| of.runbooks.get(principal)), "Automation"),
                }
            }
        };
        let Some(role) = role else {
            let message = format!("The security token included in the request is invalid: {principal}");
            return Err(ApiError::with_status(403, "UnrecognizedClientException", message));
        };
        self.decide(role, session, service, needs)
    }

    /// Checks what a state machine's role, which has this ARN, needs for an operation on the machine's own executions.
    pub(crate) fn machine_may(
        &self,
        role: &str,
        region: &str,
        operation: &str,
        resource: &str,
    ) -> Result<(), ApiError> {
        let need = Need::new(format!("states:{operation}"), resource);
        self.check(role, region, ("states", operation), &[need])
    }

    /// Checks what a rule of EventBridge needs for a target, whose role has this ARN.
    pub(crate) fn rule_may(&self, role: &str, region: &str, needs: &[Need]) -> Result<(), ApiError> {
        match self.roles.get(region).and_then(|of| of.rules.get(role)) {
            Some(role) => {
                self.note("events", "rule", needs);
                self.decide(role, "events", "events", needs)
            }
            None => Err(ApiError::new(
                "ValidationException",
                format!("{role:?} is no role of a rule in {region}"),
            )),
        }
    }

    fn decide(&self, role: &Role, session: &str, service: &str, needs: &[Need]) -> Result<(), ApiError> {
        for need in needs {
            let because = match decide(&role.statements, need) {
                Verdict::Allowed { statement, action, resource } => {
                    let permission = permission(role, statement, action, resource);
                    self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(permission);
                    continue;
                }
                Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
                Verdict::NotAllowed => {
                    format!("because no identity-based policy allows the {} action", need.action)
                }
            };
            let message = format!(
                "User: arn:aws:sts::{ACCOUNT}:assumed-role/{}/{session} is not authorized to perform: {} on resource: \
                 {} {because}",
                role.name, need.action, need.resource
            );
            if service == "rds" && need.action.starts_with("kms:") {
                // RDS says so in its own words, whatever KMS told it (RDS API reference, `CreateDBCluster`).
                let message = format!(
                    "The specified KMS key [{}] does not exist, is not enabled or you do not have permissions to access it.",
                    need.resource
                );
                return Err(ApiError::with_status(400, "KMSKeyNotAccessibleFault", message));
            }
            let (status, code) = match service {
                "iam" | "rds" | "s3" | "sts" | "monitoring" => (403, "AccessDenied"),
                "sns" => (403, "AuthorizationError"),
                "ssm" | "secretsmanager" | "kms" | "states" => (400, "AccessDeniedException"),
                _ => (403, "AccessDeniedException"),
            };
            return Err(ApiError::with_status(status, code, message));
        }
        Ok(())
    }
}

/// The permission that a statement of a role gives for an action and a resource as it writes them.
fn permission(role: &Role, statement: usize, action: &str, resource: &str) -> Permission {
    let part = resource.splitn(6, ':').last().unwrap_or_default();
    let kind = match part.split_once('/') {
        // Each function by itself: a runbook may call those of its steps only.
        _ if resource.starts_with("arn:aws:lambda:") => part,
        // The bucket's name has the Region in it.
        Some((_, key)) if resource.starts_with("arn:aws:s3:") => key,
        None if resource.starts_with("arn:aws:s3:") => "the bucket",
        _ => part.split([':', '/']).next().unwrap_or_default(),
    };
    Permission { role: role.name.clone(), statement, action: action.into(), kind: kind.into() }
}

/// Everything that a role allows.
fn permissions_of(role: &Role) -> impl Iterator<Item = Permission> {
    let statements = role.statements.iter().enumerate();
    statements.flat_map(move |(number, statement)| {
        statement.allows().map(move |(action, resource)| permission(role, number, action, resource))
    })
}

/// The ARN of a user of a cluster, or of any (`*`). The world's resource ids are made of the names.
fn database_user(region: &str, cluster: &str, user: &str) -> String {
    format!("arn:aws:rds-db:{region}:{ACCOUNT}:dbuser:cluster-{cluster}/{user}")
}

/// An [`Api`] behind the permissions.
struct GuardedApi {
    permissions: Arc<Permissions>,
    world: Arc<World>,
    api: Arc<dyn Api>,
}

impl Api for GuardedApi {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        // A Region that is cut off does not deny either.
        if !self.world.is_isolated(&call.region) {
            let needs = request::needs(&call, &self.world);
            let called = (call.service.as_str(), call.operation.as_str());
            let checked = self.permissions.check(&call.principal, &call.region, called, &needs);
            if let Err(denied) = checked {
                return async { Err(denied.into()) }.boxed();
            }
            if call.service == "iam" && call.operation == "SimulatePrincipalPolicy" {
                let answer = self.permissions.simulate(&call.input).map_err(CallError::from);
                return async { answer }.boxed();
            }
        }
        self.api.call(call)
    }
}

/// Functions behind the permissions of Automation.
struct GuardedFunctions {
    permissions: Arc<Permissions>,
    functions: Arc<dyn Functions>,
}

impl Functions for GuardedFunctions {
    fn invoke<'a>(
        &'a self,
        principal: &'a str,
        region: &'a str,
        function: &'a str,
        event: Value,
    ) -> BoxFuture<'a, Result<Invocation, ApiError>> {
        let need = request::invoke(region, function);
        match self.permissions.check(principal, region, ("lambda", "Invoke"), &[need]) {
            Ok(()) => self.functions.invoke(principal, region, function, event),
            Err(denied) => async { Err(denied) }.boxed(),
        }
    }
}

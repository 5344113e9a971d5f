//! The roles of a stack, by who has them.

use std::collections::BTreeMap;

use serde_norway::Value as Yaml;

use crate::policy::{self, Statement};
use crate::template::Stack;

/// A role: its name in the template, and what its policies say.
#[derive(Debug)]
pub struct Role {
    /// Its name in the template.
    pub name: String,
    /// The statements of its policies.
    pub statements: Vec<Statement>,
}

/// The roles of a Region.
#[derive(Debug)]
pub struct Roles {
    /// By the name of the function that has it.
    pub functions: BTreeMap<String, Role>,
    /// Those of the rules' targets, by ARN.
    pub rules: BTreeMap<String, Role>,
    /// Those that Automation may assume, by ARN.
    pub runbooks: BTreeMap<String, Role>,
    /// Those that Step Functions may assume, by ARN.
    pub machines: BTreeMap<String, Role>,
}

impl Roles {
    /// The roles that a stack's functions, runbooks, state machines and rules have.
    ///
    /// # Errors
    /// When a function or a target has no role of the template, or one is written in a way that is not known here.
    pub fn of(stack: &Stack<'_>) -> Result<Self, String> {
        Ok(Self {
            functions: functions(stack)?,
            rules: rules(stack)?,
            runbooks: assumed_by(stack, "ssm.amazonaws.com")?,
            machines: assumed_by(stack, "states.amazonaws.com")?,
        })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Role> {
        [&self.functions, &self.rules, &self.runbooks, &self.machines].into_iter().flat_map(BTreeMap::values)
    }
}

/// Every role that a template writes, also one that its conditions leave out.
///
/// # Errors
/// When one is written in a way that is not known here.
pub fn all(stack: &Stack<'_>) -> Result<Vec<Role>, String> {
    let roles = stack.resources()?.iter().filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role");
    roles.map(|(name, _)| role_of(stack, name.as_str().unwrap_or_default())).collect()
}

/// By the name of the function that has it.
fn functions(stack: &Stack<'_>) -> Result<BTreeMap<String, Role>, String> {
    let resources = stack.resources()?;
    let mut functions = BTreeMap::new();
    for (name, resource) in resources {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        let name = name.as_str().unwrap_or_default();
        let function = stack.text(&resource["Properties"]["FunctionName"])?;
        let Yaml::Tagged(role) = &resource["Properties"]["Role"] else {
            return Err(format!("{name} has no Role of its own"));
        };
        let role = role.value.as_str().and_then(|role| role.strip_suffix(".Arn"));
        let role = role.ok_or_else(|| format!("the Role of {name} is no `!GetAtt ROLE.Arn`"))?;
        functions.insert(function, role_of(stack, role)?);
    }
    Ok(functions)
}

/// By ARN, those that a service may assume.
fn assumed_by(stack: &Stack<'_>, service: &str) -> Result<BTreeMap<String, Role>, String> {
    let resources = stack.resources()?;
    let mut roles = BTreeMap::new();
    for role in resources.keys().filter_map(Yaml::as_str) {
        if trusted(stack, role)? == service {
            roles.insert(stack.role_arn(role), role_of(stack, role)?);
        }
    }
    Ok(roles)
}

/// By ARN, those of the targets of rules.
fn rules(stack: &Stack<'_>) -> Result<BTreeMap<String, Role>, String> {
    let resources = stack.resources()?;
    let mut rules = BTreeMap::new();
    for (name, rule) in stack.of_type("AWS::Events::Rule")? {
        for target in rule["Targets"].as_array().into_iter().flatten() {
            // A topic has a policy of its own, which lets the rule in.
            if target["Arn"].as_str().is_some_and(|arn| arn.starts_with("arn:aws:sns:")) {
                continue;
            }
            let arn = target["RoleArn"].as_str().unwrap_or_default();
            let role = resources.keys().filter_map(Yaml::as_str).find(|role| stack.role_arn(role) == arn);
            let role = role.ok_or_else(|| format!("{name} has a target without a role of the template"))?;
            if trusted(stack, role)? != "events.amazonaws.com" {
                return Err(format!("{role} does not trust events.amazonaws.com"));
            }
            rules.insert(arn.to_owned(), role_of(stack, role)?);
        }
    }
    Ok(rules)
}

/// The service that may assume a role; empty of what is none.
fn trusted<'a>(stack: &Stack<'a>, role: &str) -> Result<&'a str, String> {
    let trusts = stack.resources()?.get(role).map(|role| &role["Properties"]["AssumeRolePolicyDocument"]);
    let service = trusts.and_then(|trusts| trusts["Statement"][0]["Principal"]["Service"].as_str());
    Ok(service.unwrap_or_default())
}

fn role_of(stack: &Stack<'_>, name: &str) -> Result<Role, String> {
    let role = stack.resources()?.get(name).filter(|role| role["Type"] == "AWS::IAM::Role");
    let role = role.ok_or_else(|| format!("{name} is no AWS::IAM::Role"))?;
    let policies = role["Properties"]["Policies"].as_sequence().map(Vec::as_slice).unwrap_or_default();
    let mut statements = Vec::new();
    for policy in policies {
        let document = stack.resolve(&policy["PolicyDocument"])?.unwrap_or_default();
        statements.extend(policy::read(document).map_err(|error| format!("the policy of {name}: {error}"))?);
    }
    Ok(Role { name: name.to_owned(), statements })
}

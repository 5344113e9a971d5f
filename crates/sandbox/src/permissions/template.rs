//! The roles of `template.yaml`, as CloudFormation would make them in a Region.
//!
//! Resolves the intrinsic functions that the template uses, with parameters taken from a recovery plan: the values that
//! its user gives for it. Another function, or a reference to something that a policy never needed so far, is an
//! error that names it.

use std::collections::BTreeMap;

use regex::{Captures, Regex};
use runbook::RecoveryPlan;
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

use super::policy::{self, Statement};
use crate::account::{ACCOUNT, STACK, role_arn};

/// A role: its name in the template, and what its policies say.
#[derive(Debug)]
pub(super) struct Role {
    pub name: String,
    pub statements: Vec<Statement>,
}

/// The roles of a Region.
#[derive(Debug)]
pub(super) struct Roles {
    /// By the name of the function that has it.
    pub functions: BTreeMap<String, Role>,
    /// Those of the rules' targets, by ARN.
    pub rules: BTreeMap<String, Role>,
    /// Those that Automation may assume, by ARN.
    pub runbooks: BTreeMap<String, Role>,
}

/// The stack that a template makes in a Region.
pub(crate) struct Stack<'a> {
    template: &'a Yaml,
    region: &'a str,
    pub(super) given: BTreeMap<&'static str, Value>,
}

/// Reads the roles out of a template's text.
pub(super) fn roles(text: &str, plan: &RecoveryPlan, region: &str) -> Result<Roles, String> {
    let template: Yaml = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let stack = Stack::new(&template, plan, region);
    let resources = template["Resources"].as_mapping().ok_or("it has no Resources")?;
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
        functions.insert(function, stack.role(role)?);
    }
    let mut runbooks = BTreeMap::new();
    for role in resources.keys().filter_map(Yaml::as_str) {
        if trusted(&template, role) == "ssm.amazonaws.com" {
            runbooks.insert(role_arn(role, region), stack.role(role)?);
        }
    }
    let mut rules = BTreeMap::new();
    for (name, rule) in stack.of_type("AWS::Events::Rule")? {
        for target in rule["Targets"].as_array().into_iter().flatten() {
            // A topic has a policy of its own, which lets the rule in.
            if target["Arn"].as_str().is_some_and(|arn| arn.starts_with("arn:aws:sns:")) {
                continue;
            }
            let arn = target["RoleArn"].as_str().unwrap_or_default();
            let role = resources.keys().filter_map(Yaml::as_str).find(|role| role_arn(role, region) == arn);
            let role = role.ok_or_else(|| format!("{name} has a target without a role of the template"))?;
            if trusted(&template, role) != "events.amazonaws.com" {
                return Err(format!("{role} does not trust events.amazonaws.com"));
            }
            rules.insert(arn.to_owned(), stack.role(role)?);
        }
    }
    Ok(Roles { functions, rules, runbooks })
}

/// Every role that a template writes, also one that its conditions leave out; `given` are values for its parameters beside
/// those of the plan.
pub(super) fn all_roles(
    text: &str,
    plan: &RecoveryPlan,
    region: &str,
    given: BTreeMap<&'static str, Value>,
) -> Result<Vec<Role>, String> {
    let template: Yaml = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let mut stack = Stack::new(&template, plan, region);
    stack.given.extend(given);
    let resources = template["Resources"].as_mapping().ok_or("it has no Resources")?;
    let roles = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role");
    roles.map(|(name, _)| stack.role(name.as_str().unwrap_or_default())).collect()
}

/// The service that may assume a role; empty of what is none.
fn trusted<'a>(template: &'a Yaml, role: &str) -> &'a str {
    let trusts = &template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    trusts["Principal"]["Service"].as_str().unwrap_or_default()
}

/// The ARN of a user of a cluster, or of any (`*`). The world's resource ids are made of the names.
pub(super) fn database_user(region: &str, cluster: &str, user: &str) -> String {
    format!("arn:aws:rds-db:{region}:{ACCOUNT}:dbuser:cluster-{cluster}/{user}")
}

/// What the template's parameters are for a plan; for the others their defaults hold.
fn parameters(plan: &RecoveryPlan, region: &str) -> BTreeMap<&'static str, Value> {
    let switch = if plan.automatic.is_some() { "on" } else { "off" };
    let mut given = runbook::stack::parameters(plan, region);
    given.extend([
        ("Plan", json!("{}")),
        ("AutomaticFailover", json!(switch)),
        ("AutomaticReconcile", json!(switch)),
        ("FailoverApprovers", json!(["arn:aws:iam::000000000000:user/SANDBOX"])),
    ]);
    given
}

impl<'a> Stack<'a> {
    /// The stack for a plan in a Region.
    pub fn new(template: &'a Yaml, plan: &RecoveryPlan, region: &'a str) -> Self {
        Self { template, region, given: parameters(plan, region) }
    }

    /// Names and properties of the resources of a type that the conditions let be.
    pub fn of_type(&self, kind: &str) -> Result<Vec<(String, Value)>, String> {
        let mut found = Vec::new();
        for (name, resource) in self.template["Resources"].as_mapping().ok_or("it has no Resources")? {
            if resource["Type"] != *kind || !self.is_made(resource)? {
                continue;
            }
            let properties = self.resolve(&resource["Properties"])?.unwrap_or_default();
            found.push((name.as_str().unwrap_or_default().to_owned(), properties));
        }
        Ok(found)
    }

    pub(super) fn is_made(&self, resource: &Yaml) -> Result<bool, String> {
        match resource["Condition"].as_str() {
            Some(condition) => self.holds(condition),
            None => Ok(true),
        }
    }

    fn holds(&self, condition: &str) -> Result<bool, String> {
        Ok(self.resolve(&self.template["Conditions"][condition])? == Some(json!(true)))
    }

    fn role(&self, name: &str) -> Result<Role, String> {
        let role = &self.template["Resources"][name];
        if role["Type"] != "AWS::IAM::Role" {
            return Err(format!("{name} is no AWS::IAM::Role"));
        }
        let policies = role["Properties"]["Policies"].as_sequence().map(Vec::as_slice).unwrap_or_default();
        let mut statements = Vec::new();
        for policy in policies {
            let document = self.resolve(&policy["PolicyDocument"])?.unwrap_or_default();
            statements
                .extend(policy::read(document).map_err(|error| format!("the policy of {name}: {error}"))?);
        }
        Ok(Role { name: name.to_owned(), statements })
    }

    /// A value with its functions resolved; `None` is `AWS::NoValue`.
    pub(super) fn resolve(&self, value: &Yaml) -> Result<Option<Value>, String> {
        Ok(Some(match value {
            Yaml::Tagged(tagged) => return self.function(&tagged.tag.to_string(), &tagged.value),
            Yaml::Sequence(items) => {
                let items = items.iter().filter_map(|item| self.resolve(item).transpose());
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Yaml::Mapping(members) => {
                let mut resolved = Map::new();
                for (name, member) in members {
                    if let Some(member) = self.resolve(member)? {
                        resolved.insert(name.as_str().unwrap_or_default().to_owned(), member);
                    }
                }
                Value::Object(resolved)
            }
            plain => serde_json::to_value(plain).map_err(|error| error.to_string())?,
        }))
    }

    fn text(&self, value: &Yaml) -> Result<String, String> {
        match self.resolve(value)? {
            Some(Value::String(text)) => Ok(text),
            other => Err(format!("{other:?} is not text")),
        }
    }

    fn function(&self, name: &str, argument: &Yaml) -> Result<Option<Value>, String> {
        let unknown = || format!("the sandbox can't resolve {name} of {argument:?}");
        let items = || argument.as_sequence().ok_or_else(unknown);
        Ok(Some(match name {
            "!Ref" => match argument.as_str().ok_or_else(unknown)? {
                "AWS::NoValue" => return Ok(None),
                name => self.reference(name)?,
            },
            "!GetAtt" => json!(self.attribute(argument.as_str().ok_or_else(unknown)?)?),
            "!Sub" => match argument {
                Yaml::Sequence(items) => match items.as_slice() {
                    // A text and values of its own.
                    [Yaml::String(text), Yaml::Mapping(own)] => {
                        let mut text = text.clone();
                        for (name, value) in own {
                            let place = format!("${{{}}}", name.as_str().unwrap_or_default());
                            text = text.replace(&place, &self.text(value)?);
                        }
                        json!(self.substitute(&text)?)
                    }
                    _ => return Err(unknown()),
                },
                text => json!(self.substitute(text.as_str().ok_or_else(unknown)?)?),
            },
            "!If" => match items()?.as_slice() {
                [condition, yes, no] => {
                    let condition = condition.as_str().ok_or_else(unknown)?;
                    return self.resolve(if self.holds(condition)? { yes } else { no });
                }
                _ => return Err(unknown()),
            },
            "!Equals" => match items()?.as_slice() {
                [one, other] => json!(self.resolve(one)? == self.resolve(other)?),
                _ => return Err(unknown()),
            },
            "!Not" => match items()?.as_slice() {
                [one] => json!(self.resolve(one)? == Some(json!(false))),
                _ => return Err(unknown()),
            },
            "!Join" => match items()?.as_slice() {
                [separator, list] => {
                    let list = self.resolve(list)?.unwrap_or_default();
                    let list: Vec<String> = serde_json::from_value(list).map_err(|_| unknown())?;
                    json!(list.join(&self.text(separator)?))
                }
                _ => return Err(unknown()),
            },
            _ => return Err(unknown()),
        }))
    }

    fn reference(&self, name: &str) -> Result<Value, String> {
        match name {
            "AWS::Region" => return Ok(json!(self.region)),
            "AWS::AccountId" => return Ok(json!(ACCOUNT)),
            "AWS::Partition" => return Ok(json!("aws")),
            "AWS::StackName" => return Ok(json!(STACK)),
            _ => {}
        }
        let parameter = &self.template["Parameters"][name];
        if !parameter.is_null() {
            return match (self.given.get(name), &parameter["Default"]) {
                (Some(given), _) => Ok(given.clone()),
                (None, Yaml::Null) => Err(format!("the plan gives nothing for the parameter {name}")),
                (None, default) if parameter["Type"] == "CommaDelimitedList" => {
                    let list = default.as_str().unwrap_or_default().split(',');
                    Ok(list.filter(|item| !item.is_empty()).collect())
                }
                (None, default) => serde_json::to_value(default).map_err(|error| error.to_string()),
            };
        }
        let resource = &self.template["Resources"][name];
        match resource["Type"].as_str() {
            Some("AWS::SNS::Topic") => {
                let topic = self.text(&resource["Properties"]["TopicName"])?;
                Ok(json!(format!("arn:aws:sns:{}:{ACCOUNT}:{topic}", self.region)))
            }
            Some("AWS::SSM::Document") => self.text(&resource["Properties"]["Name"]).map(Value::String),
            Some("AWS::Events::Rule") => self.text(&resource["Properties"]["Name"]).map(Value::String),
            Some("AWS::S3::Bucket") => self.text(&resource["Properties"]["BucketName"]).map(Value::String),
            // As the API's URL; nothing here reads it.
            Some("AWS::SQS::Queue") => {
                let queue = self.text(&resource["Properties"]["QueueName"])?;
                Ok(json!(format!("https://sqs.{}.amazonaws.com/{ACCOUNT}/{queue}", self.region)))
            }
            Some("AWS::Serverless::Function") => {
                self.text(&resource["Properties"]["FunctionName"]).map(Value::String)
            }
            Some("AWS::Logs::LogGroup") => {
                self.text(&resource["Properties"]["LogGroupName"]).map(Value::String)
            }
            _ => Err(format!("the sandbox can't resolve !Ref {name}")),
        }
    }

    fn attribute(&self, path: &str) -> Result<String, String> {
        let unknown = || format!("the sandbox can't resolve !GetAtt {path}");
        let (name, attribute) = path.split_once('.').ok_or_else(unknown)?;
        let resource = &self.template["Resources"][name];
        let named = |property: &str| self.text(&resource["Properties"][property]);
        match (resource["Type"].as_str(), attribute) {
            (_, "Arn") => {}
            (Some("AWS::SQS::Queue"), "QueueName") => return named("QueueName"),
            _ => return Err(unknown()),
        }
        let region = self.region;
        Ok(match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => {
                format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{}", named("FunctionName")?)
            }
            Some("AWS::Logs::LogGroup") => {
                format!("arn:aws:logs:{region}:{ACCOUNT}:log-group:{}:*", named("LogGroupName")?)
            }
            Some("AWS::IAM::Role") => role_arn(name, region),
            Some("AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm") => {
                format!("arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{}", named("AlarmName")?)
            }
            Some("AWS::Events::Rule") => format!("arn:aws:events:{region}:{ACCOUNT}:rule/{}", named("Name")?),
            Some("AWS::S3::Bucket") => format!("arn:aws:s3:::{}", named("BucketName")?),
            Some("AWS::SQS::Queue") => format!("arn:aws:sqs:{region}:{ACCOUNT}:{}", named("QueueName")?),
            _ => return Err(unknown()),
        })
    }

    /// `!Sub` of one text.
    fn substitute(&self, text: &str) -> Result<String, String> {
        let variable = Regex::new(r"\$\{([A-Za-z0-9:.]+)\}").map_err(|error| error.to_string())?;
        let mut problem = None;
        let resolved = variable.replace_all(text, |found: &Captures<'_>| {
            let value = match &found[1] {
                path if path.contains('.') => self.attribute(path).map(Value::String),
                name => self.reference(name),
            };
            match value {
                Ok(Value::String(text)) => text,
                Ok(other) => {
                    problem = Some(format!("{} in `{text}` is not text but {other}", &found[0]));
                    String::new()
                }
                Err(error) => {
                    problem = Some(error);
                    String::new()
                }
            }
        });
        let resolved = resolved.into_owned();
        problem.map_or(Ok(resolved), Err)
    }
}

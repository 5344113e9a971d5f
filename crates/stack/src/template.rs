//! The stack that a template makes in a Region: its resources, with CloudFormation's functions resolved.
//!
//! Another function than those that are resolved here, or a reference to a resource of another type, is an error that names it.

use std::cell::Cell;
use std::collections::BTreeMap;

use regex::{Captures, Regex};
use serde_json::{Map, Value, json};
use serde_norway::{Mapping, Value as Yaml};

/// Where a stack is, and what it is called.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Number of the account.
    pub account: &'a str,
    /// Name of the stack.
    pub stack: &'a str,
    /// Region.
    pub region: &'a str,
}

impl Place<'_> {
    /// ARN of a role of the stack; see [`Stack::role_arn`].
    pub fn role_arn(&self, role: &str) -> String {
        format!("arn:aws:iam::{}:role/{}-{role}-{}", self.account, self.stack, self.region)
    }
}

/// The stack that a template makes.
pub struct Stack<'a> {
    template: &'a Yaml,
    place: Place<'a>,
    given: BTreeMap<&'static str, Value>,
    /// How deep what is being resolved is nested, in itself and by what it refers to.
    depth: Cell<usize>,
    /// How many values it may still take.
    left: Cell<usize>,
}

/// Reads the text of a template.
///
/// # Errors
/// When it is no YAML, or has more brackets in one another than a template can have: reading those takes the square of their number.
pub fn parse(text: &str) -> Result<Yaml, String> {
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BRACKETS {
            return Err(format!("it has more than {BRACKETS} brackets in one another"));
        }
    }
    serde_norway::from_str(text).map_err(|error| error.to_string())
}

/// How many brackets may be open, those of texts among them. YAML's reader takes 128 levels.
const BRACKETS: usize = 1_000;
/// How deep a value may be nested, in itself and by what it refers to. What refers to itself is nested without an end.
const DEPTH: usize = 100;
/// How many values one may be resolved from.
const VALUES: usize = 100_000;

impl<'a> Stack<'a> {
    /// The stack that a template makes in a place. Parameters that are not `given` have their defaults.
    pub fn new(template: &'a Yaml, place: Place<'a>, given: BTreeMap<&'static str, Value>) -> Self {
        Self { template, place, given, depth: Cell::new(0), left: Cell::new(0) }
    }

    /// Gives parameters other values.
    pub fn give(&mut self, parameters: impl IntoIterator<Item = (&'static str, Value)>) {
        self.given.extend(parameters);
    }

    /// ARN of a role of the stack. CloudFormation names it after the stack, the role and a word of its own, which is the Region
    /// here.
    pub fn role_arn(&self, role: &str) -> String {
        self.place.role_arn(role)
    }

    /// The template's resources, by name.
    ///
    /// # Errors
    /// When it has none.
    pub fn resources(&self) -> Result<&'a Mapping, String> {
        self.template["Resources"].as_mapping().ok_or_else(|| "it has no Resources".to_owned())
    }

    /// Names and properties of the resources of a type that the conditions let be.
    ///
    /// # Errors
    /// When one has what can't be resolved.
    pub fn of_type(&self, kind: &str) -> Result<Vec<(String, Value)>, String> {
        let mut found = Vec::new();
        for (name, resource) in self.resources()? {
            if resource["Type"] != *kind || !self.is_made(resource)? {
                continue;
            }
            let properties = self.resolve(&resource["Properties"])?.unwrap_or_default();
            found.push((name.as_str().unwrap_or_default().to_owned(), properties));
        }
        Ok(found)
    }

    /// Whether the conditions let a resource be.
    ///
    /// # Errors
    /// When its condition can't be resolved.
    pub fn is_made(&self, resource: &Yaml) -> Result<bool, String> {
        match resource["Condition"].as_str() {
            Some(condition) => self.holds(condition),
            None => Ok(true),
        }
    }

    fn holds(&self, condition: &str) -> Result<bool, String> {
        Ok(self.resolve(&self.template["Conditions"][condition])? == Some(json!(true)))
    }

    /// A value with its functions resolved; `None` is `AWS::NoValue`.
    ///
    /// # Errors
    /// What can't be resolved, among it what refers to itself.
    pub fn resolve(&self, value: &Yaml) -> Result<Option<Value>, String> {
        let depth = self.depth.get();
        let left = if depth == 0 { VALUES } else { self.left.get() };
        if depth == DEPTH || left == 0 {
            return Err("a value refers to itself, or is nested too deep".into());
        }
        self.depth.set(depth + 1);
        self.left.set(left - 1);
        let resolved = self.value(value);
        self.depth.set(depth);
        resolved
    }

    fn value(&self, value: &Yaml) -> Result<Option<Value>, String> {
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

    /// A value with its functions resolved, which has to be text.
    ///
    /// # Errors
    /// When it is not, or can't be resolved.
    pub fn text(&self, value: &Yaml) -> Result<String, String> {
        match self.resolve(value)? {
            Some(Value::String(text)) => Ok(text),
            other => Err(format!("{other:?} is not text")),
        }
    }

    fn function(&self, name: &str, argument: &Yaml) -> Result<Option<Value>, String> {
        let unknown = || format!("can't resolve {name} of {argument:?}");
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
        let Place { region, account, .. } = self.place;
        match name {
            "AWS::Region" => return Ok(json!(self.place.region)),
            "AWS::AccountId" => return Ok(json!(self.place.account)),
            "AWS::Partition" => return Ok(json!("aws")),
            "AWS::StackName" => return Ok(json!(self.place.stack)),
            _ => {}
        }
        let parameter = &self.template["Parameters"][name];
        if !parameter.is_null() {
            return match (self.given.get(name), &parameter["Default"]) {
                (Some(given), _) => Ok(given.clone()),
                (None, Yaml::Null) => Err(format!("nothing is given for the parameter {name}")),
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
                Ok(json!(format!("arn:aws:sns:{region}:{account}:{topic}")))
            }
            Some("AWS::SSM::Document") => self.text(&resource["Properties"]["Name"]).map(Value::String),
            Some("AWS::Events::Rule") => self.text(&resource["Properties"]["Name"]).map(Value::String),
            Some("AWS::S3::Bucket") => self.text(&resource["Properties"]["BucketName"]).map(Value::String),
            // As the API's URL; nothing here reads it.
            Some("AWS::SQS::Queue") => {
                let queue = self.text(&resource["Properties"]["QueueName"])?;
                Ok(json!(format!("https://sqs.{region}.amazonaws.com/{account}/{queue}")))
            }
            Some("AWS::Serverless::Function") => {
                self.text(&resource["Properties"]["FunctionName"]).map(Value::String)
            }
            Some("AWS::Logs::LogGroup") => {
                self.text(&resource["Properties"]["LogGroupName"]).map(Value::String)
            }
            Some("AWS::Serverless::StateMachine" | "AWS::StepFunctions::StateMachine") => {
                self.attribute(&format!("{name}.Arn")).map(Value::String)
            }
            _ => Err(format!("can't resolve !Ref {name}")),
        }
    }

    fn attribute(&self, path: &str) -> Result<String, String> {
        let unknown = || format!("can't resolve !GetAtt {path}");
        let (name, attribute) = path.split_once('.').ok_or_else(unknown)?;
        let resource = &self.template["Resources"][name];
        let named = |property: &str| self.text(&resource["Properties"][property]);
        match (resource["Type"].as_str(), attribute) {
            (_, "Arn") => {}
            (Some("AWS::SQS::Queue"), "QueueName") => return named("QueueName"),
            (Some("AWS::Serverless::StateMachine"), "Name") => return named("Name"),
            (Some("AWS::StepFunctions::StateMachine"), "Name") => return named("StateMachineName"),
            _ => return Err(unknown()),
        }
        let Place { region, account, .. } = self.place;
        Ok(match resource["Type"].as_str() {
            Some("AWS::Serverless::Function") => {
                format!("arn:aws:lambda:{region}:{account}:function:{}", named("FunctionName")?)
            }
            Some("AWS::Logs::LogGroup") => {
                format!("arn:aws:logs:{region}:{account}:log-group:{}:*", named("LogGroupName")?)
            }
            Some("AWS::IAM::Role") => self.role_arn(name),
            Some("AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm") => {
                format!("arn:aws:cloudwatch:{region}:{account}:alarm:{}", named("AlarmName")?)
            }
            Some("AWS::Events::Rule") => format!("arn:aws:events:{region}:{account}:rule/{}", named("Name")?),
            Some("AWS::S3::Bucket") => format!("arn:aws:s3:::{}", named("BucketName")?),
            Some("AWS::Serverless::StateMachine") => {
                format!("arn:aws:states:{region}:{account}:stateMachine:{}", named("Name")?)
            }
            Some("AWS::StepFunctions::StateMachine") => {
                format!("arn:aws:states:{region}:{account}:stateMachine:{}", named("StateMachineName")?)
            }
            Some("AWS::SQS::Queue") => format!("arn:aws:sqs:{region}:{account}:{}", named("QueueName")?),
            _ => return Err(unknown()),
        })
    }

    /// `!Sub` of one text.
    fn substitute(&self, text: &str) -> Result<String, String> {
        let variable = Regex::new(r"\$\{([A-Za-z0-9:.]+)\}").map_err(|error| error.to_string())?;
        let mut problem = None;
        let resolved = variable.replace_all(text, |found: &Captures<'_>| {
            if problem.is_some() {
                return String::new();
            }
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

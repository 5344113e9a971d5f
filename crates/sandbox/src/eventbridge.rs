//! EventBridge: the rules of `template.yaml`, with their patterns, targets, inputs and roles, over what happens in the world.
//!
//! A rule's pattern is matched as EventBridge does: a field that the pattern names has to be in the event with one of the
//! values, each a value or `{"prefix": …}`. A target is a runbook, started in the rule's Region, a topic there, or the event bus
//! of the other Region. What a target needs is checked against its role, or the topic's policy. What fails there goes to the
//! target's dead-letter queue, and the template's alarm on that queue tells its topic; without a queue it fails silently, as
//! it does at AWS. [`EventBridge::failures`] has it in either case.
//!
//! How executions end is an event, too.
//!
//! The template's composite alarms are here, too: they follow the alarms of their Region, and tell when they change.
//!
//! A start is asked of the role on the document **and** on the execution, as the Service Authorization Reference has it; on the
//! automation definition it is not asked any more ("How Systems Manager works with IAM": those are being deprecated).
//!
//! Not there: rules by schedule ([`EventBridge::tick`] stands for the time), retries, other operators in patterns and alarm
//! rules. A template that has them is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;
use runbook::RecoveryPlan;
use serde_json::{Value, json};
use stack::patterns::{Transformer, known, matches};
use stack::{Need, Stack};
use tokio::sync::broadcast::error::RecvError;

use crate::account::{ACCOUNT, REGIONS};
use crate::api::event;
use crate::permissions::Permissions;
use crate::template::{self, TemplateError};
use crate::world::World;
use automation::{self, Automation};

/// A rule.
#[derive(Debug, Clone)]
struct Rule {
    name: String,
    region: &'static str,
    /// `None`: it runs by a schedule.
    pattern: Option<Value>,
    targets: Vec<Target>,
}

#[derive(Debug, Clone)]
struct Target {
    arn: String,
    role: String,
    input: Option<Value>,
    transformer: Option<Transformer>,
    dead_letters: Option<DeadLetters>,
}

/// Where an event that a target did not take is kept, and which topics are notified of it.
#[derive(Debug, Clone)]
struct DeadLetters {
    /// Text of the alarm on the queue, and the topics that it tells.
    alarms: Vec<(String, Vec<String>)>,
}

/// A composite alarm: so many alarms of its Region have to be in `ALARM`.
#[derive(Debug, Clone)]
struct Composite {
    name: String,
    region: &'static str,
    quorum: usize,
    alarms: Vec<String>,
}

/// The rules and composite alarms of both Regions.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    composites: Vec<Composite>,
}

impl Rules {
    /// Reads them out of the text of a template.
    ///
    /// # Errors
    /// When one is written in a way that the sandbox does not know.
    pub fn read(template: &str, plan: &RecoveryPlan) -> Result<Self, TemplateError> {
        let mut all = Self::default();
        for region in REGIONS {
            all.add(template, plan, region).map_err(TemplateError)?;
        }
        Ok(all)
    }

    /// Names of the rules of a Region.
    pub fn names(&self, region: &str) -> Vec<&str> {
        self.rules.iter().filter(|rule| rule.region == region).map(|rule| rule.name.as_str()).collect()
    }

    fn add(&mut self, template: &str, plan: &RecoveryPlan, region: &'static str) -> Result<(), String> {
        let template = template::parse(template)?;
        let stack = template::stack(&template, plan, region);
        let policies = stack.of_type("AWS::SNS::TopicPolicy")?;
        let lets_in = |policy: &Value, topic: &str, rule: &str| {
            let statements = policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten();
            let rule = format!("arn:aws:events:{region}:{ACCOUNT}:rule/{rule}");
            let mut of_topic = policy["Topics"].as_array().into_iter().flatten();
            of_topic.any(|one| one == topic)
                && statements.into_iter().any(|statement| {
                    statement["Effect"] == "Allow"
                        && statement["Principal"]["Service"] == "events.amazonaws.com"
                        && statement["Action"] == "sns:Publish"
                        && statement["Resource"] == topic
                        && statement["Condition"]["ArnEquals"]["aws:SourceArn"] == rule.as_str()
                })
        };
        let policies: Vec<Value> = policies.into_iter().map(|(_, policy)| policy).collect();
        let queues = Queues::of(&stack, region)?;
        for (_, rule) in stack.of_type("AWS::Events::Rule")? {
            let name = rule["Name"].as_str().unwrap_or_default().to_owned();
            let pattern = rule.get("EventPattern").cloned();
            if let Some(pattern) = &pattern {
                known(pattern).map_err(|problem| format!("the pattern of {name}: {problem}"))?;
            } else if rule["ScheduleExpression"].is_null() {
                return Err(format!("the rule {name} has neither a pattern nor a schedule"));
            }
            let target = |target: &Value| {
                let known = ["Id", "Arn", "RoleArn", "Input", "InputTransformer", "DeadLetterConfig"];
                if let Some(other) =
                    target.as_object().into_iter().flatten().find(|(key, _)| !known.contains(&key.as_str()))
                {
                    return Err(format!("the sandbox does not know {} in a target of {name}", other.0));
                }
                let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
                let input = target["Input"].as_str().map(serde_json::from_str).transpose();
                let input = input.map_err(|error| format!("the input of {name} is not JSON: {error}"))?;
                let transformer = target.get("InputTransformer").cloned().map(Transformer::read).transpose();
                let transformer =
                    transformer.map_err(|error| format!("the transformer of {name}: {error}"))?;
                let arn = text("Arn");
                if arn.starts_with("arn:aws:sns:")
                    && !policies.iter().any(|policy| lets_in(policy, &arn, &name))
                {
                    return Err(format!("no policy of {arn} lets {name} in"));
                }
                let queue = target["DeadLetterConfig"]["Arn"].as_str();
                let dead_letters = queue.map(|queue| queues.for_rule(queue, &name)).transpose()?;
                Ok(Target { arn, role: text("RoleArn"), input, transformer, dead_letters })
            };
            let targets = rule["Targets"].as_array().into_iter().flatten().map(target);
            let targets = targets.collect::<Result<_, String>>()?;
            self.rules.push(Rule { name, region, pattern, targets });
        }
        let form =
            Regex::new(r"^AT_LEAST\((\d+), ALARM, \(([^()]+)\)\)$").map_err(|error| error.to_string())?;
        for (_, alarm) in stack.of_type("AWS::CloudWatch::CompositeAlarm")? {
            let name = alarm["AlarmName"].as_str().unwrap_or_default().to_owned();
            let rule = alarm["AlarmRule"].as_str().unwrap_or_default();
            let parts = form
                .captures(rule)
                .ok_or_else(|| format!("the sandbox can't evaluate the alarm rule {rule}"))?;
            let alarms = parts[2].split(", ").map(str::to_owned).collect();
            let quorum = parts[1].parse().map_err(|_| format!("{rule} asks for no number"))?;
            self.composites.push(Composite { name, region, quorum, alarms });
        }
        Ok(())
    }
}

/// The queues of a stack, with their policies and the alarms on them.
struct Queues {
    region: &'static str,
    policies: Vec<Value>,
    alarms: Vec<Value>,
}

impl Queues {
    fn of(stack: &Stack, region: &'static str) -> Result<Self, String> {
        let all = |kind| Ok::<_, String>(stack.of_type(kind)?.into_iter().map(|(_, one)| one).collect());
        Ok(Self { region, policies: all("AWS::SQS::QueuePolicy")?, alarms: all("AWS::CloudWatch::Alarm")? })
    }

    /// A queue as the dead-letter queue of a rule: its policy has to let the rule in.
    fn for_rule(&self, queue: &str, rule: &str) -> Result<DeadLetters, String> {
        let source = format!("arn:aws:events:{}:{ACCOUNT}:rule/{rule}", self.region);
        let lets_in = |statement: &Value| {
            statement["Effect"] == "Allow"
                && statement["Principal"]["Service"] == "events.amazonaws.com"
                && statement["Action"] == "sqs:SendMessage"
                && statement["Resource"] == queue
                && statement["Condition"]["ArnLike"]["aws:SourceArn"]
                    .as_str()
                    .is_some_and(|pattern| wildmatch::WildMatch::new(pattern).matches(&source))
        };
        let mut statements = self
            .policies
            .iter()
            .filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array())
            .flatten();
        if !statements.any(lets_in) {
            return Err(format!("no policy of {queue} lets {rule} in"));
        }
        let name = queue.rsplit(':').next().unwrap_or_default();
        let on_it = |alarm: &&Value| {
            alarm["Namespace"] == "AWS/SQS"
                && alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
                && alarm["Dimensions"] == json!([{"Name": "QueueName", "Value": name}])
                && alarm["ComparisonOperator"] == "GreaterThanThreshold"
                && alarm["Threshold"] == 0
        };
        let told = |alarm: &Value| {
            let topics = alarm["AlarmActions"].as_array().into_iter().flatten();
            let topics = topics.filter_map(|topic| topic.as_str().map(str::to_owned)).collect();
            (alarm["AlarmDescription"].as_str().unwrap_or_default().to_owned(), topics)
        };
        Ok(DeadLetters { alarms: self.alarms.iter().filter(on_it).map(told).collect() })
    }
}

/// EventBridge in both Regions.
pub struct EventBridge {
    rules: Rules,
    world: Arc<World>,
    automation: Arc<Automation>,
    permissions: Arc<Permissions>,
    /// Composite alarms that are in `ALARM`, by Region and name.
    alarmed: Mutex<BTreeMap<(&'static str, String), bool>>,
    started: Mutex<Vec<(String, String)>>,
    failures: Mutex<Vec<String>>,
}

impl EventBridge {
    /// Follows the world's events, for as long as that lives.
    pub fn follow(
        rules: Rules,
        world: &Arc<World>,
        automation: &Arc<Automation>,
        permissions: &Arc<Permissions>,
    ) -> Arc<Self> {
        let bridge = Arc::new(Self {
            rules,
            world: Arc::clone(world),
            automation: Arc::clone(automation),
            permissions: Arc::clone(permissions),
            alarmed: Mutex::default(),
            started: Mutex::default(),
            failures: Mutex::default(),
        });
        let (mut events, following) = (world.bus(), Arc::downgrade(&bridge));
        world.spawn(async move {
            while let Ok((region, event)) = events.recv().await {
                let Some(bridge) = following.upgrade() else { return };
                bridge.deliver(&region, &event);
            }
        });
        let (mut executions, following) = (automation.subscribe(), Arc::downgrade(&bridge));
        world.spawn(async move {
            loop {
                match executions.recv().await {
                    Ok(happened) => {
                        let Some(bridge) = following.upgrade() else { return };
                        if let Some(event) = ended(&happened) {
                            bridge.deliver(&happened.region, &event);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        bridge
    }

    /// Delivers an event to the rules of a Region, as EventBridge does at least once.
    pub fn deliver(&self, region: &str, event: &Value) {
        let here = self.rules.rules.iter().filter(|rule| rule.region == region);
        for rule in here.filter(|rule| rule.pattern.as_ref().is_some_and(|pattern| matches(pattern, event))) {
            self.invoke(rule, event);
        }
        if event["source"] == "aws.cloudwatch" {
            self.evaluate(region);
        }
    }

    /// Starts what runs by a schedule, once.
    pub fn tick(&self) {
        for rule in self.rules.rules.iter().filter(|rule| rule.pattern.is_none()) {
            self.invoke(rule, &Value::Null);
        }
    }

    /// What was started so far: Region and id of each execution.
    pub fn started(&self) -> Vec<(String, String)> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why targets could not be invoked.
    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn invoke(&self, rule: &Rule, event: &Value) {
        for target in &rule.targets {
            if let Err(problem) = self.invoke_target(rule, target, event) {
                self.world.count_failed_invocation(rule.region, &rule.name);
                let text = format!("{} in {}: {problem}", rule.name, rule.region);
                self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                let alarms = target.dead_letters.iter().flat_map(|queue| &queue.alarms);
                for (alarm, topic) in
                    alarms.flat_map(|(alarm, topics)| topics.iter().map(move |topic| (alarm, topic)))
                {
                    if let Err(problem) = self.world.notify(topic, "", alarm) {
                        let text = format!("{} in {}: the alarm: {problem}", rule.name, rule.region);
                        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                    }
                }
            }
        }
    }

    fn invoke_target(&self, rule: &Rule, target: &Target, event: &Value) -> Result<(), String> {
        // A runbook's version is the one that EventBridge's own console writes into a target.
        let arn = target.arn.strip_suffix(":$DEFAULT").unwrap_or(&target.arn);
        let parts: Vec<&str> = arn.split(':').collect();
        let allowed = |needs: &[Need]| {
            self.permissions.rule_may(&target.role, rule.region, needs).map_err(|denied| denied.to_string())
        };
        match parts[..] {
            ["arn", "aws", "ssm", region, ACCOUNT, definition] if region == rule.region => {
                let name = definition.trim_start_matches("automation-definition/");
                let of = |resource: &str| format!("arn:aws:ssm:{region}:{ACCOUNT}:{resource}");
                let input = target.input.clone().unwrap_or_else(|| event.clone());
                let given: BTreeMap<String, Vec<String>> =
                    serde_json::from_value(input).map_err(|error| format!("the input: {error}"))?;
                let role = given.get("AutomationAssumeRole").and_then(|role| role.first()).cloned();
                allowed(&[
                    Need::new("ssm:StartAutomationExecution", of(&format!("document/{name}"))),
                    Need::new(
                        "ssm:StartAutomationExecution",
                        of("automation-execution/00000000-0000-0000-0000-000000000000"),
                    ),
                    Need::new("iam:PassRole", role.unwrap_or_default())
                        .with("iam:PassedToService", "ssm.amazonaws.com"),
                ])?;
                if self.world.is_isolated(region) {
                    return Err(format!("{region} is cut off"));
                }
                let id = self.automation.start_as(region, name, given, &rule.name);
                let id = id.map_err(|error| error.to_string())?;
                self.started.lock().unwrap_or_else(PoisonError::into_inner).push((region.to_owned(), id));
            }
            ["arn", "aws", "sns", region, ACCOUNT, _] if region == rule.region => {
                if self.world.is_isolated(region) {
                    return Err(format!("{region} is cut off"));
                }
                let text = target.transformer.as_ref().map(|transformer| transformer.text(event));
                let text = text.unwrap_or_else(|| event.to_string());
                self.world.notify(&target.arn, "", &text).map_err(|error| error.to_string())?;
            }
            ["arn", "aws", "events", region, ACCOUNT, "event-bus/default"] if region != rule.region => {
                allowed(&[Need::new("events:PutEvents", &*target.arn)])?;
                if self.world.is_isolated(region) || self.world.is_isolated(rule.region) {
                    return Err(format!("{region} does not answer"));
                }
                self.deliver(region, event);
            }
            _ => return Err(format!("the sandbox can't invoke {}", target.arn)),
        }
        Ok(())
    }

    /// Looks at the composite alarms of a Region, and tells which have changed.
    fn evaluate(&self, region: &str) {
        for composite in self.rules.composites.iter().filter(|composite| composite.region == region) {
            let ill = |alarm: &&String| self.world.alarm_state(region, alarm).as_deref() == Some("ALARM");
            let alarmed = composite.alarms.iter().filter(ill).count() >= composite.quorum;
            let key = (composite.region, composite.name.clone());
            let before = self.alarmed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, alarmed);
            if before.unwrap_or(false) != alarmed {
                let state = |alarmed| if alarmed { "ALARM" } else { "OK" };
                let event = self.world.alarm_event(region, &composite.name, state(alarmed), state(!alarmed));
                self.world.publish(region, event);
            }
        }
    }
}

/// The event of an execution that has ended
/// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html>).
fn ended(happened: &automation::Event) -> Option<Value> {
    let automation::EventKind::ExecutionEnded(status) = &happened.kind else { return None };
    let arn =
        format!("arn:aws:ssm:{}:{ACCOUNT}:automation-execution/{}", happened.region, happened.execution);
    let detail = json!({
        "ExecutionId": happened.execution, "Definition": happened.document, "DefinitionVersion": 1.0,
        "Status": status.name(),
    });
    let kind = "EC2 Automation Execution Status-change Notification";
    Some(event(happened.at, &happened.region, "aws.ssm", kind, &arn, &detail))
}

//! Fault Injection Service (FIS): experiments that are started from templates, and what their actions do to the world.
//!
//! An experiment does what its actions do in AWS, and nothing else:
//! - `aws:dynamodb:global-table-pause-replication` cuts the tables of its Region off from those of the others, in both directions, since
//!   "replication to and from affected replicas will stop" (DynamoDB developer guide, "How global tables use IAM"). They go on
//!   answering, and what waits arrives when it ends. All tables of the Region are cut: the shop has one. Descriptions go on calling
//!   a replica active.
//! - `aws:network:route-table-disrupt-cross-region-connectivity` takes routes out of subnets, of which nothing here makes use: Aurora
//!   replicates over AWS's own network, so no database feels it.
//! - With any other action, and with one that has to wait for another, the experiment fails before anything begins.
//!
//! An alarm of its stop conditions that is in `ALARM` stops an experiment: at once, or before its actions begin. A Region that is cut
//! off answers nothing; its experiments go on, and what one of them had cut stays so until both are over.
//!
//! What AWS's documents leave open stands in `docs/unproven.md`. FIS's events for EventBridge, its logs and its reports are not there.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::core::World;
use super::durations;
use super::experiment::{DISRUPT, Experiment, PAUSE, Stop, Template};
use super::model::{name_of, region_of};
use super::state::State;
use crate::account::ACCOUNT;
use crate::api::{ApiError, Call, required, unknown};

/// Why an experiment can't run: the action, the kind of failure in the words of FIS, and what it is.
type Problem = (String, &'static str, String);

impl World {
    /// Adds an experiment template to a Region, with everything that FIS shows of it but its id and times; answers its id.
    pub fn add_experiment_template(&self, region: &str, definition: Value) -> String {
        let created = self.clock.now();
        self.state(|state| {
            let id = format!("EXT{:015}", state.experiment_templates.len() + 1);
            let template = Template { id: id.clone(), region: region.to_owned(), definition, created };
            state.experiment_templates.insert(id.clone(), template);
            id
        })
    }

    /// Stops every experiment of which this alarm is a stop condition, since it is in `ALARM` now.
    pub(super) fn halt_experiments(&self, region: &str, alarm: &str) {
        let arn = format!("arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{alarm}");
        let guarded = |state: &mut State| -> Vec<String> {
            let all = state.experiments.values();
            all.filter(|one| one.is_guarded_by(&arn)).map(|one| one.id.clone()).collect()
        };
        for id in self.state(guarded) {
            self.stop_experiment(&id, Stop::Condition);
        }
    }

    /// Runs an experiment that the API has accepted and entered as `pending`; returns at once.
    fn begin_experiment(self: &Arc<Self>, id: &str) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        self.spawn(async move {
            world.clock.sleep(durations::EXPERIMENT_PENDING).await;
            if world.change_experiment(&id, Experiment::initiate) {
                world.clock.sleep(durations::EXPERIMENT_INITIATING).await;
                world.run_experiment(&id);
            }
        });
    }

    /// Its actions begin, if nothing stands in their way.
    fn run_experiment(self: &Arc<Self>, id: &str) {
        let Some(template) = self.state(|state| Some(state.experiments.get(id)?.template.clone())) else {
            return;
        };
        let actions = match self.actions(&template) {
            Ok(actions) => actions,
            Err((action, code, reason)) => {
                self.change_experiment(id, |one, now| one.fail(&action, code, &reason, now));
                return;
            }
        };
        let is_alarming = self.state(|state| {
            template.alarms().any(|arn| {
                let alarm = (region_of(arn).to_owned(), name_of(arn).to_owned());
                state.alarms.get(&alarm).is_some_and(|of| of == "ALARM")
            })
        });
        if is_alarming {
            self.stop_experiment(id, Stop::Condition);
            return;
        }
        if !self.change_experiment(id, Experiment::run) {
            return;
        }
        for (action, duration) in actions {
            let (world, id) = (Arc::clone(self), id.to_owned());
            self.spawn(async move {
                world.clock.sleep(duration).await;
                world.change_experiment(&id, |one, now| one.end_action(&action, now));
            });
        }
    }

    /// The actions of a template with how long they last.
    fn actions(&self, template: &Template) -> Result<Vec<(String, Duration)>, Problem> {
        let of = |(name, action): (&String, &Value)| {
            let configuration = |reason: String| (name.clone(), "ConfigurationFailure", reason);
            let id = action["actionId"].as_str().unwrap_or_default();
            if ![PAUSE, DISRUPT].contains(&id) {
                return Err(configuration(format!("The sandbox does not know the action {id}.")));
            }
            if action["startAfter"].as_array().is_some_and(|others| !others.is_empty()) {
                return Err(configuration("The sandbox starts all actions at once.".into()));
            }
            let text = action["parameters"]["duration"].as_str().unwrap_or_default();
            let duration = text.parse::<SignedDuration>().ok().and_then(|lasts| lasts.try_into().ok());
            let duration =
                duration.ok_or_else(|| configuration(format!("{text:?} is no duration such as PT15M.")))?;
            if id == PAUSE && !self.are_tables(&template.targets(action, "Tables"), &template.region) {
                return Err((name.clone(), "InvalidTarget", "Target resolution returned empty set".into()));
            }
            Ok((name.clone(), duration))
        };
        template.actions().map(of).collect()
    }

    /// Whether these are tables of a Region, one at least.
    fn are_tables(&self, arns: &[&str], region: &str) -> bool {
        let is_table = |arn: &&str| {
            let input = json!({"TableName": arn});
            region_of(arn) == region
                && self.tables.call(region, "DescribeTable", &input, self.clock.now()).is_ok()
        };
        !arns.is_empty() && arns.iter().all(is_table)
    }

    /// Stops an experiment that is not over; returns at once.
    fn stop_experiment(&self, id: &str, why: Stop) {
        // Whoever calls holds the world, so it is there.
        let Some(world) = self.this() else { return };
        if !self.change_experiment(id, |one, _| one.stop(why)) {
            return;
        }
        let id = id.to_owned();
        self.spawn(async move {
            world.clock.sleep(durations::EXPERIMENT_STOPPING).await;
            world.change_experiment(&id, |one, now| one.stopped(why, now));
        });
    }

    /// Changes an experiment, has the tables follow, and tells of its beginning and its end. Whether there was anything to change.
    fn change_experiment(&self, id: &str, change: impl FnOnce(&mut Experiment, Timestamp) -> bool) -> bool {
        let now = self.clock.now();
        let changed = self.state(|state| {
            let one = state.experiments.get_mut(id)?;
            let before = one.status();
            let changed = change(one, now);
            let news = (one.status() != before).then(|| news(one)).flatten();
            changed.then(|| (one.template.region.clone(), news))
        });
        let Some((region, news)) = changed else { return false };
        self.settle_tables(&region);
        if let Some(news) = news {
            self.say(&region, news);
        }
        true
    }
}

/// What the timeline says of an experiment that has come to its state.
fn news(one: &Experiment) -> Option<String> {
    let name = one.template.name();
    match one.status() {
        "running" => Some(format!("The experiment {name} runs: {}", one.running().join(", "))),
        "completed" => Some(format!("The experiment {name} has ended")),
        status if one.is_over() => {
            Some(format!("The experiment {name} has {}: {}", past(status), one.reason()))
        }
        _ => None,
    }
}

fn past(status: &str) -> &str {
    if status == "stopped" { "been stopped" } else { status }
}

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    let (region, input) = (call.region.as_str(), &call.input);
    match call.operation.as_str() {
        "ListExperimentTemplates" => {
            let here = world.state(|state| {
                let all = state.experiment_templates.values();
                all.filter(|one| one.region == region).map(|one| one.summary().into()).collect()
            });
            page(input, "experimentTemplates", here)
        }
        "GetExperimentTemplate" => {
            let id = required(input, "id")?;
            let shown = world.state(|state| Some(template(state, region, id)?.shown()));
            Ok(json!({"experimentTemplate": shown.ok_or_else(|| none("experiment template", id))?}))
        }
        "ListExperiments" => {
            let of = input["experimentTemplateId"].as_str();
            let here = world.state(|state| {
                let all = state.experiments.values().filter(|one| one.template.region == region);
                let of = all.filter(|one| of.is_none_or(|id| one.template.id == id));
                of.map(|one| one.summary().into()).collect()
            });
            page(input, "experiments", here)
        }
        "StartExperiment" => start(world, region, input),
        "GetExperiment" => shown(world, region, required(input, "id")?),
        "StopExperiment" => {
            let id = required(input, "id")?;
            shown(world, region, id)?;
            world.stop_experiment(id, Stop::Asked);
            shown(world, region, id)
        }
        _ => Err(unknown(call)),
    }
}

fn start(world: &Arc<World>, region: &str, input: &Value) -> Result<Value, ApiError> {
    let (token, id) = (required(input, "clientToken")?, required(input, "experimentTemplateId")?);
    if let Some(mode) = input["experimentOptions"]["actionsMode"].as_str()
        && !["run-all", "skip-all"].contains(&mode)
    {
        return Err(invalid(format!("{mode} is no mode of actions")));
    }
    let now = world.clock.now();
    let (id, is_new) = world.state(|state| {
        let mut here = state.experiments.values().filter(|one| one.template.region == region);
        if let Some(earlier) = here.find(|one| one.request["clientToken"] == token) {
            if earlier.request == *input {
                return Ok((earlier.id.clone(), false));
            }
            let message = format!("the client token {token} has started an experiment in another way");
            return Err(ApiError::with_status(409, "ConflictException", message));
        }
        let template = template(state, region, id).ok_or_else(|| none("experiment template", id))?.clone();
        let id = format!("EXP{:015}", state.experiments.len() + 1);
        let experiment = Experiment::new(id.clone(), template, input.clone(), now);
        state.experiments.insert(id.clone(), experiment);
        Ok((id, true))
    })?;
    let answer = shown(world, region, &id);
    if is_new {
        world.begin_experiment(&id);
    }
    answer
}

fn template<'a>(state: &'a State, region: &str, id: &str) -> Option<&'a Template> {
    state.experiment_templates.get(id).filter(|one| one.region == region)
}

fn shown(world: &World, region: &str, id: &str) -> Result<Value, ApiError> {
    let shown = world.state(|state| {
        let one = state.experiments.get(id).filter(|one| one.template.region == region)?;
        Some(one.shown())
    });
    Ok(json!({"experiment": shown.ok_or_else(|| none("experiment", id))?}))
}

/// One page of a list; the token is the number of the first item.
fn page(input: &Value, name: &str, all: Vec<Value>) -> Result<Value, ApiError> {
    let limit = match &input["maxResults"] {
        Value::Null => 100,
        given => given
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| invalid(format!("maxResults must be from 1 to 100, not {given}")))?,
    };
    let start: usize = match input["nextToken"].as_str() {
        None => 0,
        Some(token) => {
            token.parse().map_err(|_| invalid(format!("{token:?} is not a token of an earlier answer")))?
        }
    };
    let (total, items) = (all.len(), all.into_iter().skip(start).take(limit).collect::<Vec<_>>());
    let next = start.saturating_add(items.len());
    let mut answer = json!({ name: items });
    if next < total {
        answer["nextToken"] = next.to_string().into();
    }
    Ok(answer)
}

fn invalid(message: String) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn none(kind: &str, id: &str) -> ApiError {
    ApiError::with_status(404, "ResourceNotFoundException", format!("there is no {kind} {id}"))
}

//! Reads a definition, and notes everything in it that is wrong or not supported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::choice::Rule;
use crate::definition::{Concurrency, Definition, DefinitionError, Kind, Map, Program, Select, State, Task};
use crate::members::{Members, Place, Problem};
use crate::parts::{MAX_SECONDS, after, either, jsonpath, select, target, then};
use crate::path::Path;
use crate::template::Template;

/// The most bytes of a definition (Step Functions quotas).
const MAX_DEFINITION: usize = 1024 * 1024;
/// The most characters of a state's name.
const MAX_NAME: usize = 80;
/// The most characters of a map's label.
const MAX_LABEL: usize = 40;
/// What a task can be.
const INVOKE: &str = "arn:aws:states:::lambda:invoke";
/// What items can be read by.
const GET_OBJECT: &str = "arn:aws:states:::s3:getObject";

impl Definition {
    /// Reads a definition. `name` names it in errors.
    ///
    /// # Errors
    /// All that is wrong with it, or not supported.
    pub fn parse(name: &str, text: &str) -> Result<Self, DefinitionError> {
        match problems(text) {
            (Some(definition), problems) if problems.is_empty() => Ok(definition),
            (_, problems) => Err(DefinitionError { name: name.to_owned(), problems }),
        }
    }
}

/// A definition as far as it can be read, and all that is wrong with it or not supported.
pub(crate) fn problems(text: &str) -> (Option<Definition>, Vec<Problem>) {
    let mut problems = Vec::new();
    let definition = definition(text, &mut Place::new("", &mut problems));
    (definition, problems)
}

fn definition(text: &str, place: &mut Place<'_>) -> Option<Definition> {
    if text.len() > MAX_DEFINITION {
        place.problem(format!("has {} bytes; a definition has at most {MAX_DEFINITION}", text.len()));
        return None;
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            place.problem(format!("is not JSON: {error}"));
            return None;
        }
    };
    let mut members = place.members(value)?;
    members.text("Comment");
    if let Some(version) = members.text("Version").filter(|version| version != "1.0") {
        members.problem("Version", format!("takes 1.0, not {version}"));
    }
    jsonpath(&mut members);
    let timeout = members.number("TimeoutSeconds", 1, MAX_SECONDS).map(Duration::from_secs);
    let program = program(&mut members, false);
    members.finish("a state machine");
    Some(Definition { program: Arc::new(program?), timeout })
}

/// Reads `StartAt` and `States`; `in_map` says whether they are those of a map's children.
fn program(members: &mut Members<'_>, in_map: bool) -> Option<Program> {
    let start_at = members.require_text("StartAt");
    let Some(Value::Object(all)) = members.require("States") else {
        members.problem("States", "takes an object of states");
        return None;
    };
    let names: BTreeSet<String> = all.keys().cloned().collect();
    if let Some(start) = start_at.as_ref().filter(|start| !names.contains(*start)) {
        members.problem("StartAt", format!("there is no state `{start}` beside it"));
    }
    let mut states = BTreeMap::new();
    let mut place = members.place.inside("States");
    if names.is_empty() {
        place.problem("takes at least one state");
    }
    for (name, value) in all {
        let mut place = place.inside(&name);
        if name.chars().count() > MAX_NAME || name.is_empty() {
            place.problem(format!("a state's name has 1 to {MAX_NAME} characters"));
        }
        let Some(state) = state(value, in_map, &mut place) else { continue };
        for next in state.kind.successors() {
            if !names.contains(next) {
                place.problem(format!("leads to `{next}`, and there is no such state beside it"));
            }
        }
        states.insert(name, state);
    }
    Some(Program { start_at: start_at?, states })
}

fn state(value: Value, in_map: bool, place: &mut Place<'_>) -> Option<State> {
    let mut members = place.members(value)?;
    let kind = members.require_text("Type")?;
    members.text("Comment");
    jsonpath(&mut members);
    let fails = kind == "Fail";
    let (input, output) = match fails {
        true => (Select::Nothing, Select::Nothing),
        false => (select(&mut members, "InputPath"), select(&mut members, "OutputPath")),
    };
    let (read, what) = match kind.as_str() {
        "Task" => (task(&mut members).map(Kind::Task), "a Task"),
        "Choice" => (Some(choice(&mut members)), "a Choice"),
        "Wait" => {
            let seconds = members.number("Seconds", 0, MAX_SECONDS);
            if seconds.is_none() {
                members.problem("Seconds", "is needed: nothing else is supported");
            }
            let then = then(&mut members);
            (
                seconds.zip(then).map(|(time, then)| Kind::Wait { time: Duration::from_secs(time), then }),
                "a Wait",
            )
        }
        "Pass" => {
            let parameters = members.take("Parameters");
            let parameters =
                parameters.map(|value| Template::read(value, false, &mut members.place.inside("Parameters")));
            let result = members.take("Result");
            let result_path = target(&mut members);
            (then(&mut members).map(|then| Kind::Pass { parameters, result, result_path, then }), "a Pass")
        }
        "Succeed" => (Some(Kind::Succeed), "a Succeed"),
        "Fail" => (Some(Kind::Fail { error: members.text("Error"), cause: members.text("Cause") }), "a Fail"),
        "Map" if in_map => {
            members.problem("Type", "a Map inside a Map is not supported");
            return None;
        }
        "Map" => (map(&mut members).map(|map| Kind::Map(Box::new(map))), "a distributed Map"),
        other => {
            members.problem(
                "Type",
                format!("`{other}` is not supported: Task, Choice, Wait, Pass, Succeed, Fail and Map are"),
            );
            return None;
        }
    };
    members.finish(what);
    Some(State { input, kind: read?, output })
}

fn task(members: &mut Members<'_>) -> Option<Task> {
    let resource = members.require_text("Resource");
    if let Some(other) = resource.filter(|resource| resource != INVOKE) {
        members.problem("Resource", format!("takes {INVOKE}; {other} is not supported"));
    }
    let timeout = members.number("TimeoutSeconds", 1, MAX_SECONDS).map(Duration::from_secs);
    let parameters = members.require("Parameters");
    let after = after(members);
    let mut place = members.place.inside("Parameters");
    let mut inside = place.members(parameters?)?;
    let function = either(&mut inside, ["FunctionName", "FunctionName.$"]);
    if function.is_none() {
        inside.problem("FunctionName", "is missing");
    }
    let payload = either(&mut inside, ["Payload", "Payload.$"]);
    inside.finish("an invocation");
    Some(Task { function: function?, payload, timeout, after: after? })
}

fn choice(members: &mut Members<'_>) -> Kind {
    let default = members.text("Default");
    let items = members.items("Choices");
    let mut place = members.place.inside("Choices");
    let mut rules = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let mut place = place.item(index);
        let Some(mut members) = place.members(item) else { continue };
        members.text("Comment");
        let next = members.require_text("Next");
        rules.extend(Rule::read(&mut members).zip(next));
        members.finish("a choice");
    }
    Kind::Choice { rules, default }
}

fn map(members: &mut Members<'_>) -> Option<Map> {
    let label = label(members);
    for member in ["ToleratedFailurePercentage", "ToleratedFailureCount"] {
        if let Some(other) = members.take(member).filter(|value| value.as_f64() != Some(0.0)) {
            members.problem(
                member,
                format!("takes 0: one child that fails fails the map; {other} is not supported"),
            );
        }
    }
    let fixed = members.number("MaxConcurrency", 0, MAX_SECONDS);
    let concurrency = match members.text("MaxConcurrencyPath") {
        None => Some(Concurrency::Fixed(fixed.unwrap_or(0))),
        Some(_) if fixed.is_some() => {
            members.problem("MaxConcurrencyPath", "takes the place of MaxConcurrency, which is there, too");
            None
        }
        Some(text) => match Path::read(&text, false) {
            Ok(path) => Some(Concurrency::At(path)),
            Err(problem) => {
                members.problem("MaxConcurrencyPath", problem);
                None
            }
        },
    };
    let selector = members.take("ItemSelector");
    let selector =
        selector.map(|value| Template::read(value, true, &mut members.place.inside("ItemSelector")));
    let reader = reader(members);
    let program = processor(members);
    let after = after(members);
    let (bucket, key) = reader?;
    Some(Map {
        label: label?,
        bucket,
        key,
        selector,
        concurrency: concurrency?,
        program: Arc::new(program?),
        after: after?,
    })
}

/// The label, which AWS makes up where there is none: then no policy could name the children that a redrive starts.
fn label(members: &mut Members<'_>) -> Option<String> {
    let label = members.require_text("Label")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if label.is_empty() || label.len() > MAX_LABEL || !label.chars().all(plain) {
        members.problem("Label", format!("takes 1 to {MAX_LABEL} letters, digits, hyphens and underscores"));
    }
    Some(label)
}

/// Bucket and key of the items.
fn reader(members: &mut Members<'_>) -> Option<(Template, Template)> {
    let value = members.require("ItemReader")?;
    let mut place = members.place.inside("ItemReader");
    let mut members = place.members(value)?;
    if let Some(other) = members.require_text("Resource").filter(|resource| resource != GET_OBJECT) {
        members.problem("Resource", format!("takes {GET_OBJECT}; {other} is not supported"));
    }
    if let Some(config) = members.require("ReaderConfig") {
        let mut place = members.place.inside("ReaderConfig");
        if let Some(mut config) = place.members(config) {
            if let Some(other) = config.require_text("InputType").filter(|kind| kind != "JSONL") {
                config.problem("InputType", format!("takes JSONL; {other} is not supported"));
            }
            config.finish("a reader's configuration");
        }
    }
    let parameters = members.require("Parameters");
    members.finish("an ItemReader");
    let mut place = place.inside("Parameters");
    let mut members = place.members(parameters?)?;
    let bucket = either(&mut members, ["Bucket", "Bucket.$"]);
    let key = either(&mut members, ["Key", "Key.$"]);
    if bucket.is_none() || key.is_none() {
        members.place.problem("takes Bucket and Key, or Bucket.$ and Key.$");
    }
    members.finish("the place of an object");
    bucket.zip(key)
}

/// The states of a map's children.
fn processor(members: &mut Members<'_>) -> Option<Program> {
    let value = members.require("ItemProcessor")?;
    let mut place = members.place.inside("ItemProcessor");
    let mut members = place.members(value)?;
    members.text("Comment");
    if let Some(config) = members.require("ProcessorConfig") {
        let mut place = members.place.inside("ProcessorConfig");
        if let Some(mut config) = place.members(config) {
            for (member, only) in [("Mode", "DISTRIBUTED"), ("ExecutionType", "STANDARD")] {
                if let Some(other) = config.require_text(member).filter(|value| value != only) {
                    config.problem(member, format!("takes {only}; {other} is not supported"));
                }
            }
            config.finish("a processor's configuration");
        }
    }
    let program = program(&mut members, true);
    members.finish("an ItemProcessor");
    program
}

//! What spans several steps: names, the steps that steps lead to, references, and steps that no way leads to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::condition;
use crate::document::Document;
use crate::fields::Fields;
use crate::references;
use crate::step::{Action, OnFailure, Step};

/// Reports two steps of one name, targets and references that are not there, and steps that lead to no end.
pub(crate) fn across_steps(document: &Document, fields: &mut Fields<'_>) {
    let mut names = BTreeSet::new();
    for step in document.steps.iter().flat_map(|step| std::iter::once(step).chain(step.inner())) {
        if !names.insert(step.name.as_str()) {
            fields.step = Some(step.name.clone());
            fields.problem("name", "is the name of another step too");
        }
    }
    check_list(&document.steps, &document.steps, fields);
    for step in document.steps.iter().filter(|step| !step.inner().is_empty()) {
        check_list(step.inner(), &document.steps, fields);
    }
    check_references(document, fields);
    fields.step = None;
}

/// Names of the steps that can't be reached: not from the first step, whether steps succeed, fail or are cancelled. AWS runs
/// a document with such steps, without them.
pub(crate) fn unreachable(document: &Document) -> Vec<&str> {
    let main = &document.steps;
    let mut missed = unreached(main, main, &[0]);
    for step in main.iter().filter(|step| !step.inner().is_empty()) {
        missed.extend(unreached(step.inner(), main, &[0]));
    }
    missed
}

/// The steps of a list to which none of `from`, by index, leads.
fn unreached<'a>(steps: &'a [Step], main: &[Step], from: &[usize]) -> Vec<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = from.to_vec();
    if std::ptr::eq(steps.as_ptr(), main.as_ptr()) {
        // A step inside a loop can lead out of it.
        let inner = main.iter().flat_map(Step::inner);
        next.extend(inner.flat_map(exits).filter_map(|target| position(main, target)));
    }
    while let Some(index) = next.pop() {
        let Some(step) = steps.get(index).filter(|_| reached.insert(index)) else { continue };
        let following = steps.get(index + 1).map(|step| step.name.as_str());
        let mut targets: Vec<&str> = step.successors(following).into_iter().flatten().collect();
        targets.extend(exits(step));
        if step.on_failure == Some(OnFailure::Continue) && !step.is_end {
            targets.extend(following);
        }
        next.extend(targets.into_iter().filter_map(|target| position(steps, target)));
    }
    let missed = steps.iter().enumerate().filter(|(index, _)| !reached.contains(index));
    missed.map(|(_, step)| step.name.as_str()).collect()
}

/// The steps that a step names for its failure and its cancellation.
fn exits(step: &Step) -> impl Iterator<Item = &str> {
    let failed = match &step.on_failure {
        // The end comes before what follows a failure.
        Some(OnFailure::Step(target)) if !step.is_end => Some(target.as_str()),
        _ => None,
    };
    failed.into_iter().chain(step.on_cancel.as_deref())
}

fn position(steps: &[Step], name: &str) -> Option<usize> {
    steps.iter().position(|step| step.name == name)
}

/// Checks that the steps of a list, which is `main` or that of a loop, lead to steps that exist, and to an end.
fn check_list(steps: &[Step], main: &[Step], fields: &mut Fields<'_>) {
    for (index, step) in steps.iter().enumerate() {
        fields.step = Some(step.name.clone());
        check_targets(step, steps, main, fields);
        check_cancel(step, main, fields);
        let following = steps.get(index + 1).map(|step| step.name.as_str());
        if step.on_failure == Some(OnFailure::Continue)
            && step.next_step.as_deref().is_some_and(|next| Some(next) != following)
        {
            fields.problem(
                "onFailure",
                "AWS does not say whether Continue goes to nextStep or to the step below; write step:NAME",
            );
        }
    }
    for step in endless(steps) {
        fields.step = Some(step.to_owned());
        fields.problem("", "is in an infinite loop: no step that follows it leads to an end");
    }
}

/// Where success, failure and choices lead. A failure may lead out of a loop.
fn check_targets(step: &Step, steps: &[Step], main: &[Step], fields: &mut Fields<'_>) {
    let in_loop = !std::ptr::eq(steps.as_ptr(), main.as_ptr());
    let mut jump = |key: &str, target: &str, outside: bool| {
        let known = position(steps, target).is_some() || (outside && position(main, target).is_some());
        if !known {
            let place = if in_loop { "among the loop's steps" } else { "in mainSteps" };
            fields.problem(key, format!("there is no step `{target}` {place}"));
        }
    };
    if let Some(target) = &step.next_step {
        jump("nextStep", target, false);
    }
    if let Some(OnFailure::Step(target)) = &step.on_failure {
        jump("onFailure", target, true);
    }
    if let Action::Branch(branch) = &step.action {
        for target in branch.targets() {
            jump("inputs", target, false);
        }
    }
}

/// Where a cancellation leads: AWS takes some actions neither with an `onCancel` nor as its target.
fn check_cancel(step: &Step, main: &[Step], fields: &mut Fields<'_>) {
    let Some(target) = &step.on_cancel else { return };
    match main.iter().find(|step| step.name == *target) {
        None => fields.problem("onCancel", format!("there is no step `{target}` in mainSteps")),
        Some(handler)
            if matches!(
                handler.action,
                Action::Approve | Action::Loop(_) | Action::Pause | Action::Sleep
            ) =>
        {
            fields.problem(
                "onCancel",
                format!("can't lead to `{target}`: AWS takes no {}", handler.action.name()),
            );
        }
        Some(_) => {}
    }
    if matches!(step.action, Action::Loop(_) | Action::UpdateVariable) {
        fields.problem("onCancel", format!("AWS takes none for {}", step.action.name()));
    }
}

/// The steps from which success leads to no end: an execution must not be able to run for ever.
fn endless(steps: &[Step]) -> Vec<&str> {
    let mut ending = BTreeSet::new();
    while let Some(more) = steps.iter().enumerate().find_map(|(index, step)| {
        let following = steps.get(index + 1).map(|step| step.name.as_str());
        let ends = step
            .successors(following)
            .into_iter()
            .any(|next| next.is_none_or(|next| ending.contains(next) || position(steps, next).is_none()));
        (!ending.contains(step.name.as_str()) && ends).then_some(step.name.as_str())
    }) {
        ending.insert(more);
    }
    steps.iter().map(|step| step.name.as_str()).filter(|name| !ending.contains(name)).collect()
}

fn check_references(document: &Document, fields: &mut Fields<'_>) {
    let mut check = |step: &str, key: &str, names: &[String], inside: Option<&str>| {
        fields.step = Some(step.to_owned());
        for name in names {
            if let Err(message) = resolves(document, name, inside) {
                fields.problem(key, message);
            }
        }
    };
    for step in &document.steps {
        let own = step.inputs.iter().filter(|(key, _)| !step.is_nested(key));
        let own: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        check(&step.name, "inputs", &references::names(&Value::Object(own)), None);
        for inner in step.inner() {
            let inputs = Value::Object(inner.inputs.clone());
            check(&inner.name, "inputs", &references::names(&inputs), Some(&step.name));
        }
        if let Action::Loop(repeat) = &step.action
            && let Some(condition) = &repeat.condition
        {
            let names = condition::references(condition);
            check(&step.name, "inputs.LoopCondition", &names, Some(&step.name));
        }
    }
    fields.step = None;
    for output in &document.outputs {
        if let Err(message) = resolves(document, output, None) {
            fields.problem("outputs", message);
        }
    }
}

/// Whether a reference, made in the loop `inside`, refers to something; else what it does not find.
fn resolves(document: &Document, name: &str, inside: Option<&str>) -> Result<(), String> {
    let found = |found: bool, what: &str| {
        if found { Ok(()) } else { Err(format!("{{{{ {name} }}}} refers to nothing: {what}")) }
    };
    if let Some(variable) = name.strip_prefix("variable:") {
        return found(document.variables.contains_key(variable), "no such variable");
    }
    if name.contains(':') {
        return found(references::SYSTEM.contains(&name), "no such system variable");
    }
    let Some((step_name, output)) = name.split_once('.') else {
        return found(document.parameters.contains_key(name), "no such parameter");
    };
    for step in &document.steps {
        if step.name == step_name {
            return found(step.has_output(output), "the step has no such output");
        }
        let Some(inner) = step.inner().iter().find(|inner| inner.name == step_name) else { continue };
        if inside != Some(step.name.as_str()) {
            return found(
                false,
                "the step is inside a loop, where AWS does not document that its outputs can be read from outside; \
                 keep the value in a variable with aws:updateVariable",
            );
        }
        return found(inner.has_output(output), "the step has no such output");
    }
    found(false, "no such step")
}

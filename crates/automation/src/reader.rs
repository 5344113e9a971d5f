//! Reads a document and checks it as a whole before anything runs.
//!
//! [`Document::parse`] reports every problem at once, each with file, step and key. It is stricter than the service: what this
//! crate does not implement, and what AWS leaves open in a way that a runbook must not depend on, is an error here, so that a
//! document that loads means the same in both. [`Document::load`] takes what AWS supports and this crate does not, checked as
//! the rest, and lists it; an execution of such a document can't be started.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use crate::actions;
use crate::checks::across_steps;
use crate::document::{Document, DocumentError, Parameter};
use crate::fields::{Fields, Problem};
use crate::references;
use crate::step::{OnFailure, Output, ReadSteps, Step};
use crate::types::Type;

/// The largest document SSM takes.
const MAX_BYTES: usize = 64 * 1024;

impl Document {
    /// Parses and checks a document. `file` names it in errors.
    ///
    /// # Errors
    /// Every problem found, and what is not supported.
    pub fn parse(file: &str, text: &str) -> Result<Self, DocumentError> {
        let (document, mut problems) = Self::read(file, text)?;
        problems.extend(document.unsupported.iter().cloned());
        if problems.is_empty() { Ok(document) } else { Err(DocumentError(problems)) }
    }

    /// Parses and checks a document that may have what AWS supports and this crate does not.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(file: &str, text: &str) -> Result<Self, DocumentError> {
        let (document, problems) = Self::read(file, text)?;
        if problems.is_empty() { Ok(document) } else { Err(DocumentError(problems)) }
    }

    fn read(file: &str, text: &str) -> Result<(Self, Vec<Problem>), DocumentError> {
        let (mut problems, mut unsupported) = (Vec::new(), Vec::new());
        let problem =
            |message: String| Problem { file: file.to_owned(), step: None, key: String::new(), message };
        if text.len() > MAX_BYTES {
            // Reading it could take very long.
            let message = format!("has {} bytes; SSM takes at most {MAX_BYTES}", text.len());
            return Err(DocumentError(vec![problem(message)]));
        }
        // By way of YAML's own value, which refuses a key that is there twice.
        let value =
            serde_norway::from_str::<serde_norway::Value>(text).and_then(serde_norway::from_value::<Value>);
        let map = match value {
            Ok(Value::Object(map)) => map,
            Ok(_) => return Err(DocumentError(vec![problem("is not a map".to_owned())])),
            Err(error) => return Err(DocumentError(vec![problem(format!("is not YAML: {error}"))])),
        };
        problems.extend(ambiguous_words(text).into_iter().map(problem));
        let mut fields = Fields::new(file, map, &mut problems, &mut unsupported);
        let mut document = read_document(&mut fields, text);
        across_steps(&document, &mut fields);
        document.unsupported = unsupported;
        Ok((document, problems))
    }
}

fn read_document(fields: &mut Fields<'_>, text: &str) -> Document {
    if let Some(version) = fields.require("schemaVersion")
        && version != "0.3"
    {
        fields.problem("schemaVersion", format!("must be the text '0.3', not {version}"));
    }
    let description = fields.text("description");
    let role = fields.text("assumeRole");
    let parameters = read_parameters(fields, "parameters");
    let variables = read_parameters(fields, "variables");
    fields.variables = variables.keys().cloned().collect();
    if let Some(role) = &role {
        for name in references::names(&Value::String(role.clone())) {
            if !parameters.contains_key(&name) && !references::SYSTEM.contains(&name.as_str()) {
                fields.problem("assumeRole", format!("{{{{ {name} }}}} refers to nothing"));
            }
        }
    }
    let steps = fields.list("mainSteps");
    if steps.is_empty() {
        fields.problem("mainSteps", "is missing or has no step");
    }
    let steps = read_steps(fields, "mainSteps", steps, Some(read_inner_steps));
    let outputs = fields.list("outputs");
    let mut names = Vec::new();
    for (index, output) in outputs.into_iter().enumerate() {
        match output {
            Value::String(name) => names.push(name),
            other => {
                fields.problem(&format!("outputs[{index}]"), format!("takes `step.Output`, not {other}"));
            }
        }
    }
    if let Some(files) = fields.take("files") {
        read_files(fields, files);
    }
    fields.finish("a document");
    Document {
        description,
        assume_role: role,
        parameters,
        variables,
        steps,
        outputs: names,
        unsupported: Vec::new(),
        text: text.to_owned(),
    }
}

/// Attachments: each has the checksum of its content.
fn read_files(fields: &mut Fields<'_>, files: Value) {
    fields.unsupported("files", "exists in AWS but is not implemented by the local runner");
    let Some(mut all) = fields.inside("files", files) else { return };
    for (name, file) in std::mem::take(&mut all.map) {
        let Some(mut file) = all.inside(&name, file) else { continue };
        let sums = file.require("checksums");
        if let Some(mut sums) = sums.and_then(|sums| file.inside("checksums", sums)) {
            let sum = sums.require_text("sha256");
            if sum.is_some_and(|sum| sum.len() != 64 || !sum.chars().all(|c| c.is_ascii_hexdigit())) {
                sums.problem("sha256", "takes 64 hexadecimal digits");
            }
            sums.finish("checksums");
        }
        file.number("size", 0, u64::MAX);
        file.finish("a file");
    }
}

fn read_parameters(fields: &mut Fields<'_>, key: &str) -> BTreeMap<String, Parameter> {
    let mut read = BTreeMap::new();
    let Some(value) = fields.take(key) else { return read };
    let Some(mut all) = fields.inside(key, value) else { return read };
    for (name, value) in std::mem::take(&mut all.map) {
        if let Some(parameter) = all.inside(&name, value).and_then(|mut fields| read_parameter(&mut fields)) {
            read.insert(name, parameter);
        }
    }
    read
}

fn read_parameter(fields: &mut Fields<'_>) -> Option<Parameter> {
    let type_name = fields.require_text("type");
    let r#type = type_name.as_deref().and_then(Type::of_parameter);
    if let (Some(name), None) = (&type_name, r#type) {
        fields.problem("type", format!("there is no parameter type `{name}`"));
    }
    let description = fields.text("description");
    let default = fields.take("default");
    let allowed_values = fields.list("allowedValues");
    let allowed_pattern = fields.text("allowedPattern").and_then(|pattern| {
        regex::Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|_| fields.problem("allowedPattern", format!("`{pattern}` is not a regular expression")))
            .ok()
    });
    let items = (fields.number("minItems", 0, u64::MAX), fields.number("maxItems", 0, u64::MAX));
    let chars = (fields.number("minChars", 0, u64::MAX), fields.number("maxChars", 0, u64::MAX));
    fields.text("displayType");
    fields.finish("a parameter");
    let r#type = r#type?;
    if let Some(default) = default.as_ref().filter(|default| !r#type.holds(default)) {
        fields.problem("default", format!("{default} is not a {}", r#type.name()));
    }
    Some(Parameter {
        r#type,
        type_name: type_name.unwrap_or_default(),
        description,
        default,
        allowed_values,
        allowed_pattern,
        items,
        chars,
    })
}

/// Reads the steps inside a loop, which can't be loops themselves.
fn read_inner_steps(fields: &mut Fields<'_>, values: Vec<Value>) -> Vec<Step> {
    read_steps(fields, "Steps", values, None)
}

/// Reads a list of steps; `inner` reads those of a loop in it.
fn read_steps(fields: &mut Fields<'_>, key: &str, values: Vec<Value>, inner: Option<ReadSteps>) -> Vec<Step> {
    let (step, prefix) = (fields.step.clone(), std::mem::take(&mut fields.prefix));
    let mut steps = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let name = value.get("name").and_then(Value::as_str).map(ToOwned::to_owned);
        let place =
            if prefix.is_empty() { format!("{key}[{index}]") } else { format!("{prefix}.{key}[{index}]") };
        let Some(mut fields) = fields.inside(&place, value) else { continue };
        if name.is_some() {
            (fields.step, fields.prefix) = (name, String::new());
        }
        steps.extend(read_step(&mut fields, inner));
    }
    (fields.step, fields.prefix) = (step, prefix);
    steps
}

fn read_step(fields: &mut Fields<'_>, inner: Option<ReadSteps>) -> Option<Step> {
    let name = fields.require_text("name");
    if let Some(name) = &name
        && (name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)))
    {
        fields.problem("name", "takes letters, digits, _ and -");
    }
    let action_name = fields.require_text("action");
    let description = fields.text("description");
    let on_failure = fields.text("onFailure").and_then(|text| match text.as_str() {
        "Abort" => Some(OnFailure::Abort),
        "Continue" => Some(OnFailure::Continue),
        other => {
            let step = other.strip_prefix("step:").map(|name| OnFailure::Step(name.trim().to_owned()));
            if step.is_none() {
                fields.problem("onFailure", format!("takes Abort, Continue or step:NAME, not `{other}`"));
            }
            step
        }
    });
    let on_cancel = fields.text("onCancel").and_then(|text| {
        let step = text.strip_prefix("step:").map(|name| name.trim().to_owned());
        if step.is_none() && text != "Abort" {
            fields.problem("onCancel", format!("takes Abort or step:NAME, not `{text}`"));
        }
        step
    });
    let next_step = fields.text("nextStep");
    let is_end = fields.flag("isEnd").unwrap_or(false);
    if is_end && next_step.is_some() {
        fields.problem("nextStep", "contradicts isEnd");
    }
    let is_critical = fields.flag("isCritical");
    let max_attempts = fields.number("maxAttempts", 1, 100).unwrap_or(1);
    let timeout = fields.number("timeoutSeconds", 1, 30 * 24 * 3600).map(Duration::from_secs);
    let outputs = fields.list("outputs");
    let outputs: Vec<_> = outputs
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| read_output(&mut fields.inside(&format!("outputs[{index}]"), value)?))
        .collect();
    let inputs = match fields.require("inputs") {
        Some(Value::Object(map)) => map,
        Some(other) => {
            fields.problem("inputs", format!("takes a map, not {other}"));
            Map::new()
        }
        None => Map::new(),
    };
    let action = action_name.and_then(|action| actions::read(&action, &inputs, inner, fields));
    fields.finish("a step");
    let action = action?;
    if !outputs.is_empty() && !action.takes_outputs() {
        fields.problem("outputs", format!("{} takes none", action.name()));
    }
    for output in &outputs {
        if action.reserved_outputs().contains(&output.name.as_str()) {
            fields.problem("outputs", format!("`{}` is a reserved output of {}", output.name, action.name()));
        }
    }
    Some(Step {
        name: name?,
        description,
        action,
        inputs,
        outputs,
        on_failure,
        on_cancel,
        next_step,
        is_end,
        is_critical,
        max_attempts: u32::try_from(max_attempts).unwrap_or(1),
        timeout,
    })
}

fn read_output(fields: &mut Fields<'_>) -> Option<Output> {
    let name = fields.require_text("Name");
    let selector = fields.require_text("Selector");
    let parsed = selector.as_deref().map(JsonPath::parse);
    if let Some(Err(error)) = &parsed {
        fields.problem("Selector", format!("is not a JSONPath: {error}"));
    }
    let type_name = fields.text("Type").unwrap_or_else(|| "String".to_owned());
    let r#type = Type::of_output(&type_name);
    if r#type.is_none() {
        fields.problem("Type", format!("there is no output type `{type_name}`"));
    }
    fields.finish("an output");
    Some(Output { name: name?, many: can_match_many(&selector?), selector: parsed?.ok()?, r#type: r#type? })
}

/// Whether a JSONPath can match several places, so that its result is a list.
fn can_match_many(selector: &str) -> bool {
    ["*", "..", "?", ",", ":"].iter().any(|sign| selector.contains(sign))
}

/// Unquoted words that YAML 1.1 reads as true or false and YAML 1.2 as text. The tools on a document's way to SSM
/// (packaging, linting, transforms) read 1.1, so a key `on:` arrives as `true:`.
fn ambiguous_words(text: &str) -> Vec<String> {
    const WORDS: [&str; 6] = ["on", "off", "yes", "no", "y", "n"];
    let ambiguous = |word: &str| WORDS.contains(&word.trim().to_ascii_lowercase().as_str());
    let mut found = Vec::new();
    // Indentation of the line that opened a block of text, whose lines are not YAML.
    let mut block: Option<usize> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let indentation = line.len() - line.trim_start().len();
        if block.is_some_and(|opened| line.trim().is_empty() || indentation > opened) {
            continue;
        }
        block = None;
        let content = line.split(" #").next().unwrap_or_default().trim();
        let content = content.trim_start_matches("- ").trim();
        let (key, value) =
            content.split_once(':').map_or((None, content), |(key, value)| (Some(key), value.trim()));
        if value.starts_with(['|', '>']) {
            block = Some(indentation);
        }
        for word in [key.unwrap_or_default(), value].into_iter().filter(|word| ambiguous(word)) {
            found.push(format!("line {number}: quote `{word}`: YAML 1.1 reads it as true or false"));
        }
    }
    found
}

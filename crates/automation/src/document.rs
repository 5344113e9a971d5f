//! Automation documents (schema 0.3): parsed, and checked as a whole before anything runs.
//!
//! [`Document::parse`] reports every problem at once, each with file, step and key. It is stricter than the service:
//! what this runner does not implement, and what AWS leaves open in a way that a runbook must not depend on, is an
//! error here, so that a document that loads means the same in both. [`Document::load`] takes what AWS has and the sandbox
//! has not, checked as the rest, and lists it; an execution of such a document can't be started.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use super::actions::Action;
use super::references;
use super::types::{Type, text};

/// The largest document SSM takes.
const MAX_BYTES: usize = 64 * 1024;

/// What is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, as it was named to [`Document::parse`].
    pub file: String,
    /// Step, if it is in one.
    pub step: Option<String>,
    /// Path of the key, such as `inputs.Choices[0].NextStep`; may be empty.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(step) = &self.step {
            write!(f, ", step {step}")?;
        }
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A document that can't be run, with every reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct DocumentError(pub Vec<Problem>);

/// A checked document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its description.
    pub description: Option<String>,
    /// The role that its steps run as, with references to parameters.
    pub assume_role: Option<String>,
    /// What it takes.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its variables, which `aws:updateVariable` sets.
    pub variables: BTreeMap<String, Parameter>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// What it shows at the end: `step.Output`.
    pub outputs: Vec<String>,
    /// What AWS has and the sandbox has not; a document with any of it can't be started.
    pub elsewhere: Vec<Problem>,
    /// The text it was read from.
    pub text: String,
}

/// A parameter or a variable.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its type.
    pub r#type: Type,
    /// The name of its type as written, such as `AWS::IAM::Role::Arn`.
    pub type_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its value when none is given. A parameter without one is required.
    pub default: Option<Value>,
    /// The only values it takes, if there are any here.
    pub allowed_values: Vec<Value>,
    /// What each text must match as a whole.
    pub allowed_pattern: Option<regex::Regex>,
    /// Fewest and most items of a list.
    pub items: (Option<u64>, Option<u64>),
    /// Fewest and most characters of a text.
    pub chars: (Option<u64>, Option<u64>),
}

impl Parameter {
    /// Checks a value of the right type.
    ///
    /// # Errors
    /// What it violates.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let single = std::slice::from_ref(value);
        let items = value.as_array().map_or(single, Vec::as_slice);
        if !self.allowed_values.is_empty()
            && !self.allowed_values.contains(value)
            && !items.iter().all(|item| self.allowed_values.contains(item))
        {
            let allowed = self.allowed_values.iter().map(text).collect::<Vec<_>>().join(", ");
            return Err(format!("`{}` is not one of {allowed}", text(value)));
        }
        let within = |(least, most): (Option<u64>, Option<u64>), count: usize| {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            least.is_none_or(|least| least <= count) && most.is_none_or(|most| count <= most)
        };
        if value.is_array() && !within(self.items, items.len()) {
            return Err(format!("{} items are not between minItems and maxItems", items.len()));
        }
        for item in items.iter().filter_map(Value::as_str) {
            if self.allowed_pattern.as_ref().is_some_and(|pattern| !pattern.is_match(item)) {
                return Err(format!("`{item}` does not match allowedPattern"));
            }
            if !within(self.chars, item.chars().count()) {
                return Err(format!("the length of `{item}` is not between minChars and maxChars"));
            }
        }
        Ok(())
    }
}

/// A step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name, unique in the document.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it does.
    pub action: Action,
    /// The action's inputs as written, with references.
    pub inputs: Map<String, Value>,
    /// Outputs it declares.
    pub outputs: Vec<Output>,
    /// What follows its failure; `None` is Abort, and inside a loop the loop's own `onFailure`.
    pub on_failure: Option<OnFailure>,
    /// The step that follows its cancellation.
    pub on_cancel: Option<String>,
    /// The step that follows its success, if not the next one.
    pub next_step: Option<String>,
    /// Whether the execution ends after it, on success or failure.
    pub is_end: bool,
    /// Whether its failure makes the execution fail, as written; see [`Step::critical`].
    pub is_critical: Option<bool>,
    /// How often it is tried.
    pub max_attempts: u32,
    /// How long one try may take; `None` is the action's default.
    pub timeout: Option<Duration>,
}

impl Step {
    /// Whether its failure makes the execution fail. AWS: if it isn't written, `onFailure: Continue` makes it false,
    /// all else true.
    pub fn critical(&self) -> bool {
        self.is_critical.unwrap_or(self.on_failure != Some(OnFailure::Continue))
    }
}

/// What follows a step's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnFailure {
    /// The execution ends.
    Abort,
    /// The step after it in the document.
    Continue,
    /// This step.
    Step(String),
}

impl fmt::Display for OnFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Abort => f.write_str("Abort"),
            Self::Continue => f.write_str("Continue"),
            Self::Step(name) => write!(f, "step:{name}"),
        }
    }
}

/// An output that a step declares.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Where it is in the action's result.
    pub selector: JsonPath,
    /// Whether the selector can match several places.
    pub many: bool,
    /// Its type.
    pub r#type: Type,
}

/// A JSON map that is read key by key; what is left at the end is unknown. Collects problems.
pub(super) struct Fields<'a> {
    file: &'a str,
    step: Option<String>,
    prefix: String,
    map: Map<String, Value>,
    problems: &'a mut Vec<Problem>,
    /// What the sandbox has not.
    elsewhere: &'a mut Vec<Problem>,
    /// Names of the document's variables, once they are read.
    variables: Vec<String>,
}

impl Fields<'_> {
    /// Names of the document's variables.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Reports a problem at a key of this map, or with the map itself if `key` is empty.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.at(key, message.into());
        self.problems.push(problem);
    }

    /// Reports what is right in AWS, and what the sandbox has not.
    pub fn elsewhere(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.at(key, message.into());
        self.elsewhere.push(problem);
    }

    fn at(&self, key: &str, message: String) -> Problem {
        let separator = if self.prefix.is_empty() || key.is_empty() { "" } else { "." };
        let key = format!("{}{separator}{key}", self.prefix);
        Problem { file: self.file.to_owned(), step: self.step.clone(), key, message }
    }

    /// Takes a key's value; null is absence.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a key that has to be there.
    pub fn require(&mut self, key: &str) -> Option<Value> {
        let value = self.take(key);
        if value.is_none() {
            self.problem(key, "is missing");
        }
        value
    }

    /// Takes a text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(key, format!("takes a text, not {other}"));
                None
            }
        }
    }

    /// Takes a text that has to be there.
    pub fn require_text(&mut self, key: &str) -> Option<String> {
        if !self.map.contains_key(key) {
            self.problem(key, "is missing");
        }
        self.text(key)
    }

    /// Takes `true` or `false`, also as a text, as AWS's JSON schema of documents has it.
    fn flag(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if ["true", "false"].contains(&text.as_str()) => Some(text == "true"),
            other => {
                self.problem(key, format!("takes true or false, not {other}"));
                None
            }
        }
    }

    /// Takes a whole number within bounds.
    pub fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.take(key)?;
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.problem(key, format!("takes a whole number from {least} to {most}, not {value}"));
        }
        number
    }

    /// Takes a list; absence is an empty one.
    fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.problem(key, format!("takes a list, not {other}"));
                Vec::new()
            }
        }
    }

    /// Checks a literal with `check`; a text with a reference is checked when it is known.
    pub fn literal(&mut self, key: &str, value: &Value, check: impl FnOnce(&Value) -> Result<(), String>) {
        if references::names(value).is_empty()
            && let Err(message) = check(value)
        {
            self.problem(key, message);
        }
    }

    /// Descends into the map at `key`.
    pub fn inside(&mut self, key: &str, value: Value) -> Option<Fields<'_>> {
        let Value::Object(map) = value else {
            self.problem(key, format!("takes a map, not {value}"));
            return None;
        };
        let separator = if self.prefix.is_empty() { "" } else { "." };
        let prefix = format!("{}{separator}{key}", self.prefix);
        let (step, variables) = (self.step.clone(), self.variables.clone());
        let (problems, elsewhere) = (&mut *self.problems, &mut *self.elsewhere);
        Some(Fields { file: self.file, step, prefix, map, problems, elsewhere, variables })
    }

    /// Accepts whatever is left.
    pub fn accept_rest(&mut self) {
        self.map.clear();
    }

    /// Reports what is left as unknown.
    pub fn finish(&mut self, of: &str) {
        for key in self.map.keys().cloned().collect::<Vec<_>>() {
            self.problem(&key, format!("is not a key of {of}"));
        }
    }
}

impl Document {
    /// Parses and checks a document. `file` names it in errors.
    ///
    /// # Errors
    /// Every problem found, and what the sandbox has not.
    pub fn parse(file: &str, text: &str) -> Result<Self, DocumentError> {
        let (document, mut problems) = Self::read(file, text)?;
        problems.extend(document.elsewhere.iter().cloned());
        if problems.is_empty() { Ok(document) } else { Err(DocumentError(problems)) }
    }

    /// Parses and checks a document that may have what the sandbox has not.
    ///
    /// # Errors
    /// Every problem found.
    pub fn load(file: &str, text: &str) -> Result<Self, DocumentError> {
        let (document, problems) = Self::read(file, text)?;
        if problems.is_empty() { Ok(document) } else { Err(DocumentError(problems)) }
    }

    fn read(file: &str, text: &str) -> Result<(Self, Vec<Problem>), DocumentError> {
        let (mut problems, mut elsewhere) = (Vec::new(), Vec::new());
        let problem =
            |message: String| Problem { file: file.to_owned(), step: None, key: String::new(), message };
        if text.len() > MAX_BYTES {
            problems.push(problem(format!("has {} bytes; SSM takes at most {MAX_BYTES}", text.len())));
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
        let mut fields = Fields {
            file,
            step: None,
            prefix: String::new(),
            map,
            problems: &mut problems,
            elsewhere: &mut elsewhere,
            variables: Vec::new(),
        };
        let mut document = read_document(&mut fields, text);
        document.check(&mut fields);
        document.elsewhere = elsewhere;
        Ok((document, problems))
    }

    /// The names a caller has to give a value for.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(|(_, parameter)| parameter.default.is_none())
            .map(|(name, _)| name.as_str())
    }

    /// Checks what spans several steps: names, targets, references, endless loops.
    fn check(&self, fields: &mut Fields<'_>) {
        let mut names = BTreeSet::new();
        for step in self.steps.iter().flat_map(|step| std::iter::once(step).chain(step.inner())) {
            if !names.insert(step.name.as_str()) {
                fields.step = Some(step.name.clone());
                fields.problem("name", "is the name of another step too");
            }
        }
        check_targets(&self.steps, &self.steps, fields);
        for step in &self.steps {
            if !step.inner().is_empty() {
                check_targets(step.inner(), &self.steps, fields);
            }
        }
        self.check_references(fields);
        fields.step = None;
    }

    fn check_references(&self, fields: &mut Fields<'_>) {
        for step in &self.steps {
            let own = Value::Object(
                step.inputs.iter().filter(|(key, _)| !step.is_nested(key)).map(own_pair).collect(),
            );
            self.check_names(&step.name, "inputs", &references::names(&own), None, fields);
            for inner in step.inner() {
                let inputs = Value::Object(inner.inputs.clone());
                self.check_names(
                    &inner.name,
                    "inputs",
                    &references::names(&inputs),
                    Some(&step.name),
                    fields,
                );
            }
            if let Action::Loop(repeat) = &step.action
                && let Some(condition) = repeat.condition()
            {
                let names = super::condition::references(condition);
                self.check_names(&step.name, "inputs.LoopCondition", &names, Some(&step.name), fields);
            }
        }
        fields.step = None;
        for output in &self.outputs {
            if let Err(message) = self.known(output, None) {
                fields.problem("outputs", message);
            }
        }
    }

    fn check_names(
        &self,
        step: &str,
        key: &str,
        names: &[String],
        inside: Option<&str>,
        fields: &mut Fields<'_>,
    ) {
        fields.step = Some(step.to_owned());
        for name in names {
            if let Err(message) = self.known(name, inside) {
                fields.problem(key, message);
            }
        }
    }

    /// Whether a reference, made in the loop `inside`, refers to something.
    fn known(&self, name: &str, inside: Option<&str>) -> Result<(), String> {
        let unknown = |what: &str| Err(format!("{{{{ {name} }}}} refers to nothing: {what}"));
        if let Some(variable) = name.strip_prefix("variable:") {
            return if self.variables.contains_key(variable) { Ok(()) } else { unknown("no such variable") };
        }
        if name.contains(':') {
            return if references::SYSTEM.contains(&name) {
                Ok(())
            } else {
                unknown("no such system variable")
            };
        }
        let Some((step_name, output)) = name.split_once('.') else {
            return if self.parameters.contains_key(name) { Ok(()) } else { unknown("no such parameter") };
        };
        for step in &self.steps {
            if step.name == step_name {
                return if step.has_output(output) { Ok(()) } else { unknown("the step has no such output") };
            }
            let Some(inner) = step.inner().iter().find(|inner| inner.name == step_name) else { continue };
            if inside != Some(step.name.as_str()) {
                return unknown(
                    "the step is inside a loop, where AWS does not document that its outputs can be read from outside; \
                     keep the value in a variable with aws:updateVariable",
                );
            }
            return if inner.has_output(output) { Ok(()) } else { unknown("the step has no such output") };
        }
        unknown("no such step")
    }
}

fn own_pair((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

impl Step {
    /// The steps of a loop.
    pub fn inner(&self) -> &[Step] {
        match &self.action {
            Action::Loop(repeat) => repeat.steps(),
            _ => &[],
        }
    }

    /// Whether an input holds steps or a condition on them, which are resolved when they run.
    pub fn is_nested(&self, input: &str) -> bool {
        matches!(self.action, Action::Loop(_)) && ["Steps", "LoopCondition"].contains(&input)
    }

    fn has_output(&self, name: &str) -> bool {
        self.action.reserved_outputs().contains(&name)
            || self.outputs.iter().any(|output| output.name == name)
    }

    /// The steps that its success can lead to; `None` in it is the end. `following` is the step after it.
    fn successors<'a>(&'a self, following: Option<&'a str>) -> Vec<Option<&'a str>> {
        let otherwise = if self.is_end { None } else { self.next_step.as_deref().or(following) };
        match &self.action {
            Action::Branch(branch) => {
                branch.targets().map(Some).chain(branch.falls_through().then_some(otherwise)).collect()
            }
            _ => vec![otherwise],
        }
    }
}

/// Checks that the steps of a list lead to steps that exist, and to an end.
fn check_targets(steps: &[Step], main: &[Step], fields: &mut Fields<'_>) {
    let in_loop = !std::ptr::eq(steps.as_ptr(), main.as_ptr());
    let among = |list: &[Step], name: &str| list.iter().any(|step| step.name == name);
    for (index, step) in steps.iter().enumerate() {
        fields.step = Some(step.name.clone());
        let mut jump = |key: &str, target: &str, outside: bool| {
            let known = among(steps, target) || (outside && among(main, target));
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
        if let Some(target) = &step.on_cancel {
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
    // An execution must not be able to run for ever: from every step, success leads to an end.
    let mut ending = BTreeSet::new();
    while let Some(more) = steps.iter().enumerate().find_map(|(index, step)| {
        let following = steps.get(index + 1).map(|step| step.name.as_str());
        let ends = step
            .successors(following)
            .into_iter()
            .any(|next| next.is_none_or(|next| ending.contains(next) || !among(steps, next)));
        (!ending.contains(step.name.as_str()) && ends).then_some(step.name.as_str())
    }) {
        ending.insert(more);
    }
    for step in steps.iter().filter(|step| !ending.contains(step.name.as_str())) {
        fields.step = Some(step.name.clone());
        fields.problem("", "is in an infinite loop: no step that follows it leads to an end");
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
    let steps = read_steps(fields, "mainSteps", steps, false);
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
        elsewhere: Vec::new(),
        text: text.to_owned(),
    }
}

/// Attachments: each has the checksum of its content.
fn read_files(fields: &mut Fields<'_>, files: Value) {
    fields.elsewhere("files", "exists in AWS but is not implemented in the sandbox");
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

/// Reads a list of steps; those of a loop can't be loops themselves.
pub(super) fn read_steps(fields: &mut Fields<'_>, key: &str, values: Vec<Value>, in_loop: bool) -> Vec<Step> {
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
        steps.extend(read_step(&mut fields, in_loop));
    }
    (fields.step, fields.prefix) = (step, prefix);
    steps
}

fn read_step(fields: &mut Fields<'_>, in_loop: bool) -> Option<Step> {
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
    let action = action_name.and_then(|action| Action::read(&action, &inputs, in_loop, fields));
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
pub(super) fn can_match_many(selector: &str) -> bool {
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

//! What a running execution knows: its parameters, variables and outputs, and the services around it. Actions run on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::document::Document;
use crate::environment::Environment;
use crate::execution::Status;
use crate::handle::{Handle, Signals, Stop, Waiting};
use crate::outcome::Inputs;
use crate::ports::{Api, ApiError, Functions};
use crate::reading::Reading;
use crate::references;
use crate::step::Step;
use crate::types::text;

/// The principal of the calls that the actions of a document without a role make.
const PRINCIPAL: &str = "AUTOMATION";

/// What an execution needs of the service that runs it.
pub(crate) trait Host: Send + Sync {
    /// What all executions run in.
    fn environment(&self) -> &Environment;

    /// Where actions make their calls; `None` before the service has it, and after it is closed.
    fn api(&self) -> Option<Arc<dyn Api>>;

    /// Starts a document, as the child of an execution if there is one.
    ///
    /// # Errors
    /// As `StartAutomationExecution`.
    fn start(
        self: Arc<Self>,
        region: &str,
        name: &str,
        given: BTreeMap<String, Vec<String>>,
        principal: &str,
        parent: Option<&Arc<Handle>>,
    ) -> Result<Arc<Handle>, ApiError>;
}

/// A running execution.
pub(crate) struct Run {
    host: Arc<dyn Host>,
    /// The execution, as others reach it.
    pub handle: Arc<Handle>,
    /// The document that runs.
    pub document: Arc<Document>,
    parameters: BTreeMap<String, Value>,
    variables: BTreeMap<String, Value>,
    /// Latest outputs, by step and name.
    outputs: BTreeMap<(String, String), Value>,
}

impl Run {
    /// An execution that is about to begin.
    pub fn new(
        host: Arc<dyn Host>,
        handle: Arc<Handle>,
        document: Arc<Document>,
        parameters: BTreeMap<String, Value>,
    ) -> Self {
        let variables = document.variables.iter();
        let variables = variables
            .filter_map(|(name, variable)| Some((name.clone(), variable.default.clone()?)))
            .collect();
        Self { host, handle, document, parameters, variables, outputs: BTreeMap::new() }
    }

    /// The inputs of a step, references resolved but for those of a loop's steps.
    pub fn inputs(&self, step: &Step) -> Inputs {
        let resolve = |(key, value): (&String, &Value)| {
            let value = if step.is_nested(key) {
                value.clone()
            } else {
                references::resolve(value, &|name| self.lookup(name))
            };
            let parsed = self.reading().json_text_is_parsed && key == "InputPayload";
            (key.clone(), if parsed { references::parsed(&value) } else { value })
        };
        step.inputs.iter().map(resolve).collect()
    }

    /// The value of a reference; `None` when there is none (yet).
    pub fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(variable) = name.strip_prefix("variable:") {
            return self.variables.get(variable).cloned();
        }
        let now = || self.clock().now();
        let system = match name {
            "global:ACCOUNT_ID" => self.host.environment().account.clone(),
            "global:AWS_PARTITION" => "aws".to_owned(),
            "global:REGION" => self.region().to_owned(),
            "global:DATE" => now().strftime("%Y-%m-%d").to_string(),
            "global:DATE_TIME" => now().strftime("%Y-%m-%d_%H.%M.%S").to_string(),
            "automation:EXECUTION_ID" => self.handle.id.clone(),
            _ => {
                return match name.split_once('.') {
                    Some((step, output)) => self.outputs.get(&(step.to_owned(), output.to_owned())).cloned(),
                    None => self.parameters.get(name).cloned(),
                };
            }
        };
        Some(Value::String(system))
    }

    /// Sets an output of a step.
    pub fn set_output(&mut self, step: &str, name: &str, value: Value) {
        self.outputs.insert((step.to_owned(), name.to_owned()), value);
    }

    /// Forgets the outputs of a step.
    pub fn forget_outputs(&mut self, step: &str) {
        self.outputs.retain(|(of, _), _| of != step);
    }

    /// The outputs of a step, by name.
    pub fn outputs_of(&self, step: &str) -> BTreeMap<String, Value> {
        let of_step = self.outputs.iter().filter(|((of, _), _)| of == step);
        of_step.map(|((_, name), value)| (name.clone(), value.clone())).collect()
    }

    /// Sets a variable, named `variable:NAME`.
    ///
    /// # Errors
    /// When there is none of this name, or the value has another type.
    pub fn set_variable(&mut self, name: &str, value: Value) -> Result<(), String> {
        let plain = name.strip_prefix("variable:").unwrap_or(name);
        let variable =
            self.document.variables.get(plain).ok_or_else(|| format!("there is no variable {plain}"))?;
        // AWS: "data type conversions aren't supported".
        if !variable.r#type.holds(&value) {
            return Err(format!("{plain} takes a {}, not {value}", variable.r#type.name()));
        }
        variable.check(&value)?;
        self.variables.insert(plain.to_owned(), value);
        Ok(())
    }

    /// Makes the step that runs wait for what somebody says: approvers, or with none of them a signal to resume.
    pub fn wait_for_signals(&mut self, approvers: Vec<String>) -> watch::Receiver<Signals> {
        let waiting = if approvers.is_empty() { Some(Waiting::Resume) } else { Some(Waiting::Approval) };
        self.handle.signals.send_replace(Signals { waiting, approvers, ..Signals::default() });
        self.handle.update(|execution| {
            execution.status = Status::Waiting;
            if let Some(step) = execution.steps.last_mut() {
                step.status = Status::Waiting;
            }
        });
        self.handle.signals.subscribe()
    }

    /// Starts another document for this execution.
    ///
    /// # Errors
    /// As `StartAutomationExecution`.
    pub fn start_child(
        &self,
        document: &str,
        parameters: BTreeMap<String, Vec<String>>,
    ) -> Result<Arc<Handle>, ApiError> {
        Arc::clone(&self.host).start(
            self.region(),
            document,
            parameters,
            &self.principal(),
            Some(&self.handle),
        )
    }

    /// Whether the execution is to end after the step that runs.
    pub fn is_completing(&self) -> bool {
        self.handle.stop() == Some(Stop::Complete)
    }

    /// The services.
    ///
    /// # Errors
    /// When there are none: see [`Automation::set_api`](crate::Automation::set_api).
    pub fn api(&self) -> Result<Arc<dyn Api>, String> {
        self.host.api().ok_or_else(|| "there are no services to call".to_owned())
    }

    /// Who calls what the steps call: the ARN of the role that the document assumes.
    pub fn principal(&self) -> String {
        let role = self.document.assume_role.clone().map(Value::String);
        let role = role.map(|role| text(&references::resolve(&role, &|name| self.lookup(name))));
        role.unwrap_or_else(|| PRINCIPAL.to_owned())
    }

    /// The functions.
    pub fn functions(&self) -> Arc<dyn Functions> {
        Arc::clone(&self.host.environment().functions)
    }

    /// The Region.
    pub fn region(&self) -> &str {
        &self.handle.region
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.host.environment().clock
    }

    /// How what is open is read.
    pub fn reading(&self) -> Reading {
        self.host.environment().reading
    }
}

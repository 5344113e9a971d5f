//! Step Functions' operations over the executions, and methods to start and follow executions directly.
//!
//! Machines and executions belong to a Region. Dropping [`StepFunctions`] ends those that run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use automation::ApiError;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::execution::{Handle, Status, lock};
use crate::failure::{Failure, MAX_DATA};
use crate::map_run::MapRun;
use crate::ports::{Environment, Machine};
use crate::runner::execute;
use crate::store::Host;

/// The most characters of an execution's name.
const MAX_NAME: usize = 80;

/// The Step Functions service.
pub struct StepFunctions {
    pub(crate) host: Arc<Host>,
    machines: BTreeMap<String, Arc<Machine>>,
    tasks: Mutex<JoinSet<()>>,
}

impl StepFunctions {
    /// The service with its machines.
    #[must_use]
    pub fn new(environment: Environment, machines: Vec<Machine>) -> Self {
        let machines = machines.into_iter().map(|machine| (machine.arn(), Arc::new(machine))).collect();
        Self { host: Arc::new(Host::new(environment)), machines, tasks: Mutex::new(JoinSet::new()) }
    }

    /// Ends what runs, at once, as if the service were gone.
    pub fn close(&self) {
        lock(&self.tasks).abort_all();
    }

    /// Waits until an execution is over; as `DescribeExecution` shows it then.
    ///
    /// # Errors
    /// When there is no such execution.
    pub async fn wait(&self, arn: &str) -> Result<Value, ApiError> {
        let handle = self.host.execution(arn).ok_or_else(|| no_execution(arn))?;
        handle.over().await;
        Ok(handle.json())
    }

    /// Answers an operation.
    ///
    /// # Errors
    /// As the service.
    pub async fn call(&self, region: &str, operation: &str, input: &Value) -> Result<Value, ApiError> {
        match operation {
            "StartExecution" => self.start(region, input),
            "DescribeExecution" => Ok(self.execution(region, input)?.json()),
            "StopExecution" => self.stop(region, input),
            "RedriveExecution" => self.redrive(region, input).await,
            "ListMapRuns" => {
                let execution = self.execution(region, input)?;
                if !input["nextToken"].is_null() {
                    return Err(ApiError::new(
                        "InvalidToken",
                        "there are no pages here, and no token of one",
                    ));
                }
                let all = self.host.map_runs(&execution.arn);
                let runs: Vec<Value> = all.iter().map(|run| run.summary()).collect();
                Ok(json!({"mapRuns": runs}))
            }
            "DescribeMapRun" => Ok(self.map_run(region, input)?.json()),
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("the local runner does not implement the operation {operation} of states"),
            )),
        }
    }

    fn start(&self, region: &str, input: &Value) -> Result<Value, ApiError> {
        known(input, &["stateMachineArn", "name", "input"])?;
        let arn = arn(region, input, "stateMachineArn", "stateMachine")?;
        let machine = self.machines.get(arn).ok_or_else(|| {
            ApiError::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
        })?;
        let name = match input["name"].as_str() {
            Some(name) => named(name)?.to_owned(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        let text = input["input"].as_str().unwrap_or("{}");
        if text.len() > MAX_DATA {
            let message = format!("the input has {} bytes; it may have {MAX_DATA}", text.len());
            return Err(ApiError::new("InvalidExecutionInput", message));
        }
        let given: Value = serde_json::from_str(text).map_err(|error| {
            ApiError::new("InvalidExecutionInput", format!("the input is not JSON: {error}"))
        })?;
        let handle = Handle::of_machine(Arc::clone(machine), &name, given, self.host.environment.clock.now());
        if let Some(there) = self.host.add(&handle) {
            // AWS: the same name and input as one that runs is that one.
            if there.status() == Status::Running && there.input == handle.input {
                return Ok(started(&there));
            }
            let message = format!("Execution Already Exists: '{}'", handle.arn);
            return Err(ApiError::new("ExecutionAlreadyExists", message));
        }
        self.run(&handle);
        Ok(started(&handle))
    }

    fn run(&self, handle: &Arc<Handle>) {
        handle.begin(self.host.environment.clock.now());
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(execute(Arc::clone(&self.host), Arc::clone(handle)));
    }

    fn stop(&self, region: &str, input: &Value) -> Result<Value, ApiError> {
        let handle = self.execution(region, input)?;
        let text = |member: &str| input[member].as_str().unwrap_or_default();
        let why = Failure::new(text("error"), text("cause"));
        handle.end(Status::Aborted, Err(why), self.host.environment.clock.now());
        handle.stop();
        Ok(json!({"stopDate": handle.now().stopped.map(|at| at.to_string())}))
    }

    async fn redrive(&self, region: &str, input: &Value) -> Result<Value, ApiError> {
        known(input, &["executionArn", "clientToken"])?;
        let handle = self.execution(region, input)?;
        let status = handle.status();
        if !status.unsuccessful() || handle.parent.is_some() {
            let of = if handle.parent.is_some() {
                "a child of a map, which its parent redrives"
            } else {
                status.name()
            };
            let message = format!("Execution '{}' is {of} and cannot be redriven", handle.arn);
            return Err(ApiError::new("ExecutionNotRedrivable", message));
        }
        // One that was stopped may still have to end its children.
        handle.over().await;
        self.run(&handle);
        Ok(json!({"redriveDate": handle.now().redriven.map(|at| at.to_string())}))
    }

    fn execution(&self, region: &str, input: &Value) -> Result<Arc<Handle>, ApiError> {
        let arn = arn(region, input, "executionArn", "execution")?;
        self.host.execution(arn).ok_or_else(|| no_execution(arn))
    }

    fn map_run(&self, region: &str, input: &Value) -> Result<Arc<MapRun>, ApiError> {
        let arn = arn(region, input, "mapRunArn", "mapRun")?;
        let none = || ApiError::new("ResourceNotFound", format!("Resource not found: '{arn}'"));
        self.host.map_run(arn).ok_or_else(none)
    }
}

impl Drop for StepFunctions {
    fn drop(&mut self) {
        self.close();
    }
}

fn started(handle: &Handle) -> Value {
    json!({"executionArn": handle.arn, "startDate": handle.now().started.to_string()})
}

fn no_execution(arn: &str) -> ApiError {
    ApiError::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
}

/// An ARN of an input, of a kind of resource of this Region.
fn arn<'a>(region: &str, input: &'a Value, member: &str, kind: &str) -> Result<&'a str, ApiError> {
    let arn = input[member].as_str().unwrap_or_default();
    match arn.splitn(7, ':').collect::<Vec<_>>()[..] {
        ["arn", _, "states", of, _, found, rest] if of == region && found == kind && !rest.is_empty() => {
            Ok(arn)
        }
        _ => {
            let message = format!("Invalid Arn: '{arn}' is no ARN of a {kind} in {region}");
            Err(ApiError::new("InvalidArn", message))
        }
    }
}

/// An execution's name, as AWS takes it.
fn named(name: &str) -> Result<&str, ApiError> {
    let refused = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains(refused) {
        let message = format!("Invalid Name: '{name}'");
        return Err(ApiError::new("InvalidName", message));
    }
    Ok(name)
}

/// Refuses what an input has and this crate does not know.
fn known(input: &Value, members: &[&str]) -> Result<(), ApiError> {
    match input.as_object().into_iter().flatten().find(|(member, _)| !members.contains(&member.as_str())) {
        None => Ok(()),
        Some((member, _)) => {
            let message = format!("the local runner does not implement {member}");
            Err(ApiError::new("ValidationException", message))
        }
    }
}

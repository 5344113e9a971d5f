//! SSM's Automation operations over the executions, and methods to start and follow executions directly.
//!
//! Executions belong to a Region. Dropping [`Automation`] ends those that run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::document::{Document, DocumentError};
use crate::environment::Environment;
use crate::execution::{Execution, Status, StepExecution};
use crate::handle::{Decision, Event, Handle, Stop, Waiting, lock};
use crate::ports::{Api, ApiError};
use crate::run::{Host, Run};
use crate::runner::Runner;
use crate::types::{text, texts};

/// Most executions at the same time in a Region (SSM quotas).
const CONCURRENT: usize = 100;
/// Most levels of documents that run documents.
const LEVELS: usize = 5;

/// The Automation service.
pub struct Automation {
    shared: Arc<Shared>,
}

/// What executions share.
struct Shared {
    environment: Environment,
    api: Mutex<Option<Arc<dyn Api>>>,
    documents: BTreeMap<String, Arc<Document>>,
    executions: Mutex<Vec<Arc<Handle>>>,
    /// Client tokens that were used, by Region.
    tokens: Mutex<BTreeSet<(String, String)>>,
    events: broadcast::Sender<Event>,
    tasks: Mutex<JoinSet<()>>,
}

impl Host for Shared {
    fn environment(&self) -> &Environment {
        &self.environment
    }

    fn api(&self) -> Option<Arc<dyn Api>> {
        lock(&self.api).clone()
    }

    fn start(
        self: Arc<Self>,
        region: &str,
        name: &str,
        given: BTreeMap<String, Vec<String>>,
        principal: &str,
        parent: Option<&Arc<Handle>>,
    ) -> Result<Arc<Handle>, ApiError> {
        let document = self.startable(name, parent)?;
        let parameters = parameters(&document, &given)?;
        let handle = self.register(region, name, &parameters, principal, parent)?;
        let run = Run::new(Arc::clone(&self) as _, Arc::clone(&handle), document, parameters);
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(Runner::new(run).execute());
        Ok(handle)
    }
}

impl Shared {
    /// A document that can be started, at its level below `parent`.
    fn startable(&self, name: &str, parent: Option<&Arc<Handle>>) -> Result<Arc<Document>, ApiError> {
        let document = self.documents.get(name).cloned().ok_or_else(|| no_document(name))?;
        if parent.is_some_and(|parent| parent.level >= LEVELS) {
            return Err(ApiError::new(
                "AutomationExecutionLimitExceededException",
                format!("more than {LEVELS} levels"),
            ));
        }
        if !document.unsupported.is_empty() {
            let error = DocumentError(document.unsupported.clone());
            return Err(ApiError::new(
                "UnknownOperationException",
                format!("{name} can't be started here:\n{error}"),
            ));
        }
        Ok(document)
    }

    /// Adds an execution to those of its Region, unless too many run there.
    fn register(
        &self,
        region: &str,
        name: &str,
        parameters: &BTreeMap<String, Value>,
        principal: &str,
        parent: Option<&Arc<Handle>>,
    ) -> Result<Arc<Handle>, ApiError> {
        let mut executions = lock(&self.executions);
        let runs = |handle: &&Arc<Handle>| {
            handle.region == region && !handle.update(|execution| execution.status.ended())
        };
        if executions.iter().filter(runs).count() >= CONCURRENT {
            let message = format!("{CONCURRENT} executions run already in {region}");
            return Err(ApiError::new("AutomationExecutionLimitExceededException", message));
        }
        let execution = Execution {
            id: uuid::Uuid::new_v4().to_string(),
            region: region.to_owned(),
            document: name.to_owned(),
            status: Status::InProgress,
            parameters: parameters.iter().map(|(name, value)| (name.clone(), texts(value))).collect(),
            started: self.environment.clock.now(),
            ended: None,
            outputs: BTreeMap::new(),
            failure_message: None,
            executed_by: principal.to_owned(),
            parent: parent.map(|parent| parent.id.clone()),
            steps: Vec::new(),
        };
        let handle = Handle::new(execution, parent, self.events.clone());
        executions.push(Arc::clone(&handle));
        Ok(handle)
    }

    fn find(&self, region: &str, id: &str) -> Result<Arc<Handle>, ApiError> {
        let executions = lock(&self.executions);
        let found = executions.iter().find(|handle| handle.region == region && handle.id == id).cloned();
        found.ok_or_else(|| {
            let message = format!("there is no execution {id} in {region}");
            ApiError::new("AutomationExecutionNotFoundException", message)
        })
    }
}

fn no_document(name: &str) -> ApiError {
    ApiError::new("AutomationDefinitionNotFoundException", format!("there is no Automation document {name}"))
}

/// Checks what is given for a document's parameters, and adds the defaults.
fn parameters(
    document: &Document,
    given: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Value>, ApiError> {
    let mut problems: Vec<String> = Vec::new();
    for name in given.keys().filter(|name| !document.parameters.contains_key(*name)) {
        problems.push(format!("{name}: the document has no such parameter"));
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in &document.parameters {
        let value = match (given.get(name), &parameter.default) {
            (Some(texts), _)
                if texts.len() > 50
                    || texts.iter().any(|text| !(1..=512).contains(&text.chars().count())) =>
            {
                Err("takes at most 50 values of 1 to 512 characters".to_owned())
            }
            (Some(texts), _) => {
                parameter.r#type.of_texts(texts).and_then(|value| parameter.check(&value).map(|()| value))
            }
            (None, Some(default)) => Ok(default.clone()),
            (None, None) => Err("is required".to_owned()),
        };
        match value {
            Ok(value) => {
                values.insert(name.clone(), value);
            }
            Err(problem) => problems.push(format!("{name}: {problem}")),
        }
    }
    if problems.is_empty() {
        Ok(values)
    } else {
        Err(ApiError::new("InvalidAutomationExecutionParametersException", problems.join("; ")))
    }
}

const OPERATIONS: [&str; 9] = [
    "StartAutomationExecution",
    "GetAutomationExecution",
    "DescribeAutomationExecutions",
    "DescribeAutomationStepExecutions",
    "StopAutomationExecution",
    "SendAutomationSignal",
    "GetDocument",
    "DescribeDocument",
    "ListDocuments",
];

impl Automation {
    /// The service with its documents, by name, the same in every Region.
    pub fn new(environment: Environment, documents: Vec<(String, Document)>) -> Self {
        Self {
            shared: Arc::new(Shared {
                environment,
                api: Mutex::default(),
                documents: documents.into_iter().map(|(name, document)| (name, Arc::new(document))).collect(),
                executions: Mutex::default(),
                tokens: Mutex::default(),
                events: broadcast::channel(4_096).0,
                tasks: Mutex::new(JoinSet::new()),
            }),
        }
    }

    /// Sets where actions make their calls. Where those services lead back here, the two keep each other alive until
    /// [`Automation::close`].
    pub fn set_api(&self, api: Arc<dyn Api>) {
        *lock(&self.shared.api) = Some(api);
    }

    /// Ends what runs, at once and without `onCancel`, as if the runner were killed, and lets go of the services.
    pub fn close(&self) {
        lock(&self.shared.tasks).abort_all();
        *lock(&self.shared.api) = None;
    }

    /// Whether an operation of SSM is one of this service.
    pub fn handles(&self, operation: &str) -> bool {
        OPERATIONS.contains(&operation)
    }

    /// Starts a document; returns the execution's id.
    ///
    /// # Errors
    /// As `StartAutomationExecution`.
    pub fn start(
        &self,
        region: &str,
        document: &str,
        parameters: BTreeMap<String, Vec<String>>,
    ) -> Result<String, ApiError> {
        self.start_as(region, document, parameters, &self.shared.environment.operator)
    }

    /// Starts a document as a principal other than the operator.
    ///
    /// # Errors
    /// As `StartAutomationExecution`.
    pub fn start_as(
        &self,
        region: &str,
        document: &str,
        parameters: BTreeMap<String, Vec<String>>,
        principal: &str,
    ) -> Result<String, ApiError> {
        Ok(Arc::clone(&self.shared).start(region, document, parameters, principal, None)?.id.clone())
    }

    /// Waits for an execution's end.
    ///
    /// # Errors
    /// When there is no such execution.
    pub async fn wait(&self, region: &str, id: &str) -> Result<Execution, ApiError> {
        Ok(self.shared.find(region, id)?.ended().await)
    }

    /// An execution as it stands.
    ///
    /// # Errors
    /// When there is no such execution.
    pub fn execution(&self, region: &str, id: &str) -> Result<Execution, ApiError> {
        Ok(self.shared.find(region, id)?.now())
    }

    /// Asks an execution to end now; its `onCancel` steps follow.
    ///
    /// # Errors
    /// When there is no such execution.
    pub fn cancel(&self, region: &str, id: &str) -> Result<(), ApiError> {
        self.shared.find(region, id)?.ask(Stop::Cancel);
        Ok(())
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Answers an operation of SSM.
    ///
    /// # Errors
    /// As the service.
    pub async fn call(
        &self,
        region: &str,
        principal: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, ApiError> {
        let text = |name: &str| input[name].as_str().unwrap_or_default();
        let id = text("AutomationExecutionId");
        match operation {
            "StartAutomationExecution" => self.start_operation(region, principal, &input),
            "GetAutomationExecution" => {
                Ok(json!({"AutomationExecution": self.shared.find(region, id)?.now().json()}))
            }
            "DescribeAutomationExecutions" => self.describe(region, &input),
            "DescribeAutomationStepExecutions" => {
                let execution = self.shared.find(region, id)?.now();
                describe_steps(execution.steps, &input)
            }
            "StopAutomationExecution" => {
                let stop = match text("Type") {
                    "" | "Cancel" => Stop::Cancel,
                    "Complete" => Stop::Complete,
                    other => return Err(invalid(format!("Type takes Cancel or Complete, not {other:?}"))),
                };
                let handle = self.shared.find(region, id)?;
                if handle.now().status.ended() {
                    return Err(ApiError::new(
                        "InvalidAutomationStatusUpdateException",
                        format!("{id} is over"),
                    ));
                }
                handle.ask(stop);
                Ok(json!({}))
            }
            "SendAutomationSignal" => self.signal(region, principal, &input),
            "GetDocument" => {
                let name = text("Name");
                let document = self.shared.documents.get(name).ok_or_else(|| invalid_document(name))?;
                Ok(json!({
                    "Name": name, "DocumentVersion": "1", "Status": "Active", "Content": document.text,
                    "DocumentType": "Automation", "DocumentFormat": "YAML",
                }))
            }
            "DescribeDocument" => {
                let name = text("Name");
                let document = self.shared.documents.get(name).ok_or_else(|| invalid_document(name))?;
                Ok(json!({"Document": shown(name, &self.shared.environment.account, document)}))
            }
            "ListDocuments" => {
                let all: Vec<Value> = self
                    .shared
                    .documents
                    .keys()
                    .map(|name| Value::Object(listed(name, &self.shared.environment.account)))
                    .collect();
                Ok(json!({"DocumentIdentifiers": all}))
            }
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("the local runner does not implement the operation {operation} of ssm"),
            )),
        }
    }

    fn start_operation(&self, region: &str, principal: &str, input: &Value) -> Result<Value, ApiError> {
        const KNOWN: [&str; 6] =
            ["DocumentName", "DocumentVersion", "Parameters", "ClientToken", "Mode", "Tags"];
        if let Some(key) =
            input.as_object().and_then(|map| map.keys().find(|key| !KNOWN.contains(&key.as_str())))
        {
            return Err(invalid(format!("the local runner does not implement {key}")));
        }
        if input.get("Mode").is_some_and(|mode| mode != "Auto") {
            return Err(invalid("the local runner implements only the mode Auto"));
        }
        let name = input["DocumentName"].as_str().unwrap_or_default();
        // A full ARN ends in the name.
        let name = name.rsplit('/').next().unwrap_or(name);
        match input["DocumentVersion"].as_str() {
            None | Some("" | "1" | "$DEFAULT" | "$LATEST") => {}
            Some(other) => {
                let message = format!("{name} has no version {other}");
                return Err(ApiError::new("AutomationDefinitionVersionNotFoundException", message));
            }
        }
        let mut given = BTreeMap::new();
        for (key, value) in input["Parameters"].as_object().into_iter().flatten() {
            given.insert(key.clone(), texts(value));
        }
        let token = input["ClientToken"].as_str().map(|token| (region.to_owned(), token.to_owned()));
        if let Some((_, token)) = token.as_ref().filter(|token| lock(&self.shared.tokens).contains(*token)) {
            let message = format!("the client token {token} was used before");
            return Err(ApiError::new("IdempotentParameterMismatch", message));
        }
        let handle = Arc::clone(&self.shared).start(region, name, given, principal, None)?;
        lock(&self.shared.tokens).extend(token);
        Ok(json!({"AutomationExecutionId": handle.id}))
    }

    fn describe(&self, region: &str, input: &Value) -> Result<Value, ApiError> {
        let in_region: Vec<Arc<Handle>> =
            lock(&self.shared.executions).iter().filter(|handle| handle.region == region).cloned().collect();
        // Newest first, as the service answers.
        let mut found: Vec<Execution> = in_region.iter().rev().map(|handle| handle.now()).collect();
        for (key, values) in filters(input)? {
            let any = |fits: &dyn Fn(&String) -> bool| values.iter().any(fits);
            match key.as_str() {
                "DocumentNamePrefix" => {
                    found.retain(|one| any(&|value| one.document.starts_with(value.as_str())));
                }
                "ExecutionStatus" => found.retain(|one| any(&|value| one.status.name() == value)),
                "ExecutionId" => found.retain(|one| any(&|value| one.id == *value)),
                "ParentExecutionId" => found.retain(|one| any(&|value| one.parent.as_ref() == Some(value))),
                _ => return Err(no_filter(&key)),
            }
        }
        page(input, found.iter().map(Execution::summary).collect(), "AutomationExecutionMetadataList")
    }

    fn signal(&self, region: &str, principal: &str, input: &Value) -> Result<Value, ApiError> {
        let id = input["AutomationExecutionId"].as_str().unwrap_or_default();
        let handle = self.shared.find(region, id)?;
        let kind = input["SignalType"].as_str().unwrap_or_default();
        let refused = |message: String| ApiError::new("InvalidAutomationSignalException", message);
        let waiting = match kind {
            "Approve" | "Reject" => Waiting::Approval,
            "Resume" => Waiting::Resume,
            _ => return Err(refused(format!("the local runner does not implement the signal {kind:?}"))),
        };
        let comment = input["Payload"].get("Comment").and_then(|comment| texts(comment).into_iter().next());
        let mut answer = Ok(json!({}));
        handle.signals.send_modify(|signals| {
            // Approvers are ARNs or names of users and roles; only the last part of each is compared.
            let named = |one: &String| one.rsplit(['/', ':']).next() == Some(principal);
            if signals.waiting != Some(waiting) {
                answer = Err(refused(format!("no step of {id} waits for {kind}")));
            } else if waiting == Waiting::Resume {
                signals.resumed = true;
            } else if signals.approvers.iter().any(named) {
                let decision = Decision { approved: kind == "Approve", comment: comment.unwrap_or_default() };
                signals.decisions.insert(principal.to_owned(), decision);
            } else {
                let approvers = signals.approvers.join(", ");
                answer = Err(refused(format!("{principal} is none of the approvers: {approvers}")));
            }
        });
        answer
    }
}

fn describe_steps(mut steps: Vec<StepExecution>, input: &Value) -> Result<Value, ApiError> {
    for (key, values) in filters(input)? {
        match key.as_str() {
            "StepExecutionStatus" => {
                steps.retain(|step| values.iter().any(|value| value == step.status.name()));
            }
            "StepExecutionId" => steps.retain(|step| values.contains(&step.id)),
            "StepName" => steps.retain(|step| values.contains(&step.name)),
            "Action" => steps.retain(|step| values.iter().any(|value| value == step.action)),
            _ => return Err(no_filter(&key)),
        }
    }
    if input["ReverseOrder"] == true {
        steps.reverse();
    }
    page(input, steps.iter().map(StepExecution::json).collect(), "StepExecutions")
}

/// The filters of a request, and their values.
fn filters(input: &Value) -> Result<Vec<(String, Vec<String>)>, ApiError> {
    let all = input["Filters"].as_array().into_iter().flatten();
    all.map(|filter| {
        let key = filter["Key"].as_str().ok_or_else(|| invalid("a filter has no Key"))?;
        Ok((key.to_owned(), texts(&filter["Values"])))
    })
    .collect()
}

fn no_filter(key: &str) -> ApiError {
    ApiError::new("InvalidFilterKey", format!("the local runner does not implement the filter {key}"))
}

/// A page of a list: at most `MaxResults` from `NextToken` on, which is a position.
fn page(input: &Value, all: Vec<Value>, key: &str) -> Result<Value, ApiError> {
    let from = match input["NextToken"].as_str() {
        None | Some("") => 0,
        Some(token) => token.parse::<usize>().ok().filter(|from| *from <= all.len()).ok_or_else(|| {
            ApiError::new("InvalidNextToken", format!("{token:?} is no token of this list"))
        })?,
    };
    let most = input["MaxResults"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(50);
    let more = all.len() > from + most;
    let shown: Vec<Value> = all.into_iter().skip(from).take(most).collect();
    let mut answer = json!({ key: shown });
    if more {
        answer["NextToken"] = json!((from + most).to_string());
    }
    Ok(answer)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

impl Drop for Automation {
    fn drop(&mut self) {
        self.close();
    }
}

fn invalid_document(name: &str) -> ApiError {
    ApiError::new("InvalidDocument", format!("there is no document {name}"))
}

/// As a list shows it.
fn listed(name: &str, owner: &str) -> Map<String, Value> {
    let shown = [
        ("Name", name),
        ("DocumentType", "Automation"),
        ("DocumentFormat", "YAML"),
        ("SchemaVersion", "0.3"),
        ("DocumentVersion", "1"),
        ("Owner", owner),
    ];
    shown.map(|(member, value)| (member.to_owned(), json!(value))).into_iter().collect()
}

fn shown(name: &str, owner: &str, document: &Document) -> Value {
    let described = |shown: &mut Map<String, Value>, description: &Option<String>| {
        shown.extend(description.iter().map(|text| ("Description".to_owned(), json!(text))));
    };
    let parameters: Vec<Value> = document
        .parameters
        .iter()
        .map(|(name, parameter)| {
            let mut shown = Map::from_iter([
                ("Name".to_owned(), json!(name)),
                ("Type".to_owned(), json!(parameter.type_name)),
            ]);
            described(&mut shown, &parameter.description);
            shown.extend(
                parameter.default.iter().map(|value| ("DefaultValue".to_owned(), json!(text(value)))),
            );
            Value::Object(shown)
        })
        .collect();
    let mut shown = listed(name, owner);
    described(&mut shown, &document.description);
    shown.extend([("Status".to_owned(), json!("Active")), ("Parameters".to_owned(), json!(parameters))]);
    Value::Object(shown)
}

//! One execution, state by state, from where its record says that it is.
//!
//! A failure that a retrier matches is tried again after its interval, each retrier as often as it says; then the first catcher that
//! matches says what follows. What is not handled ends the execution. An execution that is stopped or takes too long ends at
//! once, and so do its map's children.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::definition::{After, Kind, Select, State, Then};
use crate::execution::{Cursor, Handle, Status};
use crate::failure::{Failure, NO_CHOICE, RESULT_PATH, RUNTIME, limited};
use crate::scope::{context, fill, select};
use crate::store::Host;
use crate::{map, task};

/// What follows a state.
enum Next {
    /// This state, with this input.
    To(String, Value),
    /// The end, with this output.
    End(Value),
}

/// Runs an execution that has begun to its end, and writes down how it ended.
pub(crate) fn execute(host: Arc<Host>, handle: Arc<Handle>) -> BoxFuture<'static, ()> {
    async move {
        let limit = async {
            match handle.timeout {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let (status, outcome) = tokio::select! {
            biased;
            () = handle.stopped() => (Status::Aborted, Err(Failure::new("", ""))),
            outcome = states(&host, &handle) => {
                (if outcome.is_ok() { Status::Succeeded } else { Status::Failed }, outcome)
            }
            // Its status says it all: AWS shows neither an error nor a cause.
            () = limit => (Status::TimedOut, Err(Failure::new("", ""))),
        };
        let now = host.environment.clock.now();
        if let Some(run) = handle.now().at.map_run.and_then(|arn| host.map_run(&arn)) {
            // Of a map that was cut off; one that came to its end has ended its run.
            run.end(Status::Aborted, now);
        }
        handle.end(status, outcome, now);
        handle.let_go();
    }
    .boxed()
}

async fn states(host: &Arc<Host>, handle: &Arc<Handle>) -> Result<Value, Failure> {
    loop {
        let Cursor { state: name, input, .. } = handle.now().at;
        let state = handle.program.states.get(&name);
        let state = state.ok_or_else(|| Failure::new(RUNTIME, format!("there is no state {name}")))?;
        match step(host, handle, &name, state, &input).await? {
            Next::End(output) => return Ok(output),
            Next::To(state, input) => {
                handle.update(|record| record.at = Cursor { state, input, map_run: None });
            }
        }
    }
}

/// Runs one state, as often as its retriers say.
async fn step(
    host: &Arc<Host>,
    handle: &Arc<Handle>,
    name: &str,
    state: &State,
    raw: &Value,
) -> Result<Next, Failure> {
    let clock = host.environment.clock;
    let (entered, mut retries) = (clock.now(), Vec::<u64>::new());
    loop {
        let context = context(handle, name, entered, retries.iter().sum());
        let failure = match attempt(host, handle, state, raw, &context).await {
            Ok(next) => return Ok(next),
            Err(failure) => failure,
        };
        let Some(after) = state.kind.after() else { return Err(failure) };
        retries.resize(after.retry.len(), 0);
        if let Some(interval) = interval(after, &failure, &mut retries) {
            // The run of a map is over; another try is another run.
            handle.update(|record| record.at.map_run = None);
            clock.sleep(interval).await;
            continue;
        }
        let catcher = after.catch.iter().find(|catcher| failure.is_one_of(&catcher.errors));
        return match catcher {
            Some(catcher) => {
                let output = placed(raw, failure.output(), &catcher.result_path)?;
                Ok(Next::To(catcher.next.clone(), limited(output, "what a catcher passes on")?))
            }
            None => Err(failure),
        };
    }
}

/// The interval before another try; `None` when there is none. `retries` counts those of each retrier.
fn interval(after: &After, failure: &Failure, retries: &mut [u64]) -> Option<Duration> {
    let index = after.retry.iter().position(|retrier| failure.is_one_of(&retrier.errors))?;
    let (retrier, count) = (after.retry.get(index)?, retries.get_mut(index)?);
    if *count >= retrier.attempts {
        return None;
    }
    let exponent = i32::try_from(*count).unwrap_or(i32::MAX);
    *count += 1;
    // What is out of range is for ever.
    Some(
        Duration::try_from_secs_f64(retrier.interval.as_secs_f64() * retrier.backoff.powi(exponent))
            .unwrap_or(Duration::MAX),
    )
}

/// Runs one state once.
async fn attempt(
    host: &Arc<Host>,
    handle: &Arc<Handle>,
    state: &State,
    raw: &Value,
    context: &Value,
) -> Result<Next, Failure> {
    let input = match &state.kind {
        Kind::Fail { .. } => Value::Null,
        _ => select(&state.input, raw, context)?,
    };
    let (output, then) = match &state.kind {
        Kind::Succeed => (input, Then::End),
        Kind::Fail { error, cause } => {
            return Err(Failure::new(
                error.as_deref().unwrap_or_default(),
                cause.clone().unwrap_or_default(),
            ));
        }
        Kind::Wait { time, then } => {
            host.environment.clock.sleep(*time).await;
            (input, then.clone())
        }
        Kind::Choice { rules, default } => {
            (input.clone(), Then::Next(chosen(rules, default.as_ref(), &input, context)?))
        }
        Kind::Pass { parameters, result, result_path, then } => {
            let result = match (result, parameters) {
                (Some(result), _) => result.clone(),
                (None, Some(parameters)) => fill(parameters, &input, context)?,
                (None, None) => input,
            };
            (placed(raw, result, result_path)?, then.clone())
        }
        Kind::Task(task) => {
            let result = task::run(&host.environment, handle, task, &input, context).await?;
            (concluded(&task.after, raw, result, context)?, task.after.then.clone())
        }
        Kind::Map(map) => {
            let results = map::run(host, handle, map, &input, context, execute).await?;
            (concluded(&map.after, raw, results, context)?, map.after.then.clone())
        }
    };
    let output = limited(select(&state.output, &output, context)?, "the state's output")?;
    Ok(match then {
        Then::Next(next) => Next::To(next, output),
        Then::End => Next::End(output),
    })
}

fn chosen(
    rules: &[(crate::choice::Rule, String)],
    default: Option<&String>,
    input: &Value,
    context: &Value,
) -> Result<String, Failure> {
    for (rule, next) in rules {
        if rule.holds(input, context).map_err(|problem| Failure::new(RUNTIME, problem))? {
            return Ok(next.clone());
        }
    }
    default.cloned().ok_or_else(|| Failure::new(NO_CHOICE, "no rule holds, and there is no default"))
}

/// A result as the state's output has it.
fn concluded(after: &After, raw: &Value, result: Value, context: &Value) -> Result<Value, Failure> {
    let result = match &after.selector {
        Some(selector) => fill(selector, &result, context)?,
        None => result,
    };
    placed(raw, result, &after.result_path)
}

/// The raw input with a result in it.
fn placed(raw: &Value, result: Value, place: &Select) -> Result<Value, Failure> {
    let mut output = raw.clone();
    match place {
        Select::Nothing => {}
        Select::At(path) => {
            path.put(&mut output, result).map_err(|problem| Failure::new(RESULT_PATH, problem))?;
        }
    }
    Ok(output)
}

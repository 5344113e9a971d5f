//! A distributed map: reads its items, and runs a child for each.
//!
//! The first child that does not succeed ends the run: those that run are aborted, those that have not begun stay so. At AWS some
//! more may begin before the run fails (developer guide, "Tolerated failure threshold for Distributed Map state"). A redrive
//! takes up the same run, with the items as they were read first, and lets those children run that did not succeed.

use std::sync::Arc;

use automation::ApiError;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};

use crate::definition::{Concurrency, Map};
use crate::execution::{Handle, Status};
use crate::failure::{Failure, ITEM_READER, PERMISSIONS, RUNTIME, TOLERATED, limited};
use crate::map_run::MapRun;
use crate::scope::fill;
use crate::store::Host;

/// The most children of a run at once (Step Functions quotas).
const MOST: u64 = 10_000;

/// Runs a child to its end.
pub(crate) type RunChild = fn(Arc<Host>, Arc<Handle>) -> BoxFuture<'static, ()>;

/// Runs a map of an execution, or runs it again; the results in the order of the items.
pub(crate) async fn run(
    host: &Arc<Host>,
    parent: &Handle,
    map: &Map,
    input: &Value,
    context: &Value,
    run_child: RunChild,
) -> Result<Value, Failure> {
    let before = parent.now().at.map_run.and_then(|arn| host.map_run(&arn));
    let run = match before {
        Some(run) => {
            may(host, parent, "RedriveExecution", &children(parent, map))?;
            run.redrive(host.environment.clock.now());
            run
        }
        None => begin(host, parent, map, input, context).await?,
    };
    let open = run.children.iter().filter(|child| child.status() != Status::Succeeded).cloned();
    let most = if run.concurrency == 0 { MOST } else { run.concurrency.min(MOST) };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let start = |child: Arc<Handle>| {
        let host = Arc::clone(host);
        let child: BoxFuture<'static, Arc<Handle>> = async move {
            // Its name is new, or it is there from before.
            let _ = host.add(&child);
            child.begin(host.environment.clock.now());
            run_child(host, Arc::clone(&child)).await;
            child
        }
        .boxed();
        child
    };
    let open: Vec<_> = open.map(start).collect();
    let mut running = futures::stream::iter(open).buffer_unordered(most);
    while let Some(child) = running.next().await {
        if child.status() == Status::Succeeded {
            continue;
        }
        drop(running);
        let stopped = may(host, parent, "StopExecution", &executions(parent));
        run.end(Status::Failed, host.environment.clock.now());
        stopped?;
        return Err(Failure::new(TOLERATED, "The specified tolerated failure threshold was exceeded"));
    }
    run.end(Status::Succeeded, host.environment.clock.now());
    let results = run.children.iter().map(|child| child.now().output.unwrap_or_default());
    limited(results.collect(), "the list of the children's results")
}

/// Reads the items, and makes a run of them whose children have not begun.
async fn begin(
    host: &Host,
    parent: &Handle,
    map: &Map,
    input: &Value,
    context: &Value,
) -> Result<Arc<MapRun>, Failure> {
    let concurrency = match &map.concurrency {
        Concurrency::Fixed(number) => *number,
        Concurrency::At(path) => path.find(input, context).and_then(Value::as_u64).ok_or_else(|| {
            Failure::new(RUNTIME, format!("MaxConcurrencyPath '{}' names no whole number", path.text()))
        })?,
    };
    may(host, parent, "StartExecution", &parent.machine.arn())?;
    may(host, parent, "DescribeExecution", &executions(parent))?;
    let items = items(host, parent, map, input, context).await?;
    let machine = &parent.machine;
    let id = uuid::Uuid::new_v4();
    let arn = machine.resource("mapRun", &format!("{}/{}:{id}", machine.name, map.label));
    let now = host.environment.clock.now();
    let mut context = context.clone();
    let child = |(index, item): (usize, Value)| {
        let input = match &map.selector {
            None => item,
            Some(selector) => {
                context["Map"] = json!({"Item": {"Index": index, "Value": item}});
                fill(selector, input, &context)?
            }
        };
        let input = limited(input, &format!("the input of child {index}"))?;
        let program = Arc::clone(&map.program);
        Ok(Handle::of_map(Arc::clone(machine), program, (&arn, &map.label), input, now))
    };
    let children = items.into_iter().enumerate().map(child).collect::<Result<Vec<_>, Failure>>()?;
    let run = MapRun::new(arn.clone(), parent, &map.label, concurrency, children, now);
    host.add_map_run(&run);
    parent.update(|record| record.at.map_run = Some(arn));
    Ok(run)
}

/// The items: a line of JSON each.
async fn items(
    host: &Host,
    parent: &Handle,
    map: &Map,
    input: &Value,
    context: &Value,
) -> Result<Vec<Value>, Failure> {
    let (bucket, key) = (fill(&map.bucket, input, context)?, fill(&map.key, input, context)?);
    let (Some(bucket), Some(key)) = (bucket.as_str(), key.as_str()) else {
        return Err(Failure::new(RUNTIME, format!("Bucket and Key take texts, not {bucket} and {key}")));
    };
    let failed = |why: &str| Failure::new(ITEM_READER, format!("s3://{bucket}/{key} can't be read: {why}"));
    let machine = &parent.machine;
    let bytes = host.environment.objects.read(&machine.role, &machine.region, bucket, key).await;
    let bytes = bytes.map_err(|error| failed(&error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| failed(&error.to_string()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| failed(&format!("line {}: {error}", index + 1)))
        })
        .collect()
}

/// The machine's executions, which a map's own permissions name ("IAM policies for using Distributed Map states").
fn executions(parent: &Handle) -> String {
    parent.machine.resource("execution", &format!("{}:*", parent.machine.name))
}

/// The executions of a map's children.
fn children(parent: &Handle, map: &Map) -> String {
    parent.machine.resource("execution", &format!("{}/{}:*", parent.machine.name, map.label))
}

fn may(host: &Host, parent: &Handle, operation: &str, resource: &str) -> Result<(), Failure> {
    let machine = &parent.machine;
    let allowed = host.environment.access.may(&machine.role, &machine.region, operation, resource);
    allowed.map_err(|error: ApiError| Failure::new(PERMISSIONS, error.message))
}

//! Step `reconcile`: compares the restored old primary with the new primary, table by table, and keeps what differs
//! in the report bucket.
//!
//! Operation `compare`. For each database of the plan the source is the cluster that `snapshot-restore` made for this
//! execution, the target the new primary's cluster in the function's own Region: the global cluster's writer, or, where
//! the databases have been moved back since, a secondary that is in step with it, by its reader endpoint. Both are only
//! read. The crate `comparison` describes what is left in the bucket.
//!
//! # States
//! - *Refused*: the cluster here is a secondary that is not in step, or the restored cluster is not there, not this
//!   execution's, or not available.
//! - *InProgress*: the time of this call was over; the next call goes on.
//! - *Done*: every table was compared, or can't be; `summary.json` is written. A further call compares nothing.
//!
//! # Promise
//! What is in the bucket is the truth, and a call killed at any moment costs only what it did since its last write of
//! `cursor.json`: that says for every database which tables are done, where the one at work stands, and which parts
//! of differences belong to it. A part is written before the cursor that names it, see [`comparison::PartWriter`], and the
//! summary names the parts of each table: one that a killed call left counts for nothing.
//!
//! A table that can't be compared is `error` in the summary and the others go on. A database that can't be reached is
//! an error of the step: the next call tries again from where it stood.
//!
//! # Memory
//! `table-diff` holds one range of one table at a time. Differences are kept as text until there are
//! [`PART`](run::PART) bytes of them, or the cursor is saved; a part may be longer by what one range gives.

use std::pin::Pin;

use aws_sdk_rds::Client;
use runbook::aurora::{Cluster, DescribeCluster, DescribeGlobalCluster, Here, Role, cluster_here};
use runbook::error::Kind;
use runbook::record::ReadTables;
use runbook::{Context, Outcome, RecoveryPlan, Status, StepError};
use serde::Deserialize;

mod run;
mod servers;
mod sides;
mod state;

pub use run::{Observed, PART};
pub use runbook::bucket::{GetObject, PutObject};
pub use servers::{Compare, Failure, Servers};
pub use sides::{Place, Sides};

/// What the step is asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// The one operation.
    pub operation: Operation,
    /// SSM parameter that holds the plan.
    pub plan: String,
    /// Id of the Automation execution that restored the old primary.
    pub execution: String,
    /// Region it was restored in, one of the plan's; absent or empty: the function's own.
    #[serde(default, deserialize_with = "runbook::step::optional_text")]
    pub restore_region: Option<String>,
}

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Compare as far as the time of this call allows.
    Compare,
}

/// The step as the Lambda function calls it.
///
/// # Errors
/// For what is broken: event, plan, permissions, a database that can't be reached or refuses the password.
pub async fn handle(context: Context, event: Event) -> Result<Outcome<Observed>, StepError> {
    let servers = Servers::new(context.config.clone());
    // Boxed as a trait object: the futures of the drivers and of the SDK in one another are too deep for the compiler.
    let step: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(handle_with(context, event, &servers));
    step.await
}

/// The step with another comparison in place of the one over real servers.
///
/// # Errors
/// As [`handle`].
pub async fn handle_with(
    context: Context,
    event: Event,
    servers: &impl Compare,
) -> Result<Outcome<Observed>, StepError> {
    let Operation::Compare = event.operation;
    let plan = RecoveryPlan::load(&context, &event.plan).await?;
    let restore_region = event.restore_region.clone().unwrap_or_else(|| context.region.clone());
    plan.require_region(&restore_region, "`restoreRegion`")?;
    if !event.execution.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err(StepError::new(
            Kind::BadEvent,
            format!("`execution` is {:?}", event.execution),
            "give the id of the Automation execution that restored the old primary",
        ));
    }
    let store = runbook::bucket::client(&context.config);
    let folder = run::Folder::new(&plan, &context.region, &event.execution)?;
    if let Some(summary) = folder.summary(&store).await? {
        return Ok(run::done(&summary));
    }

    // Observe everything before anything is compared: what is refused is refused at once.
    let here = Client::new(&context.config);
    let there = Client::new(&runbook::aws::in_region(&context.config, &restore_region));
    let state = folder.state(&store).await?;
    let authorities = runbook::authorities::load()?;
    let mut all = Vec::new();
    for (name, database) in plan.databases.iter().filter(|(name, _)| !state.is_finished(name)) {
        let restored_id = runbook::names::restored_cluster(&event.execution, name);
        let global = here.describe_global_cluster(&database.global_cluster).await?;
        let restored = there.describe_cluster(&restored_id).await?;
        let found = cluster_here(name, database, global.as_ref(), &context.region);
        let (id, role) =
            match found.and_then(|Here { id, role }| readable(name, &id, &role).map(|()| (id, role))) {
                Ok(found) => found,
                Err(reason) => return Ok(refused(reason)),
            };
        let target = here.describe_cluster(&id).await?.map(|cluster| read_at(cluster, &role));
        let place = Place {
            name,
            database,
            region: &context.region,
            restore_region: &restore_region,
            execution: &event.execution,
            authorities: &authorities,
        };
        match place.sides(&restored_id, restored.as_ref(), target.as_ref()) {
            Ok(sides) => all.push(sides),
            Err(reason) => return Ok(refused(reason)),
        }
    }
    let mut tables = store.read_tables(folder.bucket(), &plan.name).await?.unwrap_or_default();
    for sides in &mut all {
        sides.known = tables.databases.remove(&sides.name).unwrap_or_default();
        let (config, sign_in) = (&context.config, &sides.sign_in);
        comparison::log_in(&mut sides.source, sign_in, config, &restore_region).await?;
        comparison::log_in(&mut sides.target, sign_in, config, &context.region).await?;
    }
    Box::pin(run::run(&context, &folder, &store, servers, &plan, &all, state)).await
}

/// Whether the cluster here has the new primary's rows.
fn readable(name: &str, id: &str, role: &Role) -> Result<(), String> {
    match role {
        Role::Writer => Ok(()),
        Role::Reader { synchronization, .. } if synchronization.as_deref() == Some("connected") => Ok(()),
        Role::Reader { writer, synchronization } => Err(format!(
            "database {name}: the writer is in {writer}, and cluster {id} here is not synchronized with it ({}): start the runbook \
             again when it is connected",
            synchronization.as_deref().unwrap_or("its state is not known")
        )),
    }
}

/// The cluster with the endpoint that answers: the writer endpoint of a secondary does not.
fn read_at(cluster: Cluster, role: &Role) -> Cluster {
    match role {
        Role::Writer => cluster,
        Role::Reader { .. } => Cluster { endpoint: cluster.reader_endpoint.clone(), ..cluster },
    }
}

fn refused(reason: String) -> Outcome<Observed> {
    Outcome::new(Status::Refused, reason, Observed::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_read_strictly() {
        let read = |extra: &str| {
            serde_json::from_str::<Event>(&format!(
                r#"{{"operation":"compare","plan":"p","execution":"e"{extra}}}"#
            ))
        };
        assert_eq!(read(r#","restoreRegion":"""#).unwrap().restore_region, None);
        assert_eq!(read(r#","restoreRegion":"r""#).unwrap().restore_region.as_deref(), Some("r"));
        assert!(read(r#","since":"""#).is_err());
        assert!(serde_json::from_str::<Event>(r#"{"operation":"compare","plan":"p"}"#).is_err());
        let sample = include_str!("../../../events/reconcile.json");
        serde_json::from_str::<Event>(sample).unwrap();
    }
}

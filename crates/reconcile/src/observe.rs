//! What there is to be compared, seen before anything is compared: what is refused is refused at once.

use aws_sdk_rds::Client;
use runbook::aurora::{Cluster, DescribeCluster, DescribeGlobalCluster, Here, Role, cluster_here};
use runbook::record::ReadTables;
use runbook::{Context, RecoveryPlan, StepError};

use crate::Event;
use crate::decide::{Place, Sides};
use crate::state::State;

/// A call of the step.
pub(crate) struct At<'a> {
    pub(crate) context: &'a Context,
    pub(crate) plan: &'a RecoveryPlan,
    pub(crate) event: &'a Event,
    /// The Region of the restored clusters.
    pub(crate) restore_region: &'a str,
    /// The only database that is asked for; `None`: all.
    pub(crate) only: Option<&'a str>,
}

impl At<'_> {
    /// The sides of every database that is not finished, signed in to; else why the comparison is refused. `bucket`: the
    /// report bucket in `store`.
    ///
    /// # Errors
    /// When AWS, a secret or the record of the tables can't be read.
    pub(crate) async fn observe(
        &self,
        store: &impl ReadTables,
        bucket: &str,
        state: &State,
    ) -> Result<Result<Vec<Sides>, String>, StepError> {
        let Self { context, plan, event, restore_region, only } = *self;
        let here = Client::new(&context.config);
        let there = Client::new(&runbook::aws::in_region(&context.config, restore_region));
        let authorities = runbook::authorities::load()?;
        let mut all = Vec::new();
        let asked = plan.databases.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
        for (name, database) in asked.filter(|(name, _)| !state.is_finished(name)) {
            let restored_id = runbook::names::restored_cluster(&event.execution, name);
            let global = here.describe_global_cluster(&database.global_cluster).await?;
            let restored = there.describe_cluster(&restored_id).await?;
            let found = cluster_here(name, database, global.as_ref(), &context.region);
            let (id, role) =
                match found.and_then(|Here { id, role }| readable(name, &id, &role).map(|()| (id, role))) {
                    Ok(found) => found,
                    Err(reason) => return Ok(Err(reason)),
                };
            let target = here.describe_cluster(&id).await?.map(|cluster| read_at(cluster, &role));
            // It is in this Region only, see `snapshot-restore`.
            let base = if *restore_region == *context.region {
                here.describe_cluster(&runbook::names::restored_base(&event.execution, name)).await?
            } else {
                None
            };
            let place = Place {
                name,
                database,
                region: &context.region,
                restore_region,
                execution: &event.execution,
                authorities: &authorities,
            };
            match place.sides(&restored_id, restored.as_ref(), target.as_ref(), base.as_ref()) {
                Ok(sides) => all.push(sides),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let mut tables = store.read_tables(bucket, &plan.name).await?.unwrap_or_default();
        for sides in &mut all {
            sides.known = tables.databases.remove(&sides.name).unwrap_or_default();
            let (config, sign_in) = (&context.config, &sides.sign_in);
            comparison::log_in(&mut sides.source, sign_in, config, restore_region).await?;
            comparison::log_in(&mut sides.target, sign_in, config, &context.region).await?;
            if let Ok(base) = &mut sides.base {
                comparison::log_in(&mut base.at, sign_in, config, &context.region).await?;
            }
        }
        Ok(Ok(all))
    }
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

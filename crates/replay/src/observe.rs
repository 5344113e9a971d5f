//! Where rows are to be put back, seen before any database is touched: what is refused is refused at once.

use aws_sdk_rds::Client;
use runbook::aurora::{DescribeCluster, DescribeGlobalCluster, writer_here};
use runbook::{Context, RecoveryPlan, StepError};

use crate::decide::{Place, place};

/// The places of the databases that remain, signed in to; else why the replay is refused. `remaining`: each database with the
/// cluster that was compared.
///
/// # Errors
/// When AWS or a secret can't be read.
pub(crate) async fn observe(
    context: &Context,
    plan: &RecoveryPlan,
    remaining: impl IntoIterator<Item = (String, String)>,
) -> Result<Result<Vec<Place>, String>, StepError> {
    let rds = Client::new(&context.config);
    let authorities = runbook::authorities::load()?;
    let mut places = Vec::new();
    for (name, compared) in remaining {
        let Some(database) = plan.databases.get(&name) else {
            return Ok(Err(format!(
                "database {name} was compared, but the plan has no database of that name: put it back into the plan"
            )));
        };
        let global = rds.describe_global_cluster(&database.global_cluster).await?;
        let writer = match writer_here(&name, database, global.as_ref(), &context.region) {
            Ok(writer) => writer,
            Err(reason) => return Ok(Err(reason)),
        };
        let cluster = rds.describe_cluster(&writer).await?;
        match place(&name, database, &context.region, &compared, &writer, cluster.as_ref(), &authorities) {
            Ok(place) => places.push(place),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    for place in &mut places {
        comparison::log_in(&mut place.target, &place.sign_in, &context.config, &context.region).await?;
    }
    Ok(Ok(places))
}

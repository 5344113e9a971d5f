//! Where a cluster of the plan is connected to.

use std::sync::Arc;

use aws_config::SdkConfig;
use runbook::StepError;
use runbook::aurora::Cluster;
use runbook::plan::{Database, Engine};
use runbook::secret::{Place, SignIn};
use table_diff::{Target, Tls};

/// The writer endpoint of a cluster of the plan's database `name`, without user and password. It has to prove to be that
/// by `authorities`, see [`runbook::authorities`].
///
/// # Errors
/// Why it can't be used yet, for a person.
pub fn target(
    name: &str,
    database: &Database,
    cluster: &Cluster,
    region: &str,
    authorities: &Arc<[u8]>,
) -> Result<Target, String> {
    let (engine, default_port) = match database.engine {
        Engine::AuroraMysql => (table_diff::Engine::MySql, 3306),
        Engine::AuroraPostgresql => (table_diff::Engine::Postgres, 5432),
    };
    match &cluster.endpoint {
        Some(endpoint) if cluster.status == "available" && !cluster.instances.is_empty() => Ok(Target {
            engine,
            host: endpoint.clone(),
            port: cluster.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port),
            user: String::new(),
            password: String::new(),
            database: database.database.clone(),
            tls: Tls::Verified(Arc::clone(authorities)),
        }),
        _ => Err(format!(
            "database {name}: cluster {} in {region} can't be used yet: its status is {}, it has {} instances",
            cluster.id,
            cluster.status,
            cluster.instances.len()
        )),
    }
}

/// Sets user and password of a database in `region`; a secret is read in the Region of `config`.
///
/// # Errors
/// See [`SignIn::credentials`].
pub async fn log_in(
    target: &mut Target,
    sign_in: &SignIn,
    config: &SdkConfig,
    region: &str,
) -> Result<(), StepError> {
    let place = Place { region, host: &target.host, port: target.port };
    let credentials = sign_in.credentials(config, place).await?;
    credentials.password.expose().clone_into(&mut target.password);
    target.user = credentials.username;
    Ok(())
}

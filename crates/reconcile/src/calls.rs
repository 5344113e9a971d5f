//! The comparison behind one narrow trait, for real servers and for fakes.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use runbook::StepError;
use runbook::error::Kind;
use runbook::names::HEARTBEAT;
use runbook::secret::SignIn;
use table_diff::{
    Catalogue, Copies, Cursor, Error, KeyRange, Listed, Options, Progress, Server, Side, Sink, Table, Target,
    one_line,
};
use tokio::sync::Mutex;

use crate::decide::Sides;

/// How long a statement may take: less than a call, so that a statement that is too slow ends with an error, not with
/// one call after another.
const STATEMENT: Duration = Duration::from_secs(180);

/// Why something could not be compared.
#[derive(Debug)]
pub enum Failure {
    /// A database can't be reached, or the differences can't be stored: the step fails, and is called again.
    Step(StepError),
    /// This table can't be compared; others can.
    Table(String),
}

impl Failure {
    /// The error of the step when the tables of a database can't be listed.
    pub(crate) fn of_list(self, sides: &Sides) -> StepError {
        match self {
            Self::Step(error) => error,
            Self::Table(reason) => StepError::new(
                Kind::Failed,
                format!("database {}: its tables can't be listed: {reason}", sides.name),
                "mend the cause and run the step again",
            ),
        }
    }
}

/// Compares the tables of one database.
pub trait Compare: Sync {
    /// The tables of both sides, by name; only those of `include` when it is not empty, without those of `exclude`.
    fn list_tables(
        &self,
        sides: &Sides,
        include: &[String],
        exclude: &[String],
    ) -> impl Future<Output = Result<Vec<Listed>, Failure>> + Send;

    /// The tables of the new primary.
    fn catalogue(&self, sides: &Sides) -> impl Future<Output = Result<Catalogue, StepError>> + Send;

    /// About how many rows each table of the new primary has.
    fn estimated_rows(
        &self,
        sides: &Sides,
    ) -> impl Future<Output = Result<BTreeMap<Table, u64>, StepError>> + Send;

    /// Cuts a table into ranges of about so many rows, so many at most, see [`table_diff::key_ranges`].
    fn key_ranges(
        &self,
        sides: &Sides,
        table: &Table,
        size: (u64, usize),
    ) -> impl Future<Output = Result<Vec<KeyRange>, Failure>> + Send;

    /// Makes sure that ranges have every row of a table once, see [`table_diff::check_ranges`].
    fn check_ranges(
        &self,
        sides: &Sides,
        table: &Table,
        ranges: &[KeyRange],
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Compares one table or a range of it, see [`table_diff::compare_range`].
    fn compare_table(
        &self,
        sides: &Sides,
        of: (&Table, &KeyRange),
        cursor: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> impl Future<Output = Result<Progress, Failure>> + Send;
}

/// The comparison over real servers. Keeps its connections between tables of one database.
///
/// A restored cluster has the passwords from the time of its snapshot, and the secret may have been rotated since. If the
/// restored cluster refuses the current password, the previous one is tried.
#[derive(Debug)]
pub struct Servers {
    config: SdkConfig,
    open: Mutex<Option<(String, Open)>>,
}

/// The connections to one database.
#[derive(Debug)]
struct Open {
    source: Server,
    target: Server,
    base: Option<Server>,
}

impl Servers {
    /// `config` is used to read secrets.
    pub fn new(config: SdkConfig) -> Self {
        Self { config, open: Mutex::default() }
    }

    /// Connects to a restored cluster.
    async fn restored(&self, sides: &Sides, side: Side, at: &Target) -> Result<Server, StepError> {
        let error = match Server::connect(side, at.clone(), STATEMENT).await {
            Ok(server) => return Ok(server),
            Err(error) if !error.is_wrong_password() => return Err(step_error(sides, &error)),
            Err(error) => error,
        };
        let Some(previous) = sides.sign_in.previous(&self.config).await? else {
            return Err(step_error(sides, &error));
        };
        let mut older = at.clone();
        older.user = previous.username;
        previous.password.expose().clone_into(&mut older.password);
        let server = Server::connect(side, older, STATEMENT).await;
        server.map_err(|error| step_error(sides, &error))
    }

    /// Takes the connections to a database: those kept, or new ones.
    async fn take(&self, sides: &Sides) -> Result<Open, StepError> {
        if let Some((name, open)) = self.open.lock().await.take()
            && name == sides.name
        {
            return Ok(open);
        }
        let source = self.restored(sides, Side::Source, &sides.source).await?;
        let target = Server::connect(Side::Target, sides.target.clone(), STATEMENT).await;
        let target = target.map_err(|error| step_error(sides, &error))?;
        let base = match &sides.base {
            Ok(base) => Some(self.restored(sides, Side::Base, &base.at).await?),
            Err(_) => None,
        };
        Ok(Open { source, target, base })
    }

    async fn keep(&self, sides: &Sides, open: Open) {
        *self.open.lock().await = Some((sides.name.clone(), open));
    }
}

impl Compare for Servers {
    async fn list_tables(
        &self,
        sides: &Sides,
        include: &[String],
        exclude: &[String],
    ) -> Result<Vec<Listed>, Failure> {
        let mut servers = self.take(sides).await.map_err(Failure::Step)?;
        let listed =
            table_diff::list_tables(&mut servers.source, &mut servers.target, include, exclude).await;
        // No table is known yet, so the error is that of the step.
        let mut listed = listed.map_err(|error| Failure::Step(step_error(sides, &error)))?;
        listed
            .retain(|one| one.table.to_string() != HEARTBEAT || include.iter().any(|name| name == HEARTBEAT));
        self.keep(sides, servers).await;
        Ok(listed)
    }

    async fn catalogue(&self, sides: &Sides) -> Result<Catalogue, StepError> {
        let mut servers = self.take(sides).await?;
        let catalogue = table_diff::read_catalogue(&mut servers.target).await;
        let catalogue = catalogue.map_err(|error| step_error(sides, &error))?;
        self.keep(sides, servers).await;
        Ok(catalogue)
    }

    async fn estimated_rows(&self, sides: &Sides) -> Result<BTreeMap<Table, u64>, StepError> {
        let mut servers = self.take(sides).await?;
        let rows = table_diff::estimated_rows(&mut servers.target).await;
        let rows = rows.map_err(|error| step_error(sides, &error))?;
        self.keep(sides, servers).await;
        Ok(rows)
    }

    async fn key_ranges(
        &self,
        sides: &Sides,
        table: &Table,
        size: (u64, usize),
    ) -> Result<Vec<KeyRange>, Failure> {
        let mut servers = self.take(sides).await.map_err(Failure::Step)?;
        let (source, target) = (&mut servers.source, &mut servers.target);
        let ranges = table_diff::key_ranges(source, target, table, &options(sides), size).await;
        let ranges = ranges.map_err(|error| failure(sides, error))?;
        self.keep(sides, servers).await;
        Ok(ranges)
    }

    async fn check_ranges(&self, sides: &Sides, table: &Table, ranges: &[KeyRange]) -> Result<(), Failure> {
        let mut servers = self.take(sides).await.map_err(Failure::Step)?;
        let (source, target) = (&mut servers.source, &mut servers.target);
        let checked = table_diff::check_ranges(source, target, table, &options(sides), ranges).await;
        checked.map_err(|error| failure(sides, error))?;
        self.keep(sides, servers).await;
        Ok(())
    }

    async fn compare_table(
        &self,
        sides: &Sides,
        (table, range): (&Table, &KeyRange),
        cursor: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Progress, Failure> {
        let mut servers = self.take(sides).await.map_err(Failure::Step)?;
        let Open { source, target, base } = &mut servers;
        let copies = Copies { source, target, base: base.as_mut() };
        let options = options(sides);
        let compared =
            Box::pin(table_diff::compare_range(copies, table, range, &options, cursor, sink, stop)).await;
        // After an error the next table has new connections.
        let progress = compared.map_err(|error| failure(sides, error))?;
        self.keep(sides, servers).await;
        Ok(progress)
    }
}

fn options(sides: &Sides) -> Options {
    let exclude_columns = sides.exclude_columns.clone();
    Options { connections: sides.connections, exclude_columns, ..Options::default() }
}

fn failure(sides: &Sides, error: Error) -> Failure {
    match error {
        Error::Sink(cause) => Failure::Step(match cause.downcast::<StepError>() {
            Ok(error) => *error,
            Err(cause) => {
                StepError::new(Kind::Failed, "storing the differences failed", "run the step again")
                    .with_source(cause)
            }
        }),
        error if error.is_connection() => Failure::Step(step_error(sides, &error)),
        error => Failure::Table(one_line(&error)),
    }
}

/// An error that names database, cluster, endpoint and user.
fn step_error(sides: &Sides, error: &Error) -> StepError {
    let (cluster, at) = match error.side() {
        Some(Side::Target) => (format!("new primary {}", sides.target_cluster), &sides.target),
        Some(Side::Base) if let Ok(base) = &sides.base => {
            (format!("new primary as it was at the takeover, {}", base.summary.cluster), &base.at)
        }
        _ => (format!("restored old primary {}", sides.source_cluster), &sides.source),
    };
    let what = format!("database {}: the {cluster} at {at}, with {}", sides.name, sides.sign_in);
    let (kind, remedy) = if error.is_wrong_password() && error.side() != Some(Side::Target) {
        let since = match &sides.sign_in {
            SignIn::Secret(secret) => format!(
                "the restored cluster has the passwords from the time of its snapshot, but neither the current nor the previous \
                 version of secret {secret} matches: store the user and password of that time in the secret and run the step \
                 again, or sign in by `iamUser`"
            ),
            SignIn::Iam(_) => sides.sign_in.remedy(),
        };
        (Kind::Denied, since)
    } else if error.is_refused() {
        (
            Kind::Denied,
            format!(
                "{}, and that the user may read this database, then run the step again",
                sides.sign_in.remedy()
            ),
        )
    } else if error.is_untrusted() {
        (Kind::Failed, runbook::authorities::REMEDY.to_owned())
    } else {
        (
            Kind::Unreachable,
            "check that the function can reach it (subnets, security groups), then run the step again"
                .to_owned(),
        )
    };
    StepError::new(kind, what, remedy).with_source(one_line(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use table_diff::{Engine, Target, Tls};

    #[tokio::test]
    async fn a_database_that_can_not_be_reached_is_named_with_cluster_endpoint_and_secret() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let target = Target {
            engine: Engine::MySql,
            host: "127.0.0.1".into(),
            port,
            user: "u".into(),
            password: "hush".into(),
            database: "shop".into(),
            tls: Tls::Disabled,
        };
        let sides = Sides {
            name: "orders".into(),
            source_cluster: "causeway-old".into(),
            target_cluster: "new".into(),
            snapshot: None,
            snapshot_time: None,
            source: target.clone(),
            target,
            base: Err("none".into()),
            known: Default::default(),
            sign_in: SignIn::Secret("shop/orders".into()),
            exclude_columns: Default::default(),
            connections: 1,
        };
        let Err(Failure::Step(error)) =
            Servers::new(SdkConfig::builder().build()).list_tables(&sides, &[], &[]).await
        else {
            panic!("nothing listens there");
        };
        assert_eq!(error.kind(), Kind::Unreachable);
        let line = error.to_string();
        for part in
            ["orders", "restored old primary causeway-old", &format!("127.0.0.1:{port}/shop"), "shop/orders"]
        {
            assert!(line.contains(part), "{part} is missing in: {line}");
        }
        assert!(!line.contains("hush") && !line.contains('\n'), "{line}");
    }
}

//! What the operations ask of a database itself: whether it accepts a write, whether it lets a user in, and what that user
//! may do there. [`crate::sql_probe`] asks over SQL; rehearsals without servers answer otherwise.

use runbook::StepError;
use runbook::plan::Engine;
use runbook::secret::SignIn;
use table_diff::Rights;

/// Which database, where, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseTarget {
    /// The database's name in the plan.
    pub name: String,
    /// Its engine.
    pub engine: Engine,
    /// Name of the database (the schema, in MySQL's words).
    pub database: String,
    /// The Region of the cluster and of its secret.
    pub region: String,
    /// Host of the endpoint: the writer's to write, the reader's to sign in only.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How to sign in.
    pub sign_in: SignIn,
}

/// The row that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its key: the plan's and the database's name.
    pub row: String,
    /// Its value: the execution's id.
    pub execution: String,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// It is committed, and was read back.
    Accepted,
    /// Not yet: the database can't be reached, or is read-only still. Why, in one line.
    NotYet(String),
}

/// What came of signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The user was let in.
    Granted,
    /// Not yet: the database can't be reached. Why, in one line.
    NotYet(String),
}

/// Finds out whether a database accepts a write.
pub trait AcceptsWrite {
    /// Writes to `target`. Bounded to some seconds.
    ///
    /// # Errors
    /// When waiting does not help: the credentials or their permissions are wrong.
    fn accepts_write(
        &self,
        target: &DatabaseTarget,
        heartbeat: &Heartbeat,
    ) -> impl Future<Output = Result<Write, StepError>> + Send;
}

/// Finds out whether a database lets the functions in.
pub trait SignsIn {
    /// Signs in to `target` and asks for nothing. Bounded to some seconds.
    ///
    /// # Errors
    /// As [`AcceptsWrite`].
    fn signs_in(&self, target: &DatabaseTarget) -> impl Future<Output = Result<Admission, StepError>> + Send;

    /// What the user may do in `target`, once it was let in. Bounded to some seconds.
    ///
    /// # Errors
    /// When the database does not exist, or can't be asked.
    fn rights(&self, target: &DatabaseTarget) -> impl Future<Output = Result<Rights, StepError>> + Send;
}

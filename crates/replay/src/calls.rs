//! The replay behind one narrow trait: over real servers, or something else in a rehearsal.

use std::time::Duration;

use row_replay::{Cursor, Error, Options, Progress, Session, Sink};
use runbook::StepError;
use runbook::error::Kind;
use table_diff::{Catalogue, Differences, is_untrusted, one_line};

use crate::decide::Place;

/// How long a statement may take: less than a call, so that one that is too slow ends with an error, not with one call
/// after another.
const STATEMENT: Duration = Duration::from_secs(120);

/// Puts the rows of one database back.
pub trait Replay: Sync {
    /// See [`row_replay::apply`].
    fn replay(
        &self,
        place: &Place,
        rows: Rows<'_, impl Differences>,
        cursor: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> impl Future<Output = Result<Progress, StepError>> + Send;
}

/// The rows, and how they are put back.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, D> {
    /// The tables of the new primary.
    pub catalogue: &'a Catalogue,
    /// What was found.
    pub differences: &'a D,
    /// How.
    pub options: &'a Options,
}

/// The replay over real servers.
#[derive(Debug, Default)]
pub struct Servers;

impl Replay for Servers {
    async fn replay(
        &self,
        place: &Place,
        rows: Rows<'_, impl Differences>,
        cursor: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Progress, StepError> {
        let Rows { catalogue, differences, options } = rows;
        let session = Session::connect(place.target.clone(), STATEMENT).await;
        let mut session = session.map_err(|error| step_error(place, error))?;
        let replayed =
            row_replay::apply(&mut session, catalogue, differences, options, cursor, sink, stop).await;
        replayed.map_err(|error| step_error(place, error))
    }
}

/// An error that names database, cluster, endpoint and user; or the cause, where it is one of ours.
fn step_error(place: &Place, error: Error) -> StepError {
    let Place { name, cluster, target, sign_in } = place;
    let (kind, remedy) = match error {
        Error::Sink(cause) | Error::Source { cause, .. } if cause.is::<StepError>() => {
            return match cause.downcast::<StepError>() {
                Ok(error) => *error,
                Err(cause) => {
                    StepError::new(Kind::Failed, "the bucket failed", "run the step again").with_source(cause)
                }
            };
        }
        Error::Connect { cause: sqlx::Error::Database(_), .. } => {
            (Kind::Denied, format!("{}, and that the user may use this database", sign_in.remedy()))
        }
        Error::Connect { ref cause, .. } if is_untrusted(cause) => {
            (Kind::Failed, runbook::authorities::REMEDY.to_owned())
        }
        Error::Connect { .. } | Error::Query { cause: sqlx::Error::Io(_), .. } => (
            Kind::Unreachable,
            "check that the function can reach it (subnets, security groups), then run the step again".into(),
        ),
        Error::MayNotWrite { .. } => (
            Kind::Denied,
            format!(
                "give {sign_in} the right to insert, or name a user who has it as `replaySecret` or `replayIamUser` in the plan; then run the step again"
            ),
        ),
        _ => (
            Kind::Failed,
            "fix the cause and run the step again; or start the runbook again: it recognises rows that are already back"
                .into(),
        ),
    };
    let what =
        format!("database {name}: the replay on the new primary {cluster} at {target}, with {sign_in}");
    StepError::new(kind, what, remedy).with_source(one_line(&error))
}

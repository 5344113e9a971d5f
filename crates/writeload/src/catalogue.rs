//! Reads a [`Schema`] from a server's catalogue: a handful of statements, however many tables there are.

use table_diff::Engine;

use crate::schema::Schema;
use crate::session::Session;
use crate::{catalogue_mysql, catalogue_postgres};

/// The catalogue can't be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the {what} of the database's tables failed: {cause}")]
pub struct CatalogueError {
    /// What was asked for.
    pub what: &'static str,
    /// The driver's own words.
    #[source]
    pub cause: sqlx::Error,
}

/// Reads the tables of the database that a session is connected to.
pub(crate) async fn read(session: &mut Session) -> Result<Schema, CatalogueError> {
    let (engine, mariadb) = (session.engine, session.mariadb);
    let mut answers = Vec::new();
    let questions: &[(&'static str, &str)] = match engine {
        Engine::MySql => &catalogue_mysql::questions(mariadb),
        Engine::Postgres => &catalogue_postgres::QUESTIONS,
    };
    for &(what, sql) in questions {
        let rows = session.query(sql.to_owned()).await;
        answers.push(rows.map_err(|cause| CatalogueError { what, cause })?);
    }
    let tables = match engine {
        Engine::MySql => catalogue_mysql::assemble(answers, mariadb),
        Engine::Postgres => catalogue_postgres::assemble(answers),
    };
    Ok(Schema { engine, mariadb, tables })
}

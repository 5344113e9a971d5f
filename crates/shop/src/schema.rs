//! Makes a service's tables, where they are not there yet.
//!
//! Level-triggered, and safe to run by every instance at once: in a Region that stands by, whose database is read-only, it waits
//! until the tables have come over from the other.

use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::database::{Database, Engine, StoreError};

/// How often it tries again.
const AGAIN: Duration = Duration::from_secs(1);

/// The tables of a service.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// One of them, the last that is made.
    pub witness: &'static str,
    /// The statements that make all, separated by `;`.
    pub tables: &'static str,
    /// The statements that fill them, in one transaction, the witness among them.
    pub rows: Option<fn() -> Vec<String>>,
}

impl Schema {
    /// Makes the tables and their first rows, however often it has to try.
    pub async fn ensure(self, database: Database) {
        let mut said = String::new();
        loop {
            match self.try_to(&database).await {
                Ok(()) => {
                    tracing::info!("the tables are there");
                    return;
                }
                Err(error) => {
                    let now = error.to_string();
                    if now != said {
                        tracing::info!(cause = now, "the tables can't be made yet");
                        said = now;
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Makes them once.
    ///
    /// # Errors
    /// When the database can't be written to and has no such tables.
    pub async fn try_to(self, database: &Database) -> Result<(), StoreError> {
        let look = AssertSqlSafe(format!("SELECT 1 FROM {} LIMIT 1", self.witness));
        let found = database.work(database.pool().fetch_optional(look)).await;
        if found.is_ok_and(|row| row.is_some() || self.rows.is_none()) {
            return Ok(());
        }
        database
            .work(async {
                let mut connection = database.pool().acquire().await?;
                self.make(&mut connection, database.engine).await
            })
            .await
    }

    /// In MySQL each statement that makes a table is a transaction of its own: what was interrupted is taken up where it ended. What
    /// is there already is passed over.
    async fn make(self, connection: &mut AnyConnection, engine: Engine) -> Result<(), sqlx::Error> {
        for statement in self.tables.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            let statement = statement.replacen("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1);
            let made = connection.execute(AssertSqlSafe(in_words_of(engine, &statement))).await;
            // MySQL has no `IF NOT EXISTS` for an index.
            if let Err(error) = made
                && !is_there_already(&error)
            {
                return Err(error);
            }
        }
        let mut transaction = connection.begin().await?;
        for statement in self.rows.map(|rows| rows()).unwrap_or_default() {
            transaction.execute(AssertSqlSafe(statement)).await?;
        }
        transaction.commit().await
    }
}

/// Whether it is said of an index that there is one of this name: of a table, nothing is said.
fn is_there_already(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => error.number() == 1061,
        None => error.code().as_deref() == Some("42P07"),
    }
}

/// The types in the engine's own words, where they differ.
fn in_words_of(engine: Engine, sql: &str) -> String {
    match engine {
        Engine::Mysql => sql.to_owned(),
        Engine::Postgres => sql.replace("DATETIME(6)", "TIMESTAMP(6)"),
    }
}

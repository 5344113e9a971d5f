//! A direct way to the application's databases, past its services: for the verdict, and for whoever looks at the sandbox.

use std::time::Duration;

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use table_diff::{Engine, Target};
use tokio::time::timeout;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that is asked for texts.
pub struct Login {
    connection: Either,
}

enum Either {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
}

impl Login {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not answer, or lets nobody in.
    pub async fn connect(target: &Target) -> Result<Self, sqlx::Error> {
        let connecting = async {
            Ok(match target.engine {
                Engine::MySql => {
                    let options = target.mysql_options().database(&target.database);
                    Either::MySql(Box::new(MySqlConnection::connect_with(&options).await?))
                }
                Engine::Postgres => {
                    let options = target.postgres_options().database(&target.database);
                    Either::Postgres(Box::new(PgConnection::connect_with(&options).await?))
                }
            })
        };
        let connection = timeout(PATIENCE, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        Ok(Self { connection })
    }

    /// The rows of a query whose columns are texts.
    ///
    /// # Errors
    /// When it is none, or the server is gone.
    pub async fn texts<const N: usize>(
        &mut self,
        sql: &'static str,
    ) -> Result<Vec<[String; N]>, sqlx::Error> {
        fn row<R: Row, const N: usize>(row: &R) -> Result<[String; N], sqlx::Error>
        where
            usize: sqlx::ColumnIndex<R>,
            String: for<'a> sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
        {
            let mut texts = [const { String::new() }; N];
            for (column, text) in texts.iter_mut().enumerate() {
                *text = row.try_get(column)?;
            }
            Ok(texts)
        }
        let query = || AssertSqlSafe(sql.to_owned());
        match &mut self.connection {
            Either::MySql(connection) => {
                sqlx::query(query()).fetch_all(&mut **connection).await?.iter().map(row).collect()
            }
            Either::Postgres(connection) => {
                sqlx::query(query()).fetch_all(&mut **connection).await?.iter().map(row).collect()
            }
        }
    }
}

/// The engine's own client, as a person types it.
pub fn engine_client(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "mariadb",
        Engine::Postgres => "psql",
    }
}

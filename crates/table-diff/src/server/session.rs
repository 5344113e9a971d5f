//! A session that only reads, and whose settings don't depend on the server's.

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::address::{Address, Login};
use crate::cells::Cells;
use crate::engine::Dialect;

/// `max_allowed_packet` a server must have: a row's canonical text without its long columns is at most some 130 KB
/// (rows are limited to 64 KB, characters take up to 4/3 of that again in UTF-8).
const PACKET: usize = 1024 * 1024;

/// How many seconds a session of MySQL's family may wait between two statements.
const WAIT: u32 = 7 * 24 * 3600;

/// Bytes of a statement at most, whatever the server allows.
const LONGEST: usize = 16 * 1024 * 1024;

/// The release of PostgreSQL that hashes values to 64 bits.
const HASHES: u32 = 110_000;

pub(super) enum Connection {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

/// Opens a connection and fixes the session's settings.
pub(super) fn open(
    address: &Address,
    timeout: Duration,
) -> BoxFuture<'_, Result<(Connection, Dialect), sqlx::Error>> {
    Box::pin(async move {
        match &address.login {
            Login::MySql(options) => {
                let (connection, dialect) = open_mysql(options, timeout).await?;
                Ok((Connection::MySql(connection), dialect))
            }
            Login::Postgres(options) => {
                let connection = open_postgres(options, timeout).await?;
                let dialect = Dialect {
                    mariadb: false,
                    md5: true,
                    hidden_index: "",
                    folds_tables: false,
                    longest: LONGEST,
                    hashes: connection.server_version_num().is_some_and(|version| version >= HASHES),
                };
                Ok((Connection::Postgres(connection), dialect))
            }
        }
    })
}

async fn open_mysql(
    options: &MySqlConnectOptions,
    timeout: Duration,
) -> Result<(MySqlConnection, Dialect), sqlx::Error> {
    let options = options
        .clone()
        .charset("utf8mb4")
        .timezone(Some("+00:00".to_owned()))
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let asked =
        "SELECT VERSION(), CAST(@@max_allowed_packet AS CHAR), CAST(@@lower_case_table_names AS CHAR)";
    let row = sqlx::raw_sql(asked).fetch_one(&mut connection).await?;
    let text = |index| row.try_get_unchecked::<String, _>(index);
    let (version, packet, names) = (text(0)?, text(1)?, text(2)?);
    let most = packet.parse::<usize>().unwrap_or_default();
    if most < PACKET {
        return Err(sqlx::Error::Protocol(format!("max_allowed_packet is {packet}, need at least {PACKET}")));
    }
    let mariadb = version.contains("MariaDB");
    let limit = if mariadb {
        format!("max_statement_time = {}", timeout.as_secs().max(1))
    } else {
        format!("max_execution_time = {}", timeout.as_millis().max(1))
    };
    // MariaDB has its own limits on a session that waits inside of a transaction, since 10.3.
    let idle = if mariadb && release(&version) >= (10, 3) {
        "SESSION idle_transaction_timeout = 0, SESSION idle_readonly_transaction_timeout = 0, "
    } else {
        ""
    };
    // A stream waits while the other side's is read, hence the long net_write_timeout; and a session while the other
    // side's statement runs, or the target is busy, hence the long wait_timeout. Without autocommit a first SELECT would
    // fix what all later ones see. REPEATABLE READ is the only level with a view of one moment. All in one go: each
    // statement is a round trip.
    let settings = format!(
        "SET SESSION autocommit = 1, SESSION wait_timeout = {WAIT}, {idle}SESSION sql_mode = '', SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, \
         SESSION sql_select_limit = 18446744073709551615, SESSION net_write_timeout = 900, SESSION {limit}; \
         SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
    let md5 = mariadb
        || match sqlx::raw_sql("SELECT MD5('')").fetch_one(&mut connection).await {
            Ok(_) => true,
            Err(sqlx::Error::Database(_)) => false,
            Err(error) => return Err(error),
        };
    let dialect = Dialect {
        mariadb,
        md5,
        hidden_index: match (mariadb, release(&version)) {
            (true, (10, 6..) | (11.., _)) => "IGNORED = 'YES'",
            (false, (8.., _)) => "IS_VISIBLE = 'NO'",
            _ => "0",
        },
        folds_tables: names != "0",
        longest: (most / 2).min(LONGEST),
        hashes: false,
    };
    Ok((connection, dialect))
}

/// The first two numbers of a server's version.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

async fn open_postgres(options: &PgConnectOptions, timeout: Duration) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    // Types, and values that are names, are written in the same way whatever the database's search_path is. A policy that hides
    // rows makes reading the table an error. A session waits while the other side's statement runs, or the target is busy:
    // no limit on that, of those that this release has.
    let settings = format!(
        "SET search_path = pg_catalog, public; SET row_security = off; \
         SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', \
         'idle_session_timeout', 'transaction_timeout', 'lock_timeout'); \
         SET default_transaction_read_only = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
         SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 3; SET bytea_output = 'hex'; \
         SET standard_conforming_strings = on; SET xmloption = 'content'; SET lc_monetary = 'C'; \
         SET statement_timeout = {}",
        timeout.as_millis().max(1)
    );
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
    Ok(connection)
}

// Every expression is cast to text or bytes by the statement and comes by the text protocol: what is read here are the
// server's own bytes, never a driver's idea of a date or a float.
pub(super) fn mysql_cells(row: &sqlx::mysql::MySqlRow) -> Result<Cells, sqlx::Error> {
    (0..row.len())
        .map(|index| Ok(row.try_get_unchecked::<Option<&[u8]>, _>(index)?.map(<[u8]>::to_vec)))
        .collect()
}

pub(super) fn postgres_cells(row: &sqlx::postgres::PgRow) -> Result<Cells, sqlx::Error> {
    (0..row.len())
        .map(|index| {
            Ok(row.try_get_unchecked::<Option<&str>, _>(index)?.map(|text| text.as_bytes().to_vec()))
        })
        .collect()
}

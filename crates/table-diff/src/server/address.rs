//! How to reach a database, by a URL or by its parts.

use std::fmt;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::target::Target;
use crate::engine::Engine;

/// How to reach a database: what a URL says, or the fields of a [`Target`].
///
/// A URL is `mysql://`, `postgres://` or `postgresql://`, then `USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE&…`. Its
/// options are those of the driver for TLS (`ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`; `sslmode`, `sslrootcert`,
/// `sslcert`, `sslkey`), `socket` on MySQL, and libpq's `host`, `hostaddr`, `port`, `dbname`, `user`, `password`,
/// `application_name` and `options` on PostgreSQL. Displayed, it is host, port and database.
#[derive(Clone)]
pub struct Address {
    pub(super) login: Login,
    user: String,
    shown: String,
}

/// What the driver connects with.
#[derive(Clone)]
pub(super) enum Login {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

/// Why a URL is no address. One line, without anything of the URL that may be part of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

/// Options of a MySQL URL. The driver ignores what it does not know, and a `ssl-mod` that is ignored is no encryption.
const MYSQL_OPTIONS: [&str; 9] =
    ["ssl-mode", "sslmode", "ssl-ca", "sslca", "ssl-cert", "sslcert", "ssl-key", "sslkey", "socket"];

/// Options of a PostgreSQL URL.
const POSTGRES_OPTIONS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

impl Address {
    /// Reads a URL. Without a password in it, PostgreSQL's is that of `PGPASSWORD` or the password file.
    ///
    /// # Errors
    /// When the scheme is another, no database is named, or an option is not known or not valid.
    pub fn from_url(url: &str) -> Result<Self, AddressError> {
        let refused = |why: String| Err(AddressError(why));
        let Some((scheme, rest)) = url.split_once("://") else {
            return refused(
                "it is not a URL: write mysql://USER@HOST/DATABASE or postgres://USER@HOST/DATABASE".into(),
            );
        };
        let engine = match scheme {
            "mysql" => Engine::MySql,
            "postgres" | "postgresql" => Engine::Postgres,
            // Not repeated: what is before `://` may be anything, in a URL that was put together wrongly.
            _ => return refused("its scheme is not known: use mysql:// or postgres://".into()),
        };
        // Such a password ends the host's part of the URL too early, and would be shown as a part of the address.
        let behind_host = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default();
        if behind_host.contains('@') || behind_host.contains('#') {
            return refused(
                "there is a # in it, or an @ behind the host: write / ? # @ and % in user, password and database as %2F %3F %23 %40 %25".into(),
            );
        }
        // The driver would show what follows it as a part of an option's value.
        if behind_host.matches('?').count() > 1 {
            return refused(
                "there is a second ? in it: write & between options, and ? in a value as %3F".into(),
            );
        }
        let known = |name: &str| match engine {
            Engine::MySql => MYSQL_OPTIONS.contains(&name),
            Engine::Postgres => POSTGRES_OPTIONS.contains(&name) || name.starts_with("options["),
        };
        let query = behind_host.split_once('?').map_or("", |(_, query)| query);
        let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        if let Some(name) = names.filter(|name| !name.is_empty()).find(|name| !known(name)) {
            return refused(format!("its option {name:?} is not known, or has no place here"));
        }
        let (login, host, database) = match engine {
            Engine::MySql => {
                let options: MySqlConnectOptions = url.parse().map_err(|error| invalid(&error))?;
                let host = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let database = options.get_database().map(str::to_owned);
                (Login::MySql(Box::new(options)), host, database)
            }
            Engine::Postgres => {
                let options: PgConnectOptions = url.parse().map_err(|error| invalid(&error))?;
                let host = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", options.get_host(), options.get_port()),
                };
                let database = options.get_database().map(str::to_owned);
                (Login::Postgres(Box::new(options)), host, database)
            }
        };
        let Some(database) = database else {
            return refused(format!("it names no database: write {scheme}://USER@HOST/DATABASE"));
        };
        let user = match &login {
            Login::MySql(options) => options.get_username().to_owned(),
            Login::Postgres(options) => options.get_username().to_owned(),
        };
        Ok(Self { login, user, shown: format!("{host}/{database}") })
    }

    /// What the server speaks.
    pub fn engine(&self) -> Engine {
        match self.login {
            Login::MySql(_) => Engine::MySql,
            Login::Postgres(_) => Engine::Postgres,
        }
    }
}

/// The driver's words on a URL, without its preface.
fn invalid(error: &sqlx::Error) -> AddressError {
    match error {
        sqlx::Error::Configuration(cause) => match cause.downcast_ref::<sqlx::Error>() {
            Some(inner) => invalid(inner),
            None => AddressError(format!("it is not valid: {cause}")),
        },
        other => AddressError(format!("it is not valid: {other}")),
    }
}

impl From<Target> for Address {
    fn from(target: Target) -> Self {
        let login = match target.engine {
            Engine::MySql => Login::MySql(Box::new(target.mysql_options().database(&target.database))),
            Engine::Postgres => {
                Login::Postgres(Box::new(target.postgres_options().database(&target.database)))
            }
        };
        let shown = target.to_string();
        Self { login, user: target.user, shown }
    }
}

// Not derived: a password is not to be printed.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?} {}@{self})", self.engine(), self.user)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_from_a_url_and_shown_without_its_password() {
        for (url, shown, user) in [
            ("mysql://u:hush@h/d", "h:3306/d", "u"),
            ("mysql://u:hush@h:3307/d?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem", "h:3307/d", "u"),
            ("mysql://u:hush%2F%40@h/d%2Fe?socket=/run/s", "/run/s/d/e", "u"),
            ("postgresql://u:hush@h/d?sslmode=verify-full&sslrootcert=/ca.pem", "h:5432/d", "u"),
            ("postgres://h/d?user=u%40v&password=hush&port=5433&options[a]=b", "h:5433/d", "u@v"),
        ] {
            let address = Address::from_url(url).unwrap();
            assert_eq!(address.to_string(), shown);
            let debug = format!("{address:?}");
            assert!(debug.contains(&format!(" {user}@{shown}")) && !debug.contains("hush"), "{debug}");
        }
    }

    #[test]
    fn a_url_that_is_no_address_is_refused_without_its_password() {
        for (url, reason) in [
            ("hush", "not a URL"),
            ("hush://u:hush@h/d", "scheme is not known"),
            ("mysql://u:hush@h", "names no database: write mysql://"),
            ("postgres://u:hush@h/", "names no database: write postgres://"),
            ("mysql://u:hush@h/d?ssl-mode=hardly", "not valid: unknown value \"hardly\" for `ssl_mode`"),
            ("postgres://u:hush@h/d?sslmode=hardly", "not valid: unknown value \"hardly\" for `ssl_mode`"),
            ("mysql://u:hush@h/d?ssl-mod=required", "option \"ssl-mod\" is not known"),
            ("mysql://u:hush@h/d?charset=latin1", "option \"charset\" is not known, or has no place here"),
            ("mysql://u:hush@h:port/d", "not valid: invalid port number"),
            // A password that was not encoded looks like a port and a database.
            ("mysql://u:1/hush@h/d", "as %2F"),
            ("mysql://u:1?hush@h/d", "as %2F"),
            ("mysql://u:1#hush@h/d", "as %2F"),
            ("mysql://u:hu@h/d#sh", "as %2F"),
        ] {
            let refused = Address::from_url(url).unwrap_err().to_string();
            assert!(refused.contains(reason), "{url}: {refused}");
            assert!(!refused.contains("hush") && !refused.contains('\n'), "{url}: {refused}");
        }
    }
}

//! Where a database is, by its parts.

use std::fmt;
use std::sync::Arc;

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::engine::Engine;

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// What it speaks.
    pub engine: Engine,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
    /// Name of the database.
    pub database: String,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How a connection is protected.
#[derive(Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Disabled,
    /// Encrypted, whoever the server is.
    Required,
    /// Encrypted, and the server proves to be the host: by a certificate for it that one of these authorities has signed
    /// (PEM), or one that this machine trusts anyway, which the driver can't leave out.
    Verified(Arc<[u8]>),
}

// Not derived: nobody wants to read certificates.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "Disabled",
            Self::Required => "Required",
            Self::Verified(_) => "Verified",
        })
    }
}

// Not derived: a password is not to be printed.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?} {}@{self})", self.engine, self.user)
    }
}

impl Target {
    /// For the driver, without the database.
    pub fn mysql_options(&self) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password);
        match &self.tls {
            Tls::Disabled => options.ssl_mode(MySqlSslMode::Disabled),
            Tls::Required => options.ssl_mode(MySqlSslMode::Required),
            Tls::Verified(authorities) => {
                // A token of IAM is sent as it is, which the driver does only when it is enabled: to a server that
                // has proved to be the host, inside TLS.
                options
                    .ssl_mode(MySqlSslMode::VerifyIdentity)
                    .ssl_ca_from_pem(authorities.to_vec())
                    .enable_cleartext_plugin(true)
            }
        }
    }

    /// For the driver, without the database.
    pub fn postgres_options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password);
        match &self.tls {
            Tls::Disabled => options.ssl_mode(PgSslMode::Disable),
            Tls::Required => options.ssl_mode(PgSslMode::Require),
            Tls::Verified(authorities) => {
                options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(authorities.to_vec())
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

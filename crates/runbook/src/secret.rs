//! Database credentials, fetched from Secrets Manager when needed, in a type that can't be printed.

use std::fmt;

use aws_config::SdkConfig;
use serde::Deserialize;

use crate::error::{Kind, StepError};

/// A secret text. `Debug` and `Display` print `******`; [`Secret::expose`] is the one way to its value.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "******")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "******")
    }
}

/// User and password of a database, in the form that RDS and Secrets Manager keep them; other fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// Fetches the credentials kept under `secret` (name or ARN) in the Region of `config`.
///
/// # Errors
/// When the secret can't be read, or is not JSON with `username` and `password`. Nothing of its content is shown.
pub async fn credentials(config: &SdkConfig, secret: &str) -> Result<Credentials, StepError> {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let answer = client
        .get_secret_value()
        .secret_id(secret)
        .send()
        .await
        .map_err(|error| StepError::aws(format!("reading secret {secret}"), error))?;
    // serde_json's errors quote the input: the cause is left out on purpose.
    serde_json::from_str(answer.secret_string().unwrap_or_default()).map_err(|_| {
        StepError::new(
            Kind::BadPlan,
            format!("secret {secret} is not a JSON object with `username` and `password`"),
            "store it in the form that RDS uses",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let credentials: Credentials =
            serde_json::from_str(r#"{"username":"u","password":"hush","port":1}"#).unwrap();
        assert_eq!(
            format!("{credentials:?} {}", credentials.password),
            r#"Credentials { username: "u", password: ****** } ******"#
        );
        assert_eq!(credentials.password.expose(), "hush");
    }
}

//! User and password of a database, from Secrets Manager, where they are rotated.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use serde::Deserialize;

use crate::aws::sdk_config;

/// Who signs in.
#[derive(Deserialize)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
}

/// A secret in the form that RDS and Secrets Manager keep credentials in.
pub struct Secret {
    client: Client,
    id: String,
}

impl Secret {
    /// The one of this name or ARN, in the Region of the environment.
    pub async fn new(id: String) -> Self {
        Self { client: Client::new(&sdk_config().await), id }
    }

    /// What it holds now.
    ///
    /// # Errors
    /// In words without anything of the secret.
    pub async fn read(&self) -> Result<Credentials, String> {
        let asked = self.client.get_secret_value().secret_id(&self.id).send().await;
        let value = asked.map_err(|error| DisplayErrorContext(error).to_string())?;
        // The parser's own words may quote it.
        let read = value.secret_string().and_then(|text| serde_json::from_str(text).ok());
        read.ok_or_else(|| "it has no username and password".to_owned())
    }
}

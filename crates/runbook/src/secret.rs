//! Database credentials in a type that can't be printed: fetched from Secrets Manager when needed, or signed for IAM
//! database authentication.

use std::fmt;

use aws_config::{Region, SdkConfig};
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use serde::Deserialize;

use crate::error::{Kind, StepError};

/// A secret text. `Debug` and `Display` print `******`, it can't be serialised; [`Secret::expose`] is the one way to its
/// value.
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

/// How the functions sign in to a database. Displayed, who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// With user and password of the secret of this name or ARN.
    Secret(String),
    /// As this database user, with a token that says which role asks: IAM decides.
    Iam(String),
}

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => write!(f, "the user of secret {secret}"),
            Self::Iam(user) => write!(f, "database user {user} by IAM"),
        }
    }
}

/// A database server.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its Region.
    pub region: &'a str,
    /// The host, as it is connected to: a token is good for no other name.
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

impl SignIn {
    /// User and password for the server at `place`. The secret is read in the Region of `config`.
    ///
    /// A token is good for a connection that is made within 15 minutes ("IAM database authentication", Aurora user guide),
    /// so it is signed anew for each call of a function, which lasts five at most, and is good for every connection of it.
    ///
    /// # Errors
    /// As [`credentials`], or when there are no credentials of AWS to sign with.
    pub async fn credentials(&self, config: &SdkConfig, place: Place<'_>) -> Result<Credentials, StepError> {
        match self {
            Self::Secret(secret) => credentials(config, secret).await,
            Self::Iam(user) => {
                let signed = token(config, user, place).await.map_err(|error| {
                    StepError::new(
                        Kind::Failed,
                        format!("signing in to {} as {self} failed", place.host),
                        "check that the function has its role's credentials, then run the step again",
                    )
                    .with_source(error)
                })?;
                Ok(Credentials { username: user.clone(), password: signed })
            }
        }
    }

    /// User and password as they were before the secret's last rotation, for a server that is older than that; `None` when
    /// there is no such version, or no secret.
    ///
    /// # Errors
    /// As [`credentials`].
    pub async fn previous(&self, config: &SdkConfig) -> Result<Option<Credentials>, StepError> {
        match self {
            Self::Secret(secret) => read(config, secret, Version::Previous).await,
            Self::Iam(_) => Ok(None),
        }
    }

    /// What to look at when a server does not let them in.
    pub fn remedy(&self) -> String {
        match self {
            Self::Secret(secret) => format!("check user and password in secret {secret}"),
            Self::Iam(user) => format!(
                "check that {user} was made for IAM, that the cluster has IAM database authentication, and that the stack's \
                 DatabaseUserArns (for a restored cluster RestoredDatabaseUserArns) name its user {user}"
            ),
        }
    }
}

/// A presigned request, of which the database server asks IAM whether it is good.
async fn token(
    config: &SdkConfig,
    user: &str,
    place: Place<'_>,
) -> Result<Secret, Box<dyn std::error::Error + Send + Sync>> {
    let request = Config::builder()
        .hostname(place.host)
        .port(u64::from(place.port))
        .username(user)
        .region(Region::new(place.region.to_owned()))
        .build()?;
    Ok(Secret::new(AuthTokenGenerator::new(request).auth_token(config).await?.as_str()))
}

/// A version of a secret, by its staging label ("Staging labels", AWS Secrets Manager User Guide).
#[derive(Clone, Copy, PartialEq)]
enum Version {
    /// `AWSCURRENT`.
    Current,
    /// `AWSPREVIOUS`: what was current before the last rotation.
    Previous,
}

/// Fetches the credentials kept under `secret` (name or ARN) in the Region of `config`.
///
/// # Errors
/// When the secret can't be read, or is not JSON with `username` and `password`. Nothing of its content is shown.
pub async fn credentials(config: &SdkConfig, secret: &str) -> Result<Credentials, StepError> {
    let current = read(config, secret, Version::Current).await?;
    // `read` says itself what is wrong with the current version.
    current.ok_or_else(|| unreadable(secret))
}

async fn read(config: &SdkConfig, secret: &str, version: Version) -> Result<Option<Credentials>, StepError> {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let previous = version == Version::Previous;
    let call = client
        .get_secret_value()
        .secret_id(secret)
        .set_version_stage(previous.then(|| "AWSPREVIOUS".to_owned()));
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error)
            if previous
                && error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(StepError::aws(format!("reading secret {secret}"), error)),
    };
    // serde_json's errors quote the input: the cause is left out on purpose.
    let read = serde_json::from_str(answer.secret_string().unwrap_or_default());
    read.map(Some).map_err(|_| unreadable(secret))
}

fn unreadable(secret: &str) -> StepError {
    StepError::new(
        Kind::BadPlan,
        format!("secret {secret} is not a JSON object with `username` and `password`"),
        "store it in the form that RDS uses",
    )
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

    /// `Serialize` of a type that has it hides the one of `Secret`, which has none: asked in a way that the compiler answers.
    #[test]
    fn a_secret_can_not_be_serialised() {
        trait Fallback {
            const SERIALISES: bool = false;
        }
        impl<T> Fallback for T {}
        struct Ask<T>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "it is there for types that are serialised")]
        impl<T: serde::Serialize> Ask<T> {
            const SERIALISES: bool = true;
        }
        const { assert!(Ask::<String>::SERIALISES) };
        const { assert!(!Ask::<Secret>::SERIALISES && !Ask::<Credentials>::SERIALISES) };
    }

    #[tokio::test]
    async fn a_token_is_a_request_for_this_user_at_this_server_signed_now_in_its_region_for_a_quarter_of_an_hour()
     {
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_651_200);
        let keys =
            aws_sdk_rds::config::Credentials::new("AKID", "hush", Some("session".into()), None, "test");
        let config = SdkConfig::builder()
            .region(Region::new("eu-central-1"))
            .credentials_provider(aws_sdk_rds::config::SharedCredentialsProvider::new(keys))
            .time_source(aws_smithy_async::time::StaticTimeSource::new(now))
            .build();
        let place =
            Place { region: "eu-west-1", host: "orders.cluster-x.eu-west-1.rds.amazonaws.com", port: 3307 };
        let signed = SignIn::Iam("causeway".into()).credentials(&config, place).await.unwrap();
        assert_eq!(signed.username, "causeway");
        let token = signed.password.expose();
        let (request, query) = token.split_once('?').unwrap();
        assert_eq!(request, "orders.cluster-x.eu-west-1.rds.amazonaws.com:3307/");
        let (signature, mut fields): (Vec<_>, Vec<_>) =
            query.split('&').partition(|field| field.starts_with("X-Amz-Signature="));
        let signature = signature[0].split_once('=').unwrap().1;
        assert!(signature.len() == 64 && signature.chars().all(|c| c.is_ascii_hexdigit()), "{signature}");
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "Action=connect",
                "DBUser=causeway",
                "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                "X-Amz-Credential=AKID%2F20261126%2Feu-west-1%2Frds-db%2Faws4_request",
                "X-Amz-Date=20261126T000000Z",
                "X-Amz-Expires=900",
                "X-Amz-Security-Token=session",
                "X-Amz-SignedHeaders=host",
            ]
        );
        assert!(!format!("{signed:?}").contains(signature), "{signed:?}");
        // Each is another request.
        let elsewhere = Place { port: 3306, ..place };
        let other = SignIn::Iam("causeway".into()).credentials(&config, elsewhere).await.unwrap();
        assert!(!other.password.expose().contains(signature));
        let nobody = SdkConfig::builder().build();
        let error = SignIn::Iam("causeway".into()).credentials(&nobody, place).await.unwrap_err().to_string();
        assert!(
            error.contains("as database user causeway by IAM failed: credentials are required"),
            "{error}"
        );
    }
}

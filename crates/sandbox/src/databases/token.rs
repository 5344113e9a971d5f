//! What an Aurora server makes of a token of IAM database authentication.
//!
//! The sandbox's MariaDB servers can't ask IAM. The rehearsals without servers do, in their place.

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::StaticTimeSource;
use jiff::{SignedDuration, Timestamp};
use runbook::secret::{Place, SignIn};

use crate::wire::SECRET;

/// How long a token is good.
const LIFE: SignedDuration = SignedDuration::from_mins(15);

/// The access key id that a token was signed with.
///
/// # Errors
/// When it is not a request to connect to this server as this user, signed with the sandbox's secret for its Region in
/// the quarter of an hour before `now`.
pub async fn signer(token: &str, user: &str, place: Place<'_>, now: Timestamp) -> Result<String, String> {
    let query = token.split_once('?').map_or("", |(_, query)| query);
    let field = |name: &str| {
        let fields = query.split('&').filter_map(|field| field.split_once('='));
        fields.clone().find(|(known, _)| *known == name).map(|(_, value)| value).ok_or(format!("no {name}"))
    };
    let key = field("X-Amz-Credential")?.split("%2F").next().unwrap_or_default();
    let spoken = field("X-Amz-Date")?;
    let signed: Timestamp = jiff::fmt::strtime::parse("%Y%m%dT%H%M%S%z", spoken.replace('Z', "+0000"))
        .and_then(|time| time.to_timestamp())
        .map_err(|error| format!("{spoken}: {error}"))?;
    if signed > now || now.duration_since(signed) > LIFE {
        return Err(format!("it is of {signed}"));
    }
    // Who signs the same request with the same secret gets the same token.
    let time = StaticTimeSource::from_secs(signed.as_second().unsigned_abs());
    let keys = SharedCredentialsProvider::new(Credentials::from_keys(key, SECRET, None));
    let config = SdkConfig::builder()
        .region(Region::new(place.region.to_owned()))
        .credentials_provider(keys)
        .time_source(time)
        .build();
    let same = SignIn::Iam(user.to_owned()).credentials(&config, place).await;
    match same {
        Ok(same) if same.password.expose() == token => Ok(key.to_owned()),
        Ok(_) => Err("it is another request, or signed otherwise".into()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_good_for_one_user_of_one_server_for_a_quarter_of_an_hour() {
        let now: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
        let sign = async |secret: &str| {
            let keys = Credentials::from_keys("SANDBOX.sandbox-west.causeway-replay", secret, None);
            let config = SdkConfig::builder()
                .credentials_provider(SharedCredentialsProvider::new(keys))
                .time_source(StaticTimeSource::from_secs(now.as_second().unsigned_abs()))
                .build();
            let place = Place { region: "sandbox-west", host: "db", port: 3306 };
            let signed = SignIn::Iam("app".into()).credentials(&config, place).await.unwrap();
            signed.password.expose().to_owned()
        };
        let token = sign(SECRET).await;
        let place = Place { region: "sandbox-west", host: "db", port: 3306 };
        let later = |minutes| now + SignedDuration::from_mins(minutes);
        assert_eq!(
            signer(&token, "app", place, later(15)).await.unwrap(),
            "SANDBOX.sandbox-west.causeway-replay"
        );
        for (token, user, place, at) in [
            (token.clone(), "app", place, later(16)),
            (token.clone(), "app", place, later(-1)),
            (token.clone(), "other", place, now),
            (token.clone(), "app", Place { host: "other", ..place }, now),
            (token.clone(), "app", Place { port: 1, ..place }, now),
            (token.clone(), "app", Place { region: "sandbox-east", ..place }, now),
            (sign("another secret").await, "app", place, now),
            ("a password".into(), "app", place, now),
        ] {
            signer(&token, user, place, at).await.unwrap_err();
        }
    }
}

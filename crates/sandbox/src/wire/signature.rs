//! Whether a request is signed with the secret, by SigV4. The SDK's own signer signs the same request once more; who knows the
//! secret gets the same signature. S3's requests are verified by its library.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, HOST};
use subtle::ConstantTimeEq;

use super::scope::Scope;

/// How far a signature's time may be from now ("within five minutes", says IAM of itself; most services take fifteen).
const SKEW: Duration = Duration::from_secs(15 * 60);
const DATE: &str = "x-amz-date";

/// Says what is wrong with the signature of a request of this scope, if anything is.
pub(super) fn verify(request: &Request<Bytes>, scope: &Scope, secret: &str) -> Result<(), String> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let authorization = header(AUTHORIZATION.as_str()).unwrap_or_default();
    let part = |name: &str| authorization.split([',', ' ']).find_map(|part| part.strip_prefix(name));
    let signed = part("SignedHeaders=").ok_or("the Authorization header has no SignedHeaders")?;
    let signature = part("Signature=").ok_or("the Authorization header has no Signature")?;
    let names: Vec<&str> = signed.split(';').collect();
    for needed in [HOST.as_str(), DATE] {
        if !names.contains(&needed) {
            return Err(format!("the signature does not cover the header {needed}"));
        }
    }
    let time = header(DATE).and_then(time).ok_or_else(|| format!("the header {DATE} is not a time"))?;
    let now = SystemTime::now();
    let apart = now.duration_since(time).or_else(|_| time.duration_since(now));
    if apart.is_ok_and(|apart| apart > SKEW) {
        return Err("Signature expired, or of the future: the clocks are apart".into());
    }
    if again(request, scope, secret, &names, time)?.as_bytes().ct_eq(signature.as_bytes()).into() {
        Ok(())
    } else {
        Err("The request signature we calculated does not match the signature you provided: \
             AWS_SECRET_ACCESS_KEY is not the one that this sandbox printed at its start"
            .into())
    }
}

/// The signature that the secret gives this request, over the headers of these names.
fn again(
    request: &Request<Bytes>,
    scope: &Scope,
    secret: &str,
    names: &[&str],
    time: SystemTime,
) -> Result<String, String> {
    let unsignable = |error: &dyn std::fmt::Display| format!("the request can't be signed: {error}");
    let identity: Identity = Credentials::from_keys(&scope.principal, secret, None).into();
    let mut settings = SigningSettings::default();
    // What is signed is what the client has signed, no more and no less.
    settings.excluded_headers = None;
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(&scope.service)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| unsignable(&error))?
        .into();
    let headers = request.headers().iter().filter_map(|(name, value)| {
        names.contains(&name.as_str()).then(|| Some((name.as_str(), value.to_str().ok()?))).flatten()
    });
    // The host is among the headers. That of the address only makes it a whole one.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let body = SignableBody::Bytes(request.body());
    let signable =
        SignableRequest::new(request.method().as_str(), format!("http://localhost{path}"), headers, body)
            .map_err(|error| unsignable(&error))?;
    let signed = sign(signable, &parameters).map_err(|error| unsignable(&error))?;
    Ok(signed.signature().to_owned())
}

/// A time such as `20261125T101112Z`.
fn time(text: &str) -> Option<SystemTime> {
    let utc = text.strip_suffix('Z')?;
    let time = jiff::fmt::strtime::parse("%Y%m%dT%H%M%S%z", format!("{utc}+0000")).ok()?.to_timestamp();
    let seconds = u64::try_from(time.ok()?.as_second()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// The request of AWS's own test suite for signers (get-vanilla-query-order-key-case), made now.
    fn request(secret: &str) -> (Request<Bytes>, Scope) {
        let scope =
            Scope { principal: "SANDBOX".into(), region: "sandbox-west".into(), service: "rds".into() };
        let now = Timestamp::now();
        let mut request = Request::post("/a%20b/?Param2=value2&Param1=value1")
            .header(HOST, "127.0.0.1:1234")
            .header(DATE, now.strftime("%Y%m%dT%H%M%SZ").to_string())
            .body(Bytes::from_static(b"Action=DescribeDBClusters"))
            .unwrap();
        let names = [HOST.as_str(), DATE];
        let time = time(request.headers()[DATE].to_str().unwrap()).unwrap();
        let signature = again(&request, &scope, secret, &names, time).unwrap();
        let day = now.strftime("%Y%m%d");
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=SANDBOX/{day}/sandbox-west/rds/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        request.headers_mut().insert(AUTHORIZATION, authorization.parse().unwrap());
        (request, scope)
    }

    #[test]
    fn a_request_is_good_as_it_was_signed_with_the_secret_and_no_other() {
        let (good, scope) = request("secret");
        verify(&good, &scope, "secret").unwrap();
        let other_secret = verify(&good, &scope, "another").unwrap_err();
        assert!(other_secret.contains("AWS_SECRET_ACCESS_KEY"), "{other_secret}");

        let changed = |change: &dyn Fn(&mut Request<Bytes>)| {
            let (mut request, scope) = request("secret");
            change(&mut request);
            verify(&request, &scope, "secret").unwrap_err()
        };
        changed(&|request| *request.body_mut() = Bytes::from_static(b"Action=DeleteDBCluster"));
        changed(&|request| *request.method_mut() = http::Method::GET);
        changed(&|request| *request.uri_mut() = "/?Param1=value1".parse().unwrap());
        changed(&|request| {
            request.headers_mut().insert(HOST, "evil.example.com".parse().unwrap());
        });
        let rewritten = |from: &'static str, to: &'static str| {
            changed(&move |request| {
                let text = request.headers()[AUTHORIZATION].to_str().unwrap().replace(from, to);
                request.headers_mut().insert(AUTHORIZATION, text.parse().unwrap());
            })
        };
        assert!(rewritten("host;x-amz-date", "x-amz-date").contains("cover the header host"));
        assert!(rewritten("host;x-amz-date", "host").contains("cover the header x-amz-date"));
        rewritten(", Signature=", ", Signature=00");
        assert!(rewritten("Signature=", "S=").contains("no Signature"));
        for (other, says) in [("20200101T000000Z", "clocks"), ("tomorrow", "not a time")] {
            let said = changed(&|request| {
                request.headers_mut().insert(DATE, other.parse().unwrap());
            });
            assert!(said.contains(says), "{said}");
        }
        for other in [
            Scope { region: "sandbox-east".into(), ..scope.clone() },
            Scope { service: "sts".into(), ..scope },
        ] {
            verify(&good, &other, "secret").unwrap_err();
        }
    }
}

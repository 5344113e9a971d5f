//! Who calls what, as the SigV4 `Authorization` header says it.

use http::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;

use crate::api::{ApiError, Call};

/// The credential scope of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub principal: String,
    pub region: String,
    pub service: String,
}

impl Scope {
    /// Reads the header `AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request, …`.
    pub fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let forbidden = |code: &str, message: &str| ApiError::with_status(403, code, message);
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Err(forbidden(
                "MissingAuthenticationToken",
                "the request is not signed; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
            ));
        };
        header.to_str().ok().and_then(Self::parse).ok_or_else(|| {
            forbidden(
                "IncompleteSignature",
                "the Authorization header is not AWS4-HMAC-SHA256 with Credential=ID/DATE/REGION/SERVICE/aws4_request",
            )
        })
    }

    fn parse(header: &str) -> Option<Self> {
        let mut parts = header.strip_prefix("AWS4-HMAC-SHA256 ")?.split(',');
        let credential = parts.find_map(|part| part.trim().strip_prefix("Credential="))?;
        let [principal, _date, region, service, "aws4_request"] =
            credential.split('/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        let all = [principal, region, service];
        all.iter().all(|part| !part.is_empty()).then(|| {
            let [principal, region, service] = all.map(str::to_owned);
            Self { principal, region, service }
        })
    }

    /// The call that a request of this scope makes.
    pub fn call(self, operation: String, input: Value) -> Call {
        Call { principal: self.principal, region: self.region, service: self.service, operation, input }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_and_a_bad_header_is_refused_in_words() {
        let read = |header: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            Scope::of(&headers)
        };
        let scope = Scope {
            principal: "SANDBOX.sandbox-east.causeway-preflight".into(),
            region: "sandbox-east".into(),
            service: "rds".into(),
        };
        let good = "AWS4-HMAC-SHA256 Credential=SANDBOX.sandbox-east.causeway-preflight/20261125/sandbox-east/rds/aws4_request, \
                    SignedHeaders=host;x-amz-date, Signature=00";
        assert_eq!(read(good).unwrap(), scope);
        for bad in [
            "Bearer x",
            "AWS4-HMAC-SHA256 SignedHeaders=host",
            "AWS4-HMAC-SHA256 Credential=A/20261125/rds/aws4_request, Signature=00",
            "AWS4-HMAC-SHA256 Credential=A/20261125//rds/aws4_request, Signature=00",
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!((error.status, error.code.as_str()), (403, "IncompleteSignature"), "{bad}");
        }
        let error = Scope::of(&HeaderMap::new()).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (403, "MissingAuthenticationToken"));
    }
}

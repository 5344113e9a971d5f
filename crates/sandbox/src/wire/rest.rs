//! REST JSON, for the services that speak it: the ARC control plane, FIS, and Lambda's `Invoke`.
//!
//! `Invoke` is the call `{"FunctionName", "Payload": value, "InvocationType"?, "Qualifier"?}`, answered by
//! `{"StatusCode": 200, "FunctionError"?, "Payload": value}`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::json as aws_json;
use super::response::{malformed, response, set_header, unknown};
use crate::api::ApiError;

const CONFIG: &str = "route53-recovery-control-config";
const FIS: &str = "fis";

/// Service, method, path, operation.
const ROUTES: [(&str, &str, &str, &str); 13] = [
    ("lambda", "POST", "/2015-03-31/functions/{FunctionName}/invocations", INVOKE),
    (CONFIG, "GET", "/cluster", "ListClusters"),
    (CONFIG, "GET", "/cluster/{ClusterArn}", "DescribeCluster"),
    (CONFIG, "GET", "/controlpanels", "ListControlPanels"),
    (CONFIG, "GET", "/controlpanel/{ControlPanelArn}/routingcontrols", "ListRoutingControls"),
    (CONFIG, "GET", "/controlpanel/{ControlPanelArn}/safetyrules", "ListSafetyRules"),
    (CONFIG, "GET", "/routingcontrol/{RoutingControlArn}", "DescribeRoutingControl"),
    (FIS, "GET", "/experimentTemplates", "ListExperimentTemplates"),
    (FIS, "GET", "/experimentTemplates/{id}", "GetExperimentTemplate"),
    (FIS, "GET", "/experiments", "ListExperiments"),
    (FIS, "POST", "/experiments", "StartExperiment"),
    (FIS, "GET", "/experiments/{id}", "GetExperiment"),
    (FIS, "DELETE", "/experiments/{id}", "StopExperiment"),
];

const INVOKE: &str = "Invoke";

pub(super) fn decode(service: &str, request: &Request<Bytes>) -> Result<(String, Value), ApiError> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let (operation, labels) = ROUTES
        .iter()
        .filter(|route| route.0 == service && route.1 == method)
        .find_map(|route| Some((route.3, labels(route.2, path)?)))
        .ok_or_else(|| unknown(format!("{method} {path} of the service {service}")))?;
    let mut input = Map::new();
    if operation == INVOKE {
        invoke_input(request, &mut input)?;
    } else if let Value::Object(body) = aws_json::body(request.body())? {
        input = body;
    }
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        let number =
            ["MaxResults", "maxResults"].contains(&&*name).then(|| value.parse::<u32>().ok()).flatten();
        input.insert(name.into_owned(), number.map_or_else(|| value.into_owned().into(), Value::from));
    }
    input.extend(labels.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
    Ok((operation.to_owned(), Value::Object(input)))
}

/// The labels of a path, or nothing when it does not fit the template.
fn labels<'t>(template: &'t str, path: &str) -> Option<Vec<(&'t str, String)>> {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let mut labels = Vec::new();
    if template.len() != path.len() {
        return None;
    }
    for (expected, found) in template.into_iter().zip(path) {
        let found: Cow<str> = percent_decode_str(found).decode_utf8().ok()?;
        match expected.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            Some(label) if !found.is_empty() => labels.push((label, found.into_owned())),
            None if expected == found => {}
            _ => return None,
        }
    }
    Some(labels)
}

fn invoke_input(request: &Request<Bytes>, input: &mut Map<String, Value>) -> Result<(), ApiError> {
    if let Some(kind) = request.headers().get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok()) {
        input.insert("InvocationType".into(), kind.into());
    }
    let payload = match &request.body()[..] {
        [] => Value::Null,
        body => serde_json::from_slice(body).map_err(|error| ApiError {
            code: "InvalidRequestContentException".into(),
            ..malformed(format!("Could not parse request body into json: {error}"))
        })?,
    };
    input.insert("Payload".into(), payload);
    Ok(())
}

pub(super) fn success(operation: &str, output: Value) -> Response<Bytes> {
    if operation != INVOKE {
        return aws_json::success(output);
    }
    let status = output["StatusCode"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    // Only a call that waited for the function has a payload.
    let body = if status == 200 { output["Payload"].to_string() } else { String::new() };
    let mut response = response(status, "application/json", body);
    set_header(&mut response, "x-amz-executed-version", "$LATEST");
    if let Some(error) = output["FunctionError"].as_str() {
        set_header(&mut response, "x-amz-function-error", error);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(method: &str, uri: &str, body: &'static str) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri(uri)
            .header("x-amz-invocation-type", "RequestResponse")
            .body(Bytes::from(body))
            .unwrap()
    }

    #[test]
    fn paths_and_queries_become_inputs() {
        let list = "/controlpanel/arn%3Aaws%3Aroute53%3A%3A0%3Acontrolpanel%2Fp/routingcontrols?MaxResults=7&NextToken=x";
        assert_eq!(
            decode(CONFIG, &request("GET", list, "")).unwrap(),
            (
                "ListRoutingControls".to_owned(),
                json!({"MaxResults": 7, "NextToken": "x", "ControlPanelArn": "arn:aws:route53::0:controlpanel/p"})
            )
        );
        assert_eq!(
            decode(FIS, &request("GET", "/experiments?maxResults=7&experimentTemplateId=EXT1", "")).unwrap(),
            ("ListExperiments".to_owned(), json!({"maxResults": 7, "experimentTemplateId": "EXT1"}))
        );
        assert_eq!(
            decode(FIS, &request("DELETE", "/experiments/EXP1", "")).unwrap(),
            ("StopExperiment".to_owned(), json!({"id": "EXP1"}))
        );
        let invoke = "/2015-03-31/functions/causeway-report/invocations";
        assert_eq!(
            decode("lambda", &request("POST", invoke, r#"{"operation":"record"}"#)).unwrap(),
            (
                "Invoke".to_owned(),
                json!({
                    "InvocationType": "RequestResponse",
                    "Payload": {"operation": "record"},
                    "FunctionName": "causeway-report",
                })
            )
        );
        assert_eq!(
            decode("lambda", &request("POST", invoke, "{")).unwrap_err().code,
            "InvalidRequestContentException"
        );
        assert_eq!(
            decode("lambda", &request("GET", "/cluster", "")).unwrap_err().code,
            "UnknownOperationException"
        );
    }

    #[test]
    fn a_function_that_failed_is_a_success_with_a_header() {
        let output = json!({"StatusCode": 200, "FunctionError": "Unhandled", "Payload": {"errorType": "x"}});
        let response = success(INVOKE, output);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-amz-function-error"], "Unhandled");
        assert_eq!(response.body(), r#"{"errorType":"x"}"#);
        assert!(success(INVOKE, json!({"StatusCode": 202})).body().is_empty());
    }
}

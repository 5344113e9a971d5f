//! Smithy RPC v2 with CBOR: `POST /service/SERVICE/operation/OPERATION`. Timestamps carry CBOR's tag 1.

use bytes::Bytes;
use ciborium::Value as Cbor;
use http::{Request, Response};
use serde_json::{Map, Number, Value, json};

use super::response::{malformed, response, set_header, unknown};
use super::tables;
use crate::api::ApiError;

/// CBOR's tag of seconds since 1970.
const TIME: u64 = 1;

pub(super) fn decode(request: &Request<Bytes>) -> Result<(String, Value), ApiError> {
    let path = request.uri().path();
    let operation = match path.split('/').collect::<Vec<_>>()[..] {
        ["", "service", _, "operation", operation] if !operation.is_empty() => operation.to_owned(),
        _ => return Err(unknown(format!("the path {path}"))),
    };
    if request.body().is_empty() {
        return Ok((operation, json!({})));
    }
    let input: Cbor = ciborium::from_reader(&request.body()[..])
        .map_err(|error| malformed(format!("the body is not CBOR: {error}")))?;
    Ok((operation, from_cbor(input)))
}

fn from_cbor(value: Cbor) -> Value {
    match value {
        Cbor::Bool(value) => value.into(),
        Cbor::Integer(value) => {
            let value = i128::from(value);
            i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from)
        }
        Cbor::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Cbor::Text(text) => text.into(),
        Cbor::Bytes(bytes) => {
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes).into()
        }
        Cbor::Array(items) => items.into_iter().map(from_cbor).collect(),
        Cbor::Map(members) => {
            let members = members
                .into_iter()
                .filter_map(|(name, value)| Some((name.into_text().ok()?, from_cbor(value))));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Cbor::Tag(TIME, time) => {
            from_cbor(*time).as_f64().and_then(tables::rfc3339).map_or(Value::Null, Value::String)
        }
        Cbor::Tag(_, value) => from_cbor(*value),
        _ => Value::Null,
    }
}

/// `name` is that of the member, or of the list that the value stands in.
fn to_cbor(name: &str, value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) if !tables::is_double(name) => Cbor::Integer(number.into()),
            _ => number.as_f64().map_or(Cbor::Null, Cbor::Float),
        },
        Value::String(text) => match tables::seconds(text).filter(|_| tables::is_time(name)) {
            Some(seconds) => Cbor::Tag(TIME, Box::new(Cbor::Float(seconds))),
            None => Cbor::Text(text.clone()),
        },
        Value::Array(items) => Cbor::Array(items.iter().map(|item| to_cbor(name, item)).collect()),
        Value::Object(members) => Cbor::Map(
            members
                .iter()
                .filter(|(_, member)| !member.is_null())
                .map(|(name, member)| (Cbor::Text(name.clone()), to_cbor(name, member)))
                .collect(),
        ),
    }
}

fn encode(status: u16, value: &Value) -> Response<Bytes> {
    let mut body = Vec::new();
    // Writing into memory can't fail, and a JSON value holds nothing that CBOR does not.
    let status = ciborium::into_writer(&to_cbor("", value), &mut body).map_or(500, |()| status);
    let mut response = response(status, "application/cbor", body);
    set_header(&mut response, "smithy-protocol", "rpc-v2-cbor");
    response
}

pub(super) fn success(output: &Value) -> Response<Bytes> {
    // An answer is a structure, also when there is nothing in it.
    if output.is_null() { encode(200, &json!({})) } else { encode(200, output) }
}

pub(super) fn failure(error: &ApiError) -> Response<Bytes> {
    let mut response =
        encode(error.status, &json!({ "__type": tables::shape(&error.code), "message": error.message }));
    // CloudWatch spoke the query protocol before; its clients read the older code from here.
    let fault = if error.status < 500 { "Sender" } else { "Receiver" };
    set_header(&mut response, "x-amzn-query-error", &format!("{};{fault}", error.code));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_doubles_are_typed_and_come_back() {
        let value = json!({"MetricDataResults": [{
            "Id": "lag", "Timestamps": ["2026-11-25T09:00:00Z"], "Values": [200], "StatusCode": "Complete",
        }], "MaxDatapoints": 5, "NextToken": null});
        let response = success(&value);
        let decoded: Cbor = ciborium::from_reader(&response.body()[..]).unwrap();
        let Cbor::Map(members) = &decoded else { panic!("{decoded:?}") };
        assert_eq!(members.len(), 2, "null members are left out");
        let text = format!("{decoded:?}");
        assert!(text.contains("Tag(1, Float(1795597200.0))") && text.contains("Float(200.0)"), "{text}");
        assert!(text.contains("Integer(Integer(5))"), "{text}");
        assert_eq!(
            from_cbor(decoded),
            json!({"MetricDataResults": [{
                "Id": "lag", "Timestamps": ["2026-11-25T09:00:00Z"], "Values": [200.0], "StatusCode": "Complete",
            }], "MaxDatapoints": 5})
        );
    }
}

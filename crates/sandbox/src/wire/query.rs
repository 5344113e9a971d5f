//! The query protocol: a form in, XML out.
//!
//! Lists are flattened in the form: `Tags.Tag.1.Key=a&Tags.Tag.1.Value=b` is `{"Tags": [{"Key": "a", "Value": "b"}]}`,
//! whatever the items are called; under `entry` they are the entries of a map. Types come from
//! [`super::tables`].

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use http::Response;
use quick_xml::Writer;
use quick_xml::events::BytesText;
use serde_json::{Map, Value};

use super::response::{malformed, response};
use super::tables;
use crate::api::ApiError;

/// How deep a parameter may be nested; RDS needs 6.
const DEPTH: usize = 16;

/// A form's parameters by the parts of their names.
#[derive(Debug)]
enum Node {
    Leaf(String),
    Branch(BTreeMap<String, Node>),
}

pub(super) fn decode(body: &[u8]) -> Result<(String, Value), ApiError> {
    let mut root = BTreeMap::new();
    let mut operation = None;
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "Action" => operation = Some(value.into_owned()),
            "Version" => {}
            name if name.split('.').count() > DEPTH => {
                return Err(malformed(format!("{name} is nested too deep")));
            }
            name => insert(&mut root, name, value.into_owned())?,
        }
    }
    let operation =
        operation.ok_or_else(|| ApiError::new("MissingAction", "the form has no parameter Action"))?;
    Ok((operation, object(root)))
}

fn insert(branch: &mut BTreeMap<String, Node>, name: &str, value: String) -> Result<(), ApiError> {
    let Some((first, rest)) = name.split_once('.') else {
        branch.insert(name.to_owned(), Node::Leaf(value));
        return Ok(());
    };
    match branch.entry(first.to_owned()).or_insert_with(|| Node::Branch(BTreeMap::new())) {
        Node::Branch(inner) => insert(inner, rest, value),
        Node::Leaf(_) => Err(malformed(format!("{first} is given both as a text and as more than that"))),
    }
}

fn object(members: BTreeMap<String, Node>) -> Value {
    members
        .into_iter()
        .map(|(name, node)| {
            let value = convert(&name, node);
            (name, value)
        })
        .collect::<Map<_, _>>()
        .into()
}

fn convert(name: &str, node: Node) -> Value {
    let mut members = match node {
        Node::Leaf(text) => return tables::typed(name, &text),
        Node::Branch(members) => members,
    };
    if is_list(&members) {
        return list(name, members);
    }
    // One member that is a list: the name between is that of the items.
    match members.pop_first() {
        Some((item, Node::Branch(items))) if members.is_empty() && is_list(&items) => match list(name, items)
        {
            Value::Array(entries) if item == "entry" => map(entries),
            list => list,
        },
        first => {
            members.extend(first);
            object(members)
        }
    }
}

fn is_list(members: &BTreeMap<String, Node>) -> bool {
    !members.is_empty() && members.keys().all(|key| key.parse::<u32>().is_ok())
}

fn list(name: &str, items: BTreeMap<String, Node>) -> Value {
    // By number: "10" comes before "2" in the order of texts.
    let items: BTreeMap<u32, Node> =
        items.into_iter().filter_map(|(key, node)| Some((key.parse().ok()?, node))).collect();
    items.into_values().map(|node| convert(name, node)).collect()
}

/// `[{"key": …, "value": …}]`, or with `Name` and `Value`, as an object.
fn map(entries: Vec<Value>) -> Value {
    let entry = |mut entry: Value| {
        let mut take = |names: [&str; 2]| names.iter().find_map(|name| entry.get_mut(name).map(Value::take));
        let (key, value) = (take(["key", "Name"])?, take(["value", "Value"])?);
        Some((key.as_str()?.to_owned(), value))
    };
    entries.into_iter().filter_map(entry).collect::<Map<_, _>>().into()
}

pub(super) fn success(service: &str, operation: &str, output: &Value, id: &str) -> Response<Bytes> {
    let namespace = match service {
        "rds" => "http://rds.amazonaws.com/doc/2014-10-31/",
        "iam" => "https://iam.amazonaws.com/doc/2010-05-08/",
        "sns" => "http://sns.amazonaws.com/doc/2010-03-31/",
        "cloudformation" => "http://cloudformation.amazonaws.com/doc/2010-05-15/",
        "sts" => "https://sts.amazonaws.com/doc/2011-06-15/",
        "monitoring" => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        _ => "",
    };
    document(200, |xml| {
        xml.create_element(format!("{operation}Response"))
            .with_attribute(("xmlns", namespace))
            .write_inner_content(|xml| {
                xml.create_element(format!("{operation}Result"))
                    .write_inner_content(|xml| write_members(xml, output))?;
                xml.create_element("ResponseMetadata")
                    .write_inner_content(|xml| write_text(xml, "RequestId", id))?;
                Ok(())
            })?;
        Ok(())
    })
}

pub(super) fn failure(error: &ApiError, id: &str) -> Response<Bytes> {
    document(error.status, |xml| {
        xml.create_element("ErrorResponse").write_inner_content(|xml| {
            xml.create_element("Error").write_inner_content(|xml| {
                write_text(xml, "Type", if error.status < 500 { "Sender" } else { "Receiver" })?;
                write_text(xml, "Code", &error.code)?;
                write_text(xml, "Message", &error.message)
            })?;
            write_text(xml, "RequestId", id)
        })?;
        Ok(())
    })
}

type Xml = Writer<Vec<u8>>;

fn document(status: u16, write: impl FnOnce(&mut Xml) -> io::Result<()>) -> Response<Bytes> {
    let mut xml = Writer::new(Vec::new());
    // Writing into memory can't fail; were it to, the answer is a 500 rather than half a document.
    match write(&mut xml) {
        Ok(()) => response(status, "text/xml", xml.into_inner()),
        Err(error) => response(500, "text/plain", error.to_string()),
    }
}

fn write_members(xml: &mut Xml, value: &Value) -> io::Result<()> {
    value.as_object().into_iter().flatten().try_for_each(|(name, member)| write(xml, name, member))
}

fn write(xml: &mut Xml, name: &str, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Bool(value) => write_text(xml, name, if *value { "true" } else { "false" }),
        Value::Number(number) => write_text(xml, name, &number.to_string()),
        Value::String(text) => write_text(xml, name, text),
        Value::Array(items) => {
            element(xml, name, |xml| items.iter().try_for_each(|item| write(xml, tables::item(name), item)))
        }
        // SNS keeps attributes in maps; RDS has none.
        Value::Object(entries) if name == "Attributes" => element(xml, name, |xml| {
            entries.iter().try_for_each(|(key, value)| {
                element(xml, "entry", |xml| {
                    write_text(xml, "key", key)?;
                    write(xml, "value", value)
                })
            })
        }),
        Value::Object(_) => element(xml, name, |xml| write_members(xml, value)),
    }
}

fn element(xml: &mut Xml, name: &str, inner: impl FnOnce(&mut Xml) -> io::Result<()>) -> io::Result<()> {
    xml.create_element(name).write_inner_content(inner)?;
    Ok(())
}

fn write_text(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(text))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_become_inputs() {
        let cases = [
            (
                "Filters.Filter.1.Name=a&Filters.Filter.1.Values.Value.1=x&Filters.Filter.1.Values.Value.2=y&MaxRecords=20",
                json!({"Filters": [{"Name": "a", "Values": ["x", "y"]}], "MaxRecords": 20}),
            ),
            // A structure whose only member is a list stays a structure.
            ("Config.Names.member.1=x", json!({"Config": {"Names": ["x"]}})),
            ("Logs.member.2=b&Logs.member.10=c&Logs.member.1=a", json!({"Logs": ["a", "b", "c"]})),
            (
                "Attributes.entry.1.key=a&Attributes.entry.1.value=b%26%C3%A4",
                json!({"Attributes": {"a": "b&ä"}}),
            ),
            (
                "MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.StringValue=b",
                json!({"MessageAttributes": {"a": {"StringValue": "b"}}}),
            ),
            (
                "ServerlessV2ScalingConfiguration.MinCapacity=0.5&AllowDataLoss=true&Filters=",
                json!({"AllowDataLoss": true, "Filters": "", "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5}}),
            ),
        ];
        for (form, input) in cases {
            let (operation, found) = decode(format!("Action=Do&Version=1&{form}").as_bytes()).unwrap();
            assert_eq!((operation.as_str(), found), ("Do", input), "{form}");
        }
        assert_eq!(decode(b"Version=1").unwrap_err().code, "MissingAction");
        assert!(decode(format!("Action=Do&{}=1", "a.".repeat(40)).as_bytes()).is_err());
        assert!(decode(b"Action=Do&a=1&a.b=1").is_err());
    }

    #[test]
    fn answers_become_xml() {
        let output = json!({
            "GlobalClusters": [{
                "GlobalClusterIdentifier": "a<b&c",
                "FailoverState": {},
                "GlobalClusterMembers": [{"IsWriter": true, "Readers": ["r"]}],
                "DatabaseName": null,
            }],
            "Attributes": {"k": "v"},
        });
        let response = success("rds", "Do", &output, "id");
        assert_eq!(
            std::str::from_utf8(response.body()).unwrap(),
            "<DoResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DoResult><GlobalClusters>\
             <GlobalClusterMember><GlobalClusterIdentifier>a&lt;b&amp;c</GlobalClusterIdentifier>\
             <FailoverState></FailoverState><GlobalClusterMembers><GlobalClusterMember><IsWriter>true</IsWriter>\
             <Readers><member>r</member></Readers></GlobalClusterMember></GlobalClusterMembers></GlobalClusterMember>\
             </GlobalClusters><Attributes><entry><key>k</key><value>v</value></entry></Attributes></DoResult>\
             <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DoResponse>"
        );
        let error = failure(&ApiError::new("DBInstanceNotFound", "no <x>"), "id");
        assert_eq!(error.status(), 400);
        assert_eq!(
            std::str::from_utf8(error.body()).unwrap(),
            "<ErrorResponse><Error><Type>Sender</Type><Code>DBInstanceNotFound</Code><Message>no &lt;x&gt;</Message>\
             </Error><RequestId>id</RequestId></ErrorResponse>"
        );
    }
}

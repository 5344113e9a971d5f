//! Requests of AWS's protocols, signed as whoever knows the secret signs them, to a whole sandbox without its servers; and calls of
//! DynamoDB by themselves.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use dynamodb::{Delay, Tables};
use http::{Request, Response};
use jiff::Timestamp;
use rehearsals::strangers::{DEEP, Reader, hold};
use sandbox::automation::{NoFunctions, Reading};
use sandbox::clock::Clock;
use sandbox::databases::NoServers;
use sandbox::permissions::Permissions;
use sandbox::wire::SECRET;
use sandbox::{EAST, Rig};
use serde_json::{Value, json};

use crate::file;

/// A sandbox, and what it runs on. Time is paused: what waits is over at once.
struct Sandbox {
    runtime: tokio::runtime::Runtime,
    rig: Rig,
    folder: tempfile::TempDir,
    asked: usize,
}

/// After so many requests there is a new one: it remembers what it was told.
const REQUESTS: usize = 500;

thread_local! {
    static SANDBOX: RefCell<Option<Sandbox>> = const { RefCell::new(None) };
}

impl Sandbox {
    fn start() -> Self {
        static PERMISSIONS: std::sync::OnceLock<Arc<Permissions>> = std::sync::OnceLock::new();
        let template = || String::from_utf8(file("template.yaml")).unwrap();
        let permissions =
            PERMISSIONS.get_or_init(|| Permissions::read(&template(), &runbook::plan::sample()).unwrap());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        let rig = runtime.block_on(async {
            let arc = [1, 2, 3, 4, 5].map(|number| format!("http://arc-{number}.sandbox"));
            let world = sandbox::shop::world(Clock::new(300.0), Arc::new(NoServers), &arc).await.unwrap();
            Rig::builder(world, Arc::new(NoFunctions), permissions.anew())
                .runbooks(Vec::new(), Reading::default())
                .build(&folder.path().join("objects"))
                .unwrap()
        });
        Self { runtime, rig, folder, asked: 0 }
    }

    /// Asks, at the door of all services or at that of an ARC endpoint; nothing answers where the sandbox is silent.
    fn ask(&mut self, request: Request<Bytes>, arc: Option<usize>) -> Option<Response<Bytes>> {
        self.asked += 1;
        let wire = Arc::clone(&self.rig.wire);
        let answer = self.runtime.block_on(async {
            let answer = async {
                match arc {
                    Some(endpoint) => wire.handle_arc(endpoint, request).await,
                    None => wire.handle(request).await,
                }
            };
            tokio::time::timeout(Duration::from_secs(3_600), answer).await.ok().flatten()
        });
        let beside: Vec<_> =
            self.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(beside, ["objects"], "something was written beside the objects");
        answer
    }
}

/// A request as it is written: the method and the path, headers, an empty line, the body. `service` and `arc` are headers that say for
/// which service it is signed and whether it goes to an ARC endpoint.
fn parse(input: &[u8]) -> Option<(Request<Bytes>, String, Option<usize>)> {
    let end = input.windows(2).position(|two| two == b"\n\n")?;
    let (head, body) = (std::str::from_utf8(&input[..end]).ok()?, &input[end + 2..]);
    let mut lines = head.lines();
    let (method, path) = lines.next()?.split_once(' ')?;
    let (mut service, mut arc) = ("ssm".to_owned(), None);
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        match name {
            "service" => value.clone_into(&mut service),
            "arc" => arc = value.parse().ok().filter(|endpoint| *endpoint < 5),
            _ => request = request.header(name, value),
        }
    }
    Some((request.body(Bytes::copy_from_slice(body)).ok()?, service, arc))
}

/// The same, signed.
fn signed(mut request: Request<Bytes>, service: &str, region: &str) -> Option<Request<Bytes>> {
    let identity: Identity = Credentials::from_keys(sandbox::account::OPERATOR, SECRET, None).into();
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .ok()?
        .into();
    if !service.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let path = request.uri().path_and_query()?.as_str();
    let headers: Option<Vec<(&str, &str)>> =
        request.headers().iter().map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(
        request.method().as_str(),
        format!("http://localhost{path}"),
        headers?.into_iter(),
        body,
    );
    let (instructions, _) = sign(signable.ok()?, &parameters).ok()?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Some(request)
}

/// What is asked is answered, with an answer that says what is wrong where something is.
fn request(name: &'static str) -> Reader {
    Reader::of_bytes(name, |input| {
        let Some((request, service, arc)) = parse(input) else { return false };
        let region = arc.map_or(EAST, |endpoint: usize| sandbox::ARC_REGIONS[endpoint]);
        let Some(request) = signed(request, &service, region) else { return false };
        SANDBOX.with_borrow_mut(|kept| {
            let sandbox = kept.get_or_insert_with(Sandbox::start);
            let answer = sandbox.ask(request, arc);
            if sandbox.asked >= REQUESTS {
                *kept = None;
            }
            answer.is_some_and(|answer| {
                // A key of S3 that can't be a file's name is an internal error of the library.
                assert!(service == "s3" || answer.status() != 500, "{answer:?}");
                !answer.status().is_server_error()
            })
        })
    })
}

fn queries() -> Reader {
    let form = "content-type: application/x-www-form-urlencoded";
    let query = |service: &str, body: &str| format!("POST /\nservice: {service}\n{form}\n\n{body}");
    request("a request of the protocol query").examples([
        query("rds", "Action=DescribeGlobalClusters&Version=2014-10-31&Filters.Filter.1.Name=db-cluster-id&Filters.Filter.1.Values.Value.1=x"),
        query("rds", "Action=DescribeDBClusters&Version=2014-10-31&MaxRecords=20&Marker=x"),
        query("rds", "Action=RestoreDBClusterFromSnapshot&DBClusterIdentifier=c&SnapshotIdentifier=s&Engine=aurora-mysql&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v&Port=3306"),
        query("rds", "Action=FailoverGlobalCluster&GlobalClusterIdentifier=shop-orders&TargetDbClusterIdentifier=x&AllowDataLoss=true"),
        query("rds", "Action=CreateDBClusterSnapshot&DBClusterIdentifier=orders-east&DBClusterSnapshotIdentifier=s%C3%A9"),
        query("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        query("sts", "Action=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/x&RoleSessionName=x"),
        query("sns", "Action=Publish&TopicArn=arn:aws:sns:sandbox-east:000000000000:causeway-notifications&Subject=a&Message=b&MessageAttributes.entry.1.Name=k&MessageAttributes.entry.1.Value.StringValue=v"),
        query("cloudwatch", "Action=DescribeAlarms&AlarmNames.member.1=a&AlarmNames.member.10=b&StateValue=ALARM"),
        query("cloudformation", "Action=DescribeStacks&StackName=causeway"),
        query("iam", "Action=SimulatePrincipalPolicy&PolicySourceArn=arn:aws:iam::000000000000:role/x&ActionNames.member.1=rds:*&ResourceArns.member.1=*"),
    ])
}

#[test]
fn any_bytes_as_a_request_of_the_query_protocol() {
    hold(&queries());
}

fn jsons() -> Reader {
    let json = |service: &str, target: &str, body: &str| {
        format!(
            "POST /\nservice: {service}\nx-amz-target: {target}\ncontent-type: application/x-amz-json-1.1\n\n{body}"
        )
    };
    request("a request of the protocol JSON").examples([
        json("ssm", "AmazonSSM.GetParameter", r#"{"Name":"/causeway/shop/plan","WithDecryption":true}"#),
        json("ssm", "AmazonSSM.StartAutomationExecution", r#"{"DocumentName":"causeway-failover","Parameters":{"TargetRegion":["sandbox-west"]},"Tags":[{"Key":"a","Value":"b"}]}"#),
        json("ssm", "AmazonSSM.DescribeAutomationExecutions", r#"{"Filters":[{"Key":"ExecutionStatus","Values":["InProgress"]}],"MaxResults":50,"NextToken":"1"}"#),
        json("ssm", "AmazonSSM.SendAutomationSignal", r#"{"AutomationExecutionId":"00000000-0000-0000-0000-000000000000","SignalType":"Approve","Payload":{"Comment":["x"]}}"#),
        json("ssm", "AmazonSSM.PutParameter", r#"{"Name":"/a","Value":"{}","Type":"String","Overwrite":true}"#),
        json("secretsmanager", "secretsmanager.GetSecretValue", r#"{"SecretId":"shop/orders","VersionStage":"AWSCURRENT"}"#),
        json("states", "AWSStepFunctions.StartExecution", r#"{"stateMachineArn":"arn:aws:states:sandbox-east:000000000000:stateMachine:causeway-reconcile","name":"x","input":"{\"a\":[1]}"}"#),
        json("states", "AWSStepFunctions.DescribeExecution", r#"{"executionArn":"arn:aws:states:sandbox-east:000000000000:execution:causeway-reconcile:x"}"#),
        json("kms", "TrentService.DescribeKey", r#"{"KeyId":"alias/x"}"#),
        json("dynamodb", "DynamoDB_20120810.PutItem", r##"{"TableName":"shop-carts","Item":{"id":{"S":"1"},"n":{"N":"1E-5"},"m":{"M":{"l":{"L":[{"NULL":true},{"B":"AA=="}]}}}},"ConditionExpression":"attribute_not_exists(#i)","ExpressionAttributeNames":{"#i":"id"}}"##),
        json("dynamodb", "DynamoDB_20120810.Scan", r#"{"TableName":"shop-carts","Limit":5,"Segment":0,"TotalSegments":2}"#),
        json("events", "AWSEvents.PutEvents", r#"{"Entries":[{"Source":"x","DetailType":"y","Detail":"{}"}]}"#),
    ])
}

#[test]
fn any_bytes_as_a_request_of_the_json_protocol() {
    hold(&jsons());
}

fn rests() -> Reader {
    let rest = |service: &str, first: &str, headers: &str, body: &str| {
        format!("{first}\nservice: {service}{headers}\n\n{body}")
    };
    let lambda = "POST /2015-03-31/functions/causeway-report/invocations";
    let panel = "GET /controlpanel/arn%3Aaws%3Aroute53-recovery-control%3A%3A000000000000%3Acontrolpanel%2Fsandbox/routingcontrols?MaxResults=7&NextToken=x";
    let arc = |target: &str, body: &str| {
        format!(
            "POST /\nservice: route53-recovery-cluster\narc: 2\nx-amz-target: ToggleCustomerAPI.{target}\ncontent-type: application/x-amz-json-1.0\n\n{body}"
        )
    };
    request("a request of the protocol REST").examples([
        rest("lambda", lambda, "\nx-amz-invocation-type: RequestResponse", r#"{"operation":"record","plan":"/p"}"#),
        rest("lambda", lambda, "\nx-amz-invocation-type: Event", ""),
        rest("route53-recovery-control-config", panel, "", ""),
        rest("route53-recovery-control-config", "GET /cluster", "", ""),
        rest("fis", "POST /experiments", "", r#"{"experimentTemplateId":"EXT1","clientToken":"x","experimentOptions":{"actionsMode":"skip-all"},"tags":{"a":"b"}}"#),
        rest("fis", "GET /experimentTemplates?maxResults=3", "", ""),
        rest("fis", "DELETE /experiments/EXP1", "", ""),
        arc("GetRoutingControlState", r#"{"RoutingControlArn":"arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/routingcontrol/sandbox-east"}"#),
        arc("UpdateRoutingControlStates", r#"{"UpdateRoutingControlStateEntries":[{"RoutingControlArn":"x","RoutingControlState":"Off"}],"SafetyRulesToOverride":["y"]}"#),
    ])
}

#[test]
fn any_bytes_as_a_request_of_the_rest_protocol() {
    hold(&rests());
}

/// A request to CloudWatch with this input.
fn cbor(operation: &str, input: &Value) -> Vec<u8> {
    let mut request = format!(
        "POST /service/GraniteServiceVersion20100801/operation/{operation}\nservice: monitoring\nsmithy-protocol: rpc-v2-cbor\ncontent-type: application/cbor\n\n"
    )
    .into_bytes();
    ciborium::into_writer(input, &mut request).unwrap();
    request
}

fn cbors() -> Reader {
    request("a request of the protocol CBOR").examples([
        cbor("DescribeAlarms", &json!({"AlarmNames": ["a", "b"], "StateValue": "ALARM", "MaxRecords": 100})),
        cbor("PutMetricData", &json!({"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5, "Timestamp": 1_795_597_200, "Dimensions": [{"Name": "a", "Value": "b"}]}]})),
        cbor("GetMetricData", &json!({"MetricDataQueries": [{"Id": "lag", "MetricStat": {"Metric": {"Namespace": "AWS/RDS", "MetricName": "x"}, "Period": 60, "Stat": "Maximum"}}], "StartTime": 1_795_597_200.0, "EndTime": 1_795_597_800.5})),
    ])
}

#[test]
fn any_bytes_as_a_request_of_the_cbor_protocol() {
    hold(&cbors());
}

fn objects() -> Reader {
    let s3 = |first: &str, more: &str, body: &str| format!("{first}\nservice: s3{more}\n\n{body}");
    let bucket = sandbox::shop::bucket(EAST);
    let at = |method: &str, rest: &str| format!("{method} /{bucket}{rest}");
    let complete = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><PartNumber>1</PartNumber><ETag>\"x\"</ETag></Part></CompleteMultipartUpload>";
    request("a request to S3").examples([
        s3(
            &at("PUT", "/reports/shop/e%201/%C3%A4.json?x-id=PutObject"),
            "\ncontent-type: application/json\nx-amz-meta-a: b",
            "{}",
        ),
        s3(&at("GET", "/reports/shop/a.json?x-id=GetObject"), "\nrange: bytes=0-4\nif-none-match: \"x\"", ""),
        s3(&at("GET", "?list-type=2&prefix=reports%2F&delimiter=%2F&max-keys=3&start-after=a"), "", ""),
        s3(&at("HEAD", "/reports/../a"), "", ""),
        s3(&at("DELETE", "/reports/shop/a.json"), "", ""),
        s3(&at("POST", "/big?uploads"), "", ""),
        s3(&at("PUT", "/big?partNumber=1&uploadId=u"), "", "part"),
        s3(&at("POST", "/big?uploadId=u"), "", complete),
        s3(&at("PUT", "/copy"), &format!("\nx-amz-copy-source: /{bucket}/reports/shop/a.json"), ""),
        s3("GET /", "", ""),
    ])
}

#[test]
fn any_bytes_as_a_request_to_s3() {
    hold(&objects());
}

/// Calls of DynamoDB, one a line: `[operation, input]`.
fn calls() -> Reader {
    let reader = Reader::of_bytes("calls of DynamoDB", |bytes| {
        let delay = Delay { smallest: Duration::from_millis(1), largest: Duration::from_millis(5), seed: 1 };
        let tables = Tables::new(&["a", "b"], "123456789012", delay);
        let now = Timestamp::from_second(1_795_597_200).unwrap();
        let table = json!({"TableName": "carts", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}]});
        tables.call("a", "CreateTable", &table, now).unwrap();
        let item = json!({"TableName": "carts", "Item": {"id": {"S": "1"}, "n": {"N": "2"}, "m": {"M": {"a": {"L": [{"N": "1"}]}}}, "s": {"SS": ["x"]}}});
        tables.call("a", "PutItem", &item, now).unwrap();
        let calls = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<(String, Value)>(line).ok());
        let answers: Vec<bool> =
            calls.map(|(operation, input)| tables.call("a", &operation, &input, now).is_ok()).collect();
        !answers.is_empty() && answers.iter().all(|answer| *answer)
    });
    reader.examples([
        r##"["UpdateItem",{"TableName":"carts","Key":{"id":{"S":"1"},"n":{"N":"2"}},"UpdateExpression":"SET m.a[0] = if_not_exists(#q, :z) + :one, b = list_append(:l, :l) REMOVE c, m.a[3] ADD q :one DELETE s :s","ConditionExpression":"(id = :i AND n BETWEEN :one AND :nine) OR NOT contains(s, :x) AND size(m) IN (:one, :z)","ExpressionAttributeNames":{"#q":"qq"},"ExpressionAttributeValues":{":z":{"N":"0"},":one":{"N":"1"},":nine":{"N":"9e3"},":l":{"L":[{"S":"l"}]},":s":{"SS":["x"]},":i":{"S":"1"},":x":{"S":"x"}},"ReturnValues":"ALL_NEW"}]"##,
        r##"["Query",{"TableName":"carts","KeyConditionExpression":"id = :i AND n >= :n","FilterExpression":"attribute_type(m, :t) AND begins_with(#k, :k)","ProjectionExpression":"id, m.a[0], #k","ExpressionAttributeNames":{"#k":"k-k"},"ExpressionAttributeValues":{":i":{"S":"1"},":n":{"N":"-1.5"},":t":{"S":"M"},":k":{"S":"1"}},"ScanIndexForward":false,"Limit":3}]"##,
        r#"["PutItem",{"TableName":"carts","Item":{"id":{"S":"2"},"n":{"N":"-12345678901234567890.5E+10"},"b":{"B":"AAEC"},"ns":{"NS":["1","2.5"]},"z":{"NULL":true},"t":{"BOOL":false}},"ReturnConsumedCapacity":"TOTAL"}]"#,
        r#"["TransactWriteItems",{"ClientRequestToken":"x","TransactItems":[{"Put":{"TableName":"carts","Item":{"id":{"S":"3"},"n":{"N":"1"}}}},{"ConditionCheck":{"TableName":"carts","Key":{"id":{"S":"1"},"n":{"N":"2"}},"ConditionExpression":"attribute_exists(id)"}}]}]
["BatchGetItem",{"RequestItems":{"carts":{"Keys":[{"id":{"S":"3"},"n":{"N":"1"}}],"ProjectionExpression":"id"}}}]
["Scan",{"TableName":"carts","Segment":1,"TotalSegments":3,"ExclusiveStartKey":{"id":{"S":"3"},"n":{"N":"1"}}}]
["DeleteItem",{"TableName":"carts","Key":{"id":{"S":"3"},"n":{"N":"1"}},"ReturnValues":"ALL_OLD"}]"#,
        r#"["UpdateTable",{"TableName":"carts","ReplicaUpdates":[{"Create":{"RegionName":"b"}}]}]
["DescribeTable",{"TableName":"carts"}]"#,
    ])
}

#[test]
fn any_bytes_as_a_call_of_dynamodb() {
    hold(&calls());
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for (begin, end) in [("[", "]"), ("{\"a\":", "}"), ("{\"L\":[", "]}")] {
        for deep in [100, DEEP] {
            let json = format!("{}1{}", begin.repeat(deep), end.repeat(deep));
            let target = "POST /\nservice: dynamodb\nx-amz-target: DynamoDB_20120810.PutItem\n\n";
            jsons().holds_for(format!("{target}{json}"));
            rests().holds_for(format!("POST /experiments\nservice: fis\n\n{json}"));
            calls().holds_for(format!("[\"PutItem\",{json}]"));
            cbors()
                .holds_for([cbor("DescribeAlarms", &json!({})).as_slice(), &b"\x81".repeat(deep)].concat());
        }
    }
    let form =
        "POST /\nservice: rds\ncontent-type: application/x-www-form-urlencoded\n\nAction=DescribeDBClusters&";
    queries().holds_for(format!("{form}{}=1", "a.".repeat(DEEP)));
    queries().holds_for(format!("{form}{}=1", "1.".repeat(DEEP)));
    let upload = format!("POST /{}/big?uploadId=u\nservice: s3\n\n", sandbox::shop::bucket(EAST));
    objects().holds_for(format!("{upload}{}", "<a>".repeat(DEEP)));
    objects().holds_for(format!(
        "{upload}<CompleteMultipartUpload>{}{}",
        "<Part>".repeat(DEEP),
        "</Part>".repeat(DEEP)
    ));
    for (begin, end) in [
        ("(", ")"),
        ("NOT ", ""),
        ("size(", ")"),
        ("a.", "b"),
        ("a[0].", "b"),
        ("a = a AND ", "a = a"),
        ("a = a OR ", "a = a"),
    ] {
        for deep in [100, 4_000, DEEP] {
            let expression = format!("{}a = :a{}", begin.repeat(deep), end.repeat(deep));
            let input = json!({"TableName": "carts", "FilterExpression": expression, "ExpressionAttributeValues": {":a": {"N": "1"}}});
            calls().holds_for(json!(["Scan", input]).to_string());
            let update = json!({"TableName": "carts", "Key": {"id": {"S": "1"}, "n": {"N": "2"}}, "UpdateExpression": format!("SET b = {expression}")});
            calls().holds_for(json!(["UpdateItem", update]).to_string());
        }
    }
}

/// Neither does a key lead out of the bucket that its caller was asked about, whichever way it is said.
#[test]
fn no_key_leads_out_of_its_bucket() {
    let [own, other] = sandbox::REGIONS.map(sandbox::shop::bucket);
    let mut sandbox = Sandbox::start();
    let mut ask = |request: String| {
        let (request, service, _) = parse(request.as_bytes()).unwrap();
        let answer = sandbox.ask(signed(request, &service, EAST).unwrap(), None).unwrap();
        (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
    };
    let put = |bucket: &str, key: &str| format!("PUT /{bucket}/{key}\nservice: s3\n\nkept");
    assert_eq!(ask(put(&other, "kept")).0, 200);
    for key in [
        format!("../{other}/kept"),
        format!("%2e%2e/{other}/kept"),
        format!("..%2f{other}%2fkept"),
        format!("a/../../{other}/kept"),
        "../../out".into(),
        "%2Fetc/out".into(),
        "a%00/../out".into(),
    ] {
        let at = format!("/{own}/{key}");
        let copied = format!("PUT /{own}/copy\nservice: s3\nx-amz-copy-source: {at}\n\n");
        for request in [
            put(&own, &key),
            format!("GET {at}\nservice: s3\n\n"),
            format!("DELETE {at}\nservice: s3\n\n"),
            format!("POST {at}?uploads\nservice: s3\n\n"),
            copied,
        ] {
            let (status, said) = ask(request.clone());
            assert!([400, 403].contains(&status), "{status} of {request}: {said}");
        }
    }
    let delete = format!("<Delete><Object><Key>../{other}/kept</Key></Object></Delete>");
    let (status, said) =
        ask(format!("POST /{own}?delete\nservice: s3\ncontent-length: {}\n\n{delete}", delete.len()));
    assert_eq!(status, 400, "{said}");
    assert_eq!(ask(format!("GET /{other}/kept\nservice: s3\n\n")), (200, "kept".into()));
}

//! What an account's tables do over time and as a whole: tokens, what a refusal leaves, what is not supported.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

use std::time::Duration;

use dynamodb::{Delay, Error, Tables};
use jiff::Timestamp;
use serde_json::{Value, json};

const HERE: &str = "eu-west-1";

struct Account(Tables);

impl Account {
    /// A table "carts" with an index by a number.
    fn new() -> Self {
        let delay = Delay { smallest: Duration::ZERO, largest: Duration::ZERO, seed: 0 };
        let account = Self(Tables::new(&[HERE, "eu-north-1"], "123456789012", delay));
        account.call("CreateTable", &carts()).unwrap();
        account
    }

    fn call_at(&self, second: i64, operation: &str, input: &Value) -> Result<Value, Error> {
        self.0.call(HERE, operation, input, Timestamp::from_second(second).unwrap())
    }

    fn call(&self, operation: &str, input: &Value) -> Result<Value, Error> {
        self.call_at(1_000, operation, input)
    }

    fn count(&self) -> Value {
        self.call("Scan", &json!({"TableName": "carts", "Select": "COUNT"})).unwrap()["Count"].clone()
    }
}

fn carts() -> Value {
    json!({
        "TableName": "carts", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
        "GlobalSecondaryIndexes": [{"IndexName": "by_n", "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"}}],
    })
}

fn put(id: &str, n: &Value) -> Value {
    json!({"Put": {"TableName": "carts", "Item": {"id": {"S": id}, "n": n}}})
}

#[test]
fn a_token_is_remembered_for_ten_minutes() {
    let account = Account::new();
    let add = |n: &str| {
        json!({"ClientRequestToken": "one", "TransactItems": [{"Update": {"TableName": "carts", "Key": {"id": {"S": "a"}},
            "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": n}}}}]})
    };
    let n = || {
        let get = json!({"TableName": "carts", "Key": {"id": {"S": "a"}}});
        account.call("GetItem", &get).unwrap()["Item"]["n"]["N"].clone()
    };
    account.call_at(0, "TransactWriteItems", &add("1")).unwrap();
    account.call_at(599, "TransactWriteItems", &add("1")).unwrap();
    assert_eq!(n(), "1");
    let other = account.call_at(599, "TransactWriteItems", &add("2")).unwrap_err();
    assert_eq!(other.code, "IdempotentParameterMismatchException");
    account.call_at(600, "TransactWriteItems", &add("1")).unwrap();
    assert_eq!(n(), "2");
}

#[test]
fn what_is_refused_changes_nothing() {
    let account = Account::new();
    let (good, bad) = (json!({"N": "1"}), json!({"S": "no number"}));
    let items = json!({"TransactItems": [put("a", &good), put("b", &bad)]});
    let error = account.call("TransactWriteItems", &items).unwrap_err();
    assert_eq!(error.details["CancellationReasons"][0], json!({"Code": "None"}));
    assert_eq!(error.details["CancellationReasons"][1]["Code"], "ValidationError");
    let request = |id: &str, n: &Value| json!({"PutRequest": {"Item": {"id": {"S": id}, "n": n}}});
    let batch = json!({"RequestItems": {"carts": [request("a", &good), request("b", &bad)]}});
    assert_eq!(account.call("BatchWriteItem", &batch).unwrap_err().code, "ValidationException");
    let update = json!({"TableName": "carts", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET m = :n, n = :s",
        "ExpressionAttributeValues": {":n": good, ":s": bad}});
    assert_eq!(account.call("UpdateItem", &update).unwrap_err().code, "ValidationException");
    assert_eq!(account.count(), 0);
}

#[test]
fn a_batch_answers_as_much_as_it_may_and_says_what_is_left() {
    let account = Account::new();
    let large = "x".repeat(390 * 1024);
    let keys: Vec<Value> = (0..60).map(|n| json!({"id": {"S": n.to_string()}})).collect();
    for key in &keys {
        let item = json!({"id": key["id"], "v": {"S": large}});
        account.call("PutItem", &json!({"TableName": "carts", "Item": item})).unwrap();
    }
    let mut request = json!({"carts": {"Keys": keys}});
    let mut found = 0;
    for wanted in [42, 18] {
        let answer = account.call("BatchGetItem", &json!({"RequestItems": request})).unwrap();
        let page = answer["Responses"]["carts"].as_array().unwrap().len();
        assert_eq!(page, wanted);
        found += page;
        request = answer["UnprocessedKeys"].clone();
    }
    assert_eq!((found, request), (60, json!({})));
}

#[test]
fn what_is_not_supported_is_refused_by_its_name() {
    let account = Account::new();
    let with = |mut input: Value, member: &str| {
        input[member] = json!([]);
        input["TableName"] = json!("more");
        input
    };
    for member in
        ["LocalSecondaryIndexes", "Tags", "SSESpecification", "ResourcePolicy", "OnDemandThroughput", "Typo"]
    {
        let error = account.call("CreateTable", &with(carts(), member)).unwrap_err();
        assert!(error.message.contains(member) && error.message.contains("not supported"), "{error}");
    }
    let update = json!({"TableName": "carts", "GlobalSecondaryIndexUpdates": []});
    assert!(
        account.call("UpdateTable", &update).unwrap_err().message.contains("GlobalSecondaryIndexUpdates")
    );
    for operation in ["ExecuteStatement", "CreateBackup", "CreateGlobalTable", "ListTagsOfResource"] {
        let error = account.call(operation, &json!({})).unwrap_err();
        assert!(error.code == "UnknownOperationException" && error.message.contains(operation), "{error}");
    }
    for operation in Tables::OPERATIONS {
        let code = account.call(operation, &json!({"Typo": 1})).unwrap_err().code;
        assert_eq!(code, "ValidationException", "{operation}");
    }
    let far = account.0.call("mars-1", "ListTables", &json!({}), Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(far.message.contains("mars-1"), "{far}");
}

#[test]
fn a_table_can_be_named_by_its_arn_in_its_region() {
    let account = Account::new();
    let scan = |region: &str| {
        account.call(
            "Scan",
            &json!({"TableName": format!("arn:aws:dynamodb:{region}:123456789012:table/carts")}),
        )
    };
    assert!(scan(HERE).is_ok());
    assert_eq!(scan("eu-north-1").unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn a_table_of_the_same_name_has_nothing_of_one_that_was_deleted() {
    let account = Account::new();
    account.call("PutItem", &json!({"TableName": "carts", "Item": {"id": {"S": "a"}}})).unwrap();
    account.call("DeleteTable", &json!({"TableName": "carts"})).unwrap();
    account.call("CreateTable", &carts()).unwrap();
    assert_eq!(account.count(), 0);
}

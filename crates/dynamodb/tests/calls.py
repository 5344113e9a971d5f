"""Calls of DynamoDB's JSON protocol, the same ones to whoever listens: an emulator, or the simulation behind a server.

    python calls.py URL

Prints what came of each call, as JSON: its name, operation, status, the error's code and message, or the answer. What no two
services can have alike (times, ids) is replaced by its type; what has no order (sets, the items of a scan) is sorted.
"""

import base64
import json
import sys
import urllib.error
import urllib.request

URL = sys.argv[1]
REGION = "eu-west-1"
OUTCOMES = []

# What differs from service to service, and says nothing.
VARIES = {
    "CreationDateTime", "LastUpdateToPayPerRequestDateTime", "TableId", "LatestStreamLabel", "LatestStreamArn",
    "EarliestRestorableDateTime", "LatestRestorableDateTime", "LastIncreaseDateTime", "LastDecreaseDateTime",
}
UNORDERED = {"SS", "NS", "BS", "AttributeDefinitions", "GlobalSecondaryIndexes", "NonKeyAttributes", "TableNames"}


def send(operation, given):
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/dynamodb/aws4_request, "
                         "SignedHeaders=host, Signature=none",
    }
    request = urllib.request.Request(URL, json.dumps(given).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        try:
            return error.code, json.loads(text)
        except ValueError:
            return error.code, {"__type": "no JSON", "message": text[:200]}


def plain(value, key=None, unordered=()):
    if key in VARIES and not isinstance(value, (dict, list)):
        return "TEXT" if isinstance(value, str) else "NUMBER"
    if isinstance(value, dict):
        return {name: plain(one, name, unordered) for name, one in sorted(value.items())}
    if isinstance(value, list):
        value = [plain(one, None, unordered) for one in value]
        if key in UNORDERED or key in unordered:
            value.sort(key=lambda one: json.dumps(one, sort_keys=True))
        return value
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value


def record(name, operation, status, body, unordered=()):
    outcome = {"call": f"{operation} {name}", "operation": operation, "status": status}
    if status == 200:
        outcome["answer"] = plain(body, None, unordered)
    else:
        outcome["error"] = body.get("__type", "no type").split("#")[-1]
        outcome["message"] = body.get("message", body.get("Message", ""))
        outcome["details"] = plain(
            {name: one for name, one in body.items() if name not in ("__type", "message", "Message")}
        )
    OUTCOMES.append(outcome)


def call(name, operation, unordered=(), **given):
    status, body = send(operation, given)
    record(name, operation, status, body, unordered)
    return body


def pages(name, operation, **given):
    """All pages of a scan or a query as one answer."""
    items, count, last = [], 0, None
    for _ in range(200):
        more = {"ExclusiveStartKey": last} if last else {}
        status, body = send(operation, {**given, **more})
        if status != 200:
            return record(name, operation, status, body)
        items += body.get("Items", [])
        count += body["Count"]
        last = body.get("LastEvaluatedKey")
        if not last:
            return record(name, operation, 200, {"Items": items, "Count": count}, ("Items",))
    record(name, operation, 200, {"Items": "without an end"})


def S(text): return {"S": text}
def N(number): return {"N": str(number)}
def B(raw): return {"B": base64.b64encode(raw).decode()}
def L(*all): return {"L": list(all)}
def M(**all): return {"M": all}
def SS(*all): return {"SS": list(all)}
def NS(*all): return {"NS": [str(one) for one in all]}


def define(**kinds):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]


def keys(partition, sort=None):
    both = [{"AttributeName": partition, "KeyType": "HASH"}]
    return both + ([{"AttributeName": sort, "KeyType": "RANGE"}] if sort else [])


def tables():
    cart = dict(KeySchema=keys("id"), AttributeDefinitions=define(id="S"), BillingMode="PAY_PER_REQUEST")
    call("of carts", "CreateTable", TableName="carts", **cart)
    call("of a name that is taken", "CreateTable", TableName="carts", **cart)
    call("with a short name", "CreateTable", TableName="ab", **cart)
    call("with a name that is none", "CreateTable", TableName="a b c", **cart)
    call("with an attribute too many", "CreateTable", TableName="wrong1", KeySchema=keys("id"),
         AttributeDefinitions=define(id="S", more="N"), BillingMode="PAY_PER_REQUEST")
    call("with an attribute too few", "CreateTable", TableName="wrong2", KeySchema=keys("id", "more"),
         AttributeDefinitions=define(id="S"), BillingMode="PAY_PER_REQUEST")
    call("with the sort key first", "CreateTable", TableName="wrong3", KeySchema=keys("id", "more")[::-1],
         AttributeDefinitions=define(id="S", more="N"), BillingMode="PAY_PER_REQUEST")
    call("with one key twice", "CreateTable", TableName="wrong4", KeySchema=keys("id", "id"),
         AttributeDefinitions=define(id="S"), BillingMode="PAY_PER_REQUEST")
    call("without throughput", "CreateTable", TableName="wrong5", KeySchema=keys("id"), AttributeDefinitions=define(id="S"))
    call("with throughput by request", "CreateTable", TableName="wrong6",
         ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}, **cart)
    call("with a key of another type", "CreateTable", TableName="wrong7", KeySchema=keys("id"),
         AttributeDefinitions=define(id="BOOL"), BillingMode="PAY_PER_REQUEST")
    index = lambda name, projection, *key: {"IndexName": name, "KeySchema": keys(*key), "Projection": projection}
    orders = dict(
        KeySchema=keys("customer", "number"),
        AttributeDefinitions=define(customer="S", number="N", state="S", amount="N", city="S"),
        BillingMode="PAY_PER_REQUEST",
    )
    by_state = index("by_state", {"ProjectionType": "ALL"}, "state", "number")
    by_amount = index("by_amount", {"ProjectionType": "KEYS_ONLY"}, "amount")
    by_city = index("by_city", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]}, "city")
    call("with an index twice", "CreateTable", TableName="wrong8", GlobalSecondaryIndexes=[by_state, by_state], **orders)
    call("with an index of nothing", "CreateTable", TableName="wrong9", GlobalSecondaryIndexes=[], **orders)
    call("with an index without its attributes", "CreateTable", TableName="wrong7",
         GlobalSecondaryIndexes=[by_amount, index("by_city", {"ProjectionType": "INCLUDE"}, "city"), by_state], **orders)
    call("of orders", "CreateTable", TableName="orders", GlobalSecondaryIndexes=[by_state, by_amount, by_city], **orders)
    call("of blobs", "CreateTable", TableName="blobs", KeySchema=keys("id", "part"),
         AttributeDefinitions=define(id="B", part="B"),
         ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
         StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    for name in ("carts", "orders", "blobs"):
        call(f"of {name}", "DescribeTable", TableName=name)
    call("of none", "DescribeTable", TableName="none")
    call("of those from o on", "ListTables", ExclusiveStartTableName="o", Limit=1)
    call("of one", "ListTables", Limit=1, ExclusiveStartTableName="carter")
    call("after the last", "ListTables", ExclusiveStartTableName="zoo")
    call("of too many", "ListTables", Limit=101)


def items():
    get = lambda name, key, **more: call(name, "GetItem", TableName="carts", Key={"id": S(key)}, **more)
    put = lambda name, item, **more: call(name, "PutItem", TableName="carts", Item=item, **more)
    every = {
        "id": S("every"), "s": S("text é"), "n": N("1.50"), "b": B(b"\x00\x01"), "yes": {"BOOL": True}, "no": {"BOOL": False},
        "nil": {"NULL": True}, "ss": SS("b", "a"), "ns": NS("3", "1.0", "-2"), "bs": {"BS": ["AQ==", "AA=="]},
        "l": L(S("x"), N(1), L(), M(k=S("v"))), "m": M(a=N(1), b=M(c=L(S("0"), S("1"), S("2")))), "empty": S(""),
        "eb": B(b""), "el": L(), "em": M(),
    }
    put("of every type", every)
    get("of every type", "every")
    get("of none", "gone")
    get("consistently", "every", ConsistentRead=True, ProjectionExpression="id, n", ReturnConsumedCapacity="TOTAL")
    get("with what it costs", "every", ProjectionExpression="id", ReturnConsumedCapacity="TOTAL")
    get("of none with what it costs", "gone", ReturnConsumedCapacity="TOTAL")
    get("of parts", "every", ProjectionExpression="m.b.c[2], m.b.c[0], l[3].k, #no, gone.x",
        ExpressionAttributeNames={"#no": "no"})
    get("of parts that are not there", "every", ProjectionExpression="gone, m.gone, l[9]")
    for number in ("0", "-0", "1.0", "007", "1e3", "1E-7", "-12.3400", "123456789012345678901234567890.12345678", "1e125",
                   "-1e-130", "9.9999999999999999999999999999999999999E+125"):
        put(f"of {number}", {"id": S("n"), "n": N(number)})
        get(f"of {number}", "n")
    for number in ("", "x", "1e126", "1e-131", "123456789012345678901234567890123456789", "1.2.3", "NaN", " 1", "1_000"):
        put(f"of the number '{number}'", {"id": S("n"), "n": N(number)})
    put("without its key", {"n": N(1)})
    put("with an empty key", {"id": S("")})
    put("with a key of another type", {"id": N(1)})
    put("with a long key", {"id": S("x" * 2049)})
    put("with a key as long as may be", {"id": S("x" * 2048)})
    put("of an empty set", {"id": S("w"), "v": {"SS": []}})
    put("of a set with a text twice", {"id": S("w"), "v": SS("a", "a")})
    put("of a set with a number twice", {"id": S("w"), "v": NS("1", "1.0")})
    put("of a value without a type", {"id": S("w"), "v": {}})
    put("of a value of two types", {"id": S("w"), "v": {"S": "a", "N": "1"}})
    put("of a value of no type", {"id": S("w"), "v": {"X": "a"}})
    put("of a null that is none", {"id": S("w"), "v": {"NULL": False}})
    put("of a set with an empty text", {"id": S("w"), "v": SS("")})
    put("that is too large", {"id": S("w"), "v": S("x" * (400 * 1024))})
    put("that is as large as may be", {"id": S("w"), "v": S("x" * (400 * 1024 - 4))})
    call("into no table", "PutItem", TableName="none", Item={"id": S("a")})
    call("of no table", "GetItem", TableName="none", Key={"id": S("a")})
    call("with another key", "GetItem", TableName="carts", Key={"other": S("a")})
    call("with a key too many", "GetItem", TableName="carts", Key={"id": S("a"), "n": N(1)})
    call("with a key of another type", "GetItem", TableName="carts", Key={"id": N(1)})
    call("with half a key", "GetItem", TableName="orders", Key={"customer": S("a")})
    call("without a key", "GetItem", TableName="carts")
    put("that answers nothing", {"id": S("r"), "a": N(1)}, ReturnValues="ALL_OLD")
    put("that answers the old one", {"id": S("r"), "a": N(2)}, ReturnValues="ALL_OLD", ReturnConsumedCapacity="TOTAL")
    put("that would answer the new one", {"id": S("r"), "a": N(3)}, ReturnValues="ALL_NEW")
    put("that would answer something", {"id": S("r"), "a": N(3)}, ReturnValues="SOMETHING")
    delete = lambda name, key, **more: call(name, "DeleteItem", TableName="carts", Key={"id": S(key)}, **more)
    delete("that answers the old one", "r", ReturnValues="ALL_OLD", ReturnConsumedCapacity="TOTAL")
    delete("of none", "r", ReturnValues="ALL_OLD")
    delete("that would answer the new one", "r", ReturnValues="UPDATED_NEW")
    call("with the legacy Expected", "PutItem", TableName="carts", Item={"id": S("every2")}, Expected={"id": {"Exists": False}})
    call("with a legacy projection", "GetItem", TableName="carts", Key={"id": S("every")}, AttributesToGet=["n"])


def conditions():
    send("CreateTable", dict(TableName="facts", KeySchema=keys("id"), AttributeDefinitions=define(id="S"), BillingMode="PAY_PER_REQUEST"))
    send("PutItem", {"TableName": "facts", "Item": {"id": S("other")}})
    item = {
        "id": S("c"), "n": N(5), "s": S("order#7"), "yes": {"BOOL": True}, "tags": SS("x", "y"), "nums": NS(1, 2), "b": B(b"\x00\x01\x02"),
        "l": L(S("a"), M(q=N(2))), "m": M(k=S("v")), "name": S("Ann"), "wide": S("𝄞"),
    }
    call("for conditions", "PutItem", TableName="facts", Item=item)
    values = {
        ":five": N("5.0"), ":two": N(2), ":nine": N(9), ":x": S("x"), ":start": S("order#"), ":yes": {"BOOL": True}, ":N": S("N"),
        ":l": L(S("a"), M(q=N(2))), ":b": B(b"\x01\x02"), ":nil": {"NULL": True}, ":bad": S("TEXT"), ":seven": N(7), ":a": S("a"),
        ":tags": SS("y", "x"), ":list": L(N(1)),
    }
    names = {"#name": "name", "#m": "m", "#k": "k", "#dot": "m.k"}

    def check(condition, filters=True):
        given = {}
        used = {key: value for key, value in values.items() if f"{key}," in condition.replace(")", ",").replace(" ", ",") + ","}
        if used:
            given["ExpressionAttributeValues"] = used
        used = {key: value for key, value in names.items() if key in condition}
        if used:
            given["ExpressionAttributeNames"] = used
        call(f"if {condition}", "DeleteItem", TableName="facts", Key={"id": S("c")},
             ConditionExpression=f"attribute_exists(never) AND ({condition})" if filters else condition, **given)
        if filters:
            # The same as a filter, which answers whether it is true.
            call(f"where {condition}", "Scan", TableName="facts", Select="COUNT", FilterExpression=condition, **given)

    for condition in (
        "n = :five", "n <> :five", "n < :nine", "n <= :five", "n > :nine", "n >= :five", ":two < n", "n BETWEEN :two AND :nine",
        "n NOT BETWEEN :two AND :nine", "n IN (:two, :five)", "n IN (:two)", "NOT n = :two", "NOT n = :two AND s = :x",
        "n = :five OR n = :two AND s = :x", "(n = :five OR n = :two) AND s = :x", "NOT (n = :five OR s = :x)",
        "n = :five and not s = :x or n = :two", "attribute_exists(n)", "attribute_not_exists(gone)", "attribute_exists(l[1].q)",
        "attribute_exists(l[2])", "attribute_type(n, :N)", "begins_with(s, :start)", "begins_with(n, :start)",
        "contains(tags, :x)", "contains(nums, :two)", "contains(s, :start)", "contains(l, :a)", "contains(b, :b)", "size(s) = :seven", "size(wide) = :two",
        "size(tags) = :two", "size(l) = :two", "size(#m) < :two", "size(n) = :two", "l = :l", "tags = :tags", "#m.#k = :x", "#dot = :x",
        "gone = :x", "gone <> :x", "gone < :two", "yes = :yes", "s < :five", "s <> :five", "#name > :a", "n = s", "n <> s",
    ):
        check(condition)
    for mistake in (
        "n = ", "n == :two", "n = :two s", "n = 5", "n = :two AND", "(n = :two", "n = :two)", "n.[1] = :two", "name = :x", "#m.value = :x",
        "#gone = :x", "n = :gone", "((n = :two))", "foo(n)", "size(n)", "attribute_exists(:x)", "begins_with(s)",
        "begins_with(s, :two)", "n < :yes", "n BETWEEN :nine AND :two", "n BETWEEN :two AND :x", "attribute_type(n, :bad)",
        "n IN ()", "attribute_exists(n) = :yes", "n = n", "contains(s, s)", "contains(:x, :x)", "n < :list", "n", ":five", "NOT", "n - :two = :two",
        "attribute_exists (n)", "Attribute_Exists(n)", "n[0] = :two", "s IN (:x, :two, :start)",
    ):
        check(mistake, False)
    delete = lambda name, key="c", **more: call(name, "DeleteItem", TableName="facts", Key={"id": S(key)}, **more)
    delete("with an empty condition", "none", ConditionExpression="")
    delete("with a value that is not used", ConditionExpression="attribute_exists(never)", ExpressionAttributeValues={":a": N(1)})
    delete("with a name that is not used", ConditionExpression="attribute_exists(never)", ExpressionAttributeNames={"#a": "a"})
    delete("with names and no condition", ExpressionAttributeNames={"#a": "a"})
    delete("with values and no condition", "none", ExpressionAttributeValues={":a": N(1)})
    delete("with no values", ConditionExpression="attribute_exists(never)", ExpressionAttributeValues={})
    delete("with a value without its colon", ConditionExpression="n = :a", ExpressionAttributeValues={"a": N(1)})
    delete("with a name without its sign", ConditionExpression="attribute_exists(never)", ExpressionAttributeNames={"a": "a"})
    delete("that fails and shows why", ConditionExpression="n = :a", ExpressionAttributeValues={":a": N(1)},
           ReturnValuesOnConditionCheckFailure="ALL_OLD")
    call("of none that fails and would show why", "DeleteItem", TableName="facts", Key={"id": S("gone")},
         ConditionExpression="attribute_exists(id)", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    call("unless it is there", "PutItem", TableName="facts", Item={"id": S("c")}, ConditionExpression="attribute_not_exists(id)")
    call("of a new one unless it is there", "PutItem", TableName="facts", Item={"id": S("c2")},
         ConditionExpression="id <> :id", ExpressionAttributeValues={":id": S("c2")})


def updates():
    start = {
        "id": S("u"), "n": N(5), "s": S("x"), "tags": SS("x", "y"), "nums": NS(1, 2), "l": L(S("0"), S("1"), S("2")),
        "m": M(k=N(1), l=L()),
    }
    values = {
        ":one": N(1), ":new": S("new"), ":l": L(S("3")), ":x": SS("x"), ":z": SS("z"), ":xy": SS("x", "y"), ":ns": NS(1, 7), ":m": M(),
        ":half": N("0.5"),
    }

    def update(expression, **more):
        send("PutItem", {"TableName": "carts", "Item": start})
        used = {key: value for key, value in values.items() if f"{key}," in expression.replace(")", ",").replace(" ", ",") + ","}
        given = {"ExpressionAttributeValues": used} if used else {}
        given = {"TableName": "carts", "Key": {"id": S("u")}, "UpdateExpression": expression, "ReturnValues": "ALL_NEW", **given, **more}
        name = f'{more.get("ReturnValues", "by")} {expression}'
        also = [f"{key} {one}" for key, one in more.items() if key not in ("ReturnValues", "ReturnConsumedCapacity")]
        call(" and ".join([name, *also]), "UpdateItem", **given)

    for expression in (
        "SET n = n + :one", "SET n = :one - n", "SET n = n + :half, a = n", "SET n = (n + :half)", "SET s = :new REMOVE l", "SET n = s, s = n",
        "SET a = if_not_exists(gone, :one) + :one", "SET a = if_not_exists(n, :one)", "SET l = list_append(:l, l)",
        "SET a = list_append(if_not_exists(a, :l), :l)", "SET l[1] = :new", "SET l[9] = :one", "SET l[9] = :one, l[7] = :new", "REMOVE l[0]",
        "REMOVE l[0], l[2]", "REMOVE l[9]", "SET l[1] = :new REMOVE l[0]", "SET m.k = m.k + :one", "SET m.z = :m", "SET m.l[0] = :one",
        "REMOVE m.k, m.gone", "REMOVE s, gone", "ADD n :one", "ADD a :one", "ADD a :x", "ADD tags :z", "ADD tags :x", "ADD nums :ns", "DELETE tags :x",
        "DELETE tags :xy", "DELETE nums :ns", "DELETE gone :x", "ADD m.k :one", "set n = :one add a :one remove s delete tags :x",
        # Mistakes.
        "", "SET", "n = :one", "SET n = :one + :one + :one", "SET n = :one, SET s = :new", "SET n = :one SET s = :new", "SET n = :one REMOVE n",
        "SET m = :new, m.k = :one", "SET m.k = :new, m[1] = :one", "SET name = :new", "ADD n :new", "DELETE n :one", "ADD s :one", "ADD tags :ns",
        "DELETE tags :ns", "SET n = s + :one", "SET n = n + :new", "SET n = list_append(l, :new)", "SET n = list_append(s, :l)", "SET n = gone",
        "SET n = gone + :one", "SET gone.k = :new", "SET s.k = :new", "SET m[0] = :new", "SET l.k = :new", "REMOVE gone.k", "SET id = :new",
        "REMOVE id", "SET n = size(l)", "SET n = foo(l)", "SET n = :gone", "SET #gone = :one", "REMOVE n, n", "SET n = if_not_exists(:one, :one)",
        "SET n + :one", "ADD l :one", "SET n = :one,", "SET n = :one REMOVE",
    ):
        update(expression)
    for returned in ("NONE", "ALL_OLD", "UPDATED_OLD", "UPDATED_NEW"):
        update("SET n = :one, m.k = :one, l[1] = :one, a = :one REMOVE s", ReturnValues=returned, ReturnConsumedCapacity="TOTAL")
    update("REMOVE s", ReturnValues="UPDATED_NEW")
    update("SET a = :one", ReturnValues="UPDATED_OLD")
    update("SET n = :one", ConditionExpression="n = :new")
    update("SET n = :one", ConditionExpression="n = :one", ReturnValuesOnConditionCheckFailure="ALL_OLD")
    update("SET n = :one", ExpressionAttributeNames={"#a": "a"})
    fresh = lambda name, key, **more: call(name, "UpdateItem", TableName="carts", Key={"id": S(key)}, **more)
    fresh("of a new one", "u1", UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": N(1)}, ReturnValues="ALL_OLD")
    fresh("of a new one without an expression", "u2", ReturnValues="ALL_NEW")
    fresh("of a new one by a removal", "u3", UpdateExpression="REMOVE n", ReturnValues="ALL_NEW")
    fresh("of a new one by an addition", "u4", UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": N(3)}, ReturnValues="UPDATED_NEW")
    fresh("of a new one by another attribute", "u5", UpdateExpression="SET a = b + :n", ExpressionAttributeValues={":n": N(3)})
    fresh("only if it is there", "u6", UpdateExpression="SET a = :n", ExpressionAttributeValues={":n": N(3)},
          ConditionExpression="attribute_exists(id)")
    fresh("that becomes too large", "u1", UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": S("x" * (400 * 1024))})
    fresh("by a number that becomes too long", "u1", UpdateExpression="SET n = :a + :b",
          ExpressionAttributeValues={":a": N("1e100"), ":b": N(1)})
    fresh("with a legacy change", "u1", AttributeUpdates={"n": {"Action": "PUT", "Value": N(1)}})
    call("of the end of updates", "GetItem", TableName="carts", Key={"id": S("u3")})


def reads():
    cities = ["Bern", "Oslo", None]
    for customer in ("ann", "bob"):
        for number in (1, 2, 3, 10, 20):
            item = {"customer": S(customer), "number": N(number), "state": S("open" if number < 10 else "done"),
                    "amount": N(number * 10), "note": S(f"{customer} {number}"), "lines": L(N(number))}
            if cities[number % 3]:
                item["city"] = S(cities[number % 3])
            send("PutItem", {"TableName": "orders", "Item": item})
    values = {":ann": S("ann"), ":n": N(2), ":m": N(10), ":open": S("open"), ":bern": S("Bern"), ":t": N(100), ":b": S("b"), ":gone": S("gone"),
              ":empty": S("")}

    def query(name, condition, *also, **more):
        used = {key: value for key, value in values.items()
                if f"{key}," in " ".join([condition, more.get("FilterExpression", "")]).replace(")", ",").replace(" ", ",") + ","}
        given = {"ExpressionAttributeValues": used} if used else {}
        return call(name, "Query", *also, TableName="orders", KeyConditionExpression=condition, **{**given, **more})

    c = "customer = :ann"
    query("of a partition", c, ReturnConsumedCapacity="TOTAL")
    query("of a partition, consistently", c, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    query("of a partition, backwards", c, ScanIndexForward=False)
    query("of none", "customer = :gone")
    for part in ("= :n", "< :m", "<= :m", "> :n", ">= :n", "BETWEEN :n AND :m", "<> :n", "IN (:n)"):
        query(f"of number {part}", f"{c} AND #number {part}", ExpressionAttributeNames={"#number": "number"}, ProjectionExpression="#number")
    query("with the number bare", f"{c} AND number = :n")
    query("with both parts turned round", ":ann = customer and :n < #number", ExpressionAttributeNames={"#number": "number"},
          ProjectionExpression="#number")
    query("in parentheses", f"({c}) AND (#number > :n)", ExpressionAttributeNames={"#number": "number"}, Select="COUNT")
    query("that begins with a text where numbers are", f"{c} AND begins_with(#number, :b)", ExpressionAttributeNames={"#number": "number"})
    query("without the partition", "#number = :n", ExpressionAttributeNames={"#number": "number"})
    query("of more than one partition", "customer > :ann")
    query("or of another", f"{c} OR customer = :b")
    query("with an attribute that is none of the key", f"{c} AND amount = :t")
    query("with two conditions of one part", f"{c} AND #number > :n AND #number < :m", ExpressionAttributeNames={"#number": "number"})
    query("of a key of another type", "customer = :n")
    query("of an empty key", "customer = :empty")
    query("not", f"NOT {c}")
    call("without a condition", "Query", TableName="orders")
    query("with a filter", c, FilterExpression="amount >= :t")
    query("with a filter of a key", c, FilterExpression="#number = :n", ExpressionAttributeNames={"#number": "number"})
    query("with a count", c, Select="COUNT", FilterExpression="amount >= :t")
    query("with parts", c, ProjectionExpression="note, amount")
    query("with parts and a count", c, ProjectionExpression="note", Select="COUNT")
    query("with specific attributes, and none", c, Select="SPECIFIC_ATTRIBUTES")
    query("of a table's projected attributes", c, Select="ALL_PROJECTED_ATTRIBUTES")
    query("of a limit of nothing", c, Limit=0)
    first = query("of a first page", c, Limit=2)
    query("of a second page", c, Limit=2, ExclusiveStartKey=first.get("LastEvaluatedKey"))
    query("of a page backwards", c, Limit=2, ScanIndexForward=False, ExclusiveStartKey={"customer": S("ann"), "number": N(10)})
    query("of a page that is just full", c, Limit=5)
    query("of a page with a filter", c, Limit=2, FilterExpression="amount >= :t")
    query("from after an item that is not there", c, ExclusiveStartKey={"customer": S("ann"), "number": N(5)})
    query("from another partition", c, ExclusiveStartKey={"customer": S("bob"), "number": N(1)})
    query("from half a key", c, ExclusiveStartKey={"customer": S("ann")})
    pages("in pages of two", "Query", TableName="orders", KeyConditionExpression=c, ExpressionAttributeValues={":ann": S("ann")}, Limit=2)
    query("of an index", "#state = :open", ("Items",), IndexName="by_state", ExpressionAttributeNames={"#state": "state"}, ReturnConsumedCapacity="TOTAL")
    query("of an index, with its sort key", "#state = :open AND #number > :n", ("Items",), IndexName="by_state",
          ExpressionAttributeNames={"#state": "state", "#number": "number"})
    query("of an index with keys only", "amount = :t", IndexName="by_amount")
    query("of an index with some attributes", "city = :bern", ("Items",), IndexName="by_city")
    query("of an index with a part that it has not", "city = :bern", IndexName="by_city", ProjectionExpression="amount")
    query("of an index with all attributes", "city = :bern", IndexName="by_city", Select="ALL_ATTRIBUTES")
    query("of an index, consistently", "amount = :t", IndexName="by_amount", ConsistentRead=True)
    query("of an index that is none", "amount = :t", IndexName="by_nothing")
    pages("of an index in pages of one", "Query", TableName="orders", IndexName="by_state", KeyConditionExpression="#s = :open", Limit=1,
          ExpressionAttributeNames={"#s": "state"}, ExpressionAttributeValues={":open": S("open")})
    call("of no table", "Query", TableName="none", KeyConditionExpression=c, ExpressionAttributeValues={":ann": S("ann")})
    call("with the legacy conditions", "Query", TableName="orders",
         KeyConditions={"customer": {"ComparisonOperator": "EQ", "AttributeValueList": [S("ann")]}})

    scan = lambda name, **more: call(name, "Scan", ("Items",), TableName="orders", **more)
    scan("of all", ReturnConsumedCapacity="TOTAL")
    scan("with a filter", FilterExpression="amount >= :t AND city = :c", ExpressionAttributeValues={":t": N(20), ":c": S("Bern")})
    scan("with a filter of a key", FilterExpression="customer = :a", ExpressionAttributeValues={":a": S("ann")}, Select="COUNT")
    scan("of an index", IndexName="by_city")
    scan("of an index with keys only", IndexName="by_amount")
    scan("of a segment that is none", Segment=4, TotalSegments=4)
    scan("of a segment without their number", Segment=1)
    scan("of segments without which", TotalSegments=2)
    scan("of a limit of nothing", Limit=0)
    pages("in pages of three", "Scan", TableName="orders", Limit=3)
    pages("of an index in pages of two", "Scan", TableName="orders", IndexName="by_city", Limit=2)
    every = []
    for segment in range(3):
        every += send("Scan", {"TableName": "orders", "Segment": segment, "TotalSegments": 3})[1].get("Items", [])
    record("in segments", "Scan", 200, {"Items": every}, ("Items",))

    call("in an index of another type", "UpdateItem", TableName="orders", Key={"customer": S("a"), "number": N(1)},
         UpdateExpression="SET amount = :t", ExpressionAttributeValues={":t": S("1")})
    call("into an index of another type", "PutItem", TableName="orders", Item={"customer": S("a"), "number": N(1), "amount": S("1")})
    call("into an index with an empty key", "PutItem", TableName="orders", Item={"customer": S("a"), "number": N(1), "state": S("")})
    for part in range(4):
        send("PutItem", {"TableName": "blobs", "Item": {"id": B(b"a"), "part": B(bytes([255 - part])), "v": S("x" * 350_000)}})
    blobs = lambda name, **more: call(name, "Query", TableName="blobs", KeyConditionExpression="id = :a", ProjectionExpression="part",
                                      ExpressionAttributeValues={":a": B(b"a")}, **more)
    page = blobs("of more than a page holds")
    blobs("of the rest", ExclusiveStartKey=page.get("LastEvaluatedKey"))
    call("of bytes that begin with", "Query", TableName="blobs", KeyConditionExpression="id = :a AND begins_with(part, :b)",
         ProjectionExpression="part", ExpressionAttributeValues={":a": B(b"a"), ":b": B(b"\xff")})


def batches():
    put = lambda item: {"PutRequest": {"Item": item}}
    gone = lambda key: {"DeleteRequest": {"Key": key}}
    write = lambda name, requests, **more: call(name, "BatchWriteItem", RequestItems=requests, **more)
    write("of three", {"carts": [put({"id": S("b1"), "n": N(1)}), put({"id": S("b2"), "n": N("2.0")}), gone({"id": S("gone")})]},
          ReturnConsumedCapacity="TOTAL")
    write("of two tables", {"carts": [gone({"id": S("b9")})], "orders": [put({"customer": S("cy"), "number": N(1)})]})
    write("of one twice", {"carts": [put({"id": S("b3")}), gone({"id": S("b3")})]})
    write("of too many", {"carts": [put({"id": S(f"many{n}")}) for n in range(26)]})
    write("of nothing", {})
    write("of a table with nothing", {"carts": []})
    write("without a key", {"carts": [put({"id": S("b4")}), put({"n": N(1)})]})
    write("with a key of another type", {"carts": [gone({"id": N(1)})]})
    write("in no table", {"none": [put({"id": S("b")})]})
    get = lambda name, requests, **more: call(name, "BatchGetItem", ("carts", "orders"), RequestItems=requests, **more)
    one = lambda key: {"id": S(key)}
    get("of three", {"carts": {"Keys": [one("b1"), one("b2"), one("b4")]}}, ReturnConsumedCapacity="TOTAL")
    get("of two tables", {"carts": {"Keys": [one("b1")], "ProjectionExpression": "n", "ConsistentRead": True},
                          "orders": {"Keys": [{"customer": S("cy"), "number": N("1.0")}]}})
    get("of parts by name", {"carts": {"Keys": [one("b1")], "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "n"}}})
    get("of one twice", {"carts": {"Keys": [one("b1"), one("b1")]}})
    get("of too many", {"carts": {"Keys": [one(f"b{n}") for n in range(101)]}})
    get("of nothing", {})
    get("with another key", {"carts": {"Keys": [{"other": S("a")}]}})
    get("of no table", {"none": {"Keys": [one("a")]}})


def transactions():
    write = lambda name, *items, **more: call(name, "TransactWriteItems", TransactItems=list(items), **more)
    put = lambda key, n, **more: {"Put": {"TableName": "carts", "Item": {"id": S(key), "n": N(n)}, **more}}
    update = lambda key, **more: {"Update": {"TableName": "carts", "Key": {"id": S(key)}, **more}}
    delete = lambda key, **more: {"Delete": {"TableName": "carts", "Key": {"id": S(key)}, **more}}
    check = lambda key, condition, **more: {
        "ConditionCheck": {"TableName": "carts", "Key": {"id": S(key)}, "ConditionExpression": condition, **more}}
    plus = dict(UpdateExpression="SET n = n + :one", ExpressionAttributeValues={":one": N(1)})
    write("of two", put("t1", 1), put("t2", 2), ReturnConsumedCapacity="TOTAL")
    write("of every kind", put("t3", 3), update("t1", **plus), delete("t2"), check("every", "attribute_exists(id)"))
    write("that fails in the middle", put("t4", 4), check("t1", "attribute_not_exists(id)"), update("t3", **plus))
    write("that fails and shows why", put("t4", 4),
          put("t1", 9, ConditionExpression="n = :n", ExpressionAttributeValues={":n": N(7)}, ReturnValuesOnConditionCheckFailure="ALL_OLD"))
    write("that fails twice", check("t1", "attribute_not_exists(id)"), check("t9", "attribute_exists(id)"))
    write("that fails for a type", put("t4", 4), update("t1", UpdateExpression="SET n = n + :one", ExpressionAttributeValues={":one": S("a")}))
    write("that fails for what is in the item", put("t4", 4), update("t5", **plus))
    write("of one item twice", put("t1", 1), delete("t1"))
    write("of a check and a change of one item", check("t1", "attribute_exists(id)"), delete("t1"))
    write("of too many", *[put(f"t{n}", n) for n in range(101)])
    write("of nothing")
    write("in no table", {"Put": {"TableName": "none", "Item": {"id": S("a")}}})
    write("with a key of another type", {"Put": {"TableName": "carts", "Item": {"id": N(1)}}})
    write("with an empty key", {"Put": {"TableName": "carts", "Item": {"id": S("")}}})
    write("with an empty key of an index", {"Put": {"TableName": "orders", "Item": {"customer": S("a"), "number": N(1), "state": S("")}}})
    write("without a key", {"Put": {"TableName": "carts", "Item": {"n": N(1)}}})
    write("with a reserved word", put("t4", 4, ConditionExpression="attribute_not_exists(name)"))
    write("of two to count", put("t7", 0), put("t8", 0))
    write("with a token", update("t7", **plus), ClientRequestToken="one")
    write("with the same token", update("t7", **plus), ClientRequestToken="one")
    write("with the same token for something else", update("t8", **plus), ClientRequestToken="one")
    write("of two kinds in one", {**put("t1", 1), **delete("t2")})
    get = lambda name, *items, **more: call(name, "TransactGetItems", TransactItems=list(items), **more)
    one = lambda key, **more: {"Get": {"TableName": "carts", "Key": {"id": S(key)}, **more}}
    get("of what they left", one("t1"), one("t2"), one("t3"), one("t4"), ReturnConsumedCapacity="TOTAL")
    get("of what those with a token left", one("t7"), one("t8"))
    get("of parts", one("t1", ProjectionExpression="#n", ExpressionAttributeNames={"#n": "n"}), one("t3", ProjectionExpression="gone"))
    get("of one item twice", one("t1"), one("t1"))
    get("of too many", *[one(f"t{n}") for n in range(101)])
    get("of no table", {"Get": {"TableName": "none", "Key": {"id": S("a")}}})
    get("with another key", {"Get": {"TableName": "carts", "Key": {"other": S("a")}}})


def settings():
    expiry = lambda name, attribute, enabled: call(name, "UpdateTimeToLive", TableName="facts",
                                                   TimeToLiveSpecification={"AttributeName": attribute, "Enabled": enabled})
    call("of nothing", "DescribeTimeToLive", TableName="facts")
    expiry("off before it is on", "expires", False)
    expiry("on", "expires", True)
    expiry("on again", "expires", True)
    call("of an attribute", "DescribeTimeToLive", TableName="facts")
    expiry("off of another attribute", "other", False)
    expiry("off", "expires", False)
    call("of no table", "DescribeTimeToLive", TableName="none")
    call("of nothing", "DescribeContinuousBackups", TableName="facts")
    call("on", "UpdateContinuousBackups", TableName="facts", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    call("that are on", "DescribeContinuousBackups", TableName="facts")
    call("of no table", "DescribeContinuousBackups", TableName="none")
    call("of nothing", "UpdateTable", TableName="facts")
    call("of no table", "UpdateTable", TableName="none", DeletionProtectionEnabled=True)
    call("with a protection", "UpdateTable", TableName="facts", DeletionProtectionEnabled=True)
    call("that is protected", "DeleteTable", TableName="facts")
    call("without a protection", "UpdateTable", TableName="facts", DeletionProtectionEnabled=False)
    replica = lambda name, how, region: call(name, "UpdateTable", TableName="blobs", ReplicaUpdates=[{how: {"RegionName": region}}])
    replica("with a replica", "Create", "eu-central-1")
    call("with a replica", "DescribeTable", TableName="blobs")
    replica("with the same replica", "Create", "eu-central-1")
    replica("with a replica in its own Region", "Create", REGION)
    replica("without a replica that is none", "Delete", "eu-north-1")
    replica("without its replica", "Delete", "eu-central-1")
    call("without a replica", "DescribeTable", TableName="blobs")
    call("of blobs", "DeleteTable", TableName="blobs")
    call("that is gone", "DescribeTable", TableName="blobs")
    call("of none", "DeleteTable", TableName="blobs")
    call("that is none", "MakeTable")


tables()
items()
conditions()
updates()
reads()
batches()
transactions()
settings()
print(json.dumps(OUTCOMES))

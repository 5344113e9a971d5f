"""Calls every operation that the sandbox knows with boto3, in its good and its bad ways, and holds each answer against botocore's
models (shapes.py).

Called by the test beside it as: calls.py PROBED PROBED_ARC ENDPOINT ARC_ENDPOINT_1 … ARC_ENDPOINT_5, with the tables of the wire
as JSON on standard input. PROBED is a sandbox for calls that nobody would make: every operation of its services is called there
with nothing, and the sandbox knows those that are not refused as unknown. Prints as JSON: {"known": [...], "answered": [...],
"differences": [...]}. A failed assertion is the test's.
"""

import json
import pathlib
import re
import sys
import time

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

import shapes

PROBED, PROBED_ARC, ENDPOINT, *ARC = sys.argv[1:9]
EAST, WEST = "sandbox-east", "sandbox-west"
ACCOUNT = "000000000000"
SOURCES = pathlib.Path(__file__).parents[2] / "crates/sandbox/src"
# The names by which botocore knows the services of the world.
SERVICES = [
    "arc-region-switch",
    "cloudwatch",
    "dynamodb",
    "fis",
    "iam",
    "kms",
    "lambda",
    "rds",
    "route53-recovery-cluster",
    "route53-recovery-control-config",
    "s3",
    "secretsmanager",
    "sns",
    "ssm",
    "stepfunctions",
    "cloudformation",
    "sts",
]
WITNESS = shapes.Witness()


def session(protocol=None, caller="SANDBOX"):
    """With CloudWatch in one of its three protocols."""
    made = botocore.session.Session()
    made.set_credentials(caller, "sandbox")
    if protocol:
        metadata = made.get_component("data_loader").load_service_model("cloudwatch", "service-2")["metadata"]
        metadata.update(protocol=protocol, protocols=[protocol])
        metadata.update({"json": {"jsonVersion": "1.0", "targetPrefix": "GraniteServiceVersion20100801"}}.get(protocol, {}))
    return made


SESSION = session()


def client(service, region=WEST, endpoint=ENDPOINT, made=None, lenient=False, witness=True):
    config = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"total_max_attempts": 1},
        parameter_validation=not lenient,
        # One operation of Step Functions would be asked at another name of the endpoint.
        inject_host_prefix=False,
        s3={"addressing_style": "path"},
    )
    made = (made or SESSION).create_client(service, region_name=region, endpoint_url=endpoint, config=config)
    if witness:
        made.meta.events.register("before-parse", WITNESS.response)
    return made


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, (found, code, error)
        return
    raise AssertionError(f"{code} was expected of {arguments}")


def until(what):
    for _ in range(600):
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it does not come to that")


# -- What the sandbox knows ----------------------------------------------------------------------------------------------


def known(service):
    """The operations of a service that are not refused as unknown."""
    if service == "s3":
        # A library answers it; these are the ones whose permissions the sandbox knows.
        source = (SOURCES / "permissions/request.rs").read_text()
        body = source.split("fn s3(")[1].split("\nfn ")[0]
        operations = set(client("s3").meta.service_model.operation_names)
        return {f"s3 {name}" for name in re.findall(r'"([A-Za-z0-9]+)"', body) if name in operations} - {"s3 ListObjects"}
    # ARC answers in some places only.
    places = {"route53-recovery-cluster": ("us-east-1", PROBED_ARC), "route53-recovery-control-config": ("us-west-2", PROBED)}
    region, endpoint = places.get(service, (WEST, PROBED))
    asked = client(service, region, endpoint, lenient=True, witness=False)
    model, found = asked.meta.service_model, set()
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        labels = shape.members.items() if shape is not None else ()
        given = {member: "x" for member, one in labels if one.serialization.get("location") == "uri"}
        # botocore looks into it for the endpoint.
        given |= {"RequestItems": {}} if shape is not None and "RequestItems" in shape.members else {}
        try:
            asked._make_api_call(name, given)
        except ClientError as error:
            # One that needs no signature never comes as far.
            if error.response["Error"]["Code"] in ("UnknownOperationException", "MissingAuthenticationToken"):
                continue
        found.add(f"{model.signing_name} {name}")
    return found


# -- Reading and small services ------------------------------------------------------------------------------------------

west = {service: client(service) for service in SERVICES}
east = {service: client(service, EAST) for service in ("rds", "ssm")}
rds, ssm = west["rds"], west["ssm"]


def small_services():
    assert west["sts"].get_caller_identity()["Account"] == ACCOUNT

    switch = west["arc-region-switch"]
    plan = f"arn:aws:arc-region-switch::{ACCOUNT}:plan/shop:0a1b2c"
    assert switch.get_plan_execution(planArn=plan, executionId="e")["executionState"] == "completed"
    fails("ResourceNotFoundException", switch.get_plan_execution, planArn=plan, executionId="nothing")
    # The plan in the docs is one that can be created.
    example = json.loads((pathlib.Path(__file__).parents[2] / "docs/region-switch.example.json").read_text())
    create = switch.meta.service_model.operation_model("CreatePlan").input_shape
    problems = ParamValidator().validate(example, create)
    assert not problems.has_errors(), problems.generate_report()

    secrets = west["secretsmanager"]
    secrets.get_secret_value(SecretId="shop/orders")
    fails("ResourceNotFoundException", secrets.get_secret_value, SecretId="nothing")
    assert "shop/orders" in [secret["Name"] for secret in secrets.list_secrets()["SecretList"]]

    ssm.get_parameter(Name="/causeway/plans/shop")
    fails("ParameterNotFound", ssm.get_parameter, Name="/nothing")
    ssm.get_parameters(Names=["/causeway/plans/shop", "/nothing"])
    [plan] = ssm.get_parameters_by_path(Path="/causeway/plans")["Parameters"]
    assert plan["Name"] == "/causeway/plans/shop"
    assert ssm.get_parameters_by_path(Path="/causeway")["Parameters"] == []
    [stack] = west["cloudformation"].describe_stacks()["Stacks"]
    assert "FailoverRoleArn" in [output["OutputKey"] for output in stack["Outputs"]]
    assert west["cloudformation"].describe_stacks(StackName="causeway")["Stacks"] == [stack]
    fails("ValidationError", west["cloudformation"].describe_stacks, StackName="nothing")
    ssm.put_parameter(Name="/new", Value="1", Type="String", Tier="Advanced")
    fails("ParameterAlreadyExists", ssm.put_parameter, Name="/new", Value="1", Type="String")
    fails("ValidationException", ssm.put_parameter, Name="new/one", Value="1", Type="String")

    sns, topic = west["sns"], f"arn:aws:sns:{WEST}:{ACCOUNT}:causeway-notifications"
    sns.publish(TopicArn=topic, Message="a", Subject="b")
    fails("NotFound", sns.publish, TopicArn=topic + "s", Message="a")
    fails("InvalidParameter", sns.publish, TopicArn=topic, Message="a", Subject="b" * 101)

    iam, role = west["iam"], f"arn:aws:iam::{ACCOUNT}:role/causeway-PreflightRole-{WEST}"
    asked = {"ActionNames": ["rds:DescribeGlobalClusters"], "ResourceArns": ["*"]}
    keys = [{"ContextKeyName": "aws:CalledVia", "ContextKeyValues": ["x"], "ContextKeyType": "stringList"}]
    iam.simulate_principal_policy(PolicySourceArn=role, ContextEntries=keys, **asked)
    fails("NoSuchEntity", iam.simulate_principal_policy, PolicySourceArn=role + "s", **asked)

    functions = west["lambda"]
    assert functions.invoke(FunctionName="causeway-report", Payload=b"{}")["StatusCode"] == 200
    failed = functions.invoke(FunctionName="broken", Payload=b"{}")
    assert failed["FunctionError"] == "Unhandled" and json.loads(failed["Payload"].read())["errorMessage"]
    fails("InvalidRequestContentException", functions.invoke, FunctionName="causeway-report", Payload=b"{")
    fails("ResourceNotFoundException", functions.invoke, FunctionName="nothing", Payload=b"{}")


def objects():
    s3, bucket = west["s3"], f"causeway-reports-{ACCOUNT}-{WEST}"
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"1")
    s3.get_object(Bucket=bucket, Key="a/b")["Body"].read()
    s3.head_object(Bucket=bucket, Key="a/b")
    s3.head_bucket(Bucket=bucket)
    s3.list_objects_v2(Bucket=bucket, Prefix="a/")
    fails("NoSuchKey", s3.get_object, Bucket=bucket, Key="nothing")
    fails("404", s3.head_object, Bucket=bucket, Key="nothing")
    fails("NoSuchBucket", s3.get_object, Bucket="nothing", Key="nothing")
    begun = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="big", UploadId=begun, PartNumber=1, Body=b"1")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=begun, MultipartUpload=parts)


def cloudwatch():
    names = [{"Name": "DBClusterIdentifier", "Value": "shop-orders-west"}]
    metric = {"Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBReplicationLag", "Dimensions": names}
    now = time.time()
    times = {"StartTime": now - 3600, "EndTime": now + 3600}
    for protocol in ("smithy-rpc-v2-cbor", "json", "query"):
        speaks = client("cloudwatch", made=session(protocol))
        assert speaks.meta.service_model.resolved_protocol == protocol
        stat = {"Metric": metric, "Period": 60, "Stat": "Average"}
        queries = [{"Id": "lag", "MetricStat": stat}]
        data = speaks.get_metric_data(MetricDataQueries=queries, **times)["MetricDataResults"]
        assert data[0]["Values"][0] == 200.0, data
        statistics = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
        points = speaks.get_metric_statistics(**metric, **times, Period=60, Statistics=statistics)["Datapoints"]
        assert points[0]["Maximum"] == 200.0, points
        of_clusters = [{"Name": "DBClusterIdentifier"}]
        listed = speaks.list_metrics(Namespace="AWS/RDS", MetricName=metric["MetricName"], Dimensions=of_clusters)
        assert metric in listed["Metrics"], listed
        back = {"StartTime": now, "EndTime": now - 1}
        fails("ValidationError", speaks.get_metric_data, MetricDataQueries=queries, **back)
        wrong = "InvalidParameterValueException" if protocol == "json" else "InvalidParameterValue"
        fails(wrong, speaks.get_metric_statistics, **metric, **back, Period=60, Statistics=statistics)
        assert speaks.describe_alarms(AlarmNames=["shop-east-canary"])["MetricAlarms"]
        speaks.set_alarm_state(AlarmName="shop-east-canary", StateValue="OK", StateReason="x")
        fails("ResourceNotFound", speaks.set_alarm_state, AlarmName="x", StateValue="OK", StateReason="x")
        fails("ValidationError", speaks.set_alarm_state, AlarmName="shop-east-canary", StateValue="BAD", StateReason="x")


def arc():
    cluster = client("route53-recovery-cluster", "eu-west-1", ARC[2])
    controls = cluster.list_routing_controls()["RoutingControls"]
    one, other = (control["RoutingControlArn"] for control in controls)
    cluster.get_routing_control_state(RoutingControlArn=one)
    fails("ResourceNotFoundException", cluster.get_routing_control_state, RoutingControlArn=one + "x")
    cluster.update_routing_control_state(RoutingControlArn=one, RoutingControlState="On")
    off = [{"RoutingControlArn": arn, "RoutingControlState": "Off"} for arn in (one, other)]
    fails("ConflictException", cluster.update_routing_control_states, UpdateRoutingControlStateEntries=off)
    fails("ValidationException", cluster.update_routing_control_states, UpdateRoutingControlStateEntries=[off[0]] * 2)
    on = [dict(entry, RoutingControlState="On") for entry in off]
    cluster.update_routing_control_states(UpdateRoutingControlStateEntries=on)
    # The last of the endpoints is made unavailable for this.
    ill = client("route53-recovery-cluster", "ap-southeast-2", ARC[4])
    fails("EndpointTemporarilyUnavailableException", ill.get_routing_control_state, RoutingControlArn=one)

    config = client("route53-recovery-control-config", "us-west-2")
    config.describe_cluster(ClusterArn="arn:aws:route53-recovery-control::000000000000:cluster/sandbox")
    fails("ResourceNotFoundException", config.describe_cluster, ClusterArn="arn:aws:route53-recovery-control::000000000000:cluster/other")
    assert config.list_clusters()["Clusters"][0]["ClusterEndpoints"]
    panel = controls[0]["ControlPanelArn"]
    of_cluster = {"ClusterArn": "arn:aws:route53-recovery-control::000000000000:cluster/sandbox"}
    assert config.list_control_panels(**of_cluster)["ControlPanels"][0]["ControlPanelArn"] == panel
    of_other = {"ClusterArn": "arn:aws:route53-recovery-control::000000000000:cluster/other"}
    fails("ResourceNotFoundException", config.list_control_panels, **of_other)
    config.list_routing_controls(ControlPanelArn=panel)
    config.describe_routing_control(RoutingControlArn=one)
    # One of each kind.
    assert len(config.list_safety_rules(ControlPanelArn=panel)["SafetyRules"]) == 3
    elsewhere = client("route53-recovery-control-config", EAST)
    fails("AccessDeniedException", elsewhere.list_safety_rules, ControlPanelArn=panel)


def tables():
    """Every operation of DynamoDB once: what each does is held against moto, in crates/dynamodb/tests."""
    dynamodb, name = west["dynamodb"], {"TableName": "notes"}
    text = lambda value: {"S": value}
    key = lambda value: {"pk": text("a"), "sk": text(value)}
    part = [("pk", "HASH"), ("sk", "RANGE")]
    dynamodb.create_table(
        **name,
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "sk", "by")],
        KeySchema=[{"AttributeName": attribute, "KeyType": kind} for attribute, kind in part],
        GlobalSecondaryIndexes=[{
            "IndexName": "of-by",
            "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    dynamodb.update_table(**name, ReplicaUpdates=[{"Create": {"RegionName": EAST}}])
    assert dynamodb.describe_table(**name)["Table"]["Replicas"]
    assert "notes" in dynamodb.list_tables()["TableNames"]
    dynamodb.put_item(**name, Item={**key("1"), "n": {"N": "1"}, "by": text("x")})
    dynamodb.update_item(
        **name, Key=key("1"), UpdateExpression="SET n = n + :n", ExpressionAttributeValues={":n": {"N": "2"}}, ReturnValues="ALL_NEW"
    )
    assert dynamodb.get_item(**name, Key=key("1"))["Item"]["n"] == {"N": "3"}
    of = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": text("a")}}
    assert dynamodb.query(**name, **of)["Count"] == 1
    by = {"KeyConditionExpression": "#by = :x", "ExpressionAttributeNames": {"#by": "by"}, "ExpressionAttributeValues": {":x": text("x")}}
    assert dynamodb.query(**name, **by, IndexName="of-by")["Count"] == 1
    assert dynamodb.scan(**name)["Count"] == 1
    condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    fails("ConditionalCheckFailedException", dynamodb.put_item, **name, Item=key("1"), **condition)
    put = lambda value: {"Put": {**name, "Item": key(value), **condition}}
    dynamodb.transact_write_items(TransactItems=[put("2")])
    fails("TransactionCanceledException", dynamodb.transact_write_items, TransactItems=[put("2"), put("3")])
    dynamodb.transact_get_items(TransactItems=[{"Get": {**name, "Key": key("2")}}])
    dynamodb.batch_write_item(RequestItems={"notes": [{"PutRequest": {"Item": key("4")}}]})
    assert dynamodb.batch_get_item(RequestItems={"notes": {"Keys": [key("4")]}})["Responses"]["notes"]
    dynamodb.delete_item(**name, Key=key("4"))
    dynamodb.update_time_to_live(**name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    dynamodb.describe_time_to_live(**name)
    dynamodb.update_continuous_backups(**name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    dynamodb.describe_continuous_backups(**name)
    dynamodb.update_table(**name, ReplicaUpdates=[{"Delete": {"RegionName": EAST}}])
    dynamodb.delete_table(**name)
    fails("ResourceNotFoundException", dynamodb.describe_table, TableName="nothing")


def experiments():
    """An experiment that runs to its end, one that is stopped, one that a stop condition halts, one that skips its actions, and one that
    fails."""
    fis = client("fis", EAST)
    [template] = fis.list_experiment_templates(maxResults=1)["experimentTemplates"]
    assert template["tags"]["Name"] == "shop-partition", template
    assert fis.get_experiment_template(id=template["id"])["experimentTemplate"]["actions"]["carts"]["parameters"] == {"duration": "PT15M"}
    fails("ResourceNotFoundException", fis.get_experiment_template, id="EXTnothing")
    [other] = west["fis"].list_experiment_templates()["experimentTemplates"]
    fails("ResourceNotFoundException", fis.get_experiment_template, id=other["id"])

    def start(token, **more):
        return fis.start_experiment(clientToken=token, experimentTemplateId=template["id"], **more)["experiment"]["id"]

    def comes_to(experiment, wanted):
        def come():
            one = fis.get_experiment(id=experiment)["experiment"]
            return one["state"]["status"] == wanted and one

        return until(come)

    first = start("a", tags={"why": "a witness"})
    assert start("a", tags={"why": "a witness"}) == first
    fails("ConflictException", fis.start_experiment, clientToken="a", experimentTemplateId=template["id"])
    fails("ResourceNotFoundException", fis.start_experiment, experimentTemplateId="EXTnothing")
    fails("ValidationException", client("fis", EAST, lenient=True).start_experiment, experimentTemplateId="")
    comes_to(first, "running")
    assert first in [one["id"] for one in fis.list_experiments(experimentTemplateId=template["id"])["experiments"]]
    over = comes_to(first, "completed")
    assert over["actions"]["carts"]["endTime"] > over["actions"]["carts"]["startTime"] > over["creationTime"], over
    assert fis.stop_experiment(id=first)["experiment"] == over
    fails("ResourceNotFoundException", fis.stop_experiment, id="EXPnothing")
    fails("ResourceNotFoundException", fis.get_experiment, id="EXPnothing")
    fails("ValidationException", client("fis", EAST, lenient=True).list_experiments, maxResults=0)

    second = start("b")
    comes_to(second, "running")
    assert fis.stop_experiment(id=second)["experiment"]["state"]["status"] == "stopping"
    comes_to(second, "stopped")
    alarms, alarm = client("cloudwatch", EAST), "shop-canary-global"
    alarms.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="x")
    halted = comes_to(start("c"), "stopped")
    assert {action["state"]["status"] for action in halted["actions"].values()} == {"cancelled"}, halted
    alarms.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="x")
    skipped = comes_to(start("d", experimentOptions={"actionsMode": "skip-all"}), "completed")
    assert {action["state"]["status"] for action in skipped["actions"].values()} == {"skipped"}, skipped
    lever("add-experiment")
    [template] = [one for one in fis.list_experiment_templates()["experimentTemplates"] if "tags" not in one]
    assert comes_to(start("e"), "failed")["state"]["error"]["code"] == "ConfigurationFailure"


def refused():
    """What every operation may answer: a parameter is missing, the caller may not."""
    fails("MissingParameter", client("rds", endpoint=PROBED, lenient=True).failover_global_cluster)
    fails("ValidationException", client("ssm", endpoint=PROBED, lenient=True).get_parameter)
    # Whose role has nothing to do with any of this.
    other = session(caller=f"SANDBOX.{WEST}.causeway-report")
    denied = {
        "cloudwatch": ("describe_alarms", {}, "AccessDenied"),
        "dynamodb": ("get_item", {"TableName": "carts", "Key": {}}, "AccessDeniedException"),
        "fis": ("list_experiments", {}, "AccessDeniedException"),
        "iam": ("simulate_principal_policy", {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/x", "ActionNames": ["a:b"]}, "AccessDenied"),
        "kms": ("describe_key", {"KeyId": "alias/aws/rds"}, "AccessDeniedException"),
        "lambda": ("invoke", {"FunctionName": "causeway-report"}, "AccessDeniedException"),
        "rds": ("describe_db_clusters", {}, "AccessDenied"),
        "s3": ("get_object", {"Bucket": f"causeway-reports-{ACCOUNT}-{WEST}", "Key": "a/b"}, "AccessDenied"),
        "secretsmanager": ("get_secret_value", {"SecretId": "shop/orders"}, "AccessDeniedException"),
        "sns": ("publish", {"TopicArn": f"arn:aws:sns:{WEST}:{ACCOUNT}:causeway-alarms", "Message": "a"}, "AuthorizationError"),
        "ssm": ("put_parameter", {"Name": "/a", "Value": "b"}, "AccessDeniedException"),
        "stepfunctions": ("start_execution", {"stateMachineArn": MACHINE}, "AccessDeniedException"),
    }
    for service, (operation, arguments, code) in denied.items():
        fails(code, getattr(client(service, made=other), operation), **arguments)
    control = "arn:aws:route53-recovery-control::000000000000:controlpanel/sandbox/routingcontrol/sandbox-west"
    arc = client("route53-recovery-cluster", "eu-west-1", ARC[2], made=other)
    fails("AccessDeniedException", arc.get_routing_control_state, RoutingControlArn=control)


# -- Automation ----------------------------------------------------------------------------------------------------------


def automation():
    def status(execution):
        return ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]["AutomationExecutionStatus"]

    def start(document, **parameters):
        given = {name: [value] for name, value in parameters.items()}
        return ssm.start_automation_execution(DocumentName=document, Parameters=given)["AutomationExecutionId"]

    def comes_to(execution, wanted):
        until(lambda: status(execution) == wanted)

    documents = {one["Name"] for one in ssm.list_documents()["DocumentIdentifiers"]}
    for name in documents:
        ssm.get_document(Name=name)
        ssm.describe_document(Name=name)
    fails("InvalidDocument", ssm.get_document, Name="nothing")
    fails("InvalidDocument", ssm.describe_document, Name="nothing")
    fails("AutomationDefinitionNotFoundException", ssm.start_automation_execution, DocumentName="nothing")
    old = {"DocumentName": "asks", "DocumentVersion": "7"}
    fails("AutomationDefinitionVersionNotFoundException", ssm.start_automation_execution, **old)
    wrong = {"DocumentName": "asks", "Parameters": {"Nothing": ["x"]}}
    fails("InvalidAutomationExecutionParametersException", ssm.start_automation_execution, **wrong)
    again = {"DocumentName": "fails", "ClientToken": "00000000-0000-0000-0000-000000000001"}
    ssm.start_automation_execution(**again)
    fails("IdempotentParameterMismatch", ssm.start_automation_execution, **again)

    # Approved, rejected, stopped, failed, out of time.
    for signal, end in (("Approve", "Success"), ("Reject", "Failed")):
        asked = start("asks")
        comes_to(asked, "Waiting")
        signalled = {"AutomationExecutionId": asked, "SignalType": signal}
        ssm.send_automation_signal(**signalled, Payload={"Comment": ["because"]})
        comes_to(asked, end)
        fails("InvalidAutomationSignalException", ssm.send_automation_signal, **signalled)
    fails("InvalidAutomationStatusUpdateException", ssm.stop_automation_execution, AutomationExecutionId=asked)
    fails("AutomationExecutionNotFoundException", ssm.get_automation_execution, AutomationExecutionId=asked[:-4] + "0000")
    stopped = start("asks")
    comes_to(stopped, "Waiting")
    ssm.stop_automation_execution(AutomationExecutionId=stopped, Type="Cancel")
    comes_to(stopped, "Cancelled")
    failed = start("fails")
    comes_to(failed, "Failed")
    comes_to(start("out-of-time"), "TimedOut")
    looped = start("loops")
    comes_to(looped, "Success")
    steps = ssm.describe_automation_step_executions(AutomationExecutionId=looped)["StepExecutions"]
    assert any("ParentStepDetails" in step for step in steps), steps
    page = ssm.describe_automation_step_executions(AutomationExecutionId=looped, MaxResults=1)
    token = {"AutomationExecutionId": looped, "NextToken": "x"}
    assert page["NextToken"]
    fails("InvalidNextToken", ssm.describe_automation_step_executions, **token)
    ssm.describe_automation_executions(Filters=[{"Key": "ExecutionStatus", "Values": ["Failed"]}])
    unknown = [{"Key": "TagKey", "Values": ["x"]}]
    fails("InvalidFilterKey", ssm.describe_automation_executions, Filters=unknown)


# -- Step Functions ------------------------------------------------------------------------------------------------------

MACHINE = f"arn:aws:states:{WEST}:{ACCOUNT}:stateMachine:witness"


def state_machines():
    states, bucket = west["stepfunctions"], f"causeway-reports-{ACCOUNT}-{WEST}"

    def ranges(*lines):
        body = "".join(json.dumps(line) + "\n" for line in lines)
        west["s3"].put_object(Bucket=bucket, Key="ranges.jsonl", Body=body.encode())

    def start(name, **more):
        given = json.dumps({"bucket": bucket, "key": "ranges.jsonl", "plan": "shop", **more})
        return states.start_execution(stateMachineArn=MACHINE, name=name, input=given)["executionArn"]

    def comes_to(execution, wanted):
        until(lambda: states.describe_execution(executionArn=execution)["status"] == wanted)
        return states.describe_execution(executionArn=execution)

    def counts(execution):
        run = states.list_map_runs(executionArn=execution)["mapRuns"][0]["mapRunArn"]
        return states.describe_map_run(mapRunArn=run)["itemCounts"]

    ranges({"rows": 1}, {"rows": 2})
    good = comes_to(start("good"), "SUCCEEDED")
    assert json.loads(good["output"])["ranges"][1]["rows"] == 2, good
    fails("ExecutionAlreadyExists", start, name="good")
    fails("ExecutionNotRedrivable", states.redrive_execution, executionArn=good["executionArn"])

    ranges({"rows": 1}, {"rows": 2, "fails": True})
    failed = comes_to(start("failed"), "FAILED")
    assert failed["error"] == "States.ExceedToleratedFailureThreshold", failed
    assert counts(failed["executionArn"])["failed"] == 1
    states.redrive_execution(executionArn=failed["executionArn"])
    again = comes_to(failed["executionArn"], "FAILED")
    assert again["redriveCount"] == 1, again

    stopped = start("stopped", later=True)
    states.stop_execution(executionArn=stopped, error="Enough", cause="a test")
    assert comes_to(stopped, "ABORTED")["error"] == "Enough"

    none = MACHINE.replace("stateMachine", "execution") + ":none"
    fails("ExecutionDoesNotExist", states.describe_execution, executionArn=none)
    fails("StateMachineDoesNotExist", states.start_execution, stateMachineArn=MACHINE + "es")
    fails("InvalidArn", states.start_execution, stateMachineArn=MACHINE.replace(WEST, EAST))
    fails("InvalidName", states.start_execution, stateMachineArn=MACHINE, name="a b")
    fails("InvalidExecutionInput", states.start_execution, stateMachineArn=MACHINE, input="{")
    fails("InvalidToken", states.list_map_runs, executionArn=stopped, nextToken="x")
    fails("ResourceNotFound", states.describe_map_run, mapRunArn=none.replace("execution:witness", "mapRun:witness/ranges"))


# -- Aurora --------------------------------------------------------------------------------------------------------------


def lever(name):
    """Moves the world, by a function of the test's."""
    west["lambda"].invoke(FunctionName=name, Payload=b"{}")


def arn(kind, name, region=WEST):
    return f"arn:aws:rds:{region}:{ACCOUNT}:{kind}:{name}"


def global_cluster(name="shop-orders"):
    return rds.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"][0]


def members(name):
    return {one["DBClusterArn"].split(":")[3]: one for one in global_cluster(name)["GlobalClusterMembers"]}


def cluster(name, at=rds):
    try:
        return at.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]["Status"]
    except ClientError as error:
        return error.response["Error"]["Code"]


def snapshot(name, at=rds):
    return at.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=name)["DBClusterSnapshots"][0]["Status"]


def describing():
    fails("GlobalClusterNotFoundFault", rds.describe_global_clusters, GlobalClusterIdentifier="nothing")
    fails("DBClusterNotFoundFault", rds.describe_db_clusters, DBClusterIdentifier="nothing")
    fails("DBInstanceNotFound", rds.describe_db_instances, DBInstanceIdentifier="nothing")
    fails("DBSubnetGroupNotFoundFault", rds.describe_db_subnet_groups, DBSubnetGroupName="nothing")
    fails("DBClusterSnapshotNotFoundFault", rds.describe_db_cluster_snapshots, DBClusterSnapshotIdentifier="nothing")
    both = {"DBClusterIdentifier": "a", "DBClusterSnapshotIdentifier": "b"}
    fails("InvalidParameterCombination", rds.describe_db_cluster_snapshots, **both)
    fails("InvalidParameterValue", rds.describe_db_clusters, MaxRecords=5)
    rds.describe_global_clusters(Filters=[{"Name": "region", "Values": [WEST]}])
    rds.describe_db_clusters()
    rds.describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": ["shop-orders-west"]}])
    assert rds.describe_db_subnet_groups()["DBSubnetGroups"][0]["Subnets"]
    rds.describe_db_subnet_groups(DBSubnetGroupName="default")
    rds.describe_account_attributes()


def snapshots():
    for number in range(21):
        taken = {"DBClusterIdentifier": "shop-catalog-east", "DBClusterSnapshotIdentifier": f"taken-{number}"}
        east["rds"].create_db_cluster_snapshot(**taken, Tags=[{"Key": "a", "Value": "b"}])
        until(lambda: snapshot(f"taken-{number}", east["rds"]) == "available")
    fails("DBClusterSnapshotAlreadyExistsFault", east["rds"].create_db_cluster_snapshot, **taken)
    page = east["rds"].describe_db_cluster_snapshots(MaxRecords=20)
    assert east["rds"].describe_db_cluster_snapshots(MaxRecords=20, Marker=page["Marker"])["DBClusterSnapshots"]
    # The catalogue's storage is encrypted.
    copy = {
        "SourceDBClusterSnapshotIdentifier": arn("cluster-snapshot", "taken-0", EAST),
        "TargetDBClusterSnapshotIdentifier": "copied",
        "SourceRegion": EAST,
    }
    keys = {region: f"arn:aws:kms:{region}:{ACCOUNT}:key/1" for region in (EAST, WEST)}
    fails("InvalidParameterCombination", rds.copy_db_cluster_snapshot, **copy)
    fails("KMSKeyNotAccessibleFault", rds.copy_db_cluster_snapshot, **copy, KmsKeyId=keys[EAST])
    rds.copy_db_cluster_snapshot(**copy, KmsKeyId=keys[WEST], CopyTags=True)
    for key, manager in ("alias/aws/rds", "AWS"), (keys[WEST], "CUSTOMER"):
        assert west["kms"].describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == manager
    fails("NotFoundException", west["kms"].describe_key, KeyId=keys[EAST])
    fails("DBClusterSnapshotAlreadyExistsFault", rds.copy_db_cluster_snapshot, **copy, KmsKeyId=keys[WEST])
    again = {"SourceDBClusterSnapshotIdentifier": "copied", "TargetDBClusterSnapshotIdentifier": "copied-2"}
    fails("InvalidDBClusterSnapshotStateFault", rds.copy_db_cluster_snapshot, **again)
    until(lambda: snapshot("copied") == "available")


def restoring():
    restore = {"DBClusterIdentifier": "restored", "SnapshotIdentifier": "copied", "Engine": "aurora-mysql"}
    version = global_cluster()["EngineVersion"]
    scaling = {"ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 2}}
    tags = {"Tags": [{"Key": "a", "Value": "b"}]}
    rest = {"EngineVersion": version, "EnableIAMDatabaseAuthentication": True, **scaling, **tags}
    kept = {"Port": 3307, "DeletionProtection": False, "EnableCloudwatchLogsExports": ["error"], "VpcSecurityGroupIds": ["sg-1"]}
    nothing = dict(restore, SnapshotIdentifier="nothing")
    fails("DBClusterSnapshotNotFoundFault", rds.restore_db_cluster_from_snapshot, **nothing)
    rds.restore_db_cluster_from_snapshot(**restore, **rest, **kept)
    fails("DBClusterAlreadyExistsFault", rds.restore_db_cluster_from_snapshot, **restore)
    instance = {"DBInstanceIdentifier": "restored-1", "DBInstanceClass": "db.serverless", "Engine": "aurora-mysql"}
    fails("DBClusterNotFoundFault", rds.create_db_instance, **instance, DBClusterIdentifier="nothing")
    fails("InvalidDBClusterStateFault", rds.create_db_instance, **instance, DBClusterIdentifier="shop-orders-west")
    until(lambda: cluster("restored") == "available")
    rds.create_db_instance(**instance, DBClusterIdentifier="restored", PubliclyAccessible=False, **tags)
    fails("DBInstanceAlreadyExists", rds.create_db_instance, **instance, DBClusterIdentifier="restored")
    states = lambda: rds.describe_db_instances(DBInstanceIdentifier="restored-1")["DBInstances"][0]["DBInstanceStatus"]
    until(lambda: states() == "available")
    for name in (arn("cluster", "restored"), arn("db", "restored-1"), arn("cluster-snapshot", "copied")):
        rds.add_tags_to_resource(ResourceName=name, Tags=[{"Key": "c", "Value": "d"}])
        assert len(rds.list_tags_for_resource(ResourceName=name)["TagList"]) == 2
    rename = {"DBClusterIdentifier": "restored", "NewDBClusterIdentifier": "renamed", "ApplyImmediately": True}
    rds.modify_db_cluster(**rename)
    until(lambda: cluster("renamed") == "available")
    gone = {"DBClusterIdentifier": "renamed", "SkipFinalSnapshot": True}
    fails("InvalidDBClusterStateFault", rds.delete_db_cluster, **gone)
    rds.delete_db_instance(DBInstanceIdentifier="restored-1")
    fails("InvalidDBInstanceState", rds.delete_db_instance, DBInstanceIdentifier="restored-1")
    rds.delete_db_cluster(DBClusterIdentifier="renamed", FinalDBSnapshotIdentifier="last")
    until(lambda: cluster("renamed") == "DBClusterNotFoundFault")
    until(lambda: snapshot("last") == "available")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="last")
    fails("DBClusterSnapshotNotFoundFault", rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier="last")


def moving():
    """Switchover and failover, with every state on the way."""
    target = {"GlobalClusterIdentifier": "shop-orders", "TargetDbClusterIdentifier": arn("cluster", "shop-orders-west")}
    lever("hold")
    fails("InvalidParameterValue", rds.switchover_global_cluster, **target)
    east["rds"].switchover_global_cluster(**target)
    states = set()

    def come(state):
        states.add(global_cluster().get("FailoverState", {}).get("Status"))
        return state in states

    until(lambda: come("switching-over"))
    fails("InvalidGlobalClusterStateFault", east["rds"].switchover_global_cluster, **target)
    lever("release")
    until(lambda: members("shop-orders")[WEST]["IsWriter"] and "FailoverState" not in global_cluster())
    back = dict(target, TargetDbClusterIdentifier=arn("cluster", "shop-orders-east", EAST))
    rds.switchover_global_cluster(**back)
    until(lambda: members("shop-orders")[EAST]["IsWriter"] and "FailoverState" not in global_cluster())
    fails("InvalidDBClusterStateFault", east["rds"].failover_global_cluster, **back, AllowDataLoss=True)

    lever("isolate")
    lever("hold")
    copy = {
        "SourceDBClusterSnapshotIdentifier": arn("cluster-snapshot", "taken-0", EAST),
        "TargetDBClusterSnapshotIdentifier": "copied-3",
    }
    fails("InternalFailure", rds.copy_db_cluster_snapshot, **copy)
    rds.failover_global_cluster(**target, AllowDataLoss=True)
    until(lambda: come("failing-over"))
    lever("release")
    until(lambda: members("shop-orders")[WEST]["IsWriter"] and "FailoverState" not in global_cluster())
    lever("rejoin")
    until(lambda: members("shop-orders")[EAST]["SynchronizationStatus"] == "connected")
    assert {"pending", "switching-over", "failing-over"} <= states, states
    assert east["rds"].describe_events(Duration=60)["Events"]
    fails("InvalidParameterCombination", rds.describe_events, SourceIdentifier="shop-orders-west")
    automated = east["rds"].describe_db_cluster_snapshots(SnapshotType="automated")["DBClusterSnapshots"]
    name = {"DBClusterSnapshotIdentifier": automated[0]["DBClusterSnapshotIdentifier"]}
    fails("InvalidDBClusterSnapshotStateFault", east["rds"].delete_db_cluster_snapshot, **name)


def rebuilding():
    """A secondary is detached, and the global database made anew around it."""
    old, new = "shop-catalog", "shop-new"
    mine = arn("cluster", "shop-catalog-west")
    primary = {"GlobalClusterIdentifier": old, "DbClusterIdentifier": arn("cluster", "shop-catalog-east", EAST)}
    fails("InvalidGlobalClusterStateFault", rds.remove_from_global_cluster, **primary)
    fails("InvalidGlobalClusterStateFault", rds.delete_global_cluster, GlobalClusterIdentifier=old)
    rds.remove_from_global_cluster(GlobalClusterIdentifier=old, DbClusterIdentifier=mine)
    until(lambda: cluster("shop-catalog-west") == "available" and WEST not in members(old))
    east["rds"].remove_from_global_cluster(**primary)
    until(lambda: not members(old))
    rds.delete_global_cluster(GlobalClusterIdentifier=old)
    create = {"GlobalClusterIdentifier": new, "SourceDBClusterIdentifier": mine}
    rds.create_global_cluster(**create)
    fails("GlobalClusterAlreadyExistsFault", rds.create_global_cluster, **create)
    version = global_cluster()["EngineVersion"]
    secondary = {"DBClusterIdentifier": "shop-new-east", "Engine": "aurora-mysql", "EngineVersion": version}
    fails("GlobalClusterNotFoundFault", east["rds"].create_db_cluster, **secondary, GlobalClusterIdentifier="nothing")
    east["rds"].create_db_cluster(**secondary, GlobalClusterIdentifier=new, StorageEncrypted=True)
    until(lambda: cluster("shop-new-east", east["rds"]) == "available")
    fails("DBClusterAlreadyExistsFault", east["rds"].create_db_cluster, **secondary, GlobalClusterIdentifier=new)


def main():
    given = json.load(sys.stdin)
    # Services of which somebody taught the world must be called here, too.
    dispatch = (SOURCES / "world/mod.rs").read_text().split("fn dispatch(")[1].split("\n    }")[0]
    called = {west[service].meta.service_model.signing_name for service in SERVICES}
    missing = set(re.findall(r'"([a-z0-9-]+)" =>', dispatch)) - called
    assert not missing, f"call these services, too: {missing}"
    operations = set().union(*(known(service) for service in SERVICES))

    small_services()
    objects()
    cloudwatch()
    arc()
    tables()
    experiments()
    refused()
    automation()
    state_machines()
    describing()
    snapshots()
    restoring()
    moving()
    rebuilding()

    models = [west[service].meta.service_model for service in SERVICES]
    reads = [shapes.reads_in(path.read_text()) for path in (SOURCES / "world").rglob("*.rs") if "tests" not in path.stem and "tests" not in path.parts[-2]]
    differences = WITNESS.differences | set(
        shapes.tables(given, models, operations, WITNESS.members, set().union(*map(set, reads)))
    )
    # Every code that is written in the sources of one service, also one that no call above brings about.
    for file, service in (("rds/*", "rds"), ("monitoring", "monitoring"), ("sns", "sns"), ("secrets", "secretsmanager"),
                          ("kms", "kms"), ("fis", "fis"),
                          ("parameters", "ssm"), ("sts", "sts"), ("../../../automation/src/service", "ssm"),
                          ("../../../states/src/service", "states"),
                          ("../functions/binaries", "lambda")):
        model = next(model for model in models if model.signing_name == service)
        declared = {code for shape in model.error_shapes for code in (shape.error_code, shape.name)}
        folder, _, name = f"world/{file}".rpartition("/")
        sources = [path.read_text() for path in sorted((SOURCES / folder).glob(f"{name}.rs"))]
        assert sources, f"no source of {service} is at {file}"
        for code in shapes.codes_in("\n".join(sources)):
            if code not in declared and code != "UnknownOperationException":
                differences.add(f"{service}: error {code}")
    print(json.dumps({
        "known": sorted(operations),
        "answered": sorted(WITNESS.answered),
        "differences": sorted(differences),
    }))


main()

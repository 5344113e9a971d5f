"""An independent client drives the sandbox: boto3, which shares no code with the SDK that the steps use.

Called by the test beside it as: drive.py ENDPOINT ARC_ENDPOINT_1 … ARC_ENDPOINT_5. Any failed assertion is the test's.
"""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, ARC = sys.argv[1], sys.argv[2:7]
EAST, WEST = "sandbox-east", "sandbox-west"


def client(service, region, endpoint=ENDPOINT):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="SANDBOX",
        aws_secret_access_key="sandbox",
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 1}),
    )


def code_of(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("the call succeeded")


def writer_region(name):
    cluster = client("rds", WEST).describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"][0]
    writers = [m["DBClusterArn"] for m in cluster["GlobalClusterMembers"] if m["IsWriter"]]
    assert len(writers) == 1, writers
    return writers[0].split(":")[3]


def run(document, parameters):
    ssm = client("ssm", WEST)
    name = document.removeprefix("causeway-").capitalize()
    role = f"arn:aws:iam::000000000000:role/causeway-{name}RunbookRole-{WEST}"
    parameters = {"AutomationAssumeRole": [role], **parameters}
    execution = ssm.start_automation_execution(DocumentName=document, Parameters=parameters)["AutomationExecutionId"]
    for _ in range(1200):
        state = ssm.get_automation_execution(AutomationExecutionId=execution)["AutomationExecution"]
        if state["AutomationExecutionStatus"] not in ("Pending", "InProgress", "Waiting"):
            return state
        time.sleep(0.1)
    raise AssertionError(f"{document} did not end")


# Reading the world.
assert writer_region("shop-orders") == EAST
assert code_of(lambda: client("rds", EAST).describe_global_clusters(GlobalClusterIdentifier="nothing")) == "GlobalClusterNotFoundFault"
clusters = client("rds", WEST).describe_db_clusters()["DBClusters"]
assert {c["DBClusterIdentifier"] for c in clusters} == {"shop-orders-west", "shop-catalog-west"}, clusters
plan = json.loads(client("ssm", WEST).get_parameter(Name="/causeway/plans/shop")["Parameter"]["Value"])
assert plan["name"] == "shop"
secret = json.loads(client("secretsmanager", WEST).get_secret_value(SecretId="shop/orders")["SecretString"])
assert secret["username"] == "shop"
assert client("sts", WEST).get_caller_identity()["Account"] == "000000000000"

# ARC: any endpoint answers, and a safety rule holds.
east, west = plan["routing"]["controls"][EAST], plan["routing"]["controls"][WEST]
arc = client("route53-recovery-cluster", "eu-west-1", ARC[2])
assert arc.get_routing_control_state(RoutingControlArn=east)["RoutingControlState"] == "On"
off = [{"RoutingControlArn": arn, "RoutingControlState": "Off"} for arn in (east, west)]
assert code_of(lambda: arc.update_routing_control_states(UpdateRoutingControlStateEntries=off)) == "ConflictException"

# S3.
s3 = client("s3", WEST)
bucket = plan["reportBuckets"][WEST]
s3.put_object(Bucket=bucket, Key="a/b.txt", Body=b"hello")
assert s3.get_object(Bucket=bucket, Key="a/b.txt")["Body"].read() == b"hello"
assert code_of(lambda: s3.get_object(Bucket=bucket, Key="nothing")) == "NoSuchKey"

# A runbook that can't be started, one that refuses, one that works.
assert code_of(lambda: client("ssm", WEST).start_automation_execution(DocumentName="nothing")) == "AutomationDefinitionNotFoundException"
assert code_of(lambda: client("ssm", WEST).start_automation_execution(DocumentName="causeway-failover")) == "InvalidAutomationExecutionParametersException"
refused = run("causeway-failover", {"Plan": ["/causeway/plans/shop"], "ImpairedRegion": [WEST]})
assert refused["AutomationExecutionStatus"] == "Failed", refused
assert writer_region("shop-orders") == EAST

moved = run("causeway-failover", {"Plan": ["/causeway/plans/shop"], "ImpairedRegion": [EAST]})
assert moved["AutomationExecutionStatus"] == "Success", moved.get("FailureMessage")
assert moved["Outputs"]["record.location"][0].startswith(f"s3://{bucket}/reports/shop/"), moved["Outputs"]
assert writer_region("shop-orders") == writer_region("shop-catalog") == WEST
assert arc.get_routing_control_state(RoutingControlArn=east)["RoutingControlState"] == "Off"
again = run("causeway-failover", {"Plan": ["/causeway/plans/shop"], "ImpairedRegion": [EAST]})
assert again["AutomationExecutionStatus"] == "Failed", "a failover to where the primary is already is refused"
print("ok")

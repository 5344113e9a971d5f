"""Independent clients drive the sandbox: boto3, and the `aws` command with the commands of docs/operations.md. Neither shares
code with the SDK that the steps use.

Called by the test beside it as: drive.py ENDPOINT ARC_ENDPOINT_1 … ARC_ENDPOINT_5, with the sandbox's secret access key in SECRET.
Any failed assertion is the test's.
"""

import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, ARC = sys.argv[1], sys.argv[2:7]
SECRET = os.environ["SECRET"]
EAST, WEST = "sandbox-east", "sandbox-west"


def client(service, region, endpoint=ENDPOINT, secret=SECRET):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="SANDBOX",
        aws_secret_access_key=secret,
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 1}),
    )


def code_of(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("the call succeeded")


def members(name):
    return client("rds", WEST).describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"][0]["GlobalClusterMembers"]


def follows(name, region):
    return any(m["SynchronizationStatus"] == "connected" for m in members(name) if f":{region}:" in m["DBClusterArn"])


def writer_region(name):
    writers = [m["DBClusterArn"] for m in members(name) if m["IsWriter"]]
    assert len(writers) == 1, writers
    return writers[0].split(":")[3]


# -- An operator at night: the `aws` command, with the very lines of the night guide ------------------------------------

GUIDE = pathlib.Path(__file__).parents[2] / "docs/operations.md"
ENVIRONMENT = {
    # This environment's own command comes first.
    "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
    "HOME": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": "SANDBOX",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_MAX_ATTEMPTS": "1",
    "PLAN": "/causeway/plans/shop",
    "APPROVER": "arn:aws:iam::000000000000:user/SANDBOX",
}


def guide():
    """The commands of the guide, by the comment above each."""
    commands, name = {}, None
    for block in re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("# "):
                name = line[2:]
                commands[name] = ""
            elif name:
                commands[name] += line + "\n"
        name = None
    return commands


COMMANDS = guide()
# What the guide has once in a shell.
[ROLE] = re.findall(r"^role\(\) \{.*?\}", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


class Operator:
    """Someone with a shell in a Region, who goes by the guide."""

    def __init__(self, region, **variables):
        # Version 1 of the command reads the latter only.
        self.environment = {**ENVIRONMENT, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **variables}

    def type(self, name, execution="EXECUTION"):
        """Runs a command of the guide, with what is set so far, and this execution where the guide leaves it to the reader."""
        command = COMMANDS[name].replace("EXECUTION", execution)
        script = f"set -euo pipefail\n{ROLE}\n{command}"
        if name.startswith("start "):
            script += 'echo "$ID"\n'
        done = subprocess.run(["bash", "-c", script], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, (name, done.stderr)
        return done.stdout.strip()

    def start(self, runbook):
        STARTED.add(f"causeway-{runbook}")
        self.environment["ID"] = self.type(f"start {runbook}")
        return self.environment["ID"]

    def status(self):
        return self.type("how it stands").split("\t")[0]

    def wait_for(self, *statuses):
        for _ in range(300):
            status = self.status()
            if status in statuses:
                return status
            assert status in ("Pending", "InProgress"), (status, self.steps())
            time.sleep(0.2)
        raise AssertionError(f"it does not come to {statuses}: {self.steps()}")

    def ended(self, status):
        found = self.wait_for("Success", "Failed", "Cancelled", "TimedOut")
        assert found == status, (found, self.steps())
        # One sentence, which is the failure message, too.
        [[name, [summary]]] = json.loads(self.type("what it wrote")).items()
        assert name == "outcome.summary", name
        message = self.type("how it stands").split("\t")[2]
        # Of an approval that was rejected, the service's own words are the message.
        assert status != "Failed" or message.startswith(summary) or message in summary, (message, summary)
        return summary

    def approved(self):
        self.wait_for("Waiting")
        self.type("approve")
        return self.ended("Success")

    def steps(self):
        """What each step said: name, how it ended, its answer, its reason."""
        return [line.split("\t") for line in self.type("what each step said").splitlines()]


STARTED = set()

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

# Nobody else on this machine is answered: not without the secret, and not by another name that leads here.
for service, call, code in (
    ("secretsmanager", lambda other: other.get_secret_value(SecretId="shop/orders"), "InvalidSignatureException"),
    ("rds", lambda other: other.describe_db_clusters(), "SignatureDoesNotMatch"),
    ("s3", lambda other: other.list_objects_v2(Bucket=plan["reportBuckets"][WEST]), "SignatureDoesNotMatch"),
):
    assert code_of(lambda: call(client(service, WEST, secret="sandbox"))) == code, service
port = ENDPOINT.rsplit(":", 1)[1]
for host, status in ((f"localhost:{port}", 403), ("evil.example.com", 421), (f"evil.example.com:{port}", 421)):
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    connection.request("GET", "/", headers={"Host": host})
    assert connection.getresponse().status == status, host

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

# A runbook that can't be started.
assert code_of(lambda: client("ssm", WEST).start_automation_execution(DocumentName="nothing")) == "AutomationDefinitionNotFoundException"
assert code_of(lambda: client("ssm", WEST).start_automation_execution(DocumentName="causeway-failover")) == "InvalidAutomationExecutionParametersException"

quiet = Operator(WEST)
quiet.start("readiness")
assert "nothing stands in the way" in quiet.ended("Success")

wrong = Operator(WEST, FROM=WEST)
wrong.start("failover")
assert wrong.ended("Failed").startswith(f"refused: {WEST} is the Region to leave")
assert writer_region("shop-orders") == EAST

# It asks when it can't tell whether a failover was made lately: stopped, rejected, approved.
operator = Operator(WEST, FROM=EAST)
record = {"Bucket": bucket, "Key": "records/shop/last-failover.json"}
for answer, status in (("stop", "Cancelled"), ("reject", "Failed"), ("approve", "Success")):
    s3.put_object(Body=b"no record", **record)
    failover = operator.start("failover")
    operator.wait_for("Waiting")
    preflight = next(step for step in operator.steps() if step[0] == "preflight")
    assert preflight[1:3] == ["Success", "NeedsApproval"], preflight
    assert "whether a failover was made lately is not known" in preflight[3], preflight
    assert writer_region("shop-orders") == EAST
    s3.delete_object(**record)
    operator.type(answer)
    wrote = operator.ended(status)
assert f" s3://{bucket}/reports/shop/{failover}/" in wrote, wrote
assert [failover, "causeway-failover", "Success"] in [
    line.split("\t")[1:] for line in operator.type("what ran here lately").splitlines()
]
assert writer_region("shop-orders") == writer_region("shop-catalog") == WEST
assert arc.get_routing_control_state(RoutingControlArn=east)["RoutingControlState"] == "Off"
operator.start("failover")
assert operator.ended("Failed").startswith(f"refused: {WEST} already is primary of every database")

reconciled = operator.start("reconcile")
wrote = operator.ended("Success")
assert f" s3://{bucket}/reports/shop/{reconciled}/" in wrote, wrote

operator.environment["RECONCILED"] = reconciled
operator.start("replay")
wrote = operator.ended("Success")
assert wrote.startswith("No row to put back"), wrote

# By hand: nothing is left to clean up, which the function says.
left = operator.type("what a reconciliation restored: again until it says Done", reconciled)
assert json.JSONDecoder().raw_decode(left)[0]["status"] == "Done", left
assert json.loads(operator.type("is anything left?")) == []

# Back, once the old Region follows again; the guide says to set the Region anew.
for name in ("shop-orders", "shop-catalog"):
    while not follows(name, EAST):
        time.sleep(0.2)
home = Operator(EAST, FROM=WEST, OFF=WEST)
home.start("failback")
assert "no write was lost" in home.ended("Success")
assert writer_region("shop-orders") == writer_region("shop-catalog") == EAST
# Nothing was detached: there is nothing to rebuild.
home.start("rebuild")
home.ended("Success")
home.start("routing")
assert "traffic is" in home.ended("Success")
assert arc.get_routing_control_state(RoutingControlArn=west)["RoutingControlState"] == "Off"

# Over and back before anybody has looked for what was lost: it asks, and reconcile still reads the new primary's cluster, a
# secondary by now.
s3.delete_object(**record)
arc.update_routing_control_state(RoutingControlArn=west, RoutingControlState="On")
# Away from a Region that answers and is in step: it asks, and names what loses nothing.
operator.start("failover")
operator.wait_for("Waiting")
preflight = next(step for step in operator.steps() if step[0] == "preflight")
assert f"{EAST} answers" in preflight[3] and "the runbook failback" in preflight[3], preflight
operator.type("approve")
operator.ended("Success")
for name in ("shop-orders", "shop-catalog"):
    while not follows(name, EAST):
        time.sleep(0.2)
home.start("failback")
home.wait_for("Waiting")
home.type("approve")
home.ended("Success")
assert writer_region("shop-orders") == writer_region("shop-catalog") == EAST
for name in ("shop-orders", "shop-catalog"):
    while not follows(name, WEST):
        time.sleep(0.2)
late = operator.start("reconcile")
wrote = operator.ended("Success")
assert f" s3://{bucket}/reports/shop/{late}/" in wrote, wrote

# Detached, and made a global database again, with the servers of the old primaries going on meanwhile.
s3.delete_object(**record)
arc.update_routing_control_state(RoutingControlArn=west, RoutingControlState="On")
detached = Operator(WEST, FROM=EAST)
detached.environment["ID"] = detached.type("start failover, detaching")
detached.wait_for("Waiting")
detached.type("approve")
detached.ended("Success")
detached.start("rebuild")
detached.ended("Success")
for name in ("shop-orders", "shop-catalog"):
    assert writer_region(name) == WEST and follows(name, EAST), members(name)
kept = [c for c in client("rds", EAST).describe_db_clusters()["DBClusters"] if "detached" in c["DBClusterIdentifier"]]
assert [c["Status"] for c in kept] == ["available"] * 2, kept

deployed = {one["Name"] for one in client("ssm", WEST).list_documents()["DocumentIdentifiers"]}
assert STARTED == deployed, f"start these here too, by the guide: {deployed - STARTED}"
print("ok")

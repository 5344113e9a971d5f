"""One script of calls for the sandbox and for emulators that nobody here wrote.

    shared_calls.py ENDPOINT EAST WEST [--prepare]

Makes every call in order and prints, as JSON, what came of each: the code of an error, or the members of the answer with
their types, each under the name of its shape in AWS's model (`DBCluster.Port`). `--prepare` first makes what the sandbox has from the start: the global database of the shop, with a cluster
and an instance in each Region, its parameter, secret, topic, bucket and alarm. A call that the emulator has not, or breaks on, is "unknown".

What takes time in the sandbox is waited for by asking, a hundred times at most. Ids, names and texts are not compared: the
emulators make their own.
"""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

ENDPOINT, EAST, WEST = sys.argv[1:4]
EMULATOR = "--prepare" in sys.argv
ACCOUNT = "123456789012" if EMULATOR else "000000000000"
BUCKET = f"causeway-reports-{ACCOUNT}-{WEST}"
ALARM = "shop-east-canary"
PLAN = "/causeway/plans/shop"
LOGIN = {"MasterUsername": "shop", "MasterUserPassword": "a-long-password"}
# What emulators answer to what they have not.
UNKNOWN = {"InvalidAction", "NotImplemented", "NotImplementedException", "UnknownOperationException", "501"}

found = []
# Services that the emulator has not.
lacking = set()


def client(service, region):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        # An access key of twelve digits is the account, for the emulator that looks at it.
        aws_access_key_id=ACCOUNT if EMULATOR else "SANDBOX",
        aws_secret_access_key="sandbox",
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


CLIENTS = {(service, region): client(service, region) for region in (EAST, WEST) for service in
           ("rds", "ssm", "secretsmanager", "sns", "s3", "cloudwatch", "sts", "kms", "fis")}


def members(value, shape, result):
    """Puts each member at and below `value` into `result`: shape and name to the name of its type, all items of a list as
    one."""
    if isinstance(value, dict) and shape.type_name == "structure":
        for name, inner in value.items():
            below = shape.members[name]
            result[f"{shape.name}.{name}"] = type(inner).__name__
            members(inner, below, result)
    elif isinstance(value, list):
        for inner in value:
            if not isinstance(inner, (dict, list)):
                result[f"{shape.name}[]"] = type(inner).__name__
            members(inner, shape.member, result)
    return result


def call(said, where, service, operation, **arguments):
    """Makes a call and keeps what came of it under `OPERATION said`; answers what was answered."""
    one = CLIENTS[service, where]
    api = one.meta.method_to_api_mapping[operation]
    entry = {"call": f"{api} {said}", "operation": api}
    found.append(entry)
    if service in lacking:
        entry["unknown"] = True
        return {}
    try:
        answer = getattr(one, operation)(**arguments)
    except ResponseParserError:
        # moto answers a page of HTML to what it has not and to what it breaks on.
        entry["unknown"] = True
        return {}
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        message = error.response["Error"].get("Message", "")
        if code in UNKNOWN or status in (500, 501) or "not been implemented" in message:
            entry["unknown"] = True
        else:
            entry |= {"error": code, "status": status, "message": message}
        return {}
    answer.pop("ResponseMetadata", None)
    answer.pop("Body", None)
    shape = one.meta.service_model.operation_model(api).output_shape
    entry["members"] = members(answer, shape, {}) if shape else {}
    return answer


def until(where, operation, wanted, **arguments):
    """Asks until the one thing that is described is as `wanted`, if the last call was accepted; None says that it is gone."""
    if "members" not in found[-1]:
        return
    for _ in range(300):
        try:
            answer = getattr(CLIENTS["rds", where], operation)(**arguments)
            things = next(value for value in answer.values() if isinstance(value, list))
            state = next((one.get("Status") or one.get("DBInstanceStatus") for one in things), None)
        except ClientError as error:
            state = None
            if "NotFound" not in error.response["Error"]["Code"]:
                raise
        if state == wanted:
            return
        time.sleep(0.1)
    sys.exit(f"{operation} {arguments}: it does not become {wanted}, it is {state}")


def arn(where, kind, name):
    return f"arn:aws:rds:{where}:{ACCOUNT}:{kind}:{name}"


def prepare():
    rds = {where: CLIENTS["rds", where] for where in (EAST, WEST)}
    engine = {"Engine": "aurora-mysql", "EngineVersion": "8.0.mysql_aurora.3.08.0"}
    rds[EAST].create_db_cluster(DBClusterIdentifier="shop-orders-east", DatabaseName="orders", **engine, **LOGIN)
    rds[EAST].create_global_cluster(
        GlobalClusterIdentifier="shop-orders", SourceDBClusterIdentifier=arn(EAST, "cluster", "shop-orders-east"))
    rds[WEST].create_db_cluster(DBClusterIdentifier="shop-orders-west", GlobalClusterIdentifier="shop-orders", **engine)
    for where, name in ((EAST, "shop-orders-east"), (WEST, "shop-orders-west")):
        rds[where].create_db_instance(
            DBInstanceIdentifier=f"{name}-1", DBClusterIdentifier=name, DBInstanceClass="db.r6g.large",
            Engine="aurora-mysql")
    ssm, secrets = CLIENTS["ssm", WEST], CLIENTS["secretsmanager", WEST]
    ssm.put_parameter(Name="/causeway/plans/shop", Type="String", Value="{}")
    secrets.create_secret(Name="shop/orders", SecretString='{"username":"shop"}')
    CLIENTS["sns", WEST].create_topic(Name="causeway-notifications")
    CLIENTS["s3", WEST].create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": WEST})
    CLIENTS["cloudwatch", WEST].put_metric_alarm(
        AlarmName=ALARM, MetricName="m", Namespace="n", Statistic="Average", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="missing")
    try:
        prepare_experiment()
    except ClientError as error:
        # ministack has no FIS, and takes what is asked of it for a request to S3.
        if error.response["Error"]["Code"] != "400":
            raise
        lacking.add("fis")


def prepare_experiment():
    """The shop's, as workload/chaos.yaml has it."""
    table = f"arn:aws:dynamodb:{WEST}:{ACCOUNT}:table/carts"
    CLIENTS["fis", WEST].create_experiment_template(
        clientToken="shop", description="shop loses its connection", roleArn=f"arn:aws:iam::{ACCOUNT}:role/shop-chaos",
        stopConditions=[{"source": "aws:cloudwatch:alarm", "value": f"arn:aws:cloudwatch:{WEST}:{ACCOUNT}:alarm:{ALARM}"}],
        experimentOptions={"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"},
        logConfiguration={
            "logSchemaVersion": 2,
            "cloudWatchLogsConfiguration": {"logGroupArn": f"arn:aws:logs:{WEST}:{ACCOUNT}:log-group:/shop/chaos:*"},
        },
        targets={
            "subnets": {"resourceType": "aws:ec2:subnet", "resourceTags": {"ChaosAllowed": "True"}, "selectionMode": "ALL"},
            "carts": {"resourceType": "aws:dynamodb:global-table", "resourceArns": [table], "selectionMode": "ALL"},
        },
        actions={
            "network": {
                "actionId": "aws:network:route-table-disrupt-cross-region-connectivity",
                "parameters": {"region": EAST, "duration": "PT15M"},
                "targets": {"Subnets": "subnets"},
            },
            "carts": {
                "actionId": "aws:dynamodb:global-table-pause-replication",
                "parameters": {"duration": "PT15M"},
                "targets": {"Tables": "carts"},
            },
        },
        tags={"Name": "shop-partition"},
    )


def databases():
    rds = lambda said, where, operation, **arguments: call(said, where, "rds", operation, **arguments)
    east, west = arn(EAST, "cluster", "shop-orders-east"), arn(WEST, "cluster", "shop-orders-west")
    name = "shop-orders-east"
    rds("of one", EAST, "describe_global_clusters", GlobalClusterIdentifier="shop-orders")
    rds("of none", EAST, "describe_global_clusters", GlobalClusterIdentifier="nothing")
    rds("of a primary", EAST, "describe_db_clusters", DBClusterIdentifier=name)
    rds("of a secondary", WEST, "describe_db_clusters", DBClusterIdentifier="shop-orders-west")
    rds("of none", EAST, "describe_db_clusters", DBClusterIdentifier="nothing")
    rds("of another Region", EAST, "describe_db_clusters", DBClusterIdentifier="shop-orders-west")
    rds("of one", EAST, "describe_db_instances", DBInstanceIdentifier=f"{name}-1")
    rds("of none", EAST, "describe_db_instances", DBInstanceIdentifier="nothing")
    rds("of a cluster", EAST, "describe_db_instances", Filters=[{"Name": "db-cluster-id", "Values": [name]}])
    rds("by default", EAST, "describe_account_attributes")

    # The global database.
    in_shop = {"GlobalClusterIdentifier": "shop-orders"}
    nothing = arn(WEST, "cluster", "nothing")
    rds("to a cluster that is none", WEST, "failover_global_cluster", TargetDbClusterIdentifier=nothing, AllowDataLoss=True,
        **in_shop)
    rds("with both kinds", WEST, "failover_global_cluster", TargetDbClusterIdentifier=west, AllowDataLoss=True,
        Switchover=True, **in_shop)
    rds("with loss", WEST, "failover_global_cluster", TargetDbClusterIdentifier=west, AllowDataLoss=True, **in_shop)
    moved(WEST)
    rds("to none", WEST, "switchover_global_cluster", GlobalClusterIdentifier="nothing", TargetDbClusterIdentifier=east)
    rds("to a cluster that is none", WEST, "switchover_global_cluster", TargetDbClusterIdentifier=nothing, **in_shop)
    rds("to the primary", WEST, "switchover_global_cluster", TargetDbClusterIdentifier=west, **in_shop)
    rds("to the secondary", WEST, "switchover_global_cluster", TargetDbClusterIdentifier=east, **in_shop)
    moved(EAST)
    home, away = (EAST, WEST) if writer() == east else (WEST, EAST)
    primary, secondary = (east, west) if home == EAST else (west, east)
    name = primary.split(":")[-1]
    rds("from none", home, "remove_from_global_cluster", GlobalClusterIdentifier="nothing", DbClusterIdentifier=secondary)
    rds("of a cluster that is none", home, "remove_from_global_cluster", DbClusterIdentifier=nothing, **in_shop)
    rds("with members", home, "delete_global_cluster", **in_shop)
    rds("with a name that is taken", home, "create_global_cluster", SourceDBClusterIdentifier=primary, **in_shop)
    rds("of the primary, with a secondary", home, "remove_from_global_cluster", DbClusterIdentifier=primary, **in_shop)
    rds("of the secondary", away, "remove_from_global_cluster", DbClusterIdentifier=secondary, **in_shop)
    removed(secondary)
    rds("of the primary", home, "remove_from_global_cluster", DbClusterIdentifier=primary, **in_shop)
    removed(primary)
    rds("of one without members", home, "delete_global_cluster", **in_shop)
    rds("of none", home, "delete_global_cluster", GlobalClusterIdentifier="nothing")
    rds("around a cluster", home, "create_global_cluster", GlobalClusterIdentifier="again",
        SourceDBClusterIdentifier=primary)
    rds("around a cluster of another Region", home, "create_global_cluster", GlobalClusterIdentifier="other",
        SourceDBClusterIdentifier=secondary)
    rds("around no cluster", home, "create_global_cluster", GlobalClusterIdentifier="other",
        SourceDBClusterIdentifier=arn(home, "cluster", "nothing"))
    engine = {"Engine": "aurora-mysql", "EngineVersion": "8.0.mysql_aurora.3.08.0"}
    rds("as a secondary", away, "create_db_cluster", DBClusterIdentifier="again-away", GlobalClusterIdentifier="again",
        **engine)
    rds("in no global one", away, "create_db_cluster", DBClusterIdentifier="other-away", GlobalClusterIdentifier="nothing",
        **engine)

    # Snapshots.
    tags = [{"Key": "made-by", "Value": "test"}]
    rds("of a cluster", home, "create_db_cluster_snapshot", DBClusterIdentifier=name, DBClusterSnapshotIdentifier="first",
        Tags=tags)
    until(home, "describe_db_cluster_snapshots", "available", DBClusterSnapshotIdentifier="first")
    rds("of no cluster", home, "create_db_cluster_snapshot", DBClusterIdentifier="nothing",
        DBClusterSnapshotIdentifier="second")
    rds("with a name that is taken", home, "create_db_cluster_snapshot", DBClusterIdentifier=name,
        DBClusterSnapshotIdentifier="first")
    rds("of one", home, "describe_db_cluster_snapshots", DBClusterSnapshotIdentifier="first")
    rds("of a cluster", home, "describe_db_cluster_snapshots", DBClusterIdentifier=name)
    rds("of none", home, "describe_db_cluster_snapshots", DBClusterSnapshotIdentifier="nothing")
    rds("of a cluster that is none", home, "describe_db_cluster_snapshots", DBClusterIdentifier="nothing")
    snapshot = arn(home, "cluster-snapshot", "first")
    rds("in its Region", home, "copy_db_cluster_snapshot", SourceDBClusterSnapshotIdentifier="first",
        TargetDBClusterSnapshotIdentifier="copy", Tags=tags)
    if found[-1].get("unknown"):
        CLIENTS["rds", home].create_db_cluster_snapshot(DBClusterIdentifier=name, DBClusterSnapshotIdentifier="copy")
    until(home, "describe_db_cluster_snapshots", "available", DBClusterSnapshotIdentifier="copy")
    rds("of none", home, "copy_db_cluster_snapshot", SourceDBClusterSnapshotIdentifier="nothing",
        TargetDBClusterSnapshotIdentifier="other")
    rds("with a name that is taken", home, "copy_db_cluster_snapshot", SourceDBClusterSnapshotIdentifier="first",
        TargetDBClusterSnapshotIdentifier="copy")
    rds("of an hour", home, "describe_events", Duration=60)

    # Tags.
    rds("of a snapshot", home, "add_tags_to_resource", ResourceName=snapshot, Tags=[{"Key": "more", "Value": "tags"}])
    rds("of a snapshot", home, "list_tags_for_resource", ResourceName=snapshot)
    rds("of a cluster", home, "add_tags_to_resource", ResourceName=arn(home, "cluster", name), Tags=tags)
    rds("of a cluster", home, "list_tags_for_resource", ResourceName=arn(home, "cluster", name))
    rds("of none", home, "list_tags_for_resource", ResourceName=arn(home, "cluster", "nothing"))

    # Restore, rename, delete.
    rds("of one", home, "restore_db_cluster_from_snapshot", DBClusterIdentifier="restored", SnapshotIdentifier="copy",
        Tags=tags, **engine)
    if found[-1].get("unknown"):
        CLIENTS["rds", home].create_db_cluster(DBClusterIdentifier="restored", **engine, **LOGIN)
    until(home, "describe_db_clusters", "available", DBClusterIdentifier="restored")
    rds("of none", home, "restore_db_cluster_from_snapshot", DBClusterIdentifier="other", SnapshotIdentifier="nothing",
        **engine)
    if EMULATOR:
        # moto makes a snapshot of every new cluster by itself, named after the minute: a second one in the same minute fails.
        for one in CLIENTS["rds", home].describe_db_cluster_snapshots()["DBClusterSnapshots"]:
            if one["DBClusterSnapshotIdentifier"].startswith("rds:"):
                CLIENTS["rds", home].delete_db_cluster_snapshot(
                    DBClusterSnapshotIdentifier=one["DBClusterSnapshotIdentifier"])
    rds("with a name that is taken", home, "restore_db_cluster_from_snapshot", DBClusterIdentifier=name,
        SnapshotIdentifier="copy", **engine)
    rds("of a restored one", home, "describe_db_clusters", DBClusterIdentifier="restored")
    instance = {"DBInstanceClass": "db.r6g.large", "Engine": "aurora-mysql"}
    rds("in a cluster", home, "create_db_instance", DBInstanceIdentifier="restored-1", DBClusterIdentifier="restored",
        Tags=tags, **instance)
    until(home, "describe_db_instances", "available", DBInstanceIdentifier="restored-1")
    rds("in no cluster", home, "create_db_instance", DBInstanceIdentifier="other-1", DBClusterIdentifier="nothing",
        **instance)
    rds("with a name that is taken", home, "create_db_instance", DBInstanceIdentifier="restored-1",
        DBClusterIdentifier="restored", **instance)
    rds("to another name", home, "modify_db_cluster", DBClusterIdentifier="restored", NewDBClusterIdentifier="renamed",
        ApplyImmediately=True)
    clone = "renamed"
    if EMULATOR and clone not in [
        one["DBClusterIdentifier"] for one in CLIENTS["rds", home].describe_db_clusters()["DBClusters"]
    ]:
        clone = "restored"
    until(home, "describe_db_clusters", "available", DBClusterIdentifier=clone)
    rds("by the new name", home, "describe_db_clusters", DBClusterIdentifier="renamed")
    rds("of none", home, "modify_db_cluster", DBClusterIdentifier="nothing", NewDBClusterIdentifier="other",
        ApplyImmediately=True)
    rds("by the old name", home, "describe_db_clusters", DBClusterIdentifier="restored")
    rds("with an instance", home, "delete_db_cluster", DBClusterIdentifier=clone, SkipFinalSnapshot=True)
    clone = once_more(home, clone)
    rds("of one in a cluster", home, "delete_db_instance", DBInstanceIdentifier="restored-1", SkipFinalSnapshot=True)
    until(home, "describe_db_instances", None, DBInstanceIdentifier="restored-1")
    rds("of none", home, "delete_db_instance", DBInstanceIdentifier="nothing", SkipFinalSnapshot=True)
    rds("without a word about a last snapshot", home, "delete_db_cluster", DBClusterIdentifier=clone)
    clone = once_more(home, clone)
    rds("without a last snapshot", home, "delete_db_cluster", DBClusterIdentifier=clone, SkipFinalSnapshot=True)
    rds("of none", home, "delete_db_cluster", DBClusterIdentifier="nothing", SkipFinalSnapshot=True)
    rds("of one", home, "delete_db_cluster_snapshot", DBClusterSnapshotIdentifier="copy")
    rds("of none", home, "delete_db_cluster_snapshot", DBClusterSnapshotIdentifier="nothing")


def once_more(where, cluster):
    """Makes another cluster for one that an emulator should have refused to delete; answers the name of what there is."""
    if not EMULATOR or "members" not in found[-1]:
        return cluster
    # moto keeps a snapshot that bears the name.
    name = f"{cluster}-again"
    CLIENTS["rds", where].create_db_cluster(DBClusterIdentifier=name, Engine="aurora-mysql", **LOGIN)
    return name


def writer():
    """ARN of the shop's primary."""
    one = CLIENTS["rds", EAST].describe_global_clusters(GlobalClusterIdentifier="shop-orders")["GlobalClusters"][0]
    writers = (member["DBClusterArn"] for member in one["GlobalClusterMembers"] if member.get("IsWriter"))
    # moto names no writer.
    return next(writers, arn(EAST, "cluster", "shop-orders-east"))


def moved(where):
    """Waits until what was just asked for is done: the primary is in this Region, and the other cluster follows."""
    if "members" not in found[-1]:
        return
    for _ in range(300):
        clusters = CLIENTS["rds", EAST].describe_global_clusters(GlobalClusterIdentifier="shop-orders")["GlobalClusters"]
        one = clusters[0]
        here = f":{where}:" in writer()
        follow = all(m.get("SynchronizationStatus", "connected") == "connected" for m in one["GlobalClusterMembers"])
        if here and follow and not one.get("FailoverState"):
            return
        time.sleep(0.1)
    sys.exit(f"the primary does not come to {where}: {clusters}")


def removed(cluster):
    """Waits until this cluster is no member any more."""
    if "members" not in found[-1]:
        return
    for _ in range(300):
        clusters = CLIENTS["rds", EAST].describe_global_clusters(GlobalClusterIdentifier="shop-orders")["GlobalClusters"]
        if all(m["DBClusterArn"] != cluster for one in clusters for m in one["GlobalClusterMembers"]):
            return
        time.sleep(0.1)
    sys.exit(f"{cluster} is not removed: {clusters}")


def others():
    parameter = lambda said, operation, **arguments: call(said, WEST, "ssm", operation, **arguments)
    parameter("of one", "get_parameter", Name=PLAN)
    parameter("of none", "get_parameter", Name="/nothing")
    parameter("of one and none", "get_parameters", Names=[PLAN, "/nothing"])
    parameter("of a new one", "put_parameter", Name="/new", Type="String", Value="a")
    parameter("of one that exists", "put_parameter", Name="/new", Type="String", Value="b")
    parameter("over one that exists", "put_parameter", Name="/new", Value="b", Overwrite=True)
    parameter("without a type", "put_parameter", Name="/newer", Value="a")
    parameter("with a name that is none", "put_parameter", Name="new/one", Type="String", Value="a")
    parameter("that is long", "put_parameter", Name="/long", Type="String", Value="a" * 4097)
    parameter("that is long, in the tier for it", "put_parameter", Name="/longer", Type="String", Value="a" * 4097, Tier="Advanced")
    parameter("of no document", "get_document", Name="nothing")
    parameter("of no document", "describe_document", Name="nothing")
    parameter("of no document", "start_automation_execution", DocumentName="nothing")

    call("of one", WEST, "secretsmanager", "get_secret_value", SecretId="shop/orders")
    call("of none", WEST, "secretsmanager", "get_secret_value", SecretId="nothing")

    topic = f"arn:aws:sns:{WEST}:{ACCOUNT}:causeway-"
    call("to a topic", WEST, "sns", "publish", TopicArn=topic + "notifications", Subject="a", Message="b")
    call("to none", WEST, "sns", "publish", TopicArn=topic + "nothing", Subject="a", Message="b")
    call("with a long subject", WEST, "sns", "publish", TopicArn=topic + "notifications", Subject="a" * 101, Message="b")

    store = lambda said, operation, **arguments: call(said, WEST, "s3", operation, Bucket=BUCKET, **arguments)
    store("of a new one", "put_object", Key="a/b.txt", Body=b"hello")
    store("of one", "get_object", Key="a/b.txt")
    store("of none", "get_object", Key="nothing")
    tag = CLIENTS["s3", WEST].get_object(Bucket=BUCKET, Key="a/b.txt")["ETag"]
    store("of one", "head_object", Key="a/b.txt")
    store("of none", "head_object", Key="nothing")
    store("that must be new, and is not", "put_object", Key="a/b.txt", Body=b"again", IfNoneMatch="*")
    store("that must be new, and is", "put_object", Key="a/c.txt", Body=b"again", IfNoneMatch="*")
    store("over what is known", "put_object", Key="a/b.txt", Body=b"other", IfMatch=tag)
    store("over what is known no more", "put_object", Key="a/b.txt", Body=b"other", IfMatch=tag)
    store("below a prefix", "list_objects_v2", Prefix="a/")
    store("below none", "list_objects_v2", Prefix="nothing/")
    store("of one", "delete_object", Key="a/b.txt")
    store("of none", "delete_object", Key="nothing")
    call("in no bucket", WEST, "s3", "get_object", Bucket="no-such-bucket-here", Key="a")

    alarm = lambda said, operation, **arguments: call(said, WEST, "cloudwatch", operation, **arguments)
    alarm("of one", "describe_alarms", AlarmNames=[ALARM])
    alarm("of none", "describe_alarms", AlarmNames=["nothing"])
    alarm("of one", "set_alarm_state", AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    alarm("of none", "set_alarm_state", AlarmName="nothing", StateValue="ALARM", StateReason="test")
    alarm("to none", "set_alarm_state", AlarmName=ALARM, StateValue="BROKEN", StateReason="test")
    metric = {"Namespace": "AWS/RDS", "MetricName": "AuroraGlobalDBRPOLag",
              "Dimensions": [{"Name": "DBClusterIdentifier", "Value": "nothing"}]}
    times = {"StartTime": time.time() - 600, "EndTime": time.time()}
    query = {"Id": "lag", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    alarm("of a metric without values", "get_metric_data", MetricDataQueries=[query], **times)
    alarm("of a metric without values", "get_metric_statistics", Period=60, Statistics=["Maximum"], **metric, **times)
    backwards = {"StartTime": times["EndTime"], "EndTime": times["StartTime"]}
    alarm("from the end to the start", "get_metric_data", MetricDataQueries=[query], **backwards)

    call("of AWS", WEST, "kms", "describe_key", KeyId="alias/aws/rds")
    call("of none", WEST, "kms", "describe_key", KeyId=f"arn:aws:kms:{WEST}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555")
    call("of anybody", WEST, "sts", "get_caller_identity")


def experiments():
    fis = lambda said, operation, **arguments: call(said, WEST, "fis", operation, **arguments)
    listed = fis("of a Region", "list_experiment_templates").get("experimentTemplates", [])
    template = next((one["id"] for one in listed if one["tags"].get("Name") == "shop-partition"), "EXTnothing")
    fis("of one", "get_experiment_template", id=template)
    fis("of none", "get_experiment_template", id="EXTnothing")
    of_shop = {"experimentTemplateId": template, "tags": {"why": "a rehearsal"}}
    first = fis("of a template", "start_experiment", clientToken="a", **of_shop).get("experiment", {}).get("id", "EXPnothing")
    again = fis("with the same token", "start_experiment", clientToken="a", **of_shop).get("experiment", {}).get("id", "EXPnothing")
    assert again == first, (again, first)
    fis("with the same token and no tags", "start_experiment", clientToken="a", experimentTemplateId=template)
    fis("of no template", "start_experiment", clientToken="b", experimentTemplateId="EXTnothing")
    comes_to(first, "completed")
    fis("that is over", "get_experiment", id=first)
    fis("that is over", "stop_experiment", id=first)
    second = fis("once more", "start_experiment", clientToken="c", **of_shop).get("experiment", {}).get("id", "EXPnothing")
    fis("of one", "stop_experiment", id=second)
    comes_to(second, "stopped")
    fis("that was stopped", "get_experiment", id=second)
    fis("of none", "get_experiment", id="EXPnothing")
    fis("of none", "stop_experiment", id="EXPnothing")
    fis("of a template", "list_experiments", experimentTemplateId=template)
    fis("of a Region", "list_experiments")


def comes_to(experiment, wanted):
    """Asks until an experiment is as `wanted`, if there is one. moto's is another one each time that it is asked about."""
    if experiment == "EXPnothing":
        return
    for _ in range(300):
        state = CLIENTS["fis", WEST].get_experiment(id=experiment)["experiment"]["state"]["status"]
        if state == wanted:
            return
        time.sleep(0.01)
    sys.exit(f"{experiment} does not become {wanted}, it is {state}")


if EMULATOR:
    prepare()
databases()
others()
experiments()
print(json.dumps(found))

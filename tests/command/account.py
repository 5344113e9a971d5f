"""Lists what an account has in some Regions, a line each, sorted: account.py REGION…

Of everything that the workload's templates make and the emulator knows, whatever made it. What AWS has by itself is left out: default
networks, keys and roles of services; keys that wait for their deletion.
"""

import sys

import boto3
from botocore.exceptions import ClientError


def pages(client, operation, member, **arguments):
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page.get(member) or []
    else:
        yield from getattr(client, operation)(**arguments).get(member) or []


LISTS = [
    ("cloudformation", "list_stacks", "StackSummaries", lambda s: s["StackStatus"] != "DELETE_COMPLETE" and s["StackName"]),
    ("ec2", "describe_vpcs", "Vpcs", lambda v: not v.get("IsDefault") and v["VpcId"]),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", lambda e: e["VpcEndpointId"]),
    ("rds", "describe_db_clusters", "DBClusters", lambda c: c["DBClusterIdentifier"]),
    ("rds", "describe_db_instances", "DBInstances", lambda i: i["DBInstanceIdentifier"]),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", lambda g: g["DBSubnetGroupName"]),
    ("rds", "describe_db_cluster_snapshots", "DBClusterSnapshots", lambda s: s["DBClusterSnapshotIdentifier"]),
    ("dynamodb", "list_tables", "TableNames", lambda t: t),
    ("elasticache", "describe_replication_groups", "ReplicationGroups", lambda g: g["ReplicationGroupId"]),
    ("secretsmanager", "list_secrets", "SecretList", lambda s: s["Name"]),
    ("ecr", "describe_repositories", "repositories", lambda r: r["repositoryName"]),
    ("ecs", "list_clusters", "clusterArns", lambda c: c),
    ("ecs", "list_task_definitions", "taskDefinitionArns", lambda t: t),
    ("servicediscovery", "list_namespaces", "Namespaces", lambda n: n["Name"]),
    ("elbv2", "describe_load_balancers", "LoadBalancers", lambda b: b["LoadBalancerName"]),
    ("elbv2", "describe_target_groups", "TargetGroups", lambda g: g["TargetGroupName"]),
    ("logs", "describe_log_groups", "logGroups", lambda g: g["logGroupName"]),
    ("cloudwatch", "describe_alarms", "MetricAlarms", lambda a: a["AlarmName"]),
    ("cloudwatch", "list_dashboards", "DashboardEntries", lambda d: d["DashboardName"]),
    ("sns", "list_topics", "Topics", lambda t: t["TopicArn"]),
    ("ssm", "describe_parameters", "Parameters", lambda p: p["Name"]),
    ("kms", "list_aliases", "Aliases", lambda a: not a["AliasName"].startswith("alias/aws/") and a["AliasName"]),
    ("lambda", "list_functions", "Functions", lambda f: f["FunctionName"]),
    ("iam", "list_roles", "Roles", lambda r: not r["Path"].startswith("/aws-service-role/") and r["RoleName"]),
    ("s3", "list_buckets", "Buckets", lambda b: b["Name"]),
    ("route53", "list_hosted_zones", "HostedZones", lambda z: z["Name"]),
]

# What belongs to no Region is asked for once.
GLOBAL = ("iam", "s3", "route53")

found = set()
for number, region in enumerate(sys.argv[1:]):
    for service, operation, member, name in LISTS:
        if number > 0 and service in GLOBAL:
            continue
        client = boto3.client(service, region_name=region)
        try:
            names = [name(one) for one in pages(client, operation, member)]
        except ClientError as error:
            raise SystemExit(f"{region}: {service} {operation}: {error}")
        found.update(f"{region} {service} {operation}: {one}" for one in names if one)
    kms = boto3.client("kms", region_name=region)
    for key in pages(kms, "list_keys", "Keys"):
        about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if about.get("KeyManager", "CUSTOMER") == "CUSTOMER" and about["KeyState"] != "PendingDeletion":
            found.add(f"{region} kms list_keys: {key['KeyId']}")
print("\n".join(sorted(found)))

"""What a removal of the workload may find: disturb.py FIRST SECOND

Two versions of a file in a bucket of the canaries; the second Region as the writer of the orders' global database, as after a failover
(the emulator's CloudFormation makes none, so it is made here), followed by a cluster that AWS rebuilt; a cluster that a runbook restored;
and one of somebody else.
"""

import sys

import boto3

first, second = sys.argv[1:]
s3 = boto3.client("s3", region_name=first)
bucket = next(b["Name"] for b in s3.list_buckets()["Buckets"] if "eyes" in b["Name"])
s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
for body in (b"1", b"2"):
    s3.put_object(Bucket=bucket, Key="run.json", Body=body)

rds = {region: boto3.client("rds", region_name=region) for region in (first, second)}
writer = rds[second].describe_db_clusters(DBClusterIdentifier=f"shop-orders-{second}")["DBClusters"][0]["DBClusterArn"]
rds[second].create_global_cluster(GlobalClusterIdentifier="shop-orders", SourceDBClusterIdentifier=writer)
tags = [{"Key": "causeway-workload", "Value": "shop"}]
rds[first].create_db_cluster(DBClusterIdentifier="rebuilt", Engine="aurora-mysql", GlobalClusterIdentifier="shop-orders", Tags=tags)
new = {"Engine": "aurora-mysql", "MasterUsername": "app", "MasterUserPassword": "not-a-secret"}
rds[first].create_db_cluster(DBClusterIdentifier="restored", Tags=tags, **new)
rds[first].create_db_cluster(DBClusterIdentifier="somebody-elses", Tags=[{"Key": "causeway-workload", "Value": "other"}], **new)

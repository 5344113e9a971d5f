//! KMS: says whose a key is. The keys that there are: AWS's own of RDS, and those that encrypt a cluster or a snapshot.

use std::sync::Arc;

use serde_json::{Value, json};

use super::core::World;
use super::model::{name_of, region_of};
use super::rds::request::key_arn;
use crate::account::{ACCOUNT, aws_key};
use crate::api::{ApiError, Call, required, unknown};

pub(super) fn call(world: &Arc<World>, call: &Call) -> Result<Value, ApiError> {
    if call.operation != "DescribeKey" {
        return Err(unknown(call));
    }
    let arn = key_arn(&call.region, required(&call.input, "KeyId")?);
    let of_aws = arn == aws_key(&call.region);
    let used = world.state(|state| {
        let clusters = state.clusters.values().filter_map(|cluster| cluster.key.as_ref());
        let snapshots = state.snapshots.values().filter_map(|snapshot| snapshot.key.as_ref());
        clusters.chain(snapshots).any(|key| *key == arn)
    });
    if region_of(&arn) != call.region || !(of_aws || used) {
        return Err(ApiError::new("NotFoundException", format!("Key '{arn}' does not exist")));
    }
    Ok(json!({"KeyMetadata": {
        "AWSAccountId": ACCOUNT,
        "KeyId": name_of(&arn).trim_start_matches("key/"),
        "Arn": arn,
        "Enabled": true,
        "KeyManager": if of_aws { "AWS" } else { "CUSTOMER" },
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
    }}))
}

//! Global clusters that are there from the beginning, with their servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use runbook::plan::Engine;
use serde_json::{Value, json};

use super::core::World;
use super::model::{Cluster, Global, GlobalMember, Instance};
use super::properties;
use crate::account::REGIONS;
use crate::databases::{NewDatabase, ServerError};

/// Engine version of the shop's clusters with Aurora MySQL.
pub const VERSION: &str = "8.0.mysql_aurora.3.08.0";

/// Engine version of clusters that are there from the beginning.
fn version(engine: Engine) -> &'static str {
    match engine {
        Engine::AuroraMysql => VERSION,
        Engine::AuroraPostgresql => "16.6",
    }
}

/// A setup that can't be made.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct SetupError {
    what: String,
    source: ServerError,
}

impl World {
    /// Adds a DynamoDB table with a partition and a sort key, both texts, in every Region.
    ///
    /// # Errors
    /// When there is one.
    pub fn add_global_table(&self, name: &str, [partition, sort]: [&str; 2]) -> Result<(), SetupError> {
        let (first, rest) = (REGIONS[0], &REGIONS[1..]);
        let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
        let text = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
        let table = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [text(partition), text(sort)],
            "KeySchema": [key(partition, "HASH"), key(sort, "RANGE")],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        });
        let replicas: Vec<Value> =
            rest.iter().map(|region| json!({"Create": {"RegionName": region}})).collect();
        let replicated = json!({"TableName": name, "ReplicaUpdates": replicas});
        for (operation, input) in [("CreateTable", table), ("UpdateTable", replicated)] {
            self.tables.call(first, operation, &input, self.clock.now()).map_err(|error| SetupError {
                what: format!("table {name} can't be set up"),
                source: ServerError(error.to_string()),
            })?;
        }
        Ok(())
    }

    /// Adds a global cluster with a primary and a secondary, an instance in each.
    ///
    /// # Errors
    /// When a server does not start.
    pub async fn add_global_cluster(
        self: &Arc<Self>,
        id: &str,
        database: NewDatabase<'_>,
        primary: &str,
        secondary: &str,
    ) -> Result<(), SetupError> {
        let fail =
            |cluster: &str, source| SetupError { what: format!("cluster {cluster} can't be set up"), source };
        let first = self.servers.create_primary(primary, database).await.map_err(|e| fail(primary, e))?;
        let second =
            self.servers.create_secondary(secondary, primary).await.map_err(|e| fail(secondary, e))?;
        let now = self.clock.now();
        let engine = database.engine.name();
        let request = json!({"Engine": engine});
        self.state(|state| {
            for (arn, address) in [(primary, first), (secondary, second)] {
                state.clusters.insert(
                    arn.to_owned(),
                    Cluster {
                        arn: arn.to_owned(),
                        status: "available",
                        engine: engine.into(),
                        version: version(database.engine).into(),
                        database: database.name.to_owned(),
                        address: Some(address),
                        key: None,
                        iam: false,
                        properties: properties::of_cluster(&request),
                        tags: BTreeMap::new(),
                        created: now,
                    },
                );
                let instance = arn.replace(":cluster:", ":db:") + "-1";
                state.instances.insert(
                    instance.clone(),
                    Instance {
                        arn: instance,
                        cluster: arn.to_owned(),
                        class: "db.r6g.large".into(),
                        properties: properties::of_instance(&request),
                        status: "available",
                        tags: BTreeMap::new(),
                    },
                );
            }
            let member = |arn: &str, is_writer| GlobalMember {
                arn: arn.to_owned(),
                is_writer,
                synchronization: "connected",
            };
            state.globals.insert(
                id.to_owned(),
                Global {
                    id: id.to_owned(),
                    engine: engine.into(),
                    members: vec![member(primary, true), member(secondary, false)],
                    operation: None,
                    abandoned: None,
                },
            );
        });
        Ok(())
    }
}

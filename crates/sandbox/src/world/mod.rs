//! The world: one state machine for what the runbooks touch.
//!
//! Every service answers at the level of JSON: an operation's input and output in the shape that the `aws` command
//! prints (PascalCase members, timestamps as RFC 3339 text, lists as arrays). The wire protocols in [`crate::wire`]
//! and the `aws:executeAwsApi` action both end here, so that permissions and faults are checked in one place.
//!
//! From below to above: what there is ([`model`], [`routing`], `experiment`, `state`), the world that holds it ([`core`]), how it changes
//! with time (`aurora`, [`durations`]), the services that answer (`rds`, `arc`, …), what only the sandbox can do (`controls`,
//! `setup`), and here the one entrance.

mod arc;
mod aurora;
mod cloudformation;
mod controls;
mod core;
pub mod durations;
mod experiment;
mod fis;
mod kms;
pub mod model;
mod monitoring;
mod parameters;
mod properties;
mod rds;
mod reading;
mod region_switch;
pub mod routing;
mod secrets;
mod setup;
mod sns;
mod state;
mod sts;
mod tables;
pub mod transitions;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

pub use self::core::{Event, World};
pub(crate) use rds::request::key_arn;
pub use reading::{LagDimensions, Reading};
pub(crate) use secrets::secret_arn;
pub use setup::{SetupError, VERSION};
pub use state::Message;

use crate::api::{Api, Call, CallError, unknown};

impl World {
    async fn answer(self: &Arc<Self>, call: &Call) -> Result<Value, CallError> {
        let reaches = call.service == "route53-recovery-cluster" || tables::is_inside(call);
        if !reaches && self.is_isolated(&call.region) {
            return Err(CallError::NoAnswer);
        }
        let answer = self.dispatch(call).await;
        match answer {
            // What a required member is missing is called differently in the services that speak JSON.
            Err(CallError::Service(mut error))
                if error.code == "MissingParameter"
                    && !["rds", "monitoring", "sns"].contains(&call.service.as_str()) =>
            {
                error.code = "ValidationException".into();
                Err(error.into())
            }
            answer => answer,
        }
    }

    async fn dispatch(self: &Arc<Self>, call: &Call) -> Result<Value, CallError> {
        match call.service.as_str() {
            "rds" => Ok(rds::call(self, call).await?),
            "route53-recovery-cluster" => arc::call(self, call),
            "arc-region-switch" => Ok(region_switch::call(self, call)?),
            "route53-recovery-control-config" => Ok(arc::configuration(self, call)?),
            "kms" => Ok(kms::call(self, call)?),
            "ssm" => Ok(parameters::call(self, call)?),
            "secretsmanager" => Ok(secrets::call(self, call)?),
            "sns" => Ok(sns::call(self, call)?),
            "monitoring" => Ok(monitoring::call(self, call)?),
            "sts" => Ok(sts::call(call)?),
            "cloudformation" => Ok(cloudformation::call(call)?),
            "fis" => Ok(fis::call(self, call)?),
            "dynamodb" => Ok(tables::call(self, call)?),
            // The S3 library keeps the objects; it asks here whether it may be reached.
            "s3" => Ok(Value::Null),
            _ => Err(unknown(call).into()),
        }
    }
}

impl Api for World {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        let this = self.this();
        async move {
            // Whoever calls holds the world, so it is there.
            this.ok_or(CallError::NoAnswer)?.answer(&call).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;

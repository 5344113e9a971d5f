//! The whole of the simulated AWS behind one [`Api`]: Automation, Step Functions and Lambda beside the rest of
//! the world.
//!
//! A Region that is isolated answers nothing, whatever the service.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::api::{Api, ApiError, Call, CallError};
use crate::world::World;
use automation::Automation;
use automation::{Functions, Invocation};
use states::StepFunctions;

/// Routes each call to the service that answers it.
pub struct Router {
    world: Arc<World>,
    automation: Arc<Automation>,
    functions: Arc<dyn Functions>,
    machines: Option<Arc<StepFunctions>>,
}

impl Router {
    /// Puts the parts together. [`Automation::set_api`] is still to be called, with this or with a decorator of it.
    pub fn new(world: Arc<World>, automation: Arc<Automation>, functions: Arc<dyn Functions>) -> Self {
        Self { world, automation, functions, machines: None }
    }

    /// With state machines.
    #[must_use]
    pub fn with_machines(mut self, machines: Arc<StepFunctions>) -> Self {
        self.machines = Some(machines);
        self
    }

    async fn route(&self, call: Call) -> Result<Value, CallError> {
        let automation = call.service == "ssm" && self.automation.handles(&call.operation);
        let machines = self.machines.as_ref().filter(|_| call.service == "states");
        if !automation && machines.is_none() && call.service != "lambda" {
            return self.world.call(call).await;
        }
        if self.world.is_isolated(&call.region) {
            return Err(CallError::NoAnswer);
        }
        if let Some(machines) = machines {
            return Ok(machines.call(&call.region, &call.operation, &call.input).await?);
        }
        if automation {
            return Ok(self
                .automation
                .call(&call.region, &call.principal, &call.operation, call.input)
                .await?);
        }
        if call.operation != "Invoke" {
            let message = format!("the sandbox has no Lambda operation {}", call.operation);
            return Err(ApiError::new("UnknownOperationException", message).into());
        }
        let function = call.input["FunctionName"].as_str().unwrap_or_default().to_owned();
        // A full ARN ends in the name.
        let name = function.rsplit(':').next().unwrap_or_default();
        let payload = call.input["Payload"].clone();
        Ok(match self.functions.invoke(&call.principal, &call.region, name, payload).await? {
            Invocation::Answer(payload) => json!({"StatusCode": 200, "Payload": payload}),
            Invocation::FunctionError { error_type, message } => json!({
                "StatusCode": 200,
                "FunctionError": "Unhandled",
                "Payload": {"errorType": error_type, "errorMessage": message},
            }),
        })
    }
}

impl Api for Router {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, CallError>> {
        self.route(call).boxed()
    }
}

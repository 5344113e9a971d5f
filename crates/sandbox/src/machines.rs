//! Step Functions in the sandbox's account: the state machines of `template.yaml`, run by the crate [`states`] with the sandbox's
//! functions and objects.
//!
//! What a machine does is done by its role: tasks invoke as it, the items of a map are read as it, and what a map does to its
//! children is asked of it.

#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use automation::clock::Clock;
use automation::{ApiError, Functions};
use futures::FutureExt;
use futures::future::BoxFuture;
use runbook::RecoveryPlan;
use serde_json::json;
use states::{Access, Definition, Environment, Machine, StepFunctions};

use crate::account::{ACCOUNT, REGIONS};
use crate::api::{Api, Call, CallError};
use crate::permissions::Permissions;
use crate::template::{self, TemplateError};

/// The state machines of a template in both Regions, for a plan. `read` reads the file of a definition, by the name that the
/// template has for it.
///
/// # Errors
/// When a machine is written in a way that the sandbox does not know, or its definition can't be run.
pub fn machines(
    template: &str,
    plan: &RecoveryPlan,
    read: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<Machine>, TemplateError> {
    let all = || {
        let template = template::parse(template)?;
        let mut machines = Vec::new();
        for region in REGIONS {
            for machine in stack::machines::all(&template::stack(&template, plan, region))? {
                let text = machine.definition(&read)?;
                let definition =
                    Definition::parse(&machine.name, &text).map_err(|error| error.to_string())?;
                let [region, account] = [region, ACCOUNT].map(str::to_owned);
                machines.push(Machine {
                    name: machine.name,
                    region,
                    account,
                    role: machine.role,
                    definition,
                });
            }
        }
        Ok(machines)
    };
    all().map_err(TemplateError)
}

/// The service with these machines; its objects are those of the folder that the wire keeps S3 in, once it has an [`Api`] to
/// ask for them.
pub fn step_functions(
    clock: Clock,
    functions: Arc<dyn Functions>,
    permissions: Arc<Permissions>,
    folder: &Path,
    machines: Vec<Machine>,
) -> (Arc<StepFunctions>, Arc<Objects>) {
    let objects = Arc::new(Objects { folder: folder.to_owned(), api: Mutex::default() });
    let access = Arc::new(Roles(permissions));
    let environment = Environment { clock, functions, objects: Arc::clone(&objects) as _, access };
    (Arc::new(StepFunctions::new(environment, machines)), objects)
}

/// The objects of S3.
pub struct Objects {
    folder: PathBuf,
    /// Not held: it leads back here.
    api: Mutex<Option<Weak<dyn Api>>>,
}

impl Objects {
    /// Sets who is asked before an object is read, as the wire asks.
    pub fn set_api(&self, api: &Arc<dyn Api>) {
        *self.api.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::downgrade(api));
    }

    async fn object(&self, role: &str, region: &str, bucket: &str, key: &str) -> Result<Vec<u8>, ApiError> {
        let api = self.api.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade);
        let api = api.ok_or_else(|| ApiError::new("ServiceUnavailable", "the sandbox is closed"))?;
        let plain =
            |path: &str| Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain(bucket) || !plain(key) {
            return Err(ApiError::new("InvalidRequest", format!("{bucket}/{key} is no object here")));
        }
        let path = self.folder.join(bucket).join(key);
        let missing = !path.is_file();
        let mut input = json!({"Bucket": bucket, "Key": key});
        if missing {
            input["Missing"] = json!(true);
        }
        let [principal, region] = [role, region].map(str::to_owned);
        let [service, operation] = ["s3", "GetObject"].map(str::to_owned);
        match api.call(Call { principal, region, service, operation, input }).await {
            Ok(_) if missing => Err(ApiError::new("NoSuchKey", "The specified key does not exist.")),
            Ok(_) => {
                let read = tokio::fs::read(&path).await;
                read.map_err(|error| ApiError::new("InternalError", format!("{}: {error}", path.display())))
            }
            Err(CallError::Service(error)) => Err(error),
            // The service's own call: it gives up some time.
            Err(CallError::NoAnswer) => Err(ApiError::new("ServiceUnavailable", "S3 does not answer")),
        }
    }
}

impl states::Objects for Objects {
    fn read<'a>(
        &'a self,
        role: &'a str,
        region: &'a str,
        bucket: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, ApiError>> {
        self.object(role, region, bucket, key).boxed()
    }
}

/// What the template's roles may do.
struct Roles(Arc<Permissions>);

impl Access for Roles {
    fn may(&self, role: &str, region: &str, operation: &str, resource: &str) -> Result<(), ApiError> {
        self.0.machine_may(role, region, operation, resource)
    }
}

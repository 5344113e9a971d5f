//! A whole sandbox from its parts: the world, what is permitted in it, Automation, and the wire over all of them.
//!
//! ```text
//! wire ─▶ decorator ─▶ permissions ─▶ router ─▶ world, Automation, functions,
//!             ▲                                Step Functions
//!             │                                        │
//!             └───── calls of runbooks and machines ───┘
//! ```
//!
//! Automation's actions make their calls where the wire does, so the two hold each other. [`Rig::close`], which a drop calls too,
//! lets go of that.

use std::path::Path;
use std::sync::Arc;

use automation::{Api, Automation, Document, Functions, Reading};

use states::{Machine, StepFunctions};

use crate::account::REGIONS;
use crate::machines::step_functions;
use crate::permissions::Permissions;
use crate::router::Router;
use crate::runbooks::runbooks;
use crate::shop;
use crate::wire::{Wire, WireError};
use crate::world::World;

/// A whole sandbox.
pub struct Rig {
    /// The world.
    pub world: Arc<World>,
    /// Automation, with the runbooks.
    pub automation: Arc<Automation>,
    /// Step Functions, with the state machines.
    pub machines: Arc<StepFunctions>,
    /// What every caller gets, wire and runbooks alike.
    pub api: Arc<dyn Api>,
    /// The AWS wire protocols over it, with a report bucket in each Region.
    pub wire: Arc<Wire>,
}

/// Puts something before the services.
type Decorator = Box<dyn FnOnce(Arc<dyn Api>) -> Arc<dyn Api>>;

/// The parts of a [`Rig`].
pub struct Builder {
    world: Arc<World>,
    functions: Arc<dyn Functions>,
    permissions: Arc<Permissions>,
    reading: Reading,
    documents: Vec<(String, Document)>,
    machines: Vec<Machine>,
    decorator: Decorator,
    secret: Option<String>,
    buckets: Vec<String>,
}

impl Rig {
    /// A rig of a world, the functions that Automation and callers invoke, and what each may do. Without anything else it
    /// has no runbooks and no state machines, reads what AWS leaves open by the default, and has the secret access key that every sandbox in a process shares.
    pub fn builder(
        world: Arc<World>,
        functions: Arc<dyn Functions>,
        permissions: Arc<Permissions>,
    ) -> Builder {
        Builder {
            world,
            functions,
            permissions,
            reading: Reading::default(),
            documents: Vec::new(),
            machines: Vec::new(),
            decorator: Box::new(|api| api),
            secret: None,
            buckets: REGIONS.map(shop::bucket).into(),
        }
    }

    /// Ends executions and the world's changes, and lets go of the services.
    pub fn close(&self) {
        self.automation.close();
        self.machines.close();
        self.world.stop();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.close();
    }
}

impl Builder {
    /// The runbooks, by the names that they are deployed under, and how they read what AWS leaves open.
    #[must_use]
    pub fn runbooks(mut self, documents: Vec<(String, Document)>, reading: Reading) -> Self {
        (self.documents, self.reading) = (documents, reading);
        self
    }

    /// The state machines: see [`machines`](crate::machines::machines).
    #[must_use]
    pub fn machines(mut self, machines: Vec<Machine>) -> Self {
        self.machines = machines;
        self
    }

    /// Puts something before the services, such as faults.
    #[must_use]
    pub fn decorated(mut self, decorator: impl FnOnce(Arc<dyn Api>) -> Arc<dyn Api> + 'static) -> Self {
        self.decorator = Box::new(decorator);
        self
    }

    /// The secret access key that every request has to be signed with.
    #[must_use]
    pub fn secret(mut self, secret: String) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The report buckets, where they are not the shop's.
    #[must_use]
    pub fn buckets(mut self, names: Vec<String>) -> Self {
        self.buckets = names;
        self
    }

    /// Puts the parts together. S3's objects are kept below `objects`.
    ///
    /// # Errors
    /// When that folder can't be used.
    pub fn build(self, objects: &Path) -> Result<Rig, WireError> {
        let Self { world, functions, permissions, reading, documents, machines, decorator, secret, buckets } =
            self;
        let invoked = permissions.guard_functions(Arc::clone(&functions));
        let (machines, items) =
            step_functions(world.clock, Arc::clone(&invoked), Arc::clone(&permissions), objects, machines);
        let automation = Arc::new(runbooks(world.clock, invoked, reading, documents));
        let router = Router::new(Arc::clone(&world), Arc::clone(&automation), functions)
            .with_machines(Arc::clone(&machines));
        let api = decorator(permissions.guard(Arc::clone(&world), Arc::new(router)));
        automation.set_api(Arc::clone(&api));
        items.set_api(&api);
        let wire = match secret {
            Some(secret) => Wire::with_secret(Arc::clone(&api), objects, secret),
            None => Wire::new(Arc::clone(&api), objects),
        }?;
        for bucket in &buckets {
            wire.create_bucket(bucket)?;
        }
        Ok(Rig { world, automation, machines, api, wire: Arc::new(wire) })
    }
}

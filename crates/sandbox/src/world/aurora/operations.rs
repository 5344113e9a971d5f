//! Failovers and switchovers of a global cluster: pending, then under way, then done or taken back.

use std::sync::Arc;

use crate::world::core::World;
use crate::world::durations;
use crate::world::model::{Operation, name_of, region_of};

impl World {
    /// Runs a failover or switchover that the API has accepted and entered as `pending`; returns at once.
    pub(in crate::world) fn begin_operation(self: &Arc<Self>, global: &str) {
        let (world, global) = (Arc::clone(self), global.to_owned());
        self.spawn(async move {
            world.clock.sleep(durations::PENDING).await;
            let Some(Operation { from, to, loss, .. }) = world.start_operation(&global) else { return };
            world.clock.sleep(if loss { durations::FAILING_OVER } else { durations::SWITCHING_OVER }).await;
            world.released().await;
            let result = if loss {
                world.servers.promote(&to).await.map_err(|error| error.to_string())
            } else if world.is_isolated(region_of(&from)) || world.is_isolated(region_of(&to)) {
                // A switchover loses nothing: without a link between the two it can't be finished.
                Err("the two Regions can't reach each other".to_owned())
            } else {
                world.servers.switch_over(&from, &to).await.map_err(|error| error.to_string())
            };
            match result {
                Ok(()) => world.end_operation(&global, &from, &to, loss),
                Err(error) => world.abandon_operation(&global, &to, loss, &error).await,
            }
            world.settle().await;
        });
    }

    /// `pending` is over: the operation itself begins.
    fn start_operation(&self, id: &str) -> Option<Operation> {
        let operation = self.state(|state| {
            let operation = state.globals.get_mut(id)?.operation.as_mut()?;
            operation.status = if operation.loss { "failing-over" } else { "switching-over" };
            let operation = operation.clone();
            if state.reading.members_fail_over {
                state.set_members(&operation, "failing-over", ["available", "rebooting"]);
            }
            Some(operation)
        })?;
        let to = &operation.to;
        if operation.loss {
            // Aurora has no event for it.
            self.event(to, "db-cluster", "", format!("Global failover of {id} to {} started", name_of(to)));
        } else {
            let text = format!("Global switchover of {id} to {} started", name_of(to));
            self.event(to, "db-cluster", "RDS-EVENT-0181", text);
        }
        Some(operation)
    }

    /// The operation is done: the roles change.
    fn end_operation(&self, id: &str, from: &str, to: &str, loss: bool) {
        self.state(|state| {
            let Some(global) = state.globals.get_mut(id) else { return };
            let operation = global.operation.take();
            for member in &mut global.members {
                member.is_writer = member.arn == to;
                if loss && !member.is_writer {
                    member.synchronization = "pending-resync";
                }
            }
            if loss {
                global.abandoned = Some(from.to_owned());
            }
            // A primary has no link.
            state.cut.remove(to);
            if let Some(operation) = operation {
                state.release_members(&operation);
            }
        });
        let name = name_of(to);
        if loss {
            let text = format!("Global failover of {id} to {name} completed");
            self.event(to, "db-cluster", "RDS-EVENT-0238", text);
        } else {
            let text = format!("New primary {name} of {id} was promoted");
            self.event(to, "db-cluster", "RDS-EVENT-0184", text);
            self.event(
                to,
                "db-cluster",
                "RDS-EVENT-0185",
                format!("Global switchover of {id} to {name} finished"),
            );
        }
        self.event(to, "db-cluster", "RDS-EVENT-0397", format!("The writer endpoint of {id} now is {name}"));
    }

    /// The operation can't be done: everything stays as it was.
    async fn abandon_operation(&self, id: &str, to: &str, loss: bool, error: &str) {
        let cancelled = self.state(|state| {
            let operation = state.globals.get_mut(id).and_then(|global| global.operation.as_mut());
            let cancelled = operation.filter(|_| state.reading.failed_operations_cancel);
            cancelled.map(|operation| operation.status = "cancelling").is_some()
        });
        if cancelled {
            self.clock.sleep(durations::CANCELLING).await;
        }
        self.state(|state| {
            if let Some(operation) = state.globals.get_mut(id).and_then(|global| global.operation.take()) {
                state.release_members(&operation);
            }
        });
        let (event, word) =
            if loss { ("RDS-EVENT-0239", "failover") } else { ("RDS-EVENT-0187", "switchover") };
        self.event(
            to,
            "db-cluster",
            event,
            format!("Global {word} of {id} to {} failed: {error}", name_of(to)),
        );
    }
}

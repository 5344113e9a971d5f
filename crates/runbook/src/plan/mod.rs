//! The recovery plan: the one configuration of an application's failover and failback.
//!
//! It lives as an SSM parameter in **each** of the two Regions, so that a failover reads nothing from the impaired
//! one. A parameter holds at most 4 KB (standard) or 8 KB (advanced). Its JSON Schema is
//! `docs/recovery-plan.schema.json`, made from these types.

mod model;
mod problems;
mod read;
mod sample;

pub use model::{
    ArcEndpoint, Automatic, BaseSource, BeyondRpo, Database, Distributed, Engine, Failback, GameDay, Limits,
    Member, Reconcile, RecoveryPlan, Relation, ReportTable, Restore, Routing, Signal, Strategy,
};
pub use sample::sample;

#[cfg(test)]
mod tests;

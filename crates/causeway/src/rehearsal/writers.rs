//! Who writes during a rehearsal, and what they saw acknowledged: the ledger's side of the verdict.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::check::{Check, Reported};
use super::world::World;
use crate::Error;
use crate::live::story::LostWrite;
use crate::tally::{Count, Words};

/// When the databases were compared.
pub type Within = (Timestamp, Timestamp);

/// What the ledger says of the report.
pub struct Judgement {
    /// The numbers, one check for each kind of loss.
    pub checks: Vec<Check>,
    /// What had been confirmed and is missing, the newest last.
    pub missing: Vec<LostWrite>,
    /// What they saw, in sentences, each with what it is about.
    pub saw: Vec<[String; 2]>,
}

/// Who writes.
pub trait Writers {
    /// What they are called.
    fn words(&self) -> Words;

    /// Lets them write, until [`Self::stop`]; a line says how.
    ///
    /// # Errors
    /// When they can't begin.
    async fn start(&mut self, world: &impl World) -> Result<String, Error>;

    /// Time since they started: the ledger's time.
    fn elapsed(&self) -> Duration;

    /// Who knows what they have seen so far.
    fn count(&self) -> Arc<dyn Count>;

    /// Returns when one of them did what no writer may, with that word; else never.
    async fn failed(&self) -> Error;

    /// From now on no row of the other Region is changed any more, as far as they can be told.
    fn leave_the_others(&self);

    /// Lets each end what they are at, and ends them.
    ///
    /// # Errors
    /// When one of them did what no writer may.
    async fn stop(&mut self) -> Result<(), Error>;

    /// Holds the report against what they saw and what the new primary has.
    ///
    /// # Errors
    /// When the new primary can't be read.
    async fn judge(
        &self,
        world: &impl World,
        reported: &[Reported],
        within: Within,
    ) -> Result<Judgement, Error>;

    /// The same checks after a replay, of this execution: what of it is still lost.
    ///
    /// # Errors
    /// When the new primary can't be read.
    async fn still_lost(&self, world: &impl World, replayed: &str) -> Result<Vec<Check>, Error>;
}

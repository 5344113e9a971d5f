//! `aws:pause`: waits for a Resume signal. AWS documents no limit; here it is that of `aws:approve`, 7 days.

use crate::execution::Status;
use crate::outcome::{Done, Failure};
use crate::run::Run;

pub(crate) async fn run(run: &mut Run) -> Result<Done, Failure> {
    let mut waiting = run.wait_for_signals(Vec::new());
    match waiting.wait_for(|signals| signals.resumed).await {
        Ok(_) => Ok(Done::default()),
        Err(_) => Err(Failure::with(Status::Cancelled, "the service is gone")),
    }
}

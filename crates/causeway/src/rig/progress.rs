//! What happens in the sandbox, reported on the timeline while it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use automation::{Automation, Event, EventKind, Status};
use jiff::SignedDuration;
use runbook::RecoveryPlan;
use sandbox::wire::Wire;
use sandbox::world::World;

use super::plan;
use crate::broadcast::next;
use crate::text::duration;
use crate::timeline::Timeline;

/// Reports the world's events and the runbooks' steps on a timeline, until the guard is dropped.
pub(super) fn report(
    automation: &Automation,
    world: &World,
    (wire, plan): (&Arc<Wire>, String),
    timeline: &Timeline,
) -> Reporting {
    let (mut steps, mut events) = (automation.subscribe(), world.subscribe());
    let (of_steps, of_world) = (timeline.clone(), timeline.clone());
    let wire = Arc::clone(wire);
    let reporting_steps = tokio::spawn(async move {
        let mut started = BTreeMap::new();
        let mut looks = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                // A listener that falls behind has lost some lines and continues.
                event = next(&mut steps) => match event {
                    Some(event) => report_step(&of_steps, &event, &mut started),
                    None => return,
                },
                _ = looks.tick() => report_waits(&of_steps, (&wire, &plan), &mut started).await,
            }
        }
    });
    let reporting_world = tokio::spawn(async move {
        while let Some(event) = next(&mut events).await {
            of_world.line(&event.region, &event.text);
        }
    });
    Reporting(reporting_steps, reporting_world)
}

/// Reports until it is dropped.
pub struct Reporting(tokio::task::JoinHandle<()>, tokio::task::JoinHandle<()>);

impl Drop for Reporting {
    fn drop(&mut self) {
        self.0.abort();
        self.1.abort();
    }
}

/// The start of each step that runs, by execution and step, and whether its wait is reported.
type Started = BTreeMap<(String, String), (Event, bool)>;

/// How long a step that waits for AWS runs before that is reported.
const WAITS: SignedDuration = SignedDuration::from_secs(10);

/// Says what the steps that run for a while wait for, and until when. The steps look again and again, in further steps; the
/// limits count from the first.
async fn report_waits(timeline: &Timeline, (wire, parameter): (&Arc<Wire>, &str), started: &mut Started) {
    let long = |event: &Event| jiff::Timestamp::now().duration_since(event.at) > WAITS;
    for ((_, step), (event, reported)) in started {
        if *reported || !["promote", "restore"].contains(&step.as_str()) || !long(event) {
            continue;
        }
        *reported = true;
        // Not readable while the Region is cut off: then nothing runs there either.
        let Ok(RecoveryPlan { limits, .. }) = plan::read(wire, parameter, &event.region).await else {
            continue;
        };
        let region = &event.region;
        let (what, minutes, limit) = match step.as_str() {
            "promote" => (
                format!("every database to have its writer in {region}"),
                limits.promotion_minutes,
                "promotionMinutes",
            ),
            _ => (
                "Aurora's snapshots of the old primaries, and for what is restored from them".to_owned(),
                limits.restore_minutes,
                "restoreMinutes",
            ),
        };
        let until = (event.at + SignedDuration::from_mins(minutes.into())).strftime("%H:%M:%S UTC");
        let line = format!("{step:<25} waits for {what}, until {until} at most (limits.{limit}: {minutes})");
        timeline.line(event.document.trim_start_matches("causeway-"), &line);
    }
}

/// A line for what matters to a person: functions, approvals and the end; branches and sleeps are left out.
fn report_step(timeline: &Timeline, event: &Event, started: &mut Started) {
    let document = event.document.trim_start_matches("causeway-");
    match (&event.step, &event.kind) {
        (Some(step), EventKind::StepStarted) => {
            started.insert((event.execution.clone(), step.clone()), (event.clone(), false));
        }
        (Some(step), EventKind::StepEnded(status, detail)) => {
            let begun = started.remove(&(event.execution.clone(), step.clone()));
            if ["aws:branch", "aws:sleep"].contains(&event.action) && *status == Status::Success {
                return;
            }
            let took = begun
                .and_then(|(start, _)| Duration::try_from(start.at.duration_until(event.at)).ok())
                .unwrap_or_default();
            let status =
                if *status == Status::Success { String::new() } else { format!("{} ", status.name()) };
            timeline.line(document, &format!("{step:<16} {:>7}  {status}{detail}", duration(took)));
        }
        (None, EventKind::ExecutionEnded(status)) => {
            timeline.line(document, &format!("ended: {}", status.name()));
        }
        _ => {}
    }
}

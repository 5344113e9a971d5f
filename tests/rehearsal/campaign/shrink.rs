//! The fewest faults that still break the same promise.

use super::schedule::Schedule;
use super::{Outcome, run};

/// Leaves out fault after fault, as long as the promise stays broken; first those that were not felt.
pub fn shrink(schedule: Schedule, outcome: Outcome) -> (Schedule, Outcome) {
    let (mut schedule, mut outcome) = (schedule, outcome);
    let promise = |outcome: &Outcome| outcome.kept.as_ref().err().map(|broken| broken.promise);
    let broken = promise(&outcome);
    let felt = schedule.faults.iter().enumerate().filter(|(number, _)| outcome.felt.contains(number));
    let fewer = Schedule { faults: felt.map(|(_, fault)| *fault).collect(), ..schedule.clone() };
    if fewer.faults.len() < schedule.faults.len() {
        let again = run(&fewer);
        if promise(&again) == broken {
            (schedule, outcome) = (fewer, again);
        }
    }
    let mut number = 0;
    while number < schedule.faults.len() {
        let mut fewer = schedule.clone();
        fewer.faults.remove(number);
        let again = run(&fewer);
        if promise(&again) == broken {
            (schedule, outcome) = (fewer, again);
        } else {
            number += 1;
        }
    }
    (schedule, outcome)
}

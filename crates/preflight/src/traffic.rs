//! Where the traffic is, as ARC's endpoints say: read by every operation of this step.

use std::collections::BTreeMap;

use futures::future::join_all;
use runbook::arc::{Endpoint, ReadStates, State};

use crate::asking::Answer;

/// The state of each Region's routing control, by Region of the plan.
pub(crate) type States = BTreeMap<String, State>;

/// Asks every endpoint at once; each answer with the endpoint's Region, in the order of the endpoints. `controls`: the
/// plan's routing controls (ARNs) by Region.
pub(crate) async fn read(
    endpoints: &[Endpoint<impl ReadStates>],
    controls: &BTreeMap<String, String>,
) -> Vec<(String, Answer<States>)> {
    let arns: Vec<String> = controls.values().cloned().collect();
    let asked = endpoints.iter().map(async |endpoint| {
        let answer = endpoint.api.read_states(&arns).await;
        let answer = answer.map(|states| by_region(&states, controls)).map_err(|error| error.cause());
        (endpoint.region.clone(), answer)
    });
    join_all(asked).await
}

/// The states by the Regions of these controls, from the states by control.
fn by_region(states: &BTreeMap<String, State>, controls: &BTreeMap<String, String>) -> States {
    let state = |(region, control): (&String, &String)| Some((region.clone(), *states.get(control)?));
    controls.iter().filter_map(state).collect()
}

//! What waits for what: a deployment's order, and the time that is left of it. Nothing here makes a call.

use std::collections::BTreeMap;

use super::parts::{CONTROL, Given, Of, Part, Place, wanted};
use super::settings::Settings;

/// A part in a Region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task<'a> {
    /// The part's name.
    pub part: &'static str,
    /// The Region.
    pub region: &'a str,
}

/// All tasks, each with those that it waits for.
pub type Order<'a> = BTreeMap<Task<'a>, Vec<Task<'a>>>;

/// The parts that the settings want, in their Regions.
pub fn order(settings: &Settings) -> Order<'_> {
    order_of(settings, wanted(settings))
}

/// The same of these parts.
pub fn order_of(settings: &Settings, parts: impl Iterator<Item = &'static Part>) -> Order<'_> {
    let mut order = Order::new();
    for part in parts {
        for region in part.regions(settings) {
            order.insert(Task { part: part.name, region }, waits(settings, part, region));
        }
    }
    order
}

/// The Region that is meant, seen from one.
pub fn region_of<'a>(settings: &'a Settings, of: Of, own: &'a str) -> &'a str {
    match of {
        Of::Own => own,
        Of::Other => settings.other(own),
        Of::First => &settings.regions[0],
        Of::Second => &settings.regions[1],
        Of::Control => CONTROL,
    }
}

fn waits<'a>(settings: &'a Settings, part: &'static Part, region: &'a str) -> Vec<Task<'a>> {
    let first = settings.regions[0].as_str();
    let mut waits: Vec<Task<'a>> = Vec::new();
    for (_, given) in part.parameters {
        waits.extend(match *given {
            Given::Output(of, part, _) => Some(Task { part, region: region_of(settings, of, region) }),
            Given::Replica(part, _) => Some(Task { part, region: first }),
            Given::Door(_) => Some(Task { part: "routing", region: CONTROL }),
            Given::InFirst(part, _) if region == first => Some(Task { part, region }),
            Given::InSecond(part, _) if region != first => Some(Task { part, region: first }),
            Given::Image if settings.images.is_empty() => Some(Task { part: "registry", region }),
            _ => None,
        });
    }
    if part.place == Place::FirstThenSecond && region != first {
        waits.push(Task { part: part.name, region: first });
    }
    waits.sort_unstable();
    waits.dedup();
    waits
}

/// The minutes until the last of these is done, when all that can goes on at once. `begun` says for how many a task has been going on.
pub fn minutes_left(
    order: &Order<'_>,
    is_done: impl Fn(&Task<'_>) -> bool,
    begun: impl Fn(&Task<'_>) -> u32,
) -> u32 {
    fn of<'a>(
        task: &Task<'a>,
        order: &Order<'a>,
        known: &mut BTreeMap<Task<'a>, u32>,
        left: &impl Fn(&Task<'a>) -> Option<u32>,
    ) -> u32 {
        if let Some(known) = known.get(task) {
            return *known;
        }
        let Some(own) = left(task) else { return 0 };
        let before = order.get(task).into_iter().flatten().map(|wait| of(wait, order, known, left)).max();
        let minutes = own + before.unwrap_or(0);
        known.insert(*task, minutes);
        minutes
    }
    let left = |task: &Task<'_>| {
        let minutes = super::parts::part(task.part).map_or(0, |part| part.minutes);
        // One that takes longer than others is not done yet.
        (!is_done(task)).then(|| minutes.saturating_sub(begun(task)).max(1))
    };
    let mut known = BTreeMap::new();
    order.keys().map(|task| of(task, order, &mut known, &left)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::settings::sample::settings;
    use super::*;

    /// There is no circle, nothing waits for what is not deployed, and what is in the second Region follows the first.
    #[test]
    fn everything_can_be_deployed_one_after_the_other() {
        let settings = settings(r#", "client": true"#);
        let order = order(&settings);
        let mut done: Vec<Task<'_>> = Vec::new();
        while done.len() < order.len() {
            let ready: Vec<_> = order
                .iter()
                .filter(|(task, waits)| !done.contains(task) && waits.iter().all(|wait| done.contains(wait)))
                .map(|(task, _)| *task)
                .collect();
            assert!(!ready.is_empty(), "nothing can go on after {done:?}");
            done.extend(ready);
        }
        let place = |part, region| done.iter().position(|task| *task == Task { part, region }).unwrap();
        assert!(place("catalog", "eu-central-1") < place("catalog", "eu-west-1"));
        assert!(place("services", "eu-west-1") < place("routing", CONTROL));
        // Both Regions side by side where nothing waits for the other.
        assert!(
            order[&Task { part: "network", region: "eu-west-1" }]
                .iter()
                .all(|wait| wait.region == "eu-west-1")
        );
        assert!(!order.contains_key(&Task { part: "carts", region: "eu-west-1" }));
    }

    #[test]
    fn the_time_left_is_that_of_the_longest_way() {
        let settings = settings("");
        let order = order(&settings);
        let all = minutes_left(&order, |_| false, |_| 0);
        // Two clusters one after the other, services, routing, eyes: more than an hour, less than the sum of all.
        assert!((60..120).contains(&all), "{all}");
        assert_eq!(minutes_left(&order, |_| true, |_| 0), 0);
        let begun = minutes_left(&order, |_| false, |task| if task.part == "keys" { 1 } else { 0 });
        assert_eq!(begun, all - 1);
    }
}

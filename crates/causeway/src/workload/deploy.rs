//! Deploys the parts of a workload: each as soon as those are there that it takes something from, in both Regions at once.
//!
//! # What a failure leaves
//! What runs beside it is waited for, nothing new is begun, and what stands stays. The same command, run again, finds it unchanged and
//! goes on with the rest.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, interval};

use super::image;
use super::order::{Task, minutes_left, order, region_of};
use super::parts::{CONTROL, Given, Part, part};
use super::settings::Settings;
use super::stacks::{Outputs, Parameters, Target};
use crate::Error;
use crate::prompt::say;
use crate::stack::account::Region;

/// What the parts give, each in its Region.
pub type Known<'a> = BTreeMap<Task<'a>, Outputs>;

/// How often one is told what is waited for.
const TELL: Duration = Duration::from_secs(60);

/// A workload in its two Regions.
pub struct Deployment<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// Both Regions, in the order of the settings, and ARC's.
    pub regions: &'a [Region],
    /// Folder with other templates than the program's own.
    pub templates: Option<&'a Path>,
}

impl<'a> Deployment<'a> {
    /// The Region of this name.
    pub fn region(&self, name: &str) -> Result<&'a Region, Error> {
        let found = self.regions.iter().find(|region| region.name == name);
        found.ok_or_else(|| format!("there is no Region {name}").into())
    }

    fn template(&self, part: &Part) -> Result<Cow<'static, str>, Error> {
        let Some(folder) = self.templates else { return Ok(Cow::Borrowed(part.template)) };
        let path = folder.join(part.file);
        let read = std::fs::read_to_string(&path);
        Ok(Cow::Owned(read.map_err(|error| format!("can't read {}: {error}", path.display()))?))
    }

    /// Deploys all, and says what each gives.
    ///
    /// # Errors
    /// What AWS refused, of every part that was refused.
    pub async fn deploy(&self) -> Result<Known<'a>, Error> {
        let (order, begun) = (order(self.settings), Instant::now());
        let mut known = Known::new();
        let mut running: BTreeMap<Task<'a>, Instant> = BTreeMap::new();
        let mut work = FuturesUnordered::new();
        let mut refused: Vec<String> = Vec::new();
        let mut tell = interval(TELL);
        tell.tick().await;
        let left = |known: &Known<'a>, running: &BTreeMap<Task<'a>, Instant>| {
            let minutes = |task: &Task<'_>| {
                let since = running
                    .iter()
                    .find(|(of, _)| *of == task)
                    .map(|(_, since)| since.elapsed().as_secs() / 60);
                u32::try_from(since.unwrap_or(0)).unwrap_or(u32::MAX)
            };
            minutes_left(&order, |task| known.keys().any(|of| of == task), minutes)
        };
        say(&format!(
            "{} stacks; about {} minutes if none is there yet",
            order.len(),
            left(&known, &running)
        ));
        loop {
            if refused.is_empty() {
                let ready: Vec<Task<'a>> = order
                    .iter()
                    .filter(|(task, waits)| {
                        !known.contains_key(task)
                            && !running.contains_key(task)
                            && waits.iter().all(|wait| known.contains_key(wait))
                    })
                    .map(|(task, _)| *task)
                    .collect();
                for task in ready {
                    running.insert(task, Instant::now());
                    let values = self.parameters(task, &known);
                    work.push(async move { (task, self.deploy_one(task, values).await) });
                }
            }
            tokio::select! {
                ended = work.next() => match ended {
                    Some((task, Ok(outputs))) => {
                        let took = running.remove(&task).map(|since| since.elapsed()).unwrap_or_default();
                        known.insert(task, outputs);
                        let left = match left(&known, &running) {
                            0 => String::new(),
                            minutes => format!("; about {minutes} min left"),
                        };
                        say(&format!("{} {:<16}{:<10}stands, after {}{left}", clock(begun), task.region, task.part, duration(took)));
                    }
                    Some((task, Err(error))) => {
                        running.remove(&task);
                        say(&format!("{} {:<16}{:<10}REFUSED", clock(begun), task.region, task.part));
                        refused.push(format!("{}: {error}", task.part));
                    }
                    None => break,
                },
                _ = tell.tick() => {
                    let waits: Vec<_> = running
                        .iter()
                        .map(|(task, since)| format!("{} in {} ({})", task.part, task.region, duration(since.elapsed())))
                        .collect();
                    say(&format!("{} waits for {}; about {} min left", clock(begun), waits.join(", "), left(&known, &running)));
                }
            }
        }
        if refused.is_empty() {
            return Ok(known);
        }
        let rest = order.len() - known.len() - refused.len();
        Err(format!(
            "{} of {} stacks stand, {rest} were not begun:\n  - {}\nMend that and run the same again: it goes on from here",
            known.len(),
            order.len(),
            refused.join("\n  - ")
        )
        .into())
    }

    async fn deploy_one(&self, task: Task<'a>, values: Result<Parameters, Error>) -> Result<Outputs, Error> {
        let (part, region) = (known_part(task)?, self.region(task.region)?);
        let mut values = values?;
        if let Some(repository) = values.get(REPOSITORY).cloned() {
            values.remove(REPOSITORY);
            values.insert("Image".into(), image::pushed(self.settings, task.region, &repository).await?);
        }
        let stack = part.stack(self.settings);
        let target = Target { region, name: &stack, workload: &self.settings.name };
        target.deploy(&self.template(part)?, &values).await
    }

    /// What the stacks would be given that are there already, by what the others give now; and those of which that is not known yet.
    pub async fn standing(&self) -> Result<Known<'a>, Error> {
        let mut known = Known::new();
        for task in order(self.settings).into_keys() {
            let stack = known_part(task)?.stack(self.settings);
            let target =
                Target { region: self.region(task.region)?, name: &stack, workload: &self.settings.name };
            if let Some(outputs) = target.outputs().await? {
                known.insert(task, outputs);
            }
        }
        Ok(known)
    }

    /// The values of a part's parameters in its Region.
    ///
    /// # Errors
    /// Names what is not known yet.
    pub fn parameters(&self, task: Task<'_>, known: &Known<'_>) -> Result<Parameters, Error> {
        let (settings, part, own) = (self.settings, known_part(task)?, task.region);
        let first = settings.regions[0].as_str();
        let output = |of: &str, name: &str, region: &str| -> Result<String, Error> {
            let found = known.iter().find(|(task, _)| task.part == of && task.region == region);
            let value = found.and_then(|(_, outputs)| outputs.get(name)).cloned();
            value.ok_or_else(|| {
                format!("{region}: the stack {}-{of} gives no {name} yet", settings.name).into()
            })
        };
        let mut values = Parameters::from([("Name".to_owned(), settings.name.clone())]);
        for (name, given) in part.parameters {
            let value = match *given {
                Given::Region(of) => region_of(settings, of, own).to_owned(),
                Given::Cidr(of) => {
                    let place = usize::from(region_of(settings, of, own) != first);
                    settings.cidrs[place].clone()
                }
                Given::Output(of, part, name) => output(part, name, region_of(settings, of, own))?,
                Given::Replica(part, name) => output(part, name, first)?.replace(first, own),
                Given::InFirst(part, name) if own == first => output(part, name, own)?,
                Given::InSecond(part, name) if own != first => output(part, name, first)?,
                Given::InFirst(..) | Given::InSecond(..) => String::new(),
                Given::Door(of) => {
                    let name = if region_of(settings, of, own) == first { "FirstUrl" } else { "SecondUrl" };
                    output("routing", name, CONTROL)?
                }
                Given::Text(text) => text.to_owned(),
                Given::Role => if own == first { "primary" } else { "secondary" }.to_owned(),
                Given::Setting(value) => value(settings, own),
                Given::Image => match settings.images.get(own) {
                    Some(image) => image.clone(),
                    None => {
                        values.insert(REPOSITORY.into(), output("registry", "RepositoryUri", own)?);
                        continue;
                    }
                },
            };
            values.insert((*name).to_owned(), value);
        }
        values.extend(
            settings
                .parameters
                .get(part.name)
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Ok(values)
    }

    /// Shows what a deployment would change. Nothing is changed.
    ///
    /// # Errors
    /// When AWS does not say.
    pub async fn diff(&self) -> Result<(), Error> {
        let known = self.standing().await?;
        let mut unknown: BTreeSet<Task<'_>> = BTreeSet::new();
        for (task, waits) in order(self.settings) {
            let place = format!("{:<16}{:<10}", task.region, task.part);
            if !known.contains_key(&task) {
                say(&format!("{place}would be made"));
                unknown.insert(task);
                continue;
            }
            if waits.iter().any(|wait| unknown.contains(wait)) {
                say(&format!("{place}stands; what would change depends on what is not there yet"));
                continue;
            }
            let mut values = self.parameters(task, &known)?;
            let (part, stack) = (known_part(task)?, known_part(task)?.stack(self.settings));
            let target =
                Target { region: self.region(task.region)?, name: &stack, workload: &self.settings.name };
            if values.remove(REPOSITORY).is_some() {
                // What stands has an image, and building another is no part of a comparison.
                let there = target.parameters().await?.and_then(|there| there.get("Image").cloned());
                values.extend(there.map(|image| ("Image".to_owned(), image)));
            }
            match target.changes(&self.template(part)?, &values).await?.as_slice() {
                [] => say(&format!("{place}unchanged")),
                changes => say(&format!("{place}would change:\n    {}", changes.join("\n    "))),
            }
        }
        Ok(())
    }
}

/// In the place of the image's parameter: where it is to be pushed to.
const REPOSITORY: &str = "(repository)";

fn known_part(task: Task<'_>) -> Result<&'static Part, Error> {
    part(task.part).ok_or_else(|| format!("there is no part {}", task.part).into())
}

fn clock(begun: Instant) -> String {
    let seconds = begun.elapsed().as_secs();
    format!("{:>3}:{:02}", seconds / 60, seconds % 60)
}

fn duration(of: Duration) -> String {
    match of.as_secs() {
        seconds @ 0..=89 => format!("{seconds} s"),
        seconds => format!("{} min", (seconds + 30) / 60),
    }
}

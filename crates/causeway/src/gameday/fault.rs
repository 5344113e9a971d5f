//! The fault of a game day: an experiment of FIS, or what a person does by hand.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_fis::Client as Fis;
use aws_sdk_fis::types::{Experiment, ExperimentStatus};

use super::person;
use crate::Error;
use crate::stack::account::reason;
use crate::text::shell_word;
use crate::timeline::Timeline;

/// Between two looks at an experiment.
const LOOK: Duration = Duration::from_millis(500);
/// How long one may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// The fault.
pub enum Fault {
    /// This experiment, by its template, and the one that was started of it.
    Experiment(String, Mutex<Option<String>>),
    /// What a person does.
    ByHand,
}

impl Fault {
    /// The experiment of this template in a Region, or, where none is named, of the one with this name as its tag `Name`.
    ///
    /// # Errors
    /// When there is none, or several.
    pub async fn experiment(
        config: &SdkConfig,
        region: &str,
        id: Option<&str>,
        name: &str,
    ) -> Result<Self, Error> {
        let fis = Fis::new(&runbook::aws::in_region(config, region));
        if let Some(id) = id {
            let found = fis.get_experiment_template().id(id).send().await;
            found.map_err(|error| {
                format!("{region}: the experiment template {id} can't be read: {}", reason(error))
            })?;
            return Ok(Self::Experiment(id.to_owned(), Mutex::default()));
        }
        let mut found = Vec::new();
        let mut pages = fis.list_experiment_templates().into_paginator().items().send();
        while let Some(template) = pages.next().await {
            let template = template.map_err(|error| {
                format!("{region}: FIS does not list its experiment templates: {}", reason(error))
            })?;
            let is_named = template.tags().and_then(|tags| tags.get("Name")).is_some_and(|of| of == name);
            found.extend(template.id().filter(|_| is_named).map(str::to_owned));
        }
        match found.as_slice() {
            [one] => Ok(Self::Experiment(one.clone(), Mutex::default())),
            [] => Err(format!(
                "{region}: there is no experiment template with the tag Name={name}: deploy the workload's (make workload), name another \
                 one with --experiment, or break the Region by hand, --by-hand"
            )
            .into()),
            several => Err(format!(
                "{region}: there are several experiment templates with the tag Name={name}: name one, --experiment {}",
                several.join(" or --experiment ")
            )
            .into()),
        }
    }

    /// What it will do, in a sentence.
    pub fn words(&self, region: &str) -> String {
        match self {
            Self::Experiment(template, _) => {
                format!("{region} is broken by the experiment {template} of FIS")
            }
            Self::ByHand => format!("{region} is broken by you"),
        }
    }

    /// Whether it is an experiment that was started and not seen to have ended.
    pub fn is_ours_and_begun(&self) -> bool {
        match self {
            Self::Experiment(_, started) => started.lock().unwrap_or_else(PoisonError::into_inner).is_some(),
            Self::ByHand => false,
        }
    }

    /// Begins it, and says what was done.
    ///
    /// # Errors
    /// When it does not begin.
    pub async fn begin(
        &self,
        config: &SdkConfig,
        region: &str,
        timeline: &Timeline,
    ) -> Result<String, Error> {
        let Self::Experiment(template, started) = self else {
            person::answers(timeline, &format!("\nBreak {region} now, then press Enter. ")).await?;
            return Ok(format!("{region} was broken by hand"));
        };
        let fis = Fis::new(&runbook::aws::in_region(config, region));
        let begun = fis.start_experiment().experiment_template_id(template).tags("Name", "causeway-gameday");
        let begun = begun.send().await;
        let begun = begun
            .map_err(|error| format!("the experiment {template} can't be started: {}", reason(error)))?;
        let id =
            begun.experiment().and_then(|experiment| experiment.id()).ok_or("FIS gives no experiment")?;
        *started.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
        let seen = until(&fis, id, |status| {
            !matches!(status, ExperimentStatus::Pending | ExperimentStatus::Initiating)
        });
        let seen = seen.await?;
        match status(&seen) {
            Some(ExperimentStatus::Running) => Ok(format!("the experiment {id} runs in {region}")),
            _ => Err(format!("the experiment {id} does not run: {}", why(&seen)).into()),
        }
    }

    /// Ends it, and says what was done. What has ended already is well.
    ///
    /// # Errors
    /// When it can't be ended.
    pub async fn end(&self, config: &SdkConfig, region: &str, timeline: &Timeline) -> Result<String, Error> {
        let Self::Experiment(_, started) = self else {
            person::answers(timeline, &format!("\nLet {region} come back now, then press Enter. ")).await?;
            return Ok(format!("{region} is back"));
        };
        let Some(id) = started.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Ok(format!("no experiment runs in {region}"));
        };
        let fis = Fis::new(&runbook::aws::in_region(config, region));
        if let Err(error) = fis.stop_experiment().id(&id).send().await {
            // One that has ended by itself can't be stopped.
            let seen = experiment(&fis, &id).await?;
            if !status(&seen).as_ref().is_some_and(has_ended) {
                return Err(format!("the experiment {id} can't be stopped: {}", reason(error)).into());
            }
        }
        until(&fis, &id, has_ended).await?;
        *started.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(format!("the experiment {id} is over: {region} is back"))
    }

    /// What ends it by hand, where it may have begun.
    pub fn way_back(&self, region: &str) -> Vec<String> {
        let Self::Experiment(_, started) = self else {
            return vec![format!("# let {region} come back")];
        };
        let started = started.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = |id: &String| {
            format!("aws fis stop-experiment --region {} --id {}", shell_word(region), shell_word(id))
        };
        started.iter().map(stop).collect()
    }
}

async fn experiment(fis: &Fis, id: &str) -> Result<Experiment, Error> {
    let answer = fis.get_experiment().id(id).send().await;
    let answer = answer.map_err(|error| format!("the experiment {id} can't be read: {}", reason(error)))?;
    Ok(answer.experiment().cloned().ok_or_else(|| format!("FIS does not know the experiment {id}"))?)
}

/// The experiment, once its state is such.
async fn until(fis: &Fis, id: &str, is_it: impl Fn(&ExperimentStatus) -> bool) -> Result<Experiment, Error> {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = experiment(fis, id).await?;
        if status(&seen).as_ref().is_some_and(&is_it) {
            return Ok(seen);
        }
        if tokio::time::Instant::now() > end {
            let seconds = PATIENCE.as_secs();
            return Err(
                format!("the experiment {id} did not come on within {seconds} s: {}", why(&seen)).into()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn status(experiment: &Experiment) -> Option<ExperimentStatus> {
    experiment.state()?.status().cloned()
}

fn has_ended(status: &ExperimentStatus) -> bool {
    !matches!(
        status,
        ExperimentStatus::Pending
            | ExperimentStatus::Initiating
            | ExperimentStatus::Running
            | ExperimentStatus::Stopping
    )
}

fn why(experiment: &Experiment) -> String {
    let state = experiment.state();
    let reason = state.and_then(|state| state.reason()).unwrap_or("no reason is given");
    let status = state.and_then(|state| state.status()).map_or("not known", ExperimentStatus::as_str);
    format!("its state is {status}: {reason}")
}

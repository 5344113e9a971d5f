//! Removes a workload, whatever of it is there: after a deployment that was interrupted, after a failover, after a removal that was.
//!
//! # Order
//! 1. Members leave the global clusters, the writer last, wherever a failover has put it; clusters with the workload's tag that no stack has
//!    are removed: what a runbook restored, renamed or built anew.
//! 2. Protection against deletion is switched off, by the stacks themselves, and their buckets are emptied, with every version.
//! 3. The stacks, found by their tag: each when nothing that is there needs it any more, in both Regions at once.
//!
//! # What a failure leaves
//! What is not removed yet, and is still found. Nothing without the tag is touched.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_rds::operation::describe_global_clusters::DescribeGlobalClustersError;
use aws_sdk_rds::types::GlobalCluster;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::deploy::Deployment;
use super::order::{Task, order_of};
use super::parts::PARTS;
use super::stacks::{Looks, TAG, Target, of_workload};
use crate::Error;
use crate::prompt::say;
use crate::stack::account::Region;

/// What is there: parts that have a stack, and stacks with the tag that are of no part.
pub struct There<'a> {
    /// The parts.
    pub tasks: BTreeSet<Task<'a>>,
    /// Others: a Region and a stack.
    pub unknown: Vec<(&'a str, String)>,
}

impl<'a> Deployment<'a> {
    /// What there is of the workload.
    ///
    /// # Errors
    /// When a Region does not answer.
    pub async fn there(&self) -> Result<There<'a>, Error> {
        let mut there = There { tasks: BTreeSet::new(), unknown: Vec::new() };
        for region in self.regions {
            let named = |name: &str| PARTS.iter().any(|part| part.stack(self.settings) == name);
            for stack in of_workload(region, &self.settings.name, named).await? {
                match PARTS.iter().find(|part| part.stack(self.settings) == stack) {
                    Some(part) => drop(there.tasks.insert(Task { part: part.name, region: &region.name })),
                    None => there.unknown.push((&region.name, stack)),
                }
            }
        }
        Ok(there)
    }

    /// Removes it.
    ///
    /// # Errors
    /// What AWS refused, of every stack that was refused.
    pub async fn destroy(&self, there: &There<'a>) -> Result<(), Error> {
        let mut left = there.tasks.clone();
        for task in &left {
            let stack = self.stack(*task)?;
            let target = self.target(*task, &stack)?;
            for bucket in target.resources("AWS::S3::Bucket").await? {
                let removed = emptied(target.region, &bucket).await?;
                say(&format!(
                    "{:<16}{:<10}the bucket {bucket} is empty: {removed} versions were removed",
                    task.region, task.part
                ));
            }
            target.unprotect().await?;
        }
        // The optional ones, too: they may be there from before.
        let order = order_of(self.settings, PARTS.iter());
        let mut running: BTreeSet<Task<'a>> = BTreeSet::new();
        let mut work = FuturesUnordered::new();
        let mut refused: Vec<String> = Vec::new();
        loop {
            if refused.is_empty() {
                let needed = |task: &Task<'_>| {
                    order.iter().any(|(other, waits)| left.contains(other) && waits.contains(task))
                };
                let ready: Vec<_> =
                    left.iter().filter(|task| !running.contains(task) && !needed(task)).copied().collect();
                for task in ready {
                    running.insert(task);
                    say(&format!("{:<16}{:<10}is being removed", task.region, task.part));
                    work.push(async move { (task, self.remove(task).await) });
                }
            }
            match work.next().await {
                Some((task, Ok(()))) => {
                    left.remove(&task);
                    running.remove(&task);
                    say(&format!("{:<16}{:<10}is gone; {} left", task.region, task.part, left.len()));
                }
                Some((task, Err(error))) => {
                    running.remove(&task);
                    refused.push(format!("{}: {error}", task.part));
                }
                None => break,
            }
        }
        if refused.is_empty() && left.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{} stacks are left:\n  - {}\nMend that and run the same again: it goes on from here",
            left.len(),
            refused.join("\n  - ")
        )
        .into())
    }

    fn stack(&self, task: Task<'_>) -> Result<String, Error> {
        let part = PARTS.iter().find(|part| part.name == task.part);
        Ok(part.ok_or_else(|| format!("there is no part {}", task.part))?.stack(self.settings))
    }

    fn target<'b>(&'b self, task: Task<'_>, stack: &'b str) -> Result<Target<'b>, Error> {
        Ok(Target { region: self.region(task.region)?, name: stack, workload: &self.settings.name })
    }

    async fn remove(&self, task: Task<'a>) -> Result<(), Error> {
        let stack = self.stack(task)?;
        self.target(task, &stack)?.delete().await
    }

    /// Takes the databases apart: members leave their global cluster, whichever is the writer after a failover, and clusters with the
    /// workload's tag that no stack has are removed, such as one that a runbook restored or built anew. Says what it did.
    ///
    /// # Errors
    /// When RDS refuses.
    pub async fn take_databases_apart(&self, there: &There<'a>) -> Result<(), Error> {
        let mut of_stacks = BTreeSet::new();
        for task in &there.tasks {
            let stack = self.stack(*task)?;
            for id in self.target(*task, &stack)?.resources("AWS::RDS::DBCluster").await? {
                of_stacks.insert((task.region, id));
            }
        }
        for region in self.regions.iter().filter(|region| self.settings.regions.contains(&region.name)) {
            self.leave_global_clusters(region).await?;
            let mut pages = region.rds.describe_db_clusters().into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| region.failed("listing the database clusters", error))?;
                for cluster in page.db_clusters() {
                    let Some(id) = cluster.db_cluster_identifier() else { continue };
                    let is_ours = cluster
                        .tag_list()
                        .iter()
                        .any(|tag| tag.key() == Some(TAG) && tag.value() == Some(&self.settings.name));
                    if is_ours && !of_stacks.contains(&(region.name.as_str(), id.to_owned())) {
                        remove_cluster(region, cluster, id).await?;
                        say(&format!("{}: the cluster {id} is of no stack, and is removed", region.name));
                    }
                }
            }
        }
        Ok(())
    }

    /// Members that are in this Region leave the workload's global clusters: those that follow first, then the writer.
    async fn leave_global_clusters(&self, region: &Region) -> Result<(), Error> {
        for database in ["catalog", "orders"] {
            let global = format!("{}-{database}", self.settings.name);
            let mut looks = Looks::default();
            loop {
                let asked =
                    region.rds.describe_global_clusters().global_cluster_identifier(&global).send().await;
                let found = match asked {
                    Ok(said) => said.global_clusters.unwrap_or_default(),
                    Err(error)
                        if error
                            .as_service_error()
                            .is_some_and(DescribeGlobalClustersError::is_global_cluster_not_found_fault) =>
                    {
                        break;
                    }
                    Err(error) => return Err(region.failed(&format!("asking for {global}"), error)),
                };
                let members = found.iter().flat_map(GlobalCluster::global_cluster_members);
                let members =
                    members.filter_map(|one| Some((one.is_writer() == Some(true), one.db_cluster_arn()?)));
                // The writer is last.
                let Some((_, arn)) = members.min_by_key(|(is_writer, _)| *is_writer) else { break };
                let home = arn.split(':').nth(3).unwrap_or_default();
                let removed = self.region(home)?.rds.remove_from_global_cluster();
                let removed =
                    removed.global_cluster_identifier(&global).db_cluster_identifier(arn).send().await;
                match removed {
                    Ok(_) => say(&format!("{home}: {arn} leaves {global}")),
                    // It may be on its way out, or in.
                    Err(error) if looks.elapsed() > PATIENCE => {
                        return Err(region.failed(&format!("taking {arn} out of {global}"), error));
                    }
                    Err(_) => {}
                }
                looks.pause().await;
            }
        }
        Ok(())
    }
}

/// How long a member may take to leave.
const PATIENCE: Duration = Duration::from_secs(1_800);

async fn remove_cluster(
    region: &Region,
    cluster: &aws_sdk_rds::types::DbCluster,
    id: &str,
) -> Result<(), Error> {
    let rds = &region.rds;
    let unprotected =
        rds.modify_db_cluster().db_cluster_identifier(id).deletion_protection(false).apply_immediately(true);
    unprotected
        .send()
        .await
        .map_err(|error| region.failed(&format!("unprotecting the cluster {id}"), error))?;
    for member in cluster.db_cluster_members() {
        let Some(instance) = member.db_instance_identifier() else { continue };
        let deleted =
            rds.delete_db_instance().db_instance_identifier(instance).skip_final_snapshot(true).send().await;
        deleted.map_err(|error| region.failed(&format!("removing the instance {instance}"), error))?;
    }
    let deleted = rds.delete_db_cluster().db_cluster_identifier(id).skip_final_snapshot(true).send().await;
    deleted.map(drop).map_err(|error| region.failed(&format!("removing the cluster {id}"), error))
}

/// Removes every version of every object; how many there were.
async fn emptied(region: &Region, bucket: &str) -> Result<usize, Error> {
    let mut removed = 0;
    loop {
        let listed = region.s3.list_object_versions().bucket(bucket).send().await;
        let listed = listed.map_err(|error| region.failed(&format!("listing the bucket {bucket}"), error))?;
        let versions = listed.versions().iter().map(|of| (of.key(), of.version_id()));
        let markers = listed.delete_markers().iter().map(|of| (of.key(), of.version_id()));
        let objects: Vec<_> = versions
            .chain(markers)
            .filter_map(|(key, version)| {
                ObjectIdentifier::builder().key(key?).set_version_id(version.map(str::to_owned)).build().ok()
            })
            .collect();
        if objects.is_empty() {
            return Ok(removed);
        }
        let found = objects.len();
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build()?;
        let deleted = region.s3.delete_objects().bucket(bucket).delete(delete).send().await;
        let deleted =
            deleted.map_err(|error| region.failed(&format!("emptying the bucket {bucket}"), error))?;
        if let Some(error) = deleted.errors().first() {
            let why = error.message().unwrap_or("no reason is given");
            return Err(format!(
                "{}: {} in the bucket {bucket} can't be removed: {why}",
                region.name,
                error.key().unwrap_or("an object")
            )
            .into());
        }
        removed += found;
    }
}

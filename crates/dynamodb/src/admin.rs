//! The operations on tables: create, describe, list, update, delete.
//!
//! What takes AWS a while is over at the next call: `CreateTable` answers `CREATING`, and then the table is `ACTIVE`. A replica
//! is made when none of the table's Regions is cut off; until then it is `CREATING`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::create;
use crate::describe;
use crate::error::{Error, Result};
use crate::input::{boolean, choice, known, list, member, number, text};
use crate::items::Items;
use crate::state::{Group, Replica, State, Stream, check_name, identity, table_name};

/// `CreateTable`
pub fn create(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    let members = [
        "AttributeDefinitions",
        "TableName",
        "KeySchema",
        "GlobalSecondaryIndexes",
        "BillingMode",
        "ProvisionedThroughput",
        "StreamSpecification",
        "TableClass",
        "DeletionProtectionEnabled",
    ];
    known(input, &members)?;
    let name = table_name(input)?;
    check_name(name, "TableName", 255)?;
    if choice(input, "TableClass", &["STANDARD", "STANDARD_INFREQUENT_ACCESS"])?
        == Some("STANDARD_INFREQUENT_ACCESS")
    {
        return Err(Error::unsupported("the table class STANDARD_INFREQUENT_ACCESS"));
    }
    let schema = create::schema(input)?;
    let stream = create::stream(input)?.map(|view| Stream { view, since: now });
    let taken = |group: &Group| {
        group.name == name
            && (group.replicas.contains_key(region) || group.creating.iter().any(|one| one == region))
    };
    if state.groups.values().any(taken) {
        return Err(Error::new("ResourceInUseException", format!("Table already exists: {name}")));
    }
    state.made += 1;
    let number = state.made;
    let replica = Replica {
        items: Items::default(),
        created: now,
        id: identity(&state.account, region, name, number, now),
        stream,
        protected: boolean(input, "DeletionProtectionEnabled")?,
        recovery: None,
    };
    let group = Group {
        name: name.to_owned(),
        schema,
        expiry: None,
        replicas: BTreeMap::from([(region.to_owned(), replica)]),
        creating: Vec::new(),
    };
    state.groups.insert(number, group);
    let (group, replica) = state.table(region, number)?;
    Ok(json!({"TableDescription": describe::table(state, region, group, replica, "CREATING")}))
}

/// `DescribeTable`
pub fn describe(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["TableName"])?;
    let (group, replica) = state.table(region, existing(state, region, input)?)?;
    Ok(json!({"Table": describe::table(state, region, group, replica, "ACTIVE")}))
}

/// `ListTables`
pub fn list_all(state: &State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["ExclusiveStartTableName", "Limit"])?;
    let limit = number(input, "Limit", 1, 100)?.unwrap_or(100);
    let after = text(input, "ExclusiveStartTableName")?.unwrap_or_default();
    let here = state.groups.values().filter(|group| group.replicas.contains_key(region));
    let mut names: Vec<&str> = here.map(|group| group.name.as_str()).filter(|name| *name > after).collect();
    names.sort_unstable();
    let page: Vec<&str> = names.iter().take(usize::try_from(limit).unwrap_or(usize::MAX)).copied().collect();
    let mut answer = json!({"TableNames": page});
    if page.len() < names.len() {
        answer["LastEvaluatedTableName"] = json!(page.last());
    }
    Ok(answer)
}

/// `DeleteTable`: of a global table, the replica of this Region.
pub fn delete(state: &mut State, region: &str, input: &Value) -> Result<Value> {
    known(input, &["TableName"])?;
    let number = existing(state, region, input)?;
    let (group, replica) = state.table(region, number)?;
    if replica.protected {
        return Err(Error::validation(format!(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first. Table: {}",
            group.name
        )));
    }
    let mut shown = describe::table(state, region, group, replica, "DELETING");
    // What is no more is shown without its parts.
    if let Some(members) = shown.as_object_mut() {
        members.retain(|name, _| {
            !["AttributeDefinitions", "KeySchema", "CreationDateTime"].contains(&name.as_str())
        });
    }
    remove(state, number, region);
    Ok(json!({"TableDescription": shown}))
}

/// `UpdateTable`: one replica more, or one less; or the protection against deletion.
pub fn update(state: &mut State, region: &str, input: &Value, now: Timestamp) -> Result<Value> {
    known(input, &["TableName", "ReplicaUpdates", "DeletionProtectionEnabled"])?;
    let number = existing(state, region, input)?;
    let updates = list(input, "ReplicaUpdates")?.map(Vec::as_slice).unwrap_or_default();
    let protection = member(input, "DeletionProtectionEnabled");
    if updates.is_empty() && protection.is_none() {
        return Err(Error::validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
        ));
    }
    if updates.len() > 1 || (protection.is_some() && !updates.is_empty()) {
        return Err(Error::validation("Only one replica, or the protection, can be changed in one call"));
    }
    let mut status = "ACTIVE";
    for one in updates {
        known(one, &["Create", "Delete"])?;
        match (member(one, "Create"), member(one, "Delete")) {
            (Some(given), None) => {
                create_replica(state, region, number, other_region(state, region, given)?, now)?;
            }
            (None, Some(given)) => delete_replica(state, number, &other_region(state, region, given)?)?,
            _ => return Err(Error::validation("One of Create and Delete is required for a replica")),
        }
        status = "UPDATING";
    }
    if protection.is_some() {
        let protected = boolean(input, "DeletionProtectionEnabled")?;
        let replica = state.groups.get_mut(&number).and_then(|group| group.replicas.get_mut(region));
        if let Some(replica) = replica {
            replica.protected = protected;
        }
    }
    let (group, replica) = state.table(region, number)?;
    Ok(json!({"TableDescription": describe::table(state, region, group, replica, status)}))
}

/// The Region of a change of replicas: another one, that the account has.
fn other_region(state: &State, region: &str, given: &Value) -> Result<String> {
    known(given, &["RegionName"])?;
    let name = text(given, "RegionName")?.unwrap_or_default();
    if !state.regions.iter().any(|one| one == name) {
        return Err(Error::validation(format!(
            "Invalid parameter: RegionName: {name} is no Region of this account"
        )));
    }
    if name == region {
        return Err(Error::validation(
            "Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required.",
        ));
    }
    Ok(name.to_owned())
}

fn create_replica(
    state: &mut State,
    region: &str,
    number: u64,
    target: String,
    now: Timestamp,
) -> Result<()> {
    let (group, replica) = state.table(region, number)?;
    if group.replicas.contains_key(&target) || group.creating.contains(&target) {
        return Err(Error::validation(format!(
            "Failed to create a the new replica of table with name: '{}' because one or more replicas already existed in region {target}",
            group.name
        )));
    }
    if state.find(&target, &group.name).is_some() {
        return Err(Error::validation(format!(
            "Failed to create a the new replica of table with name: '{}' because a table of that name exists in region {target}",
            group.name
        )));
    }
    // Replication goes by streams with both images. AWS turns them on; it can't turn on what is on in another way.
    if replica.stream.as_ref().is_some_and(|stream| stream.view != "NEW_AND_OLD_IMAGES") {
        return Err(Error::validation(
            "The stream of a table with replicas has the view type NEW_AND_OLD_IMAGES",
        ));
    }
    if let Some(group) = state.groups.get_mut(&number) {
        for replica in group.replicas.values_mut().filter(|replica| replica.stream.is_none()) {
            replica.stream = Some(Stream { view: "NEW_AND_OLD_IMAGES".to_owned(), since: now });
        }
        group.creating.push(target);
    }
    Ok(())
}

fn delete_replica(state: &mut State, number: u64, target: &str) -> Result<()> {
    let group = state.groups.get_mut(&number);
    if let Some(group) = group
        && let Some(at) = group.creating.iter().position(|one| one == target)
    {
        group.creating.remove(at);
        return Ok(());
    }
    let (group, replica) = state.table(target, number).map_err(|_| {
        Error::validation(format!(
            "Replica specified in the Replica Update or Replica Delete action of the request was not found. Region: {target}"
        ))
    })?;
    if replica.protected {
        return Err(Error::validation(format!(
            "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first. Table: {}",
            group.name
        )));
    }
    remove(state, number, target);
    Ok(())
}

fn remove(state: &mut State, number: u64, region: &str) {
    let Some(group) = state.groups.get_mut(&number) else { return };
    group.replicas.remove(region);
    if group.replicas.is_empty() {
        state.groups.remove(&number);
    }
}

fn existing(state: &State, region: &str, input: &Value) -> Result<u64> {
    let name = table_name(input)?;
    state
        .find(region, name)
        .ok_or_else(|| Error::not_found(format!("Requested resource not found: Table: {name} not found")))
}

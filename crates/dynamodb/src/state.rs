//! All tables of an account: which there are in which Region, and what goes from one Region to another.
//!
//! Replicas of one table are a group: they share what the table is, and each has items of its own. A call first brings the
//! state up to its time ([`State::settle`]): what has arrived is taken in, and replicas that are being made get their items.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::attribute::Item;
use crate::error::{Error, Result};
use crate::input::{constraint, required};
use crate::items::Items;
use crate::keys::Position;
use crate::replication::Replication;
use crate::schema::Schema;

/// The tables of one account.
#[derive(Debug)]
pub struct State {
    pub account: String,
    pub regions: Vec<String>,
    pub groups: BTreeMap<u64, Group>,
    /// How many groups there have been.
    pub made: u64,
    pub replication: Replication,
    /// Transactions by Region and token.
    pub tokens: BTreeMap<(String, String), Remembered>,
}

/// A transaction that was made, for when it is asked for again.
#[derive(Debug)]
pub struct Remembered {
    pub at: Timestamp,
    pub request: Value,
    pub answer: Value,
}

/// The replicas of a table.
#[derive(Debug)]
pub struct Group {
    pub name: String,
    pub schema: Schema,
    /// The attribute that says when an item expires, when it is set.
    pub expiry: Option<String>,
    /// By Region.
    pub replicas: BTreeMap<String, Replica>,
    /// Regions that are to get a replica.
    pub creating: Vec<String>,
}

/// A table in one Region.
#[derive(Debug)]
pub struct Replica {
    pub items: Items,
    pub created: Timestamp,
    pub id: String,
    pub stream: Option<Stream>,
    pub protected: bool,
    pub recovery: Option<Recovery>,
}

/// What a table's stream shows. There is none to be read here.
#[derive(Debug, Clone)]
pub struct Stream {
    pub view: String,
    pub since: Timestamp,
}

/// Point-in-time recovery, when it is on.
#[derive(Debug, Clone)]
pub struct Recovery {
    pub since: Timestamp,
    pub days: u64,
}

impl State {
    /// Brings everything up to a time.
    pub fn settle(&mut self, now: Timestamp) {
        for letter in self.replication.arrived(now) {
            // A table that was deleted meanwhile gets no letters.
            let group = self.groups.get_mut(&letter.group);
            if let Some(replica) = group.and_then(|group| group.replicas.get_mut(&letter.to)) {
                replica.items.receive(letter.position, letter.version);
            }
        }
        for (number, group) in &mut self.groups {
            if group.creating.is_empty() {
                continue;
            }
            let regions: Vec<String> = group.replicas.keys().chain(&group.creating).cloned().collect();
            if self.replication.is_cut(&regions) {
                continue;
            }
            for region in std::mem::take(&mut group.creating) {
                let mut replica = Replica {
                    items: Items::default(),
                    created: now,
                    id: identity(&self.account, &region, &group.name, *number, now),
                    stream: group.replicas.values().find_map(|replica| replica.stream.clone()),
                    protected: false,
                    recovery: None,
                };
                // From every replica, since each may have what has not reached the others.
                group.replicas.values().for_each(|other| replica.items.receive_all(&other.items));
                if let Some(stream) = &mut replica.stream {
                    stream.since = now;
                }
                group.replicas.insert(region, replica);
            }
        }
    }

    /// The number of the table of a name, or of an ARN, in a Region.
    pub fn find(&self, region: &str, name: &str) -> Option<u64> {
        let prefix = format!("arn:aws:dynamodb:{region}:{}:table/", self.account);
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        let found =
            self.groups.iter().find(|(_, group)| group.name == name && group.replicas.contains_key(region));
        found.map(|(number, _)| *number)
    }

    /// The number of the table that a request names.
    ///
    /// # Errors
    /// When there is none, or the name can't be one.
    pub fn named(&self, region: &str, input: &Value) -> Result<u64> {
        let name = table_name(input)?;
        self.find(region, name).ok_or_else(|| Error::not_found("Requested resource not found"))
    }

    /// The table of a number in a Region.
    ///
    /// # Errors
    /// When there is none.
    pub fn table(&self, region: &str, number: u64) -> Result<(&Group, &Replica)> {
        let group = self.groups.get(&number);
        let found = group.and_then(|group| Some((group, group.replicas.get(region)?)));
        found.ok_or_else(|| Error::not_found("Requested resource not found"))
    }

    /// Writes an item, or deletes it, and sends it to the other Regions.
    pub fn write(
        &mut self,
        region: &str,
        table: u64,
        position: &Position,
        item: Option<Item>,
        now: Timestamp,
    ) {
        let Some(group) = self.groups.get_mut(&table) else { return };
        let others: Vec<String> = group.replicas.keys().filter(|other| *other != region).cloned().collect();
        let Some(replica) = group.replicas.get_mut(region) else { return };
        let version = replica.items.write(position, item, region, now);
        if !others.is_empty() {
            self.replication.send(region, &others, (table, position), &version, now);
        }
    }
}

/// The name of the table in a request.
///
/// # Errors
/// When it can't be one.
pub fn table_name(input: &Value) -> Result<&str> {
    let given = required(input, "TableName")?;
    let name = given.as_str().ok_or_else(|| {
        Error::new("SerializationException", format!("TableName takes a string, not {given}"))
    })?;
    check_name(name, "TableName", 1024)?;
    Ok(name)
}

/// Whether a name can be one of a table or an index, or an ARN.
///
/// # Errors
/// When it can't.
pub fn check_name(name: &str, member: &str, longest: usize) -> Result<()> {
    let shown = format!("'{name}'");
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let arn = name.starts_with("arn:") && longest > 255;
    if name.is_empty() || !name.chars().all(|c| plain(c) || arn && ":/".contains(c)) {
        let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
        return Err(constraint(&shown, member, rule));
    }
    if name.len() < 3 {
        return Err(constraint(&shown, member, "Member must have length greater than or equal to 3"));
    }
    if name.len() > longest || (name.len() > 255 && !arn) {
        return Err(constraint(&shown, member, "Member must have length less than or equal to 255"));
    }
    Ok(())
}

/// An id that looks like DynamoDB's, made of what is the table's own.
pub fn identity(account: &str, region: &str, name: &str, number: u64, now: Timestamp) -> String {
    let text = format!("{account}/{region}/{name}/{number}/{now}");
    let fold = |start: u64| {
        text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let digits = format!("{:016x}{:016x}", fold(0xcbf2_9ce4_8422_2325), fold(0x9e37_79b9_7f4a_7c15));
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

//! Whether a database of this Region lets the functions in, and what they may do there.

use std::collections::BTreeMap;
use std::time::Duration;

use runbook::RecoveryPlan;
use table_diff::Rights;

use super::seen::MemberSeen;
use crate::asking::{Answer, answer, within};
use crate::probe::{Admission, DatabaseTarget, SignsIn};
use crate::world::available;

/// How long signing in to a database may take: a secret, a connection, a statement.
const SIGN_IN: Duration = Duration::from_secs(15);

/// Where a database is read in this Region, when there is an instance to read it from.
pub(super) fn reader(
    plan: &RecoveryPlan,
    name: &str,
    here: &str,
    members: &BTreeMap<String, MemberSeen>,
) -> Option<DatabaseTarget> {
    let (database, seen) = (plan.databases.get(name)?, members.get(here)?);
    let (host, port) = seen.details.as_ref().ok()?.reader.clone()?;
    if available(seen.instances.as_ref().ok()?) == 0 {
        return None;
    }
    Some(DatabaseTarget {
        name: name.to_owned(),
        engine: database.engine,
        database: database.database.clone(),
        region: here.to_owned(),
        host,
        port,
        sign_in: database.members.get(here)?.sign_in(),
    })
}

/// Whether a database lets a user in, and what it may do there; `None` when it was not let in.
pub(super) async fn let_in(
    databases: &impl SignsIn,
    target: &DatabaseTarget,
) -> (Answer<()>, Answer<Option<Rights>>) {
    match sign_in(databases, target).await {
        Ok(()) => {
            let rights = answer(SIGN_IN, &target.region, databases.rights(target)).await;
            (Ok(()), rights.map(Some))
        }
        denied => (denied, Ok(None)),
    }
}

pub(super) async fn sign_in(databases: &impl SignsIn, target: &DatabaseTarget) -> Answer<()> {
    match within(SIGN_IN, &target.region, databases.signs_in(target)).await {
        Ok(Admission::Granted) => Ok(()),
        Ok(Admission::NotYet(why)) => {
            Err(format!("{}: the database in {} can't be read: {why}", target.name, target.region))
        }
        Err(error) => Err(error.cause()),
    }
}

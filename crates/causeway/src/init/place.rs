//! Where the application is: the account, its global databases, and the two Regions.

use super::ask::{Asker, Question};
use super::choose::{self, Candidate};
use super::earlier::Earlier;
use super::found::Global;
use super::look::Looker;
use crate::Error;
use crate::prompt::say;

/// The global databases, as the first Region tells them that answers.
///
/// # Errors
/// When none answers, or none knows a global database.
pub async fn globals(looker: &Looker, wanted: Option<&[String; 2]>) -> Result<Vec<Global>, Error> {
    let home = looker.home();
    let places: Vec<&String> = match wanted {
        Some(regions) => regions.iter().collect(),
        None => home.iter().collect(),
    };
    let mut why: Option<Error> = None;
    for region in places {
        say(&format!("Asking {region} for global databases …"));
        match looker.globals(region).await {
            Ok(found) if found.is_empty() => {
                why = Some(
                    format!(
                        "{region} knows no Aurora global database in this account: name the two Regions by --regions A,B, or \
                         check the account (aws sts get-caller-identity)"
                    )
                    .into(),
                );
            }
            Ok(found) => return Ok(found),
            // The first failure says more than that the second Region has nothing.
            Err(error) => why = why.or(Some(error)),
        }
    }
    Err(why.unwrap_or_else(|| {
        "no Region is set: set AWS_REGION to one of the two, or name both by --regions A,B".into()
    }))
}

/// The account that was looked into; an earlier plan has to be of the same.
///
/// # Errors
/// When it is not.
pub fn account(globals: &[Global], earlier: &Earlier) -> Result<String, Error> {
    let account = globals.iter().flat_map(|global| &global.members).find_map(|member| member.account());
    let account = account.ok_or("the global databases that were found have no clusters")?;
    match earlier.account().filter(|of| *of != account) {
        Some(of) => Err(format!(
            "{} is of account {of}, and these credentials are of account {account}: use those of {of}, or another folder (--output)",
            earlier.plan_path.display()
        )
        .into()),
        None => Ok(account.to_owned()),
    }
}

/// The two Regions, in the order of the earlier plan where they are the same, else the one with the writers first.
///
/// # Errors
/// When there are no two, or several pairs and nobody to choose.
pub fn regions(
    globals: &[Global],
    wanted: Option<&[String; 2]>,
    earlier: &Earlier,
    asker: &mut Asker,
) -> Result<[String; 2], Error> {
    let pairs = choose::pairs(globals);
    let same = |one: &[String; 2], other: &[String; 2]| one.iter().all(|region| other.contains(region));
    let planned = earlier.regions();
    let found = |regions: &[String; 2]| pairs.iter().find(|pair| same(&pair.regions, regions));
    let regions = if let Some(wanted) = wanted {
        found(wanted).map(|pair| pair.regions.clone()).ok_or_else(|| {
            format!(
                "no global database has one cluster in {} and one in {}, and no other",
                wanted[0], wanted[1]
            )
        })?
    } else if let Some(pair) = planned.as_ref().and_then(found) {
        pair.regions.clone()
    } else {
        let most = pairs.first().map(|pair| pair.databases);
        let clear = pairs.get(1).map(|pair| pair.databases) < most;
        let candidate = |(at, pair): (usize, &choose::Pair)| {
            let why = format!("{} global database(s)", pair.databases);
            Candidate { likely: at == 0 && clear, ..Candidate::new(pair.regions.join(","), why) }
        };
        let candidates: Vec<_> = pairs.iter().enumerate().map(candidate).collect();
        if candidates.is_empty() {
            return Err(
                "no global database has exactly two clusters, in two Regions: a plan needs one".into()
            );
        }
        let alone = candidates.len() == 1;
        let question = Question::new("regions", "the application's two Regions", candidates);
        let answer =
            if alone { asker.ask_unless_plain(&question)? } else { asker.ask(&question, &|_| Ok(()))? };
        let chosen = pairs.iter().find(|pair| pair.regions.join(",") == answer);
        chosen.map(|pair| pair.regions.clone()).ok_or("these are no two Regions that were found")?
    };
    // A failover turns the order around, which means nothing in a plan.
    Ok(planned.filter(|planned| same(planned, &regions)).unwrap_or(regions))
}

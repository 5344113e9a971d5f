//! The members that several kinds of states have: paths, templates, what handles failures, and what follows.

use std::time::Duration;

use serde_json::Value;

use crate::definition::{After, Catcher, Retrier, Select, Then};
use crate::failure::ALL;
use crate::members::Members;
use crate::path::Path;
use crate::template::Template;

/// The longest time in seconds that the language has.
pub(crate) const MAX_SECONDS: u64 = 99_999_999;

/// Notes another query language than JSONPath.
pub(crate) fn jsonpath(members: &mut Members<'_>) {
    if let Some(language) = members.text("QueryLanguage").filter(|language| language != "JSONPath") {
        members.problem("QueryLanguage", format!("takes JSONPath; {language} is not supported"));
    }
}

/// Reads a path that selects something, all by default.
pub(crate) fn select(members: &mut Members<'_>, member: &'static str) -> Select {
    match members.take(member) {
        None => Select::At(Path::root()),
        Some(Value::Null) => Select::Nothing,
        Some(value) => match Path::read(value.as_str().unwrap_or_default(), false) {
            Ok(path) => Select::At(path),
            Err(problem) => {
                members.problem(member, problem);
                Select::Nothing
            }
        },
    }
}

/// Reads where a result goes, in the place of the input by default.
pub(crate) fn target(members: &mut Members<'_>) -> Select {
    match members.take("ResultPath") {
        None => Select::At(Path::root()),
        Some(Value::Null) => Select::Nothing,
        Some(value) => match Path::read_target(value.as_str().unwrap_or_default()) {
            Ok(path) => Select::At(path),
            Err(problem) => {
                members.problem("ResultPath", problem);
                Select::Nothing
            }
        },
    }
}

/// Reads what follows.
pub(crate) fn then(members: &mut Members<'_>) -> Option<Then> {
    match (members.text("Next"), members.flag("End")) {
        (Some(next), None) => Some(Then::Next(next)),
        (None, Some(true)) => Some(Then::End),
        _ => {
            members.place.problem("takes either Next or `\"End\": true`");
            None
        }
    }
}

/// Reads a member that is written plainly, or with `.$` as a path.
pub(crate) fn either(members: &mut Members<'_>, [plain, path]: [&'static str; 2]) -> Option<Template> {
    match (members.take(plain), members.take(path)) {
        (Some(value), None) => Some(Template::read(value, false, &mut members.place.inside(plain))),
        (None, Some(value)) => match Path::read(value.as_str().unwrap_or_default(), false) {
            Ok(found) => Some(Template::Path(found)),
            Err(problem) => {
                members.problem(path, problem);
                None
            }
        },
        (None, None) => None,
        (Some(_), Some(_)) => {
            members.problem(plain, format!("is there as {path}, too"));
            None
        }
    }
}

/// Reads what becomes of a result and of a failure.
pub(crate) fn after(members: &mut Members<'_>) -> Option<After> {
    let selector = members.take("ResultSelector");
    let selector =
        selector.map(|value| Template::read(value, false, &mut members.place.inside("ResultSelector")));
    let result_path = target(members);
    let retry = handlers(members, "Retry", |members, errors| {
        let interval = members.number("IntervalSeconds", 1, MAX_SECONDS).unwrap_or(1);
        let attempts = members.number("MaxAttempts", 0, MAX_SECONDS).unwrap_or(3);
        let backoff = members.take("BackoffRate").unwrap_or_else(|| 2.0.into());
        let backoff = backoff.as_f64().filter(|rate| *rate >= 1.0);
        if backoff.is_none() {
            members.problem("BackoffRate", "takes a number of at least 1.0");
        }
        Some(Retrier { errors, interval: Duration::from_secs(interval), attempts, backoff: backoff? })
    });
    let catch = handlers(members, "Catch", |members, errors| {
        let (result_path, next) = (target(members), members.require_text("Next"));
        Some(Catcher { errors, result_path, next: next? })
    });
    Some(After { selector, result_path, retry, catch, then: then(members)? })
}

/// Reads retriers or catchers.
fn handlers<T>(
    members: &mut Members<'_>,
    member: &'static str,
    read: impl Fn(&mut Members<'_>, Vec<String>) -> Option<T>,
) -> Vec<T> {
    // Taken in either case, for the list of what is supported.
    let items =
        if members.has(member) { members.items(member) } else { members.take(member).into_iter().collect() };
    let (count, mut all) = (items.len(), Vec::new());
    let mut place = members.place.inside(member);
    for (index, item) in items.into_iter().enumerate() {
        let mut place = place.item(index);
        let Some(mut members) = place.members(item) else { continue };
        members.text("Comment");
        let errors: Option<Vec<String>> =
            members.items("ErrorEquals").iter().map(|name| name.as_str().map(str::to_owned)).collect();
        let errors = errors.unwrap_or_else(|| {
            members.problem("ErrorEquals", "takes names of errors");
            Vec::new()
        });
        if errors.iter().any(|name| name == ALL) && (errors.len() > 1 || index + 1 < count) {
            members.problem("ErrorEquals", format!("{ALL} stands alone, and in the last of them"));
        }
        all.extend(read(&mut members, errors));
        members.finish(if member == "Retry" { "a retrier" } else { "a catcher" });
    }
    all
}

//! What the steps share that bring several things of AWS into a wanted state, look by look ([`crate::watch`]): the choice about
//! one thing ([`Decision`]), what the choices about all of them come to ([`verdict`], pure), the one limit ([`Limit`]), and the
//! calls ([`make_all`]).
//!
//! A look of such a step reads: observe, decide about each, `verdict`, `make_all`, answer. Nothing is started while one thing
//! has to be refused. A call that fails does not keep another from being made.

use std::fmt;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::StepError;
use crate::aurora::Answer;

/// What to do next for one thing that a look is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<A> {
    /// It is as it should be.
    AlreadyDone,
    /// The next call.
    Act(A),
    /// Nothing to do but look again, and why.
    Wait(String),
    /// It can't be done as things stand.
    Refuse(String),
}

/// The limit of a step: minutes of the plan, counted from the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// When the first call began.
    pub since: Timestamp,
    /// The plan's setting.
    pub minutes: u32,
    /// Its name in the plan, such as `limits.restoreMinutes`.
    pub setting: &'static str,
}

impl Limit {
    /// Whether more than these minutes have passed.
    pub fn has_passed(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) > SignedDuration::from_mins(self.minutes.into())
    }
}

/// As a part of a reason: `60 minutes after 2026-01-01T00:00:00Z (limits.promotionMinutes)`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} minutes after {} ({})", self.minutes, self.since, self.setting)
    }
}

/// What the decisions about several things come to.
#[derive(Debug, PartialEq)]
pub enum Verdict<'d, A> {
    /// Everything is as it should be.
    Done,
    /// Some can't be done as things stand: the name and the reason of each.
    Refuse(Vec<(&'d str, &'d str)>),
    /// The limit has passed, and these are not as they should be.
    Late(Vec<(&'d str, &'d Decision<A>)>),
    /// These are not as they should be, and these are the calls that can be made now.
    Go {
        /// By name.
        open: Vec<(&'d str, &'d Decision<A>)>,
        /// By name.
        actions: Vec<(&'d str, &'d A)>,
    },
}

/// Judges the decisions, each with the name of its thing. What is refused counts before the limit, which says less.
pub fn verdict<'d, A>(
    decisions: impl IntoIterator<Item = (&'d str, &'d Decision<A>)>,
    is_late: bool,
) -> Verdict<'d, A> {
    let (mut open, mut refused, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    for (name, decision) in decisions {
        match decision {
            Decision::AlreadyDone => continue,
            Decision::Refuse(reason) => refused.push((name, reason.as_str())),
            Decision::Act(action) => actions.push((name, action)),
            Decision::Wait(_) => {}
        }
        open.push((name, decision));
    }
    if !refused.is_empty() {
        Verdict::Refuse(refused)
    } else if open.is_empty() {
        Verdict::Done
    } else if is_late {
        Verdict::Late(open)
    } else {
        Verdict::Go { open, actions }
    }
}

/// A call that was decided.
#[derive(Debug)]
pub struct Call<'d, F> {
    /// Name of the thing that it is about.
    pub name: &'d str,
    /// What it changes once AWS has accepted it, for the answer's `changed`.
    pub change: String,
    /// The call itself.
    pub call: F,
}

/// What AWS said to the calls of one look.
#[derive(Debug, Default)]
pub struct Answers<'d> {
    /// Things whose call was accepted.
    pub accepted: Vec<&'d str>,
    /// Things whose call was rejected because of a state, with AWS's words.
    pub rejected: Vec<(&'d str, String)>,
    /// The first error.
    failed: Option<StepError>,
}

impl Answers<'_> {
    /// # Errors
    /// The first error of a call, when the others were made all the same.
    pub fn result(self) -> Result<(), StepError> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// Makes all calls at once. One that fails does not keep another from being made; what was accepted is added to `changed`.
pub async fn make_all<'d, F>(calls: Vec<Call<'d, F>>, changed: &mut Vec<String>) -> Answers<'d>
where
    F: Future<Output = Result<Answer, StepError>>,
{
    let made =
        join_all(calls.into_iter().map(async |Call { name, change, call }| (name, change, call.await)));
    let mut answers = Answers::default();
    for (name, change, answer) in made.await {
        match answer {
            Ok(Answer::Accepted) => {
                answers.accepted.push(name);
                changed.push(change);
            }
            Ok(Answer::Rejected(message)) => answers.rejected.push((name, message)),
            Err(error) => {
                answers.failed.get_or_insert(error);
            }
        }
    }
    answers
}

/// A wording with what AWS said last when the call was not possible yet.
pub fn noted(wording: String, note: Option<&String>) -> String {
    match note {
        Some(note) => format!("{wording} (AWS says: {note})"),
        None => wording,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    type Decided = Decision<&'static str>;

    fn judged<'d>(decisions: &'d [(&'d str, Decided)], is_late: bool) -> Verdict<'d, &'static str> {
        verdict(decisions.iter().map(|(name, decision)| (*name, decision)), is_late)
    }

    #[test]
    fn one_refusal_stops_all_and_the_limit_counts_only_what_is_open() {
        let (done, wait, act) = (Decided::AlreadyDone, Decided::Wait("later".into()), Decided::Act("call"));
        let refuse = Decided::Refuse("no".into());
        let well = [("a", done.clone()), ("b", done.clone())];
        assert_eq!(judged(&well, true), Verdict::Done, "late, but there");
        let open = [("a", done), ("b", wait.clone()), ("c", act.clone())];
        let Verdict::Go { open: names, actions } = judged(&open, false) else { panic!("not open") };
        assert_eq!(names, [("b", &wait), ("c", &act)]);
        assert_eq!(actions, [("c", &"call")]);
        assert_eq!(judged(&open, true), Verdict::Late(vec![("b", &wait), ("c", &act)]));
        let refused = [("a", refuse), ("c", act)];
        assert_eq!(judged(&refused, true), Verdict::Refuse(vec![("a", "no")]));
    }

    #[test]
    fn a_limit_has_passed_after_its_minutes_and_not_at_them() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let limit = Limit { since, minutes: 60, setting: "limits.promotionMinutes" };
        assert!(!limit.has_passed(since + SignedDuration::from_mins(60)));
        assert!(limit.has_passed(since + SignedDuration::from_mins(60) + SignedDuration::from_millis(1)));
        assert_eq!(limit.to_string(), "60 minutes after 2026-01-01T00:00:00Z (limits.promotionMinutes)");
    }

    #[tokio::test]
    async fn a_call_that_fails_keeps_no_other_from_being_made_and_the_first_error_counts() {
        let call = |name: &'static str, answer: Result<Answer, &'static str>| Call {
            name,
            change: format!("changed {name}"),
            call: async move { answer.map_err(|what| StepError::new(Kind::Failed, what, "do")) },
        };
        let calls = vec![
            call("a", Err("first")),
            call("b", Ok(Answer::Accepted)),
            call("c", Ok(Answer::Rejected("busy".into()))),
            call("d", Err("second")),
        ];
        let mut changed = Vec::new();
        let answers = make_all(calls, &mut changed).await;
        assert_eq!((&answers.accepted[..], changed), (&["b"][..], vec!["changed b".to_owned()]));
        assert_eq!(answers.rejected, [("c", "busy".to_owned())]);
        assert!(answers.result().unwrap_err().to_string().starts_with("first"));
    }
}

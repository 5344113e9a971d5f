//! What a check finds, by the weight that it has, and what follows from it.

use runbook::Status;

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Ready, NeedsApproval or Refused.
    pub status: Status,
    /// Everything that stands against going on, the most serious first.
    pub reasons: Vec<String>,
    /// Everything else worth knowing.
    pub notes: Vec<String>,
}

/// Findings, one line each.
#[derive(Debug, Default)]
pub(super) struct Findings {
    refusals: Vec<String>,
    doubts: Vec<String>,
    approvals: Vec<String>,
    notes: Vec<String>,
}

impl Findings {
    /// The move can't be made as things stand.
    pub(super) fn refuse(&mut self, text: impl Into<String>) {
        self.refusals.push(text.into());
    }

    /// Something is not as it should be, or not known: a person may approve a failover all the same, a switchover can wait
    /// until there is no doubt.
    pub(super) fn doubt(&mut self, text: impl Into<String>) {
        self.doubts.push(text.into());
    }

    /// The move gives something up that a person may give up, in a switchover, too.
    pub(super) fn need_approval(&mut self, text: impl Into<String>) {
        self.approvals.push(text.into());
    }

    /// Worth knowing, and nothing against the move.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// What follows for a move that can wait (`planned`), or for one that can't.
    pub(super) fn decision(self, planned: bool) -> Decision {
        let Self { mut refusals, mut doubts, mut approvals, notes } = self;
        if planned {
            refusals.append(&mut doubts);
        }
        approvals.append(&mut doubts);
        let status = if !refusals.is_empty() {
            Status::Refused
        } else if approvals.is_empty() {
            Status::Ready
        } else {
            Status::NeedsApproval
        };
        refusals.append(&mut approvals);
        Decision { status, reasons: refusals, notes }
    }
}

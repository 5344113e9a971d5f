//! What AWS leaves open, and the two ways to take it.

/// How to read what AWS does not document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Whether a function's error fails its step; else the step succeeds with an output `FunctionError`.
    pub function_error_fails_step: bool,
    /// Whether an output's selector starts at the function's answer (`$.x`); else at the whole result (`$.Payload.x`).
    pub selector_root_is_payload: bool,
    /// Whether a text that is a JSON object or list becomes that object or list where a function's event takes it; else it
    /// stays a text.
    pub json_text_is_parsed: bool,
    /// Whether an approval that is rejected, or not answered in time, ends the execution at once ("the step and the automation
    /// stop running", page of the action `aws:approve`); else its `onFailure` is followed, as that of any step.
    pub refused_approval_ends_execution: bool,
    /// Whether a step with `aws:executeStateMachine` ends once the execution has started; else it waits for its end. The action's page
    /// says neither.
    pub state_machine_is_not_awaited: bool,
    /// Whether a branch that asks for an output that is not there fails; else the reference stays as its own text.
    pub missing_output_fails_branch: bool,
}

impl Reading {
    /// Every combination of two of what every execution meets. How an approval ends is for the rehearsals of
    /// approvals, whether a state machine is awaited for those of what starts one, what a missing output does to a branch
    /// for those of how a document ends.
    pub const ALL: [Self; 4] = [
        Self::of(false, false, true),
        Self::of(false, true, false),
        Self::of(true, false, false),
        Self::of(true, true, true),
    ];

    const fn of(
        function_error_fails_step: bool,
        selector_root_is_payload: bool,
        json_text_is_parsed: bool,
    ) -> Self {
        Self {
            function_error_fails_step,
            selector_root_is_payload,
            json_text_is_parsed,
            refused_approval_ends_execution: false,
            state_machine_is_not_awaited: false,
            missing_output_fails_branch: false,
        }
    }
}

//! The one error type of the steps.
//!
//! An error is for what is broken: a bad event, a bad plan, something that can't be reached, a call that AWS
//! refused for no reason the step knows. A state of the world in which the step must not continue is not an error but a
//! [`Refused`](crate::Status::Refused) outcome.
//!
//! `Display` is one line: the thing and its causes ([`StepError::cause`]), then the remedy ([`StepError::remedy`]).

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What kind of thing is broken. It becomes the `errorType` of the Lambda function's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The event can't be understood: a missing, unknown or malformed field.
    BadEvent,
    /// The recovery plan can't be read or contradicts itself.
    BadPlan,
    /// Something could not be reached, or did not answer in time. Calling again may help.
    Unreachable,
    /// What was asked for is on its way. An error only where the caller knows nothing else to call again for.
    InProgress,
    /// AWS or a database refused: permissions, credentials, limits.
    Denied,
    /// Anything else: an answer that makes no sense, a call that failed.
    Failed,
}

/// An error of a step: names the thing, keeps the cause, says what to do.
#[derive(Debug)]
pub struct StepError {
    kind: Kind,
    what: String,
    remedy: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StepError {
    /// `what` is wrong (a sentence without a full stop that names the thing); do `remedy` (a sentence
    /// without a full stop).
    pub fn new(kind: Kind, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, what: what.into(), remedy: remedy.into(), source: None }
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Another remedy than the one that goes with the kind of error.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A call to AWS failed. `what` names the call and the thing it was about, for example
    /// `describing global cluster shop-orders in eu-west-1`.
    pub fn aws<E, R>(what: impl Into<String>, error: SdkError<E, R>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let (kind, remedy) = match &error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => (
                Kind::Unreachable,
                "check that the Region's endpoint can be reached from this function, then run the step again",
            ),
            SdkError::ServiceError(_) => match error.code() {
                Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation") => {
                    (Kind::Denied, "add the permission to this function's role in template.yaml")
                }
                Some("KMSKeyNotAccessibleFault") => (
                    Kind::Denied,
                    "name the key in `kmsKeys` of the stack's settings, deploy, and run the step again",
                ),
                Some(code) if code.contains("Throttl") => (Kind::Unreachable, "run the step again"),
                _ => (Kind::Failed, "read the cause, mend it, and run the step again"),
            },
            _ => (Kind::Failed, "run the step again; if it stays, report it with this line"),
        };
        Self::new(kind, format!("{} failed", what.into()), remedy).with_source(AwsCause::of(error))
    }

    /// The kind of the error.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What is wrong, with the causes below it, in one line without the remedy: for a longer line that lists several.
    pub fn cause(&self) -> String {
        let Some(source) = &self.source else { return self.what.clone() };
        let mut text = format!("{}: {source}", self.what);
        // An `AwsCause` already holds the causes below it.
        let mut below = if source.is::<AwsCause>() { None } else { source.source() };
        while let Some(inner) = below {
            text = format!("{text}: {inner}");
            below = inner.source();
        }
        text
    }

    /// What to do about it, a sentence without a full stop.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// An SDK error's own words, with the service's code and message where there are any.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct AwsCause {
    text: String,
    #[source]
    source: Box<dyn StdError + Send + Sync>,
}

impl AwsCause {
    fn of<E, R>(error: SdkError<E, R>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
        R: fmt::Debug + Send + Sync + 'static,
    {
        let text = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_string(),
            _ => {
                // The causes of a dispatch failure are short sentences, the outer ones say little.
                let mut text = error.to_string();
                let mut cause: Option<&dyn StdError> = error.source();
                while let Some(inner) = cause {
                    let inner_text = inner.to_string();
                    if !text.contains(&inner_text) {
                        text = format!("{text}: {inner_text}");
                    }
                    cause = inner.source();
                }
                text
            }
        };
        Self { text, source: Box::new(error) }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. To mend it: {}", self.cause(), self.remedy)
    }
}

impl StdError for StepError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<StepError> for lambda_runtime::Diagnostic {
    fn from(error: StepError) -> Self {
        Self { error_type: format!("{:?}", error.kind), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the upper")]
    struct Upper(#[source] std::fmt::Error);

    #[test]
    fn the_cause_and_the_remedy_make_the_line() {
        let alone = StepError::new(Kind::Failed, "a. To mend it: b", "do");
        assert_eq!(alone.cause(), "a. To mend it: b");
        let error = StepError::new(Kind::Failed, "reading x failed", "wait").with_source(Upper(fmt::Error));
        let lower = fmt::Error.to_string();
        assert_eq!(error.cause(), format!("reading x failed: the upper: {lower}"));
        assert_eq!(error.remedy(), "wait");
        assert_eq!(error.to_string(), format!("{}. To mend it: wait", error.cause()));
    }
}

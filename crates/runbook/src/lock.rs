//! One execution at a time: a lock in the report bucket of the Region that takes over, where nothing depends on the Region
//! that is left.
//!
//! It is an object written on a condition: that there is none, or that it is still the one that was read
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>), so that of two who are there at once
//! one has it. S3 and not DynamoDB or Parameter Store: the bucket is there already, and an SSM parameter can be created on a
//! condition but not replaced on one.
//!
//! # Nobody has to give it back
//! It holds only while its execution runs, which Automation tells: an execution that ended, by whatever path, and also one
//! that was cancelled, has let go of it by that. So there is no step that releases it, and none that a crash can skip. Where
//! Automation does not tell, or never notes an end, it holds until it expires (`limits.lockMinutes` of the plan).
//!
//! A crash between any two calls:
//! - before the write: nothing was taken;
//! - after the write, its answer lost: the same execution reads its own name and has the lock; if it is never called again,
//!   it ends, and with it the lock.
//!
//! The lock makes one execution of many; it does not make them safe. They are safe because every step looks at the world and
//! may be called twice, so an execution that outlives its lock does no harm.

use aws_sdk_ssm::error::ProvideErrorMetadata;
use aws_sdk_ssm::types::AutomationExecutionStatus as Status;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::{GetTagged, PutIf};
use crate::error::{Kind, StepError};

/// How often it is tried to be faster than others.
const TRIES: usize = 5;

/// What the object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Id of the Automation execution that has it.
    pub execution: String,
    /// What it is about, such as the failover that is reconciled; may be empty.
    #[serde(default)]
    pub subject: String,
    /// Since when.
    pub taken_at: Timestamp,
    /// Until when, at most.
    pub expires_at: Timestamp,
}

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has not ended.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended otherwise, or there is no such execution.
    Over,
}

impl Standing {
    /// How an execution stands with this status.
    pub fn of(status: Option<&Status>) -> Self {
        match status {
            Some(Status::Success) => Self::Succeeded,
            Some(
                Status::Failed
                | Status::Timedout
                | Status::Cancelled
                | Status::Rejected
                | Status::CompletedWithSuccess
                | Status::CompletedWithFailure
                | Status::Exited,
            ) => Self::Over,
            _ => Self::Running,
        }
    }
}

/// Tells how an execution stands.
pub trait ReadStanding {
    /// That of the execution with this id, in this Region.
    fn read_standing(&self, execution: &str) -> impl Future<Output = Result<Standing, StepError>> + Send;
}

impl ReadStanding for aws_sdk_ssm::Client {
    async fn read_standing(&self, execution: &str) -> Result<Standing, StepError> {
        let answer = self.get_automation_execution().automation_execution_id(execution).send().await;
        match answer {
            Ok(answer) => {
                let status = answer.automation_execution().and_then(|one| one.automation_execution_status());
                Ok(Standing::of(status))
            }
            // A step that was called by hand names an execution of its own invention.
            Err(error)
                if ["AutomationExecutionNotFoundException", "ValidationException"]
                    .contains(&error.code().unwrap_or_default()) =>
            {
                Ok(Standing::Over)
            }
            Err(error) => Err(StepError::aws(format!("reading execution {execution}"), error)),
        }
    }
}

/// Takes the lock at `key` in `bucket`. `None` when it was taken; else the lock of another execution and how that stands.
/// `holds` says whether another's lock holds, when it has not expired.
///
/// # Errors
/// When the bucket can't be read or written, or others were faster again and again.
pub async fn take(
    store: &(impl GetTagged + PutIf),
    executions: &impl ReadStanding,
    (bucket, key): (&str, &str),
    wanted: &Lock,
    holds: impl Fn(&Lock, Standing) -> bool,
) -> Result<Option<(Lock, Standing)>, StepError> {
    for _ in 0..TRIES {
        let found = store.get_tagged(bucket, key).await?;
        // What is no lock holds nobody back: else it would for ever.
        let lock: Option<Lock> = found.as_ref().and_then(|(body, _)| serde_json::from_slice(body).ok());
        if let Some(lock) = lock {
            if lock.execution == wanted.execution {
                return Ok(None);
            }
            // Who can't be asked after may run.
            let standing = executions.read_standing(&lock.execution).await.unwrap_or(Standing::Running);
            let expired = standing == Standing::Running && lock.expires_at <= wanted.taken_at;
            if !expired && holds(&lock, standing) {
                return Ok(Some((lock, standing)));
            }
        }
        let body = serde_json::to_vec(wanted).map_err(|error| {
            StepError::new(
                Kind::Failed,
                format!("the lock {key} can't be written as JSON"),
                "report this line",
            )
            .with_source(error)
        })?;
        if store.put_if(bucket, key, found.as_ref().map(|(_, tag)| tag.as_str()), body).await? {
            return Ok(None);
        }
    }
    Err(StepError::new(
        Kind::Unreachable,
        format!("others were faster to write s3://{bucket}/{key}, {TRIES} times"),
        "run the step again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::GetObject;
    use crate::bucket::fake::Bucket;

    struct Executions(&'static str, Option<Standing>);

    impl ReadStanding for Executions {
        async fn read_standing(&self, execution: &str) -> Result<Standing, StepError> {
            assert_eq!(execution, self.0);
            self.1.ok_or_else(|| StepError::new(Kind::Denied, "denied", ""))
        }
    }

    fn lock(execution: &str, minute: i64) -> Lock {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        Lock {
            execution: execution.into(),
            subject: String::new(),
            taken_at: at(minute),
            expires_at: at(minute + 10),
        }
    }

    async fn taken(bucket: &Bucket, wanted: &Lock, standing: Option<Standing>) -> bool {
        let holds = |_: &Lock, standing| standing == Standing::Running;
        take(bucket, &Executions("first", standing), ("b", "k"), wanted, holds).await.unwrap().is_none()
    }

    #[tokio::test]
    async fn it_holds_while_its_execution_runs_and_has_not_expired() {
        let bucket = Bucket::default();
        assert!(taken(&bucket, &lock("first", 0), None).await);
        // Its own, read again.
        assert!(taken(&bucket, &lock("first", 3), None).await);
        // Of one that runs, or can't be asked after.
        assert!(!taken(&bucket, &lock("second", 9), Some(Standing::Running)).await);
        assert!(!taken(&bucket, &lock("second", 9), None).await);
        let writes = bucket.writes.lock().unwrap().len();
        assert_eq!(writes, 1, "what is had already, or another's, is not written");
        // Expired.
        assert!(taken(&bucket, &lock("second", 10), Some(Standing::Running)).await);
        let body = bucket.get_object("b", "k").await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<Lock>(&body).unwrap(), lock("second", 10));
    }

    #[tokio::test]
    async fn the_end_of_its_execution_frees_it_and_what_is_no_lock_holds_nobody_back() {
        for standing in [Standing::Succeeded, Standing::Over] {
            let bucket = Bucket::default();
            assert!(taken(&bucket, &lock("first", 0), None).await);
            assert!(taken(&bucket, &lock("second", 1), Some(standing)).await);
        }
        let bucket = Bucket::default();
        bucket.set("k", "{}");
        assert!(taken(&bucket, &lock("first", 0), None).await);
    }

    /// A bucket in which, between each reading and the writing that follows, another execution writes its lock: as often as
    /// there are rivals.
    struct Contested {
        bucket: Bucket,
        rivals: std::sync::Mutex<Vec<Lock>>,
    }

    impl GetTagged for Contested {
        async fn get_tagged(&self, bucket: &str, key: &str) -> Result<Option<(Vec<u8>, String)>, StepError> {
            let found = self.bucket.get_tagged(bucket, key).await?;
            let rival = self.rivals.lock().unwrap().pop();
            if let Some(rival) = rival {
                self.bucket.set(key, serde_json::to_vec(&rival).unwrap());
            }
            Ok(found)
        }
    }

    impl PutIf for Contested {
        async fn put_if(
            &self,
            bucket: &str,
            key: &str,
            tag: Option<&str>,
            body: Vec<u8>,
        ) -> Result<bool, StepError> {
            self.bucket.put_if(bucket, key, tag, body).await
        }
    }

    async fn contested(rivals: usize, standing: Standing) -> Result<Option<(Lock, Standing)>, StepError> {
        // Each writes another text, so that the tag differs.
        let rivals = (0..rivals).map(|minute| lock("first", i64::try_from(minute).unwrap())).collect();
        let store = Contested { bucket: Bucket::default(), rivals: std::sync::Mutex::new(rivals) };
        let holds = |_: &Lock, standing| standing == Standing::Running;
        take(&store, &Executions("first", Some(standing)), ("b", "k"), &lock("second", 9), holds).await
    }

    #[tokio::test]
    async fn of_two_that_take_it_at_the_same_moment_only_the_faster_one_gets_it() {
        let (faster, standing) = contested(1, Standing::Running).await.unwrap().unwrap();
        assert_eq!((faster.execution.as_str(), standing), ("first", Standing::Running));
        // One that has ended meanwhile does not keep it.
        assert_eq!(contested(1, Standing::Over).await.unwrap(), None);
        assert_eq!(contested(TRIES - 1, Standing::Over).await.unwrap(), None);
        let error = contested(TRIES, Standing::Over).await.unwrap_err();
        assert!(error.to_string().contains("others were faster to write s3://b/k, 5 times"), "{error}");
        assert_eq!(error.kind(), Kind::Unreachable);
    }
}

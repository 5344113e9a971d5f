//! `aws:waitForAwsResourceProperty`: calls an operation until a property of the answer is one of the desired values.
//!
//! At most 3,600 s unless `timeoutSeconds` says otherwise. AWS doesn't document the interval (here 5 modelled seconds)
//! nor what an error of the service does (here it fails the try).

use std::time::Duration;

use crate::actions::assert_aws_resource_property::{self, OWN, desired};
use crate::actions::execute_aws_api;
use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs};
use crate::run::Run;

const INTERVAL: Duration = Duration::from_secs(5);

pub(crate) fn check(fields: &mut Fields<'_>) {
    assert_aws_resource_property::check(fields);
}

pub(crate) async fn run(run: &Run, inputs: &Inputs) -> Result<Done, Failure> {
    loop {
        let result = execute_aws_api::call(run, inputs, &OWN).await?;
        if desired(inputs, &result)?.is_ok() {
            return Ok(Done { result, ..Done::default() });
        }
        run.clock().sleep(INTERVAL).await;
    }
}

//! The Lambda function `region-switch`, see the library of the same name.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(region_switch::handle).await
}

//! The Lambda function `causeway-global-failover`, see the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(global_failover::handle).await
}

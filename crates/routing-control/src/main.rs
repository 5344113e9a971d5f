//! The Lambda function `causeway-routing-control`, see the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(routing_control::handle).await
}

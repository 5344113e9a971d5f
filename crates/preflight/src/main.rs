//! The Lambda function `causeway-preflight`, see the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(preflight::handle).await
}

//! The Lambda function `replay`, see the library of the same name.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(replay::handle).await
}

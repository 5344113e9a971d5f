//! The Lambda function `report`, see the library of the same name.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(report::handle).await
}

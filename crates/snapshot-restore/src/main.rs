//! The Lambda function `causeway-snapshot-restore`, see the library.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    runbook::step::serve(snapshot_restore::handle).await
}

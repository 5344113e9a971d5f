//! x
use clap::Args;
use crate::service::Service;
use crate::metrics::Counted;
/// x
#[derive(Args, Debug, Clone)]
pub struct UiSettings {}
/// x
pub fn service(_: &UiSettings, _: &str) -> Result<Service, reqwest::Error> {
    Ok(Service { name: "ui", routes: axum::Router::new(), dependencies: vec![], metrics: Counted::default().metrics() })
}

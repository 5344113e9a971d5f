//! stub
use crate::{Error, Report};
/// The page.
pub fn page(_report: &Report) -> Result<String, Error> {
    Ok(String::new())
}

//! The pictures of the page: where bars, lines and labels are. Places along the width are in percent, so that a picture fits
//! any screen while its text stays as large as it is.

mod axis;
mod budgets;
mod chart;
mod timeline;

pub(super) use budgets::{Budget, budgets};
pub(super) use chart::{Chart, chart};
pub(super) use timeline::{Timeline, timeline};

//! The report of a replay, `replay.json` and `replay.html`: what is there, what is not, and why.
//!
//! Written at the end of the preview, so that who approves can read what would be left out, and again at the end, with
//! what is left. The rows are streamed; the first thousand that are not there are listed, the rest is counted.

mod model;
mod read;
mod words;
mod write;

pub(crate) use model::{Origin, States};
pub(crate) use read::read;
pub(crate) use write::write;

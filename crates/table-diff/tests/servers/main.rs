//! The comparison on real servers, which the tests start themselves.

mod cases;
mod support;

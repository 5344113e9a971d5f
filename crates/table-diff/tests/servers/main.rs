//! The comparison on real servers, which the tests start themselves.

mod cases;
mod failures;
mod postgres;
mod random;
mod support;

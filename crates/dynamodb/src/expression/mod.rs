//! DynamoDB's expressions: conditions, updates, projections.
//!
//! Each is read in one go with the names and values that stand for its placeholders ([`scope`]), and is then a tree without
//! placeholders. Reading tells every mistake that needs no item; what needs one is told when the tree meets it.
//!
//! - `words`: the reserved words
//! - `scope`: what `#names` and `:values` stand for, and which of them were used
//! - `token`, `reader`: the words of an expression, one after the other, and the errors of its syntax
//! - `path`: places in an item
//! - `condition`, `evaluate`: what has to be true of an item
//! - `update`, `apply`: how an item changes
//! - `projection`: which parts of an item are wanted

pub mod apply;
pub mod condition;
pub mod evaluate;
pub mod path;
pub mod projection;
pub mod reader;
pub mod scope;
pub mod token;
pub mod update;
pub mod words;

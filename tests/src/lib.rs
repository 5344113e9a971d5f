//! Tests that span the workspace; see the folders beside this one.

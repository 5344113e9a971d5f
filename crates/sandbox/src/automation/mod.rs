//! Runs Systems Manager Automation documents.

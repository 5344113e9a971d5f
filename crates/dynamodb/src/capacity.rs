//! What a request consumes, when it asks for that.
//!
//! Reading counts 4 KiB a unit, half of it when it is eventually consistent; writing 1 KiB a unit; a transaction counts
//! twice. What indexes consume of a write is not counted.

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::input::choice;

/// Whether a request asks for the total.
///
/// # Errors
/// When it asks for more than that, or for something that there is not.
pub fn wanted(input: &Value) -> Result<bool> {
    match choice(input, "ReturnConsumedCapacity", &["INDEXES", "TOTAL", "NONE"])? {
        Some("INDEXES") => Err(Error::unsupported("ReturnConsumedCapacity INDEXES")),
        other => Ok(other == Some("TOTAL")),
    }
}

/// Whether the metrics of item collections are asked for: only tables with local indexes have them, and there are none here.
///
/// # Errors
/// When it asks for something that there is not.
pub fn collections(input: &Value) -> Result<()> {
    choice(input, "ReturnItemCollectionMetrics", &["SIZE", "NONE"]).map(drop)
}

/// Units for reading so many bytes.
pub fn read(bytes: usize, consistent: bool) -> f64 {
    let units = f64::from(u32::try_from(bytes.div_ceil(4096).max(1)).unwrap_or(u32::MAX));
    if consistent { units } else { units / 2.0 }
}

/// Units for writing so many bytes.
pub fn write(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX))
}

/// As it is shown.
pub fn shown(table: &str, units: f64) -> Value {
    json!({"TableName": table, "CapacityUnits": units})
}

//! `aws:updateVariable`: sets a variable of the document; the value must have the variable's type.

use serde_json::Value;

use crate::fields::Fields;
use crate::outcome::{Done, Failure, Inputs, text_input};
use crate::run::Run;

pub(crate) fn check(fields: &mut Fields<'_>) {
    if let Some(name) = fields.require("Name") {
        let variables = fields.variables().to_vec();
        fields.literal("Name", &name, |name| {
            match name.as_str().and_then(|name| name.strip_prefix("variable:")) {
                Some(variable) if variables.iter().any(|known| known == variable) => Ok(()),
                Some(variable) => Err(format!("there is no variable `{variable}`")),
                None => Err(format!("takes variable:NAME, not {name}")),
            }
        });
    }
    fields.require("Value");
}

pub(crate) fn run(run: &mut Run, inputs: &Inputs) -> Result<Done, Failure> {
    let name = text_input(inputs, "Name")?;
    let value = inputs.get("Value").cloned().unwrap_or(Value::Null);
    run.set_variable(&name, value)?;
    Ok(Done::default())
}

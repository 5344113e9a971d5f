//! The state machines of a stack, of `AWS::Serverless::StateMachine` and `AWS::StepFunctions::StateMachine`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::template::Stack;

/// A state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// ARN of its role.
    pub role: String,
    /// Where its definition is written.
    source: Source,
    /// What stands in the definition for `${NAME}`.
    substitutions: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// In this file.
    File(String),
    /// In the template.
    Template(String),
}

/// The machines that a template makes.
///
/// # Errors
/// When one is written in a way that is not known here.
pub fn all(stack: &Stack<'_>) -> Result<Vec<Machine>, String> {
    let mut machines = Vec::new();
    for (name, properties) in stack.of_type("AWS::Serverless::StateMachine")? {
        machines.push(machine(&name, &properties, ["Name", "Type", "Role", "DefinitionUri", "Definition"])?);
    }
    for (name, properties) in stack.of_type("AWS::StepFunctions::StateMachine")? {
        let members =
            ["StateMachineName", "StateMachineType", "RoleArn", "DefinitionUri", "DefinitionString"];
        machines.push(machine(&name, &properties, members)?);
    }
    Ok(machines)
}

/// What changes nothing in how a machine runs.
const BESIDE: [&str; 5] = ["DefinitionSubstitutions", "Logging", "LoggingConfiguration", "Tags", "Tracing"];

fn machine(of: &str, properties: &Value, members: [&str; 5]) -> Result<Machine, String> {
    let known = |member: &String| members.contains(&member.as_str()) || BESIDE.contains(&member.as_str());
    if let Some((member, _)) = properties.as_object().into_iter().flatten().find(|(member, _)| !known(member))
    {
        return Err(format!("{of}: {member} of a state machine is not known here"));
    }
    let [name, kind, role, file, inline] = members.map(|member| &properties[member]);
    if !(kind.is_null() || kind == "STANDARD") {
        return Err(format!("{of}: a state machine of the type {kind} is not known here"));
    }
    let text = |value: &Value, what: &str| {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{of}: {what} is no text"))
    };
    let source = match (file, inline) {
        (Value::String(file), Value::Null) => Source::File(file.clone()),
        (Value::Null, Value::String(text)) => Source::Template(text.clone()),
        (Value::Null, definition @ Value::Object(_)) => Source::Template(definition.to_string()),
        _ => return Err(format!("{of} takes one of {} and {}", members[3], members[4])),
    };
    let substitutions = properties["DefinitionSubstitutions"].as_object().into_iter().flatten();
    let substitutions = substitutions.map(|(name, value)| {
        let plain = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            other => return Err(format!("{of}: the substitution {name} is {other}")),
        };
        Ok((name.clone(), plain))
    });
    Ok(Machine {
        name: text(name, "its name")?,
        role: text(role, "its role")?,
        source,
        substitutions: substitutions.collect::<Result<_, _>>()?,
    })
}

impl Machine {
    /// Its definition, substituted; `read` reads a file that the template names.
    ///
    /// # Errors
    /// When the file can't be read, or a `${NAME}` has no substitution.
    pub fn definition(&self, read: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
        let mut text = match &self.source {
            Source::File(file) => read(file)?,
            Source::Template(text) => text.clone(),
        };
        for (name, value) in &self.substitutions {
            // Inside a JSON text.
            let quoted = Value::from(value.as_str()).to_string();
            text = text.replace(&format!("${{{name}}}"), quoted.trim_matches('"'));
        }
        match text.split_once("${").map(|(_, rest)| rest.split('}').next().unwrap_or_default()) {
            Some(name) => {
                Err(format!("the definition of {} has ${{{name}}}, and nothing stands for it", self.name))
            }
            None => Ok(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_norway::Value as Yaml;

    use super::*;
    use crate::template::Place;

    fn read(properties: &str, kind: &str) -> Result<Vec<Machine>, String> {
        let template = format!(
            "Resources:\n  Role: {{Type: 'AWS::IAM::Role'}}\n  Work: {{Type: 'AWS::Serverless::Function', Properties: {{FunctionName: work}}}}\n  \
             Compare: {{Type: 'AWS::{kind}::StateMachine', Properties: {{{properties}}}}}\n"
        );
        let template: Yaml = serde_norway::from_str(&template).unwrap();
        let place = Place { account: "000000000000", stack: "s", region: "here" };
        all(&Stack::new(&template, place, BTreeMap::new()))
    }

    #[test]
    fn a_machine_is_read_from_either_type_with_its_substitutions() {
        let serverless = "Name: !Sub '${AWS::StackName}-compare', Role: !GetAtt Role.Arn, DefinitionUri: compare.asl.json, \
                          DefinitionSubstitutions: {Function: !GetAtt Work.Arn, Most: 4}";
        let machine = read(serverless, "Serverless").unwrap().remove(0);
        assert_eq!(machine.name, "s-compare");
        assert_eq!(machine.role, "arn:aws:iam::000000000000:role/s-Role-here");
        let file = |name: &str| {
            assert_eq!(name, "compare.asl.json");
            Ok("{\"f\": \"${Function}\", \"n\": ${Most}}".to_owned())
        };
        let text = "{\"f\": \"arn:aws:lambda:here:000000000000:function:work\", \"n\": 4}";
        assert_eq!(machine.definition(file).as_deref(), Ok(text));
        let missing = machine.definition(|_| Ok("${Other}".to_owned())).unwrap_err();
        assert!(missing.contains("${Other}"), "{missing}");

        let plain = "StateMachineName: m, RoleArn: r, DefinitionString: '{}'";
        let machine = read(plain, "StepFunctions").unwrap().remove(0);
        assert_eq!(machine.definition(|_| Err("no file".to_owned())).as_deref(), Ok("{}"));
        let inline = "Name: m, Role: r, Definition: {StartAt: a}";
        let machine = read(inline, "Serverless").unwrap().remove(0);
        assert_eq!(machine.definition(|_| Err("no file".to_owned())).as_deref(), Ok("{\"StartAt\":\"a\"}"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (properties, why) in [
            ("Name: m, Role: r, DefinitionUri: f, Type: EXPRESS", "EXPRESS"),
            ("Name: m, Role: r, DefinitionUri: f, Policies: []", "Policies"),
            ("Name: m, Role: r, DefinitionUri: f, Definition: {}", "takes one of"),
            ("Name: m, DefinitionUri: f", "its role"),
        ] {
            let error = read(properties, "Serverless").unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}

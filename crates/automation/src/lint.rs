//! Lists every problem of a document, for its author.

use crate::checks;
use crate::document::Document;
use crate::fields::Problem;

/// Lists everything that is wrong with a document or not supported here, and its unreachable steps. `file` is the document's
/// name in the problems. An empty list means that the document can be started.
pub fn check(file: &str, text: &str) -> Vec<Problem> {
    let document = match Document::load(file, text) {
        Ok(document) => document,
        Err(error) => return error.0,
    };
    let unreachable = checks::unreachable(&document).into_iter().map(|step| Problem {
        file: file.to_owned(),
        step: Some(step.to_owned()),
        key: String::new(),
        message: "can't be reached: no step leads to it".to_owned(),
    });
    document.unsupported.iter().cloned().chain(unreachable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(steps: &str) -> Vec<String> {
        let text = format!("schemaVersion: '0.3'\nmainSteps:\n{steps}");
        check("d.yaml", &text).iter().map(ToString::to_string).collect()
    }

    fn sleep(name: &str, keys: &str) -> String {
        format!("- {{name: {name}, action: 'aws:sleep', inputs: {{Duration: PT1S}}{keys}}}\n")
    }

    #[test]
    fn a_step_is_reached_by_success_failure_and_cancellation() {
        let api =
            "- {name: undo, action: 'aws:executeAwsApi', inputs: {Service: rds, Api: X}, isEnd: true}\n";
        let clean = [
            sleep("a", "") + &sleep("b", ""),
            sleep("a", ", isEnd: true, onCancel: 'step:undo'") + api,
            sleep("a", ", nextStep: c, onFailure: 'step:b'") + &sleep("b", "") + &sleep("c", ""),
            sleep("a", ", isEnd: false, onFailure: Continue") + &sleep("b", ""),
        ];
        for steps in clean {
            assert_eq!(problems(&steps), Vec::<String>::new(), "{steps}");
        }
        let never = |step: &str| vec![format!("d.yaml, step {step}: can't be reached: no step leads to it")];
        assert_eq!(problems(&(sleep("a", ", isEnd: true") + &sleep("b", ""))), never("b"));
        assert_eq!(problems(&(sleep("a", ", nextStep: c") + &sleep("b", "") + &sleep("c", ""))), never("b"));
        let ended = sleep("a", ", isEnd: true, onFailure: 'step:b'") + &sleep("b", "");
        assert_eq!(problems(&ended), never("b"));
    }

    #[test]
    fn a_step_inside_a_loop_leads_to_its_own_list_and_out_of_it() {
        let inner = sleep("b", ", onFailure: 'step:d', isEnd: false").replace("- {", "    - {");
        let steps = format!(
            "- name: a\n  action: aws:loop\n  isEnd: true\n  inputs:\n    Iterators: [x]\n    Steps:\n{inner}{}",
            sleep("d", "")
        );
        assert_eq!(problems(&steps), Vec::<String>::new(), "{steps}");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let steps = "- {name: a, action: 'aws:executeScript', inputs: {Runtime: python3.11, Handler: h, Script: s}}\n";
        let found = problems(steps);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("step a") && found[0].contains("aws:executeScript"), "{found:?}");
    }
}

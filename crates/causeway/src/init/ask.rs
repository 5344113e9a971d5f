//! Asks a person, the likely answer first; or takes what was answered ahead; or, with `--yes`, what is likely.
//!
//! Every question has a key, which is said with it: `--answer KEY=VALUE` answers it ahead. With `--yes` a question that
//! has no likely answer is an error that names its key, so that nothing is guessed in silence.

use std::collections::BTreeMap;
use std::io::Write;

use super::choose::Candidate;
use crate::Error;
use crate::prompt::say;

/// How many candidates are shown; the others may be named all the same.
const SHOWN: usize = 9;
/// What says that there is none.
const NONE: &str = "-";

/// A question.
pub struct Question<'a> {
    /// By which it is answered ahead.
    pub key: &'a str,
    /// What is asked for.
    pub text: &'a str,
    /// The candidates, the likely ones first.
    pub candidates: Vec<Candidate>,
    /// Whether another answer than a candidate may be given.
    pub open: bool,
    /// Whether the answer may be several, or none.
    pub many: bool,
    /// Whether the answer may be none.
    pub optional: bool,
}

impl<'a> Question<'a> {
    /// One with one answer, which is one of the candidates.
    pub fn new(key: &'a str, text: &'a str, candidates: Vec<Candidate>) -> Self {
        Self { key, text, candidates, open: false, many: false, optional: false }
    }

    /// Any answer may be given.
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Any number of answers may be given, separated by commas; none, too.
    pub fn many(self) -> Self {
        Self { many: true, optional: true, ..self }
    }

    /// There may be no answer.
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// What is taken where nobody says otherwise.
    fn likely(&self) -> Vec<&Candidate> {
        let limit = if self.many { usize::MAX } else { 1 };
        self.candidates.iter().filter(|one| one.likely).take(limit).collect()
    }

    /// The values that a text means, or what is wrong with it.
    fn read(&self, text: &str, check: &Check<'_>) -> Result<Vec<String>, String> {
        if text == NONE {
            return if self.optional { Ok(Vec::new()) } else { Err("there has to be one".to_owned()) };
        }
        let parts: Vec<&str> =
            if self.many { text.split(',').map(str::trim).collect() } else { vec![text.trim()] };
        let mut values = Vec::new();
        for part in parts {
            let value = self.meant(part)?;
            check(&value)?;
            if values.contains(&value) {
                return Err(format!("{part} is named twice"));
            }
            values.push(value);
        }
        Ok(values)
    }

    /// The value that a word means: a candidate by its number, its name or its value, or the word itself.
    fn meant(&self, word: &str) -> Result<String, String> {
        let named = self.candidates.iter().find(|one| one.value == word || one.shown == word);
        let number = || word.parse::<usize>().ok()?.checked_sub(1).and_then(|at| self.candidates.get(at));
        match named.or_else(number) {
            Some(candidate) => Ok(candidate.value.clone()),
            None if self.open && !word.is_empty() => Ok(word.to_owned()),
            None => Err(format!("{word:?} is none of these: {}", self.all())),
        }
    }

    fn all(&self) -> String {
        self.candidates.iter().map(|one| one.shown.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Says what is wrong with a value.
type Check<'a> = dyn Fn(&str) -> Result<(), String> + 'a;

/// Whoever answers.
pub struct Asker {
    given: BTreeMap<String, String>,
    asked: Vec<String>,
    yes: bool,
}

impl Asker {
    /// One with answers given ahead, each `KEY=VALUE`; `yes`: nobody is asked.
    ///
    /// # Errors
    /// When one is not of that form, or a key is answered twice.
    pub fn new(answers: &[String], yes: bool) -> Result<Self, Error> {
        let mut given = BTreeMap::new();
        for answer in answers {
            let (key, value) = answer
                .split_once('=')
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
                .ok_or_else(|| format!("--answer {answer} is no KEY=VALUE"))?;
            if given.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("--answer {key} is given twice").into());
            }
        }
        Ok(Self { given, asked: Vec::new(), yes })
    }

    /// Whether an answer to this question was given ahead.
    pub fn has(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Whether a person, or an answer given ahead, has something to say to this question.
    pub fn is_heard(&self, key: &str) -> bool {
        !self.yes || self.has(key)
    }

    /// The likely answer where there is one and nothing else was given ahead; else as [`Self::ask`].
    ///
    /// # Errors
    /// As [`Self::ask_all`].
    pub fn ask_unless_plain(&mut self, question: &Question<'_>) -> Result<String, Error> {
        match question.likely().first() {
            Some(likely) if !self.has(question.key) => {
                self.asked.push(question.key.to_owned());
                Ok(likely.value.clone())
            }
            _ => self.ask(question, &|_| Ok(())),
        }
    }

    /// The answers to a question that has any number of them.
    ///
    /// # Errors
    /// When there is no likely answer and nobody to ask, when an answer that was given ahead is wrong, when the input ends.
    pub fn ask_all(&mut self, question: &Question<'_>, check: &Check<'_>) -> Result<Vec<String>, Error> {
        self.asked.push(question.key.to_owned());
        let key = question.key;
        if let Some(given) = self.given.get(key) {
            return question
                .read(given, check)
                .map_err(|why| format!("--answer {key}={given}: {why}").into());
        }
        let likely: Vec<String> = question.likely().into_iter().map(|one| one.value.clone()).collect();
        if self.yes {
            if likely.is_empty() && !question.optional {
                let found = if question.candidates.is_empty() {
                    "nothing was found".to_owned()
                } else {
                    format!("found: {}", question.all())
                };
                return Err(format!(
                    "{key}, {}, is not plain from the account ({found}): say it by --answer {key}=…",
                    question.text
                )
                .into());
            }
            return Ok(likely);
        }
        show(question)?;
        loop {
            let answer = line()?;
            let read = match answer.trim() {
                "" if !likely.is_empty() || question.optional => Ok(likely.clone()),
                "" => Err("there has to be one".to_owned()),
                text => question.read(text, check),
            };
            match read {
                Ok(values) => return Ok(values),
                Err(why) => say(&format!("  {why}")),
            }
            prompt(question)?;
        }
    }

    /// The one answer to a question, or none.
    ///
    /// # Errors
    /// As [`Self::ask_all`].
    pub fn ask_any(&mut self, question: &Question<'_>, check: &Check<'_>) -> Result<Option<String>, Error> {
        Ok(self.ask_all(question, check)?.into_iter().next())
    }

    /// The one answer to a question that has to have one.
    ///
    /// # Errors
    /// As [`Self::ask_all`].
    pub fn ask(&mut self, question: &Question<'_>, check: &Check<'_>) -> Result<String, Error> {
        let answer = self.ask_any(question, check)?;
        answer.ok_or_else(|| format!("{}, {}, has no answer", question.key, question.text).into())
    }

    /// Checks that every answer that was given ahead was one to a question.
    ///
    /// # Errors
    /// Names those that were not, and the questions that there were.
    pub fn all_heard(&self) -> Result<(), Error> {
        let strangers: Vec<&str> =
            self.given.keys().filter(|key| !self.asked.contains(key)).map(String::as_str).collect();
        if strangers.is_empty() {
            return Ok(());
        }
        Err(format!(
            "--answer {}: nothing is asked by this name here. The questions are: {}",
            strangers.join(", "),
            self.asked.join(", ")
        )
        .into())
    }
}

/// Says the question with its candidates.
fn show(question: &Question<'_>) -> Result<(), Error> {
    say(&format!("\n{}: {}", question.key, question.text));
    let width = question.candidates.iter().take(SHOWN).map(|one| one.shown.chars().count()).max();
    for (number, one) in question.candidates.iter().take(SHOWN).enumerate() {
        let mark = if one.likely { "*" } else { " " };
        let width = width.unwrap_or_default();
        say(&format!(" {mark}{} {:width$}  {}", number + 1, one.shown, one.why));
    }
    if question.candidates.len() > SHOWN {
        say(&format!("   … and {} more, by name", question.candidates.len() - SHOWN));
    }
    prompt(question)
}

/// Says what can be typed.
fn prompt(question: &Question<'_>) -> Result<(), Error> {
    let likely = question.likely().into_iter().map(|one| one.shown.as_str()).collect::<Vec<_>>().join(", ");
    let mut ways = Vec::new();
    if !likely.is_empty() {
        ways.push(format!("Enter for {likely}"));
    } else if question.optional {
        ways.push("Enter for none".to_owned());
    }
    if question.candidates.len() > 1 {
        ways.push(
            if question.many { "numbers or names with commas" } else { "a number or a name" }.to_owned(),
        );
    } else if question.open {
        ways.push("another".to_owned());
    }
    if question.optional && !likely.is_empty() {
        ways.push(format!("{NONE} for none"));
    }
    let mut output = std::io::stdout();
    write!(output, "  {}: ", ways.join("; "))?;
    Ok(output.flush()?)
}

/// A line of the input.
fn line() -> Result<String, Error> {
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer)? == 0 {
        return Err("the input ended before every question was answered".into());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question<'static> {
        let candidates = vec![
            Candidate { shown: "one".into(), ..Candidate::new("arn:one", "found in a") }.likely(),
            Candidate::new("two", "found in b"),
        ];
        Question::new("secret.orders", "the secret of orders", candidates)
    }

    fn any(_: &str) -> Result<(), String> {
        Ok(())
    }

    #[test]
    fn an_answer_is_a_number_a_name_or_a_value_and_nothing_else_unless_it_may_be() {
        let read = |text| question().read(text, &any);
        assert_eq!(read("1"), Ok(vec!["arn:one".to_owned()]));
        assert_eq!(read("one"), read("1"));
        assert_eq!(read("arn:one"), read("1"));
        assert_eq!(read("three").unwrap_err(), "\"three\" is none of these: one, two");
        assert_eq!(read("0").unwrap_err(), "\"0\" is none of these: one, two");
        assert_eq!(read("-").unwrap_err(), "there has to be one");
        assert_eq!(question().open().read("three", &any), Ok(vec!["three".to_owned()]));
        assert_eq!(
            question().open().read("three", &|_| Err("it is odd".into())),
            Err("it is odd".to_owned())
        );
    }

    #[test]
    fn several_answers_are_separated_by_commas_and_named_once() {
        let read = |text| question().many().read(text, &any);
        assert_eq!(read("2, one"), Ok(vec!["two".to_owned(), "arn:one".to_owned()]));
        assert_eq!(read("1,one").unwrap_err(), "one is named twice");
        assert_eq!(read("-"), Ok(vec![]));
    }

    #[test]
    fn with_yes_the_likely_answer_is_taken_and_a_question_without_one_is_named() {
        let mut asker = Asker::new(&[], true).unwrap();
        assert_eq!(asker.ask(&question(), &any).unwrap(), "arn:one");
        let mut unclear = question();
        unclear.candidates.iter_mut().for_each(|one| one.likely = false);
        let error = asker.ask(&unclear, &any).unwrap_err().to_string();
        assert_eq!(
            error,
            "secret.orders, the secret of orders, is not plain from the account (found: one, two): say it by --answer \
             secret.orders=…"
        );
        assert_eq!(asker.ask_any(&unclear.optional(), &any).unwrap(), None);
    }

    #[test]
    fn answers_given_ahead_come_first_and_one_that_nothing_asks_for_is_an_error() {
        let answers = ["secret.orders=two", "secret.order=x"].map(str::to_owned);
        let mut asker = Asker::new(&answers, true).unwrap();
        assert_eq!(asker.ask(&question(), &any).unwrap(), "two");
        let error = asker.all_heard().unwrap_err().to_string();
        assert!(error.contains("--answer secret.order: nothing is asked"), "{error}");
        for wrong in ["secret", "=x", "a="] {
            assert!(Asker::new(&[wrong.to_owned()], true).is_err(), "{wrong}");
        }
        assert!(Asker::new(&["a=1".to_owned(), "a=2".to_owned()], true).is_err());
    }
}

//! Conditions of checks, as far as they are understood: comparisons with constants and between columns, lists, ranges, lengths,
//! NULL, patterns, and what AND, OR and NOT make of these. Everything else is [`Condition::Unknown`]: the server judges.
//!
//! The text is the catalogue's own, which each server writes in its way: `` (`a` in (_utf8mb4\'x\',_utf8mb4\'y\')) `` of MySQL is
//! `((a)::text = ANY (ARRAY['x'::text, 'y'::text]))` on PostgreSQL.

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Each of them.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
    /// Not this one.
    Not(Box<Condition>),
    /// Two values compared.
    Compare(Term, Comparison, Term),
    /// One of these values, or none of them.
    In(Term, Vec<Term>, bool),
    /// NULL (true), or not.
    Null(Term, bool),
    /// It matches a regular expression.
    Matches(Term, String),
    /// A value that is true.
    Truth(Term),
    /// Not understood.
    Unknown,
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    Differs,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// With its sides exchanged.
    pub(crate) fn turned(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    /// What holds where it does not.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::Differs,
            Self::Differs => Self::Equal,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::More,
            Self::More => Self::AtMost,
            Self::AtLeast => Self::Less,
        }
    }
}

/// A value in a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// A column.
    Column(String),
    /// A constant, as its text.
    Constant(String),
    /// A function, its name in small letters.
    Call(String, Vec<Term>),
    /// A list.
    List(Vec<Term>),
    /// Anything else.
    Other,
}

impl Condition {
    /// Reads a condition; what a domain calls VALUE is the column of this name.
    pub fn parse(text: &str, value: Option<&str>) -> Self {
        // MySQL 8 keeps the quotes of strings escaped, where no other server has a backslash before one.
        let text = if text.contains("_utf8mb4\\'") || text.contains("_latin1\\'") {
            text.replace("\\'", "'")
        } else {
            text.to_owned()
        };
        let tokens = tokens(&text);
        let mut parser = Parser { tokens, at: 0, value, depth: 0, steps: STEPS };
        let condition = parser.any();
        match condition {
            Some(condition) if parser.at == parser.tokens.len() => condition,
            _ => Self::Unknown,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Name(String),
    Text(String),
    Number(String),
    Mark(String),
}

fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&next) = characters.get(at) {
        let run = |from: usize, is: &dyn Fn(char) -> bool| {
            characters[from..].iter().take_while(|one| is(**one)).collect::<String>()
        };
        if next.is_whitespace() {
            at += 1;
        } else if ['\'', '"', '`'].contains(&next) {
            let mut inside = String::new();
            at += 1;
            while let Some(&one) = characters.get(at) {
                at += 1;
                if one == next {
                    if characters.get(at) != Some(&next) {
                        break;
                    }
                    at += 1;
                }
                inside.push(one);
            }
            found.push(if next == '\'' { Token::Text(inside) } else { Token::Name(inside) });
        } else if next.is_ascii_digit() {
            let number = run(at, &|one| one.is_ascii_alphanumeric() || one == '.');
            at += number.chars().count();
            found.push(Token::Number(number));
        } else if next == '_' || next.is_alphabetic() {
            let word = run(at, &|one| one == '_' || one == '$' || one.is_alphanumeric());
            at += word.chars().count();
            // The character set of the string behind it, or PostgreSQL's E.
            let introduces =
                characters.get(at) == Some(&'\'') && (word.starts_with('_') || word == "E" || word == "N");
            if !introduces {
                found.push(Token::Word(word));
            }
        } else if "()[],.".contains(next) {
            at += 1;
            found.push(Token::Mark(next.to_string()));
        } else {
            let mark = run(at, &|one| "<>=!~*+-/%|&^:@#?".contains(one));
            let mark = if mark.is_empty() { next.to_string() } else { mark };
            at += mark.chars().count();
            found.push(Token::Mark(mark));
        }
    }
    found
}

/// How deep a condition may be nested to be understood.
const DEPTH: usize = 50;
/// How many steps the reading may take. A parenthesis is read as one of a condition, then as one of a term, so that some in one another
/// take very many.
const STEPS: usize = 20_000;

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    value: Option<&'a str>,
    /// How deep what is read is nested.
    depth: usize,
    /// How many steps are left.
    steps: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn word(&mut self, expected: &str) -> bool {
        let here = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected));
        self.at += usize::from(here);
        here
    }

    fn mark(&mut self, expected: &str) -> bool {
        let here = matches!(self.peek(), Some(Token::Mark(mark)) if mark == expected);
        self.at += usize::from(here);
        here
    }

    /// Reads a part, unless it is nested too deep or too much was read.
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth == DEPTH || self.steps == 0 {
            return None;
        }
        (self.depth, self.steps) = (self.depth + 1, self.steps - 1);
        let part = read(self);
        self.depth -= 1;
        part
    }

    fn any(&mut self) -> Option<Condition> {
        let mut parts = vec![self.all()?];
        while self.word("or") || self.mark("||") {
            parts.push(self.all()?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Option<Condition> {
        let mut parts = vec![self.not()?];
        while self.word("and") || self.mark("&&") {
            parts.push(self.not()?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn not(&mut self) -> Option<Condition> {
        self.within(Self::negated)
    }

    fn negated(&mut self) -> Option<Condition> {
        if self.word("not") || self.mark("!") {
            return Some(Condition::Not(Box::new(self.not()?)));
        }
        // A parenthesis is around a condition, or around a term of one: whichever of the two can be read.
        let begin = self.at;
        if self.mark("(") {
            if let Some(inside) = self.any()
                && self.mark(")")
            {
                let plain = matches!(inside, Condition::Truth(_));
                if !plain || self.ends() {
                    self.casts();
                    return Some(inside);
                }
            }
            self.at = begin;
        }
        self.comparison()
    }

    /// Whether nothing follows that would make what was read a part of a term.
    fn ends(&self) -> bool {
        match self.peek() {
            None => true,
            Some(Token::Mark(mark)) => [")", "&&", "||", ","].contains(&mark.as_str()),
            Some(Token::Word(word)) => ["and", "or"].contains(&word.to_lowercase().as_str()),
            _ => false,
        }
    }

    fn comparison(&mut self) -> Option<Condition> {
        let left = self.term()?;
        if self.word("is") {
            let not = self.word("not");
            if self.word("null") {
                return Some(Condition::Null(left, !not));
            }
            let truth = if self.word("true") {
                true
            } else if self.word("false") {
                false
            } else {
                return None;
            };
            let is = Condition::Truth(left);
            return Some(if truth == not { Condition::Not(Box::new(is)) } else { is });
        }
        let not = self.word("not");
        if self.word("in") {
            self.mark("(").then_some(())?;
            let mut values = vec![self.term()?];
            while self.mark(",") {
                values.push(self.term()?);
            }
            self.mark(")").then_some(())?;
            return Some(Condition::In(left, values, !not));
        }
        if self.word("between") {
            let low = self.term()?;
            self.word("and").then_some(())?;
            let high = self.term()?;
            let both = vec![
                Condition::Compare(left.clone(), Comparison::AtLeast, low),
                Condition::Compare(left, Comparison::AtMost, high),
            ];
            let between = Condition::All(both);
            return Some(if not { Condition::Not(Box::new(between)) } else { between });
        }
        if self.word("regexp") || self.word("rlike") {
            return Some(matches(left, &self.term()?, not));
        }
        if self.word("like") || self.word("ilike") || self.word("similar") {
            self.word("to");
            self.term()?;
            return Some(Condition::Unknown);
        }
        let Some(Token::Mark(mark)) = self.peek().cloned() else {
            return (!not).then_some(Condition::Truth(left));
        };
        let comparison = match mark.as_str() {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::Differs,
            "<" => Comparison::Less,
            "<=" => Comparison::AtMost,
            ">" => Comparison::More,
            ">=" => Comparison::AtLeast,
            "~" | "~*" | "!~" | "!~*" => {
                self.at += 1;
                let pattern = self.term()?;
                return Some(matches(left, &pattern, mark.starts_with('!')));
            }
            ")" | "," | "&&" | "||" => return Some(Condition::Truth(left)),
            // `~~` and others: their right side is read, and nothing is made of it.
            "~~" | "~~*" | "!~~" | "!~~*" | "@>" | "<@" | "?" | "<=>" => {
                self.at += 1;
                self.term()?;
                return Some(Condition::Unknown);
            }
            _ => return None,
        };
        self.at += 1;
        let one_of = self.word("any");
        if one_of || self.word("all") {
            let values = match self.term()? {
                Term::List(values) => values,
                Term::Constant(list) => {
                    let inside = list.strip_prefix('{')?.strip_suffix('}')?;
                    inside.split(',').map(|one| Term::Constant(one.trim_matches('"').to_owned())).collect()
                }
                _ => return Some(Condition::Unknown),
            };
            return Some(match (comparison, one_of) {
                (Comparison::Equal, true) => Condition::In(left, values, true),
                (Comparison::Differs, false) => Condition::In(left, values, false),
                _ => Condition::Unknown,
            });
        }
        let right = self.term()?;
        Some(Condition::Compare(left, comparison, right))
    }

    /// A value, with what is computed of it.
    fn term(&mut self) -> Option<Term> {
        let mut term = self.primary()?;
        while let Some(Token::Mark(mark)) = self.peek() {
            let computes =
                ["+", "-", "*", "/", "%", "->", "->>", "#>", "#>>", "&", "|", "#"].contains(&mark.as_str());
            if !computes {
                break;
            }
            self.at += 1;
            self.primary()?;
            term = Term::Other;
        }
        Some(term)
    }

    fn primary(&mut self) -> Option<Term> {
        self.within(Self::part)
    }

    fn part(&mut self) -> Option<Term> {
        let token = self.peek()?.clone();
        self.at += 1;
        let term = match token {
            Token::Number(text) | Token::Text(text) => Term::Constant(text),
            Token::Name(name) => self.behind_name(name)?,
            Token::Mark(mark) if mark == "-" => match self.primary()? {
                Term::Constant(number) => Term::Constant(format!("-{number}")),
                _ => Term::Other,
            },
            Token::Mark(mark) if mark == "(" => {
                let mut inside = vec![self.inside()?];
                while self.mark(",") {
                    inside.push(self.inside()?);
                }
                self.mark(")").then_some(())?;
                if inside.len() == 1 { inside.remove(0) } else { Term::List(inside) }
            }
            Token::Word(word) => self.behind_word(&word)?,
            Token::Mark(_) => return None,
        };
        self.casts();
        Some(term)
    }

    /// What is in parentheses or an argument: a term, or a condition that is one.
    fn inside(&mut self) -> Option<Term> {
        let begin = self.at;
        if let Some(term) = self.term()
            && matches!(self.peek(), Some(Token::Mark(mark)) if mark == ")" || mark == "," || mark == "]")
        {
            return Some(term);
        }
        self.at = begin;
        self.any().map(|_| Term::Other)
    }

    fn behind_name(&mut self, name: String) -> Option<Term> {
        // A table's name before a column's.
        if self.mark(".") {
            return match self.peek()?.clone() {
                Token::Name(name) | Token::Word(name) => {
                    self.at += 1;
                    if matches!(self.peek(), Some(Token::Mark(mark)) if mark == "(") {
                        return self.behind_word(&name.clone()).or(Some(Term::Other));
                    }
                    Some(Term::Column(name))
                }
                _ => None,
            };
        }
        Some(Term::Column(name))
    }

    fn behind_word(&mut self, word: &str) -> Option<Term> {
        let lower = word.to_lowercase();
        if self.mark("(") {
            if lower == "cast" {
                let inside = self.term()?;
                while !self.mark(")") {
                    self.peek()?;
                    if self.mark("(") {
                        self.at += 1;
                        self.mark(")").then_some(())?;
                    } else {
                        self.at += 1;
                    }
                }
                return Some(inside);
            }
            let mut arguments = Vec::new();
            if !self.mark(")") {
                arguments.push(self.inside()?);
                while self.mark(",") {
                    arguments.push(self.inside()?);
                }
                self.mark(")").then_some(())?;
            }
            return Some(Term::Call(lower, arguments));
        }
        if lower == "array" && self.mark("[") {
            let mut values = Vec::new();
            while !self.mark("]") {
                values.push(self.term()?);
                self.mark(",");
            }
            return Some(Term::List(values));
        }
        if lower == "case" {
            let mut depth = 1;
            while depth > 0 {
                if self.word("case") {
                    depth += 1;
                } else if self.word("end") {
                    depth -= 1;
                } else {
                    self.peek()?;
                    self.at += 1;
                }
            }
            return Some(Term::Other);
        }
        match lower.as_str() {
            "true" | "false" | "null" => Some(Term::Constant(lower)),
            "value" => {
                Some(self.value.map_or(Term::Column(word.to_owned()), |name| Term::Column(name.to_owned())))
            }
            "and" | "or" | "not" | "is" | "in" | "between" | "then" | "when" | "else" => None,
            "current_timestamp" | "current_date" => Some(Term::Other),
            // A type before its text: DATE '2026-01-01'.
            "date" | "timestamp" | "time" if matches!(self.peek(), Some(Token::Text(_))) => self.primary(),
            _ => self.behind_name(word.to_owned()),
        }
    }

    /// Passes over `::type` and `COLLATE name`.
    fn casts(&mut self) {
        loop {
            if self.mark("::") {
                self.name_of_type();
            } else if self.word("collate") {
                self.at += 1;
                if self.mark(".") {
                    self.at += 1;
                }
            } else {
                return;
            }
        }
    }

    fn name_of_type(&mut self) {
        self.at += 1;
        while self.mark(".") {
            self.at += 1;
        }
        let more = ["varying", "precision", "without", "with", "time", "zone"];
        loop {
            if self.mark("(") {
                while self.peek().is_some() && !self.mark(")") {
                    self.at += 1;
                }
            } else if self.mark("[") {
                self.mark("]");
            } else if !more.iter().any(|word| self.word(word)) {
                return;
            }
        }
    }
}

fn matches(left: Term, pattern: &Term, not: bool) -> Condition {
    match pattern {
        Term::Constant(pattern) if !not => Condition::Matches(left, pattern.clone()),
        _ => Condition::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Term {
        Term::Column(name.into())
    }

    fn constant(text: &str) -> Term {
        Term::Constant(text.into())
    }

    fn compare(name: &str, comparison: Comparison, text: &str) -> Condition {
        Condition::Compare(column(name), comparison, constant(text))
    }

    #[test]
    fn conditions_are_read_from_what_each_server_writes() {
        use Comparison::{AtLeast, AtMost, Less, More};
        let list = |texts: &[&str]| texts.iter().map(|text| constant(text)).collect::<Vec<_>>();
        for (text, expected) in [
            ("(price >= (0)::numeric)", compare("price", AtLeast, "0")),
            (
                "`a` between -1 and 9",
                Condition::All(vec![compare("a", AtLeast, "-1"), compare("a", AtMost, "9")]),
            ),
            (
                "((`s` in (_utf8mb4\\'x\\',_utf8mb4\\'y\\')))",
                Condition::In(column("s"), list(&["x", "y"]), true),
            ),
            (
                "((s)::text = ANY ((ARRAY['x'::character varying, 'it''s'::character varying])::text[]))",
                Condition::In(column("s"), list(&["x", "it's"]), true),
            ),
            ("(s = ANY ('{a,b}'::text[]))", Condition::In(column("s"), list(&["a", "b"]), true)),
            (
                "((\"From\" < \"To\") AND (n > 0))",
                Condition::All(vec![
                    Condition::Compare(column("From"), Less, column("To")),
                    compare("n", More, "0"),
                ]),
            ),
            (
                "((a IS NULL) OR (b IS NOT NULL))",
                Condition::Any(vec![Condition::Null(column("a"), true), Condition::Null(column("b"), false)]),
            ),
            (
                "(char_length((name)::text) <= 255)",
                Condition::Compare(
                    Term::Call("char_length".into(), vec![column("name")]),
                    AtMost,
                    constant("255"),
                ),
            ),
            ("((code)::text ~ '^[A-Z]{2}$'::text)", Condition::Matches(column("code"), "^[A-Z]{2}$".into())),
            ("`c` regexp '^a+$'", Condition::Matches(column("c"), "^a+$".into())),
            ("json_valid(`doc`)", Condition::Truth(Term::Call("json_valid".into(), vec![column("doc")]))),
            ("(NOT active)", Condition::Not(Box::new(Condition::Truth(column("active"))))),
            (
                "((d >= '2026-01-01 00:00:00'::timestamp without time zone) AND (d < '2027-01-01'::date))",
                Condition::All(vec![
                    compare("d", AtLeast, "2026-01-01 00:00:00"),
                    compare("d", Less, "2027-01-01"),
                ]),
            ),
            ("(a + b) < 10", Condition::Compare(Term::Other, Less, constant("10"))),
            ("lower((a)::text) @> 'x' nonsense (", Condition::Unknown),
        ] {
            assert_eq!(Condition::parse(text, None), expected, "{text}");
        }
        assert_eq!(Condition::parse("(VALUE > 0)", Some("a")), compare("a", More, "0"));
    }
}

//! Reading an XPath: text to a tree of expressions. What it finds is `evaluate`'s.

use super::{Error, MAX_DEPTH, MAX_LENGTH};

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Binary(Operator, Box<Expression>, Box<Expression>),
    Negative(Box<Expression>),
    Text(String),
    Number(f64),
    Call(Function, Vec<Expression>),
    /// Steps from the root, or from the node at hand.
    Path {
        absolute: bool,
        steps: Vec<Step>,
    },
    /// What an expression gives, narrowed by predicates, and steps from there.
    From {
        start: Box<Expression>,
        predicates: Vec<Expression>,
        steps: Vec<Step>,
    },
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Modulo,
    Union,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub axis: Axis,
    pub test: Test,
    pub predicates: Vec<Expression>,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Parent,
    Ancestor,
    AncestorOrSelf,
    OneSelf,
    Attribute,
    FollowingSibling,
    PrecedingSibling,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Test {
    Any,
    Name(String),
    Node,
    Text,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Function {
    Last,
    Position,
    Count,
    Name,
    String,
    Concat,
    StartsWith,
    Contains,
    SubstringBefore,
    SubstringAfter,
    Substring,
    StringLength,
    NormalizeSpace,
    Translate,
    Boolean,
    Not,
    True,
    False,
    Number,
    Sum,
    Floor,
    Ceiling,
    Round,
}

/// Name, and how many arguments it takes.
const FUNCTIONS: [(&str, Function, usize, usize); 24] = [
    ("last", Function::Last, 0, 0),
    ("position", Function::Position, 0, 0),
    ("count", Function::Count, 1, 1),
    ("name", Function::Name, 0, 1),
    ("local-name", Function::Name, 0, 1),
    ("string", Function::String, 0, 1),
    ("concat", Function::Concat, 2, 64),
    ("starts-with", Function::StartsWith, 2, 2),
    ("contains", Function::Contains, 2, 2),
    ("substring-before", Function::SubstringBefore, 2, 2),
    ("substring-after", Function::SubstringAfter, 2, 2),
    ("substring", Function::Substring, 2, 3),
    ("string-length", Function::StringLength, 0, 1),
    ("normalize-space", Function::NormalizeSpace, 0, 1),
    ("translate", Function::Translate, 3, 3),
    ("boolean", Function::Boolean, 1, 1),
    ("not", Function::Not, 1, 1),
    ("true", Function::True, 0, 0),
    ("false", Function::False, 0, 0),
    ("number", Function::Number, 0, 1),
    ("sum", Function::Sum, 1, 1),
    ("floor", Function::Floor, 1, 1),
    ("ceiling", Function::Ceiling, 1, 1),
    ("round", Function::Round, 1, 1),
];

const AXES: [(&str, Axis); 10] = [
    ("child", Axis::Child),
    ("descendant", Axis::Descendant),
    ("descendant-or-self", Axis::DescendantOrSelf),
    ("parent", Axis::Parent),
    ("ancestor", Axis::Ancestor),
    ("ancestor-or-self", Axis::AncestorOrSelf),
    ("self", Axis::OneSelf),
    ("attribute", Axis::Attribute),
    ("following-sibling", Axis::FollowingSibling),
    ("preceding-sibling", Axis::PrecedingSibling),
];

#[derive(Clone, PartialEq, Debug)]
enum Token<'a> {
    /// `/ // [ ] ( ) @ , . .. :: | + - = != < <= > >= *`, and names that stand where an operator must.
    Sign(&'a str),
    Name(&'a str),
    Text(&'a str),
    Number(f64),
}

/// Longest first.
const SIGNS: [&str; 22] = [
    "//", "::", "..", "!=", "<=", ">=", "/", "[", "]", "(", ")", "@", ",", ".", "|", "+", "-", "=", "<", ">", "*", "$",
];

/// Reads an expression.
pub(super) fn expression(text: &str) -> Result<Expression, Error> {
    let mut reader = Reader { text, tokens: Vec::new(), at: 0, depth: 0 };
    if text.len() > MAX_LENGTH {
        return Err(reader.wrong_at(0, &format!("the limit of {MAX_LENGTH} bytes is passed")));
    }
    reader.tokens = tokens(text).map_err(|(at, problem)| reader.wrong_at(at, &problem))?;
    let expression = reader.binary(0)?;
    if reader.at < reader.tokens.len() {
        return Err(reader.wrong("nothing more was expected"));
    }
    Ok(expression)
}

fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, (usize, String)> {
    let mut tokens: Vec<(usize, Token<'_>)> = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
            continue;
        } else if matches!(first, '\'' | '"') {
            let end = rest[1..].find(first).ok_or_else(|| (at, format!("the closing {first} is missing")))?;
            (Token::Text(&rest[1..=end]), end + 2)
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number = rest[..length].parse().map_err(|_| (at, format!("'{}' is no number", &rest[..length])))?;
            (Token::Number(number), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.') || !c.is_ascii();
            let mut length = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            // A prefix belongs to the name, as the document keeps it; `::` ends it.
            if rest[length..].starts_with(':') && !rest[length..].starts_with("::") {
                let local = &rest[length + 1..];
                length += 1 + local.find(|c: char| !is_part(c)).unwrap_or(local.len());
            }
            if length == 0 {
                return Err((at, format!("'{first}' has no meaning")));
            }
            (Token::Name(&rest[..length]), length)
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token<'a>)>,
    at: usize,
    depth: usize,
}

/// Operators by how strongly they bind, weakest first.
const LEVELS: [&[(&str, Operator)]; 7] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[("=", Operator::Equal), ("!=", Operator::Unequal)],
    &[("<=", Operator::LessOrEqual), (">=", Operator::GreaterOrEqual), ("<", Operator::Less), (">", Operator::Greater)],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("div", Operator::Divided), ("mod", Operator::Modulo)],
    &[("|", Operator::Union)],
];
/// Where a sign in front of an expression binds: weaker than a union, stronger than all others.
const UNARY: usize = 6;

impl<'a> Reader<'a> {
    fn wrong_at(&self, at: usize, problem: &str) -> Error {
        let text: String = self.text.chars().take(200).collect();
        let at = self.text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        Error::Syntax { text, at, problem: problem.to_owned() }
    }

    fn wrong(&self, problem: &str) -> Error {
        self.wrong_at(self.tokens.get(self.at).map_or(self.text.len(), |(at, _)| *at), problem)
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.take(sign) { Ok(()) } else { Err(self.wrong(&format!("'{sign}' was expected"))) }
    }

    /// The operator of that level that comes next.
    fn operator(&mut self, level: usize) -> Option<Operator> {
        let found = match self.peek()? {
            Token::Sign(text) | Token::Name(text) => *text,
            _ => return None,
        };
        let (_, operator) = LEVELS[level].iter().find(|(text, _)| *text == found)?;
        self.at += 1;
        Some(*operator)
    }

    fn binary(&mut self, level: usize) -> Result<Expression, Error> {
        if level == UNARY && self.take("-") {
            self.deeper()?;
            let inner = self.binary(UNARY)?;
            self.depth -= 1;
            return Ok(Expression::Negative(Box::new(inner)));
        }
        if level == LEVELS.len() {
            return self.path();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            self.deeper()?;
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// Chains of operators become trees as deep as they are long, so they count as well; brackets that closed do not.
    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong(&format!("it is nested more than {MAX_DEPTH} deep")));
        }
        Ok(())
    }

    fn inside(&mut self, close: &str) -> Result<Expression, Error> {
        let before = self.depth;
        self.deeper()?;
        let inner = self.binary(0)?;
        self.depth = before.max(self.depth - 1);
        self.expect(close)?;
        Ok(inner)
    }

    fn path(&mut self) -> Result<Expression, Error> {
        let start = match self.peek().cloned() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Expression::Text(text.to_owned())
            }
            Some(Token::Number(number)) => {
                self.at += 1;
                Expression::Number(number)
            }
            Some(Token::Sign("(")) => {
                self.at += 1;
                self.inside(")")?
            }
            Some(Token::Name(name)) if self.is_call(name) => {
                self.at += 2;
                self.call(name)?
            }
            _ => return self.location(),
        };
        let predicates = self.predicates()?;
        let mut steps = Vec::new();
        self.more_steps(&mut steps)?;
        if predicates.is_empty() && steps.is_empty() {
            return Ok(start);
        }
        Ok(Expression::From { start: Box::new(start), predicates, steps })
    }

    fn is_call(&self, name: &str) -> bool {
        matches!(self.tokens.get(self.at + 1), Some((_, Token::Sign("(")))) && !matches!(name, "node" | "text")
    }

    fn call(&mut self, name: &str) -> Result<Expression, Error> {
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            self.at -= 2;
            return Err(self.wrong(&format!("there is no function '{name}'")));
        };
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                let before = self.depth;
                self.deeper()?;
                arguments.push(self.binary(0)?);
                self.depth = before.max(self.depth - 1);
                if !self.take(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        if !(*least..=*most).contains(&arguments.len()) {
            return Err(self.wrong(&format!("'{name}' takes {least} to {most} arguments, not {}", arguments.len())));
        }
        Ok(Expression::Call(*function, arguments))
    }

    fn location(&mut self) -> Result<Expression, Error> {
        let mut steps = Vec::new();
        let absolute = self.is("/") || self.is("//");
        if self.take("/") {
            if !self.begins_step() {
                return Ok(Expression::Path { absolute, steps });
            }
        } else if self.take("//") {
            steps.push(anywhere());
        }
        steps.push(self.step()?);
        self.more_steps(&mut steps)?;
        Ok(Expression::Path { absolute, steps: shortened(steps) })
    }

    fn more_steps(&mut self, steps: &mut Vec<Step>) -> Result<(), Error> {
        loop {
            if self.take("//") {
                steps.push(anywhere());
            } else if !self.take("/") {
                return Ok(());
            }
            steps.push(self.step()?);
        }
    }

    fn begins_step(&self) -> bool {
        matches!(self.peek(), Some(Token::Name(_) | Token::Sign("*" | "@" | "." | "..")))
    }

    fn step(&mut self) -> Result<Step, Error> {
        if self.take(".") {
            return Ok(Step { axis: Axis::OneSelf, test: Test::Node, predicates: self.predicates()? });
        }
        if self.take("..") {
            return Ok(Step { axis: Axis::Parent, test: Test::Node, predicates: self.predicates()? });
        }
        let axis = if self.take("@") {
            Axis::Attribute
        } else if let (Some(Token::Name(name)), Some((_, Token::Sign("::")))) =
            (self.peek().cloned(), self.tokens.get(self.at + 1))
        {
            let Some((_, axis)) = AXES.iter().find(|(known, _)| *known == name) else {
                return Err(self.wrong(&format!("there is no axis '{name}'")));
            };
            self.at += 2;
            *axis
        } else {
            Axis::Child
        };
        let test = match self.peek().cloned() {
            Some(Token::Sign("*")) => {
                self.at += 1;
                Test::Any
            }
            Some(Token::Name(kind @ ("node" | "text")))
                if matches!(self.tokens.get(self.at + 1), Some((_, Token::Sign("(")))) =>
            {
                self.at += 2;
                self.expect(")")?;
                if kind == "node" { Test::Node } else { Test::Text }
            }
            Some(Token::Name(name)) => {
                self.at += 1;
                Test::Name(name.to_owned())
            }
            _ => return Err(self.wrong("a step was expected, such as a name or *")),
        };
        Ok(Step { axis, test, predicates: self.predicates()? })
    }

    fn predicates(&mut self) -> Result<Vec<Expression>, Error> {
        let mut predicates = Vec::new();
        while self.take("[") {
            predicates.push(self.inside("]")?);
        }
        Ok(predicates)
    }
}

fn anywhere() -> Step {
    Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() }
}

/// `//x` is one step where no place among siblings is asked for: so a document is walked once.
fn shortened(steps: Vec<Step>) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::with_capacity(steps.len());
    for mut step in steps {
        let after_anywhere = out.last().is_some_and(|before| {
            before.axis == Axis::DescendantOrSelf && before.test == Test::Node && before.predicates.is_empty()
        });
        if after_anywhere && step.axis == Axis::Child && !step.predicates.iter().any(asks_place) {
            out.pop();
            step.axis = Axis::Descendant;
        }
        out.push(step);
    }
    out
}

/// Whether a predicate may mean a place: it may be a number, or uses `position()` or `last()` directly.
fn asks_place(predicate: &Expression) -> bool {
    match predicate {
        Expression::Binary(Operator::Union, ..) | Expression::Text(_) | Expression::Path { .. } => false,
        Expression::Binary(
            Operator::Plus | Operator::Minus | Operator::Times | Operator::Divided | Operator::Modulo,
            ..,
        ) => true,
        Expression::Binary(_, left, right) => names_place(left) || names_place(right),
        Expression::Negative(_) | Expression::Number(_) => true,
        Expression::From { .. } => true,
        Expression::Call(function, arguments) => {
            !matches!(
                function,
                Function::Not
                    | Function::Boolean
                    | Function::Contains
                    | Function::StartsWith
                    | Function::True
                    | Function::False
            ) || arguments.iter().any(names_place)
        }
    }
}

fn names_place(expression: &Expression) -> bool {
    match expression {
        Expression::Binary(_, left, right) => names_place(left) || names_place(right),
        Expression::Negative(inner) => names_place(inner),
        Expression::Text(_) | Expression::Number(_) | Expression::Path { .. } => false,
        Expression::From { .. } => true,
        Expression::Call(function, arguments) => {
            matches!(function, Function::Position | Function::Last) || arguments.iter().any(names_place)
        }
    }
}

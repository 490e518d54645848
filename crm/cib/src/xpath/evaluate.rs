//! What an expression gives in a document. Every node that is looked at counts, so that the work has a bound.

use std::collections::HashMap;

use super::MAX_VISITS;
use super::parse::{Axis, Expression, Function, Operator, Step, Test};
use super::value::{Node, Value, number};
use crate::document::{Document, Element};

/// One evaluation.
pub(super) struct Evaluation<'a> {
    document: &'a Document,
    left: u64,
    /// Places of the elements in document order; made when first needed.
    order: Option<HashMap<Element, u32>>,
}

/// Where an expression is asked: a node, its place among those at hand, and how many these are.
#[derive(Copy, Clone)]
struct Context {
    node: Node,
    position: usize,
    size: usize,
}

impl<'a> Evaluation<'a> {
    pub fn new(document: &'a Document) -> Self {
        Evaluation { document, left: MAX_VISITS, order: None }
    }

    /// `None`: it would take too long.
    pub fn run(&mut self, expression: &Expression) -> Option<Value> {
        self.value(expression, Context { node: Node::Root, position: 1, size: 1 })
    }

    pub fn string(&self, value: &Value) -> String {
        value.string(self.document)
    }

    fn visits(&mut self, count: usize) -> Option<()> {
        self.left = self.left.checked_sub(count as u64 + 1)?;
        Some(())
    }

    fn value(&mut self, expression: &Expression, context: Context) -> Option<Value> {
        self.visits(0)?;
        Some(match expression {
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Number(number) => Value::Number(*number),
            Expression::Negative(inner) => Value::Number(-self.value(inner, context)?.number(self.document)),
            Expression::Path { absolute, steps } => {
                let start = if *absolute { Node::Root } else { context.node };
                Value::Nodes(self.steps(vec![start], steps)?)
            }
            Expression::From { start, predicates, steps } => {
                let Value::Nodes(mut nodes) = self.value(start, context)? else {
                    return Some(Value::Nodes(Vec::new()));
                };
                for predicate in predicates {
                    nodes = self.narrowed(nodes, predicate)?;
                }
                Value::Nodes(self.steps(nodes, steps)?)
            }
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right, context)?,
            Expression::Call(function, arguments) => self.call(*function, arguments, context)?,
        })
    }

    fn steps(&mut self, mut nodes: Vec<Node>, steps: &[Step]) -> Option<Vec<Node>> {
        for step in steps {
            let single = nodes.len() < 2;
            let mut found = Vec::new();
            for node in nodes {
                let mut candidates = self.candidates(node, step)?;
                for predicate in &step.predicates {
                    candidates = self.narrowed(candidates, predicate)?;
                }
                found.extend(candidates);
            }
            let backwards = matches!(step.axis, Axis::Ancestor | Axis::AncestorOrSelf | Axis::PrecedingSibling);
            let each_its_own = matches!(step.axis, Axis::Attribute | Axis::OneSelf);
            nodes = if single && !backwards || each_its_own { found } else { self.in_order(found)? };
        }
        Some(nodes)
    }

    /// Keeps those for which the predicate holds; the place is counted in the order of the axis.
    fn narrowed(&mut self, nodes: Vec<Node>, predicate: &Expression) -> Option<Vec<Node>> {
        let size = nodes.len();
        let mut kept = Vec::new();
        for (index, node) in nodes.into_iter().enumerate() {
            let context = Context { node, position: index + 1, size };
            let keep = match self.value(predicate, context)? {
                Value::Number(place) => place == context.position as f64,
                other => other.truth(),
            };
            if keep {
                kept.push(node);
            }
        }
        Some(kept)
    }

    fn candidates(&mut self, node: Node, step: &Step) -> Option<Vec<Node>> {
        let document = self.document;
        let mut looked = 0;
        let mut found = Vec::new();
        let mut look = |candidate: Node| {
            looked += 1;
            let fits = match (&step.test, candidate) {
                (Test::Node, _) => true,
                (Test::Text, Node::Text(_)) => true,
                (Test::Any, Node::Element(_) | Node::Attribute(..)) => true,
                (Test::Name(name), Node::Element(_) | Node::Attribute(..)) => candidate.name(document) == name,
                _ => false,
            };
            if fits {
                found.push(candidate);
            }
        };
        let text_of = |element: Element| (!document.text(element).is_empty()).then_some(Node::Text(element));
        let wants_text = matches!(step.test, Test::Text | Test::Node);
        match (step.axis, node) {
            (Axis::OneSelf, node) => look(node),
            (Axis::Parent, node) => node.parent(document).into_iter().for_each(look),
            (Axis::Ancestor, node) => {
                std::iter::successors(node.parent(document), |node| node.parent(document)).for_each(look);
            }
            (Axis::AncestorOrSelf, node) => {
                std::iter::successors(Some(node), |node| node.parent(document)).for_each(look);
            }
            (Axis::Child, Node::Root) => look(Node::Element(document.root())),
            (Axis::Child, Node::Element(element)) => {
                document.children(element).for_each(|child| look(Node::Element(child)));
                if wants_text {
                    text_of(element).into_iter().for_each(look);
                }
            }
            (Axis::Descendant | Axis::DescendantOrSelf, Node::Root | Node::Element(_)) => {
                let top = match node {
                    Node::Element(element) => element,
                    _ => document.root(),
                };
                let whole = step.axis == Axis::DescendantOrSelf;
                if node == Node::Root && whole {
                    look(node);
                }
                for element in document.descendants(top) {
                    if whole || node == Node::Root || element != top {
                        look(Node::Element(element));
                    }
                    if wants_text {
                        text_of(element).into_iter().for_each(&mut look);
                    }
                }
            }
            (Axis::DescendantOrSelf, node) => look(node),
            (Axis::Attribute, Node::Element(element)) => {
                // Looked for by name as a rule, so others are not even counted.
                for (number, (name, _)) in document.attributes(element).enumerate() {
                    if !matches!(&step.test, Test::Name(wanted) if wanted != name) {
                        look(Node::Attribute(element, number as u32));
                    }
                }
            }
            (Axis::FollowingSibling, Node::Element(element)) => {
                std::iter::successors(document.next_sibling(element), |next| document.next_sibling(*next))
                    .for_each(|next| look(Node::Element(next)));
            }
            (Axis::PrecedingSibling, Node::Element(element)) => {
                let before: Vec<Element> = document
                    .parent(element)
                    .into_iter()
                    .flat_map(|parent| document.children(parent))
                    .take_while(|sibling| *sibling != element)
                    .collect();
                before.into_iter().rev().for_each(|before| look(Node::Element(before)));
            }
            _ => {}
        }
        self.visits(looked)?;
        Some(found)
    }

    /// Each once, in document order.
    fn in_order(&mut self, mut nodes: Vec<Node>) -> Option<Vec<Node>> {
        let document = self.document;
        if self.order.is_none() {
            let all = document.descendants(document.root()).enumerate();
            let order: HashMap<Element, u32> = all.map(|(place, element)| (element, place as u32)).collect();
            self.visits(order.len())?;
            self.order = Some(order);
        }
        let order = self.order.as_ref()?;
        let place = |element: &Element| order.get(element).copied().unwrap_or(u32::MAX);
        nodes.sort_by_key(|node| match node {
            Node::Root => (0, 0, 0),
            Node::Element(element) => (place(element), 1, 0),
            Node::Attribute(element, number) => (place(element), 2, *number),
            Node::Text(element) => (place(element), 3, 0),
        });
        nodes.dedup();
        Some(nodes)
    }

    fn binary(&mut self, operator: Operator, left: &Expression, right: &Expression, at: Context) -> Option<Value> {
        let first = self.value(left, at)?;
        Some(match operator {
            Operator::Or => Value::Truth(first.truth() || self.value(right, at)?.truth()),
            Operator::And => Value::Truth(first.truth() && self.value(right, at)?.truth()),
            Operator::Union => match (first, self.value(right, at)?) {
                (Value::Nodes(mut nodes), Value::Nodes(more)) => {
                    nodes.extend(more);
                    Value::Nodes(self.in_order(nodes)?)
                }
                _ => Value::Nodes(Vec::new()),
            },
            Operator::Plus | Operator::Minus | Operator::Times | Operator::Divided | Operator::Modulo => {
                let (a, b) = (first.number(self.document), self.value(right, at)?.number(self.document));
                Value::Number(match operator {
                    Operator::Plus => a + b,
                    Operator::Minus => a - b,
                    Operator::Times => a * b,
                    Operator::Divided => a / b,
                    _ => a % b,
                })
            }
            _ => {
                let second = self.value(right, at)?;
                Value::Truth(self.compared(operator, first, second)?)
            }
        })
    }

    /// Nodes compare if any of them does.
    fn compared(&mut self, operator: Operator, left: Value, right: Value) -> Option<bool> {
        let document = self.document;
        let texts = |nodes: &[Node]| nodes.iter().map(|node| node.text(document)).collect::<Vec<_>>();
        match (&left, &right) {
            (Value::Nodes(a), Value::Nodes(b)) => {
                self.visits(a.len().saturating_mul(b.len()))?;
                let (a, b) = (texts(a), texts(b));
                Some(a.iter().any(|a| b.iter().any(|b| holds(operator, a, b))))
            }
            (Value::Nodes(_), Value::Truth(truth)) => Some(same(operator, left.truth(), *truth)),
            (Value::Truth(truth), Value::Nodes(_)) => Some(same(operator, *truth, right.truth())),
            (Value::Nodes(nodes), other) | (other, Value::Nodes(nodes)) => {
                self.visits(nodes.len())?;
                let turned = matches!(right, Value::Nodes(_));
                let as_number = matches!(other, Value::Number(_));
                let other_text = other.string(document);
                let other_number = other.number(document);
                Some(nodes.iter().map(|node| node.text(document)).any(|text| {
                    if as_number {
                        let mine = number(&text);
                        let (a, b) = if turned { (other_number, mine) } else { (mine, other_number) };
                        numbers(operator, a, b)
                    } else if turned {
                        holds(operator, &other_text, &text)
                    } else {
                        holds(operator, &text, &other_text)
                    }
                }))
            }
            _ if !matches!(operator, Operator::Equal | Operator::Unequal) => {
                Some(numbers(operator, left.number(document), right.number(document)))
            }
            (Value::Truth(_), _) | (_, Value::Truth(_)) => Some(same(operator, left.truth(), right.truth())),
            (Value::Number(_), _) | (_, Value::Number(_)) => {
                Some(numbers(operator, left.number(document), right.number(document)))
            }
            _ => Some(holds(operator, &left.string(document), &right.string(document))),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expression], context: Context) -> Option<Value> {
        let document = self.document;
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument, context)?);
        }
        let own = Value::Nodes(vec![context.node]);
        let first = values.first().unwrap_or(&own);
        let text = |index: usize| values.get(index).map(|value| value.string(document)).unwrap_or_default();
        let nodes = || match first {
            Value::Nodes(nodes) => nodes.as_slice(),
            _ => &[],
        };
        Some(match function {
            Function::Last => Value::Number(context.size as f64),
            Function::Position => Value::Number(context.position as f64),
            Function::Count => Value::Number(nodes().len() as f64),
            Function::Name => Value::Text(nodes().first().map_or("", |node| node.name(document)).to_owned()),
            Function::String => Value::Text(first.string(document)),
            Function::Concat => Value::Text((0..values.len()).map(text).collect()),
            Function::StartsWith => Value::Truth(text(0).starts_with(&text(1))),
            Function::Contains => Value::Truth(text(0).contains(&text(1))),
            Function::SubstringBefore => {
                Value::Text(text(0).split_once(&text(1)).map(|(before, _)| before.to_owned()).unwrap_or_default())
            }
            Function::SubstringAfter => {
                Value::Text(text(0).split_once(&text(1)).map(|(_, after)| after.to_owned()).unwrap_or_default())
            }
            Function::Substring => {
                let from = rounded(values[1].number(document));
                let to = values.get(2).map_or(f64::INFINITY, |length| from + rounded(length.number(document)));
                let inside = |place: usize| (place as f64) >= from && (place as f64) < to;
                Value::Text(text(0).chars().zip(1..).filter(|(_, place)| inside(*place)).map(|(c, _)| c).collect())
            }
            Function::StringLength => Value::Number(first.string(document).chars().count() as f64),
            Function::NormalizeSpace => {
                let text = first.string(document);
                let words = text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
                Value::Text(words.collect::<Vec<_>>().join(" "))
            }
            Function::Translate => {
                let (from, to): (Vec<char>, Vec<char>) = (text(1).chars().collect(), text(2).chars().collect());
                let text = text(0);
                let translated = text.chars().filter_map(|c| match from.iter().position(|from| *from == c) {
                    Some(index) => to.get(index).copied(),
                    None => Some(c),
                });
                Value::Text(translated.collect())
            }
            Function::Boolean => Value::Truth(first.truth()),
            Function::Not => Value::Truth(!first.truth()),
            Function::True => Value::Truth(true),
            Function::False => Value::Truth(false),
            Function::Number => Value::Number(first.number(document)),
            Function::Sum => Value::Number(nodes().iter().map(|node| number(&node.text(document))).sum()),
            Function::Floor => Value::Number(first.number(document).floor()),
            Function::Ceiling => Value::Number(first.number(document).ceil()),
            Function::Round => Value::Number(rounded(first.number(document))),
        })
    }
}

/// To the nearest whole number, halves upwards.
fn rounded(number: f64) -> f64 {
    (number + 0.5).floor()
}

fn same(operator: Operator, a: bool, b: bool) -> bool {
    match operator {
        Operator::Equal => a == b,
        Operator::Unequal => a != b,
        _ => numbers(operator, f64::from(u8::from(a)), f64::from(u8::from(b))),
    }
}

fn numbers(operator: Operator, a: f64, b: f64) -> bool {
    match operator {
        Operator::Equal => a == b,
        Operator::Unequal => a != b,
        Operator::Less => a < b,
        Operator::LessOrEqual => a <= b,
        Operator::Greater => a > b,
        Operator::GreaterOrEqual => a >= b,
        _ => false,
    }
}

/// Texts compare as texts for equality, as numbers otherwise.
fn holds(operator: Operator, a: &str, b: &str) -> bool {
    match operator {
        Operator::Equal => a == b,
        Operator::Unequal => a != b,
        _ => numbers(operator, number(a), number(b)),
    }
}

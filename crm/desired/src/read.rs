//! The short form, read: every word that is none is told with the line it stands on and the closest that is one.

use toml_edit::{Document, Item, TableLike, Value};

use crate::words::CONSTRAINTS;
use crate::{Constraint, Desired, Kind, Level, Node, Pairs, Problem, Resource, Xml};

/// The longest text that is read: a hundred times the short form of a large cluster.
const LONGEST: usize = 64 * 1024 * 1024;
/// Words at the beginning of a text's tables.
const WORDS: [&str; 11] = [
    "properties",
    "resource-defaults",
    "operation-defaults",
    "node",
    "resource",
    "location",
    "order",
    "colocation",
    "ticket",
    "fencing-level",
    "tags",
];
/// Sections in which XML may stand.
const SECTIONS: [&str; 10] = [
    "acls",
    "alerts",
    "constraints",
    "crm_config",
    "fencing-topology",
    "nodes",
    "op_defaults",
    "resources",
    "rsc_defaults",
    "tags",
];

type Read<T> = Result<T, Problem>;

/// Reads it.
///
/// # Errors
/// What is wrong, and on which line.
pub fn read(text: &str) -> Read<Desired> {
    if text.len() > LONGEST {
        return Err(Problem::of(format!("the text has more than {} MiB", LONGEST >> 20)));
    }
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        let place = error.span().map_or(String::new(), |span| pointed_at(text, span.start));
        Problem { line, message: format!("this is no TOML: {}{place}", error.message().trim()) }
    })?;
    let reader = Reader { text };
    let mut desired = Desired::default();
    for (word, item) in document.as_table().iter() {
        match word {
            "properties" => desired.properties = reader.pairs(item, word)?,
            "resource-defaults" => desired.resource_defaults = reader.pairs(item, word)?,
            "operation-defaults" => desired.operation_defaults = reader.pairs(item, word)?,
            "node" => {
                for (name, item) in reader.table(item, "tables such as [node.NAME]")?.iter() {
                    desired.nodes.push(reader.node(name, item)?);
                }
            }
            "resource" => {
                for (id, item) in reader.table(item, "tables such as [resource.ID]")?.iter() {
                    desired.resources.push(reader.resource(id, item)?);
                }
            }
            "fencing-level" => {
                for item in reader.tables(item, word)? {
                    desired.levels.push(reader.level(item)?);
                }
            }
            "tags" => {
                for (id, item) in reader.table(item, "names with lists of resources")?.iter() {
                    desired.tags.push((id.to_owned(), reader.list(item)?));
                }
            }
            "xml" => {
                for item in reader.tables(item, word)? {
                    desired.xml.push(reader.xml(item)?);
                }
            }
            word => match CONSTRAINTS.iter().find(|(ours, ..)| *ours == word) {
                Some((_, element, words)) => {
                    for item in reader.tables(item, word)? {
                        desired.constraints.push(reader.constraint(item, element, words)?);
                    }
                }
                None => return Err(reader.unknown(item, word, WORDS.into_iter().chain(["xml"]))),
            },
        }
    }
    Ok(desired)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line that a place is on, and a caret below the place.
fn pointed_at(text: &str, at: usize) -> String {
    /// A line that is longer is of no use to who reads it.
    const LONGEST: usize = 200;
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    if line.chars().count() > LONGEST {
        return String::new();
    }
    // Tabs stay, so that the caret is below what it points at.
    let before = text[start..at].chars().map(|letter| if letter == '\t' { '\t' } else { ' ' });
    format!("\n    {line}\n    {}^", before.collect::<String>())
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn problem(&self, item: &Item, message: impl Into<String>) -> Problem {
        Problem { line: item.span().map(|span| line_of(self.text, span.start)), message: message.into() }
    }

    fn unknown<'a>(&self, item: &Item, word: &str, known: impl Iterator<Item = &'a str>) -> Problem {
        let known: Vec<&str> = known.collect();
        let near = known.iter().map(|one| (strsim::damerau_levenshtein(word, one), one)).min();
        // A third of the letters may be wrong.
        let near = near.filter(|(distance, one)| *distance <= word.len().max(one.len()) / 3);
        let hint = match near {
            Some((_, near)) => format!("did you mean '{near}'?"),
            None => format!("there are {}", known.join(", ")),
        };
        self.problem(item, format!("'{word}' is no word here; {hint}"))
    }

    fn table<'i>(&self, item: &'i Item, expected: &str) -> Read<&'i dyn TableLike> {
        item.as_table_like().ok_or_else(|| self.problem(item, format!("expected {expected}")))
    }

    fn tables<'i>(&self, item: &'i Item, word: &str) -> Read<Vec<&'i dyn TableLike>> {
        let tables = item.as_array_of_tables().map(|tables| tables.iter().map(|one| one as &dyn TableLike).collect());
        tables.ok_or_else(|| self.problem(item, format!("expected tables that each begin with [[{word}]]")))
    }

    fn scalar(&self, item: &Item) -> Read<String> {
        match item.as_value() {
            Some(Value::String(text)) => Ok(text.value().clone()),
            Some(Value::Integer(number)) => Ok(number.value().to_string()),
            Some(Value::Boolean(truth)) => Ok(truth.value().to_string()),
            // As it is written: 0.50 is another text than 0.5.
            Some(Value::Float(_)) => {
                let span = item.span().and_then(|span| self.text.get(span));
                span.map(|text| text.trim().to_owned()).ok_or_else(|| self.problem(item, "expected a number or a text"))
            }
            _ => Err(self.problem(item, "expected a text, a number, true or false")),
        }
    }

    fn pairs(&self, item: &Item, word: &str) -> Read<Pairs> {
        let table = self.table(item, &format!("a table of names and values behind {word}"))?;
        table.iter().map(|(name, item)| Ok((name.to_owned(), self.scalar(item)?))).collect()
    }

    fn list(&self, item: &Item) -> Read<Vec<String>> {
        let wrong = || self.problem(item, "expected a list of texts, such as [\"a\", \"b\"]");
        let items = item.as_array().ok_or_else(wrong)?;
        items.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    fn node(&self, name: &str, item: &Item) -> Read<Node> {
        let mut node = Node { name: name.to_owned(), ..Node::default() };
        for (word, item) in self.table(item, "a table")?.iter() {
            match word {
                "attributes" => node.attributes = self.pairs(item, word)?,
                "utilization" => node.utilization = self.pairs(item, word)?,
                _ => return Err(self.unknown(item, word, ["attributes", "utilization"].into_iter())),
            }
        }
        Ok(node)
    }

    fn resource(&self, id: &str, whole: &Item) -> Read<Resource> {
        const WORDS: [&str; 10] = [
            "agent",
            "template",
            "group",
            "clone",
            "xml",
            "description",
            "parameters",
            "meta",
            "utilization",
            "operations",
        ];
        let table = self.table(whole, "a table")?;
        if let Some((word, item)) = table.iter().find(|(word, _)| !WORDS.contains(word)) {
            return Err(self.unknown(item, word, WORDS.into_iter()));
        }
        let kinds = ["agent", "template", "group", "clone", "xml"];
        let given: Vec<&str> = kinds.into_iter().filter(|word| table.contains_key(word)).collect();
        let [kind] = given[..] else {
            let message = format!("resource {id} needs one of {}, and has {}", kinds.join(", "), given.len());
            return Err(self.problem(whole, message));
        };
        let scalar = |word: &str| table.get(word).map(|item| self.scalar(item)).transpose();
        let pairs = |word: &str| table.get(word).map_or(Ok(Pairs::new()), |item| self.pairs(item, word));
        let of_agents = ["parameters", "utilization", "operations"].into_iter().find(|word| table.contains_key(word));
        if let (Some(word), false) = (of_agents, matches!(kind, "agent" | "template")) {
            return Err(self.problem(whole, format!("{word} belong to a resource with an agent, and {id} is a {kind}")));
        }
        let value = |word| scalar(word).map(Option::unwrap_or_default);
        let kind = match kind {
            "group" => Kind::Group(table.get("group").map_or(Ok(Vec::new()), |item| self.list(item))?),
            "clone" => Kind::Clone(value("clone")?),
            "xml" => Kind::Xml(value("xml")?),
            _ => {
                let agent = scalar("agent")?;
                if let Some(agent) = agent.as_ref().filter(|agent| !(2..=3).contains(&agent.split(':').count())) {
                    let message =
                        format!("'{agent}' is no agent; expected such as ocf:heartbeat:IPaddr2 or systemd:nginx");
                    return Err(self.problem(whole, message));
                }
                let operations = table.get("operations").map_or(Ok(Vec::new()), |item| self.operations(item))?;
                Kind::Primitive {
                    agent,
                    template: scalar("template")?,
                    parameters: pairs("parameters")?,
                    utilization: pairs("utilization")?,
                    operations,
                }
            }
        };
        Ok(Resource { id: id.to_owned(), kind, description: scalar("description")?, meta: pairs("meta")? })
    }

    /// `[{ name = "monitor", interval = "10s" }]`, or shorter `{ monitor = { interval = "10s" } }`.
    fn operations(&self, item: &Item) -> Read<Vec<Pairs>> {
        let wrong = || {
            let example = "[{ name = \"monitor\", interval = \"10s\" }] or { monitor = { interval = \"10s\" } }";
            self.problem(item, format!("expected operations such as {example}"))
        };
        let named = |name: &str, mut options: Pairs| {
            options.retain(|(known, _)| known != "name");
            options.insert(0, ("name".to_owned(), name.to_owned()));
            // An operation without an interval is done when it is asked for.
            if options.iter().all(|(known, _)| known != "interval") {
                options.insert(1, ("interval".to_owned(), "0s".to_owned()));
            }
            options
        };
        if let Some(list) = item.as_array() {
            let one = |value: &Value| {
                let item = Item::Value(value.clone());
                let options = self.pairs(&item, "operations").map_err(|_| wrong())?;
                let name = options.iter().find(|(known, _)| known == "name").map(|(_, name)| name.clone());
                Ok(named(&name.ok_or_else(wrong)?, options))
            };
            return list.iter().map(one).collect();
        }
        let table = item.as_table_like().ok_or_else(wrong)?;
        table.iter().map(|(name, item)| Ok(named(name, self.pairs(item, name)?))).collect()
    }

    fn constraint(&self, table: &dyn TableLike, element: &str, words: &[(&str, &str)]) -> Read<Constraint> {
        let mut attributes = Pairs::new();
        for (word, item) in table.iter() {
            let Some((_, theirs)) = words.iter().find(|(ours, _)| *ours == word) else {
                return Err(self.unknown(item, word, words.iter().map(|(ours, _)| *ours)));
            };
            attributes.push(((*theirs).to_owned(), self.scalar(item)?));
        }
        // In the order of the words, whatever that of the lines: an id is made of them.
        attributes.sort_by_key(|(name, _)| words.iter().position(|(_, theirs)| theirs == name));
        Ok(Constraint { element: element.to_owned(), attributes })
    }

    fn level(&self, table: &dyn TableLike) -> Read<Level> {
        let words = ["id", "node", "level", "devices"];
        if let Some((word, item)) = table.iter().find(|(word, _)| !words.contains(word)) {
            return Err(self.unknown(item, word, words.into_iter()));
        }
        let missing = |word: &str| Problem::of(format!("a [[fencing-level]] has no {word}"));
        let scalar = |word: &str| table.get(word).map(|item| self.scalar(item)).transpose();
        Ok(Level {
            id: scalar("id")?,
            target: scalar("node")?.ok_or_else(|| missing("node"))?,
            index: scalar("level")?.ok_or_else(|| missing("level"))?,
            devices: self.list(table.get("devices").ok_or_else(|| missing("devices"))?)?,
        })
    }

    fn xml(&self, table: &dyn TableLike) -> Read<Xml> {
        let words = ["section", "text"];
        if let Some((word, item)) = table.iter().find(|(word, _)| !words.contains(word)) {
            return Err(self.unknown(item, word, words.into_iter()));
        }
        let scalar = |word: &str| match table.get(word) {
            Some(item) => self.scalar(item),
            None => Err(Problem::of(format!("an [[xml]] has no {word}"))),
        };
        let section = scalar("section")?;
        match (table.get("section"), SECTIONS.contains(&section.as_str())) {
            (Some(item), false) => Err(self.unknown(item, &section, SECTIONS.into_iter())),
            _ => Ok(Xml { section, text: scalar("text")? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_toml_is_pointed_at() {
        let told = |text: &str| read(text).unwrap_err().to_string();
        for text in ["[properties]\nname value\n", "a = \n", "[node.\"ä\"]\n\tx = 'ö\n", "x = \"", "\u{feff}[["] {
            let told = told(text);
            let lines: Vec<&str> = told.lines().collect();
            assert!(lines[0].starts_with("line ") && lines[0].contains("this is no TOML: "), "{told}");
            assert_eq!(lines.last().map(|line| line.trim()), Some("^"), "{told}");
        }
        assert!(told("[properties]\nname value\n").contains("\n    name value\n    "));
        assert_eq!(pointed_at("a b\n", 2), "\n    a b\n      ^");
        assert_eq!(pointed_at("ä", 1), "\n    ä\n    ^", "in the middle of a letter");
        assert_eq!(pointed_at("", 7), "\n    \n    ^");
    }
}

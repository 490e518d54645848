//! Reads the metadata of anyone's agents, resource and fence agents alike. What it does not know it passes over.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::metadata::{ActionMetadata, EXTRA_ACTIONS, Metadata, Parameter, Symlink};
use crate::words::boolean;

/// Metadata are nested five deep; more than this is no metadata.
const MAX_DEPTH: usize = 32;

/// Why a text is not the metadata of an agent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("reading agent metadata, at byte {offset}: {message}")]
pub struct MetadataError {
    /// Where reading stopped.
    pub offset: u64,
    /// What was found there, or was missing.
    pub message: String,
}

impl Metadata {
    /// Reads what an agent printed for `meta-data` (or `action=metadata`).
    ///
    /// Of descriptions in several languages the first, or the English one, is kept.
    pub fn parse(source: &str) -> Result<Metadata, MetadataError> {
        let mut reader = Reader::from_str(source);
        let mut state = State::default();
        loop {
            let offset = reader.buffer_position();
            let fail = |message: String| MetadataError { offset, message };
            match reader.read_event().map_err(|error| fail(error.to_string()))? {
                Event::Start(start) => {
                    if state.path.len() == MAX_DEPTH {
                        return Err(fail(format!("elements are nested more than {MAX_DEPTH} deep")));
                    }
                    let element = Element::read(&start).map_err(fail)?;
                    state.open(&element).map_err(fail)?;
                    state.path.push(element.name);
                }
                Event::Empty(start) => {
                    let element = Element::read(&start).map_err(fail)?;
                    state.open(&element).map_err(fail)?;
                    state.close(&element.name);
                }
                Event::End(_) => {
                    if let Some(name) = state.path.pop() {
                        state.close(&name);
                    }
                }
                Event::Text(text) => state.text.push_str(&text.xml10_content()),
                Event::CData(data) => state.text.push_str(&data.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => state.text.push(character),
                    _ => match quick_xml::escape::resolve_predefined_entity(&reference) {
                        Some(known) => state.text.push_str(known),
                        // Descriptions are for people; an entity nobody declared is shown as it stands.
                        None => {
                            state.text.push('&');
                            state.text.push_str(&reference);
                            state.text.push(';');
                        }
                    },
                },
                Event::Eof => break,
                Event::PI(instruction) if instruction.target() == EXTRA_ACTIONS => {
                    state.metadata.extra_actions.extend(extra_actions(&instruction));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let end = MetadataError { offset: source.len() as u64, message: String::new() };
        if let Some(open) = state.path.last() {
            return Err(MetadataError { message: format!("the text ends, but <{open}> is not closed"), ..end });
        }
        if !state.seen_root {
            return Err(MetadataError { message: "expected a <resource-agent> element, found none".into(), ..end });
        }
        Ok(state.metadata)
    }
}

/// The words of `actions="…"` in our processing instruction.
fn extra_actions(instruction: &str) -> Vec<String> {
    let value = instruction.split_once("actions=\"").and_then(|(_, rest)| rest.split_once('"'));
    value.map_or_else(Vec::new, |(words, _)| words.split_ascii_whitespace().map(str::to_owned).collect())
}

struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn read(start: &BytesStart<'_>) -> Result<Element, String> {
        let name = start.name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("in <{name}>: {error}"))?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Explicit1_0)
                .map_or_else(|_| attribute.value.to_string(), |value| value.into_owned());
            attributes.push((attribute.key.as_ref().to_owned(), value));
        }
        Ok(Element { name, attributes })
    }

    fn get(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| boolean(&value) == Some(true))
    }
}

#[derive(Default)]
struct State {
    metadata: Metadata,
    seen_root: bool,
    /// Names of the open elements.
    path: Vec<String>,
    /// Text since the last description or version began.
    text: String,
    /// Is the description that is open the one to keep, because it is English?
    english: bool,
}

impl State {
    fn open(&mut self, element: &Element) -> Result<(), String> {
        if self.path.is_empty() {
            if element.name != "resource-agent" {
                return Err(format!("expected a <resource-agent> element, found <{}>", element.name));
            }
            self.seen_root = true;
            self.metadata.name = element.text("name");
            self.metadata.version = element.text("version");
            self.metadata.shortdesc = element.text("shortdesc");
            return Ok(());
        }
        match (element.name.as_str(), self.parent()) {
            ("version" | "longdesc" | "shortdesc", _) => {
                self.text.clear();
                self.english = element.get("lang").is_none_or(|lang| lang.starts_with("en"));
            }
            ("symlink", "resource-agent") => {
                let symlink = Symlink { name: element.text("name"), shortdesc: element.text("shortdesc") };
                self.metadata.symlinks.push(symlink);
            }
            ("parameter", "parameters") => self.metadata.parameters.push(Parameter {
                name: element.text("name"),
                unique: element.flag("unique"),
                unique_group: element.get("unique-group"),
                required: element.flag("required"),
                reloadable: element.flag("reloadable"),
                private: element.flag("private"),
                deprecated: element.flag("deprecated"),
                ..Parameter::default()
            }),
            ("action", "actions") => self.metadata.actions.push(ActionMetadata {
                name: element.text("name"),
                timeout: element.get("timeout"),
                interval: element.get("interval"),
                depth: element.get("depth"),
                role: element.get("role"),
                on_target: element.flag("on_target"),
                automatic: element.flag("automatic"),
            }),
            _ => self.open_in_parameter(element),
        }
        Ok(())
    }

    fn open_in_parameter(&mut self, element: &Element) {
        if !self.path.iter().any(|name| name == "parameter") {
            return;
        }
        let Some(parameter) = self.metadata.parameters.last_mut() else { return };
        match element.name.as_str() {
            "content" => {
                parameter.content.kind = element.text("type");
                parameter.content.default = element.get("default");
                parameter.content.min = element.get("min");
                parameter.content.max = element.get("max");
            }
            "option" => parameter.content.options.push(element.text("value")),
            "deprecated" => parameter.deprecated = true,
            "replaced-with" => parameter.replaced_with.push(element.text("name")),
            "getopt" => parameter.getopt = element.get("mixed"),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        let in_parameter = self.parent() == "parameter";
        let slot = match (name, self.metadata.parameters.last_mut()) {
            ("longdesc", Some(parameter)) if in_parameter => &mut parameter.longdesc,
            ("shortdesc", Some(parameter)) if in_parameter => &mut parameter.shortdesc,
            ("longdesc", _) if self.path.len() == 1 => &mut self.metadata.longdesc,
            ("shortdesc", _) if self.path.len() == 1 => &mut self.metadata.shortdesc,
            ("version", _) if self.path.len() == 1 => {
                self.metadata.ocf_version = Some(std::mem::take(&mut self.text).trim().to_owned());
                return;
            }
            _ => return,
        };
        if slot.is_empty() || self.english {
            *slot = std::mem::take(&mut self.text).trim().to_owned();
        }
    }

    fn parent(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Metadata {
        Metadata {
            name: "Example".into(),
            version: "2.1".into(),
            ocf_version: Some("1.1".into()),
            shortdesc: "Serves <examples>".into(),
            longdesc: "First line,\nsecond & last.".into(),
            parameters: vec![
                Parameter::new("ip", "string", "Address", "The address.").required().unique(),
                Parameter {
                    reloadable: true,
                    ..Parameter::new("mode", "select", "Mode", "How.").default_value("a\"b")
                },
                Parameter {
                    replaced_with: vec!["ip".into()],
                    ..Parameter::new("old", "integer", "Old", "Old.").deprecated()
                },
            ],
            actions: vec![
                ActionMetadata::new("start", "20s"),
                ActionMetadata::new("monitor", "20s").every("10s", "0"),
                ActionMetadata {
                    role: Some("Promoted".into()),
                    ..ActionMetadata::new("monitor", "1min").every("5s", "10")
                },
                ActionMetadata::new("reload-agent", ""),
            ],
            extra_actions: vec!["watch".into(), "stop-check".into()],
            ..Metadata::default()
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut metadata = example();
        metadata.parameters[1].content.options = vec!["a\"b".into(), "c".into()];
        let xml = metadata.to_xml();
        assert_eq!(Metadata::parse(&xml).unwrap(), metadata, "{xml}");
        assert!(metadata.is_reloadable("mode") && !metadata.is_reloadable("ip") && !metadata.is_reloadable("none"));
        assert_eq!(
            metadata.actions_named("monitor").map(|a| a.timeout_ms()).collect::<Vec<_>>(),
            [Some(20_000), Some(60_000)]
        );
        assert_eq!(metadata.actions[2].interval_ms(), Some(5_000));
    }

    #[test]
    fn old_style_has_a_document_type_and_nothing_it_does_not_know() {
        let metadata = Metadata { ocf_version: Some("1.0".into()), ..example() };
        let xml = metadata.to_xml();
        assert!(xml.contains("<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">"), "{xml}");
        for word in ["unique-group", "reloadable", "<deprecated"] {
            assert!(!xml.contains(word), "{word} in {xml}");
        }
        assert!(Metadata::parse(&xml).unwrap().parameter("ip").unwrap().unique);
    }

    #[test]
    fn fence_agents_metadata() {
        let mut metadata = Metadata { version: String::new(), ocf_version: None, extra_actions: vec![], ..example() };
        metadata.parameters = vec![Parameter::new("plug", "string", "Node", "").getopt("-n, --plug=[id]")];
        metadata.actions = vec![
            ActionMetadata { automatic: true, on_target: true, ..ActionMetadata::new("on", "") },
            ActionMetadata::new("off", ""),
        ];
        metadata.symlinks = vec![Symlink { name: "fence_other".into(), shortdesc: "Other".into() }];
        let xml = metadata.to_fence_xml();
        assert_eq!(Metadata::parse(&xml).unwrap(), metadata, "{xml}");
    }

    #[test]
    fn other_peoples_metadata() {
        let xml = "<?xml version=\"1.0\"?><!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">
            <resource-agent name=\"x\" version=\"1\"><!-- hm --><version>1.0</version>
            <longdesc lang=\"de\">lang</longdesc><longdesc lang=\"en\">long &nbsp; &lt;<b>bold</b>&#33; <![CDATA[<raw>]]></longdesc>
            <parameters><parameter name=\"p\" required=\"yes\" unknown=\"1\"><longdesc>P</longdesc>
            <content type=\"boolean\"/><extra/></parameter></parameters>
            <actions><action name=\"monitor\" timeout=\"20\" start-delay=\"1\"/></actions><special tag=\"t\"/></resource-agent>";
        let metadata = Metadata::parse(xml).unwrap();
        assert_eq!(metadata.longdesc, "long &nbsp; <bold! <raw>");
        assert!(metadata.parameters[0].required);
        assert_eq!(metadata.parameters[0].longdesc, "P");
        assert_eq!(metadata.parameters[0].content.default, None);
        assert_eq!(metadata.actions[0].timeout_ms(), Some(20_000));
    }

    #[test]
    fn no_metadata() {
        let deep = "<resource-agent>".repeat(40);
        let cases = [
            ("", "found none"),
            ("usage: agent start|stop", "found none"),
            ("<html/>", "found <html>"),
            ("<resource-agent name='x'>", "not closed"),
            ("<resource-agent><a></b></resource-agent>", "expected"),
            (deep.as_str(), "nested"),
        ];
        for (text, expected) in cases {
            let message = Metadata::parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }
}

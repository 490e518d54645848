//! What an agent says about itself: types, and the two XML forms, of resource agents and of fence agents.
//! Reading either form is in `parse`.

use std::fmt::Write as _;

use crate::words::duration_ms;

/// An agent's description of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// The agent's name.
    pub name: String,
    /// The agent's own version.
    pub version: String,
    /// The version of the contract it follows; below 1.1 its `reload` means what 1.1 calls `reload-agent`.
    pub ocf_version: Option<String>,
    /// One line.
    pub shortdesc: String,
    /// As long as needed.
    pub longdesc: String,
    /// What can be configured, in the order given.
    pub parameters: Vec<Parameter>,
    /// What it can do, in the order given. An action may stand here several times, with different depths or roles.
    pub actions: Vec<ActionMetadata>,
    /// Fence agents only: other names this agent goes by.
    pub symlinks: Vec<Symlink>,
    /// Actions beyond the contract that this agent knows, such as `watch`. They stand in a processing instruction: the
    /// document type allows no other action, and tools that make an operation of every action shall make none of these.
    pub extra_actions: Vec<String>,
}

/// The target of the processing instruction that names [`Metadata::extra_actions`].
pub(crate) const EXTRA_ACTIONS: &str = "systole";

/// A parameter of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// OCF 1.0: no two resources of the agent may have the same value.
    pub unique: bool,
    /// OCF 1.1: no two resources of the agent may have the same values of all parameters of this group.
    pub unique_group: Option<String>,
    /// Must it be given?
    pub required: bool,
    /// May it be changed by a `reload-agent`, without a restart?
    pub reloadable: bool,
    /// Is its value secret? Pacemaker's word for it, not OCF's.
    pub private: bool,
    /// Should it no longer be used?
    pub deprecated: bool,
    /// What to use in the place of a deprecated one.
    pub replaced_with: Vec<String>,
    /// Fence agents only: how it is written on the command line, such as `-n, --plug=[id]`.
    pub getopt: Option<String>,
    /// One line.
    pub shortdesc: String,
    /// As long as needed.
    pub longdesc: String,
    /// Type and default.
    pub content: Content,
}

/// The values a parameter takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Content {
    /// `string`, `integer`, `boolean`, `second`, `select`, or what else the agent says.
    pub kind: String,
    /// The value when none is given; `None` when the agent names none.
    pub default: Option<String>,
    /// Smallest value of an integer.
    pub min: Option<String>,
    /// Largest value of an integer.
    pub max: Option<String>,
    /// The values of a `select`.
    pub options: Vec<String>,
}

/// An action of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActionMetadata {
    /// Its name.
    pub name: String,
    /// The least time it should be given, as written: `20s`.
    pub timeout: Option<String>,
    /// How often it should be done, as written.
    pub interval: Option<String>,
    /// How deep it looks: the `OCF_CHECK_LEVEL` to set.
    pub depth: Option<String>,
    /// The role it is for, in whichever of the two spellings the agent uses.
    pub role: Option<String>,
    /// Fence agents only: must it be done by the node it is about?
    pub on_target: bool,
    /// Fence agents only: is the node to be unfenced on its own when it joins?
    pub automatic: bool,
}

/// Another name of a fence agent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Symlink {
    /// The name.
    pub name: String,
    /// One line.
    pub shortdesc: String,
}

impl Parameter {
    /// A parameter of a type, without a default.
    pub fn new(name: &str, kind: &str, shortdesc: &str, longdesc: &str) -> Self {
        Parameter {
            name: name.into(),
            shortdesc: shortdesc.into(),
            longdesc: longdesc.into(),
            content: Content { kind: kind.into(), ..Content::default() },
            ..Parameter::default()
        }
    }

    /// The same, with this default.
    pub fn default_value(mut self, default: &str) -> Self {
        self.content.default = Some(default.into());
        self
    }

    /// The same, required.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, unique among the resources of the agent.
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self.unique_group = Some(self.name.clone());
        self
    }

    /// The same, deprecated.
    pub fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// The same, with this form on the command line.
    pub fn getopt(mut self, mixed: &str) -> Self {
        self.getopt = Some(mixed.into());
        self
    }
}

impl ActionMetadata {
    /// An action with the least time it should be given; no time for `""`.
    pub fn new(name: &str, timeout: &str) -> Self {
        let timeout = Some(timeout.to_owned()).filter(|text| !text.is_empty());
        ActionMetadata { name: name.into(), timeout, ..Self::default() }
    }

    /// The same, to be done so often and at this depth.
    pub fn every(mut self, interval: &str, depth: &str) -> Self {
        self.interval = Some(interval.into());
        self.depth = Some(depth.into());
        self
    }

    /// The least time it should be given, in milliseconds.
    pub fn timeout_ms(&self) -> Option<u64> {
        self.timeout.as_deref().and_then(duration_ms)
    }

    /// How often it should be done, in milliseconds.
    pub fn interval_ms(&self) -> Option<u64> {
        self.interval.as_deref().and_then(duration_ms)
    }
}

impl Metadata {
    /// The parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Every entry for the action with this name.
    pub fn actions_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ActionMetadata> {
        self.actions.iter().filter(move |action| action.name == name)
    }

    /// Does a change of this parameter need no restart? By 1.1 its `reloadable` says so, if the agent knows
    /// `reload-agent`.
    pub fn is_reloadable(&self, parameter: &str) -> bool {
        self.actions_named("reload-agent").next().is_some() && self.parameter(parameter).is_some_and(|p| p.reloadable)
    }

    /// The XML that a resource agent prints for `meta-data`.
    ///
    /// It satisfies the DTD of OCF 1.0 and says `unique` and `unique-group` both, so that old and new readers find
    /// what they know; the group is written only for agents that follow 1.1, since the DTD does not know it.
    pub fn to_xml(&self) -> String {
        let modern = self.ocf_version.as_deref() == Some("1.1");
        let mut out = String::from("<?xml version=\"1.0\"?>\n");
        if !modern {
            out += "<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">\n";
        }
        if !self.extra_actions.is_empty() {
            let actions = self.extra_actions.join(" ");
            put(&mut out, &format!("<?{EXTRA_ACTIONS}"), &[("actions", &actions)], "?>\n");
        }
        put(&mut out, "<resource-agent", &[("name", &self.name), ("version", &self.version)], ">\n");
        put_text(&mut out, "version", self.ocf_version.as_deref().unwrap_or("1.0"));
        put_described(&mut out, &self.longdesc, &self.shortdesc);
        out += "<parameters>\n";
        for parameter in &self.parameters {
            let mut attributes = vec![("name", parameter.name.as_str())];
            attributes.push(("unique", flag(parameter.unique)));
            attributes.push(("required", flag(parameter.required)));
            if modern {
                attributes.extend(parameter.unique_group.as_deref().map(|group| ("unique-group", group)));
                attributes.push(("reloadable", flag(parameter.reloadable)));
            }
            put(&mut out, "<parameter", &attributes, ">\n");
            if modern && parameter.deprecated {
                put_deprecated(&mut out, &parameter.replaced_with);
            }
            put_described(&mut out, &parameter.longdesc, &parameter.shortdesc);
            put_content(&mut out, &parameter.content);
            out += "</parameter>\n";
        }
        out += "</parameters>\n<actions>\n";
        for action in &self.actions {
            let mut attributes = vec![("name", action.name.as_str())];
            let optional = [
                ("timeout", &action.timeout),
                ("interval", &action.interval),
                ("depth", &action.depth),
                ("role", &action.role),
            ];
            attributes.extend(optional.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))));
            put(&mut out, "<action", &attributes, " />\n");
        }
        out += "</actions>\n</resource-agent>\n";
        out
    }

    /// The XML that a fence agent prints for `action=metadata`.
    pub fn to_fence_xml(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" ?>\n");
        put(&mut out, "<resource-agent", &[("name", &self.name), ("shortdesc", &self.shortdesc)], " >\n");
        for symlink in &self.symlinks {
            put(&mut out, "<symlink", &[("name", &symlink.name), ("shortdesc", &symlink.shortdesc)], "/>\n");
        }
        put_text(&mut out, "longdesc", &self.longdesc);
        out += "<vendor-url></vendor-url>\n<parameters>\n";
        for parameter in &self.parameters {
            let mut attributes = vec![("name", parameter.name.as_str())];
            attributes.push(("unique", flag(parameter.unique)));
            attributes.push(("required", flag(parameter.required)));
            if parameter.deprecated {
                attributes.push(("deprecated", "1"));
            }
            put(&mut out, "\t<parameter", &attributes, ">\n");
            if let Some(mixed) = &parameter.getopt {
                put(&mut out, "\t\t<getopt", &[("mixed", mixed)], " />\n");
            }
            out += "\t\t";
            put_content(&mut out, &parameter.content);
            let _ = writeln!(out, "\t\t<shortdesc lang=\"en\">{}</shortdesc>", escape(&parameter.shortdesc));
            out += "\t</parameter>\n";
        }
        out += "</parameters>\n<actions>\n";
        for action in &self.actions {
            let mut attributes = vec![("name", action.name.as_str())];
            if action.on_target {
                attributes.push(("on_target", "1"));
            }
            if action.name == "on" {
                attributes.push(("automatic", flag(action.automatic)));
            }
            put(&mut out, "\t<action", &attributes, " />\n");
        }
        out += "</actions>\n</resource-agent>\n";
        out
    }
}

fn flag(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

fn put(out: &mut String, open: &str, attributes: &[(&str, &str)], close: &str) {
    out.push_str(open);
    for (name, value) in attributes {
        let _ = write!(out, " {name}=\"{}\"", escape(value));
    }
    out.push_str(close);
}

fn put_text(out: &mut String, name: &str, text: &str) {
    let _ = writeln!(out, "<{name}>{}</{name}>", escape(text));
}

fn put_described(out: &mut String, longdesc: &str, shortdesc: &str) {
    let _ = write!(
        out,
        "<longdesc lang=\"en\">\n{}\n</longdesc>\n<shortdesc lang=\"en\">{}</shortdesc>\n",
        escape(longdesc),
        escape(shortdesc)
    );
}

fn put_deprecated(out: &mut String, replaced_with: &[String]) {
    out.push_str("<deprecated>");
    for name in replaced_with {
        put(out, "<replaced-with", &[("name", name)], "/>");
    }
    out.push_str("</deprecated>\n");
}

fn put_content(out: &mut String, content: &Content) {
    let mut attributes = vec![("type", content.kind.as_str())];
    let optional = [("default", &content.default), ("min", &content.min), ("max", &content.max)];
    attributes.extend(optional.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))));
    if content.options.is_empty() {
        put(out, "<content", &attributes, " />\n");
        return;
    }
    put(out, "<content", &attributes, ">\n");
    for option in &content.options {
        put(out, "<option", &[("value", option)], " />\n");
    }
    out.push_str("</content>\n");
}

fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    quick_xml::escape::escape(text)
}

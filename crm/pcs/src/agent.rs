//! Agents by name, what they say of themselves, and what follows from it for a resource's options. Where the metadata
//! comes from, the world knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cib::{Document, Element};

use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree::{self, listed};

/// Options of every fence device, whatever its agent: the cluster reads them itself.
pub const FENCING_OPTIONS: &[&str] = &[
    "pcmk_host_argument",
    "pcmk_host_map",
    "pcmk_host_list",
    "pcmk_host_check",
    "pcmk_delay_max",
    "pcmk_delay_base",
    "pcmk_action_limit",
    "pcmk_reboot_action",
    "pcmk_reboot_timeout",
    "pcmk_reboot_retries",
    "pcmk_off_action",
    "pcmk_off_timeout",
    "pcmk_off_retries",
    "pcmk_on_action",
    "pcmk_on_timeout",
    "pcmk_on_retries",
    "pcmk_list_action",
    "pcmk_list_timeout",
    "pcmk_list_retries",
    "pcmk_monitor_action",
    "pcmk_monitor_timeout",
    "pcmk_monitor_retries",
    "pcmk_status_action",
    "pcmk_status_timeout",
    "pcmk_status_retries",
];

/// What an agent is called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name {
    /// `ocf`, `systemd`, `stonith`, …
    pub standard: String,
    /// Of `ocf` alone.
    pub provider: Option<String>,
    /// Its own name.
    pub kind: String,
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(out, "{}:{provider}:{}", self.standard, self.kind),
            None => write!(out, "{}:{}", self.standard, self.kind),
        }
    }
}

impl Name {
    /// A fence agent.
    pub fn stonith(kind: &str) -> Name {
        Name { standard: "stonith".into(), provider: None, kind: kind.into() }
    }

    /// The agent of a primitive.
    pub fn of(cib: &Document, primitive: Element) -> Name {
        let text = |name| cib.attribute(primitive, name).unwrap_or("").to_owned();
        let provider = cib.attribute(primitive, "provider").map(str::to_owned);
        Name { standard: text("class"), provider, kind: text("type") }
    }

    /// Whether it fences.
    pub fn is_stonith(&self) -> bool {
        self.standard == "stonith"
    }

    /// Reads a name with colons; the error is the reason.
    ///
    /// # Errors
    /// When it is no agent's name.
    pub fn parse(text: &str) -> Result<Name, String> {
        let invalid = || {
            Err(format!(
                "Invalid resource agent name '{text}'. Use standard:provider:type when standard is 'ocf' or standard:type \
                 otherwise. List of standards and providers can be obtained by using commands 'pcs resource standards' and \
                 'pcs resource providers'"
            ))
        };
        let (head, instance) = match text.split_once('@') {
            Some((head, instance)) => (head, Some(instance)),
            None => (text, None),
        };
        let words: Vec<&str> = head.split(':').collect();
        let kind = |kind: &str| instance.map_or_else(|| kind.to_owned(), |instance| format!("{kind}@{instance}"));
        match words[..] {
            ["ocf", provider, name] if !provider.is_empty() && !name.is_empty() => {
                Ok(Name { standard: "ocf".into(), provider: Some(provider.into()), kind: kind(name) })
            }
            [standard @ ("lsb" | "service" | "stonith" | "systemd" | "heartbeat" | "nagios" | "upstart"), name]
                if !name.is_empty() =>
            {
                Ok(Name { standard: standard.into(), provider: None, kind: kind(name) })
            }
            _ => invalid(),
        }
    }
}

/// One parameter of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// It has to be set.
    pub required: bool,
    /// Parameters whose values together may stand in one resource alone share a name.
    pub unique_group: Option<String>,
    /// There is a newer way.
    pub deprecated: bool,
    /// Which.
    pub deprecated_by: Vec<String>,
    /// For those who know what they do.
    pub advanced: bool,
    /// What it is, in a line.
    pub short: String,
    /// What it is, at length.
    pub long: String,
    /// `string`, `integer`, …
    pub kind: String,
    /// What counts when it is not set.
    pub default: Option<String>,
    /// What it may be.
    pub choices: Vec<String>,
}

/// One action of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// `start`, `monitor`, …
    pub name: String,
    /// As the agent advises.
    pub timeout: Option<String>,
    /// As the agent advises.
    pub interval: Option<String>,
    /// For which role.
    pub role: Option<String>,
    /// As the agent advises.
    pub start_delay: Option<String>,
    /// How deep a monitor looks.
    pub depth: Option<String>,
}

/// What an agent says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// Nothing is known of it.
    pub absent: bool,
    /// What it is, in a line.
    pub short: String,
    /// What it is, at length.
    pub long: String,
    /// What can be set.
    pub parameters: Vec<Parameter>,
    /// What it can do.
    pub actions: Vec<Action>,
}

impl Metadata {
    /// Reads metadata as an agent prints it.
    ///
    /// # Errors
    /// When it is no metadata.
    pub fn parse(text: &str, name: &Name) -> Result<Metadata, String> {
        let document = Document::parse(&without_doctype(text)).map_err(|error| error.to_string())?;
        let root = document.root();
        if document.name(root) != "resource-agent" {
            return Err(format!("expected <resource-agent>, found <{}>", document.name(root)));
        }
        let text = |parent, child| document.child(parent, child).map(|one| document.text(one).trim().to_owned());
        let new = text(root, "version").is_some_and(|version| version.starts_with("1.1"));
        let each = |list, item: &'static str| {
            let list = document.child(root, list);
            list.into_iter().flat_map(|list| document.children_named(list, item)).collect::<Vec<_>>()
        };
        let mut obsoleted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut parameters = Vec::new();
        for one in each("parameters", "parameter") {
            let attribute = |name| document.attribute(one, name);
            let is = |name| attribute(name) == Some("1");
            let own = attribute("name").unwrap_or("").to_owned();
            if let Some(old) = attribute("obsoletes") {
                obsoleted.entry(old.to_owned()).or_default().insert(own.clone());
            }
            let newer = document.child(one, "deprecated");
            let by = newer.into_iter().flat_map(|newer| document.children_named(newer, "replaced-with"));
            let content = document.child(one, "content");
            let of_content = |name| content.and_then(|content| document.attribute(content, name)).map(str::to_owned);
            let choices = content.into_iter().flat_map(|content| document.children_named(content, "option"));
            parameters.push(Parameter {
                required: is("required"),
                unique_group: match new {
                    true => attribute("unique-group").map(str::to_owned),
                    false => is("unique").then(|| format!("_pcs_unique_group_{own}")),
                },
                deprecated: if new { newer.is_some() } else { is("deprecated") },
                deprecated_by: by.filter_map(|by| document.attribute(by, "name")).map(str::to_owned).collect(),
                advanced: false,
                short: text(one, "shortdesc").unwrap_or_default(),
                long: text(one, "longdesc").unwrap_or_default(),
                kind: of_content("type").unwrap_or_else(|| "string".into()),
                default: of_content("default"),
                choices: choices.filter_map(|one| document.attribute(one, "value")).map(str::to_owned).collect(),
                name: own,
            });
        }
        if !new {
            for parameter in &mut parameters {
                parameter.deprecated_by = obsoleted.remove(&parameter.name).into_iter().flatten().collect();
            }
        }
        let actions = each("actions", "action").into_iter().map(|one| {
            let attribute = |name| document.attribute(one, name).map(str::to_owned);
            Action {
                name: attribute("name").unwrap_or_default(),
                timeout: attribute("timeout"),
                interval: attribute("interval"),
                role: attribute("role").map(|role| match tree::capitalized(&role).as_str() {
                    "Master" => "Promoted".into(),
                    "Slave" => "Unpromoted".into(),
                    other => other.to_owned(),
                }),
                start_delay: attribute("start-delay"),
                depth: attribute("depth"),
            }
        });
        let mut metadata = Metadata {
            absent: false,
            short: text(root, "shortdesc").unwrap_or_default(),
            long: text(root, "longdesc").unwrap_or_default(),
            actions: actions.collect(),
            parameters,
        };
        metadata.adapt(name);
        Ok(metadata)
    }

    /// What the cluster adds to an agent, and takes from it.
    fn adapt(&mut self, name: &Name) {
        let add = |metadata: &mut Metadata, parameter: &str| {
            if !metadata.parameters.iter().any(|known| known.name == parameter) {
                let name = parameter.to_owned();
                metadata.parameters.push(Parameter {
                    name,
                    advanced: true,
                    kind: "string".into(),
                    ..Parameter::default()
                });
            }
        };
        if name.is_stonith() {
            self.parameters.retain(|one| !matches!(one.name.as_str(), "help" | "version"));
            for one in self.parameters.iter_mut().filter(|one| one.name == "action") {
                (one.required, one.advanced, one.deprecated) = (false, true, true);
                let by = ["pcmk_off_action".to_owned(), "pcmk_reboot_action".to_owned()];
                one.deprecated_by.splice(0..0, by);
            }
            // The cluster fills the port in, whatever the agent calls it today.
            let mut ports = vec!["port".to_owned()];
            let mut at = 0;
            while at < ports.len() {
                let by = self
                    .parameters
                    .iter()
                    .filter(|one| one.name == ports[at])
                    .flat_map(|one| one.deprecated_by.clone());
                let new: Vec<String> = by.filter(|one| !ports.contains(one)).collect();
                ports.extend(new);
                at += 1;
            }
            for one in self.parameters.iter_mut().filter(|one| ports.contains(&one.name)) {
                one.required = false;
            }
            FENCING_OPTIONS.iter().for_each(|option| add(self, option));
        }
        if name.standard == "ocf" && matches!(name.provider.as_deref(), Some("heartbeat" | "pacemaker")) {
            add(self, "trace_ra");
            add(self, "trace_file");
        }
    }

    fn names(&self) -> BTreeSet<&str> {
        self.parameters.iter().map(|one| one.name.as_str()).collect()
    }

    /// Older names of a parameter, through any number of renamings.
    fn older(&self, name: &str) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![name];
        while let Some(one) = open.pop() {
            for older in self.parameters.iter().filter(|older| older.deprecated_by.iter().any(|by| by == one)) {
                if found.insert(&older.name) {
                    open.push(&older.name);
                }
            }
        }
        found
    }
}

/// Agents print a document type, which no CIB may have.
fn without_doctype(text: &str) -> String {
    let Some(start) = text.find("<!DOCTYPE") else { return text.to_owned() };
    let Some(end) = text[start..].find('>') else { return text.to_owned() };
    format!("{}{}", &text[..start], &text[start + end + 1..])
}

/// Finds the agent that a user means; a name without colons is looked for among all providers' agents.
///
/// # Errors
/// When there is none, or more than one.
pub fn find(call: &mut Call<'_>, text: &str) -> Done<Name> {
    if text.contains(':') {
        return match Name::parse(text) {
            Ok(name) => Ok(name),
            Err(why) => call.fail(why),
        };
    }
    let providers = call.world.providers();
    let all: Vec<Name> = providers
        .iter()
        .flat_map(|provider| {
            let agents = call.world.agents("ocf", Some(provider));
            agents.into_iter().map(move |kind| Name { standard: "ocf".into(), provider: Some(provider.clone()), kind })
        })
        .collect();
    let matching: Vec<&Name> = all.iter().filter(|name| name.kind.eq_ignore_ascii_case(text)).collect();
    match matching[..] {
        [name] => {
            call.note(format!("Assumed agent name '{name}' (deduced from '{text}')"));
            Ok(name.clone())
        }
        [] => {
            let near = nearest(text, all.iter().map(|name| name.kind.as_str()));
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            call.fail(format!("Unable to find agent '{text}', try specifying its full name{near}"))
        }
        _ => {
            let names: Vec<String> = matching.iter().map(|name| format!("'{name}'")).collect();
            let names = names.join(" or ");
            call.fail(format!("Multiple agents match '{text}', please specify full name: {names}"))
        }
    }
}

/// What an agent says of itself; with `--force`, nothing is known of one that there is not.
///
/// # Errors
/// When it cannot be had.
pub fn metadata(call: &mut Call<'_>, name: &Name) -> Done<Metadata> {
    let found = call.world.metadata(name).and_then(|text| Metadata::parse(&text, name));
    match found {
        Ok(metadata) => Ok(metadata),
        Err(why) => {
            let others = call.world.agents(&name.standard, name.provider.as_deref());
            let near = nearest(&name.kind, others.iter().map(String::as_str)).filter(|near| *near != name.kind);
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            call.object(format!("Agent '{name}' is not installed or does not provide valid metadata: {why}{near}"));
            call.settled()?;
            Ok(Metadata { absent: true, ..Metadata::default() })
        }
    }
}

fn word(name: &Name) -> &'static str {
    if name.is_stonith() { "stonith" } else { "resource" }
}

/// Objects to options that the agent does not have.
fn check_known(call: &mut Call<'_>, name: &Name, metadata: &Metadata, options: &Pairs) {
    let known = metadata.names();
    let unknown: Vec<&str> =
        options.iter().map(|(option, _)| option.as_str()).filter(|option| !known.contains(option)).collect();
    if unknown.is_empty() {
        return;
    }
    let near: Vec<String> = unknown
        .iter()
        .filter_map(|option| Some(format!("'{}' instead of '{option}'", nearest(option, known.iter().copied())?)))
        .collect();
    let near = if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(", ")) };
    let word = word(name);
    let allowed = listed(known.iter().copied());
    let mut sorted = unknown;
    sorted.sort_unstable();
    let plural = if sorted.len() == 1 { "" } else { "s" };
    let unknown = listed(sorted);
    call.object(format!("invalid {word} option{plural} {unknown}{near}, allowed options are: {allowed}"));
}

fn warn_deprecated(call: &mut Call<'_>, name: &Name, metadata: &Metadata, options: &Pairs) {
    for (option, value) in options {
        let Some(parameter) = metadata.parameters.iter().find(|one| one.name == *option && one.deprecated) else {
            continue;
        };
        if value.is_empty() || (name.is_stonith() && option == "action") {
            continue;
        }
        let by = match parameter.deprecated_by.len() {
            0 => String::new(),
            _ => format!(", use {} instead", listed(parameter.deprecated_by.iter().map(String::as_str))),
        };
        call.warn(format!("{} option '{option}' is deprecated and should not be used{by}", word(name)));
    }
}

/// Objects to required options that are missing. `only`: of these, because the command named them.
fn check_required(call: &mut Call<'_>, name: &Name, metadata: &Metadata, has: &Pairs, only: Option<&Pairs>) {
    let set = |option: &str| pairs::get(has, option).is_some();
    let named = |option: &str| only.is_none_or(|only| pairs::get(only, option).is_some());
    let mut missing = Vec::new();
    for parameter in metadata.parameters.iter().filter(|one| one.required && !one.deprecated) {
        let older = metadata.older(&parameter.name);
        let about = named(&parameter.name) || older.iter().any(|older| named(older));
        if about && !set(&parameter.name) && !older.iter().any(|older| set(older)) {
            missing.push(parameter.name.as_str());
        }
    }
    missing.sort_unstable();
    let word = word(name);
    match missing.len() {
        0 => {}
        1 => call.object(format!("required {word} option {} is missing", listed(missing))),
        _ => call.object(format!("required {word} options {} are missing", listed(missing))),
    }
}

fn check_action(call: &mut Call<'_>, name: &Name, options: &Pairs) {
    if name.is_stonith() && pairs::get(options, "action").is_some_and(|value| !value.is_empty()) {
        call.object(
            "stonith option 'action' is deprecated and should not be used, use 'pcmk_off_action', 'pcmk_reboot_action' instead",
        );
    }
}

/// Objects to values that another resource of the same agent has, where they must be its own.
fn check_unique(call: &mut Call<'_>, name: &Name, metadata: &Metadata, options: &Pairs, own: &str) {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for parameter in &metadata.parameters {
        if let Some(group) = &parameter.unique_group {
            groups.entry(group).or_default().push(&parameter.name);
        }
    }
    let same: Vec<Element> = tree::within(&call.cib, "resources")
        .filter(|one| {
            call.cib.name(*one) == "primitive" && call.cib.id(*one) != own && Name::of(&call.cib, *one) == *name
        })
        .collect();
    for (group, members) in groups {
        let wanted: Vec<&str> = members.iter().map(|member| pairs::get(options, member).unwrap_or("")).collect();
        if wanted.iter().all(|value| value.is_empty()) {
            continue;
        }
        let value = |one, member| nvset::value(&call.cib, one, "instance_attributes", member).unwrap_or("");
        let conflicts =
            |one: &&Element| members.iter().zip(&wanted).all(|(member, wanted)| value(**one, member) == *wanted);
        let mut others: Vec<&str> = same.iter().filter(conflicts).map(|one| call.cib.id(*one)).collect();
        others.sort_unstable();
        if others.is_empty() {
            continue;
        }
        let others = listed(others);
        let text = match (&members[..], &wanted[..]) {
            ([member], [value]) => format!(
                "Value '{value}' of option '{member}' is not unique across '{name}' resources. Following resources are \
                 configured with the same value of the instance attribute: {others}"
            ),
            _ => format!(
                "The values of the options {} (group '{group}') are together not unique across '{name}' resources. \
                 Following resources are configured with the same values: {others}",
                listed(members.iter().copied())
            ),
        };
        call.object(text);
    }
}

/// Judges the options of a new resource.
pub fn check_new(call: &mut Call<'_>, name: &Name, metadata: &Metadata, options: &Pairs) {
    for (option, _) in options.iter().filter(|(_, value)| value.is_empty()) {
        call.error(format!("{option} cannot be empty"));
    }
    if !metadata.absent {
        check_known(call, name, metadata, options);
        check_required(call, name, metadata, options, None);
        warn_deprecated(call, name, metadata, options);
    }
    check_action(call, name, options);
    if !metadata.absent {
        check_unique(call, name, metadata, options, "");
    }
    ask_agent(call, name, options);
}

/// Asks the agent itself whether it could work with these options, where that is wanted and nothing else is wrong.
fn ask_agent(call: &mut Call<'_>, name: &Name, options: &Pairs) {
    if !call.options.has("--agent-validation") || call.settled().is_err() {
        return;
    }
    if let Err(why) = call.world.validate(name, options) {
        call.object(format!("validation by the agent {name} failed: {why}"));
    }
}

/// Judges changed options of a resource that there is. What is unknown and was set before does not count.
pub fn check_update(call: &mut Call<'_>, name: &Name, metadata: &Metadata, options: &Pairs, primitive: Element) {
    let before = nvset::read(&call.cib, primitive, "instance_attributes");
    let mut after = before.clone();
    for (option, value) in options {
        pairs::take(&mut after, option);
        if !value.is_empty() {
            after.push((option.clone(), value.clone()));
        }
    }
    if !metadata.absent {
        let new: Pairs = options.iter().filter(|(option, _)| pairs::get(&before, option).is_none()).cloned().collect();
        check_known(call, name, metadata, &new);
        warn_deprecated(call, name, metadata, options);
        check_required(call, name, metadata, &after, Some(options));
    }
    check_action(call, name, options);
    if !metadata.absent {
        let own = call.cib.id(primitive).to_owned();
        check_unique(call, name, metadata, options, &own);
    }
    ask_agent(call, name, &after);
}

/// Refuses a fence agent's name with a colon: it has neither standard nor provider.
///
/// # Errors
/// When it has one.
pub fn stonith_name(call: &mut Call<'_>, text: &str) -> Done<Name> {
    if text.contains(':') {
        return call.fail(format!(
            "Invalid stonith agent name '{text}'. Agent name cannot contain the ':' character, do not use the 'stonith:' prefix. \
             List of agents can be obtained by using command 'pcs stonith list'. Do not use the 'stonith:' prefix"
        ));
    }
    if text.is_empty() {
        return Err(Refusal::usage("the fence agent's name is empty"));
    }
    Ok(Name::stonith(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!(Name::parse("ocf:heartbeat:IPaddr2").unwrap().to_string(), "ocf:heartbeat:IPaddr2");
        assert_eq!(Name::parse("systemd:getty@tty1:x").unwrap().kind, "getty@tty1:x");
        assert!(["ocf:IPaddr2", "x:y", "ocf::z", ""].iter().all(|text| Name::parse(text).is_err()));
    }

    #[test]
    fn metadata_of_both_versions_is_read() {
        let old = r#"<?xml version="1.0"?><!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd"><resource-agent name="x">
            <version>1.0</version><shortdesc>short</shortdesc><parameters>
            <parameter name="old" deprecated="1"><content type="string"/></parameter>
            <parameter name="new" obsoletes="old" required="1" unique="1"><content type="string" default="1"/></parameter>
            </parameters><actions><action name="monitor" interval="10" role="Master"/></actions></resource-agent>"#;
        let read = Metadata::parse(old, &Name::parse("ocf:x:y").unwrap()).unwrap();
        assert_eq!(read.parameters[0].deprecated_by, ["new"]);
        assert!(read.parameters[1].required && read.parameters[1].unique_group.is_some());
        assert_eq!(read.actions[0].role.as_deref(), Some("Promoted"));
        assert_eq!(read.older("new").into_iter().collect::<Vec<_>>(), ["old"]);
        let fence = Metadata::parse(old, &Name::stonith("f")).unwrap();
        assert!(fence.names().contains("pcmk_host_map"));
        assert!(Metadata::parse("<x/>", &Name::stonith("f")).is_err());
    }
}

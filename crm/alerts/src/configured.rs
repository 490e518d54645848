//! The `alerts` section: who wants to hear what, and how. Which of several sets of values counts is `cib`'s affair.

use std::collections::BTreeMap;

use cib::nvset::Values;
use cib::rule::Context;
use cib::{Document, Element, boolean, duration};

use crate::Happened;

/// How long an agent may take when nothing says so, as Pacemaker has it.
const TIMEOUT_MS: u64 = 30_000;
/// How an agent is told the time when nothing says so: with microseconds, which is how Pacemaker's agents write it.
const TIMESTAMP_FORMAT: &str = "%H:%M:%S.%06N";

/// One who is called: a recipient of an alert, or an alert that has none.
pub(crate) struct Recipient {
    pub id: String,
    pub path: String,
    pub value: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub timestamp_format: String,
    pub timeout_ms: u64,
    select: Select,
}

/// The kinds of events that an alert is for. Attributes are for those who ask: they change often.
#[derive(Clone)]
struct Select {
    nodes: bool,
    fencing: bool,
    resources: bool,
    /// Which attributes; all of them when it is empty, none when it is absent.
    attributes: Option<Vec<String>>,
}

impl Recipient {
    pub fn wants(&self, happened: &Happened<'_>) -> bool {
        let kind = match happened {
            Happened::Node { .. } => self.select.nodes,
            Happened::Fencing { .. } => self.select.fencing,
            Happened::Resource(_) => self.select.resources,
            Happened::Attribute { name, .. } => {
                let names = self.select.attributes.as_ref();
                names.is_some_and(|names| names.is_empty() || names.iter().any(|wanted| wanted == name))
            }
        };
        kind && !happened.is_noise()
    }
}

/// Everyone who is called for something, in the order of the configuration.
pub(crate) fn recipients(document: &Document, unix: i64) -> Vec<Recipient> {
    let Some(alerts) = document.descend(&["configuration", "alerts"]) else { return Vec::new() };
    document.children_named(alerts, "alert").flat_map(|alert| of_alert(document, unix, alert)).collect()
}

fn of_alert(document: &Document, unix: i64, alert: Element) -> Vec<Recipient> {
    let Some(path) = document.attribute(alert, "path") else { return Vec::new() };
    let own = Settings::default().with(document, unix, alert);
    if !own.enabled {
        return Vec::new();
    }
    let select = select(document, alert);
    let recipient = |id: String, value: Option<String>, settings: Settings| Recipient {
        id,
        path: path.to_owned(),
        value,
        parameters: settings.parameters,
        timestamp_format: settings.timestamp_format,
        timeout_ms: settings.timeout_ms,
        select: select.clone(),
    };
    let mut recipients = document.children_named(alert, "recipient").peekable();
    if recipients.peek().is_none() {
        return vec![recipient(document.id(alert).to_owned(), None, own)];
    }
    recipients
        .filter_map(|element| {
            let settings = own.clone().with(document, unix, element);
            let value = document.attribute(element, "value")?.to_owned();
            let id = format!("{}/{}", document.id(alert), document.id(element));
            settings.enabled.then(|| recipient(id, Some(value), settings))
        })
        .collect()
}

/// What an alert, and then its recipient, says beyond who is called.
#[derive(Clone)]
struct Settings {
    enabled: bool,
    timeout_ms: u64,
    timestamp_format: String,
    parameters: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            timeout_ms: TIMEOUT_MS,
            timestamp_format: TIMESTAMP_FORMAT.to_owned(),
            parameters: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// With what an element says itself. A value that is none says nothing.
    fn with(mut self, document: &Document, unix: i64, element: Element) -> Settings {
        let context = Context::at(unix);
        let meta = Values::of(document, element, "meta_attributes", &context);
        if let Some(enabled) = meta.get("enabled").and_then(boolean::parse) {
            self.enabled = enabled;
        }
        if let Some(timeout_ms) =
            meta.get("timeout").and_then(|text| duration::parse_ms(text).ok()).filter(|ms| *ms > 0)
        {
            self.timeout_ms = timeout_ms;
        }
        if let Some(format) = meta.get("timestamp-format") {
            self.timestamp_format = format.to_owned();
        }
        let parameters = Values::of(document, element, "instance_attributes", &context);
        self.parameters.extend(parameters.iter().map(|(name, setting)| (name.to_owned(), setting.value.to_owned())));
        self
    }
}

fn select(document: &Document, alert: Element) -> Select {
    let Some(select) = document.child(alert, "select") else {
        return Select { nodes: true, fencing: true, resources: true, attributes: None };
    };
    let has = |name| document.child(select, name).is_some();
    let attributes = document.child(select, "select_attributes").map(|attributes| {
        let named = document.children_named(attributes, "attribute");
        named.filter_map(|one| document.attribute(one, "name").map(str::to_owned)).collect()
    });
    Select {
        nodes: has("select_nodes"),
        fencing: has("select_fencing"),
        resources: has("select_resources"),
        attributes,
    }
}

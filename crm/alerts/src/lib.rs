#![forbid(unsafe_code)]
//! Alerts: which agents of the configuration are told of an event, and in which words. Running them is left to a shell.
//!
//! The words are Pacemaker's (`CRM_alert_*`, and their older names `CRM_notify_*`), so that its alert agents run as they
//! are. Nothing is remembered here: what stands in the configuration at that moment counts.
//!
//! ```
//! use alerts::{Happened, calls};
//!
//! let cib = cib::Document::parse(
//!     r#"<cib><configuration><alerts>
//!          <alert id="mail" path="/usr/local/bin/mail"><recipient id="me" value="me@example.com"/></alert>
//!        </alerts></configuration></cib>"#,
//! )?;
//! let called = calls(&cib, 0, 1, &Happened::Node { name: "n2", id: "2", member: false });
//! assert_eq!(called[0].path, "/usr/local/bin/mail");
//! assert_eq!(called[0].environment["CRM_alert_recipient"], "me@example.com");
//! assert_eq!(called[0].environment["CRM_alert_desc"], "lost");
//! # Ok::<(), cib::ParseError>(())
//! ```

mod configured;
mod event;
pub mod timestamp;

use std::collections::BTreeMap;

use cib::Document;

pub use event::Happened;

/// The version that alert agents are told. Theirs ask whether there is one; it is the one whose words are spoken.
const VERSION: &str = "2.1.5";

/// One agent to call for one recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The alert's id in the configuration, and the recipient's where there is one.
    pub id: String,
    /// The agent.
    pub path: String,
    /// What it finds in its environment, but the time: [`timestamp::variables`].
    pub environment: BTreeMap<String, String>,
    /// How it wants the time.
    pub timestamp_format: String,
    /// How long it may take.
    pub timeout_ms: u64,
}

/// Who is to be called for an event. `unix` is the time by which rules in the configuration are judged; `sequence`
/// counts the events of this node, so that an agent can put them in order again.
pub fn calls(document: &Document, unix: i64, sequence: u64, happened: &Happened<'_>) -> Vec<Call> {
    let called = configured::recipients(document, unix).into_iter().filter(|recipient| recipient.wants(happened));
    called
        .map(|recipient| {
            let mut told = happened.words();
            told.push(("version", VERSION.to_owned()));
            told.push(("node_sequence", sequence.to_string()));
            told.extend(recipient.value.map(|value| ("recipient", value)));
            // Parameters first: nobody's own parameter shall hide what happened.
            let mut environment = recipient.parameters;
            for (name, value) in told {
                environment.extend(variable(name, value));
            }
            Call {
                id: recipient.id,
                path: recipient.path,
                environment,
                timestamp_format: recipient.timestamp_format,
                timeout_ms: recipient.timeout_ms,
            }
        })
        .collect()
}

/// A word under the names that agents know it by.
pub(crate) fn variable(name: &str, value: String) -> [(String, String); 2] {
    [(format!("CRM_notify_{name}"), value.clone()), (format!("CRM_alert_{name}"), value)]
}

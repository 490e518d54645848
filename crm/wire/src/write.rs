//! The form of a write on the wire. The CIB's own types promise no format; these mirror them and do.

use cib::patch::Change;
use cib::{Author, Expected, Lifetime, NodeAttribute, OpResult, OpStatus, Operation, Patch, Place, Write};
use serde::{Deserialize, Serialize};

/// A write, as [`cib::Write`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is documented where it is mirrored from")]
pub enum WriteForm {
    Configure {
        patch: Vec<ChangeForm>,
        expected: Option<ExpectedForm>,
        #[serde(flatten)]
        author: AuthorForm,
    },
    Replace {
        xml: String,
        expected: Option<ExpectedForm>,
        #[serde(flatten)]
        author: AuthorForm,
    },
    Edit {
        operation: OperationForm,
        /// Where no XPath is given; `None` for the whole CIB.
        section: Option<String>,
        xpath: Option<String>,
        /// At all that the XPath finds.
        all: bool,
        xml: Option<String>,
        expected: Option<ExpectedForm>,
        #[serde(flatten)]
        author: AuthorForm,
    },
    Node {
        id: String,
        uname: String,
    },
    NodeState {
        id: String,
        uname: String,
        in_ccm: i64,
        crmd: i64,
        join: String,
        expected: String,
        since: u64,
    },
    LetGo {
        node: String,
    },
    Result(Box<ResultForm>),
    Attribute {
        node: String,
        permanent: bool,
        name: String,
        value: Option<String>,
        #[serde(flatten)]
        author: AuthorForm,
    },
    Attributes {
        values: Vec<(String, String, Option<String>)>,
    },
    Forget {
        node: Option<String>,
        resource: Option<String>,
        failures_only: bool,
    },
    Fenced {
        node: String,
        since: Option<u64>,
        action: String,
        by: String,
        at: i64,
        coordinator: String,
        transition: u32,
        number: u32,
    },
    Joined {
        node: String,
    },
    Returned {
        node: String,
    },
}

/// The version a write is made for, as [`cib::Expected`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExpectedForm {
    /// `admin_epoch`, `epoch` and `num_updates`. Protocol 1 does not know it.
    Whole(u64, u64, u64),
    /// `admin_epoch` and `epoch`: changes of the status do not matter.
    Configuration(u64, u64),
}

/// Who writes, as [`cib::Author`]. In protocol 1 it is user and time alone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "each field is documented where it is mirrored from")]
pub struct AuthorForm {
    pub user: String,
    pub host: String,
    pub command: String,
    pub at: i64,
}

/// What an edit does, as [`cib::Operation`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is documented where it is mirrored from")]
pub enum OperationForm {
    Create,
    Modify { create: bool },
    Replace,
    Delete,
}

/// A change of the configuration, as [`cib::patch::Change`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is documented where it is mirrored from")]
pub enum ChangeForm {
    Create { path: String, position: usize, xml: String },
    Modify { path: String, set: Vec<(String, String)>, unset: Vec<String> },
    Delete { path: String },
    Move { path: String, position: usize },
}

/// An operation's result, as [`cib::OpResult`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is documented where it is mirrored from")]
pub struct ResultForm {
    pub node: String,
    pub resource: String,
    pub class: String,
    pub provider: Option<String>,
    pub kind: String,
    pub operation: String,
    pub interval_ms: u64,
    pub coordinator: String,
    pub transition: u32,
    pub number: u32,
    pub target_rc: i32,
    pub rc: i32,
    pub status: i64,
    pub call_id: i32,
    pub started_at: i64,
    pub ran_ms: u64,
    pub queued_ms: u64,
    pub exit_reason: String,
    pub digest: Option<String>,
    pub restart: Option<(String, String)>,
    pub secure: Option<(String, String)>,
    pub migrate_source: Option<String>,
    pub migrate_target: Option<String>,
}

impl From<&Write> for WriteForm {
    fn from(write: &Write) -> Self {
        match write.clone() {
            Write::Configure { patch, expected, author } => {
                let patch = patch.changes.into_iter().map(ChangeForm::from).collect();
                WriteForm::Configure { patch, expected: expected.map(expected_form), author: author.into() }
            }
            Write::Replace { xml, expected, author } => {
                WriteForm::Replace { xml, expected: expected.map(expected_form), author: author.into() }
            }
            Write::Edit { operation, place, xml, expected, author } => {
                let (section, xpath, all) = match place {
                    Place::Section(section) => (section, None, false),
                    Place::XPath { path, all } => (None, Some(path), all),
                };
                WriteForm::Edit {
                    operation: operation.into(),
                    section,
                    xpath,
                    all,
                    xml: (!xml.is_empty()).then_some(xml),
                    expected: expected.map(expected_form),
                    author: author.into(),
                }
            }
            Write::Node { id, uname } => WriteForm::Node { id, uname },
            Write::NodeState { id, uname, in_ccm, crmd, join, expected, since } => {
                WriteForm::NodeState { id, uname, in_ccm, crmd, join, expected, since }
            }
            Write::LetGo { node } => WriteForm::LetGo { node },
            Write::Result(result) => WriteForm::Result(Box::new(ResultForm::from(result))),
            Write::Attribute { node, lifetime, name, value, author } => {
                let permanent = lifetime == Lifetime::Permanent;
                WriteForm::Attribute { node, permanent, name, value, author: author.into() }
            }
            Write::Attributes { values } => {
                WriteForm::Attributes { values: values.into_iter().map(|of| (of.node, of.name, of.value)).collect() }
            }
            Write::Forget { node, resource, failures_only } => WriteForm::Forget { node, resource, failures_only },
            Write::Fenced { node, since, action, by, at, coordinator, transition, number } => {
                WriteForm::Fenced { node, since, action, by, at, coordinator, transition, number }
            }
            Write::Joined { node } => WriteForm::Joined { node },
            Write::Returned { node } => WriteForm::Returned { node },
        }
    }
}

impl TryFrom<WriteForm> for Write {
    /// What in the form is no write.
    type Error = String;

    fn try_from(form: WriteForm) -> Result<Self, String> {
        Ok(match form {
            WriteForm::Configure { patch, expected, author } => {
                let changes = patch.into_iter().map(Change::from).collect();
                Write::Configure {
                    patch: Patch { changes },
                    expected: expected.map(expected_of),
                    author: author.into(),
                }
            }
            WriteForm::Replace { xml, expected, author } => {
                Write::Replace { xml, expected: expected.map(expected_of), author: author.into() }
            }
            WriteForm::Edit { operation, section, xpath, all, xml, expected, author } => Write::Edit {
                operation: operation.into(),
                place: xpath.map_or(Place::Section(section), |path| Place::XPath { path, all }),
                xml: xml.unwrap_or_default(),
                expected: expected.map(expected_of),
                author: author.into(),
            },
            WriteForm::Node { id, uname } => Write::Node { id, uname },
            WriteForm::NodeState { id, uname, in_ccm, crmd, join, expected, since } => {
                Write::NodeState { id, uname, in_ccm, crmd, join, expected, since }
            }
            WriteForm::LetGo { node } => Write::LetGo { node },
            WriteForm::Result(result) => Write::Result(OpResult::try_from(*result)?),
            WriteForm::Attribute { node, permanent, name, value, author } => {
                let lifetime = if permanent { Lifetime::Permanent } else { Lifetime::Transient };
                Write::Attribute { node, lifetime, name, value, author: author.into() }
            }
            WriteForm::Attributes { values } => Write::Attributes {
                values: values.into_iter().map(|(node, name, value)| NodeAttribute { node, name, value }).collect(),
            },
            WriteForm::Forget { node, resource, failures_only } => Write::Forget { node, resource, failures_only },
            WriteForm::Fenced { node, since, action, by, at, coordinator, transition, number } => {
                Write::Fenced { node, since, action, by, at, coordinator, transition, number }
            }
            WriteForm::Joined { node } => Write::Joined { node },
            WriteForm::Returned { node } => Write::Returned { node },
        })
    }
}

fn expected_form(expected: Expected) -> ExpectedForm {
    let Expected { admin_epoch, epoch, num_updates } = expected;
    match num_updates {
        Some(num_updates) => ExpectedForm::Whole(admin_epoch, epoch, num_updates),
        None => ExpectedForm::Configuration(admin_epoch, epoch),
    }
}

fn expected_of(form: ExpectedForm) -> Expected {
    match form {
        ExpectedForm::Whole(admin_epoch, epoch, num_updates) => {
            Expected { admin_epoch, epoch, num_updates: Some(num_updates) }
        }
        ExpectedForm::Configuration(admin_epoch, epoch) => (admin_epoch, epoch).into(),
    }
}

impl From<Author> for AuthorForm {
    fn from(Author { user, host, command, at }: Author) -> Self {
        AuthorForm { user, host, command, at }
    }
}

impl From<AuthorForm> for Author {
    fn from(AuthorForm { user, host, command, at }: AuthorForm) -> Self {
        Author { user, host, command, at }
    }
}

impl From<Operation> for OperationForm {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Create => OperationForm::Create,
            Operation::Modify { create } => OperationForm::Modify { create },
            Operation::Replace => OperationForm::Replace,
            Operation::Delete => OperationForm::Delete,
        }
    }
}

impl From<OperationForm> for Operation {
    fn from(form: OperationForm) -> Self {
        match form {
            OperationForm::Create => Operation::Create,
            OperationForm::Modify { create } => Operation::Modify { create },
            OperationForm::Replace => Operation::Replace,
            OperationForm::Delete => Operation::Delete,
        }
    }
}

impl From<Change> for ChangeForm {
    fn from(change: Change) -> Self {
        match change {
            Change::Create { path, position, xml } => ChangeForm::Create { path, position, xml },
            Change::Modify { path, set, unset } => ChangeForm::Modify { path, set, unset },
            Change::Delete { path } => ChangeForm::Delete { path },
            Change::Move { path, position } => ChangeForm::Move { path, position },
        }
    }
}

impl From<ChangeForm> for Change {
    fn from(form: ChangeForm) -> Self {
        match form {
            ChangeForm::Create { path, position, xml } => Change::Create { path, position, xml },
            ChangeForm::Modify { path, set, unset } => Change::Modify { path, set, unset },
            ChangeForm::Delete { path } => Change::Delete { path },
            ChangeForm::Move { path, position } => Change::Move { path, position },
        }
    }
}

/// Copies the fields that are the same on both sides, and those given.
macro_rules! mirror {
    ($from:ident => $to:ident { $($name:ident: $value:expr),* $(,)? }) => {
        $to {
            $($name: $value,)*
            node: $from.node, resource: $from.resource, class: $from.class, provider: $from.provider,
            kind: $from.kind, operation: $from.operation, interval_ms: $from.interval_ms,
            coordinator: $from.coordinator, transition: $from.transition, number: $from.number,
            target_rc: $from.target_rc, rc: $from.rc, call_id: $from.call_id, started_at: $from.started_at,
            ran_ms: $from.ran_ms, queued_ms: $from.queued_ms, exit_reason: $from.exit_reason,
            digest: $from.digest, restart: $from.restart, secure: $from.secure,
            migrate_source: $from.migrate_source, migrate_target: $from.migrate_target,
        }
    };
}

impl From<OpResult> for ResultForm {
    fn from(result: OpResult) -> Self {
        let status = i64::from(result.status.number());
        mirror!(result => ResultForm { status: status })
    }
}

impl TryFrom<ResultForm> for OpResult {
    /// What in the form is no result.
    type Error = String;

    fn try_from(form: ResultForm) -> Result<Self, String> {
        let status =
            OpStatus::from_number(form.status).ok_or_else(|| format!("{} is no operation status", form.status))?;
        Ok(mirror!(form => OpResult { status: status }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_written_so_that_protocol_1_reads_it() {
        let author = AuthorForm { user: "root".into(), host: "n".into(), command: "c".into(), at: 7 };
        for (expected, text) in
            [(ExpectedForm::Configuration(0, 12), "[0,12]"), (ExpectedForm::Whole(0, 12, 3), "[0,12,3]")]
        {
            let write = WriteForm::Replace { xml: "<cib/>".into(), expected: Some(expected), author: author.clone() };
            let line = serde_json::to_string(&write).unwrap();
            let fields = format!(r#""expected":{text},"user":"root","host":"n","command":"c","at":7"#);
            assert!(line.contains(&fields), "{line}");
            assert_eq!(serde_json::from_str::<WriteForm>(&line).unwrap(), write);
        }
        let old = r#"{"Replace":{"xml":"<cib/>","expected":null,"user":"root","at":7}}"#;
        let WriteForm::Replace { author, .. } = serde_json::from_str(old).unwrap() else { panic!("a replace") };
        assert_eq!((author.user.as_str(), author.at, author.host.as_str()), ("root", 7, ""));
        let old = r#"{"Attribute":{"node":"a","permanent":true,"name":"b","value":null}}"#;
        assert!(
            matches!(serde_json::from_str(old).unwrap(), WriteForm::Attribute { author, .. } if author == AuthorForm::default())
        );
    }

    #[test]
    fn an_edit_comes_back_as_it_was() {
        for place in [
            Place::Section(None),
            Place::Section(Some("resources".into())),
            Place::XPath { path: "//a".into(), all: true },
        ] {
            let write = Write::Edit {
                operation: Operation::Modify { create: true },
                place,
                xml: "<a/>".into(),
                expected: Some(Expected { admin_epoch: 1, epoch: 2, num_updates: Some(3) }),
                author: Author { user: "u".into(), ..Author::default() },
            };
            let line = serde_json::to_string(&WriteForm::from(&write)).unwrap();
            assert_eq!(Write::try_from(serde_json::from_str::<WriteForm>(&line).unwrap()).unwrap(), write);
        }
    }
}

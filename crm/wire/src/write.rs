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
        author: AuthorForm,
    },
    Replace {
        xml: String,
        expected: Option<ExpectedForm>,
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
        #[serde(default)]
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

/// `admin_epoch`, `epoch` and, if it matters, `num_updates` of the version a write is made for.
pub type ExpectedForm = (u64, u64, Option<u64>);

/// Who writes, as [`cib::Author`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
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
    (expected.admin_epoch, expected.epoch, expected.num_updates)
}

fn expected_of((admin_epoch, epoch, num_updates): ExpectedForm) -> Expected {
    Expected { admin_epoch, epoch, num_updates }
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

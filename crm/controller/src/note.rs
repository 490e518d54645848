//! What the operator reads: one event with its fields. How it is shown is the daemon's business.

/// How much an operator should care.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Of use when looking for a cause.
    Debug,
    /// Something happened as it should.
    Info,
    /// Something did not go as wished, and the cluster deals with it.
    Warning,
    /// Somebody has to do something.
    Error,
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// The kind of event, one word of a fixed set, for programs.
    pub event: &'static str,
    /// The event in a sentence, for people.
    pub message: String,
    /// The resource it is about.
    pub resource: Option<String>,
    /// The operation it is about.
    pub operation: Option<String>,
    /// The node it is about.
    pub on: Option<String>,
    /// The exit status of an agent.
    pub rc: Option<i32>,
    /// How long it took, in milliseconds.
    pub ms: Option<u64>,
}

impl Note {
    /// An event with only its sentence.
    pub fn new(level: Level, event: &'static str, message: impl Into<String>) -> Self {
        Note { level, event, message: message.into(), resource: None, operation: None, on: None, rc: None, ms: None }
    }

    /// The same, about a node.
    #[must_use]
    pub fn on(mut self, node: &str) -> Self {
        self.on = Some(node.to_owned());
        self
    }

    /// The same, about an operation of a resource.
    #[must_use]
    pub fn about(mut self, resource: &str, operation: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self.operation = Some(operation.to_owned());
        self
    }

    /// The same, with an agent's exit status.
    #[must_use]
    pub fn rc(mut self, rc: i32) -> Self {
        self.rc = Some(rc);
        self
    }

    /// The same, with how long it took.
    #[must_use]
    pub fn ms(mut self, ms: u64) -> Self {
        self.ms = Some(ms);
        self
    }
}

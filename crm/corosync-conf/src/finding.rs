//! What is found in a file: where, how bad, why it matters, and how to mend it.

/// A stretch of the file's text, in bytes; the end is not part of it.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One after the last byte.
    pub end: usize,
}

/// How bad a finding is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Corosync refuses the file, at once or when it starts.
    Error,
    /// Corosync takes the file, and does something else than what is meant.
    Warning,
    /// It works; it could be better.
    Advice,
}

/// One change of the text: what stands at the span gives way to `text`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Edit {
    /// What goes; empty where something is only added.
    pub span: Span,
    /// What comes.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Name of the rule, which is the name of its file: `two_node`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where; `None` when what is missing has no place.
    pub span: Option<Span>,
    /// Other places that belong to it, each with what stands there.
    pub also: Vec<(Span, String)>,
    /// What is wrong, as a sentence without its full stop.
    pub message: String,
    /// Why it matters: what Corosync does with it.
    pub why: String,
    /// What to do.
    pub remedy: String,
    /// The remedy as changes of the text, where it is safe to make it unseen; else empty.
    pub fix: Vec<Edit>,
}

impl Finding {
    pub(crate) fn new(rule: &'static str, severity: Severity, message: impl Into<String>) -> Finding {
        Finding {
            rule,
            severity,
            span: None,
            also: Vec::new(),
            message: message.into(),
            why: String::new(),
            remedy: String::new(),
            fix: Vec::new(),
        }
    }

    pub(crate) fn error(rule: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(rule, Severity::Error, message)
    }

    pub(crate) fn warning(rule: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(rule, Severity::Warning, message)
    }

    pub(crate) fn advice(rule: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(rule, Severity::Advice, message)
    }

    pub(crate) fn at(mut self, span: Span) -> Finding {
        self.span = Some(span);
        self
    }

    pub(crate) fn also(mut self, span: Span, what: impl Into<String>) -> Finding {
        self.also.push((span, what.into()));
        self
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Finding {
        self.why = why.into();
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = remedy.into();
        self
    }

    pub(crate) fn fix(mut self, edits: impl IntoIterator<Item = Edit>) -> Finding {
        self.fix = edits.into_iter().collect();
        self
    }
}

/// The text after all edits of some findings. Of two findings whose edits touch, the later one's are left out: it is
/// found again in the new text, if it still holds.
pub fn apply<'f>(text: &str, findings: impl IntoIterator<Item = &'f Finding>) -> String {
    let mut taken: Vec<&Edit> = Vec::new();
    for finding in findings {
        let apart = |one: Span, other: Span| one != other && (one.end <= other.start || other.end <= one.start);
        let free = |edit: &Edit| taken.iter().all(|other| apart(edit.span, other.span));
        if finding.fix.iter().all(free) {
            taken.extend(&finding.fix);
        }
    }
    taken.sort();
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in taken {
        result.push_str(&text[at..edit.span.start]);
        result.push_str(&edit.text);
        at = edit.span.end;
    }
    result + &text[at..]
}

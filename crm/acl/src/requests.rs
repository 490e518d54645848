//! What tools ask of a daemon, for somebody whom ACLs restrict: what is asked in their name, what is refused, and what of
//! an answer they see.

use cib::{Cib, Document, Write};
use wire::stonith::StonithRequest;
use wire::write::{ExpectedForm, WriteForm};
use wire::{QueryWhat, Reply, Request, Why};

use crate::Rights;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Admitted {
    /// It is asked, and what comes back goes through [`shown`].
    Ask(Request),
    /// It is looked for in this document, which is what they see.
    Look {
        /// What they may read.
        document: Document,
        /// The section.
        section: Option<String>,
        /// The XPath.
        xpath: Option<String>,
        /// What of it is wanted.
        what: QueryWhat,
    },
    /// That is the answer.
    Answer(Reply),
}

fn refused(reason: String) -> Admitted {
    Admitted::Answer(Reply::Refused { why: Why::Denied, reason })
}

impl Rights {
    /// What becomes of a request. A write is tried on this CIB, and is then made for this version of the configuration
    /// alone, so that what was judged is what is written.
    pub fn admit(&self, cib: &Cib, request: Request) -> Admitted {
        let user = self.user();
        let by_root = |what: &str| {
            refused(format!("{user} may not {what}: with enable-acl=true that is for root and hacluster; use sudo"))
        };
        match request {
            Request::Status if self.readable(cib.document()).is_none() => refused(self.sees_nothing()),
            Request::Status
            | Request::Failovers
            | Request::History
            | Request::Configuration { .. }
            | Request::Records { .. }
            | Request::Attributes { .. }
            | Request::Refresh => Admitted::Ask(request),
            Request::Stonith(StonithRequest::Show) => Admitted::Ask(request),
            Request::Query { section, xpath, what } => match self.readable(cib.document()) {
                Some(document) => Admitted::Look { document, section, xpath, what },
                None => refused(self.sees_nothing()),
            },
            Request::Plan(_) if self.reads_all(cib.document()) => Admitted::Ask(request),
            Request::Plan(_) => refused(format!(
                "{user} may not read all of the configuration, which a plan and its reasons tell; ask root"
            )),
            Request::Stonith(_) => by_root("order fencing, or change what is known of it"),
            Request::Shutdown | Request::StopCluster => by_root("stop the cluster"),
            Request::Write { force: true, .. } => by_root("write without quorum (--force)"),
            Request::Write { write, force } => match self.written(cib, write) {
                Ok(write) => Admitted::Ask(Request::Write { write, force }),
                Err(answer) => Admitted::Answer(answer),
            },
            Request::Update(update) => {
                let nodes = nodes(cib);
                // Without a node it is the one that was asked: whoever may not change it on all must name one.
                let meant: Vec<&String> = match &update.node {
                    Some(node) => vec![node],
                    None => nodes.iter().collect(),
                };
                // Two values, for one of them may be what it has; and one that is cleared may be one that is not written yet.
                for (node, value) in meant.into_iter().flat_map(|node| [(node, "0"), (node, "1")]) {
                    let write = Write::Attribute {
                        node: node.clone(),
                        lifetime: cib::Lifetime::Transient,
                        name: update.name.clone(),
                        value: Some(value.to_owned()),
                        author: cib::Author::default(),
                    };
                    if let Err(answer) = self.tried(cib, &write) {
                        return Admitted::Answer(answer);
                    }
                }
                Admitted::Ask(Request::Update(update))
            }
        }
    }

    fn sees_nothing(&self) -> String {
        let user = self.user();
        format!("{user} may read nothing of the configuration: no ACL role grants it; root could with `pcs acl`")
    }

    /// A write in their name, for the version that it was judged with.
    fn written(&self, cib: &Cib, mut form: WriteForm) -> Result<WriteForm, Reply> {
        match &mut form {
            WriteForm::Configure { expected, author, .. }
            | WriteForm::Replace { expected, author, .. }
            | WriteForm::Edit { expected, author, .. } => {
                let version = cib.version();
                expected.get_or_insert(ExpectedForm::Configuration(version.admin_epoch, version.epoch));
                author.user = self.user().to_owned();
            }
            WriteForm::Attribute { author, .. } => author.user = self.user().to_owned(),
            WriteForm::Forget { .. } => {}
            _ => {
                let reason = format!("{} may not write what the cluster itself knows", self.user());
                return Err(Reply::Refused { why: Why::Denied, reason });
            }
        }
        let write = Write::try_from(form.clone()).map_err(|reason| Reply::Refused { why: Why::Invalid, reason })?;
        self.tried(cib, &write)?;
        Ok(form)
    }

    /// Tries a write on a copy; the error is the answer.
    fn tried(&self, cib: &Cib, write: &Write) -> Result<(), Reply> {
        let mut new = cib.clone();
        new.apply(write).map_err(|error| Reply::Refused { why: Why::of(&error), reason: error.to_string() })?;
        let judged = self.judge(cib.document(), new.document());
        judged.map_err(|denied| Reply::Refused { why: Why::Denied, reason: denied.to_string() })
    }

    /// What of an answer they see.
    pub fn shown(&self, cib: &Cib, reply: Reply) -> Reply {
        let document = cib.document();
        let all = self.reads_all(document);
        match reply {
            reply if all => reply,
            Reply::Status(mut status) => {
                let seen = self.readable_cib(document);
                let hidden = Hidden::of(document, &seen);
                // What was answered may be newer than what is seen here; never is it more.
                status.cib = match Document::parse(&status.cib) {
                    Ok(answered) => self.readable_cib(&answered).to_xml(),
                    Err(_) => seen.to_xml(),
                };
                status.under_way.retain(|line| !hidden.is_in(line));
                status.restricted = Some(self.user().to_owned());
                Reply::Status(status)
            }
            Reply::Configuration { xml } => match Document::parse(&xml) {
                Ok(kept) => Reply::Configuration { xml: self.readable_cib(&kept).to_xml() },
                Err(_) => Reply::refused("what is kept of that configuration cannot be read"),
            },
            Reply::History(mut kept) => {
                // Who may not see all sees that something was changed, and by whom.
                for one in &mut kept {
                    one.patch.clear();
                    one.author.command = one.author.command.split(' ').take(1).collect();
                }
                Reply::History(kept)
            }
            Reply::Attributes(mut values) => {
                let seen = self.readable_cib(document);
                values.retain(|value| sees_attribute(&seen, &value.node, &value.name));
                Reply::Attributes(values)
            }
            Reply::Failovers(mut failovers) => {
                let hidden = Hidden::of(document, &self.readable_cib(document));
                failovers.iter_mut().for_each(|one| one.started.retain(|line| !hidden.is_in(line)));
                Reply::Failovers(failovers)
            }
            Reply::Records(mut records) => {
                let hidden = Hidden::of(document, &self.readable_cib(document));
                for record in &mut records {
                    let wire::record::Happening::Planned(planned) = &mut record.what;
                    planned.changes.retain(|change| !hidden.is_in(&change.of));
                    planned.changes.iter_mut().for_each(|change| change.reason = None);
                    planned.count = planned.changes.len();
                }
                Reply::Records(records)
            }
            reply => reply,
        }
    }
}

/// The names of all nodes.
fn nodes(cib: &Cib) -> Vec<String> {
    let context = cib::rule::Context::at(0);
    cib::view::nodes(cib.document(), &context).into_iter().map(|node| node.uname.to_owned()).collect()
}

/// Whether an attribute of a node is in what somebody sees. What is being gathered, or private, is not in the CIB yet and
/// is for those who see all.
fn sees_attribute(seen: &Document, node: &str, name: &str) -> bool {
    let states = seen.descend(&["status"]).into_iter().flat_map(|status| seen.children_named(status, "node_state"));
    let mut of_node = states.filter(|state| seen.attribute(*state, "uname") == Some(node) || seen.id(*state) == node);
    of_node.any(|state| {
        let attributes = seen.child(state, "transient_attributes").into_iter();
        let mut pairs = attributes.flat_map(|all| seen.descendants(all));
        pairs.any(|pair| seen.name(pair) == "nvpair" && seen.attribute(pair, "name") == Some(name))
    })
}

/// The names of what somebody does not see.
struct Hidden(std::collections::BTreeSet<String>);

impl Hidden {
    fn of(whole: &Document, seen: &Document) -> Hidden {
        const NAMED: [&str; 5] = ["primitive", "group", "clone", "master", "bundle"];
        let ids = |document: &Document| -> std::collections::BTreeSet<String> {
            let named = document.descendants(document.root()).filter(|one| NAMED.contains(&document.name(*one)));
            named.map(|one| document.id(one).to_owned()).collect()
        };
        Hidden(ids(whole).difference(&ids(seen)).cloned().collect())
    }

    /// Whether a line names one of them, instances of clones included.
    fn is_in(&self, line: &str) -> bool {
        line.split(' ').any(|word| {
            let instance = word.split(':').next().unwrap_or(word);
            self.0.contains(word) || self.0.contains(instance)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Who;
    use wire::write::{AuthorForm, OperationForm};
    use wire::{AttributeChange, AttributeValue, Dampening, Status, Update};

    fn cib() -> Cib {
        Cib::parse(include_str!("../tests/cib.xml")).unwrap()
    }

    fn rights(user: &str) -> Rights {
        Rights::of(cib().document(), &Who { user: user.into(), groups: vec![] }, 0).unwrap()
    }

    /// `Ok` with what is asked, or why not.
    fn admitted(user: &str, request: Request) -> Result<Request, (Why, String)> {
        match rights(user).admit(&cib(), request) {
            Admitted::Ask(request) => Ok(request),
            Admitted::Answer(Reply::Refused { why, reason }) => Err((why, reason)),
            other => panic!("{other:?}"),
        }
    }

    fn edit(xml: &str) -> WriteForm {
        WriteForm::Edit {
            operation: OperationForm::Modify { create: false },
            section: None,
            xpath: None,
            all: false,
            xml: Some(xml.into()),
            expected: None,
            author: AuthorForm { user: "root".into(), ..AuthorForm::default() },
        }
    }

    #[test]
    fn a_write_is_made_in_their_name_and_for_the_version_that_was_judged() {
        let write = edit("<nvpair id='a-s' value='new'/>");
        let Ok(Request::Write { write: WriteForm::Edit { expected, author, .. }, .. }) =
            admitted("writer", Request::Write { write: write.clone(), force: false })
        else {
            panic!("it is admitted")
        };
        assert_eq!((expected, author.user.as_str()), (Some(ExpectedForm::Configuration(0, 5)), "writer"));
        for (user, write, force, expected) in [
            ("nothing", write.clone(), false, Why::Denied),
            ("writer", edit("<nvpair id='a-p' value='new'/>"), false, Why::Denied),
            ("writer", write, true, Why::Denied),
            ("writer", edit("<nvpair id='none' value='new'/>"), false, Why::NotFound),
            ("writer", WriteForm::Joined { node: "n1".into() }, false, Why::Denied),
            (
                "writer",
                WriteForm::Attribute {
                    node: "n1".into(),
                    permanent: true,
                    name: "standby".into(),
                    value: Some("on".into()),
                    author: AuthorForm::default(),
                },
                false,
                Why::Denied,
            ),
        ] {
            let (why, reason) = admitted(user, Request::Write { write, force }).unwrap_err();
            assert_eq!(why, expected, "{reason}");
        }
    }

    #[test]
    fn the_cluster_is_for_root_to_stop_and_to_fence() {
        let fence = StonithRequest::Fence {
            target: "n1".into(),
            action: "off".into(),
            timeout_ms: 1,
            delay_ms: 0,
            user: "root".into(),
        };
        for request in [Request::Shutdown, Request::StopCluster, Request::Stonith(fence)] {
            let (why, reason) = admitted("reader", request).unwrap_err();
            assert!(why == Why::Denied && reason.contains("for root and hacluster"), "{reason}");
        }
        assert!(admitted("reader", Request::Stonith(StonithRequest::Show)).is_ok());
    }

    #[test]
    fn transient_attributes_are_written_by_those_who_may_write_the_status() {
        let update = |node: Option<&str>| {
            Request::Update(Update {
                node: node.map(str::to_owned),
                name: "x".into(),
                change: AttributeChange::Clear,
                dampening: Dampening::Keep,
                private: false,
            })
        };
        // The one may write what has a value, wherever it is.
        assert!(admitted("reader", update(Some("n1"))).is_ok() && admitted("reader", update(None)).is_ok());
        assert_eq!(admitted("writer", update(Some("n1"))).unwrap_err().0, Why::Denied);
        assert_eq!(admitted("writer", update(None)).unwrap_err().0, Why::Denied);
    }

    #[test]
    fn a_plan_tells_everything_and_is_for_those_who_may_read_everything() {
        let plan = || Request::Plan(wire::WhichPlan::At(0));
        assert!(admitted("reader", plan()).is_ok());
        assert_eq!(admitted("both", plan()).unwrap_err().0, Why::Denied);
    }

    #[test]
    fn what_is_looked_for_is_looked_for_in_what_they_see() {
        let query = Request::Query { section: None, xpath: Some("//nvpair".into()), what: QueryWhat::Whole };
        let Admitted::Look { document, .. } = rights("writer").admit(&cib(), query.clone()) else { panic!("it looks") };
        assert!(!document.to_xml().contains("passwd"));
        assert_eq!(admitted("nothing", query).unwrap_err().0, Why::Denied);
        assert_eq!(admitted("nothing", Request::Status).unwrap_err().0, Why::Denied);
    }

    #[test]
    fn an_answer_is_cut_to_what_they_see() {
        let status = Status {
            node: "n1".into(),
            program: String::new(),
            cluster: String::new(),
            members: vec!["n1".into()],
            hosts_only: vec![],
            coordinator: None,
            quorate: true,
            votes: 1,
            expected_votes: 1,
            synced: true,
            quiet: false,
            under_way: vec!["start of b on n1".into(), "stop of a on n1".into(), "start of b:1 on n1".into()],
            cib: cib().document().to_xml(),
            version: (0, 5, 0),
            restricted: None,
        };
        let Reply::Status(seen) = rights("writer").shown(&cib(), Reply::Status(Box::new(status.clone()))) else {
            panic!("it is a status")
        };
        assert_eq!((seen.under_way, seen.restricted), (vec!["stop of a on n1".to_owned()], Some("writer".to_owned())));
        assert!(!seen.cib.contains("passwd") && !seen.cib.contains("enable-acl") && seen.cib.contains("target-role"));
        let all = Reply::Status(Box::new(status));
        assert_eq!(rights("reader").shown(&cib(), all.clone()), all);

        let value = |name: &str| AttributeValue { node: "n1".into(), name: name.into(), value: "1".into() };
        let values = Reply::Attributes(vec![value("x"), value("private")]);
        assert_eq!(rights("writer").shown(&cib(), values.clone()), Reply::Attributes(vec![]));
        assert_eq!(rights("both").shown(&cib(), values), Reply::Attributes(vec![value("x")]));

        let xml = cib().document().to_xml();
        let Reply::Configuration { xml } = rights("both").shown(&cib(), Reply::Configuration { xml }) else {
            panic!("it is a configuration")
        };
        assert!(!xml.contains("passwd") && xml.contains("no-quorum-policy"));
    }
}

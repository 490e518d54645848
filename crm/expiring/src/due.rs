//! When something ends, and what is done then. What cannot be taken back because others have changed the same meanwhile
//! is left as it is: whoever looks must decide.

use cib::patch::{self, Patch};
use cib::{Document, Element, date};

use crate::mark::{self, Kind, Mark};

/// What became of one that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A change was taken back.
    TakenBack {
        /// What it was.
        kind: Kind,
        /// The command that had made it.
        command: String,
    },
    /// A wish whose traces others have changed or removed meanwhile: it is forgotten.
    Forgotten {
        /// The command that had made it.
        command: String,
    },
    /// The constraint of a move or ban whose lifetime is over was removed.
    Removed {
        /// Its id.
        constraint: String,
    },
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::TakenBack { kind: Kind::Trial, command } => {
                write!(f, "nobody confirmed it in time, so it is taken back: {command}")
            }
            Outcome::TakenBack { kind: Kind::Wish, command } => write!(f, "its time is over: {command}"),
            Outcome::Forgotten { command } => {
                write!(f, "its time is over, and others have changed what it made, which stays: {command}")
            }
            Outcome::Removed { constraint } => write!(f, "its lifetime is over, so it is removed: {constraint}"),
        }
    }
}

/// What is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// The CIB as it should be.
    pub cib: Document,
    /// What was done to it.
    pub outcomes: Vec<Outcome>,
}

/// When the next thing ends, in seconds since 1970; it may be past. A trial that cannot be taken back is none.
pub fn next(cib: &Document, now: i64) -> Option<i64> {
    let marks = mark::all(cib).into_iter().filter(|mark| mark.until > now || !is_stuck(cib, mark));
    let marks = marks.map(|mark| mark.until);
    let lifetimes = constraints(cib).filter_map(|constraint| end_of(cib, constraint, now));
    marks.chain(lifetimes).min()
}

/// Whether a trial's way back leads through what others have changed since.
pub fn is_stuck(cib: &Document, mark: &Mark) -> bool {
    mark.kind == Kind::Trial && taken_back(cib, mark).is_none()
}

/// Does what is due; `None` when nothing is.
pub fn settle(cib: &Document, now: i64) -> Option<Due> {
    let mut due = Due { cib: cib.clone(), outcomes: Vec::new() };
    let mut marks: Vec<Mark> = mark::all(cib).into_iter().filter(|mark| mark.until <= now).collect();
    // The last change first: an earlier one may lie beneath it.
    marks.sort_by_key(|mark| std::cmp::Reverse((mark.until, mark.number)));
    for mark in marks {
        let Mark { kind, command, .. } = mark.clone();
        match taken_back(&due.cib, &mark) {
            Some(back) => {
                due.cib = back;
                due.outcomes.push(Outcome::TakenBack { kind, command });
            }
            None if kind == Kind::Trial => continue,
            None => due.outcomes.push(Outcome::Forgotten { command }),
        }
        mark::remove(&mut due.cib, mark.number);
    }
    let over: Vec<Element> = constraints(&due.cib)
        .filter(|constraint| end_of(&due.cib, *constraint, now).is_some_and(|end| end <= now))
        .collect();
    for constraint in over {
        due.outcomes.push(Outcome::Removed { constraint: due.cib.id(constraint).to_owned() });
        due.cib.remove(constraint);
    }
    (!due.outcomes.is_empty()).then_some(due)
}

/// The CIB without a change, its mark still there; `None` when the change is not there any more as it was made.
pub fn taken_back(cib: &Document, mark: &Mark) -> Option<Document> {
    let mut back = cib.clone();
    patch::apply(&mut back, &mark.back).ok()?;
    let mut again = back.clone();
    patch::apply(&mut again, &mark.forth).ok()?;
    // Places among siblings mean something for resources alone, and there others' additions may have moved them.
    let differs = |Patch { changes }: Patch| changes.iter().any(|change| !matches!(change, patch::Change::Move { .. }));
    (!differs(patch::diff(&again, cib))).then_some(back)
}

/// Constraints that moves and bans by hand left.
fn constraints(cib: &Document) -> impl Iterator<Item = Element> + '_ {
    let section = cib.descend(&["configuration", "constraints"]);
    let locations = section.into_iter().flat_map(|section| cib.children_named(section, "rsc_location"));
    locations.filter(|one| ["cli-prefer-", "cli-ban-"].iter().any(|begin| cib.id(*one).starts_with(begin)))
}

/// When the lifetime of a constraint ends, if its one rule says nothing else of time.
fn end_of(cib: &Document, constraint: Element, now: i64) -> Option<i64> {
    let rules: Vec<Element> = cib.children_named(constraint, "rule").collect();
    let [rule] = rules[..] else { return None };
    if cib.attribute(rule, "boolean-op").is_some_and(|operator| operator != "and") {
        return None;
    }
    let ends = cib.children_named(rule, "date_expression").filter(|one| cib.attribute(*one, "operation") == Some("lt"));
    ends.filter_map(|one| date::parse(cib.attribute(one, "end")?, now)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::add;

    fn cib(nodes: &str, constraints: &str) -> Document {
        let text = format!(
            "<cib><configuration><crm_config/><nodes>{nodes}</nodes><resources><primitive id='a'/><primitive id='b'/>\
             </resources><constraints>{constraints}</constraints></configuration><status/></cib>"
        );
        Document::parse(&text).unwrap()
    }

    fn edited(cib: &Document, from: &str, to: &str) -> Document {
        let text = cib.to_xml();
        assert!(text.contains(from), "{from} in {text}");
        Document::parse(&text.replace(from, to)).unwrap()
    }

    fn same(a: &Document, b: &Document) -> bool {
        a.same(a.root(), b, b.root())
    }

    const ONE: &str = "<node id='1' uname='one'/>";
    const STANDBY: &str = "<node id='1' uname='one' standby='on'/>";

    #[test]
    fn a_trial_is_taken_back_at_its_time_and_not_before() {
        let before = cib(ONE, "");
        let mut after = cib(STANDBY, "<l id='x'/>");
        add(&before, &mut after, Kind::Trial, 100, "apply").unwrap();
        assert_eq!(next(&after, 50), Some(100));
        assert!(settle(&after, 99).is_none());
        let due = settle(&after, 100).unwrap();
        assert!(same(&due.cib, &before), "{}", due.cib.to_xml());
        assert_eq!(due.outcomes, [Outcome::TakenBack { kind: Kind::Trial, command: "apply".into() }]);
        assert_eq!(next(&due.cib, 100), None);
    }

    #[test]
    fn what_others_did_elsewhere_meanwhile_stays() {
        let before = cib(ONE, "<l id='old'/>");
        let mut after = cib(STANDBY, "<l id='old'/><l id='x'/>");
        add(&before, &mut after, Kind::Trial, 100, "apply").unwrap();
        let others = edited(&after, "<primitive id=\"b\"/>", "<primitive id=\"b\"/><primitive id=\"c\"/>");
        let others = edited(&others, "<l id=\"x\"/>", "<l id=\"x\"/><l id=\"y\"/>");
        let due = settle(&others, 100).unwrap();
        let expected = edited(&cib(ONE, "<l id='old'/><l id='y'/>"), "\"b\"/>", "\"b\"/><primitive id=\"c\"/>");
        assert!(same(&due.cib, &expected), "{}", due.cib.to_xml());
    }

    #[test]
    fn what_others_changed_is_not_undone() {
        for (kind, left) in [(Kind::Trial, 1), (Kind::Wish, 0)] {
            let mut after = cib(STANDBY, "");
            add(&cib(ONE, ""), &mut after, kind, 100, "standby").unwrap();
            let others = edited(&after, "standby=\"on\"", "standby=\"off\"");
            let due = settle(&others, 100);
            let settled = due.as_ref().map_or(&others, |due| &due.cib);
            assert!(settled.to_xml().contains("standby=\"off\""));
            assert_eq!(mark::all(settled).len(), left, "{kind:?}");
            assert_eq!(next(settled, 100), None, "{kind:?}");
        }
    }

    #[test]
    fn changes_upon_changes_go_in_turn() {
        let first = cib(ONE, "");
        let mut second = cib(STANDBY, "");
        add(&first, &mut second, Kind::Wish, 100, "one").unwrap();
        let mut third = edited(&second, "standby=\"on\"", "standby=\"on\" weight=\"2\"");
        let before = second.clone();
        add(&before, &mut third, Kind::Wish, 90, "two").unwrap();
        let due = settle(&third, 95).unwrap();
        assert!(same(&due.cib, &second), "{}", due.cib.to_xml());
        let both = settle(&third, 200).unwrap();
        assert!(same(&both.cib, &first), "{}", both.cib.to_xml());
    }

    #[test]
    fn constraints_go_when_their_lifetime_is_over() {
        let until = |id: &str, end: &str| {
            format!(
                "<rsc_location id='{id}' rsc='a'><rule id='{id}-r' boolean-op='and'><expression id='{id}-e'/>\
                 <date_expression id='{id}-d' operation='lt' end='{end}'/></rule></rsc_location>"
            )
        };
        let both =
            format!("{}{}", until("cli-prefer-a", "1970-01-01 00:01:40Z"), until("mine", "1970-01-01 00:01:40Z"));
        let there = cib(ONE, &both);
        assert_eq!(next(&there, 0), Some(100));
        assert!(settle(&there, 99).is_none());
        let due = settle(&there, 100).unwrap();
        assert!(same(&due.cib, &cib(ONE, &until("mine", "1970-01-01 00:01:40Z"))));
        for end in ["never", ""] {
            assert_eq!(next(&cib(ONE, &until("cli-ban-a-on-b", end)), 0), None);
        }
    }
}

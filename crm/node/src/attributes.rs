//! Transient attributes of nodes before they stand in the CIB: those that are gathered, and those that are private.
//!
//! Every change is a message in total order, so all members hold the same here, as they do of the CIB. What is written
//! stands in the CIB and nowhere else. An attribute with a dampening is not written at its first change: that starts the
//! time, and what changes meanwhile, on any node, is written with it in one step. So when a switch dies and every node
//! says within a moment that it no longer reaches the world, the policy sees all of them at once and moves nothing in
//! vain. The eldest member says when the time is over; should it go first, the next one does.
//!
//! Members that meet tell each other what they gather ([`AttributeState`] in their hello). Of a node's values its own
//! word counts, otherwise that of the member with the lowest id.

use std::collections::BTreeMap;
use std::time::Duration;

use cib::score::Score;
use cib::{Cib, NodeAttribute, Write};
use engine::NodeId;
use wire::{AttributeChange, AttributeState, AttributeValue, Dampening, Update};

/// More values than this are not gathered: every node of a cluster of 32 with some hundred attributes. Who asks for
/// more is refused, for members hold all of them in memory and send them when they meet.
pub const MAX_VALUES: usize = 20_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    dampening: Duration,
    private: bool,
    /// By node: what is private, or not written yet.
    values: BTreeMap<String, Option<String>>,
    /// When what is gathered is to be written.
    due: Option<Duration>,
    /// The eldest has said that it is to be written; it comes back to us in its turn.
    told: bool,
}

/// What the members gather.
#[derive(Debug, Default)]
pub struct Attributes {
    known: BTreeMap<String, Known>,
    /// Changes that came while members met, in order: they are made when all agree on what they are made to.
    held_back: Vec<(String, Update)>,
}

impl Attributes {
    /// Whether there is room for one more value.
    pub fn has_room(&self) -> bool {
        self.known.values().map(|known| known.values.len()).sum::<usize>() + self.held_back.len() < MAX_VALUES
    }

    /// A change was delivered while members meet.
    pub fn hold_back(&mut self, node: &str, update: Update) {
        self.held_back.push((node.to_owned(), update));
    }

    /// A change was delivered: what is to be written for it now, if it is.
    pub fn update(&mut self, now: Duration, cib: &Cib, node: &str, update: &Update) -> Option<Write> {
        self.take(now, cib, node, update);
        let known = self.known.get(&update.name)?;
        if known.private || known.due.is_none() || !known.dampening.is_zero() {
            return None;
        }
        self.gathered(std::slice::from_ref(&update.name))
    }

    fn take(&mut self, now: Duration, cib: &Cib, node: &str, update: &Update) {
        let written = transient_value(cib, node, &update.name);
        let is_new = !self.known.contains_key(&update.name) && !stands_in(cib, &update.name);
        let known = self.known.entry(update.name.clone()).or_default();
        known.dampening = match update.dampening {
            Dampening::Set(ms) => Duration::from_millis(ms),
            Dampening::IfNew(ms) if is_new => Duration::from_millis(ms),
            Dampening::Keep | Dampening::IfNew(_) => known.dampening,
        };
        let value = match &update.change {
            AttributeChange::Keep => return,
            AttributeChange::Clear => None,
            AttributeChange::Set(text) => {
                let before = known.values.get(node).map_or(written, Option::as_deref);
                Some(expanded(text, before))
            }
        };
        known.private |= update.private;
        if known.private {
            known.values.insert(node.to_owned(), value);
            return;
        }
        // What is there already is no change, and one that was taken back before it was written never was one.
        if value.as_deref() == written {
            known.values.remove(node);
            if known.values.is_empty() {
                known.due = None;
            }
            return;
        }
        known.values.insert(node.to_owned(), value);
        let due = now + known.dampening;
        // The first change starts the time; those after it do not put it off.
        known.due.get_or_insert(due);
    }

    /// The eldest has said that these are to be written.
    pub fn gathered(&mut self, names: &[String]) -> Option<Write> {
        let mut values = Vec::new();
        for name in names {
            let Some(known) = self.known.get_mut(name).filter(|known| !known.private) else { continue };
            (known.due, known.told) = (None, false);
            let gathered = std::mem::take(&mut known.values);
            values.extend(gathered.into_iter().map(|(node, value)| NodeAttribute { node, name: name.clone(), value }));
        }
        (!values.is_empty()).then_some(Write::Attributes { values })
    }

    /// The attributes whose time is over by now. For the eldest, which then says so.
    pub fn due(&mut self, now: Duration) -> Vec<String> {
        self.tell(|known| known.due.is_some_and(|due| due <= now))
    }

    /// All that is gathered: somebody wants it written now.
    pub fn all(&mut self) -> Vec<String> {
        self.tell(|known| known.due.is_some())
    }

    fn tell(&mut self, which: impl Fn(&Known) -> bool) -> Vec<String> {
        let mut names = Vec::new();
        for (name, known) in self.known.iter_mut().filter(|(_, known)| !known.told && which(known)) {
            known.told = true;
            names.push(name.clone());
        }
        names
    }

    /// When the next is due.
    pub fn deadline(&self) -> Option<Duration> {
        self.known.values().filter(|known| !known.told).filter_map(|known| known.due).min()
    }

    /// A node was lost, or knows nothing any more: its values are gone with it.
    pub fn forget(&mut self, node: &str) {
        for known in self.known.values_mut() {
            known.values.remove(node);
            if known.values.is_empty() {
                known.due = None;
            }
        }
    }

    /// Who is here changed, and a new meeting begins if members came. What the eldest said may be lost with it.
    pub fn membership(&mut self, now: Duration, cib: &Cib) {
        self.known.values_mut().for_each(|known| known.told = false);
        for (node, update) in std::mem::take(&mut self.held_back) {
            self.take(now, cib, &node, &update);
        }
    }

    /// For our hello.
    pub fn state(&self) -> Vec<AttributeState> {
        let state = |(name, known): (&String, &Known)| AttributeState {
            name: name.clone(),
            dampening_ms: known.dampening.as_millis() as u64,
            private: known.private,
            values: known.values.iter().map(|(node, value)| (node.clone(), value.clone())).collect(),
        };
        self.known.iter().map(state).collect()
    }

    /// All members have spoken: what they hold together counts from here on, and what was held back is added to it.
    /// `spoken`: each member with its name and what it holds.
    pub fn meet(&mut self, now: Duration, cib: &Cib, spoken: &BTreeMap<NodeId, (String, Vec<AttributeState>)>) {
        self.known = BTreeMap::new();
        // From the highest id to the lowest, so that the lowest has the last word, and then each on itself.
        for own in [false, true] {
            for (speaker, states) in spoken.values().rev() {
                for state in states {
                    let known = self.known.entry(state.name.clone()).or_default();
                    known.dampening = Duration::from_millis(state.dampening_ms);
                    known.private = state.private;
                    let counts = state.values.iter().filter(|(node, _)| !own || node == speaker);
                    known.values.extend(counts.cloned());
                }
            }
        }
        for known in self.known.values_mut() {
            known.due = (!known.private && !known.values.is_empty()).then_some(now + known.dampening);
        }
        self.membership(now, cib);
    }

    /// Takes out all that is to be written, one by one: some member knows only that.
    pub fn drain(&mut self) -> Vec<NodeAttribute> {
        let names: Vec<String> = self.known.keys().cloned().collect();
        match self.gathered(&names) {
            Some(Write::Attributes { values }) => values,
            _ => Vec::new(),
        }
    }

    /// What a tool sees: what the CIB says, and over it what is gathered or private.
    pub fn values(&self, cib: &Cib, name: Option<&str>, node: Option<&str>) -> Vec<AttributeValue> {
        let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
        let document = cib.document();
        for state in document.descend(&["status"]).into_iter().flat_map(|s| document.children_named(s, "node_state")) {
            let uname = document.attribute(state, "uname").unwrap_or("");
            for pair in pairs(cib, state) {
                let (Some(key), Some(value)) = (document.attribute(pair, "name"), document.attribute(pair, "value"))
                else {
                    continue;
                };
                found.insert((uname.to_owned(), key.to_owned()), value.to_owned());
            }
        }
        for (key, known) in &self.known {
            for (node, value) in &known.values {
                match value {
                    Some(value) => drop(found.insert((node.clone(), key.clone()), value.clone())),
                    None => drop(found.remove(&(node.clone(), key.clone()))),
                }
            }
        }
        found
            .into_iter()
            .map(|((node, name), value)| AttributeValue { node, name, value })
            .filter(|one| name.is_none_or(|name| name == one.name) && node.is_none_or(|node| node == one.node))
            .collect()
    }
}

fn pairs(cib: &Cib, state: cib::Element) -> impl Iterator<Item = cib::Element> + '_ {
    let document = cib.document();
    document
        .child(state, "transient_attributes")
        .into_iter()
        .flat_map(|attributes| document.children_named(attributes, "instance_attributes"))
        .flat_map(|set| document.children_named(set, "nvpair"))
}

fn transient_value<'a>(cib: &'a Cib, node: &str, name: &str) -> Option<&'a str> {
    let document = cib.document();
    let status = document.descend(&["status"])?;
    let is =
        |state: &cib::Element| [document.attribute(*state, "uname"), Some(document.id(*state))].contains(&Some(node));
    let state = document.children_named(status, "node_state").find(is)?;
    let pair = pairs(cib, state).find(|pair| document.attribute(*pair, "name") == Some(name))?;
    document.attribute(pair, "value")
}

/// Whether any node has the attribute in the CIB.
fn stands_in(cib: &Cib, name: &str) -> bool {
    let document = cib.document();
    let Some(status) = document.descend(&["status"]) else { return false };
    let mut all = document.children_named(status, "node_state").flat_map(|state| pairs(cib, state));
    all.any(|pair| document.attribute(pair, "name") == Some(name))
}

/// `value++` and `value+=N` count on, as scores do; anything else is the value itself.
fn expanded(text: &str, before: Option<&str>) -> String {
    let more = match text.strip_prefix("value") {
        Some("++") => Some(Score::from(1)),
        Some(rest) => rest.strip_prefix("+=").and_then(Score::parse_exact),
        None => None,
    };
    match more {
        Some(more) => (before.and_then(Score::parse_exact).unwrap_or_default() + more).to_string(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cib() -> Cib {
        Cib::parse(
            "<cib><status><node_state id='1' uname='a'/><node_state id='2' uname='b'><transient_attributes id='2'>\
             <instance_attributes id='s'><nvpair id='s-ping' name='ping' value='100'/></instance_attributes>\
             </transient_attributes></node_state></status></cib>",
        )
        .unwrap()
    }

    fn set(value: &str, dampening: Dampening) -> Update {
        let change = AttributeChange::Set(value.into());
        Update { node: None, name: "ping".into(), change, dampening, private: false }
    }

    /// What is written, in a line: `a=1 b-`.
    fn text(write: Option<Write>) -> String {
        let Some(Write::Attributes { values }) = write else { return String::new() };
        let one =
            |of: &NodeAttribute| of.value.as_ref().map_or(format!("{}-", of.node), |v| format!("{}={v}", of.node));
        values.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn without_dampening_each_change_is_written_and_what_is_there_is_no_change() {
        let mut attributes = Attributes::default();
        let mut to =
            |node: &str, value: &str| text(attributes.update(SECOND, &cib(), node, &set(value, Dampening::Keep)));
        assert_eq!(to("a", "7"), "a=7");
        assert_eq!(to("b", "100"), "", "the CIB has it");
        assert_eq!(to("b", "value++"), "b=101");
        assert_eq!(to("b", "value+=-1000000"), "b=-INFINITY");
        assert_eq!(to("a", "value+=x"), "a=value+=x", "not a number, so it is the text itself");
    }

    #[test]
    fn the_first_change_starts_the_time_and_all_nodes_are_written_together() {
        let mut attributes = Attributes::default();
        let gather = Dampening::Set(5_000);
        assert_eq!(text(attributes.update(SECOND, &cib(), "a", &set("0", gather))), "");
        assert_eq!(text(attributes.update(SECOND * 3, &cib(), "b", &set("0", Dampening::Keep))), "");
        assert_eq!(attributes.deadline(), Some(SECOND * 6), "from the first change on");
        assert_eq!(attributes.due(SECOND * 5), Vec::<String>::new());
        assert_eq!(attributes.due(SECOND * 6), ["ping"]);
        assert_eq!(attributes.due(SECOND * 7), Vec::<String>::new(), "said once");
        let seen = attributes.values(&cib(), Some("ping"), Some("b"));
        assert_eq!(seen.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["0"], "a tool sees it already");
        assert_eq!(text(attributes.gathered(&["ping".into()])), "a=0 b=0");
        assert_eq!(attributes.deadline(), None);
    }

    #[test]
    fn a_change_that_is_taken_back_in_time_never_was_one() {
        let mut attributes = Attributes::default();
        attributes.update(SECOND, &cib(), "b", &set("0", Dampening::Set(5_000)));
        attributes.update(SECOND * 2, &cib(), "b", &set("100", Dampening::Keep));
        assert_eq!(attributes.deadline(), None);
        // The dampening of an attribute that is there is changed by those who say so only.
        attributes.update(SECOND, &cib(), "b", &set("0", Dampening::IfNew(90_000)));
        assert_eq!(attributes.deadline(), Some(SECOND * 6));
    }

    #[test]
    fn a_private_value_is_never_written_and_goes_with_its_node() {
        let mut attributes = Attributes::default();
        let private = Update { private: true, ..set("secret", Dampening::Keep) };
        assert_eq!(attributes.update(SECOND, &cib(), "a", &private), None);
        assert_eq!(attributes.all(), Vec::<String>::new());
        assert_eq!(attributes.values(&cib(), None, Some("a")).len(), 1);
        attributes.forget("a");
        assert_eq!(attributes.values(&cib(), None, Some("a")), []);
    }

    #[test]
    fn members_that_meet_agree_each_having_the_last_word_on_itself() {
        let of = |values: &[(&str, &str)]| {
            let mut one = Attributes::default();
            for (node, value) in values {
                one.update(SECOND, &cib(), node, &set(value, Dampening::Set(5_000)));
            }
            one
        };
        let (a, b) = (of(&[("a", "1"), ("b", "2"), ("c", "3")]), of(&[("a", "7"), ("b", "8"), ("c", "9")]));
        let spoken =
            BTreeMap::from([(NodeId(1), ("a".to_owned(), a.state())), (NodeId(2), ("b".to_owned(), b.state()))]);
        for mut member in [a, b, Attributes::default()] {
            member.hold_back("d", set("4", Dampening::Keep));
            member.meet(SECOND * 10, &cib(), &spoken);
            assert_eq!(member.deadline(), Some(SECOND * 15));
            assert_eq!(text(member.gathered(&["ping".into()])), "a=1 b=8 c=3 d=4");
        }
    }
}

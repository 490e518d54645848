//! Every line of every host's file, and what becomes of it.

use keepalived::statement::Statement;

use super::Draft;
use crate::verdict::{Item, Question, Verdict};
use crate::words::{Fate, fate};

/// Bytes of a line that a report shows.
const SHOWN_MAX: usize = 120;

pub(super) fn all(draft: &mut Draft<'_, '_>) {
    let hosts = draft.hosts;
    for (host, model) in hosts {
        let mut walk = Walk { host, items: &mut draft.items };
        for one in &model.defaults.statements {
            walk.statement("global_defs", "global_defs", one);
        }
        for script in &model.scripts {
            walk.whole(&script.statement);
        }
        for one in model.rest.iter().chain(&model.bfd).chain(&model.servers) {
            walk.whole(one);
        }
        for group in &model.groups {
            walk.whole(&group.statement);
        }
        for instance in &model.instances {
            walk.whole(&instance.statement);
        }
    }
    lost(draft);
}

/// What is lost has to be accepted, each kind by itself.
fn lost(draft: &mut Draft<'_, '_>) {
    let mut questions: Vec<Question> = Vec::new();
    for item in &draft.items {
        let Verdict::Cannot(instead) = &item.verdict else { continue };
        let word = item.path.rsplit(" / ").next().unwrap_or_default();
        let name = format!("lost.{word}");
        if questions.iter().all(|question| question.name != name) {
            questions.push(Question {
                name,
                text: format!("{word} cannot be carried over. Is that accepted?"),
                choices: vec![("accept".into(), instead.clone())],
                default: None,
                answer: None,
                place: Some((item.host.clone(), item.place.clone())),
            });
        }
    }
    for question in questions {
        draft.ask(question);
    }
}

struct Walk<'w> {
    host: &'w str,
    items: &'w mut Vec<Item>,
}

impl Walk<'_> {
    /// A block outside of all others.
    fn whole(&mut self, one: &Statement) {
        let path = one.words.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
        self.item(path.clone(), one, fate("top", one.word()));
        // Servers go as a whole, and addresses, routes and members of a group are values.
        if matches!(one.word(), "virtual_server" | "virtual_server_group" | "SSL") {
            return;
        }
        let values = matches!(
            one.word(),
            "static_ipaddress" | "static_routes" | "static_rules" | "linkbeat_interfaces" | "interface_up_down_delays"
        );
        if !values {
            for inner in &one.block {
                self.statement(&path, one.word(), inner);
            }
        }
    }

    fn statement(&mut self, path: &str, block: &str, one: &Statement) {
        let path = format!("{path} / {}", one.word());
        self.item(path.clone(), one, fate(block, one.word()));
        match one.word() {
            "authentication" => {
                for inner in &one.block {
                    self.statement(&path, "authentication", inner);
                }
            }
            "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
                for line in &one.block {
                    self.address(&path, line);
                }
            }
            _ => {}
        }
    }

    /// A line with an address: what of it is not as it was.
    fn address(&mut self, path: &str, line: &Statement) {
        let has = |word: &str| line.words.iter().any(|other| other == word);
        let value = |word: &str| line.words.iter().position(|other| other == word).and_then(|at| line.argument(at + 1));
        let by = "an IPaddr2 resource";
        let mut verdicts: Vec<(&str, Verdict)> = Vec::new();
        for word in ["peer", "home", "mngtmpaddr", "autojoin"] {
            if has(word) {
                let instead = format!(
                    "IPaddr2 sets no {word}: leave it out if nothing needs it, or set it by ip address change in a \
                     notify script"
                );
                verdicts.push((word, Verdict::Cannot(instead)));
            }
        }
        if let Some(scope) = value("scope").filter(|scope| !matches!(*scope, "global" | "0")) {
            let difference = format!("its scope will be global, not {scope}, once it has been on another host");
            verdicts.push(("scope", Verdict::Differs { by: by.into(), difference }));
        }
        if has("no_track") {
            verdicts.push(("no_track", Verdict::Carried("on-fail=ignore of its monitor".into())));
        }
        if has("track_group") {
            let why = "only static addresses are tracked by a group".to_owned();
            verdicts.push(("track_group", Verdict::Dropped(why)));
        }
        if has("use_vmac") {
            verdicts.push(("use_vmac", Verdict::Asked("vmac".into())));
        }
        if let (Some(label), device) = (value("label"), value("dev")) {
            let (before, after) = label.split_once(':').unwrap_or((label, ""));
            if after.is_empty() || device.is_some_and(|device| device != before) {
                let difference = format!("labels are INTERFACE:WORD for IPaddr2; {label} is not, and is left out");
                verdicts.push(("label", Verdict::Differs { by: by.into(), difference }));
            }
        }
        for (word, verdict) in verdicts {
            self.push(format!("{path} / {word}"), line, verdict);
        }
    }

    fn item(&mut self, path: String, one: &Statement, fate: Option<Fate>) {
        let verdict = match fate {
            Some(Fate::Carried(by)) => Verdict::Carried(by.to_owned()),
            Some(Fate::Differs(by, difference)) => {
                Verdict::Differs { by: by.to_owned(), difference: difference.to_owned() }
            }
            Some(Fate::Asked(question)) => Verdict::Asked(question.to_owned()),
            Some(Fate::Cannot(instead)) => Verdict::Cannot(instead.to_owned()),
            Some(Fate::Dropped(why)) => Verdict::Dropped(why.to_owned()),
            // The reader lets no word through that it does not know, and each that it knows has a fate.
            None => Verdict::Dropped("keepalived ignores it too".to_owned()),
        };
        self.push(path, one, verdict);
    }

    fn push(&mut self, path: String, one: &Statement, verdict: Verdict) {
        let mut text = if one.word() == "auth_pass" { "auth_pass ********".to_owned() } else { one.words.join(" ") };
        if text.len() > SHOWN_MAX {
            let end = (0..=SHOWN_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        self.items.push(Item { host: self.host.to_owned(), place: one.place.clone(), path, text, verdict });
    }
}

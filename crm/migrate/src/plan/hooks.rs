//! Scripts at transitions, pipes and mail.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::configuration::{Alert, Parameters, Primitive, commands_quote};
use crate::unit::Unit;

/// Time between two looks at a hook; there is nothing to see but whether it was started.
const MONITOR: &str = "60s";
/// The program that Pacemaker brings for mail.
const MAIL: &str = "/usr/share/pacemaker/alerts/alert_smtp.sh.sample";

/// Words of scripts, and the parameter each becomes.
const SCRIPTS: &[(&str, &str)] = &[
    ("notify_master", "on_master"),
    ("notify_backup", "on_backup"),
    ("notify_fault", "on_fault"),
    ("notify_stop", "on_stop"),
    ("notify", "notify"),
];

/// The hooks of a unit: one for each instance that has scripts or whose host has a pipe, and one for its group.
pub(super) fn hooks(draft: &mut Draft<'_, '_>, unit: &Unit<'_>) -> Vec<Primitive> {
    let mut resources = Vec::new();
    for router in &unit.routers {
        let hosts: Vec<(String, BTreeMap<String, String>)> = router
            .members
            .iter()
            .map(|member| {
                let command = |word: &str| member.instance.notify.get(word).cloned();
                let priority = member.instance.priority;
                (
                    member.host.to_owned(),
                    hook(draft, member.host, ("INSTANCE", &member.instance.name), priority, &command),
                )
            })
            .collect();
        resources.extend(resource(draft, &format!("{}-notify", router.members[0].instance.name), hosts));
    }
    let groups: Vec<(String, BTreeMap<String, String>)> = unit
        .groups
        .iter()
        .map(|(host, group)| {
            let command = |word: &str| {
                let line = group.statement.block.iter().find(|one| one.word() == word)?;
                Some(line.words[1..].to_vec())
            };
            ((*host).to_owned(), hook(draft, host, ("GROUP", &group.name), 0, &command))
        })
        .collect();
    resources.extend(resource(draft, &format!("{}-notify-group", unit.name), groups));
    resources
}

/// A hook, if any of the hosts has something to do in it.
fn resource(
    draft: &mut Draft<'_, '_>,
    name: &str,
    hosts: Vec<(String, BTreeMap<String, String>)>,
) -> Option<Primitive> {
    let does = |pairs: &BTreeMap<String, String>| {
        pairs.keys().any(|name| name == "fifo" || SCRIPTS.iter().any(|(_, parameter)| parameter == name))
    };
    hosts.iter().any(|(_, pairs)| does(pairs)).then(|| {
        let id = draft.ids.take(name);
        Primitive::new(id, ("ocf", Some("systole"), "NotifyHook"), MONITOR).with(Parameters::merged(&hosts))
    })
}

fn hook(
    draft: &Draft<'_, '_>,
    host: &str,
    (kind, name): (&str, &str),
    priority: u8,
    command: &dyn Fn(&str) -> Option<Vec<String>>,
) -> BTreeMap<String, String> {
    let mut pairs: BTreeMap<String, String> =
        [("kind", kind.to_owned()), ("name", name.to_owned()), ("priority", priority.to_string())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    for (word, parameter) in SCRIPTS {
        let Some(words) = command(word) else { continue };
        // A script may have its user behind it, in keepalived's own way: COMMAND USER [GROUP].
        let mut words = words;
        let (first, user) = (words.first().cloned().unwrap_or_default(), words.split_off(words.len().min(1)));
        let command = keepalived::words::quoted(&first).unwrap_or_else(|_| vec![first]);
        let shown: Vec<String> = command.iter().map(|word| commands_quote(word)).collect();
        if shown.is_empty() {
            continue;
        }
        pairs.insert((*parameter).to_owned(), shown.join(" "));
        if let Some(user) = user.first() {
            pairs.insert("user".to_owned(), user.clone());
        }
    }
    let Some((_, model)) = draft.hosts.iter().find(|(other, _)| other == host) else { return pairs };
    let global = |words: &[&str]| {
        let found = model.defaults.statements.iter().rev().find(|one| words.contains(&one.word()))?;
        found.argument(1).map(str::to_owned)
    };
    if let Some(fifo) = global(&["notify_fifo", "vrrp_notify_fifo"]) {
        pairs.insert("fifo".to_owned(), fifo);
    }
    if let (Some(user), false) = (global(&["script_user"]), pairs.contains_key("user")) {
        pairs.insert("user".to_owned(), user);
    }
    pairs
}

/// One alert for all mail, if any instance or group sends some.
pub(super) fn mail(draft: &mut Draft<'_, '_>, units: &[Unit<'_>]) {
    let instances = units.iter().flat_map(Unit::instances).any(|member| member.instance.smtp_alert);
    let groups = units.iter().flat_map(|unit| &unit.groups);
    let says = |word: &str, block: &[keepalived::statement::Statement]| block.iter().any(|one| one.word() == word);
    let groups = groups.into_iter().any(|(_, group)| says("smtp_alert", &group.statement.block));
    let mut recipients = BTreeSet::new();
    let mut from = None;
    for (_, model) in draft.hosts {
        for one in &model.defaults.statements {
            match one.word() {
                "notification_email" => {
                    recipients.extend(one.block.iter().map(|line| line.word().to_owned()));
                }
                "notification_email_from" => from = from.or(one.argument(1).map(str::to_owned)),
                _ => {}
            }
        }
    }
    if !(instances || groups) || recipients.is_empty() {
        return;
    }
    let options = from.map(|from| [("email_sender".to_owned(), from)].into()).unwrap_or_default();
    let id = draft.ids.take("alert-mail");
    let recipients = recipients.into_iter().collect();
    draft.configuration.alerts.push(Alert { id, path: MAIL.to_owned(), options, recipients });
    draft.advice.push(format!(
        "Mail is sent by {MAIL} with the host's own sendmail: have it there, executable, on each host; keepalived spoke to \
         smtp_server itself"
    ));
}

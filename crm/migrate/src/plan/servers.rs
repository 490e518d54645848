//! What is not the cluster's: IPVS, for which keepalived stays or another balancer comes, and what is static on each host.

use keepalived::statement::Statement;

use super::Draft;
use super::balancer::{haproxy, ldirectord};
use super::object::{Kind, not_taken, spec};
use crate::configuration::{Constraint, Parameters, Primitive, Resource};
use crate::text;
use crate::unit::Unit;

/// Words of global_defs that its checker goes on needing.
const CHECKER: &[&str] = &[
    "router_id",
    "notification_email",
    "notification_email_from",
    "smtp_server",
    "smtp_helo_name",
    "smtp_connect_timeout",
    "smtp_alert",
    "smtp_alert_checker",
    "checker_log_all_failures",
    "no_checker_emails",
    "no_email_faults",
    "rs_init_notifies",
    "lvs_timeouts",
    "lvs_flush",
    "lvs_flush_on_stop",
    "lvs_flush_onstop",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "script_user",
    "enable_script_security",
];

pub(super) fn all(draft: &mut Draft<'_, '_>, units: &[Unit<'_>], resources: &[Option<String>]) {
    let hosts = draft.hosts;
    let choice = draft.holds("ipvs").to_owned();
    let keep = choice == "keep";
    let network = draft.holds("static") == "network";
    let mut serving = 0;
    for (host, model) in hosts {
        if keep && !model.servers.is_empty() {
            serving += 1;
            let mut statements: Vec<Statement> = Vec::new();
            if let Some(place) = model.servers.first().map(|one| one.place.clone()) {
                let block = model.defaults.statements.iter().filter(|one| CHECKER.contains(&one.word())).cloned();
                let words = vec!["global_defs".to_owned()];
                statements.push(Statement { words, block: block.collect(), place });
            }
            statements.extend(model.rest.iter().filter(|one| one.word() == "track_file").cloned());
            statements.extend(model.servers.iter().cloned());
            draft.files.insert(format!("keepalived-ipvs.{host}.conf"), text::statements(&statements));
        }
        let made = match choice.as_str() {
            _ if model.servers.is_empty() => None,
            "ldirectord" => Some(("ldirectord", "cf", ldirectord(&model.servers))),
            "haproxy" => Some(("haproxy", "cfg", haproxy(&model.servers))),
            _ => None,
        };
        if let Some((name, ending, made)) = made {
            serving += 1;
            let file = format!("{name}.{host}.{ending}");
            if !made.lost.is_empty() {
                let lost: Vec<String> = made.lost.into_iter().collect();
                draft.advice.push(format!("In {file} there is no counterpart of: {}", lost.join(", ")));
            }
            draft.files.insert(file, made.text);
        }
        let fixed: Vec<String> = model.rest.iter().flat_map(|one| commands(one, model)).collect();
        if network && !fixed.is_empty() {
            let script = format!("#!/bin/sh\nset -e\n{}\n", fixed.join("\n"));
            draft.files.insert(format!("static.{host}.sh"), script);
        }
    }
    if serving > 0 {
        let primitive = match choice.as_str() {
            "ldirectord" => {
                let id = draft.ids.take("ldirectord");
                let file = Parameters::all(&[("configfile", "/etc/ha.d/ldirectord.cf".to_owned())]);
                Primitive::new(id, ("ocf", Some("heartbeat"), "ldirectord"), "20s").with(file)
            }
            "haproxy" => Primitive::new(draft.ids.take("haproxy"), ("systemd", None, "haproxy"), "10s"),
            _ => Primitive::new(draft.ids.take("ipvs"), ("systemd", None, "keepalived"), "10s"),
        };
        clone(draft, units, resources, primitive);
    }
    let synchronizes = hosts.iter().any(|(_, model)| {
        model.defaults.statements.iter().any(|one| one.word() == "lvs_sync_daemon")
            || model
                .instances
                .iter()
                .flat_map(|one| &one.statement.block)
                .any(|one| one.word() == "lvs_sync_daemon_interface")
    });
    if synchronizes {
        draft.advice.push(
            "The synchronization of IPVS connections follows an instance in keepalived; without instances it has to be \
             started by hand (ipvsadm --start-daemon master on the active host, backup on the others), or connections \
             through IPVS break at a failover"
                .to_owned(),
        );
    }
}

/// The balancer on every host; addresses run where it runs.
fn clone(draft: &mut Draft<'_, '_>, units: &[Unit<'_>], resources: &[Option<String>], primitive: Primitive) {
    let name = primitive.id.clone();
    let clone = draft.ids.take(&format!("{name}-clone"));
    draft.configuration.resources.push(Resource::Clone(primitive));
    for (unit, resource) in units.iter().zip(resources) {
        let Some(resource) = resource else { continue };
        let id = draft.ids.take(&format!("{}-with-{name}", unit.name));
        let (resource, with) = (resource.clone(), clone.clone());
        draft.configuration.constraints.push(Constraint::Colocation { id, resource, with });
    }
}

/// The ip commands for what is static.
fn commands(one: &Statement, model: &keepalived::Model) -> Vec<String> {
    let device = model.defaults.interface.as_deref();
    let line = |line: &Statement| match one.word() {
        "static_ipaddress" => {
            let mut words: Vec<String> = line.words.clone();
            if let (false, Some(device)) = (words.iter().any(|word| word == "dev"), device) {
                words.extend(["dev".to_owned(), device.to_owned()]);
            }
            words.retain(|word| !matches!(word.as_str(), "no_track" | "-nodad"));
            Some(format!("ip address replace {}", quoted(&words)))
        }
        "static_routes" => {
            let spec = spec(Kind::Route, line, device, model);
            not_taken(Kind::Route, line).is_none().then(|| {
                format!("ip route replace {}", quoted(&spec.split(' ').map(str::to_owned).collect::<Vec<_>>()))
            })
        }
        "static_rules" => {
            let spec = spec(Kind::Rule, line, None, model);
            not_taken(Kind::Rule, line)
                .is_none()
                .then(|| format!("ip rule add {}", quoted(&spec.split(' ').map(str::to_owned).collect::<Vec<_>>())))
        }
        _ => None,
    };
    one.block.iter().filter_map(line).collect()
}

fn quoted(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| crate::configuration::commands_quote(word)).collect();
    words.join(" ")
}

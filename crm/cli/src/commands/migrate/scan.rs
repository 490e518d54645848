//! `systole migrate keepalived scan`: what keepalived does today on these hosts, by their files, and what the files
//! disagree on.

use clap::{Arg, ArgAction, ArgMatches};
use keepalived::model::{Instance, Version};
use keepalived::pairs::{Conflict, Router, conflicts, routers};
use keepalived::{Files, Model, Note, Severity};
use migrate::collected::{Collected, at_this_moment};
use serde_json::{Value, json};

use super::files::{self, render};
use crate::commands::Command;
use crate::terminal::{Paint, print, print_json};
use crate::{EXIT_FAILURE, EXIT_OK};

/// The command.
pub const COMMAND: Command = Command { name: "scan", grammar, run };

fn grammar() -> clap::Command {
    let after = "Each file is read as keepalived reads it on the host of that name: lines that begin with @NAME count for \
                 that host only, includes are looked for in the file's directory and below. Of what `collect` made on a \
                 host it is also said who has which address at that moment. NODE=@ has that host's agent collect it now (`systole host auth` enrols \
                 hosts). Nothing is changed.\n\nThe exit status is 1 if a file cannot be used.\n\n\
                 Examples:\n  systole migrate keepalived scan one=/srv/one/keepalived.conf two=/srv/two/keepalived.conf\n  \
                 systole migrate keepalived scan /etc/keepalived/keepalived.conf\n  \
                 systole migrate keepalived scan one=@ two=@";
    clap::Command::new("")
        .about("Say what keepalived does today, and what the hosts' files disagree on")
        .after_help(after)
        .arg(files::argument())
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("For programs: {\"hosts\": […], \"routers\": […], \"now\": […]}"),
        )
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    let files::Given { hosts, scanned, collected } = files::hosts(arguments)?;
    let now = now(&hosts, &collected);
    let routers = routers(&hosts);
    if arguments.get_flag("json") {
        print_json(&as_json(&hosts, &routers, &now))?;
    } else {
        print(&text(&hosts, &scanned, &routers, &now, Paint::for_output()))?;
    }
    Ok(if hosts.iter().any(|(_, model)| model.has_errors()) { EXIT_FAILURE } else { EXIT_OK })
}

/// What is so at this moment, of the hosts whose addresses are known.
fn now(hosts: &[(String, Model)], collected: &[Option<Collected>]) -> Vec<String> {
    let known: Vec<(String, Model, &Collected)> = hosts
        .iter()
        .zip(collected)
        .filter_map(|((name, model), found)| Some((name.clone(), model.clone(), found.as_ref()?)))
        .collect();
    at_this_moment(&known)
}

fn text(hosts: &[(String, Model)], scanned: &[Files], routers: &[Router<'_>], now: &[String], paint: Paint) -> String {
    let mut out = String::new();
    for ((name, model), files) in hosts.iter().zip(scanned) {
        out += &paint.title(&format!("{name}: {}", files.main()));
        out += "\n";
        for instance in &model.instances {
            out += &shown(instance);
        }
        for group in &model.groups {
            out += &format!("  group {}: {} move together\n", group.name, group.members.join(", "));
        }
        for script in &model.scripts {
            out += &format!(
                "  script {}: `{}` every {} s\n",
                script.name,
                script.command.join(" "),
                seconds(script.interval_us)
            );
        }
        if !model.servers.is_empty() {
            out += &format!(
                "  {} virtual server(s) of IPVS\n",
                model.servers.iter().filter(|one| one.word() == "virtual_server").count()
            );
        }
        for note in &model.notes {
            out += &format!("\n{}\n", render(files, note, paint.is_on()));
        }
        out += "\n";
    }
    for router in routers {
        let members: Vec<String> = router
            .members
            .iter()
            .map(|member| format!("{} ({}, priority {})", member.host, member.instance.name, member.instance.priority))
            .collect();
        out += &paint.title(&format!(
            "Virtual router {}{}: {}",
            router.id,
            if router.v6 { " of IPv6" } else { "" },
            members.join(", ")
        ));
        out += "\n";
        let found = conflicts(router, hosts);
        if found.is_empty() && hosts.len() > 1 {
            out += "  The files agree.\n";
        }
        for conflict in found {
            out += &format!("  {}.\n    Today: {}.\n", conflict.message, conflict.today);
        }
    }
    if !now.is_empty() {
        out += &format!("{}\n", paint.title("When this was collected"));
        now.iter().for_each(|line| out += &format!("  {line}.\n"));
    }
    out
}

fn seconds(us: u64) -> String {
    (us as f64 / 1e6).to_string()
}

fn shown(instance: &Instance) -> String {
    let addresses: Vec<String> = instance.addresses.iter().chain(&instance.excluded).map(ToString::to_string).collect();
    let mut out = format!(
        "  instance {}: router {}, {}, priority {}, advert every {} s (VRRPv{})\n",
        instance.name,
        instance.router_id,
        instance.interface.as_deref().unwrap_or("no interface"),
        instance.priority,
        seconds(instance.advert_us),
        if instance.version == Version::Two { 2 } else { 3 },
    );
    for address in addresses {
        out += &format!("    {address}\n");
    }
    for (kind, tracked) in &instance.tracked {
        let names: Vec<&str> = tracked.iter().map(|one| one.name.as_str()).collect();
        out += &format!("    {kind}: {}\n", names.join(", "));
    }
    out
}

fn as_json(hosts: &[(String, Model)], routers: &[Router<'_>], now: &[String]) -> Value {
    let note = |note: &Note| {
        json!({
            "severity": if note.severity == Severity::Error { "error" } else { "warning" },
            "file": note.place.file, "line": note.place.line, "word": note.word, "message": note.message,
        })
    };
    let instance = |one: &Instance| {
        json!({
            "name": one.name, "interface": one.interface, "router_id": one.router_id, "priority": one.priority,
            "master": one.master, "nopreempt": one.nopreempt, "advert_ms": one.advert_us / 1000,
            "addresses": one.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "excluded": one.excluded.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    };
    let host = |(name, model): &(String, Model)| {
        json!({
            "name": name,
            "instances": model.instances.iter().map(instance).collect::<Value>(),
            "groups": model.groups.iter().map(|group| json!({"name": group.name, "members": group.members})).collect::<Value>(),
            "scripts": model.scripts.iter().map(|script| json!({"name": script.name, "command": script.command})).collect::<Value>(),
            "notes": model.notes.iter().map(note).collect::<Value>(),
        })
    };
    let conflict = |one: Conflict| json!({"rule": one.rule, "message": one.message, "today": one.today});
    let router = |one: &Router<'_>| {
        json!({
            "id": one.id,
            "members": one.members.iter().map(|member| json!({"host": member.host, "instance": member.instance.name})).collect::<Value>(),
            "conflicts": conflicts(one, hosts).into_iter().map(conflict).collect::<Value>(),
        })
    };
    json!({
        "hosts": hosts.iter().map(host).collect::<Value>(),
        "routers": routers.iter().map(router).collect::<Value>(),
        "now": now,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use keepalived::Host;

    use super::super::files::read;
    use super::*;

    #[test]
    fn hosts_are_read_with_their_includes_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let host = |name: &str, more: &str| {
            let folder = folder.path().join(name);
            fs::create_dir_all(folder.join("conf.d")).unwrap();
            fs::write(folder.join("keepalived.conf"), "include conf.d/*.conf\n").unwrap();
            let text = format!(
                "vrrp_instance WEB {{\n interface eth0\n virtual_router_id 51\n @one priority 150\n foo bar\n{more} virtual_ipaddress {{\n 10.0.0.9/24\n }}\n}}\n"
            );
            fs::write(folder.join("conf.d/web.conf"), text).unwrap();
            read(&folder.join("keepalived.conf")).unwrap()
        };
        let scanned = [host("one", ""), host("two", " advert_int 3\n")];
        let model = |name: &str, files: &Files| {
            (name.to_owned(), Model::read(files, &Host { config_id: name.into(), instance: name.into() }))
        };
        let hosts = [model("one", &scanned[0]), model("two", &scanned[1])];
        let routers = routers(&hosts);
        let shown = text(&hosts, &scanned, &routers, &[], Paint::PLAIN);
        assert!(shown.contains("instance WEB: router 51, eth0, priority 150, advert every 1 s (VRRPv2)\n    10.0.0.9/24 dev eth0 scope global\n"), "{shown}");
        assert!(shown.contains("5 |  foo bar\n  |  ^^^\n"), "{shown}");
        assert!(shown.contains("Virtual router 51: one (WEB, priority 150), two (WEB, priority 100)\n  advert_int differs: 1000 ms on one; 3000 ms on two.\n"), "{shown}");
        assert_eq!(as_json(&hosts, &routers, &[])["routers"][0]["conflicts"][0]["rule"], "timers");
    }
}

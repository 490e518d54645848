//! `pcs resource bundle …`: containers with a resource in them.

use cib::{Document, Element};

use super::create;
use crate::call::{Call, Done, Refusal};
use crate::command_line::nearest;
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "bundle", "create"],
        arguments: "<bundle id> container <container type> <option>=<value>… [network …] [port-map …]… [storage-map …]… [meta …]",
        about: "Creates a bundle",
        options: &["--disabled", "--force"],
        run: create_bundle,
    },
    Command {
        path: &["resource", "bundle", "update"],
        arguments: "<bundle id> [container …] [network …] [port-map add … | delete <id>…]… [storage-map add … | delete <id>…]… [meta …]",
        about: "Changes a bundle",
        options: &["--force"],
        run: update,
    },
    Command {
        path: &["resource", "bundle", "reset"],
        arguments: "<bundle id> [container …] [network …] [port-map …]… [storage-map …]… [meta …]",
        about: "Configures a bundle anew",
        options: &["--disabled", "--force"],
        run: reset,
    },
];

const CONTAINERS: [&str; 3] = ["docker", "podman", "rkt"];
const CONTAINER_OPTIONS: &[&str] =
    &["image", "masters", "network", "options", "promoted-max", "replicas", "replicas-per-host", "run-command"];
const NETWORK_OPTIONS: &[&str] = &["add-host", "control-port", "host-interface", "host-netmask", "ip-range-start"];
const PORT_OPTIONS: &[&str] = &["id", "internal-port", "port", "range"];
const STORAGE_OPTIONS: &[&str] = &["id", "options", "source-dir", "source-dir-root", "target-dir"];

/// The parts of a command line about a bundle.
struct Parts {
    container: Vec<String>,
    network: Pairs,
    ports: Vec<Vec<String>>,
    storage: Vec<Vec<String>>,
    meta: Pairs,
}

fn parts(words: &[String]) -> Done<Parts> {
    let keywords = ["container", "network", "port-map", "storage-map", "meta"];
    let groups = pairs::groups(words, &keywords);
    if groups.contains_key("") {
        return Err(Refusal::usage(format!("expected one of {}", listed(keywords))));
    }
    for (keyword, runs) in &groups {
        if runs.iter().any(Vec::is_empty) {
            return Err(Refusal::usage(format!("No {keyword} options specified")));
        }
    }
    Ok(Parts {
        container: pairs::joined(&groups, "container"),
        network: pairs::read(&pairs::joined(&groups, "network"))?,
        ports: groups.get("port-map").cloned().unwrap_or_default(),
        storage: groups.get("storage-map").cloned().unwrap_or_default(),
        meta: pairs::read(&pairs::joined(&groups, "meta"))?,
    })
}

fn check_names(call: &mut Call<'_>, of: &str, options: &Pairs, allowed: &[&str]) {
    for (name, _) in options.iter().filter(|(name, _)| !allowed.contains(&name.as_str())) {
        let near = nearest(name, allowed.iter().copied());
        let near = near.map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default();
        let allowed = listed(allowed.iter().copied());
        // The schema knows no others, so force changes nothing but for the network.
        let text = format!("invalid {of} option '{name}'{near}, allowed options are: {allowed}");
        if of == "network" { call.object(text) } else { call.error(text) }
    }
}

fn check_container(call: &mut Call<'_>, options: &Pairs, required: bool) {
    check_names(call, "container", options, CONTAINER_OPTIONS);
    if required && pairs::get(options, "image").is_none() {
        call.error("required container option 'image' is missing");
    }
    for (name, value) in options {
        let whole = value.parse::<u64>();
        let low = if matches!(name.as_str(), "masters" | "promoted-max") { 0 } else { 1 };
        let counts = matches!(name.as_str(), "masters" | "promoted-max" | "replicas" | "replicas-per-host");
        let removed = value.is_empty() && !required;
        if counts && !removed && !whole.is_ok_and(|number| number >= low) {
            let word = if low == 0 { "a non-negative integer" } else { "a positive integer" };
            call.error(format!("'{value}' is not a valid {name} value, use {word}"));
        }
        if name == "image" && value.is_empty() {
            call.error("image cannot be empty");
        }
        if name == "masters" && !value.is_empty() {
            call.deprecated(
                "container option 'masters' is deprecated and should not be used, use 'promoted-max' instead",
            );
        }
    }
    if pairs::get(options, "masters").is_some() && pairs::get(options, "promoted-max").is_some() {
        call.error("Only one of container options 'masters' and 'promoted-max' can be used");
    }
}

fn check_network(call: &mut Call<'_>, options: &Pairs) {
    check_names(call, "network", options, NETWORK_OPTIONS);
    for (name, value) in options.iter().filter(|(_, value)| !value.is_empty()) {
        let port = value.parse::<u16>().is_ok_and(|port| port > 0);
        let mask = value.parse::<u8>().is_ok_and(|bits| (1..=32).contains(&bits));
        match name.as_str() {
            "control-port" if !port => {
                call.error(format!("'{value}' is not a valid control-port value, use a port number (1..65535)"));
            }
            "host-netmask" if !mask => {
                call.object(format!(
                    "'{value}' is not a valid host-netmask value, use a number of bits of the mask (1..32)"
                ));
            }
            _ => {}
        }
    }
}

fn maps(call: &mut Call<'_>, of: &str, runs: &[Vec<String>]) -> Done<Vec<Pairs>> {
    let mut maps = Vec::new();
    for run in runs {
        let map = pairs::read(run)?;
        let port = of == "port-map";
        check_names(call, of, &map, if port { PORT_OPTIONS } else { STORAGE_OPTIONS });
        let has = |name| pairs::get(&map, name).is_some_and(|value: &str| !value.is_empty());
        let exactly_one: &[&str] = if port { &["port", "range"] } else { &["source-dir", "source-dir-root"] };
        match exactly_one.iter().filter(|name| has(name)).count() {
            0 => call.error(format!(
                "{of} option {} has to be specified",
                exactly_one.iter().map(|one| format!("'{one}'")).collect::<Vec<_>>().join(" or ")
            )),
            1 => {}
            _ => call.error(format!("Only one of {of} options {} can be used", listed(exactly_one.iter().copied()))),
        }
        if !port && !has("target-dir") {
            call.error("required storage-map option 'target-dir' is missing");
        }
        if port && has("internal-port") && !has("port") {
            call.error(
                "If port-map option 'internal-port' is specified, port-map option 'port' must be specified as well",
            );
        }
        for (name, value) in map.iter().filter(|(name, _)| matches!(name.as_str(), "port" | "internal-port")) {
            if !value.parse::<u16>().is_ok_and(|port| port > 0) {
                call.error(format!("'{value}' is not a valid {name} value, use a port number (1..65535)"));
            }
        }
        if let Some(id) = pairs::get(&map, "id").map(str::to_owned) {
            tree::check_new_id(call, &id, &format!("{of} id"))?;
        }
        maps.push(map);
    }
    Ok(maps)
}

fn create_bundle(call: &mut Call<'_>) -> Done {
    let id = call.next("a bundle id")?;
    let words = std::mem::take(&mut call.words);
    let mut parts = parts(&words)?;
    let kind = match parts.container.first().filter(|word| !word.contains('=')).cloned() {
        Some(kind) => {
            parts.container.remove(0);
            kind
        }
        None => String::new(),
    };
    let container = pairs::read(&parts.container)?;
    if let Some(wrong) = tree::wrong_id(&id, "bundle name") {
        call.error(wrong);
    } else if tree::is_taken(&call.cib, &id) {
        call.error(format!("'{id}' already exists"));
    }
    if !CONTAINERS.contains(&kind.as_str()) {
        call.error(format!("'{kind}' is not a valid container type value, use {}", listed(CONTAINERS)));
    }
    if kind == "rkt" {
        call.deprecated("Value 'rkt' of option container type is deprecated and might be removed in a future release, therefore it should not be used");
    }
    check_container(call, &container, true);
    check_network(call, &parts.network);
    let ports = maps(call, "port-map", &parts.ports)?;
    let storage = maps(call, "storage-map", &parts.storage)?;
    call.settled()?;
    let resources = tree::section(&mut call.cib, "resources");
    let bundle = call.cib.append(resources, "bundle");
    call.cib.set(bundle, "id", &id);
    let element = call.cib.append(bundle, &kind);
    set(&mut call.cib, element, &container);
    if !parts.network.is_empty() || !ports.is_empty() {
        let network = call.cib.append(bundle, "network");
        set(&mut call.cib, network, &parts.network);
        ports.iter().for_each(|map| add_port(&mut call.cib, bundle, network, map));
    }
    if !storage.is_empty() {
        let element = call.cib.append(bundle, "storage");
        storage.iter().for_each(|map| add_storage(&mut call.cib, bundle, element, map));
    }
    nvset::add(&mut call.cib, bundle, "meta_attributes", &parts.meta);
    if call.options.has("--disabled") {
        create::disable(&mut call.cib, bundle);
    }
    Ok(())
}

fn set(cib: &mut Document, element: Element, options: &Pairs) {
    for (name, value) in options {
        match value.is_empty() {
            true => cib.unset(element, name),
            false => cib.set(element, name, value),
        }
    }
}

fn add_port(cib: &mut Document, bundle: Element, network: Element, map: &Pairs) {
    let what = pairs::get(map, "port").or(pairs::get(map, "range")).unwrap_or("").to_owned();
    let id = pairs::get(map, "id").map(str::to_owned);
    let id = id.unwrap_or_else(|| tree::sub_id(cib, bundle, &format!("port-map-{what}")));
    let element = cib.append(network, "port-mapping");
    set(cib, element, map);
    cib.set(element, "id", &id);
}

fn add_storage(cib: &mut Document, bundle: Element, storage: Element, map: &Pairs) {
    let id = pairs::get(map, "id").map(str::to_owned).unwrap_or_else(|| tree::sub_id(cib, bundle, "storage-map"));
    let element = cib.append(storage, "storage-mapping");
    set(cib, element, map);
    cib.set(element, "id", &id);
}

fn find(call: &mut Call<'_>, id: &str) -> Done<(Element, Element)> {
    let bundle = tree::resource(&call.cib, id).filter(|one| call.cib.name(*one) == "bundle");
    let Some(bundle) = bundle else { return call.fail(format!("bundle '{id}' does not exist")) };
    let container = call.cib.children(bundle).find(|one| CONTAINERS.contains(&call.cib.name(*one)));
    match container {
        Some(container) => Ok((bundle, container)),
        None => call.fail(format!("bundle '{id}' uses a container type that there is no more; create it anew")),
    }
}

/// A part of a bundle, made behind what stands before it.
fn part(cib: &mut Document, bundle: Element, name: &str) -> Element {
    if let Some(found) = cib.child(bundle, name) {
        return found;
    }
    let behind: &[&str] = if name == "network" {
        &["storage", "primitive", "meta_attributes"]
    } else {
        &["primitive", "meta_attributes"]
    };
    let before = cib.children(bundle).find(|one| behind.contains(&cib.name(*one)));
    cib.insert(bundle, before, name)
}

fn update(call: &mut Call<'_>) -> Done {
    let id = call.next("a bundle id")?;
    let words = std::mem::take(&mut call.words);
    let parts = parts(&words)?;
    let container = pairs::read(&parts.container)?;
    let (bundle, element) = find(call, &id)?;
    let (add_ports, drop_ports) = changes("port-map", &parts.ports)?;
    let (add_stores, drop_stores) = changes("storage-map", &parts.storage)?;
    check_container(call, &container, false);
    check_network(call, &parts.network);
    let ports = maps(call, "port-map", &add_ports)?;
    let storage = maps(call, "storage-map", &add_stores)?;
    let mut gone = Vec::new();
    for (of, ids) in [("port-mapping", drop_ports), ("storage-mapping", drop_stores)] {
        for id in ids {
            let found = call.cib.descendants(bundle).find(|one| call.cib.name(*one) == of && call.cib.id(*one) == id);
            match found {
                Some(found) => gone.push(found),
                None => call.error(format!("{of} '{id}' does not exist")),
            }
        }
    }
    call.settled()?;
    set(&mut call.cib, element, &container);
    gone.into_iter().for_each(|one| call.cib.remove(one));
    if !parts.network.is_empty() || !ports.is_empty() {
        let network = part(&mut call.cib, bundle, "network");
        set(&mut call.cib, network, &parts.network);
        ports.iter().for_each(|map| add_port(&mut call.cib, bundle, network, map));
    }
    if !storage.is_empty() {
        let stores = part(&mut call.cib, bundle, "storage");
        storage.iter().for_each(|map| add_storage(&mut call.cib, bundle, stores, map));
    }
    nvset::arrange_last(&mut call.cib, bundle, "meta_attributes", &parts.meta);
    Ok(())
}

type Changes = (Vec<Vec<String>>, Vec<String>);

fn changes(of: &str, runs: &[Vec<String>]) -> Done<Changes> {
    let (mut add, mut drop) = (Vec::new(), Vec::new());
    for run in runs {
        match run.split_first() {
            Some((word, rest)) if word == "add" && !rest.is_empty() => add.push(rest.to_vec()),
            Some((word, rest)) if matches!(word.as_str(), "delete" | "remove") && !rest.is_empty() => {
                drop.extend(rest.to_vec())
            }
            _ => {
                return Err(Refusal::usage(format!(
                    "When using '{of}' you must specify either 'add' and options or either of 'delete' or 'remove' and id(s)"
                )));
            }
        }
    }
    Ok((add, drop))
}

fn reset(call: &mut Call<'_>) -> Done {
    let id = call.next("a bundle id")?;
    let words = std::mem::take(&mut call.words);
    let parts = parts(&words)?;
    let container = pairs::read(&parts.container)?;
    let (bundle, element) = find(call, &id)?;
    // Its own maps go first, so that their ids are free again.
    let old: Vec<Element> = call
        .cib
        .descendants(bundle)
        .filter(|one| matches!(call.cib.name(*one), "port-mapping" | "storage-mapping"))
        .collect();
    old.into_iter().for_each(|one| call.cib.remove(one));
    check_container(call, &container, true);
    check_network(call, &parts.network);
    let ports = maps(call, "port-map", &parts.ports)?;
    let storage = maps(call, "storage-map", &parts.storage)?;
    call.settled()?;
    for (element, options) in [(Some(element), &container), (call.cib.child(bundle, "network"), &parts.network)] {
        let Some(element) = element else { continue };
        let names: Vec<String> = call.cib.attributes(element).map(|(name, _)| name.to_owned()).collect();
        names.iter().for_each(|name| call.cib.unset(element, name));
        set(&mut call.cib, element, options);
    }
    if !parts.network.is_empty() || !ports.is_empty() {
        let network = part(&mut call.cib, bundle, "network");
        set(&mut call.cib, network, &parts.network);
        ports.iter().for_each(|map| add_port(&mut call.cib, bundle, network, map));
    }
    if !storage.is_empty() {
        let stores = part(&mut call.cib, bundle, "storage");
        storage.iter().for_each(|map| add_storage(&mut call.cib, bundle, stores, map));
    }
    if let Some(meta) = call.cib.child(bundle, "meta_attributes") {
        let old: Vec<Element> = call.cib.children(meta).collect();
        old.into_iter().for_each(|one| call.cib.remove(one));
    }
    nvset::arrange_last(&mut call.cib, bundle, "meta_attributes", &parts.meta);
    if call.options.has("--disabled") {
        create::disable(&mut call.cib, bundle);
    }
    Ok(())
}

//! `pcs cluster node add-remote`, `add-guest` and their opposites: nodes without the cluster's engine, as far as they stand
//! in the CIB. What their hosts need, the key and `pacemaker_remote`, is not this command's to bring there, and is told.

use cib::{Document, Element, duration};

use crate::agent::{self, Name};
use crate::call::{Call, Done};
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::resource::{create, delete, operation};
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[&[Command]] = &[&[
    Command {
        path: &["cluster", "node", "add-remote"],
        arguments: "<node name> [<node address>] [<option>=<value>]… [op <action> <option>=<value>…]… [meta <option>=<value>…]",
        about: "Adds a host without the cluster's engine, by a resource that connects to it",
        options: &["--force", "--no-default-ops", "--skip-offline"],
        run: add_remote,
    },
    removing(&["cluster", "node", "remove-remote"], remove_remote),
    removing(&["cluster", "node", "delete-remote"], remove_remote),
    Command {
        path: &["cluster", "node", "add-guest"],
        arguments: "<node name> <resource id> [remote-addr=<address>] [remote-port=<port>] [remote-connect-timeout=<time>]",
        about: "Makes a node of what a resource runs: a machine, or a container",
        options: &["--force", "--skip-offline"],
        run: add_guest,
    },
    removing(&["cluster", "node", "remove-guest"], remove_guest),
    removing(&["cluster", "node", "delete-guest"], remove_guest),
]];

const fn removing(path: &'static [&'static str], run: fn(&mut Call<'_>) -> Done) -> Command {
    let (arguments, about) = ("<node name | address | resource id>", "Removes such a node");
    Command { path, arguments, about, options: &["--force", "--skip-offline"], run }
}

/// Options of a guest beside its name.
const GUEST_OPTIONS: [&str; 3] = ["remote-addr", "remote-connect-timeout", "remote-port"];
/// Which makes a guest of a resource.
const GUEST_NAME: &str = "remote-node";
/// Where a host is reached that a remote node's resource connects to.
const SERVER: &str = "server";

fn connection() -> Name {
    Name { standard: "ocf".into(), provider: Some("pacemaker".into()), kind: "remote".into() }
}

fn primitives(cib: &Document) -> Vec<Element> {
    tree::within(cib, "resources").filter(|one| cib.name(*one) == "primitive").collect()
}

/// Names of remote nodes, and where they are.
fn remotes(cib: &Document) -> Vec<(Element, String)> {
    let ours = primitives(cib).into_iter().filter(|one| Name::of(cib, *one) == connection());
    ours.map(|one| {
        let server = nvset::value(cib, one, "instance_attributes", SERVER).unwrap_or_else(|| cib.id(one));
        (one, server.to_owned())
    })
    .collect()
}

/// Resources that are guests, their names, and where they are.
fn guests(cib: &Document) -> Vec<(Element, String, String)> {
    let guest = |one| {
        let name = nvset::value(cib, one, "meta_attributes", GUEST_NAME)?.to_owned();
        let address = nvset::value(cib, one, "meta_attributes", "remote-addr").map(str::to_owned);
        Some((one, name.clone(), address.unwrap_or(name)))
    };
    primitives(cib).into_iter().filter_map(guest).collect()
}

/// Where nodes are reached already.
fn addresses(cib: &Document) -> Vec<String> {
    let remote = remotes(cib).into_iter().map(|(_, address)| address);
    remote.chain(guests(cib).into_iter().map(|(_, _, address)| address)).collect()
}

/// Refuses a name or an address that is another node's.
fn check_free(call: &mut Call<'_>, name: &str, address: &str) {
    if tree::is_taken(&call.cib, name) || tree::nodes(&call.cib).iter().any(|known| known == name) {
        call.error(format!("'{name}' already exists"));
    }
    if addresses(&call.cib).iter().any(|known| known == address) {
        call.error(format!("'{address}' already exists"));
    }
}

fn told_of_address(call: &mut Call<'_>, name: &str) -> String {
    call.note(format!("No addresses specified for host '{name}', using '{name}'"));
    name.to_owned()
}

/// What is to be done on a host that enters.
fn told_of_entering(call: &mut Call<'_>, name: &str) {
    call.note(format!(
        "Only the CIB was changed: copy /etc/pacemaker/authkey to '{name}', and enable and start pacemaker_remote there"
    ));
}

/// What is to be done on hosts that leave.
fn told_of_leaving(call: &mut Call<'_>, names: &[String]) {
    call.note(format!(
        "Only the CIB was changed: stop and disable pacemaker_remote on {}, and remove /etc/pacemaker/authkey there",
        listed(names.iter().map(String::as_str))
    ));
}

fn add_remote(call: &mut Call<'_>) -> Done {
    let name = call.next("the name of a node")?;
    let has_address = call.words.first().is_some_and(|word| !word.contains('=') && word != "op" && word != "meta");
    let address = if has_address { call.words.remove(0) } else { told_of_address(call, &name) };
    let words = std::mem::take(&mut call.words);
    let groups = pairs::groups(&words, &["op", "meta"]);
    let mut options = pairs::read(&pairs::joined(&groups, ""))?;
    let meta = pairs::read(&pairs::joined(&groups, "meta"))?;
    let operations = operation::read(groups.get("op").map_or(&[], Vec::as_slice))?;
    let agent = connection();
    let metadata = agent::metadata(call, &agent)?;
    check_free(call, &name, &address);
    if pairs::get(&options, SERVER).is_some() {
        call.error(format!("invalid resource option '{SERVER}': the address stands behind the node's name"));
    }
    call.settled()?;
    options.push((SERVER.into(), address));
    let draft = create::draft(call, name.clone(), agent, &metadata, options, meta, &operations, true)?;
    call.settled()?;
    let resources = tree::section(&mut call.cib, "resources");
    draft.write(&mut call.cib, resources);
    told_of_entering(call, &name);
    Ok(())
}

fn add_guest(call: &mut Call<'_>) -> Done {
    let name = call.next("the name of a node")?;
    let id = call.next("a resource id")?;
    let mut options = pairs::read(&std::mem::take(&mut call.words))?;
    let address = match pairs::get(&options, "remote-addr") {
        Some(address) => address.to_owned(),
        None => {
            let address = told_of_address(call, &name);
            options.push(("remote-addr".into(), address.clone()));
            address
        }
    };
    check_guest_options(call, &options);
    if name.trim().is_empty() {
        call.error("node name cannot be empty");
    }
    check_free(call, &name, &address);
    let found = tree::resource(&call.cib, &id);
    match found {
        None => call.error(format!("resource '{id}' does not exist")),
        Some(found) if call.cib.name(found) != "primitive" => call.error(format!("'{id}' is not a resource")),
        Some(found) if nvset::value(&call.cib, found, "meta_attributes", GUEST_NAME).is_some() => {
            call.error(format!("the resource '{id}' is already a guest node"));
        }
        Some(_) => {}
    }
    call.settled()?;
    options.push((GUEST_NAME.into(), name.clone()));
    if let Some(found) = found {
        nvset::arrange(&mut call.cib, found, "meta_attributes", &options);
    }
    told_of_entering(call, &name);
    Ok(())
}

fn check_guest_options(call: &mut Call<'_>, options: &Pairs) {
    for (name, value) in options {
        let is_port = || value.parse::<u16>().is_ok_and(|port| port > 0);
        match name.as_str() {
            "remote-port" if !is_port() => {
                call.error(format!("'{value}' is not a valid remote-port value, use a port number (1..65535)"));
            }
            "remote-connect-timeout" if duration::parse_ms(value).is_err() => {
                call.error(format!("'{value}' is not a valid {name} value, use time interval (e.g. 1, 2s, 3m, 4h, …)"));
            }
            known if GUEST_OPTIONS.contains(&known) => {}
            _ => call.error(format!("invalid guest option '{name}', allowed options are: {}", listed(GUEST_OPTIONS))),
        }
    }
}

/// The nodes that a word means; `--force` if it means several.
fn meant(call: &mut Call<'_>, kind: &str, find: impl Fn(&Document, &str) -> Vec<Element>) -> Done<Vec<Element>> {
    let word = call.next("a node's name or address")?;
    call.no_more()?;
    let found = find(&call.cib, &word);
    if found.is_empty() {
        return call.fail(format!("{kind} node '{word}' does not appear to exist in configuration"));
    }
    if found.len() > 1 {
        let ids = listed(found.iter().map(|one| call.cib.id(*one)));
        call.object(format!("more than one resource for '{word}' found: {ids}"));
        call.settled()?;
    }
    Ok(found)
}

fn remove_remote(call: &mut Call<'_>) -> Done {
    let found = meant(call, "remote", |cib, word| {
        let all = remotes(cib).into_iter();
        all.filter(|(one, address)| cib.id(*one) == word || address == word).map(|(one, _)| one).collect()
    })?;
    let names: Vec<String> = found.iter().map(|one| call.cib.id(*one).to_owned()).collect();
    told_of_leaving(call, &names);
    for name in names {
        remove_locations(call, &name);
        call.words = vec![name];
        delete::run(call)?;
    }
    Ok(())
}

/// A node that is no more is no place to be.
fn remove_locations(call: &mut Call<'_>, node: &str) {
    let names = |one: &Element| call.cib.name(*one) == "rsc_location" && call.cib.attribute(*one, "node") == Some(node);
    let found: Vec<Element> = tree::within(&call.cib, "constraints").filter(names).collect();
    for one in found {
        let id = call.cib.id(one).to_owned();
        call.note(format!("Removing Constraint - {id}"));
        call.cib.remove(one);
    }
}

fn remove_guest(call: &mut Call<'_>) -> Done {
    let found = meant(call, "guest", |cib, word| {
        let all = guests(cib).into_iter();
        let meant = all.filter(|(one, name, address)| cib.id(*one) == word || name == word || address == word);
        meant.map(|(one, ..)| one).collect()
    })?;
    let of = |one: &Element| nvset::value(&call.cib, *one, "meta_attributes", GUEST_NAME).unwrap_or("").to_owned();
    let names: Vec<String> = found.iter().map(of).collect();
    told_of_leaving(call, &names);
    let nothing = |name: &str| (name.to_owned(), String::new());
    let unset: Pairs = GUEST_OPTIONS.into_iter().chain([GUEST_NAME]).map(nothing).collect();
    for one in found {
        for set in call.cib.children_named(one, "meta_attributes").collect::<Vec<_>>() {
            nvset::update(&mut call.cib, set, &unset);
        }
    }
    Ok(())
}

//! `pcs resource create`: a primitive, alone or in a group, a clone or a bundle. Fence devices are made from the same
//! parts.

use cib::{Document, Element};

use super::{group, operation};
use crate::agent::{self, Metadata, Name};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::nvset;
use crate::pairs::{self, Pairs};
use crate::tree;

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "create"],
    arguments: "<resource id> [<standard>:[<provider>:]]<type> [<option>=<value>]… [op <action> <option>=<value>…]… \
                [meta <option>=<value>…] [clone [<clone id>] …| promotable [<clone id>] …| bundle <bundle id>]",
    about: "Creates a resource",
    options: &["--agent-validation", "--after", "--before", "--disabled", "--force", "--group", "--no-default-ops"],
    run,
}];

/// A new primitive, judged and ready.
pub struct Draft {
    /// Its id.
    pub id: String,
    /// Its agent.
    pub agent: Name,
    /// What it is told.
    pub options: Pairs,
    /// What the cluster is told about it.
    pub meta: Pairs,
    /// Its operations.
    pub operations: Vec<Pairs>,
}

/// Where it goes.
enum Place {
    Alone,
    Group,
    Clone { id: Option<String>, options: Pairs },
    Bundle(String),
}

fn run(call: &mut Call<'_>) -> Done {
    if call.words.len() < 2 {
        return Err(Refusal::usage("expected a resource id and an agent"));
    }
    let (id, kind) = (call.words.remove(0), call.words.remove(0));
    let words = std::mem::take(&mut call.words);
    let groups = pairs::groups(&words, &["op", "meta", "clone", "promotable", "bundle"]);
    let options = pairs::read(&pairs::joined(&groups, ""))?;
    let meta = pairs::read(&pairs::joined(&groups, "meta"))?;
    let operations = operation::read(groups.get("op").map_or(&[], Vec::as_slice))?;
    let place = place(call, &groups)?;
    check_positions(call)?;
    let agent = agent::find(call, &kind)?;
    if agent.is_stonith() {
        call.deprecated(
            "Ability of this command to accept fence agent is deprecated and will be removed in a future release, please use \
             'pcs stonith create' instead",
        );
    }
    let metadata = agent::metadata(call, &agent)?;
    refuse_remote(call, &agent, &meta);
    let draft = draft(call, id, agent, &metadata, options, meta, &operations, true)?;
    let disabled = call.options.has("--disabled");
    match place {
        Place::Alone => {
            call.settled()?;
            let resources = tree::section(&mut call.cib, "resources");
            let primitive = draft.write(&mut call.cib, resources);
            if disabled {
                disable(&mut call.cib, primitive);
            }
        }
        Place::Group => in_group(call, &draft, disabled)?,
        Place::Clone { id, options } => as_clone(call, &draft, id, &options, disabled)?,
        Place::Bundle(bundle) => in_bundle(call, &draft, &bundle, disabled)?,
    }
    Ok(())
}

type Groups = std::collections::BTreeMap<String, Vec<Vec<String>>>;

fn place(call: &Call<'_>, groups: &Groups) -> Done<Place> {
    let mut kinds: Vec<&str> =
        ["clone", "promotable", "bundle"].into_iter().filter(|kind| groups.contains_key(*kind)).collect();
    if call.options.has("--group") {
        kinds.push("group");
    }
    if kinds.len() > 1 {
        return Err(Refusal::usage("you can specify only one of clone, promotable, bundle or --group"));
    }
    let words = kinds.first().map(|kind| pairs::joined(groups, kind)).unwrap_or_default();
    match kinds.first() {
        None => Ok(Place::Alone),
        Some(&"group") => Ok(Place::Group),
        Some(&"bundle") => match &words[..] {
            [one] => Ok(Place::Bundle(one.clone())),
            _ => Err(Refusal::usage("you have to specify exactly one bundle")),
        },
        Some(kind) => {
            let named = words.first().filter(|word| !word.contains('=')).cloned();
            let mut options = pairs::read(&words[usize::from(named.is_some())..])?;
            if *kind == "promotable" {
                if pairs::get(&options, "promotable").is_some() {
                    let message = "you cannot specify both promotable option and promotable keyword";
                    return Err(Refusal::usage(message));
                }
                options.push(("promotable".into(), "true".into()));
            }
            Ok(Place::Clone { id: named, options })
        }
    }
}

fn check_positions(call: &Call<'_>) -> Done {
    let has = |option| call.options.has(option);
    if has("--before") && has("--after") {
        return Err(Refusal::usage("you cannot specify both --before and --after"));
    }
    match ["--before", "--after"].into_iter().find(|option| has(option)) {
        Some(option) if !has("--group") => Err(Refusal::usage(format!("you cannot use {option} without --group"))),
        _ => Ok(()),
    }
}

/// Nodes that run without the cluster's engine need more than a resource.
fn refuse_remote(call: &mut Call<'_>, agent: &Name, meta: &Pairs) {
    if agent.to_string() == "ocf:pacemaker:remote" {
        call.object(
            "this command is not sufficient for creating a remote connection, use 'pcs cluster node add-remote'",
        );
    }
    refuse_guest(call, meta, false);
}

/// Refuses to make a guest node of a resource, or to end one, by an option alone.
pub fn refuse_guest(call: &mut Call<'_>, meta: &Pairs, removing: bool) {
    match pairs::get(meta, "remote-node") {
        Some("") if removing => {
            call.object(
                "this command is not sufficient for removing a guest node, use 'pcs cluster node remove-guest'",
            );
        }
        Some(value) if !value.is_empty() => {
            call.object("this command is not sufficient for creating a guest node, use 'pcs cluster node add-guest'");
        }
        _ => {}
    }
}

/// Judges what a new primitive is made of.
///
/// # Errors
/// When it cannot be made; all reasons are said.
#[expect(clippy::too_many_arguments, reason = "each is one part of the command line")]
pub fn draft(
    call: &mut Call<'_>,
    id: String,
    agent: Name,
    metadata: &Metadata,
    options: Pairs,
    meta: Pairs,
    operations: &[Pairs],
    default_operations: bool,
) -> Done<Draft> {
    tree::check_new_id(call, &id, if agent.is_stonith() { "stonith name" } else { "resource name" })?;
    let default_operations = default_operations && !call.options.has("--no-default-ops");
    let operations = operation::complete(call, &agent, metadata, operations, default_operations)?;
    agent::check_new(call, &agent, metadata, &options);
    Ok(Draft { id, agent, options, meta, operations })
}

impl Draft {
    /// Puts the primitive to the end of an element.
    pub fn write(&self, cib: &mut Document, parent: Element) -> Element {
        let primitive = cib.append(parent, "primitive");
        cib.set(primitive, "id", &self.id);
        cib.set(primitive, "class", &self.agent.standard);
        cib.set(primitive, "type", &self.agent.kind);
        if let Some(provider) = &self.agent.provider {
            cib.set(primitive, "provider", provider);
        }
        nvset::add(cib, primitive, "instance_attributes", &self.options);
        nvset::add(cib, primitive, "meta_attributes", &self.meta);
        let operations = cib.append(primitive, "operations");
        let mut sorted: Vec<&Pairs> = self.operations.iter().collect();
        sorted.sort_by_key(|operation| pairs::get(operation, "name").unwrap_or("").to_owned());
        for one in sorted {
            operation::write(cib, operations, one);
        }
        primitive
    }
}

/// Keeps a resource from being started.
pub fn disable(cib: &mut Document, resource: Element) {
    nvset::arrange(cib, resource, "meta_attributes", &vec![("target-role".into(), "Stopped".into())]);
}

/// Puts a new primitive into a group, which is made if there is none.
///
/// # Errors
/// When the group is none, or the neighbour is not in it.
pub fn in_group(call: &mut Call<'_>, draft: &Draft, disabled: bool) -> Done {
    let name = call.options.value("--group").unwrap_or("").to_owned();
    let group = group::find_or_check(call, &name)?;
    let neighbour = call.options.value("--before").or(call.options.value("--after")).map(str::to_owned);
    let neighbour = match (neighbour, group) {
        (None, _) => None,
        (Some(id), Some(group)) => Some(group::member(call, group, &id)?),
        (Some(id), None) => {
            call.error(format!("there is no resource '{id}' in the group '{name}'"));
            None
        }
    };
    call.settled()?;
    let group = group.unwrap_or_else(|| {
        let resources = tree::section(&mut call.cib, "resources");
        let group = call.cib.append(resources, "group");
        call.cib.set(group, "id", &name);
        group
    });
    let before = match call.options.has("--before") {
        true => neighbour,
        false => neighbour.and_then(|neighbour| call.cib.next_sibling(neighbour)),
    };
    let primitive = draft.write(&mut call.cib, group);
    call.cib.place_before(primitive, before);
    if disabled {
        disable(&mut call.cib, primitive);
    }
    Ok(())
}

fn as_clone(call: &mut Call<'_>, draft: &Draft, id: Option<String>, options: &Pairs, disabled: bool) -> Done {
    // pcs looks at the standard alone here, not at what the agent can do.
    let unknown = Metadata { absent: true, ..Metadata::default() };
    super::clone::check_options(call, &draft.agent, &unknown, options, &draft.id, None);
    if let Some(id) = &id {
        tree::check_new_id(call, id, "id")?;
        if *id == draft.id {
            call.error(format!("'{id}' already exists"));
        }
    }
    call.settled()?;
    let resources = tree::section(&mut call.cib, "resources");
    let clone = call.cib.append(resources, "clone");
    // The primitive is written first, so that its ids are taken.
    draft.write(&mut call.cib, clone);
    let id = id.unwrap_or_else(|| tree::free_id(&call.cib, &format!("{}-clone", draft.id)));
    call.cib.set(clone, "id", &id);
    nvset::add(&mut call.cib, clone, "meta_attributes", options);
    if disabled {
        disable(&mut call.cib, clone);
    }
    Ok(())
}

fn in_bundle(call: &mut Call<'_>, draft: &Draft, id: &str, disabled: bool) -> Done {
    let Some(bundle) = tree::resource(&call.cib, id).filter(|one| call.cib.name(*one) == "bundle") else {
        return call.fail(format!("bundle '{id}' does not exist"));
    };
    if let Some(inner) = call.cib.child(bundle, "primitive") {
        let inner = call.cib.id(inner).to_owned();
        return call.fail(format!(
            "bundle '{id}' already contains resource '{inner}', a bundle may contain at most one resource"
        ));
    }
    let network = call.cib.child(bundle, "network");
    let has =
        |name: &str| network.is_some_and(|one| call.cib.attribute(one, name).is_some_and(|value| !value.is_empty()));
    if !has("control-port") && !has("ip-range-start") {
        call.object(format!(
            "Resource will not be accessible by the cluster inside bundle '{id}', at least one of bundle options \
             'control-port' or 'ip-range-start' has to be specified"
        ));
    }
    call.settled()?;
    let primitive = draft.write(&mut call.cib, bundle);
    if disabled {
        disable(&mut call.cib, primitive);
    }
    Ok(())
}

//! Fence devices: primitives of class `stonith`, made, changed and shown by the parts that resources have.

use crate::agent::{self, Metadata, Name};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::pairs;
use crate::resource::{config, create, delete, describe, enable, list, meta, operation, update};
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["stonith", "create"],
        arguments: "<stonith id> <stonith device type> [<option>=<value>]… [op <action> <option>=<value>…]… [meta <option>=<value>…]",
        about: "Creates a fence device",
        options: &["--agent-validation", "--after", "--before", "--disabled", "--force", "--group", "--no-default-ops"],
        run: create,
    },
    Command {
        path: &["stonith", "update"],
        arguments: "<stonith id> [<option>=<value>]… [op <action> <option>=<value>…]… [meta <option>=<value>…]",
        about: "Changes a fence device; an option with an empty value is removed",
        options: &["--agent-validation", "--force"],
        run: update::run,
    },
    Command {
        path: &["stonith", "delete"],
        arguments: "<stonith id>",
        about: "Deletes a fence device",
        options: &["--force"],
        run: delete::run,
    },
    Command {
        path: &["stonith", "remove"],
        arguments: "<stonith id>",
        about: "Deletes a fence device",
        options: &["--force"],
        run: delete::run,
    },
    Command {
        path: &["stonith", "enable"],
        arguments: "<stonith id>…",
        about: "Lets the cluster use fence devices",
        options: &[],
        run: enable::enable,
    },
    Command {
        path: &["stonith", "disable"],
        arguments: "<stonith id>…",
        about: "Keeps the cluster from using fence devices",
        options: &[],
        run: enable::disable,
    },
    Command {
        path: &["stonith", "meta"],
        arguments: "<stonith id> <option>=<value>…",
        about: "Sets meta attributes of a fence device",
        options: &["--force"],
        run: meta::run,
    },
    Command {
        path: &["stonith", "op", "add"],
        arguments: "<stonith id> <operation action> [<option>=<value>]…",
        about: "Adds an operation to a fence device",
        options: &["--force"],
        run: operation::add,
    },
    Command {
        path: &["stonith", "op", "delete"],
        arguments: "<stonith id> <operation action> [<option>=<value>]… | <operation id>",
        about: "Removes an operation from a fence device",
        options: &[],
        run: operation::remove,
    },
    Command {
        path: &["stonith", "op", "remove"],
        arguments: "<stonith id> <operation action> [<option>=<value>]… | <operation id>",
        about: "Removes an operation from a fence device",
        options: &[],
        run: operation::remove,
    },
    Command {
        path: &["stonith", "config"],
        arguments: "[<stonith id>]…",
        about: "Shows fence devices with all their options",
        options: &["--output-format"],
        run: |call| config::run(call, true),
    },
    Command {
        path: &["stonith", "describe"],
        arguments: "<stonith agent>",
        about: "Shows the options of a fence agent",
        options: &["--full"],
        run: describe,
    },
    Command {
        path: &["stonith", "list"],
        arguments: "[<filter>]",
        about: "Shows all fence agents, or those whose name holds a text",
        options: &["--nodesc"],
        run: agents,
    },
];

fn create(call: &mut Call<'_>) -> Done {
    if call.words.len() < 2 {
        return Err(Refusal::usage("expected a stonith id and a fence agent"));
    }
    let (id, kind) = (call.words.remove(0), call.words.remove(0));
    let words = std::mem::take(&mut call.words);
    let groups = pairs::groups(&words, &["op", "meta"]);
    let options = pairs::read(&pairs::joined(&groups, ""))?;
    let meta = pairs::read(&pairs::joined(&groups, "meta"))?;
    let operations = operation::read(groups.get("op").map_or(&[], Vec::as_slice))?;
    if call.options.has("--group") {
        call.deprecated("Option to group stonith resource is deprecated and will be removed in a future release.");
    }
    let agent = agent::stonith_name(call, &kind)?;
    let metadata = agent::metadata(call, &agent)?;
    let draft = create::draft(call, id, agent, &metadata, options, meta, &operations, true)?;
    let disabled = call.options.has("--disabled");
    if call.options.has("--group") {
        return create::in_group(call, &draft, disabled);
    }
    call.settled()?;
    let resources = tree::section(&mut call.cib, "resources");
    let device = draft.write(&mut call.cib, resources);
    if disabled {
        create::disable(&mut call.cib, device);
    }
    Ok(())
}

fn describe(call: &mut Call<'_>) -> Done {
    let text = call.next("a fence agent")?;
    call.no_more()?;
    let name = agent::stonith_name(call, &text)?;
    let metadata: Metadata = agent::metadata(call, &name)?;
    describe::show(call, &name, &metadata);
    Ok(())
}

fn agents(call: &mut Call<'_>) -> Done {
    let filter = if call.words.is_empty() { String::new() } else { call.words.remove(0) };
    call.no_more()?;
    let all = call.world.agents("stonith", None).iter().map(|kind| Name::stonith(kind)).collect();
    list::show(call, all, &filter, |name| name.kind.clone())
}

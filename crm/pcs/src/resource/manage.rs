//! `pcs resource manage` and `unmanage`: whether the cluster starts and stops a resource at all.

use cib::Element;

use super::{enable, operation};
use crate::call::{Call, Done};
use crate::commands::Command;
use crate::nvset;
use crate::tree;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "manage"],
        arguments: "<resource id | tag id>…",
        about: "Lets the cluster start and stop resources again",
        options: &["--monitor"],
        run: manage,
    },
    Command {
        path: &["resource", "unmanage"],
        arguments: "<resource id | tag id>…",
        about: "Forbids the cluster to start or stop resources",
        options: &["--monitor"],
        run: unmanage,
    },
];

fn set(call: &mut Call<'_>, element: Element, value: &str) {
    nvset::arrange(&mut call.cib, element, "meta_attributes", &vec![("is-managed".into(), value.into())]);
}

fn manage(call: &mut Call<'_>) -> Done {
    let monitors = call.options.has("--monitor");
    for resource in enable::named(call)? {
        let mut all = Vec::new();
        let mut above = tree::parent_resource(&call.cib, resource);
        while let Some(one) = above {
            all.push(one);
            above = tree::parent_resource(&call.cib, one);
        }
        all.extend(call.cib.descendants(resource).filter(|one| tree::RESOURCES.contains(&call.cib.name(*one))));
        for one in all {
            set(call, one, "");
        }
        for primitive in tree::primitives(&call.cib, resource) {
            if monitors {
                operation::set_monitors(&mut call.cib, primitive, true);
                continue;
            }
            let (mut ops, mut off) = (0, 0);
            for op in call.cib.descendants(primitive).filter(|one| call.cib.name(*one) == "op") {
                if call.cib.attribute(op, "name") == Some("monitor") {
                    ops += 1;
                    let enabled = call.cib.attribute(op, "enabled").unwrap_or("true");
                    off += usize::from(!cib::boolean::is_true(Some(enabled)));
                }
            }
            if ops > 0 && ops == off {
                let id = call.cib.id(primitive).to_owned();
                call.warn(format!(
                    "Resource '{id}' has no enabled monitor operations. Re-run with '--monitor' to enable them."
                ));
            }
        }
    }
    Ok(())
}

fn unmanage(call: &mut Call<'_>) -> Done {
    let monitors = call.options.has("--monitor");
    for resource in enable::named(call)? {
        let primitives = tree::primitives(&call.cib, resource);
        let bundle = (call.cib.name(resource) == "bundle").then_some(resource);
        for one in bundle.into_iter().chain(primitives.iter().copied()) {
            set(call, one, "false");
        }
        if monitors {
            primitives.into_iter().for_each(|one| operation::set_monitors(&mut call.cib, one, false));
        }
    }
    Ok(())
}

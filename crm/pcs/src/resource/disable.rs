//! `pcs resource disable` and `safe-disable`: keeps resources from running, and looks first what that would do to others
//! where that is asked for.

use std::collections::BTreeSet;

use cib::Element;

use super::{create, enable};
use crate::call::{Call, Done, Refusal};
use crate::commands::Command;
use crate::foresight::Foresight;
use crate::tree::{self, listed};

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "disable"],
        arguments: "<resource id | tag id>…",
        about: "Keeps the cluster from running resources; --safe: only if no others are affected; --simulate: shows what would be",
        options: &["--brief", "--no-strict", "--safe", "--simulate"],
        run: |call| {
            let look = Look::read(call)?;
            run(call, look)
        },
    },
    Command {
        path: &["resource", "safe-disable"],
        arguments: "<resource id | tag id>…",
        about: "Keeps the cluster from running resources if no others are affected",
        options: &["--brief", "--force", "--no-strict", "--simulate"],
        run: safe,
    },
];

/// Whether it is looked first what would happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    No,
    /// It is done only if no others are affected.
    First,
    /// Nothing is done.
    Only,
}

impl Look {
    fn read(call: &Call<'_>) -> Done<Look> {
        let has = |option| call.options.has(option);
        if has("--simulate") {
            for other in ["--safe", "--wait"] {
                if has(other) {
                    return Err(Refusal::usage(format!("only one of '--simulate', '{other}' can be used")));
                }
            }
            return Ok(Look::Only);
        }
        match has("--safe") || has("--no-strict") {
            true => Ok(Look::First),
            false if has("--brief") => Err(Refusal::usage("'--brief' cannot be used without '--simulate' or '--safe'")),
            false => Ok(Look::No),
        }
    }
}

fn safe(call: &mut Call<'_>) -> Done {
    let simulate = call.options.has("--simulate");
    if !call.options.force() {
        let look = if simulate { Look::read(call)? } else { Look::First };
        return run(call, look);
    }
    for other in ["--no-strict", "--simulate"] {
        if call.options.has(other) {
            return Err(Refusal::usage(format!("only one of '--force', '{other}' can be used")));
        }
    }
    if call.options.has("--brief") {
        return Err(Refusal::usage("'--brief' cannot be used without '--simulate' or '--safe'"));
    }
    call.warn("option '--force' is specified therefore checks for disabling resource safely will be skipped");
    run(call, Look::No)
}

fn run(call: &mut Call<'_>, look: Look) -> Done {
    let before = call.cib.clone();
    let resources = enable::named(call)?;
    for resource in &resources {
        create::disable(&mut call.cib, *resource);
    }
    if look == Look::No {
        return Ok(());
    }
    let after = call.cib.clone();
    let foresight = Foresight::of(call, &after)?;
    let named: BTreeSet<String> = resources.iter().map(|one| call.cib.id(*one).to_owned()).collect();
    let others = others(call, &foresight, &resources);
    let brief = call.options.has("--brief");
    if look == Look::Only {
        call.cib = before;
        if brief {
            others.iter().for_each(|one| call.say(one));
        } else {
            call.say(&foresight.text);
        }
        return Ok(());
    }
    if others.is_empty() {
        return Ok(());
    }
    let words = |ids: &BTreeSet<String>| listed(ids.iter().map(String::as_str));
    let (what, whom) = (words(&named), words(&others));
    call.error(format!("Disabling {what} would have an effect on other resources: {whom}"));
    if !brief {
        call.note(&foresight.text);
    }
    call.settled()
}

/// Resources beside those that are meant, and what is in them, that would be affected. What moves is affected unless
/// only losses count.
fn others(call: &Call<'_>, foresight: &Foresight, resources: &[Element]) -> BTreeSet<String> {
    let mut others = match call.options.has("--no-strict") {
        true => foresight.less(),
        false => foresight.touched(),
    };
    for resource in resources {
        for one in call.cib.descendants(*resource).filter(|one| tree::RESOURCES.contains(&call.cib.name(*one))) {
            others.remove(call.cib.id(one));
        }
    }
    others
}

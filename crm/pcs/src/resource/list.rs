//! `pcs resource list`, `standards`, `providers`, `agents`: which agents there are.

use crate::agent::{Metadata, Name};
use crate::call::{Call, Done};
use crate::commands::Command;

/// The commands.
pub const COMMANDS: &[Command] = &[
    Command {
        path: &["resource", "list"],
        arguments: "[<filter>]",
        about: "Shows all resource agents, or those whose name holds a text",
        options: &["--nodesc"],
        run: list,
    },
    Command {
        path: &["resource", "standards"],
        arguments: "",
        about: "Shows the standards of agents there are",
        options: &[],
        run: |call| {
            call.no_more()?;
            let mut standards = call.world.standards();
            standards.retain(|standard| standard != "stonith");
            standards.sort();
            standards.iter().for_each(|standard| call.say(standard));
            Ok(())
        },
    },
    Command {
        path: &["resource", "providers"],
        arguments: "",
        about: "Shows the providers of OCF agents",
        options: &[],
        run: |call| {
            call.no_more()?;
            call.world.providers().iter().for_each(|provider| call.say(provider));
            Ok(())
        },
    },
    Command {
        path: &["resource", "agents"],
        arguments: "[<standard>[:<provider>]]",
        about: "Shows the agents of a standard and provider",
        options: &[],
        run: agents,
    },
];

fn agents(call: &mut Call<'_>) -> Done {
    let of = if call.words.is_empty() { None } else { Some(call.words.remove(0)) };
    call.no_more()?;
    let standards = match &of {
        Some(of) => vec![of.clone()],
        None => call.world.standards().into_iter().filter(|standard| standard != "stonith").collect(),
    };
    let mut found: Vec<String> = Vec::new();
    for standard in standards {
        let (standard, provider) = match standard.split_once(':') {
            Some((standard, provider)) => (standard.to_owned(), Some(provider.to_owned())),
            None => (standard, None),
        };
        found.extend(call.world.agents(&standard, provider.as_deref()));
    }
    if found.is_empty() {
        let of = of.map(|of| format!(" for {of}")).unwrap_or_default();
        return call.fail(format!(
            "No agents found{of}; 'pcs resource standards' and 'pcs resource providers' show what there is"
        ));
    }
    found.sort_by_key(|name| name.to_lowercase());
    found.iter().for_each(|name| call.say(name));
    Ok(())
}

fn list(call: &mut Call<'_>) -> Done {
    let filter = if call.words.is_empty() { String::new() } else { call.words.remove(0) };
    call.no_more()?;
    let mut all: Vec<Name> = Vec::new();
    for provider in call.world.providers() {
        let agents = call.world.agents("ocf", Some(&provider));
        all.extend(agents.into_iter().map(|kind| Name {
            standard: "ocf".into(),
            provider: Some(provider.clone()),
            kind,
        }));
    }
    for standard in
        call.world.standards().into_iter().filter(|standard| !matches!(standard.as_str(), "ocf" | "stonith"))
    {
        let agents = call.world.agents(&standard, None);
        all.extend(agents.into_iter().map(|kind| Name { standard: standard.clone(), provider: None, kind }));
    }
    show(call, all, &filter, Name::to_string)
}

/// Prints agents that match, with what they are.
///
/// # Errors
/// When none matches.
pub fn show(call: &mut Call<'_>, mut all: Vec<Name>, filter: &str, name: fn(&Name) -> String) -> Done {
    let filter = filter.to_lowercase();
    all.retain(|one| name(one).to_lowercase().contains(&filter));
    all.sort_by_key(|one| name(one).to_lowercase());
    if all.is_empty() {
        let matching = if filter.is_empty() { String::new() } else { " matching the filter".to_owned() };
        return call.fail(format!("No resource agents available{matching}"));
    }
    let described = !call.options.has("--nodesc");
    for one in all {
        let known =
            described.then(|| call.world.metadata(&one).and_then(|text| Metadata::parse(&text, &one)).ok()).flatten();
        match known.filter(|known| !known.short.is_empty()) {
            Some(known) => call.say(format!("{} - {}", name(&one), known.short)),
            None => call.say(name(&one)),
        }
    }
    Ok(())
}

//! `pcs resource describe` and `stonith describe`: what an agent says of itself.

use crate::agent::{self, Metadata, Name};
use crate::call::{Call, Done};
use crate::commands::Command;

/// The command.
pub const COMMANDS: &[Command] = &[Command {
    path: &["resource", "describe"],
    arguments: "[<standard>:[<provider>:]]<type>",
    about: "Shows the options of a resource agent",
    options: &["--full"],
    run,
}];

fn run(call: &mut Call<'_>) -> Done {
    let text = call.next("an agent")?;
    call.no_more()?;
    let name = agent::find(call, &text)?;
    let metadata = agent::metadata(call, &name)?;
    show(call, &name, &metadata);
    Ok(())
}

/// Prints an agent's metadata.
pub fn show(call: &mut Call<'_>, name: &Name, metadata: &Metadata) {
    let shown = if name.is_stonith() { name.kind.clone() } else { name.to_string() };
    match metadata.short.is_empty() {
        true => call.say(shown),
        false => call.say(format!("{shown} - {}", metadata.short)),
    }
    call.say("");
    if !metadata.long.is_empty() {
        for line in metadata.long.lines() {
            call.say(line.trim_end());
        }
        call.say("");
    }
    let full = call.options.has("--full");
    let word = if name.is_stonith() { "Stonith" } else { "Resource" };
    let shown: Vec<_> = metadata.parameters.iter().filter(|one| full || !(one.advanced || one.deprecated)).collect();
    if !shown.is_empty() {
        call.say(format!("{word} options:"));
    }
    for one in &shown {
        let mut marks = Vec::new();
        if one.deprecated {
            let by = if one.deprecated_by.is_empty() {
                String::new()
            } else {
                format!(" by {}", one.deprecated_by.join(", "))
            };
            marks.push(format!("deprecated{by}"));
        }
        if one.required {
            marks.push("required".into());
        }
        if one.unique_group.is_some() {
            marks.push("unique".into());
        }
        let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join("; ")) };
        let long = if one.long.is_empty() { &one.short } else { &one.long };
        let mut text = long.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            text = "No description available".into();
        }
        call.say(format!("  {}{marks}: {text}", one.name));
        if let Some(default) = one.default.as_deref().filter(|default| !default.is_empty()) {
            call.say(format!("      Default: {default}"));
        }
        if !one.choices.is_empty() {
            call.say(format!("      Allowed values: {}", one.choices.join(", ")));
        }
    }
    let actions: Vec<_> = metadata
        .actions
        .iter()
        .filter(|action| !matches!(action.name.as_str(), "meta-data" | "status" | "validate-all"))
        .collect();
    if !actions.is_empty() {
        call.say("");
        call.say("Default operations:");
    }
    for action in actions {
        let wanted = !name.is_stonith() || action.name == "monitor";
        if !wanted {
            continue;
        }
        call.say(format!("  {}:", action.name));
        let interval =
            action.interval.clone().unwrap_or_else(|| if action.name == "monitor" { "60s" } else { "0s" }.into());
        call.say(format!("    interval={interval}"));
        for (name, value) in
            [("timeout", &action.timeout), ("role", &action.role), ("start-delay", &action.start_delay)]
        {
            if let Some(value) = value {
                call.say(format!("    {name}={value}"));
            }
        }
        if let Some(depth) = action.depth.as_deref().filter(|depth| *depth != "0") {
            call.say(format!("    OCF_CHECK_LEVEL={depth}"));
        }
    }
}

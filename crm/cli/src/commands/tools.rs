//! `systole tools install`: links to this program under the classic tools' names, for agents and for programs that call
//! those.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Arg, ArgAction, ArgMatches};

use super::Command;
use crate::EXIT_OK;
use crate::terminal::print;
use crate::tools::TOOLS;

/// The command.
pub const COMMAND: Command = Command { name: "tools", grammar, run };

fn grammar() -> clap::Command {
    let directory = Arg::new("directory")
        .value_name("DIR")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("The directory; it is made if it is missing");
    let force =
        Arg::new("force").long("force").action(ArgAction::SetTrue).help("Also in the place of files that are not ours");
    let after = "Resource agents find the tools in PATH, and some in HA_SBIN_DIR, which is /usr/sbin unless it is set.\n\n\
                 Example, beside an installed Pacemaker:\n  systole tools install /usr/local/lib/systole/tools\n  \
                 HA_SBIN_DIR=/usr/local/lib/systole/tools PATH=$HA_SBIN_DIR:$PATH systoled run --id 1";
    let install = clap::Command::new("install")
        .about("Put links to this program under the tools' names into a directory")
        .after_help(after)
        .args([directory, force]);
    let list = clap::Command::new("list").about("Show the tools, and what each does");
    clap::Command::new("")
        .about("Install Pacemaker's tools (crm_mon, cibadmin, crm_attribute …) as links to this program")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([install, list])
}

fn run(arguments: &ArgMatches) -> anyhow::Result<u8> {
    match arguments.subcommand() {
        Some(("install", arguments)) => {
            let directory = arguments.get_one::<PathBuf>("directory").expect("it is required");
            let program = std::env::current_exe().context("finding out where this program is")?;
            print(&install(&program, directory, arguments.get_flag("force"))?)?;
        }
        _ => print(&TOOLS.iter().map(|tool| format!("{:<14} {}\n", tool.name, tool.about)).collect::<String>())?,
    }
    Ok(EXIT_OK)
}

/// Makes the links, or none when a foreign file is in the way, and says what was done.
fn install(program: &Path, directory: &Path, force: bool) -> anyhow::Result<String> {
    fs::create_dir_all(directory).with_context(|| format!("making the directory {}", directory.display()))?;
    let mut foreign = Vec::new();
    let mut wanted = Vec::new();
    let mut there = 0;
    for tool in TOOLS {
        let link = directory.join(tool.name);
        match fs::symlink_metadata(&link) {
            Err(_) => wanted.push(link),
            Ok(_) if fs::read_link(&link).is_ok_and(|to| to == program) => there += 1,
            // A link of an earlier installation of ours may be replaced without asking.
            Ok(_) if fs::read_link(&link).is_ok_and(|to| to.file_name() == program.file_name()) => wanted.push(link),
            Ok(_) => {
                foreign.push(tool.name);
                wanted.push(link);
            }
        }
    }
    if !foreign.is_empty() && !force {
        bail!(
            "nothing was installed: {} in {} would be overwritten; name another directory, or use --force",
            foreign.join(", "),
            directory.display()
        );
    }
    let mut text = String::new();
    for link in &wanted {
        let name = link.file_name().unwrap_or_default().to_string_lossy();
        let beside = directory.join(format!(".{name}.{}", std::process::id()));
        let made = symlink(program, &beside).and_then(|()| fs::rename(&beside, link));
        made.with_context(|| format!("making the link {}", link.display()))?;
        let instead =
            if foreign.iter().any(|other| *other == name) { ", in the place of a file that was there" } else { "" };
        text.push_str(&format!("{} -> {}{instead}\n", link.display(), program.display()));
    }
    text.push_str(&match (wanted.len(), there) {
        (0, there) => format!("All {there} tools were installed in {} already.\n", directory.display()),
        (made, 0) => format!("{made} tools are installed in {}.\n", directory.display()),
        (made, there) => format!("{made} tools are installed in {}, {there} were already.\n", directory.display()),
    });
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_once_and_foreign_files_stay() {
        let place = tempfile::tempdir().unwrap();
        let (program, directory) = (place.path().join("systole"), place.path().join("bin"));
        fs::write(&program, "").unwrap();
        let said = install(&program, &directory, false).unwrap();
        assert!(
            said.ends_with(&format!("{} tools are installed in {}.\n", TOOLS.len(), directory.display())),
            "{said}"
        );
        assert_eq!(fs::read_link(directory.join("crm_attribute")).unwrap(), program);
        assert!(install(&program, &directory, false).unwrap().contains("already"));

        let foreign = directory.join("crm_attribute");
        fs::remove_file(&foreign).unwrap();
        fs::write(&foreign, "theirs").unwrap();
        fs::remove_file(directory.join("cibadmin")).unwrap();
        let refusal = install(&program, &directory, false).unwrap_err().to_string();
        assert!(refusal.contains("nothing was installed: crm_attribute in"), "{refusal}");
        assert!(!directory.join("cibadmin").exists());
        assert!(install(&program, &directory, true).unwrap().contains("in the place of a file that was there"));
        assert_eq!(fs::read_link(foreign).unwrap(), program);
        // Another place of the same program: our links follow.
        let moved = place.path().join("other/systole");
        assert!(install(&moved, &directory, false).is_ok());
        assert_eq!(fs::read_link(directory.join("crm_node")).unwrap(), moved);
    }
}

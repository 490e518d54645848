//! systoled's manual pages, made from the same definitions as its help. Those of `systole` it makes itself.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::options::Options;

/// The section of programs that are an administrator's.
const SECTION: &str = "8";

/// Writes a page for the program and for each of its commands.
///
/// # Errors
/// When the directory cannot be written.
pub fn write(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    for (name, text) in pages()? {
        let path = directory.join(format!("{name}.{SECTION}"));
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The pages by name.
fn pages() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut grammar = Options::command();
    grammar.build();
    let below = grammar.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set());
    let all = std::iter::once(&grammar).chain(below);
    all.map(|command| {
        let mut text = Vec::new();
        let page = clap_mangen::Man::new(command.clone()).section(SECTION);
        page.render(&mut text).context("writing a page")?;
        Ok((command.get_bin_name().unwrap_or(command.get_name()).replace(' ', "-"), text))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_and_its_commands_have_a_page() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["systoled", "systoled-run", "systoled-hub", "systoled-engine", "systoled-supervise"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let run = pages.iter().find(|(name, _)| name == "systoled-run").map(|(_, text)| String::from_utf8_lossy(text));
        assert!(run.is_some_and(|text| text.contains(r"\-\-watchdog") && text.contains(".TH")));
    }
}

//! `pcs cluster edit`: the configuration in an editor, and what was changed there put back as `cib-push` does it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use ::pcs::command_line::CommandLine;

use super::execute;
use crate::tools::call::Call;
use crate::tools::status::Failure;

/// The editor, where neither the environment nor the user names one.
const EDITOR: &str = "vi";

/// Files that go with this value: what is edited may hold passwords.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn new() -> Result<Files, Failure> {
        let directory = std::env::temp_dir().join(format!("systole-edit-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|error| failed(&directory, &error))?;
        Ok(Files { directory })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Whoever cleans the directory of temporary files sees to what cannot be removed.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(::pcs::FAILED, format!("{}: {error}", path.display()))
}

/// Does it; the inner error is for a command line that is none.
pub fn run(call: &mut Call, line: &CommandLine) -> Result<Result<u8, String>, Failure> {
    let rest = &line.words[2..];
    let scope: Vec<String> = rest.iter().filter(|word| word.starts_with("scope=")).cloned().collect();
    if rest.len() > scope.len() || scope.len() > 1 {
        return Ok(Err("usage: pcs cluster edit [scope=<scope> | --config]".to_owned()));
    }
    let mut which = scope;
    which.extend(line.options.has("--config").then(|| "--config".to_owned()));
    let files = Files::new()?;
    let (original, edited) = (files.at("original.xml"), files.at("cib.xml"));
    let mut words = ["cluster", "cib"].map(str::to_owned).to_vec();
    words.push(original.display().to_string());
    words.extend(which.clone());
    words.extend(file_of(line));
    let answer = run_words(call, &words)?;
    if answer != 0 {
        return Ok(Ok(answer));
    }
    let text = fs::read_to_string(&original).map_err(|error| failed(&original, &error))?;
    let mut file = fs::OpenOptions::new();
    let written = file.write(true).create_new(true).mode(0o600).open(&edited);
    written
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| failed(&edited, &error))?;
    let editor = ["VISUAL", "EDITOR"].iter().find_map(|name| call.variable(name)).unwrap_or(EDITOR).to_owned();
    // As a shell reads it: the variable may hold options.
    let ended = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&edited).status();
    match ended {
        Ok(status) if status.success() => {}
        Ok(status) => {
            return Err(Failure::new(::pcs::FAILED, format!("nothing was changed: the editor ended with {status}")));
        }
        Err(error) => return Err(Failure::new(::pcs::FAILED, format!("nothing was changed: {editor}: {error}"))),
    }
    let after = fs::read_to_string(&edited).map_err(|error| failed(&edited, &error))?;
    if after == text {
        call.complain("CIB not updated, no changes detected");
        return Ok(Ok(0));
    }
    let mut words = ["cluster", "cib-push"].map(str::to_owned).to_vec();
    words.push(edited.display().to_string());
    match which.is_empty() {
        true => words.push(format!("diff-against={}", original.display())),
        false => words.extend(which),
    }
    words.extend(file_of(line));
    words.extend(
        ["--plan", "--confirm", "--force"].iter().filter(|name| line.options.has(name)).map(|name| (*name).to_owned()),
    );
    Ok(Ok(run_words(call, &words)?))
}

fn file_of(line: &CommandLine) -> Vec<String> {
    line.options.value("-f").map_or_else(Vec::new, |file| vec!["-f".to_owned(), file.to_owned()])
}

fn run_words(call: &mut Call, words: &[String]) -> Result<u8, Failure> {
    let line = CommandLine::read(words).unwrap_or_default();
    let (answer, _) = execute(call, words, &line, false)?;
    call.out.push_str(&answer.out);
    call.err.push_str(&answer.err);
    Ok(answer.status)
}

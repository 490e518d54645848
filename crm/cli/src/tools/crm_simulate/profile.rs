//! Timing: plans every file of a directory some times and says how long each took.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::options::Options;
use super::report::Report;
use super::{Clock, admit};
use crate::tools::status::{self, Failure};

/// Plans each `*.xml` of the directory, in the order of names. What is no CIB, or one that its schema refuses, is told on
/// standard error and left out.
pub fn run(directory: &Path, options: &Options, out: &mut Report<'_>) -> Result<(), Failure> {
    let files = list(directory).map_err(|error| {
        Failure::new(status::NO_SUCH, format!("reading the directory {}: {error}", directory.display()))
    })?;
    if files.is_empty() {
        return Ok(());
    }
    out.begin_timings();
    for path in files {
        let file = status::read_file(&path);
        let begun = Instant::now();
        let cib = match file.and_then(admit) {
            Ok(cib) => cib,
            Err(failure) => {
                failure.message.iter().for_each(|message| out.complain(&format!("left out: {message}")));
                continue;
            }
        };
        let clock = Clock::new(&cib, options)?;
        for _ in 0..options.repeat {
            let mut input = clock.input(&cib);
            input.scores = options.show_scores;
            input.utilization = options.show_utilization;
            policy::plan(&input);
        }
        out.timing(&path.display().to_string(), begun.elapsed().as_secs_f64());
        out.flush()?;
    }
    out.end();
    out.flush()
}

fn list(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "xml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

//! Timing: plans every file of a directory some times and says how long each took.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cib::Document;

use super::Clock;
use super::options::Options;
use super::report::Report;
use crate::tools::status::{self, Failure};

/// Plans each `*.xml` of the directory, in the order of names.
pub fn run(directory: &Path, options: &Options, out: &mut Report<'_>) -> Result<(), Failure> {
    let files = list(directory).map_err(|error| {
        Failure::new(status::NO_INPUT, format!("reading the directory {}: {error}", directory.display()))
    })?;
    out.begin_timings();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let document = Document::parse(&text)
            .map_err(|error| Failure::new(status::BAD_DATA, error.render(&file.display().to_string(), &text)))?;
        let begun = Instant::now();
        let cib = status::prepare(document)?;
        let clock = Clock::new(&cib, options)?;
        for _ in 0..options.repeat {
            let mut input = clock.input(&cib);
            input.scores = options.show_scores;
            input.utilization = options.show_utilization;
            policy::plan(&input);
        }
        out.timing(&file.display().to_string(), begun.elapsed().as_secs_f64());
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

//! A CIB from a file: read, and refused with the place of what is wrong. Whether a configuration makes sense is for
//! `cib::check` to say.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{anyhow, bail};
use cib::Document;
use clap::Arg;

/// A file larger than this is no CIB: the largest known, of a hundred nodes with their history, has a tenth of it.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// A CIB with the text it was read from, for messages that point into it.
#[derive(Debug)]
pub struct CibFile {
    /// Name for messages.
    pub name: String,
    /// The text.
    pub text: String,
    /// What it says.
    pub document: Document,
}

/// The positional argument `FILE`.
pub fn argument() -> Arg {
    Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("A CIB as XML, as `pcs cluster cib` or `systole cib show` write it; - is standard input")
}

/// Reads a CIB; `-` is standard input.
///
/// # Errors
/// When it cannot be read, is not well-formed (with a caret below the place) or is no CIB.
pub fn read(path: &Path) -> anyhow::Result<CibFile> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let bytes = bytes(path).map_err(|error| unreadable(&name, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{name} is larger than {} MiB; expected a CIB as XML", MAX_BYTES >> 20);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        anyhow!("{name}, line {line}: this is no UTF-8 text; expected a CIB as XML in UTF-8")
    })?;
    parse(name, text)
}

fn parse(name: String, text: String) -> anyhow::Result<CibFile> {
    let document = Document::parse(&text).map_err(|error| anyhow!("{}", error.render(&name, &text)))?;
    let root = document.root();
    let problem = match document.name(root) {
        "cib" if document.child(root, "configuration").is_some() => return Ok(CibFile { name, text, document }),
        "cib" => "<cib> has no <configuration>; expected <cib><configuration>…</configuration></cib>".to_owned(),
        other => format!("expected <cib> as the outermost element, found <{other}>"),
    };
    let position = document.position(root).expect("the root was parsed just now");
    bail!("{}", cib::document::caret(&name, &text, position, &problem))
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path == Path::new("-") {
        true => io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
        false => fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn unreadable(name: &str, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::NotFound => anyhow!("there is no file {name}"),
        io::ErrorKind::IsADirectory => anyhow!("{name} is a directory; expected a file that holds a CIB"),
        _ => anyhow!("reading the CIB from {name}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse("x.xml".into(), text.into()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_cib_is_shown_where_it_is_wrong() {
        let text = refused("<cib>\n  <configuration>\n  </configuraton>\n</cib>");
        assert!(text.starts_with("x.xml:3:") && text.contains("</configuraton>\n") && text.ends_with('^'), "{text}");
        assert!(
            refused("<html/>").contains("expected <cib> as the outermost element, found <html>\n    <html/>\n    ^")
        );
        assert!(refused("<cib/>").contains("has no <configuration>"));
        assert!(refused("").starts_with("x.xml:1:1:"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let says = |path: &Path| read(path).unwrap_err().to_string();
        assert!(says(&directory.path().join("none")).contains("there is no file"));
        assert!(says(directory.path()).contains("is a directory"));
        let binary = directory.path().join("binary");
        fs::write(&binary, b"<cib>\n\xff</cib>").unwrap();
        assert!(says(&binary).contains("line 2: this is no UTF-8 text"));
    }
}

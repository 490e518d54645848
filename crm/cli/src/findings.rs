//! What is wrong with a configuration, shown with the place in the file and the remedy. Finding it is `cib::check`'s
//! work; only whether agents are installed is looked up here, as it needs the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use cib::Document;
use cib::check::{Finding, Severity, strict};
use expiring::mark;
use serde_json::{Value, json};

use crate::file::CibFile;
use crate::terminal;

/// Where OCF agents lie, as systoled looks for them.
pub fn ocf_root() -> PathBuf {
    std::env::var_os("OCF_ROOT").map_or_else(|| PathBuf::from("/usr/lib/ocf"), PathBuf::from)
}

/// What is wrong in a file's configuration, errors first.
pub fn of(file: &CibFile) -> Vec<Finding> {
    let mut document = file.document.clone();
    // Marks of changes that end are the cluster's own, and no options.
    for of in mark::all(&document) {
        mark::remove(&mut document, of.number);
    }
    strict(&document)
}

/// Whether any finding is an error.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Refuses a file with errors, unless forced; whatever is found otherwise is told on standard error.
///
/// # Errors
/// When there are errors: all of them, each with place and remedy.
pub fn refuse_errors(file: &CibFile, force: bool) -> anyhow::Result<()> {
    let findings = of(file);
    if has_errors(&findings) && !force {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<String> = errors.map(|finding| finding.render(&file.name, &file.text)).collect();
        let count = if errors.len() == 1 { "an error".to_owned() } else { format!("{} errors", errors.len()) };
        bail!("the configuration has {count}; nothing was done (--force goes on all the same)\n{}", errors.join("\n"));
    }
    for finding in &findings {
        terminal::complain(&finding.render(&file.name, &file.text));
    }
    for agent in missing_agents(&file.document, &ocf_root()) {
        terminal::complain(&format!("warning: {agent}"));
    }
    Ok(())
}

/// Findings as compilers print them.
pub fn text(file: &CibFile, findings: &[Finding]) -> String {
    if findings.is_empty() {
        return format!("{}: nothing is wrong.\n", file.name);
    }
    findings.iter().map(|finding| finding.render(&file.name, &file.text) + "\n").collect()
}

/// Findings for programs.
pub fn json(findings: &[Finding]) -> Value {
    let object = |finding: &Finding| {
        json!({
            "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
            "line": finding.position.map(|position| position.line),
            "column": finding.position.map(|position| position.column),
            "element": finding.element,
            "message": finding.message,
            "remedy": finding.remedy,
        })
    };
    findings.iter().map(object).collect()
}

/// What of a file no cluster of ours runs, a sentence each.
pub fn unreached(document: &Document) -> impl Iterator<Item = String> {
    cib::unreached::of(document).into_iter().map(|unreached| unreached.sentence())
}

/// Agents that resources name and this machine does not have, a sentence each. Nothing when there is no directory of
/// agents at all: this is no cluster node then, and the file is about others.
pub fn missing_agents(document: &Document, root: &Path) -> Vec<String> {
    let agents = root.join("resource.d");
    if !agents.is_dir() {
        return Vec::new();
    }
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let Some(resources) = document.descend(&["configuration", "resources"]) else { return Vec::new() };
    for element in document.descendants(resources) {
        let attribute = |name| document.attribute(element, name);
        let (Some("ocf"), Some(provider), Some(kind)) = (attribute("class"), attribute("provider"), attribute("type"))
        else {
            continue;
        };
        // A name is one step of a path, whatever the file says.
        let plain = |name: &str| !name.contains('/') && name != "..";
        if !plain(provider) || !plain(kind) || !agents.join(provider).join(kind).exists() {
            missing.entry(format!("ocf:{provider}:{kind}")).or_default().push(document.id(element));
        }
    }
    let sentence = |(agent, of): (String, Vec<&str>)| {
        format!("this machine has no agent {agent} in {} (resource {})", agents.display(), of.join(", "))
    };
    missing.into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inside: &str) -> CibFile {
        let text = format!("<cib><configuration>{inside}</configuration></cib>");
        CibFile { name: "x.xml".into(), document: Document::parse(&text).unwrap(), text }
    }

    #[test]
    fn all_errors_are_told_with_place_and_remedy_unless_forced() {
        let bad = file(
            "<crm_config/><nodes/>\n<resources><primitive id='a' class='ocf' provider='p' type='T'/><primitive id='a' class='ocf' provider='p' \
                        type='T'/></resources>\n<constraints><rsc_location id='l' rsc='web' node='n' score='1'/></constraints>",
        );
        let error = refuse_errors(&bad, false).unwrap_err().to_string();
        assert!(error.contains("has 2 errors") && error.contains("--force"), "{error}");
        assert!(
            error.contains("x.xml:2:") && error.contains("x.xml:3:") && error.matches("help: ").count() == 2,
            "{error}"
        );
        assert!(refuse_errors(&bad, true).is_ok());
        assert_eq!(json(&of(&bad))[0]["severity"], "error");
        let good = file("<crm_config/><nodes/><resources/><constraints/>");
        assert!(refuse_errors(&good, false).is_ok() && text(&good, &of(&good)).contains("nothing is wrong"));
    }

    #[test]
    fn agents_that_are_not_there_are_named_with_their_resources() {
        let root = tempfile::tempdir().unwrap();
        let document = Document::parse(
            "<cib><configuration><resources><primitive id='a' class='ocf' provider='x' type='There'/>\
             <primitive id='b' class='ocf' provider='x' type='Gone'/><primitive id='c' class='ocf' provider='..' type='There'/>\
             <primitive id='d' class='systemd' type='sshd'/></resources></configuration></cib>",
        )
        .unwrap();
        assert!(missing_agents(&document, root.path()).is_empty(), "no directory of agents");
        let provider = root.path().join("resource.d/x");
        std::fs::create_dir_all(&provider).unwrap();
        std::fs::write(provider.join("There"), "").unwrap();
        let missing = missing_agents(&document, root.path());
        assert_eq!(missing.len(), 2, "{missing:?}");
        assert!(missing[1].contains("ocf:x:Gone") && missing[1].ends_with("(resource b)"), "{missing:?}");
    }
}

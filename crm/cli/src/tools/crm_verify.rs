//! `crm_verify`: whether a configuration is one the cluster can work with. What is wrong with it is found by
//! `cib::check` and by `policy`, which reads it like the cluster would; this tells it in Pacemaker's way: one line,
//! details only with `-V`, and the exit status 78 if anything is to be told.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cib::Document;
use cib::check::{Finding, Severity, check};
use clap::{ArgAction, ArgGroup, Parser};
use policy::Input;

use super::Tool;
use super::status::{self, Failure};
use crate::client::{Client, DEFAULT_SOCKET};

/// The tool.
pub const TOOL: Tool = Tool { name: "crm_verify", about: "Check a configuration for errors", run };

/// Check a configuration for errors: what is said as an error keeps the cluster from working properly, and a warning
/// is for the administrator to judge.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "crm_verify",
    version,
    disable_version_flag = true,
    group(ArgGroup::new("source").args(["live_check", "xml_file", "xml_pipe", "xml_text"]))
)]
struct Options {
    /// Print the version and leave
    #[arg(short = '$', long, action = ArgAction::Version)]
    version: (),

    /// Say what is wrong, and where
    #[arg(short = 'V', long, action = ArgAction::Count)]
    verbose: u8,

    /// Say nothing; the exit status tells
    #[arg(short = 'q', long)]
    quiet: bool,

    /// Check the configuration of the running cluster
    #[arg(short = 'L', long, help_heading = "Data Sources")]
    live_check: bool,

    /// Check the configuration in the named file ("-" for standard input)
    #[arg(short = 'x', long, value_name = "FILE", help_heading = "Data Sources")]
    xml_file: Option<PathBuf>,

    /// Check the configuration from standard input
    #[arg(short = 'p', long, help_heading = "Data Sources")]
    xml_pipe: bool,

    /// Check the configuration in this text
    #[arg(short = 'X', long, value_name = "XML", help_heading = "Data Sources")]
    xml_text: Option<String>,

    /// Save what was checked to the named file
    #[arg(short = 'S', long, value_name = "FILE")]
    save_xml: Option<PathBuf>,
}

fn run(arguments: Vec<OsString>) -> u8 {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => return status::of_usage(&error),
    };
    match verify(&options) {
        Ok(verdict) => {
            if !options.quiet {
                verdict.tell(options.verbose > 0);
            }
            verdict.status()
        }
        Err(failure) => failure.tell("crm_verify"),
    }
}

/// What was found, each as it is told.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Verdict {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Verdict {
    fn status(&self) -> u8 {
        if self.errors.is_empty() && self.warnings.is_empty() { status::OK } else { status::BAD_CONFIGURATION }
    }

    fn tell(&self, verbose: bool) {
        if self.status() == status::OK {
            return;
        }
        if verbose {
            self.errors.iter().chain(&self.warnings).for_each(|finding| eprintln!("{finding}"));
        }
        let kind = if self.errors.is_empty() { "may need attention" } else { "invalid" };
        let hint = if verbose { "" } else { " (-V may provide more detail)" };
        eprintln!("Configuration {kind}{hint}");
    }
}

fn verify(options: &Options) -> Result<Verdict, Failure> {
    let (name, text) = read(options)?;
    let cib =
        Document::parse(&text).map_err(|error| Failure::new(status::BAD_CONFIGURATION, error.render(&name, &text)))?;
    if let Some(path) = &options.save_xml {
        fs::write(path, cib.to_xml()).map_err(|error| Failure::cannot_create(path, &error))?;
    }
    Ok(judge(cib, &name, &text))
}

/// The text and what to call it.
fn read(options: &Options) -> Result<(String, String), Failure> {
    if let Some(text) = &options.xml_text {
        return Ok(("--xml-text".to_owned(), text.clone()));
    }
    if options.live_check {
        return live();
    }
    let file = options.xml_file.as_deref().filter(|path| path.as_os_str() != "-");
    let (name, text) = match file {
        Some(path) => (path.display().to_string(), fs::read_to_string(path)),
        None if options.xml_pipe || options.xml_file.is_some() => {
            let mut text = String::new();
            ("standard input".to_owned(), io::stdin().read_to_string(&mut text).map(|_| text))
        }
        None => {
            let message = "no input was named; expected --xml-file FILE, --xml-pipe, --xml-text XML or --live-check";
            return Err(Failure::new(status::ERROR, message.to_owned()));
        }
    };
    let unreadable = |error| Failure::new(status::BAD_CONFIGURATION, format!("reading the CIB from {name}: {error}"));
    text.map_err(unreadable).map(|text| (name, text))
}

fn live() -> Result<(String, String), Failure> {
    let socket = std::env::var_os("SYSTOLE_SOCKET").map_or_else(|| PathBuf::from(DEFAULT_SOCKET), PathBuf::from);
    let fetch = |socket: &Path| Ok(Client::connect(socket)?.status()?.cib);
    let failed = |error: anyhow::Error| Failure::new(status::DISCONNECTED, format!("{error:#}"));
    fetch(&socket).map_err(failed).map(|text| ("the cluster".to_owned(), text))
}

fn judge(cib: Document, name: &str, text: &str) -> Verdict {
    let findings = check(&cib);
    let (errors, warnings): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.severity == Severity::Error);
    let rendered = |findings: Vec<&Finding>| findings.into_iter().map(|finding| finding.render(name, text)).collect();
    let mut verdict = Verdict { errors: rendered(errors), warnings: rendered(warnings) };
    let Ok(cib) = status::prepare(cib) else { return verdict };

    let plan = policy::plan(&Input::new(&cib, 0));
    let options = &plan.cluster.options;
    if options.fencing_enabled && !options.have_fencing {
        verdict.errors.push(format!(
            "{name}: error: fencing is enabled, but no fence device is configured: no resource will be started\n    \
             help: configure a fence device, or set stonith-enabled=false where no data is shared"
        ));
    }
    // What the cluster ignores, unless the place was spoken of already.
    let places = findings.iter().filter_map(|finding| finding.position);
    let told: Vec<String> = places.map(|place| format!("line {}, column {}: ", place.line, place.column)).collect();
    let mut ignored: Vec<&String> = Vec::new();
    for warning in &plan.warnings {
        if !ignored.contains(&warning) && !told.iter().any(|place| warning.starts_with(place)) {
            ignored.push(warning);
        }
    }
    verdict.warnings.extend(ignored.into_iter().map(|warning| format!("{name}: warning: {warning}")));
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(configuration: &str) -> Verdict {
        let text = format!("<cib><configuration>{configuration}</configuration></cib>");
        judge(Document::parse(&text).unwrap(), "x.xml", &text)
    }

    const UNFENCED: &str = "<crm_config><cluster_property_set id='b'>\
        <nvpair id='b1' name='stonith-enabled' value='false'/></cluster_property_set></crm_config>";

    #[test]
    fn the_grammar_is_sound() {
        <Options as clap::CommandFactory>::command().debug_assert();
        assert_eq!(run(vec!["crm_verify".into(), "-p".into(), "-L".into()]), status::USAGE);
    }

    #[test]
    fn a_good_configuration_is_good() {
        assert_eq!(verdict(UNFENCED).status(), status::OK);
    }

    #[test]
    fn fencing_needs_a_device() {
        let verdict = verdict("");
        assert!(verdict.errors[0].starts_with("x.xml: error: fencing is enabled"), "{verdict:?}");
        assert_eq!(verdict.status(), status::BAD_CONFIGURATION);
    }

    #[test]
    fn what_is_wrong_is_told_once() {
        let constraint = "<nodes><node id='1' uname='a'/></nodes><constraints><rsc_location id='l' rsc='web' node='a' score='100'/></constraints>";
        let verdict = verdict(&format!("{UNFENCED}{constraint}"));
        assert_eq!((verdict.errors.len(), verdict.warnings.len()), (1, 0), "{verdict:?}");
        assert!(verdict.errors[0].contains("web") && verdict.errors[0].contains("help: "), "{verdict:?}");
    }

    #[test]
    fn input_that_cannot_be_read_has_its_statuses() {
        let status_of = |arguments: &[&str]| {
            let options = Options::try_parse_from([&["crm_verify"], arguments].concat()).unwrap();
            verify(&options).map_or_else(|failure| failure.status, |verdict| verdict.status())
        };
        assert_eq!(status_of(&[]), status::ERROR);
        assert_eq!(status_of(&["-x", "/there/is/no/such/file"]), status::BAD_CONFIGURATION);
        assert_eq!(status_of(&["-X", "<cib"]), status::BAD_CONFIGURATION);
        assert_eq!(status_of(&["-X", "<html/>"]), status::BAD_CONFIGURATION);
    }
}

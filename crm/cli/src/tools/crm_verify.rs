//! `crm_verify`: whether a configuration can be used. What is wrong with it is found by `cib::check` and by planning from
//! it; this reads it, tells what was found, and gives Pacemaker's exit statuses.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cib::Document;
use cib::check::{Severity, whole};
use clap::{ArgAction, Parser, ValueEnum};
use policy::Input;

use super::Tool;
use super::status::{self, Failure};
use crate::client;
use crate::cluster::now;
use crate::file::CibFile;
use crate::output::xml::Tree;
use crate::terminal;

/// The tool.
pub const TOOL: Tool = Tool { name: "crm_verify", about: "Check a configuration for errors", run };

/// Check a configuration for errors.
///
/// Exit status: 0 if it can be used, 78 if it cannot or something in it would be ignored.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_verify", version, disable_version_flag = true)]
struct Options {
    /// Print the version and leave
    #[arg(short = '$', long, action = ArgAction::Version)]
    version: (),

    /// Say what would be ignored as well; twice, also what may not be meant
    #[arg(short = 'V', long, action = ArgAction::Count)]
    verbose: u8,

    /// Say nothing; the exit status tells
    #[arg(short = 'q', long)]
    quiet: bool,

    /// Output format
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    output_as: Format,

    /// Write the output to this file instead of standard output ("-")
    #[arg(long, value_name = "DEST")]
    output_to: Option<PathBuf>,

    /// Check the configuration used by the running cluster
    #[arg(short = 'L', long, help_heading = "Data sources")]
    live_check: bool,

    /// Socket of the daemon (systoled) that is asked
    #[arg(long, value_name = "PATH", env = "SYSTOLE_SOCKET", default_value = client::DEFAULT_SOCKET, help_heading = "Data sources")]
    socket: PathBuf,

    /// Check the configuration in the named file
    #[arg(short = 'x', long, value_name = "FILE", help_heading = "Data sources")]
    xml_file: Option<PathBuf>,

    /// Check the configuration piped in via stdin
    #[arg(short = 'p', long, help_heading = "Data sources")]
    xml_pipe: bool,

    /// Check the configuration in the supplied string
    #[arg(short = 'X', long, value_name = "XML", help_heading = "Data sources")]
    xml_text: Option<String>,

    /// Save verified XML to named file (most useful with -L)
    #[arg(short = 'S', long, value_name = "FILE", help_heading = "Additional options")]
    save_xml: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Text,
    Xml,
}

/// What was found, in the order it is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Verdict {
    /// What is no configuration by the schema and the rules: told even to who does not ask, or it could not be mended.
    errors: Vec<String>,
    /// What else keeps the configuration from being used.
    problems: Vec<String>,
    /// What the cluster ignores in it.
    ignored: Vec<String>,
    /// What may not be meant.
    remarks: Vec<String>,
}

fn run(arguments: Vec<OsString>) -> u8 {
    let options = match Options::try_parse_from(&arguments) {
        Ok(options) => options,
        Err(error) => return status::of_usage(&error),
    };
    let told = verify(&options).and_then(|verdict| tell(&options, &arguments, verdict));
    let failure = match told {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    if options.output_as == Format::Xml {
        let errors: Vec<String> = failure.message.iter().map(|message| format!("crm_verify: {message}")).collect();
        let text = Tree::result(&arguments).finish(failure.status, status::text(failure.status), &errors);
        if write(&options, &text).is_ok() {
            return failure.status;
        }
    }
    failure.tell("crm_verify")
}

fn verify(options: &Options) -> Result<Verdict, Failure> {
    let file = read(options)?;
    let root = file.document.root();
    if file.document.name(root) != "cib" {
        let found = file.document.name(root);
        let message = format!(
            "This tool can only check complete configurations (i.e. those starting with <cib>); {} begins with <{found}>",
            file.name
        );
        return Err(Failure::new(status::BAD_CONFIGURATION, message));
    }
    if let Some(path) = &options.save_xml {
        fs::write(path, file.document.to_xml()).map_err(|error| Failure::cannot_create(path, &error))?;
    }
    Ok(judge(&file))
}

fn read(options: &Options) -> Result<CibFile, Failure> {
    // What cannot be read is no configuration, wherever it comes from.
    let wrong = |failure: Failure| Failure { status: status::BAD_CONFIGURATION, ..failure };
    if options.live_check {
        let document = status::read_live(&options.socket)?;
        return Ok(CibFile { name: "the running cluster".into(), text: String::new(), document });
    }
    if let Some(path) = options.xml_file.as_deref().filter(|path| *path != Path::new("-")) {
        return status::read_file(path).map_err(wrong);
    }
    if let Some(text) = &options.xml_text {
        return status::parse(text.clone().into_bytes(), "the given text".into()).map_err(wrong);
    }
    if options.xml_pipe || options.xml_file.is_some() {
        return status::read_standard_input().map_err(wrong);
    }
    let message = "No configuration source specified; name one with --xml-file FILE, --xml-text XML, --xml-pipe or \
                   --live-check";
    Err(Failure::new(status::ERROR, message.to_owned()))
}

fn judge(file: &CibFile) -> Verdict {
    let mut verdict = Verdict::default();
    let findings = whole(&file.document);
    for finding in &findings {
        let text = match file.text.is_empty() {
            false => finding.render(&file.name, &file.text),
            true => format!("{}: {finding}\n    help: {}", file.name, finding.remedy),
        };
        match finding.severity {
            Severity::Error => verdict.errors.push(text),
            Severity::Warning => verdict.remarks.push(text),
        }
    }
    // Planning from what is no configuration would only say the same in other words.
    if file.document.child(file.document.root(), "configuration").is_none() {
        return verdict;
    }
    let schema = file.document.attribute(file.document.root(), "validate-with");
    if schema.is_some_and(|name| name.eq_ignore_ascii_case("none")) {
        verdict.ignored.push(format!(
            "{}: warning: validate-with is \"none\", so no schema is held against it\n    help: name the schema it was \
             written for, such as pacemaker-3.9",
            file.name
        ));
    }
    let bare = without_status(&file.document);
    let plan = policy::plan(&Input::new(&bare, now()));
    let places = findings.iter().filter_map(|finding| finding.position);
    let told: Vec<String> = places.map(|place| format!("line {}, column {}: ", place.line, place.column)).collect();
    for warning in &plan.warnings {
        let text = format!("{}: warning: {warning}", file.name);
        // One place is spoken of once.
        if !verdict.ignored.contains(&text) && !told.iter().any(|place| warning.starts_with(place)) {
            verdict.ignored.push(text);
        }
    }
    let options = &plan.cluster.options;
    if options.fencing_enabled && !options.have_fencing {
        // pcs looks for the first words.
        verdict.problems.push(format!(
            "{}: error: Resource start-up disabled since no fencing resources have been defined\n    help: create a fence \
             device (a primitive of class stonith), or set fencing-enabled (stonith-enabled) to false where no data is \
             shared",
            file.name
        ));
    }
    verdict
}

/// The configuration alone: what happened in a cluster is not its fault.
fn without_status(document: &Document) -> Document {
    let mut bare = document.clone();
    let status: Vec<_> = bare.children_named(bare.root(), "status").collect();
    for status in status {
        let below: Vec<_> = bare.children(status).collect();
        below.into_iter().for_each(|element| bare.remove(element));
    }
    bare
}

fn tell(options: &Options, arguments: &[OsString], verdict: Verdict) -> Result<u8, Failure> {
    let usable = verdict.errors.is_empty() && verdict.problems.is_empty();
    let kind = match (usable, verdict.ignored.is_empty()) {
        (false, _) => Some("invalid"),
        (true, false) => Some("may need attention"),
        (true, true) => None,
    };
    let code = if kind.is_none() { status::OK } else { status::BAD_CONFIGURATION };
    let mut told = Vec::new();
    // For programs all errors are given at once: they cannot ask again.
    let verbose = if options.output_as == Format::Xml { options.verbose.max(1) } else { options.verbose };
    if !options.quiet {
        told.extend(verdict.errors);
    }
    if verbose > 0 && !options.quiet {
        told.extend(verdict.problems);
        told.extend(verdict.ignored);
    }
    if verbose > 1 && !options.quiet {
        told.extend(verdict.remarks);
    }
    if let Some(kind) = kind.filter(|_| !options.quiet) {
        let hint = if verbose > 0 { "" } else { " (-V may provide more detail)" };
        told.push(format!("Configuration {kind}{hint}"));
    }
    match options.output_as {
        Format::Text => told.iter().for_each(|line| terminal::complain(line)),
        Format::Xml => write(options, &Tree::result(arguments).finish(code, status::text(code), &told))?,
    }
    Ok(code)
}

fn write(options: &Options, text: &str) -> Result<(), Failure> {
    match options.output_to.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => fs::write(path, text).map_err(|error| Failure::cannot_create(path, &error)),
        // A reader that went away is no error of ours.
        None => match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::new(status::ERROR, format!("writing the output: {error}")))
            }
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_LINE: &str = "<cib validate-with='pacemaker-3.9' admin_epoch='0' epoch='1' num_updates='0'>";

    const STATUS: &str = "<status><node_state id='1' uname='one' in_ccm='true' crmd='online' join='member'/></status>";

    const NO_FENCING: &str = "<crm_config><cluster_property_set id='o'><nvpair id='f' name='stonith-enabled' \
         value='false'/></cluster_property_set></crm_config>";

    fn judged(configuration: &str, status: &str) -> Verdict {
        let text = format!("{FIRST_LINE}\n<configuration>{configuration}</configuration>{status}</cib>");
        judge(&status::parse(text.into_bytes(), "x.xml".into()).unwrap())
    }

    fn exit_status(words: &[&str]) -> u8 {
        run(std::iter::once("crm_verify").chain(words.iter().copied()).map(OsString::from).collect())
    }

    #[test]
    fn the_grammar_is_sound() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_configuration_that_can_be_used_is_valid() {
        let good = format!("{NO_FENCING}<nodes><node id='1' uname='one'/></nodes><resources/><constraints/>");
        assert_eq!(judged(&good, STATUS), Verdict::default());
    }

    #[test]
    fn problems_are_told_with_line_element_and_remedy() {
        let errors = judged(
            "<crm_config/><nodes/>\n<resources>\n<primitve id='a'/></resources><constraints>\n<rsc_location id='l' rsc='b' node='n' score='1'/>\
             </constraints>",
            "",
        )
        .errors;
        assert!(errors[0].starts_with("x.xml:4:1: error: primitve a:"), "{errors:?}");
        assert!(errors[1].starts_with("x.xml:5:1: error: rsc_location l:"), "{errors:?}");
        assert!(errors.len() == 2 && errors.iter().all(|error| error.contains("\n    help: ")), "{errors:?}");
    }

    #[test]
    fn fencing_without_a_device_is_a_problem() {
        for status in [STATUS, ""] {
            let problems = judged("<crm_config/><nodes/><resources/><constraints/>", status).problems;
            assert!(problems[0].contains("no fencing resources have been defined"), "{problems:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_once_and_history_is_not_its_fault() {
        let twice = format!(
            "{NO_FENCING}<nodes><node id='1' uname='a'/></nodes><resources/><constraints><rsc_location id='l' rsc='web' node='a' score='1'/></constraints>"
        );
        let history = "<status><node_state id='7' uname='gone'/><node_state id='1' uname='a'><lrm id='1'><lrm_resources>\
             <lrm_resource id='x'><lrm_rsc_op id='y'/></lrm_resource></lrm_resources></lrm></node_state></status>";
        let verdict = judged(&twice, history);
        assert_eq!((verdict.errors.len(), verdict.problems.len(), verdict.ignored.len()), (1, 0, 0), "{verdict:?}");
    }

    #[test]
    fn exit_statuses_are_those_of_pacemaker() {
        let valid =
            &format!("{FIRST_LINE}<configuration>{NO_FENCING}<nodes/><resources/><constraints/></configuration></cib>");
        let unversioned = &valid.replace(FIRST_LINE, "<cib>");
        let unchecked = &valid.replace(FIRST_LINE, "<cib validate-with='none'>");
        for (words, expected) in [
            (&["-X", valid][..], status::OK),
            (&["-X", unversioned], status::BAD_CONFIGURATION),
            (&["-X", unchecked], status::BAD_CONFIGURATION),
            (&["-q", "-X", "<cib/>"], status::BAD_CONFIGURATION),
            (&["-X", "<cib><a"], status::BAD_CONFIGURATION),
            (&["-X", "<html/>"], status::BAD_CONFIGURATION),
            (&["-x", "/nonexistent/cib.xml"], status::BAD_CONFIGURATION),
            (&[], status::ERROR),
            (&["--no-such-option"], status::USAGE),
            (&["-L", "--socket", "/nonexistent/socket"], status::DISCONNECTED),
            (&["-X", valid, "-S", "/nonexistent/saved.xml"], status::NO_SUCH),
        ] {
            assert_eq!(exit_status(words), expected, "{words:?}");
        }
    }
}

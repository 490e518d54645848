//! `crm_rule`: whether a rule about dates holds now, is over, or is yet to come.

use cib::date::{self, Calendar, Span};
use cib::rule::{Context, evaluate};
use cib::{Document, Element};
use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};
use super::store::Store;
use crate::cluster::now;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_rule", about: "Check whether a rule is in effect", run: |words| call::run(words, run) };

/// Check whether a rule of the configuration is in effect.
///
/// Exit status: 0 if it is, 110 if it is over, 111 if it is yet to come, 105 if there is no such rule.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_rule", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Check whether a rule is in effect
    #[arg(short, long)]
    check: bool,

    /// The CIB as XML ("-" for standard input)
    #[arg(short = 'X', long, value_name = "XML", allow_hyphen_values = true)]
    xml_text: Option<String>,

    /// The date to check for, instead of now
    #[arg(short, long)]
    date: Option<String>,

    /// The id of the rule; may be given several times
    #[arg(short, long, value_name = "ID", action = clap::ArgAction::Append)]
    rule: Vec<String>,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    match call.options::<Options>() {
        Ok(options) => tell(call, &options.common.clone(), |report| act(report, &options)),
        Err(status) => status,
    }
}

fn act(report: &mut Report<'_>, options: &Options) -> Result<u8, Failure> {
    let usage = |what: String| Failure::new(status::USAGE, what);
    if !options.check {
        return Err(usage("No mode operation given; expected --check".to_owned()));
    }
    if options.rule.is_empty() {
        return Err(usage("--check requires use of --rule=".to_owned()));
    }
    let at = match &options.date {
        None => now(),
        Some(text) => date::parse(text, now()).ok_or_else(|| {
            usage(format!("--date: expected an ISO 8601 date such as 2024-02-29 12:30:00Z, found '{text}'"))
        })?,
    };
    let wrong = |what: String| Failure::new(status::BAD_DATA, what);
    let document = match options.xml_text.as_deref() {
        None => Store::of(report.call).read()?.document,
        Some(text) => {
            let text = match text {
                "-" => String::from_utf8(report.call.standard_input()?)
                    .map_err(|_| wrong("standard input is no UTF-8 text".to_owned()))?,
                text => text.to_owned(),
            };
            Document::parse(&text).map_err(|error| {
                wrong(format!("Couldn't parse input string: {}", error.render("the given XML", &text)))
            })?
        }
    };
    let mut code = status::OK;
    for id in &options.rule {
        let verdict = check(&document, id, at);
        code = verdict.code();
        let text = match &verdict {
            Verdict::Within => format!("Rule {id} is still in effect"),
            Verdict::Satisfied => format!("Rule {id} satisfies conditions"),
            Verdict::After => format!("Rule {id} is expired"),
            Verdict::Before => format!("Rule {id} has not yet taken effect"),
            Verdict::Unsatisfied => format!("Rule {id} does not satisfy conditions"),
            Verdict::Unknown(_, why) => format!("Could not determine whether rule {id} is in effect: {why}"),
        };
        match verdict {
            Verdict::Unknown(..) if !report.is_xml() => report.call.complain(&text),
            _ => report.line(&text),
        }
        if let Some(tree) = report.xml() {
            tree.leaf("rule-check", &[("rule-id", id), ("rc", &code.to_string())]);
        }
    }
    Ok(code)
}

enum Verdict {
    Within,
    Satisfied,
    After,
    Before,
    Unsatisfied,
    Unknown(u8, &'static str),
}

impl Verdict {
    fn code(&self) -> u8 {
        match self {
            Verdict::Within | Verdict::Satisfied => status::OK,
            Verdict::After => status::EXPIRED,
            Verdict::Before => status::NOT_YET,
            Verdict::Unsatisfied => status::UNSATISFIED,
            Verdict::Unknown(code, _) => *code,
        }
    }
}

fn check(document: &Document, id: &str, now: i64) -> Verdict {
    let mut rules = document.descendants(document.root()).filter(|element| document.name(*element) == "rule");
    let Some(rule) = rules.find(|rule| document.id(*rule) == id) else {
        return Verdict::Unknown(status::NO_SUCH, "Rule not found");
    };
    let dates: Vec<Element> =
        document.descendants(rule).filter(|element| document.name(*element) == "date_expression").collect();
    let unimplemented = |why| Verdict::Unknown(status::UNIMPLEMENTED, why);
    let [expression] = dates[..] else {
        return match dates.is_empty() {
            true => unimplemented("Rule does not have a date expression"),
            false => unimplemented("Rule has more than one date expression"),
        };
    };
    let at = |name| document.attribute(expression, name).and_then(|text| date::parse(text, now));
    let start = at("start");
    let duration = || {
        let duration = document.child(expression, "duration")?;
        Some(Span::from_attributes(document.attributes(duration))?.after(start?))
    };
    let end = at("end").or_else(duration);
    if document.attribute(expression, "operation") == Some("date_spec") {
        let spec = document.child(expression, "date_spec");
        let years = spec.and_then(|spec| document.attribute(spec, "years"));
        let Some(years) = years.filter(|_| spec.is_some_and(|spec| document.attribute(spec, "moon").is_none())) else {
            return unimplemented("Rule must either not use date_spec, or use date_spec with years= but not moon=");
        };
        if evaluate(document, rule, &Context::at(now)).holds {
            return Verdict::Satisfied;
        }
        let (first, last) = years.split_once('-').unwrap_or((years, years));
        let year = Calendar::at(now).year;
        return match (first.parse::<i64>(), last.parse::<i64>()) {
            (_, Ok(last)) if last < year => Verdict::After,
            (Ok(first), _) if first > year => Verdict::Before,
            _ => Verdict::Unsatisfied,
        };
    }
    match (start, end) {
        (Some(start), _) if now < start => Verdict::Before,
        (_, Some(end)) if now > end => Verdict::After,
        (None, None) => Verdict::Unknown(status::UNDETERMINED, "its dates cannot be read"),
        _ => Verdict::Within,
    }
}

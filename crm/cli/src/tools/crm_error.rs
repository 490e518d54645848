//! `crm_error`: what an error's number means. The table stands in `crm_error/codes.txt`.

use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::{Common, Report, tell};
use super::status::{self, Failure};

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_error", about: "Say what an error's number means", run: |words| call::run(words, run) };

/// One kind of numbers a line: kind, number, name and meaning.
const CODES: &str = include_str!("crm_error/codes.txt");

/// Display the name or the meaning of an error's number.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_error", disable_version_flag = true, args_override_self = true)]
struct Options {
    #[command(flatten)]
    common: Common,

    /// Show the name as well
    #[arg(short, long)]
    name: bool,

    /// Show all known errors (also when no number is given)
    #[arg(short, long)]
    list: bool,

    /// The number is an exit status
    #[arg(short = 'X', long)]
    exit: bool,

    /// The number is a return code
    #[arg(short, long, conflicts_with = "exit")]
    rc: bool,

    /// The numbers; those below 0 behind "--"
    codes: Vec<String>,
}

/// Which table a number is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Exit,
    Result,
    Legacy,
}

type Code = (i64, &'static str, &'static str);

fn codes(kind: Kind) -> impl Iterator<Item = Code> {
    let wanted = move |word: &str| match kind {
        Kind::Exit => word == "exit",
        Kind::Result => matches!(word, "result" | "system"),
        Kind::Legacy => matches!(word, "legacy" | "system"),
    };
    CODES.lines().filter_map(move |line| {
        let mut words = line.splitn(4, ' ');
        let (found, number, name, text) = (words.next()?, words.next()?, words.next()?, words.next()?);
        wanted(found).then_some((number.parse().ok()?, name, text))
    })
}

/// Number, name and meaning of an exit status.
pub fn exit_status(status: u8) -> Option<Code> {
    codes(Kind::Exit).find(|(number, ..)| *number == i64::from(status))
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    match call.options::<Options>() {
        Ok(options) => tell(call, &options.common.clone(), |report| look_up(report, &options)),
        Err(status) => status,
    }
}

fn look_up(report: &mut Report<'_>, options: &Options) -> Result<u8, Failure> {
    let kind = match (options.exit, options.rc) {
        (true, _) => Kind::Exit,
        (false, true) => Kind::Result,
        (false, false) => Kind::Legacy,
    };
    if options.list || options.codes.is_empty() {
        let width = codes(kind).map(|(_, name, _)| name.len()).max().unwrap_or(0);
        for code in codes(kind) {
            let (number, name, text) = code;
            match options.name {
                true => report.line(format!("{number:>5}: {name:<width$}  {text}")),
                false => report.line(format!("{number:>5}: {text}")),
            }
            write(report, options, code);
        }
        return Ok(status::OK);
    }
    for word in &options.codes {
        let number: i64 = word.parse().unwrap_or(0);
        // A return code of the old kind may be given with either sign.
        let known = |code: &Code| code.0 == number || (kind == Kind::Legacy && code.0 == -number);
        let code = codes(kind).find(known).unwrap_or((number, "Unknown", unknown(kind)));
        match options.name {
            true => report.line(format!("{} - {}", code.1, code.2)),
            false => report.line(code.2),
        }
        write(report, options, code);
    }
    Ok(status::OK)
}

fn unknown(kind: Kind) -> &'static str {
    match kind {
        Kind::Exit => "Unknown exit status",
        Kind::Result | Kind::Legacy => "Unknown error",
    }
}

fn write(report: &mut Report<'_>, options: &Options, (number, name, text): Code) {
    let Some(tree) = report.xml() else { return };
    let number = number.to_string();
    let mut attributes = vec![("code", number.as_str())];
    attributes.extend(options.name.then_some(("name", name)));
    attributes.push(("description", text));
    tree.leaf("result-code", &attributes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_of_one_kind() {
        let counts = [Kind::Exit, Kind::Result, Kind::Legacy].map(|kind| codes(kind).count());
        let system = CODES.lines().filter(|line| line.starts_with("system ")).count();
        assert_eq!(counts.iter().sum::<usize>(), CODES.lines().count() + system);
        assert_eq!(exit_status(105), Some((105, "CRM_EX_NOSUCH", "No such object")));
    }
}

//! `iso8601`: whether a date, a period or a duration can be read, and what it is.

use cib::{date, duration};
use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::version;
use super::status;
use crate::cluster::now;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "iso8601", about: "Read and print ISO 8601 dates and times", run: |words| call::run(words, run) };

/// Read and print ISO 8601 dates and times.
#[derive(Parser, Clone, Debug)]
#[command(name = "iso8601", disable_version_flag = true, args_override_self = true)]
struct Options {
    /// Display software version and exit
    #[arg(short = '$', long)]
    version: bool,

    /// Say more; taken for old scripts
    #[arg(short = 'V', long, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Display the current date and time
    #[arg(short, long)]
    now: bool,

    /// Read a date and time, such as '2019-09-24 00:30:00 +01:00' or '2019-040'
    #[arg(short, long)]
    date: Option<String>,

    /// Read a period, such as '2005-040/2005-043'
    #[arg(short, long)]
    period: Option<String>,

    /// Read a duration, such as 'P1M'
    #[arg(short = 'D', long)]
    duration: Option<String>,

    /// Exit status 1 if the result does not begin with this
    #[arg(short = 'E', long, value_name = "TEXT")]
    expected: Option<String>,

    /// Show seconds since 1970
    #[arg(short = 'S', long)]
    epoch: bool,

    /// Taken for old scripts: times are shown in UTC
    #[arg(short = 'L', long)]
    local: bool,
}

/// What cannot be read has this exit status.
const INVALID: u8 = 2;

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    let options = match call.options::<Options>() {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.version {
        call.out.push_str(version());
        return status::OK;
    }
    let now = now();
    let shown = |at: i64| if options.epoch { at.to_string() } else { date::format(at) };
    if options.now {
        call.say(format!("Current date/time: {}", shown(now)));
    }
    if let Some(text) = &options.date {
        let Some(at) = date::parse(text, now) else {
            call.complain(format!("iso8601: Invalid date/time specified: {text}"));
            return INVALID;
        };
        call.say(format!("Date: {}", shown(at)));
        if options.expected.as_deref().is_some_and(|expected| !shown(at).starts_with(expected)) {
            return status::ERROR;
        }
    }
    if let Some(text) = &options.duration {
        match duration::parse_ms(text) {
            Ok(ms) if text.starts_with('P') => call.say(format!("Duration: {} seconds", ms / 1000)),
            _ => {
                call.complain(format!("iso8601: Invalid duration specified: {text}"));
                return INVALID;
            }
        }
    }
    if let Some(text) = &options.period {
        let Some((start, end)) = period(text, now) else {
            call.complain(format!("iso8601: Invalid interval specified: {text}"));
            return INVALID;
        };
        call.say(format!("Period: {} to {}", shown(start), shown(end)));
    }
    status::OK
}

/// Start and end, one of which may be given by the time between.
fn period(text: &str, now: i64) -> Option<(i64, i64)> {
    let (start, end) = text.split_once('/')?;
    let length = |text: &str| {
        let ms = text.starts_with('P').then(|| duration::parse_ms(text).ok())??;
        i64::try_from(ms / 1000).ok()
    };
    match (length(start), length(end)) {
        (None, None) => Some((date::parse(start, now)?, date::parse(end, now)?)),
        (None, Some(length)) => date::parse(start, now).map(|start| (start, start.saturating_add(length))),
        (Some(length), None) => date::parse(end, now).map(|end| (end.saturating_sub(length), end)),
        (Some(_), Some(_)) => None,
    }
}

//! `pacemakerd`, as far as programs ask it what it is: its version and features. Running the cluster is `systoled`'s.

use clap::Parser;

use super::Tool;
use super::call::{self, Call};
use super::report::version;
use super::status;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "pacemakerd", about: "Say which version the tools are like", run: |words| call::run(words, run) };

/// Say which version of Pacemaker the tools are like. The cluster itself is run by systoled.
#[derive(Parser, Clone, Debug)]
#[command(name = "pacemakerd", disable_version_flag = true, args_override_self = true)]
struct Options {
    /// Display the version
    #[arg(short = '$', long)]
    version: bool,

    /// Display the version and the features
    #[arg(short = 'F', long)]
    features: bool,
}

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    let options = match call.options::<Options>() {
        Ok(options) => options,
        Err(status) => return status,
    };
    if options.features {
        // Programs read the second line: the feature set and a list of words.
        call.say(version().lines().next().unwrap_or_default());
        call.say(format!(" Supporting v{}: cibsecrets corosync-ge-2 systole", cib::FEATURE_SET));
        return status::OK;
    }
    if options.version {
        call.out.push_str(version());
        return status::OK;
    }
    call.complain("pacemakerd: the cluster is run by systoled; `systoled --help` tells how");
    status::USAGE
}

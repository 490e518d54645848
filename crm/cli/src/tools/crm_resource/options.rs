//! The command line of `crm_resource`, and which one thing it asks for.

use clap::{ArgGroup, Parser};

use super::super::report::Common;

/// Perform tasks related to cluster resources.
#[derive(Parser, Clone, Debug)]
#[command(name = "crm_resource", disable_version_flag = true, args_override_self = true)]
#[command(group = ArgGroup::new("command").multiple(false))]
pub struct Options {
    /// Options that all tools have.
    #[command(flatten)]
    pub common: Common,

    /// List all resources with status
    #[arg(short = 'L', long, group = "command", help_heading = "Queries")]
    pub list: bool,

    /// List the ids of all instantiated resources
    #[arg(short = 'l', long, group = "command", help_heading = "Queries")]
    pub list_raw: bool,

    /// List operations of active resources
    #[arg(short = 'O', long, group = "command", help_heading = "Queries")]
    pub list_operations: bool,

    /// List all operations
    #[arg(short = 'o', long, group = "command", help_heading = "Queries")]
    pub list_all_operations: bool,

    /// List supported standards
    #[arg(long, group = "command", help_heading = "Queries")]
    pub list_standards: bool,

    /// List all OCF providers
    #[arg(long, group = "command", help_heading = "Queries")]
    pub list_ocf_providers: bool,

    /// List all agents of a standard, or of a standard and a provider
    #[arg(long, value_name = "STD[:PROV]", group = "command", help_heading = "Queries")]
    pub list_agents: Option<String>,

    /// List all providers of an OCF agent
    #[arg(long, value_name = "AGENT", group = "command", help_heading = "Queries")]
    pub list_ocf_alternatives: Option<String>,

    /// Show the metadata of class:provider:agent
    #[arg(long, value_name = "SPEC", group = "command", help_heading = "Queries")]
    pub show_metadata: Option<String>,

    /// Show a resource's XML, templates expanded
    #[arg(short = 'q', long, group = "command", help_heading = "Queries")]
    pub query_xml: bool,

    /// Show a resource's XML as it is written
    #[arg(short = 'w', long, group = "command", help_heading = "Queries")]
    pub query_xml_raw: bool,

    /// Show a parameter (with -m a meta attribute, with -z a utilization attribute)
    #[arg(short = 'g', long, value_name = "PARAM", group = "command", help_heading = "Queries")]
    pub get_parameter: Option<String>,

    /// Show a property of a resource: class, provider or type
    #[arg(short = 'G', long, value_name = "NAME", group = "command", hide = true)]
    pub get_property: Option<String>,

    /// Show where a resource runs
    #[arg(short = 'W', long, group = "command", help_heading = "Queries")]
    pub locate: bool,

    /// Show the location and colocation constraints of a resource
    #[arg(short = 'a', long, group = "command", help_heading = "Queries")]
    pub constraints: bool,

    /// As --constraints, with those of what it is colocated with
    #[arg(short = 'A', long, group = "command", help_heading = "Queries")]
    pub stack: bool,

    /// Show why resources are not running
    #[arg(short = 'Y', long, group = "command", help_heading = "Queries")]
    pub why: bool,

    /// Let the agent check its configuration
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, require_equals = true, default_missing_value = "0", group = "command", help_heading = "Commands")]
    pub validate: Option<u32>,

    /// Forget past failures, so that the cluster tries again
    #[arg(short = 'C', long, group = "command", help_heading = "Commands")]
    pub cleanup: bool,

    /// Forget all history, so that the state is checked anew
    #[arg(short = 'R', long, group = "command", help_heading = "Commands")]
    pub refresh: bool,

    /// Set a parameter (requires -v)
    #[arg(short = 'p', long, value_name = "PARAM", group = "command", help_heading = "Commands")]
    pub set_parameter: Option<String>,

    /// Delete a parameter
    #[arg(short = 'd', long, value_name = "PARAM", group = "command", help_heading = "Commands")]
    pub delete_parameter: Option<String>,

    /// Create a constraint to move a resource
    #[arg(short = 'M', long = "move", group = "command", help_heading = "Locations")]
    pub move_away: bool,

    /// Create a constraint to keep a resource off a node
    #[arg(short = 'B', long, group = "command", help_heading = "Locations")]
    pub ban: bool,

    /// Remove what --move and --ban created
    #[arg(short = 'U', long, alias = "un-move", group = "command", help_heading = "Locations")]
    pub clear: bool,

    /// With --clear: only what is past its lifetime
    #[arg(short = 'e', long, help_heading = "Locations")]
    pub expired: bool,

    /// How long a constraint lasts, as an ISO 8601 duration
    #[arg(short = 'u', long, value_name = "TIMESPEC", help_heading = "Locations")]
    pub lifetime: Option<String>,

    /// Only the promoted role is meant
    #[arg(long, alias = "master", help_heading = "Locations")]
    pub promoted: bool,

    /// Delete a resource from the CIB (requires -t)
    #[arg(short = 'D', long, group = "command", help_heading = "Advanced")]
    pub delete: bool,

    /// Tell the cluster that a resource has failed
    #[arg(short = 'F', long, group = "command", help_heading = "Advanced")]
    pub fail: bool,

    /// Stop a resource and start it again
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub restart: bool,

    /// Wait until the cluster has nothing more to do
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub wait: bool,

    /// Show the digests of a resource's parameters
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub digests: bool,

    /// Start a resource here without asking the cluster
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub force_start: bool,

    /// Stop a resource here without asking the cluster
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub force_stop: bool,

    /// Promote a resource here without asking the cluster
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub force_promote: bool,

    /// Demote a resource here without asking the cluster
    #[arg(long, group = "command", help_heading = "Advanced")]
    pub force_demote: bool,

    /// Check the state of a resource here without asking the cluster
    #[arg(long, value_name = "LEVEL", num_args = 0..=1, require_equals = true, default_missing_value = "0", group = "command", help_heading = "Advanced")]
    pub force_check: Option<u32>,

    /// The node
    #[arg(short = 'N', long, alias = "uname", alias = "host-uname", short_alias = 'H')]
    pub node: Option<String>,

    /// Follow colocations, with --constraints
    #[arg(long)]
    pub recursive: bool,

    /// The resource's element, with -D
    #[arg(short = 't', long, value_name = "ELEMENT")]
    pub resource_type: Option<String>,

    /// The value, with -p
    #[arg(short = 'v', long, value_name = "VALUE", allow_hyphen_values = true)]
    pub parameter_value: Option<String>,

    /// A meta attribute is meant
    #[arg(short = 'm', long)]
    pub meta: bool,

    /// A utilization attribute is meant
    #[arg(short = 'z', long)]
    pub utilization: bool,

    /// Only failures of this operation, with -C
    #[arg(short = 'n', long)]
    pub operation: Option<String>,

    /// Only failures of the operation with this interval, with -C
    #[arg(short = 'I', long, value_name = "TIME")]
    pub interval: Option<String>,

    /// The agent's standard, with --validate
    #[arg(long)]
    pub class: Option<String>,

    /// The agent, with --validate
    #[arg(long)]
    pub agent: Option<String>,

    /// The agent's provider, with --validate
    #[arg(long)]
    pub provider: Option<String>,

    /// A parameter as NAME=VALUE, with --validate
    #[arg(long, value_name = "NAME=VALUE", action = clap::ArgAction::Append)]
    pub option: Vec<String>,

    /// The set the parameter is in
    #[arg(short = 's', long, value_name = "ID")]
    pub set_name: Option<String>,

    /// The id of the parameter in the CIB
    #[arg(short = 'i', long, value_name = "ID")]
    pub nvpair: Option<String>,

    /// How long to wait at most
    #[arg(short = 'T', long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// Also without quorum, and against advice
    #[arg(short, long)]
    pub force: bool,

    /// Say less
    #[arg(short = 'Q', long)]
    pub quiet: bool,

    /// The resource
    #[arg(short, long, value_name = "ID")]
    pub resource: Option<String>,

    /// Parameters as NAME=VALUE that count instead of the configured, with --digests, --validate and --force-*
    pub overrides: Vec<String>,
}

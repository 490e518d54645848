//! What agents there are on this machine, by standard and provider, and their metadata.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::agent::{self, Agent};
use super::super::report::Report;
use super::super::status::{self, Failure};
use super::{Options, usage};

/// How long an agent may take to tell its metadata: Pacemaker's default for it.
const METADATA_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether something about agents is asked for, which needs no cluster.
pub(super) fn wants(options: &Options) -> bool {
    options.list_standards
        || options.list_ocf_providers
        || options.list_agents.is_some()
        || options.list_ocf_alternatives.is_some()
        || options.show_metadata.is_some()
}

/// Shows it.
pub(super) fn show(report: &mut Report<'_>, options: &Options) -> Result<u8, Failure> {
    if options.list_standards {
        let standards: Vec<String> = agent::standards().into_iter().map(str::to_owned).collect();
        if let Some(tree) = report.xml() {
            tree.begin("list", &[("name", "standards"), ("count", &standards.len().to_string())]);
            standards.iter().for_each(|standard| tree.text("item", standard));
            tree.end();
        }
        standards.iter().for_each(|standard| report.line(standard));
        return Ok(status::OK);
    }
    if options.list_ocf_providers {
        return providers(report, agent::providers(), None);
    }
    if let Some(kind) = &options.list_ocf_alternatives {
        let of = agent::providers().into_iter().filter(|provider| agent::agents("ocf", Some(provider)).contains(kind));
        let of: Vec<String> = of.collect();
        if of.is_empty() {
            return Err(Failure::new(status::NO_SUCH, format!("No OCF providers found for {kind}")));
        }
        return providers(report, of, Some(kind));
    }
    if let Some(spec) = &options.list_agents {
        let (standard, provider) = match spec.split_once(':') {
            Some((standard, provider)) => (standard, Some(provider)),
            None => (spec.as_str(), None),
        };
        let found = agent::agents(standard, provider);
        if found.is_empty() {
            let of = provider.map(|provider| format!(" and provider '{provider}'")).unwrap_or_default();
            let message = format!("No agents found for standard '{standard}'{of}");
            return Err(Failure::new(status::ERROR, message));
        }
        if let Some(tree) = report.xml() {
            let mut attributes = vec![("standard", standard)];
            attributes.extend(provider.map(|provider| ("provider", provider)));
            tree.begin("agents", &attributes);
            found.iter().for_each(|agent| tree.text("agent", agent));
            tree.end();
        }
        found.iter().for_each(|agent| report.line(agent));
        return Ok(status::OK);
    }
    metadata(report, options.show_metadata.as_deref().unwrap_or_default())
}

fn providers(report: &mut Report<'_>, providers: Vec<String>, of: Option<&str>) -> Result<u8, Failure> {
    if let Some(tree) = report.xml() {
        let attributes: Vec<(&str, &str)> = of.map(|agent| ("for", agent)).into_iter().collect();
        tree.begin("providers", &attributes);
        providers.iter().for_each(|provider| tree.text("provider", provider));
        tree.end();
    }
    providers.iter().for_each(|provider| report.line(provider));
    Ok(status::OK)
}

fn metadata(report: &mut Report<'_>, spec: &str) -> Result<u8, Failure> {
    let wrong = || usage(&format!("'{spec}' is no agent; expected class:provider:agent or class:agent"));
    let agent = Agent::parse(spec).ok_or_else(wrong)?;
    let failed = |why: &str| Failure::new(status::NO_SUCH, format!("Metadata query for {spec} failed: {why}"));
    let ended = agent::run(&agent, "metadata", "meta-data", &BTreeMap::new(), None, METADATA_TIMEOUT);
    let ended = ended.map_err(|failure| failed(failure.message.as_deref().unwrap_or("it cannot be run")))?;
    if ended.rc != 0 || ended.out.trim().is_empty() {
        return Err(failed(&format!("the agent gave exit status {} and no metadata", ended.rc)));
    }
    if let Some(tree) = report.xml() {
        tree.cdata("metadata", &ended.out);
        return Ok(status::OK);
    }
    report.line(&ended.out);
    Ok(status::OK)
}

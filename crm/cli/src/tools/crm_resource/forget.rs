//! Failures and history of resources that are forgotten, and a failure that is told to the cluster by hand.

use std::collections::BTreeSet;

use cib::{Cib, Write};
use policy::model::RscId;
use wire::write::{ResultForm, WriteForm};

use super::super::report::Report;
use super::super::status::{self, Failure};
use super::super::store::Store;
use super::list::primitives;
use super::{Subject, usage};
use crate::cluster::now;

/// Forgets failures (`--cleanup`), or all history (`--refresh`).
pub(super) fn forget(report: &mut Report<'_>, store: &Store, subject: &Subject<'_>) -> Result<u8, Failure> {
    let options = subject.options;
    let node = subject.node()?.map(|node| subject.cluster.node(node).name.clone());
    if options.operation.is_some() && options.resource.is_none() {
        return Err(usage("--operation requires --resource"));
    }
    let Some(_) = &options.resource else {
        forget_one(store, node.clone(), None, options.cleanup)?;
        let of = node.map_or_else(|| "all nodes".to_owned(), |node| format!("node {node}"));
        return tell(report, &format!("Cleaned up all resources on {of}"));
    };
    let id = subject.resource()?;
    let top = if options.force { id } else { subject.cluster.top_of(id, true) };
    let mut parts = Vec::new();
    primitives(subject.cluster, top, &mut parts);
    let names: BTreeSet<&str> = parts.iter().map(|id| subject.cluster.resource(*id).xml_id.as_str()).collect();
    let nodes: Vec<String> = match node {
        Some(node) => vec![node],
        None => known(subject, &names, options.cleanup),
    };
    for name in names {
        for node in &nodes {
            forget_one(store, Some(node.clone()), Some(name.to_owned()), options.cleanup)?;
            // Whoever looks for a failure that was forgotten looks for these words.
            tell(report, &format!("Cleaned up {name} on {node}"))?;
        }
    }
    Ok(status::OK)
}

fn tell(report: &mut Report<'_>, text: &str) -> Result<u8, Failure> {
    report.line(text);
    Ok(status::OK)
}

/// Nodes that know something of the resources: failures of them, or anything.
fn known(subject: &Subject<'_>, names: &BTreeSet<&str>, failures_only: bool) -> Vec<String> {
    let document = &subject.view.document;
    let states = document.descend(&["status"]).into_iter().flat_map(|list| document.children_named(list, "node_state"));
    let base = |id: &str| id.split_once(':').map_or(id, |(base, _)| base).to_owned();
    let counts = |name: &str| {
        let of = name.strip_prefix("fail-count-").map(|of| of.split('#').next().unwrap_or(of));
        of.is_some_and(|of| names.contains(of) || names.contains(base(of).as_str()))
    };
    let is_known = |state: &cib::Element| {
        document.descendants(*state).any(|element| match document.name(element) {
            "nvpair" => document.attribute(element, "name").is_some_and(counts),
            "lrm_resource" => !failures_only && names.contains(base(document.id(element)).as_str()),
            "lrm_rsc_op" => {
                let resource = document.parent(element).map(|parent| base(document.id(parent)));
                document.id(element).ends_with("_last_failure_0")
                    && resource.is_some_and(|resource| names.contains(resource.as_str()))
            }
            _ => false,
        })
    };
    let name = |state: cib::Element| document.attribute(state, "uname").unwrap_or(document.id(state)).to_owned();
    states.filter(is_known).map(name).collect()
}

fn forget_one(
    store: &Store,
    node: Option<String>,
    resource: Option<String>,
    failures_only: bool,
) -> Result<(), Failure> {
    let write = Write::Forget { node, resource, failures_only };
    store.write(WriteForm::from(&write), |document| {
        let mut cib = Cib::new(document.clone())
            .map_err(|error| Failure::new(status::BAD_DATA, format!("reading the CIB: {error}")))?;
        cib.apply(&write).map_err(|refused| Failure::new(status::ERROR, refused.to_string()))?;
        let version = ["admin_epoch", "epoch", "num_updates"]
            .map(|name| (name, document.attribute(document.root(), name).unwrap_or("0").to_owned()));
        *document = cib.document().clone();
        // The file's version is counted where the file is written.
        let root = document.root();
        version.iter().for_each(|(name, value)| document.set(root, name, value));
        Ok(())
    })
}

/// Tells the cluster that a resource has failed on a node, as if a monitor had found it.
pub(super) fn fail(store: &Store, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let node = subject.node()?.ok_or_else(|| usage("Must supply a node with -N"))?;
    if !store.is_live() {
        let message = "a failure is told to a cluster; this works on a file (CIB_file)";
        return Err(Failure::new(status::DISCONNECTED, message.to_owned()));
    }
    let resource = subject.cluster.resource(id);
    if !resource.is_primitive() {
        return Err(usage(&format!("'{}' is no primitive; name the one that failed", subject.name())));
    }
    let result = ResultForm {
        node: subject.cluster.node(node).name.clone(),
        resource: resource.history_id.clone().unwrap_or_else(|| resource.xml_id.clone()),
        class: resource.class.clone(),
        provider: resource.provider.clone(),
        kind: resource.agent.clone(),
        operation: "asyncmon".to_owned(),
        interval_ms: 0,
        coordinator: String::new(),
        transition: 0,
        number: 0,
        target_rc: 0,
        rc: 1,
        status: 0,
        call_id: 0,
        started_at: now(),
        ran_ms: 0,
        queued_ms: 0,
        exit_reason: "told by crm_resource --fail".to_owned(),
        digest: None,
        restart: None,
        secure: None,
        migrate_source: None,
        migrate_target: None,
    };
    store.write(WriteForm::Result(Box::new(result)), |_| Ok(()))?;
    Ok(status::OK)
}

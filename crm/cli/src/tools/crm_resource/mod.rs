//! `crm_resource`: what resources there are, where they run and how they are configured, and by-hand changes of it. This
//! file picks what is asked for; each kind of request has a file of its own.

mod agents;
mod forget;
mod list;
mod locations;
mod options;
mod parameters;
mod running;

use cib::{Document, Element};
use policy::Cluster;
use policy::model::RscId;

use super::Tool;
use super::call::{self, Call};
use super::report::{Report, tell};
use super::status::{self, Failure};
use super::store::Store;
use crate::cluster::{self, View};

pub use options::Options;

/// The tool.
pub const TOOL: Tool =
    Tool { name: "crm_resource", about: "Query and change resources", run: |words| call::run(words, run) };

/// Runs the tool.
pub fn run(call: &mut Call) -> u8 {
    match call.options::<Options>() {
        Ok(options) => tell(call, &options.common.clone(), |report| act(report, &options)),
        Err(status) => status,
    }
}

/// Runs the tool with another command line than the call's own.
pub fn run_as(call: &mut Call, words: &[&str]) -> u8 {
    let words = std::iter::once("crm_resource").chain(words.iter().copied()).map(Into::into).collect();
    let asked = std::mem::replace(&mut call.arguments, words);
    let status = run(call);
    call.arguments = asked;
    status
}

fn act(report: &mut Report<'_>, options: &Options) -> Result<u8, Failure> {
    if agents::wants(options) {
        return agents::show(report, options);
    }
    let store = Store::of(report.call);
    if options.wait {
        return running::wait(&store, options);
    }
    let (view, cluster) = look(&store)?;
    let subject = Subject { view: &view, cluster: &cluster, options };
    let one = || subject.resource();
    if let Some(name) = &options.set_parameter {
        let value =
            options.parameter_value.as_deref().ok_or_else(|| usage("You need to supply a value with the -v option"))?;
        return parameters::set(report, &store, &subject, one()?, name, value);
    }
    if let Some(name) = &options.delete_parameter {
        return parameters::delete(report, &store, &subject, one()?, name);
    }
    if let Some(name) = &options.get_parameter {
        return parameters::get(report, &subject, one()?, name);
    }
    if let Some(name) = &options.get_property {
        return parameters::property(report, &subject, one()?, name);
    }
    match () {
        () if options.list_raw => list::raw(report, &cluster),
        () if options.list_operations || options.list_all_operations => {
            list::operations(report, &subject, options.list_all_operations)
        }
        () if options.locate => list::locate(report, &subject, one()?),
        () if options.query_xml => list::xml(report, &subject, one()?, true),
        () if options.query_xml_raw => list::xml(report, &subject, one()?, false),
        () if options.constraints || options.stack => {
            list::constraints(report, &subject, one()?, options.stack || options.recursive)
        }
        () if options.why => list::why(report, &subject),
        () if options.move_away => locations::move_away(report, &store, &subject, one()?),
        () if options.ban => locations::ban(report, &store, &subject, one()?),
        () if options.clear => locations::clear(report, &store, &subject, one()?),
        () if options.cleanup || options.refresh => forget::forget(report, &store, &subject),
        () if options.fail => forget::fail(&store, &subject, one()?),
        () if options.delete => parameters::delete_resource(&store, &subject, one()?),
        () if options.restart => running::restart(report, &store, &subject, one()?),
        () if options.digests => running::digests(report, &subject, one()?),
        () if running::wants(options) => running::agent(report, &subject),
        () => list::all(report, &subject),
    }
}

fn look(store: &Store) -> Result<(View, Cluster), Failure> {
    let view = View::new(store.read()?.document);
    let cluster = view.cluster();
    Ok((view, cluster))
}

fn usage(what: &str) -> Failure {
    Failure::new(status::USAGE, what.to_owned())
}

/// What a request is about.
struct Subject<'a> {
    view: &'a View,
    cluster: &'a Cluster,
    options: &'a Options,
}

impl Subject<'_> {
    /// The resource that is named.
    fn resource(&self) -> Result<RscId, Failure> {
        let name = self.options.resource.as_deref().ok_or_else(|| usage("Must supply a resource id with -r"))?;
        self.find(name)
    }

    fn find(&self, name: &str) -> Result<RscId, Failure> {
        cluster::resource(self.cluster, name)
            .map_err(|error| Failure::new(status::NO_SUCH, format!("Resource '{name}' not found: {error:#}")))
    }

    /// The name that the resource was asked for by.
    fn name(&self) -> &str {
        self.options.resource.as_deref().unwrap_or_default()
    }

    /// Whether a node is named, and is known.
    fn node(&self) -> Result<Option<policy::NodeId>, Failure> {
        let Some(name) = &self.options.node else { return Ok(None) };
        let found = self.cluster.find_node(name);
        found.map(Some).ok_or_else(|| Failure::new(status::NO_SUCH, format!("Node '{name}' not found")))
    }

    /// The element a resource is configured by.
    fn element(&self, id: RscId) -> Result<Element, Failure> {
        element(&self.view.document, &self.cluster.resource(id).xml_id)
    }

    /// The resource that stands for all instances, if this is one of several that are alike.
    fn whole(&self, id: RscId) -> RscId {
        let parent = self.cluster.resource(id).parent;
        match parent {
            Some(parent) if self.cluster.resource(parent).is_anonymous_clone() && !self.name().contains(':') => parent,
            _ => id,
        }
    }
}

fn element(document: &Document, id: &str) -> Result<Element, Failure> {
    cib::view::resource(document, id).ok_or_else(|| Failure::new(status::NO_SUCH, format!("Resource '{id}' not found")))
}

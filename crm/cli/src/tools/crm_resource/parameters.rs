//! Parameters, meta attributes and utilization of a resource: shown, set and deleted.

use cib::rule::Context;
use cib::{Document, Element, nvset, view};
use policy::model::{RscId, RscKind};

use super::super::pairs::{counted, safe_id};
use super::super::report::Report;
use super::super::status::{self, Failure};
use super::super::store::Store;
use super::{Subject, element};

/// The kind of set that is meant.
fn tag(subject: &Subject<'_>) -> &'static str {
    match (subject.options.meta, subject.options.utilization) {
        (true, _) => "meta_attributes",
        (false, true) => "utilization",
        (false, false) => "instance_attributes",
    }
}

/// Shows the value that counts.
pub(super) fn get(report: &mut Report<'_>, subject: &Subject<'_>, id: RscId, name: &str) -> Result<u8, Failure> {
    let resource = subject.cluster.resource(id);
    let document = &subject.view.document;
    let value = match tag(subject) {
        "meta_attributes" => resource.meta(name).map(str::to_owned),
        "utilization" => resource.utilization.get(name).map(str::to_owned),
        _ => {
            let element = subject.element(id)?;
            let context = Context::at(subject.view.now);
            match resource.is_primitive() {
                true => view::parameters(document, element, &context).get(name).map(str::to_owned),
                false => {
                    nvset::Values::of(document, element, "instance_attributes", &context).get(name).map(str::to_owned)
                }
            }
        }
    };
    let Some(value) = value else {
        // Pacemaker's exit status is 0 all the same, and agents that look for an empty answer rely on it.
        report.call.complain(format!("Attribute '{name}' not found for '{}'", subject.name()));
        if let Some(tree) = report.xml() {
            tree.leaf("list", &[("name", "attributes"), ("count", "0")]);
        }
        return Ok(status::OK);
    };
    report.line(&value);
    if let Some(tree) = report.xml() {
        tree.begin("list", &[("name", "attributes"), ("count", "1")]);
        tree.item(name, &value);
        tree.end();
    }
    Ok(status::OK)
}

/// Shows what a resource's element says of itself.
pub(super) fn property(report: &mut Report<'_>, subject: &Subject<'_>, id: RscId, name: &str) -> Result<u8, Failure> {
    let element = subject.element(id)?;
    let document = &subject.view.document;
    let of = view::template(document, element);
    let value = document.attribute(element, name).or_else(|| document.attribute(of?, name));
    let Some(value) = value else {
        return Err(Failure::new(status::NO_SUCH, format!("Property '{name}' not found for '{}'", subject.name())));
    };
    report.line(value);
    if let Some(tree) = report.xml() {
        tree.begin("list", &[("name", "attributes"), ("count", "1")]);
        tree.item(name, value);
        tree.end();
    }
    Ok(status::OK)
}

/// Pairs of that name in sets of that kind right in an element, as (set, pair).
fn pairs(document: &Document, of: Element, tag: &str, name: &str, subject: &Subject<'_>) -> Vec<(Element, Element)> {
    let (set_name, pair_id) = (subject.options.set_name.as_deref(), subject.options.nvpair.as_deref());
    document
        .children_named(of, tag)
        .filter(|set| set_name.is_none_or(|wanted| document.id(*set) == wanted))
        .flat_map(|set| document.children_named(set, "nvpair").map(move |pair| (set, pair)))
        .filter(|(_, pair)| document.attribute(*pair, "name") == Some(name))
        .filter(|(_, pair)| pair_id.is_none_or(|wanted| document.id(*pair) == wanted))
        .collect()
}

/// The id of the element that is changed: for meta attributes of what is cloned that is the clone, unless it is set
/// right here already or --force is given.
fn target(
    report: &mut Report<'_>,
    subject: &Subject<'_>,
    id: RscId,
    name: &str,
    deed: &str,
) -> Result<String, Failure> {
    let (cluster, document) = (subject.cluster, &subject.view.document);
    let own = cluster.resource(id).xml_id.clone();
    if subject.options.force || tag(subject) != "meta_attributes" {
        return Ok(own);
    }
    let Some(parent) = cluster.resource(id).parent.map(|parent| cluster.resource(parent)) else { return Ok(own) };
    if !matches!(parent.kind, RscKind::Clone(_)) {
        return Ok(own);
    }
    let here = element(document, &own)?;
    if !pairs(document, here, "meta_attributes", name, subject).is_empty() {
        return Ok(own);
    }
    if !subject.options.quiet {
        report.line(format!(
            "Performing {deed} of '{name}' on '{}', the parent of '{}'",
            parent.xml_id,
            subject.name()
        ));
    }
    Ok(parent.xml_id.clone())
}

/// More than one is meant: they are listed.
fn several(report: &mut Report<'_>, document: &Document, found: &[(Element, Element)], name: &str) -> Failure {
    report.line(format!("Multiple attributes match name={name}"));
    for (set, pair) in found {
        let value = document.attribute(*pair, "value").unwrap_or_default();
        report.line(format!("  Value: {value} \t(set={}, id={})", document.id(*set), document.id(*pair)));
    }
    Failure::silent(status::MULTIPLE)
}

/// Sets one.
pub(super) fn set(
    report: &mut Report<'_>,
    store: &Store,
    subject: &Subject<'_>,
    id: RscId,
    name: &str,
    value: &str,
) -> Result<u8, Failure> {
    let tag = tag(subject);
    let target = target(report, subject, id, name, "update")?;
    let found = pairs(&subject.view.document, element(&subject.view.document, &target)?, tag, name, subject);
    if found.len() > 1 {
        return Err(several(report, &subject.view.document, &found, name));
    }
    let told = store.change(subject.options.force, |document| {
        let of = element(document, &target)?;
        if let Some((_, pair)) = pairs(document, of, tag, name, subject).first() {
            let old = document.attribute(*pair, "value").map(str::to_owned);
            let value = counted("value", old.as_deref(), value);
            document.set(*pair, "value", &value);
            return Ok(format!("Set '{target}' option: id={} name={name} value={value}", document.id(*pair)));
        }
        let set_id = subject.options.set_name.clone().unwrap_or_else(|| format!("{target}-{tag}"));
        let known = document.children_named(of, tag).find(|set| document.id(*set) == set_id);
        let set = known.unwrap_or_else(|| {
            let set = document.append(of, tag);
            document.set(set, "id", &set_id);
            set
        });
        let pair_id = subject.options.nvpair.clone().unwrap_or_else(|| safe_id(&format!("{set_id}-{name}")));
        let pair = document.append(set, "nvpair");
        let value = counted("value", None, value);
        for (attribute, text) in [("id", pair_id.as_str()), ("name", name), ("value", &value)] {
            document.set(pair, attribute, text);
        }
        Ok(format!("Set '{target}' option: id={pair_id} set={set_id} name={name} value={value}"))
    })?;
    if !subject.options.quiet {
        report.line(told);
    }
    Ok(status::OK)
}

/// Deletes one.
pub(super) fn delete(
    report: &mut Report<'_>,
    store: &Store,
    subject: &Subject<'_>,
    id: RscId,
    name: &str,
) -> Result<u8, Failure> {
    let tag = tag(subject);
    let nothing = |document: &Document| -> Result<bool, Failure> {
        let own = element(document, &subject.cluster.resource(id).xml_id)?;
        let parent = subject.cluster.resource(id).parent.map(|parent| &subject.cluster.resource(parent).xml_id);
        let above = parent.filter(|_| tag == "meta_attributes").map(|parent| element(document, parent)).transpose()?;
        let all = std::iter::once(own).chain(above);
        Ok(all.map(|of| pairs(document, of, tag, name, subject).len()).sum::<usize>() == 0)
    };
    if nothing(&subject.view.document)? {
        return Ok(status::OK);
    }
    let target = target(report, subject, id, name, "delete")?;
    let found = pairs(&subject.view.document, element(&subject.view.document, &target)?, tag, name, subject);
    if found.len() > 1 {
        return Err(several(report, &subject.view.document, &found, name));
    }
    let told = store.change(subject.options.force, |document| {
        let of = element(document, &target)?;
        let Some((_, pair)) = pairs(document, of, tag, name, subject).first().copied() else { return Ok(None) };
        let id = document.id(pair).to_owned();
        document.remove(pair);
        Ok(Some(format!("Deleted '{target}' option: id={id} name={name}")))
    })?;
    if let Some(told) = told.filter(|_| !subject.options.quiet) {
        report.line(told);
    }
    Ok(status::OK)
}

/// Deletes a resource from the configuration, if nothing there speaks of it.
pub(super) fn delete_resource(store: &Store, subject: &Subject<'_>, id: RscId) -> Result<u8, Failure> {
    let kind = subject.options.resource_type.as_deref();
    let kind =
        kind.ok_or_else(|| Failure::new(status::NO_SUCH, "You need to specify a resource type with -t".to_owned()))?;
    let name = &subject.cluster.resource(id).xml_id;
    store.change(subject.options.force, |document| {
        let of = element(document, name)?;
        if document.name(of) != kind {
            let message = format!("'{name}' is a {}, not a {kind}", document.name(of));
            return Err(Failure::new(status::NO_SUCH, message));
        }
        let names = ["rsc", "with-rsc", "first", "then"];
        let constraints = document.descend(&["configuration", "constraints"]);
        let speaks = constraints.into_iter().flat_map(|list| document.descendants(list)).find(|constraint| {
            names.iter().any(|attribute| document.attribute(*constraint, attribute) == Some(name))
                || (document.name(*constraint) == "resource_ref" && document.id(*constraint) == name.as_str())
        });
        if let Some(constraint) = speaks {
            let message = format!("'{name}' is named by constraint '{}'; delete that first", document.id(constraint));
            return Err(Failure::new(status::BAD_CONFIGURATION, message));
        }
        document.remove(of);
        Ok(())
    })?;
    Ok(status::OK)
}

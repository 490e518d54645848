//! Somebody decides on quorum.

use super::Subject;
use crate::edit::{insert_entry, set_value};
use crate::finding::Finding;

const RULE: &str = "provider";

/// The only one there is.
const VOTEQUORUM: &str = "corosync_votequorum";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let conf = subject.conf;
    match &subject.model.quorum.provider {
        Some(provider) if provider.value == VOTEQUORUM => Vec::new(),
        Some(provider) => vec![
            Finding::error(RULE, format!("there is no quorum provider `{}`", provider.value))
                .at(provider.span)
                .why("`corosync -t` says nothing, but Corosync ends as soon as it is started")
                .remedy(format!("write `provider: {VOTEQUORUM}`"))
                .fix([set_value(conf, provider.span, VOTEQUORUM)]),
        ],
        None => {
            let mut finding = Finding::warning(RULE, "no quorum provider is named")
                .why("without one there is no quorum: each part of a split cluster would go on by itself")
                .remedy(format!("write `provider: {VOTEQUORUM}` into section quorum"));
            if let Some(section) = conf.sections(&["quorum"]).first() {
                finding = finding
                    .at(conf.section(*section).name_span)
                    .fix([insert_entry(conf, *section, "provider", VOTEQUORUM)]);
            }
            vec![finding]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn who_decides() {
        let text = file("", "", "", "");
        expect(
            &text.replace("provider: corosync_votequorum", "provider: votequorum"),
            &Facts::default(),
            &["error provider 29:15 there is no quorum provider `votequorum`"],
        );
        expect(
            &text.replace("provider: corosync_votequorum", "#"),
            &Facts::default(),
            &["warning provider 28:1 no quorum provider is named"],
        );
    }
}

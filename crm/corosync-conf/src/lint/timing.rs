//! The timers fit one another.

use super::Subject;
use crate::edit::set_value;
use crate::finding::Finding;

const RULE: &str = "timing";

/// Least milliseconds that Corosync takes for the timers it derives.
const LEAST_RETRANSMIT: u64 = 30;
const LEAST_HOLD: u64 = 14;
/// Below, a busy host loses its place; above, users wait longer than they must.
const COMFORTABLE: std::ops::RangeInclusive<u64> = 1_000..=10_000;
/// What a window may hold, in bytes.
const WINDOW_BYTES: u64 = 256_000;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let model = subject.model;
    let timing = model.timing();
    let mut findings = Vec::new();
    let token = model.totem("token");
    let derived = model.totem("token_retransmit").is_none();
    let cause = model.totem("token_retransmits_before_loss_const").or_else(|| token.clone());
    if let Some(cause) = cause.filter(|_| {
        derived
            && timing.token >= 30
            && (timing.retransmit < LEAST_RETRANSMIT || timing.hold < LEAST_HOLD && model.totem("hold").is_none())
    }) {
        findings.push(
            Finding::error(RULE, format!("the token would be sent again after {} ms", timing.retransmit))
                .at(cause.span)
                .why(format!("token / (retransmits + 0.2) has to be {LEAST_RETRANSMIT} ms at least, and a hold of {LEAST_HOLD} ms has to fit: Corosync refuses the file"))
                .remedy("raise token, or lower token_retransmits_before_loss_const"),
        );
    }
    if let Some(consensus) = model.totem("consensus") {
        let value = u64::from(consensus.value);
        if value >= 30 && value < timing.join {
            findings.push(
                Finding::error(RULE, format!("consensus, {value} ms, is less than join, {} ms", timing.join))
                    .at(consensus.span)
                    .why("Corosync refuses the file")
                    .remedy("take the line away: it is 1.2 times token by itself"),
            );
        } else if value * 10 < timing.token * 12 {
            let least = (timing.token * 12).div_ceil(10);
            findings.push(
                Finding::warning(
                    RULE,
                    format!("consensus, {value} ms, is less than 1.2 times the token's {} ms", timing.token),
                )
                .at(consensus.span)
                .why("Corosync takes it, and nodes may form one membership after the other without end")
                .remedy(format!("make it {least} at least, or take the line away: it follows token by itself"))
                .fix([set_value(subject.conf, consensus.span, &least.to_string())]),
            );
        }
    }
    if let Some(token) = token.filter(|token| token.value >= 30 && !COMFORTABLE.contains(&u64::from(token.value))) {
        let (why, remedy) = if u64::from(token.value) < *COMFORTABLE.start() {
            (
                "a short stall of a host or a switch, as at a backup, is enough to lose a node and have it fenced",
                "1000 is the least that most hosts keep",
            )
        } else {
            (
                "nothing is started elsewhere before the lost node's token has run out",
                "3000 is usual; a loaded network wants up to 10000",
            )
        };
        findings.push(
            Finding::advice(
                RULE,
                format!(
                    "a lost node is noticed after {}.{} s at the earliest",
                    timing.detection() / 1000,
                    timing.detection() % 1000 / 100
                ),
            )
            .at(token.span)
            .why(why)
            .remedy(remedy),
        );
    }
    // With knet the packet's size is not what netmtu says.
    let mtu = model.totem("netmtu").map_or(1500, |mtu| u64::from(mtu.value)).max(1);
    for key in ["max_messages", "window_size"] {
        if let Some(value) = model.totem(key).filter(|value| u64::from(value.value) * mtu > WINDOW_BYTES) {
            findings.push(
                Finding::warning(RULE, format!("{key} is more than {} at packets of {mtu} bytes", WINDOW_BYTES / mtu))
                    .at(value.span)
                    .why("receive buffers overflow and messages have to be sent again: it gets slower")
                    .remedy("take the line away"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, file};
    use crate::Facts;

    #[test]
    fn timers_that_do_not_fit() {
        let with = |totem: &str, found: &[&str]| expect(&file(totem, "", "", ""), &Facts::default(), found);
        with("    token: 5000\n", &[]);
        with(
            "    token: 100\n    token_coefficient: 0\n",
            &[
                "error timing 7:12 the token would be sent again after 23 ms",
                "advice timing 7:12 a lost node is noticed after 0.2 s at the earliest",
            ],
        );
        with(
            "    token_retransmits_before_loss_const: 200\n",
            &["error timing 7:42 the token would be sent again after 18 ms"],
        );
        with("    consensus: 40\n", &["error timing 7:16 consensus, 40 ms, is less than join, 50 ms"]);
        with(
            "    consensus: 3000\n",
            &["warning timing 7:16 consensus, 3000 ms, is less than 1.2 times the token's 3650 ms"],
        );
        with("    token: 60000\n", &["advice timing 7:12 a lost node is noticed after 133.4 s at the earliest"]);
        with(
            "    max_messages: 500\n",
            &["warning timing 7:19 max_messages is more than 170 at packets of 1500 bytes"],
        );
    }
}

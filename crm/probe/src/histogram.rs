//! Durations as monitoring systems read them: a histogram in the text form of Prometheus.

use std::fmt::Write as _;

/// Upper bounds in milliseconds: from what nobody notices to what a pager rings for.
pub const BOUNDS_MS: [u64; 13] =
    [50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000, 60_000, 300_000];

/// How often durations were how long.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS_MS.len()],
    sum_ms: f64,
    count: u64,
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, ms: f64) {
        for (count, bound) in self.counts.iter_mut().zip(BOUNDS_MS) {
            *count += u64::from(ms <= bound as f64);
        }
        self.sum_ms += ms;
        self.count += 1;
    }

    /// The lines of one series; `labels` such as `target="x"`, or nothing.
    pub fn series(&self, name: &str, labels: &str) -> String {
        let mut out = String::new();
        let comma = if labels.is_empty() { "" } else { "," };
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let bounds = BOUNDS_MS.iter().map(|bound| (*bound as f64 / 1000.0).to_string());
        for (bound, count) in bounds.zip(self.counts).chain([("+Inf".to_owned(), self.count)]) {
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_sum{braces} {}", self.sum_ms / 1000.0);
        let _ = writeln!(out, "{name}_count{braces} {}", self.count);
        out
    }

    /// What stands above all series of a name.
    pub fn head(name: &str, help: &str) -> String {
        format!("# HELP {name} {help}\n# TYPE {name} histogram\n")
    }
}

/// A label's value as it stands between quotes.
pub(crate) fn quoted(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// A label.
pub fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", quoted(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_all_that_are_not_longer() {
        let mut histogram = Histogram::default();
        for ms in [40.0, 50.0, 180.0, 1_000_000.0] {
            histogram.add(ms);
        }
        let text = histogram.series("x_seconds", &label("target", "tcp:\"a\""));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"x_seconds_bucket{target="tcp:\"a\"",le="0.05"} 2"#);
        assert_eq!(lines[2], r#"x_seconds_bucket{target="tcp:\"a\"",le="0.2"} 3"#);
        assert_eq!(lines[13], r#"x_seconds_bucket{target="tcp:\"a\"",le="+Inf"} 4"#);
        assert_eq!(lines[14], r#"x_seconds_sum{target="tcp:\"a\""} 1000.27"#);
        assert_eq!(lines[15], r#"x_seconds_count{target="tcp:\"a\""} 4"#);
        assert!(histogram.series("x", "").contains("x_bucket{le=\"0.05\"} 2\n"));
        assert!(histogram.series("x", "").ends_with("x_count 4\n"));
    }
}

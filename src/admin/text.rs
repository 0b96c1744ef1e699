//! The Prometheus text exposition format, version 0.0.4: as much of it as we say.

use std::fmt::{Display, Write as _};

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Label values of one sample, beside the names that its family gave.
pub type Values<'a> = &'a [&'a str];

/// A page of metrics, family after family.
#[derive(Default)]
pub struct Page(String);

/// Samples of one name.
pub struct Family<'a> {
    page: &'a mut Page,
    name: String,
    labels: &'static [&'static str],
}

impl Page {
    pub fn counter<'a>(&'a mut self, name: &str, help: &str, labels: &'static [&'static str]) -> Family<'a> {
        self.family(name, "counter", help, labels)
    }

    pub fn gauge<'a>(&'a mut self, name: &str, help: &str, labels: &'static [&'static str]) -> Family<'a> {
        self.family(name, "gauge", help, labels)
    }

    fn family<'a>(&'a mut self, name: &str, kind: &str, help: &str, labels: &'static [&'static str]) -> Family<'a> {
        let name = format!("painwatch_{name}");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { page: self, name, labels }
    }

    /// `counts` by class, the last without a bound; bounds and `sum` in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, bounds: &[f64], counts: &[u64], sum: f64) {
        let Family { page, name, .. } = self.family(name, "histogram", help, &[]);
        let mut below = 0;
        for (count, bound) in counts.iter().zip(bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()])) {
            below += count;
            let _ = writeln!(page.0, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        let _ = write!(page.0, "{name}_sum {sum}\n{name}_count {below}\n");
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub fn sample(self, values: Values<'_>, value: impl Display) -> Self {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        let pairs: Vec<String> =
            self.labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let _ = writeln!(self.page.0, "{}{labels} {value}", self.name);
        self
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.counter("refused_total", "Refused.", &["reason"]).sample(&["a\"b\\c\nd"], 3).sample(&["busy"], 0);
        page.gauge("age_seconds", "Age.", &[]).sample(&[], 1.5);
        page.histogram("sync_seconds", "Syncs.", &[0.001, 0.5], &[2, 1, 4], 9.25);
        let expected = r#"# HELP painwatch_refused_total Refused.
# TYPE painwatch_refused_total counter
painwatch_refused_total{reason="a\"b\\c\nd"} 3
painwatch_refused_total{reason="busy"} 0
# HELP painwatch_age_seconds Age.
# TYPE painwatch_age_seconds gauge
painwatch_age_seconds 1.5
# HELP painwatch_sync_seconds Syncs.
# TYPE painwatch_sync_seconds histogram
painwatch_sync_seconds_bucket{le="0.001"} 2
painwatch_sync_seconds_bucket{le="0.5"} 3
painwatch_sync_seconds_bucket{le="+Inf"} 7
painwatch_sync_seconds_sum 9.25
painwatch_sync_seconds_count 7
"#;
        assert_eq!(page.into_text(), expected);
    }
}

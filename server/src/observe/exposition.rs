//! The text format in which Prometheus scrapes figures, version 0.0.4: families of samples, each
//! family with its kind and a word of help. Numbers are written as whole numbers or decimal
//! fractions of their own digits; no float is involved.

use florin_core::metrics::Distribution;
use std::fmt::{self, Display, Write};

/// The content type of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of families.
#[derive(Default, Debug)]
pub struct Exposition {
    text: String,
}

/// Nanoseconds, written as seconds.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND_NS: u64 = 1_000_000_000;
        write!(f, "{}.{:09}", self.0 / SECOND_NS, self.0 % SECOND_NS)
    }
}

impl Exposition {
    /// The whole page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// A number that only rises. Its name ends with `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.line(format_args!("{name} {value}"));
    }

    /// Numbers that only rise, one per value of a label.
    pub fn counters<V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (V, u64)>,
    ) {
        self.head(name, help, "counter");
        self.labelled(name, label, samples);
    }

    /// A number as it is now.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(format_args!("{name} {value}"));
    }

    /// Numbers as they are now, one per value of a label.
    pub fn gauges<V: Display, N: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (V, N)>,
    ) {
        self.head(name, help, "gauge");
        self.labelled(name, label, samples);
    }

    /// The head of a family of gauges, whose samples follow by [`Exposition::sample`].
    pub fn gauge_family(&mut self, name: &str, help: &str) {
        self.head(name, help, "gauge");
    }

    /// The head of a family of counters, whose samples follow by [`Exposition::sample`].
    pub fn counter_family(&mut self, name: &str, help: &str) {
        self.head(name, help, "counter");
    }

    /// A sample of the family whose head came last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let mut pairs = String::new();
        for (label, labelled) in labels {
            let separator = if pairs.is_empty() { "" } else { "," };
            write!(pairs, "{separator}{label}=\"{labelled}\"").expect("a string takes all");
        }
        let pairs = if pairs.is_empty() { pairs } else { format!("{{{pairs}}}") };
        self.line(format_args!("{name}{pairs} {value}"));
    }

    /// Durations, in nanoseconds, written as seconds.
    pub fn durations(&mut self, name: &str, help: &str, durations: &Distribution) {
        self.distribution(name, help, durations, |value| Seconds(value).to_string());
    }

    /// How many were together.
    pub fn sizes(&mut self, name: &str, help: &str, sizes: &Distribution) {
        self.distribution(name, help, sizes, |value| value.to_string());
    }

    fn distribution(
        &mut self,
        name: &str,
        help: &str,
        values: &Distribution,
        write: impl Fn(u64) -> String,
    ) {
        self.head(name, help, "histogram");
        self.buckets(name, "", values, write);
    }

    /// Durations, in nanoseconds, written as seconds: one distribution per value of a label.
    pub fn labelled_durations<'a, V: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (V, &'a Distribution)>,
    ) {
        self.head(name, help, "histogram");
        for (labelled, durations) in samples {
            let pair = format!("{label}=\"{labelled}\"");
            self.buckets(name, &pair, durations, |value| Seconds(value).to_string());
        }
    }

    /// The samples of one distribution, with a pair of label and value or none.
    fn buckets(
        &mut self,
        name: &str,
        pair: &str,
        values: &Distribution,
        write: impl Fn(u64) -> String,
    ) {
        let (first, alone) = match pair {
            "" => (String::new(), String::new()),
            pair => (format!("{pair},"), format!("{{{pair}}}")),
        };
        let bounds = values.bounds.iter().map(|bound| write(*bound)).chain([String::from("+Inf")]);
        let mut count = 0;
        for (bound, in_bucket) in bounds.zip(&values.counts) {
            count += in_bucket;
            self.line(format_args!("{name}_bucket{{{first}le=\"{bound}\"}} {count}"));
        }
        self.line(format_args!("{name}_sum{alone} {}", write(values.sum)));
        self.line(format_args!("{name}_count{alone} {count}"));
    }

    fn labelled<V: Display, N: Display>(
        &mut self,
        name: &str,
        label: &str,
        samples: impl IntoIterator<Item = (V, N)>,
    ) {
        for (labelled, value) in samples {
            self.sample(name, &[(label, &labelled)], value);
        }
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        debug_assert!(!help.contains(['\n', '\\']), "help is one plain line");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        self.text.write_fmt(line).expect("a string takes all");
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prevents: fractions without their zeros, by which a microsecond becomes a tenth of a second.
    #[test]
    fn seconds_keep_every_digit() {
        assert_eq!(Seconds(0).to_string(), "0.000000000");
        assert_eq!(Seconds(1_500).to_string(), "0.000001500");
        assert_eq!(Seconds(61_000_000_001).to_string(), "61.000000001");
    }

    /// Prevents: buckets that count alone where a scraper expects everything up to their bound.
    #[test]
    fn a_distribution_is_written_as_the_format_asks() {
        let sizes = Distribution { bounds: &[1, 4], counts: vec![2, 0, 3], sum: 40 };
        let mut page = Exposition::default();
        page.sizes("batch", "Events.", &sizes);
        let expected = "# HELP batch Events.\n# TYPE batch histogram\nbatch_bucket{le=\"1\"} 2\n\
                        batch_bucket{le=\"4\"} 2\nbatch_bucket{le=\"+Inf\"} 5\nbatch_sum 40\n\
                        batch_count 5\n";
        assert_eq!(page.into_text(), expected);
    }
}

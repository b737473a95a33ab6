//! A strict reader of Prometheus' text format 0.0.4: what a scraper would forgive is an error here.

use std::collections::{BTreeMap, BTreeSet};

/// What was scraped: every sample by its name and labels, as they were written.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) samples: BTreeMap<String, String>,
    pub(crate) families: BTreeMap<String, String>,
}

impl Scrape {
    /// Reads a page.
    ///
    /// # Panics
    /// At the first line that is not as the format says.
    pub(crate) fn read(text: &str) -> Scrape {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut scrape = Scrape::default();
        let mut lines = text.lines().peekable();
        while let Some(help) = lines.next() {
            let help = help.strip_prefix("# HELP ").expect(help);
            let (name, words) = help.split_once(' ').expect(help);
            assert!(is_name(name), "{name}");
            assert!(words.ends_with('.'), "help is a sentence: {words}");
            let kind = lines.next().unwrap();
            let kind = kind.strip_prefix(&format!("# TYPE {name} ")).expect(kind);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            let family = scrape.families.insert(String::from(name), String::from(kind));
            assert_eq!(family, None, "{name} comes twice");
            let mut family = Vec::new();
            while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
                family.push(sample);
            }
            assert!(!family.is_empty(), "{name} has samples");
            scrape.family(name, kind, &family);
        }
        scrape
    }

    fn family(&mut self, name: &str, kind: &str, lines: &[&str]) {
        let mut buckets = Vec::new();
        for line in lines {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (series_name, labels) = labels_of(series);
            match kind {
                "histogram" => {
                    let suffix = series_name.strip_prefix(name).expect(line);
                    assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                    if suffix == "_bucket" {
                        assert_eq!(labels.len(), 1, "{line}");
                        buckets.push((labels["le"].clone(), value.parse::<u64>().expect(line)));
                    }
                }
                "counter" => {
                    assert_eq!(series_name, name, "{line}");
                    value.parse::<u64>().expect(line);
                }
                "gauge" => assert_eq!(series_name, name, "{line}"),
                other => unreachable!("{other}"),
            }
            assert!(is_number(value), "{line}");
            let before = self.samples.insert(String::from(series), String::from(value));
            assert_eq!(before, None, "{series} comes twice");
        }
        if kind == "histogram" {
            self.histogram(name, &buckets);
        }
    }

    fn histogram(&self, name: &str, buckets: &[(String, u64)]) {
        assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{name}: buckets are cumulative");
        let (last, count) = buckets.last().unwrap();
        assert_eq!(last, "+Inf", "{name}");
        assert_eq!(self.samples[&format!("{name}_count")], count.to_string(), "{name}");
        assert!(self.samples.contains_key(&format!("{name}_sum")), "{name}");
        let bounds: BTreeSet<&String> = buckets.iter().map(|(bound, _)| bound).collect();
        assert_eq!(bounds.len(), buckets.len(), "{name}: bounds differ");
    }

    /// A whole number by its name and labels.
    pub(crate) fn number(&self, series: &str) -> u128 {
        let sample = self.samples.get(series);
        let sample = sample.unwrap_or_else(|| panic!("no sample {series}"));
        sample.parse().unwrap()
    }

    /// Whether any series of a family, or of a part of a histogram, has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.samples.keys().any(|series| labels_of(series).0 == name)
    }
}

fn labels_of(series: &str) -> (&str, BTreeMap<String, String>) {
    let Some((name, rest)) = series.split_once('{') else {
        assert!(is_name(series), "{series}");
        return (series, BTreeMap::new());
    };
    assert!(is_name(name), "{series}");
    let pairs = rest.strip_suffix('}').expect(series);
    let mut labels = BTreeMap::new();
    for pair in pairs.split(',') {
        let (label, value) = pair.split_once('=').expect(series);
        assert!(is_name(label) && !label.contains(':'), "{series}");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.expect(series);
        assert!(!value.contains(['"', '\\', '\n']), "{series}");
        assert_eq!(labels.insert(String::from(label), String::from(value)), None, "{series}");
    }
    (name, labels)
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_lowercase())
        && letters
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// Digits, with a fraction or without.
fn is_number(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    [whole, fraction]
        .iter()
        .all(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

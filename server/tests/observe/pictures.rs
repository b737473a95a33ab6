//! The dashboard and the alerts name figures that exist. One that was renamed would leave a panel
//! empty and an alert silent for ever, and nobody would notice.

use super::scrape::Scrape;

const DASHBOARD: &str = include_str!("../../../docs/observe/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../docs/observe/alerts.yml");
const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

/// That every figure, and every value of a label, which a panel or a rule names is in a scrape.
pub(crate) fn check(scrape: &Scrape) {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut expressions: Vec<&str> =
        targets.map(|target| target["expr"].as_str().unwrap()).collect();
    let rules = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    expressions.extend(rules);
    assert!(30 < expressions.len(), "expressions are not found where they are");
    for expression in expressions {
        for name in words(expression).filter(|word| word.starts_with("florin_")) {
            assert!(scrape.has(name), "{expression} names {name}, which no scrape has");
        }
        for (label, values) in equalities(expression) {
            for value in values.split('|').filter(|_| label != "job") {
                let labelled = format!("{label}=\"{value}\"");
                let is_there = scrape.samples.keys().any(|series| series.contains(&labelled));
                assert!(is_there, "{expression} asks for {labelled}, which no scrape has");
            }
        }
    }
    for alert in ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let row = format!("| `{alert}` |");
        assert!(OPERATIONS.contains(&row), "docs/OPERATIONS.md does not explain {alert}");
    }
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
}

/// Labels that an expression compares with values, and the values.
fn equalities(expression: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for part in expression.split(['{', ',', '}']) {
        let operators = ["!=\"", "=~\"", "=\""];
        let pair = operators.iter().find_map(|operator| part.split_once(operator));
        if let Some((label, value)) = pair {
            found.push((label.trim(), value.trim_end_matches('"')));
        }
    }
    found
}

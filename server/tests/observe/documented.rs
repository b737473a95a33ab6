//! Every figure is in the operators' page: one that nobody can look up helps nobody at night.

use super::scrape::Scrape;

const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

/// That the table of figures in the operators' page names exactly those of a scrape.
pub(crate) fn check(scrape: &Scrape) {
    let tick = |name: &str| format!("`{name}`");
    for family in scrape.families.keys() {
        assert!(OPERATIONS.contains(&tick(family)), "docs/OPERATIONS.md does not explain {family}");
    }
    let named = OPERATIONS.split('`').filter(|word| word.starts_with("florin_"));
    // Those of a bank are another page's, held against it in tools/tests/florin/bank_figures.rs.
    let named = named.filter(|word| !word.starts_with("florin_bank_"));
    for name in named.map(|name| name.split(['{', ' ']).next().unwrap()) {
        assert!(
            scrape.families.contains_key(name),
            "docs/OPERATIONS.md explains {name}: no figure"
        );
    }
}

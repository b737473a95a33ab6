//! What is found, as names and values: a line of a table, or an object on a line.

use crate::table::Table;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Names and values, in the order in which they are shown. Values are text, numbers too: positions
/// and ids are wider than JSON readers keep.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Row(pub(crate) Vec<(&'static str, String)>);

impl Row {
    /// This row with one more value.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Row {
        self.0.push((name, value.to_string()));
        self
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// One object a line.
pub(crate) fn json(rows: &[Row]) -> String {
    let line = |row| serde_json::to_string(row).expect("a row has string keys");
    rows.iter().map(|row| line(row) + "\n").collect()
}

/// A table, or several where rows have other names than those before them.
pub(crate) fn text(rows: &[Row]) -> String {
    let names = |row: &Row| row.0.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let mut pages = Vec::new();
    for same in rows.chunk_by(|a, b| names(a) == names(b)) {
        let mut table = Table::new(&names(&same[0]));
        for row in same {
            table.row(row.0.iter().map(|(_, value)| value.clone()).collect());
        }
        pages.push(table.render());
    }
    pages.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_shape_share_a_table() {
        let segment = |number: u64| Row::default().with("segment", number).with("bytes", 10);
        let rows = [segment(7), segment(8), Row::default().with("end", "clean")];
        let expect = "segment  bytes\n      7     10\n      8     10\n\nend\nclean\n";
        assert_eq!(text(&rows), expect);
        let expect = concat!(
            "{\"segment\":\"7\",\"bytes\":\"10\"}\n",
            "{\"segment\":\"8\",\"bytes\":\"10\"}\n",
            "{\"end\":\"clean\"}\n",
        );
        assert_eq!(json(&rows), expect);
    }
}

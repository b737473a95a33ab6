//! Text in columns.

/// Rows of cells under a row of names; every column as wide as its widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(names: &[&str]) -> Table {
        Table { rows: vec![names.iter().map(|name| String::from(*name)).collect()] }
    }

    /// Adds a row of as many cells as there are names.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "a table is rectangular");
        self.rows.push(cells);
    }

    /// The lines of the table. Cells that are numbers stand to the right, as in any ledger.
    pub(crate) fn render(&self) -> String {
        let columns_count = self.rows[0].len();
        let widths: Vec<usize> = (0..columns_count)
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let numeric = cell.bytes().all(|byte| byte.is_ascii_digit());
                let cell =
                    if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push_str(&cell);
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_names_to_the_left() {
        let mut table = Table::new(&["id", "flags", "amount"]);
        table.row(vec![String::from("7"), String::from("linked"), String::from("1000")]);
        table.row(vec![String::from("12345"), String::new(), String::from("5")]);
        let expect = concat!(
            "id     flags   amount\n",
            "    7  linked    1000\n",
            "12345               5\n",
        );
        assert_eq!(table.render(), expect);
    }
}

//! Columns beneath each other.

/// To which side the cells of a column are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Align {
    Left,
    Right,
}

/// Rows under a header; two spaces between columns, none at the end of a line.
pub(in crate::cli) fn table<const N: usize>(
    header: [(&str, Align); N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let rows: Vec<[String; N]> =
        std::iter::once(header.map(|(name, _)| name.to_owned())).chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in &rows {
        let cells =
            row.iter().zip(widths).zip(header).map(|((cell, width), (_, align))| match align {
                Align::Left => format!("{cell}{}", gap(cell, width)),
                Align::Right => format!("{}{cell}", gap(cell, width)),
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What a cell lacks of its column: by hand, since the widths of `format!` end at 65,535.
fn gap(cell: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(cell.chars().count()))
}

/// Names and what they stand for, one on a line.
pub(in crate::cli) fn pairs<'n>(pairs: impl IntoIterator<Item = (&'n str, String)>) -> String {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {value}\n");
    pairs.iter().map(line).collect()
}

/// What stands where there is nothing.
pub(in crate::cli) fn dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_wider_than_a_format_can_say_ended_the_program() {
        let wide = "é".repeat(70_000);
        let header = [("RUN", Align::Left), ("FRAMES", Align::Right), ("REASON", Align::Left)];
        let rows = [
            [wide.clone(), "1".to_owned(), String::new()],
            ["b".to_owned(), wide.clone(), "short".to_owned()],
        ];
        let text = table(header, rows);
        let lines: Vec<&str> = text.lines().collect();
        let gap = " ".repeat(69_999);
        assert_eq!(lines[1], format!("{wide}  {gap}1"));
        assert_eq!(lines[2], format!("b{gap}  {wide}  short"));
    }
}

//! What is not there, in a table.

/// How programs write what is not there, besides leaving the cell empty.
pub fn is_missing(cell: &str) -> bool {
    ["nan", "na", "n/a", "<na>", "#n/a", "null", "none"].iter().any(|word| cell.eq_ignore_ascii_case(word))
}

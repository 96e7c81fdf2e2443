//! What one cell of a table says of findings: a number or a word in a column of one, or a list.

use crate::missing::is_missing;

/// What the rows of one image say of a finding: how many that it is there, that it is not, that one is not sure.
pub(super) type Votes = [u32; 3];

/// How the absence of every finding is called, without spaces and in lower case.
const NOTHING: [&str; 3] = ["nofinding", "nofindings", "normal"];

/// What a number in a column of a finding means; `1` and `1.0` are the same, `nan` and its like are nothing.
pub(super) fn code(cell: &str) -> Option<Votes> {
    if cell.is_empty() || is_missing(cell) {
        return Some([0; 3]);
    }
    let number: f64 = cell.parse().ok()?;
    match number {
        1.0 => Some([1, 0, 0]),
        0.0 => Some([0, 1, 0]),
        -1.0 => Some([0, 0, 1]),
        nan if nan.is_nan() => Some([0; 3]),
        _ => None,
    }
}

/// The same of a word, in a column that was named.
pub(super) fn word(cell: &str) -> Option<Votes> {
    match cell.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" => Some([1, 0, 0]),
        "no" | "n" | "false" => Some([0, 1, 0]),
        _ => None,
    }
}

/// The findings of a list: `a|b`, or as Python prints it, `['a', "b's"]`. Nothing lists nothing, which is not known.
pub(super) fn listed(cell: &str, between: char) -> Vec<String> {
    let inner = cell.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let mut names: Vec<String> = vec![];
    match inner {
        // Of people, "None" means that nothing was found.
        None if is_missing(cell) && !cell.eq_ignore_ascii_case("none") => {}
        None => names.extend(cell.split(between).map(str::to_owned)),
        Some(inner) => {
            let mut rest = inner;
            while let Some(start) = rest.find(['\'', '"']) {
                let quote = if rest[start..].starts_with('"') { '"' } else { '\'' };
                let body = &rest[start + 1..];
                let end = body.find(quote).unwrap_or(body.len());
                names.push(body[..end].to_owned());
                rest = body.get(end + 1..).unwrap_or_default();
            }
        }
    }
    let mut names: Vec<String> =
        names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    names.dedup();
    names
}

/// Whether a name says that there is no finding.
pub(super) fn is_nothing(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    NOTHING.contains(&plain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_forms() {
        assert_eq!(listed("Effusion|No Finding ", '|'), ["Effusion", "No Finding"]);
        assert_eq!(listed("['a', \"b's\", ' c d']", '|'), ["a", "b's", "c d"]);
        assert_eq!(listed("['']", '|'), [""; 0]);
        assert_eq!((listed("", '|'), listed("nan", '|'), listed("N/A", '|')), (vec![], vec![], vec![]));
        assert_eq!(listed("None", '|'), ["None"]);
        assert!(is_nothing("No Finding") && is_nothing("No_findings") && !is_nothing("Finding"));
    }

    #[test]
    fn cells_are_read_as_numbers_and_words() {
        for (cell, want) in [("1", [1, 0, 0]), ("0.0", [0, 1, 0]), ("-1.0", [0, 0, 1])] {
            assert_eq!(code(cell), Some(want), "{cell}");
        }
        for cell in ["", "nan", "NaN", "NA", "N/A", "null", "None"] {
            assert_eq!(code(cell), Some([0; 3]), "{cell}");
        }
        assert!(
            code("2").is_none()
                && code("x").is_none()
                && word("YES") == Some([1, 0, 0])
                && word("2").is_none()
        );
    }
}

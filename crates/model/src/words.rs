//! Names in sentences. A data set may have two classes or a thousand, and a name may be as long as its author liked; a line
//! stays a line.

/// The most names that a sentence lists.
const NAMES: usize = 12;

/// The most characters of a name in a sentence.
const LETTERS: usize = 48;

/// `a, b, c`; of many names the first dozen, and how many more there are: `a, b, ... and 988 more`. Long names are cut, and an
/// entry with a comma stands in quotes.
pub fn list_names(names: &[impl AsRef<str>]) -> String {
    let word = |name: &str| match clip_name(name, LETTERS) {
        name if name.contains(',') => format!("\"{name}\""),
        name => name,
    };
    let shown: Vec<String> = names.iter().take(NAMES).map(|name| word(name.as_ref())).collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `name` in at most `most` characters, the last of which is `…` where something was cut.
pub fn clip_name(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_become_a_line() {
        assert_eq!(list_names(&["a", "b"]), "a, b");
        assert_eq!(list_names(&[] as &[&str]), "");
        assert_eq!(list_names(&["left", "right, lower"]), "left, \"right, lower\"");
        let many: Vec<String> = (0..1000).map(|i| format!("n{i}")).collect();
        assert_eq!(list_names(&many), "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11 and 988 more");
        assert_eq!(list_names(&["é".repeat(60)]), format!("{}…", "é".repeat(47)));
    }

    #[test]
    fn short_names_stay() {
        assert_eq!(clip_name("fracture", 8), "fracture");
        assert_eq!(clip_name("fractures", 8), "fractur…");
    }
}

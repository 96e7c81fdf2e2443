//! Pieces of HTML.

use eval::Interval;

/// `text` as text, in an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// Rows of a table that paper need not divide.
const ON_ONE_PAGE: usize = 15;

/// A table with a caption; the first cell of a row is its heading. Cells are text.
pub fn table(caption: &str, header: &[&str], rows: &[Vec<String>]) -> String {
    let escaped = |row: &Vec<String>| row.iter().map(|cell| escape(cell)).collect();
    table_of_html(caption, header, &rows.iter().map(escaped).collect::<Vec<_>>())
}

/// The same, of cells that are HTML.
pub(crate) fn table_of_html(caption: &str, header: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = header.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    let row = |row: &Vec<String>| {
        let (first, rest) = row.split_first().expect("a row has a heading");
        let cells: String = rest.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        format!("<tr><th scope=\"row\">{first}</th>{cells}</tr>\n")
    };
    let body: String = rows.iter().map(row).collect();
    let caption = escape(caption);
    let class = if rows.len() > ON_ONE_PAGE { " class=\"long\"" } else { "" };
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table{class}><caption>{caption}</caption>\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )
}

/// A value with three decimals; a dash where there is none.
pub(crate) fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// `[0.912, 0.987]`; nothing where there is none.
pub(crate) fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |interval| interval.to_string())
}

/// `0.961 [0.912, 0.987]`, as much of it as there is; where a line of the page has no room, it breaks before the interval.
pub(crate) fn number_and_interval(value: Option<f64>, ci: Option<Interval>) -> String {
    format!("{} {}", number(value), interval(ci).replace(' ', "\u{a0}")).trim_end().to_owned()
}

/// `once`, `2 times`.
pub(crate) fn times(n: usize) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// Bytes in base 64 (RFC 4648), for a `data:` address.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<a b=\"c\">'&amp;"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;amp;");
    }
}

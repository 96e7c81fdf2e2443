//! Columns of a manifest that are no property of an image: what this program wrote itself, and what only names an image.

/// The source of an image, as an audit found it.
pub const FOUND_SOURCE: &str = "found_source";
/// The series of an image, as an audit found it.
pub const FOUND_SERIES: &str = "found_series";
/// The fold of an image, as a split drew it.
pub const FOLD: &str = "fold";

/// Share of different values from which a column names images.
const NEARLY_UNIQUE: f64 = 0.95;
/// Share of values that look like paths.
const PATHS: f64 = 0.5;
/// Endings of what is a file's name.
const ENDINGS: [&str; 8] = [".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".tif", ".tiff", ".bmp"];

/// Whether column `name` with these values says something of the images: it is not one that this program wrote, holds no
/// paths, and is no identifier or serial number that (nearly) every image has for itself.
pub fn is_property(name: &str, values: &[&str]) -> bool {
    if [FOUND_SOURCE, FOUND_SERIES, FOLD].iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return false;
    }
    let filled: Vec<&str> = values.iter().copied().filter(|value| !value.is_empty()).collect();
    let is_path = |value: &&&str| {
        let lower = value.to_ascii_lowercase();
        // "and/or", "n/a" and "M/F" are no paths: something like a file or a folder is at the end.
        let folders = lower.matches(['/', '\\']).count();
        ENDINGS.iter().any(|ending| lower.ends_with(ending)) || (folders > 0 && lower.len() > 12)
    };
    let paths = filled.iter().filter(is_path).count();
    if !filled.is_empty() && paths as f64 >= PATHS * filled.len() as f64 {
        return false;
    }
    // Measures (0.35, 61.2) may all differ; identifiers and serial numbers are whole, or words.
    let is_measure = |value: &&&str| value.contains('.') && value.parse::<f64>().is_ok();
    let measures = filled.iter().filter(is_measure).count();
    let mut distinct = filled.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let names_images = filled.len() > 2 && distinct.len() as f64 >= NEARLY_UNIQUE * filled.len() as f64;
    !(names_images && 2 * measures < filled.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_paths_are_no_properties() {
        let column = |value: fn(usize) -> String| (0..40).map(value).collect::<Vec<String>>();
        for (name, value, is) in [
            ("found_source", (|i| (i / 20).to_string()) as fn(usize) -> String, false),
            ("Found_Series", |i| (i / 20).to_string(), false),
            ("fold", |i| (i % 5).to_string(), false),
            ("id", |i| i.to_string(), false),
            ("image_uid", |i| format!("1.2.{i}"), false),
            ("code", |i| format!("x{i:03}"), false),
            ("original", |i| format!("set{}/scan.png", i % 3), false),
            ("folder", |i| format!(r"C:\data\hospital\{}", i % 3), false),
            ("mask", |i| format!("mask{}.PNG", i / 2), false),
            ("age", |i| (30 + i % 25).to_string(), true),
            ("dose", |i| format!("{}.{}", i, i * 7 % 10), true),
            ("sex", |i| ["M", "F"][i % 2].to_owned(), true),
            ("view", |i| ["PA", "L/R", "n/a"][i % 3].to_owned(), true),
            ("hospital", |i| format!("site {}", i % 4), true),
            ("comment", |_| String::new(), true),
        ] {
            let values = column(value);
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            assert_eq!(is_property(name, &values), is, "{name}");
        }
    }
}

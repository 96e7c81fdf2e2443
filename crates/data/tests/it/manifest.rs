//! Manifests as spreadsheets and other systems write them.

use std::fs;
use std::path::PathBuf;

use data::{Dataset, Split};
use tempfile::TempDir;

/// A folder with files that manifests name.
fn folder() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in ["d/a/1.png", "d/a/2.png", "d/b/3.png", "d/b/4 x.png", "d/b/ö.png"] {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    root
}

fn write(root: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = root.path().join("table.txt");
    fs::write(&path, bytes).unwrap();
    path
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

/// Names, classes and splits.
fn read(root: &TempDir, bytes: &[u8]) -> Vec<(String, String, Option<Split>)> {
    let data = Dataset::open(&write(root, bytes)).unwrap();
    let sample = |s: &data::Sample| (s.name.clone(), data.classes[s.label].clone(), s.split);
    data.samples.iter().map(sample).collect()
}

#[track_caller]
fn refused(root: &TempDir, bytes: &[u8], words: &[&str]) {
    let error = Dataset::open(&write(root, bytes)).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is missing from {error:?}");
    }
    assert!(error.chars().count() < 700, "{error}");
}

#[test]
fn one_table_in_every_dress() {
    let root = folder();
    let plain = "path,label,split\nd/a/1.png,a,train\nd/b/3.png,b,train\nd/b/4 x.png,b,test\n";
    let want = read(&root, plain.as_bytes());
    assert_eq!(want[2], ("d/b/4 x.png".into(), "b".into(), Some(Split::Test)));
    let semicolons = plain.replace(',', ";");
    let tabs = plain.replace(',', "\t");
    let dresses: Vec<(&str, Vec<u8>)> = vec![
        ("CRLF", plain.replace('\n', "\r\n").into()),
        ("CR", plain.replace('\n', "\r").into()),
        ("no last line end", plain.trim_end().into()),
        ("mark of UTF-8", format!("\u{feff}{plain}").into()),
        ("semicolons", semicolons.clone().into()),
        ("tabs", tabs.clone().into()),
        ("bars", plain.replace(',', " | ").into()),
        ("sep", format!("sep=;\r\n{}", semicolons.replace('\n', "\r\n")).into()),
        ("sep in quotes and capitals", format!("\"SEP=;\"\n{semicolons}").into()),
        ("a separator of its own", format!("sep=#\n{}", plain.replace(',', "#")).into()),
        ("backslashes", plain.replace('/', "\\").into()),
        ("a dot before", plain.replace("d/", ".\\d\\").into()),
        ("trailing empty columns", plain.replace('\n', ",,\n").into()),
        ("trailing empty rows", format!("{plain},,\n \n\n,,\r\n").into()),
        (
            "empty rows above and between",
            format!("\n,,\n{}", plain.replace("train\n", "train\n\n,,\n")).into(),
        ),
        ("capitals and space", plain.replace("path,label,split", " Path , LABEL,\"Split \"").into()),
        (
            "everything quoted",
            plain
                .replace(',', "\",\"")
                .replace('\n', "\"\n\"")
                .trim_end_matches('"')
                .replacen("path", "\"path", 1)
                .into(),
        ),
        (
            "an index without a name",
            plain
                .lines()
                .enumerate()
                .map(|(i, line)| if i == 0 { format!(",{line}\n") } else { format!("{i},{line}\n") })
                .collect::<String>()
                .into(),
        ),
        (
            "unicode text of a spreadsheet",
            utf16(&format!("\u{feff}{}", tabs.replace('\n', "\r\n")), u16::to_le_bytes),
        ),
        ("the same the other way round", utf16(&format!("\u{feff}{tabs}"), u16::to_be_bytes)),
        ("and without its mark", utf16(&tabs, u16::to_le_bytes)),
        ("end mark of old systems", format!("{plain}\u{1a}").into()),
        ("shorter rows where nothing has a name", plain.replacen("split\n", "split,,,\n", 1).into()),
    ];
    let plainly: Vec<_> = want.iter().map(|(name, ..)| name.trim_start_matches("./").to_owned()).collect();
    for (dress, bytes) in dresses {
        let found = read(&root, &bytes);
        let names: Vec<_> = found.iter().map(|(name, ..)| name.trim_start_matches("./").to_owned()).collect();
        assert_eq!(names, plainly, "{dress}");
        assert!(found.iter().zip(&want).all(|(a, b)| (&a.1, a.2) == (&b.1, b.2)), "{dress}: {found:?}");
    }
}

#[test]
fn labels_and_values_stay_text() {
    let root = folder();
    let rows = read(&root, b"path,label\nd/a/1.png,01\nd/a/2.png,1\nd/b/3.png,\"=\"\"1\"\"\"\n");
    assert_eq!(rows.iter().map(|row| row.1.as_str()).collect::<Vec<_>>(), ["01", "1", "=\"1\""]);
    let path = write(
        &root,
        "path;label;notes\nd/a/1.png;ja;\"zwei\nZeilen; und ein \"\"Zitat\"\"\"\nd/b/ö.png;nein;1,5\n"
            .as_bytes(),
    );
    let data = Dataset::open(&path).unwrap();
    assert_eq!(data.columns, ["notes"]);
    assert_eq!(data.samples[0].extra, ["zwei\nZeilen; und ein \"Zitat\""]);
    assert_eq!((data.samples[1].name.as_str(), data.samples[1].extra[0].as_str()), ("d/b/ö.png", "1,5"));
}

#[test]
fn errors_name_the_line_that_an_editor_shows() {
    let root = folder();
    for end in ["\n", "\r\n", "\r"] {
        let lines = |lines: &[&str]| lines.join(end).into_bytes();
        let bad = "nothere.png,b";
        refused(&root, &lines(&["path,label", "d/a/1.png,a", bad]), &["line 3: nothere.png: No such file"]);
        refused(&root, &lines(&["path,label", "d/a/1.png,a", "", bad]), &["line 4: nothere.png"]);
        refused(
            &root,
            &lines(&["", "", "path,label", ",", "d/a/1.png,a", "", "", bad, ""]),
            &["line 8: nothere"],
        );
        refused(&root, &lines(&["sep=,", "path,label", bad]), &["line 3: nothere"]);
        let note = format!("d/a/1.png,a,\"two{end}lines{end}{end}and more\"");
        refused(&root, &lines(&["path,label,note", &note, "nothere.png,b,"]), &["line 6: nothere"]);
        refused(&root, &lines(&["path,label", "d/a/1.png,a", "d/b/3.png,"]), &["line 3: expected a label"]);
        refused(&root, &lines(&["path,label", "d/a/1.png,a", "d/a/1.png,a"]), &["line 3:", "in line 2 too"]);
    }
    let sixteen = utf16("\u{feff}path\tlabel\r\nd/a/1.png\ta\r\n\r\nnothere.png\tb\r\n", u16::to_le_bytes);
    refused(&root, &sixteen, &["line 4: nothere.png"]);
}

#[test]
fn a_file_is_named_once_whichever_way_leads_to_it() {
    let root = folder();
    for way in ["d/a/1.png", "./d/a/1.png", "d/b/../a/1.png", "d//a/1.png"] {
        let text = format!("path,label\nd/a/1.png,a\nd/b/3.png,b\n{way},b\n");
        refused(&root, text.as_bytes(), &["line 4", "every path once", "in line 2 too"]);
    }
}

#[test]
fn what_cannot_be_read_is_said_in_its_own_words() {
    let root = folder();
    refused(&root, b"path,label\nd/a/1.png,a,b\n", &["line 2: expected 2 fields", "found 3", "quotes"]);
    refused(&root, b"path,label,split\nd/a/1.png,a\n", &["line 2: expected 3 fields", "found 2"]);
    refused(&root, b"path,label\nd/a/1.png,caf\xe9\n", &["line 2:", "0xE9", "CSV UTF-8"]);
    refused(&root, b"path;labe\xe9\nd/a/1.png;x\n", &["line 1:", "0xE9"]);
    refused(
        &root,
        b"path,label\nC:\\scans\\1.png,a\n",
        &["line 2: C:\\scans\\1.png", "relative to the manifest"],
    );
    refused(&root, b"path,label\n\\\\server\\scans\\1.png,a\n", &["line 2:", "Windows"]);
    refused(&root, b"PK\x03\x04\x14\0\x06\0", &["an Excel workbook", "CSV UTF-8"]);
    refused(&root, b"\x89PNG\r\n\x1a\n\0\0\0", &["a CSV manifest, found a PNG image"]);
    refused(&root, b"\0\0\0\0\0\0", &["a CSV manifest, found unknown bytes"]);
    refused(&root, b"", &["columns path, label, found no line"]);
    refused(&root, b"\n,,\n", &["found no line"]);
    refused(&root, b"file;class\nx;y\n", &["expected a column \"path\", found file, class"]);
    refused(
        &root,
        b"path,label,notes,NOTES\nd/a/1.png,a,,\n",
        &["expected every column once, found \"NOTES\" twice"],
    );
    let endless = format!("path,label\n\"d/a/1.png,a\n{}", "d/b/3.png,b\n".repeat(200));
    refused(&root, endless.as_bytes(), &["line 2: "]);
}

#[test]
fn columns_without_a_name_are_passed_over_and_said() {
    let root = folder();
    let data = Dataset::open(&write(&root, b",path,label,,\n0,d/a/1.png,a,,\n1,d/b/3.png,b,x,\n")).unwrap();
    assert_eq!(data.columns, [""; 0]);
    assert_eq!(data.notes, ["columns without a name are not read: 2"]);
}

#[test]
fn names_of_splits_are_those_of_folders() {
    let root = folder();
    let rows = "path,label,split\nd/a/1.png,a,Training\nd/b/3.png,b,training\nd/a/2.png,a,DEV\nd/b/ö.png,b,hold-out\n";
    let data = Dataset::open(&write(&root, rows.as_bytes())).unwrap();
    let splits: Vec<_> = data.samples.iter().map(|sample| sample.split.unwrap()).collect();
    assert_eq!(splits, [Split::Train, Split::Train, Split::Val, Split::Test]);
    assert!(data.notes[0].contains("\"DEV\" is taken as the val split"), "{:?}", data.notes);
    let two = rows.replace("training", "Train");
    refused(&root, two.as_bytes(), &["one name for each split", "\"Train\" and \"Training\""]);
    let labels = "path,label\nd/a/1.png,train\nd/b/3.png,test\nd/a/2.png,val\n";
    refused(&root, labels.as_bytes(), &["found what seem to be parts", "\"test\", \"train\" and \"val\""]);
    let real = "path,label\nd/a/1.png,control\nd/b/3.png,test\n";
    assert_eq!(Dataset::open(&write(&root, real.as_bytes())).unwrap().classes, ["control", "test"]);
}

#[cfg(unix)]
#[test]
fn a_backslash_may_be_part_of_a_name() {
    let root = folder();
    fs::write(root.path().join("d\\a\\1.png"), "xyz").unwrap();
    let data = Dataset::open(&write(&root, b"path,label\nd\\a\\1.png,a\nd\\b\\3.png,b\n")).unwrap();
    assert_eq!((data.samples[0].bytes, data.samples[0].name.as_str()), (3, "d\\a\\1.png"));
    assert_eq!(data.samples[1].name, "d/b/3.png");
    assert_eq!(data.notes, ["backslashes are read as slashes in the paths of 1 rows"]);
}

/// Names of files are bytes on Unix: whatever they are, a manifest that is written can be read.
#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_survive_a_manifest() {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let root = tempfile::tempdir().unwrap();
    let odd = [&b"caf\xe9.png"[..], b" leading.png", b"quo\"te,.png", b"new\nline.png", b"back\\slash.png"];
    for (i, name) in odd.iter().enumerate() {
        let class = root.path().join(["a", "b"][i % 2]);
        fs::create_dir_all(&class).unwrap();
        fs::write(class.join(std::ffi::OsString::from_vec(name.to_vec())), &[b'x'; 9][..=i]).unwrap();
    }
    let data = Dataset::open(root.path()).unwrap();
    assert_eq!(data.samples.len(), odd.len());
    assert!(data.samples.iter().any(|sample| sample.name == "a/caf\u{fffd}.png"));
    let table = root.path().join("table.csv");
    data::write_manifest(&table, &data).unwrap();
    let again = Dataset::open(&table).unwrap();
    let files = |data: &Dataset| -> Vec<(Vec<u8>, u64, usize)> {
        let one = |s: &data::Sample| (s.path.as_os_str().as_bytes().to_vec(), s.bytes, s.label);
        data.samples.iter().map(one).collect()
    };
    assert_eq!(files(&again), files(&data));
}

/// A link in a data set is the file's name there, so a manifest does not name what it leads to.
#[cfg(unix)]
#[test]
fn links_stay_links_in_a_manifest() {
    let root = tempfile::tempdir().unwrap();
    let store = tempfile::tempdir().unwrap();
    fs::write(store.path().join("1.png"), "x").unwrap();
    for class in ["a", "b"] {
        fs::create_dir(root.path().join(class)).unwrap();
        std::os::unix::fs::symlink(store.path().join("1.png"), root.path().join(class).join("link.png"))
            .unwrap();
    }
    let table = root.path().join("table.csv");
    data::write_manifest(&table, &Dataset::open(root.path()).unwrap()).unwrap();
    let names: Vec<_> =
        Dataset::open(&table).unwrap().samples.into_iter().map(|sample| sample.name).collect();
    assert_eq!(names, ["a/link.png", "b/link.png"]);
}

#[test]
fn classes_that_may_be_one_or_none_are_named() {
    let root = folder();
    let notes = |text: &str| Dataset::open(&write(&root, text.as_bytes())).unwrap().notes.join("\n");
    let said = notes("path,label\nd/a/1.png,1\nd/a/2.png,1.0\nd/b/3.png,0\nd/b/4 x.png,NaN\n");
    let words = "warning: \"1\" and \"1.0\" differ only in how they are written; \"NaN\" may mean not known";
    assert!(said.starts_with(words), "{said}");
    assert_eq!(notes("path,label\nd/a/1.png,1\nd/a/2.png,0\n"), "");
}

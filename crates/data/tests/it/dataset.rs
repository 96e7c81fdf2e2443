//! Folders and manifests, what is refused, and the real sets if they are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use data::{Dataset, GroupBy, Likeness, Split, SplitOrigin, file_digest, hexadecimal};
use tempfile::TempDir;

/// A folder with a one-byte file at each of `names`.
fn tree(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    root
}

#[track_caller]
fn assert_refused(source: &Path, reason: &str) {
    let error = Dataset::open(source).unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
    assert!(error.contains(source.to_str().unwrap()), "{error}");
}

fn manifest(root: &TempDir, text: &str) -> std::path::PathBuf {
    let path = root.path().join("manifest.csv");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_folder_with_splits() {
    let names = ["train/b/1.png", "train/a/deep/er/2.JPG", "validation/a/3.jpeg", "test/b/4.png"];
    let root = tree(&[&names[..], &["train/a/.hidden.png", "train/a/notes.txt", "README.md"]].concat());
    let data = Dataset::open(root.path()).unwrap();
    assert_eq!((data.classes.join(" "), data.passed_over.files), ("a b".into(), 3));
    let found: Vec<_> = data.samples.iter().map(|s| (s.name.as_str(), s.label, s.split.unwrap())).collect();
    let want = [
        ("test/b/4.png", 1, Split::Test),
        ("train/a/deep/er/2.JPG", 0, Split::Train),
        ("train/b/1.png", 1, Split::Train),
        ("validation/a/3.jpeg", 0, Split::Val),
    ];
    assert_eq!(found, want);
    assert_eq!(data.part(Split::Train), [1, 2]);
    assert_eq!(data.class_counts(Split::Train), [1, 1]);
}

#[test]
fn missing_splits_are_drawn_as_documented() {
    let origin = |names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut data = Dataset::open(tree(&names).path()).unwrap();
        let origin = data.assign_splits(1).unwrap();
        (origin, Split::ALL.map(|split| data.part(split).len()))
    };
    let files = |folder: &str| -> Vec<String> {
        let class = |class| (0..10).map(move |i| format!("{folder}{class}/{i}.png"));
        class("a").chain(class("b")).collect()
    };
    assert_eq!(origin(&files("")), (SplitOrigin::Drawn, [16, 2, 2]));
    assert_eq!(origin(&files("train/")), (SplitOrigin::Drawn, [16, 2, 2]));
    let test = [files("train/"), files("test/")].concat();
    assert_eq!(origin(&test), (SplitOrigin::ValFromTrain, [18, 2, 20]));
    let val = [files("train/"), files("val/")].concat();
    assert_eq!(origin(&val), (SplitOrigin::Given, [20, 20, 0]));

    let only_test = tree(&["test/a/1.png", "test/b/1.png"]);
    let error = Dataset::open(only_test.path()).unwrap().assign_splits(0).unwrap_err();
    assert!(error.to_string().contains("expected training images"), "{error}");
}

#[test]
fn bad_folders_are_refused() {
    let empty = tree(&[]);
    assert_refused(&empty.path().join("none"), "none");
    assert_refused(empty.path(), "expected folders CLASS/");
    assert_refused(tree(&["1.png"]).path(), "expected folders CLASS/");
    assert_refused(tree(&["a/1.png"]).path(), "expected two classes or more, found only \"a\"");
    assert_refused(tree(&["a/1.png", "b/1.txt"]).path(), "in the class folder \"b\", found none");
    let untrained = tree(&["train/a/1.png", "train/b/1.png", "val/c/1.png"]);
    assert_refused(untrained.path(), "class \"c\" of val/c/1.png occurs in no training image");
}

#[test]
fn splits_go_by_many_names() {
    for names in [
        ["train", "val", "test"],
        ["Training", "Validation", "TESTING"],
        ["train_set", "dev", "holdout"],
        ["trainset", "valid", "eval"],
    ] {
        let files: Vec<String> =
            names.iter().flat_map(|split| ["a", "b"].map(|class| format!("{split}/{class}/1.png"))).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let data = Dataset::open(tree(&files).path()).unwrap();
        assert_eq!(data.classes, ["a", "b"], "{names:?}");
        assert_eq!(Split::ALL.map(|split| data.part(split).len()), [2, 2, 2], "{names:?}");
        assert_eq!(data.notes.is_empty(), names[0] == "train" && names[1] == "val", "{:?}", data.notes);
    }
}

#[test]
fn folders_that_could_be_splits_or_classes_are_asked_about() {
    let both = "names of splits (\"train\") beside others with images (\"extra\")";
    assert_refused(tree(&["train/a/1.png", "train/b/1.png", "extra/a/1.png"]).path(), both);
    assert_refused(tree(&["test/1.png", "control/2.png"]).path(), "beside others with images (\"control\")");
    let twice = tree(&["train/a/1.png", "dev/a/1.png", "val/b/1.png"]);
    assert_refused(twice.path(), "found \"dev\" and \"val\", which all name the val split");
    assert_refused(tree(&["training/1.png", "testing/2.png"]).path(), "2 outside of every class folder");
    assert_refused(tree(&["my_train/1.png", "my_test/2.png"]).path(), "differ only in the name of a split");
    assert_refused(tree(&["fold1/a/1.png", "fold2/a/2.png"]).path(), "names of folds");
    assert_refused(tree(&["train/training/1.png", "train/testing/1.png"]).path(), "are names of splits");

    let below = tree(&["a/train/1.png", "b/train/2.png", "a/test/3.png"]);
    assert_refused(below.path(), "inside of other folders (\"a/test\", \"a/train\" and \"b/train\")");
    assert_refused(below.path(), "train/CLASS/");
    let wrapped = tree(&["set/train/a/1.png", "set/train/b/1.png", "set/Test/a/2.png"]);
    let inner = wrapped.path().join("set");
    assert_refused(wrapped.path(), &format!("give {}", inner.display()));
    assert_eq!(Dataset::open(&inner).unwrap().classes, ["a", "b"]);
    let two = tree(&["x/train/a/1.png", "x/test/a/1.png", "y/train/b/1.png"]);
    assert_refused(two.path(), "give one of the outer folders");
    assert_refused(tree(&["w/x/train/a/1.png", "w/x/test/a/1.png"]).path(), "w/x");

    // Not all that sounds like it: one such folder inside, or none of images.
    assert_eq!(Dataset::open(tree(&["a/test/1.png", "b/2.png"]).path()).unwrap().classes, ["a", "b"]);
    let notes = tree(&["train/a/1.png", "train/b/1.png", "docs/readme.txt", "labels/a.csv"]);
    assert_eq!(Dataset::open(notes.path()).unwrap().passed_over.files, 2);
}

/// What is an image is known by its content where the name does not say so.
#[test]
fn content_counts_and_what_is_passed_over_is_said() {
    let root = tree(&["a/1.png", "b/1.png", "a/.DS_Store", "b/__MACOSX/._1.png", "3.png"]);
    let files: [(&str, &[u8]); 9] = [
        ("a/2.jfif", b"\xff\xd8\xff\xe0"),
        ("a/3.JPE", b"\xff\xd8\xff\xe0"),
        ("a/noextension", b"\x89PNG\r\n\x1a\n"),
        ("b/wrong.txt", b"\xff\xd8\xff\xe1"),
        ("b/4.tiff", b"II*\0"),
        ("b/5.TIF", b"MM\0*"),
        ("b/6.bmp", b"BM\x36\x10\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
        ("b/7.webp", b"RIFF\x10\0\0\0WEBPVP8 "),
        ("b/8.txt", b"words"),
    ];
    for (name, content) in files {
        fs::write(root.path().join(name), content).unwrap();
    }
    let data = Dataset::open(root.path()).unwrap();
    let names: Vec<&str> = data.samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names, ["a/1.png", "a/2.jfif", "a/3.JPE", "a/noextension", "b/1.png", "b/wrong.txt"]);
    let said = data.passed_over.to_string();
    assert_eq!(data.passed_over.files, 8, "{said}");
    for words in [
        "passed over 8 files: ",
        "2 in TIFF format, which is not read (b/4.tiff, b/5.TIF)",
        "1 in BMP format",
        "1 in WebP format",
        "1 text (b/8.txt)",
        "2 hidden or of the system (a/.DS_Store, b/__MACOSX)",
        "1 outside of every class folder (3.png)",
    ] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    let only = tree(&["a/1.png", "b/1.txt"]);
    fs::write(only.path().join("b/2.tif"), b"II*\0").unwrap();
    assert_refused(only.path(), "1 in TIFF format, which is not read (b/2.tif)");
}

#[test]
fn a_manifest() {
    let root = tree(&["x/1.png", "x/2.png", "3.bin"]);
    let text = "\u{feff}sex,Label,path,group,split\nf,sick,x/1.png,p1,train\nm,well,x/2.png,,train\nf,well,3.bin,p1,test\n";
    let mut data = Dataset::open(&manifest(&root, text)).unwrap();
    assert_eq!((data.classes.join(" "), data.columns.join(" ")), ("sick well".into(), "sex".into()));
    let last = &data.samples[2];
    assert_eq!((last.name.as_str(), last.label, last.split, last.bytes), ("3.bin", 1, Some(Split::Test), 1));
    assert_eq!(last.path, root.path().join("3.bin"));
    assert_eq!((last.group.as_deref(), last.extra.join("")), (Some("p1"), "f".into()));
    assert_eq!(data.divided_groups(), [("p1", vec![Split::Train, Split::Test])]);
    assert_eq!(data.group_count(Split::Train), 2);

    data.group_by(&GroupBy::Column("sex".into())).unwrap();
    assert_eq!(data.samples[1].group.as_deref(), Some("m"));
    let error = data.group_by(&GroupBy::Column("age".into())).unwrap_err().to_string();
    assert!(error.contains("expected the column \"age\", found these to group by: group, sex"), "{error}");
    let error = data.group_by(&GroupBy::Name("y/*.png".into())).unwrap_err().to_string();
    assert!(error.contains("found none among 3, for example"), "{error}");

    // A column `group` is one to group by; and where there is none, a pattern may do.
    let mut grouped = Dataset::open(&manifest(&root, "path,label,group\nx/1.png,a,p\n3.bin,b,q\n")).unwrap();
    let error = grouped.group_by(&GroupBy::Column("age".into())).unwrap_err().to_string();
    assert!(error.ends_with("found these to group by: group"), "{error}");
    let mut plain = Dataset::open(&manifest(&root, "path,label\nx/1.png,a\n3.bin,b\n")).unwrap();
    let error = plain.group_by(&GroupBy::Column("group".into())).unwrap_err().to_string();
    assert!(error.contains("found no column to group by; a pattern of the file name"), "{error}");
}

#[test]
fn names_that_a_pattern_does_not_fit_stand_alone() {
    let names = ["a/person1_1.png", "a/person1_2.png", "a/odd.png", "b/person2_3.png", "b/person.png"];
    let root = tree(&names);
    let mut data = Dataset::open(root.path()).unwrap();
    assert!(data.alone().is_empty(), "nobody has a group");
    data.group_by(&"person*_".parse().unwrap()).unwrap();
    let group = |name: &str| data.samples.iter().find(|s| s.name == name).unwrap().group.clone();
    assert_eq!(
        names.map(group),
        [Some("person1".into()), Some("person1".into()), None, Some("person2".into()), None]
    );
    let alone: Vec<&str> = data.alone().into_iter().map(|i| data.samples[i].name.as_str()).collect();
    assert_eq!(alone, ["a/odd.png", "b/person.png"]);
    // They are divided as groups of their own.
    let keys: BTreeSet<_> = (0..5).map(|i| data.group_key(i)).collect();
    assert_eq!(keys.len(), 4);
    let error = data.group_by(&"patient*_".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("patient*_") && error.contains("none among 5"), "{error}");
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let root = tree(&["set/x/1, \"a\".png", "set/x/2.png", "3.bin"]);
    let text = "sex,label,path,group,split\nf,sick,\"set/x/1, \"\"a\"\".png\",p1,train\nm,well,set/x/2.png,,train\nf,well,3.bin,p1,test\n";
    let data = Dataset::open(&manifest(&root, text)).unwrap();
    for place in ["copy.csv", "set/deeper.csv"] {
        let path = root.path().join(place);
        data::write_manifest(&path, &data).unwrap();
        let again = Dataset::open(&path).unwrap();
        assert_eq!((&again.classes, &again.columns), (&data.classes, &data.columns));
        for (a, b) in data.samples.iter().zip(&again.samples) {
            assert_eq!((a.label, a.split, &a.group, &a.extra), (b.label, b.split, &b.group, &b.extra));
            assert_eq!(a.path.canonicalize().unwrap(), b.path.canonicalize().unwrap());
        }
    }
    assert_eq!(Dataset::open(&root.path().join("copy.csv")).unwrap().samples[1].name, "set/x/2.png");
    let error = data::write_manifest(&root.path().join("none/copy.csv"), &data).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}

#[test]
fn bad_manifests_are_refused() {
    let root = tree(&["1.png", "2.png"]);
    let cases = [
        ("file,label\n1.png,a\n", "expected a column \"path\", found file, label"),
        ("path,class\n1.png,a\n", "expected a column \"label\", found path, class"),
        ("path,label,path\n1.png,a,b\n", "expected every column once, found \"path\" twice"),
        ("path,label\n", "found only the header"),
        ("path,label\n1.png,a\n9.png,b\n", "line 3: 9.png: "),
        ("path,label\n1.png,a\n./1.png,b\n", "line 3: expected every path once, found ./1.png in line 2 too"),
        ("path,label\n1.png,a\n2.png,\n", "line 3: expected a label, found an empty field"),
        ("path,label,split\n1.png,a,deaf\n", "line 2: expected the split train, val or test, found \"deaf\""),
        ("path,label,split\n1.png,a,train\n2.png,b,\n", "line 3: expected a split in every row or in none"),
        ("path,label\n1.png,a\n2.png,a\n", "expected two classes or more, found only \"a\""),
        ("path,label\n1.png,a\n2.png\n", "line 3: expected 2 fields, as the header has, found 1"),
        (
            "path,label,note\n1.png,a,\"5\n2.png,b,x\n3.png,b,6\"\n4.png,a,y\n",
            "line 2: expected a row, found a quoted cell that goes over 2 more lines that look like rows",
        ),
    ];
    for (text, reason) in cases {
        assert_refused(&manifest(&root, text), reason);
    }
    // A report goes over lines with as many commas as a row has.
    let report = "path,label,report\n1.png,a,\"Heart normal.\nNo effusion, no nodule, clear\"\n2.png,b,\"a, b, c\nd, e\"\n";
    assert_eq!(Dataset::open(&manifest(&root, report)).unwrap().samples.len(), 2);
}

/// SHA-256 by `printf ... | sha256sum`.
#[test]
fn the_fingerprint_is_of_the_contents() {
    let root = tree(&["1.png"]);
    fs::write(root.path().join("2.png"), "y").unwrap();
    let open = |text: &str| Dataset::open(&manifest(&root, text)).unwrap();
    let first = open("path,label\n1.png,a\n2.png,b\n");
    let print = first.fingerprint();
    assert_eq!(
        print,
        // Of "a\0\01\nb\0\01\n", and of the same lines with the SHA-256 of "x" and "y" for the size.
        "v2-668a8c38d1cdfe71-5aed44c67d31767b680b5ea4293331941a4d8769261b05127777ac0a425d3183"
    );
    assert_eq!(print, open("label,path\nb,2.png\na,1.png\n").fingerprint(), "order does not matter");
    let likeness = |text: &str| open(text).compare_fingerprint(&print);
    assert_eq!(likeness("path,label\n1.png,a\n2.png,b\n"), Likeness::Same);
    assert_eq!(likeness("path,label\n1.png,b\n2.png,a\n"), Likeness::OtherContents);
    assert_eq!(likeness("path,label,split\n1.png,a,train\n2.png,b,train\n"), Likeness::Other);

    // Elsewhere, under other names.
    let moved = tree(&["deep/er/x.png"]);
    fs::write(moved.path().join("z.png"), "y").unwrap();
    let table = manifest(&moved, "path,label\nz.png,b\ndeep/er/x.png,a\n");
    assert_eq!(Dataset::open(&table).unwrap().compare_fingerprint(&print), Likeness::Same);

    // One of an earlier version: sha256 of "1.png\0a\0\01\n2.png\0b\0\01\n", by another program.
    let old = "21c8197e78f315f28e0c24dae79658d99cb922ed8cd4d0a3787570ef0116b6b3";
    assert_eq!(first.compare_fingerprint(old), Likeness::SameSizes);
    assert_eq!(Dataset::open(&table).unwrap().compare_fingerprint(old), Likeness::Other);
    for (name, contents, want) in [
        ("2.png", "z", Likeness::OtherContents),
        ("2.png", "yy", Likeness::Other),
        ("1.png", "y", Likeness::OtherContents),
    ] {
        let changed = tree(&["1.png"]);
        fs::write(changed.path().join("2.png"), "y").unwrap();
        fs::write(changed.path().join(name), contents).unwrap();
        let found = Dataset::open(&manifest(&changed, "path,label\n1.png,a\n2.png,b\n")).unwrap();
        assert_eq!(found.compare_fingerprint(&print), want, "{name} {contents}");
    }
}

/// A file that was read is not read again, unless it has changed since.
#[test]
fn a_digest_is_of_the_file_as_it_is() {
    let root = tree(&["a"]);
    let path = root.path().join("a");
    let of = |text: &str| {
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        // Clocks of file systems tick coarsely.
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(text.len() as u64)).unwrap();
        hexadecimal(&file_digest(&path).unwrap())
    };
    // `printf abc | sha256sum`
    assert_eq!(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ne!(of("abcd"), of("abc"));
    fs::remove_file(&path).unwrap();
    assert!(file_digest(&path).is_err());
    let big = vec![7u8; 200_000];
    fs::write(&path, &big).unwrap();
    // `head -c 200000 /dev/zero | tr '\\0' '\\7' | sha256sum`
    assert_eq!(hexadecimal(&file_digest(&path).unwrap())[..16], *"8cfcba83dcfc81a1");
}

#[test]
fn the_spine_set_splits_as_its_tables_say() {
    for (table, want) in [("seed-split.csv", [3800, 200, 200]), ("volume-split.csv", [2121, 924, 1155])] {
        let Some(path) = crate::shared("data/spine-ct").map(|folder| folder.join(table)) else { return };
        let mut data = Dataset::open(&path).unwrap();
        assert_eq!(data.assign_splits(0).unwrap(), SplitOrigin::Given);
        assert_eq!(Split::ALL.map(|split| data.part(split).len()), want);
        assert_eq!(data.classes, ["fracture", "normal"]);
        assert_eq!(data.columns, ["source"]);
        assert_eq!(data.divided_groups().is_empty(), table == "volume-split.csv");
    }
}

#[test]
fn the_chest_set_is_validated_by_patient() {
    let Some(path) = crate::shared("data/chest-xray") else { return };
    let mut data = Dataset::open(&path).unwrap();
    data.group_by(&"person*_|NORMAL2-IM-*-|IM-*-".parse().unwrap()).unwrap();
    assert_eq!(data.assign_splits(0).unwrap(), SplitOrigin::ValFromTrain);
    let [train, val, test] = Split::ALL.map(|split| data.class_counts(split));
    assert_eq!(test, [234, 390]);
    assert_eq!([train[0] + val[0], train[1] + val[1]], [1341, 1341]);
    assert!(val.iter().all(|n| n.abs_diff(134) <= 2), "{val:?}");
    let groups =
        |split| -> BTreeSet<_> { data.part(split).iter().map(|&i| data.samples[i].group.clone()).collect() };
    assert!(groups(Split::Train).is_disjoint(&groups(Split::Val)));
}

//! Tables whose images have several findings, in the forms in which they are published.

use std::fs;
use std::path::{Path, PathBuf};

use data::{Dataset, Labelling, Readers, Split, Uncertain, write_manifest};
use tempfile::TempDir;

fn folder(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    root
}

fn write(root: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = root.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn read(table: &Path, labels: &str, uncertain: Uncertain) -> Result<Dataset, String> {
    let labelling = Labelling { labels: Some(labels.parse().unwrap()), uncertain, ..Labelling::default() };
    Dataset::open_labelled(table, false, &labelling).map_err(|error| error.to_string())
}

fn open(table: &Path, labels: &str) -> Dataset {
    read(table, labels, Uncertain::Ignore).unwrap()
}

/// A sign for each finding of each sample.
fn signs(dataset: &Dataset) -> Vec<String> {
    let sign = |is: &Option<bool>| is.map_or('?', |is| if is { '1' } else { '0' });
    dataset.samples.iter().map(|sample| sample.findings.iter().map(sign).collect()).collect()
}

fn groups(dataset: &Dataset) -> Vec<&str> {
    dataset.samples.iter().map(|sample| sample.group.as_deref().unwrap_or("-")).collect()
}

#[test]
fn chestxray14_as_it_is_published() {
    let root = folder(&[
        "images_001/images/1_000.png",
        "images_002/images/1_001.png",
        "images_002/images/2_000.png",
    ]);
    let text = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
                OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n\
                1_000.png,Cardiomegaly,0,1,57,M,PA,2682,2749,0.1,0.1,\n\
                1_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.1,0.1,\n\
                2_000.png,No Finding,0,2,81,M,AP,2500,2048,0.1,0.1,\n";
    let table = write(&root, "Data_Entry_2017.csv", text);
    let data = open(&table, "all");
    assert_eq!(data.classes, ["Cardiomegaly", "Emphysema"]);
    assert_eq!(signs(&data), ["10", "11", "00"]);
    assert_eq!(groups(&data), ["1", "1", "2"]);
    assert_eq!(data.samples[1].name, "images_002/images/1_001.png");
    assert!(data.columns.contains(&"View Position".to_owned()), "{:?}", data.columns);
    assert!(data.notes.iter().any(|note| note.contains("found by their names")), "{:?}", data.notes);
    assert_eq!(signs(&open(&table, "Emphysema")), ["0", "1", "0"]);
    let error = read(&table, "Emphysema,Hernia", Uncertain::Ignore).unwrap_err();
    assert!(error.contains("\"Hernia\"") && error.contains("Finding Labels"), "{error}");
    // Without the option it is asked about.
    let error = Dataset::open(&table).unwrap_err().to_string();
    assert!(error.contains("--labels all"), "{error}");
    fs::write(root.path().join("1_000.png"), "another").unwrap();
    assert_eq!(
        open(&table, "all").samples[0].name,
        "1_000.png",
        "what lies where the table says comes first"
    );
    fs::write(root.path().join("images_001/images/2_000.png"), "another").unwrap();
    let error = read(&table, "all", Uncertain::Ignore).unwrap_err();
    assert!(error.contains("line 4") && error.contains("found several"), "{error}");
}

#[test]
fn chexpert_as_it_is_published() {
    let files = [
        "set/train/patient00001/study1/view1_frontal.jpg",
        "set/train/patient00002/study2/view1_frontal.jpg",
    ];
    let root = folder(&files);
    let text = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema,Fracture\n\
                set/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,0.0,\n\
                set/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,,-1.0,1.0,1.0\n";
    let table = write(&root, "set/train.csv", text);
    let data = open(&table, "all");
    assert_eq!(data.classes, ["No Finding", "Cardiomegaly", "Edema", "Fracture"]);
    assert_eq!(signs(&data), ["1?0?", "??11"]);
    assert_eq!(groups(&data), ["patient00001", "patient00002"]);
    assert_eq!(data.columns, ["Sex", "Age", "Frontal/Lateral", "AP/PA"]);
    for (uncertain, want) in [(Uncertain::Positive, "?111"), (Uncertain::Negative, "?011")] {
        assert_eq!(signs(&read(&table, "all", uncertain).unwrap())[1], want);
    }
    assert_eq!(signs(&open(&table, "Edema,cardiomegaly")), ["0?", "1?"], "in the order of the option");
    let error = read(&table, "Edema,Hernia", Uncertain::Ignore).unwrap_err();
    assert!(error.contains("expected columns \"Hernia\""), "{error}");
    let labels = Some("Hernia,Edema".parse().unwrap());
    let lacking = Labelling { labels, may_lack: true, ..Labelling::default() };
    assert_eq!(signs(&Dataset::open_labelled(&table, false, &lacking).unwrap()), ["?0", "?1"]);
    let error = read(&table, "Age", Uncertain::Ignore).unwrap_err();
    assert!(error.contains("line 2: Age: expected 1, 0, -1") && error.contains("\"68\""), "{error}");
}

#[test]
fn padchest_as_it_is_published() {
    let root = folder(&["0/a_1.png", "0/b_2.png", "7/c_3.png", "7/d_4.png"]);
    let text = ",ImageID,ImageDir,PatientID,Projection,Labels,Localizations\n\
                0,a_1.png,0,83,PA,['normal'],[]\n\
                1,b_2.png,0,31,L,\"['pulmonary fibrosis', ' kyphosis']\",\"['loc basal']\"\n\
                2,c_3.png,7,31,PA,['kyphosis'],[]\n\
                3,d_4.png,7,32,PA,,[]\n";
    let data = open(&write(&root, "padchest.csv", text), "all");
    assert_eq!(data.classes, ["kyphosis", "pulmonary fibrosis"]);
    assert_eq!(signs(&data), ["00", "11", "10", "??"]);
    assert_eq!(groups(&data), ["83", "31", "31", "32"]);
}

/// Three radiologists read each training image, in a row each.
#[test]
fn vindr_as_it_is_published() {
    let root = folder(&["train/50a4.dicom", "train/21a1.dicom"]);
    let text = "image_id,rad_id,Aortic enlargement,Cardiomegaly,No finding\n\
                50a4,R11,1,0,0\n50a4,R7,1,0,0\n50a4,R3,0,0,1\n21a1,R11,0,0,1\n21a1,R2,0,1,0\n";
    let data = open(&write(&root, "image_labels_train.csv", text), "all");
    assert_eq!(data.classes, ["Aortic enlargement", "Cardiomegaly", "No finding"]);
    assert_eq!(signs(&data), ["100", "0??"]);
    assert!(data.notes.iter().any(|note| note.contains("2 images have several rows")), "{:?}", data.notes);
}

/// Rows of one image are readers of it, and cannot lie in two splits or belong to two patients.
#[test]
fn rows_of_an_image_agree_in_split_and_group() {
    let root = folder(&["a.png", "b.png"]);
    for (name, rows) in [
        ("splits.csv", "a.png,train,p,1\na.png,test,p,1\nb.png,val,q,0\n"),
        ("groups.csv", "a.png,train,p,1\na.png,train,q,1\nb.png,val,q,0\n"),
    ] {
        let path = write(&root, name, &format!("path,split,group,Mass\n{rows}"));
        let labels = Some("all".parse().unwrap());
        let said =
            Dataset::open_labelled(&path, false, &Labelling { labels, ..Labelling::default() }).unwrap_err();
        let said = said.to_string();
        assert!(said.contains("line 3") && said.contains("expected one split and one group"), "{said}");
    }
}

/// The boxes of VinDr-CXR: a row a box and reader, or one of "No finding".
#[test]
fn boxes_are_findings_of_their_readers() {
    let root = folder(&["a.png", "b.png", "c.png", "d.png"]);
    let table = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n\
                 a,Effusion,1,R1,1,2,3,4\na,Effusion,1,R1,5,2,7,4\na,Effusion,1,R2,1,2,3,4\na,Mass,2,R3,1,2,3,4\n\
                 b,Effusion,1,R1,1,2,3,4\nb,No finding,14,R2,,,,\nb,No finding,14,R3,,,,\n\
                 c,No finding,14,R1,,,,\nc,Mass,2,R2,1,2,3,4\nd,Mass,2,R1,1,1,2,2\n";
    let path = write(&root, "annotations.csv", table);
    let data = open(&path, "all");
    assert_eq!(data.classes, ["Effusion", "Mass"]);
    // Two of three, one of three; one of three, none; none, one of two; the only one.
    assert_eq!(signs(&data), ["10", "00", "0?", "01"]);
    assert_eq!(data.columns, [""; 0]);
    let notes = data.notes.join("\n");
    for note in [
        "class_name",
        "a row a box and reader",
        "3 images have several readers",
        "--readers any",
        "4 images were found by their names",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
    let labels = Some("all".parse().unwrap());
    let any = Labelling { labels: labels.clone(), readers: Readers::Any, ..Labelling::default() };
    let any = Dataset::open_labelled(&path, false, &any).unwrap();
    assert_eq!(signs(&any), ["11", "10", "01", "01"]);
    let positive = Labelling { labels, uncertain: Uncertain::Positive, ..Labelling::default() };
    assert_eq!(signs(&Dataset::open_labelled(&path, false, &positive).unwrap())[2], "01");
    assert_eq!(signs(&open(&path, "Mass")), ["0", "0", "?", "1"]);
    assert!(read(&path, "Mass,Nodule", Uncertain::Ignore).unwrap_err().contains("\"Nodule\""));
    // As the test set has them: nobody is named.
    let one = write(
        &root,
        "test.csv",
        "image_id,class_name,x_min,y_min,x_max,y_max\na,Mass,1,2,3,4\nb,No finding,,,,\n",
    );
    let data = open(&one, "all");
    assert_eq!((signs(&data), data.classes), (vec!["1".to_owned(), "0".into()], vec!["Mass".to_owned()]));
    assert!(data.notes.join("\n").contains("of one reader for all"), "{:?}", data.notes);
}

#[test]
fn a_column_with_several_labels_is_asked_about() {
    let root = folder(&["1.png", "2.png"]);
    let table = write(&root, "m.csv", "path,label\n1.png,a|b\n2.png,a\n");
    let error = Dataset::open(&table).unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("\"a|b\"") && error.contains("--labels all"),
        "{error}"
    );
    let data = open(&table, "all");
    assert_eq!(
        (data.classes.clone(), signs(&data)),
        (vec!["a".into(), "b".into()], vec!["11".into(), "10".into()])
    );
    let other = write(&root, "n.csv", "path,label\n1.png,a;b\n2.png,No Finding\n");
    assert_eq!(signs(&open(&other, "all")), ["11", "00"]);
    let folder = read(root.path(), "all", Uncertain::Ignore).unwrap_err();
    assert!(folder.contains("--labels") && folder.contains("folder"), "{folder}");
}

#[test]
fn what_is_written_is_read_again_and_divided_by_the_rarest_finding() {
    let names: Vec<String> = (0..100).map(|i| format!("{i:03}.png")).collect();
    let root = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut text = "path,common,rare,group\n".to_owned();
    for (i, name) in names.iter().enumerate() {
        let rare = if i % 10 == 3 {
            "1"
        } else if i % 7 == 0 {
            ""
        } else {
            "0"
        };
        text += &format!("{name},{},{rare},p{i}\n", usize::from(i % 2 == 1));
    }
    let table = write(&root, "m.csv", &text);
    let mut data = open(&table, "all");
    let print = data.fingerprint();
    data.assign_splits(3).unwrap();
    for split in Split::ALL {
        let [negative, positive] = data.finding_counts(split)[1];
        assert!(positive > 0 && negative > 0, "{split}: {:?}", data.finding_counts(split));
    }
    let copy = root.path().join("copy.csv");
    write_manifest(&copy, &data).unwrap();
    let again = open(&copy, "common,rare");
    let key = |data: &Dataset| {
        data.samples.iter().map(|s| (s.name.clone(), s.findings.clone(), s.split)).collect::<Vec<_>>()
    };
    assert_eq!(key(&again), key(&data));
    // Another truth, or less of it, is another set; another order of the findings is not.
    assert_eq!(open(&table, "rare,common").fingerprint(), print);
    let other = write(&root, "other.csv", &text.replacen("000.png,0,,", "000.png,0,0,", 1));
    assert_ne!(open(&other, "all").fingerprint(), print);
}

/// What nobody was sure of stays so in a manifest, whatever it counted as when that was written.
#[test]
fn what_is_uncertain_is_written_as_such() {
    let root = folder(&["1.png", "2.png", "3.png"]);
    let table = write(&root, "t.csv", "path,Mass,Edema\n1.png,-1,1\n2.png,0,-1\n3.png,1,\n");
    // Two who are not sure, and one beside one who is, are no more certain; three of whom two agree are.
    let readers =
        "path,Mass,Edema\n1.png,-1,1\n1.png,-1,1\n2.png,1,0\n2.png,-1,0\n3.png,1,1\n3.png,1,0\n3.png,-1,1\n";
    let readers = read(&write(&root, "r.csv", readers), "all", Uncertain::Positive).unwrap();
    write_manifest(&root.path().join("of.csv"), &readers).unwrap();
    let text = fs::read_to_string(root.path().join("of.csv")).unwrap();
    assert!(text.ends_with("1.png,-1,1\n2.png,-1,0\n3.png,1,1\n"), "{text}");
    for counts_as in [Uncertain::Ignore, Uncertain::Positive, Uncertain::Negative] {
        let copy = root.path().join("copy.csv");
        write_manifest(&copy, &read(&table, "all", counts_as).unwrap()).unwrap();
        let text = fs::read_to_string(&copy).unwrap();
        assert!(text.ends_with("1.png,-1,1\n2.png,0,-1\n3.png,1,\n"), "{text}");
        for again in [Uncertain::Ignore, Uncertain::Positive, Uncertain::Negative] {
            let [copied, own] = [&copy, &table].map(|table| signs(&read(table, "all", again).unwrap()));
            assert_eq!(copied, own);
        }
    }
}

/// One cell that is no code takes no finding away unseen; a spelling of "missing" takes none at all.
#[test]
fn a_column_that_is_left_out_is_named() {
    let root = folder(&["1.png", "2.png", "3.png", "4.png"]);
    let text = "path,age,Edema,Mass\n1.png,61,1,1\n2.png,1,NA,0\n3.png,70,0,perhaps\n4.png,55,n/a,1\n";
    let table = write(&root, "table.csv", text);
    let data = open(&table, "all");
    assert_eq!(data.classes, ["Edema"]);
    assert_eq!(signs(&data), ["1", "?", "0", "?"]);
    let said: Vec<&String> = data.notes.iter().filter(|note| note.contains("left out")).collect();
    let words = ["\"Mass\" is left out", "\"perhaps\" in line 4", "--labels NAME,NAME"];
    assert!(said.len() == 1 && words.iter().all(|word| said[0].contains(word)), "{said:?}");
    assert_eq!(signs(&open(&table, "Edema")), ["1", "?", "0", "?"]);
    assert!(read(&table, "Edema,Mass", Uncertain::Ignore).unwrap_err().contains("line 4: Mass: expected 1"));
    // A column of such spellings alone is no finding.
    let table = write(&root, "other.csv", "path,note,Edema\n1.png,N/A,1\n2.png,N/A,0\n");
    assert_eq!(open(&table, "all").classes, ["Edema"]);
}

/// An image that has a finding by another spelling of its name has it not, so that is said, whatever was asked for.
#[test]
fn findings_that_are_written_in_two_ways_are_named() {
    let root = folder(&["1.png", "2.png"]);
    let table = write(&root, "table.csv", "path,labels\n1.png,Effusion|Mass\n2.png,effusion\n");
    for labels in ["all", "Effusion"] {
        let notes = open(&table, labels).notes;
        let words = "warning: \"Effusion\" and \"effusion\" differ only in how they are written";
        assert!(notes.iter().any(|note| note.starts_with(words)), "{labels}: {notes:?}");
    }
    // As columns of a manifest they would be one.
    let error = write_manifest(&root.path().join("copy.csv"), &open(&table, "all")).unwrap_err().to_string();
    assert!(error.contains("found \"effusion\" twice") && error.contains("write them alike"), "{error}");
    write_manifest(&root.path().join("copy.csv"), &open(&table, "Effusion")).unwrap();
}

/// A table may have its findings twice: in lists, and in columns of which a manifest has one each.
#[test]
fn columns_beside_a_list_of_the_same_names_are_not_kept() {
    let root = folder(&["1.png", "2.png"]);
    let table = write(&root, "t.csv", "path,Finding Labels,mass,sex\n1.png,Mass,1,f\n2.png,Edema,0,m\n");
    let data = open(&table, "all");
    assert_eq!(
        (&data.classes[..], &data.columns[..]),
        (&["Edema", "Mass"].map(String::from)[..], &["sex".to_owned()][..])
    );
    assert!(data.notes.iter().any(|note| note.contains("are not read (--labels mass")), "{:?}", data.notes);
    let again = root.path().join("again.csv");
    write_manifest(&again, &data).unwrap();
    assert_eq!(signs(&open(&again, "all")), signs(&data));
}

/// What counts is what more than half of an image's readers say; who is not sure says that, unless it counts as something.
#[test]
fn several_readers_and_their_doubts() {
    let root = folder(&["0.png", "1.png", "2.png", "3.png", "4.png"]);
    let votes = [&[1, -1, -1][..], &[0, -1, -1], &[1, 1, -1], &[1, 0], &[-1]];
    let rows = votes
        .iter()
        .enumerate()
        .flat_map(|(i, votes)| votes.iter().map(move |vote| format!("{i}.png,{vote}\n")));
    let table = write(&root, "table.csv", &("path,mass\n".to_owned() + &rows.collect::<String>()));
    for (uncertain, readers, found) in [
        (Uncertain::Ignore, Readers::Majority, "??1??"),
        (Uncertain::Positive, Readers::Majority, "11111"),
        (Uncertain::Negative, Readers::Majority, "00100"),
        (Uncertain::Ignore, Readers::Any, "1?11?"),
        (Uncertain::Positive, Readers::Any, "11111"),
        (Uncertain::Negative, Readers::Any, "10110"),
    ] {
        let labelling =
            Labelling { labels: Some("mass".parse().unwrap()), uncertain, readers, ..Labelling::default() };
        let data = Dataset::open_labelled(&table, false, &labelling).unwrap();
        assert_eq!(signs(&data).concat(), found, "{uncertain:?} {readers:?}");
    }
}

#[test]
fn findings_are_no_columns_of_their_predictions() {
    let root = folder(&["0.png"]);
    let table = write(&root, "table.csv", "path,p_A,A\n0.png,1,0\n");
    let message = read(&table, "all", Uncertain::Ignore).unwrap_err();
    assert!(message.contains("found \"p_A\" beside \"A\""), "{message}");
    assert!(read(&table, "A", Uncertain::Ignore).is_ok());
}

/// A cell that programs write where nothing is makes no group of all images that have it.
#[test]
fn findings_are_no_columns_of_a_manifest() {
    let root = folder(&["1.png", "2.png"]);
    let table = write(&root, "t.csv", "path,labels\n1.png,Split|Mass\n2.png,Mass\n");
    let error = read(&table, "all", Uncertain::Ignore).unwrap_err();
    assert!(error.contains("found \"Split\"") && error.contains("--labels"), "{error}");
    assert_eq!(signs(&open(&table, "Mass")), ["1", "1"]);
    let table = write(&root, "t.csv", "path,Mass,group\n1.png,1,0\n2.png,0,1\n");
    let error = read(&table, "Mass,group", Uncertain::Ignore).unwrap_err();
    assert!(error.contains("found \"group\""), "{error}");
}

#[test]
fn rows_of_an_image_are_readers_whichever_way_names_it() {
    let root = folder(&["a/1.png", "2.png"]);
    let table = write(&root, "t.csv", "path,Mass\na/1.png,1\na/../a/1.png,1\n2.png,0\n./a/1.png,0\n");
    let data = open(&table, "all");
    assert_eq!(signs(&data), ["1", "0"]);
    assert!(data.notes.iter().any(|note| note.starts_with("1 images have several rows")), "{:?}", data.notes);
}

#[test]
fn a_group_that_is_not_given_is_none() {
    let root = folder(&["0.png", "1.png", "2.png"]);
    let table = write(&root, "table.csv", "path,mass,Group\n0.png,1,nan\n1.png,0,NaN\n2.png,0,p1\n");
    assert_eq!(groups(&open(&table, "mass")), ["-", "-", "p1"]);
    let plain = write(&root, "plain.csv", "path,label,Patient\n0.png,a,nan\n1.png,b,nan\n2.png,b,p1\n");
    let mut data = Dataset::open(&plain).unwrap();
    data.group_by(&"patient".parse().unwrap()).unwrap();
    assert_eq!(groups(&data), ["-", "-", "p1"]);
}

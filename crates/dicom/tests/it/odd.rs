//! Files that are not written as the standard says and mean one thing all the same: what pydicom, GDCM or DCMTK read is read,
//! with their values. Every file holds the same image; what differs is how it is written.

use crate::common::Writer;
use crate::tags::{
    BIG_ENDIAN, CENTER, CR, EXPLICIT, FRAMES, FUNCTION, IMPLICIT, ITEM, ITEM_END, MODALITY, PATIENT, PIXELS,
    RLE, SEQUENCE_END, SOP_CLASS, UNDEFINED, WIDTH,
};
use data::decode_bytes;

/// What the image holds: 2 rows of 3.
const VALUES: [u16; 6] = [1, 2, 3, 300, 4000, 4095];

fn values() -> Vec<i32> {
    VALUES.map(i32::from).to_vec()
}

#[track_caller]
fn assert_read(bytes: &[u8], what: &str) {
    assert!(dicom::is_dicom(bytes), "{what}: not taken for DICOM");
    let found = dicom::read(bytes).unwrap_or_else(|reason| panic!("{what}: {reason}"));
    assert_eq!((found.rows, found.columns, found.values), (2, 3, values()), "{what}");
    decode_bytes("x", bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
}

#[track_caller]
fn assert_refused(bytes: &[u8], reason: &str) {
    let error = decode_bytes("x", bytes).unwrap_err().to_string();
    assert!(error.starts_with("x: ") && error.contains(reason), "{error}");
}

#[track_caller]
fn notes(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), bytes).unwrap();
    data::describe(&folder.path().join("file")).unwrap().image.unwrap().notes.join("\n")
}

fn identity(file: &mut Writer) -> &mut Writer {
    file.text(SOP_CLASS, b"UI", CR).text(MODALITY, b"CS", "CR");
    file.text(PATIENT, b"LO", "4711")
}

fn image(file: &mut Writer) -> &mut Writer {
    file.image("MONOCHROME2", [2, 3], [16, 12], 0)
}

/// A file with something put in front of the image's description.
fn with(syntax: &str, extra: impl Fn(&mut Writer)) -> Vec<u8> {
    let mut file = Writer::new(syntax);
    extra(identity(&mut file));
    image(&mut file).words(PIXELS, b"OW", &VALUES);
    file.bytes()
}

/// Bytes that say an element by hand: tag, letters, length of two or four bytes, value.
fn by_hand(tag: u32, letters: &[u8; 2], long: bool, value: &[u8]) -> Vec<u8> {
    let [group, element] = [(tag >> 16) as u16, tag as u16].map(u16::to_le_bytes);
    let length = (value.len() as u32).to_le_bytes();
    let length = if long { [&[0, 0][..], &length].concat() } else { length[..2].to_vec() };
    [&group[..], &element, letters, &length, value].concat()
}

#[test]
fn letters_that_are_no_value_representation() {
    for letters in [b"  ", b"\0\0", b"??", b"--", b" S", b"us", b"12", b"ZZ", b"OX", b"\xff\xff"] {
        for long in [false, true] {
            let text = String::from_utf8_lossy(letters);
            let what = format!("{text:?}, long {long}");
            // In between, nested, and for what the image needs.
            let patient = by_hand(0x0018_0015, letters, long, b"CHEST ");
            assert_read(
                &with(EXPLICIT, |file| {
                    file.push(&patient);
                }),
                &what,
            );
            let nested = with(EXPLICIT, |file| {
                file.sequence(0x0018_0026, false, |item| {
                    item.push(&patient).text(0x0018_0020, b"CS", "SE");
                });
            });
            assert_read(&nested, &format!("{what}, nested"));
            let mut file = Writer::new(EXPLICIT);
            identity(&mut file).words(0x0028_0002, b"US", &[1]).text(0x0028_0004, b"CS", "MONOCHROME2");
            file.push(&by_hand(0x0028_0010, letters, long, &[2, 0])).words(0x0028_0011, b"US", &[3]);
            file.words(0x0028_0100, b"US", &[16]).words(0x0028_0101, b"US", &[12]);
            file.words(0x0028_0102, b"US", &[11]).words(0x0028_0103, b"US", &[0]);
            let pixels = VALUES.map(u16::to_le_bytes).concat();
            file.push(&by_hand(PIXELS, letters, long, &pixels));
            assert_read(&file.bytes(), &format!("{what}, rows and pixels"));
        }
    }
    // Numbers as other kinds of numbers.
    for (vr, value) in
        [(b"UL", &[2, 0, 0, 0][..]), (b"SS", &[2, 0]), (b"IS", b"2 "), (b"DS", b"2.0 "), (b"UN", &[2, 0])]
    {
        let mut file = Writer::new(EXPLICIT);
        identity(&mut file).text(0x0028_0004, b"CS", "MONOCHROME2").raw(0x0028_0010, vr, value);
        file.words(0x0028_0011, b"US", &[3]).words(0x0028_0100, b"US", &[16]);
        file.words(PIXELS, b"OW", &VALUES);
        assert_read(&file.bytes(), &String::from_utf8_lossy(vr));
    }
}

/// Elements of the other encoding from some element on, or in all of the data set.
#[test]
fn encodings_that_are_not_what_the_file_says() {
    type Part = fn(&mut Writer) -> &mut Writer;
    fn pixels(file: &mut Writer) -> &mut Writer {
        file.words(PIXELS, b"OW", &VALUES)
    }
    let parts: [Part; 3] = [identity, image, pixels];
    let written = |explicit: bool, big_endian: bool, parts: &[Part]| {
        let mut file = Writer::bare(explicit, big_endian);
        parts.iter().for_each(|part| {
            part(&mut file);
        });
        file.bytes()
    };
    for (said, name) in [(EXPLICIT, "explicit"), (IMPLICIT, "implicit")] {
        for turn in 0..=parts.len() {
            for first in [true, false] {
                let mut file = Writer::new(said);
                file.push(&written(first, false, &parts[..turn]));
                file.push(&written(!first, false, &parts[turn..]));
                assert_read(&file.bytes(), &format!("{name}, from part {turn} on explicit {}", !first));
            }
        }
    }
    for (said, explicit, big_endian) in [
        (EXPLICIT, true, true),
        (IMPLICIT, true, true),
        (BIG_ENDIAN, true, false),
        (BIG_ENDIAN, false, false),
    ] {
        let mut file = Writer::new(said);
        file.push(&written(explicit, big_endian, &parts));
        assert_read(&file.bytes(), &format!("{said}, written explicit {explicit} big-endian {big_endian}"));
    }
}

/// Without a preamble, without meta information, with little in it, and with the parts of the beginning in any combination.
#[test]
fn beginnings() {
    let meta = |length: bool, uid: &str| {
        let mut meta = Writer::bare(true, false);
        if length {
            meta.raw(0x0002_0000, b"UL", &100u32.to_le_bytes());
        }
        if !uid.is_empty() {
            meta.text(0x0002_0010, b"UI", uid);
        }
        meta.bytes()
    };
    let preamble = [&[0; 128][..], b"DICM"].concat();
    for (uid, explicit, big_endian) in
        [(EXPLICIT, true, false), (IMPLICIT, false, false), (BIG_ENDIAN, true, true)]
    {
        let data_set = |first: fn(&mut Writer)| {
            let mut file = Writer::bare(explicit, big_endian);
            first(&mut file);
            image(&mut file).words(PIXELS, b"OW", &VALUES);
            file.bytes()
        };
        let data_sets = [
            data_set(|file| {
                identity(file);
            }),
            data_set(|file| {
                file.text(SOP_CLASS, b"UI", CR);
            }),
            data_set(|file| {
                file.text(0x0008_0005, b"CS", "ISO_IR 100").text(MODALITY, b"CS", "DX");
            }),
            data_set(|file| {
                file.text(PATIENT, b"LO", "4711");
            }),
            data_set(|_| {}),
        ];
        for (i, data_set) in data_sets.iter().enumerate() {
            let what = |how: &str| format!("{uid}, data set {i}, {how}");
            assert_read(data_set, &what("alone"));
            for length in [true, false] {
                // The group's length is wrong.
                let meta = meta(length, uid);
                let whole = [&meta[..], data_set].concat();
                assert_read(&whole, &what("no preamble"));
                assert_read(&[&preamble[..], &whole].concat(), &what("whole"));
                assert_read(&[&preamble[..128], &whole].concat(), &what("preamble without DICM"));
                assert_read(&[&preamble[128..], &whole].concat(), &what("DICM without preamble"));
            }
            assert_read(&[&preamble[..], data_set].concat(), &what("no meta information"));
            assert_read(&[&preamble[..], &meta(true, ""), data_set].concat(), &what("no transfer syntax"));
            assert_read(
                &[&preamble[..], &meta(false, " "), data_set].concat(),
                &what("a blank transfer syntax"),
            );
        }
    }
    // A message's command before the data set.
    let mut command = Writer::bare(false, false);
    command.raw(0x0000_0000, b"UL", &[12, 0, 0, 0]).raw(0x0000_0100, b"US", &[1, 0]);
    identity(&mut command);
    assert_read(&image(&mut command).words(PIXELS, b"OW", &VALUES).bytes(), "command");
}

/// What is not DICOM is not taken for it.
#[test]
fn other_files_are_not_dicom() {
    let repeated =
        |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).cycle().take(5000).collect();
    let others: [(&str, Vec<u8>); 12] = [
        ("nothing", vec![]),
        ("zeros", vec![0; 5000]),
        ("ones", vec![0xff; 5000]),
        ("text", b"08 00 path,label\nimages/1.png,normal\n".repeat(20)),
        (
            "a protocol buffer",
            [&[8, 7, 18, 7][..], b"pytorch", &[26, 5], b"2.0.1", &[58, 200, 4, 10]].concat(),
        ),
        ("a flat buffer", [&[28, 0, 0, 0][..], b"TFL3", &[0, 0, 18, 0, 28, 0, 4, 0]].concat()),
        ("safetensors", [&120u64.to_le_bytes()[..], br#"{"a":{"dtype":"F32","shape":[2]}}"#].concat()),
        ("NumPy", [b"\x93NUMPY\x01\0v\0", &b"{'descr': '<f4', }"[..]].concat()),
        ("numbers from 8", repeated(&[8, 4, 100, 9, 3, 7])),
        ("equal numbers", repeated(&[8])),
        ("two elements that do not rise", repeated(&[0x0020_0008, 2])),
        ("one element", [&[8, 0, 0x16, 0][..], b"UI", &[4, 0], b"1.2\0"].concat()),
    ];
    for (name, bytes) in others {
        assert!(!dicom::is_dicom(&bytes), "{name}");
        assert!(decode_bytes("x", &bytes).is_err(), "{name}");
    }
    // A head of the file is enough, and less of it may be.
    let whole = with(EXPLICIT, |file| {
        file.raw(0x0009_1010, b"UN", &[7; 9000]);
    });
    assert!(dicom::is_dicom(&whole[..dicom::SNIFFED_BYTES]) && dicom::is_dicom(&whole[132..300]));
}

/// Items and delimiters outside of sequences, and sequences whose ends are not where they should be.
#[test]
fn items_and_delimiters() {
    for (tag, length, value) in [
        (ITEM, 0, &[][..]),
        (ITEM, 4, &[0; 4]),
        (ITEM, UNDEFINED, &[]),
        (ITEM_END, 0, &[]),
        (ITEM_END, 8, &[]),
        (SEQUENCE_END, 0, &[]),
        (SEQUENCE_END, 4, &[]),
    ] {
        let stray = |file: &mut Writer| {
            file.head(tag, b"  ", length);
            file.push(value);
        };
        let what = format!("{tag:08x} of {length}");
        for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN] {
            assert_read(&with(syntax, stray), &what);
            let mut first = Writer::new(syntax);
            stray(&mut first);
            image(identity(&mut first)).words(PIXELS, b"OW", &VALUES);
            stray(&mut first);
            assert_read(&first.bytes(), &format!("{what}, first and last"));
        }
    }
    let inner = |file: &mut Writer| {
        file.text(0x0008_1150, b"UI", "1.2.3");
    };
    type Write = fn(&mut Writer, &dyn Fn(&mut Writer));
    let sequences: [(&str, Write); 6] = [
        ("an item with a length and a delimiter", |file, inner| {
            file.head(0x0008_1140, b"SQ", UNDEFINED);
            file.head(ITEM, b"  ", 16 - 2);
            inner(file);
            file.head(ITEM_END, b"  ", 0);
            file.head(SEQUENCE_END, b"  ", 0);
        }),
        ("an item without its delimiter", |file, inner| {
            file.head(0x0008_1140, b"SQ", UNDEFINED);
            file.head(ITEM, b"  ", UNDEFINED);
            inner(file);
            file.head(SEQUENCE_END, b"  ", 0);
        }),
        ("a sequence with a length and a delimiter", |file, inner| {
            file.sequence(0x0008_1140, true, |item| inner(item));
            file.head(SEQUENCE_END, b"  ", 0);
        }),
        ("a private sequence in a private sequence", |file, inner| {
            file.text(0x0009_0010, b"LO", "ACME").sequence(0x0009_1001, false, |item| {
                item.text(0x0009_0010, b"LO", "ACME").sequence(0x0009_1002, false, |item| inner(item));
            });
        }),
        ("an unknown element with explicit content", |file, inner| {
            file.head(0x0009_1001, b"UN", UNDEFINED);
            file.head(ITEM, b"  ", UNDEFINED);
            inner(file);
            file.head(ITEM_END, b"  ", 0);
            file.head(SEQUENCE_END, b"  ", 0);
        }),
        ("an empty item", |file, _| {
            file.head(0x0008_1140, b"SQ", UNDEFINED);
            file.head(ITEM, b"  ", 0);
            file.head(SEQUENCE_END, b"  ", 0);
        }),
    ];
    for (what, write) in sequences {
        assert_read(&with(EXPLICIT, |file| write(file, &inner)), what);
    }
    // Of implicit content, as PS3.5 section 6.2.2 has it.
    let implicit = with(EXPLICIT, |file| {
        file.head(0x0009_1001, b"UN", UNDEFINED);
        let mut content = Writer::bare(false, false);
        content.head(ITEM, b"  ", UNDEFINED);
        content.text(0x0008_1150, b"UI", "1.2.3").sequence(0x0009_1002, false, |item| {
            item.words(0x0028_0010, b"US", &[9]);
        });
        content.head(ITEM_END, b"  ", 0);
        content.head(SEQUENCE_END, b"  ", 0);
        file.push(&content.bytes());
    });
    assert_read(&implicit, "an unknown element with implicit content");
}

/// The order of elements means nothing, and what lies behind the pixels does not take the image away.
#[test]
fn order_and_what_follows() {
    let mut file = Writer::new(EXPLICIT);
    file.words(PIXELS, b"OW", &VALUES);
    identity(image(&mut file));
    assert_read(&file.bytes(), "pixels first");
    file.text(WIDTH, b"DS", "4096").text(CENTER, b"DS", "2048");
    assert_eq!(decode_bytes("x", &file.bytes()).unwrap().samples[5], 255.0);

    let whole = with(EXPLICIT, |_| {});
    for end in [
        &[0; 512][..],
        &[0; 3],
        b"garbage that is no element",
        &[0xff; 50],
        &[0xfc, 0xff, 0xfc, 0xff, b'O', b'B'],
    ] {
        assert_read(&[&whole[..], end].concat(), &format!("{end:?}"));
    }
}

/// What a header leaves out is taken as the standard's default or the only sensible value, and said.
#[test]
fn headers_with_gaps() {
    let words = [
        (0x0028_0002, 1),
        (0x0028_0010, 2),
        (0x0028_0011, 3),
        (0x0028_0100, 16),
        (0x0028_0101, 12),
        (0x0028_0102, 11),
        (0x0028_0103, 0),
    ];
    let file = |photometric: Option<&str>, change: &dyn Fn(u32, u16) -> Option<Vec<u16>>| {
        let mut file = Writer::new(EXPLICIT);
        for (tag, word) in words {
            if let Some(words) = change(tag, word) {
                file.words(tag, b"US", &words);
            }
        }
        if let Some(text) = photometric {
            file.text(0x0028_0004, b"CS", text);
        }
        file.words(PIXELS, b"OW", &VALUES).bytes()
    };
    for (tag, note) in [
        (0x0028_0002, "Samples per Pixel is missing: taken as 1"),
        (0x0028_0101, "Bits Stored is missing: taken as 12"),
        (0x0028_0102, "High Bit is missing: taken as Bits Stored - 1, 11"),
        (0x0028_0103, "Pixel Representation is missing"),
    ] {
        for empty in [true, false] {
            let gap = |at, word| if at == tag { empty.then(Vec::new) } else { Some(vec![word]) };
            let file = file(Some("MONOCHROME2"), &gap);
            assert_read(&file, note);
            assert!(notes(&file).contains(note), "{}", notes(&file));
        }
    }
    let none = |tag, word| (![0x0028_0101, 0x0028_0102, 0x0028_0103].contains(&tag)).then(|| vec![word]);
    assert_read(&file(Some("MONOCHROME2"), &none), "all but Bits Allocated");
    for high in [7, 20] {
        let moved = |tag, word| Some(vec![if tag == 0x0028_0102 { high } else { word }]);
        let file = file(Some("MONOCHROME2"), &moved);
        assert_read(&file, "High Bit");
        assert!(notes(&file).contains(&format!("High Bit {high} does not fit")), "{}", notes(&file));
    }
    let same = |_, word| Some(vec![word]);
    let plain = decode_bytes("x", &file(Some("MONOCHROME2"), &same)).unwrap();
    assert_eq!(notes(&file(Some("MONOCHROME2   "), &same)), "");
    for text in
        ["monochrome2", "Monochrome2 ", " MONOCHROME2", "MONOCHROME_2", "MONOCHROME 2", "MONOCHROME2\\RGB"]
    {
        assert_eq!(decode_bytes("x", &file(Some(text), &same)).unwrap(), plain, "{text}");
    }
    for text in [None, Some(""), Some("  ")] {
        assert_eq!(decode_bytes("x", &file(text, &same)).unwrap(), plain, "{text:?}");
        assert!(
            notes(&file(text, &same)).contains("Photometric Interpretation is missing: taken as MONOCHROME2")
        );
    }
    let inverted = decode_bytes("x", &file(Some("monochrome1"), &same)).unwrap();
    assert_eq!(inverted.samples[0], 255.0 - plain.samples[0]);
    assert_refused(&file(Some("GRAYSCALE"), &same), "found GRAYSCALE");
    for (tag, name) in [(0x0028_0010, "Rows"), (0x0028_0011, "Columns"), (0x0028_0100, "Bits Allocated")] {
        let gap = |at, word| (at != tag).then(|| vec![word]);
        assert_refused(&file(Some("MONOCHROME2"), &gap), &format!("expected {name}"));
    }
    for frames in ["1", "1 ", " 1", "01", "0", "", "-1", "1.0", "1A", "1\\2", "+1", "many"] {
        assert_read(
            &with(EXPLICIT, |file| {
                file.text(FRAMES, b"IS", frames);
            }),
            &format!("{frames:?} frames"),
        );
    }
    assert_refused(
        &with(EXPLICIT, |file| {
            file.text(FRAMES, b"IS", "2");
        }),
        "found 2 frames",
    );
}

/// Pixels without compression whose length is undefined, too long, short by a byte, or in fragments.
#[test]
fn native_pixels() {
    let file = |syntax: &str, write: &dyn Fn(&mut Writer, &[u8])| {
        let mut file = Writer::new(syntax);
        image(identity(&mut file));
        let bytes = match syntax {
            BIG_ENDIAN => VALUES.map(u16::to_be_bytes).concat(),
            _ => VALUES.map(u16::to_le_bytes).concat(),
        };
        write(&mut file, &bytes);
        file.bytes()
    };
    fn item(file: &mut Writer, bytes: &[u8]) {
        file.head(ITEM, b"  ", bytes.len() as u32);
        file.push(bytes);
    }
    type Write = fn(&mut Writer, &[u8]);
    let ways: [(&str, Write); 8] = [
        ("undefined length, plain", |file, bytes| {
            file.head(PIXELS, b"OW", UNDEFINED);
            file.push(bytes).head(SEQUENCE_END, b"  ", 0);
        }),
        ("undefined length, plain to the end", |file, bytes| {
            file.head(PIXELS, b"OW", UNDEFINED);
            file.push(bytes);
        }),
        ("one item", |file, bytes| {
            file.head(PIXELS, b"OW", UNDEFINED);
            item(file, bytes);
            file.head(SEQUENCE_END, b"  ", 0);
        }),
        ("an offset table and an item", |file, bytes| {
            file.head(PIXELS, b"OB", UNDEFINED);
            item(file, &[]);
            item(file, bytes);
            file.head(SEQUENCE_END, b"  ", 0);
        }),
        ("items to the end", |file, bytes| {
            file.head(PIXELS, b"OB", UNDEFINED);
            item(file, &[0; 4]);
            item(file, &bytes[..4]);
            item(file, &bytes[4..]);
        }),
        ("a length beyond the file", |file, bytes| {
            file.head(PIXELS, b"OW", 1 << 20);
            file.push(bytes);
        }),
        ("padded", |file, bytes| {
            file.raw(PIXELS, b"OW", &[bytes, &[9; 100]].concat());
        }),
        ("bytes", |file, bytes| {
            file.raw(PIXELS, b"OB", bytes);
        }),
    ];
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.98"] {
        for (what, write) in ways {
            assert_read(&file(syntax, &write), &format!("{syntax}, {what}"));
        }
    }
    // Short by a byte, which is taken as 0; by more, the image is truncated.
    let short = |missing: usize| {
        file(EXPLICIT, &|file, bytes| {
            file.head(PIXELS, b"OW", (bytes.len() - missing) as u32);
            file.push(&bytes[..bytes.len() - missing]);
        })
    };
    assert_eq!(dicom::read(&short(1)).unwrap().values, [1, 2, 3, 300, 4000, 255]);
    assert_refused(&short(2), "truncated: expected 12 bytes of pixel data, found 10");
    assert_refused(&short(12), "truncated: expected pixels, found pixel data of 0 bytes");
}

/// Code in fragments of every kind, with a length, or in a file whose syntax was changed without its pixels.
#[test]
fn compressed_pixels() {
    let literal = |bytes: [u8; 6]| [&[5][..], &bytes, &[0x80]].concat();
    let mut code = [2u32, 64, 72].map(u32::to_le_bytes).concat();
    code.resize(64, 0);
    code.extend(literal(VALUES.map(|value| (value >> 8) as u8)));
    code.extend(literal(VALUES.map(|value| value as u8)));
    let item = |bytes: &[u8]| {
        let mut item = Writer::bare(true, false);
        item.head(ITEM, b"  ", bytes.len() as u32);
        item.push(bytes).bytes()
    };
    let end = {
        let mut end = Writer::bare(true, false);
        end.head(SEQUENCE_END, b"  ", 0);
        end.bytes()
    };
    let whole = [item(&[]), item(&code), end.clone()].concat();
    let contents = [
        ("as it should be", whole.clone()),
        ("an offset table", [item(&[0; 4]), item(&code), end.clone()].concat()),
        ("a wrong offset table", [item(&[9; 8]), item(&code), end.clone()].concat()),
        (
            "three fragments",
            [item(&[]), item(&code[..10]), item(&code[10..70]), item(&code[70..]), end.clone()].concat(),
        ),
        ("an empty fragment", [item(&[]), item(&code), item(&[]), end.clone()].concat()),
        ("no offset table", [item(&code), end].concat()),
        ("no delimiter", [item(&[]), item(&code)].concat()),
        ("no delimiter but padding", [item(&[]), item(&code), vec![0; 64]].concat()),
    ];
    let file = |length: Option<usize>, vr: &[u8; 2], content: &[u8]| {
        let mut file = Writer::new(RLE);
        image(identity(&mut file)).head(PIXELS, vr, length.map_or(UNDEFINED, |length| length as u32));
        file.push(content).bytes()
    };
    for (what, content) in &contents {
        for vr in [b"OB", b"OW", b"UN"] {
            assert_read(&file(None, vr, content), &format!("undefined length, {what}"));
            assert_read(&file(Some(content.len()), vr, content), &format!("a length, {what}"));
        }
    }
    assert_read(&file(Some(code.len()), b"OB", &code), "code alone");
    assert_read(&file(Some(12), b"OW", &VALUES.map(u16::to_le_bytes).concat()), "no code");
    assert_refused(&file(None, b"OB", &whole[..whole.len() - 30]), "truncated");
    assert_refused(&file(None, b"OB", &item(&[])), "expected pixel data in fragments, found none");
}

/// Values of 1, 12 and 32 bits lie one after the other, the lowest bit first.
#[test]
fn bits_allocated() {
    let file = |syntax: &str, bits: [u16; 2], signed: u16, vr: &[u8; 2], bytes: &[u8]| {
        let mut file = Writer::new(syntax);
        file.image("MONOCHROME2", [2, 3], bits, signed).raw(PIXELS, vr, bytes).bytes()
    };
    let read = |file: &[u8]| dicom::read(file).unwrap().values;
    let bits = file(EXPLICIT, [1, 1], 0, b"OB", &[0b0010_1101]);
    assert_eq!(read(&bits), [1, 0, 1, 1, 0, 1]);
    assert_eq!(decode_bytes("x", &bits).unwrap().samples, [255.0, 0.0, 255.0, 255.0, 0.0, 255.0]);
    assert_eq!(read(&file(BIG_ENDIAN, [1, 1], 0, b"OW", &[0, 0b0010_1101])), [1, 0, 1, 1, 0, 1]);
    let packed = [0x21, 0x43, 0x65, 0x87, 0xa9, 0xcb, 0xed, 0x0f, 0x11];
    assert_eq!(
        read(&file(EXPLICIT, [12, 12], 0, b"OW", &packed)),
        [0x321, 0x654, 0x987, 0xcba, 0xfed, 0x110]
    );

    let numbers = [0u32, 1, 70_000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    for (syntax, bytes) in [
        (EXPLICIT, numbers.map(u32::to_le_bytes).concat()),
        (IMPLICIT, numbers.map(u32::to_le_bytes).concat()),
        (BIG_ENDIAN, numbers.map(u32::to_be_bytes).concat()),
    ] {
        let unsigned = decode_bytes("x", &file(syntax, [32, 32], 0, b"OW", &bytes)).unwrap().samples;
        let want = numbers.map(|number| f64::from(number) / f64::from(u32::MAX) * 255.0);
        assert!(unsigned.iter().zip(want).all(|(&a, b)| (f64::from(a) - b).abs() < 0.003), "{unsigned:?}");
        let signed = read(&file(syntax, [32, 32], 1, b"OW", &bytes));
        assert_eq!(signed, numbers.map(|number| number as i32));
    }
    // A window on values that no 16 bits hold: 1 to 100001.
    let mut file = Writer::new(EXPLICIT);
    file.image("MONOCHROME2", [1, 4], [32, 20], 0).text(CENTER, b"DS", "50001").text(WIDTH, b"DS", "100000");
    file.text(FUNCTION, b"CS", "LINEAR_EXACT");
    file.raw(PIXELS, b"OW", &[1u32, 50_001, 75_001, 100_001].map(u32::to_le_bytes).concat());
    let shown = decode_bytes("x", &file.bytes()).unwrap().samples;
    for (found, want) in shown.iter().zip([0.0, 127.5, 191.25, 255.0]) {
        assert!((found - want).abs() < 0.003, "{shown:?}");
    }
}

/// What is no image is refused by the name of what it is, by its class, that of the meta information, or its modality.
#[test]
fn what_is_no_image() {
    const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
    for (class, name) in [
        ("88.11", "a structured report"),
        ("88.22", "a structured report"),
        ("88.33", "a structured report"),
        ("88.67", "a structured report of radiation dose"),
        ("88.59", "a key object selection"),
        ("11.1", "a presentation state"),
        ("11.4", "a presentation state"),
        ("104.1", "an encapsulated PDF document"),
        ("104.2", "an encapsulated CDA document"),
        ("481.2", "a radiotherapy dose"),
        ("481.3", "a radiotherapy structure set"),
        ("481.5", "a radiotherapy plan"),
        ("66.4", "a segmentation"),
        ("66.1", "a spatial registration"),
        ("9.1.1", "a waveform"),
        ("9.2.1", "a waveform"),
        ("67", "a real world value mapping"),
    ] {
        let class = format!("{STORAGE}{class}");
        let mut file = Writer::new(EXPLICIT);
        assert_refused(&file.text(SOP_CLASS, b"UI", &class).bytes(), &format!("found {name}"));
        // With pixels, and without what the data set says.
        assert_refused(&image(&mut file).words(PIXELS, b"OW", &VALUES).bytes(), &format!("found {name}"));
        let mut meta = Writer::bare(true, false);
        meta.push(&[0; 128]).push(b"DICM").text(0x0002_0002, b"UI", &class).text(
            0x0002_0010,
            b"UI",
            EXPLICIT,
        );
        assert_refused(&meta.text(MODALITY, b"CS", "OT").bytes(), &format!("found {name}"));
    }
    for (modality, name) in
        [("SR", "a structured report"), ("PR", "a presentation state"), ("DOC", "an encapsulated document")]
    {
        let mut file = Writer::new(EXPLICIT);
        assert_refused(&file.text(MODALITY, b"CS", modality).bytes(), &format!("without pixel data ({name}"));
    }
    let mut float = Writer::new(EXPLICIT);
    image(&mut float).raw(0x7fe0_0008, b"OW", &[0; 24]);
    assert_refused(&float.bytes(), "found floating-point pixel data");
    assert_refused(&Writer::new(EXPLICIT).bytes(), "found a DICOM object without pixel data");
}

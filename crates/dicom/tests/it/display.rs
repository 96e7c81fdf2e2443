//! Steps to what is shown that are easily taken wrongly: whose modality transform is not for display, windows that are
//! narrow or none, tables that are empty or not as their descriptor says. The expected values are worked out by hand from
//! the formulas of PS3.3 sections C.11.1 and C.11.2.

use crate::common::Writer;
use crate::tags::{
    BIG_ENDIAN, BIPLANE, CENTER, DESCRIPTOR, DX, EXPLICIT, FUNCTION, INTERCEPT, MODALITY, MODALITY_LUT,
    PADDING, PIXELS, PLANAR, SEQUENCE_END, SLOPE, SOP_CLASS, TABLE, VOI_LUT, WIDTH, XA, XRF,
};
use data::decode_bytes;
use dicom::{ImageDescription, ModalityTransform, Voi, VoiFunction};
use model::Picture;

/// A row of 16-bit MONOCHROME2.
fn row(values: &[u16], extra: impl Fn(&mut Writer)) -> Vec<u8> {
    signed_row(values, 0, extra)
}

fn signed_row(values: &[u16], signed: u16, extra: impl Fn(&mut Writer)) -> Vec<u8> {
    let mut file = Writer::new(EXPLICIT);
    extra(&mut file);
    file.image("MONOCHROME2", [1, values.len() as u16], [16, 16], signed).words(PIXELS, b"OW", values);
    file.bytes()
}

#[track_caller]
fn shades(file: &[u8]) -> Vec<f64> {
    let Picture { samples, channels, .. } = decode_bytes("x", file).unwrap();
    assert_eq!(channels, 1);
    samples.iter().map(|&sample| f64::from(sample) / 255.0).collect()
}

#[track_caller]
fn assert_shades(file: &[u8], want: &[f64]) {
    let found = shades(file);
    assert_eq!(found.len(), want.len());
    for (a, b) in found.iter().zip(want) {
        assert!((a - b).abs() < 1e-5, "{found:?}\n{want:?}");
    }
}

#[track_caller]
fn describe(file: &[u8]) -> ImageDescription {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, file).unwrap();
    data::describe(&path).unwrap().image.unwrap()
}

#[track_caller]
fn assert_noted(file: &[u8], words: &[&str]) {
    let notes = describe(file).notes.join("\n");
    for word in words {
        assert!(notes.contains(word), "{word}: {notes}");
    }
}

fn lut(file: &mut Writer, sequence: u32, descriptor: &[u16], entries: &[u16]) {
    file.sequence(sequence, true, |item| {
        item.words(DESCRIPTOR, b"US", descriptor).words(TABLE, b"OW", entries);
    });
}

/// Of XA and XRF images neither a table nor rescale is for display (PS3.3 section C.8.7.1.1.2), as DCMTK shows them; what
/// counts is the kind of object, and the modality where that is not said.
#[test]
fn the_modality_transform_of_a_beams_intensity_is_not_for_display() {
    let stored = [0, 1, 2, 4];
    let file = |class: &str, modality: &str, rescale: bool, window: bool| {
        row(&stored, |file| {
            if !class.is_empty() {
                file.text(SOP_CLASS, b"UI", class);
            }
            file.text(MODALITY, b"CS", modality).text(0x0028_1040, b"CS", "LOG");
            if window {
                file.text(CENTER, b"DS", "2").text(WIDTH, b"DS", "4").text(FUNCTION, b"CS", "LINEAR_EXACT");
            }
            if rescale {
                file.text(INTERCEPT, b"DS", "1").text(SLOPE, b"DS", "0.5");
            } else {
                lut(file, MODALITY_LUT, &[5, 0, 16], &[0, 2, 3, 3, 4]);
            }
        })
    };
    let as_stored = [0.0, 0.25, 0.5, 1.0];
    for (class, modality) in [(XA, "XA"), (XRF, "RF"), (BIPLANE, "XA"), (XA, "OT"), ("", "XA"), ("", "RF")] {
        for (rescale, window) in [(false, true), (true, true), (false, false), (true, false)] {
            let file = file(class, modality, rescale, window);
            assert_shades(&file, &as_stored);
            assert_eq!(describe(&file).modality_transform, Some(ModalityTransform::Identity));
            let what = if rescale { "rescale by 0.5 and 1" } else { "the Modality LUT" };
            assert_noted(&file, &[what, "not for display"]);
        }
    }
    for (class, modality) in
        [(DX, "DX"), (DX, "RF"), ("1.2.840.10008.5.1.4.1.1.7", "XA"), ("", "CR"), ("", "DX")]
    {
        assert_shades(&file(class, modality, false, true), &[0.0, 0.5, 0.75, 1.0]);
        assert_shades(&file(class, modality, true, true), &[0.25, 0.375, 0.5, 0.75]);
        assert_eq!(describe(&file(class, modality, true, true)).notes, [""; 0]);
    }
    // A kind that only the file meta information names: (0002,0002) before (0002,0010).
    let mut meta = Writer::bare(true, false);
    meta.push(&[0; 128]).push(b"DICM").text(0x0002_0002, b"UI", XA).text(0x0002_0010, b"UI", EXPLICIT);
    lut(&mut meta, MODALITY_LUT, &[5, 0, 16], &[0, 2, 3, 3, 4]);
    meta.image("MONOCHROME2", [1, 4], [16, 16], 0).words(PIXELS, b"OW", &stored);
    assert_shades(&meta.bytes(), &as_stored);
}

fn window(
    center: &str,
    width: &str,
    function: &str,
    slope: &str,
    intercept: &str,
    values: &[u16],
) -> Vec<u8> {
    row(values, |file| {
        file.text(CENTER, b"DS", center).text(WIDTH, b"DS", width);
        if !slope.is_empty() {
            file.text(SLOPE, b"DS", slope).text(INTERCEPT, b"DS", intercept);
        }
        if !function.is_empty() {
            file.text(FUNCTION, b"CS", function);
        }
    })
}

/// Windows narrower than 1, on values that a rescale makes small: a ramp of that width, as LINEAR has none there.
#[test]
fn narrow_windows() {
    // 0.2, 0.25, 0.325, 0.4, 0.475, 0.55 and 0.8 are measured; the window reaches from 0.25 to 0.55.
    let values = [1000, 1250, 1625, 2000, 2375, 2750, 4000];
    let ramp = [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0];
    for function in ["", "LINEAR", "LINEAR_EXACT", "linear exact"] {
        let file = window("0.4", "0.3", function, "0.0002", "0", &values);
        assert_shades(&file, &ramp);
        let voi = Voi::Window { center: 0.4, width: 0.3, function: VoiFunction::LinearExact };
        assert_eq!(describe(&file).voi, Some(voi));
        assert_eq!(describe(&file).notes.len(), usize::from(["", "LINEAR"].contains(&function)));
    }
    // 1 / (1 + exp(-4 (x - 0.4) / 0.3))
    let sigmoid = [0.0649672, 0.1192029, 0.2689414, 0.5, 0.7310586, 0.8807971, 0.9951953];
    assert_shades(&window("0.4", "0.3", "SIGMOID", "0.0002", "0", &values), &sigmoid);
    // Negative slopes and values: -1 to 0.
    let file = window("-0.5", "0.5", "", "-0.001", "0", &[0, 250, 375, 500, 625, 750, 1000]);
    assert_shades(&file, &[1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
    // From a width of 1 on LINEAR is as the standard has it: a step, or a ramp of width - 1 around centre - 0.5.
    assert_shades(&window("10", "1", "", "", "", &[9, 10, 11]), &[0.0, 1.0, 1.0]);
    let values = [0, 250, 500, 1000, 1250, 1500];
    assert_shades(&window("1", "1.5", "", "0.001", "0", &values), &[0.0, 0.0, 0.5, 1.0, 1.0, 1.0]);
    assert_shades(&window("1", "1", "LINEAR_EXACT", "0.001", "0", &values), &[0.0, 0.0, 0.0, 0.5, 0.75, 1.0]);
    // Much narrower than a step of the values: all or nothing, and no number that is none.
    assert_shades(&window("0.4", "1e-12", "", "0.0002", "0", &[1999, 2001]), &[0.0, 1.0]);
}

/// The first window that has a centre and a width above 0 is used; where there is none, the values' range, and it is said.
#[test]
fn windows_that_are_none() {
    let values = [0, 10, 20, 40];
    let range = [0.0, 0.25, 0.5, 1.0];
    for (center, width, function) in [
        ("10", "0", ""),
        ("10", "0", "LINEAR_EXACT"),
        ("10", "0", "SIGMOID"),
        ("10", "-5", ""),
        ("10", "-5", "LINEAR_EXACT"),
        ("10", "", ""),
        ("", "5", ""),
        ("ten", "5", ""),
        ("nan", "5", ""),
        ("10", "inf", ""),
    ] {
        let file = window(center, width, function, "", "", &values);
        assert_shades(&file, &range);
        let image = describe(&file);
        assert_eq!(image.voi, Some(Voi::Range { low: 0.0, high: 40.0 }), "{center} {width}");
        assert!(image.voi_unusable, "{center} {width}");
        assert_noted(&file, &["window"]);
    }
    let blank = describe(&window("", " ", "", "", "", &values));
    assert!(!blank.voi_unusable && blank.notes.is_empty(), "{blank:?}");
    let exact = [0.0, 0.5, 1.0, 1.0];
    for (center, width) in [
        ("10\\40", "20\\5"),
        ("10\\40", "20"),
        ("10", "20\\5"),
        ("\\10", "5\\20"),
        ("40\\10", "0\\20"),
        ("1.0e1", "+20"),
        (" 10 ", " 20 "),
        ("10,0", "20,0"),
    ] {
        assert_shades(&window(center, width, "LINEAR_EXACT", "", "", &values), &exact);
    }
    assert_noted(&window("40\\10", "0\\20", "", "", "", &values), &["window 2 of 2 is used"]);
    assert_noted(&window("10", "20\\5", "", "", "", &values), &["1 window centres and 2 widths"]);
    assert_noted(&window("10", "20", "CUBIC", "", "", &values), &["taken as LINEAR"]);
    // Numbers that are not texts.
    let double = row(&values, |file| {
        file.raw(CENTER, b"FD", &10f64.to_le_bytes()).raw(WIDTH, b"FD", &20f64.to_le_bytes());
        file.text(FUNCTION, b"CS", "LINEAR_EXACT");
    });
    assert_shades(&double, &exact);
}

/// Slope and intercept count together, and a slope of 0 does not.
#[test]
fn half_a_rescale_is_none() {
    let values = [0, 10, 20, 40];
    for (slope, intercept) in [("2", ""), ("", "5"), ("two", "5"), ("0", "5")] {
        let file = row(&values, |file| {
            file.text(CENTER, b"DS", "10").text(WIDTH, b"DS", "20").text(FUNCTION, b"CS", "LINEAR_EXACT");
            file.text(INTERCEPT, b"DS", intercept).text(SLOPE, b"DS", slope);
        });
        assert_shades(&file, &[0.0, 0.5, 1.0, 1.0]);
        assert_noted(&file, &["Rescale Slope"]);
    }
}

/// Finite numbers of which the results are not: what is shown must be a shade.
#[test]
fn a_rescale_without_finite_results_is_none() {
    for (slope, intercept) in [("1e305", "0"), ("1", "-1e308"), ("-1e304", "1e308"), ("1e308", "1e308")] {
        let file = row(&[0, 10, 20, 40], |file| {
            file.text(INTERCEPT, b"DS", intercept).text(SLOPE, b"DS", slope);
        });
        let found = shades(&file);
        assert!(found.iter().all(|shade| (0.0..=1.0).contains(shade)), "{slope} {intercept}: {found:?}");
    }
    let file = row(&[0, 10], |file| {
        file.text(INTERCEPT, b"DS", "0").text(SLOPE, b"DS", "1e305");
    });
    assert_noted(&file, &["no finite results"]);
}

/// Whether the first value of a table is negative follows from what the modality transform can give.
#[test]
fn a_negative_slope_makes_the_first_value_of_a_table_negative() {
    let file = row(&[0, 1, 2], |file| {
        file.text(INTERCEPT, b"DS", "0").text(SLOPE, b"DS", "-1");
        file.sequence(VOI_LUT, true, |item| {
            item.words(DESCRIPTOR, b"US", &[3, 0u16.wrapping_sub(2), 16]);
            item.words(TABLE, b"OW", &[0, 51 * 257, 65_535]);
        });
    });
    assert_shades(&file, &[1.0, 0.2, 0.0]);
}

/// A sequence, an item or an element without content is no table: rescale and window count.
#[test]
fn empty_tables() {
    let values = [0, 10, 20, 40];
    type Fill = fn(&mut Writer);
    let fills: [(&str, Fill); 7] = [
        ("item", |_| {}),
        ("elements", |item| {
            item.words(DESCRIPTOR, b"US", &[]).raw(0x0028_3003, b"LO", b"").words(TABLE, b"OW", &[]);
        }),
        ("data", |item| {
            item.words(DESCRIPTOR, b"US", &[4, 0, 16]).words(TABLE, b"OW", &[]);
        }),
        ("no data", |item| {
            item.words(DESCRIPTOR, b"US", &[4, 0, 16]);
        }),
        ("no descriptor", |item| {
            item.words(TABLE, b"OW", &[1, 2, 3, 4]);
        }),
        ("half a descriptor", |item| {
            item.words(DESCRIPTOR, b"US", &[4, 0]).words(TABLE, b"OW", &[1, 2, 3, 4]);
        }),
        ("zeros", |item| {
            item.words(DESCRIPTOR, b"US", &[0, 0, 0]).words(TABLE, b"OW", &[]);
        }),
    ];
    for sequence in [MODALITY_LUT, VOI_LUT] {
        let name = if sequence == VOI_LUT { "VOI LUT" } else { "Modality LUT" };
        let with = |table: &dyn Fn(&mut Writer), window: bool| {
            row(&values, |file| {
                if window {
                    file.text(CENTER, b"DS", "30").text(WIDTH, b"DS", "40").text(
                        FUNCTION,
                        b"CS",
                        "LINEAR_EXACT",
                    );
                    file.text(INTERCEPT, b"DS", "10").text(SLOPE, b"DS", "2");
                }
                table(file);
            })
        };
        let check = |table: &dyn Fn(&mut Writer), noted: bool| {
            assert_shades(&with(table, true), &[0.0, 0.5, 1.0, 1.0]);
            assert_shades(&with(table, false), &[0.0, 0.25, 0.5, 1.0]);
            if noted {
                assert_noted(&with(table, false), &[name, "not applied"]);
            }
        };
        for (_, fill) in fills {
            for defined in [true, false] {
                check(
                    &|file| {
                        file.sequence(sequence, defined, fill);
                    },
                    true,
                );
            }
        }
        // No item at all.
        check(
            &|file| {
                file.raw(sequence, b"SQ", b"");
            },
            false,
        );
        check(
            &|file| {
                file.head(sequence, b"SQ", u32::MAX);
                file.head(SEQUENCE_END, b"  ", 0);
            },
            false,
        );
    }
}

/// How descriptors say the first value, and data their entries.
#[test]
fn tables_as_they_are_written() {
    let apply =
        |values: &[u16], signed: u16, vr: &'static [u8; 2], descriptor: [u16; 3], data: &[u8], vr_data| {
            let file = signed_row(values, signed, |file| {
                file.sequence(VOI_LUT, true, |item| {
                    item.words(DESCRIPTOR, vr, &descriptor).raw(TABLE, vr_data, data);
                });
            });
            shades(&file).iter().map(|shade| (shade * 255.0).round()).collect::<Vec<_>>()
        };
    let words = |entries: &[u16]| entries.iter().flat_map(|entry| entry.to_le_bytes()).collect::<Vec<_>>();
    let three = words(&[0, 51 * 257, 65_535]);
    for vr_data in [b"OW", b"US", b"OB", b"UN"] {
        assert_eq!(
            apply(&[4, 5, 6, 7, 8], 0, b"US", [3, 5, 16], &three, vr_data),
            [0.0, 0.0, 51.0, 255.0, 255.0]
        );
    }
    // The first value is negative: by its own value representation, or as the pixels are.
    let below = 0u16.wrapping_sub(1);
    assert_eq!(apply(&[0, 1, 2], 0, b"SS", [3, below, 16], &three, b"OW"), [51.0, 255.0, 255.0]);
    assert_eq!(apply(&[below, 0, 1], 1, b"US", [3, below, 16], &three, b"OW"), [0.0, 51.0, 255.0]);
    assert_eq!(apply(&[65_535, 0], 0, b"US", [3, 65_534, 16], &three, b"OW"), [51.0, 0.0]);
    // Bytes, one each or two in a word.
    for data in [&[0u8, 51, 255][..], &words(&[0, 51, 255])] {
        assert_eq!(apply(&[5, 6, 7], 0, b"US", [3, 5, 8], data, b"OW"), [0.0, 51.0, 255.0]);
    }
    assert_eq!(apply(&[5, 6, 7], 0, b"US", [4, 5, 16], &[0, 51, 255, 255], b"OW"), [0.0, 51.0, 255.0]);
    // 12 bits; more bits than said; a number of bits that cannot be; too few entries; too many.
    assert_eq!(apply(&[0, 1], 0, b"US", [2, 0, 12], &words(&[819, 4095]), b"OW"), [51.0, 255.0]);
    assert_eq!(apply(&[0, 1], 0, b"US", [2, 0, 10], &words(&[51 * 257, 65_535]), b"OW"), [51.0, 255.0]);
    for bits in [0, 17, 32] {
        assert_eq!(apply(&[5, 6, 7], 0, b"US", [3, 5, bits], &three, b"OW"), [0.0, 51.0, 255.0]);
    }
    assert_eq!(
        apply(&[5, 6, 9], 0, b"US", [5, 5, 16], &words(&[0, 13_107, 39_321, 65_535]), b"OW"),
        [0.0, 51.0, 255.0]
    );
    assert_eq!(
        apply(&[5, 6, 9], 0, b"US", [3, 5, 16], &words(&[0, 13_107, 65_535, 9]), b"OW"),
        [0.0, 51.0, 255.0]
    );
    // 0 entries are 65536, here in an element of more bytes than a short length could say.
    let all: Vec<u16> = (0..=65_535).rev().collect();
    assert_eq!(apply(&[0, 52_428, 65_535], 0, b"US", [0, 0, 16], &words(&all), b"OW"), [255.0, 51.0, 0.0]);

    // Bytes in the words of a big-endian file: the first is the low one.
    let mut file = Writer::new(BIG_ENDIAN);
    file.sequence(VOI_LUT, true, |item| {
        item.words(DESCRIPTOR, b"US", &[4, 0, 8]).words(TABLE, b"OW", &[51 << 8, 255 << 8 | 102]);
    });
    file.image("MONOCHROME2", [1, 4], [16, 16], 0).words(PIXELS, b"OW", &[0, 1, 2, 3]);
    assert_shades(&file.bytes(), &[0.0, 0.2, 0.4, 1.0]);
}

/// YBR_FULL_422 of two bytes a pixel, and of three, which is not subsampled: gray, so that its RGB is known.
#[test]
fn chroma_of_every_column_or_every_other() {
    let file = |columns: u16, planar: u16, bytes: &[u8]| {
        let mut file = Writer::new(EXPLICIT);
        file.image("YBR_FULL_422", [1, columns], [8, 8], 0).words(PLANAR, b"US", &[planar]);
        decode_bytes("x", &file.raw(PIXELS, b"OB", bytes).bytes()).map(|picture| picture.samples)
    };
    let gray = |levels: &[f32]| levels.iter().flat_map(|&level| [level; 3]).collect::<Vec<_>>();
    let two = [10, 200, 128, 128];
    let three = [10, 128, 128, 200, 128, 128];
    assert_eq!(file(2, 0, &two).unwrap(), gray(&[10.0, 200.0]));
    let four = file(4, 0, &[&two[..], &two, &[0; 2]].concat()).unwrap();
    assert_eq!(four, gray(&[10.0, 200.0, 10.0, 200.0]), "padded");
    assert_eq!(file(2, 0, &three).unwrap(), gray(&[10.0, 200.0]));
    assert_eq!(file(2, 0, &[&three[..], &[0; 2]].concat()).unwrap(), gray(&[10.0, 200.0]), "padded");
    assert_eq!(file(2, 1, &[10, 200, 128, 128, 128, 128]).unwrap(), gray(&[10.0, 200.0]), "planes");
    assert_eq!(file(1, 0, &[10, 128, 128]).unwrap(), gray(&[10.0]), "an odd number of columns");
    let error = file(3, 0, &[10, 200, 128, 128, 10, 200, 128, 128]).unwrap_err().to_string();
    assert!(error.contains("expected an even number of columns in YBR_FULL_422, found 3"), "{error}");
    // Pure red is (76.245, 84.97, 255.5) in YBR.
    let red = file(2, 0, &[76, 85, 255, 76, 85, 255]).unwrap();
    assert!(red.chunks(3).all(|rgb| rgb[0] > 252.0 && rgb[1] < 3.0 && rgb[2] < 3.0), "{red:?}");
}

/// Palettes of 8 and 16 bits, in bytes and in words, shorter than they say, from a first index on.
#[test]
fn palettes() {
    let words = |entries: &[u16]| entries.iter().flat_map(|entry| entry.to_le_bytes()).collect::<Vec<_>>();
    let file = |descriptor: [u16; 3], data: &[u8]| {
        let mut file = Writer::new(EXPLICIT);
        file.image("PALETTE COLOR", [1, 4], [8, 8], 0);
        for number in 0..3 {
            file.words(0x0028_1101 + number, b"US", &descriptor).raw(0x0028_1201 + number, b"OW", data);
        }
        let picture = decode_bytes("x", &file.raw(PIXELS, b"OB", &[0, 7, 8, 9]).bytes()).unwrap();
        picture.samples.chunks(3).map(|rgb| rgb[1]).collect::<Vec<_>>()
    };
    for (bits, data) in [
        (16, words(&[51 * 257, 102 * 257, 65_535])),
        (8, words(&[51, 102, 255])),
        (8, vec![51, 102, 255]),
        (16, vec![51, 102, 255, 0]),
    ] {
        assert_eq!(file([3, 7, bits], &data), [51.0, 51.0, 102.0, 255.0], "{bits} {data:?}");
    }
    assert_eq!(file([9, 7, 16], &words(&[51 * 257, 102 * 257, 65_535])), [51.0, 51.0, 102.0, 255.0], "short");
}

/// The window of a model is one of Hounsfield units, comes before the file's window and VOI LUT, and is noted in one line.
#[test]
fn a_models_window_comes_before_the_files_own() {
    let model = model::Window { center: 40.0, width: 400.0 };
    let seen = |file: &[u8]| {
        let (picture, notes) = dicom::picture_through(file, Some(model)).unwrap();
        (picture.samples.iter().map(|&v| f64::from(v) / 255.0).collect::<Vec<_>>(), notes.join("; "))
    };
    // Hounsfield units are the stored values less 1024: -1000, -160, -60, 40, 240, 1000.
    let stored = [24, 864, 964, 1064, 1264, 2024];
    let want = [0.0, 0.0, 0.25, 0.5, 1.0, 1.0];
    let close = |found: &[f64], want: &[f64]| found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5);
    let file = |extra: &dyn Fn(&mut Writer)| {
        row(&stored, |file| {
            file.text(INTERCEPT, b"DS", "-1024").text(SLOPE, b"DS", "1");
            extra(file);
        })
    };
    let (found, notes) = seen(&file(&|_| ()));
    assert!(close(&found, &want) && notes.is_empty(), "{found:?} {notes}");
    let note = "seen through the model's window 40,400 (train --window), not the file's own";
    let (found, notes) = seen(&file(&|file| {
        file.text(CENTER, b"DS", "-600\\50").text(WIDTH, b"DS", "1500\\350").text(FUNCTION, b"CS", "SIGMOID");
    }));
    assert!(close(&found, &want) && notes == note, "{found:?} {notes}");
    let (found, notes) = seen(&file(&|file| lut(file, VOI_LUT, &[2, 0, 16], &[0, 65_535])));
    assert!(close(&found, &want) && notes == note, "{found:?} {notes}");
    // Without a model's window the file's own counts, as ever.
    let own = file(&|file| {
        file.text(CENTER, b"DS", "40").text(WIDTH, b"DS", "80");
    });
    assert!(shades(&own)[2] == 0.0 && !close(&shades(&own), &want));
}

/// MONOCHROME1 is inverted after the window, padding is black before it, and 8 bits without a modality transform were
/// made for a screen. Every one of 4096 values of 12 bits stays apart from its neighbours.
#[test]
fn a_models_window_keeps_what_else_a_file_says() {
    let window = |center: f64, width: f64| Some(model::Window { center, width });
    let mut inverted = Writer::new(EXPLICIT);
    inverted.words(PADDING, b"US", &[4000]);
    inverted.image("MONOCHROME1", [1, 4], [16, 12], 0).words(PIXELS, b"OW", &[1000, 1500, 2000, 4000]);
    let (picture, _) = dicom::picture_through(&inverted.bytes(), window(1500.0, 1000.0)).unwrap();
    assert!((picture.samples[1] - 127.5).abs() < 0.01, "{:?}", picture.samples);
    assert_eq!([picture.samples[0], picture.samples[2], picture.samples[3]], [255.0, 0.0, 0.0]);

    let mut bytes = Writer::new(EXPLICIT);
    bytes.image("MONOCHROME2", [1, 4], [8, 8], 0).raw(PIXELS, b"OB", &[0, 1, 40, 255]);
    let (picture, notes) = dicom::picture_through(&bytes.bytes(), window(40.0, 400.0)).unwrap();
    assert_eq!((picture.bits, picture.samples), (8, vec![0.0, 1.0, 40.0, 255.0]));
    assert_eq!(notes, ["8 bits or fewer: shown as the file says, not through the model's window"]);

    let all: Vec<u16> = (0..4096).collect();
    let mut twelve = Writer::new(EXPLICIT);
    twelve.image("MONOCHROME2", [64, 64], [16, 12], 0).words(PIXELS, b"OW", &all);
    for window in [None, window(2047.5, 4095.0)] {
        let (picture, _) = dicom::picture_through(&twelve.bytes(), window).unwrap();
        assert!(picture.samples.windows(2).all(|pair| pair[0] < pair[1]), "{window:?}");
    }
    // The same values in memory, or from a PNG of 16 bits, are seen alike, bit for bit.
    let narrow = model::Window { center: 1000.0, width: 300.0 };
    let (picture, _) = dicom::picture_through(&twelve.bytes(), Some(narrow)).unwrap();
    assert_eq!(picture.samples, Picture::from_u16(&all, [64, 64], 1).unwrap().through(narrow).samples);
}

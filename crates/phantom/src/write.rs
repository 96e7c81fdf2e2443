//! A phantom set on disk: `OUT/{split}/{class}/NAME.png`, `manifest.csv`, `truth.csv` and a note of what made it.
//!
//! The folder reads both as a folder tree and by its manifest. The note comes first and `truth.csv` last, so a folder
//! without the note was not made here and is refused, and one without the truth is unfinished and may be made again.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::par;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use model::write_atomic;

use crate::{CLASSES, Fracture, PhantomConfig, SPLITS, file_name, render};

/// The file that says a folder was made by the phantom.
const NOTE: &str = "PHANTOM.txt";

/// Why a set was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration makes no set.
    #[error("{name}: expected {expected}, found {found}")]
    PhantomConfig {
        /// Which number.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: usize,
    },
    /// The folder holds something else.
    #[error("{}: expected an empty folder or one made by `vertebra phantom` (with {NOTE}), found other files; nothing was changed", .0.display())]
    Foreign(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A table or the note could not be written.
    #[error(transparent)]
    Table(#[from] model::Error),
    /// An image could not be encoded.
    #[error("{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: image::ImageError,
    },
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Number of images.
    pub images: usize,
    /// Images a split ([`SPLITS`]) and class ([`CLASSES`]).
    pub counts: [[usize; 2]; 3],
}

/// Renders the set and writes it to `out`, replacing an earlier phantom set there. `progress` is called with the number
/// of images done and in all, from any thread.
///
/// # Errors
/// If the configuration is empty, if `out` holds files that are not a phantom set's, or if a file cannot be written.
pub fn write(
    config: &PhantomConfig,
    out: &Path,
    progress: Option<&(dyn Fn(usize, usize) + Sync)>,
) -> Result<Made, Error> {
    let tables = Tables {
        header: vec!["path", "label", "split", "group"],
        truth: vec!["path", "kind", "level", "x0", "y0", "x1", "y1"],
        more: String::new(),
    };
    write_set(config, out, &tables, progress, &|patient, view| {
        let radiograph = render(config, patient, view);
        let class = radiograph.class().to_owned();
        Rendered {
            split: radiograph.split,
            folder: format!("{class}/"),
            has_finding: radiograph.fracture.is_some(),
            labels: vec![class],
            fractures: radiograph.fracture.into_iter().collect(),
            pixels: radiograph.pixels,
        }
    })
}

/// The tables of a set, and what its note says beside the rest.
pub(crate) struct Tables<'a> {
    /// The columns of `manifest.csv`.
    pub header: Vec<&'a str>,
    /// The columns of `truth.csv`.
    pub truth: Vec<&'a str>,
    /// Of a set with findings: how many, and what share is blank.
    pub more: String,
}

/// One image.
pub(crate) struct Rendered {
    pub pixels: Vec<u8>,
    pub split: &'static str,
    /// Below the folder of the split, with a slash; or nothing.
    pub folder: String,
    pub has_finding: bool,
    /// Its class, or what is said of each finding.
    pub labels: Vec<String>,
    pub fractures: Vec<Fracture>,
}

/// Makes the set of the radiographs that `radiograph` renders, by patient and view.
pub(crate) fn write_set(
    config: &PhantomConfig,
    out: &Path,
    tables: &Tables,
    progress: Option<&(dyn Fn(usize, usize) + Sync)>,
    radiograph: &(dyn Fn(usize, usize) -> Rendered + Sync),
) -> Result<Made, Error> {
    validate(config)?;
    claim(&note_text(config, &tables.more), out, tables.more.is_empty())?;
    let total = config.patients * config.views;
    let done = AtomicUsize::new(0);
    let rows = par::map(total, |i| {
        let (patient, view) = (i / config.views, i % config.views);
        let mut made = radiograph(patient, view);
        let path = format!("{}/{}{}", made.split, made.folder, file_name(patient, view));
        write_png(&out.join(&path), &made.pixels, config.image_size as u32)?;
        made.pixels = vec![];
        if let Some(progress) = progress {
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        }
        Ok((path, patient, made))
    });
    let rows = rows.into_iter().collect::<Result<Vec<(String, usize, Rendered)>, Error>>()?;
    write_tables(out, tables, &rows)?;
    let mut counts = [[0; 2]; 3];
    for (.., row) in &rows {
        let split = SPLITS.iter().position(|split| *split == row.split).expect("one of three");
        counts[split][usize::from(!row.has_finding)] += 1;
    }
    Ok(Made { images: rows.len(), counts })
}

/// Whether `out` holds the whole set that `config` describes.
pub fn is_complete(config: &PhantomConfig, out: &Path) -> bool {
    let note = fs::read_to_string(out.join(NOTE)).unwrap_or_default();
    note == note_text(config, "") && out.join("truth.csv").exists()
}

/// What the note says: everything that the set follows from. The check is a hash (FNV-1a) of the first images, so that
/// a set made by another version of the simulator is not taken for this one's.
fn note_text(config: &PhantomConfig, more: &str) -> String {
    let PhantomConfig { patients, views, image_size, seed } = config;
    let mut check = 0xcbf2_9ce4_8422_2325u64;
    for pixel in (0..4.min(*patients)).flat_map(|patient| render(config, patient, 0).pixels) {
        check = (check ^ u64::from(pixel)).wrapping_mul(0x0100_0000_01b3);
    }
    format!(
        "Simulated lateral neck radiographs, made by `vertebra phantom`: no patient was X-rayed.\n\
         patients {patients}, views {views}, image size {image_size}, {more}seed {seed}, check {check:016x}\n"
    )
}

fn validate(config: &PhantomConfig) -> Result<(), Error> {
    let limits = [
        ("patients", config.patients, 1, 1_000_000, "1 to 1000000"),
        ("views", config.views, 1, 1000, "1 to 1000"),
        ("image size", config.image_size, 32, 2048, "32 to 2048 pixels"),
    ];
    for (name, found, low, high, expected) in limits {
        if !(low..=high).contains(&found) {
            return Err(Error::PhantomConfig { name, expected, found });
        }
    }
    Ok(())
}

/// Makes `out` a phantom folder without images, with a folder a class if `by_class`: refuses a foreign one, empties an
/// earlier set of ours.
fn claim(text: &str, out: &Path, by_class: bool) -> Result<(), Error> {
    fs::create_dir_all(out).map_err(at(out))?;
    let note = out.join(NOTE);
    if !note.exists() && fs::read_dir(out).map_err(at(out))?.next().is_some() {
        return Err(Error::Foreign(out.to_path_buf()));
    }
    for table in ["truth.csv", "manifest.csv"] {
        let path = out.join(table);
        if path.exists() {
            fs::remove_file(&path).map_err(at(&path))?;
        }
    }
    write_atomic(&note, |file| file.write_all(text.as_bytes()))?;
    for split in SPLITS.map(|split| out.join(split)) {
        // An earlier set may have been of the other kind.
        for folder in CLASSES.map(|class| split.join(class)) {
            if by_class || folder.exists() {
                empty(&folder)?;
            }
            if !by_class {
                // What a user put there keeps it.
                let _ = fs::remove_dir(&folder);
            }
        }
        empty(&split)?;
    }
    Ok(())
}

/// Makes a folder, or takes our images out of it.
fn empty(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if is_ours(&path) {
            fs::remove_file(&path).map_err(at(&path))?;
        }
    }
    Ok(())
}

/// Whether the file has the name of a phantom image; a file that a user put beside them is left alone.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parts = name
        .strip_prefix('p')
        .and_then(|name| name.strip_suffix(".png"))
        .and_then(|name| name.split_once("-v"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(patient, view)| number(patient) && number(view))
}

/// Images are not synced one by one: a set lost to a power cut lacks its `truth.csv` and is simply made again.
fn write_png(path: &Path, pixels: &[u8], size: u32) -> Result<(), Error> {
    let file = File::create(path).map_err(at(path))?;
    let mut file = BufWriter::new(file);
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Up)
        .write_image(pixels, size, size, ExtendedColorType::L8)
        .map_err(|source| Error::Image { path: path.to_path_buf(), source })?;
    file.flush().map_err(at(path))
}

fn write_tables(out: &Path, tables: &Tables, rows: &[(String, usize, Rendered)]) -> Result<(), Error> {
    let by_class = tables.more.is_empty();
    let manifest = rows.iter().map(|(path, patient, row)| {
        let place = [row.split.to_owned(), format!("p{patient:04}")];
        let (before, after) = if by_class { (&row.labels[..], &[][..]) } else { (&[][..], &row.labels[..]) };
        [&[path.clone()][..], before, &place, after].concat()
    });
    write_csv(&out.join("manifest.csv"), &tables.header, manifest)?;
    let truth = rows.iter().flat_map(|(path, _, row)| {
        row.fractures.iter().map(move |Fracture { kind, level, bbox }| {
            let mut fields = vec![path.clone(), kind.to_string(), (*level).to_owned()];
            fields.extend([bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(|edge| edge.to_string()));
            fields
        })
    });
    write_csv(&out.join("truth.csv"), &tables.truth, truth)
}

fn write_csv(path: &Path, header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let written = table.write_record(header).and_then(|()| {
        let mut rows = rows;
        rows.try_for_each(|row| table.write_record(row))
    });
    written.map_err(|error| at(path)(std::io::Error::other(error)))?;
    let bytes = table.into_inner().map_err(|error| at(path)(std::io::Error::other(error.to_string())))?;
    Ok(write_atomic(path, |file| file.write_all(&bytes))?)
}

/// An I/O error that names its file.
fn at(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_path_buf(), source }
}

//! `vertebra inspect FILE.dcm`: what would be read of an image, and how. Nothing printed names or dates a person.

use crate::failure::Failure;
use crate::figures::count;
use crate::terminal;
use dicom::{Description, ImageDescription, ModalityTransform, Photometric, Voi, VoiFunction};
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Prints the description of the file at `path`; an image that is refused is a failure after it.
pub fn run(path: &Path, json: bool) -> Result<(), Failure> {
    let description = data::describe(path)?;
    match json {
        true => terminal::json(&to_json(path, &description))?,
        false => print(path, &description)?,
    }
    match &description.image {
        Ok(_) => Ok(()),
        Err(reason) => Err(failed!("{}: {reason}", path.display())),
    }
}

fn to_json(path: &Path, description: &Description) -> Value {
    let mut document = json!({
        "file": path.display().to_string(),
        "format": "dicom",
        "transfer_syntax": description.transfer_syntax,
        "transfer_syntax_name": description.transfer_syntax_name,
        "modality": description.modality,
        "frames": description.frames,
    });
    let more = match &description.image {
        Err(reason) => json!({ "error": reason }),
        Ok(image) => json!({
            "photometric_interpretation": image.photometric.name(),
            "rows": image.rows,
            "columns": image.columns,
            "samples_per_pixel": image.samples_per_pixel,
            "bits_allocated": image.bits_allocated,
            "bits_stored": image.bits_stored,
            "high_bit": image.high_bit,
            "signed": image.signed,
            "values": { "min": image.values[0], "max": image.values[1] },
            "padding": image.padding,
            "modality_transform": image.modality_transform.as_ref().map(|modality| match modality {
                ModalityTransform::Identity => json!({ "kind": "identity" }),
                ModalityTransform::Rescale { slope, intercept } => {
                    json!({ "kind": "rescale", "slope": slope, "intercept": intercept })
                }
                ModalityTransform::Table { entries } => json!({ "kind": "table", "entries": entries }),
            }),
            "voi": image.voi.as_ref().map(|voi| match voi {
                Voi::Window { center, width, function } => {
                    json!({ "kind": "window", "center": center, "width": width, "function": name(*function) })
                }
                Voi::Table { entries } => json!({ "kind": "table", "entries": entries }),
                Voi::Range { low, high } => json!({ "kind": "range", "low": low, "high": high }),
            }),
            "voi_unusable": image.voi_unusable,
            "inverted": image.photometric == Photometric::Monochrome1,
            "notes": image.notes,
        }),
    };
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    document
}

fn name(function: VoiFunction) -> &'static str {
    match function {
        VoiFunction::Linear => "LINEAR",
        VoiFunction::LinearExact => "LINEAR_EXACT",
        VoiFunction::Sigmoid => "SIGMOID",
    }
}

fn print(path: &Path, description: &Description) -> io::Result<()> {
    let Description { transfer_syntax, transfer_syntax_name, modality, frames, image } = description;
    let given = |text: &str| if text.is_empty() { "not given".into() } else { text.to_string() };
    say!("{}\n", path.display())?;
    say!("format           DICOM, {transfer_syntax_name} ({})", given(transfer_syntax))?;
    say!("modality         {}", given(modality))?;
    say!("frames           {}", frames.map_or("not a number".into(), |frames| frames.to_string()))?;
    let Ok(image) = image else { return Ok(()) };
    let ImageDescription { rows, columns, bits_stored, bits_allocated, high_bit, .. } = image;
    let sign = if image.signed { "signed" } else { "unsigned" };
    let [low, high] = image.values;
    say!("size             {columns} x {rows}, {} a pixel", count(image.samples_per_pixel, "sample"))?;
    say!("photometric      {}", image.photometric.name())?;
    say!("bits             {bits_stored} of {bits_allocated}, {sign}, high bit {high_bit}")?;
    say!("stored values    {low} to {high}")?;
    if let Some([from, to]) = image.padding {
        say!("padding          {from} to {to}, shown black")?;
    }
    if let (Some(modality), Some(voi)) = (&image.modality_transform, &image.voi) {
        match modality {
            ModalityTransform::Identity => say!("modality values  as stored")?,
            ModalityTransform::Rescale { slope, intercept } => {
                say!("modality values  stored * {slope} + {intercept}")?;
            }
            ModalityTransform::Table { entries } => say!("modality values  by a table of {entries}")?,
        }
        match voi {
            Voi::Window { center, width, function } => {
                say!("shown            window {center} width {width}, {}", name(*function))?;
            }
            Voi::Table { entries } => say!("shown            by a table of {entries}")?,
            Voi::Range { low, high } => {
                let why = if image.voi_unusable { "no window to use" } else { "no window" };
                say!("shown            {low} to {high}, computed: {why} in the file")?
            }
        }
        let inverted = image.photometric == Photometric::Monochrome1;
        say!("inverted         {}", if inverted { "yes" } else { "no" })?;
    }
    image.notes.iter().try_for_each(|note| say!("note             {note}"))
}

//! Images that cannot be read, left out of a data set because somebody asked for it.
//!
//! They are looked for before anything begins, by decoding every image once: what a batch holds then depends on its number
//! only, as ever. They keep their place in [`Dataset::samples`], so that the data set is the same one by its fingerprint,
//! draws the same splits and numbers its images alike; no part of it has them.

use engine::par;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::split::Split;
use crate::{Dataset, Error, decode_through};
use model::Window;

/// Images that are read before progress is told.
const AT_ONCE: usize = 128;
/// Names that an error gives.
const EXAMPLES: usize = 3;

impl Dataset {
    /// Decodes the images at the indices `part`, through the window of a model if there is one, and leaves those that
    /// cannot be read out of every part from now on. `progress` hears how many are done; `stop` ends it.
    ///
    /// # Errors
    /// [`Error::Stopped`], and nothing is left out; if more than the share `most` of them cannot be read, or nothing is left
    /// of a class in a split that had it, or of a split whose images have findings.
    pub fn leave_out_unreadable(
        &mut self,
        part: &[usize],
        most: f64,
        window: Option<Window>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let samples = &self.samples;
        let read = |i: usize| match decode_through(&samples[i].path, window) {
            Err(error) if error.is_of_process() => Err(error),
            read => Ok(read.err().map(|error| error.reason())),
        };
        let mut found = Vec::with_capacity(part.len());
        for chunk in part.chunks(AT_ONCE) {
            check_stop(stop, found.len(), part.len())?;
            for read in par::map(chunk.len(), |at| read(chunk[at])) {
                found.push(read?);
            }
            progress(found.len());
        }
        let count = found.iter().flatten().count();
        let before = self.cells(part);
        for (&i, reason) in part.iter().zip(found) {
            self.samples[i].unreadable = reason;
        }
        let share = count as f64 / part.len().max(1) as f64;
        if share > most {
            let images = part.len();
            return Err(Error::dataset(
                &self.source,
                format!(
                    "expected at most {} % of the images to be unreadable (--max-unreadable {most}), found {count} of \
                     {images} ({:.1} %): {}",
                    100.0 * most,
                    100.0 * share,
                    self.unreadable_words()
                ),
            ));
        }
        let left = self.cells(part);
        if let Some(at) = (0..before.len()).find(|&at| before[at] > 0 && left[at] == 0) {
            let kinds = self.readable_kinds();
            let class = match self.has_findings() {
                true => String::new(),
                false => format!(" of the class \"{}\"", self.classes[at % kinds]),
            };
            let split = Split::ALL.get(at / kinds);
            let place = split.map_or(String::new(), |split| format!(" in the {split} split"));
            let words = self.unreadable_words();
            let reason = format!("no image{class}{place} can be read: {words}");
            return Err(Error::dataset(&self.source, reason));
        }
        Ok(())
    }

    /// Decodes the images at the indices `part`, through the window of a model if there is one. `progress` hears how many
    /// are done; `stop` ends it.
    ///
    /// # Errors
    /// The first that cannot be read; or [`Error::Stopped`].
    pub fn check_readable(
        &self,
        part: &[usize],
        window: Option<Window>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Error> {
        let mut done = 0;
        for chunk in part.chunks(AT_ONCE) {
            check_stop(stop, done, part.len())?;
            let read = |at: usize| decode_through(&self.samples[chunk[at]].path, window).err();
            if let Some(error) = par::map(chunk.len(), read).into_iter().flatten().next() {
                return Err(error);
            }
            done += chunk.len();
            progress(done);
        }
        Ok(())
    }

    /// Leaves out the images of these names and reasons, as an earlier look found them.
    pub fn leave_out(&mut self, known: &[(String, String)]) {
        let known: std::collections::HashMap<&str, &str> =
            known.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        for sample in &mut self.samples {
            if let Some(&reason) = known.get(sample.name.as_str()) {
                sample.unreadable = Some(reason.into());
            }
        }
    }

    /// The images that are left out, by name and reason.
    pub fn unreadable(&self) -> Vec<(String, String)> {
        let one = |sample: &crate::Sample| Some((sample.name.clone(), sample.unreadable.clone()?));
        self.samples.iter().filter_map(one).collect()
    }

    /// Removes them for good.
    pub fn remove_unreadable(&mut self) {
        self.samples.retain(|sample| sample.unreadable.is_none());
    }

    /// The images that are left out in a few words; empty if there are none.
    pub fn unreadable_words(&self) -> String {
        let all = self.unreadable();
        let shown = all.iter().take(EXAMPLES).map(|(name, reason)| format!("{name}: {reason}"));
        let shown = shown.collect::<Vec<_>>().join("; ");
        match all.len().saturating_sub(EXAMPLES) {
            0 => shown,
            more => format!("{shown}; and {more} more"),
        }
    }

    /// All images but those that are left out, as indices in order.
    pub fn all(&self) -> Vec<usize> {
        (0..self.samples.len()).filter(|&i| self.samples[i].unreadable.is_none()).collect()
    }

    /// What is told apart of the images of a split: the classes; an image with findings has none.
    fn readable_kinds(&self) -> usize {
        if self.has_findings() { 1 } else { self.classes.len() }
    }

    /// Readable images among `part` of each split (and of none) and class.
    fn cells(&self, part: &[usize]) -> Vec<usize> {
        let kinds = self.readable_kinds();
        let mut cells = vec![0; kinds * (Split::ALL.len() + 1)];
        for sample in part.iter().map(|&i| &self.samples[i]).filter(|sample| sample.unreadable.is_none()) {
            let row = Split::ALL.iter().position(|&split| sample.split == Some(split));
            cells[row.unwrap_or(Split::ALL.len()) * kinds + sample.label] += 1;
        }
        cells
    }
}

/// That nobody wants a look at `images` to end, of which some are `done`.
fn check_stop(stop: &AtomicBool, done: usize, images: usize) -> Result<(), Error> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::Stopped(format!("{done} of {images} images were looked at; nothing was begun"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{Labelling, Labels};

    /// What they have is not lost with a split, so it is not what the error names.
    #[test]
    fn of_findings_a_split_is_missed_and_no_finding() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png"] {
            std::fs::write(folder.path().join(name), "no image").unwrap();
        }
        let table = folder.path().join("m.csv");
        std::fs::write(&table, "path,Mass,Edema,split\na.png,0,1,train\nb.png,1,0,val\n").unwrap();
        let labelling = Labelling { labels: Some(Labels::All), ..Labelling::default() };
        let mut dataset = Dataset::open_labelled(&table, false, &labelling).unwrap();
        let go_on = AtomicBool::new(false);
        let said = dataset.leave_out_unreadable(&[1], 1.0, None, &go_on, &mut |_| ());
        let said = said.unwrap_err().to_string();
        assert!(said.contains("no image in the val split can be read: b.png: "), "{said}");
    }

    /// Asked for in the first part of many images, the end comes before the second.
    #[test]
    fn a_look_that_is_stopped_leaves_nothing_out() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |i: usize| {
            std::fs::write(folder.path().join(format!("{i}.png")), "no image").unwrap();
            format!("{i}.png,{}\n", i % 2)
        };
        let rows: String = (0..2 * AT_ONCE).map(rows).collect();
        let table = folder.path().join("m.csv");
        std::fs::write(&table, format!("path,label\n{rows}")).unwrap();
        let mut dataset = Dataset::open(&table).unwrap();
        let (all, stop, mut heard) = (dataset.all(), AtomicBool::new(false), vec![]);
        let said = dataset.leave_out_unreadable(&all, 1.0, None, &stop, &mut |done| {
            heard.push(done);
            stop.store(true, Ordering::Relaxed);
        });
        let said = said.unwrap_err().to_string();
        assert!(said.contains(&format!("stopped: {AT_ONCE} of {} images", 2 * AT_ONCE)), "{said}");
        assert_eq!((heard, dataset.unreadable()), (vec![AT_ONCE], vec![]));
    }
}

//! What the settings that are asked for are laid over: those of another run or of a file, of first weights, of a recipe.

use crate::{Config, Error, Recipe, RunFolder, settings};
use model::Metadata;
use std::path::{Path, PathBuf};

/// Where settings come from before anything is asked for.
#[derive(Default)]
pub struct Basis<'a> {
    /// The folder of a run that goes on. Its own settings are all that counts then.
    pub resumed: Option<&'a Path>,
    /// A file of settings, see [`settings_file`].
    pub file: Option<&'a Path>,
    /// What the model says of itself whose weights are the first ones.
    pub init: Option<&'a Metadata>,
    /// A named set of defaults.
    pub recipe: Option<Recipe>,
}

/// The file of settings at `path`; of a run folder, its own.
pub fn settings_file(path: &Path) -> PathBuf {
    if path.is_dir() { RunFolder(path).config() } else { path.to_path_buf() }
}

impl Basis<'_> {
    /// The settings before anything is asked for: `defaults` where nothing else says more.
    ///
    /// # Errors
    /// A run or a file that cannot be read.
    pub fn config(&self, defaults: &Config) -> Result<Config, Error> {
        if let Some(run) = self.resumed {
            // Without a limit it goes on to its last epoch.
            return Ok(Config { max_steps: None, ..settings(run)? });
        }
        let mut config = match self.file {
            Some(file) => Config::read(file, Some(defaults))?,
            None => defaults.clone(),
        };
        if let Some(Metadata { architecture, .. }) = self.init {
            (config.arch, config.width) = (architecture.name.clone(), architecture.width);
        }
        Ok(self.recipe.map_or(config.clone(), |recipe| recipe.over(config)))
    }

    /// What the first weights were trained with that `config` does otherwise, a line each.
    pub fn notes(&self, config: &Config) -> Vec<String> {
        let Some(Metadata { architecture, preprocessing, .. }) = self.init.filter(|_| self.resumed.is_none())
        else {
            return vec![];
        };
        let mut notes = vec![];
        if architecture.channels > config.channels && !preprocessing.is_uniform() {
            notes.push(
                "--init: its colours are scaled differently, so for gray images its first convolution is exact but \
                 for the outermost pixels; --channels 3 keeps it as it is"
                    .to_owned(),
            );
        }
        if let Some(window) = preprocessing.window.filter(|window| config.window != Some(*window)) {
            notes.push(format!(
                "--init: its images were seen through a window; --window {window} sees these through it too"
            ));
        }
        notes
    }
}

//! What the settings that are asked for are laid over: those of another run or of a file, of first weights, of a recipe.

use crate::config_file::read_settings;
use crate::{Config, Error, Recipe, RunFolder, settings};
use model::{Metadata, Model};
use std::path::{Path, PathBuf};

/// Where settings come from before anything is asked for.
#[derive(Default)]
pub struct Basis<'a> {
    /// The folder of a run that goes on. Its own settings are all that counts then.
    pub resumed: Option<&'a Path>,
    /// A file of settings, see [`settings_file`].
    pub file: Option<&'a Path>,
    /// What the model says of itself whose weights are the first ones, where they were asked for.
    pub init: Option<&'a Metadata>,
    /// The same of those that the file names, see [`init_of`].
    pub init_of_file: Option<&'a Metadata>,
    /// A named set of defaults.
    pub recipe: Option<Recipe>,
}

/// The file of settings at `path`; of a run folder, its own.
pub fn settings_file(path: &Path) -> PathBuf {
    if path.is_dir() { RunFolder(path).config() } else { path.to_path_buf() }
}

/// The settings that a file has.
///
/// # Errors
/// A file that cannot be read.
pub fn keys(file: &Path) -> Result<Vec<String>, Error> {
    let text = read_settings(file)?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| Error::run(file, error.to_string()))?;
    Ok(table.keys().cloned().collect())
}

/// What the model says of itself whose weights `file` names as the first ones, if it does and they are there; `find` has
/// the place of those that come with the program. What they are the file need not say.
///
/// # Errors
/// A file of settings, or a model, that cannot be read.
pub fn init_of(
    file: &Path,
    find: impl FnOnce(PathBuf) -> Result<PathBuf, Error>,
) -> Result<Option<Metadata>, Error> {
    let named = Config::read(file, Some(&Config::default()))?.init;
    let Some(path) = named.map(find).transpose()?.filter(|path| path.exists()) else { return Ok(None) };
    Ok(Some(Model::read(path)?.metadata))
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
        let of = |config: &Config, init: Option<&Metadata>| match init {
            None => config.clone(),
            Some(Metadata { architecture, .. }) => {
                Config { arch: architecture.name.clone(), width: architecture.width, ..config.clone() }
            }
        };
        let defaults = of(defaults, self.init_of_file.filter(|_| self.init.is_none()));
        let config = match self.file {
            Some(file) => Config::read(file, Some(&defaults))?,
            None => defaults,
        };
        let config = of(&config, self.init);
        Ok(self.recipe.map_or(config.clone(), |recipe| recipe.over(config)))
    }

    /// What of a file is not used, and what the first weights were trained with that `config` does otherwise, a line
    /// each.
    pub fn notes(&self, config: &Config) -> Vec<String> {
        if self.resumed.is_some() {
            return vec![];
        }
        let mut notes: Vec<String> = self.replaced(config).into_iter().collect();
        let Some(Metadata { architecture, preprocessing, .. }) = self.init else { return notes };
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

    /// What the file says that first weights or a recipe say otherwise.
    fn replaced(&self, config: &Config) -> Option<String> {
        let file = self.file.filter(|_| self.init.is_some() || self.recipe.is_some())?;
        let said = Config::read(file, Some(&self.config(config).ok()?)).ok()?.table();
        let (before, used) = (self.config(config).ok()?.table(), config.table());
        let is_replaced = |name: &&String| {
            let value = said.get(*name);
            value.is_some() && before.get(*name) != value && used.get(*name) == before.get(*name)
        };
        let replaced: Vec<String> =
            used.keys().filter(is_replaced).map(|name| format!("{name} {}", used[name])).collect();
        let by = match (self.recipe, self.init) {
            (Some(_), Some(_)) => "--recipe and --init",
            (Some(_), None) => "--recipe",
            (None, _) => "--init",
        };
        (!replaced.is_empty()).then(|| format!("by {by}, not by {}: {}", file.display(), replaced.join(", ")))
    }
}

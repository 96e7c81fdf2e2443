//! MODEL where several may answer together: a model, all folds of a cross-validation, and those of `--with`.

use crate::failure::Failure;
use model::Model;
use std::path::PathBuf;

/// The arguments that say it.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// Model file, or run folder; of train --folds, its folds together
    pub model: PathBuf,
    /// One more model that answers together with MODEL; may be given more than once
    #[arg(long, value_name = "MODEL")]
    with: Vec<PathBuf>,
}

/// Models that answer together; mostly one.
pub struct Members {
    /// Where each was read: a file or a run folder.
    pub paths: Vec<PathBuf>,
    /// What each is called in an error.
    pub names: Vec<String>,
    /// The models.
    pub models: Vec<Model>,
}

impl ModelArgs {
    /// Reads all of them.
    pub fn read(&self) -> Result<Members, Failure> {
        let mut paths = vec![];
        for path in self.paths() {
            match train::is_cross_validation(path) {
                true => paths.extend(train::finished_folds(path)?),
                false => paths.push(path.clone()),
            }
        }
        let models = paths.iter().map(Model::read).collect::<Result<_, _>>()?;
        let names = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(Members { paths, names, models })
    }

    /// What was named.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> + Clone {
        std::iter::once(&self.model).chain(&self.with)
    }

    /// Whether the folds of a cross-validation are among them.
    pub fn has_folds(&self) -> bool {
        self.paths().any(|path| train::is_cross_validation(path))
    }
}

impl Members {
    /// The files that were read.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.paths.iter().map(|path| model::resolve(path).unwrap_or_else(|_| path.clone()))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.models.len()
    }

    /// Refuses `option` where several models answer: it is about one.
    pub fn only_one(&self, option: &str, is_given: bool) -> Result<(), Failure> {
        match self.count() {
            count if count > 1 && is_given => {
                Err(usage!("{option}: expected one model, found {count} that answer together"))
            }
            _ => Ok(()),
        }
    }
}

//! How the labels of a data set are read: the options that say it, and the same as it is typed again.

use crate::shell::quote;
use data::{Labelling, Labels, Readers, Uncertain};

/// The options.
#[derive(clap::Args)]
pub struct LabelArgs {
    /// Several findings an image, as for train: all, or their names with commas between
    #[arg(long, value_name = "all|NAMES")]
    labels: Option<Labels>,
    /// With --labels: what -1 counts as, ignore, positive or negative
    #[arg(long, value_name = "HOW", requires = "labels", default_value_t = Uncertain::Ignore)]
    uncertain: Uncertain,
    /// With --labels: where several readers judged an image, a finding is there if most say so (majority), or one (any)
    #[arg(long, value_name = "WHO", requires = "labels", default_value_t = Readers::Majority)]
    readers: Readers,
}

impl LabelArgs {
    /// What they say.
    pub fn labelling(&self) -> Labelling {
        let Self { labels, uncertain, readers } = self;
        Labelling { labels: labels.clone(), uncertain: *uncertain, readers: *readers, may_lack: false }
    }
}

/// The options for a table that is read so: each with a space before it, nothing where all is as by default.
pub fn typed(labelling: &Labelling) -> String {
    let Labelling { labels, uncertain, readers, .. } = labelling;
    let mut words = labels.clone().map_or(String::new(), of_labels);
    if *uncertain != Uncertain::default() {
        words += &format!(" --uncertain {}", String::from(*uncertain));
    }
    if *readers != Readers::default() {
        words += &format!(" --readers {}", String::from(*readers));
    }
    words
}

/// The same for a manifest of ours, in which readers are decided. The findings are named: all columns of 0 and 1 would take
/// others beside them.
pub fn typed_of_written(labelling: &Labelling, classes: &[String]) -> String {
    let named = labelling.labels.as_ref().map(|_| Labels::Names(classes.to_vec()));
    let uncertain = match labelling.uncertain {
        Uncertain::Ignore => String::new(),
        other => format!(" --uncertain {}", String::from(other)),
    };
    named.map_or(String::new(), of_labels) + &uncertain
}

fn of_labels(labels: Labels) -> String {
    format!(" --labels {}", quote(String::from(labels)))
}

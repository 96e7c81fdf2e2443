//! Audits of sets made on the spot, and of names as data sets have them.

mod giveaways;
mod schemes;
mod sets;
#[path = "../../src/testing.rs"]
mod testing;

use audit::{Audit, AuditStage};
use data::{Dataset, GroupBy};
use std::ops::ControlFlow;

/// The audit of `dataset`, whose positive class the names tell.
fn audit_of(
    dataset: &Dataset,
    group_by: Option<&GroupBy>,
    progress: &(dyn Fn(AuditStage, usize) -> ControlFlow<()> + Sync),
) -> Result<Audit, data::Error> {
    audit::audit(dataset, group_by, eval::Positive::of_names(&dataset.classes), None, progress)
}

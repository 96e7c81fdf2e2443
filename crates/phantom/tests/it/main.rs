//! The phantom as its users meet it: images in memory, and a set on disk.

mod set;
mod write;

use engine::par;
use phantom::{PhantomConfig, Radiograph, render};

/// Every radiograph of the set, by patient and then by view.
fn render_all(config: &PhantomConfig) -> Vec<Radiograph> {
    par::map(config.patients * config.views, |i| render(config, i / config.views, i % config.views))
}

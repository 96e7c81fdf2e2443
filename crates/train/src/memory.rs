//! Whether a training step fits into the machine: where it does not, the system ends the process without a word.

use crate::Error;
use model::Network;

/// Bytes that a step of `batch` images takes at the least: the output of every convolution but the first, which
/// backward reads, and for each weight its gradient and two moments beside it. Whole processes took 1.05 to 1.8 times
/// as much: `bench train` of both architectures at widths 0.25 and 1, 224 and 512 pixels, 4 and 16 images (AVX-512).
fn of_step(network: &Network, batch: usize) -> u64 {
    let outputs = network.layers().skip(1).map(|(conv, size)| {
        let [height, width] = conv.output_size(size);
        (height * width * conv.outputs) as u64
    });
    4 * (batch as u64 * outputs.sum::<u64>() + 4 * network.trainable_parameters() as u64)
}

/// That a training step of `batch` images fits into memory and swap, where the system tells how much there is (Linux).
///
/// # Errors
/// What fits: fewer images, or that even one needs a smaller input.
pub fn check_memory(network: &Network, batch: usize) -> Result<(), Error> {
    match machine() {
        Some(most) => check_within(network, batch, most),
        None => Ok(()),
    }
}

fn check_within(network: &Network, batch: usize, most: u64) -> Result<(), Error> {
    if of_step(network, batch) <= most {
        return Ok(());
    }
    let [height, width] = network.image_size;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let found = format!("{batch}, which take {:.1} GiB", gib(of_step(network, batch)));
    let fits = (1..batch).rev().find(|&fewer| of_step(network, fewer) <= most);
    let expected = |what: String| format!("{what} for the {:.1} GiB of memory and swap here", gib(most));
    Err(match fits {
        Some(fits) => {
            let most = expected(format!("at most {fits} images of {height}x{width} a step"));
            Error::config("batch-size", most, found)
        }
        None => Error::config("image-size", expected("a smaller input".into()), format!("{height}x{width}")),
    })
}

/// Bytes of memory and swap, where Linux tells.
fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kib("MemTotal:")? + kib("SwapTotal:").unwrap_or(0)) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Architecture;

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        let named = Architecture::named("mobilenet-v1").unwrap();
        let network = Architecture { image_size: [1024, 512], ..named }.network().unwrap();
        let gib = 1 << 30;
        check_within(&network, 32, 8 * gib).unwrap();
        let said = |batch, most| check_within(&network, batch, most).unwrap_err().to_string();
        let told = said(64, 8 * gib);
        let words = "--batch-size: expected at most 44 images of 1024x512 a step for the 8.0 GiB of memory and swap \
                     here, found 64, which take 11.6 GiB";
        assert_eq!(told, words);
        assert!(
            said(64, 1 << 27).contains("--image-size: expected a smaller input"),
            "{}",
            said(64, 1 << 27)
        );
        if cfg!(target_os = "linux") {
            assert!(machine().unwrap() > 1 << 28);
        }
    }
}

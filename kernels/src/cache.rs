//! The CPU's caches, from which the sizes of blocks follow.
//!
//! A block is what a kernel goes through again and again before it moves on, so it should stay in a cache. How large that
//! is differs from CPU to CPU: 32 to 64 KiB of L1, 256 KiB to 2 MiB of L2. It is asked of the CPU (`cpuid`), else of the
//! system's description, else taken to be small.
//!
//! Invariant: what follows from a cache changes the time, never the result. Whatever decides in which order numbers are
//! added (tiles of moments, partial gradients, steps of a product) follows from shapes alone.

use std::fmt;
use std::sync::OnceLock;

/// Floats of a cache line.
pub(crate) const CACHE_LINE: usize = 16;

/// Bytes of the caches that a core finds. What cores or hardware threads share of them is not taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// First level, data, of one core.
    pub l1: usize,
    /// Second level, of one core or of those that share it.
    pub l2: usize,
    /// Third level, all of it; zero where there is none.
    pub l3: usize,
}

impl Caches {
    /// What nearly every CPU with vectors has: taken where nothing is known.
    const SMALL: Caches = Caches { l1: 32 << 10, l2: 256 << 10, l3: 0 };

    /// The caches that this process cuts its blocks for: this CPU's, or what `VERTEBRA_CACHE` says.
    pub fn current() -> Caches {
        static CURRENT: OnceLock<Caches> = OnceLock::new();
        *CURRENT.get_or_init(|| Caches::from_env().unwrap_or_else(|_| Caches::of_this_cpu()))
    }

    /// The caches of this CPU, or `VERTEBRA_CACHE`, which is read as `32K,512K,16M`: first, second and third level.
    ///
    /// # Errors
    /// When the variable cannot be read so.
    pub fn from_env() -> Result<Caches, String> {
        match std::env::var("VERTEBRA_CACHE") {
            Ok(text) => Self::parse(&text).ok_or_else(|| {
                format!(
                    "VERTEBRA_CACHE={text}: expected the sizes of the first, second and third level, such as 32K,512K,16M \
                     (at least 4K, 16K and 0)"
                )
            }),
            Err(_) => Ok(Self::of_this_cpu()),
        }
    }

    fn parse(text: &str) -> Option<Caches> {
        let bytes = |text: &str| {
            let text = text.trim();
            let unit = match text.chars().last()?.to_ascii_uppercase() {
                'K' => 10,
                'M' => 20,
                'G' => 30,
                _ => 0,
            };
            let digits = if unit == 0 { text } else { &text[..text.len() - 1] };
            digits.parse::<usize>().ok()?.checked_mul(1 << unit)
        };
        let sizes: Vec<usize> = text.split(',').map(bytes).collect::<Option<_>>()?;
        match sizes[..] {
            [l1, l2, l3] if l1 >= 4 << 10 && l2 >= 16 << 10 => Some(Caches { l1, l2, l3 }),
            _ => None,
        }
    }

    /// What the CPU or the system says of itself.
    pub fn of_this_cpu() -> Caches {
        let mut found = [0; 3];
        for (level, bytes) in described() {
            if let Some(size) = level.checked_sub(1).and_then(|level: usize| found.get_mut(level)) {
                *size = bytes.max(*size);
            }
        }
        let [l1, l2, l3] = found;
        // A virtual machine may tell of one level and not of another.
        let or = |size: usize, small| if size == 0 { small } else { size };
        Caches { l1: or(l1, Self::SMALL.l1), l2: or(l2, Self::SMALL.l2), l3 }
    }
}

impl fmt::Display for Caches {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let size = |bytes: usize| match bytes {
            0 => "none".to_string(),
            _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
            _ => format!("{} KiB", bytes >> 10),
        };
        write!(f, "L1 {}, L2 {}, L3 {}", size(self.l1), size(self.l2), size(self.l3))
    }
}

/// The levels of caches for data, and the bytes of each that a core has to itself (of the third: all).
#[cfg(target_arch = "x86_64")]
fn described() -> Vec<(usize, usize)> {
    let cpu = cpuid();
    if cpu.is_empty() { sysfs(CPU0) } else { cpu }
}

#[cfg(not(target_arch = "x86_64"))]
fn described() -> Vec<(usize, usize)> {
    sysfs(CPU0)
}

/// `cpuid`'s deterministic cache parameters: leaf 4 (Intel), leaf 0x8000_001D (AMD; its manual, volume 3, appendix E.4.15).
#[cfg(target_arch = "x86_64")]
fn cpuid() -> Vec<(usize, usize)> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let amd = __cpuid(0x8000_0000).eax >= 0x8000_001D && __cpuid(0x8000_0001).ecx >> 22 & 1 == 1;
    let leaf = if amd { 0x8000_001D } else { 4 };
    if !amd && __cpuid(0).eax < 4 {
        return Vec::new();
    }
    let mut caches = Vec::new();
    for index in 0..16 {
        let cache = __cpuid_count(leaf, index);
        let (kind, level) = (cache.eax & 31, (cache.eax >> 5 & 7) as usize);
        match kind {
            0 => break,
            // An instruction cache.
            2 => continue,
            _ => {}
        }
        let [ways, partitions, line] = [22, 12, 0].map(|bit| (cache.ebx >> bit) as usize);
        let [ways, partitions, line] = [(ways & 0x3FF) + 1, (partitions & 0x3FF) + 1, (line & 0xFFF) + 1];
        caches.push((level, ways * partitions * line * (cache.ecx as usize + 1)));
    }
    caches
}

/// Where Linux describes the caches of the first CPU.
const CPU0: &str = "/sys/devices/system/cpu/cpu0/cache";

/// What Linux says in `folder`; nothing elsewhere.
fn sysfs(folder: &str) -> Vec<(usize, usize)> {
    let mut caches = Vec::new();
    for index in 0..16 {
        let read = |name: &str| std::fs::read_to_string(format!("{folder}/index{index}/{name}")).ok();
        let (Some(level), Some(kind), Some(size)) = (read("level"), read("type"), read("size")) else {
            break;
        };
        let size = size.trim().trim_end_matches('K').parse::<usize>().ok().map(|kib| kib << 10);
        if let (Ok(level), Some(size), false) = (level.trim().parse(), size, kind.trim() == "Instruction") {
            caches.push((level, size));
        }
    }
    caches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_read_in_bytes_kib_and_mib() {
        let read = |text| Caches::parse(text).map(|c| [c.l1, c.l2, c.l3]);
        assert_eq!(read("32K,512K,16M"), Some([32 << 10, 512 << 10, 16 << 20]));
        assert_eq!(read(" 65536, 1m ,0"), Some([64 << 10, 1 << 20, 0]));
        for wrong in [
            "",
            "32K",
            "32K,512K",
            "32K,512K,16M,1",
            "32K,512K,16X",
            "1K,512K,0",
            "32K,1K,0",
            "K,K,K",
            "-1,2,3",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(Caches::parse("48K,2M,0").unwrap().to_string(), "L1 48 KiB, L2 2 MiB, L3 none");
    }

    #[test]
    fn this_cpu_has_caches_that_a_cpu_can_have() {
        let Caches { l1, l2, l3 } = Caches::of_this_cpu();
        assert!((8 << 10..=1 << 20).contains(&l1), "L1 of {l1}");
        assert!(l2 >= l1 && (l3 == 0 || l3 >= l2 / 2), "L2 of {l2}, L3 of {l3}");
    }

    #[test]
    fn linux_describes_each_cache_in_a_folder() {
        let folder = std::env::temp_dir().join(format!("caches-{}", std::process::id()));
        let caches = [
            ("1", "Data", "64K"),
            ("1", "Instruction", "64K"),
            ("2", "Unified", "1024K"),
            ("3", "Unified", "?"),
        ];
        for (index, (level, kind, size)) in caches.iter().enumerate() {
            let cache = folder.join(format!("index{index}"));
            std::fs::create_dir_all(&cache).unwrap();
            for (name, text) in [("level", level), ("type", kind), ("size", size)] {
                std::fs::write(cache.join(name), format!("{text}\n")).unwrap();
            }
        }
        assert_eq!(sysfs(folder.to_str().unwrap()), [(1, 64 << 10), (2, 1 << 20)]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_system_without_a_description_says_nothing() {
        assert_eq!(sysfs("/nowhere"), []);
    }
}

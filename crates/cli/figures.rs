//! Figures as people read them.

use eval::Interval;
use std::time::{Duration, Instant};

pub use eval::count;

/// `0.912`; a dash where there is no value.
pub fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// `0.912 [0.85, 0.95]`; a dash where there is no value.
pub fn with_interval(value: Option<f64>, interval: Option<Interval>) -> String {
    let interval = interval.filter(|_| value.is_some());
    number(value) + &interval.map_or(String::new(), |i| format!(" [{:.2}, {:.2}]", i.low, i.high))
}

/// A share as a percentage: `91.2 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A p-value with two digits that count.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") }
}

/// Seconds since `start`, for a line of words.
pub fn seconds(start: Instant) -> String {
    format!("{:.1} s", start.elapsed().as_secs_f64())
}

/// `1:02:03`, `2:03`, or `-:--`.
pub fn clock(time: Option<Duration>) -> String {
    let Some(seconds) = time.map(|time| time.as_secs_f64().round() as u64) else { return "-:--".to_owned() };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_like_a_clock() {
        let of = |seconds| clock(Some(Duration::from_secs(seconds)));
        assert_eq!([of(5), of(65), of(3723)], ["0:05", "1:05", "1:02:03"]);
    }

    #[test]
    fn what_has_no_value_is_a_dash() {
        let interval = Some(Interval { low: 0.85, high: 0.954 });
        assert_eq!(with_interval(Some(0.9119), interval), "0.912 [0.85, 0.95]");
        assert_eq!(with_interval(Some(0.9), None), "0.900");
        assert_eq!(with_interval(None, interval), "-");
    }
}

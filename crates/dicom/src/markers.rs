//! The markers and segments that JPEG and JPEG-LS share (T.81 annex B.1.1).

/// The marker at `at`, behind any number of fill bytes, and where it ends.
pub(crate) fn marker(code: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = code.get(at..)?;
    let fill = rest.windows(2).take_while(|pair| *pair == [0xff, 0xff]).count();
    match rest[fill..] {
        [0xff, marker, ..] => Some((marker, at + fill + 2)),
        _ => None,
    }
}

/// The segment at `at` behind `marker`, without its length, and where it ends; `kind` is the code's name.
pub(crate) fn segment<'a>(
    code: &'a [u8],
    at: usize,
    kind: &str,
    marker: u8,
) -> Result<(&'a [u8], usize), String> {
    let length = code.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u16::from_be_bytes(*b));
    let end = at + usize::from(length);
    let segment = code.get(at + 2..end);
    let segment =
        segment.ok_or_else(|| format!("truncated: {kind} segment ff{marker:02x} is not complete"))?;
    Ok((segment, end))
}

/// What a scan header says of each of its components, two bytes each, and the three bytes behind.
pub(crate) fn scan_header<'a>(segment: &'a [u8], kind: &str) -> Result<(&'a [u8], [u8; 3]), String> {
    let parts =
        segment.split_first().and_then(|(&count, rest)| rest.split_at_checked(2 * usize::from(count)));
    let found = parts.and_then(|(parts, rest)| Some((parts, *rest.first_chunk()?)));
    found.ok_or_else(|| format!("damaged: the {kind} scan header is not complete"))
}

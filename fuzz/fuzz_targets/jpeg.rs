#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start(fuzz::jpeg::seeds, fuzz::jpeg::run), |bytes: &[u8]| {
    let _ = fuzz::jpeg::run(bytes);
});

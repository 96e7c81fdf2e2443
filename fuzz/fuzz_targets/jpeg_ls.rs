#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start(fuzz::jpeg_ls::seeds, fuzz::jpeg_ls::run), |bytes: &[u8]| {
    let _ = fuzz::jpeg_ls::run(bytes);
});

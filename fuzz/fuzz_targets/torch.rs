#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start(fuzz::torch::seeds, fuzz::torch::run), |bytes: &[u8]| {
    let _ = fuzz::torch::run(bytes);
});

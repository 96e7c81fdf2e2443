#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start(fuzz::safetensors::seeds, fuzz::safetensors::run), |bytes: &[u8]| {
    let _ = fuzz::safetensors::run(bytes);
});

#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start(fuzz::hdf5::seeds, fuzz::hdf5::run), |bytes: &[u8]| {
    let _ = fuzz::hdf5::run(bytes);
});

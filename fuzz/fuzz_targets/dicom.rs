#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzz::start(fuzz::dicom::seeds, fuzz::dicom::run), |bytes: &[u8]| {
    let _ = fuzz::dicom::run(bytes);
});

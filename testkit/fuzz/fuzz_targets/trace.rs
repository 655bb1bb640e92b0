#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    redial_fuzz::trace(bytes);
});

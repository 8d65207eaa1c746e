//! Processes that live at another time.

/// The environment in which a process lives at another time.
pub struct Elsewhen([(&'static str, String); 3]);

/// Another time, as `faketime` writes it: `+2d`.
pub fn faketime(offset: &str) -> Elsewhen {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"];
    let library = folders
        .iter()
        .map(|folder| format!("{folder}/libfaketime.so.1"))
        .find(|path| std::path::Path::new(path).exists())
        .expect("libfaketime: install the package faketime");
    // Waits go by the monotonic clock, which stays as it is.
    Elsewhen([
        ("LD_PRELOAD", library),
        ("FAKETIME", offset.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}

impl Elsewhen {
    /// The variables, to be lent to a process.
    pub fn borrowed(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

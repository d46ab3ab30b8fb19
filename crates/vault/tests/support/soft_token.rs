//! A PKCS#11 token in software for tests, of this crate and of the binary.

use std::path::{Path, PathBuf};
use std::process::Command;

/// SoftHSM2, where Debian puts it.
pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// The configuration of a SoftHSM with one token, in a folder of its own; it belongs into `SOFTHSM2_CONF`. It has to be
/// installed: what is not tried is not tested.
pub fn make(folder: &Path, token: &str, pin: &str) -> PathBuf {
    assert!(
        Path::new(MODULE).exists(),
        "SoftHSM2 is not installed ({MODULE} is not there): `apt-get install softhsm2`, or run ./test, which does it"
    );
    let (tokens, config) = (folder.join("tokens"), folder.join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&config, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", token, "--pin", pin, "--so-pin", "87654321"])
        .env("SOFTHSM2_CONF", &config)
        .output()
        .expect("softhsm2-util runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    config
}

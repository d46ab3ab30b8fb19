//! The codec against pyiso8583, an independent one: `crosscheck/crosscheck.py` does the work.
//!
//! `CROSSCHECK_PYTHON` names the interpreter (`python3` if unset). Without pyiso8583 the test fails, so that nobody believes it
//! has run; `CROSSCHECK_SKIP=1` leaves it out knowingly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every field alone (126) and as many mixed messages again and more, for each spec.
const MESSAGES_PER_SPEC: &str = "400";

#[test]
fn pyiso8583_packs_and_reads_the_same() {
    if env::var_os("CROSSCHECK_SKIP").is_some_and(|value| value == "1") {
        eprintln!("left out: CROSSCHECK_SKIP=1");
        return;
    }
    let python = env::var_os("CROSSCHECK_PYTHON").unwrap_or_else(|| "python3".into());
    let probe = Command::new(&python).args(["-c", "import tomllib, iso8583"]).output();
    assert!(
        probe.as_ref().is_ok_and(|output| output.status.success()),
        "{} has no pyiso8583 (or is older than 3.11). Make one that has:\n  python3 -m venv .venv && .venv/bin/pip install \
         pyiso8583==4.0.1\nthen set CROSSCHECK_PYTHON=.venv/bin/python (an absolute path), or leave this test out with \
         CROSSCHECK_SKIP=1",
        python.display()
    );
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(&python)
        .arg(folder.join("tests/crosscheck/crosscheck.py"))
        .arg(iso_tool())
        .arg(folder.join("specs"))
        .arg(MESSAGES_PER_SPEC)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    for name in tollgate_iso8583::Spec::builtin_names() {
        assert!(told.contains(&format!("{name}: {MESSAGES_PER_SPEC} messages agree")), "{told}");
    }
    assert!(told.contains("covered 378 fields"), "three specs of fields 2 to 128 but 65: {told}");
}

/// The example beside this test; built anew, since `cargo test --test crosscheck` alone builds no examples.
fn iso_tool() -> PathBuf {
    let folder = env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().to_owned();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--example", "iso_tool", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "the example iso_tool does not build");
    let name = format!("iso_tool{}", env::consts::EXE_SUFFIX);
    // The profile may differ from the test's; what matters is the tool, not how it was optimised.
    [folder.clone(), folder.parent().unwrap().join("debug")]
        .into_iter()
        .map(|profile| profile.join("examples").join(&name))
        .find(|path| path.is_file())
        .unwrap()
}

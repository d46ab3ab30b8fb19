//! The sandbox card network as a process of its own, which can be frozen, killed and started again.

use super::{collect, command, get, signal, text, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

/// A running `tollgate issuer`. It is killed when dropped.
pub struct CardNetwork {
    /// `127.0.0.1:port` of ISO 8583.
    pub iso: String,
    /// `127.0.0.1:port` of its admin pages.
    pub admin: String,
    /// `127.0.0.1:port` of its directory server.
    pub ds: String,
    /// `127.0.0.1:port` of its ACS.
    pub acs: String,
    data: PathBuf,
    options: Vec<String>,
    child: Child,
    output: Arc<Mutex<String>>,
}

impl CardNetwork {
    /// Starts one on free ports.
    pub fn start(data: &Path, options: &[&str]) -> CardNetwork {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        CardNetwork::start_on(data, options, "127.0.0.1:0", "127.0.0.1:0")
    }

    fn start_on(data: &Path, options: Vec<String>, iso: &str, admin: &str) -> CardNetwork {
        let mut child = command()
            .args(["issuer", "--listen", iso, "--admin-listen", admin])
            .args(["--ds-listen", "127.0.0.1:0", "--acs-listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(&options)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the card network starts");
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        let addresses = wait_for("the card network listens", || {
            let printed = output.lock().unwrap().clone();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the card network ended with {status}:\n{printed}");
            }
            let line = printed.lines().find(|line| line.starts_with("sandbox card network: "))?;
            let (iso, admin) =
                line.strip_prefix("sandbox card network: ISO 8583 on ")?.split_once(", admin on http://")?;
            let line = printed.lines().find(|line| line.starts_with("3-D Secure: "))?;
            let (ds, acs) =
                line.strip_prefix("3-D Secure: directory server on http://")?.split_once("/ds, ACS on http://")?;
            Some([iso, admin, ds, acs].map(str::to_owned))
        });
        let [iso, admin, ds, acs] = addresses;
        CardNetwork { iso, admin, ds, acs, data: data.to_owned(), options, child, output }
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same ports, after [`CardNetwork::kill`].
    pub fn start_again(&mut self) {
        *self = CardNetwork::start_on(&self.data, self.options.clone(), &self.iso, &self.admin);
    }

    /// It takes messages and answers nothing until [`CardNetwork::thaw`].
    pub fn freeze(&self) {
        signal(self.child.id(), "STOP");
        // The signal stops one thread after the other.
        wait_for("every thread of the card network stands still", || self.is_frozen().then_some(()));
    }

    /// Whether each of its threads is in state `T`, the field after the name in parentheses (proc(5)).
    fn is_frozen(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the card network runs");
        threads
            .map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default())
            .all(|stat| stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('T')))
    }

    /// It goes on.
    pub fn thaw(&self) {
        signal(self.child.id(), "CONT");
    }

    /// GET on its admin address.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = get(&self.admin, path);
        assert_eq!(status, 200, "{}", text(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// The address of its directory server.
    pub fn directory_server(&self) -> String {
        let begin = "3-D Secure: directory server on ";
        wait_for("the card network tells its directory server", || {
            let printed = self.output();
            let (_, rest) = printed.split_once(begin)?;
            rest.split_once(',').map(|(url, _)| url.to_owned())
        })
    }

    /// Everything it printed and logged so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }
}

impl Drop for CardNetwork {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

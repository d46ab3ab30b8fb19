//! A real mail server: `tests/smtp_server.py` over aiosmtpd. The end-to-end tests use it as well.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long something may take that is bound to come.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A running mail server. It ends when dropped.
pub struct MailServer {
    /// Its port on 127.0.0.1.
    pub port: u16,
    child: Child,
    mails: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    /// Starts one. `CROSSCHECK_PYTHON` names the interpreter.
    pub fn start(options: &[&str]) -> MailServer {
        let python = std::env::var_os("CROSSCHECK_PYTHON").unwrap_or_else(|| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/smtp_server.py");
        let mut child = Command::new(&python)
            .arg(script)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", python.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().and_then(|line| line.ok()?.parse().ok()).unwrap_or_else(|| {
            panic!(
                "{} has no aiosmtpd: install what tests/requirements.txt names and set CROSSCHECK_PYTHON",
                python.display()
            )
        });
        let mails = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&mails);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                taken.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        MailServer { port, child, mails }
    }

    /// The mails that it has taken.
    pub fn mails(&self) -> Vec<Value> {
        self.mails.lock().unwrap().clone()
    }

    /// Waits for so many mails to a receiver.
    #[allow(dead_code, reason = "not every test waits")]
    pub fn wait_for(&self, to: &str, count: usize) -> Vec<Value> {
        let end = Instant::now() + WAIT_MAX;
        loop {
            let mails: Vec<Value> = self.mails().into_iter().filter(|mail| mail["to"][0] == to).collect();
            if mails.len() >= count {
                return mails;
            }
            assert!(Instant::now() < end, "{} mails to {to}, not {count}: {:?}", mails.len(), self.mails());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Who runs this process and as which command: what the audit log is told.

use std::sync::OnceLock;
use tollgate_core::audit::AuditWho;

/// The command's name, set once when the command line was read.
static COMMAND: OnceLock<String> = OnceLock::new();

/// From now on this process is the command `name`, for example `keys rotate`.
pub fn is_command(name: String) {
    // A second one cannot be: a process runs one command.
    let _ = COMMAND.set(name);
}

/// The system's user, and the command.
pub fn person() -> AuditWho {
    let by = COMMAND.get().map_or("tollgate", String::as_str).to_owned();
    AuditWho::Person { name: user(), by }
}

/// The system's user: the name that the environment says, which anybody can set, and the number, which the system
/// says.
pub fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{} (uid {uid})", tollgate_core::shown::harmless(&name)),
        None => format!("uid {uid}"),
    }
}

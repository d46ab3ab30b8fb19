//! What a process has used, by Linux's `/proc`; nothing on other systems.

use std::time::Duration;

/// What a process has used since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a processor, in the process and in the kernel for it. In steps of 10 ms.
    pub cpu: Duration,
    /// Memory that is resident, in bytes.
    pub resident_bytes: u64,
}

/// What process `pid` has used; `None` when it is gone or the system does not tell.
pub fn usage(pid: u32) -> Option<Usage> {
    let cpu = cpu_of(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let resident_bytes = resident_of(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
    Some(Usage { cpu, resident_bytes })
}

/// What this process has used.
pub fn own_usage() -> Option<Usage> {
    usage(std::process::id())
}

/// The mean number of processes that wanted to run in the last minute.
pub fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Fields 14 and 15 of proc(5) `stat`: clock ticks, of which user space sees 100 a second on every architecture of
/// Linux. The name in parentheses may hold anything.
fn cpu_of(stat: &str) -> Option<Duration> {
    const TICK_MS: u64 = 10;
    let behind_name = stat.get(stat.rfind(')')? + 1..)?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(user.checked_add(system)?.checked_mul(TICK_MS)?))
}

/// `VmRSS` of proc(5) `status`, which counts in KiB.
fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_fields_of_proc_are_read_behind_a_name_of_any_form() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 5 0 1000 1 2";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(1_680)));
        assert_eq!(resident_of("Name:\tx\nVmRSS:\t   2048 kB\nVmData:\t1 kB\n"), Some(2 * 1024 * 1024));
        assert_eq!(cpu_of("42 (x"), None);
        assert_eq!(resident_of("Name:\tx\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        assert!(own_usage().unwrap().resident_bytes > 100_000);
    }
}

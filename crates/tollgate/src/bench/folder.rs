//! The folder of a measurement, and the disk it is on.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// A folder for this measurement alone, with mode 0700. It is removed when dropped.
#[derive(Debug)]
pub struct ScratchFolder {
    path: PathBuf,
}

impl ScratchFolder {
    /// Makes a new folder in `parent`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_in(parent: &Path) -> anyhow::Result<ScratchFolder> {
        use std::os::unix::fs::DirBuilderExt;
        let mut bytes = [0_u8; 8];
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            bail!("the system gives no random numbers");
        }
        let path = parent.join(format!("tollgate-bench-{}", hex::encode(bytes)));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("{} cannot be made; --folder names another place", path.display()))?;
        Ok(ScratchFolder { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("tollgate bench: {} is left behind: {error}", self.path.display());
        }
    }
}

/// The kind of file system that `folder` is on, for example `ext4`; `None` when the system does not tell.
pub fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    file_system_in(&std::fs::read_to_string("/proc/self/mounts").ok()?, &folder)
}

/// Whether a file system of this kind keeps nothing over a crash, so that a commit costs nothing on it.
pub fn is_memory(file_system: &str) -> bool {
    matches!(file_system, "tmpfs" | "ramfs")
}

/// The longest mount point that `folder` is below; of equals, the last, which covers the others.
fn file_system_in(mounts: &str, folder: &Path) -> Option<String> {
    let entries = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let over = entries.filter(|(point, _)| folder.starts_with(point));
    over.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_closest_mount_point_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n";
        let kind = |folder: &str| file_system_in(mounts, Path::new(folder)).unwrap();
        assert_eq!((kind("/home"), kind("/tmp/y"), kind("/tmp/x/1")), ("ext4".into(), "tmpfs".into(), "xfs".into()));
        assert!(is_memory("tmpfs") && !is_memory("ext4"));
    }

    #[test]
    fn a_folder_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = ScratchFolder::create_in(parent.path()).unwrap();
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(folder.path().join("x"), "x").unwrap();
        drop(folder);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

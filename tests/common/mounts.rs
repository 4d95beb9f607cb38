//! Small file systems for tests that fill or lock one.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A small file system of its own, taken away at the end.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    pub fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&at).ok()?;
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", size, "infoplane-test"]).arg(&at).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(Self(at))
    }

    /// Changes its size, or whether it can be written.
    pub fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.expect("mount").success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that fails may leave a process on it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

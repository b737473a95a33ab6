//! The machine in one line, so that no figure travels without it.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

/// Processor, cores, memory, kernel, and the file system that holds `path`.
pub(crate) fn machine(path: Option<&Path>) -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let unknown = || String::from("unknown");
    let processor = value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown);
    let cores = available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string());
    let memory =
        value(&read("/proc/meminfo"), "MemTotal").map_or_else(unknown, |total| gibibytes(&total));
    let kernel = read("/proc/sys/kernel/osrelease");
    let file_system = path
        .and_then(|path| path.canonicalize().ok())
        .and_then(|path| file_system(&read("/proc/self/mounts"), &path))
        .unwrap_or_else(unknown);
    format!("{processor}, {cores} cores, {memory} memory, Linux {}, {file_system}", kernel.trim())
}

/// The first value of `name: value` lines.
fn value(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(String::from(line.split_once(':')?.1.trim()))
}

/// `24000000 kB` to the nearest GiB.
fn gibibytes(kibibytes: &str) -> String {
    let number = kibibytes.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    match number {
        Some(kibibytes) => format!("{} GiB", (kibibytes + (1 << 19)) >> 20),
        None => String::from("unknown"),
    }
}

/// The type of the mount that holds a path: of all that do, the last of the deepest.
fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let place = String::from(fields.next()?);
        Some((place, String::from(fields.next()?)))
    };
    let holding = mounts.lines().filter_map(mount).filter(|(place, _)| path.starts_with(place));
    holding.max_by_key(|(place, _)| place.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_names_the_file_system() {
        let mounts = concat!(
            "/dev/vda / ext4 rw 0 0\n",
            "tmpfs /tmp tmpfs rw 0 0\n",
            "/dev/vdb /tmp/disk xfs rw 0 0\n",
        );
        let cases = [
            ("/home/x", "ext4"),
            ("/tmp", "tmpfs"),
            ("/tmp/disk/florin", "xfs"),
            ("/tmp/diskette", "tmpfs"),
        ];
        for (path, expect) in cases {
            assert_eq!(file_system(mounts, Path::new(path)).as_deref(), Some(expect), "{path}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn memory_is_rounded_to_gibibytes() {
        assert_eq!(gibibytes("24659412 kB"), "24 GiB");
        assert_eq!(gibibytes(""), "unknown");
    }
}

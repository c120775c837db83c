//! Programs of other people's that are in Python, each in an environment of its own.

use crate::room::text;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of an environment of this name with these packages, as `pip freeze` lists them; made once.
pub fn python(name: &str, needs: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = folder.join("bin/python");
    // Whoever is first makes it, and the others wait.
    let lock = std::fs::File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let done = folder.join("done");
    if std::fs::read_to_string(&done).is_ok_and(|made| made == needs) {
        return python;
    }
    let can = || {
        let tried = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    if !can() {
        // Which file of it is missing goes by the release of Python.
        testbed::install(&[("/usr/lib/python3/venv", "python3-venv")]).unwrap();
    }
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    let list = folder.join("needs.txt");
    std::fs::write(&list, needs).unwrap();
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&list));
    std::fs::write(&done, needs).unwrap();
    python
}

//! The disk itself, by programs that sync what they say is safe, and by some that do not.
#![allow(clippy::unwrap_used)] // also in the functions that tests share

use disk::{Disk, Keep, Names};
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

/// A folder with a disk mounted over it.
fn disk(names: Names) -> (Disk, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Disk::new(folder.path(), names).unwrap(), folder)
}

fn written(path: &Path, bytes: &[u8]) -> File {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn synced(path: &Path, bytes: &[u8]) {
    written(path, bytes).sync_all().unwrap();
}

fn folder_synced(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_synced_is_there_after_a_cut_and_what_was_not_is_gone() {
    let (mut disk, folder) = disk(Names::WithFolder);
    let at = |name: &str| folder.path().join(name);
    synced(&at("synced"), b"first");
    drop(written(&at("not synced"), b"second"));
    synced(&at("no name"), b"third");
    fs::remove_file(at("no name")).unwrap();
    folder_synced(folder.path());
    synced(&at("no name"), b"its folder was not synced");
    let mut more = File::options().append(true).open(at("synced")).unwrap();
    more.write_all(b" and more").unwrap();
    drop(more);
    assert_eq!(fs::read(at("synced")).unwrap(), b"first and more");
    assert_eq!(names(folder.path()), ["no name", "not synced", "synced"]);

    disk.restart(Keep::Nothing).unwrap();
    assert_eq!(names(folder.path()), ["not synced", "synced"]);
    assert_eq!(fs::read(at("synced")).unwrap(), b"first");
    assert_eq!(
        fs::read(at("not synced")).unwrap(),
        b"",
        "its name was synced with its folder, and no byte of it"
    );
}

#[test]
fn everything_is_there_where_only_programs_ended() {
    let (mut disk, folder) = disk(Names::WithFolder);
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    drop(written(&folder.path().join("a/b/c"), b"not synced"));
    disk.restart(Keep::All).unwrap();
    assert_eq!(fs::read(folder.path().join("a/b/c")).unwrap(), b"not synced");
}

#[test]
fn a_new_name_waits_for_its_folder_or_comes_with_the_file_as_on_ext4() {
    for (model, kept) in [(Names::WithFolder, vec![]), (Names::WithFile, vec!["new"])] {
        let (mut disk, folder) = disk(model);
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        synced(&below.join("new"), b"x");
        drop(written(&below.join("other"), b"x"));
        disk.restart(Keep::Nothing).unwrap();
        assert_eq!(below.exists(), !kept.is_empty(), "{model:?}");
        if below.exists() {
            assert_eq!(names(&below), kept, "{model:?}");
        }
    }
}

#[test]
fn a_rename_is_kept_by_its_folder_alone_and_happens_whole_or_not_at_all() {
    for model in [Names::WithFolder, Names::WithFile] {
        let (mut disk, folder) = disk(model);
        let at = |name: &str| folder.path().join(name);
        synced(&at("file"), b"old");
        fs::create_dir(at("below")).unwrap();
        folder_synced(folder.path());
        synced(&at("new"), b"new");
        fs::rename(at("new"), at("file")).unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"new");
        disk.restart(Keep::Nothing).unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"old", "{model:?}");

        synced(&at("new"), b"new");
        fs::rename(at("new"), at("file")).unwrap();
        folder_synced(folder.path());
        fs::rename(at("file"), at("below/file")).unwrap();
        folder_synced(&at("below"));
        disk.restart(Keep::Nothing).unwrap();
        assert_eq!(
            (names(folder.path()), names(&at("below"))),
            (vec!["below".to_owned()], vec!["file".to_owned()])
        );
        assert_eq!(fs::read(at("below/file")).unwrap(), b"new");
    }
}

#[test]
fn a_file_that_was_removed_is_back_until_its_folder_is_synced() {
    let (mut disk, folder) = disk(Names::WithFolder);
    let at = |name: &str| folder.path().join(name);
    synced(&at("file"), b"x");
    folder_synced(folder.path());
    fs::remove_file(at("file")).unwrap();
    disk.restart(Keep::Nothing).unwrap();
    assert_eq!(names(folder.path()), ["file"]);
    fs::remove_file(at("file")).unwrap();
    folder_synced(folder.path());
    disk.restart(Keep::Nothing).unwrap();
    assert!(names(folder.path()).is_empty());
}

#[test]
fn some_of_what_was_not_synced_is_kept_by_the_sector_and_by_the_seed() {
    let (mut disk, folder) = disk(Names::WithFolder);
    let path = folder.path().join("file");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        for _ in 0..2 {
            synced(&path, &[b'o'; 4096]);
            folder_synced(folder.path());
            let mut file = File::options().write(true).open(&path).unwrap();
            file.write_all(&[b'n'; 4096]).unwrap();
            drop(file);
            disk.restart(Keep::Some(seed)).unwrap();
            let found = fs::read(&path).unwrap();
            let sectors = found.chunks(disk::limits::SECTOR);
            assert!(sectors.clone().all(|sector| sector.iter().all(|byte| byte == sector.first().unwrap())));
            assert_eq!(found.len(), 4096);
            seen.insert(sectors.filter_map(|sector| sector.first().copied()).collect::<Vec<u8>>());
        }
    }
    assert!((10..=20).contains(&seen.len()), "the same seed tears the same way: {seen:?}");
}

#[test]
fn from_the_step_of_the_cut_on_nothing_works_and_a_sync_at_it_has_kept_nothing() {
    // Made, written, synced, and its folder synced.
    for cut in 1..=4 {
        let (mut disk, folder) = disk(Names::WithFolder);
        disk.cut_at(cut);
        let make = || -> std::io::Result<()> {
            let mut file = File::create(folder.path().join("file"))?;
            file.write_all(b"x")?;
            file.sync_all()?;
            File::open(folder.path())?.sync_all()
        };
        assert_eq!(make().unwrap_err().raw_os_error(), Some(5), "{cut}");
        assert!(disk.is_cut() && fs::read_dir(folder.path()).is_err() && disk.steps() == cut);
        disk.restart(Keep::Nothing).unwrap();
        assert!(!disk.is_cut() && names(folder.path()).is_empty());
    }
}

#[test]
fn it_does_what_programs_expect_of_a_file_system() {
    let (mut disk, folder) = disk(Names::WithFolder);
    let at = |name: &str| folder.path().join(name);
    let mut file = written(&at("file"), b"0123456789");
    file.set_len(4).unwrap();
    file.seek(SeekFrom::Start(8)).unwrap();
    file.write_all(b"89").unwrap();
    drop(file);
    assert_eq!(fs::read(at("file")).unwrap(), b"0123\0\0\0\x0089");
    fs::hard_link(at("file"), at("other")).unwrap();
    assert_eq!(fs::metadata(at("file")).unwrap().nlink(), 2);
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(at("file"), Some(65_534), None).unwrap();
    let other = fs::metadata(at("other")).unwrap();
    assert_eq!((other.mode() & 0o7777, other.uid()), (0o640, 65_534));
    let file = File::options().write(true).open(at("file")).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 100_000).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 100_000);
    file.lock().unwrap();
    let again = File::options().write(true).open(at("other")).unwrap();
    assert!(again.try_lock().is_err());
    drop((file, again));
    assert!(fs::create_dir(at("file")).is_err() && fs::remove_dir(at("file")).is_err());
    fs::create_dir(at("folder")).unwrap();
    drop(written(&at("folder/x"), b""));
    assert!(fs::remove_dir(at("folder")).is_err());
    // Each is listed once, also where what was listed is removed meanwhile.
    for n in 0..2000 {
        drop(written(&at(&format!("folder/{n}")), b""));
    }
    let mut listed = 0;
    for entry in fs::read_dir(at("folder")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
        listed += 1;
    }
    assert_eq!(listed, 2001);
    fs::remove_dir(at("folder")).unwrap();
    // Nobody else may, who could by what a mode says, and the other way round.
    let reads = |name: &str| {
        let mut cat = Command::new("setpriv");
        cat.args(["--reuid", "65533", "--regid", "65533", "--clear-groups", "cat"]).arg(at(name));
        cat.output().unwrap().status.success()
    };
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!reads("file"));
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o644)).unwrap();
    // The folder below the disk is nobody's business.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(reads("file"));
    disk.restart(Keep::All).unwrap();
    assert_eq!(fs::metadata(at("file")).unwrap().nlink(), 2);
}

/// How often a commit was gone of those that a program was told are done.
fn lost(synchronous: &str, keep: impl Fn(u64) -> Keep) -> u32 {
    let (mut disk, folder) = disk(Names::WithFolder);
    let mut lost = 0;
    let mut done: u32 = 0;
    for round in 0..30 {
        disk.cut_at(5 + round * 7);
        let mut rows = Command::new(env!("CARGO_BIN_EXE_rows"));
        let ended = rows.arg(folder.path().join("x.db")).arg(synchronous).output().unwrap();
        let (said, why) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8_lossy(&ended.stderr));
        assert!(!ended.status.success() && !why.contains("damaged"), "{why}");
        let mut counted = said.lines().map(|n| n.parse::<u32>().unwrap());
        // The power can be gone before it has looked.
        if let Some(found) = counted.next() {
            lost += u32::from(found < done);
            done = counted.next_back().unwrap_or(found);
        }
        disk.restart(keep(round)).unwrap();
    }
    assert!(done > 0);
    lost
}

#[test]
fn a_database_that_syncs_each_commit_loses_nothing_and_one_that_does_not_is_caught() {
    assert_eq!(lost("FULL", |_| Keep::Nothing), 0);
    assert_eq!(lost("FULL", Keep::Some), 0);
    assert!(lost("NORMAL", |_| Keep::Nothing) > 10, "its commits wait for the next checkpoint");
    assert_eq!(lost("NORMAL", |_| Keep::All), 0, "to kill it shows nothing of that");
}

#[test]
fn the_process_that_answers_for_a_disk_is_refused_what_it_would_hang_by() {
    let (_disk, folder) = disk(Names::WithFolder);
    let db = rusqlite::Connection::open(folder.path().join("x.db")).unwrap();
    let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap_or_default();
    let created = db.execute_batch("CREATE TABLE t (n)");
    assert!(mode != "wal" || created.is_err(), "it maps a file of its own disk");
}

#[test]
fn nothing_of_it_is_seen_by_others_or_left_behind() {
    let (disk, folder) = disk(Names::WithFolder);
    let mounts = |of: &str| fs::read_to_string(format!("/proc/{of}/mounts")).unwrap();
    let at = disk.path().to_str().unwrap().to_owned();
    assert!(mounts("thread-self").contains(&at));
    assert!(!mounts("self").contains(&at), "the mount is this thread's own");
    drop(disk);
    assert!(!mounts("thread-self").contains(&at));
    assert!(names(folder.path()).is_empty());
}

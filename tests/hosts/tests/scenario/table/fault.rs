//! How each fault is made, from outside of the product, and undone.

use super::Bed;
use crate::clock;
use hosts::asking::asked;
use module_tests::{Gate, allow};
use rusqlite::Connection;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use testbed::{Host, PASSWORD};

/// Undoes a fault.
pub type Undo<'a> = Box<dyn FnOnce() + 'a>;

/// Makes a fault.
pub type Make = for<'a> fn(&'a Bed<'_>) -> Undo<'a>;

/// Those after whose undoing the host is as before.
pub const SHARED: &[(&str, Make)] = &[
    ("stopped", stopped),
    ("hung", hung),
    ("garbage", garbage),
    ("slow", slow),
    ("wrong_peer", wrong_peer),
    ("wrong_owner", wrong_owner),
    ("others_may_write", others_may_write),
    ("backlog_full", backlog_full),
    ("answers_in_next_version", |bed| answers_in(bed, frame::VERSION + 1)),
    ("answers_in_version_before", |bed| answers_in(bed, frame::OLDEST - 1)),
    ("asks_in_next_version", |bed| asks_in(bed, frame::VERSION + 1)),
    ("asks_in_version_before", |bed| asks_in(bed, frame::OLDEST - 1)),
    ("disk_full", disk_full),
    ("read_only", |bed| injected(bed, "pwrite64,ftruncate,fsync,fdatasync:error=EROFS")),
    ("read_only_at_start", read_only_at_start),
    ("fsync_error", |bed| injected(bed, "fsync,fdatasync:error=EIO")),
    ("journal_damaged", journal_damaged),
    ("database_locked", database_locked),
    ("database_locked_at_start", database_locked_at_start),
    ("configuration_missing", configuration_missing),
    ("configuration_wrong", configuration_wrong),
    ("module_panics", module_panics),
    ("module_missing", |bed| module_spoilt(bed, "rm $module")),
    ("module_corrupt", |bed| module_spoilt(bed, "truncate -s 100000 $module")),
    ("module_not_a_library", |bed| module_spoilt(bed, "echo spoilt > $module")),
    ("out_of_files", out_of_files),
    ("out_of_memory", out_of_memory),
    ("nss_hangs", nss_hangs),
    ("people_change", people_change),
];

/// Those that spoil a host, or take one that is made for them.
pub const ALONE: &[(&str, Make)] = &[
    ("clock_ahead", |bed| clock_is_off(bed, 365 * clock::DAY)),
    ("clock_behind", |bed| clock_is_off(bed, -365 * clock::DAY)),
    ("run_emptied", run_emptied),
    ("reboot_while_enabling", reboot_while_enabling),
    ("upgrade_killed_while_unpacking", |bed| upgrade_killed(bed, true)),
    ("upgrade_killed_before_it_is_configured", |bed| upgrade_killed(bed, false)),
];

const MODULE: &str = "module=$(ls /usr/lib/*-linux-gnu/security/pam_unix.so); module=${module%unix.so}jit.so";

/// More of the daemon's unit, until it is taken away.
fn unit(host: &Host, text: &str) {
    host.root(&format!(
        "mkdir -p /run/systemd/system/jitd.service.d && echo '[Service]\n{text}' > /run/systemd/system/jitd.service.d/fault.conf \
         && systemctl daemon-reload"
    ))
    .ends_with(0);
}

fn no_unit(host: &Host) {
    host.root("rm -r /run/systemd/system/jitd.service.d; systemctl daemon-reload").ends_with(0);
}

fn stopped<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.jitd_stops();
    Box::new(|| bed.host.jitd_starts())
}

/// A daemon that hangs, and that no watchdog starts anew while the row is played.
fn hung<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    unit(bed.host, "WatchdogSec=0");
    bed.host.root("systemctl restart jitd && kill -STOP $(pidof jitd)").ends_with(0);
    Box::new(|| {
        bed.host.root("kill -CONT $(pidof jitd)").ends_with(0);
        no_unit(bed.host);
        bed.host.root("systemctl restart jitd").ends_with(0);
    })
}

/// Something else in the place of the daemon, which does this with each question.
fn instead<'a>(
    bed: &'a Bed<'_>,
    serve: impl Fn(&mut UnixStream, &frame::Question) + Send + 'static,
) -> Undo<'a> {
    bed.host.jitd_stops();
    bed.host.root("rm -f /run/jitd/gate.sock").ends_with(0);
    let folder = PathBuf::from(format!("/proc/{}/root/run/jitd", bed.host.init()));
    let gate = Gate::doing(&folder, serve);
    Box::new(move || {
        drop(gate);
        bed.host.root("rm -f /run/jitd/gate.sock").ends_with(0);
        bed.host.jitd_starts();
    })
}

fn garbage<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    // The module may have given up already, here and below.
    instead(bed, |stream, _| drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")))
}

fn slow<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    instead(bed, |stream, question| {
        for byte in allow(question).encode().unwrap() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}

/// A listener's user is who called listen(2), so one that bound the path as root may be anybody (unix(7)).
fn wrong_peer<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.jitd_stops();
    bed.host
        .root(
            "rm -f /run/jitd/gate.sock; perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un(\"/run/jitd/gate.sock\")) or die; \
             $> = 65534; listen(S, 99) or die; while (accept(C, S)) { close C }' > /dev/null 2>&1 & echo $! > /run/peer.pid",
        )
        .ends_with(0);
    bed.host
        .soon("it listens", || bed.host.root("ss -lxH src /run/jitd/gate.sock").out.contains("gate.sock"));
    Box::new(|| {
        bed.host.root("kill $(cat /run/peer.pid); rm -f /run/jitd/gate.sock").ends_with(0);
        bed.host.jitd_starts();
    })
}

fn wrong_owner<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.root("chown alice /run/jitd").ends_with(0);
    Box::new(|| drop(bed.host.root("chown root /run/jitd")))
}

fn others_may_write<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.root("chmod 777 /run/jitd").ends_with(0);
    Box::new(|| drop(bed.host.root("chmod 755 /run/jitd")))
}

fn backlog_full<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    std::fs::copy(crate::faults::connector(), bed.host.path("usr/local/bin/connector")).unwrap();
    let undo = hung(bed);
    bed.host
        .root("chmod 755 /usr/local/bin/connector; connector /run/jitd/gate.sock 600 600 > /dev/null 2>&1 & echo $! > /run/connector.pid")
        .ends_with(0);
    bed.host.soon("the queue is full", || {
        let queue = bed.host.root("ss -lxH src /run/jitd/gate.sock").out;
        let mut numbers = queue.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok());
        matches!((numbers.next(), numbers.next()), (Some(waiting), Some(most)) if waiting > most)
    });
    Box::new(|| {
        bed.host.root("kill $(cat /run/connector.pid)").ends_with(0);
        undo();
    })
}

/// A daemon of another release, which answers in a version of the frame that the module does not speak.
fn answers_in<'a>(bed: &'a Bed<'_>, version: u8) -> Undo<'a> {
    instead(bed, move |stream, question| {
        let mut bytes = allow(question).encode().unwrap();
        bytes[4] = version;
        let _ = stream.write_all(&bytes);
    })
}

/// The daemon, reached by a program that puts each question into another version of the frame: that of a module of
/// another release.
fn asks_in<'a>(bed: &'a Bed<'_>, version: u8) -> Undo<'a> {
    let host = bed.host;
    host.root("mv /run/jitd/gate.sock /run/jitd/real.sock").ends_with(0);
    let folder = PathBuf::from(format!("/proc/{}/root/run/jitd", host.init()));
    let real = folder.join("real.sock");
    let gate = Gate::doing(&folder, move |stream, question| {
        let mut bytes = question.encode().unwrap();
        bytes[4] = version;
        let mut daemon = UnixStream::connect(&real).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        daemon.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        // Hanging up is an answer too.
        let _ = daemon.read_to_end(&mut answer);
        let _ = stream.write_all(&answer);
    });
    Box::new(move || {
        drop(gate);
        host.root("mv /run/jitd/real.sock /run/jitd/gate.sock").ends_with(0);
    })
}

/// The daemon's folder on a small disk of its own, with all that is in it.
fn on_a_small_disk(host: &Host) {
    host.jitd_stops();
    host.root(
        "cp -a /var/lib/jitd /var/lib/copy && mount -t tmpfs -o size=8m,mode=0700 tmpfs /var/lib/jitd \
         && cp -a /var/lib/copy/. /var/lib/jitd/ && chown jitd:jitd /var/lib/jitd",
    )
    .ends_with(0);
}

/// And back, with what has come since.
fn off_the_small_disk(host: &Host) {
    host.jitd_stops();
    host.root(
        "rm -rf /var/lib/copy && cp -a /var/lib/jitd /var/lib/copy && umount /var/lib/jitd \
         && rm -rf /var/lib/jitd/* && cp -a /var/lib/copy/. /var/lib/jitd/ && rm -rf /var/lib/copy",
    )
    .ends_with(0);
    host.jitd_starts();
}

fn disk_full<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    on_a_small_disk(bed.host);
    bed.host.jitd_starts();
    bed.host.root("cat /dev/zero > /var/lib/jitd/filler");
    // Its write-ahead log takes some hundred records more: it has its length from the start.
    bed.host.soon("it is full", || {
        (0..100).all(|_| asked(bed.host, "alice", "fill").is_some()) && bed.seats[0].is_refused()
    });
    Box::new(|| {
        bed.host.root("rm /var/lib/jitd/filler").ends_with(0);
        bed.host.soon("room lets people in again by itself", || bed.seats[0].is_let_in());
        off_the_small_disk(bed.host);
    })
}

fn read_only_at_start<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    on_a_small_disk(bed.host);
    bed.host.root("mount -o remount,ro /var/lib/jitd").ends_with(0);
    bed.host.root("systemctl start --no-block jitd").ends_with(0);
    does_not_start(bed.host);
    Box::new(|| {
        bed.host.root("mount -o remount,rw /var/lib/jitd").ends_with(0);
        bed.host.soon("it starts by itself", || bed.seats[0].is_let_in());
        off_the_small_disk(bed.host);
    })
}

/// It has tried, and told why not.
fn does_not_start(host: &Host) {
    host.soon("its status says why", || host.root("systemctl status jitd").out.contains("does not run: "));
}

/// System calls of the daemon fail or wait, as strace(1) writes it. They work again when strace ends.
fn injected<'a>(bed: &'a Bed<'_>, what: &str) -> Undo<'a> {
    let host = bed.host;
    host.root(&format!(
        "strace -f -qq -o /dev/null -e inject={what} -p $(pidof jitd) > /dev/null 2>&1 & echo $! > /run/strace.pid"
    ));
    host.soon("strace is attached", || {
        host.root("grep -L 'TracerPid:.0$' /proc/$(pidof jitd)/task/*/status | wc -l").out.trim()
            == host.root("ls /proc/$(pidof jitd)/task | wc -l").out.trim()
    });
    Box::new(|| {
        host.root("kill -TERM $(cat /run/strace.pid)").ends_with(0);
        host.soon("it takes records again by itself", || bed.seats[0].is_let_in());
    })
}

/// A record that was changed after it was written, in a log that is verified from its start.
fn journal_damaged<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    let host = bed.host;
    host.jitd_stops();
    host.root("cp -a /var/lib/jitd /var/lib/copy").ends_with(0);
    let db = Connection::open(host.path("var/lib/jitd/jitd.db")).unwrap();
    assert_eq!(db.execute("UPDATE journal SET body = body || ' ' WHERE seq = 3", []).unwrap(), 1);
    db.execute("DELETE FROM checkpoint", []).unwrap();
    drop(db);
    host.root("systemctl start --no-block jitd").ends_with(0);
    does_not_start(host);
    Box::new(|| {
        host.jitd_stops();
        host.root("rm -rf /var/lib/jitd/* && cp -a /var/lib/copy/. /var/lib/jitd/ && rm -rf /var/lib/copy")
            .ends_with(0);
        host.jitd_starts();
    })
}

/// Another program has the database to itself.
fn locked(host: &Host) -> Connection {
    let db = Connection::open(host.path("var/lib/jitd/jitd.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    db
}

fn database_locked<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    let db = locked(bed.host);
    Box::new(move || drop(db))
}

fn database_locked_at_start<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.jitd_stops();
    let db = Connection::open(bed.host.path("var/lib/jitd/jitd.db")).unwrap();
    db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    bed.host.root("systemctl start --no-block jitd").ends_with(0);
    does_not_start(bed.host);
    Box::new(move || drop(db))
}

fn configuration_missing<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.root("mv /etc/jitd /etc/away; systemctl restart jitd").ends_with(1);
    does_not_start(bed.host);
    Box::new(|| {
        bed.host.root("mv /etc/away /etc/jitd").ends_with(0);
    })
}

fn configuration_wrong<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    let config = bed.host.path("etc/jitd/jitd.toml");
    let before = std::fs::read(&config).unwrap();
    std::fs::write(&config, "[journal]\nkeep = \"8 hours\"\n").unwrap();
    bed.host.root("systemctl restart jitd").ends_with(1);
    does_not_start(bed.host);
    Box::new(move || std::fs::write(config, before).unwrap())
}

fn module_panics<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    let preload = bed.host.path("etc/ld.so.preload");
    std::fs::copy(module_tests::no_clock(), bed.host.path("usr/local/lib/no-clock.so")).unwrap();
    std::fs::write(&preload, "/usr/local/lib/no-clock.so\n").unwrap();
    Box::new(move || std::fs::remove_file(preload).unwrap())
}

/// The way back is the console: root comes in by login(1), which asks nobody of ours, and puts the module back.
fn module_spoilt<'a>(bed: &'a Bed<'_>, how: &str) -> Undo<'a> {
    let host = bed.host;
    // By another name: what runs has the old file open.
    host.root(&format!(
        "{MODULE}; cp -p $module /root/pam_jit.so && cp -p $module $module.new && mv $module.new $module && {how}"
    ))
    .ends_with(0);
    Box::new(|| {
        let init = host.init().to_string();
        let mut login = Command::new("nsenter");
        login.args(["--all", "--root", "--wd", "-t", &init, "/bin/login"]).env("TERM", "dumb");
        let mut console = rexpect::session::spawn_command(login, Some(60_000)).unwrap();
        console.exp_string("login: ").unwrap();
        console.send_line("root").unwrap();
        console.exp_string("assword: ").unwrap();
        console.send_line(PASSWORD).unwrap();
        console.exp_string("root@web-1").unwrap();
        console.send_line(&format!("{MODULE}; cp -p /root/pam_jit.so $module && echo it is ba''ck")).unwrap();
        console.exp_string("it is back").unwrap();
        console.send_line("exit").unwrap();
        console.exp_eof().unwrap();
    })
}

/// The daemon may open nothing more, and no watchdog starts it anew while the row is played. Its own user sets that:
/// root has no such right in a container.
fn out_of_files<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    const PRLIMIT: &str =
        "setpriv --reuid jitd --regid jitd --clear-groups prlimit --pid $(pidof jitd) --nofile=3:";
    let host = bed.host;
    unit(host, "WatchdogSec=0");
    host.root("systemctl restart jitd").ends_with(0);
    host.root(PRLIMIT).ends_with(0);
    // Each thread of the gate that waits for a connection has the file for it already (accept(2)).
    for _ in 0..64 {
        drop(host.connect("/run/jitd/gate.sock"));
    }
    host.soon("it can open none", || bed.seats[0].is_refused());
    Box::new(|| {
        no_unit(host);
        host.root("systemctl restart jitd").ends_with(0);
    })
}

/// Each start of the daemon ends where it wants more.
fn out_of_memory<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    unit(bed.host, "LimitAS=12M");
    bed.host.root("systemctl restart --no-block jitd").ends_with(0);
    bed.host.soon("it has ended", || bed.host.root("systemctl show -P NRestarts jitd").out.trim() != "0");
    Box::new(|| {
        no_unit(bed.host);
        bed.host.jitd_starts();
    })
}

/// NSS hangs for the daemon and for whoever asks it by way of the module.
fn nss_hangs<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    let host = bed.host;
    let source = testbed::repository().join("tests/hosts/tests/nss_hangs.c");
    let folder = host.root("dirname /usr/lib/*/libnss_files.so.2").out;
    let library = host.path(folder.trim()).join("libnss_hangs.so.2");
    compiled(&source, &library);
    host.root(
        "cp -p /etc/nsswitch.conf /root/ && sed -i 's/^\\(passwd\\|group\\|shadow\\):.*/\\1: hangs files/' /etc/nsswitch.conf",
    )
    .ends_with(0);
    host.root("grep -c 'hangs files' /etc/nsswitch.conf").says("3");
    // It hangs for a program that goes by the daemon's name.
    host.root("ln -sf /usr/bin/id /root/jitd; timeout 1 /root/jitd -u alice").ends_with(124);
    host.root("systemctl restart jitd").ends_with(0);
    Box::new(move || {
        host.root("cp -p /root/nsswitch.conf /etc/").ends_with(0);
        std::fs::remove_file(library).unwrap();
    })
}

fn compiled(source: &Path, library: &Path) {
    testbed::install(&[("cc", "gcc")]).unwrap();
    testbed::run(
        Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(library)
            .arg(source),
    )
    .unwrap();
}

/// Accounts come and go all the time, some by programs that write the file in place and piece by piece.
fn people_change<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host
        .root(
            "(while [ ! -e /run/enough ]; do useradd -M passing; usermod -aG jit-approvers passing; userdel passing; done; touch /run/over) \
             > /dev/null 2>&1 &",
        )
        .ends_with(0);
    bed.host.soon("they change", || bed.host.root("getent passwd passing").code == 0);
    Box::new(|| {
        bed.host.root("touch /run/enough").ends_with(0);
        bed.host.soon("it is over", || bed.host.root("ls /run/over").code == 0);
        bed.host.root("rm /run/enough /run/over").ends_with(0);
    })
}

/// The daemon's clock, from a start of the machine on.
fn clock_is_off<'a>(bed: &'a Bed<'_>, offset: i64) -> Undo<'a> {
    clock::own_clock(bed.host, &["jitd"]);
    bed.host.root("systemctl restart jitd && jitd clock accept").ends_with(0);
    clock::set(bed.host, offset);
    Box::new(|| clock::set(bed.host, 0))
}

/// Everything in `/run` that can be taken away.
fn run_emptied<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    bed.host.root("find /run -xdev -mindepth 1 -delete");
    bed.host.root("ls /run/jitd").ends_with(2);
    Box::new(|| {
        bed.host.reboot().unwrap();
        bed.host.jitd_is_up();
    })
}

/// The power goes after the lines are in and before anybody has confirmed them.
fn reboot_while_enabling<'a>(bed: &'a Bed<'_>) -> Undo<'a> {
    let host = bed.host;
    host.root("sed -i /pam_jit.so/d /etc/pam.d/sshd /etc/pam.d/sudo /etc/pam.d/sudo-i").ends_with(0);
    host.root("jit pam enable sshd sudo sudo-i --spare-user rescue --yes && sync").ends_with(0);
    host.reboot().unwrap();
    host.jitd_is_up();
    host.root("systemctl is-active jit-pam-undo@sshd.timer").says("active");
    for seat in &bed.seats {
        seat.is_taken();
    }
    Box::new(|| {
        host.root(
            "systemctl start jit-pam-undo@sshd.service jit-pam-undo@sudo.service jit-pam-undo@sudo-i.service",
        )
        .ends_with(0);
        host.root("grep -l pam_jit.so /etc/pam.d/sshd /etc/pam.d/sudo").ends_with(1);
        for service in ["sshd", "sudo", "sudo-i"] {
            host.gate(service, "spare_user=rescue").unwrap();
        }
    })
}

/// dpkg is killed in the middle, with the power: as it puts the files of the new package in their places, or once
/// they are there.
fn upgrade_killed<'a>(bed: &'a Bed<'_>, unpacking: bool) -> Undo<'a> {
    let host = bed.host;
    if unpacking {
        // dpkg puts each file in its place by rename(2); it has some twenty.
        host.root("strace -f -qq -o /dev/null -e inject=rename:signal=KILL:when=12 dpkg -i /opt/jitd.deb")
            .ends_with(137);
    } else {
        host.root("dpkg --unpack /opt/jitd.deb").ends_with(0);
    }
    let state = host.root("dpkg-query -W -f '${Status}' jitd").out;
    assert!(!state.ends_with(" installed"), "{state}");
    host.root("sync");
    host.reboot().unwrap();
    host.jitd_is_up();
    for seat in &bed.seats {
        seat.is_taken();
    }
    Box::new(|| {
        host.root("dpkg -i /opt/jitd.deb").ends_with(0);
        host.root("dpkg-query -W -f '${Status}' jitd").says("install ok installed");
    })
}

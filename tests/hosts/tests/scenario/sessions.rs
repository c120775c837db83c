//! Sessions end with the grant that carries them, with all they started, and nothing else does.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)] // a wrong step must stop the story; times are worth seeing

use hosts::Work;
use hosts::story::{End, Meanwhile, end_of, ends_all_the_same, grant, grant_of, host, people, wait_until};
use std::time::{Duration, Instant};

#[test]
fn the_sudo_part_ends_alone_and_the_login_around_it_goes_on() {
    let host = host();
    let [alice, bob] = people(&host);
    grant_of(&host, &bob, "ssh", "1h");
    let sudo = grant_of(&host, &bob, "sudo", "1h");
    alice.ssh("sudo -n printenv JIT_GRANT JIT_EXPIRES").is_in().says(&sudo);
    let mut terminal = alice.terminal("");
    terminal.exp_string("$ ").unwrap();
    terminal.send_line(". /usr/share/jitd/prompt.sh").unwrap();
    terminal.exp_string("(jit: 59m left) ").unwrap();
    terminal.send_line("sudo -i").unwrap();
    terminal.exp_string("root@web-1").unwrap();
    terminal.send_line("setsid hold sudo >/dev/null 2>&1 & hold sudo-i").unwrap();
    host.soon("both hold", || {
        let held = hosts::holders(&host);
        held.contains_key("sudo") && held.contains_key("sudo-i")
    });
    let listed = bob.jit("sessions");
    let line = |door: &str| {
        let is = |line: &&str| line.contains("alice") && line.contains(door);
        listed.out.lines().find(is).unwrap().to_owned()
    };
    let outer = line(" ssh ").split_whitespace().next().unwrap().to_owned();
    assert!(line("sudo as root").trim_end().ends_with(&outer), "it is inside of the login: {listed:#?}");
    bob.jit(&format!("revoke {sudo} --reason 'enough'")).ends_with(0);
    terminal.exp_string("was revoked by bob: enough. Your sudo session ends now.").unwrap();
    terminal.exp_string("alice@web-1").unwrap();
    terminal.send_line("echo still $((40 + 2))").unwrap();
    terminal.exp_string("still 42").unwrap();
    host.soon("nothing of the sudo is left, its orphan included", || {
        let held = hosts::holders(&host);
        !held.contains_key("sudo") && !held.contains_key("sudo-i") && held.contains_key("bystander")
    });
    // Whoever ends a session says why, and its grant stays.
    bob.jit(&format!("end {outer} --reason 'lunch'")).ends_with(0).says("The grant stays");
    terminal.exp_string("jit: bob ends your ssh session: lunch.").unwrap();
    terminal.exp_eof().unwrap();
    alice.ssh("true").is_in();
}

#[test]
fn what_stays_behind_after_a_logout_ends_with_the_grant_and_what_no_session_carries_is_told() {
    let host = host();
    let [alice, bob] = people(&host);
    let grant = grant(&host, &bob, "1h");
    alice.ssh("setsid hold setsid </dev/null >/dev/null 2>&1 &").ends_with(0);
    host.soon("it holds", || hosts::holders(&host).contains_key("setsid"));
    host.soon("the session is left", || bob.jit("sessions").out.contains("left"));
    // Where the gate cannot see: jobs for later, and what root moves away.
    alice
        .ssh("echo '@yearly true' | crontab -; echo true | at -M now + 2 days; sudo -n loginctl enable-linger alice")
        .ends_with(0);
    alice.ssh("sudo -n systemd-run --quiet --uid=alice --unit=away /usr/local/bin/hold nohup").ends_with(0);
    bob.jit(&format!("revoke {grant} --reason x")).ends_with(0);
    host.soon("what stayed behind ends with its grant", || !hosts::holders(&host).contains_key("setsid"));
    host.soon("what no session carries is told", || {
        let told = host.log_lines().join("\n");
        let left = |what: &str| told.contains(&format!("mark=left_over detail=\"user=alice what=\\\"{what}"));
        left("a crontab")
            && left("a job of at")
            && left("a user manager that stays")
            && left("a process that no session carries: hold")
    });
    host.root("jit status").says("! still running for alice outside any session: a crontab");
    assert!(hosts::holders(&host).contains_key("nohup"), "it is told of, and not ended");
    host.root("crontab -r -u alice; systemctl start jit-watch; systemctl stop away bystander");
    host.soon("what is gone is not told any more", || !host.root("jit status").out.contains("a crontab"));
}

#[test]
fn one_of_two_sessions_is_ended_and_the_other_goes_on_with_the_manager_it_keeps() {
    let host = host();
    let [alice, bob] = people(&host);
    grant(&host, &bob, "1h");
    let mut first = alice.terminal("");
    first.exp_string("$ ").unwrap();
    first.send_line("echo one; systemd-run --user --quiet hold user-unit").unwrap();
    host.soon("it holds", || hosts::holders(&host).contains_key("user-unit"));
    let mut other = alice.terminal("");
    other.exp_string("$ ").unwrap();
    // The newest comes first.
    let of_alice: Vec<String> = host
        .root("jit sessions")
        .out
        .lines()
        .filter(|line| line.contains("alice") && line.contains("open"))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(of_alice.len(), 2);
    bob.jit(&format!("end {} --reason 'one is enough'", of_alice[1])).ends_with(0);
    first.exp_string("jit: bob ends your ssh session: one is enough.").unwrap();
    first.exp_eof().unwrap();
    other.send_line("echo still $((40 + 2))").unwrap();
    other.exp_string("still 42").unwrap();
    host.soon("what the other one keeps is told", || {
        let told = "what=\\\"hold under their user manager, which another session keeps";
        host.log_lines().iter().any(|line| line.contains("mark=left_over") && line.contains(told))
    });
    assert!(hosts::holders(&host).contains_key("user-unit"));
    // With the last one it goes.
    other
        .send_line("jit end $(jit sessions --json | grep -o 'S-[0-9A-Z-]*' | head -1) --reason done")
        .unwrap();
    other.exp_eof().unwrap();
    host.soon("the manager is gone", || !hosts::holders(&host).contains_key("user-unit"));
    host.soon("and nothing of it is told any more", || !host.root("jit status").out.contains("user manager"));
}

#[test]
fn a_lingering_service_outlives_a_session_and_what_the_session_had_its_manager_start_does_not() {
    let host = host();
    let [alice, bob] = people(&host);
    let unit = "[Service]\nExecStart=/usr/local/bin/hold nohup\n[Install]\nWantedBy=default.target\n";
    let folder = host.path("home/alice/.config/systemd/user");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("lasting.service"), unit).unwrap();
    host.root("chown -R alice: /home/alice/.config").ends_with(0);
    let as_alice = |command: &str| {
        let runtime = "XDG_RUNTIME_DIR=/run/user/$(id -u alice)";
        host.root(&format!("setpriv --reuid=alice --regid=alice --init-groups env {runtime} {command}"))
    };
    host.root("systemctl stop bystander; loginctl enable-linger alice").ends_with(0);
    host.soon("her manager runs", || {
        host.root("systemctl is-active user@$(id -u alice)").out.trim() == "active"
    });
    as_alice("systemctl --user start lasting").ends_with(0);
    host.soon("her service runs", || hosts::holders(&host).contains_key("nohup"));
    grant(&host, &bob, "1h");
    alice.ssh("systemd-run --user --quiet hold user-unit").ends_with(0);
    host.soon("it holds", || hosts::holders(&host).contains_key("user-unit"));
    host.soon("what she started ends, once she has had time to come back", || {
        !hosts::holders(&host).contains_key("user-unit")
    });
    let told = "what=\\\"hold under their user manager, where it was before they came in";
    let lines = || host.log_lines().into_iter().filter(|line| line.contains(told)).count();
    host.soon("what was there before is told", || lines() == 1);
    assert!(hosts::holders(&host).contains_key("nohup"), "and goes on");
    as_alice("systemctl --user is-active lasting").ends_with(0);
    // The next session changes nothing of that, also where it is ended.
    let mut terminal = alice.terminal("");
    terminal.exp_string("$ ").unwrap();
    let listed = host.root("jit sessions").out;
    let open = listed.lines().find(|line| line.contains("alice") && line.contains("open")).unwrap();
    let session = open.split_whitespace().next().unwrap();
    bob.jit(&format!("end {session} --reason done")).ends_with(0);
    terminal.exp_eof().unwrap();
    // As long as she has to come back, and some more.
    std::thread::sleep(Duration::from_secs(16));
    assert!(
        hosts::holders(&host).contains_key("nohup"),
        "a session that the gate ended takes it along no more"
    );
    alice.ssh("systemd-run --user --quiet hold user-unit").ends_with(0);
    host.soon("it ends too", || !hosts::holders(&host).contains_key("user-unit"));
    assert!(hosts::holders(&host).contains_key("nohup"));
    as_alice("systemctl --user is-active lasting").ends_with(0);
    assert_eq!(lines(), 1, "and is told once");
    let named = "a process that no session carries: hold";
    assert!(!host.log_lines().iter().any(|line| line.contains("user=alice") && line.contains(named)));
}

/// Behind `--long`.
mod long {
    use super::*;

    #[test]
    fn what_ended_while_the_daemon_was_away_ends_once_it_is_back_and_the_record_says_how_late() {
        let host = host();
        let [alice, bob] = people(&host);
        let grant = grant(&host, &bob, "60s");
        let ends = end_of(&bob, &grant);
        let work = Work::begin(&host, &alice);
        assert!(Instant::now() < ends, "all of it began too late to be there when the daemon is away");
        host.jitd_stops();
        wait_until(ends + Duration::from_secs(6));
        host.jitd_starts();
        // The grace was over long before.
        println!("after a time away: {:#?}", work.is_over(Instant::now(), Duration::from_secs(3)));
        host.soon("the record says how late", || {
            let overrun = |line: &String| {
                let rest = line.split("cause=expired overrun=").nth(1)?;
                rest.split('s').next()?.parse::<f64>().ok()
            };
            host.log_lines().iter().filter_map(overrun).any(|overrun| overrun >= 6.0)
        });
    }

    #[test]
    fn a_session_goes_on_under_another_grant_and_under_a_longer_one() {
        let host = host();
        std::fs::write(host.path("etc/jitd/jitd.toml"), "[sessions]\nwarn = [\"5s\"]\n").unwrap();
        host.root("systemctl reload jitd");
        host.policy(
        "[[rule]]\nid = \"team\"\ntime = { extend = { count = 1, max = \"10m\" } }\napprove = [{ from = [\"group:jit-approvers\"] }]\n",
        None,
    )
    .unwrap();
        let [alice, bob] = people(&host);
        let first = grant(&host, &bob, "1h");
        let mut terminal = alice.terminal("");
        terminal.exp_string("$ ").unwrap();
        // Asked for while the first is good: another of the same kind.
        let second = grant_of(&host, &bob, "ssh", "20s");
        bob.jit(&format!("revoke {first} --reason 'the wrong one'")).ends_with(0);
        host.soon("the session is under the other", || {
            let moved = format!("detail=\"grant {first} is over\"");
            host.log_lines()
                .iter()
                .any(|l| l.contains("change=session_moved") && l.contains(&second) && l.contains(&moved))
        });
        terminal.send_line("echo still $((40 + 2))").unwrap();
        terminal.exp_string("still 42").unwrap();
        // More time from inside, for the grant of this session.
        terminal.send_line("jit extend --for 10m --reason 'not done'").unwrap();
        let (_, request) = terminal.exp_regex("R-[0-9A-Z]{5}-[0-9A-Z]{5}").unwrap();
        let ends = end_of(&bob, &second);
        terminal.exp_string("ends in 5 seconds").unwrap();
        bob.jit(&format!("approve {request}")).ends_with(0);
        wait_until(ends + Duration::from_secs(2));
        terminal.send_line("echo and $((40 + 3)); jit status --left").unwrap();
        terminal.exp_string("and 43").unwrap();
        terminal.exp_regex("[0-9]m left").unwrap();
    }

    #[test]
    fn a_released_session_ends_also_where_the_daemon_was_started_anew_meanwhile() {
        ends_all_the_same(End::Released, Meanwhile::Restarted);
    }

    #[test]
    fn a_revoked_session_ends_also_where_the_daemon_was_killed_between_telling_it_and_forcing_it() {
        ends_all_the_same(End::Revoked, Meanwhile::KilledWithinTheGrace);
    }

    #[test]
    fn a_revoked_session_ends_also_where_the_daemon_was_killed_meanwhile() {
        ends_all_the_same(End::Revoked, Meanwhile::Killed);
    }
}

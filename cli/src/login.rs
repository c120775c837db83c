//! Letting this command in to a hub by a sign-in in a browser: on this machine (RFC 8252), or anywhere (RFC 8628).

use crate::arguments::LogIn;
use crate::leading::Leading;
use crate::output::Output;
use crate::{CliError, limits};
use access::Text;
use api::{Client, ClientError, NewLogin, ProblemCode, TakeLogin, TakenLogin};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The token that somebody lets this command in with.
pub fn let_in(client: &Client, url: &str, log_in: &LogIn, out: &mut Output) -> Result<String, CliError> {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = Text::parse(&format!("jit on {machine}")).map_err(|why| CliError::Usage(why.to_string()))?;
    let taken = if log_in.device {
        by_word(client, name, log_in, out)
    } else {
        by_browser(client, url, &name, log_in, out)
    };
    let TakenLogin::Made(made) = taken? else {
        return Err(CliError::NotApproved(
            "nobody let this command in within the time that the hub waits: begin anew with `jit login`"
                .to_owned(),
        ));
    };
    Ok(made.secret)
}

/// By a word that is typed into a page, in whichever browser.
fn by_word(client: &Client, name: Text, log_in: &LogIn, out: &mut Output) -> Result<TakenLogin, CliError> {
    let asked = client.ask_login(&NewLogin { name, scopes: log_in.scope.iter().copied().collect() })?;
    out.say(&serde_json::json!({ "page": asked.page, "code": asked.code }), || {
        format!(
            "Open {} in a browser, sign in, and type {}. It waits 10 minutes; ^C stops that.",
            asked.page, asked.code
        )
    })?;
    let take = TakeLogin { secret: asked.secret, verifier: None };
    let pause = Duration::from_secs(asked.every_s.clamp(1, 60));
    for _ in 0..limits::LOGIN_QUESTIONS {
        std::thread::sleep(pause);
        match client.take_login(&take) {
            // A hub that is away, or has much to do, may be back before the time is over.
            Ok(TakenLogin::Waits) | Err(ClientError::Unreachable { .. }) => {}
            Err(ClientError::Refused(problem)) if problem.code == ProblemCode::Unavailable => {}
            done => return Ok(done?),
        }
    }
    Ok(TakenLogin::Waits)
}

/// By a page in a browser of this machine, that gives its answer to a port here.
fn by_browser(
    client: &Client,
    url: &str,
    name: &Text,
    log_in: &LogIn,
    out: &mut Output,
) -> Result<TakenLogin, CliError> {
    let doing = |why| CliError::Doing { what: "listening on", path: "127.0.0.1".into(), why };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(doing)?;
    let port = listener.local_addr().map_err(doing)?.port();
    let (state, verifier) = (random()?, random()?);
    let scopes: Vec<&str> = log_in.scope.iter().map(|scope| scope.code()).collect();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("port", &port.to_string())
        .append_pair("state", &state)
        .append_pair("challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier)))
        .append_pair("name", name.as_str())
        .append_pair("scope", &scopes.join(","))
        .finish();
    let page = format!("{url}/web/login?{query}");
    // Until somebody answered there: it is gone with the end of the wait.
    let opened = open(&page);
    let hint = if opened.is_some() {
        "It was opened in your browser, or open it there yourself: say yes"
    } else {
        "Open it in a browser of this machine, and say yes"
    };
    out.say(&serde_json::json!({ "page": page }), || {
        format!("{page}\n{hint}. Without a browser here: jit login --device. ^C stops the wait.")
    })?;
    let code = comes_back(&listener, &state)?;
    Ok(client.take_login(&TakeLogin { secret: code, verifier: Some(verifier) })?)
}

/// 256 bits that nobody guesses, as a URL takes them.
fn random() -> Result<String, CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|why| CliError::NotDone(format!("the kernel gives no random numbers: {why}")))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Opens a page where there is a desktop to do it, by a file that leads there: everybody on this machine can read what a
/// command is started with (proc(5), `/proc/pid/cmdline`). The file is there for as long as what comes back is kept.
fn open(page: &str) -> Option<Leading> {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !has("DISPLAY") && !has("WAYLAND_DISPLAY") {
        return None;
    }
    let leading = Leading::to(page).ok()?;
    let mut opener = Command::new("xdg-open");
    let opener = opener.arg(leading.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = opener.spawn().ok()?;
    // Whatever it does, somebody has to see it end.
    drop(std::thread::spawn(move || child.wait()));
    Some(leading)
}

/// The code that a browser brings, with the state that it went with.
fn comes_back(listener: &TcpListener, state: &str) -> Result<String, CliError> {
    let doing = |why| CliError::Doing { what: "waiting for a browser on", path: "127.0.0.1".into(), why };
    listener.set_nonblocking(true).map_err(doing)?;
    let begun = Instant::now();
    while begun.elapsed() < limits::LOGIN {
        match listener.accept() {
            Ok((stream, _)) => match heard(stream, state) {
                Said::Code(code) => return Ok(code),
                Said::No => {
                    return Err(CliError::NotApproved("this command was refused in the browser".to_owned()));
                }
                Said::Nothing => {}
            },
            Err(why) if why.kind() == ErrorKind::WouldBlock => std::thread::sleep(limits::LOGIN_LOOK),
            Err(why) => return Err(doing(why)),
        }
    }
    Err(CliError::NotApproved(
        "no browser came back within 10 minutes: begin anew with `jit login`, or `jit login --device` without a browser here"
            .to_owned(),
    ))
}

/// What somebody says who connects.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Code(String),
    No,
    Nothing,
}

fn heard(mut stream: TcpStream, state: &str) -> Said {
    // Whoever breaks off, or says nothing in time, has said nothing.
    if stream.set_nonblocking(false).is_err() {
        return Said::Nothing;
    }
    let (mut head, mut some, begun) = (Vec::new(), [0; 1024], Instant::now());
    while head.len() < limits::LOGIN_HEAD
        && let Some(rest) = limits::LOGIN_KNOCK.checked_sub(begun.elapsed()).filter(|rest| !rest.is_zero())
        && stream.set_read_timeout(Some(rest)).is_ok()
    {
        match stream.read(&mut some) {
            Ok(length @ 1..) => head.extend(some.iter().take(length)),
            _ => break,
        }
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    let said = said(&String::from_utf8_lossy(&head), state);
    let words = match &said {
        Said::Code(_) => "The command has what it needs. You can close this page.",
        Said::No => "The command was refused. You can close this page.",
        Said::Nothing => "There is nothing here.",
    };
    let status = if said == Said::Nothing { "404 Not Found" } else { "200 OK" };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         content-security-policy: default-src 'none'\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{words}",
        words.len()
    );
    // A browser that is gone reads nothing.
    let _ = stream.write_all(answer.as_bytes());
    said
}

/// What the first line of a call says, if it is of the page that this command sent its person to.
fn said(head: &str, state: &str) -> Said {
    let target = head.strip_prefix("GET /?").and_then(|rest| rest.split_once(' ')).map(|(query, _)| query);
    let Some(query) = target else { return Said::Nothing };
    let said: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if said.get("state").map(String::as_str) != Some(state) {
        return Said::Nothing;
    }
    match said.get("code") {
        Some(code) => Said::Code(code.clone()),
        None if said.contains_key("error") => Said::No,
        None => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_of_the_page_that_was_opened_counts() {
        let line = |query: &str| said(&format!("GET /?{query} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"), "s1");
        assert_eq!(line("code=jitd_x&state=s1"), Said::Code("jitd_x".to_owned()));
        assert_eq!(line("error=access_denied&state=s1"), Said::No);
        for other in ["code=jitd_x", "code=jitd_x&state=s2", "state=s1", "error=x", ""] {
            assert_eq!(line(other), Said::Nothing, "{other}");
        }
        assert_eq!(said("GET /favicon.ico HTTP/1.1\r\n\r\n", "s1"), Said::Nothing);
        assert_eq!(said("POST /?code=x&state=s1 HTTP/1.1\r\n\r\n", "s1"), Said::Nothing);
    }
}

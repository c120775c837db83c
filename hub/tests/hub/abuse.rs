//! Clients that take more than their part.

use crate::room::{Hub, rest, until};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

#[test]
fn a_body_that_is_too_large_is_refused_and_read_no_further() {
    let hub = Hub::new();
    let mut stream = hub.connect(&hub.ca()).unwrap();
    let heads = format!("host: localhost\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\n", hub.admin);
    let head = format!("POST /v1/requests HTTP/1.1\r\n{heads}content-length: 4000000\r\n\r\n");
    // One byte more than there may be, and no more: what the hub did not read could cost us its answer.
    stream.write_all(format!("{head}{}", "x".repeat(api::limits::BODY + 1)).as_bytes()).unwrap();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("length limit exceeded"), "{answer}");
    let large = format!("x-large: {}\r\n", "x".repeat(64 * 1024));
    let answer = hub.raw("GET /healthz", &large, "");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(hub.client(&hub.admin).status().is_ok());
}

#[test]
fn who_sends_nothing_or_ever_so_slowly_is_cut_off_while_others_are_served() {
    let hub = Hub::new();
    let begun = Instant::now();
    let mut silent = TcpStream::connect(hub.at()).unwrap();
    let mut idle = hub.connect(&hub.ca()).unwrap();
    let mut slow = hub.connect(&hub.ca()).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: loc").unwrap();
    assert!(hub.client(&hub.admin).status().is_ok());
    let mut byte = [0];
    assert!(matches!(silent.read(&mut byte), Ok(0) | Err(_)), "no handshake");
    rest(&mut idle);
    let answer = rest(&mut slow);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[test]
fn one_address_has_so_many_connections_and_no_more() {
    let hub = Hub::new();
    let ca = hub.ca();
    let mut held: Vec<_> = (0..64).map(|_| TcpStream::connect(hub.at()).unwrap()).collect();
    assert!(hub.connect(&ca).is_err(), "the 65th");
    held.truncate(32);
    until("there are places again", || hub.connect(&ca).is_ok());
}

#[test]
fn one_token_calls_so_often_in_a_minute_and_others_are_served_meanwhile() {
    let hub = Hub::with_policy();
    let busy = hub.token("alice", &[api::Scope::Read], "1h").secret;
    // As many on each of four connections at once as there may be on all of them in a minute.
    let call = format!("GET /v1/nothing HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {busy}\r\n\r\n");
    let refused = || {
        let (mut stream, mut refused) = (BufReader::new(hub.connect(&hub.ca()).unwrap()), 0);
        for _ in 0..160 {
            stream.get_mut().write_all(call.repeat(10).as_bytes()).unwrap();
            for _ in 0..10 {
                let (head, body) = answer(&mut stream);
                let is_refused = head.starts_with("HTTP/1.1 429 ");
                assert!(is_refused || head.starts_with("HTTP/1.1 404 "), "{head}");
                assert!(!is_refused || body.contains("calls within a minute: wait a minute"), "{body}");
                refused += usize::from(is_refused);
            }
        }
        refused
    };
    let at_once = || -> usize {
        std::thread::scope(|scope| {
            let calling: Vec<_> = (0..4).map(|_| scope.spawn(refused)).collect();
            calling.into_iter().map(|calling| calling.join().unwrap()).sum()
        })
    };
    // Once, or again where this machine took so long that a minute was over meanwhile.
    let first = (0..5).map(|_| at_once()).find(|refused| *refused > 0).unwrap();
    assert!(first <= 4 * 1600 - 6000, "{first}");
    assert_eq!(hub.logged("made more than 6000 calls within a minute"), 1);
    assert!(hub.client(&hub.admin).status().is_ok(), "another token");
}

/// The head and the body of the next answer on a connection that stays.
fn answer(stream: &mut impl BufRead) -> (String, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

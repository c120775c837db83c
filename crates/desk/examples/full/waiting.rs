//! Lists of what waits, and reviews, in the process and over HTTP.

use crate::figure::{tell, timed};
use crate::town::{Asked, caller, request};
use api::{AskRequests, Client, NewReview, NewVerdict, Which};
use axum::Extension;
use desk::{Desk, Key, Store, routes};
use std::path::Path;
use std::sync::Arc;
use workflow::Narrowing;

const LISTS: usize = 500;
const REVIEWS: u64 = 200;

/// The routes of the desk on a socket where everybody is `name`.
fn serve<S: Store>(desk: &Arc<Desk<S>>, folder: &Path, name: &str) -> Client {
    let socket = folder.join(name);
    let routes = routes(Arc::clone(desk)).layer(Extension(caller(name)));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
    });
    Client::on_socket(&socket).unwrap()
}

/// By those who may see all of it, a part of it, and nothing but their own.
pub fn lists<S: Store>(desk: &Arc<Desk<S>>, folder: &Path) {
    for name in ["chief", "auditor", "lead3", "p1"] {
        let (who, client) = (caller(name), serve(desk, folder, name));
        let (mut by_itself, mut by_http, mut seen) = (Vec::new(), Vec::new(), 0);
        for _ in 0..LISTS {
            let (list, took) = timed(|| desk.requests(&who, Which::Pending, 200).unwrap());
            by_itself.push(took);
            seen = list.len();
            let ask = AskRequests { which: Which::Pending, limit: Some(200), after: None };
            let (list, took) = timed(|| client.requests(&ask).unwrap());
            by_http.push(took);
            assert_eq!(list.len(), seen);
        }
        tell(&format!("list\t{name}\t{seen}"), by_itself);
        tell(&format!("list-http\t{name}\t{seen}"), by_http);
    }
}

/// The chief approves what waits, the newest first.
pub fn reviews<S: Store>(desk: &Arc<Desk<S>>, folder: &Path, asked: Asked) {
    let (chief, client) = (caller("chief"), Client::on_socket(&folder.join("chief")).unwrap());
    let (mut by_itself, mut by_http) = (Vec::new(), Vec::new());
    for n in 0..2 * REVIEWS {
        let id = request(asked.count - 1 - n, asked).ask.id.to_string();
        let digest = desk.show_request(&chief, &id).unwrap().digest;
        let narrowing = Narrowing::default();
        let review = NewReview { verdict: NewVerdict::Approve, digest, narrowing, comment: None };
        if n % 2 == 0 {
            let key = Key::of(&id, "/", b"");
            by_itself.push(timed(|| desk.review(&chief, &id, &review, &key).unwrap()).1);
        } else {
            by_http.push(timed(|| client.review(&id, &review).unwrap()).1);
        }
    }
    tell("review\tchief\t1", by_itself);
    tell("review-http\tchief\t1", by_http);
}

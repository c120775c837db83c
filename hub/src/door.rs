//! The door: HTTPS, who calls, and every bound that keeps one client from taking the place of others.

use crate::address::{Address, Seat};
use crate::bearer;
use crate::certificate::{Certificates, provider};
use crate::error::HubError;
use crate::lasting::{self, Lasting, Lasts};
use crate::metrics::Slow;
use crate::site::Site;
use crate::teller::Teller;
use crate::{limits, routes, slack, teams, web};
use api::{Problem, ProblemCode};
use axum::Router;
use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;
use desk::Refused;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loglines::Level;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

/// TLS 1.3 and 1.2 with the certificate of the moment.
pub fn tls(certificates: Arc<Certificates>) -> Result<TlsAcceptor, HubError> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| HubError::Certificate { doing: "setting up TLS".to_owned(), why: why.to_string() })?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Who lives here.
pub enum House {
    /// A whole hub, or one in role `desk`.
    Hub(Arc<Site>),
    /// One in role `feed`: hosts listen, and nobody else is known.
    Feed(Arc<Teller>),
}

impl House {
    /// What hosts listen to, in either.
    pub fn teller(&self) -> &Arc<Teller> {
        match self {
            Self::Hub(site) => &site.teller,
            Self::Feed(teller) => teller,
        }
    }
}

/// Every call, and where it goes.
struct Hall {
    teller: Arc<Teller>,
    /// For whoever shows a token, where tokens are known.
    inside: Option<(Arc<Site>, Router)>,
    outside: Router,
    /// For browsers, likewise.
    pages: Option<Router>,
    tls: TlsAcceptor,
}

/// Serves connections until `stop` says so, and then those calls that are being answered.
pub fn serve(
    house: &House,
    listener: TcpListener,
    tls: TlsAcceptor,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    let (inside, outside) = match house {
        House::Hub(site) => (Some((Arc::clone(site), routes::inside(site))), routes::outside(site)),
        House::Feed(teller) => (None, routes::of_a_feed(teller)),
    };
    let teller = Arc::clone(house.teller());
    let pages = inside.as_ref().map(|(site, _)| web::pages(site));
    let hall = Arc::new(Hall { teller, inside, outside, pages, tls });
    accept(hall, listener, stop)
}

async fn accept(hall: Arc<Hall>, listener: TcpListener, stop: watch::Receiver<bool>) {
    let teller = Arc::clone(&hall.teller);
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let mut stopped = stop.clone();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                teller.log.put(Level::Warning, format!("accepting a connection: {why}"));
                tokio::time::sleep(limits::ACCEPT_AGAIN).await;
                continue;
            }
        };
        let address = Address::of(from.ip());
        let counted = !teller.is_proxy(from.ip());
        let seat = if counted { teller.seats.seat(address) } else { None };
        if counted && seat.is_none() {
            teller.metrics.turned_away();
            if teller.turned_away.told(address, Instant::now()) {
                let most = limits::PER_ADDRESS;
                teller
                    .log
                    .put(Level::Warning, format!("{address} has {most} connections open and gets no more"));
            }
            continue;
        }
        let held = (place, teller.metrics.connected());
        let (hall, stop) = (Arc::clone(&hall), stop.clone());
        tokio::spawn(async move {
            let _held = held;
            hall.connection(stream, from, seat, stop).await;
        });
    }
    drop(listener);
    // Whoever is being answered gets their answer; a place is free again when its connection is gone.
    let all = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits::GRACE, places.acquire_many(all)).await;
}

impl Hall {
    /// Each part has a place of its own, which is free again when the part is over: a host listens for an hour.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        seat: Option<Seat>,
        mut stop: watch::Receiver<bool>,
    ) {
        let _ = stream.set_nodelay(true);
        let accepts = Box::pin(tokio::time::timeout(limits::HANDSHAKE, self.tls.accept(stream)));
        let stream = match accepts.await {
            Ok(Ok(stream)) => stream,
            // A client that breaks off or talks nonsense has nobody to tell.
            Ok(Err(_)) => return,
            Err(_) => return self.teller.cuts_off(from.ip(), Slow::Handshake),
        };
        let answers = Box::pin(self.answers(stream, from, stop.clone()));
        let Some(lasting) = answers.await else { return };
        // Of hosts that are known each listens once ([`crate::feed`]), however many are behind one address.
        drop(seat);
        let stops = async {
            let _ = stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(limits::GRACE).await;
        };
        tokio::select! {
            // Whoever went away has nobody to tell.
            _ = lasting.tell() => {}
            () = tokio::time::sleep(limits::FEED_LIFE) => {}
            () = stops => {}
        }
    }

    /// Answers calls for as long as the connection lives, or until an answer lasts: that one.
    async fn answers(
        self: Arc<Self>,
        stream: TlsStream<TcpStream>,
        from: SocketAddr,
        mut stop: watch::Receiver<bool>,
    ) -> Option<Lasting<TlsStream<TcpStream>>> {
        let lasts = Arc::new(Mutex::new(None));
        let given = Arc::clone(&lasts);
        let (teller, called) = (Arc::clone(&self.teller), Arc::new(AtomicBool::new(false)));
        let calls = Arc::clone(&called);
        let service = service_fn(move |call| {
            calls.store(true, Ordering::Relaxed);
            let (hall, given) = (Arc::clone(&self), Arc::clone(&given));
            // In a place of its own too, for as long as it is answered.
            Box::pin(async move {
                let answer = hall.call(call, from.ip()).await?;
                if answer.extensions().get::<Lasts>().is_none() {
                    return Ok(answer);
                }
                let (head, body) = lasting::parted(answer);
                *given.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
                Ok::<_, Infallible>(head)
            })
        });
        let mut connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD_WAIT)
            .max_buf_size(limits::HEAD)
            .serve_connection(TokioIo::new(stream), service);
        for (life, stops) in [(limits::CONNECTION_LIFE, false), (limits::GRACE, true)] {
            if stops {
                Pin::new(&mut connection).graceful_shutdown();
            }
            let done = tokio::select! {
                done = poll_fn(|context| connection.poll_without_shutdown(context)) => done,
                () = tokio::time::sleep(life) => continue,
                _ = stop.wait_for(|stop| *stop), if !stops => continue,
            };
            if let Err(why) = done {
                // One that was kept for a further call and had none is as it should be.
                if why.is_timeout() && !called.load(Ordering::Relaxed) {
                    teller.cuts_off(from.ip(), Slow::Head);
                }
                return None;
            }
            let mut stream = connection.into_parts().io.into_inner();
            let body = lasts.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(body) = body {
                return Some(Lasting::of(stream, body));
            }
            let _ = tokio::time::timeout(limits::GRACE, stream.shutdown()).await;
            return None;
        }
        None
    }

    async fn call(
        self: Arc<Self>,
        call: hyper::Request<Incoming>,
        from: IpAddr,
    ) -> Result<Response<Body>, Infallible> {
        let teller = Arc::clone(&self.teller);
        let answer = tokio::time::timeout(limits::CALL, self.answer(call.map(Body::new), from)).await;
        let answer = answer.unwrap_or_else(|_| {
            teller.cuts_off(from, Slow::Call);
            let late = format!("the call took longer than {} s: try again", limits::CALL.as_secs());
            Refused(ProblemCode::Unavailable.because(late)).into_response()
        });
        teller.metrics.answered(answer.status().as_u16());
        Ok(answer)
    }

    async fn answer(self: Arc<Self>, mut call: axum::extract::Request, from: IpAddr) -> Response<Body> {
        let path = call.uri().path();
        if let Some(pages) = self.pages.as_ref().filter(|_| web::is_page(path)) {
            call.extensions_mut().insert(web::From(from));
            let answer = routed(pages.clone(), call).await;
            // The page says nothing of it.
            if let Some(problem) = answer.extensions().get::<Problem>() {
                self.teller.cannot(&problem.detail);
            }
            return answer;
        }
        // Who joins shows a token in the body, and who has joined signs, as chats do: none has one of a person's.
        let is_outside =
            matches!(path, "/healthz" | "/readyz" | "/v1/authority" | "/v1/openapi.json" | teams::PATH)
                || matches!(path, "/v1/login" | "/v1/login/token")
                || path.starts_with(teams::WEBHOOK_PATH)
                || path.starts_with(slack::PATH)
                || path.starts_with("/v1/hosts");
        let Some((site, inside)) = self.inside.as_ref().filter(|_| !is_outside) else {
            call.extensions_mut().insert(web::From(from));
            let answer = routed(self.outside.clone(), call).await;
            if answer.status().is_client_error() {
                // It was not read to its end, so none that reads what comes could say so.
                let too_long = (answer.status() == StatusCode::PAYLOAD_TOO_LARGE)
                    .then(|| ProblemCode::BadRequest.because("the body is longer than the call may have"));
                self.teller.refuses(from, answer.extensions().get::<Problem>().or(too_long.as_ref()));
            }
            return self.without_why(answer);
        };
        let (site, headers) = (Arc::clone(site), call.headers().clone());
        let caller = tokio::task::spawn_blocking(move || site.caller(&headers, from)).await;
        let (caller, token) = match caller {
            Ok(Ok(caller)) => caller,
            Ok(Err(refused)) => return self.without_why(refused.into_response()),
            Err(_) => {
                return Refused(ProblemCode::Unavailable.because("the hub is stopping: try again"))
                    .into_response();
            }
        };
        if let Err(problem) = bearer::admits(&token, call.method(), call.uri().path()) {
            return Refused(problem).into_response();
        }
        call.extensions_mut().insert(caller);
        call.extensions_mut().insert(token);
        routed(inside.clone(), call).await
    }
}

impl Hall {
    /// What a stranger is answered where something does not work: that, and nothing of what it is.
    fn without_why(&self, answer: Response<Body>) -> Response<Body> {
        match answer.extensions().get::<Problem>().filter(|problem| problem.code == ProblemCode::Unavailable)
        {
            Some(problem) => {
                self.teller.cannot(&problem.detail);
                Refused(unable()).into_response()
            }
            None => answer,
        }
    }
}

/// What somebody hears whom nobody knows, where something does not work.
pub fn unable() -> Problem {
    ProblemCode::Unavailable.because("this hub cannot answer now: try again later; its log says why")
}

async fn routed(router: Router, call: axum::extract::Request) -> Response<Body> {
    match router.oneshot(call).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

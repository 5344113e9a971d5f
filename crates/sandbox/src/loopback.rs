//! Listeners for this machine alone.
//!
//! A port on loopback is reached by every program of the machine, and by every page that is open in one of its browsers. A page
//! can make a name of its own lead to 127.0.0.1 (DNS rebinding), or send a form here and never see the answer. So a request has
//! to name this machine as its host, and one that changes something may not come from the page of another site.

use std::io;
use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::HOST;
use tokio::net::TcpListener;
use tower_http::csrf::{CsrfLayer, ProtectionError};

/// Opens a port on loopback, chosen by the system.
///
/// # Errors
/// When no port is free.
pub async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// These routes for this machine alone. Another `Host` than one of its own is answered with 421, and a request by the page of
/// another site, unless it only reads, with 403.
pub fn guarded(router: Router) -> Router {
    let other_site = |_: ProtectionError| {
        (StatusCode::FORBIDDEN, "the page of another site may change nothing here").into_response()
    };
    router.layer(CsrfLayer::new().with_rejection_response(other_site)).layer(from_fn(to_this_machine))
}

async fn to_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_this_machine(host) {
        return next.run(request).await;
    }
    let message = format!("only localhost, 127.0.0.1 and [::1] are answered for here, not {host:?}");
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}

/// Whether a `Host` header names this machine, with any port.
fn is_this_machine(host: &str) -> bool {
    let named = |name: &&str| {
        let port =
            host.strip_prefix(name).and_then(|rest| rest.strip_prefix(':').or(rest.is_empty().then_some("")));
        port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(named)
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn only_this_machines_own_names_are_its_names() {
        for host in ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:1"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.example.com",
            "localhost.evil.example.com",
            "127.0.0.1.nip.io",
            "localhost:80x",
            "[::1]x",
            "127.0.0.2",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[tokio::test]
    async fn another_host_and_another_site_are_refused() {
        let listener = listen().await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(address.ip().is_loopback(), "{address}");
        let router = guarded(Router::new().route("/", get(async || "read").post(async || "changed")));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let ask = async |request: &str| {
            let request = request.replace("PORT", &address.port().to_string());
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("{request}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let status = answer.split(' ').nth(1).unwrap().to_owned();
            (status, answer.rsplit("\r\n\r\n").next().unwrap().to_owned())
        };
        for (request, status, says) in [
            ("GET / HTTP/1.1\r\nhost: 127.0.0.1:PORT", "200", "read"),
            ("GET / HTTP/1.1\r\nhost: localhost:PORT", "200", "read"),
            ("GET / HTTP/1.1\r\nhost: evil.example.com:PORT", "421", "not \"evil.example.com:PORT\""),
            ("GET / HTTP/1.0", "421", "only localhost"),
            ("POST / HTTP/1.1\r\nhost: localhost:PORT", "200", "changed"),
            ("POST / HTTP/1.1\r\nhost: localhost:PORT\r\norigin: http://localhost:PORT", "200", "changed"),
            ("POST / HTTP/1.1\r\nhost: localhost:PORT\r\norigin: http://localhost:1", "403", "another site"),
            ("POST / HTTP/1.1\r\nhost: localhost:PORT\r\norigin: null", "403", "another site"),
            (
                "POST / HTTP/1.1\r\nhost: localhost:PORT\r\norigin: https://evil.example.com",
                "403",
                "another site",
            ),
            ("POST / HTTP/1.1\r\nhost: localhost:PORT\r\nsec-fetch-site: cross-site", "403", "another site"),
            ("GET / HTTP/1.1\r\nhost: localhost:PORT\r\norigin: https://evil.example.com", "200", "read"),
        ] {
            let (answered, said) = ask(request).await;
            assert_eq!(answered, status, "{request:?}: {said}");
            assert!(said.contains(&says.replace("PORT", &address.port().to_string())), "{request:?}: {said}");
        }
    }
}

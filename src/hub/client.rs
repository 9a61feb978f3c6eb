//! Requests to the hub: redirects are followed by hand, so that the token goes to the hub alone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use ureq::Agent;
use ureq::Body;
use ureq::http::HeaderMap;
use ureq::http::Response;
use ureq::http::StatusCode;
use ureq::http::Uri;

use crate::hub::error::HubError;

/// The hub when `HF_ENDPOINT` names no other.
pub const ENDPOINT: &str = "https://huggingface.co";
/// Redirects that one request may take.
const REDIRECTS: usize = 10;
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How requests are made.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Requests without progress before giving up, at least 1.
    pub tries: u32,
    /// The wait after the first of them; each further one doubles it.
    pub wait: Duration,
    /// How long a connection may stay silent.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 6, wait: Duration::from_millis(500), silence: Duration::from_secs(30) }
    }
}

/// A secret; what is printed of it is nothing.
#[derive(Clone)]
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A client of one hub.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    /// Scheme and authority, without a slash at the end.
    endpoint: String,
    origin: Origin,
    token: Option<Token>,
    patience: Patience,
    stop: Arc<AtomicBool>,
}

/// Who answers: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self { https, host, port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }) })
    }

    fn is_this_machine(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// Why a try failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another try would end the same way.
    Final(HubError),
    /// It may go better later.
    Passing(Passing),
}

/// A failure that may pass.
#[derive(Debug)]
pub(super) enum Passing {
    /// The server said so, perhaps with the seconds to wait.
    Status(u16, Option<Duration>),
    /// The connection failed.
    Connection(String),
}

impl Client {
    /// A client for `endpoint`. `stop` ends it from another thread.
    ///
    /// # Errors
    /// The endpoint is not an address, or the token would be sent in the clear.
    pub fn new(endpoint: &str, token: Option<&str>, patience: Patience, stop: Arc<AtomicBool>) -> Result<Self, HubError> {
        let wrong = || HubError::Endpoint(endpoint.to_owned());
        let trimmed = endpoint.trim_end_matches('/');
        let uri: Uri = trimmed.parse().map_err(|_| wrong())?;
        let origin = Origin::of(&uri).ok_or_else(wrong)?;
        // User information in an address would end up in messages.
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) || uri.query().is_some() {
            return Err(wrong());
        }
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(HubError::Token);
        }
        if token.is_some() && !origin.https && !origin.is_this_machine() {
            return Err(HubError::TokenInTheClear(trimmed.to_owned()));
        }
        let agent = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("dcode/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(patience.silence))
            .timeout_recv_response(Some(2 * patience.silence))
            .timeout_per_read(Some(patience.silence))
            .build()
            .new_agent();
        let token = token.map(|token| Token(token.to_owned()));
        Ok(Self { agent, endpoint: trimmed.to_owned(), origin, token, patience, stop })
    }

    /// An address at the hub; `parts` are encoded.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint)
    }

    /// Requests without progress before giving up.
    pub(super) fn tries(&self) -> u32 {
        self.patience.tries.max(1)
    }

    /// Fails when the user has ended it.
    pub(super) fn go_on(&self) -> Result<(), HubError> {
        if self.stop.load(Ordering::SeqCst) { Err(HubError::Interrupted) } else { Ok(()) }
    }

    /// Gets `url`, from byte `start` on when that is not 0. The answer is a success or `416`.
    pub(super) fn get(&self, url: &str, start: u64) -> Result<Response<Body>, Trouble> {
        self.request(url, start, false)
    }

    /// The headers that describe a file: those of the last answer of the hub itself.
    pub(super) fn describe(&self, url: &str) -> Result<HeaderMap, HubError> {
        self.with_tries(url, || Ok(self.request(url, 0, true)?.headers().clone()))
    }

    /// The body of a text of at most `limit` bytes.
    pub(super) fn text(&self, url: &str, limit: u64) -> Result<String, HubError> {
        self.with_tries(url, || {
            let mut response = self.request(url, 0, false)?;
            let body = response.body_mut().with_config().limit(limit).lossy_utf8(true).read_to_string();
            body.map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(_) => {
                    let reason = format!("more than {limit} bytes");
                    Trouble::Final(HubError::Listing { url: url.to_owned(), reason })
                }
                other => Trouble::Passing(Passing::Connection(describe(&other))),
            })
        })
    }

    /// Tries until it succeeds, fails for good, or has failed too often.
    fn with_tries<T>(&self, url: &str, mut attempt: impl FnMut() -> Result<T, Trouble>) -> Result<T, HubError> {
        let mut failed = 0;
        loop {
            self.go_on()?;
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Passing(passing)) => {
                    failed += 1;
                    self.wait_after(url, failed, passing)?;
                }
            }
        }
    }

    /// Waits before the next try, or says that there is none.
    pub(super) fn wait_after(&self, url: &str, failed: u32, passing: Passing) -> Result<(), HubError> {
        self.go_on()?;
        if failed >= self.tries() {
            let url = url.to_owned();
            return Err(match passing {
                Passing::Status(status, _) => HubError::Busy { url, status, tries: failed },
                Passing::Connection(reason) => HubError::Connection { url, reason, tries: failed },
            });
        }
        let doubled = self.patience.wait.saturating_mul(1 << (failed - 1).min(16));
        let wished = match passing {
            Passing::Status(_, Some(wished)) => wished,
            _ => doubled,
        };
        let end = Instant::now() + wished.min(LONGEST_WAIT);
        while Instant::now() < end {
            self.go_on()?;
            thread::sleep(Duration::from_millis(20).min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// One request with its redirects. With `head` only headers are wanted, and redirects to other hosts are not followed.
    fn request(&self, url: &str, start: u64, head: bool) -> Result<Response<Body>, Trouble> {
        let refuse = |reason| Trouble::Final(HubError::Redirect { url: url.to_owned(), reason });
        let mut uri: Uri = url.parse().map_err(|_| refuse("not an address"))?;
        for _ in 0..=REDIRECTS {
            let origin = Origin::of(&uri).ok_or_else(|| refuse("a redirect to something that is not http or https"))?;
            if self.origin.https && !origin.https {
                return Err(refuse("a redirect from https to http"));
            }
            let own = origin == self.origin;
            let mut request = if head { self.agent.head(&uri) } else { self.agent.get(&uri) };
            request = request.header("accept-encoding", "identity");
            if let (true, Some(token)) = (own, &self.token) {
                request = request.header("authorization", format!("Bearer {}", token.0));
            }
            if start > 0 {
                request = request.header("range", format!("bytes={start}-"));
            }
            let response = request.call().map_err(|error| Trouble::Passing(Passing::Connection(describe(&error))))?;
            let status = response.status();
            let location = response.headers().get("location").and_then(|value| value.to_str().ok());
            let Some(location) = location.filter(|_| is_redirect(status)) else {
                return check(url, own, response);
            };
            let next = resolved(&uri, location).ok_or_else(|| refuse("a redirect to something that is no address"))?;
            if head && (response.headers().contains_key("x-linked-etag") || Origin::of(&next) != Some(origin)) {
                return Ok(response);
            }
            uri = next;
        }
        Err(refuse("redirects without end"))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The address that a redirect leads to, which may be relative to the one that was asked for.
fn resolved(uri: &Uri, location: &str) -> Option<Uri> {
    if location.starts_with('/') && !location.starts_with("//") {
        return format!("{}://{}{location}", uri.scheme_str()?, uri.authority()?).parse().ok();
    }
    location.parse().ok()
}

/// An answer that is none of those that a request can use.
fn check(url: &str, own: bool, response: Response<Body>) -> Result<Response<Body>, Trouble> {
    let status = response.status().as_u16();
    let url = || url.to_owned();
    Err(match status {
        200 | 206 | 416 => return Ok(response),
        // A link to a storage server holds for a while only; the hub gives a new one.
        403 if !own => Trouble::Passing(Passing::Status(status, None)),
        401 | 403 => Trouble::Final(HubError::Denied { url: url(), status }),
        404 => Trouble::Final(HubError::NotFound { url: url() }),
        408 | 429 | 500..=599 => {
            let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let seconds = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
            Trouble::Passing(Passing::Status(status, seconds))
        }
        _ => Trouble::Final(HubError::Status { url: url(), status }),
    })
}

/// What an error of the connection says, in one line and without an address that may hold a signature.
pub(super) fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::Io(error) => describe_io(error),
        ureq::Error::BadUri(_) => "not an address".to_owned(),
        other => other.to_string(),
    }
}

/// The same of an error while a body is read.
pub(super) fn describe_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the connection ended early".to_owned(),
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => "no answer in time".to_owned(),
        _ => error.to_string(),
    }
}

/// Encodes what is one part of an address: letters, digits and `-._~` stand for themselves.
pub(super) fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(endpoint: &str, token: Option<&str>) -> Result<Client, HubError> {
        Client::new(endpoint, token, Patience::default(), Arc::default())
    }

    #[test]
    fn an_endpoint_is_an_address_and_a_token_stays_secret() {
        assert_eq!(client("https://hub.example/", None).unwrap().url("a"), "https://hub.example/a");
        for wrong in ["", "hub.example", "ftp://hub.example", "https://", "https://user:word@hub.example", "https://a/?b=c"] {
            assert!(matches!(client(wrong, None), Err(HubError::Endpoint(_))), "{wrong}");
        }
        assert!(matches!(client("http://hub.example", Some("hf_secret")), Err(HubError::TokenInTheClear(_))));
        assert!(client("http://127.0.0.1:1", Some("hf_secret")).is_ok());
        assert!(matches!(client(ENDPOINT, Some("hf\nsecret")), Err(HubError::Token)));
        let shown = format!("{:?}", client(ENDPOINT, Some("hf_secret")).unwrap());
        assert!(!shown.contains("hf_secret"), "{shown}");
    }

    #[test]
    fn redirects_are_resolved() {
        let uri: Uri = "https://hub.example:8443/a/b?c".parse().unwrap();
        let next = |location| resolved(&uri, location).map(|uri| uri.to_string());
        assert_eq!(next("/x?y=1").as_deref(), Some("https://hub.example:8443/x?y=1"));
        assert_eq!(next("https://other.example/z").as_deref(), Some("https://other.example/z"));
        // What leads to another host by a shortened form has no scheme, so it is refused later.
        assert_eq!(next("//other.example/z").and_then(|text| text.parse().ok()).and_then(|uri| Origin::of(&uri)), None);
        assert_eq!(encoded("refs/pr/1 ä"), "refs%2Fpr%2F1%20%C3%A4");
    }
}

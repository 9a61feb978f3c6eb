//! A small HTTP server: one answer for each connection, as a test says.

use std::collections::HashMap;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    /// Requests for this path before this one.
    pub before: usize,
}

impl Request {
    /// The first byte that is asked for.
    pub fn start(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    /// Whether a file with this name is asked for.
    pub fn is_for(&self, name: &str) -> bool {
        self.path.ends_with(&format!("/{name}"))
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The length that is announced; `None` is the true one.
    pub length: Option<Option<usize>>,
    /// The connection ends after so many bytes of the body.
    pub cut: Option<usize>,
    /// The body is sent again and again, in chunks.
    pub endless: bool,
    /// Time before each piece of 1,000 bytes.
    pub pause: Option<Duration>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), length: None, cut: None, endless: false, pause: None }
    }

    pub fn ok(body: Vec<u8>) -> Self {
        Self { body, ..Self::status(200) }
    }

    /// The part of a file that is asked for.
    pub fn part(file: &[u8], request: &Request) -> Self {
        match request.start() {
            Some(start) if start < file.len() => {
                let range = format!("bytes {start}-{}/{}", file.len() - 1, file.len());
                Self { body: file[start..].to_vec(), ..Self::status(206) }.with("content-range", &range)
            }
            Some(_) => Self::status(416),
            None => Self::ok(file.to_vec()),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn cut(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }

    /// Announces another length, or none.
    pub fn length(self, length: Option<usize>) -> Self {
        Self { length: Some(length), ..self }
    }
}

/// A server that runs until it is dropped.
pub struct Hub {
    url: String,
    asked: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Hub {
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, ended, answer) = (Arc::clone(&asked), Arc::clone(&stop), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), log, answer, ended) = (stream, Arc::clone(&log), Arc::clone(&answer), Arc::clone(&ended)) else {
                    continue;
                };
                thread::spawn(move || {
                    // A client that goes away is what some tests are about.
                    let _ = serve(stream, &log, &*answer, &ended);
                });
            }
        });
        Self { url, asked, stop }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// The first bytes that were asked for of a file, in order.
    pub fn starts(&self, name: &str) -> Vec<Option<usize>> {
        self.asked().iter().filter(|request| request.is_for(name)).map(Request::start).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    answer: &(dyn Fn(&Request) -> Reply + Send + Sync),
    ended: &AtomicBool,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let path = path.split('?').next().unwrap_or_default().to_owned();
    let request = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|request| request.path == path).count();
        let request = Request { method, path, headers, before };
        log.push(request.clone());
        request
    };
    let reply = answer(&request);
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", reply.status);
    if reply.endless {
        head.push_str("transfer-encoding: chunked\r\n");
    } else if let Some(length) = reply.length.unwrap_or(Some(reply.body.len())) {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    reply.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    while reply.endless && !ended.load(Ordering::SeqCst) {
        write!(stream, "{:x}\r\n", reply.body.len())?;
        stream.write_all(&reply.body)?;
        stream.write_all(b"\r\n")?;
    }
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len()).min(reply.body.len())];
    match reply.pause {
        None => stream.write_all(body)?,
        Some(pause) => {
            for piece in body.chunks(1000) {
                thread::sleep(pause);
                stream.write_all(piece)?;
            }
        }
    }
    stream.flush()
}

//! A headless Chromium on SwiftShader, and a server for its page that takes results.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// An installed browser.
pub struct Browser(PathBuf);

/// A browser that runs; it ends with the value.
pub struct Running {
    child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// The browser of this machine, where `make test-web` asks for it; else a note on what is not checked.
    pub fn asked_for() -> Option<Self> {
        let note = |what: &str| {
            // Straight to stderr, for the harness hides what a passing test prints.
            let note = format!("\n!!! The exported page was NOT checked in a browser: {what}\n\n");
            std::io::stderr()
                .write_all(note.as_bytes())
                .expect("stderr");
        };
        if std::env::var_os("GTZAN_GPU_TEST_WEB").is_none() {
            note("that takes minutes; run make test-web");
            return None;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let found = std::env::split_paths(&path)
            .flat_map(|dir| names.map(|name| dir.join(name)))
            .find(|file| file.is_file());
        if found.is_none() {
            note("there is none here; install Debian's chromium");
        }
        found.map(Self)
    }

    /// Open a page.
    pub fn open(&self, address: &str) -> Running {
        let profile = tempfile::tempdir().expect("a folder");
        let child = Command::new(&self.0)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu-sandbox",
                "--enable-unsafe-webgpu",
                "--enable-features=Vulkan",
                "--use-webgpu-adapter=swiftshader",
                // Sound without a click, and a microphone that is none.
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        Running {
            child,
            _profile: profile,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder behind a local port.
pub struct Served {
    port: u16,
    results: Receiver<(String, Value)>,
}

impl Served {
    /// Serve `dir`.
    pub fn new(dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, results) = channel();
        let dir = dir.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (dir, sender) = (dir.clone(), sender.clone());
                // A connection that breaks off is the browser's affair.
                std::thread::spawn(move || drop(answer(stream, &dir, &sender)));
            }
        });
        Self { port, results }
    }

    /// Address of a file.
    pub fn address(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// What the page posted as `step`, which is the next that it posts.
    ///
    /// # Panics
    /// When it posts something else, or nothing for too long.
    pub fn result(&self, step: &str, wait: Duration) -> Value {
        let end = Instant::now() + wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (name, value) = (self.results.recv_timeout(left))
                .unwrap_or_else(|_| panic!("the page says nothing of {step} for {wait:?}"));
            if name == "note" {
                println!("page: {value}");
                continue;
            }
            assert_eq!(name, step, "{value}");
            return value;
        }
    }
}

fn answer(
    mut stream: TcpStream,
    dir: &Path,
    sender: &Sender<(String, Value)>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next(), words.next().unwrap_or("/"));
    let name = target
        .trim_start_matches('/')
        .split('?')
        .next()
        .unwrap_or_default();
    let (status, kind, body) = if method == Some("POST") {
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let value = serde_json::from_slice(&body).unwrap_or_default();
        // Nobody listens any more once the test is over.
        let _ = sender.send((name.to_owned(), value));
        ("204 No Content", "text/plain", Vec::new())
    } else {
        let name = if name.is_empty() { "index.html" } else { name };
        let kind = match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some("html") => "text/html",
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            _ => "application/octet-stream",
        };
        match std::fs::read(dir.join(name)) {
            Ok(body) => ("200 OK", kind, body),
            Err(_) => ("404 Not Found", "text/plain", Vec::new()),
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

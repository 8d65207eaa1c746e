//! A way to a server on this machine that loses or delays what passes, in either direction.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The treatment of what passes in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It arrives.
    Passes,
    /// It arrives so much later.
    Late(Duration),
    /// It never arrives.
    Lost,
}

/// A proxy, which ends with its value.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: String,
    /// The treatment of requests and of answers.
    flows: Mutex<[Flow; 2]>,
    connections: Mutex<Vec<TcpStream>>,
    /// The number of pieces that are yet to arrive.
    under_way: AtomicUsize,
    over: AtomicBool,
}

const REQUESTS: usize = 0;
const ANSWERS: usize = 1;

impl Proxy {
    /// Begins to pass on what comes for the server at `host:port`.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            server: server.to_owned(),
            flows: Mutex::new([Flow::Passes; 2]),
            connections: Mutex::default(),
            under_way: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.over.load(Ordering::Acquire) {
                    break;
                }
                // A server that refuses is seen as a connection that ends.
                let _ = shared.connect(client);
            }
        });
        Self { port, state }
    }

    /// Returns its address, as `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Sets the treatment of requests.
    pub fn requests(&self, flow: Flow) {
        self.state.flows.lock().expect("the flows")[REQUESTS] = flow;
    }

    /// Sets the treatment of answers.
    pub fn answers(&self, flow: Flow) {
        self.state.flows.lock().expect("the flows")[ANSWERS] = flow;
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for connection in self.state.connections.lock().expect("connections").drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Waits until everything has arrived that is only late.
    pub fn wait_for_late(&self) {
        while self.state.under_way.load(Ordering::Acquire) > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Release);
        self.cut();
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn connect(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(&self.server)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.connections.lock().expect("connections").push(stream.try_clone()?);
        }
        self.pump(REQUESTS, client.try_clone()?, server.try_clone()?);
        self.pump(ANSWERS, server, client);
        Ok(())
    }

    /// Passes on what comes from one end to the other, from two threads of their own.
    fn pump(self: &Arc<Self>, direction: usize, mut from: TcpStream, to: TcpStream) {
        let (pieces, arriving) = channel();
        let (reads, writes) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || reads.read(direction, &mut from, &pieces));
        std::thread::spawn(move || writes.write(to, &arriving));
    }

    fn read(&self, direction: usize, from: &mut TcpStream, pieces: &Sender<(Instant, Vec<u8>)>) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let delay = match self.flows.lock().expect("the flows")[direction] {
                Flow::Passes => Duration::ZERO,
                Flow::Late(delay) => delay,
                Flow::Lost => continue,
            };
            self.under_way.fetch_add(1, Ordering::AcqRel);
            if pieces.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                self.under_way.fetch_sub(1, Ordering::AcqRel);
                return;
            }
        }
    }

    fn write(&self, mut to: TcpStream, pieces: &Receiver<(Instant, Vec<u8>)>) {
        for (due, piece) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // An end that is gone misses nothing.
            let _ = to.write_all(&piece);
            self.under_way.fetch_sub(1, Ordering::AcqRel);
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}

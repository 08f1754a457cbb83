//! A server of a test, on a thread of its own, so that blocking tests can use it too.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::Notify;

/// It stops when this value goes, or when one of its answers asks for it.
pub struct Serving {
    port: u16,
    end: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Starts on a port of this machine, 0 for a free one. An answer can end the server with what it is given.
    pub fn start<F>(port: u16, answer: impl Fn(TcpStream, Arc<Notify>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = StdListener::bind(("127.0.0.1", port)).expect("a free port");
        let port = listener.local_addr().expect("the address just bound").port();
        let end = Arc::new(Notify::new());
        let asked = Arc::clone(&end);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let accepting = accept(listener, |stream| answer(stream, Arc::clone(&asked)));
                tokio::select! {
                    served = accepting => served.expect("it serves"),
                    () = asked.notified() => {}
                }
            });
        });
        Self { port, end, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it has ended; its port, which is free then.
    pub fn ended(&mut self) -> u16 {
        self.thread.take().map(JoinHandle::join);
        self.port
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}

async fn accept<F>(listener: StdListener, answer: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that goes away in the middle is part of what is tested.
        tokio::spawn(answer(stream));
    }
}

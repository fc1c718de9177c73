//! A connection to a mail server whose every read and write has a deadline.

use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::settings::Server;

/// TCP with or without TLS.
pub(super) struct Wire {
    stream: Stream,
    read: Deadline,
    write: Deadline,
    /// Read before anything that comes from the server.
    first: Bytes,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How long one poll may stay pending.
struct Deadline {
    most: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Connects without TLS.
    pub(super) async fn connect(server: &Server, connect: Duration, io: Duration) -> io::Result<Self> {
        let address = (server.host.as_str(), server.port);
        let tcp = timeout(connect, TcpStream::connect(address)).await.map_err(|_| late("connecting"))??;
        tcp.set_nodelay(true)?;
        Ok(Self {
            stream: Stream::Plain(tcp),
            read: Deadline { most: io, running: None },
            write: Deadline { most: io, running: None },
            first: Bytes::new(),
        })
    }

    /// Begins TLS; what the server said before it is forgotten with the old stream (RFC 9051 §11.1).
    pub(super) async fn encrypt(self, server: &Server, within: Duration) -> io::Result<Self> {
        let Stream::Plain(tcp) = self.stream else {
            return Err(io::Error::other("the connection is encrypted already"));
        };
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no valid host name for TLS"))?;
        let handshake = TlsConnector::from(server.tls.clone()).connect(name, tcp);
        let tls = timeout(within, handshake).await.map_err(|_| late("the TLS handshake"))??;
        Ok(Self { stream: Stream::Tls(Box::new(tls)), ..self })
    }

    /// Lets the next reads see `bytes` before the server's own.
    pub(super) fn read_first(mut self, bytes: &'static [u8]) -> Self {
        self.first = Bytes::from_static(bytes);
        self
    }

    pub(super) fn set_read_timeout(&mut self, most: Duration) {
        self.read = Deadline { most, running: None };
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Deadline {
    /// Passes `polled` on; after the deadline an error instead of “pending”.
    fn check<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        what: &str,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.running = None;
            return polled;
        }
        let most = self.most;
        let running = self.running.get_or_insert_with(|| Box::pin(sleep(most)));
        ready!(running.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(Err(late(what)))
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} took too long"))
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("peer", &self.tcp().peer_addr().ok()).finish_non_exhaustive()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.first.has_remaining() {
            let part = this.first.split_to(this.first.len().min(buf.remaining()));
            buf.put_slice(&part);
            return Poll::Ready(Ok(()));
        }
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        };
        this.read.check(polled, "an answer of the server", cx)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        };
        this.write.check(polled, "writing to the server", cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        };
        this.write.check(polled, "writing to the server", cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let polled = match &mut this.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        };
        this.write.check(polled, "closing the connection", cx)
    }
}

impl lettre::transport::smtp::client::AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }
}

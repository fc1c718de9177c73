//! A private Dovecot: own ports, users, certificate and directory; gone when dropped.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub const PASSWORD: &str = "correct horse";
/// Patience of every wait in these tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Dovecot {
    process: Child,
    root: TempDir,
    pub imap: u16,
    pub imaps: u16,
    pub lmtp: u16,
    /// Where Postfix asks for passwords.
    pub auth: u16,
}

/// An own connection that looks at what the bridge did.
pub struct Looker {
    stream: BufReader<TcpStream>,
    tag: u32,
}

impl Dovecot {
    /// Starts with the users `support`, `sales` and `customer`, all with [`PASSWORD`].
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// `more` is added to its configuration.
    pub fn start_with(more: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(root.path().join("mail")).unwrap();
        fs::set_permissions(root.path().join("mail"), fs::Permissions::from_mode(0o777)).unwrap();
        write_certificate(root.path());
        let [imap, imaps, lmtp, auth] = free_ports();
        let mut users = String::new();
        for user in ["support", "sales", "customer"] {
            writeln!(users, "{user}:{{PLAIN}}{PASSWORD}::::::").unwrap();
        }
        fs::write(root.path().join("users"), users).unwrap();
        let config = config(root.path(), [imap, imaps, lmtp, auth], more);
        fs::write(root.path().join("dovecot.conf"), config).unwrap();
        let log = fs::File::create(root.path().join("stderr")).unwrap();
        let process = Command::new("/usr/sbin/dovecot")
            .arg("-F")
            .arg("-c")
            .arg(root.path().join("dovecot.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Dovecot (dovecot-imapd, dovecot-lmtpd) is installed");
        let dovecot = Self { process, root, imap, imaps, lmtp, auth };
        for port in [imap, imaps, lmtp, auth] {
            wait_for_port(port, || dovecot.log());
        }
        dovecot
    }

    pub fn ca_file(&self) -> PathBuf {
        self.root.path().join("cert.pem")
    }

    pub fn key_file(&self) -> PathBuf {
        self.root.path().join("key.pem")
    }

    pub fn maildir(&self, user: &str) -> PathBuf {
        self.root.path().join("mail").join(user)
    }

    /// Hands a mail over as a mail server does (LMTP), with the null return path of an automatic one.
    pub fn deliver(&self, user: &str, mail: &str) {
        self.deliver_from("", user, mail);
    }

    /// The same with an envelope sender, as a person's mail has one.
    pub fn deliver_from(&self, sender: &str, user: &str, mail: &str) {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.lmtp)).unwrap());
        let mut say = |line: &str, expected: &str| {
            stream.get_mut().write_all(line.as_bytes()).unwrap();
            loop {
                let mut answer = String::new();
                stream.read_line(&mut answer).unwrap();
                if answer.as_bytes().get(3) != Some(&b'-') {
                    assert!(answer.starts_with(expected), "LMTP: {answer}{}", self.log());
                    return;
                }
            }
        };
        say("", "220");
        say("LHLO test\r\n", "250");
        say(&format!("MAIL FROM:<{sender}>\r\n"), "250");
        say(&format!("RCPT TO:<{user}@desk.example>\r\n"), "250");
        say("DATA\r\n", "354");
        let mail = mail.replace("\r\n", "\n").replace("\n.", "\n..").replace('\n', "\r\n");
        say(&format!("{mail}\r\n.\r\n"), "250");
        say("QUIT\r\n", "221");
    }

    pub fn look(&self, user: &str) -> Looker {
        let stream = TcpStream::connect(("127.0.0.1", self.imap)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut looker = Looker { stream: BufReader::new(stream), tag: 0 };
        looker.line();
        looker.ask(&format!("LOGIN {user} \"{PASSWORD}\""));
        looker.ask("SELECT INBOX");
        looker
    }

    /// The folder gets new numbers, as after a move to another server.
    pub fn renumber(&self, user: &str) {
        let maildir = self.maildir(user);
        for file in fs::read_dir(&maildir).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("dovecot.index") {
                fs::remove_file(&path).unwrap();
            } else if name == "dovecot-uidlist" {
                let list = fs::read_to_string(&path).unwrap();
                let (head, rest) = list.split_once('\n').unwrap();
                let words = head.split(' ').map(|word| match word.strip_prefix('V') {
                    Some(number) => format!("V{}", number.parse::<u32>().unwrap() + 1000),
                    None => word.to_owned(),
                });
                fs::write(&path, format!("{}\n{rest}", words.collect::<Vec<_>>().join(" "))).unwrap();
            }
        }
    }

    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.root.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stderr"), read("log"))
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

impl Looker {
    /// The whole answer to a command, which must succeed.
    pub fn ask(&mut self, command: &str) -> String {
        self.tag += 1;
        let tag = format!("T{} ", self.tag);
        self.stream.get_mut().write_all(format!("{tag}{command}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        loop {
            let line = self.line();
            answer.push_str(&line);
            if line.starts_with(&tag) {
                assert!(line.contains(" OK"), "{command}: {line}");
                return answer;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the server closed the connection");
        line
    }
}

pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

pub fn wait_for_port(port: u16, log: impl Fn() -> String) {
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "port {port} never opened: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks politely, so that it takes its own children along.
pub fn stop(process: &mut Child) {
    let _ = Command::new("kill").arg(process.id().to_string()).status();
    let until = Instant::now() + Duration::from_secs(5);
    while matches!(process.try_wait(), Ok(None)) {
        if Instant::now() > until {
            let _ = process.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn is_root() -> bool {
    user_id("-u") == "0"
}

fn user_id(what: &str) -> String {
    let mut id = String::new();
    let mut process = Command::new("id").arg(what).stdout(Stdio::piped()).spawn().unwrap();
    process.stdout.take().unwrap().read_to_string(&mut id).unwrap();
    process.wait().unwrap();
    id.trim().to_owned()
}

fn write_certificate(root: &Path) {
    let certified =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    fs::write(root.join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(root.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
}

fn config(root: &Path, [imap, imaps, lmtp, auth]: [u16; 4], more: &str) -> String {
    let root = root.display();
    // Dovecot refuses to touch mail as root, and an ordinary user can be nobody else.
    let (mail_uid, mail_gid) =
        if is_root() { ("65534".to_owned(), "65534".to_owned()) } else { (user_id("-u"), user_id("-g")) };
    let me = user_id("-un");
    let unprivileged = if is_root() {
        String::new()
    } else {
        format!(
            "default_login_user = {me}\ndefault_internal_user = {me}\ndefault_internal_group = {}\n\
             service imap-login {{\n chroot =\n}}\nservice anvil {{\n chroot =\n}}\n",
            user_id("-gn")
        )
    };
    format!(
        "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/log\nprotocols = imap lmtp\nlisten = 127.0.0.1\n\
         ssl = yes\nssl_cert = <{root}/cert.pem\nssl_key = <{root}/key.pem\ndisable_plaintext_auth = no\n\
         auth_failure_delay = 0\nauth_mechanisms = plain login\nmail_location = maildir:{root}/mail/%n\nfirst_valid_uid = 1\n\
         mail_max_userip_connections = 50\n\
         passdb {{\n driver = passwd-file\n args = username_format=%n {root}/users\n}}\n\
         userdb {{\n driver = static\n args = uid={mail_uid} gid={mail_gid} home={root}/mail/%n\n}}\n\
         service imap-login {{\n inet_listener imap {{\n port = {imap}\n }}\n inet_listener imaps {{\n port = {imaps}\n ssl = yes\n }}\n}}\n\
         service lmtp {{\n inet_listener lmtp {{\n address = 127.0.0.1\n port = {lmtp}\n }}\n}}\n\
         service auth {{\n inet_listener {{\n address = 127.0.0.1\n port = {auth}\n }}\n}}\n\
         {unprivileged}{more}\n"
    )
}

//! A private Postfix: takes mail on its own port after a login over TLS, delivers into the private Dovecot.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::dovecot::{Dovecot, free_ports, is_root, stop, wait_for_port};

pub struct Postfix {
    process: Child,
    _root: TempDir,
    pub port: u16,
}

impl Postfix {
    /// Takes mail for `desk.example`. Its master insists on being started by root.
    pub fn start(dovecot: &Dovecot) -> Self {
        assert!(is_root(), "Postfix can only be started by root: run these tests as root, as in a container");
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let [port] = free_ports();
        for directory in ["config", "queue", "data"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        run(Command::new("chown").arg("postfix").arg(root.path().join("data")));
        let config = root.path().join("config");
        fs::write(config.join("main.cf"), main_cf(root.path(), dovecot)).unwrap();
        fs::write(config.join("master.cf"), master_cf(port)).unwrap();
        run(Command::new("postfix").arg("-c").arg(&config).arg("check"));
        let process = Command::new("/usr/lib/postfix/sbin/master")
            .arg("-d")
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Postfix is installed");
        let log = root.path().join("log");
        wait_for_port(port, || fs::read_to_string(&log).unwrap_or_default());
        Self { process, _root: root, port }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn main_cf(root: &Path, dovecot: &Dovecot) -> String {
    let (root, cert, key) = (root.display(), dovecot.ca_file(), dovecot.key_file());
    format!(
        "compatibility_level = 3.6\nqueue_directory = {root}/queue\ndata_directory = {root}/data\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
         setgid_group = postdrop\nmaillog_file_prefixes = {root}\nmaillog_file = {root}/log\n\
         myhostname = mx.desk.example\nmydestination =\nmynetworks =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         virtual_mailbox_domains = desk.example\nvirtual_mailbox_maps = static:ok\n\
         virtual_transport = lmtp:inet:127.0.0.1:{lmtp}\nmessage_size_limit = 100000000\nvirtual_mailbox_limit = 0\nmailbox_size_limit = 0\n\
         smtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\nsmtpd_tls_security_level = may\nsmtpd_tls_auth_only = yes\n\
         smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{auth}\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_sender_restrictions =\nalias_maps =\nalias_database =\n",
        cert = cert.display(),
        key = key.display(),
        lmtp = dovecot.lmtp,
        auth = dovecot.auth,
    )
}

fn master_cf(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n\
         flush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nproxywrite unix - - n - 1 proxymap\n\
         smtp unix - - n - - smtp\nlmtp unix - - n - - lmtp\nerror unix - - n - - error\nretry unix - - n - - error\n\
         discard unix - - n - - discard\nanvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

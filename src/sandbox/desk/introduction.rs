//! What a `bot.toml` says of this desk, by the name of each dialect's keys, with a file for each secret.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::super::private_file;
use super::keliweb::{CLIENT_ID, CLIENT_SECRET, user_name};
use super::{DeskStandIn, Dialect};

impl DeskStandIn {
    /// A `[[ticket_api]]` by this name, ready for more keys. Secrets go into files of the folder.
    pub fn introduces_itself(&self, name: &str, folder: &Path) -> io::Result<String> {
        let mut text = format!("[[ticket_api]]\nname = {name:?}\n");
        let whmcs = &self.ledger.options.whmcs;
        let base_url = self.base_url();
        let mut plain = |kind| writeln!(text, "kind = {kind:?}\nbase_url = {base_url:?}");
        let _ = match self.dialect() {
            Dialect::Paradarum => plain("paradarum"),
            Dialect::I3d => plain("i3d"),
            Dialect::Hostup => plain("hostup"),
            Dialect::Whmcs => {
                let key = secret(folder, &format!("{name}.secret"), &whmcs.secret)?;
                writeln!(
                    text,
                    "kind = \"whmcs\"\nprofile = \"native\"\nbase_url = {base_url:?}\nidentifier = {:?}\nkey = {key}",
                    whmcs.identifier
                )
            }
            Dialect::Keliweb => {
                let client_secret = secret(folder, &format!("{name}.client-secret"), CLIENT_SECRET)?;
                let departments = whmcs.departments.iter().map(|one| format!("{:?} = {}", one.name, one.id));
                writeln!(
                    text,
                    "kind = \"whmcs\"\nprofile = \"keliweb\"\nbase_url = \"{base_url}/api/v2/keliweb/\"\n\
                     oauth_url = \"{base_url}/oauth/token\"\nclient_id = {CLIENT_ID:?}\n\
                     client_secret = {client_secret}\nuser = \"nobody@keliweb.example\"\n\
                     departments = {{ {} }}",
                    departments.collect::<Vec<_>>().join(", ")
                )
            }
        };
        Ok(text)
    }

    /// An `[[account]]` by this name at the `[[ticket_api]]` of that name, ready for more keys.
    pub fn introduces(
        &self,
        account: i64,
        name: &str,
        ticket_api: &str,
        folder: &Path,
    ) -> io::Result<String> {
        let id = match self.dialect() {
            Dialect::Keliweb => user_name(account),
            _ => account.to_string(),
        };
        let mut text = format!("[[account]]\nname = {name:?}\nticket_api = {ticket_api:?}\nid = {id:?}\n");
        // One credential speaks for all clients of a WHMCS.
        if self.dialect() != Dialect::Whmcs {
            let key = self.ledger.read(|books| books.records.key_of(account).flatten().map(str::to_owned));
            let key = secret(folder, &format!("{name}.key"), &key.unwrap_or_default())?;
            let _ = writeln!(text, "key = {key}"); // a String takes every write
        }
        Ok(text)
    }

    /// Which contract this desk keeps.
    pub fn dialect(&self) -> Dialect {
        self.ledger.options.dialect
    }
}

/// Writes a secret beside the `bot.toml`, and returns how that says where.
fn secret(folder: &Path, file: &str, text: &str) -> io::Result<String> {
    private_file::write(&folder.join(file), text)?;
    Ok(format!("{{ file = {file:?} }}"))
}

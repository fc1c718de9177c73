//! E-mail: IMAP or Maildir in, SMTP or a directory out.

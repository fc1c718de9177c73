//! The files that people in the town send to each other.

/// A photo of a card terminal that shows an error.
pub const TERMINAL_PHOTO: &[u8] = include_bytes!("terminal.jpg");
/// A page of settings for it, as PDF.
pub const SETTINGS_PDF: &[u8] = include_bytes!("settings.pdf");
/// An invoice, as PDF.
pub const INVOICE_PDF: &[u8] = include_bytes!("invoice.pdf");

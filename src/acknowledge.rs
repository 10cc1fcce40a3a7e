//! Which messages of a batch come back. Pure.
//!
//! A message that comes back keeps all that is behind it in its group waiting,
//! until the queue's visibility timeout has passed. So it is the exception: what
//! is unfinished is kept in the process, and the message acknowledged.

/// So often a message comes back.
pub const RETURNS: u32 = 3;

/// A message, as far as this is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered<'m> {
    /// Its id.
    pub id: &'m str,
    /// How often it was delivered, this time included.
    pub receives: u32,
    /// Whether it leads to a look at anything.
    pub looks: bool,
}

/// The ids of the messages that come back: those that lead to a look, if the pass
/// could deal with no Studio at all for a reason that passes, and not for ever.
pub fn returned<'m>(messages: &[Delivered<'m>], dealt_with_none: bool) -> Vec<&'m str> {
    let comes_back =
        |message: &&Delivered<'m>| dealt_with_none && message.looks && message.receives <= RETURNS;
    let messages = messages.iter().filter(comes_back);
    messages.map(|message| message.id).collect()
}

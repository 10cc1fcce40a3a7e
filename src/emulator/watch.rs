//! Whoever looks on at each call that takes effect, and may step in: a test that
//! judges every write by the state of the world it is made in, or a rival who
//! changes things between two calls.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::world::World;

type Eyes = dyn FnMut(&mut World, &str, &Value) + Send;

/// Who looks on, if anybody does.
#[derive(Clone, Default)]
pub struct Watch(Option<Arc<Mutex<Eyes>>>);

impl Watch {
    /// Looks on with this: it is given the world, the operation and its input,
    /// just before the call takes effect.
    pub fn new(eyes: impl FnMut(&mut World, &str, &Value) + Send + 'static) -> Watch {
        Watch(Some(Arc::new(Mutex::new(eyes))))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Watch(..)",
            None => "Watch(nobody)",
        })
    }
}

impl World {
    /// Lets a call be seen that is about to take effect.
    pub(super) fn watched(&mut self, operation: &str, input: &Value) {
        let Watch(Some(eyes)) = self.watch.clone() else {
            return;
        };
        let mut eyes = eyes.lock().unwrap_or_else(PoisonError::into_inner);
        eyes(self, operation, input);
    }
}

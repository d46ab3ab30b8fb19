//! What is wrong with the elements of one message, gathered while it is read.

use crate::fault::{ErrorCode, Fault};

/// What is wrong with the elements of one message, gathered.
#[derive(Debug, Default)]
pub struct Faults {
    path: Vec<String>,
    missing: Vec<String>,
    wrong: Vec<String>,
}

impl Faults {
    /// An element that has to be there is not. One that is there in a wrong form was noted as such, and is not missing.
    pub fn missing(&mut self, name: &str) {
        let shown = self.shown(name);
        if !self.wrong.contains(&shown) {
            self.missing.push(shown);
        }
    }

    /// An element has a wrong form or value.
    pub fn wrong(&mut self, name: &str) {
        let shown = self.shown(name);
        self.wrong.push(shown);
    }

    /// Goes into an element that has elements itself.
    pub fn inside<T>(&mut self, name: &str, read: impl FnOnce(&mut Faults) -> T) -> T {
        self.path.push(name.to_owned());
        let result = read(self);
        self.path.pop();
        result
    }

    /// The fault that all of them make together: what is missing is told first.
    pub fn into_fault(self) -> Option<Fault> {
        if !self.missing.is_empty() {
            return Some(Fault::new(ErrorCode::RequiredElementMissing, &self.missing.join(",")));
        }
        (!self.wrong.is_empty()).then(|| Fault::new(ErrorCode::FormatInvalid, &self.wrong.join(",")))
    }

    fn shown(&self, name: &str) -> String {
        let mut shown = self.path.join(".");
        if !shown.is_empty() {
            shown.push('.');
        }
        shown.push_str(name);
        shown
    }
}

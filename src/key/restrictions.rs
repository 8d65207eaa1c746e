//! The restrictions of a key beside its usages.

/// The reasons to rely on what does not come out of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restrictions {
    /// The security officer trusts it with the wrapping of other keys, or has done so before.
    pub trusted: bool,
    /// It has a template of its own for what it wraps, unwraps or derives.
    pub templates: bool,
    /// One of them is for what it unwraps.
    pub unwrap_template: bool,
    /// It only takes in material of custom keys.
    pub import_only: bool,
}

impl Restrictions {
    /// Returns whether anything binds the key.
    pub const fn any(self) -> bool {
        self.trusted || self.templates || self.import_only
    }

    /// Returns whether what it unwraps stays hidden from those who may use it, so that no answer to a forged
    /// blob may tell anything of it.
    pub const fn hides_what_it_unwraps(self) -> bool {
        self.trusted || self.unwrap_template || self.import_only
    }
}

//! Arguments that are made of bytes.

/// The rest of an input, from which a target takes its arguments; behind the end stand zeros.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Takes so many bytes, or those that are left.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes bytes whose number stands before them.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.bytes(length)
    }

    /// Takes a number: mostly a small one, or one at an edge.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => 1 << 62,
            253 => 1 << 32,
            252 => (1 << 20) + u64::from(self.byte()),
            251 => {
                let mut bytes = [0; 8];
                self.bytes(8).iter().zip(&mut bytes).for_each(|(from, to)| *to = *from);
                u64::from_le_bytes(bytes)
            }
            small => u64::from(small),
        }
    }

    /// Takes one of several.
    pub(crate) fn of<T>(&mut self, all: &'a [T]) -> &'a T {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        &all[number % all.len()]
    }
}

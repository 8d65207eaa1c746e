//! # What it was put through
//!
//! Programs below `tests/fire`, and one beside the writer, do to Keystead what a bad day does. Each chooses by a
//! seed; one that fails prints the command that plays it again. `tests/run` has a short run of each, `tests/run
//! fire` a long one.
//!
//! | program | what it does | what it shows | what it does not |
//! |---|---|---|---|
//! | `crash` | three clients change keys and the PIN at once; they and the agents are killed at any moment, 300 times, or 10,000 | an answer holds; a change whose answer was lost happened wholly or not at all, and once; no key is doubled or revived; no call takes longer than 10 s; the audit log verifies; of all erase secrets that were ever there, only those of present material are left in any file | losses of power |
//! | `power` | what agents wrote and synced is recorded, and played to a moment at which the power goes: the unsynced is lost, kept, or torn at 512 bytes, and of the names in a folder the last are lost | the store opens, holds what was acknowledged, takes changes, has no erased secret, and its audit log verifies. Without syncs, or without those of `db/db` or of `slots`, it fails | disks that lie about a sync; the words of `generations`, which are never relied on after a loss of power |
//! | `damage` | parts of every file are flipped, cut off or blotted out; files are another store's, or an earlier day's | a key is the right one, or missing and the file named by the log or `keystead doctor`; never another key, or a deleted one | several damages at once; an earlier day's complete directory, which passes for the store ([threats](super::threats)) |
//! | `gone` | a thief with the PIN and all files, by the documented formats alone, without an agent | all keys can be had before they end; after it the deleted, the expired and the destroyed cannot, neither from the files, a later backup, the snapshot, nor the memory of agent and client | the inside of disks, swap, copies of before |
//! | `clocks` | clocks of an agent and of two clients jump back and forth; the agent is killed or stopped | a key ends by the latest time that the store has seen, or by its own process's clock if that is ahead; by neither before | a suspended machine |
//! | `timing` | Welch's t of two classes of input: PIN compare, GCM tag, HMAC compare, PKCS#1 v1.5 unpadding and rejection, ML-KEM decapsulation | no difference beyond t = 5 three times in a row; a comparison that stops at the first difference is found | other machines; leaks smaller than the noise |
//! | `histories` | every history of two steps, or of three: write, remove, expire; killed after any step of the commit, or powerless, or overtaken by another opening; the client asks again | what was answered stands, a retry has the first answer, a lost race has erased nothing, what ended has no secret left | longer histories, more keys |

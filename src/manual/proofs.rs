//! # Proofs
//!
//! Programs below `tests/fire`, and one beside the writer, do to Keystead what a bad day does. They choose by a seed,
//! but for `gone`, which has nothing to choose, and `histories`, which plays all. Each says first the command that
//! makes the same choices again, to be typed as it stands; what these meet may differ, such as the moment that a kill
//! hits, what depends on it, and the bytes of keys and cells, which are new each time. One that is interrupted leaves
//! no process and no file. `tests/run` has a short run of each, `tests/run fire` a long one, and `KEYSTEAD_SHARE=3/16
//! tests/run fire` the third of sixteen shares of that. Each has a control, which is part of the same run: something is
//! broken on purpose, and the same judge has to find it, or it proves nothing. README has what was seen last.
//!
//! ## Kills
//!
//! `crash`: three clients of each of four stores make, import, import again, delete, rotate, rename, disable and
//! schedule keys, let them expire, change the PIN and give wrong and former ones, all at once. They and the agents are
//! killed at any moment, 300 times, or 10,000. At the end the time of the schedules comes, and the agents that meet it
//! are killed too.
//!
//! * It shows that an answer holds; that a change whose answer was lost happened wholly or not at all, and once; that
//!   no key is doubled or revived; that other material is refused for ever; that every version opens what it has
//!   sealed, and no other key does; that no call takes longer than 10 s; that the audit log verifies, and that each key,
//!   import, deletion and rotation has one line in it; that a whole key ends as scheduled; that a wrong PIN that was
//!   answered stays counted, so that ten lock the token; that an answered deletion has overwritten a secret; and that of
//!   all erase secrets that were ever there only those of present material are left in any file.
//! * Its control: a change that is lost, half done, or made twice; a key that is revived, there twice, or has other
//!   material; a PIN, an audit line or a secret that is gone; an erased secret that is left, or not overwritten; what is
//!   forbidden is done, what is allowed refused; a key that does not open what it has sealed, or opens what another has;
//!   a client that dies; a call that takes too long; a wrong PIN that is not counted, or does not show; a schedule that
//!   is not minded.
//! * It does not show what a loss of power does: what a killed process has written, the system still has. Nor does it
//!   kill anything at `C_InitToken`, at a backup, or at the end of a token.
//!
//! ## Losses of power
//!
//! `power`: what agents wrote, synced and answered is recorded, and played to a moment at which the power goes. The
//! unsynced is lost, kept, or torn at 512 bytes, and of the names in a folder the last are lost. A change is acknowledged
//! from its answer on. A long run tries every moment, a short one some, half of them answers.
//!
//! * It shows that the store opens, holds what was acknowledged, takes changes, has no erased secret, and that its
//!   audit log verifies and has a line for each key, import, deletion and rotation.
//! * Its control: without syncs, or without those of `db/db` or of `slots`, or where these come behind the answer, what
//!   was acknowledged is lost, or what was erased is there. Syncs of folders, and of the audit log's
//!   file, have none: a recording without them lost nothing that was acknowledged.
//! * It does not show the making or the end of a token, a restoration, a recovery or an upgrade, nor expiries or changes
//!   of several clients at once: one client's changes are recorded. It does not show what disks do that lie about a
//!   sync, nor anything of the words in `generations`, which are never relied on after a loss of power.
//!
//! ## Damage
//!
//! `damage`: parts of every file are flipped, cut off or blotted out, but of `ballast`, `lock` and `starting`, which have
//! no content; files are another store's, or an earlier day's. A long run flips a bit in 2,000 parts of 64 bytes of each
//! file at most, and cuts or blots it out at 100 places.
//!
//! * It shows that a key is the right one, or missing and the file named by the log or `keystead doctor`; never another
//!   key, or a deleted one; and that no program crashes or waits.
//! * Its control: another key, a deleted one, a key that is missing in silence, another audit log, a client that
//!   crashes, one that waits.
//! * It does not show several damages at once, nor an earlier day's complete directory, which passes for the store
//!   ([`threats`](super::threats)).
//!
//! ## Deleted means gone
//!
//! `gone`: a thief has the PIN and every file, reads the records of a snapshot and the cells by their documented formats,
//! without an agent, and looks for the bytes of keys and erased secrets in all files.
//!
//! * It shows that a key that was deleted, has expired or was destroyed cannot be had, neither from the files, a later
//!   backup, the snapshot, nor from the memory of agent and client.
//! * Its control: before they end, all of them can be had; a key that has not ended is found in the client's memory, and
//!   what the agent does have in the agent's.
//! * It does not show records that only `db` has, by their format; the memory of an agent or a client that ended before
//!   a key did; nor the inside of disks, swap, or copies of before.
//!
//! ## Clocks
//!
//! `clocks`: the clocks of an agent and of two clients jump back and forth, the agent is killed or stopped, and the
//! machine is suspended, so that `CLOCK_BOOTTIME` goes on and `CLOCK_MONOTONIC` does not, with its clock or without.
//! `seconds`: two clients use a key without a pause around the second of its end, while the agent is killed or stopped,
//! or another client renews the key.
//!
//! * They show that a key ends by the latest time that the store has seen, by its own process's clock where that is
//!   ahead, and by the time in suspension, and by none of them before; that each call that ends before that second
//!   works and none that begins in it does; and that a renewed key works from the answer on.
//! * Their controls: no expiry, no client's clock, no time in suspension is minded; keys that end early, or a second
//!   late.
//! * They do not show that the kernel's timers ring after a suspension. That the agent waits by one that counts it is
//!   tested.
//!
//! ## Times
//!
//! `timing`: Welch's t of two classes of input for the compare of a PIN, of a GCM tag and of an HMAC, for the unpadding
//! of PKCS#1 v1.5 and its implicit rejection, and for decapsulation by the three sets of ML-KEM.
//!
//! * It shows no difference beyond t = 5 three times in a row, and beside each t the smallest that would have been found.
//! * Its controls: a comparison of 16 bytes that stops at the first difference; and in each operation a delay of one
//!   class, of 20 ns in the compare of a PIN, 50 ns in those of a tag and an HMAC, 500 ns in decapsulation and 5 µs in
//!   PKCS#1.
//! * It does not show other machines; nor smaller leaks, such as one of 100 ns in PKCS#1; nor the build for release: what
//!   is measured is built as the tests are, with AWS-LC as it is shipped and Keystead's own code not optimised.
//!
//! ## Histories of a commit
//!
//! `histories`: every history of two steps over the writer and what really proposes changes to it: the key is written,
//! removed or expires; the writer does its own work on that, is killed or loses its power before a sync of the store or of
//! the cell file, between the two or after them, or is overtaken by another opening of the store; a client that may have
//! lost its answer asks again. There are 36 steps, and 1,183 histories: 113 more would be others under another name. A long
//! run has three steps and more ways to combine them.
//!
//! * It shows that what was answered stands and is erased, that a retry has the first answer, that a lost race has erased
//!   nothing, and that what ended has no secret left.
//! * Its control: a commit that compares nothing of what was judged; erasing before it is durable, or not at all; a commit
//!   that is never durable; an answer before it is durable, or before what ends is erased; answers that are forgotten.
//! * It does not show longer histories, several keys or several changes at once, nor another interleaving of two openings
//!   than this: the other one is whole, and comes just before the batch. It asks again once at most, after the step.
//!
//! ## Hostile callers
//!
//! C programs of `tests/abi`, by `tests/run abi`, load the module as any client does. `sequences` makes any calls with
//! any arguments, good and absurd, through the function lists of 2.40, 3.0 and 3.2, beside a model of the library, its
//! sessions, the login and the operations, which says what codes each call may give. Each run makes
//! the same ones and others, by a seed of the clock; `KEYSTEAD_SEED` and `KEYSTEAD_CALLS` choose. `memory` is 3,000 of them under valgrind; so are `arguments`, each
//! function with NULL and absurd lengths, and `overlap`, output that lies over input. `races` is under helgrind:
//! threads with sessions of their own sign with the same keys, and make, find and destroy objects.
//!
//! * They show that in 17,000 calls, by which 78 of 104 functions succeed, each code is one that the function's section
//!   lists and the state allows; that the module neither reads nor writes what is not its own or the caller's, reads
//!   nothing that was never written and loses no memory; and that threads do not race within AWS-LC.
//! * Their controls: five flaws in the answers, each of which is found by the rule that it breaks, and nothing where
//!   nothing is wrong; a read of what was never written, one beyond the end, memory that is lost, and a counter that
//!   threads share unguarded, each of which the tools report.
//! * They do not show that a result is right, which vectors and scenarios do. Functions that do not succeed by chance,
//!   such as `C_DeriveKey`, are met in their errors alone. Valgrind sees the module and not the agent, and no overrun
//!   within the stack. Helgrind does not know Rust's locks, so that all of its reports within Rust are suppressed
//!   (`tests/abi/races.supp`): that Rust's threads do not race is the compiler's word, and that of the reasons beside
//!   each `unsafe`.
//!
//! ## Fuzzing
//!
//! `tests/fuzz`: sixteen targets read any bytes: templates, the parameters of mechanisms, wrapped keys, records, the
//! agent's requests and answers, an agent that is asked anything, the configuration, JSON, manifests, keys and
//! certificates as other programs write them, SoftHSM's files, and words. libFuzzer drives them in the ordinary test
//! programs, whose own code is instrumented; a stable compiler does. `tests/run fuzz` gives each four seconds,
//! `KEYSTEAD_FUZZ_SECONDS=3600 tests/run fuzz` an hour, `tests/fuzz/run --merge` takes what was reached into the corpora
//! in `tests/fuzz/corpus`, which every `cargo test` replays. `tests/run sanitizer` does the same with the library's
//! targets and unit tests under AddressSanitizer, `tests/run miri` with some unit tests under Miri, where the toolchain
//! has it.
//!
//! * It shows that no input was found for which the code panics, reads where it must not, takes more than ten seconds or
//!   1 GiB, or for which a target's property does not hold, such as that what was read is written again as it was, and
//!   that a refusal is one that PKCS#11 has for it.
//! * It has no planted flaw to find. Where a property fails the run fails, and leaves the input in `target/fuzz`: so a
//!   target that gave a pointer where a shorter structure ended was found within five seconds.
//! * It does not show that there is no such input, and sees nothing of the order of calls, nor of threads. Orders of
//!   calls are `tests/abi/sequences.c`'s, beside a model of legal codes, of which it finds five flaws.

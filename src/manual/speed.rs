//! The cost of mechanisms beside AWS-LC's own functions, and of the whole module beside others, and how to measure
//! both again.
//!
//! # Beside other modules
//!
//! `tests/bench` loads modules by their paths, as programs do: the release build, SoftHSM as Debian has it, kryoptic
//! built from the registry of crates with the OpenSSL at hand, and any other that `--module` names. What cannot be had
//! is left out, and said. It writes `report.md`, `report.json` and plots to `target/bench`; each has the date, the
//! versions, the processor, the load of the machine, and the command that repeats the run. The last one is kept in
//! `tests/benchmark/report`; README has some of its rows.
//!
//! * *Operations*: all modules and AWS-LC take turns in one process, in slices of 20 ms, and each round begins with
//!   another one. A time is that of one operation, of its beginning and its end: `C_EncryptInit` and `C_Encrypt`. The
//!   column AWS-LC is the floor: the same cryptography with the key at hand, without sessions, objects or rights. What a
//!   row undoes, such as a key that it has made, is not in its time.
//! * *Keys*: the stores of all modules grow together, from 10 to 100,000 token keys, or to 1,000,000 by `--keys`. At each
//!   number a new process initialises the module, logs in, finds one key by its ID, finds it again, lists all objects and
//!   signs; its memory is measured, that of the processes that serve the store, and the store's blocks on the disk. The
//!   time of a creation is the middle of the last 200. At each number one start is made with no such process left. A
//!   module that needs more than `--patience` seconds for a step stays behind, and the table says how far it came.
//! * *Threads and processes*: calls a second of so many threads in one process, and of so many processes, half a second
//!   long; of AES-256-GCM, and of durable creations.
//! * *Imports*: by the first module's program, each key of 1,000 that one run of `keystead import-many` brings, and one
//!   that a run of `keystead import` brings, with all that a program does before and after.
//! * *Interruptions*: one creation after the processes that serve the store were killed, and one while they are stopped,
//!   with the call after it. Modules without such a process have no such row.
//!
//! Keystead's keys are custom keys there, as they are by default: a creation makes metadata and material. Durable is what
//! the module calls so: Keystead syncs before it answers, SoftHSM does not. The row `one fdatasync` is what the disk
//! takes. The median of all rounds counts; the JSON has the least and the most. Ratios hold on a machine that others use,
//! times do not. It does not show what clients add to a call.
//!
//! ## What is not as fast as it should be
//!
//! As `tests/bench` showed it on 1 December 2026, beside others on the machine, and what a profile says of each:
//!
//! | | goal | reached | why |
//! |---|---|---|---|
//! | find by ID, first | 60 µs | 0.23 ms, 0.31 among 100,000 keys | one round trip since the connection of the login goes on (0.64 to 0.81 ms before, on the same store beside others); two processes have to be woken for it |
//! | find by ID, again | 0.5 µs | 0.46 µs | reached; no function above a tenth, an eighth is allocation, 7 % the clock |
//! | 100,000 keys listed, 200,000 objects | 30 ms | 52 ms | of 63 ms on the processor the agent's 18 are a walk through its index (a third) and its answers, the module's 45 two hash tables of handles (a third) and the pages of 32 MiB |
//! | a session key created | 1 µs | 1.9 µs | some 25 attributes are put in order (13 %), filled in (6 %) and looked up in the rules (5 %), a fifth is allocation and locks |
//! | a killed agent's next call | 50 ms | 41 to 52 ms | the program starts twice, to leave no child behind, opens sled with its threads, and syncs thirteen times |
//! | a cold agent, 100,000 keys | 0.3 s | 0.27 to 0.30 s | reached; 1.0 s with the login and the first find beside others |
//! | disk for each of 100,000 keys | 1.5 KiB | 5.8 KiB | sled's pages for rows under random names; another format would be needed |
//! | 32 processes that create keys | 10 × one | 6 × to 11 × | they share syncs; beside others the disk's time varies more than theirs |
//! | 1,000 keys in one import | 20 × one by one | 185 × a program for each; 1.2 ms a key | each is wrapped, unwrapped and committed, eight at once |
//!
//! # Instructions
//!
//! A time that has grown by a tenth is not seen on a busy machine; its instructions are. `tests/run instructions` calls
//! the release build under callgrind and counts what is executed between the entry of its `C_` functions and their
//! return, in AWS-LC and the C library too. It fails where a call takes more than 5 % over what
//! `tests/benchmark/instructions.txt` has for the same compiler and the same processor features, as callgrind shows them
//! to the program, and is skipped where the file has none such. `tests/checks/instructions --write` records them. Work of
//! the agent is not counted, nor are caches, branches, locks or waits.
//!
//! # The measure
//!
//! `tests/run speed` builds for release and runs each mechanism beside the same operation straight in AWS-LC, in
//! one process, in short batches that take turns. Of several tries the fastest counts, and a ratio is that of the
//! medians: a machine that others use slows both alike. A mechanism begins anew with each message, with all that
//! it checks, allocates and wipes. AWS-LC does what a program does with it that has a key and one message: keys of
//! public-key cryptography are kept, a cipher's context is made for the message. What comes before, the session
//! and the caller's buffers, is the same for all mechanisms, and in neither.
//!
//! Where AWS-LC takes more than 20 µs the ratio may be 1.03, else 1.3; the run fails where one is more. Long
//! generations of keys may cost 1.05: a key moves into memory of its own, and the stack is wiped.
//!
//! # The table
//!
//! Measured on 30 November 2026 on two cores of a machine that others were using: the ratios hold, the times are
//! those of that machine.
//!
//! | | AWS-LC | Keystead | ratio |
//! |---|---|---|---|
//! | ML-KEM-512: encapsulate, decapsulate, generate | 7.2; 8.9; 6.4 µs | 7.5; 9.1; 7.1 µs | 1.04; 1.03; 1.12 |
//! | ML-KEM-768 | 11.0; 13.7; 10.0 µs | 11.3; 14.0; 10.7 µs | 1.03; 1.02; 1.07 |
//! | ML-KEM-1024 | 15.5; 20.0; 14.3 µs | 16.0; 20.1; 15.0 µs | 1.03; 1.01; 1.05 |
//! | ML-DSA-44: sign hedged, deterministically; verify; generate | 84.1; 75.8; 23.1; 24.3 µs | 86.0; 76.9; 21.1; 25.4 µs | 1.02; 1.01; 0.91; 1.05 |
//! | ML-DSA-65 | 113.7; 109.4; 40.6; 41.0 µs | 114.8; 110.5; 37.3; 42.0 µs | 1.01; 1.01; 0.92; 1.02 |
//! | ML-DSA-87 | 163.9; 153.7; 61.8; 63.9 µs | 167.6; 154.9; 57.6; 64.9 µs | 1.02; 1.01; 0.93; 1.02 |
//! | ECDSA on P-224: sign, verify | 21.7; 52.3 µs | 21.9; 53.1 µs | 1.01; 1.01 |
//! | ECDSA on P-256 | 14.0; 52.0 µs | 14.2; 52.8 µs | 1.01; 1.02 |
//! | ECDSA on secp256k1 | 186.8; 159.8 µs | 186.7; 163.3 µs | 1.00; 1.02 |
//! | Ed25519ctx, Ed25519ph: sign | 7.1; 7.5 µs | 7.2; 7.7 µs | 1.02; 1.03 |
//! | RSA-2048: sign | 265 µs | 268 µs | 1.01 |
//! | ChaCha20-Poly1305: 16, 512, 4096, 65536 bytes | 177, 382 ns; 1.8, 26.1 µs | 185, 389 ns; 1.8, 26.2 µs | 1.04; 1.02; 1.01; 1.00 |
//! | AES-256-XTS | 88, 116, 319 ns; 3.8 µs | 75, 98, 299 ns; 3.8 µs | 0.85; 0.84; 0.94; 0.99 |
//! | AES-256-OFB | 74, 473 ns; 3.3, 52.7 µs | 67, 462 ns; 3.3, 52.4 µs | 0.90; 0.98; 0.98; 0.99 |
//! | AES-256-CFB128 | 77, 633 ns; 4.7, 76.0 µs | 70, 623 ns; 4.6, 74.0 µs | 0.92; 0.98; 0.97; 0.97 |
//! | AES-256-GCM | 196, 244, 492 ns; 4.3 µs | 97, 141, 376 ns; 4.1 µs | 0.50; 0.58; 0.76; 0.96 |
//! | AES-256-GMAC | 183, 192, 294 ns; 1.8 µs | 90, 108, 215 ns; 1.7 µs | 0.49; 0.56; 0.73; 0.95 |
//! | HMAC-SHA-256 | 238, 506 ns; 2.4, 35.3 µs | 174, 449 ns; 2.3, 35.1 µs | 0.73; 0.89; 0.98; 1.00 |
//! | SHA-256 | 81, 342 ns; 2.3, 34.9 µs | 90, 356 ns; 2.3, 35.0 µs | 1.11; 1.04; 1.01; 1.00 |
//! | ECDH on P-256 with X9.63 | 37.2 µs | 38.1 µs | 1.02 |
//! | HKDF: 32, 1024 bytes | 484 ns; 5.8 µs | 548 ns; 5.9 µs | 1.13; 1.02 |
//! | SP 800-108 by counter: 32, 1024 bytes | 241 ns; 4.0 µs | 291 ns; 5.1 µs | 1.21; 1.28 |
//! | PBKDF2: 1, 1000 iterations | 238 ns; 116.7 µs | 269 ns; 117.1 µs | 1.13; 1.00 |
//!
//! A mechanism keeps a cipher's context with the key, and is faster than AWS-LC with a new one. `tests/bench --only kept`
//! measures it beside a program that keeps a context itself.
